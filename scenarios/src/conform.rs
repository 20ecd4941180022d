//! `scenarios conformance`: what is typed, printed and exited with.

use crate::cli::Conformance;
use crate::progress::Terminal;
use crate::{EXIT_CHECK, EXIT_INTERRUPTED, EXIT_USAGE, either, open, raise_file_limit};
use anyhow::Context as _;
use scenarios::conformance::{self, ConformanceError, Dump, Options, Report};
use std::fs::File;
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// What was asked for.
enum Done {
    All(Report),
    One(Vec<Dump>),
}

pub(crate) fn conformance(command: &Conformance) -> anyhow::Result<ExitCode> {
    // Before the run, so that a path that can't be written is known at once.
    let files = (open(command.json.as_deref())?, open(command.markdown.as_deref())?);
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match runtime.block_on(until_interrupted(command))? {
        None => Ok(ExitCode::from(EXIT_INTERRUPTED)),
        Some(Err(error)) if error.is_usage() => {
            anstream::eprintln!("error: {error}");
            Ok(ExitCode::from(EXIT_USAGE))
        }
        Some(Err(error)) => Err(error.into()),
        Some(Ok(done)) => print(&done, command, files),
    }
}

/// Whatever ends the run, the processes end with it: they are dropped.
async fn until_interrupted(command: &Conformance) -> anyhow::Result<Option<Result<Done, ConformanceError>>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let terminal = Terminal::new();
    let options = Options {
        suite: command.suite.clone(),
        sites: command.site.clone(),
        topologies: command.topology.clone(),
        accept: command.accept,
    };
    let work = async {
        Ok(match &command.test {
            Some(id) => Done::One(conformance::dump(id, &options, &terminal).await?),
            None => Done::All(conformance::measure(&options, &terminal).await?),
        })
    };
    let done = tokio::select! {
        done = work => Some(done),
        () = either(&mut interrupt, &mut terminate) => None,
    };
    terminal.finish();
    Ok(done)
}

fn print(done: &Done, command: &Conformance, files: (Option<File>, Option<File>)) -> anyhow::Result<ExitCode> {
    let report = match done {
        Done::All(report) => report,
        Done::One(dumps) => {
            dumps.iter().for_each(|dump| anstream::print!("{}", dump_text(dump)));
            return Ok(end(dumps.iter().all(|dump| dump.passed)));
        }
    };
    let text = conformance::render(report);
    // `-`: data on stdout, all else on stderr.
    if [&command.json, &command.markdown].into_iter().flatten().any(|path| path.as_os_str() == "-") {
        anstream::eprint!("{text}");
    } else {
        anstream::print!("{text}");
    }
    let json = format!("{}\n", serde_json::to_string_pretty(report)?);
    for (path, file, data) in
        [(&command.json, files.0, json), (&command.markdown, files.1, conformance::markdown(report))]
    {
        let Some(path) = path else { continue };
        match file {
            Some(mut file) => file.write_all(data.as_bytes()),
            None => std::io::stdout().write_all(data.as_bytes()),
        }
        .with_context(|| format!("{}: can't be written", path.display()))?;
    }
    Ok(end(report.ok))
}

fn end(ok: bool) -> ExitCode {
    if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_CHECK) }
}

fn dump_text(dump: &Dump) -> String {
    let Dump { column, origin, client, .. } = dump;
    format!("##### {column}: what the origin saw\n{origin}\n##### {column}: what the client saw\n{client}\n")
}
