//! Groups of responses that unsafe requests invalidate (RFC 9875).

use crate::stage::{Gate, HOST, Origin, Script, Stage, docs, expect, outcome, reply};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

const GROUPS: &str = "Cache-Groups";
const INVALIDATION: &str = "Cache-Group-Invalidation";

fn ask(method: &str, target: &str) -> Ask {
    Ask::new(method.parse().expect("a method"), HOST, target)
}

async fn stored(stage: &Stage, target: &str, groups: &str) {
    stage.origin.on(target, Script::cached("x").field(GROUPS, groups));
    stage.get(target).await;
    assert_eq!(outcome(&stage.get(target).await), Outcome::Hit, "{target}");
}

#[tokio::test]
async fn a_group_is_invalidated_wherever_its_responses_are() {
    let stage = Stage::new().await;
    let members = [("/a", r#""one""#), ("/b", r#""two", "one";x=1"#), ("/c", r#""One""#), ("/d", r#""two""#)];
    for (invalidation, gone) in [
        (r#""one""#, &["/a", "/b"][..]),
        (r#""two";y, "x""#, &["/b", "/d"]),
        (r#""One", "two""#, &["/b", "/c", "/d"]),
        (r#""none""#, &[]),
        ("one", &[]),
        (r#""one", two"#, &[]),
        (r#""one", 2"#, &[]),
        (r#"("one")"#, &[]),
        (r#""one"#, &[]),
        ("", &[]),
    ] {
        for (target, groups) in members {
            stored(&stage, target, groups).await;
        }
        stage.origin.next("/form", Script::ok("").field(INVALIDATION, invalidation));
        stage.send(&ask("POST", "/form")).await;
        for (target, _) in members {
            let survives = outcome(&stage.get(target).await) == Outcome::Hit;
            assert_eq!(survives, !gone.contains(&target), "{invalidation}: {target}");
        }
    }
}

#[tokio::test]
async fn only_success_of_unsafe_methods_invalidates_groups() {
    let stage = Stage::new().await;
    stored(&stage, "/a", r#""one""#).await;
    for (method, status, goes) in [
        ("GET", 200, false),
        ("HEAD", 200, false),
        ("OPTIONS", 200, false),
        ("PROPFIND", 207, false),
        ("POST", 404, false),
        ("POST", 500, false),
        ("POST", 303, true),
        ("DELETE", 204, true),
        ("FROBNICATE", 200, true),
    ] {
        stored(&stage, "/a", r#""one""#).await;
        let answer = Script::ok("").status(status).field(INVALIDATION, r#""one""#).field("Cache-Control", "no-store");
        stage.origin.next("/form", answer);
        stage.send(&ask(method, "/form")).await;
        assert_eq!(outcome(&stage.get("/a").await) != Outcome::Hit, goes, "{method} {status}");
    }
}

/// A group is one of an origin: of another host it is another one, even within a site.
#[tokio::test]
async fn groups_of_other_origins_are_others() {
    let origin = Origin::start().await;
    let fleet = docs(&origin).site_of("blog", &["blog.example", "www.blog.example"], "docs").pop("fra", 50.11, 8.68);
    let fleet = fleet.start().await.expect("a fleet");
    let node = fleet.node("fra-1");
    origin.on("/a", Script::cached("x").field(GROUPS, r#""one""#));
    let hosts = [HOST, "blog.example", "www.blog.example"];
    for host in hosts {
        node.get(host, "/a").await.expect("an answer");
    }
    origin.on("/form", Script::ok("").field(INVALIDATION, r#""one""#));
    node.send(&Ask::new(Method::POST, "blog.example", "/form")).await.expect("an answer");
    for (host, did) in hosts.into_iter().zip([Outcome::Hit, Outcome::Miss, Outcome::Hit]) {
        assert_eq!(outcome(&node.get(host, "/a").await.expect("an answer")), did, "{host}");
    }
}

/// What is in a group is not known before the head is there.
#[tokio::test]
async fn a_fetch_in_flight_whose_group_was_invalidated_is_not_stored_as_valid() {
    let stage = Stage::new().await;
    let gate = Gate::new();
    stage.origin.next("/a", Script::cached("old").field(GROUPS, r#""one""#).after(&gate));
    stage.origin.on("/a", Script::cached("new").field(GROUPS, r#""one""#));
    let early = stage.ask(ask("GET", "/a"));
    stage.origin.arrived("/a", 1).await;
    stage.origin.next("/form", Script::ok("").field(INVALIDATION, r#""one""#));
    stage.send(&ask("POST", "/form")).await;
    let late = stage.ask(ask("GET", "/a"));
    gate.open();
    assert_eq!(reply(early).await.text(), "old");
    assert_eq!(reply(late).await.text(), "new");
    expect(&stage.get("/a").await, 200, "new", Outcome::Hit);
}

/// A 304 may move a response into another group; a purge of the old one that came meanwhile counts.
#[tokio::test]
async fn a_304_may_change_the_groups() {
    let stage = Stage::new().await;
    stage.origin.next("/a", Script::stale("x", "").field("ETag", "\"1\"").field(GROUPS, r#""old""#));
    let same = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600");
    stage.origin.on("/a", same.field(GROUPS, r#""new""#));
    stage.get("/a").await;
    expect(&stage.get("/a").await, 200, "x", Outcome::Revalidated);
    expect(&stage.get("/a").await, 200, "x", Outcome::Hit);
    stage.origin.on("/a", Script::cached("y"));
    stage.origin.next("/form", Script::ok("").field(INVALIDATION, r#""new""#));
    stage.send(&ask("POST", "/form")).await;
    expect(&stage.get("/a").await, 200, "y", Outcome::Miss);
}

#[tokio::test]
async fn many_groups() {
    let stage = Stage::new().await;
    let names = |count: usize| (0..count).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
    // RFC 9875 §2: at least 32.
    stored(&stage, "/enough", &names(128)).await;
    stage.origin.on("/form", Script::ok("").field(INVALIDATION, "\"127\""));
    stage.send(&ask("POST", "/form")).await;
    expect(&stage.get("/enough").await, 200, "x", Outcome::Miss);
    // A response of more is not stored: an invalidation could miss it.
    stage.origin.on("/many", Script::cached("x").field(GROUPS, &names(129)));
    for n in 1..=2 {
        expect(&stage.get("/many").await, 200, "x", Outcome::Miss);
        assert_eq!(stage.origin.count("/many"), n);
    }
    // And an invalidation of more covers all that it could mean.
    for target in ["/a", "/b"] {
        stored(&stage, target, "\"y\"").await;
    }
    stage.origin.on("/form", Script::ok("").field(INVALIDATION, &names(129)));
    stage.send(&ask("POST", "/form")).await;
    for target in ["/a", "/b", "/enough"] {
        expect(&stage.get(target).await, 200, "x", Outcome::Miss);
    }
}

/// An origin that names groups of which nothing is there, and many of them, costs what is stored nothing.
#[tokio::test]
async fn a_flood_of_groups_leaves_what_is_stored() {
    let stage = Stage::new().await;
    stored(&stage, "/hot", r#""kept""#).await;
    for round in 0..600 {
        let names: Vec<String> = (0..100).map(|n| format!("\"{round}-{n}\"")).collect();
        stage.origin.next("/form", Script::ok("").field(INVALIDATION, &names.join(", ")));
        stage.send(&ask("POST", "/form")).await;
    }
    expect(&stage.get("/hot").await, 200, "x", Outcome::Hit);
    stage.origin.next("/form", Script::ok("").field(INVALIDATION, r#""kept""#));
    stage.send(&ask("POST", "/form")).await;
    expect(&stage.get("/hot").await, 200, "x", Outcome::Miss);
}
