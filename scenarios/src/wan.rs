//! Links of real length on loopback: how far places are apart ([`geo`]), and a proxy that makes bytes take that long
//! ([`Link`]).

mod carry;
pub mod geo;
mod link;

pub use link::{Link, LinkSpec, Traffic};
