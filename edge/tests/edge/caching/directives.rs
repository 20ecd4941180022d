//! What requests say of caching (RFC 9111 §5.2.1), and how far a site heeds it.

use crate::stage::{Gate, HOST, Script, Stage, eventually, expect, outcome, pattern, replies, reply};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Connection};

const ALL: &str = "client_directives = \"all\"";
const SWR: &str = ", stale-while-revalidate=600";

fn saying(target: &str, control: &str) -> Ask {
    Ask::get(HOST, target).with("Cache-Control", control)
}

/// A response that is half an hour old, and has another half.
fn half_old() -> Script {
    Script::cached("hello").field("Age", "1800").field("ETag", "\"1\"").validated()
}

/// What forces a validation of a fresh response, where all directives are heeded.
fn forcing() -> Vec<Ask> {
    let controls =
        ["no-cache", "No-Cache", "x, no-cache=\"y\"", "max-age=0", "max-age=1700", "max-age=x", "min-fresh=1900"];
    let more = ["min-fresh=x", "max-age=3000, max-age=1"];
    let pragma = Ask::get(HOST, "/a").with("Pragma", "x, No-Cache");
    controls.into_iter().chain(more).map(|control| saying("/a", control)).chain([pragma]).collect()
}

#[tokio::test]
async fn a_site_may_heed_what_forces_a_validation() {
    let stage = Stage::with_site(ALL).await;
    stage.origin.on("/a", half_old());
    expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
    for (n, ask) in forcing().iter().enumerate() {
        let reply = stage.send(ask).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"), "{ask:?}");
        let status = reply.header("cache-status").unwrap_or_default();
        assert!(status.contains("fwd=request;fwd-status=304"), "{ask:?}: {status}");
        assert_eq!(stage.origin.count("/a"), n + 2, "{ask:?}");
        assert_eq!(stage.origin.last("/a").field("if-none-match"), Some("\"1\""), "{ask:?}");
    }
    let validated = stage.origin.count("/a");
    for control in ["max-age=1900", "min-fresh=1700", "no-store", "max-stale", "max-age=1900, max-stale=5", "x"] {
        // A Pragma beside a Cache-Control says nothing.
        let ask = saying("/a", control).with("Pragma", "no-cache");
        expect(&stage.send(&ask).await, 200, "hello", Outcome::Hit);
    }
    assert_eq!(stage.origin.count("/a"), validated);
}

#[tokio::test]
async fn by_default_no_client_can_force_a_validation() {
    let stage = Stage::new().await;
    stage.origin.on("/a", half_old());
    stage.get("/a").await;
    for ask in forcing() {
        expect(&stage.send(&ask).await, 200, "hello", Outcome::Hit);
    }
    assert_eq!(stage.origin.count("/a"), 1);
    // Nor keep a response out of the cache.
    stage.origin.on("/b", Script::cached("hello"));
    stage.send(&saying("/b", "no-store")).await;
    expect(&stage.get("/b").await, 200, "hello", Outcome::Hit);
}

