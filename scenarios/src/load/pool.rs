//! The connections of the clients of a region.

use crate::client::{Ask, ClientErrorCause, Connection, Reply, TIMEOUT};
use crate::clock;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Kept connections to one server. A request takes the one used last, or opens a new one and pays for that; at most so
/// many are open, and further requests wait.
#[derive(Debug)]
pub struct Pool {
    address: SocketAddr,
    idle: Mutex<Vec<Connection>>,
    room: Semaphore,
    opened: AtomicU64,
}

/// A request that was answered.
#[derive(Debug)]
pub struct Exchange {
    /// When it was sent, connection and all being there.
    pub sent: Instant,
    /// The answer.
    pub reply: Reply,
}

impl Pool {
    /// A pool of at most so many connections.
    pub fn new(address: SocketAddr, max_connections: usize) -> Self {
        Self { address, idle: Mutex::new(Vec::new()), room: Semaphore::new(max_connections), opened: AtomicU64::new(0) }
    }

    /// How many connections have been opened.
    pub fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// If there is no complete answer within [`TIMEOUT`] of when a connection is to be had. A kept connection that the
    /// server closed meanwhile is no error: the request goes out again on a new one, as a browser's would.
    pub async fn exchange(&self, ask: &Ask) -> Result<Exchange, ClientErrorCause> {
        let Ok(_permit) = self.room.acquire().await else { return Err(ClientErrorCause::Timeout) };
        timeout(TIMEOUT, self.attempt(ask)).await.unwrap_or(Err(ClientErrorCause::Timeout))
    }

    async fn attempt(&self, ask: &Ask) -> Result<Exchange, ClientErrorCause> {
        if let Some(mut kept) = self.take() {
            let sent = clock::now();
            match kept.send(ask).await {
                Ok(reply) => return Ok(self.done(kept, sent, reply)),
                Err(error) if error.was_closed_before() => {}
                Err(error) => return Err(error),
            }
        }
        self.opened.fetch_add(1, Relaxed);
        let mut connection = Connection::open(self.address).await?;
        let sent = clock::now();
        let reply = connection.send(ask).await?;
        Ok(self.done(connection, sent, reply))
    }

    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| idle.pop()).find(|connection| !connection.is_closed())
    }

    fn done(&self, connection: Connection, sent: Instant, reply: Reply) -> Exchange {
        if !connection.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        Exchange { sent, reply }
    }
}
