//! Layer 4: a request on Pingora's path, hook by hook. Each hook asks the core and carries out what it says; what a
//! request gathers on its way is in its [`context::Context`].

mod admission;
mod context;
mod diagnosis;
mod downstream;
mod failure;
mod judge;
mod parts;
mod posting;
mod refreshing;
mod storing;
mod upstreaming;

pub(crate) use downstream::{DATE_FIELD, hit_fields};

use crate::core::reuse::{Forward, forward};
use crate::node::NodeState;
use crate::refusal::Refusal;
use crate::store::pingora::{MAX_WAITS, WAIT_TIMEOUT, pingora_key};
use async_trait::async_trait;
use bytes::Bytes;
use context::Context;
use diagnosis::Fault;
use pingora::cache::key::{CacheKey, HashBinary};
use pingora::cache::{CacheMeta, CacheOptionOverrides, ForcedFreshness, HitHandler, RespCacheable};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, RangeType, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};
use std::sync::Arc;
use std::time::Duration;

/// The hooks of Pingora's proxy.
pub struct Proxy {
    node: Arc<NodeState>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

impl Proxy {
    /// The hooks over a node's state.
    pub fn new(node: Arc<NodeState>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.node.snapshot())
    }

    fn init_downstream_modules(&self, _: &mut pingora::modules::http::HttpModules) {
        // None: responses leave as they were stored.
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        match admission::admit(&self.node, session, ctx) {
            Ok(()) => {
                admission::keep_up(&self.node, ctx).await;
                Ok(false)
            }
            Err(refusal) => {
                failure::refuse(&self.node, session, ctx, refusal).await;
                Ok(true)
            }
        }
    }

    fn allow_spawning_subrequest(&self, _: &Session, _: &Context) -> bool {
        true
    }

    fn request_cache_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        if ctx.uses_cache() {
            let mut overrides = CacheOptionOverrides::default();
            overrides.wait_timeout = Some(WAIT_TIMEOUT);
            overrides.max_lock_retries = Some(MAX_WAITS);
            session.cache.enable(self.node.storage, None, None, Some(self.node.fetch_lock), Some(overrides));
        }
        Ok(())
    }

    fn cache_key_callback(&self, session: &Session, ctx: &mut Context) -> Result<CacheKey> {
        let lookup = ctx.begin_lookup(session.req_header())?;
        if session.subrequest_ctx.is_some() {
            lookup.set_refresh();
        }
        let judge = judge::SiteJudge::new(self.node.purges.clone(), ctx.site()?.clone(), ctx.directives.clone());
        Ok(pingora_key(lookup, Arc::new(judge)))
    }

    async fn cache_hit_filter(
        &self,
        session: &mut Session,
        _: &CacheMeta,
        handler: &mut HitHandler,
        _: bool,
        ctx: &mut Context,
    ) -> Result<Option<ForcedFreshness>> {
        let verdict = judge::on_found(&self.node, session, handler, ctx)?;
        refreshing::leave_client_out(&self.node, session, ctx);
        Ok(Some(verdict))
    }

    fn should_serve_stale(&self, session: &mut Session, ctx: &mut Context, error: Option<&Error>) -> bool {
        let may = judge::may_serve_stale(&self.node, session, ctx, error);
        ctx.stood_in_for = error.map_or_else(Fault::default, |error| Fault::of(error, ctx.upstream.status));
        may
    }

    fn cache_not_modified_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        ctx: &mut Context,
    ) -> Result<bool> {
        Ok(parts::is_not_modified(session, response, ctx))
    }

    fn range_header_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> RangeType {
        parts::choose(session, response, ctx)
    }

    async fn proxy_upstream_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        match forward(&ctx.directives) {
            Forward::Allowed => Ok(true),
            Forward::OnlyIfCached => {
                failure::refuse(&self.node, session, ctx, Refusal::ONLY_IF_CACHED).await;
                Ok(false)
            }
        }
    }

    async fn request_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        admission::count_body(body.as_ref(), ctx)
    }

    async fn upstream_peer(&self, session: &mut Session, ctx: &mut Context) -> Result<Box<HttpPeer>> {
        upstreaming::choose(&self.node, session, ctx).await
    }

    fn fail_to_connect(&self, _: &mut Session, _: &HttpPeer, ctx: &mut Context, error: Box<Error>) -> Box<Error> {
        upstreaming::connect_failed(&self.node, ctx, error)
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        upstreaming::exchange_failed(&self.node, peer, session, ctx, error, reused)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        upstreaming::write_request(&self.node, session, request, ctx)
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        upstreaming::read_response(&self.node, session, response, ctx)
    }

    fn upstream_response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        ends: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        posting::push(body.as_ref(), ends, ctx);
        ctx.counters(&self.node).upstream_body(body.as_ref().map_or(0, |part| part.len() as u64));
        if !ends {
            storing::still_wanted(ctx)?;
        }
        Ok(None)
    }

    fn response_cache_filter(
        &self,
        session: &Session,
        response: &ResponseHeader,
        ctx: &mut Context,
    ) -> Result<RespCacheable> {
        storing::decide(&self.node, session, response, ctx)
    }

    fn cache_vary_filter(&self, _: &CacheMeta, _: &mut Context, _: &RequestHeader) -> Option<HashBinary> {
        // The store resolves Vary itself, in one place for hits, fills and locks.
        None
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        match downstream::is_interim(response) {
            true => downstream::write_interim(&self.node, session, response, ctx).await,
            false => downstream::write_response(&self.node, session, response, ctx),
        }
    }

    fn response_body_filter(
        &self,
        _: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        downstream::leave_out_body(body, ctx);
        Ok(None)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
        failure::answer(&self.node, session, error, ctx).await
    }

    fn suppress_error_log(&self, _: &Session, _: &Context, _: &Error) -> bool {
        // `logging` says it, once and in our words.
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, ctx: &Context, _: &Error, when: ProxyWarnLogContext) -> bool {
        // The one place where Pingora tells that it goes on without the client.
        if matches!(when, ProxyWarnLogContext::DownstreamCache) {
            storing::client_left(ctx);
        }
        false
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        posting::finish(error.is_none(), ctx);
        refreshing::finish(&self.node, session, error.is_none(), ctx);
        downstream::count(&self.node, session, error, ctx);
    }
}
