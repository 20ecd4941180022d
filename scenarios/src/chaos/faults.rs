//! What is done to the fleet: the plan is the seed's, and each node and link suffers in its own time.

use super::history::History;
use crate::clock;
use crate::fleet::{FleetError, FleetNode, Signal};
use crate::wan::Link;
use futures_util::future::join_all;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// A round has its faults at the start, and quiet afterwards, so that purges can be proven.
const ROUND: Duration = Duration::from_millis(4500);
/// How far into their round faults begin.
const SPREAD: Duration = Duration::from_millis(700);
/// How long a fault lasts.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(2400);
/// How long a fault waits for a purge to be under way, and how far it then lets that get.
const PURGE_WITHIN: Duration = Duration::from_secs(2);
const PURGE_GETS: Duration = Duration::from_millis(60);

/// What can be done to the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A node that follows the log is killed (SIGKILL), and started again.
    KillFollower,
    /// The home of the purge log is killed while a purge is under way, and started again.
    KillHome,
    /// A follower is stopped (SIGSTOP), and goes on.
    PauseFollower,
    /// The home is stopped, and goes on.
    PauseHome,
    /// A follower drains and ends (SIGTERM), and is started again.
    RestartFollower,
    /// The home drains and ends, and is started again.
    RestartHome,
    /// Nothing gets from a follower to the purge log, or back.
    CutFromLog,
    /// Nothing gets from a follower to what it fetches from, or back.
    CutFromUpstream,
    /// All connections that a follower has opened are reset.
    ResetLinks,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::KillHome,
        Self::KillFollower,
        Self::PauseFollower,
        Self::CutFromLog,
        Self::PauseHome,
        Self::RestartFollower,
        Self::RestartHome,
        Self::CutFromUpstream,
        Self::ResetLinks,
    ];

    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KillFollower => "a follower killed",
            Self::KillHome => "the home of the log killed amid a purge",
            Self::PauseFollower => "a follower paused",
            Self::PauseHome => "the home of the log paused",
            Self::RestartFollower => "a follower restarted cleanly",
            Self::RestartHome => "the home of the log restarted cleanly",
            Self::CutFromLog => "a follower cut off from the log",
            Self::CutFromUpstream => "a follower cut off from what it fetches from",
            Self::ResetLinks => "the connections of a follower reset",
        }
    }

    const fn is_of_home(self) -> bool {
        matches!(self, Self::KillHome | Self::PauseHome | Self::RestartHome)
    }

    const fn is_of_links(self) -> bool {
        matches!(self, Self::CutFromLog | Self::CutFromUpstream | Self::ResetLinks)
    }
}

/// A fault that is to come.
#[derive(Debug, Clone, PartialEq)]
struct Planned {
    at: Duration,
    lasts: Duration,
    /// The node that it is about.
    node: String,
    kind: Kind,
}

impl Planned {
    /// Whether it is about a link of this name.
    fn is_about(&self, link: &str) -> bool {
        let Some(to) = link.strip_prefix(self.node.as_str()).and_then(|rest| rest.strip_prefix(" to ")) else {
            return false;
        };
        match self.kind {
            Kind::CutFromLog => to == "the purge log",
            Kind::CutFromUpstream => to != "the purge log",
            _ => true,
        }
    }
}

/// The faults of a run.
#[derive(Debug)]
pub(super) struct Plan(Vec<Planned>);

impl Plan {
    /// A plan for a load of a duration, in seconds: all kinds come, in an order of the seed's, and then anew.
    pub(super) fn draw(seed: u64, home: &str, followers: &[String], duration: Duration) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (mut plan, mut deck) = (Vec::new(), Vec::new());
        let mut round = Duration::from_secs(1);
        while round + LONGEST < duration {
            for _ in 0..rng.random_range(2..=3) {
                if deck.is_empty() {
                    deck = Kind::ALL.to_vec();
                    deck.shuffle(&mut rng);
                }
                let Some(kind) = deck.pop() else { continue };
                let node = if kind.is_of_home() { Some(home) } else { followers.choose(&mut rng).map(String::as_str) };
                plan.push(Planned {
                    at: round + SPREAD.mul_f64(rng.random()),
                    lasts: SHORTEST + (LONGEST - SHORTEST).mul_f64(rng.random()),
                    node: node.unwrap_or(home).to_owned(),
                    kind,
                });
            }
            round += ROUND;
        }
        plan.sort_by_key(|planned| planned.at);
        Self(plan)
    }

    fn of(&self, node: &str, is_of_links: bool) -> impl Iterator<Item = &Planned> {
        self.0.iter().filter(move |planned| planned.node == node && planned.kind.is_of_links() == is_of_links)
    }
}

/// Does to a fleet what is planned.
#[derive(Debug)]
pub(super) struct Nemesis<'r> {
    pub(super) plan: &'r Plan,
    pub(super) history: &'r History,
    /// How many purges are under way.
    pub(super) purging: watch::Receiver<u64>,
    pub(super) links: &'r [Link],
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Suffered {
    pub(super) counts: BTreeMap<Kind, u64>,
    /// Kills of the home that came while a purge was under way.
    pub(super) kills_amid_purge: u64,
    /// What a node did that it should not have.
    pub(super) failures: Vec<String>,
}

