//! What tiers tell each other, the origin and the client.

use super::{fleet, get};
use crate::stage::{HOST, Script, eventually, expect, outcome, pattern, purge, tag};
use edge::wire::purge::Mode;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

#[tokio::test]
async fn both_tiers_store_and_say_so() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("x"));
    let status = |reply: &scenarios::client::Reply| reply.header("cache-status").expect("a cache status").to_owned();
    let miss = get(&fleet, "fra-1", "/a").await;
    expect(&miss, 200, "x", Outcome::Miss);
    let members = status(&miss);
    let (shield, edge) = members.split_once(", ").expect("two members");
    assert!(shield.starts_with("shield-1;fwd=uri-miss;stored;ttl="), "{members}");
    assert!(edge.starts_with("fra-1;fwd=uri-miss;stored;ttl="), "{members}");
    let hit = get(&fleet, "fra-1", "/a").await;
    expect(&hit, 200, "x", Outcome::Hit);
    assert!(status(&hit).starts_with("fra-1;hit;ttl="), "{}", status(&hit));
    let other = get(&fleet, "iad-1", "/a").await;
    expect(&other, 200, "x", Outcome::Miss);
    assert!(status(&other).starts_with("shield-1;hit;ttl="), "{}", status(&other));
    assert!(status(&other).contains(", iad-1;fwd=uri-miss;stored;ttl="), "{}", status(&other));
    assert_eq!(other.header("via"), Some("1.1 shield-1, 1.1 iad-1"));
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn the_way_to_the_origin_is_told_tier_by_tier() {
    let (fleet, origin) = fleet("").await;
    for (target, script) in [("/a", Script::cached("x")), ("/b", Script::ok("x").field("Cache-Control", "no-store"))] {
        origin.on(target, script);
        let ask = Ask::get(HOST, target)
            .with("X-Forwarded-For", "1.2.3.4")
            .with("X-Forwarded-Proto", "https")
            .with("Forwarded", "for=1.2.3.4");
        let reply = fleet.node("fra-1").send(&ask).await.expect("an answer");
        let seen = origin.last(target);
        assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1, 127.0.0.1"));
        assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
        assert_eq!((seen.field("host"), seen.field("x-forwarded-host")), (Some(HOST), Some(HOST)));
        let forwarded = seen.field("forwarded").expect("it is there");
        let hop = |node: &str| format!("for=127.0.0.1;by=_{node};proto=http;host={HOST}");
        assert_eq!(forwarded, format!("{}, {}", hop("fra-1"), hop("shield-1")));
        assert_eq!(seen.field("via"), Some("1.1 fra-1, 1.1 shield-1"));
        assert_eq!(seen.field("tidewall-tier"), None);
        assert_eq!(seen.field("x-request-id"), reply.header("x-request-id"), "one request, one id");
    }
}

/// A client that reaches the shield is a client, whatever it says.
#[tokio::test]
async fn words_of_a_client_are_not_taken_for_those_of_a_tier() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("x").field("Surrogate-Key", "secret"));
    let mac = "0".repeat(64);
    let ask = Ask::get(HOST, "/a")
        .with("X-Forwarded-For", "1.2.3.4")
        .with("tidewall-tier", &format!("v1;fra-1;https;made-up;{mac}"));
    let reply = fleet.node("shield-1").send(&ask).await.expect("an answer");
    expect(&reply, 200, "x", Outcome::Miss);
    assert_eq!(reply.header("surrogate-key"), None);
    assert_ne!(reply.header("x-request-id"), Some("made-up"));
    let seen = origin.last("/a");
    assert_eq!((seen.field("x-forwarded-for"), seen.field("x-forwarded-proto")), (Some("127.0.0.1"), Some("http")));
    // It was stored under the scheme that the client really used.
    assert!(get(&fleet, "fra-1", "/a").await.header("cache-status").expect("it is there").starts_with("shield-1;hit"));
}

#[tokio::test]
async fn tags_reach_the_edge_and_not_the_client() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("x").field("Surrogate-Key", "one two").field("Cache-Tag", "three"));
    for node in ["fra-1", "fra-1", "shield-1"] {
        let reply = get(&fleet, node, "/a").await;
        assert_eq!((reply.header("surrogate-key"), reply.header("cache-tag")), (None, None));
    }
    for name in ["two", "three"] {
        assert_eq!(outcome(&get(&fleet, "fra-1", "/a").await), Outcome::Hit);
        purge(&fleet, "fra-1", Mode::Hard, &[tag(name)]).await;
        let reply = get(&fleet, "fra-1", "/a").await;
        assert_eq!(outcome(&reply), Outcome::Miss, "{name}");
        assert!(reply.header("cache-status").is_some_and(|text| text.starts_with("shield-1;fwd=uri-miss")), "{name}");
    }
    assert_eq!(origin.count("/a"), 3);
}

