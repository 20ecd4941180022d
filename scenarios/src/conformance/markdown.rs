//! The totals, for a README.

use super::report::Report;
use super::suite::Kind;
use std::fmt::Write as _;

/// A table of the totals in Markdown.
pub fn markdown(report: &Report) -> String {
    let mut text = "| site | topology | required | optimal | check |\n|---|---|---|---|---|\n".to_owned();
    for column in &report.columns {
        let tally = |kind: Kind| {
            let tally = column.totals.get(&kind).copied().unwrap_or_default();
            format!("{} of {}", tally.passed, tally.tests)
        };
        let [required, optimal, check] = Kind::ALL.map(tally);
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {} | {} | {required} | {optimal} | {check} |", column.site, column.topology.as_str());
    }
    text
}
