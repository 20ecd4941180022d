//! Request bodies: they reach the origin whole, and never decide what others get.

use crate::support::{EARLY, HOST, Origin, Reply, Seen, Stand, Step, get};

fn post(target: &str, fields: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n\r\n")
}

fn check_echoed(reply: &Reply, target: &str, body: &[u8]) {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let expected = [format!("POST {target}\n").as_bytes(), body].concat();
    assert!(reply.body == expected, "{} bytes came back, not {}", reply.body.len(), expected.len());
}

#[tokio::test]
async fn get_with_a_body_goes_past_the_cache() {
    let stand = Stand::new().await;
    let with_body =
        |body: &str| format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let mut client = stand.connect().await;
    for body in ["one", "two"] {
        let reply = client.exchange(with_body(body)).await;
        assert_eq!((reply.status, reply.text()), (200, format!("GET /a\n{body}")));
        let status = reply.header("cache-status").unwrap_or_default();
        assert!(status.contains("fwd=bypass") && status.contains("request-body"), "{status}");
    }
    // What it got is not what others get; and what others get is not what it gets.
    super::check_usable(&mut client, "/a").await;
    assert_eq!(stand.origin.seen_of("/a").len(), 3);
    super::check_usable(&mut client, "/a").await;
    assert_eq!(stand.origin.seen_of("/a").len(), 3, "a hit");
    assert_eq!(client.exchange(with_body("three")).await.text(), "GET /a\nthree");
    let chunked =
        format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n");
    assert_eq!(client.exchange(chunked).await.text(), "GET /a\nfour");
    assert_eq!(stand.exchange(get("/a")).await.text(), "GET /a\n");
    // An announced body of no bytes is none.
    assert_eq!(stand.exchange(with_body("")).await.text(), "GET /a\n");
    assert_eq!(stand.origin.seen_of("/a").len(), 5);
    stand.still_serves().await;
}

#[tokio::test]
async fn announced_bodies_reach_the_origin_whole() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    for size in [0, 1, 1000, 8192, 16_384, 16_385, 100_000, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let mut request = post("/up", &format!("Content-Length: {size}")).into_bytes();
        request.extend_from_slice(&body);
        check_echoed(&client.exchange(request).await, "/up", &body);
    }
    super::check_usable(&mut client, "/after").await;
    stand.still_serves().await;
}

#[tokio::test]
async fn bodies_that_come_late_and_in_pieces() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    for pieces in [
        vec![post("/up", "Content-Length: 6"), "abcdef".into()],
        vec![post("/up", "Content-Length: 6") + "a", "bc".into(), "def".into()],
        vec![post("/up", "Content-Length: 6").replace("\r\n\r\n", ""), "\r\n\r".into(), "\nabcdef".into()],
    ] {
        for piece in pieces {
            client.send(piece).await;
            tokio::task::yield_now().await;
        }
        check_echoed(&client.reply().await, "/up", b"abcdef");
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn chunked_bodies_reach_the_origin_whole() {
    let stand = Stand::new().await;
    let large = format!("186a0\r\n{}\r\n0\r\n\r\n", "x".repeat(100_000));
    for (chunks, body) in [
        ("0\r\n\r\n", String::new()),
        ("3\r\nabc\r\n0\r\n\r\n", "abc".into()),
        ("3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "abcdef".into()),
        ("0003\r\nabc\r\n000\r\n\r\n", "abc".into()),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789".into()),
        ("3;name=value\r\nabc\r\n0;last\r\n\r\n", "abc".into()),
        ("3\r\nabc\r\n0\r\nTrailer: value\r\n\r\n", "abc".into()),
        (large.as_str(), "x".repeat(100_000)),
    ] {
        for coding in ["chunked", "Chunked", "CHUNKED"] {
            let reply = stand.exchange(post("/up", &format!("Transfer-Encoding: {coding}")) + chunks).await;
            check_echoed(&reply, "/up", body.as_bytes());
        }
    }
    stand.origin.understood_all();
    stand.still_serves().await;
}

#[tokio::test]
async fn what_follows_a_chunked_body_does_not_harm_its_response() {
    let stand = Stand::new().await;
    let body = "3\r\nabc\r\n0\r\n\r\n";
    let mut client = stand.connect().await;
    client.send(post("/up", "Transfer-Encoding: chunked") + body).await;
    stand.origin.asked_for("/up").await;
    // Whether it comes with the body or after it.
    let _ = client.try_send(get("/next")).await;
    check_echoed(&client.reply().await, "/up", b"abc");
    let mut client = stand.connect().await;
    client.send(post("/up", "Transfer-Encoding: chunked") + body + &get("/next")).await;
    check_echoed(&client.reply().await, "/up", b"abc");
    stand.still_serves().await;
}

#[tokio::test]
async fn whoever_expects_to_be_told_to_continue_is_told() {
    let stand = Stand::new().await;
    for fields in ["Expect: 100-continue\r\nContent-Length: 5", "Expect: 100-Continue\r\nContent-Length: 5"] {
        let mut client = stand.connect().await;
        client.send(post("/up", fields)).await;
        assert_eq!(client.reply().await.status, 100);
        client.send("hello").await;
        check_echoed(&client.reply().await, "/up", b"hello");
    }
    let mut client = stand.connect().await;
    client.send(post("/up", "Expect: 100-continue\r\nTransfer-Encoding: chunked")).await;
    assert_eq!(client.reply().await.status, 100);
    client.send("5\r\nhello\r\n0\r\n\r\n").await;
    check_echoed(&client.reply().await, "/up", b"hello");
    stand.still_serves().await;
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_arrives() {
    let early = |seen: &Seen| {
        let refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n".to_vec();
        if seen.target == EARLY {
            vec![Step::Send(refusal), Step::Close]
        } else {
            vec![Step::Send(Origin::plain(seen))]
        }
    };
    let stand = Stand::before(Origin::answering(early).await, "[timeouts]\nbody = \"1s\"").await;
    let mut request = post(EARLY, "Content-Length: 1000000").into_bytes();
    request.resize(request.len() + 1_000_000, b'x');
    for _ in 0..5 {
        let mut client = stand.connect().await;
        let reply = client.exchange(&request).await;
        assert!(matches!(reply.status, 403 | 502), "{reply:?}");
        // Whether the node had read the whole body by then is a matter of luck.
        if reply.closes() {
            client.closed().await;
        }
    }
    // A client that has sent only the head gets it as well; the node waits no longer for the rest than for any body.
    let mut client = stand.connect().await;
    client.send(post(EARLY, "Content-Length: 1000000")).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.closes()), (403, true));
    client.closed().await;
    stand.still_serves().await;
}