#[tokio::test]
async fn what_a_request_asks_not_to_store_is_not_stored() {
    let stage = Stage::with_site(ALL).await;
    stage.origin.on("/a", Script::cached("hello"));
    for n in 1..=2 {
        let reply = stage.send(&saying("/a", "no-store")).await;
        let status = reply.header("cache-status").unwrap_or_default();
        assert!(!status.contains(";stored") && status.contains("request-no-store"), "{status}");
        assert_eq!(stage.origin.count("/a"), n);
    }
    // It says nothing of the requests of others.
    expect(&stage.get("/a").await, 200, "hello", Outcome::Miss);
    expect(&stage.send(&saying("/a", "no-store")).await, 200, "hello", Outcome::Hit);
    // A response that such a request has validated stays as it was.
    stage.origin.next("/b", Script::stale("hello", "").field("ETag", "\"1\""));
    stage.origin.on("/b", Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600"));
    stage.get("/b").await;
    assert_eq!(stage.send(&saying("/b", "no-store")).await.text(), "hello");
    expect(&stage.get("/b").await, 200, "hello", Outcome::Revalidated);
}

#[tokio::test]
async fn stale_is_good_enough_for_those_who_say_so() {
    let stage = Stage::new().await;
    // Stale for a minute and some.
    for (n, (more, control, did)) in [
        ("", "max-stale", Outcome::Stale),
        ("", "max-stale=600", Outcome::Stale),
        ("", "max-stale=600, max-stale=5", Outcome::Miss),
        ("", "max-stale=5", Outcome::Miss),
        ("", "max-stale=x", Outcome::Miss),
        (", must-revalidate", "max-stale", Outcome::Miss),
        (", proxy-revalidate", "max-stale", Outcome::Miss),
        (", s-maxage=60", "max-stale", Outcome::Miss),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{n}");
        stage.origin.next(&target, Script::stale("old", more));
        stage.origin.on(&target, Script::cached("new"));
        stage.get(&target).await;
        let reply = stage.send(&saying(&target, control)).await;
        expect(&reply, 200, if did == Outcome::Stale { "old" } else { "new" }, did);
        let status = reply.header("cache-status").unwrap_or_default();
        assert_eq!(status.contains("request-max-stale"), did == Outcome::Stale, "{control}: {status}");
    }
}

/// It is the node's own request, whoever's it repeats: it is for everybody.
#[tokio::test]
async fn a_refresh_in_the_background_does_not_say_what_the_client_said() {
    let stage = Stage::with_site(ALL).await;
    for (n, (more, control)) in [
        (SWR, "no-store"),
        (SWR, "only-if-cached"),
        ("", "max-stale"),
        ("", "only-if-cached, max-stale, no-store"),
        ("", "max-stale=600, stale-if-error=600"),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{n}");
        stage.origin.next(&target, Script::stale("old", more).field("ETag", "\"1\""));
        stage.origin.on(&target, Script::cached("new"));
        stage.get(&target).await;
        let ask = saying(&target, control).with("Pragma", "no-cache");
        expect(&stage.send(&ask).await, 200, "old", Outcome::Stale);
        stage.origin.arrived(&target, 2).await;
        let seen = stage.origin.last(&target);
        assert_eq!((seen.field("cache-control"), seen.field("pragma")), (None, None), "{control}");
        // Only what is in the store answers this: nobody else fetches it.
        eventually("the refresh is stored", async || {
            stage.send(&saying(&target, "only-if-cached")).await.text() == "new"
        })
        .await;
        assert_eq!(stage.origin.count(&target), 2, "{control}");
    }
}

#[tokio::test]
async fn only_if_cached_never_waits_for_the_origin() {
    let stage = Stage::new().await;
    stage.origin.on("/cached", Script::cached("hello"));
    stage.origin.next("/stale", Script::stale("old", "").field("ETag", "\"1\""));
    stage.origin.next("/no-cache", Script::ok("old").field("Cache-Control", "no-cache").field("ETag", "\"1\""));
    for target in ["/cached", "/stale", "/no-cache"] {
        stage.get(target).await;
    }
    let mut connection = Connection::open(stage.node().public_addr()).await.expect("a connection");
    for target in ["/stale", "/absent", "/cached", "/no-cache", "/absent", "/cached"] {
        for method in [Method::GET, Method::HEAD] {
            let ask = Ask::new(method.clone(), HOST, target).with("Cache-Control", "only-if-cached");
            let reply = connection.send(&ask).await.expect("the connection is still good");
            let status = reply.header("cache-status").unwrap_or_default();
            match target {
                "/cached" => assert_eq!((reply.status.as_u16(), outcome(&reply)), (200, Outcome::Hit)),
                _ => assert_eq!(reply.status.as_u16(), 504, "{method} {target}: {status}"),
            }
        }
    }
    assert_eq!((stage.origin.count("/stale"), stage.origin.count("/no-cache")), (1, 1));
    assert_eq!((stage.origin.count("/absent"), stage.origin.count("/cached")), (0, 1));
    // And nobody has to wait for one that did not fetch.
    stage.origin.on("/absent", Script::cached("here"));
    expect(&stage.get("/absent").await, 200, "here", Outcome::Miss);
}

/// Not for the origin, and not for somebody else who waits for it.
#[tokio::test]
async fn nor_for_another_one_s_fetch() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/stale", Script::stale("old", ""));
    stage.get("/stale").await;
    let mut fetching = Vec::new();
    for target in ["/absent", "/stale"] {
        stage.origin.on(target, Script::cached("new").after(&gate));
        fetching.push(stage.ask(Ask::get(HOST, target)));
        stage.origin.arrived(target, if target == "/stale" { 2 } else { 1 }).await;
        for _ in 0..3 {
            assert_eq!(stage.send(&saying(target, "only-if-cached")).await.status.as_u16(), 504, "{target}");
        }
    }
    gate.open();
    for reply in replies(fetching).await {
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "new"));
    }
    assert_eq!((stage.origin.count("/absent"), stage.origin.count("/stale")), (1, 2));
    // Where stale will do, one of them starts a refresh, and the others don't start more.
    let gate = Gate::new();
    stage.origin.next("/swr", Script::stale("old", SWR));
    stage.origin.on("/swr", Script::cached("new").after(&gate));
    stage.get("/swr").await;
    for _ in 0..10 {
        expect(&stage.send(&saying("/swr", "only-if-cached")).await, 200, "old", Outcome::Stale);
    }
    stage.origin.arrived("/swr", 2).await;
    expect(&stage.send(&saying("/swr", "only-if-cached")).await, 200, "old", Outcome::Stale);
    assert_eq!(stage.origin.count("/swr"), 2);
    gate.open();
}

