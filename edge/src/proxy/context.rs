//! What a request gathers on its way through the hooks.

use super::diagnosis::Fault;
use super::posting::Posting;
use crate::config::RangeMiss;
use crate::core::cache_control::RequestDirectives;
use crate::core::cache_control::fields::remove_hop_by_hop_of_request;
use crate::core::hop::Asked;
use crate::core::partial::asks_for_one_range;
use crate::core::purge::{Fence, Subject};
use crate::core::reuse::Reuse;
use crate::core::site_rule::{Set, apply_changes};
use crate::core::store_rule::{NoStore, RequestHead};
use crate::core::tier::TierHop;
use crate::core::time::Timestamp;
use crate::core::url::SiteUrl;
use crate::node::NodeState;
use crate::refusal::Refusal;
use crate::snapshot::{SiteRuntime, Snapshot};
use crate::store::lookup::{Lookup, WantedRange};
use crate::telemetry::Counters;
use crate::upstream::Target;
use http::{HeaderMap, HeaderName};
use pingora::http::RequestHeader;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;

/// Why a request goes past the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// A rule of the site says so.
    SiteRule,
    /// The method is neither GET nor HEAD.
    Method,
    /// The request has a body, which the key doesn't cover.
    RequestBody,
    /// The connection is to become another protocol's.
    Upgrade,
    /// The node does not know the purge log yet, or can't know whether it has missed something.
    NoPurgeLog,
    /// The tier below has heard of purges that this node has not heard of.
    Behind,
    /// The tier below makes keys by other rules.
    KeyRules,
}

impl Pass {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::SiteRule => "site-rule",
            Self::Method => "method",
            Self::RequestBody => "request-body",
            Self::Upgrade => "upgrade",
            Self::NoPurgeLog => "no-purge-log",
            Self::Behind => "behind",
            Self::KeyRules => "key-rules",
        }
    }
}

/// How a request that went up fared.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    /// Where it may go, the best first.
    pub(super) candidates: Vec<Target>,
    /// Which of them is tried now.
    pub(super) at: usize,
    /// When the last attempt was sent.
    pub(super) sent: Option<Timestamp>,
    /// What had been applied when it was sent.
    pub(super) fence: Fence,
    /// What the tier above was asked of purges; `None` if it is an origin.
    pub(super) asked: Option<Asked>,
    /// The tier above is asked past its caches.
    pub(super) past_caches: bool,
    /// Keys are made by other rules there, or here by now: what comes is not stored.
    pub(super) has_other_rules: bool,
    /// How many interim responses came before it.
    pub(super) interims: usize,
    /// The status that came back.
    pub(super) status: Option<u16>,
    /// The Cache-Status of the tiers above.
    pub(super) cache_status: Option<String>,
    /// The Proxy-Status that the response came with.
    pub(super) proxy_status: Option<String>,
    /// The fields of a 304 that validated the stored response.
    pub(super) not_modified: Option<HeaderMap>,
    /// The fields of the response that are for this client alone.
    pub(super) withheld: HeaderMap,
    /// The request goes up as the HEAD that it is.
    pub(super) asks_head: bool,
    /// The client's conditions went up with the request.
    pub(super) is_conditional: bool,
    /// Whether the client's range goes up with the request.
    pub(super) range: RangeUp,
    /// A condition goes up with the request, whoever's it is: a 304 may be the answer.
    pub(super) asks_for_change: bool,
    /// Whether the response that came is no use, and another one must be fetched.
    pub(super) refetch: Refetch,
}

/// Whether the range that a client asks for goes up with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum RangeUp {
    /// It asks for none that could.
    #[default]
    None,
    /// It could, but the whole is asked for.
    Kept,
    /// It went up.
    Sent,
}

impl RangeUp {
    pub(super) fn may_go_up(self) -> bool {
        self == Self::Kept
    }

    pub(super) fn went_up(self) -> bool {
        self == Self::Sent
    }
}

/// A second fetch for one request, past the store. There is one at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Refetch {
    /// Not needed.
    #[default]
    No,
    /// The response that came must not be answered with.
    Due,
    /// It is under way.
    Begun,
}

impl Upstream {
    /// Turns to the next candidate; `false` if there is none.
    pub(super) fn go_to_next(&mut self) -> bool {
        let has_next = self.at + 1 < self.candidates.len();
        self.at += usize::from(has_next);
        has_next
    }
}

