//! The promise of purges, on real processes and amid faults.
//!
//! Two shields, one of them the home of the purge log, and six PoPs behind links of real length are under load while
//! operators change pages and purge them with `purge-cli`. Meanwhile nodes are killed, paused and restarted, and links are
//! cut. The origin is in this process, so it is known exactly which version of a page is the newest at any moment, and
//! which is still on its way. Once `purge-cli` has exited with 0 for a hard purge, no read that is sent from then on may
//! give less than the version that the origin had when the purge was issued.
//!
//! The seed decides the plan of the faults and what is drawn; how it all falls together is the machine's business, so a
//! seed does not repeat a run step by step. The protocol under a seeded scheduler is [`crate::prove`].

mod faults;
mod history;
mod operator;
mod origin;
mod page;
mod reader;
mod report;
mod selection;
mod stage;
mod table;
mod truth;

pub use faults::Kind;
pub use history::Happened;
pub use reader::Stale;
pub use report::{OriginReport, Purges, Reads, Report};
pub use table::render;

use crate::clock;
use crate::fleet::{Binary, FleetNode, find_binary};
use crate::load::Pool;
use crate::run::{Progress, RunError};
use faults::{Nemesis, Plan, Suffered};
use history::History;
use operator::{Desk, Ledger, Operator};
use origin::Origin;
use reader::{Reader, Tally, Watching};
use report::Ended;
use selection::Selection;
use stage::{HOME, Stage};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};
use truth::{Proof, Truth};

/// By which a panic is known in a log.
const PANIC: &str = "panicked at";
/// Operators who purge side by side.
const OPERATORS: u64 = 3;
/// Clients of each PoP, over a link to it; and those who watch each node from nearby.
const CLIENTS: u64 = 2;
const WATCHERS: u64 = 2;
/// Purges that a watcher may be behind.
const PROVEN_AHEAD: usize = 64;
/// How often the progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);
/// Within this time after the faults a purge of everything must be proven, and how long each send of it may take.
const PROVEN_WITHIN: Duration = Duration::from_secs(120);
const LAST_TIMEOUT: &str = "30s";
const LAST_PAUSE: Duration = Duration::from_millis(500);

/// What a run is told.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Determines the faults, and what is drawn.
    pub seed: u64,
    /// How long the load lasts.
    pub duration: Duration,
}

/// Runs it.
///
/// # Errors
/// If it can't be run to its end. That it ran says nothing about its checks, which are in the report.
pub async fn run(options: &Options, progress: &dyn Progress) -> Result<Report, RunError> {
    let truth = Arc::new(Truth::new());
    progress.phase("starting the fleet: two shields, six PoPs, an origin");
    let open = async |listen: SocketAddr| Origin::start(listen, truth.clone(), options.seed).await;
    let (mut stage, origin) = Stage::set(open).await?;
    let desk = Arc::new(Desk {
        program: find_binary(Binary::PurgeCli)?,
        fleet_file: stage.fleet.fleet_file().to_owned(),
        site_token: stage.fleet.secrets().deploy.clone(),
        admin_token: stage.fleet.secrets().admin.clone(),
    });
    let plan = Plan::draw(options.seed, HOME, &faults::followers(stage.fleet.nodes(), HOME), options.duration);
    let shared = Arc::new(Watching {
        truth,
        tally: Tally::default(),
        history: Arc::new(History::new()),
        proven: broadcast::Sender::new(PROVEN_AHEAD),
        stop: watch::Sender::new(false),
        stop_purging: watch::Sender::new(false),
    });
    let ledger = Arc::new(Ledger::default());
    let purging = Arc::new(watch::Sender::new(0));

    progress.phase("load, purges and faults");
    let (readers, pools) = start_readers(&stage, &shared, options.seed);
    let mut operators = JoinSet::new();
    for number in 0..OPERATORS {
        let operator = Operator {
            name: format!("op{number}"),
            desk: desk.clone(),
            ledger: ledger.clone(),
            shared: shared.clone(),
            purging: purging.clone(),
            rng: Operator::rng(options.seed.wrapping_mul(1000).wrapping_add(number)),
        };
        operators.spawn(operator.work());
    }
    let (mut suffered, purged) =
        tokio::join!(disturb(&mut stage, &shared, &plan, purging.subscribe(), options.duration), async {
            let purged = until_done(operators, &shared, &ledger, options.duration, progress).await;
            purged.map_err(|cause| RunError::Program { program: desk.program.clone(), cause })
        });
    purged?;

    progress.phase("the faults are over: a purge of everything");
    origin.calm_down();
    let proven = last_purge(&desk, &ledger, &shared, stage.fleet.nodes().len()).await;
    progress.phase("reading everything on every node");
    let mut newest = Ok(0);
    for (number, (node, pool)) in pools.iter().enumerate() {
        let reader = Reader::new(node, pool, &shared, number as u64);
        newest = match (newest, reader.read_newest().await) {
            (Ok(before), Ok(reads)) => Ok(before + reads),
            (Err(wrong), _) | (Ok(_), Err(wrong)) => Err(wrong),
        };
    }
    shared.stop.send_replace(true);
    readers.join_all().await;
    suffered.failures.extend(panics(stage.fleet.nodes()));
    let ended = Ended { proven, newest };
    let told = (options.seed, options.duration);
    Ok(Report::gather(told, &shared, &ledger, suffered, origin.asked(), &ended))
}

