//! Many requests at once.

use crate::stage::{Gate, HOST, Script, Stage, eventually, outcome, pattern, replies, reply};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

#[tokio::test]
async fn fifty_requests_for_a_cold_key_are_one_to_the_origin() {
    for chunked in [false, true] {
        let stage = Stage::new().await;
        let (gate, body) = (Gate::new(), pattern(1 << 20));
        let script = Script::cached(body.clone()).after(&gate);
        stage.origin.on("/a", if chunked { script.chunked() } else { script });
        let asking = stage.many("/a", 50);
        stage.origin.arrived("/a", 1).await;
        gate.open();
        let mut count = std::collections::HashMap::new();
        for reply in replies(asking).await {
            assert!(reply.body == body, "{} bytes", reply.body.len());
            *count.entry(outcome(&reply)).or_insert(0) += 1;
        }
        assert_eq!(stage.origin.count("/a"), 1);
        assert_eq!(count.get(&Outcome::Miss), Some(&1), "{count:?}");
        assert!(count.keys().all(|did| matches!(did, Outcome::Miss | Outcome::Collapsed | Outcome::Hit)), "{count:?}");
        let stats = stage.stats_after(50).await;
        assert_eq!((stats.total.requests, stats.total.upstream_requests), (50, 1));
    }
}

#[tokio::test]
async fn those_that_waited_say_that_they_were_collapsed() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").after(&gate));
    let first = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    let joined = stage.many("/a", 5);
    // The statistics are answered by the same process: by then it has taken the requests in.
    eventually("six connections", async || stage.stats().await.connections == 6).await;
    gate.open();
    assert_eq!(outcome(&reply(first).await), Outcome::Miss);
    let joined = replies(joined).await;
    assert!(joined.iter().any(|reply| outcome(reply) == Outcome::Collapsed), "{joined:?}");
    for reply in &joined {
        assert!(matches!(outcome(reply), Outcome::Collapsed | Outcome::Hit), "{:?}", reply.headers);
    }
    let counts = stage.stats_after(6).await.total.by_cache_status;
    assert_eq!(counts.get("collapsed").copied().unwrap_or(0) + counts.get("hit").copied().unwrap_or(0), 5);
}

#[tokio::test]
async fn what_is_not_stored_is_waited_for_once() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    let passed = || Script::ok("mine").field("Cache-Control", "private");
    stage.origin.next("/a", passed());
    stage.get("/a").await;
    // By now the node knows: all of these are at the origin at the same time.
    stage.origin.on("/a", passed().after(&gate));
    let asking = stage.many("/a", 20);
    stage.origin.arrived("/a", 21).await;
    gate.open();
    for reply in replies(asking).await {
        assert_eq!(reply.text(), "mine");
    }
}

#[tokio::test]
async fn those_that_wait_for_what_is_not_stored_go_on_together() {
    let stage = Stage::new().await;
    let (first, others) = (Gate::new(), Gate::new());
    let passed = || Script::ok("mine").field("Cache-Control", "no-store");
    stage.origin.next("/a", passed().after(&first));
    stage.origin.on("/a", passed().after(&others));
    let mut asking = stage.many("/a", 1);
    stage.origin.arrived("/a", 1).await;
    asking.extend(stage.many("/a", 20));
    first.open();
    stage.origin.arrived("/a", 21).await;
    others.open();
    for reply in replies(asking).await {
        assert_eq!(reply.text(), "mine");
    }
}

#[tokio::test]
async fn what_was_not_stored_may_be_stored_later() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::ok("mine").field("Cache-Control", "private"));
    stage.origin.on("/a", Script::cached("shared"));
    assert_eq!(stage.get("/a").await.text(), "mine");
    assert_eq!(stage.get("/a").await.text(), "shared");
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
}

#[tokio::test]
async fn a_failed_fetch_is_tried_anew_by_those_that_waited() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::raw("").after(&gate));
    stage.origin.on("/a", Script::cached("good"));
    let first = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    let joined = stage.many("/a", 10);
    eventually("eleven connections", async || stage.stats().await.connections == 11).await;
    gate.open();
    assert_eq!(reply(first).await.status.as_u16(), 502);
    for reply in replies(joined).await {
        assert_eq!(reply.text(), "good");
    }
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_does_not_take_the_others_with_it() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").after(&gate));
    let leaving = stage.open("/a").await;
    stage.origin.arrived("/a", 1).await;
    let joined = stage.many("/a", 5);
    eventually("six connections", async || stage.stats().await.connections == 6).await;
    drop(leaving);
    gate.open();
    for reply in replies(joined).await {
        assert_eq!(reply.text(), "x");
    }
    assert!(stage.origin.count("/a") <= 2);
    eventually("it is stored", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
}

