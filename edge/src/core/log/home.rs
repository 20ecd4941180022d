//! The home of the log: what it numbers, what it refuses, whom it knows.

use super::chain::Chain;
use super::ledger::{Ledger, NotNext};
use super::position::{Epoch, Position};
use super::receipts::Receipts;
use super::record::{Event, Leaving, Member, Purge, Record, RecordId};
use crate::core::id::{NodeId, TokenId};
use crate::core::rules::{self, Rule};
use crate::core::time::Timestamp;
use std::collections::HashMap;
use std::time::Duration;

/// For how long the same purge, sent again under its id, is answered with its first number.
pub const RETRY_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// How far an epoch may lie above the one that a home is in. A home that begins one above any that it hears of would else
/// be out of epochs by one bad word.
pub const MAX_EPOCH_STEP: Epoch = 1000;

/// How many members there may be. Each process of a node is one, and leaves when it ends or is found gone.
pub const MAX_MEMBERS: usize = 10_000;

/// A home: the sum of its records, and what it has heard from its members since it runs.
///
/// What it decides is an event that its shell writes down durably, and hands back as [`Home::committed`]: nothing has
/// happened before.
#[derive(Debug)]
pub struct Home {
    ledger: Ledger,
    /// Records up to here are not kept, and this is the chain there.
    base: (Position, Chain),
    /// Where this epoch began; or later, if that record is not kept.
    epoch_began: Position,
    /// By token and id: nobody can take another one's ids.
    purges: HashMap<(TokenId, RecordId), Numbered>,
    receipts: Receipts,
}

/// A purge that has its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Where it is.
    pub position: Position,
    /// When it was numbered.
    pub issued_at: Timestamp,
    digest: [u8; 16],
}

/// What becomes of a purge that is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It is to be recorded at this position.
    Number(Position),
    /// It is the same as one that was recorded already.
    Same(Numbered),
}

/// Why a home does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The log goes on elsewhere.
    #[error("the purge log is sealed: its home has moved")]
    Sealed,
    /// No epoch has been begun.
    #[error("the purge log has no epoch yet")]
    NotOpened,
    /// There are no epochs left.
    #[error("the purge log has no epochs left")]
    NoEpochs,
    /// The id is another purge's.
    #[error("the id was used for another purge, at {0}")]
    IdReused(Position),
    /// The purge was recorded too long ago for this to be a retry.
    #[error("the id was used for the same purge at {0}, too long ago for a retry")]
    RetryTooLate(Position),
    /// Somebody says to know an epoch that can't have been.
    #[error("epoch {0} is too far ahead to be one of this purge log")]
    NoSuchEpoch(Epoch),
    /// Another process runs as this node.
    #[error("another process runs as this node: {0}")]
    NodeTaken(Member),
    /// A member may still serve under its lease.
    #[error("{0} may hold a lease")]
    MayHoldLease(Member),
    /// Nobody by this name.
    #[error("{0} is no member")]
    NoMember(String),
    /// There are [`MAX_MEMBERS`].
    #[error("there are {MAX_MEMBERS} members already")]
    TooManyMembers,
}

/// What a home says to somebody who knows the log up to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// It is this log: the records behind that position follow.
    Continues,
    /// It knows nothing, or records that it would need are not kept any more: it hides all that it has, and goes on from
    /// the head.
    StartsAtHead,
    /// It has seen another log, or one that went on without this home. Before anything else is numbered, an epoch above
    /// this one must begin; then it starts at the head.
    MustOpenAbove(Epoch),
}

impl Home {
    /// A home whose records up to `base` add up to this.
    pub fn new(base: Ledger) -> Self {
        Self {
            base: (base.position, base.chain),
            epoch_began: base.position,
            receipts: Receipts::default(),
            purges: HashMap::new(),
            ledger: base,
        }
    }

    /// What the records add up to.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The position of the last record.
    pub const fn head(&self) -> Position {
        self.ledger.position
    }

    /// Records up to here are not kept.
    pub const fn base(&self) -> Position {
        self.base.0
    }

