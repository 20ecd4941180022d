//! Sends requests when they are due.

use super::arrivals::Arrivals;
use super::catalogue::Catalogue;
use super::pool::Pool;
use super::record::Record;
use crate::alarm::sleep_until;
use crate::cache_status::Outcome;
use crate::client::{Ask, Reply};
use crate::clock;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests that may be unanswered at a time, per region. More means that the fleet can't keep up; they are not sent,
/// and counted.
const MAX_UNANSWERED: usize = 2048;

/// Where clients of a region go.
#[derive(Debug, Clone)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// The address that they connect to.
    pub address: SocketAddr,
}

/// How much load, and what with.
#[derive(Debug, Clone)]
pub struct LoadSpec {
    /// The site's host.
    pub host: String,
    /// Requests a second in each region, on average.
    pub per_second: f64,
    /// Determines when what is asked for.
    pub seed: u64,
    /// Connections that the clients of a region keep, at most.
    pub max_connections: usize,
}

/// A response, as the clients saw it.
#[derive(Debug)]
pub struct Observed<'r> {
    /// The clients' region.
    pub region: &'r str,
    /// The URL path.
    pub url: &'r str,
    /// When the request was sent.
    pub sent: Instant,
    /// What the edge did.
    pub outcome: Outcome,
    /// The response.
    pub reply: &'r Reply,
}

/// Looks at each response of the load.
pub trait Observer: Send + Sync + 'static {
    /// Looks at a response. An error says what is wrong with it.
    ///
    /// # Errors
    /// If the response is not in order.
    fn look(&self, seen: &Observed<'_>) -> Result<(), String>;
}

/// What is asked for at a stage of the run.
#[derive(Debug, Clone)]
struct Stage {
    number: usize,
    catalogue: Arc<Catalogue>,
}

/// Load that is under way in all regions.
#[derive(Debug)]
pub struct Load {
    names: Vec<String>,
    stage: watch::Sender<Stage>,
    stop: watch::Sender<bool>,
    regions: Vec<RegionLoad>,
    running: JoinSet<()>,
}

#[derive(Debug)]
struct RegionLoad {
    region: Region,
    pool: Arc<Pool>,
    records: Arc<Mutex<Vec<Record>>>,
}

/// What was measured in a region.
#[derive(Debug)]
pub struct RegionResult {
    /// The region.
    pub region: String,
    /// Connections that its clients opened.
    pub connections: u64,
    /// What they saw, by the stage in which a request was due.
    pub stages: Vec<(String, Record)>,
}

impl Load {
    /// Starts sending, in a first stage of this name.
    pub fn start(
        regions: &[Region],
        spec: &LoadSpec,
        stage: &str,
        catalogue: Catalogue,
        observer: &Arc<impl Observer>,
    ) -> Self {
        let (stage_sender, stage_receiver) = watch::channel(Stage { number: 0, catalogue: Arc::new(catalogue) });
        let (stop, stopped) = watch::channel(false);
        let mut load = Self {
            names: vec![stage.to_owned()],
            stage: stage_sender,
            stop,
            regions: Vec::new(),
            running: JoinSet::new(),
        };
        for (number, region) in (0_u64..).zip(regions) {
            let pool = Arc::new(Pool::new(region.address, spec.max_connections));
            let records = Arc::new(Mutex::new(vec![Record::default()]));
            let sender = Sender {
                region: region.name.clone(),
                host: spec.host.clone(),
                pool: Arc::clone(&pool),
                records: Arc::clone(&records),
                observer: Arc::clone(observer),
            };
            // Two streams of the seed for each region: when, and what.
            let arrivals = Arrivals::new(spec.per_second, spec.seed, 2 * number);
            let mut choices = ChaCha8Rng::seed_from_u64(spec.seed);
            choices.set_stream(2 * number + 1);
            let source = Source { arrivals, choices, stage: stage_receiver.clone() };
            load.running.spawn(source.run(Arc::new(sender), stopped.clone()));
            load.regions.push(RegionLoad { region: region.clone(), pool, records });
        }
        load
    }

