//! What became of a purge on each node.

use crate::admin::printable;
use edge::config::{Fleet, Role};
use edge::core::log::Position;
use edge::wire::purge::NodeReply;
use thiserror::Error;

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
    /// Why it serves nothing any more of what was purged; or why that is not known.
    pub result: Result<Done, NodeError>,
}

/// A node that serves nothing any more of what was purged.
#[derive(Debug)]
pub struct Done {
    /// Why it does not.
    pub how: How,
    /// What the home knows of it.
    pub reply: NodeReply,
}

/// Why a node serves nothing any more of what was purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It has applied the purge.
    Applied,
    /// It joined behind the purge, and has nothing from before it.
    BeganLater,
    /// It has not applied the purge, and its lease has ended: it serves nothing that it has stored until it has.
    LeaseEnded,
    /// It does not run.
    NotRunning,
}

impl How {
    /// Of a node of which the home says that it serves nothing any more of what was purged at `at`.
    pub(crate) fn of(reply: &NodeReply, at: Option<Position>) -> Self {
        let is_before = |applied: &str| Position::parse(applied).zip(at).is_some_and(|(applied, at)| applied < at);
        match (&reply.boot_id, reply.applied.as_deref()) {
            (None, _) => Self::NotRunning,
            (Some(_), Some(applied)) if is_before(applied) => Self::LeaseEnded,
            (Some(_), Some(_)) => Self::Applied,
            (Some(_), None) if reply.lease_ms == Some(0) => Self::LeaseEnded,
            (Some(_), None) => Self::BeganLater,
        }
    }

    /// One word for programs, if it has not applied the purge.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Applied => None,
            Self::BeganLater => Some("began_later"),
            Self::LeaseEnded => Some("lease_ended"),
            Self::NotRunning => Some("not_running"),
        }
    }
}

/// Why it is not known that a node serves nothing any more of what was purged.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The home has not heard of it in time.
    #[error("has not acknowledged it in time; the last that it acknowledged is {}", applied.as_deref().unwrap_or("unknown"))]
    Unproven {
        /// Up to where it has applied the log.
        applied: Option<String>,
    },
    /// It is no member, but might be one in records that the home has lost.
    #[error("has not been heard of since this epoch of the purge log began")]
    NotHeardOf,
    /// The home's fleet file has no such node, and it doesn't follow the log.
    #[error("is not known to the home of the purge log")]
    Unknown,
    /// The home's answer ended before it said anything of this node.
    #[error("may or may not have applied it: the home had not said so when its answer ended")]
    NotTold,
}

impl NodeError {
    /// One word for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unproven { .. } => "unproven",
            Self::NotHeardOf => "not_heard_of",
            Self::Unknown => "unknown",
            Self::NotTold => "not_told",
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
            Self::NotTold => "`purge-cli status` tells when the home answers again",
        }
    }
}

/// How many nodes serve nothing any more of what was purged, by why they don't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// All nodes, also those of which it is not known.
    pub all: usize,
    /// Those that have applied the purge.
    pub applied: usize,
    /// Those of which it is not known.
    pub failed: usize,
    began_later: usize,
    lease_ended: usize,
    not_running: usize,
}

impl Tally {
    /// Counts.
    pub fn of(nodes: &[NodeOutcome]) -> Self {
        let mut tally = Self { all: nodes.len(), ..Self::default() };
        for node in nodes {
            *match node.result.as_ref().map(|done| done.how) {
                Ok(How::Applied) => &mut tally.applied,
                Ok(How::BeganLater) => &mut tally.began_later,
                Ok(How::LeaseEnded) => &mut tally.lease_ended,
                Ok(How::NotRunning) => &mut tally.not_running,
                Err(_) => &mut tally.failed,
            } += 1;
        }
        tally
    }

    /// `all 3 nodes`; or those that have applied it, if there are others.
    pub(crate) fn who_applied(self) -> String {
        match (self.applied, self.all) {
            (1, 1) => "the only node".to_owned(),
            (applied, all) if applied == all => format!("all {all} nodes"),
            (applied, _) => nodes(applied),
        }
    }

    /// Those that have not applied it and need not: `; 1 does not run`, or nothing.
    pub(crate) fn others(self) -> String {
        let said = |count, one: &str, many: &str| match count {
            0 => String::new(),
            1 => format!("; 1 {one}"),
            _ => format!("; {count} {many}"),
        };
        let Self { began_later, lease_ended, not_running, .. } = self;
        said(began_later, "began later", "began later")
            + &said(lease_ended, "whose lease has ended", "whose leases have ended")
            + &said(not_running, "does not run", "do not run")
    }
}

