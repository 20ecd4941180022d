//! Purges that meet a fetch on its way: what the origin sent before the purge answers nobody who came after it.

use crate::stage::{Gate, HOST, Script, Stage, eventually, outcome, pattern, replies, reply, tag, url};
use edge::wire::purge::{Mode, Target};
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

/// A request is at the origin when the purge comes: later ones fetch anew, whatever becomes of it.
async fn check(targets: &[Target], tags: &str) {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("old").field("Surrogate-Key", tags).after(&gate));
    stage.origin.on("/a", Script::cached("new").field("Surrogate-Key", tags));
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    stage.purge(Mode::Hard, targets).await;
    let late = stage.get("/a").await;
    assert_eq!((late.text().as_str(), outcome(&late)), ("new", Outcome::Miss), "{targets:?}");
    gate.open();
    assert_eq!(reply(early).await.text(), "old", "it came before the purge");
    for reply in replies(stage.many("/a", 10)).await {
        assert_eq!((reply.text().as_str(), outcome(&reply)), ("new", Outcome::Hit), "{targets:?}");
    }
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_fetch_is_not_joined_after_a_purge() {
    check(&[url("/a")], "").await;
    check(&[Target::Prefix { url: format!("http://{HOST}/") }], "").await;
    check(&[Target::Host { host: HOST.into() }], "").await;
    check(&[Target::Site { site: "docs".into() }], "").await;
    check(&[Target::Everything], "").await;
}

/// By its tags a purge selects what nobody has seen the tags of yet: those who came after it wait for the head, and
/// then fetch anew.
#[tokio::test]
async fn a_fetch_whose_tags_turn_out_to_be_purged_is_left() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("old").field("Surrogate-Key", "x y").after(&gate));
    stage.origin.on("/a", Script::cached("new").field("Surrogate-Key", "x y"));
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    stage.purge(Mode::Hard, &[tag("y")]).await;
    let late = stage.many("/a", 10);
    eventually("eleven connections", async || stage.stats().await.connections == 11).await;
    gate.open();
    assert_eq!(reply(early).await.text(), "old");
    for reply in replies(late).await {
        assert_eq!(reply.text(), "new");
    }
    assert_eq!(stage.origin.count("/a"), 2);
    assert_eq!(outcome(&stage.get("/a").await), Outcome::Hit);
}

#[tokio::test]
async fn a_fetch_with_other_tags_is_joined() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("x").field("Surrogate-Key", "x").after(&gate));
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    stage.purge(Mode::Hard, &[tag("other"), url("/other")]).await;
    let late = stage.many("/a", 10);
    eventually("eleven connections", async || stage.stats().await.connections == 11).await;
    gate.open();
    reply(early).await;
    replies(late).await;
    assert_eq!(stage.origin.count("/a"), 1);
}

