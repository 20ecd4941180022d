//! Interim responses: `100 Continue` and `103 Early Hints` (RFC 9110 §15.2, RFC 8297).

use crate::stage::{Exchange, Gate, HOST, Origin, Script, Stage, docs, expect, outcome, within};
use http::HeaderMap;
use scenarios::cache_status::Outcome;
use scenarios::fleet::Fleet;
use std::net::SocketAddr;

const LINK: &str = "</a.css>; rel=preload; as=style";

fn text<'a>(fields: &'a HeaderMap, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}

/// Reads a 103, while the origin still waits for the gate, and then the final response.
async fn check_hinted(exchange: &mut Exchange, gate: &Gate, body: &str) -> HeaderMap {
    let (status, hints) = exchange.head().await.expect("hints");
    assert_eq!((status, text(&hints, "link")), (103, Some(LINK)));
    for name in ["cache-status", "age", "via", "content-length", "transfer-encoding", "connection"] {
        assert_eq!(hints.get(name), None, "a 103 has no {name}");
    }
    gate.open();
    let (status, fields) = exchange.next_head().await.expect("a head");
    assert_eq!((status, exchange.rest().await), (200, Ok(body.as_bytes().to_vec())));
    assert_eq!(fields.get("link"), None, "the final response has its own fields");
    gate.close();
    fields
}

/// One shield and an edge, or an edge alone.
async fn fleet(tiers: usize) -> (Fleet, Origin, SocketAddr) {
    let origin = Origin::start().await;
    let builder = docs(&origin).pop("fra", 50.11, 8.68);
    let builder = if tiers == 2 { builder.shield("shield-1") } else { builder };
    let fleet = builder.start().await.expect("a fleet");
    let edge = fleet.node("fra-1").public_addr();
    (fleet, origin, edge)
}

#[tokio::test]
async fn hints_reach_the_client_before_the_response() {
    for tiers in [1, 2] {
        let (fleet, origin, edge) = fleet(tiers).await;
        let gate = Gate::new();
        // A miss that is stored, one that is not, a pass.
        origin.on("/stored", Script::cached("x").hinting("Link", LINK).after(&gate));
        check_hinted(&mut Exchange::get(edge, "/stored").await, &gate, "x").await;
        origin.on("/private", Script::ok("x").field("Cache-Control", "private").hinting("Link", LINK).after(&gate));
        check_hinted(&mut Exchange::get(edge, "/private").await, &gate, "x").await;
        origin.on("/post", Script::ok("x").hinting("Link", LINK).after(&gate));
        let post = format!("POST /post HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi");
        check_hinted(&mut Exchange::send(edge, &post).await, &gate, "x").await;
        // What was stored is the response, and it has forgotten the hints.
        let hit = fleet.node("fra-1").get(HOST, "/stored").await.expect("an answer");
        expect(&hit, 200, "x", Outcome::Hit);
        assert_eq!((hit.header("link"), origin.count("/stored")), (None, 1), "{tiers} tiers");
        let mut exchange = Exchange::get(edge, "/stored").await;
        assert_eq!(exchange.head().await.expect("a head").0, 200, "a hit has no hints");
    }
}