#[tokio::test]
async fn tags_are_shown_if_the_site_says_so() {
    let (fleet, origin) = fleet("[[sites]]\nid = \"docs\"\nexpose_tags = true").await;
    origin.on("/a", Script::cached("x").field("Surrogate-Key", "one two"));
    for _ in 0..2 {
        assert_eq!(get(&fleet, "fra-1", "/a").await.header("surrogate-key"), Some("one two"));
    }
}

#[tokio::test]
async fn ranges_conditions_and_heads_work_through_two_tiers() {
    let (fleet, origin) = fleet("").await;
    let body = pattern(1_000_000);
    origin.on("/a", Script::cached(body.clone()).field("ETag", "\"1\"").chunked());
    let node = fleet.node("fra-1");
    let ask = Ask::get(HOST, "/a").with("Range", "bytes=10-19");
    let reply = node.send(&ask).await.expect("an answer");
    let want = if reply.status == 206 { &body[10..20] } else { &body[..] };
    assert!(reply.body == want, "{}: {} bytes", reply.status, reply.body.len());
    crate::stage::eventually("the whole is stored", async || {
        outcome(&get(&fleet, "fra-1", "/a").await) == Outcome::Hit
    })
    .await;
    let reply = node.send(&ask).await.expect("an answer");
    assert!(reply.status == 206 && reply.body == body[10..20]);
    let reply = node.send(&Ask::get(HOST, "/a").with("If-None-Match", "\"1\"")).await.expect("an answer");
    expect(&reply, 304, "", Outcome::Hit);
    let head = fleet.node("iad-1").send(&Ask::new(http::Method::HEAD, HOST, "/a")).await.expect("an answer");
    assert_eq!((head.status.as_u16(), head.header("content-length")), (200, Some("1000000")));
    assert_eq!(origin.count("/a"), 1);
}

#[tokio::test]
async fn requests_of_two_edges_are_collapsed_at_the_shield() {
    let (fleet, origin) = fleet("").await;
    let (gate, body) = (crate::stage::Gate::new(), pattern(1 << 20));
    origin.on("/a", Script::cached(body.clone()).after(&gate));
    let asking: Vec<_> = (0..40)
        .map(|n| {
            let address = fleet.node(if n % 2 == 0 { "fra-1" } else { "iad-1" }).public_addr();
            tokio::spawn(async move { scenarios::client::ask(address, &Ask::get(HOST, "/a")).await })
        })
        .collect();
    origin.arrived("/a", 1).await;
    gate.open();
    for reply in crate::stage::replies(asking).await {
        assert!(reply.status == 200 && reply.body == body);
    }
    assert_eq!(origin.count("/a"), 1);
    let stats = fleet.node("shield-1").stats().await.expect("statistics");
    assert_eq!((stats.role.as_str(), stats.total.upstream_requests), ("shield", 1));
}

#[tokio::test]
async fn a_response_that_breaks_off_breaks_off_everywhere() {
    let (fleet, origin) = fleet("").await;
    let body = pattern(300_000);
    for chunked in [false, true] {
        let target = if chunked { "/chunked" } else { "/length" };
        let script = Script::cached(body.clone()).cut_at(200_000);
        origin.next(target, if chunked { script.chunked() } else { script });
        origin.on(target, Script::cached(body.clone()));
        let address = fleet.node("fra-1").public_addr();
        crate::stage::Exchange::get(address, target).await.whole().await.expect_err("it was cut off");
        let reply = get(&fleet, "fra-1", target).await;
        assert!(outcome(&reply) == Outcome::Miss && reply.body == body);
        assert_eq!(origin.count(target), 2);
    }
}

/// A shield that takes a node for a client keeps the tags to itself: a purge by one would not reach what comes.
#[tokio::test]
async fn what_comes_without_words_is_not_stored() {
    let (fleet, origin) = fleet("[[sites]]\nid = \"docs\"\nstore_posts = true").await;
    let secret = fleet.folder().join("another-secret");
    std::fs::write(&secret, "b".repeat(32)).expect("a file");
    let file = fleet.node("fra-1").fleet_file();
    let mut table: toml::Table = std::fs::read_to_string(file).expect("its fleet file").parse().expect("TOML");
    let tier: toml::Table = format!("secret_file = {:?}", secret.display().to_string()).parse().expect("TOML");
    table.insert("tier".into(), tier.into());
    std::fs::write(file, table.to_string()).expect("a fleet file");
    fleet.reload("fra-1").expect("it runs");
    let taken = async || fleet.node("fra-1").stderr().contains("reloaded the fleet file");
    eventually("it is taken", taken).await;
    let answer = Script::cached("old").field("Content-Location", "/p").field("Surrogate-Key", "t");
    origin.on("/p", answer);
    let post = Ask::new(http::Method::POST, HOST, "/p");
    assert_eq!(fleet.node("fra-1").send(&post).await.expect("an answer").text(), "old");
    let reply = get(&fleet, "fra-1", "/p").await;
    assert_ne!((outcome(&reply), reply.text()), (Outcome::Hit, "old".to_owned()));
}
