//! Whether a stored response answers a request: the core's verdict, put into Pingora's words.

use super::context::Context;
use super::refreshing;
use crate::clock;
use crate::core::cache_control::RequestDirectives;
use crate::core::purge::Arrival;
use crate::core::reuse::{PurgeMark, Reuse, StaleIfError, UpstreamFailure, for_tier, reuse, stale_if_error};
use crate::core::validate::validators;
use crate::node::NodeState;
use crate::purge_log::PurgeLog;
use crate::snapshot::SiteRuntime;
use crate::store::entry::Entry;
use crate::store::lookup::Collapse;
use crate::store::pingora::{Hit, Judge};
use http::Method;
use pingora::cache::{ForcedFreshness, HitHandler};
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::sync::Arc;

/// The core's verdict on an entry, now.
fn verdict(purges: &PurgeLog, site: &SiteRuntime, directives: &RequestDirectives, entry: &Entry) -> Reuse {
    let mark = purges.verdict(&entry.subject, &entry.mark);
    reuse(directives, &entry.freshness, mark, clock::now(), &site.reuse)
}

/// Tells the store which of two candidates to hand out: see [`Judge`].
pub(super) struct SiteJudge {
    purges: Arc<PurgeLog>,
    site: Arc<SiteRuntime>,
    directives: RequestDirectives,
}

impl SiteJudge {
    pub(super) fn new(purges: Arc<PurgeLog>, site: Arc<SiteRuntime>, directives: RequestDirectives) -> Self {
        Self { purges, site, directives }
    }
}

impl Judge for SiteJudge {
    fn usable(&self, entry: &Entry) -> bool {
        let verdict = verdict(&self.purges, &self.site, &self.directives, entry);
        matches!(verdict, Reuse::Fresh | Reuse::StaleWhileRevalidate(_))
    }
}

/// A lookup found something: may it be used?
pub(super) fn on_found(
    node: &NodeState,
    session: &Session,
    handler: &HitHandler,
    ctx: &mut Context,
) -> Result<ForcedFreshness> {
    let Some(hit) = handler.as_any().downcast_ref::<Hit>() else {
        return Err(Error::explain(ErrorType::InternalError, "a hit that is not from this store"));
    };
    let verdict = verdict(&node.purges, ctx.site()?, &ctx.directives, &hit.entry);
    let verdict = match answers_who_waited(node, ctx, &hit.entry, verdict) {
        true => reuse(&ctx.directives, &hit.entry.freshness, PurgeMark::Valid, clock::now(), &ctx.site()?.reuse),
        false => verdict,
    };
    let verdict = if ctx.tier.is_some() { for_tier(verdict) } else { verdict };
    ctx.reuse = Some(verdict);
    // While an origin fails, requests don't wait to hear that once more: one at a time tries again behind their backs.
    ctx.stale_if_error = matches!(verdict, Reuse::MustRevalidate(_))
        && ctx.lookup.as_ref().is_some_and(|lookup| node.fetch_lock.is_failing(&lookup.key()))
        && stands_in(node, ctx, &hit.entry, UpstreamFailure::Connect);
    // What can't be validated would be fetched whole for a client that wants no body: the HEAD goes up as it is, and says
    // whether the stored response still holds (RFC 9111 §4.3.5).
    ctx.upstream.asks_head = matches!(verdict, Reuse::MustRevalidate(_))
        && session.req_header().method == Method::HEAD
        && session.subrequest_ctx.is_none()
        && validators(&hit.entry.head).is_none();
    if let Some(lookup) = &ctx.lookup {
        lookup.set_collapse(match verdict {
            _ if ctx.stale_if_error => Collapse::Refresh,
            _ if ctx.upstream.asks_head => Collapse::Alone,
            Reuse::StaleWhileRevalidate(_) => Collapse::Refresh,
            Reuse::MustRevalidate(reason) if reason.is_each_requests_own() => Collapse::Alone,
            // It has waited, and what came was stale at once: waiting for the next one would bring no more.
            Reuse::MustRevalidate(_) if lookup.collapsed() => Collapse::Alone,
            _ => Collapse::Join,
        });
    }
    let is_served_stale = ctx.stale_if_error || matches!(verdict, Reuse::StaleWhileRevalidate(_));
    let pauses = is_served_stale && refreshing::pauses(node, ctx, &hit.entry);
    Ok(match verdict {
        Reuse::Fresh => ForcedFreshness::ForceFresh,
        // As if it were fresh: there is nothing left to start.
        Reuse::StaleWhileRevalidate(_) if is_arriving(node, ctx) => ForcedFreshness::ForceFresh,
        // Or nothing to start yet. If the request is a refresh itself, it came too late.
        Reuse::StaleWhileRevalidate(_) | Reuse::MustRevalidate(_) if pauses => ForcedFreshness::ForceFresh,
        // Whether it is served while it is refreshed, `may_serve_stale` says.
        Reuse::StaleWhileRevalidate(_) | Reuse::MustRevalidate(_) => {
            ForcedFreshness::ForceExpiredServeStale { expired_at: Some(clock::now().to_system_time()) }
        }
        Reuse::MustRefetch(_) => ForcedFreshness::ForceMiss,
    })
}

