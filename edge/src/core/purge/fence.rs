//! How far a node's view of purges reached at one moment.

use crate::core::log::Position;

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

    /// This fence for what a tier above answered, which says up to where no purge hides it. The node takes over what the
    /// tier says, be it more or less than what the node has applied; its own invalidations it knows best itself.
    #[must_use]
    pub fn answered_at(self, log: Position) -> Self {
        Self { log, ..self }
    }
}
