//! All that a run found out, as data.

use super::RunError;
use super::checks::{Check, Facts, checks};
use super::deploy::Deployment;
use super::read::Read;
use super::stage::Stage;
use super::watch::Watch;
use crate::load::{LoadSpec, Record, RecordReport, RegionResult};
use crate::scenario::Scenario;
use edge::wire::stats::Stats;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Wrong reads that a report describes; the rest is counted.
const MAX_EXAMPLES: usize = 20;

/// The outcome of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// What it shows.
    pub description: String,
    /// What determined the load.
    pub seed: u64,
    /// Requests a second in each region.
    pub per_second: f64,
    /// Whether all checks hold.
    pub ok: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// By region.
    pub regions: Vec<RegionReport>,
    /// All regions together.
    pub all: RecordReport,
    /// The origin.
    pub origin: OriginReport,
    /// The deploy.
    pub deploy: DeployReport,
    /// The counters of every node.
    pub nodes: BTreeMap<String, Stats>,
    /// The links.
    pub links: Vec<LinkReport>,
}

/// A region: its clients, and its edge.
#[derive(Debug, Serialize)]
pub struct RegionReport {
    /// Its name, which is that of its PoP.
    pub region: String,
    /// Connections that the clients opened.
    pub connections: u64,
    /// What the clients saw.
    pub clients: RecordReport,
    /// The same by stage of the run.
    pub stages: BTreeMap<String, RecordReport>,
    /// One minus bytes that the edge received over bytes that it sent.
    pub byte_hit_ratio: Option<f64>,
    /// How long it took until the home of the purge log knew that the edge has applied the purge, in milliseconds.
    pub purge_ms: Option<f64>,
}

/// The origin.
#[derive(Debug, Serialize)]
pub struct OriginReport {
    /// Requests that clients made to edges, all in all.
    pub client_requests: u64,
    /// Requests that reached the origin.
    pub origin_requests: u64,
    /// The share of requests that did not.
    pub offload: f64,
    /// Bytes of bodies that clients got.
    pub client_bytes: u64,
    /// Bytes of bodies that the origin sent.
    pub origin_bytes: u64,
    /// The share of bytes that it did not send.
    pub byte_offload: f64,
    /// Its counters, as it gives them.
    pub stats: serde_json::Value,
}

/// The deploy.
#[derive(Debug, Serialize)]
pub struct DeployReport {
    /// Files whose content changed.
    pub changed: usize,
    /// Files that were removed.
    pub removed: usize,
    /// Files that were added.
    pub added: usize,
    /// How long the origin took to switch, in milliseconds.
    pub switch_ms: f64,
    /// Every page of the old release, before the load.
    pub warm: ReadReport,
    /// Every page that changes, after the switch and before the purge.
    pub before_purge: ReadReport,
    /// The purge.
    pub purge: PurgeReport,
    /// Everything that changed, right after the purge.
    pub after_purge: ReadReport,
    /// Everything that changed, at the end of the run.
    pub at_the_end: ReadReport,
    /// Requests of the load for something that changed that were sent after the purge.
    pub load_sent_after_purge: u64,
    /// Those among them that were answered with what was before.
    pub load_old_after_purge: u64,
    /// Some of those.
    pub load_old_examples: Vec<String>,
}

/// Reads in every region.
#[derive(Debug, Serialize)]
pub struct ReadReport {
    /// How many.
    pub reads: usize,
    /// Those that were what they should be.
    pub right: usize,
    /// Those that were answers of another release.
    pub of_another_release: usize,
    /// Those that came from the edge's store.
    pub hits: usize,
    /// The greatest `Age` among them, in seconds.
    pub max_age_s: Option<u64>,
    /// Some that were wrong.
    pub examples: Vec<String>,
}

/// A purge by `purge-cli`.
#[derive(Debug, Serialize)]
pub struct PurgeReport {
    /// How many URLs.
    pub urls: usize,
    /// What the command exited with; `null` if a signal ended it.
    pub exit_code: Option<i32>,
    /// Whether it is proven.
    pub ok: bool,
    /// How long it took, by the command's own clock.
    pub duration_ms: f64,
    /// How long the command took from its start to its end.
    pub wall_ms: f64,
    /// By node.
    pub nodes: Vec<PurgeNode>,
    /// What the command said otherwise.
    pub stderr: String,
}

/// A node, as `purge-cli` reports it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PurgeNode {
    /// Its PoP.
    pub pop: Option<String>,
    /// Its name.
    pub node: String,
    /// Whether it is proven that it serves nothing any more that was purged.
    pub proven: bool,
    /// How long it took until the home of the purge log knew, from when it was asked.
    pub ms: Option<f64>,
    /// Why not, if not.
    pub error: Option<String>,
}

/// A link.
#[derive(Debug, Serialize)]
pub struct LinkReport {
    /// What it joins.
    pub name: String,
    /// Its round-trip time.
    pub rtt_ms: f64,
    /// Connections.
    pub connections: u64,
    /// Bytes towards the target.
    pub bytes_up: u64,
    /// Bytes from it.
    pub bytes_down: u64,
}

