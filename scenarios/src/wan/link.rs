//! One end of a link: a listener whose connections are carried to a target.

use super::carry::{Counters, carry};
use crate::clock;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};

/// Connections that a link carries at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// Pause after a failed accept, which means that this process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a link joins, and how long it is.
#[derive(Debug, Clone)]
pub struct LinkSpec {
    /// Its name in reports, such as `sin → shield-1`.
    pub name: String,
    /// The address of this end.
    pub listen: SocketAddr,
    /// The server at the other end.
    pub target: SocketAddr,
    /// The round-trip time; each direction takes half of it.
    pub rtt: Duration,
}

/// A link that is open. It and all its connections are closed when it is dropped.
#[derive(Debug)]
pub struct Link {
    spec: LinkSpec,
    address: SocketAddr,
    counters: Arc<Counters>,
    accepting: AbortHandle,
}

/// What has travelled over a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Connections opened.
    pub connections: u64,
    /// Connections that the target refused.
    pub refused: u64,
    /// Bytes towards the target.
    pub bytes_up: u64,
    /// Bytes from the target.
    pub bytes_down: u64,
}

impl Link {
    /// Opens a link.
    ///
    /// # Errors
    /// If its address can't be bound.
    pub async fn open(spec: LinkSpec) -> io::Result<Self> {
        let listener = TcpListener::bind(spec.listen).await?;
        let address = listener.local_addr()?;
        let counters = Arc::new(Counters::default());
        let accepting = tokio::spawn(accept(listener, spec.target, spec.rtt / 2, Arc::clone(&counters)));
        Ok(Self { spec, address, counters, accepting: accepting.abort_handle() })
    }

    /// The address of this end.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was opened as.
    pub fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// What has travelled so far.
    pub fn traffic(&self) -> Traffic {
        let counters = &self.counters;
        Traffic {
            connections: counters.connections.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            bytes_up: counters.bytes_up.load(Relaxed),
            bytes_down: counters.bytes_down.load(Relaxed),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, one_way: Duration, counters: Arc<Counters>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropped with this task, and its connections with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let client: TcpStream = match listener.accept().await {
            Ok((client, _)) => client,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let opened = clock::now();
        let counters = Arc::clone(&counters);
        connections.spawn(async move {
            carry(client, target, opened, one_way, &counters).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}
