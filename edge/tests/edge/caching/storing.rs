//! What is stored, and for how long.

use crate::stage::{HOST, Script, Stage, expect, outcome, parameter};
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};

/// Asks twice, and says whether the second answer came from the store.
async fn is_stored(stage: &Stage, ask: &Ask) -> bool {
    stage.send(ask).await;
    outcome(&stage.send(ask).await) == Outcome::Hit
}

/// The lifetime that the node gives to the second answer, which must come from the store.
async fn lifetime(stage: &Stage, target: &str) -> i64 {
    stage.get(target).await;
    let hit = stage.get(target).await;
    assert_eq!(outcome(&hit), Outcome::Hit, "{target}: {:?}", hit.headers);
    let age: i64 = hit.header("age").and_then(|age| age.parse().ok()).expect("an age");
    parameter(&hit, "ttl").expect("a ttl") + age
}

fn near(got: i64, want: i64) -> bool {
    (want - 3..=want).contains(&got)
}

#[tokio::test]
async fn a_miss_is_stored_and_then_hit() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("hello").field("Content-Type", "text/plain").field("Age", "7"));
    let miss = stage.get("/a").await;
    expect(&miss, 200, "hello", Outcome::Miss);
    assert!(miss.header("cache-status").is_some_and(|text| text.starts_with("fra-1;fwd=uri-miss;stored;ttl=")));
    let hit = stage.get("/a").await;
    expect(&hit, 200, "hello", Outcome::Hit);
    assert!(hit.header("cache-status").is_some_and(|text| text.starts_with("fra-1;hit;ttl=")));
    assert_eq!(stage.origin.count("/a"), 1);
    for reply in [&miss, &hit] {
        let age: u64 = reply.header("age").expect("an age").parse().expect("a number");
        assert!((7..12).contains(&age), "{age}");
        assert_eq!(reply.header("via"), Some("1.1 fra-1"));
        assert_eq!(reply.header("content-type"), Some("text/plain"));
        assert_eq!(reply.header("content-length"), Some("5"));
        let date = reply.header("date").expect("a date");
        httpdate::parse_http_date(date).expect("an HTTP date");
        assert_eq!(reply.header("connection").filter(|value| *value != "keep-alive"), None);
    }
    let id = |reply: &Reply| reply.header("x-request-id").expect("an id").to_owned();
    assert_ne!(id(&miss), id(&hit));
    assert!(id(&miss).bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{}", id(&miss));
    assert_eq!(stage.origin.last("/a").field("x-request-id"), Some(id(&miss).as_str()));
}

/// The version in Via is the one by which the origin has answered (RFC 9110 §7.6.3), also long after that.
#[tokio::test]
async fn via_says_by_which_version_the_response_came() {
    let stage = Stage::new().await;
    for (version, via) in [("1.0", "1.1 inner, 1.0 fra-1"), ("1.1", "1.1 inner, 1.1 fra-1")] {
        let raw = |cache_control: &str| {
            let fields = format!("Cache-Control: {cache_control}\r\nVia: 1.1 inner\r\nContent-Length: 1");
            format!("HTTP/{version} 200 OK\r\n{fields}\r\n\r\nx")
        };
        let (stored, passed) = (format!("/{version}/stored"), format!("/{version}/passed"));
        stage.origin.on(&stored, Script::raw(raw("max-age=60")));
        stage.origin.on(&passed, Script::raw(raw("no-store")));
        for target in [&stored, &stored, &passed] {
            assert_eq!(stage.get(target).await.header("via"), Some(via), "{target}");
        }
        assert_eq!(stage.origin.count(&stored), 1);
    }
}

