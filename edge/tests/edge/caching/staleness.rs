//! Stale responses that are served: while they are refreshed, or because the origin fails (RFC 5861).

use crate::stage::{Gate, HOST, Script, Stage, eventually, expect, outcome, parameter, pattern, replies, reply, url};
use edge::clock;
use edge::wire::purge::Mode;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;
use std::time::Duration;

const SWR: &str = ", stale-while-revalidate=600";
const SIE: &str = ", stale-if-error=600";

/// Waits until the response is fresh again, which takes no more requests than this.
async fn becomes(stage: &Stage, target: &str, body: &str) {
    eventually("the refreshed response is served", async || {
        let reply = stage.get(target).await;
        outcome(&reply) == Outcome::Hit && reply.text() == body
    })
    .await;
}

#[tokio::test]
async fn stale_is_served_at_once_while_one_refresh_runs() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::stale("old", SWR).field("ETag", "\"v1\""));
    stage.origin.on("/a", Script::cached("new").after(&gate));
    expect(&stage.get("/a").await, 200, "old", Outcome::Miss);
    // The origin does not answer yet, so these answers can't have waited for it.
    for _ in 0..10 {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "old", Outcome::Stale);
        assert!(parameter(&reply, "ttl").is_some_and(|ttl| ttl < -50));
        assert!(reply.header("age").and_then(|age| age.parse().ok()).is_some_and(|age: u64| age >= 120));
    }
    stage.origin.arrived("/a", 2).await;
    for reply in replies(stage.many("/a", 50)).await {
        expect(&reply, 200, "old", Outcome::Stale);
    }
    assert_eq!(stage.origin.count("/a"), 2);
    assert_eq!(stage.origin.last("/a").field("if-none-match"), Some("\"v1\""));
    gate.open();
    becomes(&stage, "/a", "new").await;
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_refresh_that_is_arriving_is_the_only_one() {
    let stage = Stage::new().await;
    let (gate, new) = (Gate::new(), pattern(100_000));
    stage.origin.next("/a", Script::stale("old", SWR));
    stage.origin.on("/a", Script::cached(new.clone()).pause_at(50_000, &gate));
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
    eventually("the refresh is arriving", async || stage.stats().await.store.fills_in_flight == 1).await;
    for _ in 0..10 {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "old", Outcome::Stale);
        assert!(parameter(&reply, "ttl").is_some_and(|ttl| ttl < -50), "{:?}", reply.headers);
    }
    gate.open();
    eventually("it is fresh", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
    assert!(stage.get("/a").await.body == new);
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_refresh_may_be_a_304() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", SWR).field("ETag", "\"v1\""));
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"v1\"").field("Cache-Control", "max-age=600"));
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
    becomes(&stage, "/a", "old").await;
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_head_or_a_range_has_the_whole_refreshed() {
    let stage = Stage::new().await;
    let head = |target| Ask::new(http::Method::HEAD, HOST, target);
    let range = |target| Ask::get(HOST, target).with("Range", "bytes=1-1");
    let condition = |target| Ask::get(HOST, target).with("If-None-Match", "\"v1\"");
    for (ask, status, body) in
        [(head("/head"), 200, ""), (range("/range"), 206, "l"), (condition("/condition"), 304, "")]
    {
        let target = match status {
            200 => "/head",
            206 => "/range",
            _ => "/condition",
        };
        stage.origin.next(target, Script::stale("old", SWR).field("ETag", "\"v1\""));
        stage.origin.on(target, Script::cached("new"));
        stage.get(target).await;
        expect(&stage.send(&ask).await, status, body, Outcome::Stale);
        becomes(&stage, target, "new").await;
        let seen = stage.origin.last(target);
        assert_eq!((stage.origin.count(target), seen.method.as_str(), seen.field("range")), (2, "GET", None));
    }
}

