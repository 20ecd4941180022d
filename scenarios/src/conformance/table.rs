//! The report for people.

use super::report::{ColumnReport, Report, SecondTry, Tally, TestReport};
use super::score::Outcome;
use super::suite::Kind;
use anstyle::{AnsiColor, Style};
use comfy_table::{CellAlignment, ContentArrangement, Table, TableComponent, presets};
use std::fmt::Write as _;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const TITLE: Style = Style::new().bold();
const NOTE: Style = Style::new().dimmed();

/// The report as text, with ANSI colours; who prints it takes them out where they don't belong.
pub fn render(report: &Report) -> String {
    let mut text = format!("{}\n", totals(report));
    for kind in [Kind::Required, Kind::Optimal] {
        failures(&mut text, report, kind);
    }
    text.push('\n');
    comparison(&mut text, report);
    text
}

fn totals(report: &Report) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    table.remove_style(TableComponent::HorizontalLines).remove_style(TableComponent::MiddleIntersections);
    let mut header = vec!["category".to_owned(), "kind".to_owned()];
    header.extend(report.columns.iter().map(ColumnReport::name));
    table.set_header(header);
    let mut rows = |name: &str, is_in: &dyn Fn(&TestReport) -> bool| {
        let mut name = name;
        for kind in Kind::ALL {
            let tallies: Vec<Tally> = report
                .columns
                .iter()
                .map(|column| Tally::of(column.tests.iter().filter(|test| test.kind == kind && is_in(test))))
                .collect();
            if tallies.iter().any(|tally| tally.tests > 0) {
                let mut row = vec![name.to_owned(), kind.as_str().to_owned()];
                row.extend(tallies.iter().map(|tally| format!("{}/{}", tally.passed, tally.tests)));
                table.add_row(row);
                name = "";
            }
        }
    };
    for category in &report.suite.categories {
        rows(category, &|test| test.category == *category);
    }
    rows("all", &|_| true);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Writes what fails, each test once: with the columns, what the suite says, and why we let it fail.
fn failures(text: &mut String, report: &Report, kind: Kind) {
    let Some(first) = report.columns.first() else { return };
    let mut failing = 0;
    let mut list = String::new();
    for (index, test) in first.tests.iter().enumerate().filter(|(_, test)| test.kind == kind) {
        let here: Vec<(&ColumnReport, &TestReport)> = report
            .columns
            .iter()
            .filter_map(|column| Some((column, column.tests.get(index)?)))
            .filter(|(_, test)| test.outcome != Outcome::Pass)
            .collect();
        if here.is_empty() {
            continue;
        }
        failing += 1;
        // Writing to a string does not fail.
        let _ = writeln!(list, "  {TITLE}{}{TITLE:#}: {}", test.id, test.name);
        let messages = by_column(&here, |test| test.message.clone());
        let reasons = by_column(&here, |test| match &test.reason {
            Some(reason) => format!("{}: {}", reason.section, reason.reason),
            None => "no reason is written down".to_owned(),
        });
        let everywhere = here.len() == report.columns.len();
        for (message, columns) in &messages {
            let of = if everywhere && messages.len() == 1 { String::new() } else { format!("{columns}: ") };
            let _ = writeln!(list, "      {of}{}", message.replace('\n', "\n      "));
        }
        for (reason, columns) in &reasons {
            let of = if reasons.len() == 1 { String::new() } else { format!("{columns}: ") };
            let _ = writeln!(list, "      {NOTE}{of}{reason}{NOTE:#}");
        }
    }
    if failing > 0 {
        let _ = write!(text, "\n{failing} {} tests do not pass:\n\n{list}", kind.as_str());
    }
}

/// What there is to say about each column, and once only what several have in common.
fn by_column(here: &[(&ColumnReport, &TestReport)], what: impl Fn(&TestReport) -> String) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for (column, test) in here {
        let line = what(test);
        match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, columns)) => columns.push_str(&format!(", {}", column.name())),
            None => lines.push((line, column.name())),
        }
    }
    lines
}

fn comparison(text: &mut String, report: &Report) {
    for id in &report.needless_reasons {
        let _ = writeln!(text, "{id} passes: its reason in expected.toml can go");
    }
    for column in &report.columns {
        let name = column.name();
        for SecondTry { id, at_first } in &column.second_try {
            let _ = writeln!(text, "{name}: {id} passed when it was tried again; at first: {at_first}");
        }
        let Some(comparison) = &column.comparison else { continue };
        if !comparison.newly_passing.is_empty() {
            let ids = comparison.newly_passing.join(", ");
            let _ = writeln!(text, "{GOOD}{name}: passes now: {ids}{GOOD:#}; --accept records it");
        }
        for id in &comparison.newly_failing {
            let test = column.tests.iter().find(|test| test.id == *id);
            let message = test.map(|test| test.message.as_str()).unwrap_or_default();
            let _ = writeln!(text, "{BAD}{name}: {id} passed before and fails now: {message}{BAD:#}");
        }
        if !comparison.recorded {
            let _ = writeln!(text, "{BAD}{name}: there is no record of it{BAD:#}\n    hint: --accept makes one");
        }
    }
    let suite = &report.suite;
    let _ = match (suite.pinned, report.ok) {
        (false, _) => writeln!(text, "suite {}: not compared, since the record is about another", suite.version),
        (true, true) => writeln!(text, "{GOOD}suite {}: nothing fails that passed before{GOOD:#}", suite.version),
        (true, false) => writeln!(text, "{BAD}suite {}: not as recorded{BAD:#}", suite.version),
    };
}
