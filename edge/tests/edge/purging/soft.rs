//! Soft purges: what they select is stale from then on.

use crate::stage::{Gate, Script, Stage, eventually, expect, outcome, parameter, tag, url};
use edge::wire::purge::{Mode, Target};
use scenarios::cache_status::Outcome;

const WINDOWS: &str = "stale_while_revalidate = \"1h\"\nstale_if_error = \"1h\"";

#[tokio::test]
async fn stale_is_served_while_one_refresh_runs_and_then_fresh() {
    for target in [url("/a"), tag("x"), Target::Everything] {
        let stage = Stage::with_site(WINDOWS).await;
        let gate = Gate::new();
        let script = |script: Script| script.field("Surrogate-Key", "x").field("ETag", "\"1\"");
        stage.origin.next("/a", script(Script::cached("old")));
        stage.origin.on("/a", script(Script::cached("new").after(&gate)));
        stage.get("/a").await;
        stage.purge(Mode::Soft, std::slice::from_ref(&target)).await;
        for _ in 0..10 {
            let reply = stage.get("/a").await;
            expect(&reply, 200, "old", Outcome::Stale);
            assert!(parameter(&reply, "ttl").is_some_and(|ttl| ttl < 0), "{:?}", reply.headers);
            assert!(reply.header("cache-status").is_some_and(|text| text.contains("soft-purged")));
        }
        stage.origin.arrived("/a", 2).await;
        assert_eq!(stage.origin.last("/a").field("if-none-match"), Some("\"1\""));
        gate.open();
        eventually("it is fresh", async || outcome(&stage.get("/a").await) == Outcome::Hit).await;
        expect(&stage.get("/a").await, 200, "new", Outcome::Hit);
        assert_eq!(stage.origin.count("/a"), 2, "{target:?}");
    }
}

#[tokio::test]
async fn a_validation_ends_it() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::cached("same").field("ETag", "\"1\""));
    stage.origin.on("/a", Script::not_modified().field("ETag", "\"1\""));
    stage.get("/a").await;
    stage.purge(Mode::Soft, &[url("/a")]).await;
    // The site has no window: it is validated first.
    expect(&stage.get("/a").await, 200, "same", Outcome::Revalidated);
    expect(&stage.get("/a").await, 200, "same", Outcome::Hit);
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn what_is_purged_softly_stands_in_for_an_origin_that_fails() {
    let stage = Stage::with_site("stale_if_error = \"1h\"").await;
    stage.origin.next("/a", Script::cached("old"));
    stage.origin.next("/a", Script::ok("down").status(503));
    stage.origin.on("/a", Script::cached("new"));
    stage.get("/a").await;
    stage.purge(Mode::Soft, &[url("/a")]).await;
    expect(&stage.get("/a").await, 200, "old", Outcome::Stale);
    eventually("the origin is heard", async || stage.get("/a").await.text() == "new").await;
    assert_eq!(stage.origin.count("/a"), 3);
}

#[tokio::test]
async fn a_hard_purge_after_a_soft_one_hides_and_the_other_way_round() {
    for modes in [[Mode::Soft, Mode::Hard], [Mode::Hard, Mode::Soft]] {
        let stage = Stage::with_site(WINDOWS).await;
        stage.origin.next("/a", Script::cached("old"));
        stage.origin.on("/a", Script::cached("new"));
        stage.get("/a").await;
        for mode in modes {
            stage.purge(mode, &[url("/a")]).await;
        }
        expect(&stage.get("/a").await, 200, "new", Outcome::Miss);
    }
}

/// A refresh that began before the soft purge may bring what was sent before it: another one follows.
#[tokio::test]
async fn a_refresh_that_is_older_than_the_purge_does_not_count() {
    for target in [url("/a"), tag("x")] {
        let stage = Stage::with_site(WINDOWS).await;
        let gate = Gate::new();
        let script = |script: Script| script.field("Surrogate-Key", "x");
        stage.origin.next("/a", script(Script::stale("1", "")));
        stage.origin.next("/a", script(Script::cached("2").after(&gate)));
        stage.origin.on("/a", script(Script::cached("3")));
        stage.get("/a").await;
        expect(&stage.get("/a").await, 200, "1", Outcome::Stale);
        stage.origin.arrived("/a", 2).await;
        stage.purge(Mode::Soft, std::slice::from_ref(&target)).await;
        eventually("it is fresh", async || {
            let reply = stage.get("/a").await;
            assert_ne!((reply.text().as_str(), outcome(&reply)), ("2", Outcome::Hit), "{target:?}");
            (reply.text().as_str(), outcome(&reply)) == ("3", Outcome::Hit)
        })
        .await;
        gate.open();
        stage.origin.answered("/a", 3).await;
        eventually("the old refresh has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
        expect(&stage.get("/a").await, 200, "3", Outcome::Hit);
        assert_eq!(stage.origin.count("/a"), 3, "{target:?}");
    }
}

#[tokio::test]
async fn repeated_soft_purges_end_with_the_last() {
    let stage = Stage::with_site(WINDOWS).await;
    for n in 0..=5 {
        stage.origin.on("/a", Script::cached(n.to_string()));
        if n == 0 {
            stage.get("/a").await;
        }
        stage.purge(Mode::Soft, &[url("/a")]).await;
        eventually("it is fresh", async || {
            let reply = stage.get("/a").await;
            outcome(&reply) == Outcome::Hit && reply.text() == n.to_string()
        })
        .await;
    }
}
