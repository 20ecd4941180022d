//! A purge on its way: it goes to the home of the purge log, which numbers it and says which nodes have applied it.

use crate::admin::{AdminClient, AdminError, printable};
use crate::batch::{Batch, Batches};
use crate::clock::{self, ANSWER, Deadline};
use crate::outcome::{HomeError, NodeOutcome, Outcome, outcome_of, outcomes};
use edge::config::Fleet;
use edge::wire::purge::{PurgeLine, PurgeReply};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often one request is tried. With the pauses between, some 1.5 s: a home that restarts is back by then.
pub const MAX_ATTEMPTS: u32 = 6;

/// The pause after the first attempt; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What is told of a purge while it is on its way.
#[derive(Debug)]
pub enum News<'n> {
    /// The home has recorded a batch.
    Recorded {
        /// Where.
        position: &'n str,
        /// Which one, counted from 1.
        batch: usize,
        /// Of how many.
        batches: usize,
        /// For how many processes of nodes it waits.
        waits_for: usize,
    },
    /// A process of a node has applied the purge.
    Node(&'n NodeOutcome),
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

    /// Sends the purge to the home, and waits until every node has applied it. Each batch is told as it is recorded, each
    /// process of a node as it is proven, once.
    pub async fn purge(
        &self,
        fleet: &Fleet,
        token: &str,
        batches: &Batches,
        mut told: impl FnMut(News<'_>) + Send,
    ) -> Outcome {
        let begun = clock::now();
        let mut positions = Vec::new();
        let reply = self.send_all(fleet, token, batches, &mut positions, &mut told).await;
        let nodes = reply.as_ref().map_or_else(|_| Vec::new(), |reply| outcomes(fleet, &reply.nodes));
        Outcome { reply, positions, batches: batches.count(), nodes, elapsed: clock::now() - begun }
    }

    async fn send_all(
        &self,
        fleet: &Fleet,
        token: &str,
        batches: &Batches,
        positions: &mut Vec<String>,
        told: &mut (impl FnMut(News<'_>) + Send),
    ) -> Result<PurgeReply, HomeError> {
        let (home, admin) =
            fleet.home().map_or_else(Default::default, |home| (home.id.to_string(), home.admin.clone()));
        let deadline = Deadline::after(self.timeout + ANSWER);
        // A request that is repeated tells again.
        let mut known = BTreeSet::new();
        let mut at = 0;
        let mut batch = &batches.first;
        // The last one is applied after the others: what proves it proves them.
        loop {
            let mut heard = |line: &PurgeLine| match line {
                PurgeLine::Recorded { position, waits_for } if positions.len() == at => {
                    positions.push(printable(position));
                    let (batch, batches) = (at + 1, batches.count());
                    told(News::Recorded { position: &positions[at], batch, batches, waits_for: *waits_for });
                }
                PurgeLine::Node(reply) if known.insert((reply.node.clone(), reply.boot_id.clone())) => {
                    told(News::Node(&outcome_of(fleet, reply)));
                }
                PurgeLine::Recorded { .. } | PurgeLine::Node(_) | PurgeLine::Done(_) => {}
            };
            let reply = match self.send(&admin, token, batch, deadline, &mut heard).await {
                Ok(reply) => reply,
                Err((error, may_be_recorded)) => return Err(HomeError { home, error, may_be_recorded }),
            };
            if positions.len() == at {
                positions.push(printable(&reply.position));
            }
            match batches.rest.get(at) {
                Some(next) => batch = next,
                None => return Ok(reply),
            }
            at += 1;
        }
    }

    /// Repeats what is worth repeating: by its id, the home knows what it has recorded already. A failure comes with
    /// whether the batch may be recorded all the same.
    async fn send(
        &self,
        admin: &str,
        token: &str,
        batch: &Batch,
        deadline: Deadline,
        told: &mut (impl FnMut(&PurgeLine) + Send),
    ) -> Result<PurgeReply, (AdminError, bool)> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        let mut may_be_recorded = false;
        loop {
            let error = match self.client.post_purge_body(admin, token, batch.body.clone(), deadline, &mut *told).await
            {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            may_be_recorded = (may_be_recorded || error.leaves_open()) && !error.is_conflict();
            if attempt == MAX_ATTEMPTS || !error.is_transient() || deadline.left() <= pause {
                return Err((error, may_be_recorded));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Programs that run many of them want to spawn it.
    #[test]
    fn a_purge_may_move_between_threads() {
        fn check<T: Send>(_: impl FnOnce(&'static Fleet, &'static Batches) -> T) {}
        check(|fleet, batches| async move { Fanout::new(Duration::ZERO).purge(fleet, "", batches, |_| {}).await });
    }
}
