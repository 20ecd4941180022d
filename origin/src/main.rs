//! The `origin` program.

mod cli;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};
use origin::client;
use origin::control::{ReleaseReport, SwitchRequest};
use origin::hint::{Hint, chain};
use origin::origin::Origin;
use origin::server::Server;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, Serve, Switch};

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(options) => serve(&options),
        Command::Switch(options) => switch(&options),
        Command::Completions { shell } => completions(shell),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error: &dyn Hint = &*error;
            // Nobody is left to tell if stderr is closed.
            let _ = writeln!(io::stderr(), "error: {}\nhint: {}", chain(error), error.hint());
            ExitCode::FAILURE
        }
    }
}

/// What the machine refuses to the program.
#[derive(Debug, thiserror::Error)]
enum MachineError {
    #[error("cannot write to stdout")]
    Output(#[source] io::Error),
    #[error("cannot start the runtime")]
    Runtime(#[source] io::Error),
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    #[error("cannot tell the current folder")]
    CurrentFolder(#[source] io::Error),
}

impl Hint for MachineError {
    fn hint(&self) -> String {
        match self {
            Self::Output(_) => "keep reading what the program prints, or send it to a file",
            Self::Runtime(_) | Self::Signals(_) => "raise the limits on threads and open files (`ulimit -a`)",
            Self::CurrentFolder(_) => "give an absolute path with --root",
        }
        .to_owned()
    }
}

fn serve(options: &Serve) -> Result<(), Box<dyn Hint>> {
    log_to_stderr(&options.log);
    let origin = Arc::new(Origin::start(options.options()?, &options.root, options.release.clone())?);
    let release = origin.release();
    tracing::info!(root = %release.root.display(), files = release.assets.len(), bytes = release.total_bytes, "loaded");
    if release.assets.is_empty() {
        tracing::warn!("the release has no files: every path is a 404");
    }
    let runtime = Runtime::new().map_err(MachineError::Runtime)?;
    let served = runtime.block_on(async {
        let stop = Stop::listen().map_err(MachineError::Signals)?;
        let server = Server::bind(options.listen, origin, options.limits()).await?;
        let ready = serde_json::json!({ "listening": server.address(), "release": release.name });
        drop(release);
        print_line(&ready.to_string())?;
        server.run(stop.asked()).await;
        Ok(())
    });
    // A release that is still loading must not hold up the exit.
    runtime.shutdown_background();
    served
}

fn switch(options: &Switch) -> Result<(), Box<dyn Hint>> {
    let root = std::path::absolute(&options.root).map_err(MachineError::CurrentFolder)?;
    let request = SwitchRequest { root, name: options.release.clone() };
    let Some(token) = options.token.read()? else {
        unreachable!("the command line requires one of the places for the token")
    };
    let within = Duration::from_millis(options.timeout_ms);
    let runtime = Runtime::new().map_err(MachineError::Runtime)?;
    let switched = runtime.block_on(client::switch(&options.url, &token, &request, within));
    // A name that is still being resolved must not hold up the exit.
    runtime.shutdown_background();
    let report = switched?;
    print_line(&if options.json { serde_json::json!(report).to_string() } else { summary(&report) })
}

fn summary(report: &ReleaseReport) -> String {
    let ReleaseReport { release, root, files, bytes, previous, .. } = report;
    let before = previous.as_ref().map_or_else(String::new, |previous| format!(" (before: {previous})"));
    format!("now serving {release}: {files} files, {bytes} bytes from {}{before}", Path::display(root))
}

fn completions(shell: clap_complete::Shell) -> Result<(), Box<dyn Hint>> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "origin", &mut script);
    Ok(io::stdout().write_all(&script).map_err(MachineError::Output)?)
}

fn print_line(line: &str) -> Result<(), Box<dyn Hint>> {
    let mut stdout = io::stdout().lock();
    Ok(writeln!(stdout, "{line}").and_then(|()| stdout.flush()).map_err(MachineError::Output)?)
}

/// In colour on a terminal, unless NO_COLOR says otherwise (<https://no-color.org>).
fn log_to_stderr(filter: &str) {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(io::stderr().is_terminal() && !is_plain)
        .with_writer(io::stderr)
        .init();
}

/// The two signals that ask a program to stop.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
