//! Layer 4: the admin server: health, readiness, statistics and purges, on an address of its own.
//!
//! `GET /health` and `GET /ready` are open, as load balancers need them; everything else takes a bearer token.

mod connection;
mod limits;
mod log;
mod places;
mod proof;
mod purging;
mod serving;

pub(crate) use serving::serve;

use crate::clock;
use crate::config::{TokenRole, TokenSpec};
use crate::core::id::{SiteId, Tag};
use crate::core::purge::Selector;
use crate::core::url::{Scheme, normalise_host};
use crate::node::{NodeState, Standing};
use crate::snapshot::Snapshot;
use crate::wire::admin::{ErrorReply, Status};
use crate::wire::backup;
use crate::wire::follow::PATH;
use crate::wire::purge::{MAX_SELECTORS, MAX_TARGET_BYTES, Target};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;
use std::time::Duration;

/// The admin server's routes.
pub fn routes(node: Arc<NodeState>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/stats", get(stats))
        .route("/purges", post(purging::purge))
        .route("/log", get(log::log))
        .route("/log/forget", post(log::forget))
        .route("/log/seal", post(log::seal))
        .route("/log/records", get(log::records))
        .route("/log/purges/{name}", get(log::purge))
        .route(backup::PATH, get(log::back_up))
        .route(PATH, post(purging::follow))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .with_state(node)
}

async fn health(State(node): State<Arc<NodeState>>) -> Json<Status> {
    Json(Status { status: "ok".into(), node: node.info.node.clone() })
}

async fn ready(State(node): State<Arc<NodeState>>) -> (StatusCode, Json<Status>) {
    let (code, status) = match node.is_ready() {
        true => (StatusCode::OK, node.standing().as_str()),
        false if node.standing() == Standing::Starting => (StatusCode::SERVICE_UNAVAILABLE, node.standing().as_str()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not taking requests"),
    };
    (code, Json(Status { status: status.into(), node: node.info.node.clone() }))
}

async fn stats(State(node): State<Arc<NodeState>>, headers: HeaderMap) -> Result<Response, Denied> {
    let snapshot = node.snapshot();
    authenticate(&snapshot, &headers)?;
    Ok(Json(node.stats()).into_response())
}

/// What there is, for who asks for something else.
const PATHS: &str = "GET /health, GET /ready, GET /stats, POST /purges; at the home of the purge log GET /log, GET /log/records, \
                     GET /log/purges/POSITION-OR-ID, GET /log/backup, POST /log/seal, POST /log/forget";

async fn nothing_here() -> Denied {
    Denied::new(StatusCode::NOT_FOUND, "there is nothing at this path".into(), Some(PATHS.into()))
}

async fn wrong_method() -> Denied {
    let error = "this path does not take this method".into();
    Denied::new(StatusCode::METHOD_NOT_ALLOWED, error, Some(PATHS.into()))
}

/// Why the admin server does not do what it was asked.
struct Denied {
    status: StatusCode,
    error: String,
    hint: Option<String>,
    /// In how many seconds it may be tried again, for who is told to.
    retry_after: Option<u64>,
}

impl Denied {
    const fn new(status: StatusCode, error: String, hint: Option<String>) -> Self {
        Self { status, error, hint, retry_after: None }
    }

    /// `wait`: after how long there will be enough; `None`: never.
    fn over_quota(error: String, wait: Option<Duration>) -> Self {
        let Some(wait) = wait else {
            let hint = "send it in smaller pieces, or purge a prefix or a tag; `targets_per_minute` of the token says how much it may";
            return Self::new(StatusCode::TOO_MANY_REQUESTS, error, Some(hint.to_owned()));
        };
        let seconds = wait.as_secs_f64().ceil() as u64;
        let hint = format!("send it again in {seconds} s, or purge a prefix or a tag instead of many URLs");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, error, Some(hint)) }
    }

    fn bad_request(error: String, hint: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, Some(hint.to_owned()))
    }

    fn too_large(most: usize) -> Self {
        let error = format!("the body is too large: it may have {most} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error, Some("send fewer targets at a time".into()))
    }

    fn busy(error: String) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, Some("try again".into()))
    }

    /// For who may, but not so much at once: nothing has come of it.
    fn too_many(error: String) -> Self {
        let hint = Some("try again when one of them has ended".to_owned());
        Self { retry_after: Some(1), ..Self::new(StatusCode::TOO_MANY_REQUESTS, error, hint) }
    }

    fn forbidden(error: String) -> Self {
        let hint = Some("use a token whose role and sites cover this, see [[tokens]] in the fleet file".to_owned());
        Self::new(StatusCode::FORBIDDEN, error, hint)
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorReply { error: self.error, hint: self.hint })).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let value = axum::http::HeaderValue::from_static("Bearer realm=\"tidewall\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

fn authenticate<'s>(snapshot: &'s Snapshot, headers: &HeaderMap) -> Result<&'s TokenSpec, Denied> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = value.and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
    });
    let (error, hint) = match secret {
        Some(secret) => match snapshot.token(secret) {
            Some(token) if token.has_expired(clock::now()) => {
                ("the token has expired", "make another one; `expires` in the fleet file says how long it is good")
            }
            Some(token) => return Ok(token),
            None => ("the token is not accepted", "it is none of [[tokens]] in the node's fleet file"),
        },
        None => ("a bearer token is needed", "send it as Authorization: Bearer TOKEN"),
    };
    Err(Denied::new(StatusCode::UNAUTHORIZED, error.into(), Some(hint.into())))
}

