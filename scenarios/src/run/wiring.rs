//! The nodes of a topology, and the links between them, their clients, the origin and the operator.

use super::RunError;
use super::stage::ORIGIN_PORT;
use crate::fleet::{FleetBuilder, Plan, View};
use crate::load::Region;
use crate::scenario::Topology;
use crate::wan::{Link, LinkSpec};
use edge::config::Role;
use std::net::SocketAddr;
use std::time::Duration;

/// The preferred ports of links: those of what they lead to.
const PUBLIC_PORT: u16 = 8080;
const ADMIN_PORT: u16 = 9090;

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

/// The nodes of a topology, the home of the purge log first.
pub(crate) fn nodes_of(topology: &Topology) -> FleetBuilder {
    let mut builder = FleetBuilder::new();
    for shield in topology.shields() {
        builder = builder
            .node(&shield.pop, &shield.id, Role::Shield, shield.latitude, shield.longitude)
            .region(&shield.pop, &shield.region);
    }
    for pop in &topology.pops {
        builder =
            builder.node(&pop.id, &pop.edge(), Role::Edge, pop.latitude, pop.longitude).region(&pop.id, &pop.region);
    }
    builder
}

/// Opens all links, and tells the plan how the fleet looks from each PoP and from the operator's desk.
pub(crate) async fn wire(
    topology: &Topology,
    site: &str,
    plan: &mut Plan,
    origin: SocketAddr,
) -> Result<(Vec<Link>, Vec<Region>), RunError> {
    let geography = topology.geography();
    let rtt = |from, to| geography.rtt_between(from, to);
    let nodes = plan.nodes().to_vec();
    let public = |id: &str| nodes.iter().find(|node| node.id == id).map_or(origin, |node| node.public);
    let admin = |id: &str| nodes.iter().find(|node| node.id == id).map_or(origin, |node| node.admin);
    let mut wiring = Wiring { plan, links: Vec::new() };
    let mut operator = View::default();
    let mut regions = Vec::new();

    let home = &topology.shield;
    for shield in topology.shields() {
        let (id, place) = (&shield.id, shield.place());
        let to_origin = rtt(place, topology.origin.place());
        let to_origin = wiring.link(format!("{id} to origin"), origin, to_origin, ORIGIN_PORT).await?;
        let mut view = View { origins: [(site.to_owned(), to_origin)].into(), ..View::default() };
        if shield.id != home.id {
            let to_log = rtt(place, home.place());
            let to_log = wiring.link(format!("{id} to the purge log"), admin(&home.id), to_log, ADMIN_PORT).await?;
            view.admin.insert(home.id.clone(), to_log);
        }
        wiring.plan.view(&shield.pop, view);
        let desk = rtt(topology.operator.place(), place);
        let desk = wiring.link(format!("operator to {id}"), admin(id), desk, ADMIN_PORT).await?;
        operator.admin.insert(id.clone(), desk);
    }

    for pop in &topology.pops {
        let (edge, place) = (pop.edge(), pop.place());
        let name = format!("clients to {edge}");
        let clients = wiring.link(name, public(&edge), pop.client_rtt(), PUBLIC_PORT).await?;
        regions.push(Region { name: pop.id.clone(), address: clients });

        let mut view = View::default();
        for shield in topology.shields() {
            let name = format!("{edge} to {}", shield.id);
            let up = wiring.link(name, public(&shield.id), rtt(place, shield.place()), PUBLIC_PORT).await?;
            view.public.insert(shield.id.clone(), up);
        }
        let name = format!("{edge} to the purge log");
        let log = wiring.link(name, admin(&home.id), rtt(place, home.place()), ADMIN_PORT).await?;
        view.admin.insert(home.id.clone(), log);
        let name = format!("{edge} to origin");
        let to_origin = wiring.link(name, origin, rtt(place, topology.origin.place()), ORIGIN_PORT).await?;
        view.origins.insert(site.to_owned(), to_origin);
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
