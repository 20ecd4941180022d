//! Origins that fail.

use crate::stage::{Exchange, Gate, HOST, Origin, Script, Stage, docs, expect, outcome, pattern};
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};

/// Checks that a failure is told in full.
#[track_caller]
fn expect_failure(reply: &Reply, status: u16, reason: &str, words: &str) {
    assert_eq!(reply.status.as_u16(), status, "{}", reply.text());
    let text = reply.text();
    assert!(text.contains(words) && text.contains("node: fra-1") && text.contains("request id: "), "{text}");
    assert!(text.contains(reply.header("x-request-id").expect("an id")), "{text}");
    let status = reply.header("cache-status").expect("a cache status");
    assert!(status.starts_with("fra-1;fwd=uri-miss;") && status.contains(&format!("detail=\"{reason}\"")), "{status}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

const TOO_LONG: &str = "The origin took too long to answer.";
const FAILED: &str = "The origin could not be reached, or broke off its response.";

#[tokio::test]
async fn an_origin_that_does_not_answer() {
    let stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    stage.origin.next("/a", Script::hang(&never));
    stage.origin.on("/a", Script::cached("back"));
    expect_failure(&stage.get("/a").await, 504, "upstream-timeout", TOO_LONG);
    expect(&stage.get("/a").await, 200, "back", Outcome::Miss);
    let post = Ask::new(http::Method::POST, HOST, "/b").json("{}");
    stage.origin.on("/b", Script::hang(&never));
    let reply = stage.send(&post).await;
    assert_eq!(reply.status.as_u16(), 504);
    assert_eq!(stage.origin.count("/b"), 1, "what may not be repeated is not repeated");
}

#[tokio::test]
async fn an_origin_that_stops_in_the_middle() {
    let stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    stage.origin.next("/a", Script::cached(pattern(90_000)).pause_at(50_000, &never));
    stage.origin.on("/a", Script::cached("hello"));
    let mut exchange = stage.open("/a").await;
    exchange.bytes_after_head(50_000).await;
    exchange.rest().await.expect_err("it broke off");
    expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
}

#[tokio::test]
async fn an_origin_that_is_not_there() {
    let mut stage = Stage::new().await;
    stage.origin.stop().await;
    expect_failure(&stage.get("/a").await, 502, "upstream-failed", FAILED);
    let head = stage.send(&Ask::new(http::Method::HEAD, HOST, "/a")).await;
    assert_eq!((head.status.as_u16(), head.text().as_str()), (502, ""));
    let post = stage.send(&Ask::new(http::Method::POST, HOST, "/a").json("{}")).await;
    assert_eq!(post.status.as_u16(), 502);
    let stats = stage.stats_after(3).await;
    assert_eq!((stats.total.by_cache_status["error"], stats.total.upstream_errors), (3, 3));
}

#[tokio::test]
async fn an_origin_whose_connections_do_not_open() {
    let origin = Origin::start().await;
    // A listener whose queue is full takes no more connections.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    full.listen(0).expect("a listener");
    let address = full.local_addr().expect("an address").as_socket().expect("an IP address");
    let mut queued = Vec::new();
    for _ in 0..4 {
        let connect = tokio::net::TcpStream::connect(address);
        match tokio::time::timeout(std::time::Duration::from_millis(100), connect).await {
            Ok(stream) => queued.push(stream.expect("a place in the queue")),
            Err(_full) => break,
        }
    }
    let extra = format!("[[origins]]\nid = \"docs\"\nurl = \"http://{address}\"\nconnect_timeout = \"200ms\"");
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
    expect_failure(&reply, 504, "upstream-timeout", TOO_LONG);
}

#[tokio::test]
async fn an_origin_that_speaks_no_http() {
    let stage = Stage::new().await;
    for (target, garbage) in [
        ("/ssh", "SSH-2.0-OpenSSH_9.9\r\n"),
        ("/nothing", ""),
        ("/half", "HTTP/1.1 200 OK\r\nContent-Le"),
        ("/binary", "\0\u{1}\u{2}\r\n\r\n"),
        ("/version", "HTTP/9.9 200 OK\r\n\r\n"),
        ("/status", "HTTP/1.1 abc OK\r\n\r\n"),
        ("/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("/length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
    ] {
        stage.origin.next(target, Script::raw(garbage));
        // On a connection of its own: a kept one that turns out to be broken is worth another try.
        stage.origin.on(target, Script::cached("good").until_close());
        expect_failure(&stage.get(target).await, 502, "upstream-failed", FAILED);
        expect(&stage.get(target).await, 200, "good", Outcome::Miss);
    }
}

#[tokio::test]
async fn sloppy_fields_of_an_origin_are_passed_on_tidily() {
    let stage = Stage::new().await;
    let sloppy = "HTTP/1.1 200 OK\r\nX-Sloppy : yes\r\nCache-Control:max-age=60\r\nContent-Length: 2 \r\n\r\nok";
    stage.origin.on("/a", Script::raw(sloppy));
    for did in [Outcome::Miss, Outcome::Hit] {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "ok", did);
        assert_eq!(reply.header("x-sloppy"), Some("yes"));
    }
}

#[tokio::test]
async fn an_origin_that_closes_a_kept_connection_is_asked_again() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::ok("x").field("Cache-Control", "no-store"));
    stage.get("/a").await;
    // The connection is kept, and closed as soon as it is used again.
    stage.origin.next("/b", Script::raw(""));
    stage.origin.on("/b", Script::cached("good"));
    expect(&stage.get("/b").await, 200, "good", Outcome::Miss);
    assert_eq!(stage.origin.count("/b"), 2);
}

