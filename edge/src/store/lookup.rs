//! What one request brings to the store, and what the store finds for it. Pingora's traits pass a cache key and nothing
//! else between the phases of a request, so this travels in the key's extensions.

use super::entry::Entry;
use super::in_flight::Fetch;
use crate::core::freshness::Freshness;
use crate::core::key::CacheKey;
use crate::core::partial::Part;
use crate::core::purge::{Fence, Subject};
use crate::core::vary::{VaryPolicy, VaryRule, is_most_wanted, most_wanted_language, sole_language};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Instant;

/// One request's dealings with the store.
#[derive(Debug)]
pub struct Lookup {
    /// The key before Vary.
    pub primary: CacheKey,
    /// The request's fields, for Vary.
    pub request: HeaderMap,
    /// How they are compared.
    pub vary_policy: VaryPolicy,
    /// What purges of the URL are matched against, without tags.
    pub subject: Subject,
    /// What a request for one range, which a part may answer, is after.
    pub range: WantedRange,
    state: Mutex<State>,
}

/// Whether a request is for one range, and how it is fetched if nothing answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedRange {
    /// It is not: no part answers it.
    No,
    /// It is. The whole is fetched.
    OfWhole,
    /// It is. The range alone is fetched, which only requests for the same range can wait for.
    Alone,
}

/// What is there for a request that nothing stored answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Miss {
    /// Nothing under its URL.
    #[default]
    Uri,
    /// Responses to the URL, but none for requests like this one.
    Vary,
    /// A part that doesn't have the range.
    Part,
}

/// How a request that needs a fetch gets along with other requests for its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Collapse {
    /// It waits for a fetch that is running already.
    #[default]
    Join,
    /// It is answered with what is stored; one of the requests has it refreshed.
    Refresh,
    /// It needs a fetch of its own: what is stored must be validated for each request.
    Alone,
}

#[derive(Debug, Default)]
struct State {
    collapse: Collapse,
    variant: Option<CacheKey>,
    miss: Miss,
    looked_at: u64,
    found: Option<Arc<Entry>>,
    fence: Option<Fence>,
    plan: Option<Plan>,
    own_fill: Option<Arc<Entry>>,
    served: Option<Arc<Entry>>,
    collapsed: bool,
    is_refresh: bool,
    left: Option<Instant>,
    waits_for_nobody: bool,
    only_if_stored: bool,
    refused_for_good: bool,
    fetch: Option<Fetch>,
}

/// A response head that may be stored: everything of the entry but its body.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The status.
    pub status: StatusCode,
    /// The fields to store.
    pub head: HeaderMap,
    /// How long it lives.
    pub freshness: Freshness,
    /// The URL and its tags.
    pub subject: Subject,
    /// What it varies by.
    pub vary: VaryRule,
    /// What of the representation it is; `None` for all of it.
    pub part: Option<Part>,
    /// The length that the response announced, if it did.
    pub content_length: Option<u64>,
    /// Whether the request that it answers carried credentials.
    pub authorized: bool,
}

impl Lookup {
    /// A request for `primary`.
    pub fn new(primary: CacheKey, request: HeaderMap, vary_policy: VaryPolicy, subject: Subject) -> Self {
        Self { primary, request, vary_policy, subject, range: WantedRange::No, state: Mutex::default() }
    }

    /// The same request, which wants this range.
    #[must_use]
    pub fn for_range(mut self, range: WantedRange) -> Self {
        self.range = range;
        self
    }

    /// The key by which the fetch of a request's range is known; `key` where the whole is fetched.
    pub(super) fn fetch_key(&self, key: CacheKey) -> CacheKey {
        match self.range {
            WantedRange::No | WantedRange::OfWhole => key,
            WantedRange::Alone => self.range_key(key),
        }
    }

    /// The key by which the fetch of the request's range alone is known.
    pub(super) fn range_key(&self, key: CacheKey) -> CacheKey {
        key.part(self.request.get(http::header::RANGE).map(|value| value.as_bytes()))
    }

    /// The key under which a response with this Vary is stored for this request, in one generation of the URL's variants.
    pub(super) fn key_for(&self, vary: &VaryRule, generation: u64) -> CacheKey {
        if vary.is_empty() {
            return self.primary;
        }
        self.primary.variant(vary.variant_key(&self.request, self.vary_policy).0, generation)
    }

    /// The key under which a response that varies like this is found by the language that this request wants most, or that
    /// `response` to it is in. `None` if the request doesn't want one language most; or if `response` is in none that it
    /// wants most: what was made for another wish is nobody else's.
    pub(super) fn key_by_language(
        &self,
        vary: &VaryRule,
        generation: u64,
        response: Option<&HeaderMap>,
    ) -> Option<CacheKey> {
        let language = match response {
            None => most_wanted_language(&self.request),
            Some(head) => sole_language(head).filter(|language| is_most_wanted(language, &self.request)),
        };
        let key = vary.key_by_language(&self.request, self.vary_policy, language)?;
        Some(self.primary.variant(key.0, generation))
    }

