//! Carries one connection over a link.
//!
//! Every chunk is stamped when it is read and written half a round trip later, so any number of chunks is on the way at
//! once and the delay costs no throughput. What a kernel does on loopback at once is charged: the opening of the
//! connection takes one round trip before the first bytes of the client leave, as the TCP handshake does; a refusal
//! takes one as well. TLS needs no such care: its flights are bytes. Ends and resets travel like bytes, behind them.
//! While the link is cut nothing is delivered; what is on its way arrives once it is whole again, as TCP would send it
//! anew.

use crate::alarm::sleep_until;
use crate::clock;
use bytes::{Bytes, BytesMut};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 16 << 10;
/// Bytes on the way in one direction of a connection: a TCP window. Half a round trip of 150 ms then carries 50 MB/s.
const WINDOW_BYTES: usize = 4 << 20;
/// Chunks on the way in one direction of a connection, as bounds small ones.
const WINDOW_CHUNKS: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) bytes_up: AtomicU64,
    pub(super) bytes_down: AtomicU64,
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Trouble {
    /// Nothing is delivered.
    pub(super) is_cut: bool,
    /// How often all its connections have been reset.
    pub(super) resets: u64,
}

/// Waits while the link is cut.
async fn whole(trouble: &watch::Receiver<Trouble>) {
    // Without its sender the link is gone, and this task with it.
    let mut trouble = trouble.clone();
    let _gone = trouble.wait_for(|trouble| !trouble.is_cut).await;
}

/// Waits until the connections of the link are reset.
async fn all_are_reset(trouble: &watch::Receiver<Trouble>) {
    let mut trouble = trouble.clone();
    let before = trouble.borrow().resets;
    let _gone = trouble.wait_for(|trouble| trouble.resets != before).await;
}

/// What travels.
enum Parcel {
    Bytes(Bytes, #[expect(dead_code, reason = "held until the bytes are delivered")] OwnedSemaphorePermit),
    End,
    Reset,
}

/// A side was reset, and the other side is to be told.
struct Reset;

/// Carries a connection that was accepted at `opened` until both sides have ended it or one has reset it.
pub(super) async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    opened: Instant,
    one_way: Duration,
    counters: &Counters,
    trouble: &watch::Receiver<Trouble>,
) {
    counters.connections.fetch_add(1, Relaxed);
    // The SYN is on its way; what the client sends meanwhile stays in the kernel.
    sleep_until(opened + one_way).await;
    whole(trouble).await;
    let mut server = match TcpStream::connect(target).await {
        Ok(server) => server,
        Err(_) => {
            counters.refused.fetch_add(1, Relaxed);
            sleep(one_way).await;
            reset(&client);
            return;
        }
    };
    let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else { return };
    let delivered = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        // The client may send when the SYN-ACK is back, the server when the ACK has come.
        let up = Way { one_way, not_before: opened + one_way * 2, bytes: &counters.bytes_up, trouble };
        let down = Way { one_way, not_before: opened + one_way * 3, bytes: &counters.bytes_down, trouble };
        tokio::select! {
            delivered = async { tokio::try_join!(up.pump(from_client, to_server), down.pump(from_server, to_client)) } => {
                delivered.map(|_| ())
            }
            () = all_are_reset(trouble) => Err(Reset),
        }
    };
    if let Err(Reset) = delivered {
        reset(&client);
        reset(&server);
    }
}

/// Has the stream reset instead of ended when it is dropped.
fn reset(stream: &TcpStream) {
    // If it can't be set the stream is gone already.
    let _gone = stream.set_zero_linger();
}

/// One direction.
struct Way<'c> {
    one_way: Duration,
    not_before: Instant,
    bytes: &'c AtomicU64,
    trouble: &'c watch::Receiver<Trouble>,
}

impl Way<'_> {
    async fn pump(&self, from: ReadHalf<'_>, to: WriteHalf<'_>) -> Result<(), Reset> {
        let (send, receive) = mpsc::channel(WINDOW_CHUNKS);
        tokio::try_join!(self.read(from, send), self.write(receive, to)).map(|_| ())
    }

    async fn read(&self, mut from: ReadHalf<'_>, queue: mpsc::Sender<(Instant, Parcel)>) -> Result<(), Reset> {
        let window = Arc::new(Semaphore::new(WINDOW_BYTES));
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(CHUNK_BYTES);
            let read = from.read_buf(&mut buffer).await;
            let due = clock::now().max(self.not_before) + self.one_way;
            let parcel = match read {
                Ok(0) => Parcel::End,
                Ok(_) => {
                    let bytes = buffer.split().freeze();
                    // A buffer that has grown may be read in one go; the window is far larger.
                    let share = bytes.len().min(WINDOW_BYTES) as u32;
                    let Ok(permit) = Arc::clone(&window).acquire_many_owned(share).await else { return Ok(()) };
                    Parcel::Bytes(bytes, permit)
                }
                Err(_) => Parcel::Reset,
            };
            let last = !matches!(parcel, Parcel::Bytes(..));
            if queue.send((due, parcel)).await.is_err() || last {
                return Ok(());
            }
        }
    }

    async fn write(&self, mut queue: mpsc::Receiver<(Instant, Parcel)>, mut to: WriteHalf<'_>) -> Result<(), Reset> {
        while let Some((due, parcel)) = queue.recv().await {
            sleep_until(due).await;
            whole(self.trouble).await;
            let written: io::Result<()> = match &parcel {
                Parcel::Bytes(bytes, _) => {
                    self.bytes.fetch_add(bytes.len() as u64, Relaxed);
                    to.write_all(bytes).await
                }
                Parcel::End => to.shutdown().await,
                Parcel::Reset => return Err(Reset),
            };
            if written.is_err() {
                // The receiver is gone; the sender learns of it when the news has travelled back.
                sleep(self.one_way).await;
                return Err(Reset);
            }
        }
        Ok(())
    }
}
