use super::*;
use crate::core::cache_control::fields::any_value;
use http::StatusCode;
use http::header::HeaderName;
use proptest::prelude::*;

const CHANGED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(text).unwrap());
    }
    headers
}

fn shown(headers: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    lines.sort_unstable();
    lines
}

#[track_caller]
fn check(request: &[(&'static str, &str)], stored: &[(&'static str, &str)], expected: Precondition) {
    check_as(Evaluator::Cache, Method::GET, 200, request, stored, expected);
}

#[track_caller]
fn check_as(
    evaluator: Evaluator,
    method: Method,
    status: u16,
    request: &[(&'static str, &str)],
    stored: &[(&'static str, &str)],
    expected: Precondition,
) {
    let (request_headers, stored_headers) = (headers(request), headers(stored));
    let req = RequestHead::new(&method, &request_headers);
    let resp = ResponseHead::new(StatusCode::from_u16(status).unwrap(), &stored_headers);
    assert_eq!(evaluate(req, resp, NOW, evaluator), expected, "{request:?} against {stored:?}");
}

#[track_caller]
fn check_origin(request: &[(&'static str, &str)], stored: &[(&'static str, &str)], expected: Precondition) {
    check_as(Evaluator::Origin, Method::GET, 200, request, stored, expected);
}

#[track_caller]
fn check_merge(stored: &[(&'static str, &str)], update: &[(&'static str, &str)], expected: &[&str]) {
    let dated = |mut lines: Vec<(&'static str, String)>| {
        if !lines.iter().any(|(name, _)| *name == "date") {
            lines.push(("date", "Tue, 14 Nov 2023 22:13:20 GMT".into()));
        }
        lines
    };
    let merged = shown(&merge_304(&headers(stored), &headers(update), NOW, &StorePolicy::default()));
    let wanted = expected.iter().map(|line| line.split_once(": ").unwrap());
    let wanted = dated(wanted.map(|(n, v)| (Box::leak(n.to_owned().into_boxed_str()) as &_, v.to_owned())).collect());
    let mut wanted: Vec<_> = wanted.into_iter().map(|(n, v)| format!("{n}: {v}")).collect();
    wanted.sort_unstable();
    assert_eq!(merged, wanted, "{update:?}");
}

#[track_caller]
fn check_selects(stored: &[(&'static str, &str)], update: &[(&'static str, &str)], expected: Selects) {
    assert_eq!(selects(&headers(stored), &headers(update)), expected, "{update:?} for {stored:?}");
}

#[test]
fn if_none_match() {
    use Precondition::*;
    let tagged = [("etag", "\"a\""), ("last-modified", CHANGED)];
    check(&[], &tagged, Proceed);
    check(&[("if-none-match", "\"a\"")], &tagged, NotModified);
    check(&[("if-none-match", "W/\"a\"")], &tagged, NotModified);
    check(&[("if-none-match", "\"b\", \"a\"")], &tagged, NotModified);
    check(&[("if-none-match", "\"b\""), ("if-none-match", ",\"a\" ,")], &tagged, NotModified);
    check(&[("if-none-match", "\"b\"")], &tagged, Proceed);
    check(&[("if-none-match", "\"A\"")], &tagged, Proceed);
    check(&[("if-none-match", "*")], &tagged, NotModified);
    check(&[("if-none-match", "*")], &[], NotModified);
    check(&[("if-none-match", "\"a\"")], &[], Proceed);
    check(&[("if-none-match", "\"a\"")], &[("etag", "W/\"a\"")], NotModified);
    check(&[("if-none-match", "\"a,b\"")], &[("etag", "\"a,b\"")], NotModified);
    check(&[("if-none-match", "\"a\\\"")], &[("etag", "\"a\\\"")], NotModified);
}

#[test]
fn a_list_of_tags_that_cannot_be_read_matches_nothing() {
    let tagged = [("etag", "\"a\"")];
    for list in ["a", "\"a", "\"a\" \"b\"", "w/\"a\"", "W/ \"a\"", "*, \"a\"", "\"a\", *", "", ",", "\"a\"b", "\"a b\""]
    {
        check(&[("if-none-match", list)], &tagged, Precondition::Proceed);
        check_origin(&[("if-match", list)], &tagged, Precondition::Failed);
    }
    check(&[("if-none-match", "*"), ("if-none-match", "\"a\"")], &tagged, Precondition::Proceed);
}

#[test]
fn if_modified_since() {
    use Precondition::*;
    let dated = [("last-modified", CHANGED)];
    check(&[("if-modified-since", BEFORE)], &dated, Proceed);
    check(&[("if-modified-since", CHANGED)], &dated, NotModified);
    check(&[("if-modified-since", AFTER)], &dated, NotModified);
    check(&[("if-modified-since", "yesterday")], &dated, Proceed);
    check(&[("if-modified-since", CHANGED), ("if-modified-since", CHANGED)], &dated, Proceed);
    // Without Last-Modified: Date, else the time of reception.
    check(&[("if-modified-since", CHANGED)], &[("date", CHANGED)], NotModified);
    check(&[("if-modified-since", BEFORE)], &[("date", CHANGED)], Proceed);
    check(&[("if-modified-since", AFTER)], &[], Proceed);
    check(&[("if-modified-since", "Wed, 15 Nov 2023 00:00:00 GMT")], &[], NotModified);
}

#[test]
fn if_none_match_comes_before_if_modified_since() {
    let stored = [("etag", "\"a\""), ("last-modified", CHANGED)];
    check(&[("if-none-match", "\"b\""), ("if-modified-since", AFTER)], &stored, Precondition::Proceed);
    check(&[("if-none-match", "rubbish"), ("if-modified-since", AFTER)], &stored, Precondition::Proceed);
    check(&[("if-none-match", "\"a\""), ("if-modified-since", BEFORE)], &stored, Precondition::NotModified);
}

#[test]
fn conditions_of_change_are_for_the_origin() {
    use Precondition::*;
    let stored = [("etag", "\"a\""), ("last-modified", CHANGED)];
    for (condition, verdict) in [
        (("if-match", "\"a\""), Proceed),
        (("if-match", "*"), Proceed),
        (("if-match", "\"b\""), Failed),
        (("if-match", "W/\"a\""), Failed),
        (("if-unmodified-since", BEFORE), Failed),
        (("if-unmodified-since", CHANGED), Proceed),
        (("if-unmodified-since", "yesterday"), Proceed),
    ] {
        check_origin(&[condition], &stored, verdict);
        check(&[condition], &stored, Proceed);
    }
    check_origin(&[("if-match", "\"a\"")], &[], Failed);
    check_origin(&[("if-unmodified-since", BEFORE)], &[], Proceed);
    check_origin(&[("if-match", "\"a\""), ("if-unmodified-since", BEFORE)], &stored, Proceed);
    check_origin(&[("if-match", "\"b\""), ("if-none-match", "\"a\"")], &stored, Failed);
    check_origin(&[("if-match", "\"a\""), ("if-none-match", "\"a\"")], &stored, NotModified);
}

#[test]
fn conditions_count_for_successful_gets_and_heads_only() {
    use Precondition::*;
    let (asked, stored) = ([("if-none-match", "\"a\"")], [("etag", "\"a\"")]);
    check_as(Evaluator::Cache, Method::HEAD, 200, &asked, &stored, NotModified);
    check_as(Evaluator::Cache, Method::POST, 200, &asked, &stored, Proceed);
    check_as(Evaluator::Cache, Method::GET, 203, &asked, &stored, NotModified);
    check_as(Evaluator::Cache, Method::GET, 404, &asked, &stored, Proceed);
    check_as(Evaluator::Cache, Method::GET, 301, &[("if-none-match", "*")], &stored, Proceed);
}

#[test]
fn validators_of_a_head() {
    let of = |lines: &[(&'static str, &str)]| validators(&headers(lines));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[("etag", "a"), ("last-modified", "yesterday")]), None);
    let both = of(&[("etag", "W/\"a\""), ("last-modified", CHANGED)]).unwrap();
    let mut request = headers(&[
        ("if-none-match", "\"x\""),
        ("if-match", "\"x\""),
        ("if-range", "\"x\""),
        ("range", "bytes=0-1"),
        ("if-unmodified-since", CHANGED),
        ("accept", "*/*"),
    ]);
    both.apply(&mut request);
    let wanted =
        ["accept: */*".to_owned(), format!("if-modified-since: {CHANGED}"), "if-none-match: W/\"a\"".to_owned()];
    assert_eq!(shown(&request), wanted);
}

#[test]
fn a_304_for_this_or_another_response() {
    use Selects::*;
    let strong = [("etag", "\"a\""), ("last-modified", CHANGED)];
    check_selects(&strong, &[], Stored);
    check_selects(&strong, &[("etag", "\"a\"")], Stored);
    check_selects(&strong, &[("etag", "W/\"a\"")], Stored);
    check_selects(&strong, &[("etag", "\"b\""), ("last-modified", CHANGED)], Another);
    check_selects(&strong, &[("last-modified", CHANGED)], Stored);
    check_selects(&strong, &[("last-modified", AFTER)], Another);
    check_selects(&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], Stored);
    check_selects(&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], Another);
    check_selects(&[("etag", "\"a\"")], &[("last-modified", AFTER)], Stored);
    check_selects(&[("last-modified", CHANGED)], &[("etag", "\"a\""), ("last-modified", CHANGED)], Another);
    check_selects(&[("last-modified", CHANGED)], &[("last-modified", CHANGED)], Stored);
    check_selects(&[("last-modified", CHANGED)], &[], Stored);
}

#[test]
fn merging() {
    check_merge(
        &[("x-a", "1"), ("x-a", "2"), ("x-b", "1"), ("cache-control", "max-age=1")],
        &[("x-a", "3"), ("cache-control", "max-age=9"), ("x-c", "4"), ("x-c", "5")],
        &["x-a: 3", "x-b: 1", "cache-control: max-age=9", "x-c: 4", "x-c: 5"],
    );
    check_merge(&[("content-type", "text/a")], &[("content-type", "text/b")], &["content-type: text/b"]);
}

#[test]
fn a_merge_keeps_what_describes_the_body_and_the_hop() {
    for name in ["content-length", "content-encoding", "content-range", "content-md5", "content-digest"] {
        check_merge(&[(name, "5")], &[(name, "10")], &[&format!("{name}: 5")]);
        check_merge(&[], &[(name, "10")], &[]);
    }
    for name in ["connection", "keep-alive", "te", "transfer-encoding", "upgrade", "proxy-authenticate", "set-cookie"] {
        check_merge(&[], &[(name, "x")], &[]);
    }
    check_merge(&[], &[("connection", "x-hop"), ("x-hop", "1")], &[]);
    check_merge(&[("set-cookie", "old")], &[("set-cookie", "new")], &["set-cookie: old"]);
}

#[test]
fn a_merge_keeps_validators_that_a_304_has_none_for() {
    let stored = [("etag", "\"a\""), ("last-modified", CHANGED)];
    let kept = ["etag: \"a\"", &format!("last-modified: {CHANGED}")];
    for broken in ["a", "\"a", "", "W/a", "\"a\", \"b\""] {
        check_merge(&stored, &[("etag", broken)], &kept);
    }
    check_merge(&stored, &[("etag", "\"b\""), ("etag", "b")], &kept);
    for broken in ["yesterday", "", "0"] {
        check_merge(&stored, &[("last-modified", broken)], &kept);
    }
    check_merge(&stored, &[("etag", "W/\"a\"")], &["etag: W/\"a\"", kept[1]]);
    check_merge(&[], &[("etag", "a")], &[]);
}

#[test]
fn a_merge_speaks_of_the_new_exchange() {
    check_merge(&[("age", "50"), ("date", CHANGED)], &[], &[]);
    check_merge(
        &[("age", "50"), ("date", CHANGED)],
        &[("age", "3"), ("date", AFTER)],
        &["age: 3", &format!("date: {AFTER}")],
    );
}

#[test]
fn the_head_of_a_304() {
    let head = |lines: &[(&'static str, &str)]| shown(&not_modified_head(&headers(lines)));
    let stored = [
        ("etag", "\"a\""),
        ("last-modified", CHANGED),
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("content-location", "/x"),
        ("vary", "accept"),
    ];
    assert_eq!(head(&stored), ["content-location: /x", "etag: \"a\"", "vary: accept"]);
    assert_eq!(head(&stored[1..2]), [format!("last-modified: {CHANGED}")]);
}

fn any_map() -> impl Strategy<Value = HeaderMap> {
    let names = prop::sample::select(vec![
        "etag",
        "last-modified",
        "if-none-match",
        "if-match",
        "if-modified-since",
        "connection",
        "date",
        "age",
        "x-a",
        "content-length",
        "set-cookie",
    ]);
    let values = prop_oneof![
        "(W/|\"|a|\\*|,| ){0,8}".prop_map(|text| HeaderValue::try_from(text).unwrap()),
        "W?/?\"[ab]\"".prop_map(|text| HeaderValue::try_from(text).unwrap()),
        Just(HeaderValue::from_static(CHANGED)),
        any_value(),
    ];
    prop::collection::vec((names, values), 0..8).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

proptest! {
    #[test]
    fn any_heads_are_survived(request in any_map(), stored in any_map()) {
        let resp = ResponseHead::new(StatusCode::OK, &stored);
        for evaluator in [Evaluator::Cache, Evaluator::Origin] {
            let _ = evaluate(RequestHead::new(&Method::GET, &request), resp, NOW, evaluator);
        }
        let _ = (selects(&stored, &request), not_modified_head(&stored), validators(&stored));
    }

    #[test]
    fn a_merge_twice_is_a_merge_once(stored in any_map(), update in any_map()) {
        let once = merge_304(&stored, &update, NOW, &StorePolicy::default());
        prop_assert_eq!(&merge_304(&once, &update, NOW, &StorePolicy::default()), &once);
        prop_assert_eq!(once.get("content-length"), stored.get("content-length"));
        prop_assert_eq!(once.get("set-cookie"), stored.get("set-cookie"));
    }

    #[test]
    fn what_we_send_is_what_we_recognise(stored in any_map()) {
        let Some(validators) = validators(&stored) else { return Ok(()) };
        let mut request = HeaderMap::new();
        validators.apply(&mut request);
        let verdict = evaluate(
            RequestHead::new(&Method::GET, &request), ResponseHead::new(StatusCode::OK, &stored), NOW, Evaluator::Cache,
        );
        prop_assert_eq!(verdict, Precondition::NotModified);
        prop_assert_eq!(selects(&stored, &HeaderMap::new()), Selects::Stored);
    }
}
