//! All that a run found out, as data.

use super::faults::{Kind, Suffered};
use super::history::Happened;
use super::operator::Ledger;
use super::origin::Asked;
use super::reader::{Stale, Watching};
use crate::cache_status::Outcome;
use crate::run::Check;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What a run must at least have met, for each second of load: a run of nothing must not hold.
const MIN_READS_PER_S: f64 = 20.0;
const MIN_PROVEN_PER_S: f64 = 0.2;
const MIN_MET_PER_S: f64 = 0.1;
const MIN_FAULTS_PER_S: f64 = 0.2;

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What determined the faults.
    pub seed: u64,
    /// How long the load was, in seconds.
    pub duration_s: f64,
    /// Whether all checks hold.
    pub ok: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// The reads.
    pub reads: Reads,
    /// The purges.
    pub purges: Purges,
    /// How many faults of each kind there were.
    pub faults: BTreeMap<Kind, u64>,
    /// Kills of the home while a purge was under way.
    pub kills_amid_purge: u64,
    /// What was done to the fleet, in the order in which it began.
    pub history: Vec<Happened>,
    /// The origin.
    pub origin: OriginReport,
    /// Reads that should not have been.
    pub stale: Vec<Stale>,
    /// Answers that are no version of a page.
    pub torn: Vec<String>,
}

/// What clients read.
#[derive(Debug, Serialize)]
pub struct Reads {
    /// All of them.
    pub total: u64,
    /// Those that a proven purge had promised something for when they were sent, and that were answered with a version.
    pub checked: u64,
    /// Those that a purge of the page was under way for.
    pub overlapping: u64,
    /// Answers by what the node did.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Answers that are errors, as is expected amid faults: by node, status, and what Proxy-Status says.
    pub errors: BTreeMap<String, u64>,
    /// Those that were not answered: nobody listened, or the connection broke.
    pub broken: u64,
    /// Those that were neither answered nor refused in time.
    pub timeouts: u64,
}

/// What was purged.
#[derive(Debug, Serialize)]
pub struct Purges {
    /// Hard purges that were proven.
    pub proven: u64,
    /// Those of them that were sent more than once.
    pub proven_later: u64,
    /// Those of them that met fills in flight with what is older.
    pub met_fills: u64,
    /// How many fills they met.
    pub fills_met: u64,
    /// Soft purges that were proven.
    pub soft_proven: u64,
    /// Purges that were given up.
    pub given_up: u64,
    /// Purges that were sent again, and had been recorded before.
    pub recorded_before: u64,
    /// How often `purge-cli` ended with each code.
    pub exits: BTreeMap<i32, u64>,
}

/// What the origin was asked.
#[derive(Debug, Serialize)]
pub struct OriginReport {
    /// Requests.
    pub requests: u64,
    /// Those that it answered with 304.
    pub not_modified: u64,
    /// Those that it failed.
    pub failed: u64,
}

/// How a run ended, after its faults.
#[derive(Debug)]
pub(super) struct Ended {
    /// How long the last purge took until it was proven, or what was said last.
    pub(super) proven: Result<Duration, String>,
    /// How many reads gave the newest version, or what the first one gave that did not.
    pub(super) newest: Result<u64, String>,
}

impl Report {
    pub(super) fn gather(
        (seed, duration): (u64, Duration),
        shared: &Watching,
        ledger: &Ledger,
        suffered: Suffered,
        asked: &Asked,
        ended: &Ended,
    ) -> Self {
        let of = |count: &AtomicU64| count.load(Relaxed);
        let tally = &shared.tally;
        let reads = Reads {
            total: of(&tally.reads),
            checked: of(&tally.checked),
            overlapping: of(&tally.overlapping),
            outcomes: tally.outcomes(),
            errors: tally.errors(),
            broken: of(&tally.broken),
            timeouts: of(&tally.timeouts),
        };
        let purges = Purges {
            proven: of(&ledger.hard_proven),
            proven_later: of(&ledger.proven_later),
            met_fills: of(&ledger.met_fills),
            fills_met: of(&ledger.fills_met),
            soft_proven: of(&ledger.soft_proven),
            given_up: of(&ledger.given_up),
            recorded_before: of(&ledger.recorded_before),
            exits: ledger.exits(),
        };
        let origin = OriginReport {
            requests: of(&asked.requests),
            not_modified: of(&asked.not_modified),
            failed: of(&asked.failed),
        };
        let (stale, torn, fresh) = (tally.stale(), tally.torn(), tally.fresh());
        let mut checks = vec![
            check(
                "no read falls below what a proven purge has promised",
                stale.is_empty(),
                format!("{} reads checked, {} stale", reads.checked, of(&tally.stale_count)),
            ),
            check(
                "no read is fresh that a proven soft purge has marked",
                fresh.is_empty(),
                listed(&fresh, &format!("{} soft purges proven", purges.soft_proven)),
            ),
            check("every answer is one version of its page", torn.is_empty(), format!("{} are not", torn.len())),
            check(
                "purge-cli says what is so",
                ledger.failures().is_empty(),
                listed(&ledger.failures(), "exit codes and documents agree, and no purge has lost its position"),
            ),
            check(
                "every node comes back, and none panics",
                suffered.failures.is_empty(),
                listed(&suffered.failures, &format!("after {} faults", suffered.counts.values().sum::<u64>())),
            ),
            check(
                "every request is answered or refused",
                reads.timeouts == 0,
                format!("{} of {} were not", reads.timeouts, reads.total),
            ),
            match &ended.proven {
                Ok(took) => check(
                    "after the faults a purge of everything is proven of all nodes",
                    true,
                    format!("within {took:.1?}"),
                ),
                Err(said) => {
                    check("after the faults a purge of everything is proven of all nodes", false, said.clone())
                }
            },
            match &ended.newest {
                Ok(count) => check(
                    "then every node gives the newest version, and stores it",
                    true,
                    format!("{count} of {count} reads"),
                ),
                Err(wrong) => check("then every node gives the newest version, and stores it", false, wrong.clone()),
            },
        ];
        let faults: u64 = suffered.counts.values().sum();
        for (name, met, per_s) in [
            ("enough reads were checked", reads.checked, MIN_READS_PER_S),
            ("enough hard purges were proven", purges.proven, MIN_PROVEN_PER_S),
            ("enough of them met a fill in flight", purges.met_fills, MIN_MET_PER_S),
            ("enough faults came about", faults, MIN_FAULTS_PER_S),
        ] {
            let least = (duration.as_secs_f64() * per_s).floor().max(1.0) as u64;
            checks.push(check(name, met >= least, format!("{met}, at least {least} expected")));
        }
        Self {
            seed,
            duration_s: duration.as_secs_f64(),
            ok: checks.iter().all(|check| check.ok),
            checks,
            reads,
            purges,
            faults: suffered.counts,
            kills_amid_purge: suffered.kills_amid_purge,
            history: shared.history.all(),
            origin,
            stale,
            torn,
        }
    }
}

const fn check(name: &'static str, ok: bool, detail: String) -> Check {
    Check { name, ok, detail }
}

fn listed(failures: &[String], or_else: &str) -> String {
    if failures.is_empty() { or_else.to_owned() } else { failures.join("; ") }
}
