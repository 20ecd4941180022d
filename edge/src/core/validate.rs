//! Validation in both directions (RFC 9111 §4.3, RFC 9110 §13): asking upstream whether a stored response still holds,
//! merging a 304 into it, and answering a client that asks the same of us.

mod etag;
mod head;

pub use etag::{Comparison, EntityTag, TagList};
pub use head::{HeadEffect, head_effect};

use super::cache_control::fields::remove_hop_by_hop;
use super::store_rule::{COOKIE_SETTERS, RequestHead, ResponseHead, StorePolicy};
use super::time::{Timestamp, http_date_value, parse_http_date};
use http::header::{self, Entry, HeaderMap, HeaderName};
use http::{HeaderValue, Method};

/// What a stored response can be validated by, byte for byte as the origin sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag.
    pub etag: Option<HeaderValue>,
    /// Its date of modification.
    pub last_modified: Option<HeaderValue>,
}

/// The validators of a stored head; `None` when it has none. An `ETag` that is no entity tag is none, and so is a
/// `Last-Modified` that is no date: an origin that compares bytes could say "not modified" to either by chance.
pub fn validators(stored: &HeaderMap) -> Option<Validators> {
    let etag = stored.get(header::ETAG).filter(|value| is_entity_tag(value)).cloned();
    let dated = stored.get(header::LAST_MODIFIED).filter(|value| parse_http_date(value).is_some());
    let last_modified = dated.cloned();
    (etag.is_some() || last_modified.is_some()).then_some(Validators { etag, last_modified })
}

impl Validators {
    /// Makes a request conditional on these (RFC 9111 §4.3.1), in place of the conditions that the client sent: those
    /// are for us to answer. `Range` goes too, because a part validates nothing.
    pub fn apply(&self, request: &mut HeaderMap) {
        remove_conditions(request);
        if let Some(etag) = &self.etag {
            request.insert(header::IF_NONE_MATCH, etag.clone());
        }
        if let Some(last_modified) = &self.last_modified {
            request.insert(header::IF_MODIFIED_SINCE, last_modified.clone());
        }
    }
}

/// Removes a request's conditions and its range, so that it asks for the whole representation.
pub fn remove_conditions(request: &mut HeaderMap) {
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
    ] {
        request.remove(name);
    }
}

/// Whether a 304 speaks of the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selects {
    /// It does: merge it.
    Stored,
    /// Its validators are those of another response: refetch without conditions (RFC 9111 §4.3.3, §4.3.4).
    Another,
}

/// Whether a 304 that answered a validation speaks of the very response whose validators were sent (RFC 9111 §4.3.4).
///
/// A strong tag must be the stored one; a weak tag must match weakly; without a tag, a date must be the stored one; a
/// 304 without validators is taken at its word. Only ever ask this for the entry whose validators travelled with the
/// request, not for the one that the key leads to now.
pub fn selects(stored: &HeaderMap, not_modified: &HeaderMap) -> Selects {
    let date = |headers: &HeaderMap| headers.get(header::LAST_MODIFIED).and_then(parse_http_date);
    let same = match (etag_of(stored), etag_of(not_modified)) {
        (Some(ours), Some(theirs)) => {
            // An origin, or a tier that compresses, may weaken a tag; it can't strengthen one.
            ours.matches(&theirs, if theirs.weak { Comparison::Weak } else { Comparison::Strong })
        }
        (None, Some(_)) => false,
        (_, None) => match (date(stored), date(not_modified)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (_, None) => true,
            (None, Some(_)) => etag_of(stored).is_some(),
        },
    };
    if same { Selects::Stored } else { Selects::Another }
}

/// The stored head as a 304 updates it (RFC 9111 §3.2, §4.3.4): each field of the 304 replaces all lines of that name,
/// but for those that describe the stored body (`Content-Length`, `Content-Encoding`, `Content-Range` and digests of it)
/// and those of one hop. Cookies are for the client that asked, unless the site stores them.
///
/// `Age` is the 304's or none, `Date` the 304's or `response_time`: the stored ones speak of an earlier exchange. The
/// outcome is a head *as received*: ask [`super::store_rule::may_store`] again, work out
/// [`super::freshness::Freshness`] with the times of the validation, and store what
/// [`super::store_rule::stored_head`] makes of it.
pub fn merge_304(
    stored: &HeaderMap,
    not_modified: &HeaderMap,
    response_time: Timestamp,
    policy: &StorePolicy,
) -> HeaderMap {
    let mut update = update_of(not_modified);
    if !policy.store_set_cookie {
        for name in COOKIE_SETTERS {
            update.remove(name);
        }
    }
    let mut merged = stored.clone();
    merged.remove(header::AGE);
    merged.insert(header::DATE, http_date_value(response_time));
    // Each name takes the place of all lines that were there.
    merged.extend(update);
    merged
}

