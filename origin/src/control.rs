//! The control endpoints: what is served, switching it, what has been counted. All need the bearer token.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::hint::{Hint as _, chain};
use crate::loader::LoadError;
use crate::origin::{Origin, SwitchError};
use crate::release::Release;
use crate::release_name::ReleaseName;
use crate::reply::{failure, json};

/// What all control paths begin with. Files of the site below it are not served.
pub const PREFIX: &str = "/_origin";

/// The body of `POST /_origin/release`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchRequest {
    /// The release's folder, absolute.
    pub root: PathBuf,
    /// Its name.
    pub name: ReleaseName,
}

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseReport {
    /// Its name.
    pub release: ReleaseName,
    /// Its folder.
    pub root: PathBuf,
    /// How many files it has.
    pub files: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Entries that are not served though not hidden.
    pub skipped: u64,
    /// Equal for equal content.
    pub digest: String,
    /// When it was loaded, as an HTTP date.
    pub loaded_at: String,
    /// After a switch, what was served before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<ReleaseName>,
}

/// The endpoints below [`PREFIX`]. Without a token all of them are 404.
pub fn router(origin: Arc<Origin>) -> Router {
    let guarded = match origin.token() {
        None => Router::new(),
        Some(_) => Router::new()
            .route("/release", get(show).post(switch))
            .route("/stats", get(stats))
            .route("/stats/reset", post(reset))
            .method_not_allowed_fallback(wrong_method)
            .route_layer(middleware::from_fn_with_state(Arc::clone(&origin), guard)),
    };
    guarded.fallback(unknown).with_state(origin)
}

async fn guard(State(origin): State<Arc<Origin>>, request: Request, next: Next) -> Response {
    if origin.token().is_some_and(|token| token.admits(request.headers())) {
        return next.run(request).await;
    }
    let hint = "send the token that the origin was started with as `Authorization: Bearer TOKEN`";
    let mut response = failure(StatusCode::UNAUTHORIZED, "this needs the origin's control token", hint);
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

async fn unknown() -> Response {
    let hint = "GET or POST /_origin/release, GET /_origin/stats, POST /_origin/stats/reset; \
                all only of an origin with a control token";
    failure(StatusCode::NOT_FOUND, "there is no such control endpoint", hint)
}

async fn wrong_method() -> Response {
    let hint = "GET or POST /_origin/release, GET /_origin/stats, POST /_origin/stats/reset";
    failure(StatusCode::METHOD_NOT_ALLOWED, "this endpoint has other methods", hint)
}

async fn show(State(origin): State<Arc<Origin>>) -> Response {
    json(StatusCode::OK, &report(&origin.release(), None))
}

async fn switch(State(origin): State<Arc<Origin>>, request: Result<Json<SwitchRequest>, JsonRejection>) -> Response {
    let SwitchRequest { root, name } = match request {
        Ok(Json(request)) => request,
        Err(error) => {
            return failure(
                error.status(),
                error.body_text(),
                r#"send {"root": "/path/of/the/site", "name": "v2"} as application/json"#,
            );
        }
    };
    if !root.is_absolute() {
        let error = format!("the folder {} is not an absolute path", root.display());
        return failure(StatusCode::BAD_REQUEST, error, "give the folder's full path, as the origin sees it");
    }
    match origin.switch(root, name).await {
        Ok((release, previous)) => json(StatusCode::OK, &report(&release, Some(&previous))),
        Err(error) => {
            tracing::warn!("the release stays the same: {}", chain(&error));
            failure(status(&error), chain(&error), error.hint())
        }
    }
}

async fn stats(State(origin): State<Arc<Origin>>) -> Response {
    json(StatusCode::OK, &origin.counters().stats(clock::now()))
}

async fn reset(State(origin): State<Arc<Origin>>) -> Response {
    json(StatusCode::OK, &origin.counters().reset(clock::now()))
}

fn status(error: &SwitchError) -> StatusCode {
    match error {
        SwitchError::Busy => StatusCode::CONFLICT,
        SwitchError::Load(LoadError::Unreadable { .. }) | SwitchError::Interrupted(_) => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        SwitchError::Load(_) | SwitchError::Empty { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn report(release: &Release, previous: Option<&Release>) -> ReleaseReport {
    ReleaseReport {
        release: release.name.clone(),
        root: release.root.clone(),
        files: release.assets.len() as u64,
        bytes: release.total_bytes,
        skipped: release.skipped,
        digest: release.digest.clone(),
        loaded_at: httpdate::fmt_http_date(release.loaded_at),
        previous: previous.map(|previous| previous.name.clone()),
    }
}
