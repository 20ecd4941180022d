//! The response towards the client or the tier below, and what is counted of it.

use super::context::{Context, Pass, Refetch};
use super::diagnosis::Fault;
use super::judge;
use super::storing::remove_cookies;
use super::upstreaming::{REQUEST_ID, answers_tier, is_validated_unasked, unasked};
use crate::clock;
use crate::core::cache_control::fields::is_inseparable;
use crate::core::cache_status::{CACHE_STATUS, CacheStatus, Forwarded, FwdReason, Handling};
use crate::core::log::Position;
use crate::core::proxy_status::{PROXY_STATUS, ProxyError, ProxyStatus};
use crate::core::reuse::{Reuse, RevalidateReason};
use crate::core::site_rule::{self, apply_changes};
use crate::core::tier::{TIER_FIELD, TierReply};
use crate::core::time::{http_date_value, parse_http_date};
use crate::node::NodeState;
use crate::snapshot::SiteRuntime;
use crate::store::entry::Entry;
use crate::store::lookup::Miss;
use crate::telemetry::CacheOutcome;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use pingora::cache::CachePhase;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

/// The field in which the Date of a response goes to the front door, which writes it ([`crate::front_door`]). It never
/// leaves the node.
pub(crate) const DATE_FIELD: &str = "tidewall-date";

/// Fields that only concern a connection (RFC 9110 §7.6.1). Transfer-Encoding stays: it tells Pingora how to frame.
const CONNECTION_FIELDS: [&str; 4] = ["keep-alive", "proxy-connection", "proxy-authenticate", "te"];

/// Finishes a response's head, wherever it comes from.
pub(super) fn write_response(
    node: &NodeState,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &mut Context,
) -> Result<()> {
    if ctx.upstream.refetch == Refetch::Due {
        // What came must not be answered with: `exchange_failed` has it fetched again.
        return Err(Error::explain(ErrorType::InternalError, "the response is of no use").into_up());
    }
    let outcome = outcome(session, ctx);
    if outcome == CacheOutcome::Revalidated && is_validated_unasked(session, ctx) {
        return Err(unasked());
    }
    let mut ends_with_connection = false;
    let request = session.req_header();
    let mut parts = response.as_owned_parts();
    let headers = &mut parts.headers;
    if matches!(outcome, CacheOutcome::Miss | CacheOutcome::Revalidated) {
        // First of all: the site's rules, and its tags, are about these fields as well.
        headers.extend(std::mem::take(&mut ctx.upstream.withheld));
    }
    if parts.status != StatusCode::SWITCHING_PROTOCOLS {
        remove_connection_fields(headers);
    }
    if parts.status.is_informational() || parts.status == StatusCode::NO_CONTENT {
        remove_framing(headers);
    }
    if request.version <= http::Version::HTTP_10 && headers.remove(header::TRANSFER_ENCODING).is_some() {
        // Chunks are not known there: such a body ends with the connection.
        ends_with_connection = true;
    }
    headers.remove(TIER_FIELD);
    if let Some(reply) = reply_to_tier(valid_to(outcome, ctx), ctx) {
        headers.insert(TIER_FIELD, reply);
    }
    if let Some((url, site)) = &ctx.target {
        if !answers_tier(node, ctx) {
            hide_tags(headers, site);
        }
        let rules = site_rule::for_response(&site.site.rules, &url.path, &request.headers, headers);
        if rules.strip_cookies == Some(true) {
            remove_cookies(headers);
        }
        // A tier below applies the rules itself, towards its clients.
        if !answers_tier(node, ctx) {
            apply_changes(headers, &rules.response_headers);
        }
    }
    if parts.status == StatusCode::NOT_MODIFIED {
        // Of a stored part: a 304 speaks of the whole.
        headers.remove(header::CONTENT_RANGE);
        if answers_tier(node, ctx) {
            guide_update(headers, ctx);
        }
    }
    set_age(headers, outcome, ctx);
    set_date(headers, session.is_http2());
    if let Ok(id) = HeaderValue::from_str(&ctx.request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Some(tiers) = ctx.upstream.cache_status.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(&CACHE_STATUS, tiers);
    } else {
        headers.remove(&CACHE_STATUS);
    }
    let detail = detail(session, ctx);
    let key = ctx.target.as_ref().filter(|(_, site)| site.site.expose_key).map(|(url, _)| url.to_string());
    let member = CacheStatus {
        cache: &node.info.node,
        handling: handling(outcome, ctx),
        ttl_secs: ttl_secs(outcome, ctx),
        key: key.as_deref(),
        detail: detail.as_deref(),
    };
    member.append_to(headers);
    set_proxy_status(node, headers, outcome, ctx);
    ctx.head_only = request.method == Method::HEAD || parts.status == StatusCode::NOT_MODIFIED;
    *response = ResponseHeader::from(parts);
    if ends_with_connection {
        session.set_keepalive(None);
    }
    Ok(())
}

