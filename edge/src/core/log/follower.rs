//! A node that follows the log.

use super::chain::Chain;
use super::ledger::{NotNext, follows};
use super::position::Position;
use super::record::{Event, Purge, Record};
use crate::core::rules::{self, Rule};

/// How far a node is, and what it does with what it hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    applied: Position,
    chain: Chain,
    /// The furthest head that the home has told of on the stream that is open now.
    head: Option<Position>,
}

/// What a node has to do, before it acknowledges.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'r> {
    /// Apply the purge at the record's position.
    Purge(&'r Purge),
    /// Hide all that is not known to be valid beyond this position.
    HideAll(Position),
    /// Go to this position; nothing is purged there.
    Pass(Position),
}

impl Follower {
    /// A node that knows the log up to here; nothing of it at [`Position::ZERO`].
    pub const fn new(applied: Position, chain: Chain) -> Self {
        Self { applied, chain, head: None }
    }

    /// Up to where the node has applied the log.
    pub const fn applied(&self) -> Position {
        self.applied
    }

    /// The chain there.
    pub const fn chain(&self) -> Chain {
        self.chain
    }

    /// Whether the node had applied everything that the home knew when it last spoke.
    pub fn caught_up(&self) -> bool {
        self.head.is_some_and(|head| self.applied >= head)
    }

    /// The home tells of its head, on a stream that has just been opened or is open.
    pub fn told(&mut self, head: Position) {
        self.head = self.head.max(Some(head));
    }

    /// The stream is closed: what the home knows by now is unknown.
    pub const fn lost(&mut self) {
        self.head = None;
    }

    /// The home says to start at its head: what the node knew is not this log, or is too old.
    pub fn restart(&mut self, head: Position, chain: Chain) -> Step<'static> {
        (self.applied, self.chain, self.head) = (head, chain, Some(head));
        Step::HideAll(head)
    }

    /// The next record, whose kept form is `bytes`.
    ///
    /// # Errors
    /// [`NotNext`]: nothing has changed; the stream is to be opened anew.
    pub fn record<'r>(&mut self, record: &'r Record, bytes: &[u8]) -> Result<Step<'r>, NotNext> {
        follows(self.applied, record.position, &record.event)?;
        self.chain = self.chain.with(record.position, bytes);
        self.applied = record.position;
        self.told(record.position);
        Ok(match &record.event {
            Event::Purge(purge) => Step::Purge(purge),
            Event::Epoch { .. } if rules::on(Rule::EpochHidesAll) => Step::HideAll(record.position),
            Event::Epoch { .. } | Event::Join(_) | Event::Leave { .. } | Event::Gone(_) | Event::Seal => {
                Step::Pass(record.position)
            }
        })
    }
}
