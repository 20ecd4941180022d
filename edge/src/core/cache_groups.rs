//! `Cache-Groups` and `Cache-Group-Invalidation` (RFC 9875): an origin names the groups that a response belongs to, and
//! the answer to an unsafe request names the groups that it makes invalid. Both are lists of structured fields' strings.
//!
//! Groups belong to one origin (scheme, host and port): see [`super::purge::Selector::Group`].

use http::HeaderMap;
use http::header::HeaderName;
use sfv::{BareItem, Item, List, ListEntry, Parser};

/// The groups that a response belongs to (RFC 9875 §2).
pub static CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// The groups that an unsafe request has made invalid (RFC 9875 §3).
pub static CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// Most groups of one field that are kept; the RFC asks for 32 at least.
pub const MAX_GROUPS: usize = 128;

/// Longest field that is read, in bytes over all lines.
const MAX_FIELD_BYTES: usize = 16 << 10;

/// What a field of groups says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// These, in order.
    Named(Vec<String>),
    /// More than are kept. A response with so many is not stored: an invalidation would miss it.
    TooMany,
}

/// Reads a field of groups. One that is absent, malformed, or lists anything but strings names none (RFC 9651 §1.1: such
/// a field is ignored as a whole).
pub fn read_groups(headers: &HeaderMap, field: &HeaderName) -> Groups {
    let lines: Vec<&[u8]> = headers.get_all(field).iter().map(|line| line.as_bytes()).collect();
    let combined = lines.join(&b", "[..]);
    if combined.len() > MAX_FIELD_BYTES {
        return Groups::TooMany;
    }
    let Ok(list) = Parser::new(&combined).parse::<List>() else { return Groups::Named(Vec::new()) };
    if list.len() > MAX_GROUPS {
        return Groups::TooMany;
    }
    let names: Option<Vec<String>> = list.iter().map(name_of).collect();
    Groups::Named(names.unwrap_or_default())
}

fn name_of(entry: &ListEntry) -> Option<String> {
    match entry {
        ListEntry::Item(Item { bare_item: BareItem::String(name), .. }) => Some(name.as_str().to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cache_control::fields::any_value;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[track_caller]
    fn check(lines: &[&str], want: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&CACHE_GROUPS, HeaderValue::from_str(line).expect("a legal field value"));
        }
        let want = want.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(read_groups(&headers, &CACHE_GROUPS), Groups::Named(want), "{lines:?}");
    }

    #[test]
    fn groups_of_all_lines() {
        check(&[], &[]);
        check(&[r#""a", "b c""#, r#""D";x=1"#], &["a", "b c", "D"]);
    }

    #[test]
    fn what_is_no_list_of_strings_names_none() {
        for line in ["a", "1", r#""a", b"#, r#"("a")"#, r#""a"#, r#""a",,"b""#] {
            check(&[line], &[]);
        }
    }

    #[test]
    fn too_many() {
        let mut headers = HeaderMap::new();
        let many = vec![r#""x""#; MAX_GROUPS + 1].join(", ");
        headers.insert(&CACHE_GROUPS, HeaderValue::from_str(&many).expect("a legal field value"));
        assert_eq!(read_groups(&headers, &CACHE_GROUPS), Groups::TooMany);
    }

    proptest! {
        #[test]
        fn any_line_is_survived_and_names_round_trip(line in any_value(), names in prop::collection::vec("[ -~]{0,20}", 0..9)) {
            let mut headers = HeaderMap::new();
            headers.append(&CACHE_GROUPS, line);
            let _ = read_groups(&headers, &CACHE_GROUPS);
            let quoted = names.iter().map(|name| format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")));
            let line = quoted.collect::<Vec<_>>().join(", ");
            headers.insert(&CACHE_GROUPS, HeaderValue::from_str(&line).unwrap());
            prop_assert_eq!(read_groups(&headers, &CACHE_GROUPS), Groups::Named(names));
        }
    }
}
