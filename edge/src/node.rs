//! Layer 3b: what a running node consists of, and its current snapshot of the fleet file.

mod standing;

pub use standing::Standing;

use crate::clock;
use crate::core::boot_time::BootTime;
use crate::core::cache_status::{CacheStatus, Handling};
use crate::core::id::SiteId;
use crate::core::key::CacheKey;
use crate::core::log::{Lease, Member, Position, Purge};
use crate::core::purge::{Fence, Mode, Selector};
use crate::core::reuse::PurgeMark;
use crate::core::time::Timestamp;
use crate::core::url::Scheme;
use crate::data_folder::{DataError, DataFolder, Known};
use crate::follow::Applies;
use crate::log_home::LogHome;
use crate::purge_log::PurgeLog;
use crate::quotas::Quotas;
use crate::snapshot::Snapshot;
use crate::store::in_flight::{Fetch, InFlight};
use crate::store::lock::FetchLock;
use crate::store::memory::MemoryStore;
use crate::store::pingora::PingoraStorage;
use crate::telemetry::{NodeInfo, Reporter, Telemetry};
use crate::upstream::Upstreams;
use crate::wire::stats::Stats;
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use standing::StandingCell;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// What a node has to do with the purge log.
#[derive(Debug)]
pub struct LogSide {
    /// This process, to the log's home.
    pub member: Member,
    /// How far it knew the log when it ended last.
    pub known: Known,
    /// Where it writes down how far it knows the log.
    pub data: DataFolder,
    /// The log, if this node is its home.
    pub home: Option<Arc<dyn LogHome>>,
}

/// A node's state. There is one for each process.
#[derive(Debug)]
pub struct NodeState {
    /// What the node is.
    pub info: NodeInfo,
    /// The store.
    pub store: Arc<MemoryStore>,
    /// Pingora's view of it. Pingora keeps storages for as long as the process lives.
    pub storage: &'static PingoraStorage,
    /// What is being fetched.
    pub in_flight: Arc<InFlight>,
    /// Collapsed forwarding.
    pub fetch_lock: &'static FetchLock,
    /// The purges applied.
    pub purges: Arc<PurgeLog>,
    /// The counters.
    pub telemetry: Telemetry,
    /// What is known of those above.
    pub upstreams: Upstreams,
    snapshot: ArcSwap<Snapshot>,
    ready: AtomicBool,
    standing: StandingCell,
    /// When the lease ends under which what is stored may answer, in nanoseconds since the machine was started.
    lease_ends: AtomicU64,
    /// This process, to the home of the purge log.
    pub member: Member,
    /// The purge log, if this node is its home.
    pub log_home: Option<Arc<dyn LogHome>>,
    /// How much each token has purged of late, if it is.
    pub quotas: Quotas,
    data: DataFolder,
    /// Held while rules for keys and tags change, and while a purge is applied that was found to be made by those of now.
    rules_change: Mutex<()>,
    /// How far the purge log is known, for whoever writes it down.
    known: watch::Sender<Known>,
    reloaded: watch::Sender<()>,
    requests: AtomicU64,
    purges_applied: AtomicU64,
    loop_words: RandomState,
    started: Instant,
}

impl NodeState {
    /// A node that has not begun to serve.
    pub fn new(
        info: NodeInfo,
        snapshot: Snapshot,
        telemetry: Telemetry,
        LogSide { member, known, data, home: log_home }: LogSide,
    ) -> Self {
        let purges = Arc::new(PurgeLog::new());
        // Nothing is stored yet.
        purges.hide_all(known.at);
        let max_object = snapshot.fleet.store.max_object.bytes();
        let store = Arc::new(MemoryStore::new(snapshot.memory_bytes(), max_object));
        Self {
            storage: Box::leak(Box::new(PingoraStorage::new(store.clone()))),
            fetch_lock: Box::leak(Box::new(FetchLock::new(purges.clone(), store.clone()))),
            store,
            in_flight: Arc::default(),
            purges,
            telemetry,
            upstreams: Upstreams::new(),
            info,
            snapshot: ArcSwap::from_pointee(snapshot),
            ready: AtomicBool::new(false),
            standing: StandingCell::default(),
            lease_ends: AtomicU64::new(0),
            member,
            log_home,
            quotas: Quotas::new(clock::monotonic()),
            data,
            rules_change: Mutex::new(()),
            known: watch::Sender::new(known),
            reloaded: watch::Sender::new(()),
            requests: AtomicU64::new(0),
            purges_applied: AtomicU64::new(0),
            loop_words: RandomState::new(),
            started: clock::monotonic(),
        }
    }

