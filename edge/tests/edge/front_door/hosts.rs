//! Which host a request is for: one, named in one way, and a site's.

use super::{check_refused, refusal};
use crate::support::{HOST, Reply, Stand, get};

const NO_HOST: super::Refusal = refusal(400, "no-host");
const TWO_HOSTS: super::Refusal = refusal(400, "two-hosts");
const BAD_HOST: super::Refusal = refusal(400, "bad-host");
const BAD_TARGET: super::Refusal = refusal(400, "bad-target");

#[tokio::test]
async fn a_request_names_one_host() {
    let stand = Stand::new().await;
    let with = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    check_refused(&stand, with(""), NO_HOST).await;
    check_refused(&stand, with("Host:\r\n"), NO_HOST).await;
    check_refused(&stand, with("Host:   \r\n"), NO_HOST).await;
    check_refused(&stand, "GET / HTTP/1.0\r\n\r\n", NO_HOST).await;
    check_refused(&stand, with(&format!("Host: {HOST}\r\nHost: {HOST}\r\n")), TWO_HOSTS).await;
    check_refused(&stand, with(&format!("Host: {HOST}\r\nhost: evil.example\r\n")), TWO_HOSTS).await;
    check_refused(&stand, with(&format!("Host: {HOST}\r\nHost:\r\n")), TWO_HOSTS).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn a_host_has_the_characters_of_one() {
    let stand = Stand::new().await;
    for host in [
        "docs example",
        "docs.example/",
        "docs.example/../x",
        "user@docs.example",
        "@docs.example",
        "docs.example, docs.example",
        "docs.example:http",
        "docs.example:-1",
        "docs.example:0",
        "docs.example:65536",
        "docs.example:80:80",
        "docs.example?x",
        "docs.example#x",
        "docs.example\\",
        "docs\u{e9}.example",
        "docs%2eexample",
        "[::1",
        "[docs.example]",
        "::1",
        "*",
        ".",
        "\"docs.example\"",
        "<script>",
    ] {
        check_refused(&stand, format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), BAD_HOST).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn hosts_of_no_site_are_misdirected() {
    let stand = Stand::new().await;
    for host in ["other.example", "docs.example.evil.example", "evil-docs.example", "127.0.0.1", "[::1]", "fra-1"] {
        let reply = stand.exchange(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        check_misdirected(&stand, host, &reply);
    }
    // The connection is as good as before.
    let mut client = stand.connect().await;
    let reply = client.exchange("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n").await;
    check_misdirected(&stand, "other.example", &reply);
    super::check_usable(&mut client, "/a").await;
    stand.still_serves().await;
}

fn check_misdirected(stand: &Stand, host: &str, reply: &Reply) {
    assert_eq!(reply.status, 421, "{host}: {reply:?}");
    assert!(reply.header("cache-status").is_some_and(|status| status.contains("unknown-host")), "{reply:?}");
    assert_eq!(stand.origin.seen().len(), 0, "{host}");
}

#[tokio::test]
async fn a_host_has_one_form() {
    let stand = Stand::new().await;
    for host in [HOST, "DOCS.Example", "docs.example.", "docs.example:80", "docs.example:"] {
        let reply = stand.exchange(format!("GET /one-form HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
        assert_eq!(reply.status, 200, "{host}: {}", reply.text());
    }
    assert_eq!(stand.origin.seen_of("/one-form").len(), 1, "all of them have one key");
    assert_eq!(stand.origin.seen()[0].header("host"), Some(HOST));
    stand.still_serves().await;
}

#[tokio::test]
async fn an_absolute_target_names_the_same_host() {
    let stand = Stand::new().await;
    let asked = |target: &str, host: &str| format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    for (target, served) in [
        ("http://docs.example/a", "GET /a\n"),
        ("http://docs.example/a?b=http://other.example/", "GET /a?b=http://other.example/\n"),
        ("http://docs.example", "GET /\n"),
        ("http://docs.example?x", "GET /?x\n"),
        ("/http://other.example/", "GET /http://other.example/\n"),
        ("//other.example/", "GET //other.example/\n"),
        ("/?u=http://other.example/", "GET /?u=http://other.example/\n"),
    ] {
        let reply = stand.exchange(asked(target, HOST)).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, served), "{target}");
    }
    for (target, host) in [
        ("http://other.example/", HOST),
        ("http://docs.example/", "other.example"),
        ("http://docs.example:8080/", HOST),
        ("http://docs.example@other.example/", HOST),
        ("http://other.example?http://docs.example/", HOST),
        ("http://other.example#http://docs.example/", HOST),
        ("http://other.example\\.docs.example/", HOST),
        ("http:///docs.example/", HOST),
    ] {
        check_refused(&stand, asked(target, host), TWO_HOSTS).await;
    }
    check_refused(&stand, "GET http://docs.example/ HTTP/1.1\r\n\r\n", NO_HOST).await;
    check_refused(&stand, asked("http://user@docs.example/", "user@docs.example"), BAD_HOST).await;
    stand.still_serves().await;
}

/// HTTP/1.0 knows no Host, so the authority of an absolute target is all that is needed (RFC 9112 §3.2.2, §3.3).
#[tokio::test]
async fn an_absolute_target_of_http_1_0_names_the_host_alone() {
    let stand = Stand::new().await;
    for target in ["http://docs.example/old", "http://DOCS.example:80/old"] {
        let reply = stand.exchange(format!("GET {target} HTTP/1.0\r\n\r\n")).await;
        assert_eq!((reply.status, reply.text().as_str()), (200, "GET /old\n"), "{target}");
    }
    assert_eq!(stand.origin.seen_of("/old").len(), 1, "both have one key");
    assert_eq!(stand.origin.seen_of("/old")[0].header("host"), Some(HOST));
    let reply = stand.exchange("GET http://other.example/old HTTP/1.0\r\n\r\n").await;
    assert_eq!(reply.status, 421, "{reply:?}");
    check_refused(&stand, "GET http:///old HTTP/1.0\r\n\r\n", NO_HOST).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn targets_of_other_forms_are_refused() {
    let stand = Stand::new().await;
    for target in [
        "docs.example",
        "docs.example:80",
        "foo",
        "../a",
        "*",
        "http:",
        "http:/",
        "?a",
        "#a",
        "ftp://docs.example/",
        "://docs.example/",
    ] {
        check_refused(&stand, get(target), BAD_TARGET).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn targets_reach_the_origin_as_they_came() {
    let stand = Stand::new().await;
    for target in [
        "/a%2Fb",
        "/a/../b",
        "/a//b",
        "/a;b=c",
        "/%00",
        "/?",
        "/a?b=c&&d",
        "/%C3%A9",
        "/a\"b",
        "/{a}|b",
        "/'",
        "/\u{e9}",
    ] {
        let reply = stand.exchange(get(target)).await;
        assert_eq!((reply.status, reply.text()), (200, format!("GET {target}\n")), "{target}");
    }
    // A fragment is the client's own business.
    assert_eq!(stand.exchange(get("/f?a#b?c")).await.text(), "GET /f?a\n");
    // What is no text at all is no target.
    let bytes = [
        b"GET /\xff HTTP/1.1\r\nHost: docs.example\r\n\r\n".as_slice(),
        b"GET /?\xfe HTTP/1.1\r\nHost: docs.example\r\n\r\n",
    ];
    for request in bytes {
        check_refused(&stand, request, refusal(400, "malformed-head")).await;
    }
    stand.still_serves().await;
}