/// Whether what a request has waited for answers it, although a purge hides it by now: it was sent for after everything had
/// been applied that was proven when the request came. So each request gets an answer also where purges come faster than
/// the origin's responses.
fn answers_who_waited(node: &NodeState, ctx: &Context, entry: &Entry, verdict: Reuse) -> bool {
    let has_waited = ctx.lookup.as_ref().is_some_and(|lookup| lookup.collapsed());
    has_waited
        && matches!(verdict, Reuse::MustRefetch(_))
        && node.purges.arrival(&entry.subject, entry.fence, ctx.asked_at) == Arrival::AnswersOnly
}

/// Whether the refresh of what was found is arriving already. The lock doesn't know: it is held until the head is there.
fn is_arriving(node: &NodeState, ctx: &Context) -> bool {
    let arriving = ctx.lookup.as_ref().and_then(|lookup| node.store.filling(&lookup.key()));
    arriving.is_some_and(|entry| !node.purges.selects_since(&entry.subject, entry.fence))
}

/// Whether the stale response that was found may be served: without an error while it is refreshed, with one instead
/// of it.
pub(super) fn may_serve_stale(
    node: &NodeState,
    session: &mut Session,
    ctx: &mut Context,
    error: Option<&Error>,
) -> bool {
    let Some(error) = error else {
        // The refresh itself is served by nobody: it fetches.
        let is_refresh = session.subrequest_ctx.is_some();
        let allowed = ctx.stale_if_error || matches!(ctx.reuse, Some(Reuse::StaleWhileRevalidate(_)));
        return allowed && !is_refresh;
    };
    let Some(cause) = failure_of(error) else { return false };
    refreshing::failed(node, session, ctx);
    let Some(lookup) = &ctx.lookup else { return false };
    ctx.stale_if_error = lookup.found().is_some_and(|entry| stands_in(node, ctx, &entry, cause));
    if ctx.stale_if_error {
        node.fetch_lock.set_failing(lookup.key(), true);
        if !matches!(cause, UpstreamFailure::Status(_)) {
            // Pingora does not use the client's connection again after such a failure: the answer must say so.
            session.set_keepalive(None);
        }
    }
    ctx.stale_if_error
}

/// Whether there is a stale response for the case that the tier above fails.
pub(super) fn could_stand_in(node: &NodeState, ctx: &Context) -> bool {
    let found = ctx.lookup.as_ref().and_then(|lookup| lookup.found());
    found.is_some_and(|entry| stands_in(node, ctx, &entry, UpstreamFailure::Connect))
}

/// Whether a stale response may be served instead of this failure.
fn stands_in(node: &NodeState, ctx: &Context, entry: &Entry, cause: UpstreamFailure) -> bool {
    let Ok(site) = ctx.site() else { return false };
    let mark = node.purges.verdict(&entry.subject, &entry.mark);
    if ctx.tier.is_some() && matches!(mark, PurgeMark::Soft { .. }) {
        // A tier below stores what it is given, and takes it for fresh if it is young.
        return false;
    }
    stale_if_error(&ctx.directives, &entry.freshness, mark, clock::now(), &site.reuse, cause) == StaleIfError::Allowed
}

/// How the tier above failed; `None` if it was not the tier above.
fn failure_of(error: &Error) -> Option<UpstreamFailure> {
    if let ErrorType::HTTPStatus(code) = error.etype() {
        return http::StatusCode::from_u16(*code).ok().map(UpstreamFailure::Status);
    }
    match (error.esource(), error.etype()) {
        (ErrorSource::Upstream, ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout) => {
            Some(UpstreamFailure::Timeout)
        }
        (ErrorSource::Upstream, _) => Some(UpstreamFailure::Connect),
        _ => None,
    }
}
