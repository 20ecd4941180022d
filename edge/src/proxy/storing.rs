//! Whether and for how long a response is stored: the core's verdict, put into Pingora's words.

use super::context::{Context, Refetch};
use super::refreshing;
use crate::clock;
use crate::core::cache_control::effective_directives;
use crate::core::cache_control::fields::named_in_connection;
use crate::core::cache_groups::{CACHE_GROUPS, Groups, read_groups};
use crate::core::freshness::Freshness;
use crate::core::partial::Part;
use crate::core::purge::Subject;
use crate::core::reuse::Reuse;
use crate::core::site_rule;
use crate::core::store_rule::{
    COOKIE_SETTERS, NoStore, RequestHead, ResponseHead, SpeaksOf, Store, StorePolicy, may_store, stored_head,
};
use crate::core::tags::read_tags;
use crate::core::validate::{HeadEffect, Selects, head_effect, merge_304, selects, update_of};
use crate::core::vary::VaryRule;
use crate::node::NodeState;
use crate::store::entry::Entry;
use crate::store::lookup::{Lookup, Plan};
use crate::store::pingora::meta;
use http::{HeaderMap, Method, StatusCode, header};
use pingora::cache::{NoCacheReason, RespCacheable};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::borrow::Cow;
use std::sync::Arc;

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
    let plan = match ctx.upstream.not_modified.take().zip(lookup.found()) {
        Some((fields, stored)) if selects(&stored.head, &fields) == Selects::Another => {
            node.store.forget(&stored);
            ctx.upstream.refetch = Refetch::Due;
            Err(NoStore::OtherValidated)
        }
        Some((_, stored)) if !is_alive(node, &lookup, &stored, ctx) => {
            node.store.forget(&stored);
            ctx.upstream.refetch = Refetch::Due;
            Err(NoStore::Purged)
        }
        Some((fields, stored)) => {
            let plan = updated(session, &stored, &fields, ctx);
            ctx.upstream.withheld = match &plan {
                Ok(plan) => withheld(&fields, &plan.head, ctx),
                // The stored response answers this request once more, as the 304 has it.
                Err(_) => update_of(&fields),
            };
            if plan.as_ref().is_err_and(|reason| !reason.is_the_requests_own()) {
                // What may not be stored any more must not stand in for an error either.
                node.store.forget(&stored);
            }
            plan
        }
        None if ctx.upstream.asks_head => {
            learn_from_head(node, session, response, ctx);
            Err(NoStore::Head)
        }
        None => {
            let plan = fetched(session, response, ctx);
            match &plan {
                Ok(plan) => ctx.upstream.withheld = withheld(&response.headers, &plan.head, ctx),
                Err(reason) => {
                    // It takes the place of what was to be validated (RFC 9111 §4.3.3), which must not stand in for a
                    // later error.
                    let ends = |stored: &Arc<Entry>| ends_what_is_stored(*reason, response.status, session, stored);
                    lookup.found().iter().filter(|stored| ends(stored)).for_each(|stored| node.store.forget(stored));
                }
            }
            plan.and_then(|plan| match node.store.has_room(plan.content_length) {
                true => Ok(plan),
                false => Err(NoStore::NoRoom),
            })
        }
    };
    match plan {
        Ok(plan) => {
            let meta = meta(plan.status, &plan.head, &plan.freshness)?;
            lookup.set_plan(plan);
            ctx.stored = true;
            Ok(RespCacheable::Cacheable(meta))
        }
        Err(reason) => {
            if reason.will_last() && !response.status.is_server_error() {
                lookup.set_refused_for_good();
            }
            if reason == NoStore::TooLarge {
                node.fetch_lock.set_too_large(lookup.primary);
                if ctx.upstream.range.may_go_up() {
                    // Of what is not kept, the origin may as well send the range alone.
                    ctx.upstream.refetch = Refetch::Due;
                }
            }
            if !reason.is_the_requests_own() {
                refreshing::failed(node, session, ctx);
            }
            ctx.no_store = Some(reason);
            Ok(RespCacheable::Uncacheable(NoCacheReason::OriginNotCache))
        }
    }
}

