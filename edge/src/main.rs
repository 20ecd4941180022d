//! The binary `edge`: see [`edge::cli`].

use anyhow::Result;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use edge::cli::{Cli, Command, NodeArgs};
use edge::config::{Fleet, LoadError, Problem};
use edge::server::Server;
use edge::wire::admin::ErrorReply;
use serde_json::json;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(node) => run(&node),
        Command::Restore { backup, node } => restore(&backup, &node),
        Command::Check { config, json } => check(&config, json),
        Command::Completions { shell } => completions(shell),
    };
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(NodeArgs { config, node, data }: &NodeArgs) -> Result<ExitCode> {
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let filter = tracing_subscriber::EnvFilter::try_from_env("EDGE_LOG").unwrap_or_else(|_| "info".into());
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colours).with_env_filter(filter).init();
    let server = Server::bind(config, node, data.as_deref())?;
    let line = serde_json::to_string(&server.listening()?)?;
    server.run(|| {
        // Whoever started the node may not listen; it serves all the same.
        let _ = writeln!(std::io::stdout(), "{line}");
    })?;
    Ok(ExitCode::SUCCESS)
}

fn restore(backup: &Path, NodeArgs { config, node, data }: &NodeArgs) -> Result<ExitCode> {
    let (restored, path) = edge::restore::restore(backup, config, node, data.as_deref())?;
    let mut out = std::io::stdout();
    let whole = match restored.was_sealed {
        true => "it had been sealed, so no record is missing",
        false => "it had not been sealed, so records may be missing",
    };
    let (path, records, head) = (path.display(), restored.records, restored.head);
    writeln!(out, "{path}: restored {records} records; an epoch begins at {head}; {whole}")?;
    writeln!(
        out,
        "next: start the node with the same --config and --data; nodes that are not heard of then must be forgotten, and so \
         must an earlier process of this one whose disk is lost: purge-cli forget NODE"
    )?;
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: Shell) -> Result<ExitCode> {
    // Written in one go: `generate` panics if its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "edge", &mut script);
    match std::io::stdout().write_all(&script) {
        // Whoever reads it has read enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn check(config: &Path, as_json: bool) -> Result<ExitCode> {
    let mut out = std::io::stdout();
    match Fleet::load(config) {
        Ok(fleet) => {
            let (pops, nodes, sites) = (fleet.pops.len(), fleet.nodes().count(), fleet.sites.len());
            if as_json {
                let warnings: Vec<_> = fleet.warnings.iter().map(problem_json).collect();
                let outcome = json!({ "ok": true, "pops": pops, "nodes": nodes, "sites": sites, "warnings": warnings });
                writeln!(out, "{outcome}")?;
            } else {
                for warning in &fleet.warnings {
                    writeln!(std::io::stderr(), "warning: {}", warning.in_file(&config.display().to_string()))?;
                }
                writeln!(out, "{}: good: {pops} PoPs, {nodes} nodes, {sites} sites", config.display())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if as_json => {
            let problems: Vec<_> = match &error {
                LoadError::Wrong(problems) => problems.list.iter().map(problem_json).collect(),
                LoadError::Unreadable { .. } | LoadError::TooLarge(_) => {
                    let ErrorReply { error, hint } = ErrorReply::read(&error.to_string());
                    let hint = hint.unwrap_or_default();
                    vec![json!({ "line": 0, "key": "", "value": null, "error": error, "hint": hint })]
                }
            };
            let file = config.display().to_string();
            writeln!(out, "{}", json!({ "ok": false, "file": file, "problems": problems }))?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            writeln!(std::io::stderr(), "{error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn problem_json(problem: &Problem) -> serde_json::Value {
    let Problem { line, key, value, what, hint } = problem;
    json!({ "line": line, "key": key, "value": value, "error": what, "hint": hint })
}
