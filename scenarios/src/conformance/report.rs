//! All that was measured, as data, and how it compares with the record.

use super::example::{Column, Topology};
use super::reasons::{Reason, Reasons};
use super::record::RecordedColumn;
use super::score::{Outcome, Scored};
use super::suite::{Kind, Suite};
use serde::Serialize;
use std::collections::BTreeMap;

/// The outcome.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The suite.
    pub suite: SuiteReport,
    /// Whether all that is on record as passing passes. Always, for a suite that the record is not about.
    pub ok: bool,
    /// By site and topology.
    pub columns: Vec<ColumnReport>,
    /// Reasons for failures that there are none of any more.
    pub needless_reasons: Vec<String>,
}

/// The suite.
#[derive(Debug, Serialize)]
pub struct SuiteReport {
    /// Its version.
    pub version: String,
    /// Whether it is the one that the record is about.
    pub pinned: bool,
    /// Its categories, in its order.
    pub categories: Vec<String>,
}

/// One site in one topology.
#[derive(Debug, Serialize)]
pub struct ColumnReport {
    /// The site.
    pub site: String,
    /// The topology.
    pub topology: Topology,
    /// By kind.
    pub totals: BTreeMap<Kind, Tally>,
    /// Every test, in the suite's order.
    pub tests: Vec<TestReport>,
    /// Compared with the record; `null` for a suite that it is not about.
    pub comparison: Option<Comparison>,
    /// Tests that passed only when they were tried again.
    pub second_try: Vec<SecondTry>,
}

/// A test that failed against the record, and passed when it was tried again.
#[derive(Debug, Serialize)]
pub struct SecondTry {
    /// The test.
    pub id: String,
    /// What the suite said at first.
    pub at_first: String,
}

/// How many passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Those that passed.
    pub passed: usize,
    /// All of them.
    pub tests: usize,
}

/// A test.
#[derive(Debug, Serialize)]
pub struct TestReport {
    /// Its id.
    pub id: String,
    /// What it asks.
    pub name: String,
    /// The category it belongs to.
    pub category: String,
    /// Its kind.
    pub kind: Kind,
    /// How it came out.
    pub outcome: Outcome,
    /// Why it did not pass, in the suite's words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Why we let it fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// A column beside what is on record of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Whether there is a record of it.
    pub recorded: bool,
    /// Tests that are on record as passing, and fail.
    pub newly_failing: Vec<String>,
    /// Tests that are on record as failing, and pass.
    pub newly_passing: Vec<String>,
}

impl Tally {
    pub(super) fn of<'t>(tests: impl Iterator<Item = &'t TestReport>) -> Self {
        let mut tally = Self::default();
        for test in tests {
            tally.tests += 1;
            tally.passed += usize::from(test.outcome == Outcome::Pass);
        }
        tally
    }
}

impl Comparison {
    /// Compares a run with what is on record. Checks are not compared: their answers are neither good nor bad.
    pub fn of(recorded: Option<&RecordedColumn>, scored: &[Scored]) -> Self {
        let ids = |which: &dyn Fn(&Scored, &RecordedColumn) -> bool| {
            let compared = scored.iter().filter(|it| it.kind != Kind::Check);
            let which = compared.filter(|it| recorded.is_some_and(|recorded| which(it, recorded)));
            which.map(|it| it.id.clone()).collect()
        };
        Self {
            recorded: recorded.is_some(),
            newly_failing: ids(&|it, recorded| !it.passes() && !recorded.fails(&it.id)),
            newly_passing: ids(&|it, recorded| it.passes() && recorded.fails(&it.id)),
        }
    }

    /// Whether nothing got worse. Where there is no record, nothing would be noticed, and that is not good.
    pub fn ok(&self) -> bool {
        self.recorded && self.newly_failing.is_empty()
    }
}

impl ColumnReport {
    pub(super) fn new(
        column: &Column,
        suite: &Suite,
        scored: Vec<Scored>,
        reasons: &Reasons,
        comparison: Option<Comparison>,
        second_try: Vec<SecondTry>,
    ) -> Self {
        let about = suite.tests().zip(scored);
        let tests: Vec<TestReport> = about
            .map(|((category, test), scored)| TestReport {
                id: scored.id.clone(),
                name: test.name.clone(),
                category: category.name.clone(),
                kind: scored.kind,
                outcome: scored.outcome,
                reason: if scored.passes() { None } else { reasons.of(&scored.id, &column.site).cloned() },
                message: scored.message,
            })
            .collect();
        let of_kind = |kind: Kind| tests.iter().filter(move |test| test.kind == kind);
        let totals = Kind::ALL.map(|kind| (kind, Tally::of(of_kind(kind)))).into();
        Self { site: column.site.clone(), topology: column.topology, totals, tests, comparison, second_try }
    }

    /// Its name.
    pub fn name(&self) -> String {
        Column { site: self.site.clone(), topology: self.topology }.to_string()
    }
}

impl Report {
    pub(super) fn new(suite: &Suite, columns: Vec<ColumnReport>, reasons: &Reasons) -> Self {
        let passes_everywhere = |reason: &Reason, id: &str| {
            let about = columns.iter().filter(|it| reason.sites.is_empty() || reason.sites.contains(&it.site));
            let mut tests = about.flat_map(|column| &column.tests).filter(|test| test.id == id).peekable();
            tests.peek().is_some() && tests.all(|test| test.outcome == Outcome::Pass)
        };
        let all = reasons.failure.iter().flat_map(|reason| reason.ids.iter().map(move |id| (reason, id)));
        let needless = all.filter(|(reason, id)| passes_everywhere(reason, id)).map(|(_, id)| id.clone());
        Self {
            suite: SuiteReport {
                version: suite.version.clone(),
                pinned: suite.is_pinned,
                categories: suite.categories.iter().map(|category| category.name.clone()).collect(),
            },
            ok: columns.iter().all(|column| column.comparison.as_ref().is_none_or(Comparison::ok)),
            needless_reasons: needless.collect(),
            columns,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_and_better_than_recorded() {
        let column = Column { site: "docs".to_owned(), topology: Topology::Direct };
        let scored = |id: &str, kind: Kind, outcome: Outcome| {
            let message = if outcome == Outcome::Pass { "" } else { "no" }.to_owned();
            Scored { id: id.to_owned(), kind, outcome, message }
        };
        let before = [
            scored("a", Kind::Required, Outcome::Pass),
            scored("b", Kind::Optimal, Outcome::Fail),
            scored("c", Kind::Required, Outcome::Fail),
            scored("d", Kind::Check, Outcome::Pass),
        ];
        let recorded = RecordedColumn::of(&column, &before);
        assert_eq!(Comparison::of(Some(&recorded), &before).newly_failing, [""; 0]);
        let now = [
            scored("a", Kind::Required, Outcome::Dependency),
            scored("b", Kind::Optimal, Outcome::Pass),
            scored("c", Kind::Required, Outcome::Setup),
            scored("d", Kind::Check, Outcome::Fail),
        ];
        let comparison = Comparison::of(Some(&recorded), &now);
        assert_eq!(
            (comparison.newly_failing.as_slice(), comparison.newly_passing.as_slice()),
            (&["a".to_owned()][..], &["b".to_owned()][..])
        );
        assert!(!comparison.ok());
        let unrecorded = Comparison::of(None, &now);
        assert!(!unrecorded.ok() && unrecorded.newly_failing.is_empty());
    }
}
