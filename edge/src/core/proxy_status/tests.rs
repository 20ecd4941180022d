use super::*;
use crate::core::cache_control::fields::any_value;
use crate::core::member::{MAX_INHERITED_BYTES, MAX_TEXT_BYTES};
use http::HeaderValue;
use proptest::prelude::*;
use sfv::{BareItem, List, ListEntry, Parser};

const NODE: ProxyStatus<'static> = ProxyStatus::of("fra-1");

/// Writes a member, and reads it back as a structured field.
#[track_caller]
fn check(status: &ProxyStatus<'_>, expected: &str) {
    let text = status.to_member();
    assert_eq!(text, expected);
    assert_eq!(Parser::new(&text).parse::<List>().unwrap().len(), 1);
}

#[track_caller]
fn check_appended(lines: &[&str], expected: &str) {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&PROXY_STATUS, HeaderValue::from_str(line).unwrap());
    }
    NODE.append_to(&mut headers);
    let after: Vec<_> = headers.get_all(&PROXY_STATUS).iter().collect();
    assert_eq!(after, [expected], "{lines:?}");
}

#[test]
fn members() {
    check(&NODE, "fra-1");
    let refused = ProxyStatus { error: Some(ProxyError::ConnectionRefused), ..NODE };
    check(&refused, "fra-1;error=connection_refused");
    check(&ProxyStatus { received_status: Some(503), ..NODE }, "fra-1;received-status=503");
    check(
        &ProxyStatus { received_status: Some(200), error: Some(ProxyError::HttpResponseIncomplete), ..NODE },
        "fra-1;error=http_response_incomplete;received-status=200",
    );
    check(
        &ProxyStatus { error: Some(ProxyError::HttpRequestError), details: Some("a \"b\"\n"), ..NODE },
        r#"fra-1;error=http_request_error;details="a \"b\"?""#,
    );
    check(&ProxyStatus { proxy: "1st", ..refused }, "\"1st\";error=connection_refused");
    check(&ProxyStatus { proxy: "münchen", ..NODE }, "\"m?nchen\"");
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    check(&ProxyStatus { details: Some(&long), ..NODE }, &format!("fra-1;details=\"{}\"", &long[1..]));
}

/// Each is written as the token that it is.
#[test]
fn errors_are_tokens() {
    for error in ProxyError::ALL {
        check(&ProxyStatus { error: Some(error), ..NODE }, &format!("fra-1;error={}", error.as_str()));
    }
}

#[test]
fn timeouts_are_those_that_say_so() {
    for error in ProxyError::ALL {
        assert_eq!(error.is_timeout(), error.as_str().ends_with("_timeout"), "{error:?}");
    }
}

#[test]
fn appended_behind_the_tiers_above() {
    check_appended(&[], "fra-1");
    check_appended(&["shield;error=dns_error"], "shield;error=dns_error, fra-1");
    check_appended(
        &["a;next-hop=\"b:80\"", "\"b c\"; received-status=500"],
        "a;next-hop=\"b:80\", \"b c\";received-status=500, fra-1",
    );
    check_appended(&[""], "fra-1");
    check_appended(&["failed badly"], "fra-1");
    check_appended(&["a;since=@2020"], "fra-1");
    check_appended(&[&format!("\"{}\"", "x".repeat(MAX_INHERITED_BYTES))], "fra-1");
}

proptest! {
    #[test]
    fn whatever_the_texts_hold_a_list_comes_of_it(
        proxy in "\\PC{0,20}|.{0,5}",
        details in prop::option::of(".{0,300}"),
        received_status: Option<u16>,
        error in prop::option::of(prop::sample::select(&ProxyError::ALL)),
        above in prop::option::of(prop_oneof![any_value(), Just(HeaderValue::from_static("a;error=dns_error, b"))]),
    ) {
        let status = ProxyStatus { proxy: &proxy, error, received_status, details: details.as_deref() };
        let mut headers = HeaderMap::new();
        if let Some(value) = above {
            headers.append(&PROXY_STATUS, value);
        }
        let members_above = inherited(&headers).map_or(0, |list| Parser::new(&list).parse::<List>().unwrap().len());
        status.append_to(&mut headers);
        let lines: Vec<_> = headers.get_all(&PROXY_STATUS).iter().collect();
        prop_assert_eq!(lines.len(), 1);
        let list: List = Parser::new(lines[0].as_bytes()).parse().unwrap();
        prop_assert_eq!(list.len(), members_above + 1);
        let Some(ListEntry::Item(item)) = list.last() else { return Err(TestCaseError::fail("not an item")) };
        prop_assert!(matches!(item.bare_item, BareItem::Token(_) | BareItem::String(_)));
        prop_assert_eq!(item.params.contains_key("error"), error.is_some());
    }
}
