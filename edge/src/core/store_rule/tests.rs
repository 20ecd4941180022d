use super::*;
use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    lines.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

/// An exchange that may be stored, to be spoilt in one place.
#[derive(Clone)]
struct Exchange {
    method: Method,
    request: &'static [(&'static str, &'static str)],
    status: u16,
    policy: StorePolicy,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { method: Method::GET, request: &[], status: 200, policy: StorePolicy::default() }
    }
}

impl Exchange {
    fn policy(change: impl FnOnce(&mut StorePolicy)) -> Self {
        let mut exchange = Self::default();
        change(&mut exchange.policy);
        exchange
    }

    fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    fn request(request: &'static [(&'static str, &'static str)]) -> Self {
        Self { request, ..Self::default() }
    }
}

#[track_caller]
fn check(exchange: &Exchange, response: &[(&'static str, &str)], expected: Store) {
    let (request, response_headers) = (headers(exchange.request), headers(response));
    let status = StatusCode::from_u16(exchange.status).unwrap();
    let req = RequestHead::new(&exchange.method, &request);
    let resp = ResponseHead::new(status, &response_headers);
    assert_eq!(may_store(req, resp, &exchange.policy), expected, "{} {response:?}", exchange.status);
}

const FRESH: (&str, &str) = ("cache-control", "max-age=60");

#[test]
fn what_is_asked() {
    let get = Exchange::default();
    check(&get, &[FRESH], Store::Yes);
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        check(&Exchange { method, ..get.clone() }, &[FRESH], Store::No(NoStore::Method));
    }
    check(&Exchange::request(&[("content-length", "0")]), &[FRESH], Store::Yes);
    check(&Exchange::request(&[("content-length", "5")]), &[FRESH], Store::No(NoStore::RequestBody));
    check(&Exchange::request(&[("content-length", "x")]), &[FRESH], Store::No(NoStore::RequestBody));
    check(&Exchange::request(&[("transfer-encoding", "chunked")]), &[FRESH], Store::No(NoStore::RequestBody));
}

#[test]
fn the_request_is_heard_only_where_the_site_says_so() {
    let asks = Exchange::request(&[("cache-control", "no-store")]);
    check(&asks, &[FRESH], Store::Yes);
    let heard =
        Exchange { policy: StorePolicy { client_directives: ClientDirectives::All, ..Default::default() }, ..asks };
    check(&heard, &[FRESH], Store::No(NoStore::RequestNoStore));
}

#[test]
fn what_the_response_forbids() {
    let get = Exchange::default();
    check(&get, &[("cache-control", "max-age=60, No-Store")], Store::No(NoStore::ResponseNoStore));
    check(&get, &[FRESH, ("cache-control", "private")], Store::No(NoStore::Private));
    check(&get, &[("cache-control", "max-age=60, private=\"x-user\"")], Store::Yes);
    check(&get, &[FRESH, ("vary", "accept, *")], Store::No(NoStore::VaryStar));
    check(&get, &[FRESH, ("vary", "a b")], Store::No(NoStore::VaryUnreadable));
    check(&get, &[("cdn-cache-control", "no-store"), FRESH], Store::No(NoStore::ResponseNoStore));
    check(&get, &[("cdn-cache-control", "max-age=60"), ("cache-control", "no-store, private")], Store::Yes);
    check(
        &get,
        &[("cdn-cache-control", "max-age=60, &&&"), ("cache-control", "no-store")],
        Store::No(NoStore::ResponseNoStore),
    );
}

#[test]
fn must_understand() {
    let line = ("cache-control", "max-age=60, no-store, must-understand");
    check(&Exchange::default(), &[line], Store::Yes);
    check(&Exchange::status(299), &[line], Store::No(NoStore::MustUnderstand));
    check(&Exchange::status(299), &[FRESH], Store::Yes);
    let malformed = ("cache-control", "max-age=60, no-store, must-understand=1");
    check(&Exchange::default(), &[malformed], Store::No(NoStore::ResponseNoStore));
}

#[test]
fn what_an_answer_speaks_of() {
    for (speaks_of, statuses) in [
        (SpeaksOf::Resource, &[200, 204, 206, 301, 307, 404, 405, 410, 451][..]),
        (SpeaksOf::Requester, &[401, 402, 403]),
        (SpeaksOf::Request, &[400, 406, 407, 408, 412, 413, 414, 416, 417, 421, 425, 426, 428, 429, 431, 499]),
        (SpeaksOf::Server, &[500, 503, 599, 999]),
    ] {
        for &status in statuses {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(SpeaksOf::by_status(status), speaks_of, "{status}");
        }
    }
}

#[test]
fn authorization() {
    let authorized = Exchange::request(&[("authorization", "Basic eA==")]);
    check(&authorized, &[FRESH], Store::No(NoStore::Authorization));
    for shares in ["max-age=60, public", "max-age=60, must-revalidate", "s-maxage=60"] {
        check(&authorized, &[("cache-control", shares)], Store::Yes);
    }
    for junk in
        ["public=1", "must-revalidate=1", "must-revalidate;", "s-maxage", "s-maxage=x", "public \"", "s-maxage=9 \""]
    {
        let value = format!("max-age=60, {junk}");
        check(&authorized, &[("cache-control", &value)], Store::No(NoStore::Authorization));
    }
    for (targeted, verdict) in [
        ("max-age=60, s-maxage=9", Store::Yes),
        ("max-age=60, must-revalidate", Store::Yes),
        ("max-age=60, s-maxage=x", Store::No(NoStore::Authorization)),
        ("max-age=60, s-maxage=?0", Store::No(NoStore::Authorization)),
        ("max-age=60, must-revalidate=1", Store::No(NoStore::Authorization)),
    ] {
        check(&authorized, &[("cdn-cache-control", targeted)], verdict);
    }
}

#[test]
fn cookies() {
    let cookie = ("set-cookie", "id=1");
    check(&Exchange::default(), &[FRESH, cookie], Store::No(NoStore::SetCookie));
    check(&Exchange::default(), &[FRESH, ("set-cookie2", "id=1")], Store::No(NoStore::SetCookie));
    check(&Exchange::policy(|p| p.store_set_cookie = true), &[FRESH, cookie], Store::Yes);
    check(&Exchange::default(), &[("cache-control", "max-age=60, private=\"Set-Cookie\""), cookie], Store::Yes);
    check(&Exchange::default(), &[("cache-control", "max-age=60, no-cache=\"set-cookie\""), cookie], Store::Yes);
}

#[test]
fn parts_and_sizes() {
    check(&Exchange::status(206), &[FRESH], Store::No(NoStore::Partial));
    check(&Exchange::status(206), &[FRESH, ("content-range", "bytes 0-1/3")], Store::Yes);
    check(&Exchange::default(), &[FRESH, ("content-range", "bytes 0-1/2")], Store::Yes);
    let bounded = Exchange::policy(|p| p.max_object_bytes = Some(100));
    check(&bounded, &[FRESH, ("content-length", "100")], Store::Yes);
    check(&bounded, &[FRESH, ("content-length", "101")], Store::No(NoStore::TooLarge));
    check(&bounded, &[FRESH], Store::Yes);
}

#[test]
fn statuses() {
    let tagged = ("etag", "\"1\"");
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        check(&Exchange::status(status), &[tagged], Store::Yes);
    }
    for status in [201, 302, 303, 307, 400, 403, 500, 502, 503, 299] {
        check(&Exchange::status(status), &[tagged], Store::No(NoStore::Status));
        check(&Exchange::status(status), &[FRESH], Store::Yes);
        check(&Exchange::status(status), &[tagged, ("cache-control", "public")], Store::Yes);
    }
    check(&Exchange::status(304), &[FRESH], Store::No(NoStore::Status));
    let unavailable = (StatusCode::SERVICE_UNAVAILABLE, Duration::from_secs(1));
    let negative = Exchange::policy(|p| p.lifetime.negative_ttls = vec![unavailable]);
    check(&Exchange { status: 503, ..negative.clone() }, &[], Store::Yes);
    check(&Exchange { status: 502, ..negative }, &[], Store::No(NoStore::Status));
}

