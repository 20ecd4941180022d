//! The express lane: what it answers is what the proxy would have answered, and it answers nothing else.

use crate::stage::{HOST, Script, Stage, eventually};
use crate::support::Client;
use bytes::Bytes;
use edge::wire::purge::{Mode, Target};
use scenarios::client::{Ask, Reply};
use std::collections::BTreeMap;

/// How many hits were answered in the lane.
async fn express(stage: &Stage) -> u64 {
    stage.stats().await.total.express_requests
}

/// A request that the lane hands over, and that is otherwise the same to a cache.
fn handed_over(ask: Ask) -> Ask {
    ask.with("CDN-Loop", "another")
}

/// Everything of a response that does not differ between two requests within a second or two.
fn lasting(reply: &Reply) -> (u16, BTreeMap<String, Vec<String>>, Bytes) {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &reply.headers {
        let mut value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        match name.as_str() {
            "x-request-id" => value = "one".to_owned(),
            // In HTTP/1.1 that goes without saying (RFC 9112 §9.3); the proxy's writer says it.
            "connection" if value == "keep-alive" => continue,
            "age" => value = value.parse::<u64>().map_or("no number".to_owned(), |age| (age / 3600).to_string()),
            "cache-status" => {
                let (member, ttl) = value.split_once(";ttl=").expect("a time to live");
                let ttl: u64 = ttl.parse().expect("it is last, and a number");
                value = format!("{member}, about {}", (ttl + 100) / 3600);
            }
            _ => {}
        }
        fields.entry(name.as_str().to_owned()).or_default().push(value);
    }
    (reply.status.as_u16(), fields, reply.body.clone())
}

#[tokio::test]
async fn the_lane_answers_as_the_proxy_does() {
    let stage = Stage::with_site("accept_encoding = \"normalise\"\nnegative_ttl = { 404 = \"1h\" }").await;
    let plain = Script::cached("plain").field("Content-Type", "text/html").field("ETag", "\"1\"");
    let large: Vec<u8> = (0..600_000_u32).map(|n| (n % 251) as u8).collect();
    let scripts = [
        ("/plain", plain.clone()),
        ("/tags", plain.clone().field("Surrogate-Key", "a b").field("Cache-Tag", "c")),
        ("/vary", plain.clone().field("Vary", "Accept-Encoding").field("Content-Encoding", "gzip")),
        ("/two", plain.clone().field("Link", "</a>").field("Link", "</b>").field("X-Empty", "")),
        ("/chunked", plain.clone().chunked()),
        ("/empty", Script::cached("")),
        ("/none", Script::cached("").status(204)),
        ("/missing", Script::ok("no").status(404)),
        ("/moved", Script::cached("there").status(301).field("Location", "/plain")),
        ("/strange", Script::cached("x").status(299)),
        ("/old", Script::ok("old").field("Cache-Control", "max-age=360000").field("Age", "7200")),
        ("/latin", plain.clone().field("X-Latin", "caf\u{e9}").field("Server", "x").field("Via", "1.0 other")),
        ("/query?a=1&b", plain.clone()),
        ("/copied", Script::cached(vec![b'x'; 16 << 10])),
        ("/large", Script::cached(large)),
    ];
    for (target, script) in scripts {
        stage.origin.on(target, script);
        let asks = [
            Ask::get(HOST, target).with("Accept-Encoding", "gzip, br").with("Cookie", "a=b").with("Accept", "*/*"),
            Ask::new(http::Method::HEAD, HOST, target).with("Accept-Encoding", "br, gzip;q=0.5"),
        ];
        stage.send(&asks[0]).await;
        eventually(&format!("{target} is stored"), async || {
            let reply = stage.send(&handed_over(asks[0].clone())).await;
            reply.header("cache-status").is_some_and(|status| status.contains(";hit"))
        })
        .await;
        for ask in asks {
            let before = express(&stage).await;
            let by_proxy = stage.send(&handed_over(ask.clone())).await;
            assert_eq!(express(&stage).await, before, "{target}: it was handed over");
            let by_lane = stage.send(&ask).await;
            assert_eq!(lasting(&by_lane), lasting(&by_proxy), "{target}");
            let is_counted = async || express(&stage).await == before + 1;
            eventually(&format!("{target} is answered in the lane"), is_counted).await;
        }
    }
}

#[tokio::test]
async fn what_the_lane_can_not_answer_it_hands_over() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("a").validated().ranged().field("ETag", "\"1\""));
    stage.origin.on("/stale", Script::stale("s", ", stale-while-revalidate=600"));
    stage.origin.on("/vary", Script::cached("v").field("Vary", "Accept-Language"));
    for target in ["/a", "/stale", "/vary"] {
        stage.get(target).await;
    }
    let get = |target: &str| Ask::get(HOST, target);
    for (ask, status) in [
        (get("/a").with("Range", "bytes=0-0"), 206),
        (get("/a").with("If-None-Match", "\"1\""), 304),
        (get("/a").with("Cache-Control", "no-cache"), 200),
        (get("/a").with("Authorization", "Basic eDp4"), 200),
        (get("/%61"), 200),
        (get("/stale"), 200),
        (get("/vary"), 200),
        (get("/not-stored"), 404),
        (Ask::get("unknown.example", "/a"), 421),
        (Ask::new(http::Method::OPTIONS, HOST, "/a"), 200),
    ] {
        if status == 404 {
            stage.origin.on("/not-stored", Script::ok("no").status(404).field("Cache-Control", "no-store"));
        }
        assert_eq!(stage.send(&ask).await.status.as_u16(), status, "{}", ask.summary());
    }
    assert_eq!(express(&stage).await, 0);
}

