//! Who is told of a purge, in which order, and how often: every node of the fleet file, the shields before the edges.

use crate::admin::{AdminClient, AdminError, printable};
use crate::batch::{Batch, Batches};
use crate::clock::{self, Deadline};
use crate::exit::Exit;
use edge::config::{Fleet, Role};
use edge::core::id::{NodeId, PopId};
use edge::wire::purge::PurgeReply;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use thiserror::Error;

/// How many nodes are told at once: the other ones wait for a free place, and their time runs from then on. A process
/// may commonly have 1,024 files open.
pub const MAX_PARALLEL_NODES: usize = 256;

/// How often one request is tried. With the pauses between, some 1.5 s: a node that restarts is back by then.
pub const MAX_ATTEMPTS: u32 = 6;

/// The pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A node, as far as a purge needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its PoP.
    pub pop: PopId,
    /// Its name.
    pub node: NodeId,
    /// What it is for.
    pub role: Role,
    /// Its admin address: `host:port`.
    pub admin: String,
}

/// What became of the purge on one node.
#[derive(Debug)]
pub struct NodeOutcome {
    /// The node.
    pub member: Member,
    /// How long it took, with all attempts.
    pub elapsed: Duration,
    /// The receipt for the last batch, or why there is none.
    pub result: Result<PurgeReply, Failure>,
}

/// A node has not applied the purge, or not all of it.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct Failure {
    /// What went wrong.
    pub error: NodeError,
    /// How many batches were applied before.
    pub batches_applied: usize,
}

/// What went wrong with a node.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The request failed.
    #[error(transparent)]
    Admin(#[from] AdminError),
    /// Another node answered: this one has heard nothing.
    #[error("{addr} is the admin address of {answered:?}")]
    OtherNode {
        /// The address.
        addr: String,
        /// Who answered.
        answered: String,
    },
}

impl NodeError {
    /// One word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Admin(error) => error.reason(),
            Self::OtherNode { .. } => "other_node",
        }
    }

    /// What to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Admin(error) => error.hint(),
            Self::OtherNode { .. } => "correct `admin` of this node in the fleet file".to_owned(),
        }
    }

    const fn is_refusal(&self) -> bool {
        matches!(self, Self::Admin(error) if error.is_refusal())
    }
}

/// What became of the purge.
#[derive(Debug)]
pub struct Outcome {
    /// Every node, in the order of the fleet file.
    pub nodes: Vec<NodeOutcome>,
    /// From the first attempt to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// How many nodes have applied the purge.
    pub fn applied(&self) -> usize {
        self.nodes.iter().filter(|node| node.result.is_ok()).count()
    }

    /// The nodes that have not, each with its failure.
    pub fn failures(&self) -> impl Iterator<Item = (&Member, &Failure)> {
        self.nodes.iter().filter_map(|node| node.result.as_ref().err().map(|failure| (&node.member, failure)))
    }

    /// How the run ends.
    pub fn exit(&self) -> Exit {
        if self.failures().any(|(_, failure)| failure.error.is_refusal()) {
            Exit::Refused
        } else if self.failures().next().is_some() {
            Exit::Partial
        } else {
            Exit::Applied
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
    /// Each node has `timeout` for all of a purge, repeated attempts included.
    pub const fn new(timeout: Duration) -> Self {
        Self { client: AdminClient::new(timeout), timeout }
    }

    /// Sends the purge to all shields, and when each of them has answered or failed, to all edges. `on_node` is called
    /// with each node as it answers. Ends within twice the timeout for up to [`MAX_PARALLEL_NODES`] nodes.
    pub async fn purge(
        &self,
        fleet: &Fleet,
        token: &str,
        batches: &Batches,
        mut on_node: impl FnMut(&NodeOutcome),
    ) -> Outcome {
        let begun = clock::now();
        let mut nodes = Vec::new();
        for shields in [true, false] {
            let members = members(fleet).enumerate().filter(|(_, member)| (member.role == Role::Shield) == shields);
            let tasks = members.map(|(at, member)| async move { (at, self.deliver(member, token, batches).await) });
            let mut answers = stream::iter(tasks).buffer_unordered(MAX_PARALLEL_NODES);
            while let Some((at, outcome)) = answers.next().await {
                on_node(&outcome);
                nodes.push((at, outcome));
            }
        }
        nodes.sort_by_key(|&(at, _)| at);
        let elapsed = clock::now() - begun;
        Outcome { nodes: nodes.into_iter().map(|(_, outcome)| outcome).collect(), elapsed }
    }

    async fn deliver(&self, member: Member, token: &str, batches: &Batches) -> NodeOutcome {
        let begun = clock::now();
        let result = self.send_all(&member, token, batches).await;
        NodeOutcome { member, elapsed: clock::now() - begun, result }
    }

    async fn send_all(&self, member: &Member, token: &str, batches: &Batches) -> Result<PurgeReply, Failure> {
        let deadline = Deadline::after(self.timeout);
        let failure = |batches_applied| move |error| Failure { error, batches_applied };
        let mut reply = self.send(member, token, &batches.first, deadline).await.map_err(failure(0))?;
        for (before, batch) in batches.rest.iter().enumerate() {
            reply = self.send(member, token, batch, deadline).await.map_err(failure(before + 1))?;
        }
        Ok(reply)
    }

    /// Repeats what is worth repeating. A purge that was applied and whose receipt was lost is applied twice, which
    /// does no harm.
    async fn send(
        &self,
        member: &Member,
        token: &str,
        batch: &Batch,
        deadline: Deadline,
    ) -> Result<PurgeReply, NodeError> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            match self.client.post_purge_body(&member.admin, token, batch.body.clone(), deadline).await {
                Ok(reply) => return receipt_of(member, reply),
                Err(error) if attempt == MAX_ATTEMPTS || !error.is_transient() || deadline.left() <= pause => {
                    return Err(error.into());
                }
                Err(_) => tokio::time::sleep(pause).await,
            }
            pause *= 2;
            attempt += 1;
        }
    }
}

