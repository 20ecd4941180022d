//! One run of the program.

mod backup;
mod error;
mod home;
mod log;
mod members;
mod nodes;
mod purge;
mod status;

use crate::cli::{self, Cli, Command, LogAction, Options};
use crate::exit::Exit;
use anstream::AutoStream;
use error::RunError;
use std::ffi::OsString;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

/// Longest answer to a question, in bytes.
const MAX_ANSWER_BYTES: u64 = 64;

/// Runs the program with these arguments, the first of which is its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let Cli { options, command } = match Cli::read(&args) {
        Ok(cli) => cli,
        Err(error) => return error::of_arguments(&error, &args).into(),
    };
    let done = dispatch(&options, command);
    done.unwrap_or_else(|error| {
        error.tell(&options);
        error.exit()
    })
    .into()
}

fn dispatch(options: &Options, command: Command) -> Result<Exit, RunError> {
    match command {
        Command::Completions { shell } => completions(shell),
        Command::Ping => members::ping(options),
        Command::Forget { node, yes } => members::forget(options, &node, yes),
        Command::Status { purge } => status::show(options, &purge),
        Command::Log { since, action: None } => log::show(options, since),
        Command::Log { action: Some(LogAction::Seal { yes }), .. } => log::seal(options, yes),
        Command::Log { action: Some(LogAction::Backup { file }), .. } => backup::take(options, &file),
        command => purge::send(options, command),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, RunError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "purge-cli", &mut script);
    printed(io::stdout().write_all(&script))?;
    Ok(Exit::Success)
}

/// Who reads standard output may have had enough, as in `| head`: that does not change how a run ends.
fn printed(done: io::Result<()>) -> Result<(), RunError> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(RunError::Output),
    }
}

/// Goes on if somebody at the terminal says so.
fn ask_first(what: &str) -> Result<(), RunError> {
    let _ = write!(io::stderr(), "{what}\nType yes to go on: ");
    let mut answer = String::new();
    let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err(RunError::NotConfirmed) }
}

/// Prints the one document of a run.
fn print_json(document: &impl serde::Serialize) -> Result<(), RunError> {
    let text = serde_json::to_vec_pretty(document).map_err(io::Error::other);
    printed(text.and_then(|mut text| {
        text.push(b'\n');
        io::stdout().write_all(&text)
    }))
}

/// Standard output for people.
fn out() -> AutoStream<io::Stdout> {
    AutoStream::auto(io::stdout())
}

/// Standard error for people.
fn err() -> AutoStream<io::Stderr> {
    AutoStream::auto(io::stderr())
}
