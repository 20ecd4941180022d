//! Where a scenario plays: the processes, and the links between them.

use super::RunError;
use super::wiring::{nodes_of, wire};
use crate::fleet::{Fleet, FleetError, OriginServer, OriginSpec};
use crate::load::Region;
use crate::scenario::Scenario;
use crate::site::Release;
use crate::wan::Link;
use std::net::SocketAddr;

/// The preferred port of the origin.
pub(crate) const ORIGIN_PORT: u16 = 8000;

/// A fleet with its origin, and the links by which clients, nodes and the operator see it. All of it ends when this is
/// dropped.
#[derive(Debug)]
pub struct Stage {
    /// The nodes.
    pub fleet: Fleet,
    /// The origin.
    pub origin: OriginServer,
    /// All links.
    pub links: Vec<Link>,
    /// By region, the address that clients connect to. Regions are called after their PoPs.
    pub regions: Vec<Region>,
}

impl Stage {
    /// Starts everything, and waits until every node is ready.
    ///
    /// # Errors
    /// If something doesn't start.
    pub(super) async fn set(scenario: &Scenario, first: &Release) -> Result<Self, RunError> {
        let topology = &scenario.topology;
        let origin_id = scenario.site.id.as_str();
        // The origin's address is known only when the plan has a block; every fleet file overrides this one.
        let nowhere = SocketAddr::from(([127, 0, 0, 1], ORIGIN_PORT));
        let extra = toml::to_string(&scenario.fleet).map_err(|error| FleetError::BadToml(error.to_string()))?;
        let mut plan =
            nodes_of(topology).site(origin_id, &[&scenario.site.host], nowhere).toml_extra(&extra).reserve()?;
        let origin = plan.block().address(ORIGIN_PORT)?;

        let (links, regions) = wire(topology, origin_id, &mut plan, origin).await?;
        let policy = plan.folder().join("origin-policy.toml");
        let text = toml::to_string(&scenario.policy).map_err(|error| FleetError::BadToml(error.to_string()))?;
        std::fs::write(&policy, text).map_err(FleetError::file(&policy))?;
        let origin = OriginServer::start(OriginSpec {
            root: first.root.clone(),
            release: first.name.clone(),
            listen: origin,
            policy: Some(policy),
            control_token: plan.secrets().origin.clone(),
            log_folder: plan.log_folder().to_owned(),
        })
        .await?;
        Ok(Self { fleet: plan.start().await?, origin, links, regions })
    }
}
