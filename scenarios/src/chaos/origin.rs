//! The origin, in this process, so that what it knows is exact: pages that hold nothing but their version.

use super::page::{body_of, etag_of};
use super::truth::{Arrived, Manner, Truth};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_LENGTH, ETAG, IF_NONE_MATCH, RETRY_AFTER, VARY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// The slowest that it is: before the head, and between the halves of a body.
const MAX_PAUSE: Duration = Duration::from_millis(600);
/// The share of answers that come at once.
const PROMPT: f64 = 0.5;
/// The share of requests that it fails.
const FAILING: f64 = 0.02;

/// Pause after a failed accept, which means that this process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A running origin. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Origin {
    state: Arc<State>,
    accepting: AbortHandle,
}

/// What it has been asked.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) requests: AtomicU64,
    pub(super) not_modified: AtomicU64,
    pub(super) failed: AtomicU64,
}

#[derive(Debug)]
struct State {
    truth: Arc<Truth>,
    asked: Asked,
    is_calm: AtomicBool,
    rng: Mutex<ChaCha8Rng>,
}

/// How an answer is given.
#[derive(Debug, Clone, Copy, Default)]
struct Pace {
    before_head: Duration,
    before_rest: Duration,
    fails: bool,
}

impl Origin {
    pub(super) async fn start(listen: SocketAddr, truth: Arc<Truth>, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let rng = Mutex::new(ChaCha8Rng::seed_from_u64(seed));
        let state = Arc::new(State { truth, asked: Asked::default(), is_calm: AtomicBool::new(false), rng });
        let accepting = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Ok(Self { state, accepting })
    }

    /// What it has been asked so far.
    pub(super) fn asked(&self) -> &Asked {
        &self.state.asked
    }

    /// From now on it answers everything at once.
    pub(super) fn calm_down(&self) {
        self.state.is_calm.store(true, Relaxed);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // If it can't be set the stream is gone already.
        let _gone = stream.set_nodelay(true);
        let state = state.clone();
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(state.clone(), request));
            // Whoever asked is gone: nothing is left to do.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

impl State {
    fn pace(&self) -> Pace {
        if self.is_calm.load(Relaxed) {
            return Pace::default();
        }
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        let fails = rng.random_bool(FAILING);
        let mut pause = || if rng.random_bool(PROMPT) { Duration::ZERO } else { MAX_PAUSE.mul_f64(rng.random()) };
        Pace { before_head: pause(), before_rest: pause(), fails }
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let nothing = || Empty::new().boxed_unsync();
    let mut response = Response::new(nothing());
    let Some(page) = state.truth.find(request.uri().path()) else {
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(response);
    };
    state.asked.requests.fetch_add(1, Relaxed);
    let arrived = state.truth.arrive(page);
    let pace = state.pace();
    sleep(pace.before_head).await;
    if pace.fails {
        state.asked.failed.fetch_add(1, Relaxed);
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, 1.into());
        return Ok(response);
    }
    let page = &state.truth.pages[page];
    let etag = etag_of(&page.path, arrived.version);
    let control = match page.manner {
        Manner::Long | Manner::Varying => "public, max-age=86400, stale-while-revalidate=86400, stale-if-error=86400",
        Manner::Short => "public, max-age=1, stale-while-revalidate=86400, stale-if-error=86400",
    };
    let mut fields = vec![(CACHE_CONTROL, control.to_owned()), (ETAG, etag.clone())];
    fields.push((hyper::header::HeaderName::from_static("surrogate-key"), page.tags()));
    if page.manner == Manner::Varying {
        fields.push((VARY, "accept-language".to_owned()));
    }
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known == Some(&etag) {
        state.asked.not_modified.fetch_add(1, Relaxed);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let body = Bytes::from(body_of(&page.path, arrived.version));
        if page.manner != Manner::Short {
            fields.push((CONTENT_LENGTH, body.len().to_string()));
        }
        *response.body_mut() = in_halves(body, pace.before_rest, arrived);
    }
    for (name, value) in fields {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// A body that comes in two halves, and is under way until it has gone.
fn in_halves(body: Bytes, pause: Duration, arrived: Arrived) -> Body {
    let middle = body.len() / 2;
    let halves = vec![(pause, body.slice(middle..)), (Duration::ZERO, body.slice(..middle))];
    let parts = stream::unfold((halves, arrived), async |(mut halves, arrived)| {
        let (pause, half) = halves.pop()?;
        sleep(pause).await;
        Some((Ok::<_, Infallible>(Frame::data(half)), (halves, arrived)))
    });
    StreamBody::new(parts).boxed_unsync()
}
