//! From a purge to its proof, over links as long as those between continents.

mod echo;
mod wan;

use crate::figures::Series;
use crate::{machine, report};
use anyhow::Result;
use clap::Args;
use edge::wire::purge::{MAX_SELECTORS, Target};
use serde_json::json;
use std::fmt::Write as _;
use std::path::PathBuf;
use wan::{HOST, Wan};

/// What the proof may take beyond the longest round trip: half of it, and this, in milliseconds.
const ROUND_TRIPS: f64 = 1.5;
const BEYOND_MS: f64 = 20.0;

/// How the bench is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Round trips between the home of the purge log and each PoP, in milliseconds
    #[arg(long, value_delimiter = ',', default_values_t = [20, 60, 120, 180])]
    rtt: Vec<u64>,
    /// Purges, by purge-cli and by a client of the admin API each
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    purges: u32,
    /// Purges of 10,000 URLs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1000))]
    batches: u32,
    /// Also write the table to this Markdown file, and the figures to a .json beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Found {
    /// A byte there and back on a connection that is open, over the longest link.
    round_trip: Series,
    /// From the start of the program to its end.
    by_command: Series,
    /// From the request to the last byte of the answer.
    by_client: Series,
    batch: Series,
    /// Until the home had the receipt of each PoP, by its own word; in the order of the round trips.
    receipts: Vec<Series>,
}

/// Runs the bench and prints the table.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut wan = Wan::set(&options.rtt).await?;
    let mut found = Found { receipts: vec![Series::default(); options.rtt.len()], ..Found::default() };
    // Neither is measured: each starts something for the first time.
    wan.purge_by_command("http://bench.example/first").await?;
    wan.purge(vec![Target::Everything]).await?;
    for number in 0..options.purges {
        found.round_trip.push(wan.round_trip().await?);
        found.by_command.push(wan.purge_by_command(&format!("http://{HOST}/command/{number}")).await?);
        let url = format!("http://{HOST}/client/{number}");
        let (took, receipts) = wan.purge(vec![Target::Url { url }]).await?;
        found.by_client.push(took);
        for (series, ms) in found.receipts.iter_mut().zip(receipts) {
            series.push(ms);
        }
    }
    for number in 0..options.batches {
        let url = |n| format!("http://{HOST}/a-page-of-usual-length/{number}/{n}.html");
        let targets = (0..MAX_SELECTORS).map(|n| Target::Url { url: url(n) }).collect();
        found.batch.push(wan.purge(targets).await?.0);
    }
    tell(options, &found)
}

fn tell(options: &Options, found: &Found) -> Result<()> {
    let mut table = String::new();
    let longest = options.rtt.iter().copied().max().unwrap_or(0);
    let list: Vec<String> = options.rtt.iter().map(u64::to_string).collect();
    writeln!(
        table,
        "From a purge to its proof. PoPs are {} ms from the home of the purge log and back, on emulated links; who purges \
         is where the home is.",
        list.join(", ")
    )?;
    writeln!(table, "Machine: {}.\n", machine::describe())?;
    writeln!(table, "| | measured | median | p90 | p99 | range |\n|---|---|---|---|---|---|")?;
    let mut row = |name: String, series: &Series| {
        let [median, p90, p99] = [0.5, 0.9, 0.99].map(|share| series.quantile(share));
        let (count, least, most) = (series.values().len(), series.least(), series.most());
        writeln!(table, "| {name} | {count} | {median:.1} ms | {p90:.1} ms | {p99:.1} ms | {least:.1}–{most:.1} ms |")
    };
    row(format!("a bare round trip over the link of {longest} ms"), &found.round_trip)?;
    row("purge-cli, from its start to its end".to_owned(), &found.by_command)?;
    row("a client of the admin API".to_owned(), &found.by_client)?;
    for (rtt, receipts) in options.rtt.iter().zip(&found.receipts) {
        row(format!("the home has the receipt of the PoP at {rtt} ms"), receipts)?;
    }
    if options.batches > 0 {
        row("10,000 URLs, by a client".to_owned(), &found.batch)?;
    }
    let round_trip = found.round_trip.median();
    let aim = ROUND_TRIPS * longest as f64 + BEYOND_MS;
    let took = found.by_command.median();
    let is_met = if took <= aim { "met" } else { "missed" };
    writeln!(
        table,
        "\npurge-cli is done after {:.2} × the bare round trip ({:.1} ms beyond it). Aim: {ROUND_TRIPS} × {longest} ms + \
         {BEYOND_MS} ms = {aim} ms at the median: {is_met}.",
        took / round_trip,
        took - round_trip
    )?;
    let figures = json!({
        "machine": machine::describe(), "rtt_ms": options.rtt, "aim_ms": aim, "is_met": took <= aim,
        "round_trip_ms": found.round_trip.json(), "purge_cli_ms": found.by_command.json(),
        "client_ms": found.by_client.json(), "batch_ms": found.batch.json(),
        "receipts_ms": found.receipts.iter().map(Series::json).collect::<Vec<_>>(),
    });
    report::keep(options.out.as_deref(), &table, &figures)
}
