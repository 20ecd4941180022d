//! Methods: those that are passed on, and those that are not.

use super::{check_refused, refusal};
use crate::support::{HOST, Stand};

const NOT_ALLOWED: super::Refusal = refusal(405, "method-not-allowed");
const ALLOWED: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

#[tokio::test]
async fn methods_that_are_not_served() {
    let stand = Stand::new().await;
    for (method, target) in [
        ("CONNECT", "docs.example:443"),
        ("CONNECT", "other.example:443"),
        ("CONNECT", "/"),
        ("TRACE", "/"),
        ("TRACK", "/"),
        ("PURGE", "/"),
        ("PURGE", "/a"),
        ("PURGEKEYS", "/"),
        ("BAN", "/"),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        let host = if target == "other.example:443" { target } else { HOST };
        let request = request.replace(&format!("Host: {HOST}"), &format!("Host: {host}"));
        check_refused(&stand, &request, NOT_ALLOWED).await;
        let reply = stand.exchange(&request).await;
        assert_eq!(reply.header("allow"), Some(ALLOWED), "{method}");
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn methods_that_are_passed_on() {
    let stand = Stand::new().await;
    for method in ["OPTIONS", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "get", "X-Any"] {
        let target = format!("/{method}");
        for _ in 0..2 {
            let reply = stand.exchange(format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
            assert_eq!((reply.status, reply.text()), (200, format!("{method} {target}\n")));
            let status = reply.header("cache-status").unwrap_or_default();
            assert!(status.contains("fwd=method"), "{method}: {status}");
        }
        assert_eq!(stand.origin.seen_of(&target).len(), 2, "{method} is not a matter of the cache");
    }
    let reply = stand.exchange(format!("OPTIONS * HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "OPTIONS *\n"));
    stand.still_serves().await;
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let stand = Stand::new().await;
    let mut client = stand.connect().await;
    let head = |target: &str| format!("HEAD {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    // As a miss, as a hit on what GET stored, and again, on one connection: not a byte too many or too few.
    for (target, length) in [("/miss", "GET /miss\n".len()), ("/stored", 12), ("/stored", 12)] {
        if target == "/stored" {
            super::check_usable(&mut client, target).await;
        }
        let reply = client.exchange(head(target)).await;
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(reply.header("content-length"), Some(length.to_string().as_str()), "{target}");
    }
    super::check_usable(&mut client, "/after").await;
    stand.still_serves().await;
}
