//! Hits: edge beside nginx.

use crate::contestant::{self, Contestant};
use crate::figures::Series;
use crate::machine;
use crate::report;
use crate::wrk::{self, Asks, Load};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use scenarios::fleet::{Binary, Block, OriginServer, OriginSpec, find_binary};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the bench is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Rounds; in each both servers run twice, in the order ABBA
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Size of the object, in bytes
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=67_108_864))]
    bytes: u64,
    /// Connections, each kept alive
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: u32,
    /// Also write the table to this Markdown file, and the figures to a .json beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The measurements of one server.
#[derive(Debug, Default)]
struct Measured {
    requests_per_second: Series,
    cpu_micros_per_request: Series,
    p99_ms: Series,
}

/// Runs the comparison and prints the table.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(std::thread::available_parallelism()?.get() >= 2, "two cores are needed: one for the server, one for wrk");
    let folder = std::env::temp_dir().join(format!("tidewall-bench-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("site"))?;
    std::fs::write(folder.join("site/index.html"), "bench\n")?;
    let result = compare(options, &folder).await;
    // Left-overs in the temporary folder harm nobody.
    let _ = std::fs::remove_dir_all(&folder);
    result
}

async fn compare(options: &Options, folder: &Path) -> Result<()> {
    let mut block = Block::reserve()?;
    let origin = OriginServer::start(OriginSpec {
        root: folder.join("site"),
        release: "bench".to_owned(),
        listen: block.address(8000)?,
        policy: None,
        control_token: "a-token-for-the-bench-alone".to_owned(),
        log_folder: folder.to_owned(),
    })
    .await?;
    let target = format!("/_synthetic/{}/hit?max-age=86400", options.bytes);
    let binary = find_binary(Binary::Edge)?;
    let edge = contestant::edge(&binary, folder, block.address(8080)?, block.address(9090)?, origin.address()).await?;
    let nginx = contestant::nginx(folder, block.address(8081)?, origin.address()).await?;
    let contestants = [edge, nginx];
    for contestant in &contestants {
        check(contestant, &target, options.bytes).await?;
        measure(contestant, &target, options, Duration::from_secs(1)).await?;
    }
    let mut series = [Measured::default(), Measured::default()];
    for round in 0..options.rounds {
        for at in [0, 1, 1, 0] {
            let contestant = &contestants[at];
            let (outcome, cpu) = measure(contestant, &target, options, Duration::from_secs(options.seconds)).await?;
            eprintln!("round {}: {:<6} {:>9.0} requests/s", round + 1, contestant.name, outcome.requests_per_second);
            series[at].requests_per_second.push(outcome.requests_per_second);
            series[at].cpu_micros_per_request.push(cpu.as_secs_f64() * 1e6 / outcome.requests.max(1) as f64);
            series[at].p99_ms.push(outcome.p99.as_secs_f64() * 1e3);
        }
    }
    for contestant in &contestants {
        check(contestant, &target, options.bytes).await?;
    }
    report(options, &contestants, &series)
}

async fn measure(
    contestant: &Contestant,
    target: &str,
    options: &Options,
    duration: Duration,
) -> Result<(wrk::Outcome, Duration)> {
    let pid = contestant.pid()?;
    let before = machine::cpu_time(pid)?;
    let load = Load {
        address: contestant.address,
        asks: Asks::One { host: contestant::HOST, target },
        connections: options.connections,
        duration,
    };
    let outcome = wrk::run(load).await?;
    Ok((outcome, machine::cpu_time(pid)?.saturating_sub(before)))
}

/// The second of two answers must be a hit, with the right number of bytes.
async fn check(contestant: &Contestant, target: &str, bytes: u64) -> Result<()> {
    contestant.ask(target).await?;
    let (head, body) = contestant.ask(target).await?;
    let status = head.lines().find(|line| line.to_ascii_lowercase().starts_with("cache-status:"));
    let status = status.with_context(|| format!("{}: no Cache-Status in\n{head}", contestant.name))?;
    if !status.to_ascii_lowercase().contains("hit") || body.len() as u64 != bytes {
        bail!("{}: not a hit of {bytes} bytes but {} bytes with {status}", contestant.name, body.len());
    }
    Ok(())
}

fn report(options: &Options, contestants: &[Contestant; 2], series: &[Measured; 2]) -> Result<()> {
    let mut table = String::new();
    writeln!(
        table,
        "Hits of a {}-byte object, HTTP/1.1 keep-alive, {} connections; server on core 0, wrk on core 1.",
        options.bytes, options.connections
    )?;
    writeln!(
        table,
        "{} rounds ABBA of {} s each; medians, and the range of requests/s.",
        options.rounds, options.seconds
    )?;
    writeln!(table, "Machine: {}.\n", machine::describe())?;
    writeln!(table, "| server | requests/s | range | CPU per request | p99 |\n|---|---|---|---|---|")?;
    for (contestant, series) in contestants.iter().zip(series) {
        let rate = &series.requests_per_second;
        writeln!(
            table,
            "| {} | {:.0} | {:.0}–{:.0} | {:.2} µs | {:.2} ms |",
            contestant.version,
            rate.median(),
            rate.least(),
            rate.most(),
            series.cpu_micros_per_request.median(),
            series.p99_ms.median()
        )?;
    }
    let ratio = series[0].requests_per_second.median() / series[1].requests_per_second.median();
    writeln!(table, "\nedge serves {ratio:.2} × the requests of nginx.")?;
    let figures = |at: usize| {
        let series = &series[at];
        json!({
            "version": contestants[at].version,
            "requests_per_second": series.requests_per_second.values(),
            "cpu_micros_per_request": series.cpu_micros_per_request.values(),
            "p99_ms": series.p99_ms.values(),
        })
    };
    let all = json!({
        "bytes": options.bytes, "connections": options.connections, "seconds": options.seconds,
        "machine": machine::describe(), "edge": figures(0), "nginx": figures(1), "ratio": ratio,
    });
    report::keep(options.out.as_deref(), &table, &all)
}
