//! HTTP/2 with prior knowledge, where it is switched on; and HTTP/1 beside it.

use super::{check_refused, check_usable, refusal};
use crate::support::{Gate, HOST, Origin, Seen, Stand, Step, get, within};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request};
use tokio::net::TcpStream;

pub(super) const H2C: &str = "[listen]\nh2c = true";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Opens an HTTP/2 connection to the node's public listener.
pub(super) async fn connect(stand: &Stand) -> SendRequest<Bytes> {
    let tcp = TcpStream::connect(stand.node().public_addr()).await.expect("a connection");
    let (sender, connection) =
        within("the handshake", h2::client::handshake(tcp)).await.expect("the node speaks HTTP/2");
    tokio::spawn(connection);
    within("a stream", sender.ready()).await.expect("an open connection")
}

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) fields: HeaderMap,
    text: String,
}

async fn try_ask(sender: &SendRequest<Bytes>, request: Request<()>, body: &[u8]) -> Result<Answered, h2::Error> {
    within("a response", async {
        let (response, mut stream) = sender.clone().ready().await?.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(body), true)?;
        }
        let (head, mut body) = response.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(part) = body.data().await {
            let part = part?;
            body.flow_control().release_capacity(part.len())?;
            bytes.extend_from_slice(&part);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answered { status: head.status.as_u16(), fields: head.headers, text })
    })
    .await
}

pub(super) async fn ask(sender: &SendRequest<Bytes>, method: Method, uri: &str, body: &[u8]) -> Answered {
    let request = Request::builder().method(method).uri(uri).body(()).expect("a request");
    try_ask(sender, request, body).await.unwrap_or_else(|error| panic!("{uri}: {error}"))
}

pub(super) fn at(target: &str) -> String {
    format!("http://{HOST}{target}")
}

#[tokio::test]
async fn requests_of_http_2_are_served() {
    let stand = Stand::with(H2C).await;
    let client = connect(&stand).await;
    for (target, hit) in [("/a", false), ("/a", true), ("/b?c=d", false)] {
        let reply = ask(&client, Method::GET, &at(target), b"").await;
        assert_eq!((reply.status, reply.text), (200, format!("GET {target}\n")));
        let status = reply.fields.get("cache-status").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!(status.contains(";hit"), hit, "{status}");
    }
    let reply = ask(&client, Method::POST, &at("/up"), &b"x".repeat(10_000)).await;
    assert_eq!((reply.status, reply.text.len()), (200, 10_000 + "POST /up\n".len()));
    let reply = ask(&client, Method::HEAD, &at("/a"), b"").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    // What one protocol stored the other is given.
    assert_eq!(stand.exchange(get("/a")).await.status, 200);
    assert_eq!(stand.origin.seen_of("/a").len(), 1);
    stand.still_serves().await;
}

/// Pingora has no way to send an interim response there; the final one is not harmed by that.
#[tokio::test]
async fn hints_of_an_origin_are_left_out() {
    let answer = |seen: &Seen| {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n".to_vec();
        vec![Step::Send(hints), Step::Send(Origin::plain(seen))]
    };
    let stand = Stand::before(Origin::answering(answer).await, H2C).await;
    let client = connect(&stand).await;
    for _ in 0..2 {
        let reply = ask(&client, Method::GET, &at("/a"), b"").await;
        assert_eq!((reply.status, reply.text.as_str(), reply.fields.get("link")), (200, "GET /a\n", None));
    }
    let reply = ask(&client, Method::POST, &at("/up"), b"hello").await;
    assert_eq!((reply.status, reply.text.as_str()), (200, "POST /up\nhello"));
    assert_eq!(stand.origin.seen_of("/a").len(), 1);
    let unknown = ask(&client, Method::GET, "http://other.example/a", b"").await;
    assert_eq!(unknown.fields["proxy-status"], "fra-1;error=destination_not_found");
    stand.did_not_panic();
}

