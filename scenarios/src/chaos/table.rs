//! The report for people.

use super::reader::Stale;
use super::report::Report;
use crate::run::{render_checks, render_verdict};
use std::fmt::Write as _;

/// The report as text, with ANSI colours; who prints it takes them out where they don't belong.
pub fn render(report: &Report) -> String {
    let (reads, purges, origin) = (&report.reads, &report.purges, &report.origin);
    let mut text = String::new();
    let list = |counts: Vec<(String, u64)>| -> String {
        counts.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    };
    let outcomes =
        reads.outcomes.iter().map(|(outcome, count)| (format!("{outcome:?}").to_lowercase(), *count)).collect();
    let exits = purges.exits.iter().map(|(code, count)| (format!("with {code}"), *count)).collect();
    let faults = report.faults.iter().map(|(kind, count)| (kind.as_str().to_owned(), *count)).collect();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "reads:   {} sent, {} checked against a proven purge, {} overlapped one\n         {}; {} errors, {} broken off, \
         {} unanswered",
        reads.total,
        reads.checked,
        reads.overlapping,
        list(outcomes),
        reads.errors.values().sum::<u64>(),
        reads.broken,
        reads.timeouts
    );
    let _ = writeln!(
        text,
        "purges:  {} hard ones proven ({} after more than one send), {} of them met {} fills in flight; {} soft ones \
         proven; {} given up\n         purge-cli ended {}; {} sent again had been recorded",
        purges.proven,
        purges.proven_later,
        purges.met_fills,
        purges.fills_met,
        purges.soft_proven,
        purges.given_up,
        list(exits),
        purges.recorded_before
    );
    let _ = writeln!(text, "faults:  {}; {} kills of the home met a purge", list(faults), report.kills_amid_purge);
    let _ = writeln!(
        text,
        "origin:  {} requests, {} not modified, {} failed\n",
        origin.requests, origin.not_modified, origin.failed
    );
    report.stale.iter().for_each(|stale| describe(&mut text, stale));
    for torn in &report.torn {
        let _ = writeln!(text, "torn: {torn}");
    }
    render_checks(&mut text, &report.checks);
    render_verdict(&mut text, &report.checks, report.seed);
    text
}

fn describe(text: &mut String, stale: &Stale) {
    let Stale { sent_s, node, request, got, promised, purge, proven_s, cache_status, faults } = stale;
    let _ = writeln!(
        text,
        "stale: {node} answers {request}, sent at {sent_s:.3} s, with version {got}\n    {promised} or newer was \
         promised; version {got} ended with purge {purge}, proven at {proven_s:.3} s\n    Cache-Status: {cache_status}"
    );
    for fault in faults {
        let _ = writeln!(text, "    {fault}");
    }
}
