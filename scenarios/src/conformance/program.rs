//! Programs of others that run to their end: node and npm.

use super::error::ConformanceError;
use crate::fleet::{Process, ProcessSpec};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Finds a program in PATH.
pub(super) fn find(name: &'static str) -> Result<PathBuf, ConformanceError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or(ConformanceError::NoProgram(name))
}

/// A program that has ended.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    /// The end of its stderr.
    pub(super) log: String,
}

/// Runs a program to its end. Its output is kept in `log_folder`, under `name`.
pub(super) async fn run(
    name: &str,
    program: &Path,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    log_folder: &Path,
    within: Duration,
) -> Result<Ended, ConformanceError> {
    let mut process = Process::start(ProcessSpec {
        name: name.to_owned(),
        program: program.to_owned(),
        arguments,
        environment,
        stdin: None,
        log_folder: log_folder.to_owned(),
    })
    .await?;
    let status = process.wait(within).await?;
    Ok(Ended { status, stdout: process.stdout(), log: process.log_end() })
}
