//! Collapsed forwarding: of concurrent requests that miss one key, one fetches and the others wait for its head.
//!
//! Two things make this lock differ from Pingora's own. A request does not join a fetch that a purge has hidden: it
//! takes the lock over and fetches anew. And a key whose responses turned out not to be stored is remembered for a
//! while, and requests for it don't wait for each other ("hit-for-miss" in Varnish's words).

use super::lookup::Lookup;
use crate::core::id::PurgeSeq;
use crate::core::key::CacheKey;
use crate::purge_log::PurgeLog;
use http::Extensions;
use moka::sync::Cache;
use parking_lot::Mutex;
use pingora::cache::CacheKey as PingoraKey;
use pingora::cache::key::CacheHashKey;
use pingora::cache::lock::{CacheKeyLock, LockStatus, LockStub, Locked, WritePermit};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a key is remembered as not stored.
pub const UNSTORED_MEMORY: Duration = Duration::from_secs(120);

/// How many such keys are remembered.
pub const MAX_UNSTORED: u64 = 100_000;

/// How long a fetch may hold the lock before others try for themselves. It is held until the response's head is there,
/// so this is longer than any connect and first-byte timeout in use.
pub const MAX_HOLD: Duration = Duration::from_secs(90);

/// The lock of a node's store.
#[derive(Debug)]
pub struct FetchLock {
    held: Mutex<Table>,
    unstored: Cache<CacheKey, ()>,
    purges: Arc<PurgeLog>,
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
    fence: PurgeSeq,
}

/// The number of a lock, by which its release finds it; and the key that it is held under.
#[derive(Debug, Clone, Copy)]
struct Ticket {
    number: u64,
    key: CacheKey,
}

impl FetchLock {
    /// No fetch is running.
    pub fn new(purges: Arc<PurgeLog>) -> Self {
        let unstored = Cache::builder().max_capacity(MAX_UNSTORED).time_to_live(UNSTORED_MEMORY).build();
        Self { held: Mutex::default(), unstored, purges }
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
        let held_key = lookup.map_or_else(|| CacheKey::from(key.combined_bin()), |lookup| lookup.key());
        let mut table = self.held.lock();
        table.next += 1;
        let number = table.next;
        if self.unstored.contains_key(&held_key) {
            // Number 0 is never in the table: nobody waits for this one.
            return Locked::Write(Self::permit(0, held_key, stale_writer).0);
        }
        if let Some(held) = table.by_key.get(&held_key) {
            let lost = matches!(held.stub.0.lock_status(), LockStatus::Dangling | LockStatus::AgeTimeout);
            let hidden = lookup.is_some_and(|lookup| self.purges.selects_since(&lookup.subject, held.fence));
            if !lost && !hidden {
                if let Some(lookup) = lookup {
                    lookup.set_collapsed();
                }
                return Locked::Read(held.stub.read_lock());
            }
        }
        let (permit, stub) = Self::permit(number, held_key, stale_writer);
        table.by_key.insert(held_key, Held { stub, number, fence: self.purges.applied() });
        Locked::Write(permit)
    }

    fn release(&self, _key: &PingoraKey, mut permit: WritePermit, reason: LockStatus) {
        let Some(ticket) = permit.extensions().get::<Ticket>().copied() else {
            permit.unlock(reason);
            return;
        };
        match reason {
            LockStatus::GiveUp => self.unstored.insert(ticket.key, ()),
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
