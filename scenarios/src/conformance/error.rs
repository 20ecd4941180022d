//! Why the suite could not be run.

use super::suite::PINNED;
use crate::fleet::FleetError;
use std::path::PathBuf;
use std::process::ExitStatus;

/// The suite could not be run, or its results could not be read or judged.
#[derive(Debug, thiserror::Error)]
pub enum ConformanceError {
    /// Node.js is not there.
    #[error(
        "the program {0} is not in PATH; the cache test suite runs on Node.js\n    \
         hint: install Node.js 16 or newer with npm (Debian, Ubuntu: apt-get install nodejs npm)"
    )]
    NoProgram(&'static str),
    /// The pinned suite can't be had.
    #[error(
        "the cache test suite (http-cache-tests {PINNED}) can't be installed: npm ci ended with {status}\n{log}\n    \
         hint: npm must reach a registry (`npm config get registry` says which one it asks); \
         or name a copy of the suite with --suite DIR"
    )]
    Install {
        /// How npm ended.
        status: ExitStatus,
        /// What it said.
        log: String,
    },
    /// A folder holds no suite.
    #[error(
        "{}: no cache test suite: {missing} is not there\n    \
         hint: name the folder that has the suite's package.json, after `npm install` in it",
        folder.display()
    )]
    NoSuite {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// What the suite says of its tests can't be read.
    #[error("{}: the suite's tests can't be read: {cause}", folder.display())]
    BadSuite {
        /// The suite's folder.
        folder: PathBuf,
        /// Why not.
        cause: String,
    },
    /// The client of the suite did not end well, or printed no results.
    #[error("{column}: the suite's client printed no results: {cause}\n{log}")]
    NoResults {
        /// The site and topology.
        column: String,
        /// What is wrong.
        cause: String,
        /// The end of what it logged.
        log: String,
    },
    /// Not one test passed, which no cache manages: the requests did not get through.
    #[error("{column}: none of the {tests} tests passed, so it was not the cache that failed; the first said: {first}")]
    NothingPassed {
        /// The site and topology.
        column: String,
        /// How many ran.
        tests: usize,
        /// What the first of them said.
        first: String,
    },
    /// A site that the example does not have.
    #[error("--site {site}: no site of the example fleet file\n    hint: it has {known}")]
    UnknownSite {
        /// What was asked for.
        site: String,
        /// What there is.
        known: String,
    },
    /// A test that the suite does not have.
    #[error("--test {test}: the suite has no such test\n    hint: its own ids are meant{near}")]
    UnknownTest {
        /// What was asked for.
        test: String,
        /// Those that look like it.
        near: String,
    },
    /// The example fleet file lacks something.
    #[error("edge/deploy/fleet.example.toml: {0}")]
    Example(String),
    /// The record or the reasons can't be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A process did not do what it should.
    #[error(transparent)]
    Fleet(#[from] FleetError),
}

impl ConformanceError {
    /// Whether what was typed can't be meant.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::UnknownSite { .. } | Self::UnknownTest { .. })
    }

    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |cause| Self::File { path, cause: cause.to_string() }
    }
}
