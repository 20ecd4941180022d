//! Leases: for how long a node that hears nothing may believe that nothing was purged.
//!
//! A node whose site is strict serves what it has stored only under a lease, and each of its requests goes to the origin
//! without one. So a node that can't be reached holds up a purge no longer than its lease lasts: the home knows when the
//! last one ends that it has granted before the purge.
//!
//! The node sends a heartbeat, the home notes the grant and answers with its head. The node counts from when it *sent* the
//! heartbeat, the home from when it noted the grant, which is later; and the node gives up [`MARGIN`] of the duration, so
//! clocks may run at different rates (Gray and Cheriton, "Leases", SOSP 1989). Nobody compares two machines' clocks.
//!
//! A purge that was proven by the end of leases may be known to its home alone. So a home that is restored from a backup
//! must begin an epoch ([`Home::next_epoch`]) before it grants anything: nobody else could tell it what it has lost.

use super::home::{Home, Refusal};
use super::position::Position;
use super::record::{Event, Member};
use crate::core::boot_time::BootTime;
use crate::core::id::NodeId;
use crate::core::rules::{self, Rule};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The part of a lease that its node gives up: a tenth. Rates of clocks must differ by less; those of quartz differ by a
/// thousandth of that.
pub const MARGIN: u32 = 10;

/// How many grants of one member are told apart, by the head at the time. Past it the last two are taken together, which is
/// as safe, and holds up a purge between them for longer than it must.
pub const MAX_GRANTS: usize = 16;

/// A node's side: the lease of one process.
///
/// It is bound to the home's log: only replies on a stream on which node and home have found that they know the same log
/// may renew it (see [`Home::meets`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lease {
    ends: BootTime,
}

impl Lease {
    /// The process has none.
    pub const NONE: Self = Self { ends: BootTime::BOOT };

    /// The lease that ends then.
    pub const fn until(ends: BootTime) -> Self {
        Self { ends }
    }

    /// The home has answered a heartbeat with its `head` and a `duration`. `sent_at` is this machine's clock before the
    /// heartbeat was sent, and `applied` is up to where every rule of the log is in the index *now*. Returns whether the
    /// lease is renewed: not if something is yet to be applied that the home had recorded.
    pub fn renew(&mut self, sent_at: BootTime, head: Position, applied: Position, duration: Duration) -> bool {
        if applied < head && rules::on(Rule::LeaseNeedsApplied) {
            return false;
        }
        let margin = if rules::on(Rule::LeaseMargin) { duration / MARGIN } else { Duration::ZERO };
        self.ends = self.ends.max(sent_at.after(duration.saturating_sub(margin)));
        true
    }

    /// Whether what is stored may be believed by a request whose head had arrived before `now` was read. To be asked for
    /// each request: whatever was found out earlier may be from before a long pause.
    ///
    /// A lease may just have come back, and with it purges that were proven before the request arrived. So what had been
    /// applied when the request came (see [`crate::core::purge::Index::arrival`]) is to be looked at after this.
    pub fn holds(&self, now: BootTime) -> bool {
        now < self.ends
    }

    /// When it ends, unless it is renewed.
    pub const fn ends(&self) -> BootTime {
        self.ends
    }

    /// The home does not know the process as a member any more.
    pub const fn give_up(&mut self) {
        *self = Self::NONE;
    }
}

/// The home's side: what it has granted, and what it must believe to have been granted.
#[derive(Debug)]
pub struct Leases {
    duration: Duration,
    /// Until when any member may hold what a home that ran before has granted.
    assumed_until: BootTime,
    granted: BTreeMap<Member, Vec<Grant>>,
    /// Who is to be a member no longer, and is granted nothing.
    leaving: BTreeSet<Member>,
}

/// The last of the grants while the head was this.
#[derive(Debug, Clone, Copy)]
struct Grant {
    head: Position,
    ends: BootTime,
}

impl Leases {
    /// A home that starts now, and grants leases of this `duration`. What was granted before, by this home or by that from
    /// which the log has moved, may hold for as long as the `longest` of those leases.
    pub fn new(now: BootTime, duration: Duration, longest: Duration) -> Self {
        let longest = if rules::on(Rule::RestartAssumesLeases) { longest.max(duration) } else { Duration::ZERO };
        Self { duration, assumed_until: now.after(longest), granted: BTreeMap::new(), leaving: BTreeSet::new() }
    }

    /// A member's heartbeat has come. Notes the grant, and returns its duration. *Then* the shell reads [`Home::head`] and
    /// answers with both; a record that is numbered in between is in that head.
    ///
    /// # Errors
    /// [`Refusal`]: it is no member (any more), or the log goes on elsewhere. Nothing is granted.
    pub fn grant(&mut self, home: &Home, member: &Member, now: BootTime) -> Result<Duration, Refusal> {
        if rules::on(Rule::SealedGrantsNothing) {
            home.next()?;
        }
        if !home.is_member(member) || self.leaving.contains(member) {
            return Err(Refusal::NoMember(member.to_string()));
        }
        let (head, ends) = (home.head(), now.after(self.duration));
        let grants = self.granted.entry(member.clone()).or_default();
        grants.retain(|grant| grant.ends > now);
        let is_full = grants.len() >= MAX_GRANTS;
        match grants.last_mut() {
            Some(last) if last.head >= head || is_full => last.ends = ends.max(last.ends),
            _ => grants.push(Grant { head, ends }),
        }
        Ok(self.duration)
    }

