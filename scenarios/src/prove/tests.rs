use super::*;
use edge::core::rules::{Rule, without};

fn seeds() -> u64 {
    std::env::var("PROVE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

/// Runs seeds until one fails.
fn first_failure(seeds: std::ops::Range<u64>) -> (Coverage, Option<Failure>) {
    let mut coverage = Coverage::default();
    for seed in seeds {
        let run = run(seed, DEFAULT_STEPS, false);
        coverage.add(&run.coverage);
        if run.failure.is_some() {
            return (coverage, run.failure);
        }
    }
    (coverage, None)
}

#[test]
fn no_schedule_breaks_the_promise() {
    let (coverage, failure) = first_failure(0..seeds());
    for (what, n) in coverage.iter() {
        println!("{n:8}  {what}");
    }
    if let Some(failure) = failure {
        let shrunk = run_shrunk(failure.seed, DEFAULT_STEPS);
        panic!("{failure:#?}\n{}\n{:#?}", shrunk.trace.join("\n"), shrunk.failure);
    }
}

/// Without these rules, some seed below this fails.
const CAUGHT: &[(&[Rule], u64)] = &[
    (&[Rule::NoUpperBound], 1500),
    (&[Rule::FloorAfterIndex], 1500),
    (&[Rule::AppliedBeforeCheck], 1500),
    (&[Rule::SoftWithAdvance], 1500),
    (&[Rule::FirstSoftCounts], 1500),
    (&[Rule::SoftAndHardKept], 1500),
    (&[Rule::FenceBeforeSend], 1500),
    (&[Rule::JoinRefused, Rule::CheckAtHead], 1500),
    (&[Rule::CheckAtHead], 1500),
    (&[Rule::OlderNeverReplaces], 1500),
    (&[Rule::ByIdentity], 1500),
    (&[Rule::HiddenIsDead], 1500),
    (&[Rule::OldTagsCount], 1500),
    (&[Rule::AskedIsHeeded, Rule::ReplyBelowDiscarded], 1500),
    (&[Rule::ReplyBelowDiscarded], 1500),
    (&[Rule::SoftNotToTiers], 1500),
    (&[Rule::ContiguousOnly], 1500),
    (&[Rule::AckAfterApply], 1500),
    (&[Rule::DurableBeforeAck], 1500),
    (&[Rule::DurableBeforeTold], 1500),
    (&[Rule::EpochHidesAll], 1500),
    (&[Rule::ChainCompared], 1500),
    (&[Rule::CaughtUpFirst], 1500),
    (&[Rule::EveryMemberCounts], 1500),
    (&[Rule::LateMembersCount], 1500),
    (&[Rule::ProofNamesPurge], 1500),
];

#[test]
fn each_rule_is_needed() {
    let missed: Vec<String> = CAUGHT.iter().filter_map(|(rules, within)| check_needed(rules, *within)).collect();
    assert!(missed.is_empty(), "\n{}", missed.join("\n"));
}

/// Says so if nobody notices that rules are off.
fn check_needed(rules: &[Rule], within: u64) -> Option<String> {
    match without(rules, || first_failure(0..within)).1 {
        Some(Failure { seed, violation, .. }) => {
            println!("{rules:?}: seed {seed}, {}", violation.monitor);
            None
        }
        None => Some(format!("{rules:?}: no seed below {within} fails")),
    }
}
