//! Where it plays: a shield that is the home of the purge log, another one far away that hears of purges later than most
//! edges, six PoPs on five continents, and the links between them.

use super::truth::{HOST, SITE};
use crate::fleet::Fleet;
use crate::load::Region;
use crate::run::{ORIGIN_PORT, RunError, nodes_of, wire};
use crate::scenario::{PopEntry, Server, Shield, Topology};
use crate::wan::Link;
use std::net::SocketAddr;

/// The shield that is the home of the purge log.
pub(super) const HOME: &str = "shield-1";

/// The PoPs: name, region, and place in degrees north and east.
const POPS: [(&str, &str, f64, f64); 6] = [
    ("fra", "Frankfurt", 50.11, 8.68),
    ("iad", "Washington, D.C.", 38.95, -77.45),
    ("gru", "São Paulo", -23.43, -46.47),
    ("jnb", "Johannesburg", -26.13, 28.24),
    ("sin", "Singapore", 1.36, 103.99),
    ("syd", "Sydney", -33.95, 151.18),
];

/// Caches take what the origin says at its word; a node that drains does so within the pauses between faults.
const FLEET: &str = r#"
[timeouts]
drain = "1s"
"#;

/// What runs, and how it is linked.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) links: Vec<Link>,
    /// By PoP, the address that its clients connect to.
    pub(super) regions: Vec<Region>,
}

/// What is where.
fn topology() -> Topology {
    let paris = || Server { region: "Paris".to_owned(), latitude: 48.86, longitude: 2.35 };
    let pop = |(id, region, latitude, longitude): (&str, &str, f64, f64)| PopEntry {
        id: id.to_owned(),
        region: region.to_owned(),
        latitude,
        longitude,
        client_rtt_ms: 5.0,
    };
    let shield = |(id, pop, region, latitude, longitude): (&str, &str, &str, f64, f64)| Shield {
        id: id.to_owned(),
        pop: pop.to_owned(),
        region: region.to_owned(),
        latitude,
        longitude,
    };
    let geography = crate::wan::geo::Geography::default();
    Topology {
        path_factor: geography.path_factor,
        min_rtt_ms: geography.min_rtt.as_secs_f64() * 1e3,
        pops: POPS.map(pop).to_vec(),
        shield: shield((HOME, "shield-fra", "Frankfurt", 50.11, 8.68)),
        further_shields: vec![shield(("shield-2", "shield-sin", "Singapore", 1.36, 103.99))],
        origin: paris(),
        operator: paris(),
    }
}

impl Stage {
    /// Starts everything but the origin, and waits until every node is ready. `origin` is told where it is to listen.
    ///
    /// # Errors
    /// If something doesn't start.
    pub(super) async fn set<F, O>(origin: F) -> Result<(Self, O), RunError>
    where
        F: AsyncFnOnce(SocketAddr) -> std::io::Result<O>,
    {
        let topology = topology();
        // The origin's address is known only when the plan has a block; every fleet file overrides this one.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], ORIGIN_PORT));
        let mut plan = nodes_of(&topology).site(SITE, &[HOST], nowhere).toml_extra(FLEET).reserve()?;
        let listen = plan.block().address(ORIGIN_PORT)?;
        let (links, regions) = wire(&topology, SITE, &mut plan, listen).await?;
        let origin = origin(listen).await.map_err(|cause| RunError::Origin { address: listen, cause })?;
        Ok((Self { fleet: plan.start().await?, links, regions }, origin))
    }
}