/// The fields of a hit for a client, but those that change with time, and that of this exchange: what [`write_response`]
/// makes of a stored response of a site without rules. `None` if that hangs on more than the two.
pub(crate) fn hit_fields(site: &SiteRuntime, entry: &Entry) -> Option<HeaderMap> {
    let mut headers = entry.head.clone();
    remove_connection_fields(&mut headers);
    for name in [TIER_FIELD, DATE_FIELD] {
        headers.remove(name);
    }
    hide_tags(&mut headers, site);
    headers.get(header::DATE).filter(|date| parse_http_date(date).is_some())?;
    for name in [&CACHE_STATUS, &PROXY_STATUS, &REQUEST_ID, &header::AGE] {
        headers.remove(name);
    }
    if entry.status == StatusCode::NO_CONTENT {
        remove_framing(&mut headers);
    } else {
        headers.remove(header::TRANSFER_ENCODING);
        headers.insert(header::CONTENT_LENGTH, entry.body.len().into());
    }
    Some(headers)
}

/// What the tier below is told of purges; `None` if the request is not from a tier.
pub(super) fn reply_to_tier(valid_to: Position, ctx: &Context) -> Option<HeaderValue> {
    let (hop, key) = ctx.tier.as_ref().zip(ctx.snapshot.tier_key.as_ref())?;
    let rules = ctx.target.as_ref().map(|(_, site)| site.key_rules).unwrap_or_default();
    HeaderValue::from_str(&TierReply { valid_to, rules }.sign(key, &hop.request_id)).ok()
}

/// Up to where no purge hides what is answered.
fn valid_to(outcome: CacheOutcome, ctx: &Context) -> Position {
    let is_stored =
        ctx.stale_if_error || !matches!(outcome, CacheOutcome::Miss | CacheOutcome::Bypass | CacheOutcome::Pass);
    match ctx.lookup.as_ref().and_then(|lookup| lookup.served()).filter(|_| is_stored) {
        Some(entry) => entry.mark.valid().log(),
        None => ctx.upstream.fence.log(),
    }
}

/// Leaves out the body of a response that was asked for with GET, to be stored, but is answered with its head alone:
/// Pingora does so over HTTP/1.1, and over HTTP/2 would send it.
pub(super) fn leave_out_body(body: &mut Option<Bytes>, ctx: &Context) {
    if ctx.head_only {
        *body = None;
    }
}

/// Whether a response is followed by another one to the same request (RFC 9110 §15.2).
pub(super) fn is_interim(response: &ResponseHeader) -> bool {
    response.status.is_informational() && response.status != StatusCode::SWITCHING_PROTOCOLS
}

/// Passes an interim response on: 100, or 103 (RFC 8297). It is forgotten then, and says nothing that the final one may
/// not say.
pub(super) async fn write_interim(
    node: &NodeState,
    session: &mut Session,
    response: &mut ResponseHeader,
    ctx: &Context,
) -> Result<()> {
    let mut parts = response.as_owned_parts();
    let headers = &mut parts.headers;
    remove_connection_fields(headers);
    remove_framing(headers);
    for name in [TIER_FIELD, DATE_FIELD] {
        headers.remove(name);
    }
    if ctx.rules.strip_cookies == Some(true) {
        remove_cookies(headers);
    }
    if let Ok(site) = ctx.site()
        && !answers_tier(node, ctx)
    {
        hide_tags(headers, site);
    }
    *response = ResponseHeader::from(parts);
    // RFC 9110 §15.2: HTTP/1.0 knows no interim responses. And once one is written, Pingora answers with nothing stale
    // any more if the final one fails: hints are worth less than that.
    if session.req_header().version <= http::Version::HTTP_10 || judge::could_stand_in(node, ctx) {
        session.set_ignore_info_resp(true);
    } else if response.status != StatusCode::CONTINUE && !session.is_http2() && session.subrequest_ctx.is_none() {
        // Pingora would drop one that comes together with the head of a response that is stored. So it is written here,
        // and Pingora is told to leave it alone.
        session.set_ignore_info_resp(false);
        let written = session.as_downstream_mut().write_response_header(Box::new(response.clone())).await;
        session.set_ignore_info_resp(true);
        written.map_err(|error| error.into_down())?;
    }
    Ok(())
}

