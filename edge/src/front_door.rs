//! Layer 4: where connections come in.
//!
//! The front door is a `ServerApp` around Pingora's `HttpProxy`. It owns a connection from its first byte: it reads
//! each HTTP/1 head, refuses what is malformed or beyond its limits, counts requests, keeps the timeouts between them,
//! has the express lane answer what it can ([`crate::express`]), and hands everything else over with its bytes untouched.

mod date;
mod head;
mod stream;

use crate::clock;
use crate::core::url::Scheme;
use crate::express;
use crate::node::NodeState;
use crate::proxy::Proxy;
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::telemetry::CacheOutcome;
use async_trait::async_trait;
use head::{Framing, Head, Look, look};
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::{Ssl, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use std::sync::Arc;
use std::time::Duration;
use stream::{ClientStream, drain};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// After a response that leaves bytes of the client's unread, so many of what it still sends are read and dropped, and
/// for so long: closing at once would reset the connection, and could take the response with it.
const LINGER_BYTES: usize = 2 << 20;
const LINGER: Duration = Duration::from_secs(2);

/// A refusal is written within this, or not at all.
const REFUSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A head that comes in pieces is looked at again when a line has ended, or after so many bytes: whoever sends it byte
/// by byte must not have it parsed once for each.
const LOOK_AGAIN_BYTES: usize = 1 << 10;

/// The app behind the public listener.
pub struct FrontDoor {
    node: Arc<NodeState>,
    proxy: Arc<HttpProxy<Proxy>>,
}

impl std::fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrontDoor").finish_non_exhaustive()
    }
}

/// Why a connection ends before a request.
enum NoRequest {
    /// It is over: closed, idle for too long, or the node shuts down.
    Over,
    /// The client gets this answer.
    Refused(Refusal),
    /// It speaks HTTP/2.
    Http2,
}

impl FrontDoor {
    /// In front of this proxy.
    pub fn new(node: Arc<NodeState>, proxy: Arc<HttpProxy<Proxy>>) -> Self {
        Self { node, proxy }
    }

    /// Serves one connection to its end.
    async fn serve(&self, connection: Stream, shutdown: &ShutdownWatch) {
        let _open = self.node.telemetry.connection();
        let mut stream = Box::new(ClientStream::new(connection));
        let mut served = 0;
        // Heads, and short bodies, of the express lane.
        let mut out = Vec::new();
        loop {
            let snapshot = self.node.snapshot();
            let head = match self.next_head(&mut stream, &snapshot, shutdown).await {
                Ok(head) => head,
                Err(NoRequest::Over) => return,
                Err(NoRequest::Refused(refusal)) => return self.refuse(stream, &refusal).await,
                Err(NoRequest::Http2) => {
                    stream.open();
                    ServerApp::process_new(&self.proxy, stream, shutdown).await;
                    return;
                }
            };
            served += 1;
            let last = served >= snapshot.fleet.limits.requests_per_connection;
            if let Some(plain) = head.plain.as_ref().filter(|_| !*shutdown.borrow()) {
                out.clear();
                // The fleet file may have changed while the head was on its way.
                let snapshot = self.node.snapshot();
                let scheme = if stream.get_ssl_digest().is_some() { Scheme::Https } else { Scheme::Http };
                let bytes = &stream.early()[..head.bytes];
                if let Some(answer) = express::answer(&self.node, &snapshot, bytes, plain, scheme, last, &mut out) {
                    stream.skip(head.bytes);
                    match self.send(stream, &answer, &out, snapshot.fleet.timeouts.write).await {
                        Some(back) => stream = back,
                        None => return,
                    }
                    continue;
                }
            }
            match self.hand_over(stream, &head, last, shutdown).await {
                Some(back) => stream = back,
                None => return,
            }
        }
    }

