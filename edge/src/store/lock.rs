//! Collapsed forwarding: of concurrent requests that miss one key, one fetches and the others wait for its head.
//!
//! Three things make this lock differ from Pingora's own. A request does not join a fetch that a purge has hidden: it
//! takes the lock over and fetches anew. And a key whose responses turned out not to be stored is remembered for a
//! while, and requests for it don't wait for each other ("hit-for-miss" in Varnish's words); neither do those for
//! which each needs a validation of its own. And a request that looked into the store before a fetch ended, and comes
//! to its turn after, looks again instead of fetching the same once more.

use super::lookup::{Collapse, Lookup, WantedRange};
use super::memory::MemoryStore;
use super::pause::Pauses;
use crate::core::key::CacheKey;
use crate::core::purge::{Fence, Subject};
use crate::purge_log::PurgeLog;
use http::Extensions;
use moka::sync::Cache;
use parking_lot::Mutex;
use pingora::cache::CacheKey as PingoraKey;
use pingora::cache::key::CacheHashKey;
use pingora::cache::lock::{CacheKeyLock, LockStatus, LockStub, Locked, WritePermit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a key is remembered as not stored.
pub const UNSTORED_MEMORY: Duration = Duration::from_secs(120);

/// How long a key is remembered as one that its origin fails to answer, unless it does so again, or answers.
pub const FAILING_MEMORY: Duration = Duration::from_secs(120);

/// How many keys are remembered of each kind.
pub const MAX_REMEMBERED: u64 = 100_000;

/// How long a fetch may hold the lock before others try for themselves. It is held until the response's head is there,
/// so this is longer than any connect and first-byte timeout in use.
pub const MAX_HOLD: Duration = Duration::from_secs(90);

/// A fetch that ends without releasing its lock (its task was cancelled, or panicked) leaves its place taken until the
/// next request for the key. After so many fetches such places are looked for.
const TIDY_AFTER: u64 = 4096;

/// The lock of a node's store.
#[derive(Debug)]
pub struct FetchLock {
    held: Mutex<Table>,
    unstored: Cache<CacheKey, ()>,
    failing: Cache<CacheKey, ()>,
    pauses: Pauses,
    too_large: Cache<CacheKey, ()>,
    purges: Arc<PurgeLog>,
    store: Arc<MemoryStore>,
}

#[derive(Debug, Default)]
struct Table {
    by_key: HashMap<CacheKey, Held>,
    next: u64,
}

#[derive(Debug)]
struct Held {
    stub: LockStub,
    number: u64,
    fence: Fence,
}

impl Held {
    /// Whether nobody is going to release it, or it has been held for too long.
    fn is_lost(&self) -> bool {
        matches!(self.stub.0.lock_status(), LockStatus::Dangling | LockStatus::AgeTimeout)
    }
}

/// The number of a lock, by which its release finds it; and the key that it is held under.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    number: u64,
    key: CacheKey,
}

impl FetchLock {
    /// No fetch is running.
    pub fn new(purges: Arc<PurgeLog>, store: Arc<MemoryStore>) -> Self {
        let memory = |lasts| Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(lasts).build();
        let (unstored, failing, too_large) = (memory(UNSTORED_MEMORY), memory(FAILING_MEMORY), memory(UNSTORED_MEMORY));
        let pauses = Pauses::new(MAX_REMEMBERED);
        Self { held: Mutex::default(), unstored, failing, pauses, too_large, purges, store }
    }

    /// Remembers whether fetches for a key fail, so that not every request has to find out.
    pub fn set_failing(&self, key: CacheKey, fails: bool) {
        if fails {
            self.failing.insert(key, ());
        } else if self.failing.contains_key(&key) {
            self.failing.invalidate(&key);
        }
    }

    /// Whether the last fetch for a key failed, not long ago.
    pub fn is_failing(&self, key: &CacheKey) -> bool {
        self.failing.contains_key(key)
    }

    /// A refresh in the background came to nothing, which was begun after the purge `fence`: the next one waits.
    pub fn pause_refreshes(&self, key: CacheKey, fence: Fence, is_bare: bool, now: Instant) {
        self.pauses.begin(key, fence, is_bare, now);
    }

    /// Whether the next refresh of a key is to say nothing of the client that starts it.
    pub fn refreshes_bare(&self, key: &CacheKey) -> bool {
        self.pauses.is_next_bare(key)
    }

    /// A response was stored.
    pub fn resume_refreshes(&self, key: &CacheKey) {
        self.pauses.end(key);
    }

    /// Whether what is stored under a key is not to be refreshed in the background now. A purge that came since asks for a
    /// refresh of its own.
    pub fn pauses_refreshes(&self, key: &CacheKey, stored: &Subject, now: Instant) -> bool {
        self.pauses.holds(key, now, |fence| self.purges.selects_since(stored, fence))
    }