/// A response without a body by its status, 1xx or 204, says nothing of one either (RFC 9112 §6.1, RFC 9110 §8.6).
fn remove_framing(headers: &mut HeaderMap) {
    for name in [header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
}

/// Tags are for purges, and clients see them only where the site says so.
fn hide_tags(headers: &mut HeaderMap, site: &SiteRuntime) {
    if !site.site.expose_tags {
        for field in &site.site.tag_fields {
            headers.remove(field);
        }
    }
}

fn remove_connection_fields(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| *name != header::TRANSFER_ENCODING && !is_inseparable(name))
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
}

/// Age is the stored response's own, to the second (RFC 9111 §5.1). What was just fetched keeps what it came with.
fn set_age(headers: &mut HeaderMap, outcome: CacheOutcome, ctx: &Context) {
    let served = ctx.lookup.as_ref().and_then(|lookup| lookup.served());
    match served {
        // A 304 that is not stored says how old the response is, and not what was stored before it.
        Some(_) if outcome == CacheOutcome::Revalidated && !ctx.stored => {}
        Some(entry) if outcome.from_store() || ctx.stored => {
            let age = entry.freshness.age_secs_at(clock::now());
            if outcome.from_store() || age > 0 {
                headers.insert(header::AGE, HeaderValue::from(age));
            } else {
                headers.remove(header::AGE);
            }
        }
        _ => {}
    }
}

/// A 304 for a tier below carries what Pingora leaves out of one: it is there to update what that tier has stored (RFC
/// 9110 §15.4.5).
fn guide_update(headers: &mut HeaderMap, ctx: &Context) {
    let Some(entry) = ctx.lookup.as_ref().and_then(|lookup| lookup.served()) else { return };
    for name in [header::CONTENT_TYPE, header::CONTENT_LANGUAGE, header::ACCEPT_RANGES] {
        if let Some(value) = entry.head.get(&name) {
            headers.insert(name, value.clone());
        }
    }
}

/// Date is the origin's; a response without one is given one (RFC 9110 §6.6.1).
fn set_date(headers: &mut HeaderMap, is_http2: bool) {
    headers.remove(DATE_FIELD);
    let date = headers.get(header::DATE).filter(|date| parse_http_date(date).is_some()).cloned();
    let date = date.unwrap_or_else(|| http_date_value(clock::now()));
    if !is_http2 {
        headers.insert(DATE_FIELD, date);
    }
}

/// Proxy-Status, where there is something to tell: what a stale response stands in for, or what others have told, behind
/// whom this node stands then (RFC 9209 §2).
fn set_proxy_status(node: &NodeState, headers: &mut HeaderMap, outcome: CacheOutcome, ctx: &Context) {
    headers.remove(&PROXY_STATUS);
    let above = ctx.upstream.proxy_status.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    let mut own = above.is_some().then(|| ProxyStatus::of(&node.info.node));
    if ctx.stale_if_error && outcome == CacheOutcome::Stale {
        let Fault { error, received_status } = ctx.stood_in_for;
        // Without a fault the origin was found to fail by another request, and this one did not ask it.
        let unasked = received_status.is_none().then_some(ProxyError::DestinationUnavailable);
        own = Some(ProxyStatus { error: error.or(unasked), received_status, ..ProxyStatus::of(&node.info.node) });
    }
    if let Some(above) = above {
        headers.insert(&PROXY_STATUS, above);
    }
    if let Some(own) = own {
        own.append_to(headers);
    }
}

/// What the cache did for this request.
fn outcome(session: &Session, ctx: &Context) -> CacheOutcome {
    if ctx.refusal.is_some() {
        return CacheOutcome::Error;
    }
    if ctx.pass.is_some() {
        return CacheOutcome::Pass;
    }
    let collapsed = ctx.lookup.as_ref().is_some_and(|lookup| lookup.collapsed());
    match session.cache.phase() {
        CachePhase::Hit if matches!(ctx.reuse, Some(Reuse::StaleWhileRevalidate(_))) => CacheOutcome::Stale,
        CachePhase::Hit if ctx.stale_if_error => CacheOutcome::Stale,
        CachePhase::Hit if collapsed => CacheOutcome::Collapsed,
        CachePhase::Hit => CacheOutcome::Hit,
        CachePhase::Stale | CachePhase::StaleUpdating => CacheOutcome::Stale,
        CachePhase::Revalidated | CachePhase::RevalidatedNoCache(_) => CacheOutcome::Revalidated,
        CachePhase::Miss | CachePhase::Expired => CacheOutcome::Miss,
        _ if ctx.target.is_none() => CacheOutcome::Error,
        _ => CacheOutcome::Bypass,
    }
}

