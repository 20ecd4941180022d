//! Edges that fetch through shields.

mod dates;
mod directives;
mod freshness;
mod invalidation;
mod parts;
mod shields;
mod words;

use crate::stage::{HOST, Origin, docs};
use scenarios::client::Reply;
use scenarios::fleet::Fleet;

/// One shield, two edges in two PoPs, and more of a fleet file.
async fn fleet(extra: &str) -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = docs(&origin).shield("shield-1").pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49);
    (fleet.toml_extra(extra).start().await.expect("a fleet"), origin)
}

/// Asks a node for a target of the site.
async fn get(fleet: &Fleet, node: &str, target: &str) -> Reply {
    fleet.node(node).get(HOST, target).await.expect("an answer")
}
