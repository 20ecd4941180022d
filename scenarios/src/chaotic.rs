//! `scenarios chaos`: what is typed, printed and exited with.

use crate::cli::Chaos;
use crate::progress::Terminal;
use crate::{EXIT_CHECK, EXIT_INTERRUPTED, either, open, print_report, raise_file_limit};
use scenarios::chaos::{self, Options};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) fn chaos(command: &Chaos) -> anyhow::Result<ExitCode> {
    // Before the run, so that a path that can't be written is known at once.
    let json = open(command.json.as_deref())?;
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let options = Options { seed: command.seed, duration: command.duration };
    let terminal = Terminal::new();
    // Whatever ends the run, the processes end with it: they are dropped.
    let ran = runtime.block_on(async {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        anyhow::Ok(tokio::select! {
            ran = chaos::run(&options, &terminal) => Some(ran),
            () = either(&mut interrupt, &mut terminate) => None,
        })
    })?;
    terminal.finish();
    let Some(ran) = ran else { return Ok(ExitCode::from(EXIT_INTERRUPTED)) };
    let report = ran?;
    print_report(&chaos::render(&report), &serde_json::to_string_pretty(&report)?, command.json.as_deref(), json)?;
    Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHECK) })
}
