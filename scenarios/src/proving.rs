//! `scenarios prove`: what is typed, printed and exited with.

use crate::EXIT_CHECK;
use crate::cli::Prove;
use indicatif::{ProgressBar, ProgressStyle};
use scenarios::prove::{self, Failure, Search};
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn prove(command: &Prove) -> anyhow::Result<ExitCode> {
    if let Some(seed) = command.trace {
        return Ok(trace(seed, command.steps));
    }
    let bar = ProgressBar::new(command.seeds.end - command.seeds.start);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds  {elapsed}  {eta:.dim}") {
        bar.set_style(style);
    }
    let found = prove::search(command.seeds.clone(), command.steps, &|| bar.inc(1));
    bar.finish_and_clear();
    match command.json {
        true => println!("{}", serde_json::to_string_pretty(&document(&found, command.steps))?),
        false => anstream::print!("{}", text(&found)),
    }
    match found.failure {
        Some(failure) if !command.json => Ok(trace(failure.seed, command.steps)),
        Some(_) => Ok(ExitCode::from(EXIT_CHECK)),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn document(found: &Search, steps: u64) -> serde_json::Value {
    let failure = |failure: &Failure| {
        json!({
            "seed": failure.seed,
            "step": failure.step,
            "monitor": failure.violation.monitor,
            "what": failure.violation.what,
            "trace": prove::run_shrunk(failure.seed, steps).trace,
        })
    };
    json!({ "seeds": found.seeds, "coverage": found.coverage, "failure": found.failure.as_ref().map(failure) })
}

fn text(found: &Search) -> String {
    let mut text: String = found.coverage.iter().map(|(what, n)| format!("{n:10}  {what}\n")).collect();
    text.push_str(&match found.failure {
        None => format!("{} seeds, none fails\n", found.seeds),
        Some(_) => format!("{} seeds, one fails:\n", found.seeds),
    });
    text
}

/// What happens under one seed.
fn trace(seed: u64, steps: u64) -> ExitCode {
    let run = prove::run_shrunk(seed, steps);
    run.trace.iter().for_each(|line| anstream::println!("{line}"));
    match run.failure {
        None => ExitCode::SUCCESS,
        Some(failure) => {
            let Failure { seed, step, violation } = failure;
            anstream::println!("seed {seed}, step {step}: {}: {}", violation.monitor, violation.what);
            ExitCode::from(EXIT_CHECK)
        }
    }
}
