//! A fleet whose PoPs are far from the home of its purge log.

use super::echo::{self, Echo};
use anyhow::{Context, Result, ensure};
use edge::config::Role;
use edge::wire::purge::{Mode, PurgeReply, PurgeRequest, Target};
use scenarios::fleet::{Binary, Fleet, FleetBuilder, View, find_binary};
use scenarios::wan::{Link, LinkSpec};
use scenarios::{client, clock};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::process::Command;

/// The host of all URLs.
pub(super) const HOST: &str = "bench.example";
const HOME: &str = "shield-1";
/// The environment variable that carries the token to `purge-cli`.
const TOKEN_VARIABLE: &str = "TIDEWALL_BENCH_TOKEN";

/// A running fleet and its links.
pub(super) struct Wan {
    fleet: Fleet,
    _links: Vec<Link>,
    echo: Echo,
    edges: Vec<String>,
}

impl Wan {
    /// A shield that is the purge log's home, and a PoP at each of these round trips, in milliseconds.
    pub(super) async fn set(round_trips: &[u64]) -> Result<Self> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let pops: Vec<String> = round_trips.iter().enumerate().map(|(at, rtt)| format!("pop-{at}-{rtt}ms")).collect();
        let mut builder = FleetBuilder::new().shield(HOME).site("bench", &[HOST], nowhere);
        for pop in &pops {
            builder = builder.node(pop, &format!("{pop}-1"), Role::Edge, 0.0, 0.0);
        }
        let mut plan = builder.reserve()?;
        let home = plan.nodes().iter().find(|node| node.id == HOME).context("the fleet has no shield")?.clone();
        let mut links = Vec::new();
        for (pop, rtt) in pops.iter().zip(round_trips) {
            let rtt = Duration::from_millis(*rtt);
            let mut open = async |name: &str, target| {
                let listen = plan.block().address(9090)?;
                let link = Link::open(LinkSpec { name: name.to_owned(), listen, target, rtt }).await?;
                let address = link.address();
                links.push(link);
                anyhow::Ok(address)
            };
            let admin = open("to the purge log", home.admin).await?;
            let public = open("to the shield", home.public).await?;
            let id = || HOME.to_owned();
            plan.view(pop, View { public: [(id(), public)].into(), admin: [(id(), admin)].into(), ..View::default() });
        }
        let (there, here) = (plan.block().address(7000)?, plan.block().address(7000)?);
        echo::serve(there).await?;
        let rtt = Duration::from_millis(round_trips.iter().copied().max().context("no PoP")?);
        let link = Link::open(LinkSpec { name: "echo".to_owned(), listen: here, target: there, rtt }).await?;
        let echo = Echo::open(link.address()).await?;
        links.push(link);
        let edges = pops.iter().map(|pop| format!("{pop}-1")).collect();
        Ok(Self { fleet: plan.start().await?, _links: links, echo, edges })
    }

    /// A bare round trip over the longest link, in milliseconds.
    pub(super) async fn round_trip(&mut self) -> Result<f64> {
        self.echo.round_trip().await
    }

    /// Purges a URL with `purge-cli`, from where the home is. How long it ran, in milliseconds.
    pub(super) async fn purge_by_command(&self, url: &str) -> Result<f64> {
        let mut command = Command::new(find_binary(Binary::PurgeCli)?);
        command.args(["url", url, "--json", "--token-env", TOKEN_VARIABLE, "--config"]).arg(self.fleet.fleet_file());
        command.env(TOKEN_VARIABLE, &self.fleet.secrets().deploy).kill_on_drop(true);
        let began = clock::now();
        let output = command.output().await?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "purge-cli failed: {said}{error}");
        Ok(took)
    }

    /// Purges as a client of the home's admin server, on a connection of its own. How long that took, and until when the
    /// home had the receipts of the PoPs; in milliseconds.
    pub(super) async fn purge(&self, targets: Vec<Target>) -> Result<(f64, Vec<f64>)> {
        let request = PurgeRequest::new(targets, Mode::Hard);
        let began = clock::now();
        let admin = self.fleet.node(HOME).admin_addr();
        let reply: PurgeReply = client::post_json(admin, "/purges", &self.fleet.secrets().admin, &request).await?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        ensure!(reply.proven, "the purge is not proven: {reply:?}");
        let of = |edge: &String| reply.nodes.iter().find(|node| node.node == *edge)?.ms;
        let receipts = self.edges.iter().map(|edge| of(edge).with_context(|| format!("no receipt of {edge}")));
        Ok((took, receipts.collect::<Result<_>>()?))
    }
}
