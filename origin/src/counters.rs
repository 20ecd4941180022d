//! What has been served, counted for tests and for people.
//!
//! Requests to the control endpoints don't count, so that looking doesn't change what is seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Paths beyond this many, and longer than this, are counted together: clients choose them.
const MAX_PATHS: usize = 10_000;
const MAX_PATH_BYTES: usize = 512;

const STATUSES: usize = 1000;

/// The counters of one process.
#[derive(Debug)]
pub struct Counters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    by_status: Box<[AtomicU64]>,
    paths: Mutex<Paths>,
    body_bytes: AtomicU64,
    wire_bytes: AtomicU64,
    connections_accepted: AtomicU64,
    connections_open: AtomicU64,
    synthetic_requests: AtomicU64,
    faults: [AtomicU64; Fault::ALL.len()],
    /// Never reset: it orders synthetic responses over the whole life of the process.
    sequence: AtomicU64,
    since: Mutex<Instant>,
}

#[derive(Debug, Default)]
struct Paths {
    counts: HashMap<String, u64>,
    other: u64,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// How long has been counted: since the start or the last reset.
    pub counted_for_ms: u64,
    /// What was asked.
    pub requests: RequestStats,
    /// What was sent.
    pub sent: SentStats,
    /// Over what.
    pub connections: ConnectionStats,
    /// Synthetic objects.
    pub synthetic: SyntheticStats,
}

/// Requests, by what was answered and by what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestStats {
    /// All that arrived.
    pub total: u64,
    /// Those whose response isn't complete yet. Not reset.
    pub in_flight: u64,
    /// Responses by status code.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests by path, without the query.
    pub by_path: BTreeMap<String, u64>,
    /// Requests for paths that were too many or too long to be told apart.
    pub by_path_other: u64,
}

/// Bytes sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentStats {
    /// Handed over as response bodies.
    pub body_bytes: u64,
    /// Taken by the sockets: heads and chunk framing included, and the responses to control requests.
    pub wire_bytes: u64,
}

/// Connections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionStats {
    /// All that were accepted.
    pub accepted: u64,
    /// Those that are open. Not reset.
    pub open: u64,
}

/// Synthetic objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyntheticStats {
    /// Requests for one that were in order.
    pub requests: u64,
    /// Faults by name.
    pub faults: BTreeMap<String, u64>,
}

impl Counters {
    /// All at zero.
    pub fn new(now: Instant) -> Self {
        Self {
            requests: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            by_status: (0..STATUSES).map(|_| AtomicU64::new(0)).collect(),
            paths: Mutex::default(),
            body_bytes: AtomicU64::new(0),
            wire_bytes: AtomicU64::new(0),
            connections_accepted: AtomicU64::new(0),
            connections_open: AtomicU64::new(0),
            synthetic_requests: AtomicU64::new(0),
            faults: Default::default(),
            sequence: AtomicU64::new(0),
            since: Mutex::new(now),
        }
    }

    /// A request arrived. It is in flight until the guard goes.
    pub fn request(self: &Arc<Self>, path: &str) -> InFlight {
        add(&self.requests, 1);
        self.paths.lock().count(path);
        InFlight(Gauge::up(self, |counters| &counters.in_flight))
    }

    /// A connection was accepted. It is open until the guard goes.
    pub fn connection(self: &Arc<Self>) -> OpenConnection {
        add(&self.connections_accepted, 1);
        OpenConnection(Gauge::up(self, |counters| &counters.connections_open))
    }

    /// A response has begun.
    pub fn response(&self, status: StatusCode) {
        if let Some(counter) = self.by_status.get(usize::from(status.as_u16())) {
            add(counter, 1);
        }
    }

    /// Part of a body was handed over.
    pub fn body_bytes(&self, bytes: usize) {
        add(&self.body_bytes, bytes as u64);
    }

    /// A socket took bytes.
    pub fn wire_bytes(&self, bytes: usize) {
        add(&self.wire_bytes, bytes as u64);
    }

