//! A purge on its way: it goes to the home of the purge log, which numbers it and says which nodes have applied it.

use crate::admin::{AdminClient, AdminError, printable};
use crate::batch::{Batch, Batches};
use crate::clock::{self, ANSWER, Deadline};
use crate::outcome::{HomeError, NodeError, NodeOutcome, Outcome, outcome_of, outcomes};
use edge::config::Fleet;
use edge::core::log::Position;
use edge::wire::purge::{NodeReply, PurgeLine, PurgeReply};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often one request is tried of a home that does not look as if it restarts. With the pauses between, some 1.5 s.
pub const MAX_ATTEMPTS: u32 = 6;

/// The pause after the first attempt; each further one is twice as long, but not longer than the other.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// What a request may take that nobody is waited for, beside its bytes: for the connection, the disk of the home, and the
/// answer.
const RECORDING: Duration = Duration::from_secs(15);

/// The slowest uplink that purges are sent over, in bytes a second.
const UPLINK: usize = 64_000;

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
        told: impl FnMut(News<'_>) + Send,
    ) -> Outcome {
        let begun = clock::now();
        let mut progress = Progress::new(fleet, batches.count(), told);
        let reply = self.send_all(token, batches, &mut progress).await;
        let Progress { positions, acknowledged, .. } = progress;
        let at = positions.last().and_then(|position| Position::parse(position));
        let nodes = match &reply {
            Ok(reply) => outcomes(fleet, &reply.nodes, at, || NodeError::Unknown),
            // What was heard before the answer ended is known all the same.
            Err(_) if positions.len() == batches.count() => outcomes(fleet, &acknowledged, at, || NodeError::NotTold),
            Err(_) => Vec::new(),
        };
        Outcome { reply, positions, batches: batches.count(), nodes, elapsed: clock::now() - begun }
    }

    async fn send_all(
        &self,
        token: &str,
        batches: &Batches,
        progress: &mut Progress<'_, impl FnMut(News<'_>) + Send>,
    ) -> Result<PurgeReply, HomeError> {
        let home = progress.fleet.home();
        let (home, admin) = home.map_or_else(Default::default, |home| (home.id.to_string(), home.admin.clone()));
        let mut at = 0;
        let mut batch = &batches.first;
        // The last one is applied after the others: what proves it proves them.
        loop {
            let time = time_for(batch.body.len(), (at == batches.rest.len()).then_some(self.timeout));
            let reply = match self.send(&admin, token, batch, time, &mut |line| progress.hears(at, line)).await {
                Ok(reply) => reply,
                Err((error, may_be_recorded)) => return Err(HomeError { home, error, may_be_recorded }),
            };
            progress.note(at, &reply.position);
            match batches.rest.get(at) {
                Some(next) => batch = next,
                None => return Ok(reply),
            }
            at += 1;
        }
    }

    /// Repeats what is worth repeating: by its id, the home knows what it has recorded already. `time` is that of one
    /// attempt; a home that may be restarting has the timeout to be back. A failure comes with whether the batch may be
    /// recorded all the same.
    async fn send(
        &self,
        admin: &str,
        token: &str,
        batch: &Batch,
        time: Duration,
        told: &mut (impl FnMut(&PurgeLine) + Send),
    ) -> Result<PurgeReply, (AdminError, bool)> {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        let mut patience = None;
        let mut may_be_recorded = false;
        loop {
            let deadline = Deadline::after(time);
            let error = match self.client.post_purge_body(admin, token, batch.body.clone(), deadline, &mut *told).await
            {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            may_be_recorded = (may_be_recorded || error.leaves_open()) && !error.is_conflict();
            attempts += 1;
            let left = patience.get_or_insert_with(|| Deadline::after(self.timeout)).left();
            let is_worth_it = error.is_like_restart() || (error.is_transient() && attempts < MAX_ATTEMPTS);
            if !is_worth_it || left.is_zero() {
                return Err((error, may_be_recorded));
            }
            tokio::time::sleep(pause.min(left)).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

/// How long one attempt to send so many bytes may take, until its answer is there: with the time for which the home waits,
/// if it does.
fn time_for(bytes: usize, wait: Option<Duration>) -> Duration {
    let sending = Duration::from_secs((bytes / UPLINK) as u64);
    sending + wait.map_or(RECORDING, |wait| wait + ANSWER)
}

/// What the home has said of a purge so far. A request that is repeated has it say the same again.
struct Progress<'f, F> {
    fleet: &'f Fleet,
    batches: usize,
    positions: Vec<String>,
    /// The processes of nodes that have applied the last batch.
    acknowledged: Vec<NodeReply>,
    known: BTreeSet<(String, Option<String>)>,
    told: F,
}

impl<'f, F: FnMut(News<'_>)> Progress<'f, F> {
    const fn new(fleet: &'f Fleet, batches: usize, told: F) -> Self {
        Self { fleet, batches, positions: Vec::new(), acknowledged: Vec::new(), known: BTreeSet::new(), told }
    }

    /// A line of the answer to the batch with this index.
    fn hears(&mut self, at: usize, line: &PurgeLine) {
        match line {
            PurgeLine::Recorded { position, waits_for } => {
                if self.note(at, position) {
                    let (position, batch, batches) = (&self.positions[at], at + 1, self.batches);
                    (self.told)(News::Recorded { position, batch, batches, waits_for: *waits_for });
                }
            }
            PurgeLine::Node(reply) => {
                if reply.proven && self.known.insert((reply.node.clone(), reply.boot_id.clone())) {
                    let at = self.positions.last().and_then(|position| Position::parse(position));
                    (self.told)(News::Node(&outcome_of(self.fleet, reply, at)));
                    self.acknowledged.push(reply.clone());
                }
            }
            PurgeLine::Done(_) => {}
        }
    }

    /// Takes down where a batch is recorded; whether that is news. If a home that was restored from a backup has recorded it
    /// anew, nothing holds that was said before.
    fn note(&mut self, at: usize, position: &str) -> bool {
        let position = printable(position);
        if self.positions.get(at) == Some(&position) {
            return false;
        }
        self.positions.truncate(at);
        self.positions.push(position);
        self.acknowledged.clear();
        self.known.clear();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch has the time that its own bytes take, and the last one that of the wait besides.
    #[test]
    fn what_an_attempt_may_take() {
        let check = |bytes, wait: Option<u64>, want| {
            let wait = wait.map(Duration::from_millis);
            assert_eq!(time_for(bytes, wait), Duration::from_millis(want), "{bytes} {wait:?}");
        };
        check(300, Some(50), 5_050);
        check(300, Some(10_000), 15_000);
        check(640_000, Some(10_000), 25_000);
        check(300, None, 15_000);
        check(640_000, None, 25_000);
        let longest = time_for(edge::wire::purge::MAX_BODY_BYTES, Some(clock::MAX_TIMEOUT));
        assert_eq!(Deadline::after(longest).span(), longest, "it is not cut");
    }

    /// Programs that run many of them want to spawn it.
    #[test]
    fn a_purge_may_move_between_threads() {
        fn check<T: Send>(_: impl FnOnce(&'static Fleet, &'static Batches) -> T) {}
        check(|fleet, batches| async move { Fanout::new(Duration::ZERO).purge(fleet, "", batches, |_| {}).await });
    }
}
