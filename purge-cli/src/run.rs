//! One run of the program.

mod log;
mod members;

use crate::admin::AdminError;
use crate::batch::{Batches, Manner};
use crate::cli::{self, Cli, Command, LogAction, Options, Urls, WaitFor, Words};
use crate::clock;
use crate::exit::Exit;
use crate::fanout::{Fanout, NodeOutcome};
use crate::list::{ListError, ListSource, Word};
use crate::report::{BAD, JsonReport, TextReport};
use crate::target::{BadTargets, Kind, Targets};
use crate::token::{self, TokenError, TokenPlace};
use anstream::AutoStream;
use edge::config::{Fleet, LoadError};
use edge::wire::backup::BadBackup;
use edge::wire::purge::{Mode, Wait};
use std::ffi::OsString;
use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use thiserror::Error;

/// Longest answer to the question that `all` asks, in bytes.
const MAX_ANSWER_BYTES: u64 = 64;

/// Why nothing was sent, or why the report could not be given.
#[derive(Debug, Error)]
enum RunError {
    #[error("no fleet file\n    hint: name it with --config FILE or the environment variable TIDEWALL_CONFIG")]
    NoFleetFile,
    #[error("--token-env and --token-file name two places of one token\n    hint: keep one of them")]
    TwoTokens,
    #[error("`all` purges everything, and nobody can be asked: standard input is no terminal\n    hint: add --yes")]
    NobodyToAsk,
    #[error("not confirmed; nothing was sent")]
    NotConfirmed,
    #[error(
        "`log seal` ends the purge log, and nobody can be asked: standard input is no terminal\n    hint: add --yes"
    )]
    NobodyToAskOfSeal,
    #[error("{}: can't be written: {cause}\n    hint: name a file in a folder that is yours", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("the backup is not whole: {0}\n    hint: take it again")]
    Backup(BadBackup),
    #[error(transparent)]
    List(#[from] ListError),
    #[error(transparent)]
    Fleet(#[from] LoadError),
    #[error("nothing was sent\n{0}")]
    Targets(#[from] BadTargets),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("{home}, the home of the purge log: {error}\n    hint: {}", error.hint())]
    Home { home: String, error: AdminError },
    #[error("can't start the timers and sockets of this process: {0}")]
    Runtime(io::Error),
    #[error("can't write to standard output: {0}")]
    Output(io::Error),
}

impl RunError {
    fn exit(&self) -> Exit {
        match self {
            Self::NoFleetFile
            | Self::TwoTokens
            | Self::NobodyToAsk
            | Self::NobodyToAskOfSeal
            | Self::NotConfirmed
            | Self::Targets(_) => Exit::Usage,
            Self::Home { error, .. } if error.is_refusal() => Exit::Refused,
            Self::Home { error, .. } if error.is_timeout() => Exit::Timeout,
            Self::Home { .. }
            | Self::File { .. }
            | Self::Backup(_)
            | Self::List(_)
            | Self::Fleet(_)
            | Self::Token(_)
            | Self::Runtime(_)
            | Self::Output(_) => Exit::Error,
        }
    }
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::read(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let done = match cli.command {
        Command::Completions { shell } => completions(shell).map(|()| Exit::Proven),
        Command::Ping => members::ping(&cli.options),
        Command::Forget { node } => members::forget(&cli.options, &node),
        Command::Status { purge } => log::status(&cli.options, &purge),
        Command::Log { since, action: None } => log::show(&cli.options, since),
        Command::Log { action: Some(LogAction::Seal { yes }), .. } => log::seal(&cli.options, yes),
        Command::Log { action: Some(LogAction::Backup { file }), .. } => log::back_up(&cli.options, &file),
        command => purge(&cli.options, command),
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(AutoStream::auto(io::stderr()), "{BAD}error{BAD:#}: {error}");
        error.exit()
    })
    .into()
}

fn completions(shell: clap_complete::Shell) -> Result<(), RunError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "purge-cli", &mut script);
    match io::stdout().write_all(&script) {
        // Who reads it has had enough, as in `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(RunError::Output),
    }
}

