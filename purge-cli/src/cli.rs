//! What can be typed.

use crate::batch::is_part;
use crate::clock::MAX_TIMEOUT;
use crate::exit::Exit;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use edge::config::parse_duration;
use edge::core::id::NodeId;
use edge::core::log::{Position, RecordId};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const ABOUT: &str = "Purges a Tidewall fleet, and succeeds only when every node has done it";

const LONG_ABOUT: &str = "\
Purges a Tidewall fleet, and succeeds only when every node has done it.

The purge goes to the home of the purge log ([purge_log] home in the fleet file, or else the first shield), which writes \
it down and numbers it. Every node follows that log, and the home answers when each of them has applied the purge. From \
then on no node answers with anything that an origin sent before, for what was purged: not from a fetch that was under \
way, not through a shield, not after a crash. Every target is checked against the fleet file before anything is sent.

A soft purge is `accepted`, never `proven`: what it selects may still be served, as stale. So is one that nobody waited \
for. A run may have 100000 targets; it sends them in requests of at most 10000, one after the other.";

const EXAMPLES: &str = "\
Examples:
  purge-cli --config fleet.toml url https://www.example.com/ https://www.example.com/feed.xml
  purge-cli tag release:v41                   the fleet has one site, TIDEWALL_CONFIG names the file
  purge-cli tag --site docs --soft guide      serve it stale while it is revalidated
  purge-cli prefix https://www.example.com/img/
  sed 's|^|https://www.example.com/|' changed-files.txt | purge-cli url --from -
  purge-cli --json --timeout 30s site docs | jq '.nodes[] | select(.error)'
  purge-cli status 1.42                       is it proven everywhere by now?
  purge-cli log --since 40                    who purged what and when
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

/// What commands take. What a command has no use for is refused, and not in its help: see [`Command::has_no_use_for`].
#[derive(Debug, Args)]
pub struct Options {
    /// The fleet file.
    #[arg(long, global = true, env = "TIDEWALL_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Mark as stale instead of removing: it may be served while it is revalidated. Accepted, never proven.
    #[arg(long, global = true)]
    pub soft: bool,
    /// Print one JSON document on stdout instead of lines, of errors too.
    #[arg(long, global = true)]
    pub json: bool,
    /// Print only what went wrong, on stderr (--json prints its document nonetheless).
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// What to wait for: that every node has applied the purge, or nothing but that it is recorded.
    #[arg(long, global = true, value_name = "WHAT", default_value = "all")]
    pub wait: WaitFor,
    /// Name this purge: sent again under the same name within 24 hours, it is the same purge [default: a new one].
    #[arg(long, global = true, value_name = "ID", value_parser = id)]
    pub id: Option<String>,
    /// How long the home waits for the nodes to apply a purge, as in 500ms or 2m; its answer may take 5s more.
    ///
    /// A home that restarts is tried again for so long. Sending has time of its own: 1s for each 64 kB, and 15s for each
    /// request but the last. Commands that purge nothing allow this for the home's answer; `forget` at least a lease and 5s,
    /// `log backup` this for each piece.
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
    Url(Urls),
    /// Purge all URLs of a host whose path begins like this one's.
    Prefix(Urls),
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
    /// Show every node: whether it follows the purge log, and how far it has applied it.
    ///
    /// `following`: its stream to the home is open. `silent`: it is not, and purges wait for the node all the same, until it
    /// is back, its lease has ended, or it is forgotten. `not running`: it serves nothing that it has stored until it has
    /// caught up. `?`: the home does not say. Exits 0 if all nodes run and follow, also those that only the fleet file has,
    /// else 3. Any token will do, one with role "read" too.
    Ping,
    /// Say that a node does not run any more, and is not to be waited for. If it does run, it may serve what is purged.
    ///
    /// The home waits until a lease has ended that the node may hold. Asks first if the node's stream to the home is open.
    Forget {
        /// The node.
        #[arg(value_parser = node)]
        node: NodeId,
        /// Don't ask. Needed where nobody can answer, if the node runs.
        #[arg(long, short)]
        yes: bool,
    },
    /// Show one purge: what it was, who asked for it and when, and which nodes have applied it. Exits 0 if all, else 3.
    Status {
        /// Its position (1.42), its number (42) or its id. By the id of one that took several requests, all are shown.
        #[arg(value_parser = purge)]
        purge: String,
    },
    /// Show the purge log: who purged what and when, and who joined and left. Or seal it, or back it up.
    #[command(args_conflicts_with_subcommands = true)]
    Log {
        /// Only what comes behind this number (42) or position (1.42) [default: all that is kept].
        #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true, value_parser = since)]
        since: u64,
        /// Something else than to show it.
        #[command(subcommand)]
        action: Option<LogAction>,
    },
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

/// What is done with the purge log.
#[derive(Debug, Subcommand)]
pub enum LogAction {
    /// End the log at this home, so that it can go on at another one: nothing is purged until it does.
    Seal {
        /// Don't ask. Needed where nobody can answer.
        #[arg(long, short)]
        yes: bool,
    },
    /// Write the whole log to a file, for `edge restore`.
    Backup {
        /// The file, which may be there already if it is a regular one; - writes to standard output.
        file: PathBuf,
    },
}

/// The targets of a command that purges URLs.
#[derive(Debug, Args)]
pub struct Urls {
    /// Purge the same on all hosts of the site, not only on the one that is named.
    #[arg(long)]
    pub all_hosts: bool,
    /// The URLs.
    #[command(flatten)]
    pub words: Words,
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

impl Command {
    /// The options that it has no use for.
    fn has_no_use_for(&self) -> &'static [&'static str] {
        match self {
            Self::Url(_) | Self::Prefix(_) | Self::Tag { .. } | Self::Host(_) | Self::Site(_) | Self::All { .. } => &[],
            Self::Ping | Self::Forget { .. } | Self::Status { .. } | Self::Log { .. } => &OF_PURGES,
            Self::Completions { .. } => &ALL_OPTIONS,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Prefix(_) => "prefix",
            Self::Tag { .. } => "tag",
            Self::Host(_) => "host",
            Self::Site(_) => "site",
            Self::All { .. } => "all",
            Self::Ping => "ping",
            Self::Forget { .. } => "forget",
            Self::Status { .. } => "status",
            Self::Log { .. } => "log",
            Self::Completions { .. } => "completions",
        }
    }
}

/// Options of commands that purge.
const OF_PURGES: [&str; 3] = ["soft", "wait", "id"];

/// All of them.
const ALL_OPTIONS: [&str; 9] = ["config", "soft", "json", "quiet", "wait", "id", "timeout", "token_env", "token_file"];

/// Commands that don't use all options, and which those are.
const USELESS: [(&str, &[&str]); 5] = [
    ("ping", &OF_PURGES),
    ("forget", &OF_PURGES),
    ("status", &OF_PURGES),
    ("log", &OF_PURGES),
    ("completions", &ALL_OPTIONS),
];

impl Cli {
    /// Reads the arguments; the first one is the name of the program.
    ///
    /// # Errors
    /// What clap has to say: the mistake, or the help or version that was asked for.
    pub fn read<'a>(args: impl IntoIterator<Item = &'a OsString>) -> Result<Self, clap::Error> {
        let matches = command().try_get_matches_from(args)?;
        let cli = Self::from_arg_matches(&matches)?;
        let is_typed = |option: &&&str| matches.value_source(option) == Some(ValueSource::CommandLine);
        if let Some(option) = cli.command.has_no_use_for().iter().find(is_typed) {
            let (option, name) = (option.replace('_', "-"), cli.command.name());
            let error = format!("`{name}` has no use for --{option}\n    hint: leave it out");
            return Err(command().error(ErrorKind::ArgumentConflict, error));
        }
        Ok(cli)
    }
}

