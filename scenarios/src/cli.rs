//! What the user types.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use edge::config::parse_duration;
use scenarios::conformance::Topology;
use scenarios::prove;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;
use std::time::Duration;

/// Run whole Tidewall fleets on one machine: real processes, links of real length, load, checks.
#[derive(Parser, Debug)]
#[command(version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List the scenarios that are shipped
    List,
    /// Run a scenario, print what was measured, and exit 0 if all its checks hold
    Run(Run),
    /// Run the public HTTP cache test suite, and exit 0 if all passes that did before
    Conformance(Conformance),
    /// Run the purge protocol under many schedules, and exit 0 if none breaks its promise
    Prove(Prove),
    /// Purge a fleet of real processes amid faults, and exit 0 if every purge that is proven keeps its promise
    Chaos(Chaos),
    /// Print the completion script of a shell
    #[command(
        after_help = "Example:\n  scenarios completions bash > ~/.local/share/bash-completion/completions/scenarios"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args, Debug)]
#[command(after_help = RUN_HELP)]
pub(crate) struct Run {
    /// A scenario file, or the name of a shipped one
    #[arg(value_name = "FILE|NAME")]
    pub(crate) scenario: String,
    /// Determines what is asked for when; the scenario's own seed if left out
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Requests a second in each region, instead of the scenario's
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Write all that was measured as JSON; `-` for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Leave the fleet running afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) keep: bool,
}

#[derive(Args, Debug)]
#[command(after_help = CONFORMANCE_HELP)]
pub(crate) struct Conformance {
    /// The folder of another suite than the pinned one; its results are not compared with the record
    #[arg(long, value_name = "DIR")]
    pub(crate) suite: Option<PathBuf>,
    /// A site of the example fleet file; all if left out
    #[arg(long, value_name = "ID")]
    pub(crate) site: Vec<String>,
    /// What stands before the origin; both if left out
    #[arg(long)]
    pub(crate) topology: Vec<Topology>,
    /// Run one test alone, and show all that was sent
    #[arg(long, value_name = "ID", conflicts_with_all = ["json", "markdown", "accept"])]
    pub(crate) test: Option<String>,
    /// Write all that was measured as JSON; `-` for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the totals as a table in Markdown; `-` for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Make what is found the record, better or worse
    #[arg(long, conflicts_with = "suite")]
    pub(crate) accept: bool,
}

#[derive(Args, Debug)]
#[command(after_help = PROVE_HELP)]
pub(crate) struct Prove {
    /// The seeds, each a fleet and a schedule of its own
    #[arg(long, value_name = "A..B", default_value = "0..10000", value_parser = seeds)]
    pub(crate) seeds: Range<u64>,
    /// For how many steps each fleet is used and disturbed
    #[arg(long, value_name = "N", default_value_t = prove::DEFAULT_STEPS, value_parser = clap::value_parser!(u64).range(50..=100_000))]
    pub(crate) steps: u64,
    /// Print all that happens under one seed; if it fails, as little as is needed to fail
    #[arg(long, value_name = "SEED", conflicts_with_all = ["seeds", "json"])]
    pub(crate) trace: Option<u64>,
    /// Print what was met as JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = CHAOS_HELP)]
pub(crate) struct Chaos {
    /// Determines which faults come when, and what is purged
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How long the load lasts, as in 15s or 10m
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = load_time)]
    pub(crate) duration: Duration,
    /// Write all that was measured as JSON; `-` for stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  cargo build --workspace --bins      # scenarios start the programs beside their own
  scenarios list
  scenarios run quickstart
  scenarios run my-scenario.toml --seed 7 --json report.json
  scenarios chaos --duration 5m
  scenarios conformance";

const RUN_HELP: &str = "\
Examples:
  scenarios run quickstart
  scenarios run quickstart --rate 200 --json report.json
  scenarios run quickstart --keep     # then try the fleet with curl and purge-cli

Exit codes: 0 all checks hold; 1 a check does not; 2 the command line or the scenario is wrong; 3 it could not be run.
The programs are taken from the folder of this one, or from the one that TIDEWALL_BIN_DIR names.";

const CONFORMANCE_HELP: &str = "\
Examples:
  scenarios conformance
  scenarios conformance --site docs --topology direct --test cc-resp-no-store
  scenarios conformance --accept      # then commit scenarios/conformance/record.toml

The suite (http-cache-tests of npm) is installed below target/conformance the first time; it needs node and npm.
Exit codes: 0 all as recorded, or better; 1 a required or optimal test fails that passed before, or there is no record;
2 the command line is wrong; 3 it could not be run. With --test: 0 if it passes, 1 if not.";

const PROVE_HELP: &str = "\
Examples:
  scenarios prove
  scenarios prove --seeds 10000..20000 --steps 1500
  scenarios prove --trace 4711        # what happens under one seed, step by step

A fleet in one thread: home, shields, edges, origin, clients, operators, faults. The decisions are the edge's own.
Exit codes: 0 no seed fails; 1 one does, and its trace is printed; 2 the command line is wrong.";

const CHAOS_HELP: &str = "\
Examples:
  scenarios chaos
  scenarios chaos --seed 7 --duration 10m --json report.json

Two shields and six PoPs under load, with links of real length. Pages change at the origin and are purged with purge-cli,
while nodes and the home of the purge log are killed, paused and restarted, and links are cut. After purge-cli has exited
with 0 for a hard purge, no read may give what is older than that purge; nor may a run pass that has not met enough.
Exit codes: 0 all checks hold; 1 a check does not; 2 the command line is wrong; 3 it could not be run.
The programs are taken from the folder of this one, or from the one that TIDEWALL_BIN_DIR names.";

/// Loads that are long enough to hold faults, and short enough to be waited for.
const LOAD_TIMES: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(24 * 3600);

fn load_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text).filter(|time| LOAD_TIMES.contains(time));
    time.ok_or_else(|| "write it as in 15s or 10m, from 5s to 24h".to_owned())
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (from, to) = text.split_once("..").ok_or("use A..B, as in 0..1000")?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| "use A..B, as in 0..1000".to_owned());
    let (from, to) = (number(from)?, number(to)?);
    if from < to { Ok(from..to) } else { Err("use A..B with A below B".to_owned()) }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.1..=100_000.0).contains(rate));
    rate.ok_or_else(|| "use a number from 0.1 to 100000".to_owned())
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
