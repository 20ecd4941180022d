//! The records of the purge log.

use super::position::Position;
use crate::core::id::{NodeId, TokenId};
use crate::core::key_rules::KeyRules;
use crate::core::purge::{Mode, Selector};
use crate::core::time::Timestamp;
use std::fmt;

/// Longest id of a purge or of a boot, in bytes.
pub const MAX_ID_BYTES: usize = 64;

/// A record: at its position, when it was numbered, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// When the home numbered it, by the home's clock.
    pub issued_at: Timestamp,
    /// What it says.
    pub event: Event,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// An epoch begins: whatever was stored before is hidden. The first record of every log, and of every epoch.
    Epoch {
        /// Made anew for each epoch, so that no two logs have the same chain.
        name: String,
    },
    /// Something is purged.
    Purge(Purge),
    /// A node that starts becomes a member: it is waited for from now on.
    Join(Member),
    /// A member is one no longer.
    Leave {
        /// Who.
        member: Member,
        /// Why.
        why: Leaving,
    },
    /// A node that is no member does not run, says an operator: it might have joined in records that are lost.
    Gone(NodeId),
    /// The log goes on elsewhere. This home numbers nothing any more.
    Seal,
}

/// A purge as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// By which a retry is known.
    pub id: RecordId,
    /// A digest of what was asked for, by which a retry is told from another purge of the same id.
    pub digest: [u8; 16],
    /// The token that allowed it.
    pub by: TokenId,
    /// How.
    pub mode: Mode,
    /// What.
    pub selectors: Vec<Selector>,
    /// The rules of their sites by which they were made: who has others would look for something else.
    pub rules: KeyRules,
}

/// A member: one process of a node, from its start to its end. Its boot alone names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Member {
    /// The node.
    pub node: NodeId,
    /// Which start of it.
    pub boot: RecordId,
    /// Its data folder, which it has for itself for as long as it runs: the next process there finds it gone.
    pub folder: RecordId,
    /// Whether it serves what it has stored under leases alone, for as long as it runs.
    pub strict: bool,
}

impl fmt::Display for Member {
    /// As in `fra-1/3f09a2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.boot)
    }
}

/// Why a member leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leaving {
    /// It has drained and said so.
    Drained,
    /// The node's next process has found it gone.
    Replaced,
    /// An operator says that it does not run any more.
    Forgotten,
}

/// An id that its maker chose: 1 to [`MAX_ID_BYTES`] of `A-Z a-z 0-9 - _ . :`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(Box<str>);

impl RecordId {
    /// Takes an id; `None` if it is not made as ids must be.
    pub fn new(text: &str) -> Option<Self> {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        (!text.is_empty() && text.len() <= MAX_ID_BYTES && text.bytes().all(good)).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for text in ["a", "deploy:v41", "3f09-A_2.x", &"x".repeat(64)] {
            assert_eq!(RecordId::new(text).as_ref().map(RecordId::as_str), Some(text));
        }
        for text in ["", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert_eq!(RecordId::new(text), None, "{text:?}");
        }
    }
}
