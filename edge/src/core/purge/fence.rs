//! How far a node's view of purges reached at one moment.

use crate::core::log::Position;
use crate::core::reuse::PurgeMark;
use crate::core::rules::{self, Rule};

/// What a node had applied at one moment, in the two orders that there are: the purge log, which all nodes share, and the
/// node's own invalidations (RFC 9111 §4.4, RFC 9875), which other nodes know nothing of.
///
/// The fence of a fill is sampled before the first byte of its upstream request is written, once per attempt: what came
/// back is not older than that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fence {
    pub(super) log: Position,
    pub(super) own: Position,
}

impl Fence {
    /// Before everything: every rule hides what has it.
    pub const ZERO: Self = Self { log: Position::ZERO, own: Position::ZERO };

    /// A fence at these positions.
    pub const fn new(log: Position, own: Position) -> Self {
        Self { log, own }
    }

    /// Its position in the purge log.
    pub const fn log(self) -> Position {
        self.log
    }

    /// Its position in the node's own order.
    pub const fn own(self) -> Position {
        self.own
    }

    /// Whether it reaches at least as far as `other`, in both orders. Only then may a fill take the place of another one.
    pub fn reaches(self, other: Self) -> bool {
        self.log >= other.log && self.own >= other.own
    }

    /// As far as both reach: what is put together from two responses.
    #[must_use]
    pub fn meet(self, other: Self) -> Self {
        Self { log: self.log.min(other.log), own: self.own.min(other.own) }
    }

    /// This fence with another position in the log: up to where no purge is known to hide what was fetched. Its own
    /// invalidations a node knows best itself.
    #[must_use]
    pub fn answered_at(self, log: Position) -> Self {
        Self { log, ..self }
    }

    /// The fence of a stored response that a 304 has validated, which was sent for with this fence; `None` if a purge hides
    /// it by now. What is dead stays dead: the 304 may be of a response that was obtained after the purge, and has the same
    /// validator by chance. `stored` is the verdict on it *now*, under the tags that it had; `applied` what had been applied
    /// before that.
    #[must_use]
    pub fn of_validated(self, stored: PurgeMark, applied: Self) -> Option<Self> {
        (stored != PurgeMark::Hard || !rules::on(Rule::HiddenIsDead)).then(|| self.meet(applied))
    }
}
