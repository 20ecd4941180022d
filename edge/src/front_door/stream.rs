//! A client's connection with bytes that were read too early.
//!
//! The front door reads a head before anybody else does. Those bytes, and whatever came with them, are kept here and
//! handed to Pingora's session as it reads, but never past the end of the request: what follows belongs to the next
//! one. While a request is being answered the session reads on only to learn whether the client is still there; then
//! this stream keeps what arrives and says nothing, so pipelined requests are neither lost nor mixed up.
//!
//! A head is kept until its body follows or it is flushed, so that both leave in one system call. Each head is looked at on its way out, for its
//! Date ([`super::date`]).
//!
//! Whoever drops a stream may leave bytes of the client's unread. Closing the connection then would reset it, and could
//! take the last response with it; so the front door can ask for what is left of a connection ([`ClientStream::watch`]).

use super::date::{Written, write_head};
use crate::store::body::Body;
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{ALPN, SslDigest};
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// What is kept of writes is no more than this, heads aside, and reads of a body are at most so large.
const GATHER_BYTES: usize = 16 << 10;

/// How much is read at once while the front door reads a head.
const READ_BYTES: usize = 8 << 10;

/// A client's connection.
#[derive(Debug)]
pub(super) struct ClientStream {
    /// There until the stream is dropped.
    inner: Option<Stream>,
    /// Where the connection goes when the stream is dropped.
    remains: Option<oneshot::Sender<Stream>>,
    /// Read, but not handed out yet.
    early: BytesMut,
    /// How many more bytes may be handed out; `None` for no bound.
    allowance: Option<u64>,
    gathered: BytesMut,
    /// The next bytes written are a response's head.
    head_due: bool,
}

impl ClientStream {
    /// Wraps a connection.
    pub(super) fn new(inner: Stream) -> Self {
        Self {
            inner: Some(inner),
            remains: None,
            early: BytesMut::new(),
            allowance: Some(0),
            gathered: BytesMut::new(),
            head_due: false,
        }
    }

    /// Hands the connection over to the receiver when this stream is dropped.
    pub(super) fn watch(&mut self) -> oneshot::Receiver<Stream> {
        let (sender, receiver) = oneshot::channel();
        self.remains = Some(sender);
        receiver
    }

    /// What was read and not handed out yet.
    pub(super) fn early(&self) -> &[u8] {
        &self.early
    }

