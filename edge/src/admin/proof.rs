//! The proof of a purge: which nodes have applied it, told as it becomes known.

use crate::clock;
use crate::core::id::NodeId;
use crate::core::log::{Member, Position};
use crate::log_home::{Appended, LogHome};
use crate::node::NodeState;
use crate::snapshot::Snapshot;
use crate::wire::line_of;
use crate::wire::purge::{NodeReply, PurgeLine, PurgeReply};
use axum::body::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{self, Duration};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// How often it is looked for leases that have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// When each member was found to have applied a record, in milliseconds.
pub(super) type Times = BTreeMap<Member, f64>;

/// The proof of a purge that is recorded.
pub(super) struct Proof {
    pub(super) node: Arc<NodeState>,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) home: Arc<dyn LogHome>,
    pub(super) appended: Appended,
    pub(super) targets: usize,
    /// When it was asked for.
    pub(super) began: time::Instant,
    /// Who is proven so far.
    pub(super) times: Times,
}

impl Proof {
    /// Waits until every member has applied the purge, or until then; not at all without such a time. Each member is told
    /// to `lines` as it has; if nobody listens there any more, there is nothing to wait for.
    pub(super) async fn wait(mut self, until: Option<Instant>, lines: Option<&mpsc::Sender<Bytes>>) -> PurgeReply {
        let at = self.appended.position;
        let mut receipts = self.home.receipts();
        if let Some(lines) = lines {
            let waits_for = if until.is_some() { self.home.ledger().members.len() } else { 0 };
            let line = PurgeLine::Recorded { position: at.to_string(), waits_for };
            let _ = lines.send(line_of(&line).into()).await;
        }
        let Some(until) = until else { return self.reply() };
        // Of whom nobody has been told. Each receipt has this look again, so a look must not go through all for each.
        let mut untold: Vec<Member> = self.home.ledger().members.into_keys().collect();
        loop {
            receipts.mark_unchanged();
            let unproven = self.home.unproven(at);
            let proven = untold.into_iter().filter(|member| unproven.binary_search(member).is_err()).collect();
            let heard = self.tell_of(proven, lines).await;
            if !heard || (unproven.is_empty() && all_proven(&self.nodes())) {
                break;
            }
            untold = unproven;
            let gone = async {
                match lines {
                    Some(lines) => lines.closed().await,
                    None => std::future::pending().await,
                }
            };
            // Leases end without a word.
            let look_again = Instant::from_std(clock::monotonic()) + LOOK_AGAIN;
            tokio::select! {
                changed = timeout_at(until.min(look_again), receipts.changed()) => match changed {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => break,
                    Err(_) if until < look_again => break,
                    Err(_) => {}
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
            let reply = of_member(&member, &self.snapshot, self.home.as_ref(), true, Some(now));
            // It may have left instead.
            if reply.applied.is_none() || self.times.insert(member, now).is_some() {
                continue;
            }
            if let Some(lines) = lines
                && lines.send(line_of(&PurgeLine::Node(reply)).into()).await.is_err()
            {
                return false;
            }
        }
        true
    }

    fn reply(&self) -> PurgeReply {
        let nodes = self.nodes();
        PurgeReply {
            node: self.node.info.node.clone(),
            position: self.appended.position.to_string(),
            issued_at_ms: self.appended.issued_at.as_millis(),
            is_new: self.appended.is_new,
            targets: self.targets,
            proven: all_proven(&nodes),
            nodes,
        }
    }

    fn nodes(&self) -> Vec<NodeReply> {
        nodes(&self.snapshot, self.home.as_ref(), self.appended.position, &self.times)
    }
}

/// Whether all of them are.
pub(super) fn all_proven(nodes: &[NodeReply]) -> bool {
    nodes.iter().all(|node| node.proven)
}

/// Who has applied the record at a position: the members, and the nodes of the fleet file that are none.
pub(super) fn nodes(snapshot: &Snapshot, home: &dyn LogHome, at: Position, times: &Times) -> Vec<NodeReply> {
    let (ledger, unproven) = (home.ledger(), home.unproven(at));
    let members = &ledger.members;
    let mut nodes: Vec<NodeReply> = members
        .keys()
        .map(|member| {
            of_member(member, snapshot, home, unproven.binary_search(member).is_err(), times.get(member).copied())
        })
        .collect();
    let present: BTreeSet<_> = members.keys().map(|member| &member.node).collect();
    let absent = snapshot.fleet.nodes().map(|(_, node)| &node.id).filter(|id| !present.contains(id));
    nodes.extend(absent.map(|id| NodeReply {
        node: id.to_string(),
        boot_id: None,
        applied: None,
        proven: ledger.gone.contains(id),
        role: role_of(snapshot, id),
        lag: None,
        lease_ms: None,
        connected: Some(false),
        ms: None,
    }));
    nodes
}

fn of_member(member: &Member, snapshot: &Snapshot, home: &dyn LogHome, proven: bool, ms: Option<f64>) -> NodeReply {
    let (applied, head) = (home.applied(member), home.follow().borrow().position);
    NodeReply {
        node: member.node.to_string(),
        boot_id: Some(member.boot.to_string()),
        applied: applied.map(|at| at.to_string()),
        proven,
        role: role_of(snapshot, &member.node),
        lag: applied.map(|at| at.lag(head)),
        lease_ms: home.lease_left(member).map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        connected: Some(home.has_stream(member)),
        ms,
    }
}

fn role_of(snapshot: &Snapshot, node: &NodeId) -> Option<String> {
    snapshot.fleet.node(node).map(|(_, node)| node.role.as_str().to_owned())
}