    /// Goes on to another stage, which may ask for other things.
    pub fn enter(&mut self, stage: &str, catalogue: Catalogue) {
        self.names.push(stage.to_owned());
        for region in &self.regions {
            region.records.lock().unwrap_or_else(PoisonError::into_inner).push(Record::default());
        }
        let number = self.names.len() - 1;
        self.stage.send_replace(Stage { number, catalogue: Arc::new(catalogue) });
    }

    /// How many responses there have been so far.
    pub fn responses(&self) -> u64 {
        let of = |region: &RegionLoad| -> u64 {
            region.records.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Record::responses).sum()
        };
        self.regions.iter().map(of).sum()
    }

    /// Stops sending, waits for what is unanswered, and gives what was measured.
    pub async fn finish(mut self) -> Vec<RegionResult> {
        self.stop.send_replace(true);
        while self.running.join_next().await.is_some() {}
        let result = |region: RegionLoad| {
            let records = std::mem::take(&mut *region.records.lock().unwrap_or_else(PoisonError::into_inner));
            RegionResult {
                region: region.region.name,
                connections: region.pool.opened(),
                stages: self.names.iter().cloned().zip(records).collect(),
            }
        };
        self.regions.into_iter().map(result).collect()
    }
}

/// Decides when and what.
struct Source {
    arrivals: Arrivals,
    choices: ChaCha8Rng,
    stage: watch::Receiver<Stage>,
}

impl Source {
    async fn run<O: Observer>(mut self, sender: Arc<Sender<O>>, mut stopped: watch::Receiver<bool>) {
        let start = clock::now();
        let room = Arc::new(Semaphore::new(MAX_UNANSWERED));
        let mut unanswered = JoinSet::new();
        for at in self.arrivals {
            let due = start + at;
            tokio::select! {
                biased;
                _ = stopped.wait_for(|&stopped| stopped) => break,
                () = sleep_until(due) => {}
            }
            let Stage { number, catalogue } = self.stage.borrow().clone();
            let Some(url) = catalogue.draw(&mut self.choices) else { continue };
            let lag = clock::now().saturating_duration_since(due);
            let permit = Arc::clone(&room).try_acquire_owned();
            sender.record(number, |record| {
                record.lag.add(lag);
                record.not_sent += u64::from(permit.is_err());
            });
            if let Ok(permit) = permit {
                let (sender, url) = (Arc::clone(&sender), url.to_owned());
                unanswered.spawn(async move {
                    sender.send(number, &url, due).await;
                    drop(permit);
                });
            }
            while unanswered.try_join_next().is_some() {}
        }
        // Each ends by itself: the client has a timeout.
        while unanswered.join_next().await.is_some() {}
    }
}

/// Sends, and records.
struct Sender<O> {
    region: String,
    host: String,
    pool: Arc<Pool>,
    records: Arc<Mutex<Vec<Record>>>,
    observer: Arc<O>,
}

impl<O: Observer> Sender<O> {
    async fn send(&self, stage: usize, url: &str, due: Instant) {
        let answer = self.pool.exchange(&Ask::get(&self.host, url)).await;
        let latency: Duration = clock::now().saturating_duration_since(due);
        let exchange = match answer {
            Ok(exchange) => exchange,
            Err(error) => {
                return self.record(stage, |record| record.unanswered(|| format!("{}: {url}: {error}", self.region)));
            }
        };
        let reply = &exchange.reply;
        let outcome = Outcome::of(reply.header("cache-status"));
        let seen = Observed { region: &self.region, url, sent: exchange.sent, outcome, reply };
        let verdict = self.observer.look(&seen);
        self.record(stage, |record| {
            record.response(outcome, reply.status.as_u16(), reply.body.len() as u64, latency);
            if let Err(message) = verdict {
                record.wrong(|| format!("{}: {url}: {message}", self.region));
            }
        });
    }

    fn record(&self, stage: usize, change: impl FnOnce(&mut Record)) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = records.get_mut(stage) {
            change(record);
        }
    }
}
