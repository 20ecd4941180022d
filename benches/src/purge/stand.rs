//! The fleet under test: a node that is loaded, another one that is the home of the purge log, an origin.

use super::Options;
use crate::machine;
use crate::wrk::{self, Asks, Load};
use anyhow::{Context, Result, ensure};
use edge::wire::purge::{Mode, PurgeReply, PurgeRequest, Target, Wait};
use scenarios::client::{Ask, Connection, Reply};
use scenarios::fleet::{Fleet, FleetBuilder, FleetNode, OriginServer, OriginSpec};
use scenarios::{client, clock};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The host of all objects.
pub(super) const HOST: &str = "bench.example";
pub(super) const SITE: &str = "bench";
/// The node that holds the objects.
const NODE: &str = "edge-1";
/// The home of the purge log.
const HOME: &str = "home-1";

/// What an object of so many bytes takes in the store besides: its head, its key, its marks; and some to spare.
const BESIDE_BODY_BYTES: u64 = 8 << 10;
/// For the objects to come: at a thousand a second.
const STOCK_WITHIN: Duration = Duration::from_secs(1200);
/// How often it is looked how far they have come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which objects wrk asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// One after another.
    Each,
    /// Any of them, at random.
    Any,
    /// The first alone.
    First,
}

/// A run of wrk. It ends with this.
pub(super) struct Loading(JoinHandle<Result<wrk::Outcome>>);