/// What can't be stored is fetched with GET all the same, and its body must not follow a head that has none.
#[tokio::test]
async fn heads_without_bodies() {
    let answer = |seen: &Seen| {
        let control = if seen.target == "/stored" { "max-age=60" } else { "no-store" };
        let length = if seen.target == "/chunked" { "Transfer-Encoding: chunked" } else { "Content-Length: 5" };
        let body = if seen.target == "/chunked" { "5\r\nhello\r\n0\r\n\r\n" } else { "hello" };
        let body = if seen.method == "HEAD" { "" } else { body };
        let head = format!("HTTP/1.1 200 OK\r\nETag: \"1\"\r\nCache-Control: {control}\r\n{length}\r\n\r\n");
        vec![Step::Send((head + body).into_bytes())]
    };
    let stand = Stand::before(Origin::answering(answer).await, H2C).await;
    let client = connect(&stand).await;
    for target in ["/uncached", "/chunked", "/stored"] {
        for _ in 0..2 {
            let reply = ask(&client, Method::HEAD, &at(target), b"").await;
            assert_eq!((reply.status, reply.text.as_str()), (200, ""), "{target}");
            let conditional = Request::get(at(target)).header("if-none-match", "\"1\"").body(()).expect("a request");
            let reply = try_ask(&client, conditional, b"").await.unwrap_or_else(|error| panic!("{target}: {error}"));
            assert_eq!((reply.status, reply.text.as_str()), (304, ""), "{target}");
            assert_eq!(ask(&client, Method::GET, &at(target), b"").await.text, "hello", "{target}");
        }
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn streams_do_not_wait_for_each_other() {
    let gate = Gate::new();
    let waits = gate.clone();
    let origin = Origin::answering(move |seen: &Seen| {
        let answer = Step::Send(Origin::plain(seen));
        if seen.target == "/slow" { vec![Step::Wait(waits.clone()), answer] } else { vec![answer] }
    });
    let stand = Stand::before(origin.await, H2C).await;
    let client = connect(&stand).await;
    let slow = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, Method::GET, &at("/slow"), b"").await }
    });
    stand.origin.asked_for("/slow").await;
    for n in 0..50 {
        assert_eq!(ask(&client, Method::GET, &at(&format!("/{n}")), b"").await.status, 200);
    }
    gate.open();
    assert_eq!(slow.await.expect("an answer").text, "GET /slow\n");
    stand.still_serves().await;
}

