//! Layer 3b: what a running node consists of, and its current snapshot of the fleet file.

use crate::clock;
use crate::core::key::CacheKey;
use crate::core::purge::{Fence, Mode, Selector};
use crate::core::reuse::PurgeMark;
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
use std::hash::{BuildHasher, RandomState};
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
    loop_words: RandomState,
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

    /// Purges as one: no request sees some of it without the rest. Returns what is applied then.
    pub fn purge(&self, selectors: &[Selector], mode: Mode) -> Fence {
        let applied = self.purges.apply(selectors, mode);
        self.sweep_if_due();
        applied
    }

    /// Keeps the index of purges small. That goes through the whole store, so it has a thread of its own.
    fn sweep_if_due(&self) {
        if !self.purges.begins_sweep() {
            return;
        }
        let (purges, store) = (self.purges.clone(), self.store.clone());
        let sweep = move || {
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
            applied_seq: applied.log().seq(),
            invalidations: applied.own().seq(),
            store: self.store.stats(),
        };
        reporter.report(&self.info, &self.telemetry)
    }
}
