//! A stored response.

use super::body::Body;
use crate::core::freshness::Freshness;
use crate::core::key::CacheKey;
use crate::core::partial::Part;
use crate::core::purge::{Fence, Mark, Subject};
use crate::core::vary::VaryRule;
use arc_swap::ArcSwapOption;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;

/// What a stored response costs beyond its bytes: the entry itself, its place in moka's table, queues and frequency
/// sketch, and its header table.
pub const OVERHEAD_BYTES: u64 = 512;

/// A response that is stored or on its way into the store. Its head never changes: a 304 makes a new entry that shares
/// the body.
#[derive(Debug)]
pub struct Entry {
    /// The key that it is stored under, variant included.
    pub key: CacheKey,
    /// The status.
    pub status: StatusCode,
    /// The header fields as stored.
    pub head: HeaderMap,
    /// The body.
    pub body: Arc<Body>,
    /// How long it lives.
    pub freshness: Freshness,
    /// What purges are matched against.
    pub subject: Subject,
    /// Up to which purges it is known to be valid.
    pub mark: Mark,
    /// What had been applied when its upstream request was sent.
    pub fence: Fence,
    /// What it varies by.
    pub vary: VaryRule,
    /// What of the representation it holds; `None` for all of it. A part's status is 206.
    pub part: Option<Part>,
    /// Whether it was only ever had with credentials.
    pub authorized: bool,
    /// Its head as a hit begins with it, once one has been answered in the express lane.
    pub written: ArcSwapOption<Written>,
}

/// The head of a hit, as it is written for one fleet file.
#[derive(Debug)]
pub struct Written {
    /// Of which snapshot: see [`crate::snapshot::Snapshot::id`].
    pub snapshot: u64,
    /// The bytes, up to where what changes with time begins.
    pub head: Box<[u8]>,
}

impl Entry {
    /// Bytes that it takes: body, head and [`OVERHEAD_BYTES`].
    pub fn bytes(&self) -> u64 {
        let fields = self.head.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum::<usize>();
        // The fields once as such, and once as they are written.
        self.body.len() + (2 * fields + self.subject.heap_bytes()) as u64 + OVERHEAD_BYTES
    }
}
