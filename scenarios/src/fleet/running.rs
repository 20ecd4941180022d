//! A fleet that runs.

use super::address::Block;
use super::error::FleetError;
use super::plan::{Kept, PlannedNode};
use super::process::{Process, ProcessSpec};
use super::secrets::Secrets;
use crate::client::{self, Ask, ClientError, Reply};
use crate::clock;
use edge::config::Role;
use edge::wire::admin::Listening;
use edge::wire::purge::{PurgeReply, PurgeRequest};
use edge::wire::stats::Stats;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;
use tempfile::TempDir;

/// How long a node may take to be ready once it listens.
const READY_WITHIN: Duration = Duration::from_secs(20);
/// How long a node may take to end after SIGTERM: its drain timeout (30 s by default) and some.
const END_WITHIN: Duration = Duration::from_secs(40);

/// A fleet that runs. Dropping it kills its processes and removes its folder; with `TIDEWALL_KEEP` in the environment
/// the folder stays.
#[derive(Debug)]
pub struct Fleet {
    // The processes go first, the folder and the addresses last.
    nodes: Vec<FleetNode>,
    fleet_file: PathBuf,
    secrets: Secrets,
    folder: Option<TempDir>,
    _block: Block,
}

/// A node of a running fleet.
#[derive(Debug)]
pub struct FleetNode {
    planned: PlannedNode,
    fleet_file: PathBuf,
    read_token: String,
    process: Process,
}

impl FleetNode {
    /// Its name.
    pub fn id(&self) -> &str {
        &self.planned.id
    }

    /// Its PoP.
    pub fn pop(&self) -> &str {
        &self.planned.pop
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.planned.role
    }

    /// Where it listens for clients and other nodes.
    pub fn public_addr(&self) -> SocketAddr {
        self.planned.public
    }

    /// Where its admin server listens.
    pub fn admin_addr(&self) -> SocketAddr {
        self.planned.admin
    }

    /// The fleet file that it was started with.
    pub fn fleet_file(&self) -> &Path {
        &self.fleet_file
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// All that it logged.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }

    /// Asks it for a target of a host, on a new connection.
    ///
    /// # Errors
    /// If there is no complete response.
    pub async fn get(&self, host: &str, target: &str) -> Result<Reply, ClientError> {
        self.send(&Ask::get(host, target)).await
    }

    /// Sends it a request, on a new connection.
    ///
    /// # Errors
    /// If there is no complete response.
    pub async fn send(&self, ask: &Ask) -> Result<Reply, ClientError> {
        client::ask(self.public_addr(), ask).await
    }

    /// Its counters.
    ///
    /// # Errors
    /// If its admin server doesn't give them.
    pub async fn stats(&self) -> Result<Stats, ClientError> {
        client::get_json(self.admin_addr(), "/stats", &self.read_token).await
    }
}

impl Fleet {
    pub(super) async fn start(
        kept: Kept,
        specs: Vec<ProcessSpec>,
        wait_for_readiness: bool,
    ) -> Result<Self, FleetError> {
        let Kept { nodes, fleet_files, fleet_file, block, folder, secrets } = kept;
        let folder = if std::env::var_os("TIDEWALL_KEEP").is_some() {
            let _kept_path = folder.keep();
            None
        } else {
            Some(folder)
        };
        let mut fleet = Self { nodes: Vec::new(), fleet_file, secrets, folder, _block: block };
        for (planned, spec) in nodes.into_iter().zip(specs) {
            let process = Process::start(spec).await?;
            fleet.nodes.push(FleetNode {
                fleet_file: fleet_files.get(&planned.id).cloned().unwrap_or_default(),
                read_token: fleet.secrets.read.clone(),
                planned,
                process,
            });
        }
        // They start side by side; the wait for one is time that the others have too.
        for node in &mut fleet.nodes {
            node.await_listening().await?;
        }
        if wait_for_readiness {
            for node in &mut fleet.nodes {
                node.await_ready().await?;
            }
        }
        Ok(fleet)
    }

    /// A node by its name.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub fn node(&self, id: &str) -> &FleetNode {
        match self.nodes.iter().find(|node| node.id() == id) {
            Some(node) => node,
            None => panic!("the fleet has no node {id:?}, but {:?}", self.names()),
        }
    }

    fn node_mut(&mut self, id: &str) -> &mut FleetNode {
        match self.nodes.iter().position(|node| node.id() == id) {
            Some(at) => &mut self.nodes[at],
            None => panic!("the fleet has no node {id:?}, but {:?}", self.names()),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.nodes.iter().map(FleetNode::id).collect()
    }

    /// All nodes.
    pub fn nodes(&self) -> &[FleetNode] {
        &self.nodes
    }

    /// All nodes, each to be ended and started by itself.
    pub fn nodes_mut(&mut self) -> &mut [FleetNode] {
        &mut self.nodes
    }

    /// The fleet file as it looks from where purges are issued.
    pub fn fleet_file(&self) -> &Path {
        &self.fleet_file
    }

    /// The fleet's secrets. The fleet file names the files that hold them.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The scratch folder.
    pub fn folder(&self) -> &Path {
        self.fleet_file.parent().unwrap_or(Path::new(""))
    }

    /// Leaves the scratch folder where it is when the fleet is dropped.
    pub fn keep_folder(&mut self) {
        if let Some(folder) = self.folder.take() {
            let _kept_path = folder.keep();
        }
    }

    /// All that a node logged.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub fn stderr_of(&self, id: &str) -> String {
        self.node(id).stderr()
    }