    /// What the members have acknowledged.
    pub const fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    /// Where the next record goes, unless it begins an epoch.
    ///
    /// # Errors
    /// [`Refusal::Sealed`], [`Refusal::NotOpened`].
    pub fn next(&self) -> Result<Position, Refusal> {
        match self.ledger.epoch() {
            0 => Err(Refusal::NotOpened),
            _ if self.ledger.sealed => Err(Refusal::Sealed),
            _ => Ok(self.head().next()),
        }
    }

    /// Where the record of an epoch above `seen` goes.
    ///
    /// # Errors
    /// [`Refusal::NoEpochs`], [`Refusal::NoSuchEpoch`]; [`Refusal::Sealed`], unless the seal `is_lifted`, as where the log
    /// moves to.
    pub fn next_epoch(&self, seen: Epoch, is_lifted: bool) -> Result<Position, Refusal> {
        if self.ledger.sealed && !is_lifted {
            return Err(Refusal::Sealed);
        }
        if seen > self.ledger.epoch().saturating_add(MAX_EPOCH_STEP) {
            return Err(Refusal::NoSuchEpoch(seen));
        }
        let epoch = seen.max(self.ledger.epoch()).checked_add(1).ok_or(Refusal::NoEpochs)?;
        Ok(self.head().next_in(epoch))
    }

    /// What becomes of a purge with this id and digest, which a token allowed.
    ///
    /// # Errors
    /// [`Refusal`]: the id is another's, the retry is too late, or nothing is numbered here.
    pub fn offer(&self, by: &TokenId, id: &RecordId, digest: [u8; 16], now: Timestamp) -> Result<Offer, Refusal> {
        match self.purges.get(&(by.clone(), id.clone())) {
            Some(first) if first.digest != digest => Err(Refusal::IdReused(first.position)),
            Some(first) if now.since(first.issued_at) > RETRY_WINDOW => Err(Refusal::RetryTooLate(first.position)),
            Some(first) => Ok(Offer::Same(*first)),
            None => self.next().map(Offer::Number),
        }
    }

    /// Whether somebody who knows the log up to `at` can be told of it. To be asked before it joins: who can't follow would
    /// be waited for in vain.
    ///
    /// # Errors
    /// [`Refusal`], as of [`Home::next_epoch`], where that would be needed.
    pub fn may_come(&self, at: Position) -> Result<(), Refusal> {
        if at.epoch() > self.ledger.epoch() { self.next_epoch(at.epoch(), false).map(drop) } else { Ok(()) }
    }

    /// What is to be recorded, in this order, for a process that wants to be a member; nothing if it is one. `is_heard` says
    /// of whom a stream is open.
    ///
    /// # Errors
    /// [`Refusal::NodeTaken`] if another process of the node may be running: it has another data folder, or is heard of. The
    /// same folder can't be had twice, but a copy of it can.
    pub fn join(&self, member: &Member, is_heard: impl Fn(&Member) -> bool) -> Result<Vec<Event>, Refusal> {
        if self.is_member(member) {
            return Ok(Vec::new());
        }
        let mut events = Vec::new();
        for other in self.ledger.members.keys().filter(|other| other.node == member.node) {
            if other.folder != member.folder || is_heard(other) {
                return Err(Refusal::NodeTaken(other.clone()));
            }
            events.push(Event::Leave { member: other.clone(), why: Leaving::Replaced });
        }
        if self.ledger.members.len() >= MAX_MEMBERS {
            return Err(Refusal::TooManyMembers);
        }
        events.push(Event::Join(member.clone()));
        Ok(events)
    }

    /// What is to be recorded for a member that has drained; nothing if it is none.
    pub fn drained(&self, member: &Member) -> Option<Event> {
        self.is_member(member).then(|| Event::Leave { member: member.clone(), why: Leaving::Drained })
    }

    /// What is to be recorded when an operator says that a node does not run any more.
    ///
    /// # Errors
    /// [`Refusal::NoMember`].
    pub fn forget(&self, node: &NodeId) -> Result<Vec<Event>, Refusal> {
        let members = self.ledger.members.keys().filter(|member| member.node == *node);
        let events: Vec<Event> =
            members.map(|member| Event::Leave { member: member.clone(), why: Leaving::Forgotten }).collect();
        match events.is_empty() {
            false => Ok(events),
            true if self.ledger.gone.contains(node) => Err(Refusal::NoMember(node.to_string())),
            true => Ok(vec![Event::Gone(node.clone())]),
        }
    }

