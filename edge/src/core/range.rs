//! Requests for parts of a stored representation (RFC 9110 §14), and `If-Range` (§13.1.5).

use super::cache_control::fields::{parse_digits, trim_ows};
use super::store_rule::{RequestHead, ResponseHead};
use super::time::parse_http_date;
use super::validate::{Comparison, EntityTag};
use http::header::{self, HeaderMap};
use http::{Method, StatusCode};
use std::ops::Range;
use std::time::Duration;

/// Most ranges that one request may ask for. Players and readers ask for a few; more is an attack on the server that
/// has to frame them, and gets the whole (RFC 9110 §14.2: "MAY ignore").
pub const MAX_RANGES: usize = 16;

/// A date is a strong validator only when the response was made at least this long after it (RFC 9110 §8.8.2.2):
/// within the same second there may have been a further change.
const STRONG_DATE_MARGIN: Duration = Duration::from_secs(1);

/// What of a representation to send. Ranges are in bytes, half-open, never empty, and within the length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeDecision {
    /// All of it, with 200.
    Full(FullReason),
    /// One part, with 206.
    Single(Range<u64>),
    /// Several parts in the order asked for, with 206 and `multipart/byteranges`.
    Multi(Vec<Range<u64>>),
    /// None of what is asked for exists: 416, with [`unsatisfied_content_range`].
    Unsatisfiable,
}

/// Why a whole representation is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FullReason {
    /// No range is asked for.
    NotAsked,
    /// Ranges are defined for GET only.
    Method,
    /// The stored response is not a 200.
    Status,
    /// `If-Range` names another representation, or could.
    IfRange,
    /// A unit other than `bytes`.
    Unit,
    /// The field can't be read.
    Malformed,
    /// More than [`MAX_RANGES`] ranges.
    TooMany,
    /// The ranges overlap, or together are more than the whole.
    Wasteful,
    /// The representation is empty, and a part of nothing can't be expressed.
    Empty,
}

impl FullReason {
    /// A word for metrics and `explain`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::Method => "method",
            Self::Status => "status",
            Self::IfRange => "if-range",
            Self::Unit => "unit",
            Self::Malformed => "malformed",
            Self::TooMany => "too-many",
            Self::Wasteful => "wasteful",
            Self::Empty => "empty",
        }
    }
}

/// One range as asked for (RFC 9110 §14.1.2), before the length is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeSpec {
    /// `first-`: from there to the end.
    From(u64),
    /// `first-last`, both included.
    Between(u64, u64),
    /// `-n`: the last n bytes.
    Suffix(u64),
}

/// Decides what of a stored representation of `length` bytes a request gets (RFC 9110 §14.2). Conditions other than
/// `If-Range` come before this ([`super::validate::evaluate`]).
pub fn decide_range(req: RequestHead<'_>, stored: ResponseHead<'_>, length: u64) -> RangeDecision {
    let specs = match asked_for(req, stored) {
        Ok(specs) => specs,
        Err(reason) => return RangeDecision::Full(reason),
    };
    let mut ranges = Vec::with_capacity(specs.len());
    for spec in &specs {
        if length == 0 && matches!(spec, RangeSpec::Suffix(1..)) {
            return RangeDecision::Full(FullReason::Empty);
        }
        ranges.extend(spec.resolve(length));
    }
    match ranges.as_slice() {
        [] => RangeDecision::Unsatisfiable,
        [sole] => RangeDecision::Single(sole.clone()),
        _ if is_wasteful(&ranges) => RangeDecision::Full(FullReason::Wasteful),
        _ => RangeDecision::Multi(ranges),
    }
}

