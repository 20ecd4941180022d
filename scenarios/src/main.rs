//! `scenarios`: runs whole Tidewall fleets on one machine, and says whether they did what they should.

mod chaotic;
mod cli;
mod conform;
mod progress;
mod proving;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use cli::{Cli, Command, Run};
use progress::Terminal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use scenarios::run::{self, Options, Report, Stage};
use scenarios::scenario::{self, Scenario};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A check does not hold.
const EXIT_CHECK: u8 = 1;
/// What was typed can't be meant, or the scenario is wrong.
const EXIT_USAGE: u8 = 2;
/// The scenario could not be run.
const EXIT_NOT_RUN: u8 = 3;
/// Ended by Ctrl-C, as shells report it.
const EXIT_INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let end = match Cli::parse().command {
        Command::List => list(),
        Command::Run(command) => run_scenario(&command),
        Command::Conformance(command) => conform::conformance(&command),
        Command::Prove(command) => proving::prove(&command),
        Command::Chaos(command) => chaotic::chaos(&command),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "scenarios", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    };
    end.unwrap_or_else(|error| {
        anstream::eprintln!("error: {error:#}");
        ExitCode::from(EXIT_NOT_RUN)
    })
}

fn list() -> anyhow::Result<ExitCode> {
    let found = scenario::shipped(&scenario::shipped_folder())?;
    let width = found.iter().map(|shipped| shipped.name.len()).max().unwrap_or(0);
    let mut end = ExitCode::SUCCESS;
    let mut out = anstream::stdout();
    for shipped in found {
        match shipped.scenario {
            Ok(scenario) => writeln!(out, "{:width$}  {}", shipped.name, scenario.description)?,
            Err(error) => {
                anstream::eprintln!("error: {error}");
                end = ExitCode::from(EXIT_USAGE);
            }
        }
    }
    Ok(end)
}

fn run_scenario(command: &Run) -> anyhow::Result<ExitCode> {
    let scenario = match scenario::find(&command.scenario) {
        Ok(scenario) => scenario,
        Err(error) => {
            anstream::eprintln!("error: {error}");
            return Ok(ExitCode::from(EXIT_USAGE));
        }
    };
    // Before the run, so that a path that can't be written is known at once.
    let json = open(command.json.as_deref())?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run_until_interrupted(command, &scenario, json))
}

/// Opens a file to write to, unless that is stdout.
fn open(path: Option<&Path>) -> anyhow::Result<Option<File>> {
    let path = path.filter(|path| path.as_os_str() != "-");
    path.map(|path| File::create(path).with_context(|| format!("{}: can't be written", path.display()))).transpose()
}

/// Each connection over a link takes several files here, and some systems allow 1024 by default.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If it can't be raised, the run goes as far as it goes, and says where it stops.
    let _unraised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Whatever ends the run, the processes end with it: they are dropped.
async fn run_until_interrupted(command: &Run, scenario: &Scenario, json: Option<File>) -> anyhow::Result<ExitCode> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let terminal = Terminal::new();
    let options = Options { seed: command.seed, per_second: command.rate };
    let ran = tokio::select! {
        ran = run::run(scenario, &options, &terminal) => Some(ran),
        () = either(&mut interrupt, &mut terminate) => None,
    };
    terminal.finish();
    let Some(ran) = ran else { return Ok(ExitCode::from(EXIT_INTERRUPTED)) };
    let (report, stage) = ran?;
    print(&report, command, json)?;
    if command.keep {
        anstream::print!("{}", keep_notes(&stage, scenario));
        std::io::stdout().flush()?;
        either(&mut interrupt, &mut terminate).await;
    }
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHECK) })
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn print(report: &Report, command: &Run, json: Option<File>) -> anyhow::Result<()> {
    print_report(&run::render(report), &serde_json::to_string_pretty(report)?, command.json.as_deref(), json)
}

/// Prints a report as text, and as JSON where that was asked for: into the file that was opened, or on stdout.
fn print_report(text: &str, document: &str, asked: Option<&Path>, json: Option<File>) -> anyhow::Result<()> {
    match (json, asked) {
        (Some(mut file), _) => {
            writeln!(file, "{document}").context("the report can't be written")?;
            anstream::print!("{text}");
        }
        // `--json -`: data on stdout, all else on stderr.
        (None, Some(_)) => {
            anstream::eprint!("{text}");
            println!("{document}");
        }
        (None, None) => anstream::print!("{text}"),
    }
    Ok(())
}

/// What to try with a fleet that is left running.
fn keep_notes(stage: &Stage, scenario: &Scenario) -> String {
    let host = &scenario.site.host;
    let folder = stage.fleet.folder().display();
    let mut notes = "\nThe fleet is still running; Ctrl-C ends it. As a client near each PoP:\n".to_owned();
    for region in &stage.regions {
        notes.push_str(&format!(
            "  curl -si -o /dev/null -D - -H 'Host: {host}' http://{}/    # {}\n",
            region.address, region.name
        ));
    }
    notes.push_str("Counters of each node, and a purge:\n");
    for node in stage.fleet.nodes() {
        let (admin, id) = (node.admin_addr(), node.id());
        notes.push_str(&format!(
            "  curl -s -H \"Authorization: Bearer $(cat {folder}/secrets/read)\" http://{admin}/stats    # {id}\n"
        ));
    }
    notes.push_str(&format!(
        "  TOKEN=$(cat {folder}/secrets/deploy) purge-cli --config {folder}/fleet.toml url http://{host}/ --token-env TOKEN\n"
    ));
    notes.push_str(&format!("The origin is at http://{}, logs are in {folder}/logs\n", stage.origin.address()));
    notes
}
