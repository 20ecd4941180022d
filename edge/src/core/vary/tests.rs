use super::*;
use crate::core::cache_control::fields::any_value;
use http::HeaderValue;
use proptest::prelude::*;

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in lines {
        headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(text).unwrap());
    }
    headers
}

#[track_caller]
fn check_rule(lines: &[&str], expected: Result<&[&str], VaryRefusal>) {
    let head = headers(&lines.iter().map(|line| ("Vary", *line)).collect::<Vec<_>>());
    let rule = VaryRule::from_response(&head);
    let names = rule.as_ref().map(|rule| rule.fields().iter().map(HeaderName::as_str).collect::<Vec<_>>());
    assert_eq!(names.map_err(|e| *e), expected.map(<[&str]>::to_vec), "{lines:?}");
}

/// Whether two requests select the same variant of a response with this `Vary`.
#[track_caller]
fn check_match(vary: &str, a: &[(&str, &str)], b: &[(&str, &str)], expected: bool) {
    let rule = VaryRule::from_response(&headers(&[("Vary", vary)])).unwrap();
    let key = |lines| rule.variant_key(&headers(lines), VaryPolicy::default());
    assert_eq!(key(a) == key(b), expected, "{a:?} {b:?}");
}

#[track_caller]
fn check_encoding(lines: &[&str], expected: &str) {
    let head = headers(&lines.iter().map(|line| ("Accept-Encoding", *line)).collect::<Vec<_>>());
    assert_eq!(normalise_accept_encoding(&head), expected, "{lines:?}");
}

#[test]
fn rules() {
    check_rule(&[], Ok(&[]));
    check_rule(&["", " , "], Ok(&[]));
    check_rule(&["X-B, accept-encoding", "x-b,, A"], Ok(&["a", "accept-encoding", "x-b"]));
    for star in [&["*"][..], &["*, *"], &["*", "*"], &[", *"], &["", "*"], &["*, Foo"], &["Foo, *"], &["a b, *"]] {
        check_rule(star, Err(VaryRefusal::Star));
    }
    check_rule(&["a b"], Err(VaryRefusal::Malformed));
    check_rule(&["é"], Err(VaryRefusal::Malformed));
    let many: Vec<String> = (0..=MAX_VARY_FIELDS).map(|n| format!("x-{n}")).collect();
    check_rule(&[&many.join(",")], Err(VaryRefusal::TooManyFields));
}

#[test]
fn a_response_that_does_not_vary_has_one_variant() {
    let rule = VaryRule::from_response(&HeaderMap::new()).unwrap();
    assert!(rule.is_empty());
    assert_eq!(rule.variant_key(&headers(&[("Foo", "1")]), VaryPolicy::default()), VariantKey::SOLE);
}

#[test]
fn values() {
    check_match("Foo", &[("Foo", "1")], &[("Foo", "1"), ("Bar", "2")], true);
    check_match("Foo", &[("Foo", "1")], &[("Foo", "2")], false);
    check_match("Foo", &[("Foo", "a")], &[("Foo", "A")], false);
    check_match("Foo", &[], &[("Bar", "2")], true);
    check_match("Foo", &[], &[("Foo", "")], false);
    check_match("Foo", &[("Foo", "1, 2")], &[("Foo", "1 ,2")], true);
    check_match("Foo", &[("Foo", "1, 2")], &[("Foo", "1"), ("Foo", "2")], true);
    check_match("Foo", &[("Foo", "1, 2")], &[("Foo", "2, 1")], false);
    check_match("Foo", &[("Foo", "\"1, 2\"")], &[("Foo", "\"1,2\"")], false);
    check_match("Foo", &[("Foo", "a b")], &[("Foo", "ab")], false);
}

#[test]
fn empty_members_count_but_in_lists() {
    for name in ["Foo", "X-User", "Cookie"] {
        check_match(name, &[(name, "1,,2")], &[(name, "1,2")], false);
        check_match(name, &[(name, ",1")], &[(name, "1")], false);
        check_match(name, &[(name, "1,")], &[(name, "1")], false);
        check_match(name, &[(name, ",")], &[(name, "")], false);
        check_match(name, &[(name, " 1\t")], &[(name, "1")], true);
        check_match(name, &[(name, "1, 2")], &[(name, "1"), (name, "2")], true);
        check_match(name, &[(name, "1"), (name, "")], &[(name, "1")], false);
    }
    check_match("Cookie", &[("Cookie", "a=1 , 2")], &[("Cookie", "a=1, 2")], false);
    check_match("User-Agent", &[("User-Agent", "a (b,c)")], &[("User-Agent", "a (b, c)")], false);
    check_match("Foo", &[("Foo", "a\"b, c")], &[("Foo", "a\"b,c")], false);
    for name in ["Accept", "Accept-Language", "Cache-Control", "Prefer"] {
        check_match(name, &[(name, ",1 ,,\t2,")], &[(name, "1,2")], true);
        check_match(name, &[(name, "1"), (name, "")], &[(name, "1")], true);
    }
}

#[test]
fn several_fields_do_not_run_into_each_other() {
    check_match("a, b", &[("a", "1"), ("b", "2")], &[("b", "2"), ("a", "1")], true);
    check_match("a, b", &[("a", "1")], &[("b", "1")], false);
    check_match("a, b", &[("a", "12")], &[("a", "1"), ("b", "2")], false);
}

#[test]
fn the_rule_is_part_of_the_key() {
    let key = |vary| {
        let rule = VaryRule::from_response(&headers(&[("Vary", vary)])).unwrap();
        rule.variant_key(&headers(&[("a", "1"), ("b", "1")]), VaryPolicy::default())
    };
    assert_ne!(key("a"), key("b"));
    assert_ne!(key("a"), key("a, b"));
}