/// Reads `Range` from all its lines.
///
/// # Errors
/// Why the whole is to be sent instead: no range, another unit, a value that can't be read, too many ranges.
pub fn parse_range(headers: &HeaderMap) -> Result<Vec<RangeSpec>, FullReason> {
    let mut lines = headers.get_all(header::RANGE).iter();
    let line = lines.next().ok_or(FullReason::NotAsked)?.as_bytes();
    if lines.next().is_some() {
        return Err(FullReason::Malformed);
    }
    let equals = line.iter().position(|&byte| byte == b'=').ok_or(FullReason::Malformed)?;
    if !trim_ows(&line[..equals]).eq_ignore_ascii_case(b"bytes") {
        return Err(FullReason::Unit);
    }
    let mut specs = Vec::new();
    for spec in line[equals + 1..].split(|&byte| byte == b',').map(trim_ows).filter(|spec| !spec.is_empty()) {
        if specs.len() == MAX_RANGES {
            return Err(FullReason::TooMany);
        }
        specs.push(RangeSpec::parse(spec).ok_or(FullReason::Malformed)?);
    }
    if specs.is_empty() { Err(FullReason::Malformed) } else { Ok(specs) }
}

/// The value of `Content-Range` for a part (RFC 9110 §14.4), as in `bytes 0-99/1234`.
pub fn content_range(range: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.start, range.end.saturating_sub(1))
}

/// The value of `Content-Range` for a 416 (RFC 9110 §15.5.17), as in `bytes */1234`.
pub fn unsatisfied_content_range(length: u64) -> String {
    format!("bytes */{length}")
}

impl RangeSpec {
    /// Reads one range; `None` when it is none, or ends before it begins.
    fn parse(spec: &[u8]) -> Option<Self> {
        let dash = spec.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&spec[..dash], &spec[dash + 1..]);
        if first.is_empty() {
            return parse_digits(last).map(Self::Suffix);
        }
        let first = parse_digits(first)?;
        if last.is_empty() {
            return Some(Self::From(first));
        }
        let last = parse_digits(last)?;
        (first <= last).then_some(Self::Between(first, last))
    }

    /// The bytes of a representation of `length` bytes; `None` when there are none (RFC 9110 §14.1.2).
    pub fn resolve(self, length: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::From(first) => first..length,
            Self::Between(first, last) => first..last.saturating_add(1).min(length),
            Self::Suffix(count) => length.saturating_sub(count)..length,
        };
        (range.start < range.end).then_some(range)
    }
}

fn asked_for(req: RequestHead<'_>, stored: ResponseHead<'_>) -> Result<Vec<RangeSpec>, FullReason> {
    if !req.headers.contains_key(header::RANGE) {
        return Err(FullReason::NotAsked);
    }
    if req.method != Method::GET {
        return Err(FullReason::Method);
    }
    if stored.status != StatusCode::OK {
        return Err(FullReason::Status);
    }
    if !if_range_holds(req.headers, stored.headers) {
        return Err(FullReason::IfRange);
    }
    parse_range(req.headers)
}

/// `If-Range`: a tag compared strongly, or a date that is exactly the stored one and strong (RFC 9110 §13.1.5).
pub(crate) fn if_range_holds(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(header::IF_RANGE).iter();
    let Some(condition) = lines.next() else { return true };
    if lines.next().is_some() {
        return false;
    }
    if let Some(tag) = EntityTag::parse(condition.as_bytes()) {
        let current = stored.get(header::ETAG).and_then(|value| EntityTag::parse(value.as_bytes()));
        return current.is_some_and(|current| current.matches(&tag, Comparison::Strong));
    }
    let date = |name| stored.get(name).and_then(parse_http_date);
    match (parse_http_date(condition), date(header::LAST_MODIFIED), date(header::DATE)) {
        (Some(asked), Some(changed), Some(made)) => asked == changed && made.since(changed) >= STRONG_DATE_MARGIN,
        _ => false,
    }
}

/// Ranges that overlap, or add up to more than the span they cover, make an answer longer than the whole: the old
/// attack with a thousand times `0-`.
fn is_wasteful(ranges: &[Range<u64>]) -> bool {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable_by_key(|range| range.start);
    sorted.windows(2).any(|pair| matches!(pair, [a, b] if b.start < a.end))
}

#[cfg(test)]
mod tests;
