//! What is said of a purge to programs: one JSON document.

use crate::batch::Manner;
use crate::exit::Exit;
use crate::fanout::{NodeError, NodeOutcome, Outcome};
use crate::target::Targets;
use edge::config::Role;
use edge::wire::purge::{Mode, Target, Wait};
use serde::Serialize;
use std::time::Duration;

/// The document that `--json` prints. Fields that don't apply are `null`, never left out.
#[derive(Debug, Serialize)]
pub struct JsonReport<'r> {
    /// Whether what was asked for is reached: the purge is proven, or accepted where no more was asked.
    ok: bool,
    exit: JsonExit,
    mode: Mode,
    wait: Wait,
    /// By which a retry is known.
    id: &'r str,
    /// Whether every node has applied the purge.
    proven: bool,
    /// Where the purge is in the log; where its last part is, if it took several.
    position: Option<&'r str>,
    issued_at_ms: Option<u64>,
    /// Whether it was recorded now: a retry was recorded before.
    is_new: Option<bool>,
    /// As they were sent.
    targets: &'r [Target],
    /// From the first attempt to the last answer.
    duration_ms: f64,
    /// Why the home has not recorded it.
    error: Option<String>,
    hint: Option<String>,
    /// In the order of the fleet file; then those that the home knows beyond it.
    nodes: Vec<JsonNode<'r>>,
}

#[derive(Debug, Serialize)]
struct JsonExit {
    code: u8,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct JsonNode<'r> {
    pop: Option<&'r str>,
    node: &'r str,
    role: Option<&'static str>,
    admin: Option<&'r str>,
    proven: bool,
    applied: Option<&'r str>,
    boot_id: Option<&'r str>,
    /// From the home's being asked to the node's receipt there, in milliseconds.
    ms: Option<f64>,
    /// One word for programs.
    reason: Option<&'static str>,
    error: Option<String>,
    hint: Option<&'static str>,
}

impl<'r> JsonReport<'r> {
    /// The report on a purge.
    pub fn new(targets: &'r Targets, manner: &'r Manner, outcome: &'r Outcome) -> Self {
        let exit = outcome.exit();
        let (reply, failed) = (outcome.reply.as_ref().ok(), outcome.reply.as_ref().err());
        Self {
            ok: exit == Exit::Proven,
            exit: JsonExit { code: exit.code(), meaning: exit.meaning() },
            mode: manner.mode,
            wait: manner.wait,
            id: &manner.id,
            proven: exit == Exit::Proven && manner.wait == Wait::All,
            position: reply.map(|reply| reply.position.as_str()),
            issued_at_ms: reply.map(|reply| reply.issued_at_ms),
            is_new: reply.map(|reply| reply.is_new),
            targets: &targets.list,
            duration_ms: ms(outcome.elapsed),
            error: failed.map(ToString::to_string),
            hint: failed.map(|failed| failed.error.hint()),
            nodes: outcome.nodes.iter().map(JsonNode::new).collect(),
        }
    }
}

impl<'r> JsonNode<'r> {
    fn new(outcome: &'r NodeOutcome) -> Self {
        let member = &outcome.member;
        let (reply, error) = (outcome.result.as_ref().ok(), outcome.result.as_ref().err());
        let applied = match &outcome.result {
            Ok(reply) => reply.applied.as_deref(),
            Err(NodeError::Unproven { applied }) => applied.as_deref(),
            Err(NodeError::NotHeardOf | NodeError::Unknown) => None,
        };
        Self {
            pop: member.pop.as_deref(),
            node: &member.node,
            role: member.role.map(Role::as_str),
            admin: member.admin.as_deref(),
            proven: reply.is_some(),
            applied,
            boot_id: reply.and_then(|reply| reply.boot_id.as_deref()),
            ms: reply.and_then(|reply| reply.ms),
            reason: error.map(NodeError::reason),
            error: error.map(ToString::to_string),
            hint: error.map(NodeError::hint),
        }
    }
}

/// Milliseconds, to the hundredth.
fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e5).round() / 1e2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fanout::Member;
    use edge::wire::purge::{NodeReply, PurgeReply};

    #[test]
    fn the_document() {
        let member = |name: &str, pop: Option<&str>| Member {
            pop: pop.map(str::to_owned),
            node: name.to_owned(),
            role: pop.map(|_| Role::Edge),
            admin: pop.map(|_| "127.0.0.1:1".to_owned()),
        };
        let receipt = NodeReply {
            node: "fra-1".into(),
            boot_id: Some("b7".into()),
            applied: Some("1.7".into()),
            proven: true,
            role: None,
            lag: None,
            lease_ms: None,
            connected: Some(true),
            ms: Some(1.5),
        };
        let reply = PurgeReply {
            node: "fra-1".into(),
            position: "1.7".into(),
            issued_at_ms: 9,
            is_new: true,
            targets: 1,
            proven: false,
            nodes: Vec::new(),
        };
        let late = NodeError::Unproven { applied: None };
        let outcome = Outcome {
            reply: Ok(reply),
            nodes: vec![
                NodeOutcome { member: member("fra-1", Some("fra")), result: Ok(receipt) },
                NodeOutcome { member: member("old-1", None), result: Err(late) },
            ],
            elapsed: Duration::from_millis(2),
        };
        let targets = Targets::everything();
        let manner = Manner { mode: Mode::Soft, id: "v41".into(), wait: Wait::All, timeout: Duration::ZERO };
        let got = serde_json::to_value(JsonReport::new(&targets, &manner, &outcome)).expect("JSON");
        let want = serde_json::json!({
            "ok": false,
            "exit": { "code": 3, "meaning": Exit::Partial.meaning() },
            "mode": "soft", "wait": "all", "id": "v41", "proven": false,
            "position": "1.7", "issued_at_ms": 9, "is_new": true,
            "targets": [{ "kind": "everything" }],
            "duration_ms": 2.0, "error": null, "hint": null,
            "nodes": [
                {
                    "pop": "fra", "node": "fra-1", "role": "edge", "admin": "127.0.0.1:1", "proven": true,
                    "applied": "1.7", "boot_id": "b7", "ms": 1.5, "reason": null, "error": null, "hint": null,
                },
                {
                    "pop": null, "node": "old-1", "role": null, "admin": null, "proven": false,
                    "applied": null, "boot_id": null, "ms": null, "reason": "unproven",
                    "error": "has not acknowledged it in time; the last that it acknowledged is unknown",
                    "hint": NodeError::Unproven { applied: None }.hint(),
                },
            ],
        });
        assert_eq!(got, want);
    }
}