    /// The key that was looked up last: with the variant, if the store knows by what the URL's responses vary.
    pub fn key(&self) -> CacheKey {
        self.state.lock().variant.unwrap_or(self.primary)
    }

    pub(super) fn set_key(&self, key: CacheKey) {
        self.state.lock().variant = Some(key);
    }

    /// The moment of the last lookup.
    pub(super) fn looked_at(&self) -> u64 {
        self.state.lock().looked_at
    }

    pub(super) fn set_looked_at(&self, moment: u64) {
        self.state.lock().looked_at = moment;
    }

    /// What the last lookup missed, if it found nothing.
    pub fn miss(&self) -> Miss {
        self.state.lock().miss
    }

    pub(super) fn set_miss(&self, miss: Miss) {
        self.state.lock().miss = miss;
    }

    /// The entry that the last lookup found: the one whose validator is sent, and which a 304 speaks of.
    pub fn found(&self) -> Option<Arc<Entry>> {
        self.state.lock().found.clone()
    }

    pub(super) fn set_found(&self, entry: Option<Arc<Entry>>) {
        self.state.lock().found = entry;
    }

    /// Sets the fence of the fetch: sampled before the first byte of each attempt is sent.
    pub fn set_fence(&self, fence: Fence) {
        self.state.lock().fence = Some(fence);
    }

    /// The fence of the fetch; [`Fence::ZERO`], which every purge hides, if none was sampled.
    pub fn fence(&self) -> Fence {
        self.state.lock().fence.unwrap_or(Fence::ZERO)
    }

    /// Sets what the response's head was found to allow.
    pub fn set_plan(&self, plan: Plan) {
        self.state.lock().plan = Some(plan);
    }

    pub(super) fn take_plan(&self) -> Option<Plan> {
        self.state.lock().plan.take()
    }

    /// The fill that this request began.
    pub fn own_fill(&self) -> Option<Arc<Entry>> {
        self.state.lock().own_fill.clone()
    }

    pub(super) fn set_own_fill(&self, entry: Arc<Entry>) {
        self.state.lock().own_fill = Some(entry);
    }

    /// The entry that answers the request: the one that it filled, the one that a 304 made, or the one found.
    pub fn served(&self) -> Option<Arc<Entry>> {
        let state = self.state.lock();
        [&state.served, &state.own_fill, &state.found].into_iter().find_map(Clone::clone)
    }

    pub(super) fn set_served(&self, entry: Arc<Entry>) {
        self.state.lock().served = Some(entry);
    }

    /// How the request gets along with others: as what the last lookup found demands.
    pub fn collapse(&self) -> Collapse {
        let state = self.state.lock();
        match state.collapse {
            _ if state.waits_for_nobody => Collapse::Alone,
            Collapse::Join if state.only_if_stored => Collapse::Alone,
            collapse => collapse,
        }
    }

    /// Notes that the request must not wait for others, whatever is found.
    pub fn set_waits_for_nobody(&self) {
        self.state.lock().waits_for_nobody = true;
    }

    /// Notes that the request is answered with what is stored, if need be while that is refreshed, or not at all. There is
    /// nothing that it could wait for.
    pub fn set_only_if_stored(&self) {
        self.state.lock().only_if_stored = true;
    }

    /// Sets how the request gets along with others.
    pub fn set_collapse(&self, collapse: Collapse) {
        self.state.lock().collapse = collapse;
    }

    /// Notes that this is a refresh in the background.
    pub fn set_refresh(&self) {
        self.state.lock().is_refresh = true;
    }

    /// Whether this is a refresh in the background.
    pub fn is_refresh(&self) -> bool {
        self.state.lock().is_refresh
    }

    /// Notes that the client has gone, and the fetch goes on without it.
    pub fn set_left(&self, now: Instant) {
        self.state.lock().left.get_or_insert(now);
    }

    /// When the client went, if it has gone.
    pub fn left(&self) -> Option<Instant> {
        self.state.lock().left
    }

    /// Notes that the response can't be stored for a reason that will hold for the next request as well.
    pub fn set_refused_for_good(&self) {
        self.state.lock().refused_for_good = true;
    }

    /// Whether the response was refused for a reason that lasts.
    pub fn refused_for_good(&self) -> bool {
        self.state.lock().refused_for_good
    }

    /// Notes the request's fetch, which is under way for as long as this is.
    pub fn set_fetch(&self, fetch: Fetch) {
        self.state.lock().fetch = Some(fetch);
    }

    /// Notes that the request waited for another one's fetch.
    pub fn set_collapsed(&self) {
        self.state.lock().collapsed = true;
    }

    /// Whether the request waited for another one's fetch.
    pub fn collapsed(&self) -> bool {
        self.state.lock().collapsed
    }
}
