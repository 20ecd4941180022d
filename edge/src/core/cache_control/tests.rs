use super::*;
use http::HeaderValue;
use proptest::prelude::*;

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    lines.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect()
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fields(names: &[&'static str]) -> Option<FieldScope> {
    Some(FieldScope::Fields(names.iter().map(|name| HeaderName::from_static(name)).collect()))
}

/// Reads `Cache-Control` lines and compares with what `expected` makes of no directive at all.
#[track_caller]
fn check(lines: &[&str], expected: impl FnOnce(&mut ResponseDirectives)) {
    let headers = headers(&lines.iter().map(|line| ("cache-control", *line)).collect::<Vec<_>>());
    let mut wanted = ResponseDirectives { source: DirectiveSource::CacheControl, ..Default::default() };
    expected(&mut wanted);
    assert_eq!(effective(&headers), wanted, "{lines:?}");
}

/// What is read, without what §3.5 makes of it, which the tests of the rule for storing are about.
fn effective(headers: &HeaderMap) -> ResponseDirectives {
    ResponseDirectives { shares_authorized: false, ..effective_directives(headers, &DEFAULT_TARGET_LIST) }
}

/// Reads `CDN-Cache-Control` beside `Cache-Control: max-age=1`; `None`: the field is ignored.
#[track_caller]
fn check_targeted(lines: &[&str], expected: Option<&dyn Fn(&mut ResponseDirectives)>) {
    let mut all: Vec<_> = lines.iter().map(|line| ("cdn-cache-control", *line)).collect();
    all.push(("cache-control", "max-age=1"));
    let mut wanted = ResponseDirectives::default();
    match expected {
        Some(expected) => {
            wanted.source = DirectiveSource::Targeted;
            expected(&mut wanted);
        }
        None => {
            wanted.source = DirectiveSource::CacheControl;
            wanted.max_age = Some(secs(1));
        }
    }
    assert_eq!(effective(&headers(&all)), wanted, "{lines:?}");
}

#[track_caller]
fn check_request(lines: &[(&'static str, &str)], expected: impl FnOnce(&mut RequestDirectives)) {
    let mut wanted = RequestDirectives::default();
    expected(&mut wanted);
    assert_eq!(RequestDirectives::from_headers(&headers(lines)), wanted, "{lines:?}");
}

#[test]
fn no_field_means_no_directive() {
    assert_eq!(effective_directives(&HeaderMap::new(), &DEFAULT_TARGET_LIST), ResponseDirectives::default());
}

#[test]
fn durations() {
    check(&["max-age=60"], |d| d.max_age = Some(secs(60)));
    check(&["MaX-aGe=60 , S-MAXAGE=7"], |d| (d.max_age, d.s_maxage) = (Some(secs(60)), Some(secs(7))));
    check(&["max-age=003600"], |d| d.max_age = Some(secs(3600)));
    check(&["max-age=\"60\""], |d| d.max_age = Some(secs(60)));
    check(&["max-age=2147483648"], |d| d.max_age = Some(MAX_DELTA));
    check(&["max-age=99999999999999999999999999"], |d| d.max_age = Some(MAX_DELTA));
    check(&["max-age=5, stale-while-revalidate=10, stale-if-error=20"], |d| {
        d.max_age = Some(secs(5));
        d.stale_while_revalidate = Some(secs(10));
        d.stale_if_error = Some(secs(20));
    });
}

#[test]
fn durations_that_cannot_be_read_are_zero() {
    for value in ["", "=", "=-1", "=a60", "=60a", "=60.0", "='60'", "= 60", " =60", "=\"60", "=\"6\"0"] {
        let line = format!("max-age{value}");
        let quote_open = value == "=\"60";
        check(&[&line], |d| {
            d.max_age = Some(Duration::ZERO);
            d.no_cache = quote_open.then_some(FieldScope::Whole);
        });
    }
    check(&["stale-while-revalidate=x"], |d| d.stale_while_revalidate = Some(Duration::ZERO));
}

#[test]
fn of_several_durations_the_smallest_counts() {
    for lines in [&["max-age=1, max-age=1800"][..], &["max-age=1800, max-age=1"], &["max-age=1800", "max-age=1"]] {
        check(lines, |d| d.max_age = Some(secs(1)));
    }
    check(&["max-age=60", "max-age=x"], |d| d.max_age = Some(Duration::ZERO));
}

#[test]
fn quoted_strings_hide_what_is_in_them() {
    check(&["ext=\"max-age=3600\", max-age=1"], |d| d.max_age = Some(secs(1)));
    check(&["max-age=1, ext=\"a\\\", no-store\""], |d| d.max_age = Some(secs(1)));
}

#[test]
fn a_quoted_string_without_end_hides_nothing_and_permits_nothing() {
    check(&["public, max-age=60, ext=\"no-store, private"], |d| {
        d.max_age = Some(secs(60));
        d.private = Some(FieldScope::Whole);
        d.no_cache = Some(FieldScope::Whole);
    });
}

#[test]
fn what_forbids_counts_with_any_argument() {
    check(&["No-Store=1, must-revalidate=x, proxy-revalidate=, no-transform=\"\""], |d| {
        d.no_store = true;
        d.must_revalidate = true;
        d.proxy_revalidate = true;
        d.no_transform = true;
    });
    check(&["no-store =x"], |d| d.no_store = true);
}

#[test]
fn what_forbids_counts_with_junk_behind_it() {
    let zero = Some(Duration::ZERO);
    check(&["no-store; max-age=60"], |d| (d.no_store, d.max_age) = (true, zero));
    check(&["max-age=60; no-store"], |d| (d.no_store, d.max_age) = (true, zero));
    check(&["max-age=60;no-store;"], |d| (d.no_store, d.max_age) = (true, zero));
    check(&["Private;max-age=60, s-maxage=5"], |d| {
        d.private = Some(FieldScope::Whole);
        d.max_age = zero;
        d.s_maxage = Some(secs(5));
    });
    check(&["public, max-age=60 no-cache; must-revalidate"], |d| {
        d.public = true;
        d.max_age = zero;
        d.no_cache = Some(FieldScope::Whole);
        d.must_revalidate = true;
    });
    check(&["private=\"x-a\"; max-age=60"], |d| {
        d.private = Some(FieldScope::Whole);
        d.max_age = zero;
    });
    check(&["no-store/", "no-cache:1", "private\"x-a\"", "must-revalidate@"], |d| {
        d.no_store = true;
        d.no_cache = Some(FieldScope::Whole);
        d.private = Some(FieldScope::Whole);
        d.must_revalidate = true;
    });
    check(&["no-store;"], |d| d.no_store = true);
    for another_name in
        ["x-no-store; y", "no-stored", "no-store-x;", "/no-store", "ext=\"a; no-store private\"", "a=no-store"]
    {
        check(&[another_name], |_| {});
    }
}

#[test]
fn what_permits_does_not_count_with_junk() {
    for junk in ["public;", "public; x", "x public", "public/", "immutable; x=y", "must-understand public"] {
        check(&[junk], |_| {});
    }
    check(&["max-age;60", "max-age:60", "stale-if-error=60; x"], |d| {
        (d.max_age, d.stale_if_error) = (Some(Duration::ZERO), Some(Duration::ZERO));
    });
    check_request(&[("cache-control", "max-stale=60; no-cache")], |d| {
        (d.max_stale, d.no_cache) = (Some(MaxStale::UpTo(Duration::ZERO)), true);
    });
}

#[test]
fn what_permits_counts_only_as_it_should_be() {
    check(&["public=1, immutable=x, must-understand="], |_| {});
    check(&["public, immutable, must-understand"], |d| {
        d.public = true;
        d.immutable = true;
        d.must_understand = true;
    });
}

#[test]
fn scopes() {
    check(&["no-cache"], |d| d.no_cache = Some(FieldScope::Whole));
    check(&["private=\"Set-Cookie, X-User\""], |d| d.private = fields(&["set-cookie", "x-user"]));
    check(&["no-cache=x-a, no-cache=\"x-b\""], |d| d.no_cache = fields(&["x-a", "x-b"]));
    check(&["no-cache=\"x-a\"", "no-cache"], |d| d.no_cache = Some(FieldScope::Whole));
    for list in ["\"\"", "\" , \"", "\"a b\"", "\"x-a, content-type\"", "\"vary\"", "", "a b"] {
        check(&[&format!("private={list}")], |d| d.private = Some(FieldScope::Whole));
    }
    let many = vec!["x"; MAX_FIELD_NAMES + 1].join(",");
    check(&[&format!("private=\"{many}\"")], |d| d.private = Some(FieldScope::Whole));
}

#[test]
fn a_targeted_field_replaces_cache_control() {
    check_targeted(&["max-age=3600"], Some(&|d| d.max_age = Some(secs(3600))));
    check_targeted(
        &["max-age=10;x=1", "foobar, no-store"],
        Some(&|d| (d.max_age, d.no_store) = (Some(secs(10)), true)),
    );
    check_targeted(&["max-age=10, max-age=20"], Some(&|d| d.max_age = Some(secs(20))));
    check_targeted(&["max-age=99999999999"], Some(&|d| d.max_age = Some(MAX_DELTA)));
    check_targeted(&["foo"], Some(&|_| {}));
    check_targeted(&["private=\"x-a\""], Some(&|d| d.private = fields(&["x-a"])));
    check_targeted(&["private, no-cache=?0"], Some(&|d| d.private = Some(FieldScope::Whole)));
}

#[test]
fn a_targeted_value_of_the_wrong_type_is_read_safely() {
    for value in ["\"10000\"", "10.5", "-1", "(1 2)", "?1", "x"] {
        check_targeted(&[&format!("max-age={value}")], Some(&|d| d.max_age = Some(Duration::ZERO)));
    }
    check_targeted(&["max-age"], Some(&|d| d.max_age = Some(Duration::ZERO)));
    check_targeted(&["no-store=1, public=1"], Some(&|d| d.no_store = true));
    check_targeted(&["private=(a)"], Some(&|d| d.private = Some(FieldScope::Whole)));
}

#[test]
fn a_targeted_field_that_is_malformed_or_empty_is_ignored() {
    for lines in [&["max-age=10000, &&&&&"][..], &["MaX-aGe=60"], &[""], &["max-age= 100"], &["max-age=60,"], &[]] {
        check_targeted(lines, None);
    }
    check_targeted(&[&format!("max-age=60, x=\"{}\"", "y".repeat(9000))], None);
}

#[test]
fn request_directives() {
    check_request(&[("cache-control", "no-cache, no-store, only-if-cached, no-transform")], |d| {
        (d.no_cache, d.no_store, d.only_if_cached, d.no_transform) = (true, true, true, true);
    });
    check_request(&[("cache-control", "max-age=0, min-fresh=5, max-stale")], |d| {
        d.max_age = Some(Duration::ZERO);
        d.min_fresh = Some(secs(5));
        d.max_stale = Some(MaxStale::Any);
    });
    check_request(&[("cache-control", "max-stale, max-stale=9, max-stale=7, min-fresh=x, max-age=x")], |d| {
        d.max_age = Some(Duration::ZERO);
        d.min_fresh = Some(MAX_DELTA);
        d.max_stale = Some(MaxStale::UpTo(secs(7)));
    });
    check_request(&[("cache-control", "max-stale=x")], |d| d.max_stale = Some(MaxStale::UpTo(Duration::ZERO)));
    check_request(&[("pragma", "No-Cache")], |d| d.no_cache = true);
    check_request(&[("pragma", "no-cache"), ("cache-control", "max-age=60")], |d| d.max_age = Some(secs(60)));
}

fn any_value() -> impl Strategy<Value = HeaderValue> {
    let likely = "((no-store|private|max-age|s-maxage|public|no-cache)(=|= |=\"|)[0-9a-z\"\\, -]{0,8}[,; ]?){0,6}";
    let likely = likely.prop_map(|text| HeaderValue::try_from(text).unwrap());
    prop_oneof![likely, fields::any_value()]
}

proptest! {
    #[test]
    fn any_value_is_survived(values in prop::collection::vec(any_value(), 0..4)) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CACHE_CONTROL, value.clone());
            headers.append(&CDN_CACHE_CONTROL, value);
        }
        let read = effective_directives(&headers, &DEFAULT_TARGET_LIST);
        prop_assert!(read.max_age.is_none_or(|age| age <= MAX_DELTA));
        let _ = (RequestDirectives::from_headers(&headers), ResponseDirectives::from_cache_control(&headers));
    }

    #[test]
    fn no_store_is_not_lost_for_what_is_behind_it(junk in "[; \t/:@][;a-z0-9= /:@]{0,12}") {
        let mut headers = HeaderMap::new();
        headers.append(header::CACHE_CONTROL, HeaderValue::try_from(format!("max-age=60, no-store{junk}")).unwrap());
        prop_assert!(ResponseDirectives::from_cache_control(&headers).no_store);
    }

    #[test]
    fn a_clean_no_store_is_never_lost(before in any_value(), after in any_value()) {
        let mut headers = HeaderMap::new();
        headers.append(header::CACHE_CONTROL, before);
        headers.append(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60, no-store"));
        headers.append(header::CACHE_CONTROL, after);
        prop_assert!(ResponseDirectives::from_cache_control(&headers).no_store);
    }
}

#[test]
fn what_a_site_heeds_of_a_request() {
    let mut headers = HeaderMap::new();
    let all = "no-cache, no-store, max-age=1, min-fresh=2, max-stale=3, only-if-cached, no-transform, stale-if-error=4";
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(all));
    let asked = RequestDirectives::from_headers(&headers);
    assert_eq!(ClientDirectives::All.heeded(&asked), asked);
    let heeded = ClientDirectives::Harmless.heeded(&asked);
    let costs = (heeded.no_cache, heeded.no_store, heeded.max_age, heeded.min_fresh);
    assert_eq!(costs, (false, false, None, None));
    assert_eq!(
        (heeded.max_stale, heeded.only_if_cached, heeded.stale_if_error),
        (asked.max_stale, true, asked.stale_if_error)
    );
}