/// Whether what a 304 has validated is not purged by now. If so, the 304 is worth no more than what this node has applied.
fn is_alive(node: &NodeState, lookup: &Lookup, stored: &Entry, ctx: &mut Context) -> bool {
    let applied = node.purges.applied();
    let mark = node.purges.verdict(&stored.subject, &stored.mark);
    let Some(fence) = ctx.upstream.fence.of_validated(mark, applied) else { return false };
    ctx.upstream.fence = fence;
    lookup.set_fence(fence);
    true
}

/// Whether a response that is not stored is the last word on what is stored: an answer of the origin's, and not one to the
/// request alone. Who asks is refused for everybody if the request said nothing of who it is.
fn ends_what_is_stored(reason: NoStore, status: StatusCode, session: &Session, stored: &Entry) -> bool {
    let speaks_of_all = match SpeaksOf::by_status(status) {
        SpeaksOf::Resource => true,
        SpeaksOf::Requester => refreshing::is_anybodys(session, stored),
        SpeaksOf::Request | SpeaksOf::Server => false,
    };
    speaks_of_all && !reason.is_the_requests_own() && reason != NoStore::OneRequests
}

/// What is stored of a response that was fetched.
fn fetched(session: &Session, response: &ResponseHeader, ctx: &Context) -> Result<Plan, NoStore> {
    let (status, mut headers) = (response.status, response.headers.clone());
    let speaks_of_range = ctx.upstream.range.went_up() && status == StatusCode::RANGE_NOT_SATISFIABLE;
    if speaks_of_range || (ctx.upstream.is_conditional && status == StatusCode::PRECONDITION_FAILED) {
        return Err(NoStore::OneRequests);
    }
    let serves_stale = matches!(ctx.reuse, Some(Reuse::StaleWhileRevalidate(_)));
    if status.is_server_error() && (serves_stale || ctx.stale_if_error) {
        return Err(NoStore::KeepsStale);
    }
    let request = &asked(&session.req_header().headers, ctx);
    match Part::of_response(request, ResponseHead::new(status, &headers)) {
        Some(part) if part.is_whole() => {
            headers.remove(header::CONTENT_RANGE);
            headers.insert(header::CONTENT_LENGTH, part.total().into());
            plan(request, StatusCode::OK, &headers, ctx)
        }
        Some(part) => {
            // What it must turn out to be, also where only its place is said.
            let content_length = Some(part.range().end - part.range().start);
            Ok(Plan { part: Some(part), content_length, ..plan(request, status, &headers, ctx)? })
        }
        None => plan(request, status, &headers, ctx),
    }
}

/// A request's fields with its range only if that went up: a 206 answers what was asked, not what the client wants.
fn asked<'r>(request: &'r HeaderMap, ctx: &Context) -> Cow<'r, HeaderMap> {
    let mut asked = Cow::Borrowed(request);
    if !ctx.upstream.range.went_up() && request.contains_key(header::RANGE) {
        asked.to_mut().remove(header::RANGE);
    }
    asked
}

/// What is stored of a response whose fields those of another one update (RFC 9111 §3.2).
fn updated(session: &Session, stored: &Entry, fields: &HeaderMap, ctx: &Context) -> Result<Plan, NoStore> {
    let (url, site) = ctx.target.as_ref().ok_or(NoStore::SitePass)?;
    let rules = site_rule::for_response(&site.site.rules, &url.path, &session.req_header().headers, &stored.head);
    let merged = merge_304(&stored.head, fields, clock::now(), &policy_with(&site.store, &rules));
    plan(&session.req_header().headers, stored.status, &merged, ctx)
}

/// Lets the response to a HEAD freshen the stored response, or make it stale (RFC 9111 §4.3.5).
fn learn_from_head(node: &NodeState, session: &Session, response: &ResponseHeader, ctx: &Context) {
    let Some(stored) = ctx.lookup.as_ref().and_then(|lookup| lookup.found()) else { return };
    let head = ResponseHead::new(response.status, &response.headers);
    let effect = head_effect(ResponseHead::new(stored.status, &stored.head), stored.body.len(), head);
    match (effect, updated(session, &stored, &response.headers, ctx)) {
        // With its credentials, say, this client may see what others don't.
        (_, Err(reason)) if reason.is_the_requests_own() => {}
        (HeadEffect::Freshens, Ok(plan)) => drop(node.store.freshen(&stored, stored.fence, plan)),
        (HeadEffect::Freshens, Err(_)) => node.store.forget(&stored),
        (HeadEffect::MakesStale, _) => node.store.make_stale(&stored),
        (HeadEffect::None, _) => {}
    }
}

