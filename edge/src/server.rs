//! Layer 5: a node, assembled: listeners, proxy, admin server, signals.

mod open_files;

use crate::admin;
use crate::config::{Fleet, LoadError};
use crate::core::id::NodeId;
use crate::core::log::{Member, RecordId};
use crate::data_folder::{DataError, DataFolder};
use crate::following;
use crate::front_door::FrontDoor;
use crate::listen::{self, BindError};
use crate::log_home::{FileHome, LogError, LogHome};
use crate::node::{LogSide, NodeState, Standing};
use crate::proxy::Proxy;
use crate::snapshot::{Snapshot, SnapshotError};
use crate::telemetry::{NodeInfo, Telemetry};
use crate::wire::admin::Listening;
use opentelemetry::KeyValue;
use pingora::apps::HttpServerOptions;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Upstream connections that are kept open while nobody uses them.
const UPSTREAM_POOL: usize = 512;

/// How often a request is tried, on all upstreams together.
const MAX_TRIES: usize = 3;

/// Streams that one HTTP/2 client may have open at once, and the size of a head that it may send.
const H2_STREAMS: u32 = 128;
const H2_HEAD_BYTES: u32 = 64 << 10;

/// An HTTP/2 connection without a stream is closed after this.
const H2_IDLE: Duration = Duration::from_secs(60);

/// After the drain the admin server has this long to finish what it is asked.
const ADMIN_DRAIN: Duration = Duration::from_secs(1);

/// How often a node that starts looks whether it has caught up.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// For saying to the home of the purge log that the node has drained.
const FAREWELL: Duration = Duration::from_secs(2);

/// A node that can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The fleet file can't be used.
    #[error(transparent)]
    Fleet(#[from] LoadError),
    /// The fleet file can't be used for this node.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An address can't be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The data folder can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The purge log can't be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The runtime, or a signal handler, can't be set up.
    #[error("can't start: {0}\n    hint: check the limits of processes and files (`ulimit -a`)")]
    System(#[from] std::io::Error),
}

/// A node that has bound its listeners and serves as soon as it is run.
#[derive(Debug)]
pub struct Server {
    node: Arc<NodeState>,
    public: TcpListener,
    admin: TcpListener,
    config: PathBuf,
    name: NodeId,
}

impl Server {
    /// Reads the fleet file, takes the node's data folder and binds its listeners. `data`: where nodes keep their data, if
    /// not where the file says.
    ///
    /// # Errors
    /// [`StartError`]: a file, secret or address that can't be used.
    pub fn bind(config: &Path, name: &NodeId, data: Option<&Path>) -> Result<Self, StartError> {
        let fleet = Fleet::load(config)?;
        log_warnings(&fleet, config);
        let boot_id = boot_id();
        let attributes = match fleet.node(name) {
            Some((pop, node)) => vec![
                KeyValue::new("cdn.pop", pop.id.to_string()),
                KeyValue::new("cdn.tier", node.role.as_str()),
                KeyValue::new("service.instance.id", format!("{}/{boot_id}", node.id)),
            ],
            None => Vec::new(),
        };
        let telemetry = Telemetry::new(attributes);
        let snapshot = Snapshot::new(fleet, name, &telemetry)?;
        open_files::raise_limit(snapshot.fleet.limits.connections);
        let public = listen::bind("public", snapshot.node.listen)?;
        let admin = listen::bind("admin", snapshot.node.admin_listen)?;
        let info = NodeInfo {
            node: snapshot.node.id.to_string(),
            pop: snapshot.pop.id.to_string(),
            role: snapshot.node.role.as_str(),
            boot_id,
        };
        let log = log_side(&snapshot, &info, data)?;
        let node = Arc::new(NodeState::new(info, snapshot, telemetry, log));
        Ok(Self { node, public, admin, config: config.to_owned(), name: name.clone() })
    }

    /// Where the node listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn listening(&self) -> std::io::Result<Listening> {
        let address = |listener: &TcpListener| listener.local_addr().map(|a: SocketAddr| a.to_string());
        Ok(Listening {
            node: self.node.info.node.clone(),
            public: address(&self.public)?,
            admin: address(&self.admin)?,
        })
    }

    /// Serves until SIGTERM or SIGINT, then drains. `started` is called once everything runs.
    ///
    /// # Errors
    /// If the runtime can't be set up.
    pub fn run(self, started: impl FnOnce()) -> Result<(), StartError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("edge").build()?;
        runtime.block_on(self.serve(started))?;
        // What still runs is past the drain's bound.
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(())
    }

    async fn serve(self, started: impl FnOnce()) -> Result<(), StartError> {
        let Self { node, public, admin, config, name } = self;
        let (stop, shutdown) = watch::channel(false);
        let (stop_admin, admin_shutdown) = watch::channel(false);
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;

        let front_door = Arc::new(FrontDoor::new(node.clone(), Arc::new(make_proxy(&node))));
        let connections = node.snapshot().fleet.limits.connections;
        let public = tokio::net::TcpListener::from_std(public)?;
        let drain_of = node.clone();
        let drain = move || drain_of.snapshot().fleet.timeouts.drain;
        let serving = tokio::spawn(listen::serve(public, front_door, connections, shutdown, drain));

        let admin = tokio::net::TcpListener::from_std(admin)?;
        let admin = tokio::spawn(admin::serve(admin, admin::routes(node.clone()), admin_shutdown));

        let (stop_following, follows) = watch::channel(false);
        let following = tokio::spawn(following::run(node.clone(), follows));

        node.set_ready(true);
        let mut told = Some(started);
        loop {
            tokio::select! {
                () = knows_its_standing(&node), if told.is_some() => {
                    if let Some(started) = told.take() {
                        started();
                    }
                }
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => reload(&node, &config, &name),
            }
        }
        tracing::info!(node = %name, "draining");
        node.set_ready(false);
        // Receivers live as long as the tasks: nobody to tell means that they have ended.
        let _ = stop.send(true);
        let left = serving.await.unwrap_or(0);
        if left > 0 {
            tracing::warn!(connections = left, "the drain's bound is over; closing what is left");
        }
        let _ = stop_following.send(true);
        let _ = tokio::time::timeout(FAREWELL, following).await;
        let _ = stop_admin.send(true);
        let _ = tokio::time::timeout(ADMIN_DRAIN, admin).await;
        Ok(())
    }
}

