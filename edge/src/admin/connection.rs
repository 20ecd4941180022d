//! The bytes of a connection of the admin server: how long a write may take, and whether anything has come of a request.

use super::limits::{LINGER_BYTES, LINGER_TIME, WRITE_TIME};
use axum::http::StatusCode;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

/// A client's connection.
#[derive(Debug)]
pub(super) struct Connection {
    tcp: TcpStream,
    /// Something has come since the last answer.
    heard: bool,
    /// Runs while a write makes no progress.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(tcp: TcpStream) -> Self {
        // An answer that goes a little later is no harm.
        let _ = tcp.set_nodelay(true);
        Self { tcp, heard: false, stalled: None }
    }

    /// Whether a request has begun that has no answer.
    pub(super) fn has_heard(&self) -> bool {
        self.heard
    }

    /// Says why there is no other answer, if that can be said without waiting.
    pub(super) fn refuse(&self, status: StatusCode, error: &str, hint: &str) {
        let body = serde_json::json!({ "error": error, "hint": hint }).to_string();
        let retry = if status == StatusCode::SERVICE_UNAVAILABLE { "Retry-After: 1\r\n" } else { "" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{retry}Connection: close\r\n\r\n{body}",
            body.len()
        );
        // The client may be gone; there is nobody left to tell.
        let _ = self.tcp.try_write(answer.as_bytes());
    }

    /// Closes the connection once the client has taken its answer: what it still sends is dropped, within bounds.
    pub(super) async fn close(mut self) {
        let taken = async {
            self.tcp.shutdown().await?;
            let (mut space, mut left) = (vec![0; 8 << 10], LINGER_BYTES);
            while left > 0 {
                match self.tcp.read(&mut space).await? {
                    0 => break,
                    n => left = left.saturating_sub(n),
                }
            }
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(LINGER_TIME, taken).await;
    }

    fn progress<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_TIME)));
        stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.tcp).poll_read(cx, buf);
        self.heard |= buf.filled().len() > before;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.heard = false;
        let written = Pin::new(&mut self.tcp).poll_write(cx, buf);
        self.progress(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.tcp).poll_flush(cx);
        self.progress(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
