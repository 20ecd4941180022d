//! Refreshes in the background: what they say of the client whose request they repeat, and what follows if they come to
//! nothing: the next one waits for a while (see [`crate::store::pause`]).
//!
//! A client must not be able to keep stale what others ask for, by fields that an origin answers with an error. So
//! credentials stay out, unless what is stored was had with some; and after a refresh that failed the next one is bare:
//! of the client's fields it has those alone that select the variant. If that fails as well it is the origin's doing, or
//! something that the bare one lacked, and the one after it is as usual.

use super::context::Context;
use super::upstreaming::REQUEST_ID;
use crate::clock;
use crate::core::tier::TIER_FIELD;
use crate::node::NodeState;
use crate::store::entry::Entry;
use http::{HeaderName, header};
use pingora::proxy::Session;

/// What a bare refresh has besides what selects the variant: by which way it has come, and where it goes.
const KEPT: [HeaderName; 7] = [
    header::HOST,
    header::VIA,
    header::FORWARDED,
    HeaderName::from_static("cdn-loop"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
];

/// What a request may have besides without saying more of who asks: words between tiers, and conditions, which no refusal
/// hangs on.
const INNOCENT: [HeaderName; 5] = [
    header::CONNECTION,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    HeaderName::from_static(TIER_FIELD),
    REQUEST_ID,
];

/// Whether a request says nothing of who asks, beyond what selects the variant: what it is answered then is answered to
/// everybody.
pub(super) fn is_anybodys(session: &Session, found: &Entry) -> bool {
    let says_nothing =
        |name: &HeaderName| KEPT.contains(name) || INNOCENT.contains(name) || found.vary.fields().contains(name);
    session.req_header().headers.keys().all(says_nothing)
}

/// Takes out of a refresh what it must not say of its client. What selects the variant stays.
pub(super) fn leave_client_out(node: &NodeState, session: &mut Session, ctx: &mut Context) {
    let Some(lookup) = ctx.lookup.as_ref().filter(|_| session.subrequest_ctx.is_some()) else { return };
    let Some(found) = lookup.found() else { return };
    ctx.is_bare |= node.fetch_lock.refreshes_bare(&lookup.key());
    let is_left_out = |name: &&HeaderName| match ctx.is_bare {
        _ if found.vary.fields().contains(name) => false,
        true => !KEPT.contains(name),
        false => **name == header::AUTHORIZATION && !found.authorized,
    };
    let names: Vec<HeaderName> = session.req_header().headers.keys().filter(is_left_out).cloned().collect();
    for name in names {
        for value in session.req_header().headers.get_all(&name) {
            ctx.set_aside.append(&name, value.clone());
        }
        session.req_header_mut().remove_header(&name);
    }
}

/// Whether what was found is stale and is served without a refresh for now.
pub(super) fn pauses(node: &NodeState, ctx: &Context, found: &Entry) -> bool {
    let key = ctx.lookup.as_ref().map(|lookup| lookup.key());
    key.is_some_and(|key| node.fetch_lock.pauses_refreshes(&key, &found.subject, clock::monotonic()))
}

/// A refresh has come to nothing, if the request is one. To be said before the lock is released, so that no other one
/// begins in between.
pub(super) fn failed(node: &NodeState, session: &Session, ctx: &mut Context) {
    let Some(lookup) = ctx.lookup.as_ref().filter(|_| session.subrequest_ctx.is_some()) else { return };
    // However many signs there are of it, it has failed once.
    if !std::mem::replace(&mut ctx.refresh_failed, true) {
        node.fetch_lock.pause_refreshes(lookup.key(), ctx.upstream.fence, ctx.is_bare, clock::monotonic());
    }
}

/// The request is over, and what it has stored is whole, or it failed.
pub(super) fn finish(node: &NodeState, session: &Session, whole: bool, ctx: &mut Context) {
    match &ctx.lookup {
        _ if !whole => failed(node, session, ctx),
        Some(lookup) if ctx.stored => node.fetch_lock.resume_refreshes(&lookup.key()),
        _ => {}
    }
}
