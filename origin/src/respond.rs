//! From a selected representation to a response: preconditions first, then ranges (RFC 9110 §13.2.2).

use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::conditional::{self, Outcome};
use crate::hint::chain;
use crate::range::{self, Span};
use crate::release::Representation;
use crate::reply;

/// A representation that a GET or HEAD is to be answered with.
#[derive(Debug)]
pub struct Selected {
    /// Its bytes and validators.
    pub representation: Representation,
    /// What describes the bytes: `Content-Type`, `Content-Encoding`. Not part of a 304.
    pub content_fields: HeaderMap,
    /// What caches go by: `Cache-Control`, `Vary`, tags. Part of a 304 too (RFC 9110 §15.4.5).
    pub cache_fields: HeaderMap,
}

/// Answers a GET or HEAD with 200, 206, 304, 412 or 416; with 500 if the bytes can't be had.
pub async fn respond(method: &Method, request: &HeaderMap, selected: Selected) -> Response {
    let validators = &selected.representation.validators;
    match conditional::evaluate(request, validators) {
        Outcome::NotModified => return not_modified(selected),
        Outcome::Failed => return reply::text(StatusCode::PRECONDITION_FAILED, "the precondition does not hold\n"),
        Outcome::Proceed => {}
    }
    let length_bytes = selected.representation.length_bytes;
    let span = match conditional::range_applies(request, validators) {
        true => range::span(method, request, length_bytes),
        false => Span::Whole,
    };
    match span {
        Span::Whole => send(method, StatusCode::OK, 0..length_bytes, selected).await,
        Span::Part(range) => {
            let content_range = format!("bytes {}-{}/{length_bytes}", range.start, range.end - 1);
            let mut response = send(method, StatusCode::PARTIAL_CONTENT, range, selected).await;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                insert(response.headers_mut(), CONTENT_RANGE, &content_range);
            }
            response
        }
        Span::Unsatisfiable => {
            let mut response = reply::text(StatusCode::RANGE_NOT_SATISFIABLE, "no byte is in that range\n");
            insert(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{length_bytes}"));
            response
        }
    }
}

/// Sends a representation with another status: an error page, where neither preconditions nor ranges apply.
pub async fn respond_with_status(method: &Method, status: StatusCode, selected: Selected) -> Response {
    let length_bytes = selected.representation.length_bytes;
    let mut response = send(method, status, 0..length_bytes, selected).await;
    for name in [http::header::ETAG, http::header::LAST_MODIFIED, ACCEPT_RANGES] {
        response.headers_mut().remove(name);
    }
    response
}

fn not_modified(selected: Selected) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    selected.representation.validators.write(response.headers_mut());
    response.headers_mut().extend(selected.cache_fields);
    response
}

async fn send(method: &Method, status: StatusCode, range: std::ops::Range<u64>, selected: Selected) -> Response {
    let Selected { representation, content_fields, cache_fields } = selected;
    let size = range.end - range.start;
    let body = match *method == Method::HEAD {
        true => Ok(Body::empty()),
        false => representation.content.body(range).await,
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            tracing::error!("{}", chain(&error));
            let hint = "switch the origin to a release again once its files are complete";
            return reply::failure(StatusCode::INTERNAL_SERVER_ERROR, "the file can't be read as it was indexed", hint);
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    representation.validators.write(headers);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    headers.extend(content_fields);
    headers.extend(cache_fields);
    response
}

fn insert(headers: &mut HeaderMap, name: http::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
