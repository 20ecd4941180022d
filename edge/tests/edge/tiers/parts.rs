//! Ranges through two tiers.

use super::fleet;
use crate::stage::{HOST, Script, outcome, pattern, purge, url};
use edge::wire::purge::Mode;
use scenarios::cache_status::Outcome;
use scenarios::client::{Ask, Reply};
use scenarios::fleet::Fleet;

async fn part(fleet: &Fleet, node: &str, range: &str) -> Reply {
    fleet.node(node).send(&Ask::get(HOST, "/a").with("Range", range)).await.expect("an answer")
}

#[tokio::test]
async fn a_range_goes_up_tier_by_tier_and_is_stored_at_each() {
    let (fleet, origin) = fleet("[[sites]]\nid = \"docs\"\nrange_miss = \"forward\"").await;
    let body = pattern(100_000);
    origin.on("/a", Script::cached(body.clone()).field("ETag", "\"1\"").ranged());
    for (node, did) in [("fra-1", Outcome::Miss), ("fra-1", Outcome::Hit), ("iad-1", Outcome::Miss)] {
        let reply = part(&fleet, node, "bytes=1000-1999").await;
        assert!(reply.status == 206 && reply.body == body[1000..2000], "{:?}", reply.headers);
        assert_eq!((outcome(&reply), reply.header("content-range")), (did, Some("bytes 1000-1999/100000")));
    }
    let smaller = part(&fleet, "iad-1", "bytes=1500-1509").await;
    assert!(outcome(&smaller) == Outcome::Hit && smaller.body == body[1500..1510]);
    assert_eq!((origin.count("/a"), origin.last("/a").field("range")), (1, Some("bytes=1000-1999")));
    assert_eq!(part(&fleet, "fra-1", "bytes=100000-").await.status.as_u16(), 416);
    origin.on("/a", Script::cached("x".repeat(100_000)).ranged());
    for node in ["shield-1", "fra-1", "iad-1"] {
        purge(&fleet, node, Mode::Hard, &[url("/a")]).await;
    }
    for node in ["fra-1", "iad-1"] {
        assert_eq!(part(&fleet, node, "bytes=1500-1502").await.text(), "xxx", "{node}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_fetched_by_range_through_both_tiers() {
    let (fleet, origin) = fleet("[store]\nmemory = \"64MiB\"\nmax_object = \"1MiB\"").await;
    let body = pattern(3 << 20);
    origin.on("/a", Script::cached(body.clone()).ranged());
    for start in [0, 2_000_000, 0, 2_000_500] {
        let reply = part(&fleet, "fra-1", &format!("bytes={start}-{}", start + 99)).await;
        assert!(reply.status == 206 && reply.body == body[start..start + 100], "{start}: {:?}", reply.headers);
    }
    let whole = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
    assert!(whole.body == body);
}
