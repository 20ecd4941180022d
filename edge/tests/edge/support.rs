//! What tests of single nodes share: a node in front of a scripted origin, a client that sends bytes as they are, and
//! the `edge` command itself.

mod client;
mod command;
mod origin;

pub(crate) use client::{Client, Reply};
pub(crate) use command::{Command, Ended, crate_folder};
pub(crate) use origin::{Answer, EARLY, Gate, Origin, Seen, Step};

use scenarios::fleet::{Fleet, FleetBuilder, FleetNode};
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// The host of the one site.
pub(crate) const HOST: &str = "docs.example";

/// The node's name.
pub(crate) const NODE: &str = "fra-1";

/// Nothing that is waited for takes longer, even on a machine that is busy building.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const POLL_EVERY: Duration = Duration::from_millis(10);

/// One edge in front of one origin.
pub(crate) struct Stand {
    pub(crate) fleet: Fleet,
    pub(crate) origin: Origin,
}

impl Stand {
    /// With the defaults, in front of [`Origin::start`].
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With this merged into the fleet file, in front of [`Origin::start`].
    pub(crate) async fn with(toml: &str) -> Self {
        Self::before(Origin::start().await, toml).await
    }

    /// With this merged into the fleet file, in front of this origin.
    pub(crate) async fn before(origin: Origin, toml: &str) -> Self {
        let fleet = builder(origin.address()).toml_extra(toml).start().await;
        Self { fleet: fleet.unwrap_or_else(|error| panic!("{error}")), origin }
    }

    pub(crate) fn node(&self) -> &FleetNode {
        self.fleet.node(NODE)
    }

    /// A new connection to the node's public listener.
    pub(crate) async fn connect(&self) -> Client {
        Client::connect(self.node().public_addr()).await
    }

    /// Sends these bytes on a connection of its own, and reads one response.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> Reply {
        self.connect().await.exchange(bytes).await
    }

    /// Client connections that the node has open.
    pub(crate) async fn connections(&self) -> u64 {
        self.node().stats().await.unwrap_or_else(|error| panic!("{error}")).connections
    }

    /// Waits until all connections are gone.
    pub(crate) async fn drained(&self) {
        eventually("the node has no connection left", async || self.connections().await == 0).await;
    }

    /// What every test ends with: the node answers a normal request, and nothing in it has panicked.
    pub(crate) async fn still_serves(&self) {
        let reply = self.exchange(format!("GET /still-serves HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"));
        let reply = reply.await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        self.did_not_panic();
    }

    pub(crate) fn did_not_panic(&self) {
        let log = self.node().stderr();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// A fleet of one edge with one site, which is asked for at this address.
pub(crate) fn builder(origin: SocketAddr) -> FleetBuilder {
    FleetBuilder::new().pop("fra", 50.11, 8.68).site("docs", &[HOST], origin)
}

/// A GET request of the site, as most tests send it.
pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    within(what, async {
        while !condition().await {
            tokio::time::sleep(POLL_EVERY).await;
        }
    })
    .await;
}

/// Waits for something that takes no longer than [`BOUND`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(BOUND, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {BOUND:?} in vain: {what}"),
    }
}