/// What the client says of caching is not said again by a refresh, except where it selects what is refreshed.
#[tokio::test]
async fn a_refresh_is_of_the_variant_that_is_stale() {
    let stage = Stage::new().await;
    let says = |value: &str| Ask::get(HOST, "/a").with("Cache-Control", value);
    for value in ["x=1", "x=2"] {
        stage.origin.next("/a", Script::stale(format!("old {value}"), SWR).field("Vary", "Cache-Control"));
        expect(&stage.send(&says(value)).await, 200, &format!("old {value}"), Outcome::Miss);
    }
    for (n, value) in ["x=1", "x=2"].into_iter().enumerate() {
        let new = format!("new {value}");
        stage.origin.next("/a", Script::cached(new.clone()).field("Vary", "Cache-Control"));
        expect(&stage.send(&says(value)).await, 200, &format!("old {value}"), Outcome::Stale);
        eventually("the variant is refreshed", async || {
            let reply = stage.send(&says(value)).await;
            outcome(&reply) == Outcome::Hit && reply.text() == new
        })
        .await;
        assert_eq!((stage.origin.count("/a"), stage.origin.last("/a").field("cache-control")), (3 + n, Some(value)));
    }
    // What only now turns out to vary by it is another one's, whatever this refresh brought.
    stage.origin.next("/b", Script::stale("old", SWR));
    stage.origin.on("/b", Script::cached("new").field("Vary", "Cache-Control"));
    let asks = Ask::get(HOST, "/b").with("Cache-Control", "x=1");
    stage.send(&asks).await;
    expect(&stage.send(&asks).await, 200, "old", Outcome::Stale);
    eventually("it is fetched as it was asked for", async || outcome(&stage.send(&asks).await) == Outcome::Hit).await;
    let seen = stage.origin.requests("/b");
    let said: Vec<_> = seen.iter().map(|request| request.field("cache-control")).collect();
    assert_eq!(said, [Some("x=1"), None, Some("x=1")]);
}

#[tokio::test]
async fn a_refresh_that_fails_is_tried_again_one_at_a_time() {
    for broken in
        [Script::ok("down").status(500), Script::cached("too short").cut_at(3), Script::raw("nonsense\r\n\r\n")]
    {
        let stage = Stage::new().await;
        let gate = Gate::new();
        stage.origin.next("/a", Script::stale("old", SWR));
        stage.origin.next("/a", broken);
        stage.origin.next("/a", Script::cached("new").after(&gate));
        stage.get("/a").await;
        expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
        stage.origin.answered("/a", 2).await;
        // Until the node has noticed that the refresh failed, it starts no other one.
        eventually("another refresh", async || {
            expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
            stage.origin.count("/a") == 3
        })
        .await;
        for _ in 0..20 {
            expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
        }
        assert_eq!(stage.origin.count("/a"), 3, "one refresh at a time: {:?}", stage.origin.requests("/a"));
        gate.open();
        becomes(&stage, "/a", "new").await;
        assert_eq!(stage.origin.count("/a"), 3);
    }
}

/// Credentials that the stored response was had without say nothing of it: with them the refresh could not be stored.
#[tokio::test]
async fn a_refresh_has_credentials_only_if_what_is_stored_was_had_with_some() {
    let stage = Stage::new().await;
    let ask = |target| Ask::get(HOST, target).with("Authorization", "Basic eA==");
    for (target, more, went_up) in
        [("/a", SWR, None), ("/b", ", stale-while-revalidate=600, public", Some("Basic eA=="))]
    {
        stage.origin.next(target, Script::stale("old", more));
        stage.origin.on(target, Script::ok("new").field("Cache-Control", &format!("max-age=3600{more}")));
        match went_up {
            None => stage.get(target).await,
            Some(_) => stage.send(&ask(target)).await,
        };
        expect(&stage.send(&ask(target)).await, 200, "old", Outcome::Stale);
        becomes(&stage, target, "new").await;
        assert_eq!((stage.origin.count(target), stage.origin.last(target).field("authorization")), (2, went_up));
    }
}

/// A client's fields, for which the origin has an error, keep nothing stale for the others.
#[tokio::test]
async fn after_a_refresh_that_failed_the_next_one_says_nothing_of_its_client() {
    for status in [400, 401, 403, 429, 500, 503] {
        let stage = Stage::new().await;
        let ask = Ask::get(HOST, "/a").with("X-Bad", "1").with("X-Kind", "k").with("Cookie", "a=b");
        stage.origin.next("/a", Script::stale("old", SWR).field("Vary", "X-Kind"));
        stage.origin.next("/a", Script::ok("bad").status(status));
        stage.origin.on("/a", Script::cached("new").field("Vary", "X-Kind"));
        expect(&stage.send(&ask).await, 200, "old", Outcome::Miss);
        eventually("it is refreshed", async || stage.send(&ask).await.text() == "new").await;
        let seen = stage.origin.requests("/a");
        let said: Vec<_> =
            seen.iter().map(|seen| ["x-bad", "cookie", "x-kind"].map(|name| seen.field(name).is_some())).collect();
        assert_eq!(said, [[true; 3], [true; 3], [false, false, true]], "{status}");
    }
}

