//! Who follows the purge log: `ping` and `forget`.

use super::home::Home;
use super::{RunError, err, out, write_json};
use crate::admin::printable;
use crate::cli::Options;
use crate::clock::ANSWER;
use crate::exit::Exit;
use crate::report::HINT;
use edge::config::Fleet;
use edge::core::id::NodeId;
use edge::wire::purge::{LogReply, NodeReply};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// Shows every node that the home knows.
pub(super) fn ping(options: &Options) -> Result<Exit, RunError> {
    let log = Home::find(options)?.ask(options.timeout, async |client, at, token| client.log(at, token).await)?;
    show(options, &log).map_err(RunError::Output)?;
    if log.nodes.iter().any(|node| state(node) == Some(NodeState::Silent)) {
        let _ = writeln!(
            err(),
            "    {HINT}hint{HINT:#}: purges wait for a silent node until it is back, its lease has ended, or it is \
             forgotten: purge-cli forget NODE"
        );
    }
    Ok(Exit::Success)
}

/// Says that a node does not run any more.
pub(super) fn forget(options: &Options, node: &NodeId) -> Result<Exit, RunError> {
    let home = Home::find(options)?.in_doubt("`purge-cli ping` shows whether it is forgotten");
    let patience = options.timeout.max(patience(&home.fleet));
    let log = home.ask(patience, async |client, at, token| client.forget(at, token, node.as_str()).await)?;
    show(options, &log).map_err(RunError::Output)?;
    Ok(Exit::Success)
}

/// The home answers when the leases have ended that the node may hold.
fn patience(fleet: &Fleet) -> Duration {
    fleet.purge_log.lease.unwrap_or_default() + ANSWER
}

/// What a node does, as far as the home knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum NodeState {
    /// Its stream is open.
    Following,
    /// It is not, and nobody has said that it does not run.
    Silent,
    /// It serves nothing that it has stored until it has caught up.
    NotRunning,
    /// It might have joined in records that were lost.
    NotHeardOf,
}

/// `None` if the home does not say.
fn state(node: &NodeReply) -> Option<NodeState> {
    match (&node.boot_id, node.connected) {
        (None, _) if node.proven => Some(NodeState::NotRunning),
        (None, _) => Some(NodeState::NotHeardOf),
        (Some(_), Some(true)) => Some(NodeState::Following),
        (Some(_), Some(false)) => Some(NodeState::Silent),
        (Some(_), None) => None,
    }
}

/// A node, for programs.
#[derive(Serialize)]
pub(super) struct JsonNode<'n> {
    #[serde(flatten)]
    node: &'n NodeReply,
    state: Option<NodeState>,
}

impl<'n> From<&'n NodeReply> for JsonNode<'n> {
    fn from(node: &'n NodeReply) -> Self {
        Self { node, state: state(node) }
    }
}

/// The log and its nodes, for programs.
#[derive(Serialize)]
struct JsonLog<'n> {
    node: &'n str,
    head: &'n str,
    sealed: bool,
    nodes: Vec<JsonNode<'n>>,
}

pub(super) fn show(options: &Options, log: &LogReply) -> io::Result<()> {
    if options.json {
        let LogReply { node, head, sealed, nodes } = log;
        let nodes = nodes.iter().map(JsonNode::from).collect();
        write_json(&JsonLog { node, head, sealed: *sealed, nodes })
    } else if !options.quiet {
        let mut out = out();
        let sealed = if log.sealed { ", sealed: it goes on elsewhere" } else { "" };
        writeln!(out, "purge log at {}, head {}{sealed}", printable(&log.node), printable(&log.head))?;
        write_nodes(&mut out, &log.nodes)
    } else {
        Ok(())
    }
}

/// A line for each node: what it does, and how far it is.
pub(super) fn write_nodes(out: &mut impl Write, nodes: &[NodeReply]) -> io::Result<()> {
    let width = nodes.iter().map(|node| node.node.len()).max().unwrap_or(0).min(64);
    for node in nodes {
        let name = printable(&node.node);
        let role = printable(node.role.as_deref().unwrap_or("?"));
        let state = match state(node) {
            Some(NodeState::Following) => "following",
            Some(NodeState::Silent) => "silent",
            Some(NodeState::NotRunning) => "not running",
            Some(NodeState::NotHeardOf) => "unknown",
            None => "?",
        };
        let how_far = match (&node.boot_id, &node.applied) {
            (None, _) if node.proven => String::new(),
            (None, _) => "not heard of since this epoch of the log began: if it does not run, forget it".to_owned(),
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
        let line = format!("  {name:width$}  {role:6}  {state:11}  {how_far}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn node(boot: Option<&str>, proven: bool, connected: Option<bool>) -> NodeReply {
        NodeReply {
            node: "fra-1".to_owned(),
            boot_id: boot.map(str::to_owned),
            applied: boot.map(|_| "1.7".to_owned()),
            proven,
            role: Some("edge".to_owned()),
            lag: None,
            lease_ms: None,
            ms: None,
            connected,
        }
    }

    #[test]
    fn what_nodes_do() {
        let check = |node: NodeReply, line: &str, json: serde_json::Value| {
            let mut out = Vec::new();
            write_nodes(&mut out, std::slice::from_ref(&node)).expect("memory takes it");
            assert_eq!(String::from_utf8_lossy(&out), format!("  fra-1  edge    {line}\n"));
            let document = serde_json::to_value(JsonNode::from(&node)).expect("JSON");
            assert_eq!((&document["state"], &document["node"]), (&json, &"fra-1".into()));
        };
        check(node(Some("b"), true, Some(true)), "following    at 1.7  boot b", "following".into());
        check(node(Some("b"), true, Some(false)), "silent       at 1.7  boot b", "silent".into());
        check(node(Some("b"), true, None), "?            at 1.7  boot b", serde_json::Value::Null);
        check(node(None, true, None), "not running", "not_running".into());
        let lost = "unknown      not heard of since this epoch of the log began: if it does not run, forget it";
        check(node(None, false, None), lost, "not_heard_of".into());
    }

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
