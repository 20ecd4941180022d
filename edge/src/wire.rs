//! Layer 2: what travels between the programs, as JSON.

pub mod admin;
pub mod backup;
pub mod follow;
pub mod log;
pub mod purge;
pub mod stats;
