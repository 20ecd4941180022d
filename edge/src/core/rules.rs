//! The purge protocol's rules by name, so that the simulation can show that it needs each of them.
//!
//! Whatever obeys a rule asks [`on`]. Without the feature `rule-switches` that is a constant; with it, a thread may run
//! with some rules off, and the monitors of the simulation must notice.

/// A rule of the purge protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A rule of the index counts whatever had been applied when the question was asked.
    NoUpperBound,
    /// The floor is read after the rules: what was retired meanwhile is below it.
    FloorAfterIndex,
    /// A mark advances to what had been applied before the check.
    AppliedBeforeCheck,
    /// A soft rule is recorded in the step that advances the mark.
    SoftWithAdvance,
    /// What is soft-purged once more is stale since the first time.
    FirstSoftCounts,
    /// A soft purge does not uncover what a hard one of the same selector hid.
    SoftAndHardKept,
    /// A fill's fence is sampled before its upstream request is sent.
    FenceBeforeSend,
    /// A fill in flight that a rule hides is not joined.
    JoinRefused,
    /// Whoever waited for a response's head looks again, with its tags.
    CheckAtHead,
    /// An older fill does not take a newer one's place.
    OlderNeverReplaces,
    /// A 304 merges into the entry whose validator was sent.
    ByIdentity,
    /// What a hard purge hides has no validator and takes no 304.
    HiddenIsDead,
    /// A validated entry is hidden by the tags that it had before, too.
    OldTagsCount,
    /// A tier that has heard of less than it is asked for does not answer from its cache.
    AskedIsHeeded,
    /// A tier's answer that is valid up to less than was asked is discarded.
    ReplyBelowDiscarded,
    /// A tier's answer is valid up to what was asked, not to what the tier has heard of beyond it.
    WorthWhatWasAsked,
    /// What a soft purge has marked is not given to a tier.
    SoftNotToTiers,
    /// Records are applied without gaps.
    ContiguousOnly,
    /// A record is acknowledged once it is applied.
    AckAfterApply,
    /// What is applied is durable before it is acknowledged.
    DurableBeforeAck,
    /// Followers see durable records only.
    DurableBeforeTold,
    /// An epoch hides all that came before it.
    EpochHidesAll,
    /// A restored home is known by its chain.
    ChainCompared,
    /// A node serves once it is a member and has caught up.
    CaughtUpFirst,
    /// A receipt is of a process, and every member is waited for.
    EveryMemberCounts,
    /// Who joined after a purge is waited for, too.
    LateMembersCount,
    /// A proof is of a purge, not of the number that it once had.
    ProofNamesPurge,
    /// A purge is proven once its members are in the epoch that the home is in.
    ProofInThisEpoch,
    /// A heartbeat's answer renews a lease only if all that the home had recorded is applied.
    LeaseNeedsApplied,
    /// A node gives up the end of its lease, since clocks differ.
    LeaseMargin,
    /// The home notes a grant before it reads the head that it answers with.
    GrantBeforeHead,
    /// A home that starts believes everybody to hold a lease.
    RestartAssumesLeases,
    /// A home that was restored from a backup, and grants leases, begins an epoch.
    RestoredBeginsEpoch,
    /// The lease is looked at for each request, after its head has arrived.
    LeaseReadPerRequest,
    /// What had been applied when a request came is looked at after its lease.
    AppliedAfterLease,
    /// Without a lease nothing that is stored answers unasked, fresh, stale or instead of an error.
    NoLeaseNoReuse,
    /// Without a lease no fetch in flight is joined.
    NoLeaseNoJoin,
    /// A member is removed once its leases have ended.
    RemovalAfterLease,
    /// A home whose log has moved grants nothing.
    SealedGrantsNothing,
    /// What an unsafe request makes invalid is hidden, stored or in flight.
    InvalidationsHide,
    /// The response to a HEAD makes nothing valid for longer.
    HeadAdvancesNothing,
    /// A client's conditions are compared with what no purge hides.
    PurgesBeforeConditions,
}

/// Whether a rule is obeyed.
#[cfg(not(feature = "rule-switches"))]
pub const fn on(_: Rule) -> bool {
    true
}

#[cfg(feature = "rule-switches")]
pub use switches::{on, without};

#[cfg(feature = "rule-switches")]
mod switches {
    use super::Rule;
    use std::cell::Cell;

    thread_local! {
        /// One bit for each rule that is off.
        static OFF: Cell<u64> = const { Cell::new(0) };
    }

    /// Whether a rule is obeyed on this thread.
    pub fn on(rule: Rule) -> bool {
        OFF.get() & 1 << rule as u64 == 0
    }

    /// Does something on this thread without these rules.
    pub fn without<T>(rules: &[Rule], act: impl FnOnce() -> T) -> T {
        let before = OFF.get();
        OFF.set(rules.iter().fold(before, |off, &rule| off | 1 << rule as u64));
        let done = act();
        OFF.set(before);
        done
    }
}
