//! Fields aimed at one kind of cache (RFC 9213): dictionaries of structured fields (RFC 9651 §3.2).

use super::{DirectiveSource, FieldScope, ResponseDirectives, delta_seconds, field_scope};
use http::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Dictionary, Item, ListEntry, Parser};
use std::time::Duration;

/// Longest targeted field that is read, in bytes over all lines; a longer one is ignored as a malformed one is.
const MAX_TARGETED_BYTES: usize = 8 * 1024;

pub(super) fn read(headers: &HeaderMap, field: &HeaderName) -> Option<ResponseDirectives> {
    let lines: Vec<&[u8]> = headers.get_all(field).iter().map(|line| line.as_bytes()).collect();
    let combined = lines.join(&b", "[..]);
    if combined.len() > MAX_TARGETED_BYTES {
        return None;
    }
    let dictionary: Dictionary = Parser::new(&combined).parse().ok()?;
    if dictionary.is_empty() {
        return None;
    }
    let mut read = ResponseDirectives { source: DirectiveSource::Targeted, ..ResponseDirectives::default() };
    for (name, value) in &dictionary {
        take(&mut read, name.as_str(), value);
    }
    Some(read)
}

/// A dictionary holds each name once, the last one of several (RFC 9651 §4.2.2), so nothing has to be combined.
fn take(read: &mut ResponseDirectives, name: &str, value: &ListEntry) {
    read.shares_authorized |= match name {
        "public" | "must-revalidate" => permits(value),
        "s-maxage" => readable_delta(value).is_some(),
        _ => false,
    };
    match name {
        "no-store" => read.no_store = forbids(value),
        "no-cache" => read.no_cache = scope(value),
        "private" => read.private = scope(value),
        "public" => read.public = permits(value),
        "must-revalidate" => read.must_revalidate = forbids(value),
        "proxy-revalidate" => read.proxy_revalidate = forbids(value),
        "must-understand" => read.must_understand = permits(value),
        "no-transform" => read.no_transform = forbids(value),
        "immutable" => read.immutable = permits(value),
        "max-age" => read.max_age = Some(delta(value)),
        "s-maxage" => read.s_maxage = Some(delta(value)),
        "stale-while-revalidate" => read.stale_while_revalidate = Some(delta(value)),
        "stale-if-error" => read.stale_if_error = Some(delta(value)),
        _ => {}
    }
}

/// The value, whose parameters mean nothing (RFC 9213 §2.1).
fn bare(value: &ListEntry) -> Option<&BareItem> {
    match value {
        ListEntry::Item(Item { bare_item, .. }) => Some(bare_item),
        ListEntry::InnerList(_) => None,
    }
}

/// Anything but an explicit "false".
fn forbids(value: &ListEntry) -> bool {
    bare(value).and_then(BareItem::as_boolean) != Some(false)
}

/// Nothing but an explicit "true".
fn permits(value: &ListEntry) -> bool {
    bare(value).and_then(BareItem::as_boolean) == Some(true)
}

fn readable_delta(value: &ListEntry) -> Option<Duration> {
    let seconds = bare(value).and_then(BareItem::as_integer).map(i64::from);
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(delta_seconds)
}

fn delta(value: &ListEntry) -> Duration {
    readable_delta(value).unwrap_or(Duration::ZERO)
}

fn scope(value: &ListEntry) -> Option<FieldScope> {
    match bare(value) {
        Some(BareItem::Boolean(false)) => None,
        Some(BareItem::String(names)) => Some(field_scope(names.as_str().as_bytes())),
        _ => Some(FieldScope::Whole),
    }
}
