//! Unsafe requests through two tiers.

use super::{fleet, get};
use crate::stage::{HOST, Script, expect, outcome};
use http::Method;
use scenarios::cache_status::Outcome;
use scenarios::client::Ask;

/// At other edges the old response lives on until it expires: they have not seen the request.
#[tokio::test]
async fn both_tiers_on_the_way_forget_what_became_invalid() {
    let (fleet, origin) = fleet("").await;
    for (target, fields) in [
        ("/a", &[][..]),
        ("/named", &[("Location", "/named")]),
        ("/grouped", &[("Cache-Group-Invalidation", "\"one\"")]),
    ] {
        origin.on(target, Script::cached("old").field("Cache-Groups", "\"one\""));
        for node in ["fra-1", "iad-1", "shield-1"] {
            get(&fleet, node, target).await;
        }
        let form = if fields.is_empty() { target } else { "/form" };
        let answer = fields.iter().fold(Script::ok(""), |answer, (name, value)| answer.field(name, value));
        origin.next(form, answer);
        fleet.node("fra-1").send(&Ask::new(Method::POST, HOST, form)).await.expect("an answer");
        origin.on(target, Script::cached("new"));
        expect(&get(&fleet, "fra-1", target).await, 200, "new", Outcome::Miss);
        expect(&get(&fleet, "shield-1", target).await, 200, "new", Outcome::Hit);
        expect(&get(&fleet, "iad-1", target).await, 200, "old", Outcome::Hit);
    }
}

#[tokio::test]
async fn a_failure_leaves_both_tiers_as_they_are() {
    let (fleet, origin) = fleet("").await;
    origin.on("/a", Script::cached("old"));
    get(&fleet, "fra-1", "/a").await;
    origin.next("/a", Script::ok("no").status(500));
    let reply = fleet.node("fra-1").send(&Ask::new(Method::POST, HOST, "/a")).await.expect("an answer");
    assert_eq!((reply.status.as_u16(), outcome(&reply)), (500, Outcome::Pass));
    for node in ["fra-1", "shield-1"] {
        expect(&get(&fleet, node, "/a").await, 200, "old", Outcome::Hit);
    }
}

/// What answers a GET at the edge does so at the shield as well; and what the shield has, other edges get.
#[tokio::test]
async fn an_answer_to_a_post_is_stored_at_both_tiers() {
    let (fleet, origin) = fleet("[[sites]]\nid = \"docs\"\nstore_posts = true").await;
    origin.on("/a", Script::cached("old"));
    for node in ["fra-1", "iad-1"] {
        get(&fleet, node, "/a").await;
    }
    origin.on("/a", Script::cached("posted").field("Content-Location", "/a"));
    let reply = fleet.node("fra-1").send(&Ask::new(Method::POST, HOST, "/a")).await.expect("an answer");
    expect(&reply, 200, "posted", Outcome::Pass);
    for (node, body) in [("fra-1", "posted"), ("shield-1", "posted"), ("iad-1", "old")] {
        expect(&get(&fleet, node, "/a").await, 200, body, Outcome::Hit);
    }
    assert_eq!(origin.count("/a"), 2);
}