    /// Reads until a whole head is there.
    async fn next_head(
        &self,
        stream: &mut ClientStream,
        snapshot: &Snapshot,
        shutdown: &ShutdownWatch,
    ) -> Result<Head, NoRequest> {
        let timeouts = snapshot.fleet.timeouts;
        let mut shutdown = shutdown.clone();
        if stream.early().is_empty() {
            let first = tokio::select! {
                first = timeout(timeouts.keepalive, stream.read_more()) => first,
                // A connection without a request in flight ends with the node.
                _ = shutdown.wait_for(|down| *down) => return Err(NoRequest::Over),
            };
            match first {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) | Err(_) => return Err(NoRequest::Over),
            }
        }
        let deadline = tokio::time::Instant::from_std(clock::monotonic() + timeouts.head);
        let mut seen = 0;
        loop {
            let (bytes, new) = (stream.early(), &stream.early()[seen..]);
            if seen == 0 || new.len() >= LOOK_AGAIN_BYTES || new.contains(&b'\n') {
                seen = bytes.len();
                match look(bytes, &snapshot.fleet.limits, snapshot.fleet.h2c) {
                    Look::Whole(head) => return Ok(head),
                    Look::Http2 => return Err(NoRequest::Http2),
                    Look::Refused(refusal) => return Err(NoRequest::Refused(refusal)),
                    Look::Partial => {}
                }
            }
            match tokio::time::timeout_at(deadline, stream.read_more()).await {
                Ok(Ok(1..)) => {}
                Ok(Ok(0) | Err(_)) => return Err(NoRequest::Over),
                Err(_) => return Err(NoRequest::Refused(Refusal::SLOW_HEAD)),
            }
        }
    }

    /// Sends an answer of the express lane. Gives the connection back if it can be used for another request.
    async fn send(
        &self,
        mut stream: Box<ClientStream>,
        answer: &express::Answer,
        head: &[u8],
        patience: Duration,
    ) -> Option<Box<ClientStream>> {
        let remains = answer.closes.then(|| stream.watch());
        let sent = stream.answer(head, answer.body.as_deref(), patience).await;
        answer.site.counters.answered_express(if sent.is_ok() { answer.body_bytes } else { 0 });
        match remains {
            None => sent.is_ok().then_some(stream),
            Some(remains) => {
                drop(stream);
                if let (Ok(()), Ok(mut connection)) = (sent, remains.await) {
                    linger(&mut connection).await;
                }
                None
            }
        }
    }

    /// Lets Pingora answer one request. Gives the connection back if it can be used for another.
    async fn hand_over(
        &self,
        mut stream: Box<ClientStream>,
        head: &Head,
        last: bool,
        shutdown: &ShutdownWatch,
    ) -> Option<Box<ClientStream>> {
        let bounded = match head.body {
            Framing::Length(body) => Some(head.bytes as u64 + body),
            // The end of a chunked body is Pingora's to find, and what it reads past it can't be had back; what becomes
            // of an upgrade is for the origin to say. Either is a connection's last request.
            Framing::Chunked | Framing::Upgrade => None,
        };
        let last = last || bounded.is_none();
        stream.allow(bounded);
        let may_leave_bytes = last || head.body != Framing::Length(0);
        let mut remains = may_leave_bytes.then(|| stream.watch());
        let mut session = ServerSession::new_http1(stream);
        if last {
            session.set_keepalive_reuses_remaining(Some(0));
        }
        // Without this, Pingora takes what follows a chunked body for a reason to give the request up.
        session.set_pipelining_enabled(head.body == Framing::Chunked);
        let back = match self.proxy.process_new_http(session, shutdown).await {
            Some(back) => back.consume().0.into_any().downcast::<ClientStream>().ok(),
            None => None,
        };
        if let Some(stream) = back.filter(|stream| stream.spent()) {
            return Some(stream);
        }
        if let Some(mut connection) = remains.as_mut().and_then(|remains| remains.try_recv().ok()) {
            linger(&mut connection).await;
        }
        None
    }

    async fn refuse(&self, mut stream: Box<ClientStream>, refusal: &Refusal) {
        let remains = stream.watch();
        let head_only = stream.early().trim_ascii_start().starts_with(b"HEAD ");
        let response = refusal.http1(&self.node.info.node, clock::now(), head_only);
        self.node.telemetry.no_site().answered(CacheOutcome::Error, 0);
        tracing::debug!(reason = refusal.reason, status = refusal.status.as_u16(), "refused at the door");
        let written = timeout(REFUSE_TIMEOUT, stream.refuse(&response)).await.is_ok();
        drop(stream);
        if let (true, Ok(mut connection)) = (written, remains.await) {
            linger(&mut connection).await;
        }
    }
}

/// Ends a connection whose last response has been written.
async fn linger(connection: &mut Stream) {
    let end = async {
        let _ = connection.shutdown().await;
        drain(connection, LINGER_BYTES).await;
    };
    let _ = timeout(LINGER, end).await;
}

#[async_trait]
impl ServerApp for FrontDoor {
    async fn process_new(self: &Arc<Self>, connection: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        self.serve(connection, shutdown).await;
        None
    }

    async fn cleanup(&self) {
        // Wakes the sessions that are parked in Pingora.
        self.proxy.http_cleanup().await;
    }
}