#[test]
fn languages_without_case_and_space() {
    check_match(
        "Accept-Language",
        &[("accept-language", "en-GB; q=1, de")],
        &[("accept-language", "EN-gb;q=1,de")],
        true,
    );
    check_match("Accept-Language", &[("accept-language", "en, de")], &[("accept-language", "de, en")], false);
}

#[test]
fn encodings_by_the_codings_that_matter() {
    check_match(
        "Accept-Encoding",
        &[("accept-encoding", "gzip, deflate")],
        &[("accept-encoding", "x, gzip;q=0.5")],
        true,
    );
    check_match("Accept-Encoding", &[("accept-encoding", "gzip")], &[("accept-encoding", "br")], false);
    check_match("Accept-Encoding", &[], &[("accept-encoding", "identity")], true);
    let rule = VaryRule::from_response(&headers(&[("Vary", "Accept-Encoding")])).unwrap();
    let policy = VaryPolicy { accept_encoding: AcceptEncoding::AsReceived, ..VaryPolicy::default() };
    let key = |value| rule.variant_key(&headers(&[("accept-encoding", value)]), policy);
    assert_ne!(key("gzip"), key("gzip, deflate"));
}

#[test]
fn accept_encoding() {
    check_encoding(&[], "identity");
    check_encoding(&[""], "identity");
    check_encoding(&["gzip, deflate, br, zstd"], "br, gzip");
    check_encoding(&["BR"], "br");
    check_encoding(&["deflate", "x-gzip"], "gzip");
    check_encoding(&["*"], "br, gzip");
    check_encoding(&["*;q=0, gzip"], "gzip");
    check_encoding(&["br;q=0, *"], "gzip");
    check_encoding(&["gzip;q=0"], "identity");
    check_encoding(&["gzip;q=0.001, br;Q=0.000"], "gzip");
    check_encoding(&["gzip; q = 0.5"], "gzip");
    for bad in ["q=2", "q=", "q", "q=1.001", "q=0.0001", "q=x", "q=-1", "q=1.x"] {
        check_encoding(&[&format!("gzip;{bad}")], "identity");
    }
    check_encoding(&["gzip, gzip;q=0"], "identity");
    check_encoding(&["gzip;q=0, gzip"], "identity");
    check_encoding(&["identity;q=0"], "identity");
}

fn any_lines() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("(accept-encoding|accept-language|x-a|x-b)", "[ -~]{0,12}"), 0..6)
}

proptest! {
    #[test]
    fn neither_case_nor_order_of_names_matters(lines in any_lines(), swap in any::<bool>()) {
        // Lines of one name stay in order; that of different names is free.
        let mut shuffled: Vec<_> = lines.iter().map(|(name, value)| (name.to_ascii_uppercase(), value.clone())).collect();
        shuffled.sort_by(|a, b| if swap { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) });
        let head = |lines: &[(String, String)]| headers(&lines.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>());
        let rule = VaryRule::from_response(&headers(&[("Vary", "X-B, x-a, Accept-Language"), ("vary", "ACCEPT-ENCODING")])).unwrap();
        let other = VaryRule::from_response(&headers(&[("Vary", "accept-encoding,accept-language,x-a,x-b")])).unwrap();
        prop_assert_eq!(&rule, &other);
        for accept_encoding in [AcceptEncoding::Normalised, AcceptEncoding::AsReceived] {
            let policy = VaryPolicy { accept_encoding, ..VaryPolicy::default() };
            prop_assert_eq!(rule.variant_key(&head(&lines), policy), other.variant_key(&head(&shuffled), policy));
        }
    }

    #[test]
    fn any_value_is_survived(value in any_value()) {
        let mut head = HeaderMap::new();
        for name in ["vary", "accept-encoding", "accept-language"] {
            head.append(name, value.clone());
        }
        let rule = VaryRule::from_response(&headers(&[("vary", "vary, accept-language, accept-encoding")])).unwrap();
        let _ = (VaryRule::from_response(&head), rule.variant_key(&head, VaryPolicy::default()));
    }

    #[test]
    fn what_is_normalised_stays_as_it_is(text in "((br|gzip|x-gzip|\\*|zstd)(;q=[01](\\.[0-9]{0,3})?)?, ?){0,4}") {
        let once = normalise_accept_encoding(&headers(&[("accept-encoding", &text)]));
        prop_assert_eq!(normalise_accept_encoding(&headers(&[("accept-encoding", once)])), once);
    }
}

#[test]
fn keys_by_encoding_are_those_of_the_whole_request() {
    let rule = |vary: &str| VaryRule::from_response(&headers(&[("vary", vary)])).expect("a rule");
    for accept_language in [AcceptLanguage::AsReceived, AcceptLanguage::Normalised] {
        let policy = VaryPolicy { accept_language, ..VaryPolicy::default() };
        for lines in
            [&[][..], &["gzip"], &["gzip, br"], &["br;q=0, *"], &["identity", "br"], &["x-gzip;q=0.5"], &["\"a, b"]]
        {
            let request = headers(&lines.iter().map(|line| ("accept-encoding", *line)).collect::<Vec<_>>());
            let bytes = || lines.iter().map(|line| line.as_bytes());
            let rule_of_one = rule("Accept-Encoding");
            assert_eq!(rule_of_one.key_by_encoding(bytes(), policy), Some(rule_of_one.variant_key(&request, policy)));
            for other in ["", "Accept", "Accept-Encoding, Accept"] {
                assert_eq!(rule(other).key_by_encoding(bytes(), policy), None, "{other:?}");
            }
            let as_sent = VaryPolicy { accept_encoding: AcceptEncoding::AsReceived, ..policy };
            assert_eq!(rule_of_one.key_by_encoding(bytes(), as_sent), None);
        }
    }
}