/// `1 node`, `3 nodes`.
pub(crate) fn nodes(count: usize) -> String {
    format!("{count} {}", if count == 1 { "node" } else { "nodes" })
}

/// What the home says of each node of the fleet file, and of others that it knows, about the purge at `at`. A node can have
/// several processes: one that drains, and one that has taken its place. `missing` is a node of which it says nothing.
pub(crate) fn outcomes(
    fleet: &Fleet,
    replies: &[NodeReply],
    at: Option<Position>,
    missing: fn() -> NodeError,
) -> Vec<NodeOutcome> {
    let mut outcomes = Vec::new();
    for (_, node) in fleet.nodes() {
        let mut its = replies.iter().filter(|reply| reply.node == node.id.as_str()).peekable();
        if its.peek().is_none() {
            outcomes.push(NodeOutcome { member: member(fleet, node.id.as_str()), result: Err(missing()) });
        }
        outcomes.extend(its.map(|reply| outcome_of(fleet, reply, at)));
    }
    let is_other = |reply: &&NodeReply| !fleet.nodes().any(|(_, node)| node.id.as_str() == reply.node);
    outcomes.extend(replies.iter().filter(is_other).map(|reply| outcome_of(fleet, reply, at)));
    outcomes
}

/// What the home says of one process of a node.
pub(crate) fn outcome_of(fleet: &Fleet, reply: &NodeReply, at: Option<Position>) -> NodeOutcome {
    let result = match reply.proven {
        true => {
            Ok(Done { how: How::of(reply, at), reply: NodeReply { node: printable(&reply.node), ..reply.clone() } })
        }
        false if reply.boot_id.is_none() => Err(NodeError::NotHeardOf),
        false => Err(NodeError::Unproven { applied: reply.applied.as_deref().map(printable) }),
    };
    NodeOutcome { member: member(fleet, &reply.node), result }
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

    fn reply(boot: Option<&str>, applied: Option<&str>, lease_ms: Option<u64>) -> NodeReply {
        NodeReply {
            node: "fra-1".to_owned(),
            boot_id: boot.map(str::to_owned),
            applied: applied.map(str::to_owned),
            proven: true,
            role: None,
            lag: None,
            lease_ms,
            connected: None,
            ms: None,
        }
    }

    #[test]
    fn why_a_node_serves_nothing_of_it() {
        let at = Position::parse("2.7");
        assert!(at.is_some());
        for (boot, applied, lease_ms, want) in [
            (Some("b"), Some("2.7"), None, How::Applied),
            (Some("b"), Some("2.10"), Some(900), How::Applied),
            (Some("b"), Some("2.6"), Some(0), How::LeaseEnded),
            (Some("b"), Some("1.9"), None, How::LeaseEnded),
            (Some("b"), None, Some(0), How::LeaseEnded),
            (Some("b"), None, Some(900), How::BeganLater),
            (Some("b"), None, None, How::BeganLater),
            (Some("b"), Some("?"), None, How::Applied),
            (None, None, None, How::NotRunning),
        ] {
            assert_eq!(How::of(&reply(boot, applied, lease_ms), at), want, "{boot:?} {applied:?} {lease_ms:?}");
        }
    }

    #[test]
    fn who_has_not_applied_it_is_counted_apart() {
        let check = |hows: &[How], applied: &str, others: &str| {
            let node = |how: &How| NodeOutcome {
                member: Member { pop: None, node: "fra-1".to_owned(), role: None, admin: None },
                result: Ok(Done { how: *how, reply: reply(None, None, None) }),
            };
            let tally = Tally::of(&hows.iter().map(node).collect::<Vec<_>>());
            assert_eq!((tally.who_applied().as_str(), tally.others().as_str()), (applied, others), "{hows:?}");
        };
        use How::{Applied, BeganLater, LeaseEnded, NotRunning};
        check(&[Applied], "the only node", "");
        check(&[Applied; 3], "all 3 nodes", "");
        check(&[Applied, NotRunning], "1 node", "; 1 does not run");
        check(
            &[Applied, Applied, LeaseEnded, NotRunning, NotRunning],
            "2 nodes",
            "; 1 whose lease has ended; 2 do not run",
        );
        check(&[LeaseEnded, LeaseEnded, BeganLater], "0 nodes", "; 1 began later; 2 whose leases have ended");
    }
}
