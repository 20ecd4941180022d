//! How a request's body is framed: in one way that everybody reads alike, or not at all.

use super::{check_refused, refusal};
use crate::support::{HOST, Stand, get};

const BAD_LENGTH: super::Refusal = refusal(400, "bad-content-length");
const BAD_FRAMING: super::Refusal = refusal(400, "bad-framing");
const BAD_CODING: super::Refusal = refusal(501, "unknown-transfer-coding");

const CHUNKED: &str = "POST /chunks HTTP/1.1\r\nHost: docs.example\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A POST request with these fields. What follows it is a request to whoever reads the fields in another way.
fn post(version: &str, fields: &str) -> String {
    let smuggled = get("/smuggled");
    format!("POST /framed HTTP/{version}\r\nHost: {HOST}\r\n{fields}\r\n\r\n0\r\n\r\n{smuggled}")
}

#[tokio::test]
async fn a_length_is_one_number() {
    let stand = Stand::new().await;
    for fields in [
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\ncontent-length: 0",
        "Content-Length: 5, 5",
        "Content-Length: 5,6",
        "Content-Length: 5;",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5.0",
        "Content-Length: 5 5",
        "Content-Length: five",
        "Content-Length:",
        "Content-Length: \u{665}",
        "Content-Length: 18446744073709551616",
        "Content-Length: 18446744073709551621",
        "Content-Length: 99999999999999999999999999",
    ] {
        check_refused(&stand, post("1.1", fields), BAD_LENGTH).await;
    }
    stand.still_serves().await;
}

#[tokio::test]
async fn a_length_and_a_coding_contradict_each_other() {
    let stand = Stand::new().await;
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: identity\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked\r\nContent-Length: 0",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip\r\ntransfer-encoding: chunked",
    ] {
        check_refused(&stand, post("1.1", fields), BAD_FRAMING).await;
    }
    check_refused(&stand, post("1.0", "Transfer-Encoding: chunked"), BAD_FRAMING).await;
    let kept = "Connection: keep-alive\r\nTransfer-Encoding: chunked";
    check_refused(&stand, post("1.0", kept), BAD_FRAMING).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn the_one_coding_is_chunked() {
    let stand = Stand::new().await;
    for coding in [
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
        ",chunked",
        "",
        "chunked chunked",
        "cow",
    ] {
        check_refused(&stand, post("1.1", &format!("Transfer-Encoding: {coding}")), BAD_CODING).await;
    }
    // A body by GET is framed by the same rules.
    let get = post("1.1", "Transfer-Encoding: gzip").replacen("POST", "GET", 1);
    check_refused(&stand, get, BAD_CODING).await;
    stand.still_serves().await;
}

#[tokio::test]
async fn chunks_that_cannot_be_read_end_the_connection() {
    let stand = Stand::new().await;
    let smuggled = get("/smuggled");
    for chunks in [
        "x\r\n\r\n",
        "-1\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        "fffffffffffffffff3\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
    ] {
        let mut client = stand.connect().await;
        let reply = client.exchange(format!("{CHUNKED}{chunks}{smuggled}")).await;
        assert_eq!((reply.status, reply.closes()), (400, true), "{chunks:?}: {reply:?}");
        assert!(reply.header("cache-status").is_some_and(|status| status.contains("malformed-body")), "{reply:?}");
        client.closed().await;
    }
    let seen = stand.origin.seen();
    assert!(seen.is_empty(), "none of them has a whole body: {seen:?}");
    stand.still_serves().await;
}

/// Some read a missing size as zero. Whatever follows such a body is read by nobody.
#[tokio::test]
async fn a_chunk_without_a_size_is_the_last_at_most() {
    let stand = Stand::new().await;
    let smuggled = get("/smuggled");
    for chunks in ["\r\nabc\r\n0\r\n\r\n", ";ext\r\nabc\r\n0\r\n\r\n", "\r\n\r\n"] {
        let mut client = stand.connect().await;
        let reply = client.exchange(format!("{CHUNKED}{chunks}{smuggled}")).await;
        assert!(matches!(reply.status, 200 | 400) && reply.closes(), "{chunks:?}: {reply:?}");
        client.closed().await;
    }
    for seen in stand.origin.seen() {
        assert_eq!((seen.target.as_str(), seen.body.len()), ("/chunks", 0), "{seen:?}");
    }
    stand.origin.understood_all();
    stand.still_serves().await;
}
