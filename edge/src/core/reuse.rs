//! May this stored response answer this request, now, and how (RFC 9111 §4, RFC 5861)?
//!
//! One function decides for the express lane, the proxy and the simulator. It is given what a purge said of the entry
//! as a [`PurgeMark`], so that staleness by age and staleness by purge are weighed in one place.

use super::cache_control::{MaxStale, RequestDirectives};
use super::freshness::{Freshness, StaleRule};
use super::rules::{self, Rule};
use super::time::Timestamp;
use http::StatusCode;
use std::time::Duration;

/// What the purges say of a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeMark {
    /// No purge selects it.
    Valid,
    /// A soft purge selects it: stale from then on, at the latest.
    Soft {
        /// When the soft purge was applied on this node.
        since: Timestamp,
    },
    /// A hard purge selects it: dead, for whatever purpose.
    Hard,
}

/// Whether the node may rely on having heard of all purges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lease {
    /// It may: it holds a lease, or the site doesn't ask for one.
    #[default]
    Held,
    /// The site asks for one and it has run out: everything is validated, nothing is served stale.
    Absent,
}

/// What a site and the node's state say about reuse. The default is RFC 9111 with a held lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReusePolicy {
    /// How long after a soft purge the purged response may still be served while it is refreshed, or instead of an
    /// error. `None`: as long as the response's own windows allow.
    pub soft_purge_bound: Option<Duration>,
    /// Whether the node may rely on having heard of all purges.
    pub lease: Lease,
}

impl ReusePolicy {
    fn lacks_lease(&self) -> bool {
        self.lease == Lease::Absent && rules::on(Rule::NoLeaseNoReuse)
    }
}

/// The verdict of [`reuse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Answer with it.
    Fresh,
    /// Answer with it, though stale, and start a refresh unless one is running (RFC 5861 §3).
    StaleWhileRevalidate(StaleReason),
    /// Ask upstream first, with its validators if it has any (RFC 9111 §4.3).
    MustRevalidate(RevalidateReason),
    /// Fetch anew: neither its bytes nor its validators may be used.
    MustRefetch(RefetchReason),
}

/// Why a stale response is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StaleReason {
    /// It has expired, and its window of stale-while-revalidate is open.
    Expired,
    /// A soft purge made it stale.
    SoftPurged,
    /// The request is content with a stale response (`max-stale`).
    RequestMaxStale,
}

impl StaleReason {
    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "stale-while-revalidate",
            Self::SoftPurged => "soft-purged",
            Self::RequestMaxStale => "request-max-stale",
        }
    }
}

/// Why a stored response must be validated first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevalidateReason {
    /// Its lifetime is over.
    Expired,
    /// Its lifetime is over and a directive forbids to serve it stale (RFC 9111 §4.2.4).
    ExpiredMustRevalidate,
    /// A soft purge made it stale, and no window is open.
    SoftPurged,
    /// It says `no-cache`.
    NoCache,
    /// The node may have missed a purge.
    NoLease,
    /// The request says `no-cache`.
    RequestNoCache,
    /// It is older than the request's `max-age`.
    RequestMaxAge,
    /// It would not be fresh for as long as the request's `min-fresh`.
    RequestMinFresh,
}

impl RevalidateReason {
    /// Whether each request needs a validation of its own: by the response's word, or by the request's. It can't be
    /// answered with what another one's validation brings.
    pub const fn is_each_requests_own(self) -> bool {
        matches!(self, Self::NoCache | Self::RequestNoCache | Self::RequestMaxAge | Self::RequestMinFresh)
    }

    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::ExpiredMustRevalidate => "must-revalidate",
            Self::SoftPurged => "soft-purged",
            Self::NoCache => "no-cache",
            Self::NoLease => "no-lease",
            Self::RequestNoCache => "request-no-cache",
            Self::RequestMaxAge => "request-max-age",
            Self::RequestMinFresh => "request-min-fresh",
        }
    }
}

/// Why a stored response is no use at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefetchReason {
    /// A hard purge hides it.
    HardPurged,
}

impl RefetchReason {
    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HardPurged => "hard-purged",
        }
    }
}

