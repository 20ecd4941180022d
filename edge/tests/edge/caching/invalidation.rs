//! What successful unsafe requests make invalid (RFC 9111 §4.4).

use crate::stage::{Gate, HOST, Origin, Script, Stage, docs, eventually, expect, outcome, pattern, reply, url};
use edge::wire::purge::Mode;
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

fn ask(method: &str, target: &str) -> Ask {
    Ask::new(method.parse().expect("a method"), HOST, target)
}

/// Says what the answers to unsafe requests of `target` are from now on, and what those to its readers.
fn answers(stage: &Stage, target: &str, changing: Script, then: &'static str) {
    stage.origin.next(target, changing);
    stage.origin.on(target, Script::cached(then));
}

/// Stores what the origin says of a target, and nothing else of it.
async fn stored(stage: &Stage, target: &str, body: &'static str) {
    stage.purge(Mode::Hard, &[url(target)]).await;
    stage.origin.on(target, Script::cached(body));
    stage.get(target).await;
    expect(&stage.get(target).await, 200, body, Outcome::Hit);
}

/// Sends an unsafe request, which is answered so, and says whether what was stored of `/a` is still served.
async fn survives(stage: &Stage, method: &str, answer: Script) -> bool {
    stored(stage, "/a", "old").await;
    let asked = stage.origin.count("/a");
    answers(stage, "/a", answer, "new");
    let reply = stage.send(&ask(method, "/a")).await;
    assert_eq!(outcome(&reply), Outcome::Pass, "{method}");
    let after = stage.get("/a").await;
    let survives = outcome(&after) == Outcome::Hit;
    assert_eq!(after.text(), if survives { "old" } else { "new" }, "{method}");
    assert_eq!(stage.origin.count("/a"), asked + if survives { 1 } else { 2 }, "{method}");
    survives
}

#[tokio::test]
async fn success_of_an_unsafe_method_invalidates_its_target() {
    let stage = Stage::new().await;
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPPATCH", "FROBNICATE", "post", "get"] {
        for status in [200, 201, 204, 302, 303, 304] {
            assert!(!survives(&stage, method, Script::ok("").status(status)).await, "{method} {status}");
        }
        for status in [400, 404, 409, 500, 503] {
            assert!(survives(&stage, method, Script::ok("no").status(status)).await, "{method} {status}");
        }
    }
    for method in ["OPTIONS", "PROPFIND", "QUERY", "SEARCH", "REPORT"] {
        assert!(survives(&stage, method, Script::ok("")).await, "{method}");
    }
}

/// Interim responses say nothing yet, and an answer that never came is none.
#[tokio::test]
async fn without_a_final_answer_nothing_is_invalid() {
    let stage = Stage::new().await;
    assert!(survives(&stage, "POST", Script::ok("no").status(404).hinting("Location", "/a")).await);
    stored(&stage, "/b", "old").await;
    stage.origin.next("/b", Script::raw(""));
    assert_eq!(stage.send(&ask("POST", "/b")).await.status.as_u16(), 502);
    expect(&stage.get("/b").await, 200, "old", Outcome::Hit);
}

#[tokio::test]
async fn what_the_answer_names_of_the_same_origin_is_invalid_too() {
    let stage = Stage::with_site("[sites.query]\nsort = true\ndrop = [\"utm_*\"]").await;
    let own = format!("http://{HOST}/d/x?a=1&b=2");
    let (upper, ported) =
        (format!("HTTP://{}:80/d/x?b=2&a=1", HOST.to_uppercase()), format!("//{HOST}:80/d/x?a=1&b=2"));
    let (foreign, secure) = ("http://other.example/d/x?a=1&b=2", format!("https://{HOST}/d/x?a=1&b=2"));
    for (reference, names) in [
        ("/d/x?a=1&b=2", true),
        ("x?a=1&b=2", true),
        ("../d/./x?a=1&b=2#part", true),
        ("/d/x?utm_source=y&b=2&a=1", true),
        (own.as_str(), true),
        (&upper, true),
        (&ported, true),
        (foreign, false),
        (&secure, false),
        ("/d/x", false),
        ("/d/x?a=1", false),
        ("/d/X?a=1&b=2", false),
        ("x:/d/x?a=1&b=2", false),
        ("", false),
    ] {
        for field in ["Location", "Content-Location"] {
            stored(&stage, "/d/x?a=1&b=2", "old").await;
            stored(&stage, "/d/other", "other").await;
            stage.origin.on("/d/x?a=1&b=2", Script::cached("new"));
            stage.origin.next("/d/form", Script::ok("").status(201).field(field, reference));
            stage.send(&ask("POST", "/d/form")).await;
            let reply = stage.get("/d/x?b=2&a=1").await;
            let want = if names { ("new", Outcome::Miss) } else { ("old", Outcome::Hit) };
            assert_eq!((reply.text().as_str(), outcome(&reply)), want, "{field}: {reference}");
            expect(&stage.get("/d/other").await, 200, "other", Outcome::Hit);
        }
    }
}

