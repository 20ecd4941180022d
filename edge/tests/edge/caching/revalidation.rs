//! Stale responses are validated at the origin.

use crate::stage::{
    Gate, HOST, Identity, Origin, Script, Stage, docs, expect, outcome, parameter, purge, replies, url,
};
use edge::wire::purge::Mode;
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask};

const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";

#[tokio::test]
async fn a_304_freshens_what_is_stored() {
    let stage = Stage::new().await;
    let first = Script::stale("hello", "").field("ETag", "\"v1\"").field("Last-Modified", CHANGED);
    stage.origin.next("/a", first.field("X-Old", "1").field("X-Both", "old").field("Content-Type", "text/plain"));
    let second = Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "max-age=600");
    stage.origin.next("/a", second.field("X-Both", "new").field("X-New", "1").field("Content-Encoding", "gzip"));
    expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
    let revalidated = stage.get("/a").await;
    expect(&revalidated, 200, "hello", Outcome::Revalidated);
    assert_eq!(parameter(&revalidated, "fwd-status"), Some(304));
    let seen = stage.origin.last("/a");
    assert_eq!((seen.field("if-none-match"), seen.field("if-modified-since")), (Some("\"v1\""), Some(CHANGED)));
    let hit = stage.get("/a").await;
    expect(&hit, 200, "hello", Outcome::Hit);
    for reply in [&revalidated, &hit] {
        for (name, value) in [
            ("x-old", Some("1")),
            ("x-both", Some("new")),
            ("x-new", Some("1")),
            ("cache-control", Some("max-age=600")),
            ("content-type", Some("text/plain")),
            ("content-length", Some("5")),
            ("content-encoding", None),
        ] {
            assert_eq!(reply.header(name), value, "{name}");
        }
    }
    assert!(parameter(&hit, "ttl").is_some_and(|ttl| (590..=600).contains(&ttl)));
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_200_replaces_what_is_stored() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", "").field("ETag", "\"v1\"").field("X-Old", "1"));
    stage.origin.next("/a", Script::cached("new").field("ETag", "\"v2\""));
    stage.get("/a").await;
    let reply = stage.get("/a").await;
    expect(&reply, 200, "new", Outcome::Miss);
    assert!(reply.header("cache-status").is_some_and(|text| text.contains("fwd=stale;stored")), "{:?}", reply.headers);
    let hit = stage.get("/a").await;
    expect(&hit, 200, "new", Outcome::Hit);
    assert_eq!((hit.header("etag"), hit.header("x-old")), (Some("\"v2\""), None));
}

#[tokio::test]
async fn no_cache_is_validated_each_time() {
    let stage = Stage::new().await;
    let no_cache = Script::ok("hello").field("Cache-Control", "no-cache").field("ETag", "\"v1\"");
    stage.origin.next("/a", no_cache);
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "no-cache"));
    expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
    for n in 2..=4 {
        expect(&stage.get("/a").await, 200, "hello", Outcome::Revalidated);
        assert_eq!(stage.origin.count("/a"), n);
    }
}

#[tokio::test]
async fn those_that_each_need_a_validation_do_not_wait_for_each_other() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::ok("hello").field("Cache-Control", "no-cache").field("ETag", "\"v1\""));
    let same = Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "no-cache");
    stage.origin.on("/a", same.after(&gate));
    stage.get("/a").await;
    let asking = stage.many("/a", 10);
    stage.origin.arrived("/a", 11).await;
    gate.open();
    for reply in replies(asking).await {
        expect(&reply, 200, "hello", Outcome::Revalidated);
    }
}

#[tokio::test]
async fn a_client_s_condition_is_answered_after_the_node_s_own() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("hello", "").field("ETag", "\"v1\""));
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "max-age=60"));
    stage.get("/a").await;
    let reply = stage.send(&Ask::get(HOST, "/a").with("If-None-Match", "\"v1\"")).await;
    expect(&reply, 304, "", Outcome::Revalidated);
    assert_eq!(stage.origin.count("/a"), 2);
    expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
}

#[tokio::test]
async fn a_304_that_says_private_answers_and_is_not_kept() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("hello", "").field("ETag", "\"v1\""));
    stage.origin.next("/a", Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "private"));
    stage.origin.on("/a", Script::ok("mine").field("Cache-Control", "private"));
    stage.get("/a").await;
    let reply = stage.get("/a").await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"));
    for _ in 0..2 {
        assert_eq!(stage.get("/a").await.text(), "mine");
    }
}

/// It speaks of a response that the node doesn't have.
#[tokio::test]
async fn a_304_for_another_response_freshens_nothing() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", "").field("ETag", "\"v1\""));
    stage.origin.next("/a", Script::not_modified().field("ETag", "\"v2\"").field("Cache-Control", "max-age=600"));
    stage.origin.on("/a", Script::cached("new").field("ETag", "\"v2\""));
    stage.get("/a").await;
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "new", Outcome::Miss);
    assert_eq!(stage.origin.last("/a").field("if-none-match"), None);
}

#[tokio::test]
async fn concurrent_requests_share_one_validation() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::stale("hello", "").field("ETag", "\"v1\""));
    let good = Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "max-age=600");
    stage.origin.next("/a", good.after(&gate));
    stage.get("/a").await;
    let asking = stage.many("/a", 20);
    stage.origin.arrived("/a", 2).await;
    gate.open();
    for reply in replies(asking).await {
        assert_eq!(reply.text(), "hello");
    }
    assert_eq!(stage.origin.count("/a"), 2);
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
}

/// A purge that lands after the stored response was looked up, and before it is validated, takes its validators with
/// it: a date or tag that the new version shares with the old one would otherwise bring the old bytes back.
#[tokio::test]
async fn what_is_purged_on_the_way_to_its_validation_is_fetched_anew() {
    let identity = Identity::of("127.0.0.1");
    let gate = Gate::new();
    let origin = Origin::start_tls(&identity, &gate).await;
    let folder = tempfile::tempdir().expect("a folder");
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, &identity.authority).expect("a file");
    let extra = format!(
        "[[origins]]\nid = \"docs\"\nurl = \"https://{}\"\nca_file = {:?}\nidle_timeout = \"1ms\"\nconnect_timeout = \"15s\"",
        origin.address(),
        authority.display().to_string(),
    );
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(&extra).start().await.expect("a fleet");
    let node = fleet.node("fra-1");
    gate.open();
    origin.next("/a", Script::stale("old", "").field("Last-Modified", CHANGED).until_close());
    assert_eq!(node.get(HOST, "/a").await.expect("an answer").text(), "old");
    gate.close();
    origin.on("/a", Script::cached("new").field("Last-Modified", CHANGED).until_close());
    let address = node.public_addr();
    let asking = tokio::spawn(async move { client::ask(address, &Ask::get(HOST, "/a")).await });
    origin.connected(2).await;
    purge(&fleet, "fra-1", Mode::Hard, &[url("/a")]).await;
    gate.open();
    assert_eq!(asking.await.expect("it ends").expect("an answer").text(), "new");
    assert_eq!(origin.last("/a").field("if-modified-since"), None);
    assert_eq!(node.get(HOST, "/a").await.expect("an answer").text(), "new");
}