#[tokio::test]
async fn errors_of_the_origin_are_passed_on_as_they_are() {
    let stage = Stage::new().await;
    for status in [400, 401, 403, 404, 500, 503, 599] {
        let target = format!("/{status}");
        stage.origin.on(&target, Script::ok("the origin's words").status(status).field("X-Origin", "1"));
        let reply = stage.get(&target).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, "the origin's words"));
        assert_eq!((reply.header("x-origin"), outcome(&reply)), (Some("1"), Outcome::Miss));
    }
}

/// RFC 9112 §6.3: chunks outweigh a length, which must not be passed on beside them.
#[tokio::test]
async fn two_framings_of_a_response_are_read_as_one() {
    let stage = Stage::new().await;
    let both = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\n\r\n";
    stage.origin.on("/a", Script::raw(both));
    for did in [Outcome::Miss, Outcome::Hit] {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "hello", did);
        assert_ne!(reply.header("content-length"), Some("3"));
    }
}

/// RFC 9110 §8.6, RFC 9112 §6.1: a 204 has no body, whatever its origin says, and the node does not say it after it.
#[tokio::test]
async fn a_response_without_a_body_is_not_framed() {
    let stage = Stage::new().await;
    for (n, framing) in ["Content-Length: 3", "Content-Length: 0", "Transfer-Encoding: chunked"].into_iter().enumerate()
    {
        let (stored, passed) = (format!("/{n}/stored"), format!("/{n}/passed"));
        for (target, store) in [(&stored, "max-age=60"), (&passed, "no-store")] {
            let head = format!("HTTP/1.1 204 No Content\r\nCache-Control: {store}\r\n{framing}\r\n\r\n");
            stage.origin.on(target, Script::raw(head));
        }
        let mut exchange = stage.open(&stored).await;
        for target in [&stored, &passed, &stored] {
            let (status, fields) = exchange.next_head().await.expect("a head");
            assert_eq!(status, 204, "{framing}");
            assert!(!fields.contains_key("content-length") && !fields.contains_key("transfer-encoding"), "{fields:?}");
            // The connection is good for another request.
            exchange.send_more(&format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        }
        assert_eq!(stage.origin.count(&stored), 1, "{framing}");
    }
}

#[tokio::test]
async fn interim_responses_do_not_take_the_place_of_the_final_one() {
    let stage = Stage::new().await;
    let head = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n\
                HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello";
    stage.origin.on("/a", Script::raw(head));
    let mut exchange = stage.open("/a").await;
    let mut last = exchange.head().await.expect("a head").0;
    while last < 200 {
        last = exchange.next_head().await.expect("another head").0;
    }
    assert_eq!((last, exchange.rest().await), (200, Ok(b"hello".to_vec())));
    expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
}

/// Checks that a response to something that was not asked is none (RFC 9110 §15.2.2, §15.4.5).
#[track_caller]
fn expect_unasked(reply: &Reply, status: u16) {
    let told = format!("fra-1;error=http_protocol_error;received-status={status}");
    assert_eq!((reply.status.as_u16(), reply.header("proxy-status")), (502, Some(told.as_str())));
}

#[tokio::test]
async fn a_304_without_a_condition_is_no_answer() {
    let stage = Stage::with_site("[[sites.rules]]\nmatch = { path = \"/pass/*\" }\nset = { pass = true }").await;
    let same = || Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600");
    for target in ["/miss", "/pass/a"] {
        stage.origin.next(target, same());
        stage.origin.next(target, same());
        stage.origin.on(target, Script::cached("x"));
        expect_unasked(&stage.get(target).await, 304);
        expect_unasked(&stage.send(&Ask::new(http::Method::HEAD, HOST, target)).await, 304);
        let reply = stage.get(target).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "x"), "{target}");
    }
    // What is stored has nothing to be validated by, so it is not what the origin speaks of.
    stage.origin.next("/stale", Script::stale("old", ""));
    stage.origin.next("/stale", same());
    stage.origin.on("/stale", Script::cached("new"));
    stage.get("/stale").await;
    expect_unasked(&stage.get("/stale").await, 304);
    expect(&stage.get("/stale").await, 200, "new", Outcome::Miss);
    // Who has asked is told.
    let asks = Ask::get(HOST, "/pass/b").with("If-None-Match", "\"1\"");
    stage.origin.on("/pass/b", same());
    assert_eq!(stage.send(&asks).await.status.as_u16(), 304);
}

