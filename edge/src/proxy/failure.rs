//! Errors turned into responses, in one place.

use super::context::Context;
use super::diagnosis::diagnose;
use super::downstream::{fwd_reason, reply_to_tier};
use super::upstreaming::REQUEST_ID;
use crate::core::cache_status::{CACHE_STATUS, Forwarded, Handling};
use crate::core::proxy_status::PROXY_STATUS;
use crate::core::tier::TIER_FIELD;
use crate::node::NodeState;
use crate::refusal::Refusal;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::{FailToProxy, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};

/// Answers a request that was not admitted.
pub(super) async fn refuse(node: &NodeState, session: &mut Session, ctx: &mut Context, refusal: Refusal) {
    ctx.refusal = Some(refusal.clone());
    // What is left of a request body is read by nobody: the connection ends with this answer if there is one.
    if !session.is_body_empty() {
        session.set_keepalive(None);
    }
    if let Err(error) = respond(node, session, ctx, &refusal, Handling::Refused).await {
        tracing::debug!(request = %ctx.request_id, %error, "the client left before its answer");
        session.set_keepalive(None);
    }
}

/// Answers a request that failed on its way.
pub(super) async fn answer(node: &NodeState, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
    let refusal = ctx.refusal.clone().or_else(|| refusal_for(error, ctx.upstream.status));
    // An interim response is none: the final one is still owed.
    let written = session.response_written().is_some_and(|response| {
        !response.status.is_informational() || response.status == StatusCode::SWITCHING_PROTOCOLS
    });
    let mut code = 0;
    if let Some(refusal) = refusal {
        ctx.refusal = Some(refusal.clone());
        code = refusal.status.as_u16();
        // The connection ends with this answer, and the answer says so.
        session.set_keepalive(None);
        // A response that has begun can't be taken back: the connection breaks, which tells the client.
        let handling = Handling::Forwarded(Forwarded::new(fwd_reason(ctx)));
        if !written && let Err(error) = respond(node, session, ctx, &refusal, handling).await {
            tracing::debug!(request = %ctx.request_id, %error, "the client left before its answer");
        }
    }
    FailToProxy { error_code: code, can_reuse_downstream: false }
}

fn refusal_for(error: &Error, received_status: Option<u16>) -> Option<Refusal> {
    match (error.esource(), error.etype()) {
        (_, ErrorType::HTTPStatus(413)) => Some(Refusal::LARGE_BODY),
        (ErrorSource::Upstream, _) => {
            Some(diagnose(error, received_status).map_or(Refusal::BAD_GATEWAY, Refusal::of_upstream))
        }
        (
            ErrorSource::Downstream,
            ErrorType::WriteError | ErrorType::ReadError | ErrorType::ConnectionClosed | ErrorType::WriteTimedout,
        ) => None,
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::SLOW_BODY),
        (ErrorSource::Downstream, _) => Some(Refusal::BAD_BODY),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Refusal::INTERNAL),
    }
}

async fn respond(
    node: &NodeState,
    session: &mut Session,
    ctx: &Context,
    refusal: &Refusal,
    handling: Handling,
) -> Result<()> {
    let body = refusal.body(&node.info.node, Some(&ctx.request_id));
    let mut response = ResponseHeader::build_no_case(refusal.status, Some(8))?;
    response.insert_header(header::CONTENT_TYPE, "text/plain; charset=utf-8")?;
    response.insert_header(header::CONTENT_LENGTH, body.len())?;
    response.insert_header(header::CACHE_CONTROL, "no-store")?;
    if let Ok(id) = HeaderValue::from_str(&ctx.request_id) {
        response.insert_header(REQUEST_ID, id)?;
    }
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        response.insert_header(header::ALLOW, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")?;
    }
    let mut headers = http::HeaderMap::new();
    for (field, above) in [(&CACHE_STATUS, &ctx.upstream.cache_status), (&PROXY_STATUS, &ctx.upstream.proxy_status)] {
        if let Some(above) = above.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(field, above);
        }
    }
    refusal.cache_status(&node.info.node, handling).append_to(&mut headers);
    refusal.proxy_status(&node.info.node, ctx.upstream.status).append_to(&mut headers);
    // Nothing of it was stored: nothing can have been purged.
    let asked = ctx.tier.as_ref().map(|hop| hop.asked.valid_to);
    if let Some(reply) = asked.and_then(|asked| reply_to_tier(asked, ctx)) {
        headers.insert(TIER_FIELD, reply);
    }
    for (name, value) in &headers {
        response.insert_header(name, value)?;
    }
    let head_only = session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(response), head_only).await?;
    if !head_only {
        session.write_response_body(Some(Bytes::from(body)), true).await?;
    }
    Ok(())
}
