//! Clients that take their time, and more clients than there are places. Timeouts are small here, and no test asks how
//! small they turn out to be.

use super::check_usable;
use crate::support::{Client, HOST, Origin, Stand, Step, eventually, get, within};
use std::time::Duration;

/// Between the bytes that a slow client sends: less than any timeout.
const DRIBBLE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn a_head_that_does_not_end_is_timed_out() {
    let stand = Stand::with("[timeouts]\nhead = \"400ms\"").await;
    for part in ["G", "GET / HTTP/1.1\r\n", "\r\n", "GET / HTTP/1.1\r\nHost: docs.example\r\nX: y\r\n"] {
        let mut client = stand.connect().await;
        client.send(part).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.closes()), (408, true), "{part:?}");
        assert!(reply.header("cache-status").is_some_and(|status| status.contains("head-timeout")), "{reply:?}");
        client.closed().await;
    }
    // The second head of a connection as well.
    let mut client = stand.connect().await;
    client.send(get("/a") + "GET /b HTTP/1.1\r\nHo").await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(client.reply().await.status, 408);
    client.closed().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn a_head_that_dribbles_in_is_timed_out_as_a_whole() {
    let stand = Stand::with("[timeouts]\nhead = \"400ms\"").await;
    let mut client = stand.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: docs.example\r\n").await;
    within("the node to lose patience", async {
        // Each byte comes soon after the one before, and the head never ends.
        while client.is_silent() {
            let _ = client.try_send("X").await;
            tokio::time::sleep(DRIBBLE).await;
        }
    })
    .await;
    assert_eq!(client.try_reply().await.map(|reply| reply.status).unwrap_or(408), 408);
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_silence() {
    let stand = Stand::with("[timeouts]\nkeepalive = \"1s\"").await;
    let mut fresh = stand.connect().await;
    fresh.closed().await;
    let mut used = stand.connect().await;
    check_usable(&mut used, "/a").await;
    used.closed().await;
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_timed_out() {
    let stand = Stand::with("[timeouts]\nbody = \"400ms\"").await;
    for request in
        ["Content-Length: 10\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\na\r\nabc", "Content-Length: 10\r\n\r\n"]
    {
        let mut client = stand.connect().await;
        client.send(format!("POST /late HTTP/1.1\r\nHost: {HOST}\r\n{request}")).await;
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.closes()), (408, true), "{request:?}: {}", reply.text());
        client.closed().await;
    }
    assert!(stand.origin.seen_of("/late").is_empty());
    stand.still_serves().await;
}

#[tokio::test]
async fn a_slow_body_is_taken_if_it_keeps_coming() {
    // Longer than a head, a pause between requests and an origin's first byte may take.
    let stand = Stand::with(
        "[timeouts]\nbody = \"10s\"\nhead = \"2s\"\nkeepalive = \"2s\"\n[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"2s\"",
    )
    .await;
    let mut client = stand.connect().await;
    client.send(format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 150\r\n\r\n")).await;
    for _ in 0..150 {
        client.send("x").await;
        tokio::time::sleep(DRIBBLE).await;
    }
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.len()), (200, 150 + "POST /up\n".len()));
    stand.still_serves().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_dropped() {
    // More than the buffers of both sides of a connection hold.
    const LARGE: usize = 48 << 20;
    let origin = Origin::answering(|seen| {
        if seen.target == "/still-serves" {
            return vec![Step::Send(Origin::plain(seen))];
        }
        let head = format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: {LARGE}\r\n\r\n");
        vec![Step::Send(head.into_bytes()), Step::Send(vec![b'x'; LARGE])]
    });
    let stand = Stand::before(origin.await, "[timeouts]\nwrite = \"400ms\"").await;
    // As a miss; as a hit, if it was stored; as a response that is not stored.
    for target in ["/large", "/large", "/other"] {
        let mut client = stand.connect().await;
        client.send(get(target)).await;
        client.bytes(1000).await;
        eventually("the node gives up on the client", async || stand.connections().await == 0).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn more_connections_than_places_wait_their_turn() {
    let stand = Stand::with("[limits]\nconnections = 2").await;
    let mut first = stand.connect().await;
    let mut second = stand.connect().await;
    check_usable(&mut first, "/a").await;
    check_usable(&mut second, "/a").await;
    let mut third = stand.connect().await;
    let mut fourth = stand.connect().await;
    third.send(get("/third")).await;
    fourth.send(get("/fourth")).await;
    for n in 0..20 {
        check_usable(&mut first, &format!("/{n}")).await;
        check_usable(&mut second, &format!("/{n}")).await;
    }
    assert!(third.is_silent() && fourth.is_silent(), "they wait");
    assert_eq!(stand.connections().await, 2);
    drop(first);
    assert_eq!(third.reply().await.text(), "GET /third\n");
    assert!(fourth.is_silent(), "it still waits");
    drop(second);
    assert_eq!(fourth.reply().await.text(), "GET /fourth\n");
    drop((third, fourth));
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn waiting_clients_may_leave() {
    let stand = Stand::with("[limits]\nconnections = 1").await;
    let mut first = stand.connect().await;
    check_usable(&mut first, "/a").await;
    for n in 0..20 {
        let mut waiting: Client = stand.connect().await;
        waiting.send(get(&format!("/left-{n}"))).await;
        if n % 2 == 0 { waiting.reset() } else { drop(waiting) }
    }
    drop(first);
    stand.drained().await;
    stand.still_serves().await;
}
