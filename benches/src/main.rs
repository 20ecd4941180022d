//! The binary `benches`: whole nodes beside other caches, in one run. The micro-benchmarks are `cargo bench`.

mod contestant;
mod hit;
mod machine;
mod wrk;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Compare a Tidewall node with other caches, all in one run on this machine
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
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Hit(options) => hit::run(&options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
