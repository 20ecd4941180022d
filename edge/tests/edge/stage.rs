//! What the tests of running nodes need beside the harness of `scenarios`: an origin that does exactly what a test says,
//! and a client that sees a response byte by byte.

mod exchange;
mod gate;
mod origin;
mod script;

pub(crate) use exchange::Exchange;
pub(crate) use gate::Gate;
pub(crate) use origin::{Identity, Origin};
pub(crate) use script::Script;

use bytes::Bytes;
use edge::wire::purge::{Mode, PurgeReply, PurgeRequest, Target};
use edge::wire::stats::Stats;
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask, ClientError, Reply};
use scenarios::fleet::{Fleet, FleetBuilder, FleetNode};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The host of the site `docs`, which most tests are about.
pub(crate) const HOST: &str = "www.example";

/// What happens at all happens within this, on any machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// One edge node, `fra-1`, in front of a scripted origin.
pub(crate) struct Stage {
    pub(crate) fleet: Fleet,
    pub(crate) origin: Origin,
}

impl Stage {
    /// With the fleet file's defaults.
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// With more of a fleet file.
    pub(crate) async fn with(extra: &str) -> Self {
        let origin = Origin::start().await;
        let fleet = docs(&origin).pop("fra", 50.11, 8.68).toml_extra(extra).start().await.expect("a fleet");
        Self { fleet, origin }
    }

    /// With more in the table of the site.
    pub(crate) async fn with_site(keys: &str) -> Self {
        Self::with(&format!("[[sites]]\nid = \"docs\"\n{keys}")).await
    }

    pub(crate) fn node(&self) -> &FleetNode {
        self.fleet.node("fra-1")
    }

    /// Asks for a target of the site.
    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.send(&Ask::get(HOST, target)).await
    }

    /// Sends a request that is answered.
    pub(crate) async fn send(&self, ask: &Ask) -> Reply {
        self.try_send(ask).await.expect("a response")
    }

    pub(crate) async fn try_send(&self, ask: &Ask) -> Result<Reply, ClientError> {
        self.node().send(ask).await
    }

    /// Sends a request in a task of its own.
    pub(crate) fn ask(&self, ask: Ask) -> Asking {
        let node = self.node().public_addr();
        tokio::spawn(async move { client::ask(node, &ask).await })
    }

    /// Sends so many equal GET requests at once.
    pub(crate) fn many(&self, target: &str, count: usize) -> Vec<Asking> {
        (0..count).map(|_| self.ask(Ask::get(HOST, target))).collect()
    }

    /// Begins a GET whose response is looked at piece by piece.
    pub(crate) async fn open(&self, target: &str) -> Exchange {
        Exchange::get(self.node().public_addr(), target).await
    }

    /// Purges on the node.
    pub(crate) async fn purge(&self, mode: Mode, targets: &[Target]) -> PurgeReply {
        purge(&self.fleet, "fra-1", mode, targets).await
    }

    pub(crate) async fn stats(&self) -> Stats {
        self.node().stats().await.expect("statistics")
    }

    /// The statistics once so many requests are counted: that happens after each has its answer.
    pub(crate) async fn stats_after(&self, requests: u64) -> Stats {
        eventually("all requests are counted", async || self.stats().await.total.requests >= requests).await;
        self.stats().await
    }
}

/// A request on its way.
pub(crate) type Asking = JoinHandle<Result<Reply, ClientError>>;

/// Waits for an answer.
pub(crate) async fn reply(asking: Asking) -> Reply {
    asking.await.expect("the task ends").expect("an answer")
}

/// Waits for many.
pub(crate) async fn replies(asking: Vec<Asking>) -> Vec<Reply> {
    let mut replies = Vec::new();
    for asking in asking {
        replies.push(reply(asking).await);
    }
    replies
}

/// A fleet of no nodes yet with the site `docs`.
pub(crate) fn docs(origin: &Origin) -> FleetBuilder {
    FleetBuilder::new().site("docs", &[HOST], origin.address())
}

/// Purges on one node.
pub(crate) async fn purge(fleet: &Fleet, node: &str, mode: Mode, targets: &[Target]) -> PurgeReply {
    let _ = node;
    let reply = fleet.purge(&PurgeRequest::new(targets.to_vec(), mode)).await.expect("the purge is recorded");
    assert!(reply.proven, "{reply:?}");
    reply
}

/// The target of a purge: a URL of the site.
pub(crate) fn url(target: &str) -> Target {
    Target::Url { url: format!("http://{HOST}{target}") }
}

/// The target of a purge: a tag of the site.
pub(crate) fn tag(tag: &str) -> Target {
    Target::Tag { site: "docs".to_owned(), tag: tag.to_owned() }
}

/// What the node nearest to the client did.
pub(crate) fn outcome(reply: &Reply) -> Outcome {
    Outcome::of(reply.header("cache-status"))
}

/// Checks status, body and what the cache did.
#[track_caller]
pub(crate) fn expect(reply: &Reply, status: u16, body: &str, did: Outcome) {
    let got = (reply.status.as_u16(), reply.text(), outcome(reply));
    assert_eq!(got, (status, body.to_owned(), did), "{:?}", reply.headers);
}

/// An integer parameter of the last member of Cache-Status.
pub(crate) fn parameter(reply: &Reply, name: &str) -> Option<i64> {
    let member = reply.header("cache-status")?.rsplit(',').next()?;
    let value = member.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

/// Bytes in which no part is like another one nearby.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|n| (n % 251) as u8 ^ (n >> 12) as u8).collect()
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let look = async {
        while !condition().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    within(what, look).await;
}

/// Waits for something that happens soon.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(SOON, work).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {SOON:?}"),
    }
}