#[test]
fn what_could_never_be_reused() {
    let get = Exchange::default();
    check(&get, &[], Store::No(NoStore::NeverReusable));
    check(&get, &[("cache-control", "max-age=0")], Store::No(NoStore::NeverReusable));
    check(&get, &[("cache-control", "max-age=60, no-cache")], Store::No(NoStore::NeverReusable));
    check(&get, &[("cache-control", "no-cache"), ("etag", "\"1\"")], Store::Yes);
    check(&get, &[("cache-control", "max-age=0, stale-while-revalidate=9")], Store::Yes);
    check(
        &get,
        &[("cache-control", "max-age=0, must-revalidate, stale-if-error=9")],
        Store::No(NoStore::NeverReusable),
    );
    check(&Exchange::policy(|p| p.lifetime.default_ttl = Some(Duration::from_secs(1))), &[], Store::Yes);
}

#[test]
fn a_site_may_pass() {
    check(&Exchange::policy(|p| p.pass = true), &[FRESH], Store::No(NoStore::SitePass));
}

#[test]
fn what_is_stored() {
    let received = headers(&[
        ("cache-control", "max-age=60, private=\"x-user\", no-cache=\"set-cookie\""),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("x-user", "7"),
        ("set-cookie", "id=1"),
        ("age", "5"),
        ("proxy-authenticate", "Basic"),
        ("transfer-encoding", "chunked"),
        ("x-kept", "1"),
        ("x-kept", "2"),
    ]);
    let at = Timestamp::from_secs(784_111_777);
    let head = stored_head(ResponseHead::new(StatusCode::OK, &received), &StorePolicy::default(), at);
    let mut names: Vec<_> = head.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "date", "x-kept"]);
    assert_eq!(head.get_all("x-kept").iter().count(), 2);
    assert_eq!(head[header::DATE], "Sun, 06 Nov 1994 08:49:37 GMT");
}

