//! Objects that exist on request: `GET /_synthetic/{bytes}/{id}?…`.
//!
//! The body is pseudo-random and the same for the same size, id and values of the `vary` fields, so that a load test
//! can tell whether it got the right bytes without storing any. The query says how the response behaves; [`plan`] has
//! its parameters.

pub mod plan;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::conditional::Validators;
use crate::content::Content;
use crate::fault::{Fault, ResetConnection, cut_short};
use crate::loader::etag;
use crate::noise::Noise;
use crate::origin::Origin;
use crate::release::Representation;
use crate::reply;
use crate::respond::{Selected, respond, respond_with_status};
use plan::Plan;

/// What all paths of synthetic objects begin with. Files of the site below it are not served.
pub const PREFIX: &str = "/_synthetic";
/// A synthetic object, below [`PREFIX`].
pub const ROUTE: &str = "/{bytes}/{id}";

/// Numbers the synthetic responses of a process in the order in which they were made, 304 included.
pub const X_ORIGIN_SEQUENCE: HeaderName = HeaderName::from_static("x-origin-sequence");

/// Answers a request for a synthetic object.
pub async fn object(
    State(origin): State<Arc<Origin>>,
    Path((bytes, id)): Path<(String, String)>,
    method: Method,
    uri: Uri,
    request: HeaderMap,
) -> Response {
    let plan = match Plan::parse(&bytes, &id, &uri) {
        Ok(plan) => plan,
        Err(problems) => return reply::failure(StatusCode::BAD_REQUEST, problems.join("; "), plan::HINT),
    };
    let sequence = origin.counters().synthetic(plan.fault);
    tokio::time::sleep(plan.delay).await;
    let mut response = match plan.fault {
        Some(Fault::Reset) => {
            let mut response = Response::default();
            response.extensions_mut().insert(ResetConnection);
            return response;
        }
        Some(Fault::Status503) => unavailable(),
        _ => answer(&method, &request, &plan, sequence, &origin.policy().tags.header).await,
    };
    response.headers_mut().insert(X_ORIGIN_SEQUENCE, HeaderValue::from(sequence));
    response
}

/// The bytes of a synthetic object. `varied` has the name, in lower case, and the value of each request field that
/// `vary` lists, in its order; a field that the request lacks has an empty value.
pub fn body<'a>(id: &'a str, varied: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Noise {
    let varied = varied.into_iter().flat_map(|(name, value)| [name.as_bytes(), value]);
    Noise::new(std::iter::once(id.as_bytes()).chain(varied))
}

fn unavailable() -> Response {
    let mut response = reply::text(StatusCode::SERVICE_UNAVAILABLE, "unavailable on purpose\n");
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

async fn answer(
    method: &Method,
    request: &HeaderMap,
    plan: &Plan,
    sequence: u64,
    tags_header: &HeaderName,
) -> Response {
    let noise = noise(plan, request, sequence);
    let selected = select(plan, &noise, tags_header);
    let mut response = match plan.status {
        StatusCode::OK => respond(method, request, selected).await,
        status if has_no_body(status) => bodiless(status, selected),
        status => respond_with_status(method, status, selected).await,
    };
    let wait = match plan.fault {
        Some(Fault::Truncate) => Some(Duration::ZERO),
        Some(Fault::Stall) => Some(plan.stall),
        _ => None,
    };
    if let Some(wait) = wait.filter(|_| *method == Method::GET)
        && let Some(length) = content_length(&response)
    {
        response = cut_short(response, length / 2, wait);
    }
    if plan.is_chunked {
        response.headers_mut().remove(CONTENT_LENGTH);
        // For an empty body of known size the server would say `Content-Length: 0` to a HEAD.
        if *method == Method::HEAD {
            response = response.map(|_| Body::from_stream(stream::empty::<io::Result<Bytes>>()));
        }
    }
    response
}

fn content_length(response: &Response) -> Option<usize> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn noise(plan: &Plan, request: &HeaderMap, sequence: u64) -> Noise {
    if plan.is_unique {
        return body(&format!("{} {sequence}", plan.id), []);
    }
    let value = |name: &HeaderName| request.get(name).map_or(&[][..], |value| value.as_bytes());
    body(&plan.id, plan.varies_by.iter().map(|name| (name.as_str(), value(name))))
}

fn select(plan: &Plan, noise: &Noise, tags_header: &HeaderName) -> Selected {
    let mut named = blake3::Hasher::new();
    named.update(&plan.length_bytes.to_le_bytes()).update(&noise.name());
    let validators = Validators {
        etag: plan.has_etag.then(|| etag(named.finalize().as_bytes())),
        last_modified: plan.last_modified,
    };
    let fields = [(CACHE_CONTROL, &plan.cache_control), (VARY, &plan.vary), (tags_header.clone(), &plan.tags)];
    Selected {
        representation: Representation {
            content: Content::Noise(noise.clone()),
            length_bytes: plan.length_bytes,
            validators,
        },
        content_fields: HeaderMap::from_iter([(CONTENT_TYPE, plan.content_type.clone())]),
        cache_fields: fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect(),
    }
}

/// RFC 9110 §6.4.1 and §15.3.6.
const fn has_no_body(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
}

fn bodiless(status: StatusCode, selected: Selected) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    selected.representation.validators.write(response.headers_mut());
    response.headers_mut().extend(selected.cache_fields);
    response
}
