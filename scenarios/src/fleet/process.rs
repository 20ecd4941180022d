//! One process: started, listened to, signalled, ended.

use super::error::FleetError;
use super::spawner;
use crate::clock;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::Child;

/// How often a condition is looked at while waiting for it.
pub(super) const POLL_EVERY: Duration = Duration::from_millis(5);
/// How long a process may take to print its first line, on a machine that is busy building.
const FIRST_LINE_WITHIN: Duration = Duration::from_secs(20);
/// How many lines of a log an error shows.
const SHOWN_LINES: usize = 40;

/// What to start.
#[derive(Debug, Clone)]
pub struct ProcessSpec {
    /// Its name in messages, and of its log files.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment variables, on top of this process's.
    pub environment: Vec<(String, String)>,
    /// A file that it reads on stdin; nothing if `None`.
    pub stdin: Option<PathBuf>,
    /// The folder for its output: `NAME.stdout` (of the last start) and `NAME.stderr` (of all starts).
    pub log_folder: PathBuf,
}

/// A running process. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    spec: ProcessSpec,
    child: Child,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a process.
    ///
    /// # Errors
    /// If its log files can't be written or the program can't be started.
    pub async fn start(spec: ProcessSpec) -> Result<Self, FleetError> {
        let child = spawn(&spec).await?;
        Ok(Self { spec, child, ended: None })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The system's number for it; `None` once it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it was started as.
    pub fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// Waits for the first line on its stdout, and reads it as JSON.
    ///
    /// # Errors
    /// If the process ends first, takes too long, or prints something else.
    pub async fn first_line<T: DeserializeOwned>(&mut self) -> Result<T, FleetError> {
        let path = stdout_path(&self.spec);
        let deadline = clock::now() + FIRST_LINE_WITHIN;
        loop {
            let text = std::fs::read_to_string(&path).map_err(FleetError::file(&path))?;
            if let Some((line, _)) = text.split_once('\n') {
                return serde_json::from_str(line).map_err(|error| FleetError::Unexpected {
                    name: self.name().to_owned(),
                    line: line.to_owned(),
                    cause: error.to_string(),
                });
            }
            self.poll(deadline, FIRST_LINE_WITHIN, "listening").await?;
        }
    }

    /// One step of waiting for something: fails if the process has ended or the time is over.
    pub(super) async fn poll(
        &mut self,
        deadline: tokio::time::Instant,
        allowed: Duration,
        what: &'static str,
    ) -> Result<(), FleetError> {
        if let Some(status) = self.try_status()? {
            return Err(FleetError::Ended { name: self.name().to_owned(), status, log: self.log_end() });
        }
        if clock::now() >= deadline {
            return Err(FleetError::Late { name: self.name().to_owned(), what, after: allowed, log: self.log_end() });
        }
        tokio::time::sleep(POLL_EVERY).await;
        Ok(())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the system won't say.
    pub fn try_status(&mut self) -> Result<Option<ExitStatus>, FleetError> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(|cause| self.signal_error(cause))?;
        }
        Ok(self.ended)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), FleetError> {
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| self.signal_error(std::io::Error::other("it has ended")))?;
        kill_process(pid, signal).map_err(|cause| self.signal_error(cause.into()))
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// If it takes longer than `within`.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus, FleetError> {
        if let Some(status) = self.ended {
            return Ok(status);
        }
        match tokio::time::timeout(within, self.child.wait()).await {
            Ok(status) => {
                let status = status.map_err(|cause| self.signal_error(cause))?;
                self.ended = Some(status);
                Ok(status)
            }
            Err(_) => {
                let log = self.log_end();
                Err(FleetError::Late { name: self.name().to_owned(), what: "at its end", after: within, log })
            }
        }
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// If it takes longer than `within`.
    pub async fn terminate(&mut self, within: Duration) -> Result<ExitStatus, FleetError> {
        if self.try_status()?.is_none() {
            self.signal(Signal::TERM)?;
        }
        self.wait(within).await
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn kill(&mut self) -> Result<(), FleetError> {
        self.child.kill().await.map_err(|cause| self.signal_error(cause))?;
        self.try_status().map(|_| ())
    }

    /// Starts it again after it has ended, as before.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart(&mut self) -> Result<(), FleetError> {
        self.kill().await?;
        self.child = spawn(&self.spec).await?;
        self.ended = None;
        Ok(())
    }

    /// All that it logged on stderr, over all its starts.
    pub fn stderr(&self) -> String {
        read_lossy(&stderr_path(&self.spec))
    }

    /// What it printed on stdout since its last start.
    pub fn stdout(&self) -> String {
        read_lossy(&stdout_path(&self.spec))
    }

    /// The last lines of its stderr, set off for an error message.
    pub fn log_end(&self) -> String {
        let log = self.stderr();
        let lines: Vec<&str> = log.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        let mut text = format!("--- the end of {} ---", stderr_path(&self.spec).display());
        for line in shown {
            text.push('\n');
            text.push_str(line);
        }
        text
    }

    fn signal_error(&self, cause: std::io::Error) -> FleetError {
        FleetError::Signal { name: self.name().to_owned(), cause }
    }
}

