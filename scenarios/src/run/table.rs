//! The report for people.

use super::checks::Check;
use super::report::{RegionReport, Report};
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use std::fmt::Write as _;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// The report as text, with ANSI colours; who prints it takes them out where they don't belong.
pub fn render(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.remove_style(TableComponent::HorizontalLines).remove_style(TableComponent::MiddleIntersections);
    table.set_header([
        "PoP",
        "requests",
        "hit ratio",
        "byte hit ratio",
        "hit p50",
        "hit p99",
        "miss p50",
        "miss p99",
        "purge",
    ]);
    for region in &report.regions {
        table.add_row(row(region));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let origin = &report.origin;
    let mut text = format!("{table}\n");
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "origin: {} of {} requests reached it (offload {}), {} of {} bytes of bodies (offload {})",
        origin.origin_requests,
        origin.client_requests,
        percent(Some(origin.offload)),
        kilobytes(origin.origin_bytes),
        kilobytes(origin.client_bytes),
        percent(Some(origin.byte_offload)),
    );
    let deploy = &report.deploy;
    let _ = writeln!(
        text,
        "deploy: {} files changed, {} removed, {} added; {} URLs purged on {} nodes in {}\n",
        deploy.changed,
        deploy.removed,
        deploy.added,
        deploy.purge.urls,
        deploy.purge.nodes.len(),
        ms(Some(deploy.purge.duration_ms)),
    );
    render_checks(&mut text, &report.checks);
    render_verdict(&mut text, &report.checks, report.seed);
    text
}

/// A line for each check.
pub(crate) fn render_checks(text: &mut String, checks: &[Check]) {
    for check in checks {
        let (style, word) = if check.ok { (GOOD, "pass") } else { (BAD, "FAIL") };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{style}{word}{style:#}  {}: {}", check.name, check.detail);
    }
}

/// Whether all of them hold.
pub(crate) fn render_verdict(text: &mut String, checks: &[Check], seed: u64) {
    let (failed, all) = (checks.iter().filter(|check| !check.ok).count(), checks.len());
    // Writing to a string does not fail.
    let _ = match failed {
        0 => writeln!(text, "\n{GOOD}all {all} checks hold{GOOD:#} (seed {seed})"),
        _ => writeln!(text, "\n{BAD}{failed} of {all} checks don't hold{BAD:#} (run again with --seed {seed})"),
    };
}

fn row(region: &RegionReport) -> [String; 9] {
    let clients = &region.clients;
    [
        region.region.clone(),
        clients.requests.to_string(),
        percent(clients.hit_ratio),
        percent(region.byte_hit_ratio),
        ms(clients.hit_p50_ms),
        ms(clients.hit_p99_ms),
        ms(clients.miss_p50_ms),
        ms(clients.miss_p99_ms),
        ms(region.purge_ms),
    ]
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

fn ms(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), |ms| format!("{ms:.1} ms"))
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.0} kB", bytes as f64 / 1e3)
}