    /// The last purge with this id: of that token, or whoever allowed it.
    pub fn find(&self, id: &RecordId, by: Option<&TokenId>) -> Option<Numbered> {
        if let Some(by) = by {
            return self.purges.get(&(by.clone(), id.clone())).copied();
        }
        let named = self.purges.iter().filter(|((_, known), _)| known == id);
        named.map(|(_, numbered)| *numbered).max_by_key(|numbered| numbered.position)
    }

    /// Whether a process is a member.
    pub fn is_member(&self, member: &Member) -> bool {
        self.ledger.members.contains_key(member)
    }

    /// What to say to somebody who knows the log up to `at`, where its chain is `chain`. `kept` is this home's own chain
    /// there, if it still has the record.
    pub fn meets(&self, at: Position, chain: Chain, kept: Option<Chain>) -> Meeting {
        if at == Position::ZERO {
            return Meeting::StartsAtHead;
        }
        let kept = if at == self.base.0 { Some(self.base.1) } else { kept };
        match kept {
            Some(kept) if kept == chain || !rules::on(Rule::ChainCompared) => Meeting::Continues,
            // It can't be told any more whether it was this log; but nothing of it counts.
            None if at < self.base.0 => Meeting::StartsAtHead,
            // This epoch began after all that it may have seen.
            Some(_) | None if at.epoch() < self.ledger.epoch() => Meeting::StartsAtHead,
            Some(_) | None => Meeting::MustOpenAbove(at.epoch()),
        }
    }

    /// A record is durable: from now on it has happened.
    ///
    /// # Errors
    /// [`NotNext`] if it does not follow; nothing has changed then.
    pub fn committed(&mut self, record: &Record, bytes: &[u8]) -> Result<(), NotNext> {
        self.ledger.add(record, bytes)?;
        match &record.event {
            Event::Purge(Purge { id, digest, by, .. }) => {
                let numbered = Numbered { position: record.position, issued_at: record.issued_at, digest: *digest };
                self.purges.entry((by.clone(), id.clone())).or_insert(numbered);
            }
            Event::Leave { member, .. } => self.receipts.forget(member),
            Event::Epoch { .. } => self.epoch_began = record.position,
            Event::Join(_) | Event::Gone(_) | Event::Seal => {}
        }
        Ok(())
    }

    /// Records up to `base`, where the chain is `chain`, are not kept any more.
    pub fn dropped(&mut self, base: Position, chain: Chain) {
        self.base = (base, chain);
        self.purges.retain(|_, numbered| numbered.position > base);
    }

    /// A member says up to where it has applied the log.
    pub fn acknowledged(&mut self, member: &Member, applied: Position) {
        if self.is_member(member) {
            self.receipts.note(member, applied.min(self.head()));
        }
    }

    /// The members that have not applied the record at `at`, as far as is known here, in their order: what stands in the way
    /// of the proof.
    ///
    /// Who joined later counts, too. A process that starts hides what it must before it serves; but one that has been
    /// serving for long joins anew where the home was restored from a backup that does not know it, and serves what it
    /// has until it hears more.
    ///
    /// A purge from before this epoch is proven once the members are in it. Until a restored home meets somebody who knows
    /// what it has lost, it goes on in the old epoch; and what that one has answered others meanwhile was valid up to a
    /// number that stands for another record here. Only the epoch hides it.
    pub fn unproven(&self, at: Position) -> Vec<Member> {
        let at = self.to_apply(at);
        let has_applied = |member: &Member| self.receipts.applied(member).is_some_and(|to| to >= at);
        let joined_later = |joined: &Position| *joined > at && !rules::on(Rule::LateMembersCount);
        let members = self.ledger.members.iter();
        let unproven = members.filter(|(member, joined)| !joined_later(joined) && !has_applied(member));
        unproven.map(|(member, _)| member.clone()).collect()
    }

    /// What a member must have applied, for the record at `at` to be proven.
    pub(super) fn to_apply(&self, at: Position) -> Position {
        if rules::on(Rule::ProofInThisEpoch) { at.max(self.epoch_began) } else { at }
    }
}
