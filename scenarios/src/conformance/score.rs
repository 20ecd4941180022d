//! Scoring, by the suite's own rules: a test passes if its result is `true` and all that it depends on passes too.

use super::suite::{Category, Kind, Test};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What the suite's client says of a test, before dependencies are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub enum Raw {
    /// It passed.
    Pass,
    /// It did not.
    Fail {
        /// What kind of error it was: `Setup` and `Assertion` are the suite's own.
        error: String,
        /// Its message.
        message: String,
    },
}

/// What the suite's client says of all tests, by id.
pub type Results = BTreeMap<String, Raw>;

impl From<Value> for Raw {
    /// `true`, or `[error, message]`; anything else is a failure as well.
    fn from(value: Value) -> Self {
        let text = |index: usize| value.get(index).and_then(Value::as_str).unwrap_or_default().to_owned();
        match value {
            Value::Bool(true) => Self::Pass,
            Value::Array(_) => Self::Fail { error: text(0), message: text(1) },
            other => Self::Fail { error: "unknown".to_owned(), message: other.to_string() },
        }
    }
}

/// How a test came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It passed. For a check: yes.
    Pass,
    /// It did not. For a check: no.
    Fail,
    /// It got no further than its preparations.
    Setup,
    /// A request was sent twice.
    Retry,
    /// Something that it depends on does not pass.
    Dependency,
    /// It was not run.
    Untested,
}

/// A test, scored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scored {
    /// The test's id.
    pub id: String,
    /// Its kind.
    pub kind: Kind,
    /// How it came out.
    pub outcome: Outcome,
    /// Why it did not pass; empty if it did.
    pub message: String,
}

impl Scored {
    /// Whether it counts as passed.
    pub fn passes(&self) -> bool {
        self.outcome == Outcome::Pass
    }
}

/// Scores all tests that are not about browsers, in the suite's order.
pub fn score(categories: &[Category], results: &Results) -> Vec<Scored> {
    let all = || categories.iter().flat_map(|category| &category.tests);
    let scorer = Scorer { tests: all().map(|test| (test.id.as_str(), test)).collect(), results };
    let counted = all().filter(|test| !test.browser_only);
    counted
        .map(|test| {
            let (outcome, message) = scorer.outcome(test, &mut BTreeSet::new());
            Scored { id: test.id.clone(), kind: test.kind, outcome, message }
        })
        .collect()
}

/// The tests whose result decides about one of `ids` and is no pass: themselves, and what they depend on.
pub(super) fn failed_below(categories: &[Category], results: &Results, ids: &[String]) -> BTreeSet<String> {
    let all = categories.iter().flat_map(|category| &category.tests);
    let tests: HashMap<&str, &Test> = all.map(|test| (test.id.as_str(), test)).collect();
    let (mut seen, mut left) = (BTreeSet::new(), ids.to_vec());
    while let Some(id) = left.pop() {
        if seen.insert(id.clone()) {
            left.extend(tests.get(id.as_str()).into_iter().flat_map(|test| test.depends_on.iter().cloned()));
        }
    }
    seen.retain(|id| tests.contains_key(id.as_str()) && results.get(id) != Some(&Raw::Pass));
    seen
}

struct Scorer<'a> {
    tests: HashMap<&'a str, &'a Test>,
    results: &'a Results,
}

impl<'a> Scorer<'a> {
    /// `above` is what depends on this test: a circle does not pass, and ends.
    fn outcome(&self, test: &'a Test, above: &mut BTreeSet<&'a str>) -> (Outcome, String) {
        let Some(result) = self.results.get(&test.id) else {
            return (Outcome::Untested, "the suite's client has no result of it".to_owned());
        };
        above.insert(&test.id);
        let unmet = test.depends_on.iter().find(|id| !self.passes(id, above));
        above.remove(test.id.as_str());
        match (unmet, result) {
            (Some(id), _) => (Outcome::Dependency, format!("depends on {id}, which does not pass")),
            (None, Raw::Pass) => (Outcome::Pass, String::new()),
            (None, Raw::Fail { error, message }) => match (error.as_str(), message.as_str()) {
                ("Setup", "retry") => (Outcome::Retry, "a request was sent to the origin twice".to_owned()),
                ("Setup", _) => (Outcome::Setup, format!("in its preparations: {message}")),
                ("Assertion", _) => (Outcome::Fail, message.clone()),
                _ => (Outcome::Fail, format!("{error}: {message}")),
            },
        }
    }

