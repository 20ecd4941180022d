//! Layer 4: listeners. They are bound before anything else starts, so that an address in use is one clear error; the
//! accept loops keep to the connection limit.

use pingora::apps::ServerApp;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::protocols::{GetSocketDigest, SocketDigest};
use pingora::server::ShutdownWatch;
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Connections that the kernel holds for us while we are busy.
const BACKLOG: i32 = 4096;

/// After a failed accept (out of file descriptors, say) so long passes before the next one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// An address that can't be bound.
#[derive(Debug, thiserror::Error)]
#[error("{what} listener: can't bind {address}: {cause}\n    hint: {}", hint(cause))]
pub struct BindError {
    /// `public` or `admin`.
    pub what: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// Why not.
    pub cause: std::io::Error,
}

fn hint(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another process listens there: stop it (`ss -ltnp` names it), or change the fleet file"
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one, or grant it"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has this address; set `listen` to one that it has"
        }
        _ => "check the address in the fleet file",
    }
}

/// Binds a listener.
///
/// # Errors
/// [`BindError`] with the address and the cause.
pub fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A restarted node takes its port back at once; it does not share it with a running one.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|cause| BindError { what, address, cause })
}

/// Accepts connections until `shutdown`, then waits until those that are open have ended, at most for `drain`. Returns
/// how many had not.
pub async fn serve<A: ServerApp + Send + Sync + 'static>(
    listener: tokio::net::TcpListener,
    app: Arc<A>,
    most: usize,
    shutdown: ShutdownWatch,
    drain: impl Fn() -> Duration,
) -> usize {
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    let mut stop = shutdown.clone();
    loop {
        tokio::select! {
            accepted = accept(&listener, &places) => if let Some((tcp, place)) = accepted {
                let (app, shutdown) = (app.clone(), shutdown.clone());
                connections.spawn(async move {
                    let _place = place;
                    app.process_new(Box::new(to_pingora(tcp)), &shutdown).await;
                });
            },
            // Ended connections are taken out as they end, so the set holds no more than are open.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            _ = stop.wait_for(|down| *down) => break,
        }
    }
    drop(listener);
    app.cleanup().await;
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(drain(), ended).await;
    connections.len()
}

async fn accept(
    listener: &tokio::net::TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    // Without a place nothing is accepted: the kernel's queue holds the client, and then refuses it.
    let place = places.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((tcp, _)) => Some((tcp, place)),
        Err(error) => {
            tracing::warn!(%error, "can't accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn to_pingora(tcp: tokio::net::TcpStream) -> L4Stream {
    let digest = SocketDigest::from_raw_fd(tcp.as_raw_fd());
    // Known already: no system call for it later.
    let peer = tcp.peer_addr().ok().map(pingora::protocols::l4::socket::SocketAddr::Inet);
    let _ = digest.peer_addr.set(peer);
    let _ = tcp.set_nodelay(true);
    let mut stream = L4Stream::from(tcp);
    stream.set_socket_digest(digest);
    stream
}
