//! `GET /stats`: a node's counters since its start.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The counters of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The node.
    pub node: String,
    /// Its PoP.
    pub pop: String,
    /// `edge` or `shield`.
    pub role: String,
    /// Changes with every start of the node.
    pub boot_id: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// Whether the node takes requests.
    pub ready: bool,
    /// Up to where in the purge log the node has applied it, as in `1.42`: the epoch and the number.
    pub applied: String,
    /// Purges applied since the start.
    pub purges: u64,
    /// How often unsafe requests have made invalid what was stored here or on its way (RFC 9111 §4.4).
    pub invalidations: u64,
    /// Client connections open now.
    pub connections: u64,
    /// The store.
    pub store: StoreStats,
    /// The counters of all sites together; requests that belong to no site are only here.
    pub total: Counts,
    /// The counters of each site that had a request.
    pub sites: BTreeMap<String, Counts>,
}

/// The memory store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreStats {
    /// Responses stored.
    pub objects: u64,
    /// Bytes that they take: bodies, heads and bookkeeping.
    pub bytes: u64,
    /// Bytes that they may take.
    pub capacity_bytes: u64,
    /// Bytes of all bodies in memory: those stored, those in flight (by their announced length), and those that are
    /// evicted and still being read.
    pub body_bytes_in_memory: u64,
    /// Fills in flight.
    pub fills_in_flight: u64,
    /// Fills that failed before their end.
    pub fills_failed: u64,
    /// Responses dropped to make room, or not let in because others are asked for more.
    pub evicted: u64,
}

/// Requests and bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Requests answered.
    pub requests: u64,
    /// Requests by what the cache did: `hit`, `stale`, `revalidated`, `miss`, `collapsed`, `bypass`, `pass`, `error`.
    pub by_cache_status: BTreeMap<String, u64>,
    /// Bytes of response bodies sent to clients (or to the tier below).
    pub body_bytes_sent: u64,
    /// Bytes of response bodies among them that came from the store.
    pub body_bytes_from_store: u64,
    /// Hits among them that were answered in the express lane.
    #[serde(default)]
    pub express_requests: u64,
    /// Requests sent to the tier above.
    pub upstream_requests: u64,
    /// Bytes of response bodies received from the tier above.
    pub upstream_body_bytes: u64,
    /// Requests to the tier above that failed.
    pub upstream_errors: u64,
}

impl Counts {
    /// Requests answered from the store without waiting for the tier above, out of all that could have been: the
    /// request hit ratio. `None` before the first request.
    pub fn hit_ratio(&self) -> Option<f64> {
        let count = |status: &str| self.by_cache_status.get(status).copied().unwrap_or(0);
        let hits = count("hit") + count("stale");
        (self.requests > 0).then(|| hits as f64 / self.requests as f64)
    }

    /// One minus bytes received from above over bytes sent: the byte hit ratio. `None` if nothing was sent. Below zero
    /// if more was fetched than was sent.
    pub fn byte_hit_ratio(&self) -> Option<f64> {
        (self.body_bytes_sent > 0).then(|| 1.0 - self.upstream_body_bytes as f64 / self.body_bytes_sent as f64)
    }
}
