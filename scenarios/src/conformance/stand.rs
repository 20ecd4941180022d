//! A test stand: the suite's origin server, a fleet in front of it, and runs of the suite's client.

use super::error::ConformanceError;
use super::example::{Column, Example};
use super::program::{self, Ended};
use super::score::{Raw, Results};
use super::suite::Suite;
use crate::fleet::{Fleet, Process, ProcessSpec};
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;

/// Keeps the origin server on loopback, and has it say where it listens.
const LOOPBACK: &str = include_str!("../../conformance/loopback.cjs");
/// How long the client may take for all tests: they pause for some seconds each, a hundred at a time.
const ALL_WITHIN: Duration = Duration::from_secs(300);
/// How long it may take for one.
const ONE_WITHIN: Duration = Duration::from_secs(90);
/// What it prints before its verdict on one.
const VERDICT: &str = "==== Results";
/// How the client marks a test that passed, or whose answer is yes, when it runs one alone.
const PASSED: [&str; 2] = ["✅", "Y"];

/// An origin and a fleet. Both end when this is dropped. With `TIDEWALL_KEEP` in the environment, what they and the
/// client printed stays.
pub(super) struct Stand<'s> {
    suite: &'s Suite,
    column: Column,
    origin: Process,
    // Held: it ends when it is dropped.
    _fleet: Fleet,
    base: String,
    scratch: TempDir,
}

/// A test that was run alone.
pub(super) struct Alone {
    /// Its result.
    pub(super) result: Raw,
    /// All requests and responses as the client saw them, and its verdict.
    pub(super) client: String,
    /// The same as the origin saw them.
    pub(super) origin: String,
}

#[derive(Deserialize)]
struct Listening {
    listening: SocketAddr,
}

impl<'s> Stand<'s> {
    /// Starts both, and waits until they are ready.
    pub(super) async fn set(suite: &'s Suite, example: &Example, column: &Column) -> Result<Self, ConformanceError> {
        let keep = std::env::var_os("TIDEWALL_KEEP").is_some();
        let scratch = tempfile::Builder::new().prefix("tidewall-conformance-").disable_cleanup(keep).tempdir();
        let scratch = scratch.map_err(ConformanceError::file("TMPDIR"))?;
        let loopback = scratch.path().join("loopback.cjs");
        std::fs::write(&loopback, LOOPBACK).map_err(ConformanceError::file(&loopback))?;
        let setting = |name: &str, value: &str| (format!("npm_config_{name}"), value.to_owned());
        let mut origin = Process::start(ProcessSpec {
            name: "suite-origin".to_owned(),
            program: suite.node.clone(),
            arguments: vec!["--require".into(), loopback.into(), suite.server.clone().into()],
            environment: vec![
                setting("protocol", "http"),
                setting("port", "0"),
                setting("pidfile", &scratch.path().join("suite-origin.pid").display().to_string()),
            ],
            stdin: None,
            log_folder: scratch.path().to_owned(),
        })
        .await?;
        let Listening { listening } = origin.first_line().await?;
        let (builder, edge) = example.fleet(column, listening)?;
        let fleet = builder.start().await?;
        let base = format!("http://{}", fleet.node(&edge).public_addr());
        Ok(Self { suite, column: column.clone(), origin, _fleet: fleet, base, scratch })
    }

    /// Runs all tests.
    pub(super) async fn run_all(&self) -> Result<Results, ConformanceError> {
        let ended = self.client("", "suite-client", ALL_WITHIN).await?;
        let no_results = |cause: String| ConformanceError::NoResults {
            column: self.column.to_string(),
            cause,
            log: ended.log.clone(),
        };
        if !ended.status.success() {
            return Err(no_results(format!("it ended with {}", ended.status)));
        }
        let start = ended.stdout.find('{').ok_or_else(|| no_results("it printed no JSON".to_owned()))?;
        let results: Results =
            serde_json::from_str(&ended.stdout[start..]).map_err(|error| no_results(error.to_string()))?;
        if results.values().any(|raw| *raw == Raw::Pass) {
            return Ok(results);
        }
        let first = match results.values().next() {
            Some(Raw::Fail { error, message }) => format!("{error}: {message}"),
            _ => "nothing".to_owned(),
        };
        Err(ConformanceError::NothingPassed { column: self.column.to_string(), tests: results.len(), first })
    }

    /// Runs one test alone, whatever it depends on.
    pub(super) async fn run_one(&self, id: &str) -> Result<Alone, ConformanceError> {
        let before = self.origin.stdout().len();
        let ended = self.client(id, "suite-client-alone", ONE_WITHIN).await?;
        let verdict =
            ended.stdout.rsplit_once(VERDICT).and_then(|(_, text)| text.split_once('\n')?.1.split_once(" - "));
        let Some((mark, message)) = verdict.filter(|_| ended.status.success()) else {
            let cause = format!("{id}, run alone, has no verdict");
            return Err(ConformanceError::NoResults { column: self.column.to_string(), cause, log: ended.log });
        };
        let message = message.trim_end();
        let result = match PASSED.contains(&mark.trim()) {
            true => Raw::Pass,
            // The verdict does not tell the suite's errors from others; its mark of a setup that failed does.
            false if mark.contains('🔹') => Raw::Fail { error: "Setup".to_owned(), message: message.to_owned() },
            false => Raw::Fail { error: "Assertion".to_owned(), message: message.to_owned() },
        };
        let origin = self.origin.stdout().get(before..).unwrap_or_default().to_owned();
        Ok(Alone { result, client: ended.stdout, origin })
    }

    async fn client(&self, id: &str, name: &str, within: Duration) -> Result<Ended, ConformanceError> {
        let environment = [
            ("npm_config_base", self.base.as_str()),
            ("npm_config_id", id),
            ("npm_package_config_id", id),
            // Newer clients heed a proxy.
            ("NO_PROXY", "*"),
            ("no_proxy", "*"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let arguments = vec!["--no-warnings".into(), self.suite.client.clone().into()];
        program::run(name, &self.suite.node, arguments, environment, self.scratch.path(), within).await
    }
}