/// One request.
#[derive(Debug)]
pub struct Context {
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) request_id: String,
    /// What the tier below says, if the request came from one.
    pub(super) tier: Option<TierHop>,
    /// The request has passed this very node before, for the same URL.
    pub(super) is_back: bool,
    pub(super) target: Option<(SiteUrl, Arc<SiteRuntime>)>,
    pub(super) rules: Set,
    /// What the site heeds of the request's own directives.
    pub(super) directives: RequestDirectives,
    /// What a refresh in the background leaves out of the request that it repeats.
    pub(super) set_aside: HeaderMap,
    /// The request is a refresh in the background that says nothing of its client, beyond what selects the variant.
    pub(super) is_bare: bool,
    /// The request is a refresh in the background that came to nothing.
    pub(super) refresh_failed: bool,
    pub(super) pass: Option<Pass>,
    /// What had been applied when what is stored was found to be up to the request: see [`crate::core::purge::Arrival`].
    pub(super) asked_at: Fence,
    pub(super) lookup: Option<Arc<Lookup>>,
    pub(super) reuse: Option<Reuse>,
    /// A stale response is served because the tier above failed.
    pub(super) stale_if_error: bool,
    /// What a stale response stands in for.
    pub(super) stood_in_for: Fault,
    pub(super) no_store: Option<NoStore>,
    pub(super) stored: bool,
    /// What goes to the client is a head alone: it asked for no more, or has the body already.
    pub(super) head_only: bool,
    pub(super) upstream: Upstream,
    pub(super) refusal: Option<Refusal>,
    pub(super) request_body_bytes: u64,
    /// A POST under way, and its response on its way into the store.
    pub(super) posting: Posting,
}

impl Context {
    pub(super) fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            request_id: String::new(),
            tier: None,
            is_back: false,
            target: None,
            rules: Set::default(),
            directives: RequestDirectives::NONE,
            set_aside: HeaderMap::new(),
            is_bare: false,
            refresh_failed: false,
            pass: None,
            asked_at: Fence::ZERO,
            lookup: None,
            reuse: None,
            stale_if_error: false,
            stood_in_for: Fault::default(),
            no_store: None,
            stored: false,
            head_only: false,
            upstream: Upstream::default(),
            refusal: None,
            request_body_bytes: 0,
            posting: Posting::default(),
        }
    }

    /// The site, once the request is admitted.
    pub(super) fn site(&self) -> Result<&Arc<SiteRuntime>> {
        self.target.as_ref().map(|(_, site)| site).ok_or_else(not_admitted)
    }

    /// The URL, once the request is admitted.
    pub(super) fn url(&self) -> Result<&SiteUrl> {
        self.target.as_ref().map(|(url, _)| url).ok_or_else(not_admitted)
    }

    /// Whether the store is asked at all.
    pub(super) fn uses_cache(&self) -> bool {
        self.target.is_some() && self.pass.is_none()
    }

    pub(super) fn counters<'a>(&'a self, node: &'a NodeState) -> &'a Counters {
        match &self.target {
            Some((_, site)) => &site.counters,
            None => node.telemetry.no_site(),
        }
    }

    /// Whether the tier below makes keys of a site by other rules.
    pub(super) fn has_other_rules_below(&self, site: &SiteRuntime) -> bool {
        self.tier.as_ref().is_some_and(|hop| hop.rules != site.key_rules)
    }

    /// Begins the request's dealings with the store.
    pub(super) fn begin_lookup(&mut self, request: &RequestHeader) -> Result<Arc<Lookup>> {
        let wanted = match asks_for_one_range(RequestHead::new(&request.method, &request.headers)) {
            false => WantedRange::No,
            true if self.site()?.site.range_miss == RangeMiss::Forward => WantedRange::Alone,
            true => WantedRange::OfWhole,
        };
        let lookup = self.lookup_for(&request.headers, wanted)?;
        if self.is_back {
            // The one that it would wait for may be itself.
            lookup.set_waits_for_nobody();
        }
        if self.directives.only_if_cached {
            lookup.set_only_if_stored();
        }
        let lookup = Arc::new(lookup);
        self.lookup = Some(lookup.clone());
        Ok(lookup)
    }

    /// Whether a refresh in the background goes up without this field, which the client sent. What selects the variant
    /// that is refreshed stays: without it, another one would come.
    pub(super) fn leaves_out(&self, name: &HeaderName) -> bool {
        let found = self.lookup.as_ref().and_then(|lookup| lookup.found());
        self.set_aside.contains_key(name) && !found.is_some_and(|found| found.vary.fields().contains(name))
    }

    /// What a request with these fields brings to the store.
    pub(super) fn lookup_for(&self, request: &HeaderMap, wanted: WantedRange) -> Result<Lookup> {
        let (url, site) = self.target.as_ref().ok_or_else(not_admitted)?;
        // Variants are told apart by what the tier above is sent, not by what the client said.
        let mut sent = request.clone();
        sent.extend(self.set_aside.clone());
        remove_hop_by_hop_of_request(&mut sent);
        if self.rules.strip_cookies == Some(true) {
            sent.remove(http::header::COOKIE);
        }
        apply_changes(&mut sent, &self.rules.request_headers);
        Ok(Lookup::new(url.cache_key(), sent, site.site.vary, Subject::new(url, &[])).for_range(wanted))
    }
}

fn not_admitted() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "a request that was not admitted")
}
