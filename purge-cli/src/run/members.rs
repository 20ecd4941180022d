//! Who follows the purge log: `ping` and `forget`.

use super::home::Home;
use super::nodes::{LogReport, NodeState, state, unknown_of};
use super::{RunError, ask_first, err, out, printed};
use crate::admin::printable;
use crate::cli::Options;
use crate::clock::ANSWER;
use crate::exit::Exit;
use crate::report::{BAD, HINT};
use edge::config::Fleet;
use edge::core::id::NodeId;
use edge::wire::purge::{LogReply, NodeReply};
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Shows every node that the home knows or the fleet file has, and whether all of them run and follow.
pub(super) fn ping(options: &Options) -> Result<Exit, RunError> {
    let home = Home::to_read(options)?;
    let log = home.ask(options.timeout, async |client, at, token| client.log(at, token).await)?;
    let report = LogReport::new(&home.fleet, &log);
    let Some((error, hints)) = complaint(&home.fleet, &log) else {
        report.show(options)?;
        return Ok(Exit::Success);
    };
    report.with_error(Exit::Partial, error.clone(), hints.join("; ")).show(options)?;
    let mut err = err();
    let _ = writeln!(err, "{BAD}error{BAD:#}: {error}");
    for hint in hints {
        let _ = writeln!(err, "    {HINT}hint{HINT:#}: {hint}");
    }
    Ok(Exit::Partial)
}

/// What is wrong with a node, and what to do.
fn trouble(node: &NodeReply) -> Option<(&'static str, &'static str)> {
    match state(node) {
        Some(NodeState::Following) => None,
        Some(NodeState::Silent) => Some((
            "silent",
            "purges wait for a silent node until it is back, its lease has ended, or it is forgotten: purge-cli forget \
             NODE",
        )),
        Some(NodeState::NotRunning) => Some((
            "not running",
            "a node that is not running holds up no purge; start it, or take it out of the fleet file",
        )),
        Some(NodeState::NotHeardOf) => Some((
            "not heard of",
            "start what the home has not heard of; if it is gone for good: purge-cli forget NODE",
        )),
        None if node.proven => None,
        None => Some(("behind", "does the node that is behind reach the home? look at its log")),
    }
}

/// What is wrong with the nodes, and what to do; `None` if nothing is.
fn complaint(fleet: &Fleet, log: &LogReply) -> Option<(String, Vec<&'static str>)> {
    let known = log.nodes.iter().filter_map(|node| Some((node.node.as_str(), trouble(node)?)));
    let hint =
        "of a node that the home does not know nothing is proven: give this program and the home the same fleet file";
    let unknown = unknown_of(fleet, &log.nodes).into_iter().map(|name| (name, ("not known to the home", hint)));
    let (mut names, mut hints) = (Vec::new(), Vec::new());
    for (name, (what, hint)) in known.chain(unknown) {
        names.push(format!("{} ({what})", printable(name)));
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    (!names.is_empty()).then(|| (format!("not all nodes run and follow: {}", names.join(", ")), hints))
}

/// Says that a node does not run any more.
pub(super) fn forget(options: &Options, node: &NodeId, yes: bool) -> Result<Exit, RunError> {
    let home = Home::to_rule(options)?;
    if !yes {
        let log = home.ask(options.timeout, async |client, at, token| client.log(at, token).await)?;
        if log.nodes.iter().any(|its| its.node == node.as_str() && state(its) == Some(NodeState::Following)) {
            confirm(node)?;
        }
    }
    let home = home.in_doubt("`purge-cli ping` shows whether it is forgotten");
    let patience = options.timeout.max(patience(&home.fleet));
    let (log, is_new) =
        home.ask(patience, async |client, at, token| match client.forget(at, token, node.as_str()).await {
            Err(error) if error.is_not_found() => {
                let log = client.log(at, token).await?;
                if is_forgotten(&log, node) { Ok((log, false)) } else { Err(error) }
            }
            done => done.map(|log| (log, true)),
        })?;
    LogReport::new(&home.fleet, &log).with_forgotten(node.as_str()).show(options)?;
    if !options.json && !options.quiet {
        let word = if is_new { "forgotten" } else { "already forgotten" };
        printed(writeln!(out(), "{word}: {node}"))?;
    }
    Ok(Exit::Success)
}

/// Whoever is forgotten and runs may serve what is purged.
fn confirm(node: &NodeId) -> Result<(), RunError> {
    if !io::stdin().is_terminal() {
        return Err(RunError::NobodyToAskOfForget(node.clone()));
    }
    ask_first(&format!(
        "{node} runs: its stream to the home is open. If it is forgotten, it may serve what is purged until it has noticed."
    ))
}

/// Whether the home has been told that the node does not run.
fn is_forgotten(log: &LogReply, node: &NodeId) -> bool {
    let mut its = log.nodes.iter().filter(|its| its.node == node.as_str());
    its.next().is_some_and(|first| state(first) == Some(NodeState::NotRunning)) && its.next().is_none()
}

/// The home answers when the leases have ended that the node may hold.
fn patience(fleet: &Fleet) -> Duration {
    fleet.purge_log.lease.unwrap_or_default() + ANSWER
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn forgetting_takes_as_long_as_a_lease() {
        let check = |purge_log: &str, want| {
            let text = format!(
                "[[pops]]\nid = \"fra\"\nlatitude = 50.0\nlongitude = 8.0\n\
                 [[pops.nodes]]\nid = \"fra-1\"\npublic = \"127.0.0.1:80\"\nadmin = \"127.0.0.1:90\"\n\
                 [[origins]]\nid = \"www\"\nurl = \"http://127.0.0.1:8000\"\n\
                 [[sites]]\nid = \"docs\"\nhosts = [\"docs.example.com\"]\norigin = \"www\"\n\
                 [[tokens]]\nid = \"admin\"\nrole = \"admin\"\nenv = \"T\"\n[purge_log]\n{purge_log}"
            );
            let fleet = Fleet::parse(&text, "fleet.toml", Path::new("")).expect("a fleet");
            assert_eq!(patience(&fleet), Duration::from_secs(want), "{purge_log:?}");
        };
        check("", 5);
        check("mode = \"strict\"", 15);
        check("mode = \"strict\"\nlease = \"1h\"", 3605);
    }
}
