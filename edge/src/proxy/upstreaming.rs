//! The request towards the tier above, and the first look at its response.

use super::context::{Context, RangeUp, Refetch};
use super::downstream::{DATE_FIELD, is_interim};
use super::storing::unread;
use super::{posting, refreshing};
use crate::clock;
use crate::config::Role;
use crate::core::cache_control::fields::{list_members, parse_digits, remove_hop_by_hop};
use crate::core::forwarded::{Hop, Proto, Trail, append_cdn_loop, append_via};
use crate::core::hop::{self, Answer};
use crate::core::invalidate::invalidated;
use crate::core::purge::Fence;
use crate::core::reuse::{PurgeMark, Reuse, UpstreamFailure};
use crate::core::site_rule::apply_changes;
use crate::core::store_rule::{COOKIE_SETTERS, ResponseHead};
use crate::core::tier::{TIER_FIELD, TierHop, TierReply};
use crate::core::url::Scheme;
use crate::node::NodeState;
use crate::store::body::{REFRESH_PATIENCE, UNREAD_PATIENCE};
use crate::store::lookup::WantedRange;
use http::{HeaderName, HeaderValue, Method, StatusCode, Version, header};
use pingora::cache::NoCacheReason;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::net::{IpAddr, Ipv4Addr};

/// The transfer codings that there are (RFC 9112 §7). The node asks for none, and takes off chunks alone.
const CODINGS: [&[u8]; 7] = [b"chunked", b"compress", b"deflate", b"gzip", b"identity", b"x-compress", b"x-gzip"];

/// The body of a response is coded in a way that is not understood.
pub(super) const UNKNOWN_CODING: ErrorType = ErrorType::Custom("UnknownTransferCoding");

/// The id of a request, through every tier.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What this CDN calls itself in CDN-Loop (RFC 8586).
pub(super) const CDN_NAME: &str = "tidewall";

/// Fields by which a client could tell an origin something that is not in the key: dropped.
const UNKEYED_FIELDS: [&str; 16] = [
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-host",
    "x-forwarded-server",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "front-end-https",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
];

/// How many interim responses one exchange may have: hints come once or a few times. An endless row of them would hold
/// the exchange, which no timeout ends while something comes.
const MAX_INTERIMS: usize = 100;

/// Chooses where to fetch from.
pub(super) async fn choose(node: &NodeState, session: &Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
    let site = ctx.site()?.clone();
    if ctx.upstream.candidates.is_empty() {
        let key = ctx.url()?.cache_key();
        ctx.upstream.candidates = node.upstreams.candidates(&ctx.snapshot, &site, key);
    }
    if ctx.upstream.sent.is_none() {
        // If nothing is ever sent, this is what the request was before.
        ctx.upstream.fence = node.purges.applied();
    }
    loop {
        let Some(target) = ctx.upstream.candidates.get(ctx.upstream.at) else {
            return Error::e_explain(ErrorType::InternalError, "nowhere to fetch from");
        };
        match node.upstreams.peer(&site, target).await {
            Ok(peer) => {
                let method = &session.req_header().method;
                tracing::debug!(request = %ctx.request_id, upstream = %target.name, %method, "fetching");
                return Ok(Box::new(peer));
            }
            Err(error) => {
                ctx.counters(node).upstream_error();
                node.upstreams.record(target, false);
                if !ctx.upstream.go_to_next() {
                    let mut failed = Error::because(ErrorType::ConnectError, "no address", error);
                    failed.as_up();
                    return Err(failed);
                }
            }
        }
    }
}

/// A connection could not be opened: the next candidate may do.
pub(super) fn connect_failed(node: &NodeState, ctx: &mut Context, mut error: Box<Error>) -> Box<Error> {
    ctx.counters(node).upstream_error();
    if let Some(target) = ctx.upstream.candidates.get(ctx.upstream.at) {
        node.upstreams.record(target, false);
    }
    // Nothing was sent, so any request may be tried again elsewhere.
    error.set_retry(ctx.upstream.go_to_next());
    error
}