/// What an origin has against one request does not take from the others what stands in for it when it fails.
#[tokio::test]
async fn an_answer_to_one_request_does_not_end_what_is_stored() {
    for (status, stands_in) in
        [(400, true), (401, true), (403, true), (429, true), (431, true), (404, false), (410, false)]
    {
        let stage = Stage::new().await;
        stage.origin.next("/a", Script::stale("old", SIE).field("ETag", "\"v1\""));
        stage.origin.next("/a", Script::ok("no").status(status).field("Cache-Control", "no-store"));
        stage.origin.on("/a", Script::ok("down").status(503));
        stage.get("/a").await;
        assert_eq!(stage.send(&Ask::get(HOST, "/a").with("X-Bad", "1")).await.status.as_u16(), status);
        let reply = stage.get("/a").await;
        assert_eq!(reply.status.as_u16(), if stands_in { 200 } else { 503 }, "after a {status}: {}", reply.text());
    }
}

/// Who asks is refused, whoever it is: that is the resource's state.
#[tokio::test]
async fn a_refusal_for_everybody_ends_what_is_stored() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", SWR));
    stage.origin.on("/a", Script::ok("no").status(403));
    let ask = Ask::get(HOST, "/a").with("Cookie", "a=b");
    stage.send(&ask).await;
    eventually("it is refused", async || stage.send(&ask).await.status.as_u16() == 403).await;
    assert!(stage.origin.count("/a") >= 4, "the refresh, the bare one, and the request");
}

/// However many requests come, an origin in trouble is asked rarely, and less and less.
#[tokio::test]
async fn refreshes_that_fail_are_spaced_out() {
    for window in [SWR, SIE] {
        let stage = Stage::new().await;
        stage.origin.next("/a", Script::stale("old", window));
        stage.origin.on("/a", Script::ok("down").status(503));
        stage.get("/a").await;
        let began = clock::monotonic();
        // Of what may only stand in, the first refresh is the one after the request that found out.
        let refreshes = if window == SIE { 5 } else { 4 };
        eventually("two more refreshes", async || {
            expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
            stage.origin.count("/a") >= refreshes
        })
        .await;
        let waited = clock::monotonic() - began;
        assert!(waited >= Duration::from_secs(3), "a second, and then two: {waited:?}");
    }
}

#[tokio::test]
async fn a_purge_does_not_wait_for_the_next_refresh() {
    for mode in [Mode::Soft, Mode::Hard] {
        let stage = Stage::new().await;
        let gate = Gate::new();
        stage.origin.next("/a", Script::stale("old", SWR));
        stage.origin.next("/a", Script::ok("down").status(503));
        stage.origin.on("/a", Script::cached("new").after(&gate));
        stage.get("/a").await;
        stage.get("/a").await;
        stage.origin.answered("/a", 2).await;
        stage.purge(mode, &[url("/a")]).await;
        let asking = stage.ask(Ask::get(HOST, "/a"));
        stage.origin.arrived("/a", 3).await;
        gate.open();
        assert_eq!(reply(asking).await.text(), if mode == Mode::Soft { "old" } else { "new" });
        becomes(&stage, "/a", "new").await;
    }
}

#[tokio::test]
async fn the_site_s_windows_hold_for_responses_that_state_none() {
    let stage = Stage::with_site("stale_while_revalidate = \"10m\"\nstale_if_error = \"10m\"").await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::stale("old", ""));
    stage.origin.on("/a", Script::hang(&gate));
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
    stage.origin.next("/b", Script::stale("old", ", stale-while-revalidate=0"));
    stage.origin.on("/b", Script::ok("down").status(503));
    stage.get("/b").await;
    expect(&stage.get("/b").await, 200, "old", Outcome::Stale);
}

#[tokio::test]
async fn an_origin_that_fails_is_stood_in_for() {
    let mut stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    let failures = [
        ("/500", Script::ok("down").status(500)),
        ("/502", Script::ok("down").status(502)),
        ("/503", Script::ok("down").status(503)),
        ("/504", Script::ok("down").status(504)),
        ("/slow", Script::hang(&never)),
        ("/cut", Script::raw("")),
        ("/garbage", Script::raw("what?\r\n\r\n")),
    ];
    for (target, failure) in failures {
        stage.origin.next(target, Script::stale("old", SIE));
        stage.origin.on(target, failure);
        stage.get(target).await;
        for _ in 0..3 {
            let reply = stage.get(target).await;
            expect(&reply, 200, "old", Outcome::Stale);
            let status = reply.header("cache-status").unwrap_or_default();
            assert!(status.contains("stale-if-error"), "{target}: {status}");
        }
    }
    stage.origin.next("/gone", Script::stale("old", SIE));
    stage.get("/gone").await;
    stage.origin.stop().await;
    expect(&stage.get("/gone").await, 200, "old", Outcome::Stale);
}