    /// Whether the responses for a key turned out, not long ago, not to be stored.
    pub fn is_unstored(&self, key: &CacheKey) -> bool {
        self.unstored.contains_key(key)
    }

    /// Remembers that what a URL answers with is larger than what is kept.
    pub fn set_too_large(&self, primary: CacheKey) {
        self.too_large.insert(primary, ());
    }

    /// Whether a URL answered, not long ago, with more than is kept.
    pub fn is_too_large(&self, primary: &CacheKey) -> bool {
        self.too_large.contains_key(primary)
    }

    /// Whether a purge selects what a fetch with this fence brings, as far as that can be told: its tags are not known
    /// yet, but it most likely has those of what is stored now.
    fn is_hidden(&self, lookup: &Lookup, fence: Fence) -> bool {
        let selects = |subject: &Subject| self.purges.selects_since(subject, fence);
        selects(&lookup.subject) || lookup.found().is_some_and(|found| selects(&found.subject))
    }

    /// The key that a request's fetch is known by. Of what is too large to be kept each range is a fetch of its own.
    fn key_of(&self, lookup: &Lookup) -> CacheKey {
        let key = lookup.key();
        let is_ranges_own =
            lookup.range == WantedRange::OfWhole && lookup.found().is_none() && self.is_too_large(&lookup.primary);
        if is_ranges_own { lookup.range_key(key) } else { key }
    }

    fn permit(number: u64, key: CacheKey, stale: bool) -> (WritePermit, LockStub) {
        let mut extensions = Extensions::new();
        extensions.insert(Ticket { number, key });
        WritePermit::new(MAX_HOLD, stale, extensions)
    }
}

/// The request's dealings with the store, put there by the proxy; `None` only if a key was made elsewhere.
pub(super) fn lookup_of(key: &PingoraKey) -> Option<&Arc<Lookup>> {
    key.extensions.get::<Arc<Lookup>>()
}

impl CacheKeyLock for FetchLock {
    fn lock(&self, key: &PingoraKey, stale_writer: bool) -> Locked {
        let lookup = lookup_of(key);
        let held_key = lookup.map_or_else(|| CacheKey::from(key.combined_bin()), |lookup| self.key_of(lookup));
        let alone = match lookup.map_or(Collapse::Join, |lookup| lookup.collapse()) {
            Collapse::Join => self.unstored.contains_key(&held_key),
            // However often refreshes came to nothing: one at a time.
            Collapse::Refresh => false,
            Collapse::Alone => true,
        };
        if alone {
            // Number 0 is never in the table: nobody waits for this one.
            return Locked::Write(Self::permit(0, held_key, stale_writer).0);
        }
        let mut table = self.held.lock();
        table.next += 1;
        let number = table.next;
        if number.is_multiple_of(TIDY_AFTER) {
            table.by_key.retain(|_, held| !held.is_lost());
        }
        if let Some(held) = table.by_key.get(&held_key) {
            let hidden = lookup.is_some_and(|lookup| self.is_hidden(lookup, held.fence));
            // A refresh in the background was given its lock by the request that started it. If it comes here all the
            // same (what it was to refresh is gone, or a purge hides it), it would wait for itself: it takes over.
            let own = lookup.is_some_and(|lookup| lookup.is_refresh() && !stale_writer);
            if !held.is_lost() && !hidden && !own {
                if let Some(lookup) = lookup {
                    lookup.set_collapsed();
                }
                return Locked::Read(held.stub.read_lock());
            }
        }
        // Another one's fetch may have ended between this request's lookup and its turn: it looks again.
        if lookup.is_some_and(|lookup| self.store.has_changed_since(&held_key, lookup.looked_at())) {
            let (mut over, stub) = Self::permit(0, held_key, stale_writer);
            over.unlock(LockStatus::Done);
            return Locked::Read(stub.read_lock());
        }
        let (permit, stub) = Self::permit(number, held_key, stale_writer);
        table.by_key.insert(held_key, Held { stub, number, fence: self.purges.applied() });
        Locked::Write(permit)
    }

    fn release(&self, key: &PingoraKey, mut permit: WritePermit, reason: LockStatus) {
        let Some(ticket) = permit.extensions().get::<Ticket>().copied() else {
            permit.unlock(reason);
            return;
        };
        match reason {
            LockStatus::GiveUp if lookup_of(key).is_none_or(|lookup| lookup.refused_for_good()) => {
                self.unstored.insert(ticket.key, ());
            }
            LockStatus::Done => self.unstored.invalidate(&ticket.key),
            _ => {}
        }
        let mut table = self.held.lock();
        if table.by_key.get(&ticket.key).is_some_and(|held| held.number == ticket.number) {
            table.by_key.remove(&ticket.key);
        }
        drop(table);
        permit.unlock(reason);
    }
}

#[cfg(test)]
mod tests;
