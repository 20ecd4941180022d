//! Fields that a fleet file names: those that hold directives or tags, and those that rules change. A field that has a
//! meaning of its own, for the message, the connection or the cache, holds neither, and some are not for rules to change.

use super::reader::{At, Section};
use crate::core::site_rule::HeaderChange;
use crate::core::tier::TIER_FIELD;
use http::{HeaderName, HeaderValue};
use toml::de::DeValue;

/// In which direction a rule changes a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// In requests, towards the origin.
    ToOrigin,
    /// In responses, towards the client.
    ToClient,
}

/// Fields that frame a message, or are of one connection: no rule changes them (RFC 9112 §6, RFC 9110 §7.6.1).
const OF_THE_CONNECTION: [&str; 12] = [
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "host",
];

/// Fields that the node writes itself, in either direction, and by which nodes and CDNs know each other.
const OF_THE_NODE: [&str; 7] =
    ["via", "cdn-loop", "x-request-id", "cache-status", "proxy-status", "tidewall-date", TIER_FIELD];

/// Request fields by which the cache asks for what it stores: the whole, validated with what it has (RFC 9110 §13, §14).
const OF_THE_CACHES_REQUESTS: [&str; 7] =
    ["range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "expect"];

/// Response fields that the cache reckons, or that say how to read the body that is sent.
const OF_THE_CACHES_RESPONSES: [&str; 4] = ["age", "date", "content-encoding", "content-range"];

/// Response fields that have a meaning of their own, beside those above and all that begin with `Content-` and
/// `Access-Control-` (RFC 9110, RFC 9111, RFC 6265, RFC 8288, RFC 9875).
const WITH_A_MEANING: [&str; 33] = [
    "accept",
    "accept-ch",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "allow",
    "alt-svc",
    "authentication-info",
    "authorization",
    "cache-group-invalidation",
    "cache-groups",
    "clear-site-data",
    "cookie",
    "etag",
    "expires",
    "forwarded",
    "last-modified",
    "link",
    "location",
    "pragma",
    "proxy-authentication-info",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "user-agent",
    "vary",
    "warning",
    "www-authenticate",
    "x-frame-options",
    "cache-control",
];

/// Whether a field can be one of `targeted_fields` (RFC 9213 §2).
pub(super) fn may_be_targeted(field: &HeaderName) -> Result<(), (&'static str, &'static str)> {
    let hint = "name a field that is aimed at this cache, as in \"CDN-Cache-Control\"";
    match field.as_str() {
        "cache-control" => Err(("is what speaks to all caches, and counts where none of these fields is there", hint)),
        _ if has_a_meaning(field) => Err((MEANS_MORE, hint)),
        _ => Ok(()),
    }
}

/// Whether a field can be one of `tag_fields`.
pub(super) fn may_carry_tags(field: &HeaderName) -> Result<(), (&'static str, &'static str)> {
    let holds_directives = field.as_str().ends_with("cache-control") || field == "surrogate-control";
    match holds_directives || has_a_meaning(field) {
        true => Err((MEANS_MORE, "name a field that holds nothing but tags, as in \"Surrogate-Key\"")),
        false => Ok(()),
    }
}

const MEANS_MORE: &str = "has a meaning of its own in a response";

fn has_a_meaning(field: &HeaderName) -> bool {
    let name = field.as_str();
    let groups: [&[&str]; 5] =
        [&WITH_A_MEANING, &OF_THE_CONNECTION, &OF_THE_NODE, &OF_THE_CACHES_REQUESTS, &OF_THE_CACHES_RESPONSES];
    name.starts_with("content-")
        || name.starts_with("access-control-")
        || groups.iter().any(|group| group.contains(&name))
}

/// A list of fields, each of which `may_be` there.
pub(super) fn read_fields(
    section: &Section<'_>,
    key: &'static str,
    may_be: fn(&HeaderName) -> Result<(), (&'static str, &'static str)>,
) -> Option<Vec<HeaderName>> {
    let list = section.distinct(key, str::to_ascii_lowercase)?;
    let mut fields = Vec::new();
    for at in list {
        match HeaderName::from_bytes(at.value.as_bytes()) {
            Ok(name) => match may_be(&name) {
                Ok(()) => fields.push(name),
                Err((what, hint)) => section.reject(&at, what, hint),
            },
            Err(_) => section.reject(&at, "is not a field name", "write it as in \"Surrogate-Key\""),
        }
    }
    Some(fields)
}

/// Why a rule can't change a field in this direction; `None` if it can.
fn is_fixed(field: &HeaderName, way: Way) -> Option<(&'static str, &'static str)> {
    let name = field.as_str();
    let fixed = "a rule can't change this field";
    if OF_THE_CONNECTION.contains(&name) {
        return Some((fixed, "remove it: it is of each connection, or says how the message is framed"));
    }
    if OF_THE_NODE.contains(&name) {
        return Some((fixed, "remove it: the node writes it itself"));
    }
    match way {
        Way::ToOrigin if OF_THE_CACHES_REQUESTS.contains(&name) => Some((
            fixed,
            "remove it: the cache asks for what it stores; see range_miss, or pass what it should not store",
        )),
        Way::ToClient if OF_THE_CACHES_RESPONSES.contains(&name) => {
            Some((fixed, "remove it: the cache says here what it sends, and how old that is"))
        }
        _ => None,
    }
}

/// The changes of fields that a rule makes.
pub(super) fn read_changes(section: &Section<'_>, key: &'static str, way: Way) -> Vec<HeaderChange> {
    let Some(table) = section.section(key) else { return Vec::new() };
    let mut changes: Vec<HeaderChange> = Vec::new();
    for (name, value) in table.entries() {
        let at = At { value: (), key: name.key.clone(), span: value.span() };
        let field = HeaderName::from_bytes(name.value.as_bytes()).ok();
        let change = match value.get_ref() {
            DeValue::String(text) => HeaderValue::from_str(text).ok().map(Some),
            DeValue::Boolean(false) => Some(None),
            _ => None,
        };
        let fixed = field.as_ref().and_then(|field| is_fixed(field, way));
        match (field, change) {
            (Some(_), _) if fixed.is_some() => {
                let (what, hint) = fixed.unwrap_or_default();
                table.reject(&at, what, hint);
            }
            (Some(field), _) if changes.iter().any(|(known, _)| *known == field) => {
                table.reject(&at, "this field is changed already, written in another way", "keep one of them");
            }
            (Some(field), Some(change)) => changes.push((field, change)),
            (None, _) => table.reject(&at, "is not a field name", "write it as in x-frame-options = \"DENY\""),
            (_, None) => table.reject(&at, "is not a field value", "write a text, or false to remove the field"),
        }
    }
    changes
}
