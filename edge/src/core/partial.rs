//! Parts of representations: which 206 responses are kept, and which requests they answer (RFC 9111 §3.3, RFC 9110
//! §14.4, §15.3.7).
//!
//! A part is one range of bytes, whose place and whose whole are known. Parts are not combined with each other: that
//! needs a strong validator that they share (RFC 9111 §3.4), and a fetch of the whole then costs little more.

use super::cache_control::fields::{parse_digits, trim_ows};
use super::range::{RangeSpec, if_range_holds, parse_range};
use super::store_rule::{RequestHead, ResponseHead};
use http::header::{self, HeaderMap};
use http::{HeaderValue, Method, StatusCode};
use std::ops::Range;

/// What of a representation a stored 206 holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes, half-open, never empty, within the whole.
    range: Range<u64>,
    /// The length of the whole representation.
    total: u64,
    /// The value of `Range` that it answered; `None` if it came without one, and is known by its place alone.
    asked: Option<HeaderValue>,
}

impl Part {
    /// What a 206 brings in answer to a request with these fields, as they went up; `None` if it can't be kept: several ranges, a whole
    /// of unknown length, a `Content-Range` that is missing or invalid.
    ///
    /// A `Content-Length` that is shorter than the range says that its end is missing: what is there is kept (RFC 9111
    /// §3.3).
    pub fn of_response(request: &HeaderMap, response: ResponseHead<'_>) -> Option<Self> {
        if response.status != StatusCode::PARTIAL_CONTENT {
            return None;
        }
        let (mut range, total) = content_range(sole(response.headers, header::CONTENT_RANGE)?.as_bytes())?;
        if response.headers.contains_key(header::CONTENT_LENGTH) {
            let length = parse_digits(sole(response.headers, header::CONTENT_LENGTH)?.as_bytes())?;
            let announced = range.end - range.start;
            (1..=announced).contains(&length).then_some(())?;
            range.end = range.start + length;
        }
        Some(Self { range, total, asked: sole(request, header::RANGE).cloned() })
    }

    /// Whether it is all there is: as good as a 200.
    pub fn is_whole(&self) -> bool {
        self.range == (0..self.total)
    }

    /// The bytes of the whole that it holds.
    pub fn range(&self) -> &Range<u64> {
        &self.range
    }

    /// The length of the whole.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bytes of the whole that answer a request; `None` if it must be fetched. One range that lies within the part
    /// is answered from it; and who asks in the same words as the request that was answered with the part gets the same.
    pub fn answer(&self, request: RequestHead<'_>, stored: &HeaderMap) -> Option<Range<u64>> {
        if request.method != Method::GET || !if_range_holds(request.headers, stored) {
            return None;
        }
        let asked = sole(request.headers, header::RANGE)?;
        if self.asked.as_ref() == Some(asked) {
            return Some(self.range.clone());
        }
        let [spec] = <[RangeSpec; 1]>::try_from(parse_range(request.headers).ok()?).ok()?;
        let wanted = spec.resolve(self.total)?;
        (self.range.start <= wanted.start && wanted.end <= self.range.end).then_some(wanted)
    }

    /// Where in the part's own bytes a range of the whole is.
    pub fn within(&self, wanted: &Range<u64>) -> Range<u64> {
        wanted.start.saturating_sub(self.range.start)..wanted.end.saturating_sub(self.range.start)
    }
}

/// Whether a request asks for one range, in a form that can be read: such a one can be answered with a part.
pub fn asks_for_one_range(request: RequestHead<'_>) -> bool {
    request.method == Method::GET && parse_range(request.headers).is_ok_and(|specs| specs.len() == 1)
}

/// Reads `bytes 0-99/1234` (RFC 9110 §14.4).
fn content_range(value: &[u8]) -> Option<(Range<u64>, u64)> {
    let value = trim_ows(value);
    let unit_ends = value.iter().position(|&byte| byte == b' ')?;
    value[..unit_ends].eq_ignore_ascii_case(b"bytes").then_some(())?;
    let rest = &value[unit_ends + 1..];
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (range, total) = (&rest[..slash], parse_digits(&rest[slash + 1..])?);
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (parse_digits(&range[..dash])?, parse_digits(&range[dash + 1..])?);
    (first <= last && last < total).then(|| (first..last + 1, total))
}

