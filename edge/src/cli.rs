//! Layer 5: the command line of `edge`.

use crate::core::id::NodeId;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  edge check --config fleet.toml
  edge run --config fleet.toml --node fra-1
  purge-cli log backup log.jsonl && edge restore log.jsonl --config fleet.toml --node shield-2
  edge completions bash > /etc/bash_completion.d/edge

Signals: SIGTERM and SIGINT drain and stop the node; SIGHUP takes the fleet file anew, whole or not at all.
Logs go to stderr; EDGE_LOG sets what is logged (error, warn, info, debug).
Exit codes: 0 done, 1 the fleet file, a secret or an address can't be used, 2 wrong usage.";

/// Tidewall's cache node: a PoP edge or an origin shield.
#[derive(Debug, Parser)]
#[command(name = "edge", version, about, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which node.
#[derive(Debug, Args)]
pub struct NodeArgs {
    /// The fleet file
    #[arg(long, value_name = "FILE", env = "TIDEWALL_CONFIG")]
    pub config: PathBuf,
    /// The node's name in the fleet file
    #[arg(long, value_name = "NAME", value_parser = NodeId::new)]
    pub node: NodeId,
    /// Where nodes keep what must outlive them, each in a folder of its own name [default: what the fleet file says]
    #[arg(long, value_name = "FOLDER", env = "TIDEWALL_DATA")]
    pub data: Option<PathBuf>,
}

/// What `edge` does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node of the fleet until SIGTERM
    ///
    /// As soon as it listens, one line of JSON on stdout says where: {"node":…,"public":…,"admin":…}.
    Run(NodeArgs),
    /// Check a fleet file, and list everything that is wrong with it
    ///
    /// What can be used but is hardly meant so is a warning, on stderr or as `warnings` in the JSON; it does not make the
    /// exit code 1.
    Check {
        /// The fleet file
        #[arg(long, value_name = "FILE", env = "TIDEWALL_CONFIG")]
        config: PathBuf,
        /// Print the outcome as JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the purge log of a node from a backup, so that it is the log's home from now on
    ///
    /// For a home whose disk is lost, and for one that moves: seal the log at the old home (purge-cli log seal), take a backup
    /// there (purge-cli log backup FILE), restore it here while this node does not run, name this node in [purge_log] home,
    /// restart it and the old one, and reload the others (SIGHUP). An epoch begins: what nodes have stored is hidden, since
    /// what was purged behind the backup is not known.
    Restore {
        /// The backup; - reads standard input
        backup: PathBuf,
        /// Of which node: one that does not run
        #[command(flatten)]
        node: NodeArgs,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}