/// The fields of a 304 that take the place of those of the response that it validates, cookies included. A validator
/// that is none leaves the stored one alone: with it, the response could not be validated any more.
pub fn update_of(not_modified: &HeaderMap) -> HeaderMap {
    let mut update = not_modified.clone();
    remove_hop_by_hop(&mut update);
    for name in KEPT_IN_304 {
        update.remove(name);
    }
    if !update.get_all(header::ETAG).iter().all(is_entity_tag) {
        update.remove(header::ETAG);
    }
    if !update.get_all(header::LAST_MODIFIED).iter().all(|value| parse_http_date(value).is_some()) {
        update.remove(header::LAST_MODIFIED);
    }
    update
}

/// The head of a 304 made from a stored head (RFC 9110 §15.4.5): everything but what describes a body that isn't sent,
/// and `Last-Modified` where a tag makes it superfluous.
pub fn not_modified_head(stored: &HeaderMap) -> HeaderMap {
    let mut head = stored.clone();
    for name in BODY_FIELDS {
        head.remove(*name);
    }
    if head.contains_key(header::ETAG)
        && let Entry::Occupied(line) = head.entry(header::LAST_MODIFIED)
    {
        line.remove_entry_mult();
    }
    head
}

/// What a client's conditions mean for the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Answer as if there were none.
    Proceed,
    /// Answer 304.
    NotModified,
    /// Answer 412.
    Failed,
}

/// In whose place conditions are evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluator {
    /// A cache: `If-Match` and `If-Unmodified-Since` are for the origin and left alone (RFC 9111 §4.3.2).
    Cache,
    /// The origin, or a cache that answers for it: all four count.
    Origin,
}

/// Evaluates a request's conditions against a stored response, in the order of RFC 9110 §13.2.2: `If-Match`, else
/// `If-Unmodified-Since`; then `If-None-Match`, else `If-Modified-Since`. `If-Range` belongs to
/// [`super::range::decide_range`].
///
/// They count for GET and HEAD of a 2xx only (§13.2.1). A list of tags that can't be read never matches. Without a
/// `Last-Modified`, `If-Modified-Since` is compared with `Date`, else with `response_time` (RFC 9111 §4.3.2).
pub fn evaluate(
    req: RequestHead<'_>,
    stored: ResponseHead<'_>,
    response_time: Timestamp,
    evaluator: Evaluator,
) -> Precondition {
    let selects = req.method == Method::GET || req.method == Method::HEAD;
    if !selects || !stored.status.is_success() {
        return Precondition::Proceed;
    }
    if evaluator == Evaluator::Origin && !holds_for_change(req.headers, stored.headers) {
        return Precondition::Failed;
    }
    let modified = match TagList::read(req.headers, &header::IF_NONE_MATCH) {
        Some(list) => !list.matches(etag_of(stored.headers).as_ref(), Comparison::Weak),
        None => match sole_date(req.headers, &header::IF_MODIFIED_SINCE) {
            Some(since) => last_change(stored.headers, response_time) > since,
            None => true,
        },
    };
    if modified { Precondition::Proceed } else { Precondition::NotModified }
}

/// `If-Match` (strong comparison), else `If-Unmodified-Since`, which is ignored without a date on either side
/// (RFC 9110 §13.1.1, §13.1.4).
fn holds_for_change(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if let Some(list) = TagList::read(request, &header::IF_MATCH) {
        return list.matches(etag_of(stored).as_ref(), Comparison::Strong);
    }
    let changed = stored.get(header::LAST_MODIFIED).and_then(parse_http_date);
    match (sole_date(request, &header::IF_UNMODIFIED_SINCE), changed) {
        (Some(since), Some(changed)) => changed <= since,
        _ => true,
    }
}

fn is_entity_tag(value: &HeaderValue) -> bool {
    EntityTag::parse(value.as_bytes()).is_some()
}

fn etag_of(headers: &HeaderMap) -> Option<EntityTag<'_>> {
    headers.get(header::ETAG).and_then(|value| EntityTag::parse(value.as_bytes()))
}

/// The date in a field that may occur once; a second line makes it unreadable.
fn sole_date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    let mut lines = headers.get_all(name).iter();
    let date = lines.next().and_then(parse_http_date);
    if lines.next().is_some() { None } else { date }
}

fn last_change(stored: &HeaderMap, response_time: Timestamp) -> Timestamp {
    let date = |name| stored.get(name).and_then(parse_http_date);
    date(header::LAST_MODIFIED).or_else(|| date(header::DATE)).unwrap_or(response_time).floor_to_second()
}

/// Fields of a 304 that don't update the stored head: those that speak of the stored body's very bytes, which stay as
/// they are (RFC 9111 §3.2: omitted "to ensure integrity of the stored response").
const KEPT_IN_304: [&str; 5] = ["content-length", "content-encoding", "content-range", "content-md5", "content-digest"];

/// What describes a body, and has no place in a 304.
const BODY_FIELDS: &[&str] = &[
    "content-length",
    "content-type",
    "content-encoding",
    "content-language",
    "content-range",
    "content-md5",
    "content-digest",
    "transfer-encoding",
];

#[cfg(test)]
mod tests;