/// Waits until the node answers requests, in one way or another.
async fn knows_its_standing(node: &NodeState) {
    while node.standing() == Standing::Starting {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn make_proxy(node: &Arc<NodeState>) -> HttpProxy<Proxy> {
    let conf =
        ServerConf { upstream_keepalive_pool_size: UPSTREAM_POOL, max_retries: MAX_TRIES, ..ServerConf::default() };
    let mut proxy = HttpProxy::new(Proxy::new(node.clone()), Arc::new(conf));
    proxy.handle_init_modules();
    let mut options = HttpServerOptions::default();
    // The front door hands HTTP/2 connections over as such; there is no other way to this switch.
    options.h2c = true;
    options.h2_idle_timeout = Some(H2_IDLE);
    proxy.server_options = Some(options);
    let mut h2 = pingora::protocols::http::v2::server::H2Options::default();
    h2.max_concurrent_streams(H2_STREAMS);
    h2.max_header_list_size(H2_HEAD_BYTES);
    proxy.h2_options = Some(h2);
    proxy
}

/// SIGHUP: takes the fleet file as it is now, whole, or keeps the old one and says why.
fn reload(node: &NodeState, config: &Path, name: &NodeId) {
    let next = Fleet::load(config)
        .inspect(|fleet| log_warnings(fleet, config))
        .map_err(|error| error.to_string())
        .and_then(|fleet| Snapshot::new(fleet, name, &node.telemetry).map_err(|error| error.to_string()))
        .and_then(|next| node.replace(next));
    match next {
        Ok(()) => tracing::info!(config = %config.display(), "reloaded the fleet file"),
        Err(why) => tracing::error!("kept the old fleet file, the new one can't be used:\n{why}"),
    }
}

fn log_warnings(fleet: &Fleet, config: &Path) {
    for warning in &fleet.warnings {
        tracing::warn!("{}", warning.in_file(&config.display().to_string()));
    }
}

/// Takes the node's data folder, and opens the purge log if the node is its home.
fn log_side(snapshot: &Snapshot, info: &NodeInfo, data: Option<&Path>) -> Result<LogSide, StartError> {
    let data = DataFolder::of_node(&snapshot.fleet, &snapshot.node.id, data)?;
    let known = data.known()?;
    let config = &snapshot.fleet.purge_log;
    let is_home = config.home.as_ref() == Some(&snapshot.node.id);
    let home = is_home.then(|| FileHome::open(&data.log_path(), config.into(), config.lease)).transpose()?;
    let boot = RecordId::new(&info.boot_id).unwrap_or_else(|| data.id().clone());
    let strict = config.lease.is_some();
    let member = Member { node: snapshot.node.id.clone(), boot, folder: data.id().clone(), strict };
    Ok(LogSide { member, known, data, home: home.map(|home| Arc::new(home) as Arc<dyn LogHome>) })
}

/// Names this start of the node: the time and the process, hashed.
fn boot_id() -> String {
    let seed = format!("{} {}", crate::clock::now().as_millis(), std::process::id());
    blake3::hash(seed.as_bytes()).to_hex()[..12].to_owned()
}
