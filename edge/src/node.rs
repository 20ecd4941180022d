//! Layer 3b: what a running node consists of, and its current snapshot of the fleet file.

use crate::clock;
use crate::core::id::PurgeSeq;
use crate::core::key::CacheKey;
use crate::core::purge::{Mode, Selector};
use crate::core::url::Scheme;
use crate::purge_log::PurgeLog;
use crate::snapshot::Snapshot;
use crate::store::in_flight::{Fetch, InFlight};
use crate::store::lock::FetchLock;
use crate::store::memory::MemoryStore;
use crate::store::pingora::PingoraStorage;
use crate::telemetry::{NodeInfo, Reporter, Telemetry};
use crate::upstream::Upstreams;
use crate::wire::stats::Stats;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

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
    requests: AtomicU64,
    started: Instant,
}

impl NodeState {
    /// A node that has not begun to serve.
    pub fn new(info: NodeInfo, snapshot: Snapshot, telemetry: Telemetry) -> Self {
        let purges = Arc::new(PurgeLog::new());
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
            requests: AtomicU64::new(0),
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
        self.snapshot.load().accepts(&next)?;
        self.snapshot.store(Arc::new(next));
        Ok(())
    }

    /// Whether the node takes requests.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
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

    /// Makes invalid what an unsafe request's response selects (RFC 9111 §4.4), stored or in flight, as a purge does.
    ///
    /// A URL of which nothing is there needs no rule: clients could otherwise fill the index with them. `own` is the fetch
    /// of the request itself, which does not count.
    ///
    /// Returns the number that is applied then, if no other purge has been applied since the one that `fence` names.
    pub fn invalidate(&self, selectors: &[Selector], fence: PurgeSeq, own: Option<&Fetch>) -> Option<PurgeSeq> {
        let may_select = |selector: &&Selector| match selector {
            Selector::Url { site, host, path, query } => [Scheme::Http, Scheme::Https].into_iter().any(|scheme| {
                let key = CacheKey::new(site, scheme, host, path, query.as_deref());
                self.store.holds(&key) || self.in_flight.contains_other(&key, own)
            }),
            _ => true,
        };
        let selectors: Vec<&Selector> = selectors.iter().filter(may_select).collect();
        let applied = self.purges.apply_after(fence, selectors, Mode::Hard);
        self.purges.sweep_if_due(&self.store);
        applied
    }

    /// Purges as one: no request sees some of it without the rest. Returns the number that is applied then.
    pub fn purge(&self, selectors: &[Selector], mode: Mode) -> PurgeSeq {
        let applied = self.purges.apply(selectors, mode);
        self.purges.sweep_if_due(&self.store);
        applied
    }

    /// The node's figures.
    pub fn stats(&self) -> Stats {
        let reporter = Reporter {
            uptime_s: self.started.elapsed().as_secs(),
            ready: self.is_ready(),
            applied_seq: self.purges.applied().get(),
            store: self.store.stats(),
        };
        reporter.report(&self.info, &self.telemetry)
    }
}
