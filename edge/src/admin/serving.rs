//! The admin server's accept loop, and one connection of it. What clients may do is bounded ([`super::limits`]), so that
//! none of them, with a token or without, keeps the others from the node.

use super::connection::Connection;
use super::limits::{HEAD_BYTES, HEAD_FIELDS, HEAD_TIME, REFUSALS};
use super::places::{Place, Places};
use super::purging::KeepsPlace;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

/// After a failed accept (out of file descriptors, say) so long passes before the next one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, and then until the requests that have begun are answered.
pub(crate) async fn serve(listener: TcpListener, routes: Router, stop: watch::Receiver<bool>) {
    let (places, refusals) = (Places::new(), Arc::new(Semaphore::new(REFUSALS)));
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => match places.enter().await {
                    Some(place) => {
                        connections.spawn(converse(tcp, Arc::new(place), routes.clone(), stop.clone()));
                    }
                    None => if let Ok(turn) = refusals.clone().try_acquire_owned() {
                        connections.spawn(refuse(tcp, turn));
                    },
                },
                Err(error) => {
                    tracing::warn!(%error, "can't accept a connection to the admin server");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Ended connections are taken out as they end, so the set holds no more than are open.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = has_come(&mut stopped) => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for the end; who can't be told any more has reached it.
async fn has_come(end: &mut watch::Receiver<bool>) {
    let _ = end.wait_for(|stop| *stop).await;
}

async fn refuse(tcp: TcpStream, _turn: OwnedSemaphorePermit) {
    let connection = Connection::new(tcp);
    connection.refuse(StatusCode::SERVICE_UNAVAILABLE, BUSY, "try again");
    connection.close().await;
}

const BUSY: &str = "the admin server has as many connections as it takes";

/// Answers the requests of one connection.
async fn converse(tcp: TcpStream, place: Arc<Place>, routes: Router, mut stop: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_headers(HEAD_FIELDS).max_header_size(HEAD_BYTES);
    http.max_buf_size(HEAD_BYTES);
    let (routes, at) = (TowerToHyperService::new(routes), place.clone());
    let answers = service_fn(move |request| answer(routes.clone(), at.clone(), request));
    let mut exchange = http.serve_connection(TokioIo::new(Connection::new(tcp)), answers);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = std::future::poll_fn(|cx| exchange.poll_without_shutdown(cx)) => break ended,
            () = place.has_to_leave() => {
                let connection = exchange.into_parts().io.into_inner();
                if connection.has_heard() || place.waits_for_body() {
                    connection.refuse(StatusCode::SERVICE_UNAVAILABLE, BUSY, "send the request at once, or try again");
                }
                return;
            }
            () = has_come(&mut stop), if !stopping => {
                stopping = true;
                Pin::new(&mut exchange).graceful_shutdown();
            }
        }
    };
    let connection = exchange.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_timeout()) && connection.has_heard() {
        let error = format!("the head of the request did not come within {} s", HEAD_TIME.as_secs());
        connection.refuse(StatusCode::REQUEST_TIMEOUT, &error, "send it again");
    }
    // If it has to make room now, nothing is lost.
    place.wait_for_request();
    tokio::select! {
        () = connection.close() => {}
        () = place.has_to_leave() => {}
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

fn answer(routes: TowerToHyperService<Router>, place: Arc<Place>, mut request: Request<Incoming>) -> Answering {
    Box::pin(async move {
        if !place.has_request() {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            return Ok(with_close(response));
        }
        let has_body = !request.body().is_end_stream();
        request.extensions_mut().insert(place.clone());
        let response = routes.call(request).await?;
        if response.extensions().get::<KeepsPlace>().is_none() {
            place.wait_for_request();
        }
        // Its body may not have been read; then there is no next request on the connection.
        Ok(if has_body && !response.status().is_success() { with_close(response) } else { response })
    })
}

fn with_close(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
