//! The response to a POST that says that it is what a GET of the same URL would get (RFC 9110 §9.3.3): it goes to the
//! client like any other, and is stored on the way, if the site wants that: too many origins send such a response to what
//! only one client may have asked.

use super::context::{Context, Pass};
use super::storing::plan;
use crate::core::purge::Fence;
use crate::core::store_rule::{ResponseHead, answers_get};
use crate::node::NodeState;
use crate::store::in_flight::Fetch;
use crate::store::lookup::WantedRange;
use crate::store::memory::Fill;
use bytes::Bytes;
use http::{Method, header};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

/// A POST under way.
#[derive(Debug, Default)]
pub(super) struct Posting {
    /// Until its response is stored: what another request changes in the meantime must reach it.
    fetch: Option<Fetch>,
    /// Its response on its way into the store. Nobody finds it before it is whole: its pace is that of the client that
    /// sent the POST, and with that client it may end.
    fill: Option<Fill>,
}

impl Posting {
    pub(super) fn fetch(&self) -> Option<&Fetch> {
        self.fetch.as_ref()
    }
}

/// A request is about to be sent.
pub(super) fn enter(node: &NodeState, session: &Session, ctx: &mut Context) -> Result<()> {
    // As with every other response, only what a purge would reach.
    let site = ctx.site()?;
    let is_reached = node.uses_store(&ctx.snapshot) && !ctx.has_other_rules_below(site);
    let stores_posts = site.site.store_posts && is_reached;
    if stores_posts && ctx.pass == Some(Pass::Method) && session.req_header().method == Method::POST {
        ctx.posting.fetch = Some(node.in_flight.enter(ctx.url()?.cache_key()));
    }
    Ok(())
}

/// Begins to store the response, if it can answer a GET. `fence` is the number of the rule that the POST itself makes
/// (RFC 9111 §4.4), if no other purge was applied since its request was sent.
pub(super) fn begin(
    node: &NodeState,
    session: &Session,
    response: &ResponseHeader,
    ctx: &mut Context,
    fence: Option<Fence>,
) {
    let request = session.req_header();
    let (Some((url, site)), Some(fence)) = (&ctx.target, fence) else { return };
    let head = ResponseHead::new(response.status, &response.headers);
    let answers_get = || answers_get(&request.method, url, &site.site.query, head, &site.store.lifetime);
    if ctx.posting.fetch.is_none() || !answers_get() {
        return;
    }
    let mut as_get = request.headers.clone();
    for name in [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONTENT_TYPE] {
        as_get.remove(name);
    }
    let Ok(lookup) = ctx.lookup_for(&as_get, WantedRange::No) else { return };
    if !site.site.vary.asked_as_others_do(&lookup.request, &response.headers) {
        return;
    }
    lookup.set_fence(fence);
    let Ok(plan) = plan(&as_get, response.status, &response.headers, ctx) else { return };
    if node.store.has_room(plan.content_length) {
        ctx.posting.fill = Some(node.store.begin_alone(&lookup, plan));
        ctx.stored = true;
    }
}

/// Takes a part of the body.
pub(super) fn push(body: Option<&Bytes>, ends: bool, ctx: &mut Context) {
    if let (Some(fill), Some(part)) = (&mut ctx.posting.fill, body)
        && !fill.push_if_fits(part.clone())
    {
        ctx.posting.fill = None;
    }
    if ends {
        finish(true, ctx);
    }
}

/// The exchange is over: without an error the response was whole.
pub(super) fn finish(whole: bool, ctx: &mut Context) {
    if let Some(fill) = ctx.posting.fill.take().filter(|_| whole)
        && let Err(error) = fill.finish()
    {
        tracing::debug!(request = %ctx.request_id, %error, "the response to a POST is not stored");
    }
}
