//! The nodes as the home of the purge log knows them: a line each for people, and for programs.

use super::{RunError, out, print_json, printed};
use crate::admin::printable;
use crate::cli::Options;
use crate::exit::Exit;
use crate::outcome::How;
use edge::config::Fleet;
use edge::core::log::Position;
use edge::wire::purge::{LogReply, Mode, NodeReply};
use serde::Serialize;
use std::io::{self, Write};

/// What a node does, as far as the home knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum NodeState {
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
pub(super) fn state(node: &NodeReply) -> Option<NodeState> {
    match (&node.boot_id, node.connected) {
        (None, _) if node.proven => Some(NodeState::NotRunning),
        (None, _) => Some(NodeState::NotHeardOf),
        (Some(_), Some(true)) => Some(NodeState::Following),
        (Some(_), Some(false)) => Some(NodeState::Silent),
        (Some(_), None) => None,
    }
}

/// A purge that is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) at: Option<Position>,
    pub(super) mode: Mode,
}

/// A node, for programs.
#[derive(Serialize)]
pub(super) struct JsonNode<'n> {
    node: &'n str,
    boot_id: Option<&'n str>,
    applied: Option<&'n str>,
    /// Not of a soft purge: nothing is promised of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<bool>,
    /// Whether it is known to have applied the purge that is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_it: Option<bool>,
    /// Why it need not have, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    role: Option<&'n str>,
    lag: Option<u64>,
    lease_ms: Option<u64>,
    connected: Option<bool>,
    ms: Option<f64>,
    state: Option<NodeState>,
}

impl<'n> JsonNode<'n> {
    pub(super) fn new(node: &'n NodeReply, asked: Option<Asked>) -> Self {
        let how = asked.filter(|_| node.proven).map(|asked| How::of(node, asked.at));
        Self {
            node: &node.node,
            boot_id: node.boot_id.as_deref(),
            applied: node.applied.as_deref(),
            proven: asked.is_none_or(|asked| asked.mode == Mode::Hard).then_some(node.proven),
            applied_it: asked.map(|_| how == Some(How::Applied)),
            reason: how.and_then(How::reason),
            role: node.role.as_deref(),
            lag: node.lag,
            lease_ms: node.lease_ms,
            connected: node.connected,
            ms: node.ms,
            state: state(node),
        }
    }
}

/// The names of the nodes of the fleet file that the home says nothing of.
pub(super) fn unknown_of<'f>(fleet: &'f Fleet, nodes: &[NodeReply]) -> Vec<&'f str> {
    let names = fleet.nodes().map(|(_, node)| node.id.as_str());
    names.filter(|name| !nodes.iter().any(|node| node.node == *name)).collect()
}

/// The log and its nodes.
#[derive(Serialize)]
pub(super) struct LogReport<'n> {
    ok: bool,
    exit_code: u8,
    node: &'n str,
    head: &'n str,
    sealed: bool,
    nodes: Vec<JsonNode<'n>>,
    /// Nodes of this program's fleet file that the home does not know.
    unknown: Vec<&'n str>,
    /// The node that is forgotten now, or was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten: Option<&'n str>,
    /// What is wrong with the nodes, if that was asked.
    error: Option<String>,
    hint: Option<String>,
    #[serde(skip)]
    replies: &'n [NodeReply],
}

impl<'n> LogReport<'n> {
    pub(super) fn new(fleet: &'n Fleet, log: &'n LogReply) -> Self {
        let LogReply { node, head, sealed, nodes } = log;
        Self {
            ok: true,
            exit_code: Exit::Success.code(),
            node,
            head,
            sealed: *sealed,
            nodes: nodes.iter().map(|node| JsonNode::new(node, None)).collect(),
            unknown: unknown_of(fleet, nodes),
            forgotten: None,
            error: None,
            hint: None,
            replies: nodes,
        }
    }

    pub(super) fn with_forgotten(self, node: &'n str) -> Self {
        Self { forgotten: Some(node), ..self }
    }

    pub(super) fn with_error(self, exit: Exit, error: String, hint: String) -> Self {
        Self { ok: false, exit_code: exit.code(), error: Some(error), hint: Some(hint), ..self }
    }

    pub(super) fn show(&self, options: &Options) -> Result<(), RunError> {
        match options.json {
            true => print_json(self),
            false if options.quiet => Ok(()),
            false => printed(self.write(&mut out())),
        }
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let sealed = if self.sealed { ", sealed: it goes on elsewhere" } else { "" };
        writeln!(out, "purge log at {}, head {}{sealed}", printable(self.node), printable(self.head))?;
        write_nodes(out, self.replies, &self.unknown, None)
    }
}