/// An exchange broke off.
pub(super) fn exchange_failed(
    node: &NodeState,
    peer: &HttpPeer,
    session: &Session,
    ctx: &mut Context,
    error: Box<Error>,
    reused: bool,
) -> Box<Error> {
    let mut error = error.more_context(format!("upstream {peer}"));
    if ctx.upstream.refetch == Refetch::Due {
        // The peer has answered, but not what was asked for.
        ctx.upstream.refetch = Refetch::Begun;
        error.set_retry(true);
        return error;
    }
    // A kept connection may have been closed just as it was used: that says nothing of the peer, and is worth another
    // try.
    error.retry.decide_reuse(reused);
    let is_theirs = *error.esource() == pingora::ErrorSource::Upstream;
    if is_theirs {
        ctx.counters(node).upstream_error();
        if let Some(target) = ctx.upstream.candidates.get(ctx.upstream.at).filter(|_| !error.retry()) {
            node.upstreams.record(target, false);
        }
    }
    if !session.req_header().method.is_idempotent() || session.as_ref().retry_buffer_truncated() {
        error.set_retry(false);
    } else if is_theirs && !error.retry() && ctx.upstream.status.is_none() {
        // No response has begun: another one may have more luck.
        error.set_retry(ctx.upstream.go_to_next());
    }
    if !error.retry() {
        refreshing::failed(node, session, ctx);
    }
    error
}

/// Writes what the tier above is asked.
pub(super) fn write_request(
    node: &NodeState,
    session: &mut Session,
    request: &mut RequestHeader,
    ctx: &mut Context,
) -> Result<()> {
    if ctx.upstream.refetch == Refetch::Begun && session.cache.enabled() {
        session.cache.disable(NoCacheReason::Custom("refetched"));
    }
    let is_tier = ctx.upstream.candidates.get(ctx.upstream.at).is_some_and(|target| target.is_tier);
    let received = session.req_header().version;
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let site = ctx.site()?.clone();
    let url = ctx.url()?.clone();
    let mut parts = request.as_owned_parts();
    let headers = &mut parts.headers;

    for name in UNKEYED_FIELDS {
        headers.remove(name);
    }
    for (name, value) in ctx.set_aside.iter().filter(|(name, _)| !ctx.leaves_out(name)) {
        headers.append(name, value.clone());
    }
    // Pingora has removed the other fields of one connection, and what Connection names.
    headers.remove("proxy-authentication-info");
    // Words of nodes: nobody else says them.
    headers.remove(TIER_FIELD);
    headers.remove(DATE_FIELD);
    // Before the first byte of this attempt is sent: a purge that is applied from now on hides what comes back.
    let applied = node.purges.applied();
    let asked_by_below = ctx.tier.as_ref().map(|hop| hop.asked);
    ctx.upstream.asked = is_tier.then(|| hop::upward(applied.log(), asked_by_below, ctx.upstream.past_caches));
    ctx.upstream.fence = if is_tier { applied } else { hop::fence_of_origin(applied, asked_by_below) };
    ctx.upstream.has_other_rules = node.has_other_rules(&ctx.snapshot, &url.site);
    let hop = Hop {
        peer: peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        node: &node.info.node,
        proto: if url.scheme == Scheme::Https { Proto::Https } else { Proto::Http },
        host: &url.host,
    };
    hop.apply(headers, if ctx.tier.is_some() { Trail::Append } else { Trail::StartAnew });
    append_via(headers, received, &node.info.node);
    append_cdn_loop(headers, CDN_NAME, &node.loop_word(&url.cache_key()));
    headers.insert(REQUEST_ID, text(&ctx.request_id)?);
    if ctx.uses_cache() {
        // The variant is chosen by the normalised values, so those are asked for.
        site.site.vary.normalise(headers);
    }
    if ctx.rules.strip_cookies == Some(true) {
        headers.remove(header::COOKIE);
    }
    if !is_tier {
        apply_changes(headers, &ctx.rules.request_headers);
    }
    // A tier is asked for the host that the client named; an origin for its own, if it has one.
    let host = match &site.origin.origin.host {
        Some(host) if !is_tier => host.clone(),
        _ => url.host.clone(),
    };
    headers.insert(header::HOST, text(&host)?);
    let target = url.target();
    if let Some((key, asked)) = ctx.snapshot.tier_key.as_ref().zip(ctx.upstream.asked) {
        let (node, request_id) = (node.info.node.clone(), ctx.request_id.clone());
        let words = TierHop { node, scheme: url.scheme, request_id, asked, rules: site.key_rules };
        headers.insert(TIER_FIELD, text(&words.sign(key, &host, &target))?);
    }
    *request = RequestHeader::from(parts);
    request.set_raw_path(target.as_bytes())?;

    ctx.counters(node).upstream_request();
    ctx.upstream.sent = Some(clock::now());
    ctx.upstream.status = None;
    ctx.upstream.interims = 0;
    if let Some(lookup) = &ctx.lookup {
        lookup.set_fetch(node.in_flight.enter(lookup.primary));
        lookup.set_fence(ctx.upstream.fence);
    }
    posting::enter(node, session, ctx)?;
    adapt_to_cache(node, session, request, ctx)?;
    ctx.upstream.asks_for_change = CONDITIONS.iter().any(|name| request.headers.contains_key(name));
    Ok(())
}

