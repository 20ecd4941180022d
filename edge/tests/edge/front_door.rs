//! The front door: what comes in from clients, whatever it is.

mod bodies;
mod connections;
mod dates;
mod framing;
mod hosts;
mod http2;
mod limits;
mod malformed;
mod methods;
mod mutations;
mod slow;
mod smuggling;
mod upgrades;

use crate::support::{Client, Stand};

/// What a refusal looks like, wherever in the node it is made.
#[derive(Debug, Clone, Copy)]
struct Refusal {
    status: u16,
    /// The detail in Cache-Status.
    reason: &'static str,
}

const fn refusal(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason }
}

/// Sends bytes on a connection of its own, and checks that they are refused in this way, once, and that the connection
/// ends with that; that the origin is asked nothing, and that the node serves on.
async fn check_refused(stand: &Stand, request: impl AsRef<[u8]>, want: Refusal) {
    let asked_before = stand.origin.seen().len();
    let mut client = stand.connect().await;
    let shown = String::from_utf8_lossy(request.as_ref()).chars().take(200).collect::<String>();
    let reply = client.exchange(&request).await;
    assert_eq!(reply.status, want.status, "{shown:?} was answered {reply:?}");
    let status = reply.header("cache-status").unwrap_or_default();
    assert!(status.contains(want.reason), "{shown:?}: {status:?} should say {:?}", want.reason);
    assert!(reply.closes(), "{shown:?}: {reply:?}");
    client.closed().await;
    assert_eq!(stand.origin.seen().len(), asked_before, "{shown:?}");
    if !request.as_ref().starts_with(b"HEAD ") {
        assert!(reply.text().contains("node: fra-1"), "{shown:?}: {}", reply.text());
    }
}

/// Checks that a connection can still be used: an ordinary request on it is answered.
async fn check_usable(client: &mut Client, target: &str) {
    let reply = client.exchange(crate::support::get(target)).await;
    assert_eq!((reply.status, reply.text()), (200, format!("GET {target}\n")));
}