#[tokio::test]
async fn those_that_fetch_do_not_wait_for_those_that_must_not() {
    let stage = Stage::new().await;
    stage.origin.on("/a", Script::cached("hello"));
    let mut asking = Vec::new();
    for n in 0..60 {
        let ask = Ask::get(HOST, "/a");
        asking.push(stage.ask(if n % 3 == 0 { ask } else { ask.with("Cache-Control", "only-if-cached") }));
    }
    for (n, reply) in replies(asking).await.iter().enumerate() {
        let status = reply.status.as_u16();
        assert!(status == 200 && reply.text() == "hello" || (status == 504 && n % 3 != 0), "{n}: {reply:?}");
    }
    assert_eq!(stage.origin.count("/a"), 1);
}

#[tokio::test]
async fn a_request_may_ask_for_something_stale_instead_of_an_error() {
    let stage = Stage::new().await;
    for (n, (more, control, stands_in)) in [
        ("", "stale-if-error=600", true),
        (", stale-if-error=5", "stale-if-error=600", true),
        (", stale-if-error=600", "stale-if-error=5", true),
        ("", "stale-if-error=5", false),
        ("", "stale-if-error=600, stale-if-error=5", false),
        ("", "stale-if-error", false),
        (", must-revalidate", "stale-if-error=600", false),
        (", no-cache", "stale-if-error=600", false),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("/{n}");
        stage.origin.next(&target, Script::stale("old", more).field("ETag", "\"1\""));
        stage.origin.on(&target, Script::ok("down").status(503));
        stage.get(&target).await;
        let reply = stage.send(&saying(&target, control)).await;
        let want = if stands_in { (200, "old") } else { (503, "down") };
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), want, "{more} {control}");
        if !more.contains("stale-if-error") {
            // Others have not asked for it.
            let plain = stage.get(&target).await;
            assert_eq!((plain.status.as_u16(), plain.text().as_str()), (503, "down"), "{more} {control}");
        }
    }
}

#[tokio::test]
async fn each_request_that_forces_a_validation_gets_one_of_its_own() {
    let stage = Stage::with_site(ALL).await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("hello").field("ETag", "\"1\""));
    stage.origin.on("/a", Script::cached("hello").field("ETag", "\"1\"").validated().after(&gate));
    stage.get("/a").await;
    let asking: Vec<_> = (0..10).map(|_| stage.ask(saying("/a", "no-cache"))).collect();
    stage.origin.arrived("/a", 11).await;
    // Nobody else waits for them.
    expect(&stage.get("/a").await, 200, "hello", Outcome::Hit);
    gate.open();
    for reply in replies(asking).await {
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "hello"));
        assert!(reply.header("cache-status").is_some_and(|text| text.contains("fwd=request;fwd-status=304")));
    }
    assert_eq!(stage.origin.count("/a"), 11);
}

/// What another request is fetching was asked for before this one came.
#[tokio::test]
async fn no_cache_is_not_content_with_what_arrives_for_another_one() {
    let stage = Stage::with_site(ALL).await;
    let (gate, old) = (Gate::new(), pattern(100_000));
    stage.origin.next("/a", Script::cached(old.clone()).field("ETag", "\"1\"").pause_at(50_000, &gate));
    stage.origin.on("/a", Script::cached("new").field("ETag", "\"2\""));
    let mut first = stage.open("/a").await;
    first.bytes_after_head(50_000).await;
    assert_eq!(stage.send(&saying("/a", "no-cache")).await.text(), "new");
    assert_eq!(stage.origin.count("/a"), 2);
    gate.open();
    assert!(first.rest().await.expect("the rest") == old[50_000..]);
    // Nor with one whose head has not come yet.
    let gate = Gate::new();
    stage.origin.next("/b", Script::cached("old").after(&gate));
    stage.origin.on("/b", Script::cached("new"));
    let first = stage.ask(Ask::get(HOST, "/b"));
    stage.origin.arrived("/b", 1).await;
    let second = stage.ask(saying("/b", "no-cache"));
    eventually("two more connections", async || stage.stats().await.connections >= 2).await;
    gate.open();
    assert_eq!((reply(first).await.text().as_str(), reply(second).await.text().as_str()), ("old", "new"));
}