#[tokio::test]
async fn what_may_not_be_shared_is_not_stored() {
    let stage = Stage::with_site("default_ttl = \"1h\"").await;
    let scripts = [
        ("/no-store", Script::ok("x").field("Cache-Control", "no-store, max-age=60")),
        ("/private", Script::ok("x").field("Cache-Control", "private, max-age=60")),
        ("/cookie", Script::cached("x").field("Set-Cookie", "a=b")),
        ("/vary-star", Script::cached("x").field("Vary", "*")),
        ("/partial", Script::cached("x").status(206).field("Content-Range", "bytes 0-0/9")),
        ("/useless", Script::ok("x").field("Cache-Control", "max-age=0")),
        ("/error", Script::ok("x").status(500)),
        ("/teapot", Script::ok("x").status(418)),
        ("/tags", Script::cached("x").field("Surrogate-Key", &"t".repeat(5000))),
    ];
    for (target, script) in scripts {
        stage.origin.on(target, script);
        assert!(!is_stored(&stage, &Ask::get(HOST, target)).await, "{target}");
        assert_eq!(stage.origin.count(target), 2, "{target}");
    }
    let reply = stage.get("/cookie").await;
    assert_eq!(reply.header("set-cookie"), Some("a=b"), "the client gets its cookie");
}

#[tokio::test]
async fn authorized_responses_are_stored_only_if_they_say_so() {
    let stage = Stage::new().await;
    for (target, control, stored) in
        [("/plain", "max-age=60", false), ("/public", "public, max-age=60", true), ("/shared", "s-maxage=60", true)]
    {
        stage.origin.on(target, Script::ok("x").field("Cache-Control", control));
        let ask = Ask::get(HOST, target).with("Authorization", "Basic Zm9vOmJhcg==");
        assert_eq!(is_stored(&stage, &ask).await, stored, "{target}");
        assert_eq!(stage.origin.last(target).field("authorization"), Some("Basic Zm9vOmJhcg=="));
    }
}

#[tokio::test]
async fn unsafe_methods_and_bodies_go_past_the_store() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("answer"));
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let ask = Ask::new(method.parse().expect("a method"), HOST, "/a").json("{\"n\":1}");
        let before = stage.origin.count("/a");
        for _ in 0..2 {
            expect(&stage.send(&ask).await, 200, "answer", Outcome::Pass);
        }
        assert_eq!(stage.origin.count("/a"), before + 2);
        let seen = stage.origin.last("/a");
        assert_eq!((seen.method.as_str(), seen.body.as_slice()), (method, &b"{\"n\":1}"[..]));
    }
    let with_body = Ask::get(HOST, "/a").json("{}");
    expect(&stage.send(&with_body).await, 200, "answer", Outcome::Pass);
    expect(&stage.get("/a").await, 200, "answer", Outcome::Miss);
}

#[tokio::test]
async fn lifetimes_come_from_the_response_within_the_site_s_bounds() {
    let stage =
        Stage::with_site("default_ttl = \"10m\"\nmax_ttl = \"30m\"\n[sites.negative_ttl]\n404 = \"2m\"\n503 = \"1m\"")
            .await;
    let now = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(edge::clock::now().as_millis());
    let in_5_minutes = httpdate::fmt_http_date(now + std::time::Duration::from_secs(300));
    let date = httpdate::fmt_http_date(now);
    let scripts = [
        ("/default", Script::ok("x"), 600),
        ("/max-age", Script::ok("x").field("Cache-Control", "max-age=120"), 120),
        ("/s-maxage", Script::ok("x").field("Cache-Control", "max-age=120, s-maxage=240"), 240),
        ("/targeted", Script::cached("x").field("CDN-Cache-Control", "max-age=99"), 99),
        ("/too-long", Script::cached("x"), 1800),
        ("/expires", Script::ok("x").field("Expires", &in_5_minutes).field("Date", &date), 300),
        ("/404", Script::ok("x").status(404), 120),
        ("/503", Script::ok("x").status(503), 60),
        ("/404-stated", Script::ok("x").status(404).field("Cache-Control", "max-age=30"), 30),
        ("/301", Script::ok("").status(301).field("Location", "/x"), 600),
    ];
    for (target, script, want) in scripts {
        stage.origin.on(target, script);
        let got = lifetime(&stage, target).await;
        assert!(near(got, want), "{target}: {got}, not {want}");
    }
}

