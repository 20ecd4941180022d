//! Whether a stored response answers a request: the core's verdict, put into Pingora's words.

use super::context::Context;
use crate::clock;
use crate::core::cache_control::RequestDirectives;
use crate::core::reuse::{Reuse, StaleIfError, UpstreamFailure, for_tier, reuse, stale_if_error};
use crate::node::NodeState;
use crate::purge_log::PurgeLog;
use crate::snapshot::SiteRuntime;
use crate::store::entry::Entry;
use crate::store::pingora::{Hit, Judge};
use pingora::cache::{ForcedFreshness, HitHandler};
use pingora::{Error, ErrorSource, ErrorType, Result};
use std::sync::Arc;

/// The core's verdict on an entry, now.
fn verdict(purges: &PurgeLog, site: &SiteRuntime, entry: &Entry) -> Reuse {
    let mark = purges.verdict(&entry.subject, &entry.mark);
    reuse(&RequestDirectives::NONE, &entry.freshness, mark, clock::now(), &site.reuse)
}

/// Tells the store which of two candidates to hand out: see [`Judge`].
pub(super) struct SiteJudge {
    purges: Arc<PurgeLog>,
    site: Arc<SiteRuntime>,
}

impl SiteJudge {
    pub(super) fn new(purges: Arc<PurgeLog>, site: Arc<SiteRuntime>) -> Self {
        Self { purges, site }
    }
}

impl Judge for SiteJudge {
    fn usable(&self, entry: &Entry) -> bool {
        matches!(verdict(&self.purges, &self.site, entry), Reuse::Fresh | Reuse::StaleWhileRevalidate(_))
    }
}

/// A lookup found something: may it be used?
pub(super) fn on_found(node: &NodeState, handler: &HitHandler, ctx: &mut Context) -> Result<ForcedFreshness> {
    let Some(hit) = handler.as_any().downcast_ref::<Hit>() else {
        return Err(Error::explain(ErrorType::InternalError, "a hit that is not from this store"));
    };
    let verdict = verdict(&node.purges, ctx.site()?, &hit.entry);
    let verdict = if ctx.tier.is_some() { for_tier(verdict) } else { verdict };
    ctx.reuse = Some(verdict);
    Ok(match verdict {
        Reuse::Fresh => ForcedFreshness::ForceFresh,
        // Whether it is served while it is refreshed, `may_serve_stale` says.
        Reuse::StaleWhileRevalidate(_) | Reuse::MustRevalidate(_) => {
            ForcedFreshness::ForceExpiredServeStale { expired_at: Some(clock::now().to_system_time()) }
        }
        Reuse::MustRefetch(_) => ForcedFreshness::ForceMiss,
    })
}

/// Whether the stale response that was found may be served: without an error while it is refreshed, with one instead
/// of it.
pub(super) fn may_serve_stale(node: &NodeState, ctx: &mut Context, error: Option<&Error>) -> bool {
    let Some(error) = error else {
        return matches!(ctx.reuse, Some(Reuse::StaleWhileRevalidate(_)));
    };
    let Some(cause) = failure_of(error) else { return false };
    let (Some(entry), Ok(site)) = (ctx.lookup.as_ref().and_then(|lookup| lookup.found()), ctx.site()) else {
        return false;
    };
    let mark = node.purges.verdict(&entry.subject, &entry.mark);
    let allowed = stale_if_error(&entry.freshness, mark, clock::now(), &site.reuse, cause);
    ctx.stale_if_error = allowed == StaleIfError::Allowed;
    ctx.stale_if_error
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
