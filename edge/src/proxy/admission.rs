//! Which requests get in: the host is one of a site's, the method is served, the body is within its limit; and by which
//! way: through the cache or past it.

use super::context::{Context, Pass};
use super::upstreaming::CDN_NAME;
use crate::core::cache_control::RequestDirectives;
use crate::core::cache_control::fields::{is_token, named_in_connection};
use crate::core::forwarded::{Loop, detect_loop, has_passed};
use crate::core::hop::{Asked, Turn, turn};
use crate::core::site_rule;
use crate::core::tier::{TIER_FIELD, TierHop};
use crate::core::url::{Scheme, SiteUrl, normal_target, normalise_host, target_authority};
use crate::node::{NodeState, Standing};
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;

/// Methods that are not passed on: tunnels, echoes of credentials, and the purge methods of other caches, which must
/// not look as if they had worked.
const REFUSED_METHODS: [&str; 6] = ["CONNECT", "TRACE", "TRACK", "PURGE", "PURGEKEYS", "BAN"];

/// Fields that Connection may not name (RFC 9110 §7.6.1: a sender must not, if they are meant for all recipients).
const KEPT_ALWAYS: [&str; 4] = ["host", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/// Most that Connection may name.
const MAX_CONNECTION_OPTIONS: usize = 9;

/// How often a request may have passed this CDN before: once for each tier below a shield, and one to spare.
const MAX_PASSES: usize = 2;

/// How long a request of the tier below waits for the purges that it knows of.
const CATCH_UP: Duration = Duration::from_millis(300);

/// Admits a request, and fills in what the later hooks need.
pub(super) fn admit(node: &NodeState, session: &mut Session, ctx: &mut Context) -> Result<(), Refusal> {
    let limits = ctx.snapshot.fleet.limits;
    let timeouts = ctx.snapshot.fleet.timeouts;
    session.set_read_timeout(Some(timeouts.body));
    session.set_write_timeout(Some(timeouts.write));

    let over_tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let has_body = !session.is_body_empty();
    let upgrade = session.is_upgrade_req();
    if session.subrequest_ctx.is_some() {
        // A refresh in the background is the node's own request, whoever's it repeats: what that client says of caching
        // must neither keep its response out of the store nor have a tier above refuse it.
        let named = named_in_connection(&session.req_header().headers);
        for name in [header::CACHE_CONTROL, header::PRAGMA] {
            // What concerns one connection alone doesn't go up at all.
            for value in session.req_header().headers.get_all(&name).iter().filter(|_| !named.contains(&name)) {
                ctx.set_aside.append(&name, value.clone());
            }
            session.req_header_mut().remove_header(&name);
        }
    }
    let request = session.req_header();
    ctx.request_id = node.request_id();
    // First of all: a tier is told of purges whatever else becomes of its request.
    ctx.tier = hop_of(request, &ctx.snapshot);
    if !is_good_connection(&request.headers) {
        return Err(Refusal::BAD_CONNECTION);
    }
    if node.standing() == Standing::Starting {
        return Err(Refusal::STARTING);
    }

    if REFUSED_METHODS.contains(&request.method.as_str()) {
        return Err(Refusal::BAD_METHOD);
    }
    if matches!(detect_loop(&request.headers, CDN_NAME, MAX_PASSES), Loop::Detected { .. }) {
        return Err(Refusal::LOOP);
    }
    let authority = authority_of(request)?;
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    let is_path = target.starts_with('/') || (target == "*" && request.method == Method::OPTIONS);
    if !is_path {
        return Err(Refusal::BAD_TARGET);
    }
    let scheme = match &ctx.tier {
        Some(hop) => hop.scheme,
        None if over_tls => Scheme::Https,
        None => Scheme::Http,
    };
    if let Some(hop) = &ctx.tier {
        ctx.request_id.clone_from(&hop.request_id);
    }
    let host = normalise_host(authority, scheme).map_err(|_| Refusal::BAD_HOST)?;
    let (host, site) = ctx.snapshot.site(&host).ok_or(Refusal::UNKNOWN_HOST)?;
    let (site, host) = (site.clone(), host.to_owned());

    let announced = request.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > limits.body) {
        return Err(Refusal::LARGE_BODY);
    }
    ctx.directives = site.site.client_directives.heeded(&RequestDirectives::from_headers(&request.headers));
    let (path, query) = normal_target(target);
    ctx.rules = site_rule::for_request(&site.site.rules, &path, &request.headers);
    ctx.pass = if ctx.rules.pass == Some(true) {
        Some(Pass::SiteRule)
    } else if !matches!(request.method, Method::GET | Method::HEAD) {
        Some(Pass::Method)
    } else if has_body {
        Some(Pass::RequestBody)
    } else if upgrade {
        Some(Pass::Upgrade)
    } else if !node.uses_store(&ctx.snapshot) {
        Some(Pass::NoPurgeLog)
    } else if ctx.has_other_rules_below(&site) {
        Some(Pass::KeyRules)
    } else {
        None
    };
    let query = site.site.query.apply(query.as_deref());
    let url = SiteUrl { site: site.site.id.clone(), scheme, host, path, query };
    ctx.is_back = has_passed(&request.headers, CDN_NAME, &node.loop_word(&url.cache_key()));
    ctx.target = Some((url, site));
    Ok(())
}