    /// When the last lease ends that a member may hold; a moment of the past if it can't hold any.
    pub fn ends(&self, member: &Member) -> BootTime {
        let grants = self.granted.get(member).and_then(|grants| grants.last());
        grants.map_or(self.assumed_until, |last| last.ends.max(self.assumed_until))
    }

    /// Whether a member that has not applied the record at `at` may believe at `now` that it has applied everything. A
    /// grant after that record was numbered is none for it: its reply names a head that it must have applied.
    pub fn may_miss(&self, member: &Member, at: Position, now: BootTime) -> bool {
        let grants = self.granted.get(member).into_iter().flatten();
        now < self.assumed_until || grants.into_iter().any(|grant| grant.head < at && now < grant.ends)
    }

    /// [`Home::unproven`], without those who serve nothing unasked: strict members whose leases from before the record have
    /// ended.
    pub fn unproven(&self, home: &Home, at: Position, now: BootTime) -> Vec<Member> {
        let to_apply = home.to_apply(at);
        let mut unproven = home.unproven(at);
        unproven.retain(|member| !member.strict || self.may_miss(member, to_apply, now));
        unproven
    }

    /// An operator wants a member to be one no longer. It is granted nothing from now on, until its removal is recorded.
    pub fn stop(&mut self, member: &Member) {
        self.leaving.insert(member.clone());
    }

    /// Whether the removal of a member that was stopped may be recorded: what it serves under its lease, it serves no more.
    pub fn may_leave(&self, member: &Member, now: BootTime) -> bool {
        let is_over = self.is_stopped(member) && self.ends(member) <= now;
        !member.strict || is_over || !rules::on(Rule::RemovalAfterLease)
    }

    /// [`Home::forget`], once the members of the node may leave. Whoever was removed meanwhile and has come again is to be
    /// stopped again.
    ///
    /// # Errors
    /// [`Refusal::NoMember`], [`Refusal::MayHoldLease`].
    pub fn forget_node(&self, home: &Home, node: &NodeId, now: BootTime) -> Result<Vec<Event>, Refusal> {
        let mut members = home.ledger().members.keys().filter(|member| member.node == *node);
        match members.find(|member| !self.may_leave(member, now)) {
            Some(member) => Err(Refusal::MayHoldLease(member.clone())),
            None => home.forget(node),
        }
    }

    /// It is to stay a member after all.
    pub fn resume(&mut self, member: &Member) {
        self.leaving.remove(member);
    }

    /// Whether a member has been stopped, and its removal is not recorded yet.
    pub fn is_stopped(&self, member: &Member) -> bool {
        self.leaving.contains(member)
    }

