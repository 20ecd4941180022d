use super::*;
use crate::core::cache_control::fields::any_value;
use http::HeaderValue;
use proptest::prelude::*;

fn hop<'a>(peer: &str, host: &'a str) -> Hop<'a> {
    Hop { peer: peer.parse().unwrap(), node: "fra-1", proto: Proto::Https, host }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(text).unwrap());
    }
    headers
}

#[track_caller]
fn check(peer: &str, host: &str, expected: &str) {
    assert_eq!(hop(peer, host).element(), expected);
}

/// What a request says of the way after this hop: `Forwarded`, `X-Forwarded-For`, `-Proto`, `-Host`.
#[track_caller]
fn check_applied(lines: &[(&'static str, &str)], trail: Trail, expected: [&str; 4]) {
    let mut request = headers(lines);
    hop("192.0.2.7", "example.com").apply(&mut request, trail);
    let names = ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"];
    for (name, wanted) in names.into_iter().zip(expected) {
        let values: Vec<_> = request.get_all(name).iter().collect();
        assert_eq!(values, [wanted], "{name} of {lines:?}");
    }
}

#[test]
fn elements() {
    check("192.0.2.7", "example.com", "for=192.0.2.7;by=_fra-1;proto=https;host=example.com");
    check("2001:db8::1", "example.com", "for=\"[2001:db8::1]\";by=_fra-1;proto=https;host=example.com");
    check("::ffff:192.0.2.7", "a:8080", "for=192.0.2.7;by=_fra-1;proto=https;host=\"a:8080\"");
    check("192.0.2.7", "a\"b\\é\n", "for=192.0.2.7;by=_fra-1;proto=https;host=\"a\\\"b\\\\??\"");
    check("192.0.2.7", "", "for=192.0.2.7;by=_fra-1;proto=https;host=\"\"");
    let odd = Hop { node: "a b;c=\"", proto: Proto::Http, ..hop("192.0.2.7", "x") };
    assert_eq!(odd.element(), "for=192.0.2.7;by=_a_b_c__;proto=http;host=x");
}

const OURS: &str = "for=192.0.2.7;by=_fra-1;proto=https;host=example.com";

#[test]
fn a_client_has_no_say_in_the_trail() {
    let forged = [
        ("forwarded", "for=10.0.0.1"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
    ];
    check_applied(&forged, Trail::StartAnew, [OURS, "192.0.2.7", "https", "example.com"]);
    check_applied(&[], Trail::StartAnew, [OURS, "192.0.2.7", "https", "example.com"]);
}

#[test]
fn a_tier_of_ours_is_appended_to() {
    let above = [
        ("forwarded", "for=\"[2001:db8::1]\";host=\"a, b\""),
        ("x-forwarded-for", "2001:db8::1"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "site.example"),
    ];
    let forwarded = format!("for=\"[2001:db8::1]\";host=\"a, b\", {OURS}");
    check_applied(&above, Trail::Append, [&forwarded, "2001:db8::1, 192.0.2.7", "http", "site.example"]);
    check_applied(&[], Trail::Append, [OURS, "192.0.2.7", "https", "example.com"]);
}

#[test]
fn a_trail_that_cannot_be_continued_is_begun_anew() {
    let long = "x".repeat(MAX_TRAIL_BYTES);
    check_applied(&[("x-forwarded-for", &long)], Trail::Append, [OURS, "192.0.2.7", "https", "example.com"]);
    let unclosed = [("forwarded", "for=\"10.0.0.1")];
    check_applied(&unclosed, Trail::Append, [OURS, "192.0.2.7", "https", "example.com"]);
}

#[test]
fn via() {
    for (version, name, expected) in [
        (Version::HTTP_11, "fra-1", "1.1 fra-1"),
        (Version::HTTP_10, "fra-1", "1.0 fra-1"),
        (Version::HTTP_2, "a b", "2 a_b"),
        (Version::HTTP_3, "", "3 _"),
    ] {
        assert_eq!(via_member(version, name), expected);
    }
    let mut response = headers(&[("via", "1.1 shield"), ("via", "1.0 old (some, comment)")]);
    append_via(&mut response, Version::HTTP_11, "fra-1");
    assert_eq!(response.get_all("via").iter().collect::<Vec<_>>(), ["1.1 shield, 1.0 old (some, comment), 1.1 fra-1"]);
}

#[test]
fn loops() {
    let mut request = headers(&[("cdn-loop", "other;tidewall=1, Tidewall; v=2")]);
    assert_eq!(detect_loop(&request, "tidewall", 1), Loop::None);
    append_cdn_loop(&mut request, "tidewall", "0123");
    assert_eq!(request["cdn-loop"], "other;tidewall=1, Tidewall; v=2, tidewall;w=0123");
    assert_eq!(detect_loop(&request, "tidewall", 1), Loop::Detected { passes: 2 });
    assert_eq!(detect_loop(&request, "tidewall", 2), Loop::None);
    assert_eq!(detect_loop(&request, "wall", 0), Loop::None);
}

#[test]
fn a_request_is_known_again_by_its_word() {
    let mut request = HeaderMap::new();
    append_cdn_loop(&mut request, "tidewall", "0123");
    append_cdn_loop(&mut request, "tidewall", "4567");
    assert!(has_passed(&request, "tidewall", "0123") && has_passed(&request, "tidewall", "4567"));
    for (value, is_back) in [
        ("x; a=b, TIDEWALL ; v=1 ; w=0123", true),
        ("tidewall", false),
        ("tidewall;w=", false),
        ("tidewall;w=012", false),
        ("tidewall;w=01234", false),
        ("tidewall;v=0123", false),
        ("other;w=0123", false),
        ("tidewall;v=\";w=0123\"", false),
    ] {
        assert_eq!(has_passed(&headers(&[("cdn-loop", value)]), "tidewall", "0123"), is_back, "{value}");
    }
}

proptest! {
    #[test]
    fn whatever_came_the_outcome_is_one_line_that_ends_with_ours(
        value in any_value(),
        host in ".{0,30}",
        node in ".{0,10}",
    ) {
        let mut request = HeaderMap::new();
        for name in ["forwarded", "x-forwarded-for", "via", "cdn-loop"] {
            request.append(name, value.clone());
        }
        let hop = Hop { peer: [192, 0, 2, 7].into(), node: &node, proto: Proto::Http, host: &host };
        hop.apply(&mut request, Trail::Append);
        append_via(&mut request, Version::HTTP_2, &node);
        append_cdn_loop(&mut request, &node, "0123");
        for name in ["forwarded", "x-forwarded-for", "via", "cdn-loop"] {
            prop_assert_eq!(request.get_all(name).iter().count(), 1);
        }
        let ours = list_members(&request, &header::FORWARDED).last().unwrap();
        let element = hop.element();
        prop_assert_eq!(ours.bytes, element.as_bytes());
        prop_assert_eq!(ours.quoting, Quoting::Closed);
    }
}
