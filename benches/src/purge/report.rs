//! The tables, and whether what was aimed at is reached.

use super::Options;
use super::hits::{Beside, Hits};
use super::speed::Timed;
use super::stand::Which;
use crate::{machine, report};
use anyhow::Result;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What one purge may take in a node, in milliseconds.
const APPLY_MS: f64 = 1.0;
/// What a batch may take until it is proven, in milliseconds.
const BATCH_MS: f64 = 1000.0;
/// What purges may cost hits, as a share; less than what runs differ by on a machine that does nothing else.
const DENT: f64 = 0.02;

/// What purges of one selector cost hits: the larger of the share of requests that is lost, and of the processor time that
/// each takes more.
struct Dent {
    which: Which,
    median: f64,
    /// In the round where it was least.
    least: f64,
}

/// All that was found.
pub(super) struct Findings {
    pub(super) stand: String,
    /// Purges of one selector, with nothing stored.
    pub(super) empty: Timed,
    /// The same with all objects stored.
    pub(super) full: Timed,
    pub(super) hits: Vec<Hits>,
    pub(super) batches: Timed,
    pub(super) everything: Timed,
}

pub(super) fn report(options: &Options, found: &Findings) -> Result<()> {
    let mut table = String::new();
    writeln!(table, "Purges of a node that holds {}; another node is the home of the purge log.", found.stand)?;
    let cores = if options.all_cores { "all cores" } else { "core 0" };
    writeln!(table, "The node runs on {cores}; its home, the origin and wrk on core 1.")?;
    writeln!(table, "Machine: {}.\n", machine::describe())?;
    speed(&mut table, options, found)?;
    let mut dents = Vec::new();
    for hits in &found.hits {
        dents.push(beside(&mut table, options, hits)?);
    }
    let apply_ms = found.full.apply_us.quantile(0.99).max(found.everything.apply_us.quantile(0.99)) / 1e3;
    let batch_ms = found.batches.proven_ms.most();
    writeln!(
        table,
        "One purge is applied in {apply_ms:.3} ms (p99); aim: {APPLY_MS} ms: {}.",
        met(apply_ms <= APPLY_MS)
    )?;
    writeln!(
        table,
        "A batch is proven in {batch_ms:.0} ms at most; aim: {BATCH_MS} ms: {}.",
        met(batch_ms < BATCH_MS)
    )?;
    for Dent { which, median, least } in dents {
        // Runs of a machine that does other things differ by more; then the least that they agree on counts.
        let verdict = if median > DENT && least <= 0.0 {
            "met, as far as runs that differ so can tell"
        } else {
            met(median <= DENT)
        };
        let [median, least] = [median, least].map(|share| share * 100.0);
        writeln!(
            table,
            "{}: purges cost {median:.1} % at the median, {least:.1} % in the best round; aim: {:.0} %: {verdict}.",
            told(which),
            DENT * 100.0
        )?;
    }
    report::keep(options.out.as_deref(), &table, &figures(options, found))
}

fn speed(table: &mut String, options: &Options, found: &Findings) -> Result<()> {
    writeln!(
        table,
        "| purges | applied in the node | receipt at the home | proven, for who asked | CPU of the node |\n|---|---|---|---|---|"
    )?;
    let url = |count: u32| format!("{count} of one selector");
    for (name, timed) in [
        (format!("{}, nothing stored", url(options.purges)), &found.empty),
        (url(options.purges), &found.full),
        (format!("{} of 10,000 URLs", options.batches), &found.batches),
        (format!("{} of everything", options.purges), &found.everything),
    ] {
        let Timed { proven_ms, receipt_ms, apply_us, cpu_us } = timed;
        let of = |series: &crate::figures::Series, unit: &str, digits: usize| {
            let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| series.quantile(share));
            format!("{median:.digits$} {unit} (p99 {p99:.digits$}, most {most:.digits$})")
        };
        writeln!(
            table,
            "| {name} | {} | {} | {} | {cpu_us:.0} µs |",
            of(apply_us, "µs", 1),
            of(receipt_ms, "ms", 2),
            of(proven_ms, "ms", 2)
        )?;
    }
    writeln!(table)?;
    Ok(())
}

/// Gives what purges of one selector cost.
fn beside(table: &mut String, options: &Options, hits: &Hits) -> Result<Dent> {
    writeln!(
        table,
        "{}, HTTP/1.1 keep-alive, {} connections, {} rounds ABCCBA of {} s each; medians, and ranges over the rounds:\n",
        told(hits.which),
        options.connections,
        options.rounds,
        options.seconds
    )?;
    writeln!(
        table,
        "| beside | purges | requests/s | of those without | CPU per request | of that without | p99 |\n|---|---|---|---|---|---|---|"
    )?;
    for (beside, measured) in Beside::ALL.into_iter().zip(&hits.measured) {
        let name = match beside {
            Beside::Nothing => "nothing".to_owned(),
            Beside::Purges => format!("{} purges a second", options.rate),
            Beside::Batches => "10,000 URLs a second".to_owned(),
        };
        let (share, cpu) = (&measured.share, &measured.cpu_share);
        writeln!(
            table,
            "| {name} | {} | {:.0} | {:.3} ({:.3}–{:.3}) | {:.2} µs | {:.3} ({:.3}–{:.3}) | {:.2} ms |",
            measured.purges,
            measured.requests_per_second.median(),
            share.median(),
            share.least(),
            share.most(),
            measured.cpu_us.median(),
            cpu.median(),
            cpu.least(),
            cpu.most(),
            measured.p99_ms.median()
        )?;
    }
    writeln!(table)?;
    let [_, purges, _] = &hits.measured;
    let [median, least] =
        [(purges.share.median(), purges.cpu_share.median()), (purges.share.most(), purges.cpu_share.least())]
            .map(|(share, cpu)| (1.0 - share).max(cpu - 1.0));
    Ok(Dent { which: hits.which, median, least })
}

const fn told(which: Which) -> &'static str {
    match which {
        Which::Each | Which::Any => "Hits of any of the objects",
        Which::First => "Hits of one object",
    }
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "missed" }
}

fn figures(options: &Options, found: &Findings) -> Value {
    let timed = |timed: &Timed| {
        json!({
            "apply_us": timed.apply_us.json(), "receipt_ms": timed.receipt_ms.json(),
            "proven_ms": timed.proven_ms.json(), "cpu_us": timed.cpu_us,
        })
    };
    let hits = |hits: &Hits| {
        let [nothing, purges, batches] = hits.measured.each_ref().map(|measured| {
            json!({
                "requests_per_second": measured.requests_per_second.json(), "share": measured.share.json(),
                "cpu_us": measured.cpu_us.json(), "cpu_share": measured.cpu_share.json(),
                "p99_ms": measured.p99_ms.json(), "purges": measured.purges,
            })
        });
        json!({ "which": told(hits.which), "nothing": nothing, "purges": purges, "batches": batches })
    };
    json!({
        "machine": machine::describe(), "stand": found.stand, "objects": options.objects, "bytes": options.bytes,
        "rate": options.rate, "seconds": options.seconds, "connections": options.connections,
        "all_cores": options.all_cores, "one_when_empty": timed(&found.empty), "one": timed(&found.full),
        "batch": timed(&found.batches), "everything": timed(&found.everything),
        "hits": found.hits.iter().map(hits).collect::<Vec<_>>(),
    })
}
