//! What is said of a purge to programs: one JSON document.

use crate::batch::Manner;
use crate::exit::Exit;
use crate::outcome::{How, NodeError, NodeOutcome, Outcome, State};
use crate::target::Targets;
use crate::token::Origin;
use edge::config::Role;
use edge::wire::purge::{Mode, Target, Wait};
use serde::Serialize;
use std::time::Duration;

/// The document that `--json` prints. Fields that don't apply are `null`, never left out, but for what is said of hard purges
/// alone.
#[derive(Debug, Serialize)]
pub struct JsonReport<'r> {
    /// Whether what was asked for is reached: the purge is proven, or accepted where no more was asked.
    ok: bool,
    exit: JsonExit,
    /// The same code, as every document of an error has it.
    exit_code: u8,
    state: State,
    mode: Mode,
    wait: Wait,
    /// By which a retry is known.
    id: &'r str,
    /// Whether no node serves what was purged: never of a soft purge, nor of one that nobody was waited for.
    proven: bool,
    /// Whether every node has applied it, or serves nothing that it would have to apply it to; `null` if that was not waited
    /// for, or is not known.
    applied_by_all: Option<bool>,
    /// Where the purge is in the log: where its last batch is.
    position: Option<&'r str>,
    /// In how many requests it was sent, and where those are that are recorded.
    batches: usize,
    batches_recorded: usize,
    positions: &'r [String],
    issued_at_ms: Option<u64>,
    /// Whether it was recorded now: a retry was recorded before.
    is_new: Option<bool>,
    /// As they were sent.
    targets: &'r [Target],
    /// From the first attempt to the last answer.
    duration_ms: f64,
    /// What went wrong at the home.
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
    /// Of a hard purge: whether it is known to serve nothing any more of what was purged.
    #[serde(skip_serializing_if = "Option::is_none")]
    proven: Option<bool>,
    /// Whether it is known to have applied the purge.
    applied_it: bool,
    applied: Option<&'r str>,
    boot_id: Option<&'r str>,
    /// From the home's being asked to the node's receipt there, in milliseconds.
    ms: Option<f64>,
    /// Why it has not applied it, in one word. Without an error, it need not.
    reason: Option<&'static str>,
    error: Option<String>,
    hint: Option<&'static str>,
}

impl<'r> JsonReport<'r> {
    /// The report on a purge. `token` is where the token came from that the home may have refused.
    pub fn new(targets: &'r Targets, manner: &'r Manner, outcome: &'r Outcome, token: &Origin) -> Self {
        let (exit, state, reply) = (outcome.exit(), outcome.state(manner), outcome.reply.as_ref().ok());
        let is_whole = outcome.is_whole();
        let hints = outcome.hints(&manner.id, token);
        Self {
            ok: exit == Exit::Success,
            exit: JsonExit { code: exit.code(), meaning: outcome.meaning(manner) },
            exit_code: exit.code(),
            state,
            mode: manner.mode,
            wait: manner.wait,
            id: &manner.id,
            proven: state == State::Proven,
            applied_by_all: outcome.applied_by_all(manner.wait),
            position: outcome.positions.last().filter(|_| is_whole).map(String::as_str),
            batches: outcome.batches,
            batches_recorded: outcome.positions.len(),
            positions: &outcome.positions,
            issued_at_ms: reply.map(|reply| reply.issued_at_ms),
            is_new: reply.map(|reply| reply.is_new),
            targets: &targets.list,
            duration_ms: ms(outcome.elapsed),
            error: outcome.failure(),
            hint: (!hints.is_empty()).then(|| hints.join("; ")),
            nodes: outcome.nodes.iter().map(|node| JsonNode::new(node, manner.mode)).collect(),
        }
    }
}

impl<'r> JsonNode<'r> {
    fn new(outcome: &'r NodeOutcome, mode: Mode) -> Self {
        let member = &outcome.member;
        let (done, error) = (outcome.result.as_ref().ok(), outcome.result.as_ref().err());
        let reply = done.map(|done| &done.reply);
        let applied = match &outcome.result {
            Ok(done) => done.reply.applied.as_deref(),
            Err(NodeError::Unproven { applied }) => applied.as_deref(),
            Err(NodeError::NotHeardOf | NodeError::Unknown | NodeError::NotTold) => None,
        };
        Self {
            pop: member.pop.as_deref(),
            node: &member.node,
            role: member.role.map(Role::as_str),
            admin: member.admin.as_deref(),
            proven: (mode == Mode::Hard).then_some(done.is_some()),
            applied_it: done.is_some_and(|done| done.how == How::Applied),
            applied,
            boot_id: reply.and_then(|reply| reply.boot_id.as_deref()),
            ms: reply.and_then(|reply| reply.ms),
            reason: error.map(NodeError::reason).or_else(|| done.and_then(|done| done.how.reason())),
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
    use crate::outcome::{Done, Member};
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
        let stopped = NodeReply { node: "sin-1".into(), boot_id: None, applied: None, ms: None, ..receipt.clone() };
        let outcome = Outcome {
            reply: Ok(reply),
            positions: vec!["1.6".into(), "1.7".into()],
            batches: 2,
            nodes: vec![
                NodeOutcome {
                    member: member("fra-1", Some("fra")),
                    result: Ok(Done { how: How::Applied, reply: receipt }),
                },
                NodeOutcome {
                    member: member("sin-1", None),
                    result: Ok(Done { how: How::NotRunning, reply: stopped }),
                },
                NodeOutcome { member: member("old-1", None), result: Err(late) },
            ],
            elapsed: Duration::from_millis(2),
        };
        let targets = Targets::everything();
        let document = |mode| {
            let manner = Manner { mode, id: "v41".into(), wait: Wait::All, timeout: Duration::ZERO };
            serde_json::to_value(JsonReport::new(&targets, &manner, &outcome, &Origin::named_env("T"))).expect("JSON")
        };
        let mut want = serde_json::json!({
            "ok": false,
            "exit": { "code": 3, "meaning": "recorded, but not acknowledged in time by all nodes, each of which is named" },
            "exit_code": 3, "state": "accepted",
            "mode": "soft", "wait": "all", "id": "v41", "proven": false, "applied_by_all": false,
            "position": "1.7", "batches": 2, "batches_recorded": 2, "positions": ["1.6", "1.7"], "issued_at_ms": 9, "is_new": true,
            "targets": [{ "kind": "everything" }],
            "duration_ms": 2.0, "error": null, "hint": null,
            "nodes": [
                {
                    "pop": "fra", "node": "fra-1", "role": "edge", "admin": "127.0.0.1:1", "applied_it": true,
                    "applied": "1.7", "boot_id": "b7", "ms": 1.5, "reason": null, "error": null, "hint": null,
                },
                {
                    "pop": null, "node": "sin-1", "role": null, "admin": null, "applied_it": false,
                    "applied": null, "boot_id": null, "ms": null, "reason": "not_running", "error": null, "hint": null,
                },
                {
                    "pop": null, "node": "old-1", "role": null, "admin": null, "applied_it": false,
                    "applied": null, "boot_id": null, "ms": null, "reason": "unproven",
                    "error": "has not acknowledged it in time; the last that it acknowledged is unknown",
                    "hint": NodeError::Unproven { applied: None }.hint(),
                },
            ],
        });
        assert_eq!(document(Mode::Soft), want);
        want["mode"] = "hard".into();
        for (node, proven) in [true, true, false].into_iter().enumerate() {
            want["nodes"][node]["proven"] = proven.into();
        }
        assert_eq!(document(Mode::Hard), want);
    }
}
