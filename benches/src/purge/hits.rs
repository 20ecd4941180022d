//! Hits while purges come, beside hits without.

use super::Options;
use super::stand::{Stand, Which};
use crate::figures::Series;
use crate::machine;
use anyhow::Result;
use edge::wire::purge::MAX_SELECTORS;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Between two batches, where they come beside hits.
const BATCH_EVERY: Duration = Duration::from_secs(1);

/// What comes beside hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// Purges of one selector each.
    Purges,
    /// Purges of 10,000 URLs.
    Batches,
}

impl Beside {
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::Purges, Self::Batches];
}

/// Hits of one kind.
#[derive(Debug)]
pub(super) struct Hits {
    pub(super) which: Which,
    /// In the order of [`Beside::ALL`].
    pub(super) measured: [Measured; 3],
}

/// Hits beside one thing; one value for each round.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) requests_per_second: Series,
    pub(super) cpu_us: Series,
    pub(super) p99_ms: Series,
    /// Requests per second, out of those beside nothing in the same round.
    pub(super) share: Series,
    /// Processor time of the node for each request, as a multiple of that.
    pub(super) cpu_share: Series,
    pub(super) purges: u64,
}

/// One run.
#[derive(Debug, Clone, Copy)]
struct Run {
    requests_per_second: f64,
    cpu_us: f64,
    p99_ms: f64,
    purges: u64,
}

/// Rounds in which each runs twice, in the order ABCCBA: what drifts over time falls on all of them alike.
pub(super) async fn beside_purges(stand: &mut Stand, options: &Options) -> Result<Vec<Hits>> {
    let mut found = Vec::new();
    for which in [Which::Any, Which::First] {
        let mut measured: [Measured; 3] = Default::default();
        for round in 0..options.rounds {
            let mut runs: [Vec<Run>; 3] = Default::default();
            for at in [0, 1, 2, 2, 1, 0] {
                let run = measure(stand, options, which, Beside::ALL[at]).await?;
                eprintln!(
                    "round {}: {which:?} beside {:?}: {:.0} requests/s, {:.2} µs each, {} purges",
                    round + 1,
                    Beside::ALL[at],
                    run.requests_per_second,
                    run.cpu_us,
                    run.purges
                );
                runs[at].push(run);
            }
            let mean = |at: usize, of: fn(&Run) -> f64| runs[at].iter().map(of).sum::<f64>() / runs[at].len() as f64;
            for (at, measured) in measured.iter_mut().enumerate() {
                let (rate, cpu) = (mean(at, |run| run.requests_per_second), mean(at, |run| run.cpu_us));
                measured.requests_per_second.push(rate);
                measured.cpu_us.push(cpu);
                measured.p99_ms.push(mean(at, |run| run.p99_ms));
                measured.share.push(rate / mean(0, |run| run.requests_per_second));
                measured.cpu_share.push(cpu / mean(0, |run| run.cpu_us));
                measured.purges += runs[at].iter().map(|run| run.purges).sum::<u64>();
            }
        }
        if options.rounds > 0 {
            found.push(Hits { which, measured });
        }
    }
    Ok(found)
}

async fn measure(stand: &mut Stand, options: &Options, which: Which, beside: Beside) -> Result<Run> {
    let cpu = machine::cpu_time(stand.pid()?)?;
    let mut load = stand.load(which, options.connections, Duration::from_secs(options.seconds));
    let pause = if beside == Beside::Batches { BATCH_EVERY } else { Duration::from_secs(1) / options.rate };
    let mut ticks = interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut purges = 0;
    let outcome = loop {
        tokio::select! {
            ended = load.ended() => break ended?,
            _ = ticks.tick() => {}
        }
        let targets = match beside {
            Beside::Nothing => continue,
            Beside::Purges => vec![stand.another()],
            Beside::Batches => stand.others(MAX_SELECTORS as u64),
        };
        stand.purge(targets).await?;
        purges += 1;
    };
    let cpu = machine::cpu_time(stand.pid()?)?.saturating_sub(cpu);
    Ok(Run {
        requests_per_second: outcome.requests_per_second,
        cpu_us: cpu.as_secs_f64() * 1e6 / outcome.requests.max(1) as f64,
        p99_ms: outcome.p99.as_secs_f64() * 1e3,
        purges,
    })
}