/// Another host of the same site is another origin.
#[tokio::test]
async fn nothing_of_another_origin_is_invalid() {
    let origin = Origin::start().await;
    let fleet = docs(&origin).site_of("blog", &["blog.example", "www.blog.example"], "docs").pop("fra", 50.11, 8.68);
    let fleet = fleet.start().await.expect("a fleet");
    let node = fleet.node("fra-1");
    origin.on("/a", Script::cached("x"));
    let hosts = [HOST, "blog.example", "www.blog.example"];
    for host in hosts {
        node.get(host, "/a").await.expect("an answer");
    }
    origin.next("/a", Script::ok("").field("Location", "http://www.blog.example/a"));
    node.send(&Ask::new(Method::POST, "blog.example", "/a")).await.expect("an answer");
    for (host, did) in hosts.into_iter().zip([Outcome::Hit, Outcome::Miss, Outcome::Hit]) {
        assert_eq!(outcome(&node.get(host, "/a").await.expect("an answer")), did, "{host}");
    }
}

#[tokio::test]
async fn queries_are_compared_as_the_site_has_them() {
    let stage = Stage::with_site("[sites.query]\nsort = true\ndrop = [\"utm_*\"]").await;
    for (target, goes) in [("/a?c=2&b=1", true), ("/a?utm_x=1&b=1&c=2", true), ("/a?b=1", false), ("/a", false)] {
        stored(&stage, "/a?b=1&c=2", "old").await;
        stage.origin.on(target, Script::cached("whatever"));
        stage.origin.on("/a?b=1&c=2", Script::cached("new"));
        stage.send(&ask("POST", target)).await;
        let want = if goes { "new" } else { "old" };
        assert_eq!(stage.get("/a?c=2&b=1").await.text(), want, "{target}");
    }
}

#[tokio::test]
async fn every_variant_is_invalid() {
    let stage = Stage::new().await;
    let language = |language: &str| Ask::get(HOST, "/a").with("Accept-Language", language);
    for body in ["old de", "old en", "old"] {
        stage.origin.next("/a", Script::cached(body).field("Vary", "Accept-Language"));
    }
    let asks = [language("de"), language("en"), Ask::get(HOST, "/a")];
    for ask in &asks {
        stage.send(ask).await;
        assert_eq!(outcome(&stage.send(ask).await), Outcome::Hit);
    }
    answers(&stage, "/a", Script::ok(""), "new");
    stage.send(&ask("PUT", "/a").with("Accept-Language", "fr")).await;
    for ask in &asks {
        assert_eq!(stage.send(ask).await.text(), "new", "{ask:?}");
    }
}

/// A rule of the site sends these requests past the cache; what their answers name is in it all the same.
#[tokio::test]
async fn requests_that_pass_invalidate_too() {
    let stage = Stage::with_site("[[sites.rules]]\nmatch = { path = \"/api/*\" }\nset = { pass = true }").await;
    stored(&stage, "/page", "old").await;
    answers(&stage, "/page", Script::cached("new"), "new");
    stage.origin.on("/api/page", Script::ok("done").field("Location", "/page"));
    stage.send(&ask("GET", "/api/page")).await;
    expect(&stage.get("/page").await, 200, "old", Outcome::Hit);
    stage.send(&ask("POST", "/api/page")).await;
    expect(&stage.get("/page").await, 200, "new", Outcome::Miss);
}

