//! Refreshes in the background that come to nothing: the next one waits for a while (see [`crate::store::pause`]).

use super::context::Context;
use crate::clock;
use crate::node::NodeState;
use crate::store::entry::Entry;
use pingora::proxy::Session;

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
        node.fetch_lock.pause_refreshes(lookup.key(), ctx.upstream.fence, clock::monotonic());
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