/// The host that a request names, as it names it.
fn authority_of(request: &RequestHeader) -> Result<&str, Refusal> {
    match (request.uri.authority(), request.headers.get(header::HOST)) {
        (Some(authority), _) => Ok(authority.as_str()),
        (None, Some(host)) => host.to_str().map_err(|_| Refusal::BAD_HOST),
        (None, None) => {
            let target = std::str::from_utf8(request.raw_path()).ok();
            target.and_then(target_authority).ok_or(Refusal::NO_HOST)
        }
    }
}

/// What the tier below says of a request, if it comes from one.
fn hop_of(request: &RequestHeader, snapshot: &Snapshot) -> Option<TierHop> {
    let told = request.headers.get(TIER_FIELD)?.to_str().ok()?;
    let authority = authority_of(request).ok()?.to_ascii_lowercase();
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    TierHop::verify(told, snapshot.tier_key.as_ref()?, &authority, target)
}

/// A request of the tier below may know of purges that this node has not heard of: they are on their way. It waits a moment
/// for them, or goes past what is stored.
pub(super) async fn keep_up(node: &NodeState, ctx: &mut Context) {
    if let Some(asked) = ctx.tier.as_ref().map(|hop| hop.asked)
        // Nearly always; what follows is for those who must wait.
        && turn(asked, node.purges.applied().log(), false) != Turn::Serve
    {
        catch_up(node, asked, ctx).await;
    }
    // After the lease, which `admit` has looked at: see `Lease::holds`.
    ctx.asked_at = node.purges.applied();
}

async fn catch_up(node: &NodeState, asked: Asked, ctx: &mut Context) {
    let mut changes = node.purges.changes();
    let mut patience = std::pin::pin!(tokio::time::sleep(CATCH_UP));
    let mut has_waited = false;
    loop {
        match turn(asked, node.purges.applied().log(), has_waited) {
            Turn::Serve => return,
            Turn::GoPast => {
                ctx.pass.get_or_insert(Pass::Behind);
                return;
            }
            Turn::CatchUp => tokio::select! {
                _ = changes.changed() => {}
                () = &mut patience => has_waited = true,
            },
        }
    }
}

/// Whether Pingora will take a request's Connection field upwards: what names a field that it may not, or more than
/// [`MAX_CONNECTION_OPTIONS`], is refused there, too late to tell what was wrong.
fn is_good_connection(headers: &HeaderMap) -> bool {
    let options: Vec<&[u8]> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
        .collect();
    let is_kept = |option: &[u8]| KEPT_ALWAYS.iter().any(|name| option.eq_ignore_ascii_case(name.as_bytes()));
    options.len() <= MAX_CONNECTION_OPTIONS && options.iter().all(|option| is_token(option) && !is_kept(option))
}

/// Counts a request body that did not announce its length.
pub(super) fn count_body(part: Option<&Bytes>, ctx: &mut Context) -> Result<()> {
    ctx.request_body_bytes += part.map_or(0, |part| part.len() as u64);
    if ctx.request_body_bytes > ctx.snapshot.fleet.limits.body {
        ctx.refusal = Some(Refusal::LARGE_BODY);
        return Error::e_explain(ErrorType::HTTPStatus(413), Refusal::LARGE_BODY.reason);
    }
    Ok(())
}
