//! What clients say of caching, through two tiers.

use super::{fleet, get};
use crate::stage::{HOST, Script, eventually, expect};
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};
use scenarios::fleet::Fleet;

const ALL: &str = "[[sites]]\nid = \"docs\"\nclient_directives = \"all\"";

async fn say(fleet: &Fleet, target: &str, control: &str) -> Reply {
    let ask = Ask::get(HOST, target).with("Cache-Control", control);
    fleet.node("fra-1").send(&ask).await.expect("an answer")
}

async fn asked(fleet: &Fleet, node: &str) -> u64 {
    fleet.node(node).stats().await.expect("statistics").total.requests
}

#[tokio::test]
async fn no_cache_reaches_the_origin() {
    let (fleet, origin) = fleet(ALL).await;
    // Some seconds old each time that it is validated.
    origin.on("/a", Script::cached("x").field("Age", "5").field("ETag", "\"1\"").validated());
    for node in ["fra-1", "iad-1"] {
        get(&fleet, node, "/a").await;
    }
    assert_eq!(origin.count("/a"), 1);
    for (n, control) in ["no-cache", "max-age=0", "min-fresh=10000"].into_iter().enumerate() {
        assert_eq!(say(&fleet, "/a", control).await.text(), "x");
        assert_eq!(origin.count("/a"), n + 2, "{control}");
        assert_eq!(origin.last("/a").field("if-none-match"), Some("\"1\""));
    }
    // What has changed meanwhile is seen.
    origin.on("/a", Script::cached("y").field("ETag", "\"2\""));
    expect(&get(&fleet, "fra-1", "/a").await, 200, "x", Outcome::Hit);
    assert_eq!(say(&fleet, "/a", "no-cache").await.text(), "y");
    for (node, body) in [("fra-1", "y"), ("shield-1", "y"), ("iad-1", "x")] {
        expect(&get(&fleet, node, "/a").await, 200, body, Outcome::Hit);
    }
}

#[tokio::test]
async fn only_if_cached_does_not_leave_the_node() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("x"));
    get(&fleet, "iad-1", "/a").await;
    eventually("it is counted", async || asked(&fleet, "shield-1").await == 1).await;
    // The shield has it, and is not asked.
    assert_eq!(say(&fleet, "/a", "only-if-cached").await.status.as_u16(), 504);
    expect(&get(&fleet, "fra-1", "/a").await, 200, "x", Outcome::Miss);
    expect(&say(&fleet, "/a", "only-if-cached").await, 200, "x", Outcome::Hit);
    eventually("all are counted", async || asked(&fleet, "fra-1").await == 3).await;
    assert_eq!(asked(&fleet, "shield-1").await, 2);
}

/// A refresh that said "only-if-cached" would be refused by the shield, again and again.
#[tokio::test]
async fn a_refresh_goes_up_whatever_its_client_said() {
    for extra in ["", ALL] {
        let (fleet, origin) = fleet(extra).await;
        origin.next("/a", Script::stale("old", ", stale-while-revalidate=600"));
        origin.on("/a", Script::cached("new"));
        expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Miss);
        eventually("it is refreshed", async || {
            let reply = say(&fleet, "/a", "only-if-cached, max-stale, no-store").await;
            assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
            reply.text() == "new"
        })
        .await;
        assert_eq!(origin.count("/a"), 2);
    }
}
