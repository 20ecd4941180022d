//! Purges of a node that holds a million objects: how long one takes, what hits feel of it, and batches of 10,000 URLs.

mod hits;
mod report;
mod speed;
mod stand;

use crate::wrk;
use anyhow::{Result, ensure};
use clap::Args;
use std::path::PathBuf;

/// How the bench is run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Objects that the node holds
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=20_000_000))]
    objects: u64,
    /// Size of each, in bytes
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    bytes: u64,
    /// Purges of one selector, before and after the objects are there
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    purges: u32,
    /// Batches of 10,000 URLs, and one before them
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    batches: u32,
    /// Rounds of hits with purges and without; 0 for none
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=50))]
    rounds: u32,
    /// Seconds of one measurement of hits
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Purges each second beside hits
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Connections of the load generator, each kept alive
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    connections: u32,
    /// Let the node under load have all cores, so that its threads meet; otherwise it has core 0 for itself
    #[arg(long)]
    all_cores: bool,
    /// Also write the tables to this Markdown file, and the figures to a .json beside it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the bench and prints the tables.
pub(crate) async fn run(options: &Options) -> Result<()> {
    ensure!(
        std::thread::available_parallelism()?.get() >= 2,
        "two cores are needed: one for the node, one for the rest"
    );
    wrk::find().await?;
    let mut stand = stand::Stand::set(options).await?;
    let empty = speed::single(&mut stand, options.purges).await?;
    stand.stock(options).await?;
    let described = stand.describe().await?;
    let full = speed::single(&mut stand, options.purges).await?;
    let hits = hits::beside_purges(&mut stand, options).await?;
    let batches = speed::batches(&mut stand, options).await?;
    let everything = speed::everything(&mut stand, options).await?;
    report::report(options, &report::Findings { stand: described, empty, full, hits, batches, everything })
}