impl Nemesis<'_> {
    /// Goes through the plan. In the end all runs again, and all links are whole.
    pub(super) async fn run(&self, nodes: &mut [FleetNode]) -> Suffered {
        let suffered = Mutex::new(Suffered::default());
        let names: Vec<String> = nodes.iter().map(|node| node.id().to_owned()).collect();
        let of_nodes = join_all(nodes.iter_mut().map(|node| self.disturb(node, &suffered)));
        let of_links = join_all(names.iter().map(|node| self.part(node, &suffered)));
        tokio::join!(of_nodes, of_links);
        suffered.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    async fn disturb(&self, node: &mut FleetNode, suffered: &Mutex<Suffered>) {
        let id = node.id().to_owned();
        for planned in self.plan.of(&id, false) {
            sleep_until(self.history.start() + planned.at).await;
            let amid = planned.kind == Kind::KillHome && self.purge_is_under_way(planned).await;
            let lasting = self.history.begins(format!("{id}: {}", planned.kind.as_str()));
            let done = suffer(node, planned).await;
            lasting.ends();
            let mut suffered = suffered.lock().unwrap_or_else(PoisonError::into_inner);
            *suffered.counts.entry(planned.kind).or_default() += 1;
            suffered.kills_amid_purge += u64::from(amid);
            if let Err(error) = done {
                suffered.failures.push(format!("{}: {error}", planned.kind.as_str()));
            }
        }
    }

    /// Waits until a purge has come some way.
    async fn purge_is_under_way(&self, planned: &Planned) -> bool {
        let mut purging = self.purging.clone();
        purging.mark_unchanged();
        // The next one that begins, not one that waits for its last receipts.
        let begins = async {
            let mut before = *purging.borrow();
            while purging.changed().await.is_ok() {
                let now = *purging.borrow_and_update();
                if now > before {
                    break;
                }
                before = now;
            }
        };
        let met = timeout(PURGE_WITHIN, begins).await.is_ok();
        sleep(PURGE_GETS.mul_f64(planned.lasts.as_secs_f64() / LONGEST.as_secs_f64())).await;
        met
    }

    async fn part(&self, node: &str, suffered: &Mutex<Suffered>) {
        for planned in self.plan.of(node, true) {
            sleep_until(self.history.start() + planned.at).await;
            let links: Vec<&Link> = self.links.iter().filter(|link| planned.is_about(&link.spec().name)).collect();
            let lasting = self.history.begins(format!("{node}: {}", planned.kind.as_str()));
            if planned.kind == Kind::ResetLinks {
                links.iter().for_each(|link| link.reset());
            } else {
                links.iter().for_each(|link| link.cut());
                sleep(planned.lasts).await;
                links.iter().for_each(|link| link.restore());
            }
            lasting.ends();
            let mut suffered = suffered.lock().unwrap_or_else(PoisonError::into_inner);
            *suffered.counts.entry(planned.kind).or_default() += 1;
        }
    }
}

/// Does it to a node, and waits until it serves again.
async fn suffer(node: &mut FleetNode, planned: &Planned) -> Result<(), FleetError> {
    match planned.kind {
        Kind::PauseFollower | Kind::PauseHome => {
            node.signal(Signal::STOP)?;
            sleep(planned.lasts).await;
            node.signal(Signal::CONT)
        }
        Kind::RestartFollower | Kind::RestartHome => {
            let status = node.terminate().await?;
            let restarted = node.restart().await;
            let (name, log) = (node.id().to_owned(), node.process().log_end());
            restarted.and(if status.success() { Ok(()) } else { Err(FleetError::Ended { name, status, log }) })
        }
        _ => {
            node.kill().await?;
            sleep(planned.lasts).await;
            node.restart().await
        }
    }
}

/// The nodes of a fleet but the home, by name.
pub(super) fn followers(nodes: &[FleetNode], home: &str) -> Vec<String> {
    nodes.iter().map(|node| node.id().to_owned()).filter(|id| id != home).collect()
}

/// How long until a moment, for people.
pub(super) fn left(until: Instant) -> f64 {
    until.saturating_duration_since(clock::now()).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        let followers = ["fra-1".to_owned(), "sin-1".to_owned()];
        let draw = |seed| Plan::draw(seed, "shield-1", &followers, Duration::from_secs(60)).0;
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        for kind in Kind::ALL {
            assert!(draw(7).iter().filter(|planned| planned.kind == kind).count() >= 2, "{kind:?}");
        }
        let plan = draw(7);
        assert!(plan.iter().all(|planned| planned.kind.is_of_home() == (planned.node == "shield-1")), "{plan:?}");
        assert!(plan.iter().all(|planned| planned.at + planned.lasts < Duration::from_secs(63)), "{plan:?}");
    }
}
