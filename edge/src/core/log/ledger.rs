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
    /// The nodes that are known not to run: their last member has left, or an operator has said so. Of any other node that
    /// is no member nothing is known: these may not be all the records that there were. Those of a backup may have been
    /// followed by others, and an empty log may stand where one was lost. So it begins anew with each epoch.
    pub gone: BTreeSet<NodeId>,
}

/// How many nodes are known not to run at most. Past it one of them is forgotten, which holds up a proof until an operator
/// says it once more.
pub const MAX_GONE: usize = 10_000;

impl Default for Ledger {
    fn default() -> Self {
        Self {
            position: Position::ZERO,
            chain: Chain::START,
            sealed: false,
            members: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
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
        self.chain = self.chain.with(record.position, bytes);
        self.position = record.position;
        match &record.event {
            Event::Epoch { .. } => {
                self.gone.clear();
                self.sealed = false;
            }
            Event::Seal => self.sealed = true,
            Event::Join(member) => {
                self.gone.remove(&member.node);
                self.members.insert(member.clone(), record.position);
            }
            Event::Leave { member, .. } => {
                self.members.remove(member);
                if !self.has_member(&member.node) {
                    self.note_gone(&member.node);
                }
            }
            Event::Gone(node) => self.note_gone(node),
            Event::Purge(_) => {}
        }
        Ok(())
    }

    fn note_gone(&mut self, node: &NodeId) {
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_first();
        }
        self.gone.insert(node.clone());
    }

    /// Whether a process of a node is a member.
    pub fn has_member(&self, node: &NodeId) -> bool {
        self.members.keys().any(|member| member.node == *node)
    }

    /// Its epoch.
    pub const fn epoch(&self) -> Epoch {
        self.position.epoch()
    }
}