    fn passes(&self, id: &str, above: &mut BTreeSet<&'a str>) -> bool {
        let test = self.tests.get(id).filter(|_| !above.contains(id));
        test.is_some_and(|test| self.outcome(test, above).0 == Outcome::Pass)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn categories() -> Vec<Category> {
        let text = r#"[
            {"id": "a", "name": "A", "tests": [
                {"id": "plain", "name": "no kind is required"},
                {"id": "better", "name": "", "kind": "optimal", "depends_on": ["plain"]},
                {"id": "browser", "name": "", "browser_only": true}
            ]},
            {"id": "b", "name": "B", "tests": [
                {"id": "which", "name": "", "kind": "check"},
                {"id": "chain", "name": "", "kind": "required", "depends_on": ["which", "better"]},
                {"id": "on-browser", "name": "", "depends_on": ["browser"]},
                {"id": "on-nothing", "name": "", "depends_on": ["no-such-test"]},
                {"id": "circle", "name": "", "depends_on": ["circle-2"]},
                {"id": "circle-2", "name": "", "depends_on": ["circle"]}
            ]}
        ]"#;
        serde_json::from_str(text).unwrap()
    }

    fn results(text: &str) -> Results {
        serde_json::from_str(text).unwrap()
    }

    const PASSING: &str = r#"{"plain": true, "better": true, "which": true, "chain": true,
        "on-browser": true, "on-nothing": true, "circle": true, "circle-2": true}"#;

    #[track_caller]
    fn check(change: (&str, &str), want: &[(&str, Outcome)]) {
        let mut results = results(PASSING);
        results.insert(change.0.to_owned(), serde_json::from_str(change.1).unwrap());
        let scored = score(&categories(), &results);
        for (id, outcome) in want {
            let found = scored.iter().find(|scored| scored.id == *id).unwrap();
            assert_eq!(found.outcome, *outcome, "{id} after {change:?}: {}", found.message);
            assert_eq!(found.passes(), found.message.is_empty());
        }
    }

    #[test]
    fn tests_about_browsers_do_not_count() {
        let scored = score(&categories(), &results(PASSING));
        let ids: Vec<(&str, Kind)> = scored.iter().map(|scored| (scored.id.as_str(), scored.kind)).collect();
        assert_eq!(ids[..3], [("plain", Kind::Required), ("better", Kind::Optimal), ("which", Kind::Check)]);
        assert_eq!(ids.len(), 8);
    }

    #[test]
    fn a_test_passes_if_all_below_it_pass() {
        use Outcome::{Dependency, Fail, Pass, Retry, Setup};
        check(("plain", "true"), &[("plain", Pass), ("better", Pass), ("which", Pass), ("chain", Pass)]);
        check(("plain", r#"["Assertion", "no"]"#), &[("plain", Fail), ("better", Dependency), ("chain", Dependency)]);
        check(("which", r#"["Assertion", "no"]"#), &[("which", Fail), ("better", Pass), ("chain", Dependency)]);
        check(("chain", r#"["Setup", "status"]"#), &[("chain", Setup), ("better", Pass)]);
        check(("chain", r#"["Setup", "retry"]"#), &[("chain", Retry)]);
        // A dependency outranks the test's own failure, and only `true` is a pass.
        check(("better", r#"["Setup", null]"#), &[("chain", Dependency)]);
        check(("chain", "false"), &[("chain", Fail)]);
    }

    #[test]
    fn what_has_no_result_does_not_pass_and_circles_end() {
        use Outcome::{Dependency, Untested};
        let want = [("on-browser", Dependency), ("on-nothing", Dependency), ("circle", Dependency)];
        check(("plain", "true"), &want);
        let scored = score(&categories(), &Results::new());
        assert!(scored.iter().all(|scored| scored.outcome == Untested));
    }

    #[test]
    fn what_to_try_again() {
        let mut results = results(PASSING);
        results.insert("plain".to_owned(), Raw::from(Value::Bool(false)));
        let again = failed_below(&categories(), &results, &["chain".to_owned()]);
        assert_eq!(again.into_iter().collect::<Vec<_>>(), ["plain"]);
    }
}
