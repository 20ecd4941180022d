//! The links between clients, nodes, origin and operator.

use super::RunError;
use super::stage::ORIGIN_PORT;
use crate::fleet::{Plan, View};
use crate::load::Region;
use crate::scenario::Topology;
use crate::wan::{Link, LinkSpec};
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
