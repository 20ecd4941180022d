//! What the user types.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use origin::client::OriginUrl;
use origin::hint::Hint;
use origin::loader::LoadLimits;
use origin::origin::Options;
use origin::policy::{EXAMPLE, Policy};
use origin::release_name::ReleaseName;
use origin::server::Limits;
use origin::token::{Token, TokenError};
use tracing_subscriber::EnvFilter;

/// Serve a built site as a CDN wants it: strong validators, purge tags, atomic releases, faults on demand.
#[derive(Parser, Debug)]
#[command(version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Serve a folder of built files over HTTP/1.1
    Serve(Box<Serve>),
    /// Switch a running origin to another release, atomically
    Switch(Switch),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETIONS_EXAMPLE)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
#[command(after_help = SERVE_EXAMPLES, after_long_help = serve_help())]
pub(crate) struct Serve {
    /// The folder of the built site
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// What this release is called: in tags, in X-Release
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) release: ReleaseName,
    /// Where to listen; port 0 takes a free port
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Cache-Control and tags by file, as TOML (--help shows one)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    #[command(flatten)]
    token: TokenSource,
    /// No synthetic objects and no faults below /_synthetic
    #[arg(long)]
    no_synthetic: bool,
    /// The most files and folders that a release may have
    #[arg(long, value_name = "COUNT", default_value_t = LoadLimits::default().max_entries, hide_short_help = true)]
    max_entries: usize,
    /// The most connections at a time; further ones wait
    #[arg(long, value_name = "COUNT", default_value = "4096", value_parser = connections, hide_short_help = true)]
    max_connections: usize,
    /// How long a request's head may take, and how long a connection may be idle
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = milliseconds(), hide_short_help = true)]
    head_timeout_ms: u64,
    /// How long requests in flight may take to finish once told to stop
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = milliseconds(), hide_short_help = true)]
    drain_timeout_ms: u64,
    /// What to log to stderr: error, warn, info, debug, or a filter such as origin=debug
    #[arg(long, value_name = "FILTER", env = "ORIGIN_LOG", default_value = "info", value_parser = log_filter, hide_short_help = true)]
    pub(crate) log: String,
}

#[derive(Args, Debug)]
#[command(after_help = SWITCH_EXAMPLES, mut_group("TokenSource", |group| group.required(true)))]
pub(crate) struct Switch {
    /// Where the origin is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: OriginUrl,
    /// The folder of the new release, as the origin's machine sees it
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// What the new release is called
    #[arg(long, value_name = "NAME")]
    pub(crate) release: ReleaseName,
    #[command(flatten)]
    pub(crate) token: TokenSource,
    /// Print the answer as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// How long the origin may take to load the release
    #[arg(long, value_name = "MS", default_value_t = 60_000, value_parser = milliseconds())]
    pub(crate) timeout_ms: u64,
}

#[derive(Args, Debug)]
#[group(id = "TokenSource", multiple = false)]
pub(crate) struct TokenSource {
    /// The environment variable with the token of the control endpoints; an origin without a token has none
    #[arg(long, value_name = "VAR")]
    control_token_env: Option<String>,
    /// The file with that token
    #[arg(long, value_name = "PATH")]
    control_token_file: Option<PathBuf>,
}

impl Serve {
    /// Reads the files and variables that the options name.
    pub(crate) fn options(&self) -> Result<Options, Box<dyn Hint>> {
        Ok(Options {
            policy: self.policy.as_deref().map(Policy::load).transpose()?.unwrap_or_default(),
            limits: LoadLimits { max_entries: self.max_entries, ..LoadLimits::default() },
            token: self.token.read()?,
            has_synthetic: !self.no_synthetic,
        })
    }

    pub(crate) const fn limits(&self) -> Limits {
        Limits {
            max_connections: self.max_connections,
            head_timeout: Duration::from_millis(self.head_timeout_ms),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
        }
    }
}

impl TokenSource {
    /// The token, if the options name a place for it.
    pub(crate) fn read(&self) -> Result<Option<Token>, TokenError> {
        match (&self.control_token_env, &self.control_token_file) {
            (Some(variable), _) => Token::from_environment(variable).map(Some),
            (None, Some(path)) => Token::from_file(path).map(Some),
            (None, None) => Ok(None),
        }
    }
}

const SERVE_EXAMPLES: &str = "\
Examples:
  origin serve --root dist
  origin serve --root releases/v1 --release v1 --control-token-env ORIGIN_TOKEN
  origin serve --root dist --policy policy.toml --listen 127.0.0.1:0 --no-synthetic

On start, one line of JSON goes to stdout: {\"listening\":\"127.0.0.1:8080\",\"release\":\"v1\"}";

const SWITCH_EXAMPLES: &str = "\
Examples:
  origin switch --root releases/v2 --release v2 --control-token-env ORIGIN_TOKEN
  origin switch --url http://10.0.0.7:8080 --root /srv/v2 --release v2 --control-token-file token --json";

const COMPLETIONS_EXAMPLE: &str = "\
Example:
  origin completions bash > ~/.local/share/bash-completion/completions/origin";

fn serve_help() -> String {
    format!(
        "{SERVE_EXAMPLES}\n\nA policy (all keys are optional; what is left out is as here, without the rules):\n\n{EXAMPLE}"
    )
}

/// More than any machine's file descriptors.
const MAX_CONNECTIONS: usize = 1_000_000;

fn connections(text: &str) -> Result<usize, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX_CONNECTIONS).contains(count));
    count.ok_or_else(|| format!("use a whole number from 1 to {MAX_CONNECTIONS}"))
}

/// Up to a day: a longer wait is as good as none at all.
fn milliseconds() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=86_400_000)
}

fn log_filter(text: &str) -> Result<String, String> {
    EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