const CONDITIONS: [HeaderName; 4] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE];

const RANGES: [HeaderName; 2] = [header::RANGE, header::IF_RANGE];

/// Asks for what the store needs: Pingora makes a GET for the whole of every request that may be stored, with the
/// validators of what is stored.
fn adapt_to_cache(node: &NodeState, session: &Session, request: &mut RequestHeader, ctx: &mut Context) -> Result<()> {
    let Some(lookup) = ctx.lookup.clone() else { return Ok(()) };
    let received = session.req_header();
    let refetches = ctx.upstream.refetch == Refetch::Begun;
    let found_nothing = matches!(ctx.reuse, None | Some(Reuse::MustRefetch(_)));
    // What is not stored anyway is asked for as the client asks for it.
    let passes = found_nothing && !refetches && node.fetch_lock.is_unstored(&lookup.key());
    ctx.upstream.asks_head |= passes && received.method == Method::HEAD && session.subrequest_ctx.is_none();
    if ctx.upstream.asks_head {
        request.set_method(Method::HEAD);
    }
    ctx.upstream.is_conditional = passes;
    if passes {
        take_over(request, received, &CONDITIONS)?;
    } else if refetches || ctx.upstream.asks_head || is_dead(node, ctx) {
        // What is dead is not validated: it may have been purged since it was looked up, and a date that the new version
        // shares with it would bring it back.
        CONDITIONS.iter().for_each(|name| drop(request.remove_header(name)));
    }
    if lookup.range != WantedRange::No {
        let alone = lookup.range == WantedRange::Alone || node.fetch_lock.is_too_large(&lookup.primary);
        let goes_up = refetches || passes || (found_nothing && alone);
        ctx.upstream.range = if goes_up { RangeUp::Sent } else { RangeUp::Kept };
        match goes_up {
            true => take_over(request, received, &RANGES)?,
            false => RANGES.iter().for_each(|name| drop(request.remove_header(name))),
        }
    }
    Ok(())
}

/// Sends fields up as they came.
fn take_over(request: &mut RequestHeader, received: &RequestHeader, names: &[HeaderName]) -> Result<()> {
    for name in names {
        request.remove_header(name);
        for value in received.headers.get_all(name) {
            request.append_header(name, value.clone())?;
        }
    }
    Ok(())
}

/// Whether a hard purge hides the stored response that a request would validate.
fn is_dead(node: &NodeState, ctx: &Context) -> bool {
    let found = ctx.lookup.as_ref().and_then(|lookup| lookup.found());
    found.is_some_and(|found| node.purges.verdict(&found.subject, &found.mark) == PurgeMark::Hard)
}

fn text(value: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(value).map_err(|_| Error::explain(ErrorType::InvalidHTTPHeader, "a field value"))
}

/// Notes in a response that the node has received it, and by which version of HTTP (RFC 9110 §7.6.3). Later nobody
/// knows any more how it came, so this is stored with it.
fn sign(node: &NodeState, response: &mut ResponseHeader) {
    let mut parts = response.as_owned_parts();
    append_via(&mut parts.headers, parts.version, &node.info.node);
    *response = ResponseHeader::from(parts);
}