/// All nodes of a fleet, in the order of its file.
fn members(fleet: &Fleet) -> impl Iterator<Item = Member> {
    fleet.nodes().map(|(pop, node)| Member {
        pop: pop.id.clone(),
        node: node.id.clone(),
        role: node.role,
        admin: node.admin.clone(),
    })
}

/// A receipt counts only if it is this node's.
fn receipt_of(member: &Member, reply: PurgeReply) -> Result<PurgeReply, NodeError> {
    if reply.node == member.node.as_str() {
        Ok(reply)
    } else {
        Err(NodeError::OtherNode { addr: member.admin.clone(), answered: printable(&reply.node) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(node: &str) -> Member {
        Member {
            pop: PopId::new("fra").expect("a name"),
            node: NodeId::new(node).expect("a name"),
            role: Role::Edge,
            admin: "127.0.0.1:1".to_owned(),
        }
    }

    fn reply(node: &str) -> PurgeReply {
        PurgeReply { node: node.to_owned(), boot_id: "b".to_owned(), applied_seq: 1, targets: 1 }
    }

    /// Programs that run many of them want to spawn it.
    #[test]
    fn a_purge_may_move_between_threads() {
        fn check<T: Send>(_: impl FnOnce(&'static Fleet, &'static Batches) -> T) {}
        check(|fleet, batches| async move { Fanout::new(Duration::ZERO).purge(fleet, "", batches, |_| {}).await });
    }

    #[test]
    fn only_its_own_receipt_counts() {
        assert!(receipt_of(&member("fra-1"), reply("fra-1")).is_ok());
        let error = receipt_of(&member("fra-1"), reply("fra-2")).expect_err("another node's");
        assert_eq!(error.to_string(), "127.0.0.1:1 is the admin address of \"fra-2\"");
    }

    #[test]
    fn how_a_run_ends() {
        let failed = |error| Err(Failure { error: NodeError::Admin(error), batches_applied: 0 });
        let said = || edge::wire::admin::ErrorReply { error: "no".to_owned(), hint: None };
        let down = || failed(AdminError::BadAddress { addr: "x".to_owned() });
        let check = |results: Vec<Result<PurgeReply, Failure>>, want| {
            let node = |result| NodeOutcome { member: member("fra-1"), elapsed: Duration::ZERO, result };
            let outcome = Outcome { nodes: results.into_iter().map(node).collect(), elapsed: Duration::ZERO };
            assert_eq!(outcome.exit(), want, "{outcome:?}");
        };
        check(vec![Ok(reply("fra-1"))], Exit::Applied);
        check(vec![Ok(reply("fra-1")), down()], Exit::Partial);
        check(vec![down(), down()], Exit::Partial);
        check(vec![Ok(reply("fra-1")), down(), failed(AdminError::Unauthorized(said()))], Exit::Refused);
        check(vec![failed(AdminError::Forbidden(said()))], Exit::Refused);
    }
}
