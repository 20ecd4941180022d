use super::*;
use edge::core::rules::{Rule, without};
use std::sync::atomic::AtomicUsize;

/// Runs seeds until one fails.
fn first_failure(seeds: Range<u64>) -> Option<Failure> {
    seeds.into_iter().find_map(|seed| run(seed, DEFAULT_STEPS, false).failure)
}

#[test]
fn no_schedule_breaks_the_promise() {
    let found = search(0..3000, DEFAULT_STEPS, &|| ());
    if let Some(failure) = found.failure {
        let shrunk = run_shrunk(failure.seed, DEFAULT_STEPS);
        panic!("{failure:#?}\n{}\n{:#?}", shrunk.trace.join("\n"), shrunk.failure);
    }
    // Without these a run would prove little.
    for what in [
        "purges that met a fill in flight",
        "purges that met a joiner",
        "purges that met a lagging shield",
        "purges that met a soft mark",
        "purges that met a restart",
        "purges that met a read",
        "purges proven: hard",
        "purges proven: soft",
        "purges that the home has lost",
        "purges that were recorded already",
        "arrivals that answer only",
        "arrivals that are hidden",
        "joins refused",
        "304s for what was purged meanwhile",
        "fills that finish after a newer one",
        "home: continues",
        "home: crashes in an append",
        "home: opens an epoch",
        "sweeps",
        "tier: asked again past the caches",
        "tier: goes past its cache",
        "verdict: soft, served",
        "304s to clients",
        "entries that a HEAD has freshened",
        "fetches without a lease",
        "home: moves",
        "leases not renewed: records are missing",
        "members removed that may run",
        "own invalidations",
        "purges proven by the end of a lease",
        "tier: has no lease, goes past its cache",
        "tier: vouches for nothing",
    ] {
        assert!(found.coverage.of(what) > 50, "{what}: {}", found.coverage.of(what));
    }
}

#[test]
fn a_seed_says_all() {
    let (first, again) = (run(7, DEFAULT_STEPS, true), run(7, DEFAULT_STEPS, true));
    assert_eq!(first.trace, again.trace);
    assert_eq!(first.coverage, again.coverage);
}

#[test]
fn a_failure_is_made_smaller() {
    without(&[Rule::JoinRefused, Rule::CheckAtHead], || {
        let seed = first_failure(0..100).expect("a failure").seed;
        let shrunk = run_shrunk(seed, DEFAULT_STEPS);
        let first = run(seed, DEFAULT_STEPS, false).failure.map(|failure| failure.violation.monitor);
        assert_eq!(shrunk.failure.map(|failure| failure.violation.monitor), first);
    });
}

/// Without these rules, some seed of these fails. Where two are named, one does what the other is for.
const NEEDED: &[(&[Rule], Range<u64>)] = &[
    (&[Rule::NoUpperBound], 0..100),
    (&[Rule::FloorAfterIndex], 0..400),
    (&[Rule::AppliedBeforeCheck], 0..200),
    (&[Rule::SoftWithAdvance], 0..100),
    (&[Rule::FirstSoftCounts], 500..1500),
    (&[Rule::SoftAndHardKept], 0..100),
    (&[Rule::FenceBeforeSend], 0..100),
    (&[Rule::JoinRefused, Rule::CheckAtHead], 0..100),
    (&[Rule::CheckAtHead], 0..500),
    (&[Rule::OlderNeverReplaces], 0..100),
    (&[Rule::ByIdentity], 0..100),
    (&[Rule::HiddenIsDead], 0..100),
    (&[Rule::OldTagsCount], 1500..2500),
    (&[Rule::AskedIsHeeded, Rule::ReplyBelowDiscarded], 0..100),
    (&[Rule::ReplyBelowDiscarded], 0..300),
    (&[Rule::WorthWhatWasAsked], 0..100),
    (&[Rule::SoftNotToTiers], 0..200),
    (&[Rule::ContiguousOnly], 0..100),
    (&[Rule::AckAfterApply], 0..100),
    (&[Rule::DurableBeforeAck], 0..100),
    (&[Rule::DurableBeforeTold], 0..100),
    (&[Rule::EpochHidesAll], 0..100),
    (&[Rule::ChainCompared], 0..100),
    (&[Rule::CaughtUpFirst], 0..300),
    (&[Rule::EveryMemberCounts], 0..100),
    (&[Rule::LateMembersCount], 500..1500),
    (&[Rule::ProofNamesPurge], 4500..5500),
    (&[Rule::ProofInThisEpoch], 0..100),
    (&[Rule::LeaseNeedsApplied], 0..100),
    (&[Rule::LeaseMargin], 0..400),
    (&[Rule::GrantBeforeHead], 0..100),
    (&[Rule::RestartAssumesLeases], 0..100),
    (&[Rule::RestoredBeginsEpoch], 5000..5500),
    (&[Rule::LeaseReadPerRequest], 0..400),
    (&[Rule::AppliedAfterLease], 0..200),
    (&[Rule::NoLeaseNoReuse], 0..400),
    (&[Rule::NoLeaseNoJoin], 0..400),
    (&[Rule::RemovalAfterLease], 500..1500),
    (&[Rule::SealedGrantsNothing], 500..1500),
    (&[Rule::InvalidationsHide], 0..100),
    (&[Rule::HeadAdvancesNothing], 0..700),
    (&[Rule::PurgesBeforeConditions], 0..100),
];

#[test]
fn each_rule_is_needed() {
    let (next, missed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some((rules, within)) = NEEDED.get(next.fetch_add(1, Ordering::Relaxed)) {
            missed.lock().expect("no panic").extend(check_needed(rules, within));
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let missed = missed.into_inner().expect("no panic");
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

/// Says so if nobody notices that rules are off.
fn check_needed(rules: &[Rule], within: &Range<u64>) -> Option<String> {
    match without(rules, || first_failure(within.clone())) {
        Some(Failure { seed, violation, .. }) => {
            println!("{rules:?}: seed {seed}, {}", violation.monitor);
            None
        }
        None => Some(format!("{rules:?}: no seed of {within:?} fails")),
    }
}
