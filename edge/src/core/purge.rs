//! What a purge hides.
//!
//! A purge is a rule (a [`Selector`] and a [`Mode`]) at a position of the purge log. Applying it touches the [`Index`]
//! alone, never the entries: an entry carries the position up to which no rule hides it (in its [`Mark`]), and is hidden
//! as soon as the index holds a later rule for one of its selectors. So a purge of a million objects costs as much as a
//! purge of one, and a fill that was in flight when the purge landed is hidden too, since its [`Fence`] is what was applied
//! when its upstream request was sent.
//!
//! What unsafe requests invalidate (RFC 9111 §4.4) are rules too, in an order of the node's own.
//!
//! Positions are compared here and in [`crate::core::log`], and nowhere else.

mod fence;
mod index;
mod mark;
mod order;
mod selector;

#[cfg(test)]
mod tests;

pub use fence::Fence;
pub use index::{Arrival, Index, Look};
pub use mark::Mark;
pub use order::{Limits, MAX_PREFIX_LENGTHS, MAX_RULES, SWEEP_AT};
pub use selector::{Hashed, MAX_PREFIX_BYTES, Mode, Selector, SelectorError, Subject};
