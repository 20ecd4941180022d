//! How large a request may be: its line, its head, its fields, its body.

use super::{check_refused, refusal};
use crate::support::{HOST, Stand, get};

const HEAD_TOO_LARGE: super::Refusal = refusal(431, "head-too-large");
const LINE_TOO_LONG: super::Refusal = refusal(414, "request-line-too-long");
const BODY_TOO_LARGE: super::Refusal = refusal(413, "body-too-large");

fn fields(count: usize) -> String {
    (0..count).map(|n| format!("X-{n}: y\r\n")).collect()
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused() {
    let stand = Stand::new().await;
    let long = |count| "a".repeat(count);
    check_refused(&stand, get(&format!("/{}", long(100_000))), LINE_TOO_LONG).await;
    check_refused(&stand, format!("GET /{}", long(100_000)), LINE_TOO_LONG).await;
    check_refused(&stand, long(100_000), LINE_TOO_LONG).await;
    let head = |fields: &str| format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n");
    check_refused(&stand, head(&format!("X: {}\r\n", long(1_000_000))), HEAD_TOO_LARGE).await;
    check_refused(&stand, head(&format!("X: {}\r\n", long(900)).repeat(1100)), HEAD_TOO_LARGE).await;
    check_refused(&stand, head(&format!("{}: y\r\n", long(100_000))), HEAD_TOO_LARGE).await;
    check_refused(&stand, head(&fields(100)), HEAD_TOO_LARGE).await;
    check_refused(&stand, head(&fields(1000)), HEAD_TOO_LARGE).await;
    check_refused(&stand, "\r\n".repeat(50_000), HEAD_TOO_LARGE).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn heads_at_the_limits_are_served() {
    let stand = Stand::new().await;
    // 8 KiB of request line, without its line break.
    let target = format!("/{}", "a".repeat((8 << 10) - "GET / HTTP/1.1\r".len()));
    assert_eq!(stand.exchange(get(&target)).await.status, 200);
    check_refused(&stand, get(&format!("{target}a")), LINE_TOO_LONG).await;
    // 32 KiB of head, with its last line break.
    let frame = format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: \r\n\r\n").len();
    let head = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {}\r\n\r\n", "b".repeat(bytes - frame));
    assert_eq!(stand.exchange(head(32 << 10)).await.status, 200);
    check_refused(&stand, head((32 << 10) + 1), HEAD_TOO_LARGE).await;
    // 100 fields, of which one is Host.
    let many = |count| format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", fields(count));
    assert_eq!(stand.exchange(many(99)).await.status, 200);
    check_refused(&stand, many(100), HEAD_TOO_LARGE).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn limits_are_those_of_the_fleet_file() {
    let stand = Stand::with("[limits]\nrequest_line = 64\nhead = 300\nfields = 3").await;
    check_refused(&stand, get(&format!("/{}", "a".repeat(64))), LINE_TOO_LONG).await;
    check_refused(&stand, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nX: {}", "b".repeat(300)), HEAD_TOO_LARGE).await;
    check_refused(&stand, format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", fields(3)), HEAD_TOO_LARGE).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn bodies_beyond_the_limit_are_refused() {
    const LIMIT: usize = 64 << 10;
    let stand = Stand::with("[limits]\nbody = \"64KiB\"").await;
    let post = |fields: &str| format!("POST /upload HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n\r\n");
    let announced = |bytes: usize| post(&format!("Content-Length: {bytes}")).into_bytes();
    let with_body = |mut head: Vec<u8>, bytes| {
        head.resize(head.len() + bytes, b'b');
        head
    };
    // Announced: refused before a byte of it is read, whether it comes or not.
    check_refused(&stand, announced(LIMIT + 1), BODY_TOO_LARGE).await;
    check_refused(&stand, announced(1 << 40), BODY_TOO_LARGE).await;
    check_refused(&stand, with_body(announced(LIMIT + 1), LIMIT + 1), BODY_TOO_LARGE).await;
    check_refused(&stand, with_body(announced(1 << 20), 1 << 20), BODY_TOO_LARGE).await;
    let expects = post(&format!("Expect: 100-continue\r\nContent-Length: {}", LIMIT + 1));
    check_refused(&stand, expects, BODY_TOO_LARGE).await;
    // At the limit it is taken.
    let reply = stand.exchange(with_body(announced(LIMIT), LIMIT)).await;
    assert_eq!((reply.status, reply.body.len()), (200, LIMIT + "POST /upload\n".len()));
    stand.still_serves().await;
}

#[tokio::test]
async fn bodies_that_grow_beyond_the_limit_are_refused() {
    let stand = Stand::with("[limits]\nbody = \"64KiB\"").await;
    let chunk = format!("1000\r\n{}\r\n", "c".repeat(0x1000));
    let chunked = |chunks: usize| {
        format!(
            "POST /upload HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
            chunk.repeat(chunks)
        )
    };
    for chunks in [17, 100] {
        let mut client = stand.connect().await;
        let reply = client.exchange(chunked(chunks)).await;
        assert_eq!(reply.status, 413, "{}", reply.text());
        assert!(reply.header("cache-status").is_some_and(|status| status.contains("body-too-large")), "{reply:?}");
        client.closed().await;
        assert_eq!(stand.origin.seen().len(), 0, "a body cut off is no request");
    }
    let reply = stand.exchange(chunked(16)).await;
    assert_eq!((reply.status, reply.body.len()), (200, (64 << 10) + "POST /upload\n".len()));
    stand.still_serves().await;
}
