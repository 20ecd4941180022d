//! The proof of a purge: which nodes have applied it, told as it becomes known.

use crate::clock;
use crate::core::log::{Member, Position};
use crate::log_home::{Appended, LogHome};
use crate::node::NodeState;
use crate::snapshot::Snapshot;
use crate::wire::purge::{NodeReply, PurgeLine, PurgeReply};
use axum::body::Bytes;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// When each member was found to have applied a record, in milliseconds.
pub(super) type Times = BTreeMap<Member, f64>;

/// The proof of a purge that is recorded.
pub(super) struct Proof {
    node: Arc<NodeState>,
    snapshot: Arc<Snapshot>,
    home: Arc<dyn LogHome>,
    appended: Appended,
    targets: usize,
    /// When it was asked for.
    began: time::Instant,
    times: Times,
}

impl Proof {
    pub(super) const fn new(
        node: Arc<NodeState>,
        snapshot: Arc<Snapshot>,
        home: Arc<dyn LogHome>,
        appended: Appended,
        targets: usize,
        began: time::Instant,
    ) -> Self {
        Self { node, snapshot, home, appended, targets, began, times: Times::new() }
    }

    /// Waits until every member has applied the purge, or until then; not at all without such a time. Each member is told
    /// to `lines` as it has; if nobody listens there any more, there is nothing to wait for.
    pub(super) async fn wait(mut self, until: Option<Instant>, lines: Option<&mpsc::Sender<Bytes>>) -> PurgeReply {
        let at = self.appended.position;
        let mut receipts = self.home.receipts();
        if let Some(lines) = lines {
            let waits_for = if until.is_some() { self.home.ledger().members.len() } else { 0 };
            let line = PurgeLine::Recorded { position: at.to_string(), waits_for };
            let _ = lines.send(line_of(&line)).await;
        }
        let Some(until) = until else { return self.reply() };
        // Of whom nobody has been told. Each receipt has this look again, so a look must not go through all for each.
        let mut untold: Vec<Member> = self.home.ledger().members.into_keys().collect();
        loop {
            receipts.mark_unchanged();
            let unproven = self.home.unproven(at);
            let proven = untold.into_iter().filter(|member| unproven.binary_search(member).is_err()).collect();
            if !self.tell_of(proven, lines).await || unproven.is_empty() {
                break;
            }
            untold = unproven;
            let gone = async {
                match lines {
                    Some(lines) => lines.closed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = timeout_at(until, receipts.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => break,
                },
                () = gone => break,
            }
        }
        self.reply()
    }

    /// `false` if nobody listens any more.
    async fn tell_of(&mut self, proven: Vec<Member>, lines: Option<&mpsc::Sender<Bytes>>) -> bool {
        let now = clock::monotonic().saturating_duration_since(self.began).as_secs_f64() * 1e3;
        for member in proven {
            let reply = of_member(&member, self.home.as_ref(), true, Some(now));
            // It may have left instead.
            if reply.applied.is_none() || self.times.insert(member, now).is_some() {
                continue;
            }
            if let Some(lines) = lines
                && lines.send(line_of(&PurgeLine::Node(reply))).await.is_err()
            {
                return false;
            }
        }
        true
    }

    fn reply(&self) -> PurgeReply {
        let (home, at) = (self.home.as_ref(), self.appended.position);
        PurgeReply {
            node: self.node.info.node.clone(),
            position: at.to_string(),
            issued_at_ms: self.appended.issued_at.as_millis(),
            is_new: self.appended.is_new,
            targets: self.targets,
            proven: home.unproven(at).is_empty(),
            nodes: nodes(&self.snapshot, home, at, &self.times),
        }
    }
}

/// A line of an answer in lines.
pub(super) fn line_of(line: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes.into()
}

/// Who has applied the record at a position: the members, and the nodes of the fleet file that are none.
pub(super) fn nodes(snapshot: &Snapshot, home: &dyn LogHome, at: Position, times: &Times) -> Vec<NodeReply> {
    let (members, unproven) = (home.ledger().members, home.unproven(at));
    let mut nodes: Vec<NodeReply> = members
        .keys()
        .map(|member| of_member(member, home, unproven.binary_search(member).is_err(), times.get(member).copied()))
        .collect();
    let present: BTreeSet<_> = members.keys().map(|member| &member.node).collect();
    let absent = snapshot.fleet.nodes().map(|(_, node)| &node.id).filter(|id| !present.contains(id));
    let absent =
        absent.map(|id| NodeReply { node: id.to_string(), boot_id: None, applied: None, proven: true, ms: None });
    nodes.extend(absent);
    nodes
}

fn of_member(member: &Member, home: &dyn LogHome, proven: bool, ms: Option<f64>) -> NodeReply {
    NodeReply {
        node: member.node.to_string(),
        boot_id: Some(member.boot.to_string()),
        applied: home.applied(member).map(|at| at.to_string()),
        proven,
        ms,
    }
}