/// The head is there and the body still arrives.
#[tokio::test]
async fn a_fill_is_not_joined_after_a_purge() {
    for (targets, tags) in [(vec![url("/a")], ""), (vec![tag("x")], "x"), (vec![Target::Everything], "")] {
        let stage = Stage::new().await;
        let (gate, old) = (Gate::new(), pattern(200_000));
        let script = Script::cached(old.clone()).field("Surrogate-Key", tags).pause_at(100_000, &gate);
        stage.origin.next("/a", script);
        stage.origin.on("/a", Script::cached("new").field("Surrogate-Key", tags));
        let mut early = stage.open("/a").await;
        early.bytes_after_head(100_000).await;
        stage.purge(Mode::Hard, &targets).await;
        for n in 0..3 {
            let reply = stage.get("/a").await;
            let did = if n == 0 { Outcome::Miss } else { Outcome::Hit };
            assert_eq!((reply.text().as_str(), outcome(&reply)), ("new", did), "{targets:?}");
        }
        gate.open();
        assert!(early.rest().await.expect("it came before the purge") == old[100_000..]);
        eventually("the old fill has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
        let reply = stage.get("/a").await;
        assert_eq!((reply.text().as_str(), outcome(&reply)), ("new", Outcome::Hit), "{targets:?}");
        assert_eq!(stage.origin.count("/a"), 2);
    }
}

/// The old fill ends before the new one has its head: it is not served in the meantime.
#[tokio::test]
async fn an_old_fill_that_ends_first_is_not_served() {
    let stage = Stage::new().await;
    let (first, second) = (Gate::new(), Gate::new());
    stage.origin.next("/a", Script::cached("old").after(&first));
    stage.origin.next("/a", Script::cached("new").after(&second));
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    let mut late = vec![stage.ask(Ask::get(HOST, "/a"))];
    stage.origin.arrived("/a", 2).await;
    first.open();
    assert_eq!(reply(early).await.text(), "old");
    eventually("the old response is stored", async || stage.stats().await.store.objects == 1).await;
    late.extend(stage.many("/a", 10));
    eventually("eleven connections", async || stage.stats().await.connections == 11).await;
    second.open();
    for reply in replies(late).await {
        assert_eq!(reply.text(), "new");
    }
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn purges_one_after_the_other_leave_only_the_last_fetch() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    let bodies = ["0", "1", "2", "3", "4"];
    let mut asking = Vec::new();
    for (n, body) in bodies.into_iter().enumerate() {
        stage.origin.next("/a", Script::cached(body).after(&gate));
        asking.push(stage.ask(Ask::get(HOST, "/a")));
        stage.origin.arrived("/a", n + 1).await;
        if n < bodies.len() - 1 {
            stage.purge(Mode::Hard, &[url("/a")]).await;
        }
    }
    gate.open();
    for (body, asking) in bodies.into_iter().zip(asking) {
        assert_eq!(reply(asking).await.text(), body);
    }
    eventually("all fills have ended", async || stage.stats().await.store.fills_in_flight == 0).await;
    let last = stage.get("/a").await;
    assert_eq!((last.text().as_str(), outcome(&last)), ("4", Outcome::Hit));
}

/// A refresh in the background that began before the purge brings nothing back.
#[tokio::test]
async fn a_refresh_in_flight_is_hidden_too() {
    for targets in [vec![url("/a")], vec![tag("x")]] {
        let stage = Stage::new().await;
        let gate = Gate::new();
        let script = |script: Script| script.field("Surrogate-Key", "x");
        stage.origin.next("/a", script(Script::stale("old", ", stale-while-revalidate=600")));
        stage.origin.next("/a", script(Script::cached("old too").after(&gate)));
        stage.origin.on("/a", script(Script::cached("new")));
        stage.get("/a").await;
        let stale = stage.get("/a").await;
        assert_eq!((stale.text().as_str(), outcome(&stale)), ("old", Outcome::Stale));
        stage.origin.arrived("/a", 2).await;
        stage.purge(Mode::Hard, &targets).await;
        let reply = stage.get("/a").await;
        assert_eq!((reply.text().as_str(), outcome(&reply)), ("new", Outcome::Miss), "{targets:?}");
        gate.open();
        stage.origin.answered("/a", 3).await;
        eventually("the refresh has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
        let reply = stage.get("/a").await;
        assert_eq!((reply.text().as_str(), outcome(&reply)), ("new", Outcome::Hit), "{targets:?}");
    }
}

/// A validation that began before the purge does not revive what the purge hides.
#[tokio::test]
async fn a_validation_in_flight_revives_nothing() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    let same = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600");
    stage.origin.next("/a", Script::stale("old", "").field("ETag", "\"1\""));
    stage.origin.next("/a", same.after(&gate));
    stage.origin.on("/a", Script::cached("new"));
    stage.get("/a").await;
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 2).await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    gate.open();
    assert_eq!(reply(early).await.text(), "new", "the 304 is for what is dead by now: it is fetched again");
    let late = stage.get("/a").await;
    assert_eq!((late.text().as_str(), outcome(&late)), ("new", Outcome::Miss));
    assert_eq!(stage.origin.last("/a").field("if-none-match"), None);
}

/// Variants: the old fill was of another one, and is hidden all the same.
#[tokio::test]
async fn a_fill_of_a_variant_is_hidden() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    let vary = |body: &'static str| Script::cached(body).field("Vary", "Accept-Language");
    let ask = |language: &str| Ask::get(HOST, "/a").with("Accept-Language", language);
    stage.origin.next("/a", vary("old de"));
    stage.origin.next("/a", vary("old en").after(&gate));
    stage.origin.next("/a", vary("new en"));
    stage.origin.next("/a", vary("new de"));
    stage.send(&ask("de")).await;
    let early = stage.ask(ask("en"));
    stage.origin.arrived("/a", 2).await;
    stage.purge(Mode::Hard, &[url("/a")]).await;
    assert_eq!(stage.send(&ask("en")).await.text(), "new en");
    gate.open();
    assert_eq!(reply(early).await.text(), "old en");
    assert_eq!(stage.send(&ask("en")).await.text(), "new en");
    assert_eq!(stage.send(&ask("de")).await.text(), "new de");
}
