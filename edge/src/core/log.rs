//! The purge log as pure state machines: its records, positions and chain, the home that numbers them, the followers that
//! apply them, and the members whose receipts prove a purge.
//!
//! The shells around them (the home's database, the streams between nodes) may only call transitions; positions are
//! compared here and in [`crate::core::purge`], nowhere else.

mod chain;
mod follower;
mod home;
mod lease;
mod ledger;
mod position;
mod receipts;
mod record;

#[cfg(test)]
mod tests;

pub use chain::Chain;
pub use follower::{Follower, Step};
pub use home::{Home, MAX_EPOCH_STEP, MAX_MEMBERS, Meeting, Numbered, Offer, RETRY_WINDOW, Refusal};
pub use lease::{Lease, Leases, MARGIN, MAX_GRANTS};
pub use ledger::{Ledger, MAX_GONE, NotNext};
pub use position::{Epoch, Position};
pub use receipts::Receipts;
pub use record::{Event, Leaving, MAX_ID_BYTES, Member, Purge, Record, RecordId};
