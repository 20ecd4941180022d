//! May a shared cache store this response (RFC 9111 §3)? And what of it is stored (§3.1)?

pub mod head;

pub use head::{RequestHead, ResponseHead};

use super::cache_control::fields::{parse_digits, remove_hop_by_hop};
use super::cache_control::{ClientDirectives, FieldScope, RequestDirectives, ResponseDirectives, effective_directives};
use super::freshness::{Lifetime, LifetimePolicy, LifetimeSource};
use super::partial::Part;
use super::reference::same_origin_target;
use super::time::{Timestamp, http_date_value, parse_http_date};
use super::url::{QueryRule, SiteUrl};
use super::validate::validators;
use super::vary::{VaryRefusal, VaryRule};
use head::{is_heuristically_cacheable, is_understood};
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use std::time::Duration;

/// What a site says about storing. The default is RFC 9111's shared cache, without a bound on size.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StorePolicy {
    /// Lifetimes, and the fields that state them.
    pub lifetime: LifetimePolicy,
    /// The site's rules say that requests like this one go past the cache.
    pub pass: bool,
    /// Store responses that set cookies, `Set-Cookie` included: each client then gets the first one's cookies. RFC 9111
    /// §7.3 allows it, and asks origins to say `private` where they mind; too many don't, so a site must ask for it.
    pub store_set_cookie: bool,
    /// How far requests' own directives are followed: `no-store` (RFC 9111 §5.2.1.5) keeps things out of the cache.
    pub client_directives: ClientDirectives,
    /// Responses whose `Content-Length` exceeds this are not stored; one that turns out to be longer is the store's
    /// to refuse.
    pub max_object_bytes: Option<u64>,
}

/// The verdict of [`may_store`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// It may be stored, in the form that [`stored_head`] gives it.
    Yes,
    /// It may not, and this is the first reason found.
    No(NoStore),
}

/// Why a response may not be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoStore {
    /// The site passes such requests.
    SitePass,
    /// The request's method is not GET.
    Method,
    /// The request has a body, which the cache key doesn't cover.
    RequestBody,
    /// The request says `no-store`, and the site follows it.
    RequestNoStore,
    /// The response says `no-store` (RFC 9111 §5.2.2.5).
    ResponseNoStore,
    /// The response says `must-understand` and its status is not understood (RFC 9111 §5.2.2.3).
    MustUnderstand,
    /// The response is `private` (RFC 9111 §5.2.2.7).
    Private,
    /// The request was authorized and nothing in the response allows sharing (RFC 9111 §3.5).
    Authorization,
    /// The response sets a cookie.
    SetCookie,
    /// `Vary: *` (RFC 9111 §4.1).
    VaryStar,
    /// A `Vary` that can't be read or names too many fields.
    VaryUnreadable,
    /// Tags that can't be read, or are too many: a purge by one that was lost would miss the response.
    TagsUnreadable,
    /// A part of a representation (206) that can't be kept: see [`Part::of_response`].
    Partial,
    /// It answers the range or the condition of one request, which went upstream with it: 416 or 412.
    OneRequests,
    /// The status can't be cached without a stated lifetime, or not at all.
    Status,
    /// It is stale at once and can't be validated, so storing it would be no use.
    NeverReusable,
    /// Its `Content-Length` exceeds the site's bound.
    TooLarge,
    /// The store has no room for another response until some of those in flight have ended.
    NoRoom,
    /// The 304 speaks of another response than the stored one (RFC 9111 §4.3.4).
    OtherValidated,
    /// The 304 speaks of a stored response that has been purged meanwhile.
    Purged,
    /// The tier above makes keys by other rules, or the node itself does by now: see [`super::key_rules`].
    KeyRules,
    /// The response to a HEAD, which has no body to store.
    Head,
    /// An error, in whose place a stored response may still be served.
    KeepsStale,
}

impl NoStore {
    /// Whether the next request for the same key will most likely fare no better: the reason lies with the resource, not
    /// with this request, an error, or the node's load.
    pub const fn will_last(self) -> bool {
        matches!(
            self,
            Self::ResponseNoStore
                | Self::MustUnderstand
                | Self::Private
                | Self::SetCookie
                | Self::VaryStar
                | Self::VaryUnreadable
                | Self::NeverReusable
                | Self::TooLarge
                | Self::TagsUnreadable
        )
    }

    /// Whether the reason lies with this request alone: what it was answered then says nothing of a response that is
    /// stored for others.
    pub const fn is_the_requests_own(self) -> bool {
        matches!(self, Self::SitePass | Self::Method | Self::RequestBody | Self::RequestNoStore | Self::Authorization)
    }

