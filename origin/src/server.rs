//! Accepts connections and speaks HTTP/1.1 on them until told to stop.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::app;
use crate::connection::{Connection, Ending};
use crate::fault::ResetConnection;
use crate::hint::Hint;
use crate::origin::Origin;

/// A request's target and fields: an edge sends a few kilobytes at most. More is 431.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// What is buffered of a connection, each way.
const MAX_BUFFER_BYTES: usize = 64 * 1024;

/// When accepting fails for want of file descriptors, it'd fail again at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open at a time; further ones wait in the system's backlog.
    pub max_connections: usize,
    /// For a request's head to arrive, and for the next request on an idle connection.
    pub head_timeout: Duration,
    /// For requests in flight, once the server is told to stop.
    pub drain_timeout: Duration,
}

/// A server that has its port.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    origin: Arc<Origin>,
    limits: Limits,
}

/// The port can't be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

impl Hint for BindError {
    fn hint(&self) -> String {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                "stop what listens there, or choose another port with --listen; port 0 takes a free one"
            }
            io::ErrorKind::PermissionDenied => "choose a port above 1023 with --listen",
            io::ErrorKind::AddrNotAvailable => {
                "choose an address of this machine with --listen, such as 127.0.0.1:8080"
            }
            _ => "choose another address with --listen",
        }
        .to_owned()
    }
}

impl Server {
    /// Takes the port. With port 0 the system chooses one.
    pub async fn bind(address: SocketAddr, origin: Arc<Origin>, limits: Limits) -> Result<Self, BindError> {
        let failed = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, origin, limits })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is ready, then lets the requests in flight finish, in bounded time.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let Self { listener, address: _, origin, limits } = self;
        let app = app::router(Arc::clone(&origin));
        let permits = Arc::new(Semaphore::new(limits.max_connections));
        let graceful = GracefulShutdown::new();
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_BUFFER_BYTES);
        let accepting = async {
            loop {
                // The semaphore is never closed.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                let stream = accept(&listener).await;
                let connection = Connection::new(stream, Arc::clone(origin.counters()));
                let (app, ending) = (app.clone(), connection.ending());
                let service = service_fn(move |request| answer(app.clone(), ending.clone(), request));
                let serving = graceful.watch(http.serve_connection(TokioIo::new(connection), service));
                tokio::spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::debug!("connection: {}", crate::hint::chain(&error));
                    }
                    drop(permit);
                });
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(listener);
        tracing::info!(open = graceful.count(), "stopping");
        if tokio::time::timeout(limits.drain_timeout, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests are still in flight after {:?}: cutting them off", limits.drain_timeout);
        }
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!("no TCP_NODELAY: {error}");
                }
                return stream;
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection must end without a response.
#[derive(Debug, thiserror::Error)]
#[error("reset on purpose")]
struct Reset;

async fn answer(app: Router, ending: Ending, request: Request<Incoming>) -> Result<Response, Reset> {
    let response = app.oneshot(request.map(Body::new)).await.unwrap_or_else(|never: Infallible| match never {});
    if response.extensions().get::<ResetConnection>().is_some() {
        ending.reset();
        return Err(Reset);
    }
    Ok(response)
}
