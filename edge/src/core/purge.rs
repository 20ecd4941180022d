//! What a purge hides.
//!
//! A purge is a rule (a [`Selector`] and a [`Mode`]) with a number. Applying it touches the [`Index`] alone, never the
//! entries: an entry carries the number up to which no rule hides it (`valid_seq`, in its [`Mark`]), and is hidden as
//! soon as the index holds a later rule for one of its selectors. So a purge of a million objects costs as much as a
//! purge of one, and a fill that was in flight when the purge landed is hidden too, since its number is the one that
//! was applied when its upstream request was sent.
//!
//! Numbers are compared here and nowhere else.

mod index;
mod mark;
mod selector;

#[cfg(test)]
mod tests;

pub use index::{Index, MAX_PREFIX_LENGTHS, MAX_RULES, SWEEP_AT};
pub use mark::Mark;
pub use selector::{MAX_PREFIX_BYTES, Mode, Selector, SelectorError, Subject};
