//! Conditions of clients, answered from the store.

use crate::stage::{HOST, Script, Stage, eventually, expect, outcome};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

const CHANGED: &str = "Sat, 01 Nov 2025 10:00:00 GMT";
const LATER: &str = "Sat, 01 Nov 2025 10:00:01 GMT";
const EARLIER: &str = "Sat, 01 Nov 2025 09:59:59 GMT";

async fn stored() -> Stage {
    let stage = Stage::new().await;
    let script = Script::cached("hello").field("ETag", "\"v1\"").field("Last-Modified", CHANGED);
    stage.origin.on("/a", script.field("Content-Type", "text/plain"));
    stage.get("/a").await;
    stage
}

#[tokio::test]
async fn conditions_that_fail_are_answered_304_from_the_store() {
    let stage = stored().await;
    for (name, value) in [
        ("If-None-Match", "\"v1\""),
        ("If-None-Match", "W/\"v1\""),
        ("If-None-Match", "\"v0\", \"v1\""),
        ("If-None-Match", "*"),
        ("If-Modified-Since", CHANGED),
        ("If-Modified-Since", LATER),
    ] {
        for method in [http::Method::GET, http::Method::HEAD] {
            let reply = stage.send(&Ask::new(method, HOST, "/a").with(name, value)).await;
            expect(&reply, 304, "", Outcome::Hit);
            assert_eq!(reply.header("etag"), Some("\"v1\""));
            assert_eq!(reply.header("cache-control"), Some("max-age=3600"));
            assert_eq!((reply.header("content-length"), reply.header("content-type")), (None, None));
            assert!(reply.header("date").is_some());
        }
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn conditions_that_hold_get_the_whole_from_the_store() {
    let stage = stored().await;
    for (name, value) in [
        ("If-None-Match", "\"v2\""),
        ("If-None-Match", "v1"),
        ("If-Modified-Since", EARLIER),
        ("If-Modified-Since", "yesterday"),
        ("If-Match", "\"v2\""),
    ] {
        expect(&stage.send(&Ask::get(HOST, "/a").with(name, value)).await, 200, "hello", Outcome::Hit);
    }
    // A tag outweighs a date.
    let both = Ask::get(HOST, "/a").with("If-None-Match", "\"v2\"").with("If-Modified-Since", LATER);
    expect(&stage.send(&both).await, 200, "hello", Outcome::Hit);
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_client_s_condition_does_not_reach_the_origin_of_what_can_be_stored() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("hello").field("ETag", "\"v1\""));
    let reply = stage.send(&Ask::get(HOST, "/a").with("If-None-Match", "\"v1\"")).await;
    expect(&reply, 304, "", Outcome::Miss);
    let seen = stage.origin.last("/a");
    assert_eq!((seen.field("if-none-match"), seen.field("if-modified-since")), (None, None));
    // The client had its answer at the head; the body is stored all the same.
    eventually("it is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_condition_is_not_checked_against_what_is_no_success() {
    let stage = Stage::with_site("[sites.negative_ttl]\n404 = \"1m\"").await;
    stage.origin.on("/a", Script::ok("gone").status(404).field("ETag", "\"v1\""));
    stage.get("/a").await;
    let reply = stage.send(&Ask::get(HOST, "/a").with("If-None-Match", "\"v1\"")).await;
    assert_eq!((reply.status.as_u16(), outcome(&reply)), (404, Outcome::Hit));
}
