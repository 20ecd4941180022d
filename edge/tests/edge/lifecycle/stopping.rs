//! The end: what is in flight is finished, within a bound; what is idle holds nobody up.

use crate::support::{Client, Gate, HOST, NODE, Origin, Seen, Stand, Step, eventually, get};
use scenarios::client::Ask;
use scenarios::fleet::Signal;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// A drain's bound that no test waits for.
const LONG_DRAIN: &str = "[timeouts]\ndrain = \"10m\"";

/// An end that waits for nothing takes no longer, even on a machine that is busy building.
const AT_ONCE: Duration = Duration::from_secs(20);

const SLOW_BYTES: usize = 200_000;

/// Answers `/slow` half, and the other half when the gate is opened.
async fn slow_origin(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::answering(move |seen: &Seen| {
        if seen.target != "/slow" {
            return vec![Step::Send(Origin::plain(seen))];
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SLOW_BYTES}\r\n\r\n").into_bytes();
        let half = vec![b's'; SLOW_BYTES / 2];
        vec![Step::Send(head), Step::Send(half.clone()), Step::Wait(gate.clone()), Step::Send(half)]
    })
    .await
}

/// Sends the signal, if the node has not ended yet, and waits for its end, which must come at once and be a good one.
async fn check_ends(stand: &mut Stand) {
    let ended = tokio::time::timeout(AT_ONCE, stand.fleet.terminate(NODE)).await;
    let status = ended.expect("the end comes at once").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(0), "{}", stand.node().stderr());
    stand.did_not_panic();
}

async fn readiness(address: SocketAddr) -> Option<u16> {
    let reply = scenarios::client::ask(address, &Ask::get(&address.to_string(), "/ready")).await;
    reply.ok().map(|reply| reply.status.as_u16())
}

/// Sends the signal and waits until the node drains: not ready, and no longer listening.
async fn begin_drain(stand: &Stand, signal: Signal) {
    stand.fleet.signal(NODE, signal).expect("the node runs");
    let (public, admin) = (stand.node().public_addr(), stand.node().admin_addr());
    eventually("the node is not ready", async || readiness(admin).await == Some(503)).await;
    eventually("connections are refused", async || TcpStream::connect(public).await.is_err()).await;
}

#[tokio::test]
async fn a_node_with_nothing_in_flight_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut stand = Stand::with(LONG_DRAIN).await;
        stand.still_serves().await;
        stand.fleet.signal(NODE, signal).expect("the node runs");
        check_ends(&mut stand).await;
        assert!(stand.node().stderr().contains("draining"), "{}", stand.node().stderr());
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_the_end() {
    let mut stand = Stand::with(&format!("{LONG_DRAIN}\n[listen]\nh2c = true")).await;
    let mut fresh = stand.connect().await;
    let mut used = stand.connect().await;
    assert_eq!(used.exchange(get("/a")).await.status, 200);
    let tcp = TcpStream::connect(stand.node().public_addr()).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("it speaks HTTP/2");
    let http2 = tokio::spawn(connection);
    let mut sender = sender.ready().await.expect("an open connection");
    let request = http::Request::get(format!("http://{HOST}/a")).body(()).expect("a request");
    let (response, _) = sender.send_request(request, true).expect("an open connection");
    assert_eq!(response.await.expect("a response").status(), 200);
    let mut admin = Client::connect(stand.node().admin_addr()).await;
    assert_eq!(admin.exchange(format!("GET /health HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await.status, 200);
    eventually("all are counted", async || stand.connections().await == 3).await;
    check_ends(&mut stand).await;
    fresh.closed().await;
    used.closed().await;
    let _ = http2.await;
}

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let gate = Gate::new();
    let mut stand = Stand::before(slow_origin(&gate).await, LONG_DRAIN).await;
    let mut begun = stand.connect().await;
    begun.send(get("/slow")).await;
    let first = begun.bytes(1000).await;
    let mut idle = stand.connect().await;
    assert_eq!(idle.exchange(get("/a")).await.status, 200);
    begin_drain(&stand, Signal::TERM).await;
    idle.closed().await;
    gate.open();
    let rest = begun.rest().await;
    let whole = [first, rest].concat();
    let body = whole.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    assert_eq!(whole.len() - body, SLOW_BYTES, "the response is whole");
    check_ends(&mut stand).await;
}

#[tokio::test]
async fn streams_of_http_2_in_flight_are_finished() {
    let gate = Gate::new();
    let mut stand = Stand::before(slow_origin(&gate).await, &format!("{LONG_DRAIN}\n[listen]\nh2c = true")).await;
    let tcp = TcpStream::connect(stand.node().public_addr()).await.expect("a connection");
    let (sender, connection) = h2::client::handshake(tcp).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let mut sender: h2::client::SendRequest<bytes::Bytes> = sender.ready().await.expect("an open connection");
    let request = http::Request::get(format!("http://{HOST}/slow")).body(()).expect("a request");
    let (response, _) = sender.send_request(request, true).expect("an open connection");
    let mut body = response.await.expect("a response").into_body();
    begin_drain(&stand, Signal::TERM).await;
    gate.open();
    let mut received = 0;
    while let Some(part) = body.data().await {
        let part = part.expect("the response is whole");
        body.flow_control().release_capacity(part.len()).expect("an open stream");
        received += part.len();
    }
    assert_eq!(received, SLOW_BYTES);
    check_ends(&mut stand).await;
}

#[tokio::test]
async fn a_request_body_in_flight_is_taken() {
    let mut stand = Stand::with(LONG_DRAIN).await;
    let mut client = stand.connect().await;
    client.send(format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 6\r\n\r\nabc")).await;
    eventually("the request is under way", async || stand.connections().await == 1 && stand.origin.connections() == 1)
        .await;
    begin_drain(&stand, Signal::TERM).await;
    client.send("def").await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "POST /up\nabcdef"));
    client.closed().await;
    check_ends(&mut stand).await;
}

#[tokio::test]
async fn what_hangs_is_broken_off_at_the_bound() {
    let mut stand = Stand::before(slow_origin(&Gate::new()).await, "[timeouts]\ndrain = \"500ms\"").await;
    let mut client = stand.connect().await;
    client.send(get("/slow")).await;
    client.bytes(1000).await;
    let mut half = stand.connect().await;
    half.send("GET /half HTTP/1.1\r\nHo").await;
    check_ends(&mut stand).await;
    assert!(client.rest().await.len() < SLOW_BYTES, "it was not finished");
    half.closed().await;
    assert!(stand.node().stderr().contains("the drain's bound is over"), "{}", stand.node().stderr());
}

#[tokio::test]
async fn clients_that_wait_for_a_place_do_not_hold_the_end() {
    let mut stand = Stand::with(&format!("{LONG_DRAIN}\n[limits]\nconnections = 1")).await;
    let mut first = stand.connect().await;
    assert_eq!(first.exchange(get("/a")).await.status, 200);
    let mut second = stand.connect().await;
    second.send(get("/b")).await;
    check_ends(&mut stand).await;
    first.closed().await;
    second.rest().await;
}
