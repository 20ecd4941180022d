//! Age and purges through two tiers.

use super::{fleet, get};
use crate::stage::{Gate, HOST, Script, eventually, expect, outcome, parameter, purge, reply, tag, url};
use edge::wire::purge::Mode;
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask};

const WINDOWS: &str = "[[sites]]\nid = \"docs\"\nstale_while_revalidate = \"1h\"\nstale_if_error = \"1h\"";

#[tokio::test]
async fn age_is_counted_from_the_origin() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("x").field("Age", "3000"));
    for node in ["fra-1", "fra-1", "iad-1"] {
        let reply = get(&fleet, node, "/a").await;
        let age: i64 = reply.header("age").expect("an age").parse().expect("a number");
        assert!((3000..3100).contains(&age), "{age}");
        assert!(parameter(&reply, "ttl").is_some_and(|ttl| (500..=600).contains(&ttl)), "{:?}", reply.headers);
    }
    assert_eq!(origin.count("/a"), 1);
}

/// What a shield serves stale is stale at the edge as well.
#[tokio::test]
async fn stale_stays_stale_on_its_way() {
    let (fleet, origin) = fleet("").await;
    let gate = Gate::new();
    origin.next("/a", Script::stale("old", ", stale-while-revalidate=600"));
    origin.on("/a", Script::cached("new").after(&gate));
    get(&fleet, "shield-1", "/a").await;
    expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Miss);
    for _ in 0..5 {
        expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Stale);
    }
    gate.open();
    eventually("it is fresh", async || {
        let reply = get(&fleet, "fra-1", "/a").await;
        outcome(&reply) == Outcome::Hit && reply.text() == "new"
    })
    .await;
    assert_eq!(origin.count("/a"), 2);
}