fn any_head() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let names = prop::sample::select(vec!["cache-control", "cdn-cache-control", "vary", "expires", "etag", "x-a"]);
    let values = "((max-age=60|public|s-maxage=9|private|no-store|must-understand|\"|a|\\*)[=, ]{0,2}){0,5}";
    prop::collection::vec((names, values), 0..6)
}

proptest! {
    #[test]
    fn what_is_private_or_no_store_is_never_stored(
        lines in any_head(),
        forbids in prop::sample::select(vec!["private", "no-store", "PRIVATE", "x, no-store", "private, max-age=9"]),
        at in 0usize..6,
        status in 200u16..600,
    ) {
        let mut head = HeaderMap::new();
        let mut lines: Vec<_> = lines.into_iter().filter(|(name, _)| *name != "cdn-cache-control").collect();
        lines.retain(|(_, value)| !value.contains("must-understand"));
        lines.insert(at.min(lines.len()), ("cache-control", forbids.to_owned()));
        for (name, value) in lines {
            head.append(name, HeaderValue::try_from(value).unwrap());
        }
        let request = HeaderMap::new();
        let resp = ResponseHead::new(StatusCode::from_u16(status).unwrap(), &head);
        let policy = StorePolicy { store_set_cookie: true, ..StorePolicy::default() };
        prop_assert_ne!(may_store(RequestHead::new(&Method::GET, &request), resp, &policy), Store::Yes);
    }

    #[test]
    fn any_head_is_survived(lines in any_head(), status in 100u16..1000) {
        let mut head = HeaderMap::new();
        for (name, value) in lines {
            head.append(name, HeaderValue::try_from(value).unwrap());
        }
        let resp = ResponseHead::new(StatusCode::from_u16(status).unwrap(), &head);
        let _ = may_store(RequestHead::new(&Method::GET, &head), resp, &StorePolicy::default());
        let stored = stored_head(resp, &StorePolicy::default(), Timestamp::MAX);
        prop_assert!(stored.contains_key(header::DATE));
    }
}

#[test]
fn a_post_that_names_its_own_url_by_the_sites_rule_for_queries_answers_a_get() {
    let url = SiteUrl {
        site: crate::core::id::SiteId::new("docs").unwrap(),
        scheme: crate::core::url::Scheme::Http,
        host: "a.example".into(),
        path: "/a".into(),
        query: Some("a=1&b=2".into()),
    };
    let sorted = QueryRule { sort: true, drop: vec!["utm_*".into()], keep: None };
    let answers = |query: &QueryRule, location| {
        let head = headers(&[FRESH, ("content-location", location)]);
        let resp = ResponseHead::new(StatusCode::OK, &head);
        answers_get(&Method::POST, &url, query, resp, &LifetimePolicy::default())
    };
    for (location, as_it_is, by_rule) in [
        ("/a?a=1&b=2", true, true),
        ("?b=2&a=1", false, true),
        ("/a?b=2&utm_source=x&a=1", false, true),
        ("?b=2&a=2", false, false),
        ("/a", false, false),
        ("/a?utm_source=x", false, false),
        ("/A?a=1&b=2", false, false),
    ] {
        assert_eq!(answers(&QueryRule::default(), location), as_it_is, "{location}");
        assert_eq!(answers(&sorted, location), by_rule, "{location}");
    }
}
