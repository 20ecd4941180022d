//! `GET /stats` adds up.

use crate::stage::{HOST, Script, Stage, url};
use edge::wire::purge::Mode;
use scenarios::client::Ask;

#[tokio::test]
async fn what_clients_saw_is_what_is_counted() {
    let mut stage = Stage::new().await;
    stage.origin.on("/cached", Script::cached("12345"));
    stage.origin.on("/mine", Script::ok("123").field("Cache-Control", "private"));
    stage.origin.next("/stale", Script::stale("1234567", ", stale-if-error=600"));
    stage.origin.next("/stale", Script::ok("down").status(503));
    stage.origin.next("/same", Script::stale("12", "").field("ETag", "\"1\""));
    let fresh = Script::not_modified().field("ETag", "\"1\"").field("Cache-Control", "max-age=60");
    stage.origin.next("/same", fresh);
    for target in ["/cached", "/cached", "/cached", "/mine", "/mine", "/stale", "/stale", "/same", "/same"] {
        assert_eq!(stage.get(target).await.status.as_u16(), 200);
    }
    stage.send(&Ask::new(http::Method::POST, HOST, "/mine").json("{}")).await;
    stage.send(&Ask::get("unknown.example", "/")).await;
    stage.purge(Mode::Hard, &[url("/none"), url("/at-all")]).await;
    stage.origin.stop().await;
    let failed = stage.get("/down").await.body.len() as u64;

    let stats = stage.stats_after(12).await;
    assert_eq!((stats.node.as_str(), stats.pop.as_str(), stats.role.as_str()), ("fra-1", "fra", "edge"));
    assert!(stats.ready);
    assert_eq!(stats.purges, 1);
    let docs = &stats.sites["docs"];
    let by: Vec<(&str, u64)> = docs.by_cache_status.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(
        by,
        [("bypass", 2), ("error", 1), ("hit", 2), ("miss", 3), ("pass", 1), ("revalidated", 1), ("stale", 1)]
    );
    assert_eq!((docs.requests, stats.total.requests), (11, 12));
    assert_eq!(stats.total.by_cache_status["error"], 2);
    assert_eq!(docs.body_bytes_sent, 3 * 5 + 2 * 3 + 2 * 7 + 2 * 2 + 3 + failed);
    assert_eq!(docs.body_bytes_from_store, 2 * 5 + 7 + 2);
    // One that is not there can't be asked, except by way of kept connections whose end has not been noticed yet; the
    // one that answered 503 was asked.
    let by_kept_connections = docs.upstream_requests - 8;
    assert_eq!(docs.upstream_errors, 1 + by_kept_connections);
    assert_eq!(docs.upstream_body_bytes, 5 + 2 * 3 + 7 + 2 + 3);
    assert_eq!((stats.store.objects, stats.store.fills_in_flight, stats.store.fills_failed), (3, 0, 0));
    assert!(stats.store.bytes >= 12 && stats.store.bytes < stats.store.capacity_bytes);
    assert_eq!(stats.store.capacity_bytes, 512 << 20);
}
