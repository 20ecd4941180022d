//! A purge on its way: it goes to the home of the purge log, which numbers it and says which nodes have applied it.

use crate::admin::{AdminClient, AdminError, printable};
use crate::batch::{Batch, Batches};
use crate::clock::{self, Deadline};
use crate::exit::Exit;
use edge::config::{Fleet, Role};
use edge::wire::purge::{NodeReply, PurgeLine, PurgeReply};
use std::collections::BTreeSet;
use std::time::Duration;
use thiserror::Error;

/// How often one request is tried. With the pauses between, some 1.5 s: a home that restarts is back by then.
pub const MAX_ATTEMPTS: u32 = 6;

/// The pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What the home's answer may take beyond the time for which the home waits.
const ANSWER: Duration = Duration::from_secs(5);

/// A node, as far as a purge needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its PoP; `None` if the fleet file doesn't have the node.
    pub pop: Option<String>,
    /// Its name.
    pub node: String,
    /// What it is for, if the fleet file has it.
    pub role: Option<Role>,
    /// Its admin address (`host:port`), if the fleet file has it.
    pub admin: Option<String>,
}

/// What became of the purge on one node.
#[derive(Debug)]
pub struct NodeOutcome {
    /// The node.
    pub member: Member,
    /// What the home knows of it, if it serves nothing any more that was purged; or why that is not proven.
    pub result: Result<NodeReply, NodeError>,
}

/// Why it is not proven that a node has applied the purge.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The home has not heard of it in time.
    #[error("has not acknowledged it in time; the last that it acknowledged is {}", applied.as_deref().unwrap_or("unknown"))]
    Unproven {
        /// Up to where it has applied the log.
        applied: Option<String>,
    },
    /// It is no member, but might be one in records that the home has lost.
    #[error("has not been heard of since the purge log was restored")]
    NotHeardOf,
    /// The home's fleet file has no such node, and it doesn't follow the log.
    #[error("is not known to the home of the purge log")]
    Unknown,
}

impl NodeError {
    /// One word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unproven { .. } => "unproven",
            Self::NotHeardOf => "not_heard_of",
            Self::Unknown => "unknown",
        }
    }

    /// What to do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unproven { .. } => {
                "is it running, and does it reach the home? `purge-cli ping` shows; if it is gone for good: purge-cli \
                 forget NODE"
            }
            Self::NotHeardOf => "start it; if it is gone for good: purge-cli forget NODE",
            Self::Unknown => "give this program and the nodes the same fleet file",
        }
    }
}

/// What became of the purge.
#[derive(Debug)]
pub struct Outcome {
    /// The home's answer to the last batch, or why there is none.
    pub reply: Result<PurgeReply, HomeError>,
    /// Every node, in the order of the fleet file; then those that the home knows beyond it. Empty without an answer.
    pub nodes: Vec<NodeOutcome>,
    /// From the first attempt to the last answer.
    pub elapsed: Duration,
}

/// The home has not recorded the purge, or not all of it.
#[derive(Debug, Error)]
#[error("{home}, the home of the purge log, has not recorded the purge: {error}")]
pub struct HomeError {
    /// Its name.
    pub home: String,
    /// What went wrong.
    pub error: AdminError,
    /// How many batches were recorded before.
    pub batches_recorded: usize,
}

impl Outcome {
    /// The nodes that are not proven.
    pub fn failures(&self) -> impl Iterator<Item = (&Member, &NodeError)> {
        self.nodes.iter().filter_map(|node| node.result.as_ref().err().map(|error| (&node.member, error)))
    }

    /// How many nodes are.
    pub fn proven(&self) -> usize {
        self.nodes.len() - self.failures().count()
    }

    /// How the run ends.
    pub fn exit(&self) -> Exit {
        match &self.reply {
            Err(failed) if failed.error.is_refusal() => Exit::Refused,
            Err(failed) if failed.error.is_timeout() => Exit::Timeout,
            Err(_) => Exit::Error,
            Ok(_) if self.failures().next().is_some() => Exit::Partial,
            Ok(_) => Exit::Proven,
        }
    }
}

/// Tells a fleet of purges.
#[derive(Debug, Clone, Copy)]
pub struct Fanout {
    client: AdminClient,
    timeout: Duration,
}

impl Fanout {
    /// The nodes have `timeout` to apply a purge.
    pub const fn new(timeout: Duration) -> Self {
        Self { client: AdminClient::new(timeout), timeout }
    }

    /// Sends the purge to the home, and waits until every node has applied it. Each process of a node is told as it is
    /// proven.
    pub async fn purge(
        &self,
        fleet: &Fleet,
        token: &str,
        batches: &Batches,
        mut told: impl FnMut(&NodeOutcome) + Send,
    ) -> Outcome {
        let begun = clock::now();
        let reply = self.send_all(fleet, token, batches, &mut told).await;
        let nodes = reply.as_ref().map_or_else(|_| Vec::new(), |reply| outcomes(fleet, &reply.nodes));
        Outcome { reply, nodes, elapsed: clock::now() - begun }
    }