/// A connection may go from the lane to the proxy and back.
#[tokio::test]
async fn requests_of_one_connection_are_answered_in_their_order() {
    let stage = Stage::new().await;
    let large = vec![b'x'; 700_000];
    stage.origin.on("/a", Script::cached("a"));
    stage.origin.on("/large", Script::cached(large.clone()));
    stage.origin.on("/passed", Script::ok("passed"));
    for target in ["/a", "/large"] {
        stage.get(target).await;
    }
    let get = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n");
    let mut client = Client::connect(stage.node().public_addr()).await;
    let requests = [
        ("/a", "a".to_owned()),
        ("/large", String::from_utf8(large).expect("letters")),
        ("/passed", "passed".to_owned()),
        ("/a", "a".to_owned()),
        ("/large", "x".repeat(700_000)),
        ("/a", "a".to_owned()),
    ];
    let all: String = requests.iter().map(|(target, _)| get(target, "")).collect();
    client.send(all + &get("/a", "Connection: close\r\n")).await;
    for (target, body) in &requests {
        let reply = client.reply().await;
        assert!(reply.text() == *body && !reply.closes(), "{target}");
    }
    let last = client.reply().await;
    assert!(last.text() == "a" && last.closes());
    client.closed().await;
    let is_counted = async || express(&stage).await == 6;
    eventually("six of them in the lane", is_counted).await;
}

/// HEAD, and what follows it on the connection.
#[tokio::test]
async fn a_head_is_answered_without_a_body() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("body"));
    stage.get("/a").await;
    let mut client = Client::connect(stage.node().public_addr()).await;
    client.send(format!("HEAD /a HTTP/1.1\r\nHost: {HOST}\r\n\r\nGET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
    let head = client.reply_to_head().await;
    assert_eq!((head.status, head.header("content-length")), (200, Some("4")));
    assert_eq!(client.reply().await.text(), "body");
}

#[tokio::test]
async fn a_purge_ends_what_the_lane_answers() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("old").field("Surrogate-Key", "t"));
    for mode in [Mode::Hard, Mode::Soft] {
        stage.purge(Mode::Hard, &[Target::Everything]).await;
        stage.origin.on("/a", Script::cached("old").field("Surrogate-Key", "t"));
        stage.get("/a").await;
        let before = express(&stage).await;
        assert_eq!(stage.get("/a").await.text(), "old");
        eventually("it is in the lane", async || express(&stage).await == before + 1).await;
        stage.origin.on("/a", Script::cached("new").field("Surrogate-Key", "t"));
        stage.purge(mode, &[Target::Tag { site: "docs".into(), tag: "t".into() }]).await;
        assert_eq!(stage.get("/a").await.text(), "new", "{mode:?}");
        assert_eq!(express(&stage).await, before + 1);
    }
}

/// The site's fields are those of the fleet file that is there now.
#[tokio::test]
async fn a_reload_changes_what_the_lane_writes() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("a").field("Surrogate-Key", "t"));
    stage.get("/a").await;
    assert_eq!(stage.get("/a").await.header("surrogate-key"), None);
    let file = stage.node().fleet_file();
    let mut table: toml::Table = std::fs::read_to_string(file).expect("its fleet file").parse().expect("TOML");
    table["sites"][0].as_table_mut().expect("a site").insert("expose_tags".into(), true.into());
    std::fs::write(file, table.to_string()).expect("a fleet file");
    stage.fleet.reload("fra-1").expect("it runs");
    let shows = async || stage.get("/a").await.header("surrogate-key") == Some("t");
    eventually("the tags are shown", shows).await;
    assert_eq!(stage.origin.count("/a"), 1);
    assert!(express(&stage).await >= 2);
}

/// So many requests a connection may have, wherever they are answered.
#[tokio::test]
async fn the_last_request_of_a_connection_ends_it() {
    let stage = Stage::with("[limits]\nrequests_per_connection = 3").await;
    stage.origin.on("/a", Script::cached("a"));
    stage.get("/a").await;
    let mut client = Client::connect(stage.node().public_addr()).await;
    for n in 1..=3 {
        let reply = client.exchange(format!("GET /a HTTP/1.1\r\nHost: {HOST}\r\n\r\n")).await;
        assert_eq!(reply.closes(), n == 3, "{n}");
    }
    client.closed().await;
}