#[tokio::test]
async fn without_a_stated_lifetime_nothing_is_stored() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::ok("x"));
    stage.origin.on("/missing", Script::ok("x").status(404));
    for target in ["/a", "/missing"] {
        assert!(!is_stored(&stage, &Ask::get(HOST, target)).await, "{target}");
    }
}

#[tokio::test]
async fn hop_by_hop_and_private_fields_are_not_stored() {
    let stage = Stage::new().await;
    let script = Script::ok("x")
        .field("Cache-Control", "max-age=60, private=\"x-user\"")
        .field("Connection", "x-hop")
        .field("X-Hop", "1")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Authenticate", "Basic")
        .field("X-User", "ann")
        .field("X-Kept", "yes");
    stage.origin.on("/a", script);
    let (miss, hit) = (stage.get("/a").await, stage.get("/a").await);
    assert_eq!((outcome(&miss), outcome(&hit)), (Outcome::Miss, Outcome::Hit));
    for reply in [&miss, &hit] {
        for name in ["x-hop", "keep-alive", "proxy-authenticate"] {
            assert_eq!(reply.header(name), None, "{name}");
        }
        assert_eq!(reply.header("x-kept"), Some("yes"));
    }
    assert_eq!(hit.header("x-user"), None);
}

#[tokio::test]
async fn head_is_answered_from_a_stored_get() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("hello"));
    stage.origin.on("/b", Script::cached("hello"));
    stage.origin.on("/c", Script::ok("hello").field("Cache-Control", "no-store"));
    let head = |target| Ask::new(http::Method::HEAD, HOST, target);
    stage.get("/a").await;
    let reply = stage.send(&head("/a")).await;
    expect(&reply, 200, "", Outcome::Hit);
    assert_eq!(reply.header("content-length"), Some("5"));
    // A HEAD that misses fetches what can answer a GET too.
    let reply = stage.send(&head("/b")).await;
    expect(&reply, 200, "", Outcome::Miss);
    assert_eq!(reply.header("content-length"), Some("5"));
    stage.origin.answered("/b", 1).await;
    crate::stage::eventually("the GET is a hit", async || outcome(&stage.get("/b").await) == Outcome::Hit).await;
    assert_eq!((stage.origin.count("/b"), stage.origin.last("/b").method.as_str()), (1, "GET"));
    let reply = stage.send(&head("/c")).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, ""));
    stage.get("/c").await;
}

#[tokio::test]
async fn one_connection_serves_many_kinds_of_answers() {
    let stage = Stage::new().await;
    stage.origin.on("/cached", Script::cached("cached").chunked());
    stage.origin.on("/passed", Script::ok("passed").field("Cache-Control", "no-store").until_close());
    stage.origin.on("/empty", Script::cached("").status(204));
    let mut connection = scenarios::client::Connection::open(stage.node().public_addr()).await.expect("a connection");
    for _ in 0..3 {
        for (target, status, body) in [("/cached", 200, "cached"), ("/passed", 200, "passed"), ("/empty", 204, "")] {
            let reply = connection.send(&Ask::get(HOST, target)).await.expect("an answer");
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, body));
        }
    }
    assert_eq!((stage.origin.count("/cached"), stage.origin.count("/empty")), (1, 1));
}

/// RFC 9110 §7.6.1: also what is kept for whoever asked, and not stored, is left out if Connection names it.
#[tokio::test]
async fn what_connection_names_reaches_nobody() {
    let stage = Stage::new().await;
    let script = Script::ok("x")
        .field("Cache-Control", "max-age=60, private=\"x-hop, x-own\"")
        .field("Connection", "X-Hop")
        .field("X-Hop", "1")
        .field("X-Own", "2");
    stage.origin.on("/a", script);
    let reply = stage.get("/a").await;
    assert_eq!((reply.header("x-hop"), reply.header("x-own")), (None, Some("2")));
    assert_eq!(stage.get("/a").await.header("x-own"), None);
}