    /// Reads some more bytes for the front door; 0 at the end of the connection.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) async fn read_more(&mut self) -> io::Result<usize> {
        let Self { inner: Some(inner), early, .. } = self else { return Ok(0) };
        early.reserve(READ_BYTES);
        inner.read_buf(early).await
    }

    /// A request was answered in the express lane: its head is over.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.early.advance(bytes.min(self.early.len()));
    }

    /// Writes an answer of the express lane: what is in `head`, and then the body.
    ///
    /// # Errors
    /// Those of the connection; [`io::ErrorKind::TimedOut`] if a write makes no progress for `patience`.
    pub(super) async fn answer(&mut self, head: &[u8], body: Option<&Body>, patience: Duration) -> io::Result<()> {
        let Some(inner) = &mut self.inner else { return Err(io::ErrorKind::NotConnected.into()) };
        within(patience, inner.write_all(head)).await?;
        let mut offset = 0;
        while let Some(block) = body.and_then(|body| body.block_at(offset)) {
            offset += block.len() as u64;
            let mut left = &block[..];
            while !left.is_empty() {
                let n = within(patience, inner.write(left)).await?;
                if n == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                left = &left[n..];
            }
        }
        within(patience, inner.flush()).await
    }

    /// Lets the next `bytes` bytes out; `None` for all that come. They are one request, whose response is due.
    pub(super) fn allow(&mut self, bytes: Option<u64>) {
        self.allowance = bytes;
        self.head_due = true;
    }

    /// Lets everything through, untouched, in both directions.
    pub(super) fn open(&mut self) {
        self.allowance = None;
        self.head_due = false;
    }

    /// Whether the session took all that it was allowed: only then is what follows the next request.
    pub(super) fn spent(&self) -> bool {
        self.allowance == Some(0)
    }

    /// Sends the bytes and closes the connection.
    pub(super) async fn refuse(&mut self, response: &[u8]) {
        // The client may be gone; there is nobody left to tell.
        let _ = self.write_all(response).await;
        let _ = AsyncWriteExt::shutdown(self).await;
    }

    fn poll_inner(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.inner.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Writes what is gathered and these slices. What is small and can't be sent now is kept.
    fn poll_write_slices(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if self.gathered.len() + len <= GATHER_BYTES && (slices.len() > 1 || !self.gathered.is_empty()) {
            for slice in slices {
                self.gathered.extend_from_slice(slice);
            }
            return match self.poll_write_gathered(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(len)),
            };
        }
        ready!(self.poll_write_gathered(cx))?;
        self.poll_inner()?.poll_write_vectored(cx, slices)
    }

    fn poll_write_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.gathered.has_remaining() {
            let Self { inner: Some(inner), gathered, .. } = self else { break };
            let n = ready!(Pin::new(inner).poll_write(cx, gathered))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(n);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let most = match this.allowance {
            Some(0) => {
                // Whoever asks for news has nothing to write for now: what could not be sent before goes first.
                if let Poll::Ready(Err(error)) = this.poll_write_gathered(cx) {
                    return Poll::Ready(Err(error));
                }
                // Between the end of this request and the next one: only the end of the connection is news.
                if !this.early.is_empty() {
                    return Poll::Pending;
                }
                let mut space = [0; 1024];
                let mut peeked = ReadBuf::new(&mut space);
                ready!(this.poll_inner()?.poll_read(cx, &mut peeked))?;
                this.early.extend_from_slice(peeked.filled());
                return if peeked.filled().is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            Some(n) => usize::try_from(n).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let most = most.min(buf.remaining());
        let taken = if this.early.is_empty() {
            let mut part = ReadBuf::new(buf.initialize_unfilled_to(most.min(GATHER_BYTES)));
            ready!(this.poll_inner()?.poll_read(cx, &mut part))?;
            let n = part.filled().len();
            buf.advance(n);
            n
        } else {
            let n = most.min(this.early.len());
            buf.put_slice(&this.early[..n]);
            this.early.advance(n);
            n
        };
        if let Some(allowance) = &mut this.allowance {
            *allowance -= taken as u64;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.head_due {
            // A head comes in one piece, and is bounded: it is taken whole, whatever is gathered already.
            let this = &mut *self;
            this.head_due = write_head(buf, &mut this.gathered) == Written::Interim;
            return Poll::Ready(Ok(buf.len()));
        }
        self.poll_write_slices(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match slices.iter().find(|slice| !slice.is_empty()) {
            Some(head) if self.head_due => self.poll_write(cx, head),
            _ => self.poll_write_slices(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_gathered(cx))?;
        self.poll_inner()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_gathered(cx))?;
        self.poll_inner()?.poll_shutdown(cx)
    }
}

async fn within<T>(patience: Duration, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(patience, act).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        if let (Some(remains), Some(inner)) = (self.remains.take(), self.inner.take()) {
            // If nobody waits for it the connection is closed.
            let _ = remains.send(inner);
        }
    }
}

/// Reads and drops what the client still sends, up to a bound.
pub(super) async fn drain(connection: &mut Stream, most: usize) {
    let mut space = vec![0; READ_BYTES];
    let mut left = most;
    while left > 0 {
        match connection.read(&mut space).await {
            Ok(0) | Err(_) => return,
            Ok(n) => left = left.saturating_sub(n),
        }
    }
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.inner.as_ref().map_or(0, |inner| inner.id())
    }
}

impl Ssl for ClientStream {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.as_ref()?.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.as_ref()?.selected_alpn_proto()
    }
}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.as_ref().map(|inner| inner.get_timing_digest()).unwrap_or_default()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.as_ref()?.get_proxy_digest()
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.as_ref()?.get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        if let Some(inner) = &mut self.inner {
            inner.set_socket_digest(digest);
        }
    }
}

// The front door has looked already: Pingora is told which protocol it is.
#[async_trait]
impl Peek for ClientStream {}
