//! The `edge` command, run by itself.

use super::{BOUND, builder};
use scenarios::fleet::{Binary, FleetBuilder, Plan, Process, ProcessSpec, View, find_binary};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A folder with a fleet file, and the command that reads it.
pub(crate) struct Command {
    plan: Plan,
    environment: Vec<(String, String)>,
    /// Each start has logs of its own.
    starts: AtomicUsize,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Command {
    /// With the fleet file of one edge, and this merged into it.
    pub(crate) fn with(toml: &str) -> Self {
        let origin = SocketAddr::from(([127, 0, 0, 1], 9));
        Self::of(builder(origin).toml_extra(toml))
    }

    /// With the fleet file of this fleet.
    pub(crate) fn of(fleet: FleetBuilder) -> Self {
        let plan = fleet.reserve().unwrap_or_else(|error| panic!("{error}"));
        let text = plan.fleet_file(&View::default()).unwrap_or_else(|error| panic!("{error}"));
        let command = Self { plan, environment: Vec::new(), starts: AtomicUsize::new(0) };
        command.write(&text);
        command
    }

    /// With this text as its fleet file.
    pub(crate) fn of_text(text: &str) -> Self {
        let command = Self::with("");
        command.write(text);
        command
    }

    /// Sets an environment variable of the command.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The fleet file.
    pub(crate) fn file(&self) -> PathBuf {
        self.plan.folder().join("fleet.toml")
    }

    fn write(&self, text: &str) {
        std::fs::write(self.file(), text).expect("a folder of our own");
    }

    /// Starts it. An argument `FILE` stands for the fleet file.
    pub(crate) async fn start(&self, arguments: &[&str]) -> Process {
        let file = self.file();
        let argument = |&argument: &&str| match argument {
            "FILE" => file.clone().into_os_string(),
            other => other.into(),
        };
        self.spawn(program(), arguments.iter().map(argument).collect()).await
    }

    /// Starts it under a limit of open files, as `ulimit` takes it. An argument `FILE` stands for the fleet file.
    pub(crate) async fn start_with_files(&self, limit: &str, arguments: &[&str]) -> Process {
        let arguments = arguments.join(" ").replace("FILE", &self.file().display().to_string());
        let script = format!("ulimit {limit}; exec '{}' {arguments}", program().display());
        self.spawn(PathBuf::from("/bin/sh"), vec!["-c".into(), script.into()]).await
    }

    async fn spawn(&self, program: PathBuf, arguments: Vec<OsString>) -> Process {
        let spec = ProcessSpec {
            name: format!("edge-{}", self.starts.fetch_add(1, Ordering::Relaxed)),
            program,
            arguments,
            environment: self.environment.clone(),
            stdin: None,
            log_folder: self.plan.log_folder().to_owned(),
        };
        Process::start(spec).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Runs it to its end, with a reader of its output that leaves after the first byte.
    pub(crate) async fn run_into_head(&self, arguments: &str) -> Ended {
        let arguments = arguments.replace("FILE", &self.file().display().to_string());
        let script = format!("'{}' {arguments} | head -c 1", program().display());
        self.end(self.spawn(PathBuf::from("/bin/sh"), vec!["-c".into(), script.into()]).await).await
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.end(self.start(arguments).await).await
    }

    async fn end(&self, mut process: Process) -> Ended {
        let status = process.wait(BOUND).await.unwrap_or_else(|error| panic!("{error}"));
        Ended { code: status.code(), stdout: process.stdout(), stderr: process.stderr() }
    }
}

fn program() -> PathBuf {
    find_binary(Binary::Edge).unwrap_or_else(|error| panic!("{error}"))
}

/// The workspace's folder of this crate.
pub(crate) fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