/// Starts the clients; gives a pool of connections to each node as well.
fn start_readers(stage: &Stage, shared: &Arc<Watching>, seed: u64) -> (JoinSet<()>, Vec<(String, Arc<Pool>)>) {
    let (mut readers, mut pools, mut number) = (JoinSet::new(), Vec::new(), seed.wrapping_mul(1000));
    let mut next = |node: &str, pool: &Arc<Pool>| {
        number = number.wrapping_add(1);
        Reader::new(node, pool, shared, number)
    };
    for node in stage.fleet.nodes() {
        let pool = Arc::new(Pool::new(node.public_addr(), WATCHERS as usize + 1));
        for _ in 0..WATCHERS {
            readers.spawn(next(node.id(), &pool).watch());
        }
        pools.push((node.id().to_owned(), pool));
        let Some(region) = stage.regions.iter().find(|region| region.name == node.pop()) else { continue };
        let pool = Arc::new(Pool::new(region.address, CLIENTS as usize));
        for _ in 0..CLIENTS {
            readers.spawn(next(node.id(), &pool).load());
        }
    }
    (readers, pools)
}

async fn disturb(
    stage: &mut Stage,
    shared: &Watching,
    plan: &Plan,
    purging: watch::Receiver<u64>,
    duration: Duration,
) -> Suffered {
    let nemesis = Nemesis { plan, history: &shared.history, purging, links: &stage.links };
    let suffered = nemesis.run(stage.fleet.nodes_mut()).await;
    sleep_until(shared.history.start() + duration).await;
    shared.stop_purging.send_replace(true);
    suffered
}

/// What nodes logged of panics, which no fault excuses.
fn panics(nodes: &[FleetNode]) -> Vec<String> {
    let of = |node: &FleetNode| {
        let log = node.stderr();
        let lines = log.lines().filter(|line| line.contains(PANIC));
        lines.map(|line| format!("{}: {line}", node.id())).collect::<Vec<_>>()
    };
    nodes.iter().flat_map(of).collect()
}

/// Waits until the operators have ended what they had begun when they were told to stop.
async fn until_done(
    mut operators: JoinSet<io::Result<()>>,
    shared: &Watching,
    ledger: &Ledger,
    duration: Duration,
    progress: &dyn Progress,
) -> io::Result<()> {
    let end = shared.history.start() + duration;
    loop {
        tokio::select! {
            done = operators.join_next() => match done {
                Some(Ok(done)) => done?,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => return Ok(()),
            },
            () = sleep(TELL_EVERY) => {
                let (checked, stale) = (shared.tally.checked.load(Relaxed), shared.tally.stale_count.load(Relaxed));
                let (proven, left) = (ledger.hard_proven.load(Relaxed), faults::left(end));
                let told = format!("{checked} reads checked, {stale} stale; {proven} purges proven; {left:.0} s left");
                progress.detail(&told);
            }
        }
    }
}

/// Purges everything, until that is proven, and all nodes are among those that it was proven of.
async fn last_purge(desk: &Desk, ledger: &Ledger, shared: &Watching, nodes: usize) -> Result<Duration, String> {
    let began = clock::now();
    let issue = shared.truth.issue(&Selection::Everything, true, true);
    let words = Selection::Everything.arguments(&shared.truth);
    loop {
        let sent = desk.send(ledger, &words, "last", true, LAST_TIMEOUT).await.map_err(|error| error.to_string())?;
        let took = clock::now().saturating_duration_since(began);
        if sent.code == 0 {
            shared.truth.prove(Proof::now("last", &sent.position, &words.join(" "), issue.pages.clone()), true);
        }
        if sent.code == 0 && sent.members == nodes {
            shared.truth.end(&issue.pages);
            return Ok(took);
        }
        if took >= PROVEN_WITHIN {
            let (code, members, said) = (sent.code, sent.members, sent.said);
            return Err(format!(
                "not within {took:.1?}: purge-cli ended with {code}, {members} nodes follow the log: {said}"
            ));
        }
        sleep(LAST_PAUSE).await;
    }
}