    /// A word for metrics, Cache-Status and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SitePass => "site-pass",
            Self::Method => "method",
            Self::RequestBody => "request-body",
            Self::RequestNoStore => "request-no-store",
            Self::ResponseNoStore => "no-store",
            Self::MustUnderstand => "must-understand",
            Self::Private => "private",
            Self::Authorization => "authorization",
            Self::SetCookie => "set-cookie",
            Self::VaryStar => "vary-star",
            Self::VaryUnreadable => "vary-unreadable",
            Self::TagsUnreadable => "tags-unreadable",
            Self::Partial => "partial",
            Self::OneRequests => "one-requests",
            Self::Status => "status",
            Self::NeverReusable => "never-reusable",
            Self::TooLarge => "too-large",
            Self::NoRoom => "no-room",
            Self::OtherValidated => "other-validated",
            Self::Purged => "purged",
            Self::KeyRules => "key-rules",
            Self::Head => "head",
            Self::KeepsStale => "keeps-stale",
        }
    }
}

/// What an answer speaks of that is not stored. The response that was to be validated answers the others' requests as
/// before, unless it is the resource that has changed (RFC 9111 §4.3.3 has the new one used for the request at hand).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpeaksOf {
    /// The resource.
    Resource,
    /// Who asked: another one may be answered.
    Requester,
    /// How it was asked, and when.
    Request,
    /// The server, which failed.
    Server,
}

impl SpeaksOf {
    /// By an answer's status.
    pub fn by_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 | 405 | 410 | 451 => Self::Resource,
            401..=403 => Self::Requester,
            400..=499 => Self::Request,
            500.. => Self::Server,
            _ => Self::Resource,
        }
    }
}

/// Whether a shared cache may store `resp`, obtained by `req` (RFC 9111 §3).
///
/// Also asked after a validation, with the merged head: an origin may say `private` in a 304.
pub fn may_store(req: RequestHead<'_>, resp: ResponseHead<'_>, policy: &StorePolicy) -> Store {
    let directives = effective_directives(resp.headers, &policy.lifetime.target_list);
    let refusal = refused_by_site_or_request(req, policy)
        .or_else(|| refused_by_response(req, resp, &directives, policy))
        .or_else(|| refused_for_lifetime(resp, &directives, policy));
    refusal.map_or(Store::Yes, Store::No)
}

/// Whether the response to a POST is what a GET of the same URL would get: it says so by `Content-Location`, and states
/// its lifetime (RFC 9110 §9.3.3). URLs that are one by the site's rule for queries are the same. Whether a GET's response
/// like it may be stored is [`may_store`]'s to say.
pub fn answers_get(
    method: &Method,
    url: &SiteUrl,
    query: &QueryRule,
    resp: ResponseHead<'_>,
    policy: &LifetimePolicy,
) -> bool {
    let mut locations = resp.headers.get_all(header::CONTENT_LOCATION).iter();
    let location = locations.next().filter(|_| locations.next().is_none());
    let names_itself = location.and_then(|value| same_origin_target(url, value.as_bytes()));
    // As in `refused_for_lifetime`, any moment will do.
    let directives = effective_directives(resp.headers, &policy.target_list);
    let lifetime = Lifetime::of(resp, &directives, policy, Timestamp::EPOCH);
    method == Method::POST
        && resp.status == StatusCode::OK
        && lifetime.source.is_explicit()
        && names_itself.is_some_and(|(path, named)| path == url.path && query.apply(named.as_deref()) == url.query)
}

/// The head to store for a response that [`may_store`] allowed (RFC 9111 §3.1): without the fields of one hop and those
/// listed in `private="…"` and `no-cache="…"`; without `Age`, which is reckoned anew at each reuse; and with a `Date`
/// (RFC 9110 §6.6.1). Cookies are left out unless the site stores them.
///
/// Work out [`super::freshness::Freshness`] and [`VaryRule`] from the head as received, before this.
pub fn stored_head(resp: ResponseHead<'_>, policy: &StorePolicy, response_time: Timestamp) -> HeaderMap {
    let mut headers = resp.headers.clone();
    strip_unstorable_fields(&mut headers, &effective_directives(resp.headers, &policy.lifetime.target_list));
    if !policy.store_set_cookie {
        for name in COOKIE_SETTERS {
            headers.remove(name);
        }
    }
    headers.remove(header::AGE);
    if headers.get(header::DATE).and_then(parse_http_date).is_none() {
        headers.insert(header::DATE, http_date_value(response_time));
    }
    headers
}

/// Removes what may not be stored: see [`remove_hop_by_hop`], and the fields that `private="…"` and `no-cache="…"`
/// list. Leaving out the latter meets RFC 9111 §5.2.2.4, which forbids only their reuse without validation.
pub fn strip_unstorable_fields(headers: &mut HeaderMap, directives: &ResponseDirectives) {
    remove_hop_by_hop(headers);
    for name in directives.listed_fields() {
        headers.remove(name);
    }
}

/// Whether a request has a body: a `Transfer-Encoding`, or a `Content-Length` that isn't zero (RFC 9112 §6.3). One
/// that can't be read counts as a body.
pub fn has_body(headers: &HeaderMap) -> bool {
    let nonzero = |line: &http::HeaderValue| parse_digits(line.as_bytes()) != Some(0);
    headers.contains_key(header::TRANSFER_ENCODING) || headers.get_all(header::CONTENT_LENGTH).iter().any(nonzero)
}