/// Hints that come with the response in one piece. Where it is stored, Pingora may drop them: they come too late to be
/// of use anyway.
#[tokio::test]
async fn hints_in_one_piece_with_the_response() {
    let stage = Stage::new().await;
    let hints = "HTTP/1.1 103 Early Hints\r\nLink: </1>; rel=preload\r\n\r\n\
                 HTTP/1.1 103 Early Hints\r\nLink: </2>; rel=preload\r\n\r\n";
    for (target, rest) in [
        ("/length", "Cache-Control: max-age=60\r\nContent-Length: 5\r\n\r\nhello"),
        ("/chunks", "Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        ("/private", "Cache-Control: private\r\nContent-Length: 5\r\n\r\nhello"),
    ] {
        stage.origin.on(target, Script::raw(format!("{hints}HTTP/1.1 200 OK\r\n{rest}")));
        let mut exchange = stage.open(target).await;
        let mut links = Vec::new();
        let status = loop {
            let (status, fields) = exchange.next_head().await.expect("a head");
            if status >= 200 {
                break status;
            }
            links.extend(text(&fields, "link").map(str::to_owned));
        };
        assert_eq!((status, exchange.rest().await), (200, Ok(b"hello".to_vec())), "{target}");
        let all = ["</1>; rel=preload", "</2>; rel=preload"];
        if target == "/private" {
            assert_eq!(links, all);
            continue;
        }
        assert!(links.iter().all(|link| all.contains(&link.as_str())), "{links:?}");
        expect(&stage.get(target).await, 200, "hello", Outcome::Hit);
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_no_hints() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x").hinting("Link", LINK));
    stage.origin.on("/post", Script::ok("x").hinting("Link", LINK));
    for request in [
        format!("GET /a HTTP/1.0\r\nHost: {HOST}\r\n\r\n"),
        format!("POST /post HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\nhi"),
        format!("POST /post HTTP/1.0\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"),
    ] {
        let answer = Exchange::send(stage.node().public_addr(), &request).await.whole().await;
        assert_eq!(answer, Ok((200, b"x".to_vec())), "{request}");
    }
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
}

/// What the site keeps from clients, it keeps from them here as well.
#[tokio::test]
async fn hints_tell_no_more_than_the_response() {
    let stage =
        Stage::with_site("[[sites.rules]]\nmatch = { path = \"/bare/*\" }\nset = { strip_cookies = true }").await;
    let withheld = [
        "Set-Cookie",
        "Surrogate-Key",
        "Connection",
        "Keep-Alive",
        "Content-Length",
        "Transfer-Encoding",
        "Tidewall-Tier",
        "Tidewall-Date",
    ];
    for name in withheld {
        let target = format!("/bare/{name}");
        stage.origin.on(&target, Script::ok("x").hinting(name, "1").after(&Gate::new()));
        let (status, hints) = stage.open(&target).await.head().await.expect("hints");
        assert_eq!((status, hints.get(name)), (103, None), "{name}");
        assert!(hints.values().all(|value| value != "1"), "{name} under another name: {hints:?}");
    }
    stage.origin.on("/cookie", Script::ok("x").hinting("Set-Cookie", "a=b").after(&Gate::new()));
    let (_, hints) = stage.open("/cookie").await.head().await.expect("hints");
    assert_eq!(text(&hints, "set-cookie"), Some("a=b"));
}

/// The final response is owed, hints or not.
#[tokio::test]
async fn an_origin_that_fails_after_its_hints() {
    let stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    let cut = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for (target, script, want, error) in [
        ("/cut", Script::raw(cut), 502, "connection_terminated"),
        ("/slow", Script::cached("x").hinting("Link", LINK).after(&never), 504, "connection_read_timeout"),
    ] {
        stage.origin.on(target, script);
        let mut exchange = stage.open(target).await;
        assert_eq!(exchange.head().await.expect("hints").0, 103);
        let (status, fields) = exchange.next_head().await.expect("an answer");
        let told = format!("fra-1;error={error}");
        assert_eq!((status, text(&fields, "proxy-status")), (want, Some(told.as_str())), "{target}");
    }
}

/// Hints would end the node's chance to answer with what it has.
#[tokio::test]
async fn hints_do_not_take_the_place_of_a_stale_response() {
    let stage = Stage::new().await;
    let cut = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for (target, failure) in
        [("/cut", Script::raw(cut)), ("/503", Script::ok("down").status(503).hinting("Link", LINK))]
    {
        stage.origin.next(target, Script::stale("old", ", stale-if-error=600"));
        stage.origin.on(target, failure);
        stage.get(target).await;
        let answer = stage.open(target).await.whole().await;
        assert_eq!(answer, Ok((200, b"old".to_vec())), "{target}");
    }
    // Where nothing could stand in, they are passed on.
    stage.origin.next("/a", Script::stale("old", "").field("ETag", "\"1\""));
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("new").hinting("Link", LINK).after(&gate));
    stage.get("/a").await;
    check_hinted(&mut stage.open("/a").await, &gate, "new").await;
}

/// Those who wait for another one's fetch get its response, and not its hints.
#[tokio::test]
async fn hints_are_for_the_one_who_fetches() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").hinting("Link", LINK).after(&gate));
    let mut first = stage.open("/a").await;
    assert_eq!(first.head().await.expect("hints").0, 103);
    let second = stage.many("/a", 5);
    gate.open();
    assert_eq!(first.next_head().await.expect("a head").0, 200);
    for reply in crate::stage::replies(second).await {
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "x"));
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_client_that_expects_to_continue_is_told_by_the_origin() {
    for tiers in [1, 2] {
        let (_fleet, origin, edge) = fleet(tiers).await;
        origin.on("/up", Script::ok("got it"));
        let head = format!("POST /up HTTP/1.1\r\nHost: {HOST}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
        let mut exchange = Exchange::send(edge, &head).await;
        assert_eq!(exchange.head().await.expect("an answer").0, 100, "{tiers} tiers");
        exchange.send_more("hello").await;
        assert_eq!(exchange.next_head().await.expect("an answer").0, 200);
        assert_eq!(exchange.rest().await, Ok(b"got it".to_vec()));
        assert_eq!(origin.last("/up").body, b"hello");
    }
}

/// Whoever is refused is not told to send its body first.
#[tokio::test]
async fn a_client_that_expects_to_continue_may_be_refused() {
    let mut stage = Stage::new().await;
    let head = |host: &str, length: &str| {
        format!("POST /up HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n")
    };
    let node = stage.node().public_addr();
    for (request, want) in [(head("other.example", "5"), 421), (head(HOST, "999999999999999"), 413)] {
        let answer = within("a refusal", Exchange::send(node, &request).await.whole()).await;
        assert_eq!(answer.expect("an answer").0, want);
    }
    stage.origin.stop().await;
    let answer = within("a failure", Exchange::send(node, &head(HOST, "5")).await.whole()).await;
    assert_eq!(answer.expect("an answer").0, 502);
}

#[tokio::test]
async fn there_is_an_end_of_interim_responses() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("x").hinting("Link", LINK).endless());
    // Whoever waits for the response is told that there is none.
    let mut waits =
        Exchange::send(stage.node().public_addr(), &format!("GET /a HTTP/1.0\r\nHost: {HOST}\r\n\r\n")).await;
    assert_eq!(waits.head().await.expect("a head").0, 502);
    stage.origin.broken("/a", 1).await;
}
