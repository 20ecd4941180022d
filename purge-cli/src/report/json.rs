//! What is said of a purge to programs: one JSON document.

use crate::fanout::{NodeOutcome, Outcome};
use crate::target::Targets;
use edge::wire::purge::{Mode, Target};
use serde::Serialize;
use std::time::Duration;

/// The document that `--json` prints. Fields that don't apply are `null`, never left out.
#[derive(Debug, Serialize)]
pub struct JsonReport<'r> {
    /// Whether every node has applied the purge.
    ok: bool,
    exit: JsonExit,
    mode: Mode,
    /// As they were sent.
    targets: &'r [Target],
    /// From the first attempt to the last answer.
    duration_ms: f64,
    /// In the order of the fleet file.
    nodes: Vec<JsonNode<'r>>,
}

#[derive(Debug, Serialize)]
struct JsonExit {
    code: u8,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct JsonNode<'r> {
    pop: &'r str,
    node: &'r str,
    role: &'static str,
    admin: &'r str,
    ok: bool,
    ms: f64,
    applied_seq: Option<u64>,
    boot_id: Option<&'r str>,
    /// One word for programs.
    reason: Option<&'static str>,
    error: Option<String>,
    hint: Option<String>,
}

impl<'r> JsonReport<'r> {
    /// The report on a purge.
    pub fn new(targets: &'r Targets, mode: Mode, outcome: &'r Outcome) -> Self {
        let exit = outcome.exit();
        Self {
            ok: outcome.failures().next().is_none(),
            exit: JsonExit { code: exit.code(), meaning: exit.meaning() },
            mode,
            targets: &targets.list,
            duration_ms: ms(outcome.elapsed),
            nodes: outcome.nodes.iter().map(JsonNode::new).collect(),
        }
    }
}

impl<'r> JsonNode<'r> {
    fn new(outcome: &'r NodeOutcome) -> Self {
        let member = &outcome.member;
        let receipt = outcome.result.as_ref().ok();
        let failure = outcome.result.as_ref().err();
        Self {
            pop: member.pop.as_str(),
            node: member.node.as_str(),
            role: member.role.as_str(),
            admin: &member.admin,
            ok: receipt.is_some(),
            ms: ms(outcome.elapsed),
            applied_seq: receipt.map(|reply| reply.applied_seq),
            boot_id: receipt.map(|reply| reply.boot_id.as_str()),
            reason: failure.map(|failure| failure.error.reason()),
            error: failure.map(ToString::to_string),
            hint: failure.map(|failure| failure.error.hint()),
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
    use crate::fanout::{Failure, Member, NodeError};
    use edge::config::Role;
    use edge::core::id::{NodeId, PopId};
    use edge::wire::purge::PurgeReply;

    #[test]
    fn the_document() {
        let node = |name: &str, result| NodeOutcome {
            member: Member {
                pop: PopId::new("fra").expect("a name"),
                node: NodeId::new(name).expect("a name"),
                role: Role::Edge,
                admin: "127.0.0.1:1".to_owned(),
            },
            elapsed: Duration::from_micros(1234),
            result,
        };
        let receipt = PurgeReply { node: "fra-1".into(), boot_id: "b7".into(), applied_seq: 7, targets: 1 };
        let error = NodeError::OtherNode { addr: "127.0.0.1:1".into(), answered: "x".into() };
        let outcome = Outcome {
            nodes: vec![node("fra-1", Ok(receipt)), node("fra-2", Err(Failure { error, batches_applied: 0 }))],
            elapsed: Duration::from_millis(2),
        };
        let targets = Targets::everything();
        let got = serde_json::to_value(JsonReport::new(&targets, Mode::Soft, &outcome)).expect("JSON");
        let want = serde_json::json!({
            "ok": false,
            "exit": { "code": 3, "meaning": crate::exit::Exit::Partial.meaning() },
            "mode": "soft",
            "targets": [{ "kind": "everything" }],
            "duration_ms": 2.0,
            "nodes": [
                {
                    "pop": "fra", "node": "fra-1", "role": "edge", "admin": "127.0.0.1:1", "ok": true, "ms": 1.23,
                    "applied_seq": 7, "boot_id": "b7", "reason": null, "error": null, "hint": null,
                },
                {
                    "pop": "fra", "node": "fra-2", "role": "edge", "admin": "127.0.0.1:1", "ok": false, "ms": 1.23,
                    "applied_seq": null, "boot_id": null, "reason": "other_node",
                    "error": "127.0.0.1:1 is the admin address of \"x\"",
                    "hint": "correct `admin` of this node in the fleet file",
                },
            ],
        });
        assert_eq!(got, want);
    }
}
