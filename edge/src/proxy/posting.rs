//! The response to a POST that says that it is what a GET of the same URL would get (RFC 9110 §9.3.3): it goes to the
//! client like any other, and is stored on the way, if the site wants that: too many origins send such a response to what
//! only one client may have asked.

use super::context::{Context, Pass};
use super::storing::plan;
use crate::core::store_rule::{ResponseHead, answers_get};
use crate::node::NodeState;
use crate::store::lookup::WantedRange;
use bytes::Bytes;
use http::header;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

/// Begins to store the response, if it can answer a GET and no purge was applied since its request was sent: the rule
/// that the POST itself makes (RFC 9111 §4.4) does not count, so it has just been applied, and `undisturbed` says whether
/// it was the only one.
pub(super) fn begin(
    node: &NodeState,
    session: &Session,
    response: &ResponseHeader,
    ctx: &mut Context,
    undisturbed: bool,
) {
    let request = session.req_header();
    let Some((url, site)) = &ctx.target else { return };
    let head = ResponseHead::new(response.status, &response.headers);
    if !site.site.store_posts
        || !undisturbed
        || ctx.pass != Some(Pass::Method)
        || !answers_get(&request.method, url, head)
    {
        return;
    }
    let mut as_get = request.headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_TYPE] {
        as_get.remove(name);
    }
    let Ok(lookup) = ctx.lookup_for(&as_get, WantedRange::No) else { return };
    lookup.set_fence(node.purges.applied());
    let Ok(plan) = plan(&as_get, response.status, &response.headers, ctx) else { return };
    if node.store.has_room(plan.content_length) {
        ctx.post_fill = Some(node.store.begin(&lookup, plan));
        ctx.stored = true;
    }
}

/// Takes a part of the body.
pub(super) fn push(body: Option<&Bytes>, ends: bool, ctx: &mut Context) {
    if let (Some(fill), Some(part)) = (&mut ctx.post_fill, body)
        && !fill.push_if_fits(part.clone())
    {
        ctx.post_fill = None;
    }
    if ends {
        finish(true, ctx);
    }
}

/// The exchange is over: without an error the response was whole.
pub(super) fn finish(whole: bool, ctx: &mut Context) {
    if let Some(fill) = ctx.post_fill.take().filter(|_| whole)
        && let Err(error) = fill.finish()
    {
        tracing::debug!(request = %ctx.request_id, %error, "the response to a POST is not stored");
    }
}
