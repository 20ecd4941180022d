//! What the members have acknowledged.

use super::position::Position;
use super::record::Member;
use std::collections::HashMap;

/// Up to where each member has applied the log, as far as it has said since the home runs.
#[derive(Debug, Default)]
pub struct Receipts {
    applied: HashMap<Member, Position>,
}

impl Receipts {
    /// Up to where a member has applied the log; `None` if it has said nothing yet.
    pub fn applied(&self, member: &Member) -> Option<Position> {
        self.applied.get(member).copied()
    }

    /// What a member has once acknowledged stays so: a late word takes nothing back.
    pub(super) fn note(&mut self, member: &Member, applied: Position) {
        let known = self.applied.entry(member.clone()).or_default();
        *known = applied.max(*known);
    }

    pub(super) fn forget(&mut self, member: &Member) {
        self.applied.remove(member);
    }
}