/// The fields of a response that are not stored with it, but are for the client that asked (RFC 9111 §5.2.2.4, §5.2.2.7).
fn withheld(received: &HeaderMap, kept: &HeaderMap, ctx: &Context) -> HeaderMap {
    let mut withheld = HeaderMap::new();
    let Ok(site) = ctx.site() else { return withheld };
    let directives = effective_directives(received, &site.store.lifetime.target_list);
    let cookies = COOKIE_SETTERS.map(header::HeaderName::from_static);
    let named = named_in_connection(received);
    for name in directives.listed_fields().chain(&cookies).filter(|name| !named.contains(name)) {
        // A name may be listed more than once.
        if !kept.contains_key(name) && !withheld.contains_key(name) {
            for line in received.get_all(name) {
                withheld.append(name, line.clone());
            }
        }
    }
    withheld
}

/// What is stored of a response with this status and these fields, obtained by a GET with those.
pub(super) fn plan(
    request: &HeaderMap,
    status: StatusCode,
    headers: &HeaderMap,
    ctx: &Context,
) -> Result<Plan, NoStore> {
    let (url, site) = ctx.target.as_ref().ok_or(NoStore::SitePass)?;
    if ctx.upstream.has_other_rules {
        return Err(NoStore::KeyRules);
    }
    let rules = site_rule::for_response(&site.site.rules, &url.path, request, headers);
    let stripped = (rules.strip_cookies == Some(true)).then(|| {
        let mut headers = headers.clone();
        remove_cookies(&mut headers);
        headers
    });
    let headers = stripped.as_ref().unwrap_or(headers);
    let response = ResponseHead::new(status, headers);
    let policy = policy_with(&site.store, &rules);
    // A HEAD that misses is fetched as a GET, so that its response can answer both.
    let head = RequestHead::new(&Method::GET, request);
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
    let Groups::Named(groups) = read_groups(headers, &CACHE_GROUPS) else { return Err(NoStore::TagsUnreadable) };
    let vary = VaryRule::from_response(headers).map_err(|_| NoStore::VaryUnreadable)?;
    if vary.fields().iter().any(|field| WRITTEN_BY_THE_NODE.contains(&field.as_str()) || ctx.leaves_out(field)) {
        return Err(NoStore::VaryStar);
    }
    let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let content_length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    Ok(Plan {
        status,
        head: stored_head(response, &policy, clock::now()),
        freshness,
        subject: Subject::new(url, &tags).in_groups(url, &groups),
        vary,
        part: None,
        content_length: content_length.filter(|_| has_body),
        authorized: request.contains_key(header::AUTHORIZATION),
    })
}

/// Removes what sets cookies.
pub(super) fn remove_cookies(headers: &mut HeaderMap) {
    for name in COOKIE_SETTERS {
        headers.remove(name);
    }
}

/// Whether somebody is there for the rest of a response: the store, while its end can be waited for, or a reader.
pub(super) fn still_wanted(ctx: &Context) -> Result<()> {
    let Some(lookup) = &ctx.lookup else { return Ok(()) };
    let Some(fill) = lookup.own_fill() else { return Ok(()) };
    if ctx.head_only || lookup.left().is_some() {
        fill.body.forget_own_reader();
    }
    if fill.body.is_abandoned(clock::monotonic()) {
        return Err(unread());
    }
    Ok(())
}

/// The client has gone, and Pingora goes on for the store.
pub(super) fn client_left(ctx: &Context) {
    let Some(lookup) = &ctx.lookup else { return };
    lookup.set_left(clock::monotonic());
    if let Some(fill) = lookup.own_fill() {
        fill.body.forget_own_reader();
    }
}

/// The error of an exchange that is ended because nobody wants the rest.
pub(super) fn unread() -> Box<Error> {
    Error::new_down(ErrorType::ConnectionClosed).more_context("unread, and not worth waiting for")
}

/// A rule's lifetime is the site's default for responses that say nothing, and replaces what others say.
fn policy_with(policy: &StorePolicy, rules: &site_rule::Set) -> StorePolicy {
    let mut policy = policy.clone();
    if rules.ttl.is_some() {
        policy.lifetime.default_ttl = rules.ttl;
    }
    policy.store_set_cookie = rules.store_cookies == Some(true);
    policy
}
