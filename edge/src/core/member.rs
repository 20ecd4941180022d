//! What `Cache-Status` (RFC 9211) and `Proxy-Status` (RFC 9209) have in common: both are lists in which each
//! intermediary has one member, the nearest to the origin first, and to which each appends its own.

use super::cache_control::fields::set_text;
use http::HeaderValue;
use http::header::{HeaderMap, HeaderName};
use sfv::{KeyRef, List, ListSerializer, Parser, RefBareItem, StringRef, TokenRef, Version};
use std::borrow::Cow;

/// Longest name or free text that is written, in bytes; the rest is cut off.
pub const MAX_TEXT_BYTES: usize = 256;

/// Longest list of members from the tiers above that is passed on, in bytes; a longer one is dropped.
pub const MAX_INHERITED_BYTES: usize = 4096;

/// The members that the tiers above left in `field`, from all lines, as one well-formed list; `None` when there are
/// none. What is there and is no list counts as none: its readers have to ignore it as a whole (RFC 8941 §4.2), and
/// with it whatever would be appended. Both fields are lists by RFC 8941: dates and display strings, which RFC 9651 has
/// added since, are not for their readers to know.
pub fn inherited(headers: &HeaderMap, field: &HeaderName) -> Option<String> {
    let lines: Vec<&[u8]> = headers.get_all(field).iter().map(HeaderValue::as_bytes).collect();
    let combined = lines.join(&b", "[..]);
    if combined.len() > MAX_INHERITED_BYTES {
        return None;
    }
    let list: List = Parser::new(&combined).with_version(Version::Rfc8941).parse().ok()?;
    let mut serializer = ListSerializer::new();
    serializer.members(&list);
    serializer.finish()
}

/// Puts `member` behind those that the tiers above left in `field`, as one line.
pub fn append(headers: &mut HeaderMap, field: &HeaderName, member: &str) {
    let value = match inherited(headers, field) {
        Some(above) => format!("{above}, {member}"),
        None => member.to_owned(),
    };
    set_text(headers, field.clone(), value);
}

/// A text as a structured field's string can hold it (RFC 9651 §3.3.3): what it can't express becomes `?`, and it is
/// cut to [`MAX_TEXT_BYTES`].
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| matches!(c, ' '..='~');
    if text.len() <= MAX_TEXT_BYTES && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    text.chars().take(MAX_TEXT_BYTES).map(|c| if is_plain(c) { c } else { '?' }).collect::<String>().into()
}

/// The name of an intermediary, from [`printable`] text: a token if it can be one.
pub(super) fn name(text: &str) -> RefBareItem<'_> {
    TokenRef::from_str(text).map_or_else(|_| string(text), RefBareItem::Token)
}

/// A string, from [`printable`] text.
pub(super) fn string(text: &str) -> RefBareItem<'_> {
    StringRef::from_str(text).map_or(RefBareItem::Boolean(false), RefBareItem::String)
}

/// A token of a registry.
pub(super) fn token(text: &'static str) -> RefBareItem<'static> {
    TokenRef::from_str(text).map_or(RefBareItem::Boolean(true), RefBareItem::Token)
}

/// The name of a parameter.
pub(super) fn key(name: &'static str) -> &'static KeyRef {
    KeyRef::constant(name)
}