    /// The fleet file as it is now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Takes a new fleet file, if it can be taken while the node runs. The store is kept.
    ///
    /// # Errors
    /// What stands in the way; the old one stays.
    pub fn replace(&self, next: Snapshot) -> Result<(), String> {
        let _change = self.rules_change.lock();
        let earlier = self.snapshot();
        earlier.accepts(&next)?;
        let next = Arc::new(next);
        self.snapshot.store(next.clone());
        // After the swap: what is sent for from now on is sent for by the new rules, or is not stored.
        let changed: Vec<Selector> =
            next.changed_key_rules(&earlier).into_iter().map(|site| Selector::Site { site: site.clone() }).collect();
        if !changed.is_empty() {
            self.purges.invalidate(&changed.iter().collect::<Vec<_>>(), Fence::ZERO);
            tracing::info!(sites = changed.len(), "hid what was stored by other rules for keys or tags");
            self.sweep_if_due();
        }
        self.reloaded.send_replace(());
        Ok(())
    }

    /// Whether the rules for a site's keys and tags are others now than in the snapshot that a request works with. To be
    /// asked once the fence of its fetch is sampled: if they become others later, that hides what it fetches.
    pub fn has_other_rules(&self, used: &Arc<Snapshot>, site: &SiteId) -> bool {
        let now = self.snapshot.load();
        !Arc::ptr_eq(&now, used) && now.changed_key_rules(used).contains(site)
    }

    /// Whether the node takes requests.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire) && self.standing() != Standing::Starting
    }

    /// How the node stands to the purge log.
    pub fn standing(&self) -> Standing {
        self.standing.get()
    }

    /// Whether what is stored may answer a request that has arrived, and what comes may be stored. To be asked once its head
    /// is there.
    pub fn uses_store(&self, snapshot: &Snapshot) -> bool {
        if !self.standing().uses_store() {
            return false;
        }
        if snapshot.fleet.purge_log.lease.is_none() {
            return true;
        }
        let lease = Lease::until(BootTime::from_nanos(self.lease_ends.load(Ordering::Acquire)));
        lease.holds(clock::boot_time())
    }

    /// The node has waited long enough for the home of the purge log.
    pub fn gives_up_waiting(&self) {
        let passing = |standing| if standing == Standing::Starting { Standing::Passing } else { standing };
        if self.standing.change(passing) == Standing::Starting {
            tracing::warn!("the home of the purge log can't be reached: passing everything, storing nothing");
        }
    }

    /// Changes with every fleet file that is taken.
    pub fn reloads(&self) -> watch::Receiver<()> {
        self.reloaded.subscribe()
    }

    /// How far the purge log is known, each time that it changes.
    pub fn known(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Writes down how far the purge log is known.
    ///
    /// # Errors
    /// [`DataError`]: it can't be written.
    pub fn keep(&self, known: Known) -> Result<(), DataError> {
        self.data.keep(known)
    }

    /// Says whether the node takes requests.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// A new request's id: unique over the nodes and their starts.
    pub fn request_id(&self) -> String {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:x}", self.info.boot_id)
    }

    /// [`NodeState::request_id`], appended to a head.
    pub fn write_request_id(&self, out: &mut Vec<u8>) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        // A vector takes whatever comes.
        let _ = write!(out, "{}-{number:x}", self.info.boot_id);
    }

    /// Its member of Cache-Status for a hit (RFC 9211), without parameters.
    pub fn hit_member(&self) -> String {
        CacheStatus { cache: &self.info.node, handling: Handling::Hit, ttl_secs: None, key: None, detail: None }
            .to_member()
    }

    /// What this node says of itself in the CDN-Loop of a request for a URL, to know the request again if it comes back.
    /// Clients can't say it: it hangs on random numbers that this process alone knows.
    pub fn loop_word(&self, key: &CacheKey) -> String {
        format!("{:016x}", self.loop_words.hash_one(key.bytes()))
    }

    /// Makes invalid what an unsafe request's response selects (RFC 9111 §4.4), stored or in flight, as a purge does.
    ///
    /// A URL of which nothing is there needs no rule: clients could otherwise fill the index with them. `own` is the fetch
    /// of the request itself, which does not count.
    ///
    /// Returns the fence of what the request itself brings, if nothing else has been applied since `fence`.
    pub fn invalidate(&self, selectors: &[Selector], fence: Fence, own: Option<&Fetch>) -> Option<Fence> {
        let may_select = |selector: &&Selector| match selector {
            Selector::Url { site, host, path, query } => [Scheme::Http, Scheme::Https].into_iter().any(|scheme| {
                let key = CacheKey::new(site, scheme, host, path, query.as_deref());
                self.store.holds(&key) || self.in_flight.contains_other(&key, own)
            }),
            _ => true,
        };
        let selectors: Vec<&Selector> = selectors.iter().filter(may_select).collect();
        let of_the_request = self.purges.invalidate(&selectors, fence);
        self.sweep_if_due();
        of_the_request
    }

    /// Keeps the index of purges small. That goes through the whole store, so it has a thread of its own.
    fn sweep_if_due(&self) {
        if !self.purges.begins_sweep() {
            return;
        }
        let (purges, store) = (self.purges.clone(), self.store.clone());
        let sweep = move || {
            yield_to_requests();
            purges.sweep(|| {
                let dropped = store.retain(|entry| purges.verdict(&entry.subject, &entry.mark) != PurgeMark::Hard);
                tracing::info!(dropped, "swept the purge rules");
            });
        };
        if let Err(error) = std::thread::Builder::new().name("purge-sweep".into()).spawn(sweep) {
            // The index's own bound holds without it.
            tracing::warn!(%error, "can't start a thread to sweep the purge rules");
            self.purges.end_sweep();
        }
    }

    /// The node's figures.
    pub fn stats(&self) -> Stats {
        let applied = self.purges.applied();
        let reporter = Reporter {
            uptime_s: self.started.elapsed().as_secs(),
            ready: self.is_ready(),
            applied: applied.log(),
            purges: self.purges_applied.load(Ordering::Relaxed),
            invalidations: applied.own().seq(),
            store: self.store.stats(),
        };
        reporter.report(&self.info, &self.telemetry)
    }
}

