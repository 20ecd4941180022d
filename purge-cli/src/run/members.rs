//! Who follows the purge log: `ping` and `forget`.

use super::{RunError, write_json};
use crate::admin::{AdminClient, AdminError, printable};
use crate::cli::Options;
use crate::exit::Exit;
use crate::target::Scope;
use crate::token::{self, TokenPlace};
use edge::config::Fleet;
use edge::wire::purge::{LogReply, NodeReply};
use std::io::{self, Write};

/// Shows every node that the home knows.
pub(super) fn ping(options: &Options) -> Result<Exit, RunError> {
    let log = ask(options, async |client, home, token| client.log(home, token).await)?;
    show(options, &log).map_err(RunError::Output)
}

/// Says that a node does not run any more.
pub(super) fn forget(options: &Options, node: &str) -> Result<Exit, RunError> {
    let log = ask(options, async |client, home, token| client.forget(home, token, node).await)?;
    show(options, &log).map_err(RunError::Output)
}

/// Asks the home of the purge log, by the token that rules most.
pub(super) fn ask<T>(
    options: &Options,
    question: impl AsyncFnOnce(AdminClient, &str, &str) -> Result<T, AdminError>,
) -> Result<T, RunError> {
    let config = options.config.as_deref().ok_or(RunError::NoFleetFile)?;
    let place = TokenPlace::new(options.token_env.as_deref(), options.token_file.clone()).ok_or(RunError::TwoTokens)?;
    let fleet = Fleet::load(config)?;
    let token = token::find(&place, &fleet, &Scope::Everything)?;
    let (home, admin) = fleet.home().map_or_else(Default::default, |home| (home.id.to_string(), home.admin.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::Runtime)?;
    let asked = runtime.block_on(question(AdminClient::new(options.timeout), &admin, &token.secret));
    runtime.shutdown_background();
    asked.map_err(|error| RunError::Home { home, error })
}

pub(super) fn show(options: &Options, log: &LogReply) -> io::Result<Exit> {
    if options.json {
        write_json(log)?;
    } else if !options.quiet {
        let mut out = anstream::AutoStream::auto(io::stdout());
        let sealed = if log.sealed { ", sealed: it goes on elsewhere" } else { "" };
        writeln!(out, "purge log at {}, head {}{sealed}", printable(&log.node), printable(&log.head))?;
        write_nodes(&mut out, &log.nodes)?;
    }
    Ok(Exit::Proven)
}

/// A line for each node, with how far it is.
pub(super) fn write_nodes(out: &mut impl Write, nodes: &[NodeReply]) -> io::Result<()> {
    let width = nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).min(64);
    for node in nodes {
        let name = printable(&node.node);
        let role = printable(node.role.as_deref().unwrap_or("?"));
        let state = match (&node.boot_id, &node.applied) {
            (None, _) if node.proven => "does not run".to_owned(),
            (None, _) => "not heard of since the log was restored: if it does not run, forget it".to_owned(),
            (Some(boot), None) => format!("not heard of yet     boot {}", printable(boot)),
            (Some(boot), Some(applied)) => {
                let lag = match node.lag {
                    Some(lag @ 1..) => format!("  {lag} behind"),
                    _ if node.proven => String::new(),
                    _ => "  behind".to_owned(),
                };
                let lease = node.lease_ms.map_or_else(String::new, |ms| format!("  lease {:.1} s", ms as f64 / 1e3));
                format!("at {}{lag}{lease}  boot {}", printable(applied), printable(boot))
            }
        };
        writeln!(out, "  {name:width$}  {role:6}  {state}")?;
    }
    Ok(())
}
