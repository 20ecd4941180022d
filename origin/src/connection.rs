//! A client's connection: counts what is written, gives up on clients that don't read, resets on demand.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::counters::{Counters, OpenConnection};

/// A client that takes nothing for so long has gone, or wants to hold the connection: their number is bounded.
const MAX_WRITE_STALL: Duration = Duration::from_secs(60);

/// A TCP connection as the HTTP server sees it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    counters: Arc<Counters>,
    ending: Ending,
    stalled: Option<Pin<Box<Sleep>>>,
    _open: OpenConnection,
}

/// Says how a connection is to end.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    is_reset: Arc<AtomicBool>,
}

impl Ending {
    /// The connection is to end with a TCP RST.
    pub fn reset(&self) {
        self.is_reset.store(true, Ordering::Relaxed);
    }
}

impl Connection {
    /// Takes over an accepted connection.
    pub fn new(stream: TcpStream, counters: Arc<Counters>) -> Self {
        let open = counters.connection();
        Self { stream, counters, ending: Ending::default(), stalled: None, _open: open }
    }

    /// The handle by which a request says how the connection is to end.
    pub fn ending(&self) -> Ending {
        self.ending.clone()
    }

    fn written(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match outcome {
            Poll::Ready(result) => {
                self.stalled = None;
                self.counters.wire_bytes(*result.as_ref().unwrap_or(&0));
                Poll::Ready(result)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(MAX_WRITE_STALL)));
                stalled.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.ending.is_reset.load(Ordering::Relaxed)
            && let Err(error) = self.stream.set_zero_linger()
        {
            tracing::debug!("the connection is closed, not reset: {error}");
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let _client = TcpStream::connect(listener.local_addr().expect("an address")).await.expect("connected");
        let (stream, _) = listener.accept().await.expect("accepted");
        let counters = Arc::new(Counters::new(crate::clock::now()));
        let mut connection = Connection::new(stream, Arc::clone(&counters));
        let error = loop {
            if let Err(error) = connection.write_all(&[0; 1024 * 1024]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let stats = counters.stats(crate::clock::now());
        assert!(stats.sent.wire_bytes > 0 && stats.connections.open == 1);
        drop(connection);
        assert_eq!(counters.stats(crate::clock::now()).connections.open, 0);
    }
}
