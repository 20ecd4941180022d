//! Preconditions, in the order of RFC 9110 §13.2.2.

use std::time::{Duration, SystemTime};

use http::header::{ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};
use http::{HeaderMap, HeaderValue};

/// What the selected representation is compared by (RFC 9110 §8.8).
#[derive(Clone, Debug, Default)]
pub struct Validators {
    /// The entity tag; all that this server makes are strong.
    pub etag: Option<HeaderValue>,
    /// Last modification, in whole seconds.
    pub last_modified: Option<SystemTime>,
}

/// What the preconditions of a GET or HEAD come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answer as if there were no preconditions.
    Proceed,
    /// 304: the client's copy is the current one.
    NotModified,
    /// 412: the client wanted another representation.
    Failed,
}

/// Evaluates the preconditions of a GET or HEAD.
pub fn evaluate(request: &HeaderMap, current: &Validators) -> Outcome {
    if request.contains_key(IF_MATCH) {
        if !matches_any(request, IF_MATCH, current, Comparison::Strong) {
            return Outcome::Failed;
        }
    } else if let (Some(since), Some(modified)) = (date(request, IF_UNMODIFIED_SINCE), current.last_modified)
        && modified > since
    {
        return Outcome::Failed;
    }

    let is_same = if request.contains_key(IF_NONE_MATCH) {
        matches_any(request, IF_NONE_MATCH, current, Comparison::Weak)
    } else if let (Some(since), Some(modified)) = (date(request, IF_MODIFIED_SINCE), current.last_modified) {
        modified <= since
    } else {
        false
    };
    if is_same { Outcome::NotModified } else { Outcome::Proceed }
}

/// Whether a `Range` field may be honoured (RFC 9110 §13.1.5).
///
/// Only an entity tag that compares strongly will do. A date never does: two releases may well hold different bytes
/// with the same modification time, so this server's dates are not strong validators in the sense of §8.8.2.2.
pub fn range_applies(request: &HeaderMap, current: &Validators) -> bool {
    match (request.get(IF_RANGE), &current.etag) {
        (None, _) => true,
        (Some(condition), Some(etag)) => condition == etag && condition.as_bytes().starts_with(b"\""),
        (Some(_), None) => false,
    }
}

/// A modification time that may be sent: in whole seconds, no later than `now` (RFC 9110 §8.8.2.1), within what an
/// HTTP date can say.
pub fn sendable_date(modified: SystemTime, now: SystemTime) -> SystemTime {
    /// Mon, 31 Dec 9999 23:59:59 GMT: an IMF-fixdate has four digits for the year.
    const LAST_HTTP_DATE_SECS: u64 = 253_402_300_799;
    let since_epoch = modified.min(now).duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    SystemTime::UNIX_EPOCH + Duration::from_secs(since_epoch.as_secs().min(LAST_HTTP_DATE_SECS))
}

/// An HTTP date as a field value (RFC 9110 §5.6.7).
pub fn date_value(date: SystemTime) -> Option<HeaderValue> {
    HeaderValue::from_str(&httpdate::fmt_http_date(date)).ok()
}

impl Validators {
    /// Adds the validators to a response.
    pub fn write(&self, response: &mut HeaderMap) {
        if let Some(etag) = &self.etag {
            response.insert(ETAG, etag.clone());
        }
        if let Some(value) = self.last_modified.and_then(date_value) {
            response.insert(http::header::LAST_MODIFIED, value);
        }
    }
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Strong,
    Weak,
}

/// A date that doesn't parse is as good as none (RFC 9110 §13.1.3 and §13.1.4).
fn date(request: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(request.get(name)?.to_str().ok()?).ok()
}

fn matches_any(request: &HeaderMap, name: HeaderName, current: &Validators, comparison: Comparison) -> bool {
    let own = current.etag.as_ref().map(|etag| etag.as_bytes());
    request.get_all(name).iter().any(|line| {
        line.as_bytes().trim_ascii() == b"*"
            || EntityTags(line.as_bytes()).any(|tag| match comparison {
                Comparison::Strong => Some(tag) == own && !tag.starts_with(b"W/"),
                Comparison::Weak => own.is_some_and(|own| opaque(tag) == opaque(own)),
            })
    })
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The entity tags of a list, quotes and weakness marks included. A comma within quotes is part of the tag. What
/// doesn't parse ends the list.
struct EntityTags<'a>(&'a [u8]);

