//! Whether and for how long a response is stored: the core's verdict, put into Pingora's words.

use super::context::Context;
use crate::clock;
use crate::core::freshness::Freshness;
use crate::core::purge::Subject;
use crate::core::site_rule;
use crate::core::store_rule::{NoStore, RequestHead, ResponseHead, Store, StorePolicy, may_store, stored_head};
use crate::core::tags::read_tags;
use crate::core::validate::{Selects, merge_304, selects};
use crate::core::vary::VaryRule;
use crate::node::NodeState;
use crate::store::lookup::Plan;
use crate::store::pingora::meta;
use http::{HeaderMap, Method, StatusCode, header};
use pingora::cache::{NoCacheReason, RespCacheable};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

/// Request fields that the node writes anew for each request: what varies by them is another response each time.
const WRITTEN_BY_THE_NODE: [&str; 8] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-request-id",
    "via",
    "cdn-loop",
    crate::core::tier::TIER_FIELD,
];

/// Decides about a response, or about a stored one that a 304 has validated.
pub(super) fn decide(
    node: &NodeState,
    session: &Session,
    response: &ResponseHeader,
    ctx: &mut Context,
) -> Result<RespCacheable> {
    let lookup = ctx.lookup.clone().ok_or_else(|| Error::explain(ErrorType::InternalError, "no lookup"))?;
    let validated = ctx.upstream.not_modified.as_ref().zip(lookup.found());
    let now = clock::now();
    let merged;
    let (status, headers) = match &validated {
        Some((fields, stored)) => {
            merged = merge_304(&stored.head, fields, now);
            (stored.status, &merged)
        }
        None => (response.status, &response.headers),
    };
    let plan = match &validated {
        Some((fields, stored)) if selects(&stored.head, fields) == Selects::Another => {
            // Pingora answers with what is stored all the same. It is the last time: the next request fetches anew.
            node.store.forget(stored);
            Err(NoStore::OtherValidated)
        }
        _ => plan(session, status, headers, ctx),
    };
    match plan {
        Ok(plan) if validated.is_none() && !node.store.has_room(plan.content_length) => {
            ctx.no_store = Some(NoStore::NoRoom);
            Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache))
        }
        Ok(plan) => {
            let meta = meta(plan.status, &plan.head, &plan.freshness)?;
            lookup.set_plan(plan);
            ctx.stored = true;
            Ok(RespCacheable::Cacheable(meta))
        }
        Err(reason) => {
            if reason.will_last() && !status.is_server_error() {
                lookup.set_refused_for_good();
            }
            ctx.no_store = Some(reason);
            Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache))
        }
    }
}

fn plan(session: &Session, status: StatusCode, headers: &HeaderMap, ctx: &Context) -> Result<Plan, NoStore> {
    let (url, site) = ctx.target.as_ref().ok_or(NoStore::SitePass)?;
    let request = session.req_header();
    let response = ResponseHead::new(status, headers);
    let rules = site_rule::for_response(&site.site.rules, &url.path, &request.headers, headers);
    let policy = policy_with(&site.store, rules.ttl);
    // A HEAD that misses is fetched as a GET, so that its response can answer both.
    let head = RequestHead::new(&Method::GET, &request.headers);
    match may_store(head, response, &policy) {
        Store::Yes => {}
        // The response is stale at once by its own word, and a rule's lifetime takes the place of that.
        Store::No(NoStore::NeverReusable) if rules.ttl.is_some_and(|ttl| !ttl.is_zero()) => {}
        Store::No(reason) => return Err(reason),
    }
    let sent = ctx.upstream.sent.unwrap_or_else(clock::now);
    let mut freshness = Freshness::of(response, &policy.lifetime, sent, clock::now());
    if let Some(ttl) = rules.ttl {
        freshness.lifetime.duration = ttl.min(site.site.max_ttl);
    }
    let tags = read_tags(headers, &site.site.tag_fields).map_err(|_| NoStore::TagsUnreadable)?;
    let vary = VaryRule::from_response(headers).map_err(|_| NoStore::VaryUnreadable)?;
    if vary.fields().iter().any(|field| WRITTEN_BY_THE_NODE.contains(&field.as_str())) {
        return Err(NoStore::VaryStar);
    }
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let content_length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Plan {
        status,
        head: stored_head(response, &policy, clock::now()),
        freshness,
        subject: Subject::new(url, &tags),
        vary,
        content_length: content_length.filter(|_| has_body),
    })
}

/// Whether somebody is there for the rest of a response: the store, or a reader.
pub(super) fn still_wanted(ctx: &Context) -> Result<()> {
    let fill = ctx.lookup.as_ref().and_then(|lookup| lookup.own_fill());
    if fill.is_some_and(|fill| fill.body.is_abandoned()) {
        return Err(Error::new_down(ErrorType::ConnectionClosed).more_context("too large to be kept, and unread"));
    }
    Ok(())
}

/// A rule's lifetime is the site's default for responses that say nothing, and replaces what others say.
fn policy_with(policy: &StorePolicy, ttl: Option<std::time::Duration>) -> StorePolicy {
    let mut policy = policy.clone();
    if ttl.is_some() {
        policy.lifetime.default_ttl = ttl;
    }
    policy
}
