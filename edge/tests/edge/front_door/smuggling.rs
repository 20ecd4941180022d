//! One request must never be taken for two, nor two for one, by the node or by the origin behind it.

use crate::support::{Answer, Client, HOST, Origin, Seen, Stand, Step, get};

/// What nobody may ever ask the origin for.
const SMUGGLED: &str = "/smuggled";

/// A request with these fields and this body, whose length is announced.
fn with_body(method: &str, target: &str, fields: &str, body: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn chunked(method: &str, target: &str, body: &str) -> String {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n");
    format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// Whatever happened: the origin was not asked for what was smuggled, and understood all that it was asked.
async fn check_nothing_smuggled(stand: &Stand) {
    let seen = stand.origin.seen();
    assert!(seen.iter().all(|seen| seen.target != SMUGGLED), "{seen:?}");
    stand.origin.understood_all();
    stand.still_serves().await;
}

async fn check_reply(client: &mut Client, status: u16, text: &str) {
    let reply = client.reply().await;
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(reply.text().starts_with(text), "{:?} should begin with {text:?}", reply.text());
}

/// CVE-2025-4366: the body of a request that was answered from the cache was left in the connection, and read as the
/// next request.
#[tokio::test]
async fn a_body_on_what_is_stored_is_not_the_next_request() {
    let stand = Stand::new().await;
    assert_eq!(stand.exchange(get("/stored")).await.status, 200);
    let body = get(SMUGGLED);
    for fields in [
        "",
        "Cache-Control: only-if-cached\r\n",
        "Range: bytes=0-1\r\n",
        "If-Modified-Since: Thu, 01 Jan 2026 00:00:00 GMT\r\n",
    ] {
        let mut client = stand.connect().await;
        client.send(with_body("GET", "/stored", fields, &body) + &get("/next")).await;
        let first = client.reply().await;
        assert!(matches!(first.status, 200 | 206 | 304 | 504), "{first:?}");
        if first.status == 504 {
            // Nothing is fetched for it, so its body is read by nobody: the connection ends.
            client.closed().await;
            continue;
        }
        check_reply(&mut client, 200, "GET /next\n").await;
        client.end_writing().await;
        client.closed().await;
    }
    // HEAD likewise; its answer has no body.
    let mut client = stand.connect().await;
    client.send(with_body("HEAD", "/stored", "", &body) + &get("/next")).await;
    assert_eq!(client.reply_to_head().await.status, 200);
    check_reply(&mut client, 200, "GET /next\n").await;
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn a_chunked_body_is_not_the_next_request() {
    let stand = Stand::new().await;
    assert_eq!(stand.exchange(get("/stored")).await.status, 200);
    for method in ["GET", "POST"] {
        let mut client = stand.connect().await;
        client.send(chunked(method, "/stored", &get(SMUGGLED)) + &get("/next")).await;
        check_reply(&mut client, 200, &format!("{method} /stored\n")).await;
        // What follows a chunked body is answered, or the connection ends; it is not lost in silence.
        let rest = client.rest_after_end().await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 200"), "{}", rest.escape_ascii());
    }
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn the_body_of_a_refused_request_is_not_the_next_request() {
    let stand = Stand::with("[limits]\nbody = \"1KiB\"").await;
    let body = get(SMUGGLED);
    let elsewhere = |request: String| request.replacen(HOST, "other.example", 1);
    for (request, status) in [
        (elsewhere(with_body("POST", "/a", "", &body)), 421),
        (elsewhere(with_body("GET", "/a", "", &body)), 421),
        (elsewhere(chunked("POST", "/a", &body)), 421),
        (with_body("PURGE", "/a", "", &body), 405),
        (with_body("TRACE", "/a", "", &body), 405),
        (with_body("CONNECT", "docs.example:80", "", &body), 405),
        (chunked("PURGE", "/a", &body), 405),
        (with_body("POST", "/a", "", &(body.clone() + &"x".repeat(2048))), 413),
    ] {
        let request = request.replace(
            "CONNECT docs.example:80 HTTP/1.1\r\nHost: docs.example\r",
            "CONNECT docs.example:80 HTTP/1.1\r\nHost: docs.example:80\r",
        );
        let mut client = stand.connect().await;
        client.send(request.clone() + &get("/next")).await;
        let reply = client.reply().await;
        assert_eq!(reply.status, status, "{request:?}");
        let rest = client.rest_after_end().await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 200"), "{request:?}: {}", rest.escape_ascii());
    }
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn what_follows_a_body_is_the_next_request() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    let requests =
        with_body("POST", "/one", "", "abc") + &get("/two") + &with_body("PUT", "/three", "", "") + &get("/four");
    client.send(requests).await;
    check_reply(&mut client, 200, "POST /one\nabc").await;
    check_reply(&mut client, 200, "GET /two\n").await;
    check_reply(&mut client, 200, "PUT /three\n").await;
    check_reply(&mut client, 200, "GET /four\n").await;
    assert_eq!(stand.origin.seen().len(), 4);
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_request() {
    let stand = Stand::new().await;
    for request in [
        format!("POST /cut HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 50\r\n\r\nabc"),
        format!("POST /cut HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n32\r\nabc"),
        format!("POST /cut HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ] {
        let mut client = stand.connect().await;
        client.send(&request).await;
        client.end_writing().await;
        let answer = client.rest().await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{request:?}: {}", answer.escape_ascii());
    }
    assert!(stand.origin.seen_of("/cut").is_empty());
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn connection_options_cannot_unframe_a_body() {
    let stand = Stand::new().await;
    let body = get(SMUGGLED);
    for option in ["content-length", "transfer-encoding", "host", "close, content-length", "Content-Length, Host"] {
        let fields = format!("Connection: {option}\r\n");
        let reply = stand.exchange(with_body("POST", "/framed", &fields, &body)).await;
        assert!(matches!(reply.status, 200 | 400), "{option}: {reply:?}");
        let chunks = chunked("POST", "/framed", &body).replacen("\r\n", &format!("\r\n{fields}"), 1);
        let reply = stand.exchange(chunks).await;
        assert!(matches!(reply.status, 200 | 400), "{option}: {reply:?}");
    }
    for seen in stand.origin.seen() {
        assert_eq!(String::from_utf8_lossy(&seen.body), body, "{seen:?}");
        assert_eq!(seen.header("host"), Some(HOST));
    }
    check_nothing_smuggled(&stand).await;
}

#[tokio::test]
async fn fields_that_only_look_like_framing_frame_nothing() {
    let stand = Stand::new().await;
    for field in [
        "Transfer_Encoding: chunked",
        "X-Transfer-Encoding: chunked",
        "Transfer-Encoding-X: chunked",
        "Transfer.Encoding: chunked",
        "Content_Length: 0",
        "Content-Lengths: 0",
        "Connection: x\r\nX: Transfer-Encoding: chunked",
    ] {
        let mut client = stand.connect().await;
        let body = "0\r\n\r\nX: y";
        client.send(with_body("POST", "/looks", &format!("{field}\r\n"), body) + &get("/next")).await;
        check_reply(&mut client, 200, &format!("POST /looks\n{body}")).await;
        check_reply(&mut client, 200, "GET /next\n").await;
    }
    check_nothing_smuggled(&stand).await;
}

/// An origin that reads no body at all must not read one as a request either: the node does not share its connection.
#[tokio::test]
async fn an_origin_that_ignores_bodies_is_not_asked_by_them() {
    let early = |seen: &Seen| -> Answer {
        let answer = Step::Send(Origin::plain(seen));
        if seen.target.starts_with("/early") { vec![answer, Step::Close] } else { vec![answer] }
    };
    let stand = Stand::before(Origin::answering(early).await, "").await;
    for _ in 0..5 {
        let mut client = stand.connect().await;
        client.send(with_body("POST", "/early", "", &get(SMUGGLED)) + &get("/next")).await;
        let first = client.reply().await;
        assert!(matches!(first.status, 200 | 502), "{first:?}");
        let rest = client.rest_after_end().await;
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 200"), "{}", rest.escape_ascii());
    }
    check_nothing_smuggled(&stand).await;
}