/// Whether a response answers something that did not go up with the request: a 304 no condition (RFC 9110 §15.4.5), a 101
/// no wish for another protocol (§15.2.2). Whoever sends it speaks of another request, or does not speak HTTP.
fn is_unasked(session: &Session, status: StatusCode, ctx: &Context) -> bool {
    match status {
        StatusCode::SWITCHING_PROTOCOLS => !session.is_upgrade_req(),
        StatusCode::NOT_MODIFIED => {
            let method = &session.req_header().method;
            matches!(*method, Method::GET | Method::HEAD) && !ctx.upstream.asks_for_change
        }
        _ => false,
    }
}

/// Whether what the stored response was validated with is a 304 that answers nothing. Pingora has no ear for errors there.
pub(super) fn is_validated_unasked(session: &Session, ctx: &Context) -> bool {
    ctx.upstream.status == Some(304) && is_unasked(session, StatusCode::NOT_MODIFIED, ctx)
}

/// The error of an exchange whose response answers nothing.
pub(super) fn unasked() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "a response that answers nothing in its request").into_up()
}

/// Takes from a tier's answer up to where no purge hides it. One that is not worth what was asked for answers nobody who
/// could be given something that is stored.
///
/// An error without such words, of a shield that could not even read the request, is passed on, and not stored.
fn read_reply(response: &mut ResponseHeader, ctx: &mut Context) -> Result<()> {
    let Some(asked) = ctx.upstream.asked else { return Ok(()) };
    let value = response.headers.get(TIER_FIELD).and_then(|value| value.to_str().ok());
    let key = ctx.snapshot.tier_key.as_ref();
    let reply = value.zip(key).and_then(|(value, key)| TierReply::verify(value, key, &ctx.request_id));
    response.remove_header(TIER_FIELD);
    let rules = ctx.target.as_ref().map(|(_, site)| site.key_rules);
    // Who says nothing took this node for a client, and has kept the tags to itself.
    ctx.upstream.has_other_rules |= reply.is_none_or(|reply| Some(reply.rules) != rules);
    let is_error = response.status.is_client_error() || response.status.is_server_error();
    let fence = match hop::answer(asked, reply.map(|reply| reply.valid_to), ctx.upstream.fence) {
        Answer::Valid(fence) => fence,
        Answer::AskAgain | Answer::Useless if reply.is_none() && is_error => Fence::ZERO,
        // Nothing is stored here, and a tier that serves what it has stored has applied every purge that is proven.
        Answer::AskAgain | Answer::Useless if ctx.lookup.is_none() => return Ok(()),
        Answer::AskAgain => {
            ctx.upstream.past_caches = true;
            ctx.upstream.refetch = Refetch::Due;
            return Err(Error::explain(ErrorType::InternalError, "the tier above has not heard of a purge").into_up());
        }
        Answer::Useless => {
            let told = if reply.is_some() { "less than it was asked for" } else { "nothing" };
            tracing::warn!(request = %ctx.request_id, "the tier above tells {told} of purges: has it the same tier secret?");
            return Err(unasked());
        }
    };
    ctx.upstream.fence = fence;
    if let Some(lookup) = &ctx.lookup {
        lookup.set_fence(fence);
    }
    Ok(())
}

/// Puts the length of a response into its one form (RFC 9110 §8.6), and looks at the coding of its body.
///
/// # Errors
/// Lengths that differ or are none (RFC 9112 §6.3); any coding that there is but `chunked` alone, and that in HTTP/1.0
/// (§6.1, §7): what would be passed on and stored is not what was meant.
fn check_framing(response: &mut ResponseHeader) -> Result<()> {
    let headers = &response.headers;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        let codings: Vec<&[u8]> =
            list_members(headers, &header::TRANSFER_ENCODING).map(|coding| coding.bytes).collect();
        let is = |coding: &[u8], name: &&[u8]| coding.eq_ignore_ascii_case(name);
        match codings[..] {
            [coding] if is(coding, &b"chunked".as_slice()) && response.version >= Version::HTTP_11 => {}
            // No coding at all, as origins write what they have heard of: the body is what comes until the end.
            [coding] if !CODINGS.iter().any(|known| is(coding, known)) => {}
            _ => return Err(Error::explain(UNKNOWN_CODING, "a transfer coding that is not understood").into_up()),
        }
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        let members = list_members(headers, &header::CONTENT_LENGTH);
        let lengths: Vec<Option<u64>> = members.map(|length| parse_digits(length.bytes)).collect();
        match lengths[..] {
            [Some(length), ref others @ ..] if others.iter().all(|other| *other == Some(length)) => {
                response.insert_header(header::CONTENT_LENGTH, length)?;
            }
            _ => return Err(Error::explain(ErrorType::InvalidHTTPHeader, "a length that is not one number").into_up()),
        }
    }
    Ok(())
}