impl ReadReport {
    pub(super) fn of(reads: &[Read]) -> Self {
        let count = |which: fn(&Read) -> bool| reads.iter().filter(|read| which(read)).count();
        let wrong = reads.iter().filter(|read| !read.is_right());
        Self {
            reads: reads.len(),
            right: count(Read::is_right),
            of_another_release: count(Read::is_of_another_release),
            hits: count(|read| read.answer.as_ref().is_ok_and(|answer| answer.outcome.is_hit())),
            max_age_s: reads.iter().filter_map(|read| read.answer.as_ref().ok()?.age).max(),
            examples: wrong.take(MAX_EXAMPLES).map(Read::describe).collect(),
        }
    }

    /// Whether there were some, and all right.
    pub fn all_right(&self) -> bool {
        self.reads > 0 && self.right == self.reads
    }
}

impl Report {
    #[expect(clippy::too_many_arguments, reason = "everything that a run found out comes together here, once")]
    pub(super) async fn gather(
        scenario: &Scenario,
        seed: u64,
        spec: &LoadSpec,
        stage: &Stage,
        warm: &[Read],
        deployment: Deployment,
        last: &[Read],
        results: Vec<RegionResult>,
        watch: &Watch,
    ) -> Result<Self, RunError> {
        let mut nodes = BTreeMap::new();
        for node in stage.fleet.nodes() {
            nodes.insert(node.id().to_owned(), node.stats().await?);
        }
        let origin = origin_report(&nodes, stage.origin.stats().await?);
        let deploy = DeployReport {
            changed: deployment.changed,
            removed: deployment.removed,
            added: deployment.added,
            switch_ms: deployment.switch_ms,
            warm: ReadReport::of(warm),
            before_purge: ReadReport::of(&deployment.before_purge),
            purge: deployment.purge,
            after_purge: ReadReport::of(&deployment.after_purge),
            at_the_end: ReadReport::of(last),
            load_sent_after_purge: watch.sent_after_purge(),
            load_old_after_purge: watch.old_after_purge(),
            load_old_examples: watch.examples(),
        };
        let mut all = Record::default();
        let regions: Vec<RegionReport> = results
            .iter()
            .map(|result| {
                let mut clients = Record::default();
                result.stages.iter().for_each(|(_, record)| clients.merge(record));
                all.merge(&clients);
                let edge = scenario.topology.pops.iter().find(|pop| pop.id == result.region).map(|pop| pop.edge());
                let stats = edge.as_ref().and_then(|edge| nodes.get(edge));
                let purged = deploy.purge.nodes.iter().find(|node| Some(&node.node) == edge.as_ref() && node.proven);
                RegionReport {
                    region: result.region.clone(),
                    connections: result.connections,
                    clients: clients.report(),
                    stages: result.stages.iter().map(|(name, record)| (name.clone(), record.report())).collect(),
                    byte_hit_ratio: stats.and_then(|stats| stats.total.byte_hit_ratio()),
                    purge_ms: purged.and_then(|node| node.ms),
                }
            })
            .collect();
        let all = all.report();
        let facts = Facts { scenario, regions: &regions, all: &all, origin: &origin, deploy: &deploy };
        let checks = checks(&facts);
        Ok(Self {
            description: scenario.description.clone(),
            seed,
            per_second: spec.per_second,
            ok: checks.iter().all(|check| check.ok),
            checks,
            regions,
            all,
            origin,
            deploy,
            nodes,
            links: stage.links.iter().map(link_report).collect(),
        })
    }
}

fn origin_report(nodes: &BTreeMap<String, Stats>, stats: serde_json::Value) -> OriginReport {
    let edges = || nodes.values().filter(|stats| stats.role == "edge");
    let client_requests: u64 = edges().map(|stats| stats.total.requests).sum();
    let client_bytes: u64 = edges().map(|stats| stats.total.body_bytes_sent).sum();
    let number = |pointer: &str| stats.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let (origin_requests, origin_bytes) = (number("/requests/total"), number("/sent/body_bytes"));
    let saved = |of: u64, all: u64| if all == 0 { 0.0 } else { 1.0 - of as f64 / all as f64 };
    OriginReport {
        client_requests,
        origin_requests,
        offload: saved(origin_requests, client_requests),
        client_bytes,
        origin_bytes,
        byte_offload: saved(origin_bytes, client_bytes),
        stats,
    }
}

fn link_report(link: &crate::wan::Link) -> LinkReport {
    let (spec, traffic) = (link.spec(), link.traffic());
    LinkReport {
        name: spec.name.clone(),
        rtt_ms: spec.rtt.as_secs_f64() * 1e3,
        connections: traffic.connections,
        bytes_up: traffic.bytes_up,
        bytes_down: traffic.bytes_down,
    }
}