#[tokio::test]
async fn a_switch_of_protocols_that_nobody_asked_for_is_no_answer() {
    let stage = Stage::new().await;
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nnot HTTP";
    for target in ["/a", "/b"] {
        stage.origin.on(target, Script::raw(head));
    }
    expect_unasked(&stage.get("/a").await, 101);
    expect_unasked(&stage.send(&Ask::new(http::Method::POST, HOST, "/b")).await, 101);
    for fields in ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"] {
        let old = format!("GET /a HTTP/1.0\r\nHost: {HOST}\r\n{fields}\r\n");
        let (status, _) = Exchange::send(stage.node().public_addr(), &old).await.head().await.expect("a head");
        assert_eq!(status, 502, "HTTP/1.0 knows no other protocols");
    }
    // And it does not take the place of what is stored.
    stage.origin.next("/c", Script::stale("old", ", stale-if-error=600"));
    stage.origin.on("/c", Script::raw(head));
    stage.get("/c").await;
    expect(&stage.get("/c").await, 200, "old", Outcome::Stale);
}

/// RFC 9110 §8.6: a length that is said more than once is passed on as one, or the response is an error.
#[tokio::test]
async fn a_length_is_one_number() {
    let stage = Stage::new().await;
    let raw =
        |lengths: &str| Script::raw(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{lengths}\r\n\r\nhello"));
    for (target, lengths) in [("/list", "Content-Length: 5, 5"), ("/lines", "Content-Length: 5\r\nContent-Length: 5")] {
        stage.origin.on(target, raw(lengths));
        for did in [Outcome::Miss, Outcome::Hit] {
            let reply = stage.get(target).await;
            expect(&reply, 200, "hello", did);
            let told: Vec<_> = reply.headers.get_all("content-length").iter().collect();
            assert_eq!(told, ["5"], "{target}");
        }
    }
    for (target, lengths) in [("/two", "Content-Length: 5, 3"), ("/more", "Content-Length: 5\r\nContent-Length: 6")] {
        stage.origin.on(target, raw(lengths));
        assert_eq!(stage.get(target).await.status, 502, "{target}");
    }
}

/// RFC 9112 §6.1, §7: what is coded in a way that is not understood is not a body to pass on, and still less to store.
#[tokio::test]
async fn codings_that_are_not_understood_are_errors() {
    let stage = Stage::new().await;
    for (n, (version, coding)) in [
        ("1.1", "gzip, chunked"),
        ("1.1", "xchunked, chunked"),
        ("1.1", "identity"),
        ("1.1", "chunked, chunked"),
        ("1.1", "chunked\r\nTransfer-Encoding: chunked"),
        ("1.0", "chunked"),
    ]
    .into_iter()
    .enumerate()
    {
        for store in ["max-age=60", "no-store"] {
            let target = format!("/{n}/{store}");
            let head =
                format!("HTTP/{version} 200 OK\r\nCache-Control: {store}\r\nTransfer-Encoding: {coding}\r\n\r\n");
            stage.origin.on(&target, Script::raw(head + "5\r\nhello\r\n0\r\n\r\n"));
            for asked in 1..=2 {
                let reply = stage.get(&target).await;
                let told = "fra-1;error=http_response_transfer_coding;received-status=200";
                assert_eq!(
                    (reply.status.as_u16(), reply.header("proxy-status")),
                    (502, Some(told)),
                    "{version} {coding}"
                );
                assert_eq!(stage.origin.count(&target), asked, "{version} {coding}");
            }
        }
    }
    stage
        .origin
        .on("/good", Script::raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(stage.get("/good").await.text(), "hello");
}