/// The program as clap knows it, with examples and exit codes in its help.
pub fn command() -> clap::Command {
    const VALUES: [(&str, &str); 5] =
        [("url", "URL"), ("prefix", "URL"), ("tag", "TAG"), ("host", "HOST"), ("site", "SITE")];
    let named = VALUES.into_iter().fold(Cli::command(), |command, (name, value)| {
        command.mut_subcommand(name, |command| command.mut_arg("words", |words| words.value_name(value)))
    });
    let options: Vec<clap::Arg> = named.get_arguments().cloned().collect();
    let named = USELESS.into_iter().fold(named, |command, (name, useless)| {
        // It takes the place of the one that it would inherit.
        let hidden = options.iter().filter(|option| useless.contains(&option.get_id().as_str()));
        command.mut_subcommand(name, |command| command.args(hidden.map(|option| option.clone().hide(true))))
    });
    let codes = Exit::ALL.map(|exit| format!("\n  {}  {}", exit.code(), exit.meaning())).concat();
    named.after_help(format!("Exit codes:{codes}")).after_long_help(format!("{EXAMPLES}\n\nExit codes:{codes}"))
}

/// Longest id: some room is left for the numbers of its parts.
const MAX_ID_BYTES: usize = 56;

fn id(text: &str) -> Result<String, String> {
    match RecordId::new(text) {
        Some(_) if is_part(text) => {
            Err("\"..\" stands before the numbers of parts of a purge: leave it out".to_owned())
        }
        Some(_) if text == "." || is_number(text) => {
            Err("it would be taken for a number or a position of the log: begin it with a letter".to_owned())
        }
        Some(_) if text.len() <= MAX_ID_BYTES => Ok(text.to_owned()),
        _ => Err(format!("write 1 to {MAX_ID_BYTES} of A-Z a-z 0-9 - _ . :")),
    }
}