#[tokio::test]
async fn a_validation_goes_up_tier_by_tier() {
    let (fleet, origin) = fleet("").await;
    origin.next("/a", Script::stale("x", "").field("ETag", "\"1\""));
    origin.on("/a", Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=600"));
    expect(&get(&fleet, "fra-1", "/a").await, 200, "x", Outcome::Miss);
    expect(&get(&fleet, "fra-1", "/a").await, 200, "x", Outcome::Revalidated);
    expect(&get(&fleet, "fra-1", "/a").await, 200, "x", Outcome::Hit);
    expect(&get(&fleet, "iad-1", "/a").await, 200, "x", Outcome::Miss);
    assert_eq!(origin.count("/a"), 2);
}

/// By whichever field the origin says it: an edge must not go by what the shield had stored before.
#[tokio::test]
async fn a_304_that_forbids_to_store_forbids_it_to_both_tiers() {
    for (field, control) in [("Cache-Control", "private"), ("X-CDN", "no-store"), ("CDN-Cache-Control", "private")] {
        let (fleet, origin) =
            fleet("[[sites]]\nid = \"docs\"\ntargeted_fields = [\"X-CDN\", \"CDN-Cache-Control\"]").await;
        origin.next("/a", Script::stale("x", "").field(field, "max-age=60").field("ETag", "\"1\""));
        origin.next("/a", Script::not_modified().field("ETag", "\"1\"").field(field, control));
        origin.on("/a", Script::ok("mine").field("Cache-Control", "no-store"));
        get(&fleet, "shield-1", "/a").await;
        assert_eq!(get(&fleet, "fra-1", "/a").await.text(), "x");
        for node in ["fra-1", "shield-1", "fra-1"] {
            assert_eq!(get(&fleet, node, "/a").await.text(), "mine", "{field}: {node}");
        }
    }
}

#[tokio::test]
async fn a_purge_at_all_nodes_reaches_the_origin() {
    let (fleet, origin) = fleet("").await;
    for (target, targets) in [("/a", vec![url("/a")]), ("/b", vec![tag("x")])] {
        origin.next(target, Script::cached("old").field("Surrogate-Key", "x"));
        origin.on(target, Script::cached("new").field("Surrogate-Key", "x"));
        for node in ["fra-1", "iad-1"] {
            assert_eq!(get(&fleet, node, target).await.text(), "old");
        }
        for node in ["shield-1", "fra-1", "iad-1"] {
            purge(&fleet, node, Mode::Hard, &targets).await;
        }
        for node in ["fra-1", "iad-1", "shield-1"] {
            assert_eq!(get(&fleet, node, target).await.text(), "new", "{node}");
        }
        assert_eq!(origin.count(target), 2);
    }
}

/// A request is at the origin, by way of both tiers, when the purge comes.
#[tokio::test]
async fn a_fetch_through_both_tiers_is_hidden_at_both() {
    for targets in [vec![url("/a")], vec![tag("x")]] {
        let (fleet, origin) = fleet("").await;
        let gate = Gate::new();
        origin.next("/a", Script::cached("old").field("Surrogate-Key", "x").after(&gate));
        origin.on("/a", Script::cached("new").field("Surrogate-Key", "x"));
        let ask = |node: &str| {
            let address = fleet.node(node).public_addr();
            tokio::spawn(async move { client::ask(address, &Ask::get(HOST, "/a")).await })
        };
        let early = ask("fra-1");
        origin.arrived("/a", 1).await;
        for node in ["shield-1", "fra-1", "iad-1"] {
            purge(&fleet, node, Mode::Hard, &targets).await;
        }
        let late = [ask("fra-1"), ask("iad-1"), ask("shield-1")];
        gate.open();
        assert_eq!(reply(early).await.text(), "old");
        for late in late {
            assert_eq!(reply(late).await.text(), "new", "{targets:?}");
        }
        for node in ["fra-1", "iad-1", "shield-1"] {
            assert_eq!(get(&fleet, node, "/a").await.text(), "new", "{node}");
        }
        assert_eq!(origin.count("/a"), 2);
    }
}

/// The shield holds what was purged softly, and does not pass it on to an edge as fresh.
#[tokio::test]
async fn a_soft_purge_ends_with_new_content_at_the_edge() {
    let (fleet, origin) = fleet(WINDOWS).await;
    let gate = Gate::new();
    origin.next("/a", Script::cached("old"));
    origin.on("/a", Script::cached("new").after(&gate));
    get(&fleet, "fra-1", "/a").await;
    for node in ["shield-1", "fra-1", "iad-1"] {
        purge(&fleet, node, Mode::Soft, &[url("/a")]).await;
    }
    for _ in 0..5 {
        expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Stale);
    }
    origin.arrived("/a", 2).await;
    gate.open();
    eventually("it is fresh", async || {
        let reply = get(&fleet, "fra-1", "/a").await;
        assert_ne!((outcome(&reply), reply.text().as_str()), (Outcome::Hit, "old"));
        outcome(&reply) == Outcome::Hit
    })
    .await;
    expect(&get(&fleet, "fra-1", "/a").await, 200, "new", Outcome::Hit);
    expect(&get(&fleet, "iad-1", "/a").await, 200, "new", Outcome::Miss);
    assert_eq!(origin.count("/a"), 2);
}

#[tokio::test]
async fn what_is_purged_softly_never_becomes_fresh_while_the_origin_fails() {
    let (fleet, origin) = fleet(WINDOWS).await;
    origin.next("/a", Script::cached("old"));
    origin.on("/a", Script::ok("down").status(503));
    get(&fleet, "fra-1", "/a").await;
    for node in ["shield-1", "fra-1"] {
        purge(&fleet, node, Mode::Soft, &[url("/a")]).await;
    }
    for n in 2..6 {
        // The next refresh begins once the node has noticed that the last one has failed.
        eventually("another refresh", async || {
            expect(&get(&fleet, "fra-1", "/a").await, 200, "old", Outcome::Stale);
            origin.count("/a") >= n
        })
        .await;
        origin.answered("/a", n).await;
    }
    origin.on("/a", Script::cached("new"));
    eventually("it is fresh", async || {
        let reply = get(&fleet, "fra-1", "/a").await;
        assert_ne!((outcome(&reply), reply.text().as_str()), (Outcome::Hit, "old"));
        outcome(&reply) == Outcome::Hit
    })
    .await;
}