/// Why a request goes, or went, upstream.
pub(super) fn fwd_reason(ctx: &Context) -> FwdReason {
    match (ctx.pass, ctx.reuse) {
        (Some(Pass::Method), _) => FwdReason::Method,
        (Some(_), _) => FwdReason::Bypass,
        (None, _) if ctx.lookup.is_none() => FwdReason::Bypass,
        (None, None) => match ctx.lookup.as_ref().map(|lookup| lookup.miss()) {
            Some(Miss::Vary) => FwdReason::VaryMiss,
            Some(Miss::Part) => FwdReason::Partial,
            Some(Miss::Uri) | None => FwdReason::UriMiss,
        },
        (None, Some(Reuse::MustRefetch(_))) => FwdReason::UriMiss,
        (
            None,
            Some(Reuse::MustRevalidate(
                RevalidateReason::RequestNoCache | RevalidateReason::RequestMaxAge | RevalidateReason::RequestMinFresh,
            )),
        ) => FwdReason::Request,
        (None, Some(_)) => FwdReason::Stale,
    }
}

fn handling(outcome: CacheOutcome, ctx: &Context) -> Handling {
    let reason = match outcome {
        // It went forward, and what came was worse than what is stored.
        CacheOutcome::Stale if ctx.stale_if_error && ctx.upstream.sent.is_some() => FwdReason::Stale,
        CacheOutcome::Hit | CacheOutcome::Stale => return Handling::Hit,
        CacheOutcome::Collapsed => FwdReason::UriMiss,
        _ => fwd_reason(ctx),
    };
    let mut forwarded = Forwarded::new(reason);
    forwarded.stored = ctx.stored;
    forwarded.collapsed = outcome == CacheOutcome::Collapsed;
    forwarded.status =
        ctx.upstream.status.filter(|_| matches!(outcome, CacheOutcome::Revalidated | CacheOutcome::Stale));
    Handling::Forwarded(forwarded)
}

fn ttl_secs(outcome: CacheOutcome, ctx: &Context) -> Option<i64> {
    let entry = ctx.lookup.as_ref()?.served()?;
    let ttl = entry.freshness.ttl_secs_at(clock::now());
    match outcome {
        // A soft purge makes stale what is young: stale is below zero (RFC 9211 §2.4).
        CacheOutcome::Stale => Some(ttl.min(-1)),
        CacheOutcome::Revalidated => ctx.stored.then_some(ttl),
        _ => (outcome.from_store() || ctx.stored).then_some(ttl),
    }
}

/// Why it was not stored, passed, or refetched: a word for whoever reads Cache-Status.
fn detail(session: &Session, ctx: &Context) -> Option<String> {
    if let Some(pass) = ctx.pass {
        return Some(pass.as_str().to_owned());
    }
    if ctx.stale_if_error {
        return Some("stale-if-error".to_owned());
    }
    if let Some(reason) = ctx.no_store {
        return Some(reason.as_str().to_owned());
    }
    match (ctx.reuse, session.cache.phase()) {
        (
            Some(Reuse::StaleWhileRevalidate(reason)),
            CachePhase::Hit | CachePhase::Stale | CachePhase::StaleUpdating,
        ) => Some(reason.as_str().to_owned()),
        (Some(Reuse::MustRefetch(reason)), CachePhase::Miss) => Some(reason.as_str().to_owned()),
        _ => None,
    }
}

/// Counts and logs a request that has been answered.
pub(super) fn count(node: &NodeState, session: &Session, error: Option<&Error>, ctx: &Context) {
    if session.subrequest_ctx.is_some() {
        // A refresh in the background answers nobody.
        return;
    }
    let outcome = outcome(session, ctx);
    ctx.counters(node).answered(outcome, session.body_bytes_sent() as u64);
    let request = session.req_header();
    let status = session.response_written().map_or(0, |response| response.status.as_u16());
    match error {
        Some(error) if status >= 500 => tracing::warn!(
            request = %ctx.request_id, method = %request.method, uri = %request.uri, status, %error, "failed"
        ),
        _ => tracing::debug!(
            request = %ctx.request_id, method = %request.method, uri = %request.uri, status,
            cache = outcome.as_str(), "answered"
        ),
    }
}
