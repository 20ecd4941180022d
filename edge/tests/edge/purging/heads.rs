//! What a HEAD has freshened is still what it was before.

use crate::stage::{Gate, HOST, Script, Stage, expect, outcome, reply, tag, url};
use edge::wire::purge::{Mode, Target};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

fn head() -> Ask {
    Ask::new(Method::HEAD, HOST, "/a")
}

/// A stale response without validators, and what the origin says from then on.
async fn stored() -> Stage {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("hello", ", stale-if-error=600").field("Surrogate-Key", "old"));
    stage.get("/a").await;
    stage
}

fn targets() -> [Target; 5] {
    [
        url("/a"),
        tag("old"),
        Target::Prefix { url: format!("http://{HOST}/") },
        Target::Host { host: HOST.into() },
        Target::Everything,
    ]
}

#[tokio::test]
async fn a_purge_hides_it() {
    for target in targets().into_iter().chain([tag("new")]) {
        let stage = stored().await;
        stage.origin.next("/a", Script::cached("hello").field("Surrogate-Key", "new"));
        stage.send(&head()).await;
        expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
        stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
        stage.origin.on("/a", Script::cached("anew!"));
        expect(&stage.get("/a").await, 200, "anew!", Outcome::Miss);
    }
}

/// The purge comes while the HEAD is at the origin: what it says then is of another response, of the same length.
#[tokio::test]
async fn a_head_in_flight_revives_nothing() {
    for target in targets() {
        for origin_fails in [false, true] {
            let stage = stored().await;
            let gate = Gate::new();
            stage.origin.next("/a", Script::cached("anew!").field("Surrogate-Key", "new").after(&gate));
            let early = stage.ask(head());
            stage.origin.arrived("/a", 2).await;
            stage.purge(Mode::Hard, std::slice::from_ref(&target)).await;
            gate.open();
            assert_eq!(reply(early).await.status.as_u16(), 200);
            let then = if origin_fails { Script::ok("down").status(503) } else { Script::cached("anew!") };
            stage.origin.on("/a", then);
            let want = if origin_fails { "down" } else { "anew!" };
            assert_eq!(stage.get("/a").await.text(), want, "{target:?}");
        }
    }
}

#[tokio::test]
async fn nor_does_one_after_a_soft_purge() {
    let stage = Stage::with_site("stale_while_revalidate = \"1h\"").await;
    stage.origin.next("/a", Script::cached("hello"));
    stage.get("/a").await;
    stage.purge(Mode::Soft, &[url("/a")]).await;
    let gate = Gate::new();
    stage.origin.on("/a", Script::cached("anew!").after(&gate));
    for ask in [head(), Ask::get(HOST, "/a"), head(), Ask::get(HOST, "/a")] {
        assert_eq!(outcome(&stage.send(&ask).await), Outcome::Stale);
    }
    gate.open();
    crate::stage::eventually("it is refreshed", async || stage.get("/a").await.text() == "anew!").await;
    assert_eq!(stage.origin.count("/a"), 2);
}

#[tokio::test]
async fn a_change_in_between_counts_like_a_purge() {
    let stage = stored().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("anew!").after(&gate));
    let early = stage.ask(head());
    stage.origin.arrived("/a", 2).await;
    stage.origin.next("/a", Script::ok("done"));
    stage.send(&Ask::new(Method::PUT, HOST, "/a")).await;
    gate.open();
    reply(early).await;
    stage.origin.on("/a", Script::cached("anew!"));
    expect(&stage.get("/a").await, 200, "anew!", Outcome::Miss);
}