fn refused_by_site_or_request(req: RequestHead<'_>, policy: &StorePolicy) -> Option<NoStore> {
    if policy.pass {
        return Some(NoStore::SitePass);
    }
    if req.method != Method::GET {
        return Some(NoStore::Method);
    }
    if has_body(req.headers) {
        return Some(NoStore::RequestBody);
    }
    if policy.client_directives.heeded(&RequestDirectives::from_headers(req.headers)).no_store {
        return Some(NoStore::RequestNoStore);
    }
    None
}

fn refused_by_response(
    req: RequestHead<'_>,
    resp: ResponseHead<'_>,
    directives: &ResponseDirectives,
    policy: &StorePolicy,
) -> Option<NoStore> {
    // must-understand comes with no-store, for the caches that know neither it nor the status (§5.2.2.3).
    match (directives.must_understand, is_understood(resp.status)) {
        (true, false) => return Some(NoStore::MustUnderstand),
        (false, _) if directives.no_store => return Some(NoStore::ResponseNoStore),
        (true, true) | (false, _) => {}
    }
    if directives.private == Some(FieldScope::Whole) {
        return Some(NoStore::Private);
    }
    // RFC 9111 §3.5. The site's own rules don't count: only the origin knows what its authorization protects.
    if req.headers.contains_key(header::AUTHORIZATION) && !directives.shares_authorized {
        return Some(NoStore::Authorization);
    }
    let sets_cookie = COOKIE_SETTERS.iter().any(|name| {
        resp.headers.contains_key(*name) && !directives.listed_fields().any(|listed| listed.as_str() == *name)
    });
    if sets_cookie && !policy.store_set_cookie {
        return Some(NoStore::SetCookie);
    }
    // A `Content-Range` in a response of another status has no meaning (RFC 9110 §14.4).
    if resp.status == StatusCode::PARTIAL_CONTENT && Part::of_response(req.headers, resp).is_none() {
        return Some(NoStore::Partial);
    }
    if let (Some(bound), Some(length)) = (policy.max_object_bytes, content_length(resp.headers))
        && length > bound
    {
        return Some(NoStore::TooLarge);
    }
    match VaryRule::from_response(resp.headers) {
        Ok(_) => None,
        Err(VaryRefusal::Star) => Some(NoStore::VaryStar),
        Err(VaryRefusal::Malformed | VaryRefusal::TooManyFields) => Some(NoStore::VaryUnreadable),
    }
}

/// The status must be final and storable at all, and something must give the response a lifetime or allow the cache
/// to (RFC 9111 §3, last item); and it must be of some use.
fn refused_for_lifetime(
    resp: ResponseHead<'_>,
    directives: &ResponseDirectives,
    policy: &StorePolicy,
) -> Option<NoStore> {
    if resp.status.is_informational() || resp.status == StatusCode::NOT_MODIFIED {
        return Some(NoStore::Status);
    }
    // Only whether there is a lifetime matters here, not when it ends, so the moment of arrival can be any: without a
    // `Date`, an `Expires` in the past is taken for one in the future, and what is stored is found stale at once.
    let lifetime = Lifetime::of(resp, directives, &policy.lifetime, Timestamp::EPOCH);
    let site_or_origin_allows = lifetime.source.is_explicit()
        || directives.public
        || matches!(lifetime.source, LifetimeSource::NegativeTtl(_))
        || is_heuristically_cacheable(resp.status);
    if !site_or_origin_allows {
        return Some(NoStore::Status);
    }
    let fresh_for_a_while = lifetime.duration > Duration::ZERO && !directives.no_cache_whole();
    if !fresh_for_a_while && validators(resp.headers).is_none() && !has_stale_window(directives, policy) {
        return Some(NoStore::NeverReusable);
    }
    None
}

/// Whether a stale answer from it could ever be given; [`super::freshness::Freshness`] knows the bounds.
fn has_stale_window(directives: &ResponseDirectives, policy: &StorePolicy) -> bool {
    let window = |stated: Option<Duration>, default| stated.unwrap_or(default) > Duration::ZERO;
    let lifetime = &policy.lifetime;
    let forbidden = directives.no_cache_whole() || directives.must_revalidate || directives.proxy_revalidate;
    !forbidden
        && (window(directives.stale_while_revalidate, lifetime.default_stale_while_revalidate)
            || window(directives.stale_if_error, lifetime.default_stale_if_error))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|line| parse_digits(line.as_bytes()))
}

/// The fields that set cookies. `Set-Cookie2` is long dead (RFC 6265 §9.4), but means the same to whoever still sends it.
pub const COOKIE_SETTERS: [&str; 2] = ["set-cookie", "set-cookie2"];

#[cfg(test)]
mod tests;