async fn spawn(spec: &ProcessSpec) -> Result<Child, FleetError> {
    let stdout = stdout_path(spec);
    let stdout = File::create(&stdout).map_err(FleetError::file(stdout))?;
    let stderr = stderr_path(spec);
    let stderr = File::options().create(true).append(true).open(&stderr).map_err(FleetError::file(stderr))?;
    let stdin = match &spec.stdin {
        Some(path) => File::open(path).map_err(FleetError::file(path))?.into(),
        None => Stdio::null(),
    };
    let mut command = spawner::command(&spec.program);
    command
        .args(&spec.arguments)
        .envs(spec.environment.iter().map(|(name, value)| (name, value)))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .kill_on_drop(true);
    spawner::spawn(command).await.map_err(|cause| FleetError::Spawn { name: spec.name.clone(), cause })
}

fn stdout_path(spec: &ProcessSpec) -> PathBuf {
    spec.log_folder.join(format!("{}.stdout", spec.name))
}

fn stderr_path(spec: &ProcessSpec) -> PathBuf {
    spec.log_folder.join(format!("{}.stderr", spec.name))
}

fn read_lossy(path: &Path) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(folder: &Path, script: &str) -> ProcessSpec {
        ProcessSpec {
            name: "sh".to_owned(),
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            environment: vec![("WORD".to_owned(), "hello".to_owned())],
            stdin: None,
            log_folder: folder.to_owned(),
        }
    }

    const BOUND: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_process_is_heard_and_ended() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye >&2; exit 7' TERM; echo \"[\\\"$WORD\\\"]\"; while :; do sleep 0.05; done";
        let mut process = Process::start(shell(folder.path(), script)).await.unwrap();
        assert_eq!(process.first_line::<Vec<String>>().await.unwrap(), ["hello"]);
        assert_eq!(process.try_status().unwrap(), None);
        assert_eq!(process.terminate(BOUND).await.unwrap().code(), Some(7));
        assert_eq!(process.stderr(), "bye\n");
        process.restart().await.unwrap();
        process.first_line::<Vec<String>>().await.unwrap();
        process.kill().await.unwrap();
        assert!(process.try_status().unwrap().is_some_and(|status| status.code().is_none()));
    }

    #[tokio::test]
    async fn an_early_end_is_told_with_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(shell(folder.path(), "echo 'port taken' >&2; exit 4")).await.unwrap();
        let error = process.first_line::<Vec<String>>().await.unwrap_err().to_string();
        assert!(error.contains("sh ended with exit status: 4") && error.contains("port taken"), "{error}");
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let script = "echo '[]'; while :; do sleep 0.05; done";
        let mut process = Process::start(shell(folder.path(), script)).await.unwrap();
        process.first_line::<Vec<String>>().await.unwrap();
        let pid = Pid::from_raw(process.pid().unwrap() as i32).unwrap();
        drop(process);
        let deadline = clock::now() + BOUND;
        while rustix::process::test_kill_process(pid).is_ok() {
            assert!(clock::now() < deadline, "still there");
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
}