    /// A member's removal is recorded.
    pub fn forget(&mut self, member: &Member) {
        self.granted.remove(member);
        self.leaving.remove(member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::id::NodeId;
    use crate::core::log::{Event, Ledger, Record, RecordId};
    use crate::core::time::Timestamp;

    const DURATION: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> BootTime {
        BootTime::after_boot(Duration::from_secs(secs))
    }

    fn member(node: &str) -> Member {
        let id = |text: &str| RecordId::new(text).expect("a good id");
        Member { node: NodeId::new(node).expect("a good name"), boot: id("b"), folder: id("f"), strict: true }
    }

    fn append(home: &mut Home, event: Event) -> Position {
        let position = home.next().or_else(|_| home.next_epoch(0, true)).expect("a number");
        let record = Record { position, issued_at: Timestamp::EPOCH, event };
        home.committed(&record, b"").expect("it follows");
        position
    }

    /// A home in its first epoch, with these members.
    fn home(members: &[&Member]) -> Home {
        let mut home = Home::new(Ledger::default());
        append(&mut home, Event::Epoch { name: "log".to_owned() });
        for member in members {
            append(&mut home, Event::Join((*member).clone()));
        }
        home
    }

    /// A record that changes nothing.
    fn something(home: &mut Home) -> Position {
        append(home, Event::Leave { member: member("nobody"), why: crate::core::log::Leaving::Drained })
    }

    #[test]
    fn a_lease_counts_from_the_heartbeat_and_ends_early() {
        let mut lease = Lease::default();
        assert!(!lease.holds(at(0)) && !lease.holds(at(100)));
        let head = Position::new(1, 5);
        assert!(lease.renew(at(100), head, head, DURATION));
        assert!(lease.holds(at(108)));
        assert!(!lease.holds(at(109)), "a tenth is given up");
        assert_eq!(lease.ends(), at(109));
        assert!(lease.renew(at(90), head, head, DURATION), "a late reply");
        assert_eq!(lease.ends(), at(109), "takes nothing back");
        lease.give_up();
        assert_eq!(lease, Lease::NONE);
    }

    #[test]
    fn whoever_lacks_a_record_is_not_leased() {
        let mut lease = Lease::default();
        let head = Position::new(1, 5);
        assert!(!lease.renew(at(100), head, Position::new(1, 4), DURATION));
        assert_eq!(lease, Lease::NONE);
        assert!(lease.renew(at(100), head, Position::new(1, 6), DURATION));
        assert!(!lease.renew(at(105), Position::new(2, 7), Position::new(1, 9), DURATION), "another epoch");
        assert_eq!(lease.ends(), at(109), "what is held is held");
    }

    #[test]
    fn a_purge_waits_for_the_leases_from_before_it() {
        let (fra, sin) = (member("fra-1"), member("sin-1"));
        let mut home = home(&[&fra, &sin]);
        let mut leases = Leases::new(at(0), DURATION, DURATION);
        home.acknowledged(&sin, home.head());
        assert_eq!(leases.grant(&home, &fra, at(50)), Ok(DURATION));
        let purge = something(&mut home);
        // It has been granted leases since, and can't use them: the replies name the purge.
        leases.grant(&home, &fra, at(55)).expect("a grant");
        leases.grant(&home, &sin, at(55)).expect("a grant");
        assert_eq!(leases.unproven(&home, purge, at(59)), std::slice::from_ref(&fra));
        assert_eq!(leases.unproven(&home, purge, at(60)), []);
        let lax = Member { strict: false, ..member("iad-1") };
        append(&mut home, Event::Join(lax.clone()));
        assert_eq!(leases.unproven(&home, purge, at(60)), [lax], "it serves without");
        assert_eq!(leases.ends(&fra), at(65));
        assert!(leases.may_miss(&fra, home.head().next(), at(64)));
    }

    #[test]
    fn a_restarted_home_believes_everybody_leased() {
        let fra = member("fra-1");
        let mut home = home(&[&fra]);
        let purge = something(&mut home);
        let leases = Leases::new(at(100), DURATION, Duration::from_secs(30));
        assert_eq!(
            leases.unproven(&home, purge, at(129)),
            std::slice::from_ref(&fra),
            "it may have granted longer ones"
        );
        assert_eq!(leases.unproven(&home, purge, at(130)), []);
        assert_eq!(leases.ends(&fra), at(130));
    }

    #[test]
    fn a_lease_is_for_members_of_a_log_that_goes_on_here() {
        let (fra, sin) = (member("fra-1"), member("sin-1"));
        let mut leases = Leases::new(at(0), DURATION, DURATION);
        assert_eq!(leases.grant(&Home::new(Ledger::default()), &fra, at(20)), Err(Refusal::NotOpened));
        let mut home = home(&[&fra]);
        assert!(matches!(leases.grant(&home, &sin, at(20)), Err(Refusal::NoMember(_))));
        leases.grant(&home, &fra, at(20)).expect("a grant");
        leases.stop(&fra);
        assert!(leases.is_stopped(&fra) && !leases.is_stopped(&sin));
        assert!(!leases.may_leave(&fra, at(29)) && leases.may_leave(&fra, at(30)));
        let too_early = Err(Refusal::MayHoldLease(fra.clone()));
        assert_eq!(leases.forget_node(&home, &fra.node, at(29)), too_early);
        assert_eq!(leases.forget_node(&home, &fra.node, at(30)).map(|events| events.len()), Ok(1));
        assert!(leases.may_leave(&Member { strict: false, ..sin.clone() }, at(20)), "it serves without");
        assert!(matches!(leases.grant(&home, &fra, at(21)), Err(Refusal::NoMember(_))));
        assert_eq!(leases.ends(&fra), at(30), "until then it stays a member");
        leases.resume(&fra);
        assert!(!leases.is_stopped(&fra) && leases.grant(&home, &fra, at(21)).is_ok());
        leases.stop(&fra);
        leases.forget(&fra);
        leases.grant(&home, &fra, at(40)).expect("it has come again");
        let again = Err(Refusal::MayHoldLease(fra.clone()));
        assert_eq!(leases.forget_node(&home, &fra.node, at(60)), again, "it must be stopped again");
        append(&mut home, Event::Seal);
        assert_eq!(leases.grant(&home, &fra, at(41)), Err(Refusal::Sealed));
        assert_eq!(leases.ends(&fra), at(50));
    }

    #[test]
    fn many_grants_take_little_room() {
        let fra = member("fra-1");
        let mut home = home(&[&fra]);
        let mut leases = Leases::new(at(0), DURATION, DURATION);
        for n in 0..100 {
            something(&mut home);
            let now = BootTime::after_boot(Duration::from_millis(20_000 + n));
            leases.grant(&home, &fra, now).expect("a grant");
            assert!(leases.granted[&fra].len() <= MAX_GRANTS);
            assert!(leases.may_miss(&fra, home.head().next(), now), "what comes next waits for this one");
        }
    }
}