    async fn send_all(
        &self,
        fleet: &Fleet,
        token: &str,
        batches: &Batches,
        told: &mut (impl FnMut(&NodeOutcome) + Send),
    ) -> Result<PurgeReply, HomeError> {
        // A request that is repeated tells again.
        let mut known = BTreeSet::new();
        let mut told = |line: &PurgeLine| {
            let PurgeLine::Node(reply) = line else { return };
            if known.insert((reply.node.clone(), reply.boot_id.clone())) {
                told(&NodeOutcome { member: member(fleet, &reply.node), result: result_of(reply) });
            }
        };
        let (name, admin) =
            fleet.home().map_or_else(Default::default, |home| (home.id.to_string(), home.admin.clone()));
        let deadline = Deadline::after(self.timeout + ANSWER);
        let failed = |batches_recorded| {
            let home = name.clone();
            move |error| HomeError { home, error, batches_recorded }
        };
        // The last one is applied after the others: what proves it proves them.
        let mut reply = self.send(&admin, token, &batches.first, deadline, &mut told).await.map_err(failed(0))?;
        for (before, batch) in batches.rest.iter().enumerate() {
            reply = self.send(&admin, token, batch, deadline, &mut told).await.map_err(failed(before + 1))?;
        }
        Ok(reply)
    }

    /// Repeats what is worth repeating: by its id, the home knows what it has recorded already.
    async fn send(
        &self,
        admin: &str,
        token: &str,
        batch: &Batch,
        deadline: Deadline,
        told: &mut (impl FnMut(&PurgeLine) + Send),
    ) -> Result<PurgeReply, AdminError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.client.post_purge_body(admin, token, batch.body.clone(), deadline, &mut *told).await {
                Ok(reply) => return Ok(reply),
                Err(error) if attempt == MAX_ATTEMPTS || !error.is_transient() || deadline.left() <= pause => {
                    return Err(error);
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
            attempt += 1;
        }
    }
}

/// What the home says of each node of the fleet file, and of others that it knows. A node can have several processes: one
/// that drains, and one that has taken its place.
pub(crate) fn outcomes(fleet: &Fleet, replies: &[NodeReply]) -> Vec<NodeOutcome> {
    let mut outcomes = Vec::new();
    for (_, node) in fleet.nodes() {
        let mut its = replies.iter().filter(|reply| reply.node == node.id.as_str()).map(result_of).peekable();
        if its.peek().is_none() {
            let member = member(fleet, node.id.as_str());
            outcomes.push(NodeOutcome { member, result: Err(NodeError::Unknown) });
        }
        outcomes.extend(its.map(|result| NodeOutcome { member: member(fleet, node.id.as_str()), result }));
    }
    let is_other = |reply: &&NodeReply| !fleet.nodes().any(|(_, node)| node.id.as_str() == reply.node);
    let others = replies.iter().filter(is_other);
    outcomes.extend(others.map(|reply| NodeOutcome { member: member(fleet, &reply.node), result: result_of(reply) }));
    outcomes
}

fn result_of(reply: &NodeReply) -> Result<NodeReply, NodeError> {
    match reply.proven {
        true => Ok(NodeReply { node: printable(&reply.node), ..reply.clone() }),
        false if reply.boot_id.is_none() => Err(NodeError::NotHeardOf),
        false => Err(NodeError::Unproven { applied: reply.applied.as_deref().map(printable) }),
    }
}

fn member(fleet: &Fleet, name: &str) -> Member {
    match fleet.nodes().find(|(_, node)| node.id.as_str() == name) {
        Some((pop, node)) => Member {
            pop: Some(pop.id.to_string()),
            node: node.id.to_string(),
            role: Some(node.role),
            admin: Some(node.admin.clone()),
        },
        None => Member { pop: None, node: printable(name), role: None, admin: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge::wire::admin::ErrorReply;

    /// Programs that run many of them want to spawn it.
    #[test]
    fn a_purge_may_move_between_threads() {
        fn check<T: Send>(_: impl FnOnce(&'static Fleet, &'static Batches) -> T) {}
        check(|fleet, batches| async move { Fanout::new(Duration::ZERO).purge(fleet, "", batches, |_| {}).await });
    }

    fn reply() -> PurgeReply {
        PurgeReply {
            node: "shield-1".to_owned(),
            position: "1.7".to_owned(),
            issued_at_ms: 0,
            is_new: true,
            targets: 1,
            proven: true,
            nodes: Vec::new(),
        }
    }

    #[test]
    fn how_a_run_ends() {
        let node = |result| NodeOutcome {
            member: Member { pop: None, node: "fra-1".to_owned(), role: None, admin: None },
            result,
        };
        let good = || NodeReply {
            node: "fra-1".to_owned(),
            boot_id: None,
            applied: None,
            proven: true,
            role: None,
            lag: None,
            lease_ms: None,
            connected: Some(true),
            ms: None,
        };
        let check = |reply, nodes, want| {
            let outcome = Outcome { reply, nodes, elapsed: Duration::ZERO };
            assert_eq!(outcome.exit(), want, "{outcome:?}");
        };
        let failed = |error| Err(HomeError { home: "shield-1".to_owned(), error, batches_recorded: 0 });
        let said = || ErrorReply { error: "no".to_owned(), hint: None };
        let late =
            || AdminError::Timeout { addr: "x".to_owned(), after: Duration::ZERO, stage: crate::admin::Stage::Answer };
        check(Ok(reply()), vec![node(Ok(good()))], Exit::Proven);
        check(Ok(reply()), vec![node(Ok(good())), node(Err(NodeError::Unknown))], Exit::Partial);
        check(Ok(reply()), vec![node(Err(NodeError::Unproven { applied: None }))], Exit::Partial);
        check(failed(AdminError::Unauthorized(said())), Vec::new(), Exit::Refused);
        check(failed(AdminError::Forbidden(said())), Vec::new(), Exit::Refused);
        check(failed(late()), Vec::new(), Exit::Timeout);
        check(failed(AdminError::BadAddress { addr: "x".to_owned() }), Vec::new(), Exit::Error);
    }
}
