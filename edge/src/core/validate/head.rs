//! What the response to a HEAD says of the stored response to a GET (RFC 9111 §4.3.5).

use super::etag_of;
use crate::core::cache_control::fields::parse_digits;
use crate::core::store_rule::ResponseHead;
use crate::core::time::parse_http_date;
use http::StatusCode;
use http::header::{self, HeaderMap};

/// What becomes of the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadEffect {
    /// Its validators and length are those of the response to the HEAD: its fields are updated, as by a 304.
    Freshens,
    /// They differ: it is to be considered stale.
    MakesStale,
    /// Nothing: only a 200 says anything of the stored response.
    None,
}

/// What a 200 to a HEAD means for a stored 200, whose body has `length` bytes. Validators and lengths that the response
/// leaves out don't count against it.
pub fn head_effect(stored: ResponseHead<'_>, length: u64, response: ResponseHead<'_>) -> HeadEffect {
    if response.status != StatusCode::OK || stored.status != StatusCode::OK {
        return HeadEffect::None;
    }
    let same_tag = match etag_of(response.headers) {
        Some(theirs) => etag_of(stored.headers).is_some_and(|ours| ours == theirs),
        None => !response.headers.contains_key(header::ETAG),
    };
    let date = |headers: &HeaderMap| headers.get(header::LAST_MODIFIED).and_then(parse_http_date);
    let same_date = date(response.headers).is_none_or(|theirs| date(stored.headers) == Some(theirs));
    let mut lengths = response.headers.get_all(header::CONTENT_LENGTH).iter();
    let same_length = lengths.all(|line| parse_digits(line.as_bytes()) == Some(length));
    match same_tag && same_date && same_length {
        true => HeadEffect::Freshens,
        false => HeadEffect::MakesStale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[track_caller]
    fn check(stored: &[(&'static str, &'static str)], response: &[(&'static str, &'static str)], want: HeadEffect) {
        let (stored, response) = (headers(stored), headers(response));
        let stored = ResponseHead::new(StatusCode::OK, &stored);
        assert_eq!(head_effect(stored, 5, ResponseHead::new(StatusCode::OK, &response)), want, "{response:?}");
    }

    #[test]
    fn what_agrees_freshens_and_what_differs_makes_stale() {
        use HeadEffect::{Freshens, MakesStale};
        let stored = [("etag", "\"a\""), ("last-modified", DATE)];
        check(&stored, &[], Freshens);
        check(&stored, &[("etag", "\"a\""), ("last-modified", DATE), ("content-length", "5")], Freshens);
        check(&stored, &[("etag", "\"b\"")], MakesStale);
        check(&stored, &[("etag", "W/\"a\"")], MakesStale);
        check(&stored, &[("etag", "a")], MakesStale);
        check(&stored, &[("last-modified", LATER)], MakesStale);
        check(&stored, &[("content-length", "6")], MakesStale);
        check(&[], &[("etag", "\"a\"")], MakesStale);
        check(&[], &[("content-length", "5")], Freshens);
    }

    #[test]
    fn other_statuses_say_nothing() {
        let none = HeaderMap::new();
        for (stored, response) in [(200, 404), (200, 304), (404, 200), (206, 200)] {
            let head = |status| ResponseHead::new(StatusCode::from_u16(status).unwrap(), &none);
            assert_eq!(head_effect(head(stored), 0, head(response)), HeadEffect::None, "{stored} {response}");
        }
    }
}
