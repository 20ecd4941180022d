//! What the records of a log add up to.

use super::chain::Chain;
use super::position::{Epoch, Position};
use super::record::{Event, Member, Record};
use crate::core::rules::{self, Rule};
use std::collections::BTreeMap;

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
}

impl Default for Ledger {
    fn default() -> Self {
        Self { position: Position::ZERO, chain: Chain::START, sealed: false, members: BTreeMap::new() }
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
            Event::Epoch { .. } => self.sealed = false,
            Event::Seal => self.sealed = true,
            Event::Join(member) => drop(self.members.insert(member.clone(), record.position)),
            Event::Leave { member, .. } => drop(self.members.remove(member)),
            Event::Purge(_) => {}
        }
        Ok(())
    }

    /// Its epoch.
    pub const fn epoch(&self) -> Epoch {
        self.position.epoch()
    }
}