impl<'a> Iterator for EntityTags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|b| !matches!(b, b' ' | b'\t' | b','))?;
        let list = self.0.get(start..)?;
        let weak_bytes = if list.starts_with(b"W/") { 2 } else { 0 };
        let quoted = list.get(weak_bytes..)?.strip_prefix(b"\"")?;
        let end = weak_bytes + quoted.iter().position(|&b| b == b'"')? + 2;
        let (tag, rest) = list.split_at_checked(end)?;
        self.0 = rest;
        Some(tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
    const EARLIER: &str = "Tue, 15 Nov 1994 12:45:25 GMT";
    const LATER: &str = "Tue, 15 Nov 1994 12:45:27 GMT";

    fn current() -> Validators {
        Validators {
            etag: Some(HeaderValue::from_static("\"a,b\"")),
            last_modified: httpdate::parse_http_date(MODIFIED).ok(),
        }
    }

    fn request(fields: &[(HeaderName, &str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a field value")))
            .collect()
    }

    fn check(fields: &[(HeaderName, &str)], expected: Outcome) {
        assert_eq!(evaluate(&request(fields), &current()), expected, "{fields:?}");
    }

    #[test]
    fn one_at_a_time() {
        use Outcome::{Failed, NotModified, Proceed};
        check(&[], Proceed);
        for (value, outcome) in [
            ("\"a,b\"", Proceed),
            ("*", Proceed),
            ("\"x\", \"a,b\"", Proceed),
            ("\"x\"", Failed),
            ("W/\"a,b\"", Failed),
            ("", Failed),
            ("a,b", Failed),
        ] {
            check(&[(IF_MATCH, value)], outcome);
        }
        for (value, outcome) in [
            ("\"a,b\"", NotModified),
            ("W/\"a,b\"", NotModified),
            ("*", NotModified),
            (" ,\"x\",,W/\"y\" , \"a,b\"", NotModified),
            ("\"x\"", Proceed),
            ("\"a\", \"b\"", Proceed),
            ("\"x, \"a,b\"", Proceed),
            ("a,b", Proceed),
            ("\"a,b", Proceed),
            ("W/", Proceed),
        ] {
            check(&[(IF_NONE_MATCH, value)], outcome);
        }
        for (value, outcome) in [(MODIFIED, Proceed), (LATER, Proceed), (EARLIER, Failed), ("yesterday", Proceed)] {
            check(&[(IF_UNMODIFIED_SINCE, value)], outcome);
        }
        for (value, outcome) in
            [(MODIFIED, NotModified), (LATER, NotModified), (EARLIER, Proceed), ("yesterday", Proceed)]
        {
            check(&[(IF_MODIFIED_SINCE, value)], outcome);
        }
    }

    #[test]
    fn order_of_precedence() {
        use Outcome::{Failed, NotModified, Proceed};
        check(&[(IF_MATCH, "\"a,b\""), (IF_UNMODIFIED_SINCE, EARLIER)], Proceed);
        check(&[(IF_MATCH, "\"x\""), (IF_NONE_MATCH, "\"a,b\"")], Failed);
        check(&[(IF_MATCH, "\"a,b\""), (IF_NONE_MATCH, "\"a,b\"")], NotModified);
        check(&[(IF_UNMODIFIED_SINCE, EARLIER), (IF_NONE_MATCH, "\"a,b\"")], Failed);
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, LATER)], Proceed);
        check(&[(IF_NONE_MATCH, "\"a,b\""), (IF_MODIFIED_SINCE, EARLIER)], NotModified);
        check(&[(IF_NONE_MATCH, "\"x\""), (IF_NONE_MATCH, "\"a,b\"")], NotModified);
    }

    #[test]
    fn without_validators_only_the_star_matches() {
        let none = Validators::default();
        assert_eq!(evaluate(&request(&[(IF_NONE_MATCH, "\"a\"")]), &none), Outcome::Proceed);
        assert_eq!(evaluate(&request(&[(IF_NONE_MATCH, "*")]), &none), Outcome::NotModified);
        assert_eq!(evaluate(&request(&[(IF_MODIFIED_SINCE, LATER)]), &none), Outcome::Proceed);
    }

    #[test]
    fn if_range_is_strong() {
        for (value, expected) in
            [("\"a,b\"", true), ("W/\"a,b\"", false), ("\"x\"", false), (MODIFIED, false), (LATER, false), ("", false)]
        {
            assert_eq!(range_applies(&request(&[(IF_RANGE, value)]), &current()), expected, "{value}");
        }
        assert!(range_applies(&HeaderMap::new(), &current()));
        assert!(!range_applies(&request(&[(IF_RANGE, "\"a\"")]), &Validators::default()));
        let weak = Validators { etag: Some(HeaderValue::from_static("W/\"a\"")), last_modified: None };
        assert!(!range_applies(&request(&[(IF_RANGE, "W/\"a\"")]), &weak));
    }

    #[test]
    fn dates_are_clamped_to_what_may_be_sent() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(5_500);
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(sendable_date(at(9), now), at(5));
        assert_eq!(sendable_date(at(3) + Duration::from_millis(999), now), at(3));
        assert_eq!(sendable_date(SystemTime::UNIX_EPOCH - Duration::from_secs(9), now), at(0));
        assert_eq!(sendable_date(at(400_000_000_000), at(400_000_000_001)), at(253_402_300_799));
    }
}
