//! Which bytes a GET gets (RFC 9110 §14).
//!
//! One range is answered with 206. A request for several gets the whole representation, which RFC 9110 §14.2 permits:
//! it spares every cache on the way a multipart body that none of them can use.

use std::ops::Range;

use http::header::RANGE;
use http::{HeaderMap, Method};

/// What the `Range` field comes to for a representation of a known length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// The whole representation: no range, one that isn't understood, or several.
    Whole,
    /// These bytes, end exclusive.
    Part(Range<u64>),
    /// No byte of the representation is in the range (416).
    Unsatisfiable,
}

/// Reads the `Range` field of a request. Only GET has ranges (RFC 9110 §14.2).
pub fn span(method: &Method, request: &HeaderMap, length_bytes: u64) -> Span {
    let mut lines = request.get_all(RANGE).iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) if method == Method::GET => {
            line.to_str().ok().and_then(|text| parse(text, length_bytes)).unwrap_or(Span::Whole)
        }
        _ => Span::Whole,
    }
}

fn parse(text: &str, length_bytes: u64) -> Option<Span> {
    let (unit, set) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let range = if first.is_empty() {
        length_bytes.saturating_sub(number(last)?)..length_bytes
    } else {
        let first = number(first)?;
        let end = if last.is_empty() { length_bytes } else { number(last)?.saturating_add(1) };
        if end <= first && !last.is_empty() {
            return None;
        }
        first..end.min(length_bytes)
    };
    Some(if range.start < range.end { Span::Part(range) } else { Span::Unsatisfiable })
}

/// Digits only: `str::parse` alone would take a sign. A number past `u64` is past the end of every representation.
fn number(text: &str) -> Option<u64> {
    let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn check(field: &'static str, length_bytes: u64, expected: Span) {
        let request = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(field))]);
        assert_eq!(span(&Method::GET, &request, length_bytes), expected, "{field} of {length_bytes}");
        assert_eq!(span(&Method::HEAD, &request, length_bytes), Span::Whole, "HEAD {field}");
    }

    #[test]
    fn table() {
        use Span::{Part, Unsatisfiable, Whole};
        check("bytes=0-0", 10, Part(0..1));
        check("bytes=0-9", 10, Part(0..10));
        check("bytes=2-4", 10, Part(2..5));
        check("Bytes = 2-4", 10, Part(2..5));
        check("bytes=8-99", 10, Part(8..10));
        check("bytes=3-", 10, Part(3..10));
        check("bytes=-3", 10, Part(7..10));
        check("bytes=-99", 10, Part(0..10));
        check("bytes=10-", 10, Unsatisfiable);
        check("bytes=10-11", 10, Unsatisfiable);
        check("bytes=-0", 10, Unsatisfiable);
        check("bytes=0-", 0, Unsatisfiable);
        check("bytes=-1", 0, Unsatisfiable);
        check("bytes=99999999999999999999-", 10, Unsatisfiable);
        check("bytes=0-99999999999999999999", 10, Part(0..10));
        check("bytes=4-2", 10, Whole);
        check("bytes=0-1,3-4", 10, Whole);
        check("bytes=", 10, Whole);
        check("bytes=-", 10, Whole);
        check("bytes=+1-2", 10, Whole);
        check("bytes=a-b", 10, Whole);
        check("items=0-1", 10, Whole);
        check("0-1", 10, Whole);
    }

    #[test]
    fn two_fields_are_no_range() {
        let mut request = HeaderMap::new();
        request.append(RANGE, HeaderValue::from_static("bytes=0-1"));
        request.append(RANGE, HeaderValue::from_static("bytes=2-3"));
        assert_eq!(span(&Method::GET, &request, 10), Span::Whole);
    }
}