/// Whether a stored response may answer a request whose key and `Vary` match it (RFC 9111 §4).
///
/// A hard purge comes before everything, then a missing lease, then what the response and the request forbid, then
/// age. A soft purge is the operator's word, not the origin's: while the response is fresh by the origin's word,
/// `must-revalidate` and its like don't stop it from being served within the bound; once that is over, they do.
///
/// `req` is what the site heeds of the request's directives
/// ([`super::cache_control::ClientDirectives::heeded`]).
pub fn reuse(
    req: &RequestDirectives,
    freshness: &Freshness,
    mark: PurgeMark,
    now: Timestamp,
    policy: &ReusePolicy,
) -> Reuse {
    if mark == PurgeMark::Hard {
        return Reuse::MustRefetch(RefetchReason::HardPurged);
    }
    if policy.lacks_lease() {
        return Reuse::MustRevalidate(RevalidateReason::NoLease);
    }
    if freshness.needs_validation_always() {
        return Reuse::MustRevalidate(RevalidateReason::NoCache);
    }
    if let Some(reason) = demanded(req, freshness, now) {
        return Reuse::MustRevalidate(reason);
    }
    match mark {
        PurgeMark::Soft { since } => reuse_soft(freshness, since, now, policy),
        PurgeMark::Valid | PurgeMark::Hard if freshness.fresh_at(now) => Reuse::Fresh,
        PurgeMark::Valid | PurgeMark::Hard => reuse_stale(req, freshness, now),
    }
}

/// The verdict for a request from another tier of the CDN, which stores what it is given: what a soft purge has marked is
/// not given to it before it is validated, or it would be fresh again there.
pub fn for_tier(verdict: Reuse) -> Reuse {
    match verdict {
        Reuse::StaleWhileRevalidate(StaleReason::SoftPurged) => Reuse::MustRevalidate(RevalidateReason::SoftPurged),
        verdict => verdict,
    }
}

/// What a request demands beyond freshness (RFC 9111 §5.2.1).
fn demanded(req: &RequestDirectives, freshness: &Freshness, now: Timestamp) -> Option<RevalidateReason> {
    if req.no_cache {
        return Some(RevalidateReason::RequestNoCache);
    }
    let age = freshness.age_at(now);
    // A bound on the age also means "not stale", unless max-stale says otherwise (§5.2.1.1).
    let unwanted = |bound| age > bound || (!freshness.fresh_at(now) && req.max_stale.is_none());
    // A reload (`max-age=0`) of what is immutable brings nothing; a forced one (`no-cache`) is asked for (RFC 8246 §2).
    let is_pointless = freshness.immutable && freshness.fresh_at(now);
    if !is_pointless && req.max_age.is_some_and(unwanted) {
        return Some(RevalidateReason::RequestMaxAge);
    }
    let remaining = freshness.lifetime.duration.saturating_sub(age);
    req.min_fresh.is_some_and(|bound| remaining < bound).then_some(RevalidateReason::RequestMinFresh)
}

fn reuse_soft(freshness: &Freshness, since: Timestamp, now: Timestamp, policy: &ReusePolicy) -> Reuse {
    let own_window = freshness.stale_while_revalidate;
    let within_bound = now.since(since) < policy.soft_purge_bound.unwrap_or(own_window);
    let stale_for = freshness.stale_for(now);
    let within_own = freshness.fresh_at(now) || stale_for < own_window;
    match within_bound && within_own {
        true => Reuse::StaleWhileRevalidate(StaleReason::SoftPurged),
        false => Reuse::MustRevalidate(RevalidateReason::SoftPurged),
    }
}

fn reuse_stale(req: &RequestDirectives, freshness: &Freshness, now: Timestamp) -> Reuse {
    if freshness.stale_rule != StaleRule::WithinWindows {
        return Reuse::MustRevalidate(RevalidateReason::ExpiredMustRevalidate);
    }
    let stale_for = freshness.stale_for(now);
    if stale_for < freshness.stale_while_revalidate {
        return Reuse::StaleWhileRevalidate(StaleReason::Expired);
    }
    match req.max_stale {
        Some(MaxStale::Any) => Reuse::StaleWhileRevalidate(StaleReason::RequestMaxStale),
        Some(MaxStale::UpTo(bound)) if stale_for <= bound => Reuse::StaleWhileRevalidate(StaleReason::RequestMaxStale),
        Some(MaxStale::UpTo(_)) | None => Reuse::MustRevalidate(RevalidateReason::Expired),
    }
}

/// Whether a request that the cache can't answer may go upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// It may.
    Allowed,
    /// It says `only-if-cached`: answer 504 (RFC 9111 §5.2.1.7).
    OnlyIfCached,
}

/// Whether a request that the cache can't answer may go upstream.
pub fn forward(req: &RequestDirectives) -> Forward {
    match req.only_if_cached {
        true => Forward::OnlyIfCached,
        false => Forward::Allowed,
    }
}

/// How an attempt upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFailure {
    /// No connection could be made.
    Connect,
    /// No answer came in time.
    Timeout,
    /// The connection ended before a whole response head had come.
    Disconnected,
    /// A response came with this status.
    Status(StatusCode),
}

