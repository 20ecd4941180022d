//! What ends a run before it has done what was asked: told in words on stderr, and with `--json` as a document on stdout.

use super::{err, print_json};
use crate::admin::AdminError;
use crate::cli::Options;
use crate::exit::Exit;
use crate::list::ListError;
use crate::outcome::State;
use crate::report::{BAD, HINT};
use crate::target::BadTargets;
use crate::token::{Origin, TokenError};
use clap::error::ErrorKind;
use edge::config::LoadError;
use edge::core::id::NodeId;
use edge::wire::admin::ErrorReply;
use edge::wire::backup::BadBackup;
use serde::Serialize;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use thiserror::Error;

/// Why nothing was sent, or why the home's answer or the report is not there.
#[derive(Debug, Error)]
pub(super) enum RunError {
    #[error("no fleet file\n    hint: name it with --config FILE or the environment variable TIDEWALL_CONFIG")]
    NoFleetFile,
    #[error("--token-env and --token-file name two places of one token\n    hint: keep one of them")]
    TwoTokens,
    #[error("`all` purges everything, and nobody can be asked: standard input is no terminal\n    hint: add --yes")]
    NobodyToAsk,
    #[error("not confirmed; nothing was sent\n    hint: type yes, or add --yes")]
    NotConfirmed,
    #[error(
        "`log seal` ends the purge log, and nobody can be asked: standard input is no terminal\n    hint: add --yes"
    )]
    NobodyToAskOfSeal,
    #[error(
        "{0} runs: its stream to the home is open, and forgotten, it may serve what is purged\n    hint: stop it first; to \
         forget it all the same, add --yes"
    )]
    NobodyToAskOfForget(NodeId),
    #[error("{}: is {what}\n    hint: name a file that is not there yet, or a regular one", path.display())]
    NoFile { path: PathBuf, what: &'static str },
    #[error("--json and a backup can't both go to standard output\n    hint: name a file, or leave out --json")]
    TwoDocuments,
    #[error("{}: can't be written: {cause}\n    hint: name a file in a folder that is yours and has room", path.display())]
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
    #[error("{home}, the home of the purge log: {error}")]
    Home {
        home: String,
        error: Box<AdminError>,
        token: Origin,
        /// For commands that change something: how to find out whether they did, if there is no answer.
        doubt: Option<&'static str>,
    },
    #[error("can't start the timers and sockets of this process: {0}\n    hint: has it reached a limit on open files?")]
    Runtime(io::Error),
    #[error("can't write to standard output: {0}\n    hint: is there room where it goes?")]
    Output(io::Error),
}

/// The document of an error.
#[derive(Serialize)]
struct JsonError<'e> {
    ok: bool,
    error: &'e str,
    hint: Option<&'e str>,
    exit_code: u8,
    /// That nothing is recorded, if it went wrong before anything was sent.
    state: Option<State>,
    /// By which the purge would have been known, if it was named.
    id: Option<&'e str>,
    /// Where something is recorded: nothing is.
    positions: [&'e str; 0],
    /// The targets that can't be purged.
    problems: Vec<Problem<'e>>,
}

#[derive(Serialize)]
struct Problem<'e> {
    /// Where it stands, unless it is an argument.
    place: Option<&'e str>,
    target: Option<&'e str>,
    error: &'e str,
    hint: &'e str,
}

impl RunError {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::NoFleetFile
            | Self::TwoTokens
            | Self::TwoDocuments
            | Self::NobodyToAsk
            | Self::NobodyToAskOfSeal
            | Self::NobodyToAskOfForget(_)
            | Self::List(ListError::NotText { .. })
            | Self::NotConfirmed
            | Self::NoFile { .. }
            | Self::Targets(_) => Exit::Usage,
            Self::Home { error, .. } if error.is_refusal() => Exit::Refused,
            Self::Home { error, .. } if error.is_no_answer() => Exit::Timeout,
            // It may be done.
            Self::Home { error, doubt: Some(_), .. } if error.leaves_open() => Exit::Timeout,
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

    /// Nothing is recorded by what ends before anything is sent.
    fn state(&self) -> Option<State> {
        match self {
            Self::Home { .. } | Self::File { .. } | Self::Backup(_) | Self::Output(_) => None,
            _ => Some(State::NotRecorded),
        }
    }

    /// Says what is wrong.
    pub(super) fn tell(&self, options: &Options) {
        let text = self.to_string();
        let hints = self.hints();
        let mut err = err();
        let _ = writeln!(err, "{BAD}error{BAD:#}: {text}");
        for hint in &hints {
            let _ = writeln!(err, "    {HINT}hint{HINT:#}: {hint}");
        }
        // Nothing more can be said on a standard output that failed.
        if !options.json || matches!(self, Self::Output(_)) {
            return;
        }
        let ErrorReply { error, hint } = match self {
            Self::Targets(BadTargets(bad)) => ErrorReply {
                error: format!("nothing was sent: {} of the targets can't be purged", bad.len()),
                hint: bad.first().map(|bad| bad.hint.clone()),
            },
            // Each of its mistakes has a hint of its own.
            Self::Fleet(LoadError::Wrong(_)) => {
                ErrorReply { error: text, hint: Some("mend what is listed; `edge check` lists it too".to_owned()) }
            }
            Self::Home { .. } => ErrorReply { error: text, hint: Some(hints.join("; ")) },
            _ => ErrorReply::read(&text),
        };
        let problems = match self {
            Self::Targets(BadTargets(bad)) => bad.iter().map(Problem::from).collect(),
            _ => Vec::new(),
        };
        let (hint, id) = (hint.as_deref(), options.id.as_deref());
        tell_json(&JsonError {
            ok: false,
            error: &error,
            hint,
            exit_code: self.exit().code(),
            state: self.state(),
            id,
            positions: [],
            problems,
        });
    }

    /// What to do, where that is not in the text already.
    fn hints(&self) -> Vec<String> {
        let Self::Home { error, token, doubt, .. } = self else { return Vec::new() };
        let advice = error.is_about_token().then(|| token.advice());
        let doubt = doubt.filter(|_| error.leaves_open()).map(str::to_owned);
        [error.hint()].into_iter().chain(advice).chain(doubt).collect()
    }
}

impl<'e> From<&'e crate::target::BadTarget> for Problem<'e> {
    fn from(bad: &'e crate::target::BadTarget) -> Self {
        Self { place: bad.place.as_deref(), target: bad.text.as_deref(), error: &bad.what, hint: &bad.hint }
    }
}

/// Says what is wrong with the arguments, or what was asked for instead: the help, the version.
pub(super) fn of_arguments(error: &clap::Error, args: &[OsString]) -> Exit {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Success;
    }
    let wants_json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    if wants_json {
        let text = error.render().to_string();
        // The usage and a pointer to the help follow.
        let said = text.split("\n\n").next().unwrap_or_default().trim();
        let said = said.strip_prefix("error: ").unwrap_or(said);
        let ErrorReply { error, hint } = match error.kind() {
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                ErrorReply::read("no command is named")
            }
            _ => ErrorReply::read(said),
        };
        let hint = hint.as_deref().or(Some("see purge-cli --help"));
        let exit_code = Exit::Usage.code();
        let (positions, problems) = ([], Vec::new());
        let state = Some(State::NotRecorded);
        tell_json(&JsonError { ok: false, error: &error, hint, exit_code, state, id: None, positions, problems });
    }
    Exit::Usage
}

/// What can't be printed was told on stderr.
fn tell_json(document: &JsonError<'_>) {
    let _ = print_json(document);
}
