//! The `purge-cli` command against running fleets.

use crate::stage::{Gate, HOST, Origin, Script, docs, outcome, reply, within};
use scenarios::cache_status::Outcome;
use scenarios::client::{self, Ask};
use scenarios::fleet::{Binary, Fleet, find_binary};
use serde_json::Value;

pub(crate) const NODES: [&str; 3] = ["shield-1", "fra-1", "iad-1"];

/// One shield and two edges.
async fn fleet() -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = docs(&origin)
        .toml_extra("[[sites]]\nid = \"docs\"\nstale_while_revalidate = \"1h\"")
        .shield("shield-1")
        .pop("fra", 50.11, 8.68)
        .pop("iad", 39.04, -77.49);
    (fleet.start().await.expect("a fleet"), origin)
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the command on a fleet.
pub(crate) async fn purge_cli(fleet: &Fleet, token: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = tokio::process::Command::new(find_binary(Binary::PurgeCli).expect("it is built"));
    command.arg("--config").arg(fleet.fleet_file()).args(["--timeout", "5s"]).args(arguments);
    command.env_remove("TIDEWALL_TOKEN").kill_on_drop(true);
    if let Some(token) = token {
        command.env("TIDEWALL_TOKEN", token);
    }
    let output = within("purge-cli", command.output()).await.expect("it runs");
    Ran {
        code: output.status.code().expect("it ends by itself"),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(&self, code: i32) {
        assert_eq!(self.code, code, "--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
    }
}

/// What a node answers: what it did, and the body.
pub(crate) async fn ask(fleet: &Fleet, node: &str, target: &str) -> (Outcome, String) {
    let reply = fleet.node(node).get(HOST, target).await.expect("an answer");
    (outcome(&reply), reply.text())
}

/// Has every node store a response.
pub(crate) async fn fill(fleet: &Fleet, origin: &Origin, target: &str, body: &'static str) {
    origin.on(target, Script::cached(body).field("Surrogate-Key", "release:1 all"));
    for node in NODES {
        ask(fleet, node, target).await;
        assert_eq!(ask(fleet, node, target).await, (Outcome::Hit, body.to_owned()));
    }
}

#[tokio::test]
async fn what_is_purged_is_gone_everywhere() {
    let (fleet, origin) = fleet().await;
    for arguments in [
        &["url", "http://www.example/a"][..],
        &["prefix", "https://www.example/a"],
        &["tag", "release:1"],
        &["host", HOST],
        &["site", "docs"],
        &["all", "--yes"],
    ] {
        fill(&fleet, &origin, "/a", "old").await;
        fill(&fleet, &origin, "/kept", "kept").await;
        origin.on("/a", Script::cached("new"));
        let ran = purge_cli(&fleet, None, arguments).await;
        ran.expect(0);
        for node in NODES {
            assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{arguments:?} at {node}");
            let kept = ask(&fleet, node, "/kept").await.0 == Outcome::Hit;
            assert_eq!(kept, matches!(arguments[0], "url" | "prefix"), "{arguments:?} at {node}");
        }
        assert_eq!(purge_cli(&fleet, None, &["all", "--yes"]).await.code, 0);
    }
}

#[tokio::test]
async fn the_report_names_every_node() {
    let (fleet, _origin) = fleet().await;
    let ran = purge_cli(&fleet, None, &["--json", "url", "http://www.example/a", "http://www.example/b"]).await;
    ran.expect(0);
    let report: Value = serde_json::from_str(&ran.out).expect("one JSON document");
    let nodes = report["nodes"].as_array().expect("a list of nodes");
    let named: Vec<&str> = nodes.iter().filter_map(|node| node["node"].as_str()).collect();
    assert_eq!(named.len(), 3, "{report}");
    for node in NODES {
        assert!(named.contains(&node), "{report}");
        assert_eq!(fleet.node(node).stats().await.expect("statistics").purges, 1);
    }
    assert!(nodes.iter().all(|node| node["proven"] == true), "{report}");
    assert_eq!((&report["state"], &report["proven"]), (&"proven".into(), &true.into()), "{report}");
    let (position, id) = (report["position"].as_str().expect("one"), report["id"].as_str().expect("one"));
    assert_eq!(ran.err, format!("recorded at {position}, id {id}; waiting for 3 nodes\n"));
    purge_cli(&fleet, None, &["status", id]).await.expect(0);
}

#[tokio::test]
async fn a_soft_purge_serves_stale_once_more() {
    let (fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    let gate = Gate::new();
    origin.on("/a", Script::cached("new").after(&gate));
    let ran = purge_cli(&fleet, None, &["--soft", "--id", "v41", "url", "http://www.example/a"]).await;
    ran.expect(0);
    // Nothing is promised of what is served as stale.
    assert!(ran.out.contains("\naccepted: soft purge of 1 URL at 1."), "{}", ran.out);
    assert!(ran.out.contains(" is applied by all 3 nodes in ") && !ran.out.contains("proven"), "{}", ran.out);
    let status = purge_cli(&fleet, None, &["status", "v41"]).await;
    status.expect(0);
    assert!(status.out.starts_with("accepted: applied by all 3 nodes: "), "{}", status.out);
    for node in ["fra-1", "iad-1"] {
        assert_eq!(ask(&fleet, node, "/a").await, (Outcome::Stale, "old".to_owned()));
    }
    gate.open();
    for node in ["fra-1", "iad-1"] {
        crate::stage::eventually("it is fresh", async || {
            ask(&fleet, node, "/a").await == (Outcome::Hit, "new".to_owned())
        })
        .await;
    }
}

/// The promise: requests are on their way through both tiers when the purge is issued, and nobody who asks after it has
/// succeeded gets what they bring.
#[tokio::test]
async fn after_success_nobody_gets_what_was_on_its_way() {
    for arguments in [["url", "http://www.example/a"], ["tag", "x"], ["site", "docs"]] {
        let (fleet, origin) = fleet().await;
        let gate = Gate::new();
        origin.next("/a", Script::cached("old").field("Surrogate-Key", "x").after(&gate));
        origin.on("/a", Script::cached("new").field("Surrogate-Key", "x"));
        let ask = |node: &str| {
            let address = fleet.node(node).public_addr();
            tokio::spawn(async move { client::ask(address, &Ask::get(HOST, "/a")).await })
        };
        let early = [ask("fra-1"), ask("iad-1"), ask("shield-1")];
        origin.arrived("/a", 1).await;
        purge_cli(&fleet, None, &arguments).await.expect(0);
        let late: Vec<_> = NODES.into_iter().cycle().take(12).map(ask).collect();
        gate.open();
        for late in late {
            assert_eq!(reply(late).await.text(), "new", "{arguments:?}");
        }
        for early in early {
            let text = reply(early).await.text();
            assert!(text == "old" || text == "new", "{text}");
        }
        for node in NODES {
            let reply = fleet.node(node).get(HOST, "/a").await.expect("an answer");
            assert_eq!(reply.text(), "new", "{arguments:?} at {node}");
        }
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_named_and_the_others_are_purged() {
    let (mut fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    origin.on("/a", Script::cached("new"));
    fleet.kill("iad-1").await.expect("it is killed");
    let ran = purge_cli(&fleet, None, &["url", "http://www.example/a"]).await;
    ran.expect(3);
    assert!(ran.err.contains("unproven") && ran.err.contains("not in iad: iad-1"), "{}{}", ran.out, ran.err);
    let hinted = ran.err.split_once("`purge-cli status ").and_then(|(_, rest)| rest.split_once('`'));
    let position = hinted.expect("what tells whether it is proven by now").0;
    let status = purge_cli(&fleet, None, &["status", position]).await;
    status.expect(3);
    assert!(status.out.starts_with("not proven: "), "{}", status.out);
    for node in ["fra-1", "shield-1"] {
        assert_eq!(fleet.node(node).stats().await.expect("statistics").purges, 1, "{node}");
    }
    fleet.restart("iad-1").await.expect("it starts");
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
    let status = purge_cli(&fleet, None, &["status", position]).await;
    status.expect(0);
    assert!(status.out.starts_with("proven: "), "{}", status.out);
    purge_cli(&fleet, None, &["url", "http://www.example/a"]).await.expect(0);
}

/// An operator who knows that a node is gone for good says so.
#[tokio::test]
async fn a_node_that_is_forgotten_is_not_waited_for() {
    let (mut fleet, _origin) = fleet().await;
    let ping = purge_cli(&fleet, None, &["ping"]).await;
    ping.expect(0);
    for node in NODES {
        assert!(ping.out.lines().any(|line| line.contains(node) && line.contains("at 1.")), "{node}: {}", ping.out);
    }
    fleet.kill("iad-1").await.expect("it is killed");
    let deploy = fleet.secrets().deploy.clone();
    let is_silent = async || purge_cli(&fleet, None, &["ping"]).await.err.contains("iad-1 (silent)");
    crate::stage::eventually("it is silent", is_silent).await;
    purge_cli(&fleet, Some(&deploy), &["forget", "iad-1"]).await.expect(4);
    purge_cli(&fleet, None, &["forget", "sin-9"]).await.expect(1);
    let running = purge_cli(&fleet, None, &["forget", "fra-1"]).await;
    running.expect(2);
    assert!(running.err.contains("fra-1 runs: ") && running.err.contains("add --yes"), "{}", running.err);
    for said in ["forgotten: iad-1", "already forgotten: iad-1"] {
        let forgotten = purge_cli(&fleet, None, &["forget", "iad-1"]).await;
        forgotten.expect(0);
        assert_eq!(forgotten.out.lines().last(), Some(said), "{}", forgotten.out);
    }
    let ran = purge_cli(&fleet, None, &["url", "http://www.example/a"]).await;
    ran.expect(0);
    assert!(ran.out.contains("iad-1     edge    does not run\n"), "{}", ran.out);
    assert!(ran.out.contains(" is applied on 2 nodes in ") && ran.out.ends_with("; 1 does not run\n"), "{}", ran.out);
    let ping = purge_cli(&fleet, Some(&fleet.secrets().read), &["ping"]).await;
    ping.expect(3);
    assert!(ping.out.lines().any(|line| line.contains("iad-1") && line.ends_with("not running")), "{}", ping.out);
    fleet.restart("iad-1").await.expect("it starts");
    let ran = purge_cli(&fleet, None, &["url", "http://www.example/a"]).await;
    ran.expect(0);
    assert!(!ran.out.contains("does not run"), "{}", ran.out);
}

/// The home waits for the end of a lease, and the command for the home, however short its timeout.
#[tokio::test]
async fn a_strict_node_is_forgotten_when_its_lease_has_ended() {
    let origin = Origin::start().await;
    let strict = docs(&origin).toml_extra("[purge_log]\nmode = \"strict\"\nlease = \"2s\"\nhome = \"fra-1\"");
    let mut fleet = strict.pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49).start().await.expect("a fleet");
    crate::stage::eventually("it is leased", async || {
        let ping = purge_cli(&fleet, None, &["ping"]).await;
        ping.out.lines().any(|line| line.contains("iad-1") && line.contains("lease"))
    })
    .await;
    fleet.kill("iad-1").await.expect("it is killed");
    purge_cli(&fleet, None, &["forget", "iad-1", "--yes", "--timeout", "50ms"]).await.expect(0);
    purge_cli(&fleet, None, &["site", "docs"]).await.expect(0);
}

/// Without the home of the log nothing is purged, and nothing is lost: the same purge can be sent again.
#[tokio::test]
async fn without_its_home_a_purge_fails_and_is_sent_again() {
    let (mut fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    origin.on("/a", Script::cached("new"));
    let purge = ["--id", "v41", "url", "http://www.example/a"];
    fleet.kill("shield-1").await.expect("it is killed");
    let ran = purge_cli(&fleet, None, &purge).await;
    ran.expect(1);
    assert!(ran.err.contains("shield-1, the home of the purge log"), "{}", ran.err);
    assert_eq!(ask(&fleet, "fra-1", "/a").await, (Outcome::Hit, "old".to_owned()));
    fleet.restart("shield-1").await.expect("it starts");
    for (round, is_new) in [(1, true), (2, false)] {
        let ran = purge_cli(&fleet, None, &[&["--json"][..], &purge].concat()).await;
        ran.expect(0);
        let report: Value = serde_json::from_str(&ran.out).expect("one JSON document");
        assert_eq!(report["is_new"], is_new, "{round}: {report}");
        for node in NODES {
            assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
            // Those two have run all the time.
            let applied = fleet.node(node).stats().await.expect("statistics").purges;
            assert_eq!(applied, 1, "{node}: once");
        }
    }
    // The log outlives its home's process: what was recorded is known.
    fleet.kill("shield-1").await.expect("it is killed");
    fleet.restart("shield-1").await.expect("it starts");
    let ran = purge_cli(&fleet, None, &purge).await;
    ran.expect(0);
    assert!(ran.out.contains("(recorded before)"), "{}", ran.out);
    let another = purge_cli(&fleet, None, &["--id", "v41", "site", "docs"]).await;
    another.expect(4);
    assert!(another.err.contains("409: the id was used for another purge"), "{}", another.err);
}

#[tokio::test]
async fn tokens_that_may_not_are_refused() {
    let (fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    let read = fleet.secrets().read.clone();
    for (token, arguments) in [
        ("a-token-that-nobody-knows", &["url", "http://www.example/a"][..]),
        (&read, &["url", "http://www.example/a"]),
        (&fleet.secrets().deploy, &["all", "--yes"]),
    ] {
        purge_cli(&fleet, Some(token), arguments).await.expect(4);
    }
    let unknown = purge_cli(&fleet, Some("a-token-that-nobody-knows"), &["ping"]).await;
    unknown.expect(4);
    assert!(unknown.err.contains(": 401: the token is not accepted\n    hint: it is none of "), "{}", unknown.err);
    assert!(
        unknown.err.contains("hint: the token is from the environment variable TIDEWALL_TOKEN: "),
        "{}",
        unknown.err
    );
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await, (Outcome::Hit, "old".to_owned()));
    }
    purge_cli(&fleet, Some(&fleet.secrets().deploy), &["url", "http://www.example/a"]).await.expect(0);
}

#[tokio::test]
async fn what_can_not_be_meant_is_not_sent() {
    let (fleet, _origin) = fleet().await;
    for arguments in [
        &["url", "http://unknown.example/a"][..],
        &["url", "/a"],
        &["url", "http://www.example/a", "http://unknown.example/a"],
        &["host", "unknown.example"],
        &["site", "unknown"],
        &["tag", "two words"],
        &["prefix", "http://www.example/a?b"],
        &["all"],
        &["everything"],
    ] {
        purge_cli(&fleet, None, arguments).await.expect(2);
    }
    for node in NODES {
        assert_eq!(fleet.node(node).stats().await.expect("statistics").purges, 0);
    }
}

#[tokio::test]
async fn a_thousand_urls_from_a_list() {
    let (fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/page/777", "old").await;
    fill(&fleet, &origin, "/page/1000", "kept").await;
    origin.on("/page/777", Script::cached("new"));
    let list: String = (0..1000).map(|n| format!("http://www.example/page/{n}\n")).collect();
    let path = fleet.folder().join("list");
    std::fs::write(&path, list).expect("a file");
    purge_cli(&fleet, None, &["url", "--from", &path.display().to_string()]).await.expect(0);
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/page/777").await.1, "new");
        assert_eq!(ask(&fleet, node, "/page/1000").await, (Outcome::Hit, "kept".to_owned()));
        assert_eq!(fleet.node(node).stats().await.expect("statistics").purges, 1);
    }
}

/// More than one request takes: all of it is proven, known by one id, and refused parts are told from recorded ones.
#[tokio::test]
async fn a_purge_of_several_requests() {
    let origin = Origin::start().await;
    let quota = "[[tokens]]\nid = \"deploy\"\npurges_per_minute = 1";
    let fleet = docs(&origin).toml_extra(quota).shield("shield-1").pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49);
    let fleet = fleet.start().await.expect("a fleet");
    fill(&fleet, &origin, "/a", "old").await;
    origin.on("/a", Script::cached("new"));
    // `release:1`, which /a has, is the last one.
    let list: String = (0..10_000).map(|n| format!("t{n}\n")).chain(["release:1\n".to_owned()]).collect();
    let path = fleet.folder().join("list");
    std::fs::write(&path, list).expect("a file");
    let path = path.display().to_string();
    let purge = ["--id", "v41", "--json", "tag", "--from", &path];

    let ran = purge_cli(&fleet, Some(&fleet.secrets().deploy), &purge).await;
    ran.expect(3);
    assert!(ran.err.contains("has recorded 1 of 2 batches of the purge at 1."), "{}", ran.err);
    assert!(ran.err.contains("with --id v41 may be sent again"), "{}", ran.err);
    let status = purge_cli(&fleet, None, &["status", "v41"]).await;
    status.expect(3);
    assert!(status.err.contains("v41: 1 batch of this purge is recorded, and not the last one"), "{}", status.err);
    assert_eq!(ask(&fleet, "fra-1", "/a").await, (Outcome::Hit, "old".to_owned()));

    for is_new in [true, false] {
        let ran = purge_cli(&fleet, None, &purge).await;
        ran.expect(0);
        let report: Value = serde_json::from_str(&ran.out).expect("one JSON document");
        assert_eq!((&report["batches_recorded"], &report["is_new"]), (&2.into(), &is_new.into()), "{}", ran.err);
    }
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
    let status = purge_cli(&fleet, None, &["status", "v41"]).await;
    status.expect(0);
    assert_eq!(status.out.lines().filter(|line| line.starts_with("proven: ")).count(), 2, "{}", status.out);
}
