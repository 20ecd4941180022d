//! Connections that become another protocol's: WebSocket, and nothing else.

use super::check_usable;
use crate::support::{Client, HOST, Origin, Seen, Stand, Step};

const GREETING: &[u8] = b"welcome";

/// An origin that switches to a protocol in which it greets, and then says what it is told.
fn switching(seen: &Seen) -> Vec<Step> {
    if seen.target == "/ws" && seen.header("upgrade").is_some() {
        let protocol = seen.header("upgrade").unwrap_or_default();
        let head = format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n");
        let greeting = Step::Send(GREETING.to_vec());
        return vec![Step::Send(head.into_bytes()), greeting, Step::Echo(5), Step::Echo(50_000), Step::Close];
    }
    vec![Step::Send(Origin::plain(seen))]
}

fn upgrade(target: &str, protocol: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}

/// How often a tunnel is tried. Pingora 0.9.1 ends one at once if the origin's 101 overtakes the end of the request's
/// empty body (cloudflare/pingora#946), which it does now and then where the origin is on the same machine.
const MOST_TRIES: usize = 30;

async fn check_tunnel(stand: &Stand, protocol: &str, first: Option<&str>) {
    for _ in 0..MOST_TRIES {
        let mut client = stand.connect().await;
        if let Some(target) = first {
            check_usable(&mut client, target).await;
        }
        client.send(upgrade("/ws", protocol)).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, 101, "{reply:?}");
        if goes_both_ways(&mut client).await {
            client.closed().await;
            return;
        }
    }
    panic!("not one of {MOST_TRIES} tunnels was of use");
}

/// Whether what is said on one side is heard on the other. If it isn't, the tunnel must have ended, not hang.
async fn goes_both_ways(client: &mut Client) -> bool {
    let large = vec![b'l'; 50_000];
    if client.try_bytes(GREETING.len()).await.is_none_or(|greeting| greeting != GREETING) {
        return false;
    }
    let _ = client.try_send("hello").await;
    if client.try_bytes(5).await.is_none_or(|echo| echo != b"hello") {
        return false;
    }
    client.send(&large).await;
    assert!(client.bytes(large.len()).await == large);
    true
}

#[tokio::test]
async fn web_sockets_are_tunnelled() {
    let stand = Stand::before(Origin::answering(switching).await, "").await;
    check_tunnel(&stand, "websocket", None).await;
    // As the second request of a connection.
    check_tunnel(&stand, "WebSocket", Some("/first")).await;
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn an_upgrade_that_is_declined_is_an_ordinary_request() {
    let stand = Stand::before(Origin::answering(switching).await, "").await;
    let mut client = stand.connect().await;
    let reply = client.exchange(upgrade("/plain", "websocket")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "GET /plain\n"));
    assert!(reply.header("cache-status").is_some_and(|status| status.contains("upgrade")), "{reply:?}");
    stand.still_serves().await;
}

/// Whoever speaks another protocol through the node does so past its rules: a tunnel of HTTP/2 to the origin would be
/// one (h2c smuggling).
#[tokio::test]
async fn other_protocols_are_not_tunnelled() {
    let stand = Stand::before(Origin::answering(switching).await, "").await;
    for protocol in ["h2c", "HTTP/2.0", "TLS/1.0", "websocket, h2c", "h2c, websocket", "x"] {
        let mut client = stand.connect().await;
        let request =
            upgrade("/ws", protocol).replace("\r\n\r\n", "\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n");
        let reply = client.exchange(request).await;
        assert_ne!(reply.status, 101, "{protocol}");
    }
    for seen in stand.origin.seen() {
        assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), (None, None), "{seen:?}");
    }
    stand.still_serves().await;
}
