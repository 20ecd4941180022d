use super::*;
use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(text).unwrap());
    }
    headers
}

#[track_caller]
fn check(range: &str, length: u64, expected: RangeDecision) {
    check_request(&[("range", range)], &[], length, expected);
}

#[track_caller]
fn check_request(
    request: &[(&'static str, &str)],
    stored: &[(&'static str, &str)],
    length: u64,
    expected: RangeDecision,
) {
    let (request_headers, stored_headers) = (headers(request), headers(stored));
    let req = RequestHead::new(&Method::GET, &request_headers);
    let decision = decide_range(req, ResponseHead::new(StatusCode::OK, &stored_headers), length);
    assert_eq!(decision, expected, "{request:?} of {length}");
}

#[test]
fn one_range() {
    use RangeDecision::{Full, Single, Unsatisfiable};
    check("bytes=0-4", 10, Single(0..5));
    check("Bytes = 0-4", 10, Single(0..5));
    check("bytes=5-", 10, Single(5..10));
    check("bytes=-3", 10, Single(7..10));
    check("bytes=-99", 10, Single(0..10));
    check("bytes=9-99", 10, Single(9..10));
    check("bytes=0-99999999999999999999999", 10, Single(0..10));
    check("bytes=10-", 10, Unsatisfiable);
    check("bytes=10-12", 10, Unsatisfiable);
    check("bytes=99999999999999999999999-", 10, Unsatisfiable);
    check("bytes=-0", 10, Unsatisfiable);
    check("bytes=0-", 0, Unsatisfiable);
    check("bytes=-5", 0, Full(FullReason::Empty));
    check("bytes=0-0", u64::MAX, Single(0..1));
    check(&format!("bytes=0-{}", u64::MAX), u64::MAX, Single(0..u64::MAX));
}

#[test]
fn several_ranges() {
    use RangeDecision::{Full, Multi, Single, Unsatisfiable};
    check("bytes=0-1,4-5", 10, Multi(vec![0..2, 4..6]));
    check("bytes=-2 , 0-1,", 10, Multi(vec![8..10, 0..2]));
    check("bytes=0-1, 20-30", 10, Single(0..2));
    check("bytes=20-30, 40-", 10, Unsatisfiable);
    check("bytes=0-5,4-9", 10, Full(FullReason::Wasteful));
    check("bytes=0-,0-,0-", 10, Full(FullReason::Wasteful));
    check("bytes=0-3,4-9", 10, Multi(vec![0..4, 4..10]));
    let many =
        |count: usize| format!("bytes={}", (0..count).map(|n| format!("{0}-{0}", 2 * n)).collect::<Vec<_>>().join(","));
    check(&many(MAX_RANGES), 100, Multi((0..MAX_RANGES as u64).map(|n| 2 * n..2 * n + 1).collect()));
    check(&many(MAX_RANGES + 1), 100, Full(FullReason::TooMany));
}

#[test]
fn what_cannot_be_read_means_the_whole() {
    for range in
        ["bytes", "bytes=", "bytes=,", "bytes=a-b", "bytes=5-4", "bytes=5", "bytes=--5", "bytes=1-2-3", "bytes=0 -4"]
    {
        check(range, 10, RangeDecision::Full(FullReason::Malformed));
    }
    check("lines=0-4", 10, RangeDecision::Full(FullReason::Unit));
    let twice = [("range", "bytes=0-1"), ("range", "bytes=4-5")];
    check_request(&twice, &[], 10, RangeDecision::Full(FullReason::Malformed));
}

#[test]
fn ranges_are_for_get_and_200() {
    let request = headers(&[("range", "bytes=0-4")]);
    let none = HeaderMap::new();
    let decide = |method, status| {
        decide_range(
            RequestHead::new(method, &request),
            ResponseHead::new(StatusCode::from_u16(status).unwrap(), &none),
            10,
        )
    };
    assert_eq!(decide(&Method::GET, 200), RangeDecision::Single(0..5));
    assert_eq!(decide(&Method::HEAD, 200), RangeDecision::Full(FullReason::Method));
    assert_eq!(decide(&Method::GET, 404), RangeDecision::Full(FullReason::Status));
    assert_eq!(decide(&Method::GET, 203), RangeDecision::Full(FullReason::Status));
    check_request(&[], &[], 10, RangeDecision::Full(FullReason::NotAsked));
}

#[test]
fn if_range_compares_strongly() {
    let part = RangeDecision::Single(0..5);
    let whole = RangeDecision::Full(FullReason::IfRange);
    let strong = [("etag", "\"a\""), ("last-modified", CHANGED), ("date", LATER)];
    for (condition, expected) in [
        ("\"a\"", &part),
        ("\"b\"", &whole),
        ("W/\"a\"", &whole),
        ("a", &whole),
        ("\"a\", \"b\"", &whole),
        ("*", &whole),
        (CHANGED, &part),
        (LATER, &whole),
    ] {
        check_request(&[("range", "bytes=0-4"), ("if-range", condition)], &strong, 10, expected.clone());
    }
    let asks_tag = [("range", "bytes=0-4"), ("if-range", "\"a\"")];
    check_request(&asks_tag, &[("etag", "W/\"a\"")], 10, whole.clone());
    check_request(&asks_tag, &[], 10, whole.clone());
    // A date within the second of the response itself is weak.
    let asks_date = [("range", "bytes=0-4"), ("if-range", CHANGED)];
    check_request(&asks_date, &[("last-modified", CHANGED), ("date", CHANGED)], 10, whole.clone());
    check_request(&asks_date, &[("last-modified", CHANGED)], 10, whole.clone());
    let twice = [("range", "bytes=0-4"), ("if-range", "\"a\""), ("if-range", "\"a\"")];
    check_request(&twice, &strong, 10, whole);
}

#[test]
fn content_ranges() {
    assert_eq!(content_range(&(0..5), 10), "bytes 0-4/10");
    assert_eq!(unsatisfied_content_range(10), "bytes */10");
}

proptest! {
    #[test]
    fn what_is_sent_is_within_and_not_more_than_the_whole(
        text in prop_oneof!["bytes=([0-9]{0,3}-[0-9]{0,3}, ?){1,6}", "bytes=[0-9,-]{0,20}", "\\PC{0,20}"],
        length in prop_oneof![0u64..300, any::<u64>()],
    ) {
        let Ok(value) = HeaderValue::try_from(text) else { return Ok(()) };
        let request = HeaderMap::from_iter([(header::RANGE, value)]);
        let none = HeaderMap::new();
        let decision = decide_range(RequestHead::new(&Method::GET, &request), ResponseHead::new(StatusCode::OK, &none), length);
        let ranges = match decision {
            RangeDecision::Full(_) | RangeDecision::Unsatisfiable => vec![],
            RangeDecision::Single(range) => vec![range],
            RangeDecision::Multi(ranges) => {
                prop_assert!(ranges.len() >= 2 && ranges.len() <= MAX_RANGES);
                ranges
            }
        };
        let mut total = 0u64;
        for range in &ranges {
            prop_assert!(range.start < range.end && range.end <= length);
            total += range.end - range.start;
        }
        prop_assert!(total <= length);
    }
}