/// Takes an interim response, unless there is no end of them, or nobody has waited for the final one for so long that
/// it is not worth more.
fn count_interim(ctx: &mut Context) -> Result<()> {
    ctx.upstream.interims += 1;
    if ctx.upstream.interims > MAX_INTERIMS {
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, "no end of interim responses").into_up());
    }
    let Some(lookup) = &ctx.lookup else { return Ok(()) };
    let left = lookup.left().map(|left| clock::monotonic().saturating_duration_since(left));
    let runs = ctx.upstream.sent.map(|sent| clock::now().since(sent)).filter(|_| lookup.is_refresh());
    match left.is_some_and(|left| left >= UNREAD_PATIENCE) || runs.is_some_and(|runs| runs >= REFRESH_PATIENCE) {
        true => Err(unread()),
        false => Ok(()),
    }
}

/// Takes from a response what concerns the node, before anybody else sees it.
pub(super) fn read_response(
    node: &NodeState,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut Context,
) -> Result<()> {
    if is_interim(response) {
        return count_interim(ctx);
    }
    ctx.upstream.status = Some(response.status.as_u16());
    if is_unasked(session, response.status, ctx) {
        return Err(unasked());
    }
    read_reply(response, ctx)?;
    if response.status == StatusCode::NOT_MODIFIED {
        // It has no body, and what it says of one is not kept.
        if check_framing(response).is_err() {
            response.remove_header(&header::TRANSFER_ENCODING);
            response.remove_header(&header::CONTENT_LENGTH);
        }
    } else {
        check_framing(response)?;
    }
    sign(node, response);
    if let Some(target) = ctx.upstream.candidates.get(ctx.upstream.at) {
        node.upstreams.record(target, true);
    }
    if let Some(lookup) = ctx.lookup.as_ref().filter(|_| !UpstreamFailure::Status(response.status).is_outage()) {
        node.fetch_lock.set_failing(lookup.key(), false);
    }
    if let Some((url, site)) = &ctx.target {
        let head = ResponseHead::new(response.status, &response.headers);
        let selectors = invalidated(&session.req_header().method, url, head, &site.site.query);
        if !selectors.is_empty() {
            let answered_at = ctx.upstream.fence.log();
            let fence = node.invalidate(&selectors, ctx.upstream.fence, ctx.posting.fetch());
            let fence = fence.map(|fence| fence.answered_at(answered_at));
            posting::begin(node, session, response, ctx, fence);
        }
    }
    ctx.upstream.cache_status = crate::core::cache_status::inherited(&response.headers);
    response.remove_header(&crate::core::cache_status::CACHE_STATUS);
    // Not stored: it speaks of this exchange, and later hits have none.
    ctx.upstream.proxy_status = crate::core::proxy_status::inherited(&response.headers);
    response.remove_header(&crate::core::proxy_status::PROXY_STATUS);
    response.remove_header(&REQUEST_ID);
    if ctx.rules.strip_cookies == Some(true) {
        for name in COOKIE_SETTERS {
            response.remove_header(name);
        }
    }
    if response.status == StatusCode::NOT_MODIFIED {
        let mut fields = response.headers.clone();
        remove_hop_by_hop(&mut fields);
        ctx.upstream.not_modified = Some(fields);
    }
    // A client that reads slowly doesn't slow the fill, if the fill's size is known to fit. If it isn't, the client's
    // pace is the fill's, so that a body too large to be kept doesn't pile up.
    session.set_proxy_tasks_enabled(response.headers.contains_key(header::CONTENT_LENGTH));
    Ok(())
}

/// Whether this node hands its answers to another tier of the fleet.
pub(super) fn answers_tier(node: &NodeState, ctx: &Context) -> bool {
    ctx.tier.is_some() && node.info.role == Role::Shield.as_str()
}
