//! Where a scenario plays: the processes, and the links between them.

use super::RunError;
use crate::fleet::{Fleet, FleetBuilder, FleetError, OriginServer, OriginSpec, Plan, View};
use crate::load::Region;
use crate::scenario::Scenario;
use crate::site::Release;
use crate::wan::{Link, LinkSpec};
use edge::config::Role;
use std::net::SocketAddr;
use std::time::Duration;

/// The preferred port of the origin.
const ORIGIN_PORT: u16 = 8000;
/// The preferred ports of links: those of what they lead to.
const PUBLIC_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;

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

/// Opens links in a plan's block of addresses.
struct Wiring<'p> {
    plan: &'p mut Plan,
    links: Vec<Link>,
}

impl Wiring<'_> {
    async fn link(
        &mut self,
        name: String,
        target: SocketAddr,
        rtt: Duration,
        port: u16,
    ) -> Result<SocketAddr, RunError> {
        let listen = self.plan.block().address(port)?;
        let spec = LinkSpec { name: name.clone(), listen, target, rtt };
        let link = Link::open(spec).await.map_err(|cause| RunError::Link { name, cause })?;
        let address = link.address();
        self.links.push(link);
        Ok(address)
    }
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
        let shield = &topology.shield;
        let mut builder = FleetBuilder::new()
            .node(&shield.pop, &shield.id, Role::Shield, shield.latitude, shield.longitude)
            .region(&shield.pop, &shield.region);
        for pop in &topology.pops {
            builder = builder
                .node(&pop.id, &pop.edge(), Role::Edge, pop.latitude, pop.longitude)
                .region(&pop.id, &pop.region);
        }
        let extra = toml::to_string(&scenario.fleet).map_err(|error| FleetError::BadToml(error.to_string()))?;
        let mut plan = builder.site(origin_id, &[&scenario.site.host], nowhere).toml_extra(&extra).reserve()?;
        let origin = plan.block().address(ORIGIN_PORT)?;

        let (links, regions) = wire(scenario, &mut plan, origin).await?;
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

/// Opens all links, and tells the plan how the fleet looks from each PoP and from the operator's desk.
async fn wire(scenario: &Scenario, plan: &mut Plan, origin: SocketAddr) -> Result<(Vec<Link>, Vec<Region>), RunError> {
    let (topology, site) = (&scenario.topology, scenario.site.id.as_str());
    let rtt = |from, to| scenario.geography().rtt_between(from, to);
    let nodes = plan.nodes().to_vec();
    let public = |id: &str| nodes.iter().find(|node| node.id == id).map_or(origin, |node| node.public);
    let admin = |id: &str| nodes.iter().find(|node| node.id == id).map_or(origin, |node| node.admin);
    let mut wiring = Wiring { plan, links: Vec::new() };
    let mut operator = View::default();
    let mut regions = Vec::new();

    let shield = &topology.shield;
    let place = shield.place();
    let name = format!("{} to origin", shield.id);
    let to_origin = wiring.link(name, origin, rtt(place, topology.origin.place()), ORIGIN_PORT).await?;
    let view = View { origins: [(site.to_owned(), to_origin)].into(), ..View::default() };
    wiring.plan.view(&shield.pop, view);
    let name = format!("operator to {}", shield.id);
    let desk = wiring.link(name, admin(&shield.id), rtt(topology.operator.place(), place), ADMIN_PORT).await?;
    operator.admin.insert(shield.id.clone(), desk);

    for pop in &topology.pops {
        let (edge, place) = (pop.edge(), pop.place());
        let name = format!("clients to {edge}");
        let clients = wiring.link(name, public(&edge), pop.client_rtt(), PUBLIC_PORT).await?;
        regions.push(Region { name: pop.id.clone(), address: clients });

        let name = format!("{edge} to {}", shield.id);
        let up = wiring.link(name, public(&shield.id), rtt(place, shield.place()), PUBLIC_PORT).await?;
        let name = format!("{edge} to the purge log");
        let log = wiring.link(name, admin(&shield.id), rtt(place, shield.place()), ADMIN_PORT).await?;
        // For when the shield is down.
        let name = format!("{edge} to origin");
        let to_origin = wiring.link(name, origin, rtt(place, topology.origin.place()), ORIGIN_PORT).await?;
        let view = View {
            public: [(shield.id.clone(), up)].into(),
            admin: [(shield.id.clone(), log)].into(),
            origins: [(site.to_owned(), to_origin)].into(),
        };
        wiring.plan.view(&pop.id, view);

        let name = format!("operator to {edge}");
        let desk = wiring.link(name, admin(&edge), rtt(topology.operator.place(), place), ADMIN_PORT).await?;
        operator.public.insert(edge.clone(), clients);
        operator.admin.insert(edge, desk);
    }
    let Wiring { plan, links } = wiring;
    operator.origins.insert(site.to_owned(), origin);
    plan.operator_view(operator);
    Ok((links, regions))
}
