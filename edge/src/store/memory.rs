//! Complete responses in moka, fills in flight beside it.

mod slot;

use super::body::Body;
use super::entry::Entry;
use super::lookup::{Lookup, Miss, Plan, WantedRange};
use crate::core::freshness::{Freshness, Lifetime};
use crate::core::key::CacheKey;
use crate::core::purge::{Fence, Mark};
use crate::core::store_rule::RequestHead;
use crate::core::vary::{VariantKey, VaryRule};
use crate::wire::stats::StoreStats;
use arc_swap::ArcSwapOption;
use http::Method;
use moka::ops::compute::Op;
use moka::sync::Cache;
use parking_lot::Mutex;
use slot::{Content, Slot, UNIT_BYTES, Varies, Way};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Fills in flight at once. Past it responses are passed without being stored; each fill has a client or a refresh
/// behind it, so this is far above what the connection limit lets in.
pub const MAX_FILLS: usize = 65_536;

/// moka evicts in maintenance runs, of its own accord after so many operations; with large objects that is too late.
/// A run is made after this share of the capacity has been written, or [`MAINTENANCE_MAX_BYTES`].
const MAINTENANCE_SHARE: u64 = 64;
const MAINTENANCE_MAX_BYTES: u64 = 32 << 20;

/// For how long, and of how many keys, it is remembered that something was taken in. Between a lookup and the request's
/// turn to fetch lies no more than the wait for other fetches.
const OF_LATE: Duration = Duration::from_secs(5);
const MAX_OF_LATE: u64 = 10_000;

/// How often a place is looked at whose content changes at that very moment.
const MAX_LOOKS: usize = 8;

/// What a lookup found.
#[derive(Debug, Clone)]
pub enum Found {
    /// A complete response.
    Complete(Arc<Entry>),
    /// A response whose body is still arriving.
    Filling(Arc<Entry>),
}

impl Found {
    /// The response, wherever it is.
    pub fn entry(&self) -> &Arc<Entry> {
        match self {
            Self::Complete(entry) | Self::Filling(entry) => entry,
        }
    }
}

/// A node's store.
#[derive(Debug)]
pub struct MemoryStore {
    complete: Cache<CacheKey, Slot>,
    filling: Mutex<HashMap<CacheKey, Arc<Entry>>>,
    capacity_bytes: u64,
    max_object_bytes: u64,
    /// Of all bodies that anybody holds: stored, in flight, or evicted and still being read.
    body_bytes: Arc<AtomicU64>,
    unmaintained_bytes: AtomicU64,
    removed: Arc<AtomicU64>,
    fills_failed: AtomicU64,
    /// How many generations of variants there have been.
    generations: AtomicU64,
    /// How often something was taken in, and for keys of late, when: see [`MemoryStore::has_changed_since`].
    taken_in: AtomicU64,
    of_late: Cache<CacheKey, u64>,
}