    /// Asks the home of the purge log for a purge, with the token that may do everything.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn purge(&self, request: &PurgeRequest) -> Result<PurgeReply, ClientError> {
        client::post_json(self.home().admin_addr(), "/purges", &self.secrets.admin, request).await
    }

    /// The home of the purge log: the first shield, or else the first node.
    ///
    /// # Panics
    /// If the fleet has no node.
    pub fn home(&self) -> &FleetNode {
        let shield = self.nodes().iter().find(|node| node.role() == Role::Shield);
        shield.or_else(|| self.nodes().first()).expect("a fleet has nodes")
    }

    /// Sends a node a signal.
    ///
    /// # Errors
    /// If it has ended.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub fn signal(&self, id: &str, signal: Signal) -> Result<(), FleetError> {
        self.node(id).signal(signal)
    }

    /// Asks a node to read its fleet file anew (SIGHUP). It takes effect some time later.
    ///
    /// # Errors
    /// If it has ended.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub fn reload(&self, id: &str) -> Result<(), FleetError> {
        self.signal(id, Signal::HUP)
    }

    /// Asks a node to drain and end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// If it doesn't.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub async fn terminate(&mut self, id: &str) -> Result<ExitStatus, FleetError> {
        self.node_mut(id).terminate().await
    }

    /// Ends a node at once (SIGKILL).
    ///
    /// # Errors
    /// If the system refuses.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub async fn kill(&mut self, id: &str) -> Result<(), FleetError> {
        self.node_mut(id).kill().await
    }

    /// Starts a node again, at the same addresses, and waits until it is ready. If it still runs it is killed first.
    ///
    /// # Errors
    /// If it doesn't get ready.
    ///
    /// # Panics
    /// If the fleet has no such node.
    pub async fn restart(&mut self, id: &str) -> Result<(), FleetError> {
        self.node_mut(id).restart().await
    }

    /// Ends all nodes in an orderly way: SIGTERM to each, and how each ended.
    ///
    /// # Errors
    /// If one doesn't end in time.
    pub async fn shutdown(mut self) -> Result<BTreeMap<String, ExitStatus>, FleetError> {
        for node in &mut self.nodes {
            if node.process.try_status()?.is_none() {
                node.process.signal(Signal::TERM)?;
            }
        }
        let mut ends = BTreeMap::new();
        for node in &mut self.nodes {
            ends.insert(node.planned.id.clone(), node.process.wait(END_WITHIN).await?);
        }
        Ok(ends)
    }
}

impl FleetNode {
    /// Sends it a signal.
    ///
    /// # Errors
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), FleetError> {
        self.process.signal(signal)
    }

    /// Asks it to drain and end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// If it doesn't.
    pub async fn terminate(&mut self) -> Result<ExitStatus, FleetError> {
        self.process.terminate(END_WITHIN).await
    }

    /// Ends it at once (SIGKILL).
    ///
    /// # Errors
    /// If the system refuses.
    pub async fn kill(&mut self) -> Result<(), FleetError> {
        self.process.kill().await
    }

    /// Starts it again, at the same addresses, and waits until it is ready. If it still runs it is killed first.
    ///
    /// # Errors
    /// If it doesn't get ready.
    pub async fn restart(&mut self) -> Result<(), FleetError> {
        self.process.restart().await?;
        self.await_listening().await?;
        self.await_ready().await
    }

    /// Waits for the line that says where it listens, which must be where it was told to.
    async fn await_listening(&mut self) -> Result<(), FleetError> {
        let line: Listening = self.process.first_line().await?;
        let (public, admin) = (self.planned.public.to_string(), self.planned.admin.to_string());
        if (&line.node, &line.public, &line.admin) != (&self.planned.id, &public, &admin) {
            let line = format!("{line:?}");
            let cause = format!("{} should listen on {public} and {admin}", self.planned.id);
            return Err(FleetError::Unexpected { name: self.planned.id.clone(), line, cause });
        }
        Ok(())
    }

    async fn await_ready(&mut self) -> Result<(), FleetError> {
        let deadline = clock::now() + READY_WITHIN;
        let question = Ask::get(&self.planned.admin.to_string(), "/ready");
        loop {
            if client::ask(self.planned.admin, &question).await.is_ok_and(|reply| reply.status == 200) {
                return Ok(());
            }
            self.process.poll(deadline, READY_WITHIN, "ready").await?;
        }
    }
}

impl Drop for Fleet {
    /// A test that fails shows what its nodes had to say.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for node in &self.nodes {
                eprintln!("{}", node.process.log_end());
            }
        }
    }
}
