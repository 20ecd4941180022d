//! What the records of a log add up to.

use super::chain::Chain;
use super::position::{Epoch, Position};
use super::record::{Event, Member, Record};
use crate::core::id::NodeId;
use crate::core::rules::{self, Rule};
use std::collections::{BTreeMap, BTreeSet};

/// The state of a log at a position: the sum of all records up to there. Kept in place of records that were dropped, and
/// computed from it and from those that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// Where it stands.
    pub position: Position,
    /// The chain there.
    pub chain: Chain,
    /// The log goes on elsewhere.
    pub sealed: bool,
    /// The members, and where each has joined.
    pub members: BTreeMap<Member, Position>,
    /// After records may have been lost, as with a backup: the nodes that are known not to run. `None`: none was lost, and
    /// who is no member does not run.
    pub gone: Option<BTreeSet<NodeId>>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { position: Position::ZERO, chain: Chain::START, sealed: false, members: BTreeMap::new(), gone: None }
    }
}

/// A record that does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// Records are missing before it, or it was there already.
    #[error("record {got} does not follow {after}")]
    Number {
        /// What is known.
        after: Position,
        /// The record's position.
        got: Position,
    },
    /// It begins an epoch without saying so, or says so within one.
    #[error("record {0} is of another epoch than it says")]
    Epoch(Position),
}

/// Whether a record at `got` follows one at `after`.
pub(super) fn follows(after: Position, got: Position, event: &Event) -> Result<(), NotNext> {
    let is_next = got.seq() == after.seq() + 1 || !rules::on(Rule::ContiguousOnly);
    if !is_next || got < after {
        return Err(NotNext::Number { after, got });
    }
    let begins = matches!(event, Event::Epoch { .. });
    if begins != (got.epoch() != after.epoch()) { Err(NotNext::Epoch(got)) } else { Ok(()) }
}

impl Ledger {
    /// Takes in the next record, whose kept form is `bytes`.
    ///
    /// # Errors
    /// [`NotNext`] if it does not follow; nothing has changed then.
    pub fn add(&mut self, record: &Record, bytes: &[u8]) -> Result<(), NotNext> {
        follows(self.position, record.position, &record.event)?;
        let is_first = self.position == Position::ZERO;
        self.chain = self.chain.with(record.position, bytes);
        self.position = record.position;
        match &record.event {
            Event::Epoch { .. } => {
                // What a seal ends is whole. Otherwise somebody may have joined who is not in these records.
                if !self.sealed && !is_first {
                    self.gone = Some(BTreeSet::new());
                }
                self.sealed = false;
            }
            Event::Seal => self.sealed = true,
            Event::Join(member) => {
                if let Some(gone) = &mut self.gone {
                    gone.remove(&member.node);
                }
                self.members.insert(member.clone(), record.position);
            }
            Event::Leave { member, .. } => {
                self.members.remove(member);
                let has_another = self.members.keys().any(|other| other.node == member.node);
                if let Some(gone) = self.gone.as_mut().filter(|_| !has_another) {
                    gone.insert(member.node.clone());
                }
            }
            Event::Gone(node) => {
                if let Some(gone) = &mut self.gone {
                    gone.insert(node.clone());
                }
            }
            Event::Purge(_) => {}
        }
        Ok(())
    }

    /// Whether no process of a node runs that is no member, as far as these records tell.
    pub fn is_known_gone(&self, node: &NodeId) -> bool {
        self.gone.as_ref().is_none_or(|gone| gone.contains(node))
    }

    /// Its epoch.
    pub const fn epoch(&self) -> Epoch {
        self.position.epoch()
    }
}
