//! What can go wrong with a fleet.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A fleet that can't be started, or a process of it that didn't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A program is not there.
    #[error(
        "the program {name} is not at {}\n    hint: `cargo build --workspace --bins` builds it; \
         or say where it is with TIDEWALL_BIN_DIR",
        path.display()
    )]
    NoBinary {
        /// Its name.
        name: &'static str,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or folder can't be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// No loopback address or port is free.
    #[error("no loopback address is free: {0}")]
    NoAddress(std::io::Error),
    /// A text that is to be merged into the fleet file is not TOML.
    #[error("what is to be added to the fleet file is not TOML: {0}")]
    BadToml(String),
    /// A process can't be started.
    #[error("{name} can't be started: {cause}")]
    Spawn {
        /// Its name.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// A process ended when it should have run.
    #[error("{name} ended with {status}\n{log}")]
    Ended {
        /// Its name.
        name: String,
        /// How.
        status: ExitStatus,
        /// The end of what it logged.
        log: String,
    },
    /// A process did not get to where it should in time.
    #[error("{name} is not {what} after {after:?}\n{log}")]
    Late {
        /// Its name.
        name: String,
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
        /// The end of what it logged.
        log: String,
    },
    /// A process said something else than it should.
    #[error("{name} printed {line:?}, which is not what was expected: {cause}")]
    Unexpected {
        /// Its name.
        name: String,
        /// What it printed.
        line: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A signal can't be sent.
    #[error("{name} can't be signalled: {cause}")]
    Signal {
        /// The process.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// A program that was to do something and end reported failure.
    #[error("{name} failed with {status}\n{log}")]
    Failed {
        /// The program.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// What it logged.
        log: String,
    },
    /// A request to a process failed.
    #[error(transparent)]
    Http(#[from] crate::client::ClientError),
}

impl FleetError {
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |cause| Self::File { path, cause }
    }
}