/// What is in flight may have been made before the change, wherever it is: at the origin, or on its way.
#[tokio::test]
async fn what_is_in_flight_is_not_stored_as_valid() {
    for location in [false, true] {
        let stage = Stage::new().await;
        let (gate, large) = (Gate::new(), pattern(100_000));
        stage.origin.next("/a", Script::cached("old").after(&gate));
        stage.origin.next("/b", Script::cached(large.clone()).pause_at(50_000, &gate));
        let early = stage.ask(Ask::get(HOST, "/a"));
        stage.origin.arrived("/a", 1).await;
        let mut arriving = stage.open("/b").await;
        arriving.bytes_after_head(50_000).await;
        for target in ["/a", "/b"] {
            if location {
                stage.origin.on("/form", Script::ok("").field("Location", target));
                stage.origin.on(target, Script::cached("new"));
                stage.send(&ask("POST", "/form")).await;
            } else {
                answers(&stage, target, Script::ok(""), "new");
                stage.send(&ask("POST", target)).await;
            }
            // Those who come now don't join it.
            expect(&stage.get(target).await, 200, "new", Outcome::Miss);
        }
        gate.open();
        assert_eq!(reply(early).await.text(), "old");
        assert!(arriving.rest().await.expect("the rest") == large[50_000..]);
        eventually("all fills have ended", async || stage.stats().await.store.fills_in_flight == 0).await;
        for target in ["/a", "/b"] {
            expect(&stage.get(target).await, 200, "new", Outcome::Hit);
        }
    }
}

/// The only trace of the old response is the fetch itself: nothing is stored that a rule could be made for.
#[tokio::test]
async fn what_was_in_flight_is_not_served_when_it_has_arrived() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("old").after(&gate));
    let early = stage.ask(Ask::get(HOST, "/a"));
    stage.origin.arrived("/a", 1).await;
    answers(&stage, "/a", Script::ok(""), "new");
    stage.send(&ask("DELETE", "/a")).await;
    gate.open();
    assert_eq!(reply(early).await.text(), "old");
    eventually("it has ended", async || stage.stats().await.store.fills_in_flight == 0).await;
    expect(&stage.get("/a").await, 200, "new", Outcome::Miss);
}

#[tokio::test]
async fn refreshes_and_validations_in_flight_revive_nothing() {
    let stage = Stage::new().await;
    for (target, more) in [("/refresh", ", stale-while-revalidate=600"), ("/validation", "")] {
        let gate = Gate::new();
        let same = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600");
        stage.origin.next(target, Script::stale("old", more).field("ETag", "\"1\""));
        stage.origin.next(target, same.after(&gate));
        stage.get(target).await;
        let early = stage.ask(Ask::get(HOST, target));
        stage.origin.arrived(target, 2).await;
        answers(&stage, target, Script::ok(""), "new");
        stage.send(&ask("PATCH", target)).await;
        gate.open();
        // Served stale before, or fetched again: the 304 is for what is dead by now.
        let is_early = !more.is_empty();
        assert_eq!(reply(early).await.text(), if is_early { "old" } else { "new" });
        stage.origin.answered(target, 4).await;
        for _ in 0..3 {
            assert_eq!(stage.get(target).await.text(), "new", "{target}");
        }
        assert_eq!(stage.origin.requests(target)[3].field("if-none-match"), None, "{target}");
    }
}

/// Clients could otherwise fill the index of rules with URLs that nothing is known of.
#[tokio::test]
async fn what_is_not_there_needs_no_rule() {
    let stage = Stage::new().await;
    let before = stage.stats().await.invalidations;
    for n in 0..50 {
        let target = format!("/{n}");
        stage.origin.on(&target, Script::ok("done").field("Location", "/made-up").field("Content-Location", "/x"));
        stage.send(&ask("POST", &target)).await;
    }
    assert_eq!(stage.stats().await.invalidations, before);
    stored(&stage, "/0", "x").await;
    let before = stage.stats().await.invalidations;
    stage.send(&ask("POST", "/0")).await;
    assert_eq!(stage.stats().await.invalidations, before + 1);
}