impl UpstreamFailure {
    /// Whether this is "a situation that would result in a 500, 502, 503, or 504" (RFC 5861 §4).
    pub fn is_outage(self) -> bool {
        match self {
            Self::Connect | Self::Timeout | Self::Disconnected => true,
            Self::Status(status) => matches!(status.as_u16(), 500 | 502 | 503 | 504),
        }
    }
}

/// The verdict of [`stale_if_error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaleIfError {
    /// Answer with the stored response instead of the error.
    Allowed,
    /// Pass the error on.
    Refused(StaleRefusal),
}

/// Why a stored response may not stand in for an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StaleRefusal {
    /// The failure is an answer, not an outage.
    NotAnOutage,
    /// A hard purge hides the response.
    HardPurged,
    /// The node may have missed a purge.
    NoLease,
    /// The response says `no-cache`.
    NoCache,
    /// The response says `must-revalidate`.
    MustRevalidate,
    /// The response says `proxy-revalidate`.
    ProxyRevalidate,
    /// The response says `s-maxage`, which means the same.
    SMaxage,
    /// Neither the response nor the site grants a window.
    NoWindow,
    /// The window is over.
    WindowOver,
    /// The site's bound after a soft purge is over.
    SoftPurgeBoundOver,
}

impl StaleRefusal {
    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAnOutage => "not-an-outage",
            Self::HardPurged => "hard-purged",
            Self::NoLease => "no-lease",
            Self::NoCache => "no-cache",
            Self::MustRevalidate => "must-revalidate",
            Self::ProxyRevalidate => "proxy-revalidate",
            Self::SMaxage => "s-maxage",
            Self::NoWindow => "no-window",
            Self::WindowOver => "window-over",
            Self::SoftPurgeBoundOver => "soft-purge-bound-over",
        }
    }
}

/// Whether a stored response may be served because its refresh failed (RFC 5861 §4, RFC 9111 §4.2.4).
///
/// The window begins when the response became stale: at its expiry, or at a soft purge if that came first. A response
/// that is fresh by its age needs no window; a soft purge then leaves it within the site's bound.
///
/// A request may ask for a longer window than the response grants, where nothing forbids one.
pub fn stale_if_error(
    req: &RequestDirectives,
    freshness: &Freshness,
    mark: PurgeMark,
    now: Timestamp,
    policy: &ReusePolicy,
    cause: UpstreamFailure,
) -> StaleIfError {
    let refusal = refusal_by_cause_or_purge(mark, now, policy, cause)
        .or_else(|| refusal_by_age(req, freshness, mark, now, policy));
    refusal.map_or(StaleIfError::Allowed, StaleIfError::Refused)
}

fn refusal_by_cause_or_purge(
    mark: PurgeMark,
    now: Timestamp,
    policy: &ReusePolicy,
    cause: UpstreamFailure,
) -> Option<StaleRefusal> {
    if mark == PurgeMark::Hard {
        return Some(StaleRefusal::HardPurged);
    }
    if !cause.is_outage() {
        return Some(StaleRefusal::NotAnOutage);
    }
    if policy.lacks_lease() {
        return Some(StaleRefusal::NoLease);
    }
    match (mark, policy.soft_purge_bound) {
        (PurgeMark::Soft { since }, Some(bound)) if now.since(since) >= bound => Some(StaleRefusal::SoftPurgeBoundOver),
        _ => None,
    }
}

fn refusal_by_age(
    req: &RequestDirectives,
    freshness: &Freshness,
    mark: PurgeMark,
    now: Timestamp,
    policy: &ReusePolicy,
) -> Option<StaleRefusal> {
    if freshness.needs_validation_always() {
        return Some(StaleRefusal::NoCache);
    }
    let window = freshness.stale_if_error.max(req.stale_if_error.unwrap_or(Duration::ZERO));
    let stale_for = match (mark, freshness.fresh_at(now)) {
        (PurgeMark::Soft { .. }, true) if policy.soft_purge_bound.is_some() => return None,
        (PurgeMark::Soft { since }, _) => freshness.stale_for(now).max(now.since(since)),
        (PurgeMark::Valid | PurgeMark::Hard, true) => return None,
        (PurgeMark::Valid | PurgeMark::Hard, false) => freshness.stale_for(now),
    };
    match freshness.stale_rule {
        StaleRule::NoCache => Some(StaleRefusal::NoCache),
        StaleRule::MustRevalidate => Some(StaleRefusal::MustRevalidate),
        StaleRule::ProxyRevalidate => Some(StaleRefusal::ProxyRevalidate),
        StaleRule::SMaxage => Some(StaleRefusal::SMaxage),
        StaleRule::WithinWindows if window.is_zero() => Some(StaleRefusal::NoWindow),
        StaleRule::WithinWindows if stale_for >= window => Some(StaleRefusal::WindowOver),
        StaleRule::WithinWindows => None,
    }
}

#[cfg(test)]
mod tests;