fn purge(options: &Options, command: Command) -> Result<Exit, RunError> {
    let mut all_hosts = false;
    let (kind, words, site, confirmed) = match command {
        Command::Url(Urls { words, all_hosts: all }) => {
            all_hosts = all;
            (Kind::Url, Some(words), None, true)
        }
        Command::Prefix(Urls { words, all_hosts: all }) => {
            all_hosts = all;
            (Kind::Prefix, Some(words), None, true)
        }
        Command::Tag { site, words } => (Kind::Tag, Some(words), site, true),
        Command::Host(words) => (Kind::Host, Some(words), None, true),
        Command::Site(words) => (Kind::Site, Some(words), None, true),
        Command::All { yes } => (Kind::Everything, None, None, yes),
        Command::Ping
        | Command::Forget { .. }
        | Command::Status { .. }
        | Command::Log { .. }
        | Command::Completions { .. } => return Ok(Exit::Proven),
    };
    if !confirmed && !io::stdin().is_terminal() {
        return Err(RunError::NobodyToAsk);
    }
    let config = options.config.as_deref().ok_or(RunError::NoFleetFile)?;
    let place = TokenPlace::new(options.token_env.as_deref(), options.token_file.clone()).ok_or(RunError::TwoTokens)?;
    let fleet = Fleet::load(config)?;
    let words = words.map(read_words).transpose()?.unwrap_or_default();
    let mut targets = Targets::check(&fleet, kind, &words, site.as_deref())?;
    if all_hosts {
        targets = targets.on_all_hosts(&fleet)?;
    }
    let token = token::find(&place, &fleet, &targets.scope)?;
    if !confirmed {
        confirm(&fleet)?;
    }
    send(options, &fleet, &targets, &token)
}

/// The arguments, then the lines of `--from`.
fn read_words(typed: Words) -> Result<Vec<Word>, ListError> {
    let mut words: Vec<Word> = typed.words.into_iter().map(Word::from).collect();
    if let Some(from) = typed.from {
        words.extend(ListSource::from(from.as_path()).read()?);
    }
    Ok(words)
}

fn confirm(fleet: &Fleet) -> Result<(), RunError> {
    let (nodes, sites) = (fleet.nodes().count(), fleet.sites.len());
    ask_first(&format!(
        "This purges everything that this fleet holds (nodes: {nodes}, sites: {sites}). The origins will be asked for \
         all of it again."
    ))
}

/// Goes on if somebody at the terminal says so.
fn ask_first(what: &str) -> Result<(), RunError> {
    let _ = write!(io::stderr(), "{what}\nType yes to go on: ");
    let mut answer = String::new();
    let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer);
    if read.is_ok() && answer.trim() == "yes" { Ok(()) } else { Err(RunError::NotConfirmed) }
}

fn send(options: &Options, fleet: &Fleet, targets: &Targets, token: &token::Token) -> Result<Exit, RunError> {
    let mode = if options.soft { Mode::Soft } else { Mode::Hard };
    let wait = match options.wait {
        WaitFor::All => Wait::All,
        WaitFor::None => Wait::None,
    };
    let id = options.id.clone().unwrap_or_else(new_id);
    let manner = Manner { mode, id, wait, timeout: options.timeout };
    let batches = Batches::new(&targets.list, &manner).expect("checked targets are at least one");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let fanout = Fanout::new(options.timeout);
    let (out, err) = (AutoStream::auto(io::stdout()), AutoStream::auto(io::stderr()));
    let mut report = (!options.json).then(|| TextReport::new(out, err, options.quiet, fleet));
    let told = |node: &NodeOutcome| {
        if let Some(report) = &mut report {
            report.node(node);
        }
    };
    let mut outcome = runtime.block_on(fanout.purge(fleet, &token.secret, &batches, told));
    if wait == Wait::None {
        // Nobody was waited for.
        outcome.nodes.clear();
    }
    // A name that is still being resolved does not hold up the end.
    runtime.shutdown_background();
    match &mut report {
        Some(report) => {
            outcome.nodes.iter().for_each(|node| report.node(node));
            report.summary(targets, &manner, &outcome, &token.origin);
        }
        None => write_json(&JsonReport::new(targets, &manner, &outcome)).map_err(RunError::Output)?,
    }
    Ok(outcome.exit())
}

/// Another one each time.
fn new_id() -> String {
    let seed = format!("{:?} {}", clock::now(), std::process::id());
    let mut hash = DefaultHasher::new();
    (seed, RandomState::new().hash_one(0)).hash(&mut hash);
    format!("{:016x}", hash.finish())
}

/// Prints the one document of a run.
fn write_json(document: &impl serde::Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(document).map_err(io::Error::other)?;
    text.push(b'\n');
    io::stdout().write_all(&text)
}
