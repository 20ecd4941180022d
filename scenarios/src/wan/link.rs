//! One end of a link: a listener whose connections are carried to a target.

use super::carry::{Counters, Trouble, carry};
use crate::clock;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
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
    trouble: watch::Sender<Trouble>,
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
        let trouble = watch::Sender::new(Trouble::default());
        let ways = Ways { target: spec.target, one_way: spec.rtt / 2, counters: Arc::clone(&counters) };
        let accepting = tokio::spawn(accept(listener, ways, trouble.subscribe()));
        Ok(Self { spec, address, counters, trouble, accepting: accepting.abort_handle() })
    }

    /// Cuts the link: from now on nothing is delivered in either direction, and nobody is told.
    pub fn cut(&self) {
        self.trouble.send_modify(|trouble| trouble.is_cut = true);
    }

    /// Makes a link that was cut whole again. What was sent meanwhile is delivered.
    pub fn restore(&self) {
        self.trouble.send_modify(|trouble| trouble.is_cut = false);
    }

    /// Resets all connections. New ones can be opened at once.
    pub fn reset(&self) {
        self.trouble.send_modify(|trouble| trouble.resets += 1);
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

/// What each connection of a link needs to know.
#[derive(Debug, Clone)]
struct Ways {
    target: SocketAddr,
    one_way: Duration,
    counters: Arc<Counters>,
}

async fn accept(listener: TcpListener, ways: Ways, trouble: watch::Receiver<Trouble>) {
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
        let (Ways { target, one_way, counters }, trouble) = (ways.clone(), trouble.clone());
        connections.spawn(async move {
            carry(client, target, opened, one_way, &counters, &trouble).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}