impl MemoryStore {
    /// An empty store of so many bytes.
    pub fn new(capacity_bytes: u64, max_object_bytes: u64) -> Self {
        let removed = Arc::new(AtomicU64::new(0));
        let count = removed.clone();
        let complete = Cache::builder()
            .max_capacity(capacity_bytes / UNIT_BYTES)
            .weigher(|_, slot: &Slot| slot.units())
            .eviction_listener(move |_, slot, cause| {
                slot.let_go();
                if cause == moka::notification::RemovalCause::Size {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        Self {
            complete,
            filling: Mutex::default(),
            capacity_bytes,
            max_object_bytes,
            body_bytes: Arc::default(),
            unmaintained_bytes: AtomicU64::new(0),
            removed,
            fills_failed: AtomicU64::new(0),
            generations: AtomicU64::new(0),
            taken_in: AtomicU64::new(0),
            of_late: Cache::builder().max_capacity(MAX_OF_LATE).time_to_live(OF_LATE).build(),
        }
    }

    /// Larger bodies are not kept.
    pub const fn max_object_bytes(&self) -> u64 {
        self.max_object_bytes
    }

    /// Whether another body of the announced length may be taken in. Fills in flight, and evicted bodies that slow clients
    /// still read, may take a quarter of the capacity beyond it (or one object of the largest size); past that, responses
    /// are passed at their client's pace instead.
    pub fn has_room(&self, announced: Option<u64>) -> bool {
        let beyond = (self.capacity_bytes / 4).max(self.max_object_bytes);
        let most = self.capacity_bytes.saturating_add(beyond);
        self.body_bytes.load(Ordering::Relaxed).saturating_add(announced.unwrap_or(0)) <= most
    }

    fn content(&self, key: &CacheKey) -> Option<Content> {
        for _ in 0..MAX_LOOKS {
            if let Some(content) = self.complete.get(key)?.content() {
                return Some(content);
            }
            // It has left the store between the two looks; something else may be in its place by now.
        }
        None
    }

    fn entry(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        match self.content(key)? {
            Content::Entry(entry) => Some(entry),
            Content::Also(_) | Content::Varies(_) => None,
        }
    }

    /// A moment in the store's life, for [`MemoryStore::has_changed_since`].
    pub(super) fn moment(&self) -> u64 {
        self.taken_in.load(Ordering::Acquire)
    }

    /// Whether something was taken in under a key since then: whoever looked before should look again.
    pub(super) fn has_changed_since(&self, key: &CacheKey, moment: u64) -> bool {
        self.of_late.get(key).is_some_and(|at| at > moment)
    }

    fn note(&self, key: CacheKey) {
        let at = self.taken_in.fetch_add(1, Ordering::AcqRel) + 1;
        self.of_late.insert(key, at);
    }

    /// What is there for a request, resolving Vary: the complete response unless `usable` says that it is none, else
    /// the fill in flight, else the complete response as it is.
    pub fn lookup(&self, lookup: &Lookup, usable: impl Fn(&Entry) -> bool) -> Option<Found> {
        lookup.set_looked_at(self.moment());
        let at_url = self.content(&lookup.primary);
        let ways = match &at_url {
            Some(Content::Varies(varies)) => varies.ways(),
            Some(Content::Entry(_) | Content::Also(_)) | None => &[],
        };
        let variants = || ways.iter().map(|way| lookup.key_for(&way.rule, way.generation));
        // A fetch that follows is for the variant by the newest way, as far as one can tell.
        let key = variants().next().unwrap_or(lookup.primary);
        lookup.set_miss(if ways.is_empty() { Miss::Uri } else { Miss::Vary });
        lookup.set_key(key);
        let complete = match &at_url {
            Some(Content::Entry(entry)) => Some(entry.clone()),
            _ => self.variant(lookup, ways, &usable),
        };
        let found = match complete {
            Some(entry) if usable(&entry) => Some(Found::Complete(entry)),
            complete => {
                let filling = self.filling(&key).or_else(|| variants().skip(1).find_map(|key| self.filling(&key)));
                filling.map(Found::Filling).or(complete.map(Found::Complete))
            }
        };
        let found = match found {
            None if lookup.range != WantedRange::No => {
                let part = self.part(lookup, key).filter(|part| usable(part.entry()));
                if part.is_none() {
                    lookup.set_key(lookup.fetch_key(key));
                }
                part
            }
            found => found,
        };
        lookup.set_found(found.as_ref().map(|found| found.entry().clone()));
        found
    }

    /// The complete response for a URL whose responses vary by nothing, or in one way alone, for which `variant` has a key.
    /// What this finds [`MemoryStore::lookup`] would find first.
    pub fn ready(
        &self,
        primary: &CacheKey,
        variant: impl FnOnce(&VaryRule) -> Option<VariantKey>,
    ) -> Option<Arc<Entry>> {
        let entry = match self.content(primary)? {
            Content::Entry(entry) => entry,
            Content::Varies(varies) => match varies.ways() {
                [way] => self.entry(&primary.variant(variant(&way.rule)?.0, way.generation))?,
                _ => return None,
            },
            Content::Also(_) => return None,
        };
        entry.body.is_complete().then_some(entry)
    }

    /// The complete response that a request selects. Of several that match, the newest one counts (RFC 9111 §4.1), but one
    /// that is of use before one that is not.
    fn variant(&self, lookup: &Lookup, ways: &[Way], usable: impl Fn(&Entry) -> bool) -> Option<Arc<Entry>> {
        let entries = ways.iter().filter_map(|way| self.entry(&lookup.key_for(&way.rule, way.generation)));
        entries
            .max_by_key(|entry| (usable(entry), entry.freshness.response_time))
            .or_else(|| ways.iter().filter_map(|way| self.by_language(lookup, way)).find(|entry| usable(entry)))
    }

    /// The complete response in the language that a request wants most, wherever it is stored.
    fn by_language(&self, lookup: &Lookup, way: &Way) -> Option<Arc<Entry>> {
        let place = lookup.key_by_language(&way.rule, way.generation, None)?;
        let Some(Content::Also(key)) = self.content(&place) else { return None };
        // What has taken its place may be in another language.
        let is_wanted =
            |entry: &Arc<Entry>| lookup.key_by_language(&way.rule, way.generation, Some(&entry.head)).is_some();
        self.entry(&key).filter(is_wanted)
    }

    /// The stored part, or the one that is arriving, that answers a request for a range.
    fn part(&self, lookup: &Lookup, key: CacheKey) -> Option<Found> {
        let answers = |entry: &Arc<Entry>| {
            let request = RequestHead::new(&Method::GET, &lookup.request);
            entry.part.as_ref().is_some_and(|part| part.answer(request, &entry.head).is_some())
        };
        let key = key.part(None);
        let complete = match self.content(&key) {
            Some(Content::Entry(entry)) => {
                lookup.set_miss(Miss::Part);
                Some(entry).filter(answers).map(Found::Complete)
            }
            Some(Content::Varies(_) | Content::Also(_)) | None => None,
        };
        complete.or_else(|| self.filling(&key).filter(answers).map(Found::Filling))
    }

    /// Whether anything is stored, or arriving, under a key before Vary.
    pub fn holds(&self, primary: &CacheKey) -> bool {
        let part = primary.part(None);
        let is_there = |key: &CacheKey| self.complete.contains_key(key) || self.filling.lock().contains_key(key);
        is_there(primary) || is_there(&part)
    }

    /// The fill in flight for a key, variant included.
    pub fn filling(&self, key: &CacheKey) -> Option<Arc<Entry>> {
        self.filling.lock().get(key).cloned()
    }

    /// Begins a fill. Later lookups find it until it ends.
    pub fn begin(self: &Arc<Self>, lookup: &Lookup, plan: Plan) -> Fill {
        let fill = self.begin_alone(lookup, plan);
        let (entry, mut filling) = (&fill.entry, self.filling.lock());
        let may_enter = match filling.get(&entry.key) {
            // An older fill never takes the place of a newer one.
            Some(other) => entry.fence.reaches(other.fence),
            None => filling.len() < MAX_FILLS,
        };
        if may_enter {
            filling.insert(entry.key, entry.clone());
        }
        drop(filling);
        self.note(fill.entry.key);
        if fill.entry.key != lookup.primary {
            // By now it is known by what the URL's responses vary.
            self.note(lookup.primary);
        }
        fill
    }

    /// Begins a fill that nobody finds before it has ended.
    pub fn begin_alone(self: &Arc<Self>, lookup: &Lookup, plan: Plan) -> Fill {
        let fence = lookup.fence();
        let generation = if plan.vary.is_empty() { 0 } else { self.mark_as_varying(lookup.primary, &plan.vary, fence) };
        let whole = lookup.key_for(&plan.vary, generation);
        let key = if plan.part.is_some() { whole.part(None) } else { whole };
        let by_language =
            lookup.key_by_language(&plan.vary, generation, Some(&plan.head)).filter(|_| plan.part.is_none());
        let entry = Arc::new(Entry {
            key,
            status: plan.status,
            head: plan.head,
            body: Arc::new(Body::growing(&self.body_bytes, plan.content_length)),
            freshness: plan.freshness,
            subject: plan.subject,
            mark: Mark::new(fence),
            fence,
            vary: plan.vary,
            part: plan.part,
            authorized: plan.authorized,
            written: ArcSwapOption::empty(),
        });
        let content_length = plan.content_length;
        Fill { store: self.clone(), entry, by_language, content_length, outgrown: false, ended: false }
    }

    /// Says, in the place of the URL, by what its responses vary. Returns the generation of its variants: the one that is
    /// there already, if they vary by the same.
    fn mark_as_varying(&self, primary: CacheKey, rule: &VaryRule, fence: Fence) -> u64 {
        let next = || self.generations.fetch_add(1, Ordering::Relaxed) + 1;
        let mut generation = 0;
        self.complete.entry(primary).and_compute_with(|stored| {
            let stored = stored.map(moka::Entry::into_value);
            let before = match stored.as_ref().and_then(Slot::content) {
                Some(Content::Varies(varies)) => Some(varies),
                Some(Content::Entry(_) | Content::Also(_)) | None => None,
            };
            let varies = Varies::with(before.as_ref(), rule, next);
            generation = varies.ways().first().map_or(0, |way| way.generation);
            match stored {
                Some(stored) if !fence.reaches(stored.fence()) => Op::Nop,
                _ => Op::Put(Slot::varies(varies, fence)),
            }
        });
        generation
    }

    /// Replaces an entry that a 304 has validated by one with the new head and the same body. Does nothing if the
    /// entry is not there any more.
    ///
    /// `fence` is that of the validation; what a HEAD freshened keeps its own, since a HEAD proves nothing of the body.
    pub fn freshen(&self, old: &Arc<Entry>, fence: Fence, plan: Plan) -> Arc<Entry> {
        let fresh = Arc::new(Entry {
            key: old.key,
            status: plan.status,
            head: plan.head,
            body: old.body.clone(),
            freshness: plan.freshness,
            subject: plan.subject.covering(&old.subject),
            mark: Mark::new(fence),
            fence,
            vary: old.vary.clone(),
            part: old.part.clone(),
            authorized: old.authorized && plan.authorized,
            written: ArcSwapOption::empty(),
        });
        self.replace(old, &fresh);
        fresh
    }

    /// Considers an entry stale from now on, if it is still the one in its place.
    pub fn make_stale(&self, old: &Arc<Entry>) {
        let lifetime = Lifetime { duration: Duration::ZERO, ..old.freshness.lifetime };
        let stale = Arc::new(Entry {
            key: old.key,
            status: old.status,
            head: old.head.clone(),
            body: old.body.clone(),
            freshness: Freshness { lifetime, ..old.freshness },
            subject: old.subject.clone(),
            mark: Mark::new(old.fence),
            fence: old.fence,
            vary: old.vary.clone(),
            part: old.part.clone(),
            authorized: old.authorized,
            written: ArcSwapOption::empty(),
        });
        self.replace(old, &stale);
    }

    fn replace(&self, old: &Arc<Entry>, new: &Arc<Entry>) {
        self.complete.entry(old.key).and_compute_with(|slot| match slot.map(moka::Entry::into_value) {
            Some(stored) if stored.holds(old) => Op::Put(Slot::of(new)),
            _ => Op::Nop,
        });
        self.note(old.key);
    }

    /// Drops an entry, if it is still the one in its place.
    pub fn forget(&self, entry: &Arc<Entry>) {
        self.complete.entry(entry.key).and_compute_with(|stored| match stored.map(moka::Entry::into_value) {
            Some(stored) if stored.holds(entry) => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// Looks at every complete response, and drops those that `keep` refuses. Returns how many.
    pub fn retain(&self, keep: impl Fn(&Entry) -> bool) -> usize {
        let entries = self.complete.iter().filter_map(|(_, slot)| match slot.content() {
            Some(Content::Entry(entry)) => Some(entry),
            _ => None,
        });
        entries.filter(|entry| !keep(entry)).map(|entry| self.forget(&entry)).count()
    }

    /// Puts something in its place, unless what is there comes from a newer fetch.
    fn put(&self, key: CacheKey, slot: Slot) {
        let fence = slot.fence();
        let bytes = u64::from(slot.units()) * UNIT_BYTES;
        let mut put = false;
        self.complete.entry(key).and_compute_with(|stored| match stored.map(moka::Entry::into_value) {
            Some(stored) if !fence.reaches(stored.fence()) => Op::Nop,
            _ => {
                put = true;
                Op::Put(slot)
            }
        });
        if put {
            self.maintain(bytes);
        }
    }

    /// Lets moka evict once enough bytes have been written.
    fn maintain(&self, written: u64) {
        let due = (self.capacity_bytes / MAINTENANCE_SHARE).min(MAINTENANCE_MAX_BYTES);
        if self.unmaintained_bytes.fetch_add(written, Ordering::Relaxed) + written >= due {
            self.unmaintained_bytes.store(0, Ordering::Relaxed);
            self.complete.run_pending_tasks();
        }
    }

    fn end(&self, entry: &Arc<Entry>) {
        let mut filling = self.filling.lock();
        if filling.get(&entry.key).is_some_and(|current| Arc::ptr_eq(current, entry)) {
            filling.remove(&entry.key);
        }
    }

    /// The store's figures, after what is pending in moka has been done.
    pub fn stats(&self) -> StoreStats {
        self.complete.run_pending_tasks();
        StoreStats {
            objects: self.complete.entry_count(),
            bytes: self.complete.weighted_size() * UNIT_BYTES,
            capacity_bytes: self.capacity_bytes,
            body_bytes_in_memory: self.body_bytes.load(Ordering::Relaxed),
            fills_in_flight: self.filling.lock().len() as u64,
            fills_failed: self.fills_failed.load(Ordering::Relaxed),
            evicted: self.removed.load(Ordering::Relaxed),
        }
    }
}

/// A response on its way into the store. Dropped before [`Fill::finish`] it has failed, and its readers get an error.
#[derive(Debug)]
pub struct Fill {
    store: Arc<MemoryStore>,
    entry: Arc<Entry>,
    /// Another place where it is found.
    by_language: Option<CacheKey>,
    content_length: Option<u64>,
    outgrown: bool,
    ended: bool,
}

/// A fill whose body does not have the length that its head announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response announced {announced} bytes and ended after {received}")]
pub struct WrongLength {
    /// By Content-Length.
    pub announced: u64,
    /// Received.
    pub received: u64,
}

impl Fill {
    /// The entry, which can be read while it grows.
    pub fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    /// Appends a part of the body. Waits only if the body has outgrown the store and a reader is far behind.
    pub async fn push(&mut self, part: bytes::Bytes) {
        self.entry.body.push(part);
        if !self.outgrown && self.entry.body.len() > self.store.max_object_bytes {
            self.outgrown = true;
            self.store.end(&self.entry);
            self.entry.body.outgrow();
        }
        if self.outgrown {
            self.entry.body.wait_for_readers().await;
        }
    }

    /// Appends a part of the body, if it fits what is kept; without a reader, nothing is gained by going on beyond that.
    pub fn push_if_fits(&mut self, part: bytes::Bytes) -> bool {
        let fits = self.entry.body.len() + part.len() as u64 <= self.store.max_object_bytes;
        if fits {
            self.entry.body.push(part);
        }
        fits
    }

    /// Ends the fill: the response is stored, unless it is too large. Returns its size in bytes.
    ///
    /// # Errors
    /// [`WrongLength`]: the fill has failed.
    pub fn finish(mut self) -> Result<u64, WrongLength> {
        let received = self.entry.body.len();
        if let Some(announced) = self.content_length.filter(|&announced| announced != received) {
            return Err(WrongLength { announced, received });
        }
        self.entry.body.finish();
        if !self.outgrown {
            // Into the store before out of the fills: a lookup in between finds it in one of them.
            self.store.put(self.entry.key, Slot::of(&self.entry));
            if let Some(key) = self.by_language {
                self.store.put(key, Slot::also(&self.entry));
            }
            // A lookup that looked into the store before and among the fills after has found it in neither: it looks again.
            self.store.note(self.entry.key);
            self.store.end(&self.entry);
        }
        self.ended = true;
        Ok(received)
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        if !self.ended {
            self.entry.body.fail();
            self.store.end(&self.entry);
            self.store.fills_failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