/// What the home is asked for by name is a part of a path.
fn purge(text: &str) -> Result<String, String> {
    match RecordId::new(text) {
        Some(_) if text.bytes().any(|b| b != b'.') => Ok(text.to_owned()),
        _ => Err("write a position (1.42), a number (42) or an id (of A-Z a-z 0-9 - _ . :)".to_owned()),
    }
}

/// Whether the home takes it for the number or the position of a record.
pub(crate) fn is_number(text: &str) -> bool {
    text.parse::<u64>().is_ok() || Position::parse(text).is_some()
}

fn since(text: &str) -> Result<u64, String> {
    let seq = text.parse().ok().or_else(|| Position::parse(text).map(Position::seq));
    seq.ok_or_else(|| "write a number (42) or a position (1.42)".to_owned())
}

fn node(text: &str) -> Result<NodeId, String> {
    NodeId::new(text).map_err(|error| error.to_string())
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
    use crate::clock::ANSWER;
    use crate::target::MAX_TARGETS;
    use crate::token::DEFAULT_ENV;
    use edge::core::log::RETRY_WINDOW;
    use edge::wire::purge::MAX_SELECTORS;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
        assert_eq!(MAX_TIMEOUT, Duration::from_secs(3600), "the message about --timeout names it");
        assert_eq!(ANSWER, Duration::from_secs(5), "the help of --timeout names it");
        assert_eq!(RETRY_WINDOW, Duration::from_secs(24 * 3600), "the help of --id names it");
        assert_eq!((MAX_TARGETS, MAX_SELECTORS), (100_000, 10_000), "the help names them");
        let help = command().render_long_help().to_string();
        for text in [DEFAULT_ENV, "100000 targets", "at most 10000", "within 24 hours", "5s more"] {
            assert!(help.contains(text), "no {text:?} in:\n{help}");
        }
        let named: Vec<String> = Cli::command().get_arguments().map(|option| option.get_id().to_string()).collect();
        assert_eq!(named, ALL_OPTIONS);
    }

    #[test]
    fn what_a_command_has_no_use_for() {
        let check = |typed: &str, want: Option<&str>| {
            let args: Vec<OsString> = ["purge-cli"].into_iter().chain(typed.split(' ')).map(OsString::from).collect();
            let refused = Cli::read(&args).err().map(|error| error.to_string());
            match (want, refused) {
                (None, None) => {}
                (Some(want), Some(said)) => {
                    assert!(said.starts_with(&format!("error: {want}\n    hint: leave it out\n")), "{typed}: {said}");
                }
                (_, said) => panic!("{typed}: {said:?}"),
            }
        };
        check("ping --soft", Some("`ping` has no use for --soft"));
        check("--soft ping", Some("`ping` has no use for --soft"));
        check("status 1.2 --wait all", Some("`status` has no use for --wait"));
        check("log seal --id x", Some("`log` has no use for --id"));
        check("completions bash --token-env X", Some("`completions` has no use for --token-env"));
        check("--timeout 5s log backup x", None);
        check("--config x --json --quiet ping", None);
        check("--id x --soft url --wait none http://a/", None);
        for (name, useless) in USELESS {
            let args = [OsString::from("purge-cli"), name.into(), "--help".into()];
            let help = Cli::read(&args).expect_err("help").to_string();
            for option in ALL_OPTIONS {
                let shown = help.contains(&format!("--{}", option.replace('_', "-")));
                assert_eq!(shown, !useless.contains(&option), "--{option} of {name}:\n{help}");
            }
        }
    }

    #[test]
    fn names_of_purges() {
        for (text, as_id, as_purge) in [
            ("v41", true, true),
            ("v1.2.3", true, true),
            ("42", false, true),
            ("1.42", false, true),
            ("v41..2", false, true),
            ("", false, false),
            (".", false, false),
            ("..", false, false),
            ("../x", false, false),
            ("a/b", false, false),
            ("a?b", false, false),
            (&"x".repeat(57), false, true),
            (&"x".repeat(65), false, false),
        ] {
            assert_eq!((id(text).is_ok(), purge(text).is_ok()), (as_id, as_purge), "{text:?}");
        }
    }

    #[test]
    fn where_the_log_is_shown_from() {
        for (text, want) in [("18", Some(18)), ("1.18", Some(18)), ("x", None), ("1.", None), ("-1", None)] {
            assert_eq!(since(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn timeouts() {
        for (text, ms) in [("500ms", Some(500)), ("1h", Some(3_600_000)), ("0s", None), ("2h", None), ("10", None)] {
            assert_eq!(timeout(text).ok(), ms.map(Duration::from_millis), "{text:?}");
        }
    }
}