    /// A synthetic object was asked for. Gives the number of the response: 1, 2, 3, ….
    pub fn synthetic(&self, fault: Option<Fault>) -> u64 {
        add(&self.synthetic_requests, 1);
        let counted = Fault::ALL.iter().zip(&self.faults).find(|(known, _)| Some(**known) == fault);
        if let Some((_, counter)) = counted {
            add(counter, 1);
        }
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The counters as they are.
    pub fn stats(&self, now: Instant) -> Stats {
        let since = *self.since.lock();
        let by_path = self.paths.lock();
        let (counts, other) = (by_path.counts.clone(), by_path.other);
        drop(by_path);
        self.report(now.saturating_duration_since(since), counts, other, |counter| counter.load(Ordering::Relaxed))
    }

    /// Sets the counters to zero and gives what they were. Nothing that is counted meanwhile gets lost.
    pub fn reset(&self, now: Instant) -> Stats {
        let since = std::mem::replace(&mut *self.since.lock(), now);
        let Paths { counts, other } = std::mem::take(&mut *self.paths.lock());
        self.report(now.saturating_duration_since(since), counts, other, |counter| counter.swap(0, Ordering::Relaxed))
    }

    fn report(
        &self,
        counted_for: Duration,
        by_path: HashMap<String, u64>,
        by_path_other: u64,
        read: impl Fn(&AtomicU64) -> u64,
    ) -> Stats {
        let by_status = (0u16..).zip(&self.by_status).map(|(status, counter)| (status, read(counter)));
        let faults =
            Fault::ALL.iter().zip(&self.faults).map(|(fault, counter)| (fault.name().to_owned(), read(counter)));
        Stats {
            counted_for_ms: u64::try_from(counted_for.as_millis()).unwrap_or(u64::MAX),
            requests: RequestStats {
                total: read(&self.requests),
                in_flight: self.in_flight.load(Ordering::Relaxed),
                by_status: by_status.filter(|&(_, count)| count > 0).collect(),
                by_path: by_path.into_iter().collect(),
                by_path_other,
            },
            sent: SentStats { body_bytes: read(&self.body_bytes), wire_bytes: read(&self.wire_bytes) },
            connections: ConnectionStats {
                accepted: read(&self.connections_accepted),
                open: self.connections_open.load(Ordering::Relaxed),
            },
            synthetic: SyntheticStats { requests: read(&self.synthetic_requests), faults: faults.collect() },
        }
    }
}

impl Paths {
    fn count(&mut self, path: &str) {
        if let Some(count) = self.counts.get_mut(path) {
            *count += 1;
        } else if self.counts.len() < MAX_PATHS && path.len() <= MAX_PATH_BYTES {
            self.counts.insert(path.to_owned(), 1);
        } else {
            self.other += 1;
        }
    }
}

/// A request whose response isn't complete.
#[derive(Debug)]
pub struct InFlight(#[expect(dead_code, reason = "held to be dropped")] Gauge);

/// A connection that is open.
#[derive(Debug)]
pub struct OpenConnection(#[expect(dead_code, reason = "held to be dropped")] Gauge);

#[derive(Debug)]
struct Gauge {
    counters: Arc<Counters>,
    of: fn(&Counters) -> &AtomicU64,
}

impl Gauge {
    fn up(counters: &Arc<Counters>, of: fn(&Counters) -> &AtomicU64) -> Self {
        add(of(counters), 1);
        Self { counters: Arc::clone(counters), of }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        (self.of)(&self.counters).fetch_sub(1, Ordering::Relaxed);
    }
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> (Arc<Counters>, Instant) {
        let start = crate::clock::now();
        let counters = Arc::new(Counters::new(start));
        drop(counters.request("/a"));
        drop(counters.request("/a"));
        counters.response(StatusCode::OK);
        counters.response(StatusCode::NOT_FOUND);
        counters.body_bytes(7);
        counters.wire_bytes(70);
        assert_eq!(counters.synthetic(None), 1);
        assert_eq!(counters.synthetic(Some(Fault::Stall)), 2);
        (counters, start)
    }

    #[test]
    fn a_reset_gives_what_was_and_starts_over() {
        let (counters, start) = counted();
        let (in_flight, open) = (counters.request("/b"), counters.connection());
        let stats = counters.stats(start + Duration::from_secs(2));
        assert_eq!(stats.requests.total, 3);
        assert_eq!(stats.requests.by_status, BTreeMap::from([(200, 1), (404, 1)]));
        assert_eq!(stats.requests.by_path, BTreeMap::from([("/a".to_owned(), 2), ("/b".to_owned(), 1)]));
        assert_eq!((stats.sent.body_bytes, stats.sent.wire_bytes, stats.counted_for_ms), (7, 70, 2000));
        assert_eq!((stats.synthetic.requests, stats.synthetic.faults["stall"]), (2, 1));
        assert_eq!(counters.reset(start + Duration::from_secs(2)), stats);

        let stats = counters.stats(start + Duration::from_secs(3));
        assert_eq!((stats.requests.total, stats.requests.in_flight, stats.counted_for_ms), (0, 1, 1000));
        assert_eq!((stats.connections.accepted, stats.connections.open), (0, 1));
        assert!(stats.requests.by_status.is_empty() && stats.requests.by_path.is_empty());
        assert_eq!(counters.synthetic(None), 3);
        drop((in_flight, open));
        let stats = counters.stats(start);
        assert_eq!((stats.requests.in_flight, stats.connections.open), (0, 0));
    }

    #[test]
    fn the_paths_are_bounded() {
        let counters = Arc::new(Counters::new(crate::clock::now()));
        for n in 0..MAX_PATHS + 5 {
            drop(counters.request(&format!("/{n}")));
        }
        drop(counters.request("/0"));
        drop(counters.request(&format!("/{}", "x".repeat(MAX_PATH_BYTES))));
        let requests = counters.stats(crate::clock::now()).requests;
        assert_eq!((requests.by_path.len(), requests.by_path["/0"], requests.by_path_other), (MAX_PATHS, 2, 6));
    }
}