/// Has this thread give way to those that answer requests and apply purges, which a sweep only serves.
fn yield_to_requests() {
    const NICE: i32 = 5;
    // On Linux this is of the thread alone; elsewhere it would be of the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "the sweep has the priority of all other threads");
    }
}

/// A selector for a line of the log: whoever purges chooses how long it is.
fn brief(selector: &Selector) -> String {
    const MOST_CHARS: usize = 256;
    let mut text: String = selector.to_string();
    if let Some((end, _)) = text.char_indices().nth(MOST_CHARS) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

impl Applies for NodeState {
    fn purge(&self, at: Position, purge: &Purge, issued_at: Timestamp) {
        let began = clock::monotonic();
        let change = self.rules_change.lock();
        if self.snapshot().rules_of(&purge.selectors) == purge.rules {
            // Whichever is earlier: the bound of a soft purge must not move with the clock of its home.
            self.purges.apply(at, &purge.selectors, purge.mode, issued_at.min(clock::now()));
        } else {
            // What they select here is not what they were meant to.
            let sites: BTreeSet<&SiteId> = purge.selectors.iter().filter_map(Selector::site).collect();
            let all: Vec<Selector> = match purge.selectors.contains(&Selector::Everything) {
                true => vec![Selector::Everything],
                false => sites.iter().map(|site| Selector::Site { site: (*site).clone() }).collect(),
            };
            self.purges.apply(at, &all, Mode::Hard, issued_at);
            tracing::warn!(%at, "this purge was made by other rules for keys or tags than this node's: its sites are hidden");
        }
        drop(change);
        let took = began.elapsed();
        self.purges_applied.fetch_add(1, Ordering::Relaxed);
        tracing::info!(
            %at, id = %purge.id, by = %purge.by, mode = purge.mode.as_str(), selectors = purge.selectors.len(),
            first = purge.selectors.first().map(|selector| tracing::field::display(brief(selector))),
            took_us = took.as_nanos() as f64 / 1e3, "purged"
        );
        self.sweep_if_due();
    }

    fn hide_all(&self, upto: Position) {
        self.purges.hide_all(upto);
        tracing::info!(%upto, "hid all that was stored");
    }

    fn pass(&self, at: Position) {
        self.purges.pass(at);
    }

    fn caught_up(&self, is_so: bool) {
        let before = self.standing.change(|standing| match (is_so, standing) {
            (true, _) => Standing::Following,
            (false, Standing::Following) => Standing::Lost,
            (false, standing) => standing,
        });
        match (is_so, before) {
            (true, Standing::Starting | Standing::Passing | Standing::Lost) => {
                tracing::info!("caught up with the purge log")
            }
            (false, Standing::Following) => tracing::warn!("out of touch with the home of the purge log"),
            _ => {}
        }
    }

    fn leased(&self, lease: Lease) {
        self.lease_ends.store(lease.ends().as_nanos(), Ordering::Release);
    }

    fn refused(&self) {
        let before = self.standing.change(|_| Standing::Passing);
        if before != Standing::Passing {
            tracing::error!("the home of the purge log does not take this node: passing everything, storing nothing");
        }
    }

    fn knows(&self, known: Known) {
        self.known.send_replace(known);
    }
}
