//! Responses that are the same all over: errors for people, errors for programs.

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

/// An error as JSON, for programs and the people who read their logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What failed, and why.
    pub error: String,
    /// The next step.
    pub hint: String,
}

/// An error as JSON that nobody may store.
pub fn failure(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Response {
    json(status, &Failure { error: error.into(), hint: hint.into() })
}

/// Data as JSON that nobody may store.
pub fn json(status: StatusCode, data: &impl Serialize) -> Response {
    (status, [(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(data)).into_response()
}

/// A line of text.
pub fn text(status: StatusCode, line: &'static str) -> Response {
    let mut response = Response::new(Body::from(line));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