#[tokio::test]
async fn refusals_of_http_2() {
    let stand = Stand::with(&format!("{H2C}\n[limits]\nbody = \"1KiB\"")).await;
    let client = connect(&stand).await;
    for (method, uri, body, status) in [
        (Method::GET, "http://other.example/", 0, 421),
        (Method::GET, "http://docs.example:0/", 0, 400),
        (Method::TRACE, "http://docs.example/", 0, 405),
        (Method::from_bytes(b"PURGE").expect("a token"), "http://docs.example/", 0, 405),
        (Method::CONNECT, "docs.example:443", 0, 405),
        (Method::POST, "http://docs.example/up", 2000, 413),
    ] {
        let reply = ask(&client, method.clone(), uri, &vec![b'x'; body]).await;
        assert_eq!(reply.status, status, "{method} {uri}: {}", reply.text);
    }
    // Two names for one host: whichever is believed, nobody else's answer is given.
    let request = Request::builder().uri("http://docs.example/two").header("host", "other.example").body(());
    match try_ask(&client, request.expect("a request"), b"").await {
        Ok(reply) => assert_eq!(reply.status, 400, "{}", reply.text),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
    assert!(stand.origin.seen().is_empty());
    // The connection is none the worse for all this.
    assert_eq!(ask(&client, Method::GET, &at("/a"), b"").await.status, 200);
    stand.still_serves().await;
}

#[tokio::test]
async fn http_1_is_served_beside_it() {
    let stand = Stand::with(&format!("{H2C}\n[timeouts]\nhead = \"400ms\"")).await;
    let mut client = stand.connect().await;
    for target in ["/a", "/b", "/a"] {
        check_usable(&mut client, target).await;
    }
    for method in ["POST", "PUT", "PATCH", "PROPFIND", "PRI"] {
        let reply = stand.exchange(format!("{method} / HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        assert_eq!((reply.status, reply.text()), (200, format!("{method} /\n")));
    }
    // Shorter than the preface: answered at once, not when more has come.
    check_refused(&stand, "GET / HTTP/1.0\r\n\r\n", refusal(400, "no-host")).await;
    check_refused(&stand, "P / HTTP/1.0\r\n\r\n", refusal(400, "no-host")).await;
    check_refused(&stand, "PRI * HTTP/2.0\r\n\r\nXX", refusal(505, "http-version")).await;
    // The beginning of a preface that does not go on.
    for part in [&PREFACE[..1], &PREFACE[..20]] {
        let mut client = stand.connect().await;
        client.send(part).await;
        assert_eq!(client.reply().await.status, 408);
        client.closed().await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn the_preface_may_come_in_pieces() {
    let stand = Stand::with(H2C).await;
    let mut client = stand.connect().await;
    for byte in PREFACE.chunks(5) {
        client.send(byte).await;
        tokio::task::yield_now().await;
    }
    // An empty SETTINGS frame; the node's own is what it sends first.
    client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    assert_eq!(client.bytes(4).await[3], 4, "a SETTINGS frame");
    drop(client);
    stand.drained().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn garbage_after_the_preface_ends_the_connection() {
    let stand = Stand::with(H2C).await;
    for garbage in [&b"GET / HTTP/1.1\r\nHost: docs.example\r\n\r\n"[..], &[0xff; 5000], &[0; 9]] {
        let mut client = stand.connect().await;
        client.send([PREFACE, garbage].concat()).await;
        client.rest_after_end().await;
    }
    stand.drained().await;
    stand.still_serves().await;
}

/// Pingora 0.9.1 has no timeout for bodies of HTTP/2: what bounds the wait is the origin's.
#[tokio::test]
async fn a_body_that_does_not_come_is_timed_out() {
    let stand = Stand::with(&format!("{H2C}\n[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"1s\"")).await;
    let client = connect(&stand).await;
    let request = Request::post(at("/late")).body(()).expect("a request");
    let (response, mut stream) = client.clone().send_request(request, false).expect("an open connection");
    stream.send_data(Bytes::from_static(b"abc"), false).expect("an open stream");
    match within("the node to lose patience", response).await {
        Ok(head) => assert!(matches!(head.status().as_u16(), 408 | 504), "{head:?}"),
        Err(error) => assert!(error.is_reset(), "{error}"),
    }
    assert!(stand.origin.seen_of("/late").is_empty());
    assert_eq!(ask(&client, Method::GET, &at("/a"), b"").await.status, 200, "other streams go on");
    stand.still_serves().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_given_up() {
    let origin = Origin::answering(|seen| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n".to_vec();
        match seen.target.as_str() {
            "/large" => vec![Step::Send(head), Step::Send(vec![b'x'; 1_000_000])],
            _ => vec![Step::Send(Origin::plain(seen))],
        }
    });
    let stand = Stand::before(origin.await, &format!("{H2C}\n[timeouts]\nwrite = \"400ms\"")).await;
    let client = connect(&stand).await;
    let request = Request::get(at("/large")).body(()).expect("a request");
    let (response, _) = client.clone().send_request(request, true).expect("an open connection");
    let mut body = within("a response", response).await.expect("a response").into_body();
    // The first parts come; without room for more, the stream ends in an error instead of never.
    let end = within("the node to give the stream up", async {
        while let Some(part) = body.data().await {
            part?;
        }
        Ok::<_, h2::Error>(())
    });
    assert!(end.await.is_err(), "what was not sent is not taken for sent");
    drop(body);
    assert_eq!(ask(&client, Method::GET, &at("/a"), b"").await.status, 200, "other streams go on");
    stand.still_serves().await;
}

#[tokio::test]
async fn http_2_is_refused_where_it_is_switched_off() {
    let stand = Stand::new().await;
    check_refused(&stand, PREFACE, refusal(505, "http-version")).await;
    check_refused(&stand, [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat(), refusal(505, "http-version")).await;
    stand.still_serves().await;
}
