//! All requests' way in: routes, limits, counting.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use http::header::SERVER;
use http::{HeaderValue, StatusCode};
use hyper::body::{Frame, SizeHint};
use tower_http::limit::RequestBodyLimitLayer;

use crate::counters::{Counters, InFlight};
use crate::fault::ResetConnection;
use crate::origin::Origin;
use crate::{control, reply, serve, synthetic};

/// The only body that is read is a switch request: a path and a name.
const MAX_REQUEST_BODY_BYTES: usize = 64 * 1024;

/// The whole server as a service.
pub fn router(origin: Arc<Origin>) -> Router {
    let synthetic = match origin.has_synthetic() {
        true => Router::new().route(synthetic::ROUTE, get(synthetic::object)),
        false => Router::new(),
    };
    Router::new()
        .nest(synthetic::PREFIX, synthetic.fallback(no_synthetic))
        .fallback(serve::file)
        .with_state(Arc::clone(&origin))
        .nest(control::PREFIX, control::router(Arc::clone(&origin)))
        .layer(RequestBodyLimitLayer::new(MAX_REQUEST_BODY_BYTES))
        .layer(middleware::from_fn_with_state(origin, count))
}

async fn no_synthetic() -> Response {
    let hint = "GET /_synthetic/{bytes}/{id}, of an origin without --no-synthetic";
    reply::failure(StatusCode::NOT_FOUND, "there is no such synthetic object", hint)
}

async fn count(State(origin): State<Arc<Origin>>, request: Request, next: Next) -> Response {
    let counters = origin.counters();
    let is_control = request.uri().path().strip_prefix(control::PREFIX).is_some_and(|rest| rest.starts_with('/'));
    let in_flight = (!is_control).then(|| counters.request(request.uri().path()));
    let mut response = next.run(request).await;
    response.headers_mut().insert(SERVER, HeaderValue::from_static("tidewall-origin"));
    let Some(in_flight) = in_flight else { return response };
    if response.extensions().get::<ResetConnection>().is_none() {
        counters.response(response.status());
    }
    let counters = Arc::clone(counters);
    response.map(|body| Body::new(CountedBody { body, counters, _in_flight: in_flight }))
}

/// Counts what is handed over, and ends the request's flight when it goes.
struct CountedBody {
    body: Body,
    counters: Arc<Counters>,
    _in_flight: InFlight,
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.counters.body_bytes(data.len());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
