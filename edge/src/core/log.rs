//! The purge log as pure state machines: its positions and chain, the home that numbers records, the followers that apply
//! them, the members whose receipts prove a purge, and leases.
//!
//! The shells around them (the home's database, the streams between nodes) may only call transitions; numbers are compared
//! here and in [`crate::core::purge`], nowhere else.

mod position;

pub use position::{Epoch, Position};
