//! Nodes whose fleet files differ in how URLs become keys, or where tags are: a purge must not mean two things.

use crate::purge_cli::{ask, purge_cli};
use crate::stage::{HOST, Origin, Script, docs, eventually};
use scenarios::cache_status::Outcome;
use scenarios::fleet::Fleet;
use toml::Table;

const IGNORES_X: &str = "query = { drop = [\"x\"] }";

/// Changes the site in one node's fleet file, and has the node read it.
async fn reload(fleet: &Fleet, node: &str, more: &str) {
    const TAKEN: &str = "reloaded the fleet file";
    let taken = || fleet.node(node).stderr().matches(TAKEN).count();
    let (file, before) = (fleet.node(node).fleet_file(), taken());
    let mut table: Table = std::fs::read_to_string(file).expect("its fleet file").parse().expect("TOML");
    let site = table["sites"][0].as_table_mut().expect("a site");
    site.remove("query");
    site.extend(more.parse::<Table>().expect("TOML"));
    std::fs::write(file, table.to_string()).expect("a fleet file");
    fleet.reload(node).expect("it runs");
    eventually("it is taken", async || taken() > before).await;
}

async fn text(fleet: &Fleet, node: &str, target: &str) -> String {
    fleet.node(node).get(HOST, target).await.expect("an answer").text()
}

/// The URL that is purged is not the one by which the other node keeps what its origin sent for it.
#[tokio::test]
async fn a_purge_by_other_rules_hides_the_whole_site() {
    let origin = Origin::start().await;
    let builder = docs(&origin).pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49);
    let fleet = builder.toml_extra("[purge_log]\nhome = \"fra-1\"").start().await.expect("a fleet");
    reload(&fleet, "iad-1", IGNORES_X).await;
    origin.on("/a", Script::cached("old"));
    origin.on("/a?x=1", Script::cached("old"));
    for node in ["fra-1", "iad-1"] {
        text(&fleet, node, "/a?x=1").await;
        assert_eq!(ask(&fleet, node, "/a?x=1").await, (Outcome::Hit, "old".to_owned()), "{node}");
    }
    origin.on("/a", Script::cached("new"));
    origin.on("/a?x=1", Script::cached("new"));
    purge_cli(&fleet, None, &["url", "http://www.example/a?x=1"]).await.expect(0);
    for node in ["fra-1", "iad-1"] {
        assert_eq!(ask(&fleet, node, "/a?x=1").await, (Outcome::Miss, "new".to_owned()), "{node}");
    }
    assert!(fleet.node("iad-1").stderr().contains("by other rules"), "{}", fleet.node("iad-1").stderr());
}

/// Between tiers that differ nothing is stored on either side, until they agree.
#[tokio::test]
async fn tiers_that_differ_go_past_what_is_stored() {
    let origin = Origin::start().await;
    let builder = docs(&origin).shield("shield-1").pop("fra", 50.11, 8.68);
    let fleet = builder.start().await.expect("a fleet");
    origin.on("/a", Script::cached("1"));
    assert_eq!(text(&fleet, "fra-1", "/a").await, "1");
    assert_eq!(ask(&fleet, "fra-1", "/a").await, (Outcome::Hit, "1".to_owned()));
    reload(&fleet, "fra-1", IGNORES_X).await;
    for n in 2..5 {
        let body = n.to_string();
        origin.on("/a", Script::cached(body.clone()));
        let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
        assert_eq!(reply.text(), body);
        let status = reply.header("cache-status").expect("a field").to_owned();
        assert_eq!(status.matches("detail=\"key-rules\"").count(), 2, "{status}");
    }
    reload(&fleet, "shield-1", IGNORES_X).await;
    text(&fleet, "fra-1", "/a").await;
    assert_eq!(ask(&fleet, "fra-1", "/a?x=9").await.0, Outcome::Hit);
}

/// Another site is none the worse for it.
#[tokio::test]
async fn what_was_stored_by_the_old_rules_is_hidden() {
    let origin = Origin::start().await;
    let other = "[[sites]]\nid = \"shop\"\nhosts = [\"shop.example\"]\norigin = \"docs\"";
    let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(other).start().await.expect("a fleet");
    let shop = async || fleet.node("fra-1").get("shop.example", "/a").await.expect("an answer").text();
    origin.on("/a", Script::cached("old"));
    assert_eq!((text(&fleet, "fra-1", "/a").await, shop().await), ("old".to_owned(), "old".to_owned()));
    origin.on("/a", Script::cached("new"));
    reload(&fleet, "fra-1", "tag_fields = [\"surrogate-key\"]").await;
    assert_eq!((text(&fleet, "fra-1", "/a").await, shop().await), ("new".to_owned(), "old".to_owned()));
    reload(&fleet, "fra-1", "default_ttl = \"1h\"").await;
    assert_eq!(ask(&fleet, "fra-1", "/a").await.0, Outcome::Hit, "what makes no key hides nothing");
}