impl Loading {
    /// Waits for its end. To be called until it has come, and then no more.
    pub(super) async fn ended(&mut self) -> Result<wrk::Outcome> {
        (&mut self.0).await?
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A running fleet, and who purges it.
pub(super) struct Stand {
    // Nodes end before what they ask.
    fleet: Fleet,
    _origin: OriginServer,
    to_home: Connection,
    script: PathBuf,
    objects: u64,
    bytes: u64,
    /// For URLs that no purge has named yet.
    named: u64,
}

impl Stand {
    /// Starts everything. The node under test and its home are apart, as in a fleet: one follows the other's log.
    pub(super) async fn set(options: &Options) -> Result<Self> {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let memory = options.objects * (options.bytes + BESIDE_BODY_BYTES);
        let extra = format!(
            "[purge_log]\nhome = \"{HOME}\"\n[store]\nmemory = \"{}MiB\"\n[limits]\nrequests_per_connection = 1000000000\n",
            (memory >> 20).max(64)
        );
        let builder = FleetBuilder::new()
            .node("edge", NODE, edge::config::Role::Edge, 0.0, 0.0)
            .node("home", HOME, edge::config::Role::Edge, 0.0, 1.0)
            .site(SITE, &[HOST], nowhere)
            .toml_extra(&extra)
            // How long a purge took in the node is in its log.
            .env("EDGE_LOG", "warn,edge::node=info");
        let mut plan = builder.reserve()?;
        let origin = plan.block().address(8000)?;
        for pop in ["edge", "home"] {
            let origins = [(SITE.to_owned(), origin)].into();
            plan.view(pop, scenarios::fleet::View { origins, ..Default::default() });
        }
        let root = plan.folder().join("site");
        std::fs::create_dir_all(&root)?;
        std::fs::write(root.join("index.html"), "bench\n")?;
        let script = plan.folder().join("objects.lua");
        std::fs::write(&script, include_str!("../../peers/objects.lua"))?;
        let origin = OriginServer::start(OriginSpec {
            root,
            release: "bench".to_owned(),
            listen: origin,
            policy: None,
            control_token: plan.secrets().origin.clone(),
            log_folder: plan.log_folder().to_owned(),
        })
        .await?;
        // A node has as many threads as it has cores when it starts.
        let all = if options.all_cores { None } else { Some(0) };
        machine::pin(std::process::id(), all).await?;
        let fleet = plan.start().await?;
        let others = [fleet.node(HOME).process().pid(), origin.process().pid(), Some(std::process::id())];
        for pid in others.into_iter().flatten() {
            machine::pin(pid, Some(1)).await?;
        }
        let to_home = Connection::open(fleet.node(HOME).admin_addr()).await?;
        let (objects, bytes) = (options.objects, options.bytes);
        Ok(Self { fleet, _origin: origin, to_home, script, objects, bytes, named: 0 })
    }

    /// The node under test.
    pub(super) fn node(&self) -> &FleetNode {
        self.fleet.node(NODE)
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.node().process().pid().context("the node has ended")
    }

    /// Fetches every object once.
    pub(super) async fn stock(&self, options: &Options) -> Result<()> {
        let started = clock::now();
        let (mut told, step) = (0, (self.objects / 10).max(1));
        // Far longer than it takes: it is ended as soon as all is there.
        let mut loading = self.load(Which::Each, options.connections, STOCK_WITHIN);
        loop {
            tokio::select! {
                ended = loading.ended() => {
                    ended?;
                    anyhow::bail!("the objects did not come within {STOCK_WITHIN:?}");
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let store = self.node().stats().await?.store;
            if store.objects / step > told {
                told = store.objects / step;
                eprintln!("{} of {} objects", store.objects, self.objects);
            }
            ensure!(store.evicted == 0, "the node has no room for so many objects");
            if store.objects >= self.objects {
                eprintln!("in {:.0} s, {} MiB", started.elapsed().as_secs_f64(), store.bytes >> 20);
                return Ok(());
            }
        }
    }

    /// A run of wrk, which has begun.
    pub(super) fn load(&self, which: Which, connections: u32, duration: Duration) -> Loading {
        let (address, script, target) = (self.node().public_addr(), self.script.clone(), self.target(0));
        let words =
            |which: &str| vec![HOST.to_owned(), self.bytes.to_string(), self.objects.to_string(), which.to_owned()];
        let words = match which {
            Which::Each => words("each"),
            Which::Any => words("any"),
            Which::First => Vec::new(),
        };
        Loading(tokio::spawn(async move {
            let asks = match words.is_empty() {
                true => Asks::One { host: HOST, target: &target },
                false => Asks::Script { file: &script, words: &words },
            };
            wrk::run(Load { address, asks, connections, duration }).await
        }))
    }

    fn target(&self, object: u64) -> String {
        format!("/_synthetic/{}/{object}?max-age=86400", self.bytes)
    }

    /// The URL of an object.
    pub(super) fn url(&self, object: u64) -> String {
        format!("http://{HOST}{}", self.target(object))
    }

    pub(super) async fn ask(&self, object: u64) -> Result<Reply> {
        Ok(self.node().get(HOST, &self.target(object)).await?)
    }

    /// Something that no purge has named yet, and that nobody asks for: a URL, a tag or a path's beginning in turn.
    pub(super) fn another(&mut self) -> Target {
        self.named += 1;
        let number = self.named;
        match number % 3 {
            0 => Target::Url { url: format!("http://{HOST}/another/{number}") },
            1 => Target::Tag { site: SITE.to_owned(), tag: format!("another-{number}") },
            // All of one length.
            _ => Target::Prefix { url: format!("http://{HOST}/another/{number:012}/") },
        }
    }

    /// So many URLs that no purge has named yet, and that nobody asks for.
    pub(super) fn others(&mut self, count: u64) -> Vec<Target> {
        self.named += count;
        let named = self.named;
        (named - count..named).map(|number| Target::Url { url: format!("http://{HOST}/others/{number}") }).collect()
    }

    /// Purges, and waits until it is proven. How long that took for who asked, in milliseconds.
    pub(super) async fn purge(&mut self, targets: Vec<Target>) -> Result<(f64, PurgeReply)> {
        let request = PurgeRequest { targets, mode: Mode::Hard, id: None, wait: Wait::All, timeout_ms: None };
        let address = self.to_home.address().to_string();
        let ask = Ask::new(hyper::Method::POST, &address, "/purges").bearer(&self.fleet.secrets().admin);
        let ask = ask.json(serde_json::to_vec(&request)?);
        if self.to_home.is_closed() {
            self.to_home = Connection::open(self.to_home.address()).await?;
        }
        let began = clock::now();
        let reply = self.to_home.send(&ask).await?;
        let took = began.elapsed().as_secs_f64() * 1e3;
        ensure!(reply.status == 200, "the purge was refused: {}", reply.text());
        let reply: PurgeReply = serde_json::from_slice(&reply.body)?;
        ensure!(reply.proven, "the purge is not proven: {reply:?}");
        Ok((took, reply))
    }

    /// When the node under test was known to have applied a purge, in milliseconds since the home was asked.
    pub(super) fn applied_ms(reply: &PurgeReply) -> Result<f64> {
        let node = reply.nodes.iter().find(|node| node.node == NODE);
        node.and_then(|node| node.ms).context("the home knows nothing of the node")
    }

    /// How long the node under test was at applying each purge, in microseconds, oldest first.
    pub(super) fn took_us(&self) -> Vec<f64> {
        let of_line = |line: &str| line.split_once("took_us=")?.1.split_whitespace().next()?.parse().ok();
        self.node().stderr().lines().filter_map(of_line).collect()
    }

    /// What is under test, in a line.
    pub(super) async fn describe(&self) -> Result<String> {
        let store = self.node().stats().await?.store;
        let health = client::ask(self.node().admin_addr(), &Ask::get("node", "/health")).await?;
        ensure!(health.status == 200, "the node is not well: {}", health.text());
        Ok(format!("{} objects of {} bytes, {} MiB", store.objects, self.bytes, store.bytes >> 20))
    }
}
