//! What is no request head.

use super::{check_refused, refusal};
use crate::support::{HOST, Stand, get};

const MALFORMED: super::Refusal = refusal(400, "malformed-head");
const BAD_VERSION: super::Refusal = refusal(505, "http-version");

#[tokio::test]
async fn malformed_heads_are_refused() {
    let stand = Stand::new().await;
    let with_field = |field: &str| format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{field}\r\n\r\n");
    for head in [
        "hello\r\n\r\n",
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\n\r\n",
        "GET /\0 HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n",
        "G\u{e9}T / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: docs.example\r\n\r\n",
        "GET / HTTP/1.1\rHost: docs.example\r\n\r\n",
        "\0\0\0\0",
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c\x03\x03",
        "\x1b[2J",
        " GET / HTTP/1.1\r\n\r\n",
        "{\"json\": true}\n",
    ] {
        check_refused(&stand, head, MALFORMED).await;
    }
    // What stands where the version should is none.
    for head in ["hello world\r\n\r\n", "get / http/1.1\r\nhost: docs.example\r\n\r\n", "GET /a b HTTP/1.1\r\n\r\n"] {
        let reply = stand.exchange(head).await;
        assert!(matches!(reply.status, 400 | 505), "{head:?} was answered {reply:?}");
    }
    for field in [
        "X : y",
        " X: y",
        "\tX: y",
        "X: y\r\n folded",
        "X: y\r\n\tfolded",
        "X",
        ": y",
        "X Y: z",
        "X\0: y",
        "X: y\0z",
        "X: y\rz",
        "X: y\x7f",
        "X: \x08",
        "X(: y",
        "Host\u{a0}: evil.example",
        "\u{e9}: y",
    ] {
        check_refused(&stand, with_field(field), MALFORMED).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn other_versions_are_refused() {
    let stand = Stand::new().await;
    for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/2", "http/1.1", "HTTP/1,1"] {
        check_refused(&stand, format!("GET / {version}\r\nHost: {HOST}\r\n\r\n"), BAD_VERSION).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn what_comes_before_a_malformed_head_is_answered_first() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    client.send(format!("{}{}\x00garbage\r\n\r\n", get("/one"), get("/two"))).await;
    for target in ["/one", "/two"] {
        let reply = client.reply().await;
        assert_eq!((reply.status, reply.text()), (200, format!("GET {target}\n")));
    }
    assert_eq!(client.reply().await.status, 400);
    client.closed().await;
    stand.still_serves().await;
}

#[tokio::test]
async fn lenient_where_the_standard_is() {
    let stand = Stand::new().await;
    for request in [
        // RFC 9112 §2.2: empty lines before the request line, and bare line feeds.
        format!("\r\n\r\n{}", get("/a")),
        format!("\n{}", get("/a")),
        format!("GET /a HTTP/1.1\nHost: {HOST}\n\n"),
        // RFC 9112 §5: no white space, or lots of it, after the colon; field names in any case.
        format!("GET /a HTTP/1.1\r\nhOST:{HOST}\r\n\r\n"),
        format!("GET /a HTTP/1.1\r\nHost: \t {HOST} \t \r\n\r\n"),
        // An empty value is one.
        format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nX:\r\n\r\n"),
        // obs-text in a value.
        format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nX: caf\u{e9}\r\n\r\n"),
    ] {
        let reply = stand.exchange(&request).await;
        assert_eq!((reply.status, reply.text()), (200, "GET /a\n".to_owned()), "{request:?}");
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn a_refusal_of_head_has_no_body() {
    let stand = Stand::new().await;
    for request in ["HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: other.example\r\n\r\n"] {
        let mut client = stand.connect().await;
        client.send(request).await;
        client.end_writing().await;
        let raw = String::from_utf8(client.rest().await).expect("an answer in ASCII");
        assert!(raw.starts_with("HTTP/1.1 4"), "{raw}");
        assert!(raw.ends_with("\r\n\r\n") && raw.matches("\r\n\r\n").count() == 1, "{raw}");
    }
    stand.still_serves().await;
}

/// RFC 9110 §7.6.1: what Connection may not name is told as that, whatever is stored.
#[tokio::test]
async fn connection_names_what_concerns_it() {
    let stand = Stand::new().await;
    assert_eq!(stand.exchange(get("/a")).await.status, 200);
    let many = (0..10).map(|n| format!("x-{n}")).collect::<Vec<_>>().join(",");
    for options in ["Host", "close, x-forwarded-FOR", "X-Forwarded-Host", "\"x\"", ":authority", &many] {
        let text = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: {options}\r\n\r\n");
        let reply = stand.exchange(text).await;
        assert_eq!(reply.status, 400, "{options}");
        let told = reply.header("cache-status").unwrap_or_default();
        assert!(told.contains("bad-connection"), "{options}: {told}");
    }
    for options in ["", ",", "close, X-Hop", "keep-alive"] {
        let text = format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\nConnection: {options}\r\n\r\n");
        assert_eq!(stand.exchange(text).await.status, 200, "{options:?}");
    }
    stand.still_serves().await;
}
