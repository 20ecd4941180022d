//! The promise under load: whoever asks after a purge was answered gets nothing that the origin sent before the purge.

use crate::stage::{HOST, Origin, Script, Stage, docs, purge, tag, url};
use edge::wire::purge::{Mode, Target};
use scenarios::client::{Ask, Connection, Reply};
use scenarios::fleet::Fleet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often everything is deployed and purged.
const ROUNDS: u64 = 150;

/// Clients that ask all the time, for each node.
const CLIENTS: u64 = 6;

/// The kinds of responses that are asked for.
const TARGETS: [&str; 5] = ["/fresh", "/stale", "/validated", "/variants", "/large"];

/// The response of a version: its number, over and over.
fn script(target: &str, version: u64) -> Script {
    let word = format!("{version:08} ");
    let etag = format!("\"{version}\"");
    let body = |words: usize| word.repeat(words);
    let script = match target {
        "/fresh" => Script::cached(body(10)),
        "/stale" => Script::stale(body(10), ", stale-while-revalidate=600, stale-if-error=600"),
        "/validated" => Script::ok(body(10)).field("Cache-Control", "no-cache").validated(),
        "/variants" => Script::cached(body(100)).field("Vary", "Accept-Language").chunked(),
        _ => Script::cached(body(20_000)),
    };
    script.field("ETag", &etag).field("Surrogate-Key", "release")
}

fn deploy(origin: &Origin, version: u64) {
    for target in TARGETS {
        origin.on(target, script(target, version));
    }
}

/// What is purged after a deploy: everything that was deployed, each time in another way.
fn targets(round: u64) -> Vec<Target> {
    match round % 5 {
        0 => TARGETS.iter().map(|target| url(target)).collect(),
        1 => vec![tag("release")],
        2 => vec![Target::Prefix { url: format!("http://{HOST}/") }],
        3 => vec![Target::Site { site: "docs".into() }],
        _ => vec![Target::Everything],
    }
}

/// The version of a whole response; none of its words may be of another one.
fn version_of(reply: &Reply) -> u64 {
    let text = reply.text();
    let version = text.get(..8).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text:?}"));
    assert!(text.split_ascii_whitespace().all(|word| word.parse() == Ok(version)), "a mixture of versions");
    version
}

/// A client: asks until it is told to end. Returns how often it asked.
async fn ask_on(node: SocketAddr, client: u64, purged: Arc<AtomicU64>, ended: Arc<AtomicBool>) -> u64 {
    let mut connection = Connection::open(node).await.expect("a connection");
    let mut last_seen = 0;
    let mut asked = 0;
    while !ended.load(Ordering::Acquire) {
        asked += 1;
        let target = TARGETS[((asked + client) % TARGETS.len() as u64) as usize];
        let language = ["de", "en"][(asked % 2) as usize];
        let mut ask = Ask::get(HOST, target).with("Accept-Language", language);
        let conditional = asked % 3 == 0;
        if conditional {
            ask = ask.with("If-None-Match", &format!("\"{last_seen}\""));
        }
        let purged = purged.load(Ordering::Acquire);
        let reply = connection.send(&ask).await.expect("an answer");
        if reply.status == 304 {
            assert!(conditional && last_seen >= purged, "304 for version {last_seen} after purge {purged} of {target}");
            continue;
        }
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        last_seen = version_of(&reply);
        assert!(last_seen >= purged, "version {last_seen} after purge {purged} of {target}: {:?}", reply.headers);
    }
    asked
}

async fn check(fleet: &Fleet, origin: &Origin, nodes: &[&str]) {
    deploy(origin, 0);
    let purged = Arc::new(AtomicU64::new(0));
    let ended = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    for node in nodes {
        let address = fleet.node(node).public_addr();
        clients.extend((0..CLIENTS).map(|n| tokio::spawn(ask_on(address, n, purged.clone(), ended.clone()))));
    }
    for round in 1..=ROUNDS {
        deploy(origin, round);
        for node in nodes {
            purge(fleet, node, Mode::Hard, &targets(round)).await;
        }
        purged.store(round, Ordering::Release);
    }
    ended.store(true, Ordering::Release);
    let mut asked = 0;
    for client in clients {
        asked += client.await.expect("no client was given what was purged");
    }
    assert!(asked > ROUNDS, "only {asked} requests were made meanwhile");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_one_node() {
    let stage = Stage::new().await;
    check(&stage.fleet, &stage.origin, &["fra-1"]).await;
}

/// The store is so small that responses leave it all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_node_with_little_memory() {
    let stage = Stage::with("[store]\nmemory = \"256KiB\"\nmax_object = \"200KiB\"").await;
    check(&stage.fleet, &stage.origin, &["fra-1"]).await;
}

/// Shields are purged before edges, as `purge-cli` does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_two_tiers() {
    let origin = Origin::start().await;
    let fleet = docs(&origin).shield("shield-1").shield("shield-2").pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49);
    let fleet = fleet.start().await.expect("a fleet");
    check(&fleet, &origin, &["shield-1", "shield-2", "fra-1", "iad-1"]).await;
}
