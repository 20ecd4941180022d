//! The binary `benches`: whole nodes beside other caches, and what purges of them take. The micro-benchmarks are `cargo bench`.

mod contestant;
mod figures;
mod hit;
mod machine;
mod proven;
mod purge;
mod report;
mod wrk;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Measure Tidewall's nodes, and compare them with other caches, all in one run on this machine
#[derive(Debug, Parser)]
#[command(name = "benches", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hits of a small object over HTTP/1.1 keep-alive: edge beside nginx's proxy_cache
    ///
    /// Each server runs on core 0, the load generator (wrk) on core 1; rounds alternate in the order ABBA.
    Hit(hit::Options),
    /// Purges of a node that holds a million objects: one, batches of 10,000 URLs, everything; and hits while they come
    ///
    /// The node runs on core 0; the home of the purge log, the origin and the load generator (wrk) on core 1.
    Purge(purge::Options),
    /// From a purge to its proof, over links as long as those between continents
    Proven(proven::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Hit(options) => hit::run(&options).await,
        Command::Purge(options) => purge::run(&options).await,
        Command::Proven(options) => proven::run(&options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