/// Only the first request waits for an origin that fails; then one at a time tries again, and the others don't wait.
#[tokio::test]
async fn a_failing_origin_is_not_waited_for_again_and_again() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::stale("old", SIE));
    stage.origin.next("/a", Script::ok("down").status(503));
    stage.origin.on("/a", Script::cached("new").after(&gate));
    stage.get("/a").await;
    for _ in 0..20 {
        let reply = stage.get("/a").await;
        expect(&reply, 200, "old", Outcome::Stale);
        assert!(reply.header("cache-status").is_some_and(|text| text.contains("stale-if-error")));
    }
    stage.origin.arrived("/a", 3).await;
    for reply in replies(stage.many("/a", 20)).await {
        expect(&reply, 200, "old", Outcome::Stale);
    }
    assert_eq!(stage.origin.count("/a"), 3);
    gate.open();
    becomes(&stage, "/a", "new").await;
    assert_eq!(stage.origin.count("/a"), 3);
}

/// An origin that answers, be it with an error of the client's, does not fail any more.
#[tokio::test]
async fn an_origin_that_answers_again_is_heard() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("old", SIE));
    stage.origin.next("/a", Script::ok("down").status(503));
    stage.origin.on("/a", Script::ok("gone").status(404));
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
    eventually("the origin is heard", async || stage.get("/a").await.status.as_u16() == 404).await;
    assert_eq!(stage.get("/a").await.text(), "gone");
}

#[tokio::test]
async fn an_answer_that_is_no_outage_is_passed_on() {
    let stage = Stage::new().await;
    for (target, status) in [("/404", 404), ("/501", 501), ("/429", 429)] {
        stage.origin.next(target, Script::stale("old", SIE));
        stage.origin.on(target, Script::ok("no").status(status));
        stage.get(target).await;
        let reply = stage.get(target).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (status, "no"));
    }
}

#[tokio::test]
async fn without_a_window_the_failure_is_told() {
    let mut stage = Stage::with("[[origins]]\nid = \"docs\"\nfirst_byte_timeout = \"200ms\"").await;
    let never = Gate::new();
    for (target, failure, status) in [
        ("/503", Script::ok("down").status(503), 503),
        ("/slow", Script::hang(&never), 504),
        ("/cut", Script::raw(""), 502),
    ] {
        stage.origin.next(target, Script::stale("old", ""));
        stage.origin.on(target, failure);
        stage.get(target).await;
        assert_eq!(stage.get(target).await.status.as_u16(), status, "{target}");
    }
    stage.origin.next("/gone", Script::stale("old", ""));
    stage.get("/gone").await;
    stage.origin.stop().await;
    let reply = stage.get("/gone").await;
    assert_eq!(reply.status.as_u16(), 502);
    assert!(reply.text().contains("The origin could not be reached"), "{}", reply.text());
}

#[tokio::test]
async fn must_revalidate_forbids_both() {
    let site = "stale_while_revalidate = \"10m\"\nstale_if_error = \"10m\"";
    let stage = Stage::with_site(site).await;
    for (target, control) in [
        ("/must", ", must-revalidate, stale-while-revalidate=600, stale-if-error=600"),
        ("/proxy", ", proxy-revalidate, stale-while-revalidate=600, stale-if-error=600"),
        ("/shared", ", s-maxage=60, stale-while-revalidate=600, stale-if-error=600"),
        ("/no-cache", ", no-cache, stale-while-revalidate=600, stale-if-error=600"),
    ] {
        stage.origin.next(target, Script::stale("old", control).field("ETag", "\"v1\""));
        stage.origin.next(target, Script::ok("down").status(503));
        stage.origin.on(target, Script::cached("new"));
        stage.get(target).await;
        assert_eq!(stage.get(target).await.status.as_u16(), 503, "{target}");
        assert_eq!(stage.get(target).await.text(), "new", "{target}");
    }
}