/// A line for each node: what it does, and how far it is.
pub(super) fn write_nodes(
    out: &mut impl Write,
    nodes: &[NodeReply],
    unknown: &[&str],
    asked: Option<Asked>,
) -> io::Result<()> {
    let names = nodes.iter().map(|node| node.node.as_str()).chain(unknown.iter().copied());
    let width = names.map(str::len).max().unwrap_or(0).min(64);
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
        let line = format!("  {name:width$}  {role:6}  {state:11}  {}", how_far(node, asked));
        writeln!(out, "{}", line.trim_end())?;
    }
    for name in unknown {
        let (name, role) = (printable(name), "?");
        writeln!(out, "  {name:width$}  {role:6}  not known to the home: give both the same fleet file")?;
    }
    Ok(())
}

fn how_far(node: &NodeReply, asked: Option<Asked>) -> String {
    let Some(boot) = &node.boot_id else {
        return match node.proven {
            true => String::new(),
            false => "not heard of since this epoch of the log began: if it does not run, forget it".to_owned(),
        };
    };
    let boot = printable(boot);
    let lag = match node.lag {
        Some(lag @ 1..) => format!("  {lag} behind"),
        _ if node.proven => String::new(),
        _ => "  behind".to_owned(),
    };
    let how = asked.filter(|_| node.proven).map(|asked| How::of(node, asked.at));
    let lease = match (how, node.lease_ms) {
        (Some(How::LeaseEnded), _) => "  lease ended".to_owned(),
        (_, Some(ms)) => format!("  lease {:.1} s", ms as f64 / 1e3),
        (_, None) => String::new(),
    };
    match &node.applied {
        Some(applied) => format!("at {}{lag}{lease}  boot {boot}", printable(applied)),
        None => format!("not heard of yet{lease}     boot {boot}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn line(node: &NodeReply, asked: Option<Asked>) -> String {
        let mut out = Vec::new();
        write_nodes(&mut out, std::slice::from_ref(node), &[], asked).expect("memory takes it");
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn what_nodes_do() {
        let check = |node: NodeReply, want: &str, json: serde_json::Value| {
            assert_eq!(line(&node, None), format!("  fra-1  edge    {want}\n"));
            let document = serde_json::to_value(JsonNode::new(&node, None)).expect("JSON");
            assert_eq!((&document["state"], &document["node"]), (&json, &"fra-1".into()));
            assert!(document["proven"].is_boolean() && document.get("applied_it").is_none(), "{document}");
        };
        check(node(Some("b"), true, Some(true)), "following    at 1.7  boot b", "following".into());
        check(node(Some("b"), true, Some(false)), "silent       at 1.7  boot b", "silent".into());
        check(node(Some("b"), true, None), "?            at 1.7  boot b", serde_json::Value::Null);
        check(node(None, true, None), "not running", "not_running".into());
        let lost = "unknown      not heard of since this epoch of the log began: if it does not run, forget it";
        check(node(None, false, None), lost, "not_heard_of".into());
    }

    /// A soft purge is proven nowhere, and who has not applied one is not said to have.
    #[test]
    fn what_nodes_have_applied() {
        let check = |node: NodeReply, mode, want: serde_json::Value| {
            let asked = Some(Asked { at: Position::parse("1.7"), mode });
            let document = serde_json::to_value(JsonNode::new(&node, asked)).expect("JSON");
            let got: Vec<_> = ["proven", "applied_it", "reason"].iter().map(|key| document.get(*key)).collect();
            assert_eq!(serde_json::json!(got), want, "{document}");
        };
        let ended = NodeReply { applied: Some("1.6".to_owned()), ..node(Some("b"), true, Some(false)) };
        let on = Some(Asked { at: Position::parse("1.7"), mode: Mode::Hard });
        assert_eq!(line(&ended, on), "  fra-1  edge    silent       at 1.6  lease ended  boot b\n");
        check(node(Some("b"), true, None), Mode::Hard, serde_json::json!([true, true, null]));
        check(node(Some("b"), true, None), Mode::Soft, serde_json::json!([null, true, null]));
        check(node(Some("b"), false, None), Mode::Soft, serde_json::json!([null, false, null]));
        check(ended, Mode::Hard, serde_json::json!([true, false, "lease_ended"]));
        check(node(None, true, None), Mode::Soft, serde_json::json!([null, false, "not_running"]));
    }
}