fn permit(token: &TokenSpec, selector: &Selector) -> Result<(), Denied> {
    let TokenSpec { id, role, .. } = token;
    match (role, selector.site()) {
        (TokenRole::Admin, _) => Ok(()),
        (TokenRole::Purge(sites), Some(site)) if sites.contains(site) => Ok(()),
        (_, Some(site)) => Err(Denied::forbidden(format!("token {id} may not purge site {site}"))),
        (_, None) => Err(Denied::forbidden(format!("token {id} may not purge everything"))),
    }
}

/// What is asked for, in the core's terms; or what is wrong with it.
fn select(snapshot: &Snapshot, targets: &[Target]) -> Result<Vec<Selector>, Denied> {
    if targets.is_empty() || targets.len() > MAX_SELECTORS {
        let error = format!("a purge has 1 to {MAX_SELECTORS} targets, this one has {}", targets.len());
        return Err(Denied::bad_request(error, "send fewer at a time"));
    }
    if let Some(long) = targets.iter().map(Target::text_bytes).find(|bytes| *bytes > MAX_TARGET_BYTES) {
        let error = format!("a target has {long} bytes, and may have {MAX_TARGET_BYTES}");
        return Err(Denied::bad_request(error, "no node takes so long a URL: purge a prefix of it"));
    }
    targets.iter().map(|target| selector(snapshot, target)).collect()
}

fn selector(snapshot: &Snapshot, target: &Target) -> Result<Selector, Denied> {
    let bad = |error: String| Denied::bad_request(error, "see the fleet file for sites and hosts");
    let site_named = |name: &str| -> Result<SiteId, Denied> {
        let id = SiteId::new(name).map_err(|error| bad(format!("site {name:?}: {error}")))?;
        snapshot.fleet.site(&id).map(|site| site.id.clone()).ok_or_else(|| bad(format!("there is no site {name:?}")))
    };
    Ok(match target {
        Target::Url { url } => {
            let url = snapshot.fleet.site_url(url).map_err(|error| bad(error.to_string()))?;
            Selector::Url { site: url.site, host: url.host, path: url.path, query: url.query }
        }
        Target::Prefix { url } => {
            if url.contains(['?', '#']) {
                return Err(bad(format!("{url:?}: a prefix is of paths, without a query")));
            }
            let url = snapshot.fleet.site_url(url).map_err(|error| bad(error.to_string()))?;
            Selector::prefix(url.site, url.host, url.path).map_err(|error| bad(error.to_string()))?
        }
        Target::Tag { site, tag } => Selector::Tag {
            site: site_named(site)?,
            tag: Tag::new(tag).map_err(|error| bad(format!("tag {tag:?}: {error}")))?,
        },
        Target::Host { host } => {
            let host = normalise_host(host, Scheme::Http).map_err(|error| bad(format!("host {host:?}: {error}")))?;
            let (site, host) =
                snapshot.fleet.site_of_host(&host).ok_or_else(|| bad(format!("no site has the host {host:?}")))?;
            Selector::Host { site: site.id.clone(), host: host.to_owned() }
        }
        Target::Site { site } => Selector::Site { site: site_named(site)? },
        Target::Everything => Selector::Everything,
    })
}
