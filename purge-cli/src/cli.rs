//! What can be typed.

use crate::clock::MAX_TIMEOUT;
use crate::exit::Exit;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use edge::config::parse_duration;
use edge::core::log::RecordId;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const ABOUT: &str = "Purges a Tidewall fleet, and succeeds only when every node has done it";

const LONG_ABOUT: &str = "\
Purges a Tidewall fleet, and succeeds only when every node has done it.

The purge goes to the home of the purge log ([purge_log] home in the fleet file, or else the first shield), which writes \
it down and numbers it. Every node follows that log, and the home answers when each of them has applied the purge. From \
then on no node answers with anything that an origin sent before, for what was purged: not from a fetch that was under \
way, not through a shield, not after a crash. Every target is checked against the fleet file before anything is sent.";

const EXAMPLES: &str = "\
Examples:
  purge-cli --config fleet.toml url https://www.example.com/ https://www.example.com/feed.xml
  purge-cli tag release:v41                   the fleet has one site, TIDEWALL_CONFIG names the file
  purge-cli tag --site docs --soft guide      serve it stale while it is revalidated
  purge-cli prefix https://www.example.com/img/
  sed 's|^|https://www.example.com/|' changed-files.txt | purge-cli url --from -
  purge-cli --json --timeout 30s site docs | jq '.nodes[] | select(.proven | not)'
  purge-cli all --yes";

/// The arguments of a run.
#[derive(Debug, Parser)]
#[command(name = "purge-cli", version, about = ABOUT, long_about = LONG_ABOUT)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub options: Options,
    /// What to purge.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub struct Options {
    /// The fleet file.
    #[arg(long, global = true, env = "TIDEWALL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Mark as stale instead of removing: it may be served while it is revalidated.
    #[arg(long, global = true)]
    pub soft: bool,
    /// Print one JSON document on stdout instead of lines.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only what went wrong, on stderr (--json prints its document nonetheless).
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What to wait for: that every node has applied the purge, or nothing but that it is recorded.
    #[arg(long, global = true, value_name = "WHAT", default_value = "all")]
    pub wait: WaitFor,
    /// Name this purge: sent again under the same name, it is the same purge [default: a new one].
    #[arg(long, global = true, value_name = "ID", value_parser = id)]
    pub id: Option<String>,
    /// How long the nodes may take to apply it, as in 500ms or 2m.
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = timeout)]
    pub timeout: Duration,
    /// Environment variable that holds the token [default: TIDEWALL_TOKEN, else the first token of the fleet file that
    /// may purge this and whose secret can be had here].
    #[arg(long, global = true, value_name = "VAR")]
    pub token_env: Option<String>,
    /// File that holds the token.
    #[arg(long, global = true, value_name = "PATH")]
    pub token_file: Option<PathBuf>,
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// That every node has applied the purge.
    All,
    /// That it is recorded.
    None,
}

/// What to purge.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Purge URLs: every scheme, every variant.
    Url(Words),
    /// Purge all URLs of a host whose path begins like this one's.
    Prefix(Words),
    /// Purge all responses that carry a surrogate tag.
    Tag {
        /// The site that the tags belong to; may be left out if the fleet has only one.
        #[arg(long, value_name = "SITE")]
        site: Option<String>,
        /// The tags.
        #[command(flatten)]
        words: Words,
    },
    /// Purge all URLs of hosts.
    Host(Words),
    /// Purge all URLs of sites.
    Site(Words),
    /// Purge everything that the fleet holds; asks first.
    All {
        /// Don't ask. Needed where nobody can answer.
        #[arg(long, short)]
        yes: bool,
    },
    /// Show every node: how far it has applied the purge log.
    Ping,
    /// Say that a node does not run any more, and is not to be waited for. If it does run, it may serve what is purged.
    Forget {
        /// The node.
        node: String,
    },
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// The targets of a command.
#[derive(Debug, Args)]
pub struct Words {
    /// What to purge.
    #[arg(required_unless_present = "from")]
    pub words: Vec<String>,
    /// Read targets from a file, or from standard input if it is -: one per line, # begins a comment line.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
}

impl Cli {
    /// Reads the arguments; the first one is the name of the program.
    ///
    /// # Errors
    /// What clap has to say: the mistake, or the help or version that was asked for.
    pub fn read(args: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(args)?;
        Self::from_arg_matches(&matches)
    }
}

/// The program as clap knows it, with examples and exit codes in its help.
pub fn command() -> clap::Command {
    const VALUES: [(&str, &str); 5] =
        [("url", "URL"), ("prefix", "URL"), ("tag", "TAG"), ("host", "HOST"), ("site", "SITE")];
    let named = VALUES.into_iter().fold(Cli::command(), |command, (name, value)| {
        command.mut_subcommand(name, |command| command.mut_arg("words", |words| words.value_name(value)))
    });
    let codes = Exit::ALL.map(|exit| format!("\n  {}  {}", exit.code(), exit.meaning())).concat();
    named.after_help(format!("Exit codes:{codes}")).after_long_help(format!("{EXAMPLES}\n\nExit codes:{codes}"))
}

/// Longest id: some room is left for the numbers of its parts.
const MAX_ID_BYTES: usize = 56;

fn id(text: &str) -> Result<String, String> {
    match RecordId::new(text) {
        Some(_) if text.len() <= MAX_ID_BYTES => Ok(text.to_owned()),
        _ => Err(format!("write 1 to {MAX_ID_BYTES} of A-Z a-z 0-9 - _ . :")),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    match parse_duration(text) {
        Some(time) if !time.is_zero() && time <= MAX_TIMEOUT => Ok(time),
        _ => Err("write it as in 500ms, 10s or 2m; at most 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::DEFAULT_ENV;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
        assert_eq!(MAX_TIMEOUT, Duration::from_secs(3600), "the message about --timeout names it");
        let help = command().render_long_help().to_string();
        assert!(help.contains(DEFAULT_ENV), "the help of --token-env names it");
    }

    #[test]
    fn timeouts() {
        for (text, ms) in [("500ms", Some(500)), ("1h", Some(3_600_000)), ("0s", None), ("2h", None), ("10", None)] {
            assert_eq!(timeout(text).ok(), ms.map(Duration::from_millis), "{text:?}");
        }
    }
}
