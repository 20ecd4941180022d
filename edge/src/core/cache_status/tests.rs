use super::*;
use crate::core::cache_control::fields::any_value;
use crate::core::member::{MAX_INHERITED_BYTES, MAX_TEXT_BYTES};
use http::HeaderValue;
use proptest::prelude::*;
use sfv::{BareItem, List, ListEntry, Parser};

fn status(handling: Handling) -> CacheStatus<'static> {
    CacheStatus { cache: "fra-1", handling, ttl_secs: None, key: None, detail: None }
}

fn miss(change: impl FnOnce(&mut Forwarded)) -> CacheStatus<'static> {
    let mut forwarded = Forwarded::new(FwdReason::UriMiss);
    change(&mut forwarded);
    status(Handling::Forwarded(forwarded))
}

/// Writes a member, and reads it back as a structured field.
#[track_caller]
fn check(status: &CacheStatus<'_>, expected: &str) {
    let text = status.to_member();
    assert_eq!(text, expected);
    assert_eq!(Parser::new(&text).parse::<List>().unwrap().len(), 1);
}

#[track_caller]
fn check_appended(lines: &[&str], expected: &str) {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&CACHE_STATUS, HeaderValue::from_str(line).unwrap());
    }
    status(Handling::Hit).append_to(&mut headers);
    let after: Vec<_> = headers.get_all(&CACHE_STATUS).iter().collect();
    assert_eq!(after, [expected], "{lines:?}");
}

#[test]
fn members() {
    check(&status(Handling::Hit), "fra-1;hit");
    check(&CacheStatus { ttl_secs: Some(545), ..status(Handling::Hit) }, "fra-1;hit;ttl=545");
    check(&CacheStatus { ttl_secs: Some(-412), ..status(Handling::Hit) }, "fra-1;hit;ttl=-412");
    check(&CacheStatus { ttl_secs: Some(i64::MIN), ..status(Handling::Hit) }, "fra-1;hit;ttl=-999999999999999");
    check(&miss(|_| {}), "fra-1;fwd=uri-miss");
    check(
        &miss(|f| (f.status, f.stored, f.collapsed) = (Some(304), true, true)),
        "fra-1;fwd=uri-miss;fwd-status=304;stored;collapsed",
    );
    check(&miss(|f| f.reason = FwdReason::Stale), "fra-1;fwd=stale");
    let refused = CacheStatus { detail: Some("unknown-host"), ..status(Handling::Refused) };
    check(&refused, "fra-1;detail=\"unknown-host\"");
}

#[test]
fn names_keys_and_details() {
    let hit = status(Handling::Hit);
    check(&CacheStatus { cache: "Tidewall fra", ..hit }, "\"Tidewall fra\";hit");
    check(&CacheStatus { cache: "1st", ..hit }, "\"1st\";hit");
    check(&CacheStatus { cache: "", ..hit }, "\"\";hit");
    check(&CacheStatus { cache: "münchen\r\n", ..hit }, "\"m?nchen??\";hit");
    let told = CacheStatus { key: Some("/a\"b\\"), detail: Some("soft-purged"), ..hit };
    check(&told, r#"fra-1;hit;key="/a\"b\\";detail="soft-purged""#);
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    check(&CacheStatus { detail: Some(&long), ..hit }, &format!("fra-1;hit;detail=\"{}\"", &long[1..]));
}

#[test]
fn appended_behind_the_tiers_above() {
    check_appended(&[], "fra-1;hit");
    check_appended(&["shield;hit;ttl=1100"], "shield;hit;ttl=1100, fra-1;hit");
    check_appended(&["a;hit", "b;fwd=miss"], "a;hit, b;fwd=miss, fra-1;hit");
    check_appended(&[""], "fra-1;hit");
    check_appended(&["HIT from cache"], "fra-1;hit");
    check_appended(&["a;hit,"], "fra-1;hit");
    // What RFC 9651 has added is no list of RFC 8941, by which readers of the field go.
    check_appended(&["@2020"], "fra-1;hit");
    check_appended(&["a;hit", "b;since=@2020"], "fra-1;hit");
    check_appended(&["a;detail=%\"x\""], "fra-1;hit");
    check_appended(&[&format!("\"{}\"", "x".repeat(MAX_INHERITED_BYTES))], "fra-1;hit");
}

proptest! {
    #[test]
    fn whatever_the_texts_hold_a_list_comes_of_it(
        cache in "\\PC{0,20}|.{0,5}",
        key in prop::option::of(".{0,300}"),
        detail in prop::option::of("[ -~\\x00-\\x1f]{0,20}"),
        ttl_secs: Option<i64>,
        above in prop::option::of(prop_oneof![any_value(), Just(HeaderValue::from_static("a;hit, b;fwd=miss"))]),
        status: Option<u16>,
    ) {
        let forwarded = Forwarded { reason: FwdReason::Partial, status, stored: true, collapsed: false };
        let handling = if status.is_some() { Handling::Forwarded(forwarded) } else { Handling::Hit };
        let status = CacheStatus { cache: &cache, handling, ttl_secs, key: key.as_deref(), detail: detail.as_deref() };
        let mut headers = HeaderMap::new();
        if let Some(value) = above {
            headers.append(&CACHE_STATUS, value);
        }
        let members_above = inherited(&headers).map_or(0, |list| Parser::new(&list).parse::<List>().unwrap().len());
        status.append_to(&mut headers);
        let lines: Vec<_> = headers.get_all(&CACHE_STATUS).iter().collect();
        prop_assert_eq!(lines.len(), 1);
        let list: List = Parser::new(lines[0].as_bytes()).parse().unwrap();
        prop_assert_eq!(list.len(), members_above + 1);
        let Some(ListEntry::Item(item)) = list.last() else { return Err(TestCaseError::fail("not an item")) };
        prop_assert!(matches!(item.bare_item, BareItem::Token(_) | BareItem::String(_)));
        prop_assert_eq!(item.params.contains_key("hit"), handling == Handling::Hit);
    }
}