/// Hits, misses, passes, uncacheable and posted requests, all at once, each with its own right answer.
#[tokio::test]
async fn many_mixed_requests_at_once() {
    let stage = Stage::new().await;
    let (large, small) = (pattern((1 << 20) + 7), pattern(1000));
    stage.origin.on("/large", Script::cached(large.clone()));
    stage.origin.on("/chunked", Script::cached(large.clone()).chunked());
    stage.origin.on("/small", Script::cached(small.clone()));
    stage.origin.on("/mine", Script::ok(small.clone()).field("Cache-Control", "private"));
    stage.origin.on("/post", Script::ok("posted"));
    stage.get("/small").await;
    let mut asking = Vec::new();
    for _ in 0..30 {
        for target in ["/large", "/chunked", "/small", "/mine"] {
            asking.push((target, stage.ask(Ask::get(HOST, target))));
        }
        asking.push(("/post", stage.ask(Ask::new(http::Method::POST, HOST, "/post").json(vec![b'x'; 10_000]))));
    }
    for (target, asking) in asking {
        let reply = reply(asking).await;
        let want = match target {
            "/large" | "/chunked" => &large[..],
            "/post" => b"posted",
            _ => &small[..],
        };
        assert!(reply.status == 200 && reply.body == want, "{target}: {} bytes", reply.body.len());
    }
    let count = |target| stage.origin.count(target);
    assert_eq!((count("/large"), count("/chunked"), count("/small")), (1, 1, 1));
    assert_eq!((count("/mine"), count("/post")), (30, 30));
    assert!(stage.origin.requests("/post").iter().all(|request| request.body == vec![b'x'; 10_000]));
    let stats = stage.stats_after(151).await;
    assert_eq!(stats.total.requests, 151);
    assert_eq!(stats.total.by_cache_status.values().sum::<u64>(), 151);
    assert_eq!(stats.total.by_cache_status["pass"], 30);
    assert_eq!(stats.total.body_bytes_sent, 60 * large.len() as u64 + 61 * 1000 + 30 * 6);
    assert_eq!(stats.total.upstream_body_bytes, 2 * large.len() as u64 + 31 * 1000 + 30 * 6);
    assert_eq!(stats.total.upstream_requests, 63);
    assert_eq!(stats.store.objects, 3);
}

/// What is stale as soon as it comes does not make the requests for it wait in a row.
#[tokio::test]
async fn requests_for_what_is_stale_at_once_wait_once_at_most() {
    let stage = Stage::with_site("stale_if_error = \"1h\"").await;
    let (first, rest) = (Gate::new(), Gate::new());
    stage.origin.next("/a", Script::ok("a").field("Cache-Control", "max-age=0").after(&first));
    stage.origin.on("/a", Script::ok("a").field("Cache-Control", "max-age=0").after(&rest));
    let asking = stage.many("/a", 12);
    stage.origin.arrived("/a", 1).await;
    eventually("all are there", async || stage.stats().await.connections >= 12).await;
    first.open();
    // All others are at the origin together, while it answers none of them. Who came last may not have waited at all.
    stage.origin.arrived("/a", 8).await;
    rest.open();
    assert!(replies(asking).await.iter().all(|reply| reply.text() == "a"));
}

/// A request that came back must not wait for itself, and only the node itself can say that it did.
#[tokio::test]
async fn who_claims_to_have_passed_before_waits_like_the_others() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").after(&gate));
    let asks = ["tidewall", "tidewall;w=0000000000000000"].into_iter().cycle().take(20);
    let asking: Vec<_> = asks.map(|passed| stage.ask(Ask::get(HOST, "/a").with("CDN-Loop", passed))).collect();
    stage.origin.arrived("/a", 1).await;
    // Time enough for the others to arrive, if they didn't wait.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert_eq!(stage.origin.count("/a"), 1);
    gate.open();
    for reply in replies(asking).await {
        assert_eq!(reply.text(), "x");
    }
    assert_eq!(stage.origin.count("/a"), 1);
}
