//! The answer of the lane.

use super::plain::Plain;
use crate::clock;
use crate::core::cache_control::RequestDirectives;
use crate::core::key::CacheKey;
use crate::core::reuse::{Reuse, reuse};
use crate::core::time::Timestamp;
use crate::core::url::{Scheme, without_port};
use crate::node::NodeState;
use crate::proxy::hit_fields;
use crate::snapshot::{SiteRuntime, Snapshot};
use crate::store::body::Body;
use crate::store::entry::{Entry, Written};
use http::StatusCode;
use std::io::Write;
use std::sync::Arc;

/// Bodies up to this length are copied behind their head, and leave in one write with it: that costs less than a second
/// place for the kernel to gather from.
const COPIED_BYTES: u64 = 16 << 10;

/// An answer, of which the head is written already.
pub(crate) struct Answer {
    /// The site that it is of.
    pub(crate) site: Arc<SiteRuntime>,
    /// How long the body is that is sent.
    pub(crate) body_bytes: u64,
    /// The body, if it does not stand behind the head.
    pub(crate) body: Option<Arc<Body>>,
    /// Whether the connection ends with it.
    pub(crate) closes: bool,
}

/// Answers a request from what is stored, if it is fresh: the head, and a short body, are appended to `out`. `head` is what
/// `plain` was made of; `last` says that the connection takes no other request after this one.
pub(crate) fn answer(
    node: &NodeState,
    snapshot: &Snapshot,
    head: &[u8],
    plain: &Plain,
    scheme: Scheme,
    last: bool,
    out: &mut Vec<u8>,
) -> Option<Answer> {
    // After the head has arrived, as with every request; and what was applied is looked at after that.
    if !node.uses_store(snapshot) {
        return None;
    }
    let (host, site) = site_of(snapshot, plain.host.within(head), scheme)?;
    let target = std::str::from_utf8(plain.target.within(head)).ok()?;
    let (path, query) = match target.split_once('?') {
        None => (target, None),
        Some((path, query)) => (path, Some(query)),
    };
    if !site.site.rules.is_empty() || (query.is_some() && !site.site.query.is_identity()) {
        return None;
    }
    let key = CacheKey::new(&site.site.id, scheme, host, path, query);
    let vary = site.site.vary;
    let entry = node.store.ready(&key, |rule| rule.key_by_encoding(plain.encodings(head), vary))?;
    let now = clock::now();
    let mark = node.purges.verdict(&entry.subject, &entry.mark);
    if reuse(&RequestDirectives::NONE, &entry.freshness, mark, now, &site.reuse) != Reuse::Fresh {
        return None;
    }
    let closes = plain.closes || last;
    let body_bytes = if plain.is_head { 0 } else { entry.body.len() };
    write_head(node, snapshot, site, &entry, now, closes, out)?;
    let is_copied = body_bytes <= COPIED_BYTES;
    if is_copied && body_bytes > 0 {
        out.extend_from_slice(&entry.body.block_at(0)?);
    }
    let body = (!is_copied).then(|| entry.body.clone());
    Some(Answer { site: site.clone(), body_bytes, body, closes })
}

/// The site of a host that is written in its one form, maybe with a port, and the host as the site lists it.
fn site_of<'s>(snapshot: &'s Snapshot, host: &[u8], scheme: Scheme) -> Option<(&'s str, &'s Arc<SiteRuntime>)> {
    let host = std::str::from_utf8(host).ok()?;
    let is_plain_port = |port: &str| {
        let digits = (1..=5).contains(&port.len()) && port.bytes().all(|b| b.is_ascii_digit());
        digits && !port.starts_with('0') && scheme == Scheme::Http
    };
    if without_port(host).is_some_and(|name| !is_plain_port(&host[name.len() + 1..])) {
        return None;
    }
    snapshot.site(host)
}

/// Appends the head of a hit. What does not change with time is written once for each entry and fleet file.
fn write_head(
    node: &NodeState,
    snapshot: &Snapshot,
    site: &SiteRuntime,
    entry: &Entry,
    now: Timestamp,
    closes: bool,
    out: &mut Vec<u8>,
) -> Option<()> {
    let written = entry.written.load();
    match &*written {
        Some(written) if written.snapshot == snapshot.id => out.extend_from_slice(&written.head),
        _ => {
            let written = Arc::new(Written { snapshot: snapshot.id, head: write_fields(node, site, entry)? });
            out.extend_from_slice(&written.head);
            entry.written.store(Some(written));
        }
    }
    // Nothing of it can fail: `out` grows.
    let ttl = entry.freshness.ttl_secs_at(now);
    let _ = write!(out, ";ttl={ttl}\r\nage: {}\r\nx-request-id: ", entry.freshness.age_secs_at(now));
    node.write_request_id(out);
    out.extend_from_slice(if closes { b"\r\nconnection: close\r\n\r\n" } else { b"\r\n\r\n" });
    Some(())
}

/// The head up to the member of `Cache-Status`, whose `ttl` follows. `None` if the lane can't write it.
fn write_fields(node: &NodeState, site: &SiteRuntime, entry: &Entry) -> Option<Box<[u8]>> {
    let status = entry.status;
    if entry.part.is_some() || status.is_informational() || status == StatusCode::NOT_MODIFIED || site.site.expose_key {
        return None;
    }
    let fields = hit_fields(site, entry)?;
    let mut out = Vec::new();
    let _ = write!(out, "HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or(""));
    for (name, value) in &fields {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    let _ = write!(out, "cache-status: {}", node.hit_member());
    Some(out.into())
}
