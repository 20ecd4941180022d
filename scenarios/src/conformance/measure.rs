//! Runs the suite on every column side by side, and compares.

use super::error::ConformanceError;
use super::example::{Column, Example, Topology};
use super::reasons::Reasons;
use super::record::{Record, RecordedColumn};
use super::report::{ColumnReport, Comparison, Report, SecondTry};
use super::score::{Raw, Results, Scored, failed_below, score};
use super::stand::Stand;
use super::suite::Suite;
use crate::run::Progress;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Tests that are tried again one by one; more than these are tried again by running all.
const MAX_ALONE: usize = 8;

/// What to measure.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The folder of a suite other than the pinned one.
    pub suite: Option<PathBuf>,
    /// Sites of the example; all if empty.
    pub sites: Vec<String>,
    /// Topologies; all if empty.
    pub topologies: Vec<Topology>,
    /// Make what is found the record.
    pub accept: bool,
}

/// A test that was run alone.
#[derive(Debug)]
pub struct Dump {
    /// Where.
    pub column: Column,
    /// Whether it passed.
    pub passed: bool,
    /// What the origin printed of it.
    pub origin: String,
    /// What the client printed of it.
    pub client: String,
}

/// What one column gave.
struct Measured {
    column: Column,
    scored: Vec<Scored>,
    comparison: Option<Comparison>,
    second_try: Vec<SecondTry>,
}

/// Runs all tests in each column.
///
/// # Errors
/// If that can't be done. That it was done says nothing about what passes, which is in the report.
pub async fn measure(options: &Options, progress: &dyn Progress) -> Result<Report, ConformanceError> {
    let example = Example::read()?;
    let columns = example.columns(&options.sites, &options.topologies)?;
    let folder = super::folder();
    let mut record = Record::read(&folder)?;
    let reasons = Reasons::read(&folder)?;
    progress.phase("reading the suite");
    let suite = Arc::new(Suite::open(options.suite.as_deref()).await?);
    if suite.is_pinned {
        reasons.check(&suite, &example.sites(), &folder)?;
    }
    let names: Vec<String> = columns.iter().map(Column::to_string).collect();
    progress.phase(&format!("running {} tests on {}", suite.tests().count(), names.join(", ")));

    let mut running = JoinSet::new();
    for column in columns.clone() {
        let (suite, example) = (Arc::clone(&suite), example.clone());
        let recorded = record.of(&column).cloned();
        running.spawn(async move { measure_one(&suite, &example, column, recorded).await });
    }
    let mut measured = Vec::new();
    while let Some(ended) = running.join_next().await {
        measured.push(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
        progress.detail(&format!("{} of {} done", measured.len(), columns.len()));
    }
    measured.sort_by_key(|it| columns.iter().position(|column| *column == it.column));

    if options.accept && suite.is_pinned {
        let new = measured.iter().map(|it| RecordedColumn::of(&it.column, &it.scored)).collect();
        record.replace(new, &example.sites());
        record.write(&folder)?;
        for it in &mut measured {
            it.comparison = Some(Comparison::of(record.of(&it.column), &it.scored));
        }
    }
    let columns = measured.into_iter().map(|it| {
        let Measured { column, scored, comparison, second_try } = it;
        ColumnReport::new(&column, &suite, scored, &reasons, comparison, second_try)
    });
    Ok(Report::new(&suite, columns.collect(), &reasons))
}

async fn measure_one(
    suite: &Suite,
    example: &Example,
    column: Column,
    recorded: Option<RecordedColumn>,
) -> Result<Measured, ConformanceError> {
    let stand = Stand::set(suite, example, &column).await?;
    let mut results = stand.run_all().await?;
    let (mut scored, mut comparison) = (score(&suite.categories, &results), None);
    let mut second_try = Vec::new();
    if suite.is_pinned {
        let mut compared = Comparison::of(recorded.as_ref(), &scored);
        if !compared.newly_failing.is_empty() {
            second_try = try_again(&stand, suite, &mut results, &compared.newly_failing).await?;
            scored = score(&suite.categories, &results);
            compared = Comparison::of(recorded.as_ref(), &scored);
        }
        comparison = Some(compared);
    }
    Ok(Measured { column, scored, comparison, second_try })
}

/// The tests are about seconds, and a machine that is busy can lose some: what fails against the record is tried once
/// more. Gives the tests that passed then.
async fn try_again(
    stand: &Stand<'_>,
    suite: &Suite,
    results: &mut Results,
    failing: &[String],
) -> Result<Vec<SecondTry>, ConformanceError> {
    let failed = failed_below(&suite.categories, results, failing);
    let mut passed = Vec::new();
    let again = if failed.len() > MAX_ALONE { stand.run_all().await? } else { Results::new() };
    for id in failed {
        let result = match again.get(&id) {
            Some(result) => result.clone(),
            None => stand.run_one(&id).await?.result,
        };
        if result == Raw::Pass {
            let at_first = match results.insert(id.clone(), result) {
                Some(Raw::Fail { error, message }) => format!("{error}: {message}"),
                _ => "no result".to_owned(),
            };
            passed.push(SecondTry { id, at_first });
        }
    }
    Ok(passed)
}

/// Runs one test in each column, one after the other, and gives all that was sent.
///
/// # Errors
/// If that can't be done, or there is no such test.
pub async fn dump(id: &str, options: &Options, progress: &dyn Progress) -> Result<Vec<Dump>, ConformanceError> {
    let example = Example::read()?;
    let columns = example.columns(&options.sites, &options.topologies)?;
    progress.phase("reading the suite");
    let suite = Suite::open(options.suite.as_deref()).await?;
    suite.require(id)?;
    let mut dumps = Vec::new();
    for column in columns {
        progress.phase(&format!("running {id} on {column}"));
        let alone = Stand::set(&suite, &example, &column).await?.run_one(id).await?;
        let passed = alone.result == Raw::Pass;
        dumps.push(Dump { column, passed, origin: alone.origin, client: alone.client });
    }
    Ok(dumps)
}