/// The value of a field that may occur once.
fn sole(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn headers(fields: Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn part(request: Fields, response: Fields) -> Option<Part> {
        let response = headers(response);
        Part::of_response(&headers(request), ResponseHead::new(StatusCode::PARTIAL_CONTENT, &response))
    }

    #[track_caller]
    fn check_kept(response: Fields, want: Option<(Range<u64>, u64)>) {
        assert_eq!(part(&[], response).map(|part| (part.range, part.total)), want, "{response:?}");
    }

    #[test]
    fn which_parts_are_kept() {
        check_kept(&[("content-range", "bytes 4-9/10")], Some((4..10, 10)));
        check_kept(&[("content-range", "Bytes 0-9/10"), ("content-length", "10")], Some((0..10, 10)));
        check_kept(&[("content-range", "bytes 4-9/10"), ("content-length", "5")], Some((4..9, 10)));
        for (range, length) in [
            ("bytes 4-9/*", "6"),
            ("bytes 4-9/9", "6"),
            ("bytes 9-4/10", "6"),
            ("bytes */10", "6"),
            ("items 4-9/10", "6"),
            ("bytes=4-9/10", "6"),
            ("bytes 4-9/10", "7"),
            ("bytes 4-9/10", "0"),
            ("bytes 4-9/10", "x"),
            ("bytes 0-18446744073709551615/18446744073709551615", "6"),
        ] {
            check_kept(Box::leak(Box::new([("content-range", range), ("content-length", length)])), None);
        }
        check_kept(&[], None);
        check_kept(&[("content-range", "bytes 0-1/2"), ("content-range", "bytes 0-1/2")], None);
        let plain = headers(&[("content-range", "bytes 0-1/2")]);
        assert_eq!(Part::of_response(&plain, ResponseHead::new(StatusCode::OK, &plain)), None);
    }

    #[track_caller]
    fn check_answer(request: Fields, want: Option<Range<u64>>) {
        let part = part(&[("range", "bytes=-7")], &[("content-range", "bytes 4-8/10")]).expect("a part");
        let request = headers(request);
        let stored = headers(&[("etag", "\"a\"")]);
        assert_eq!(part.answer(RequestHead::new(&Method::GET, &request), &stored), want, "{request:?}");
    }

    #[test]
    fn what_a_part_answers() {
        check_answer(&[("range", "bytes=4-8")], Some(4..9));
        check_answer(&[("range", "bytes=6-7")], Some(6..8));
        check_answer(&[("range", "bytes=-7")], Some(4..9));
        check_answer(&[("range", "bytes=3-8")], None);
        check_answer(&[("range", "bytes=6-")], None);
        check_answer(&[("range", "bytes=-1")], None);
        check_answer(&[("range", "bytes=4-5,6-7")], None);
        check_answer(&[("range", "bytes=20-")], None);
        check_answer(&[], None);
        check_answer(&[("range", "bytes=4-8"), ("if-range", "\"a\"")], Some(4..9));
        check_answer(&[("range", "bytes=4-8"), ("if-range", "\"b\"")], None);
        check_answer(&[("range", "bytes=-7"), ("if-range", "W/\"a\"")], None);
    }

    #[test]
    fn a_part_that_came_without_a_range_is_known_by_its_place_alone() {
        let (part, stored) = (part(&[], &[("content-range", "bytes 4-8/10")]).expect("a part"), HeaderMap::new());
        for (asked, want) in [("bytes=4-6", Some(4..7)), ("bytes=-7", None), ("bytes=4-9", None)] {
            let request = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(asked))]);
            assert_eq!(part.answer(RequestHead::new(&Method::GET, &request), &stored), want, "{asked}");
        }
    }

    proptest! {
        #[test]
        fn a_content_range_round_trips(start in 0u64..1000, len in 1u64..1000, more in 0u64..1000) {
            let (range, total) = (start..start + len, start + len + more);
            let written = crate::core::range::content_range(&range, total);
            prop_assert_eq!(content_range(written.as_bytes()), Some((range, total)));
        }

        #[test]
        fn any_content_range_is_survived(value in crate::core::cache_control::fields::any_value()) {
            if let Some((range, total)) = content_range(value.as_bytes()) {
                prop_assert!(range.start < range.end && range.end <= total);
            }
        }
    }
}
