//! The purge log as operators see it: quotas, the record of who did what, backups, homes that are restored or move.

use crate::purge_cli::{NODES, ask, fill, purge_cli};
use crate::stage::{HOST, Origin, Script, docs, eventually, within};
use scenarios::cache_status::Outcome;
use scenarios::fleet::{Binary, Fleet, FleetBuilder, Signal, find_binary};
use serde_json::Value;
use std::path::PathBuf;

fn builder(origin: &Origin) -> FleetBuilder {
    docs(origin).shield("shield-1").pop("fra", 50.11, 8.68).pop("iad", 39.04, -77.49)
}

async fn fleet() -> (Fleet, Origin) {
    let origin = Origin::start().await;
    let fleet = builder(&origin).toml_extra("[purge_log]\nhome = \"shield-1\"");
    (fleet.start().await.expect("a fleet"), origin)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document")
}

/// Where a node keeps the purge log, if it is its home.
fn log_of(fleet: &Fleet, node: &str) -> PathBuf {
    fleet.folder().join("tidewall-data").join(node).join("purge-log.redb")
}

/// Runs `edge restore` for a node that does not run.
async fn restore(fleet: &Fleet, backup: &str, node: &str) -> std::process::Output {
    let mut command = tokio::process::Command::new(find_binary(Binary::Edge).expect("it is built"));
    command.arg("restore").arg(backup).arg("--config").arg(fleet.fleet_file()).args(["--node", node]);
    within("edge restore", command.kill_on_drop(true).output()).await.expect("it runs")
}

#[tokio::test]
async fn a_token_purges_so_much_in_a_minute() {
    let origin = Origin::start().await;
    let quota = "[[tokens]]\nid = \"deploy\"\npurges_per_minute = 3\ntargets_per_minute = 10";
    let fleet = builder(&origin).toml_extra(quota).start().await.expect("a fleet");
    let deploy = fleet.secrets().deploy.clone();
    fill(&fleet, &origin, "/a", "old").await;
    let urls: Vec<String> = (0..11).map(|n| format!("http://www.example/{n}")).collect();
    let first = |n: usize| ["--id", "many", "url"].into_iter().chain(urls[..n].iter().map(String::as_str)).collect();
    let (many, more): (Vec<&str>, Vec<&str>) = (first(9), first(11));
    let never = purge_cli(&fleet, Some(&deploy), &more).await;
    never.expect(4);
    assert!(never.err.contains("may purge 10 targets in a minute, and this is more"), "{}", never.err);
    assert!(never.err.contains("hint: send it in smaller pieces"), "{}", never.err);
    let long = format!("http://www.example/{}", "x".repeat(3000));
    purge_cli(&fleet, Some(&deploy), &["url", &long]).await.expect(4);
    purge_cli(&fleet, Some(&deploy), &many).await.expect(0);
    let refused = purge_cli(&fleet, Some(&deploy), &["url", "http://www.example/a", "http://www.example/b"]).await;
    refused.expect(4);
    assert!(refused.err.contains("429: token deploy may purge 10 targets in a minute, and has"), "{}", refused.err);
    assert!(refused.err.contains("hint: send it again in "), "{}", refused.err);
    purge_cli(&fleet, Some(&deploy), &["url", "http://www.example/1"]).await.expect(0);
    purge_cli(&fleet, Some(&deploy), &many).await.expect(0);
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "old", "what was refused changed nothing");
    }
    // Who rules is not bounded.
    for _ in 0..4 {
        purge_cli(&fleet, None, &more[2..]).await.expect(0);
    }
}

#[tokio::test]
async fn a_token_ends_with_its_time() {
    let origin = Origin::start().await;
    let ended = "[[tokens]]\nid = \"deploy\"\nexpires = \"2026-01-01\"";
    let fleet = builder(&origin).toml_extra(ended).start().await.expect("a fleet");
    let deploy = fleet.secrets().deploy.clone();
    let refused = purge_cli(&fleet, Some(&deploy), &["site", "docs"]).await;
    refused.expect(4);
    assert!(refused.err.contains("the token has expired"), "{}", refused.err);
}

#[tokio::test]
async fn the_log_says_who_purged_what_and_when() {
    let (fleet, _origin) = fleet().await;
    let deploy = fleet.secrets().deploy.clone();
    let purge = ["--json", "--id", "v41", "url", "http://www.example/a?b", "http://www.example/c"];
    let ran = purge_cli(&fleet, Some(&deploy), &purge).await;
    ran.expect(0);
    let position = json(&ran.out)["position"].as_str().expect("a position").to_owned();
    purge_cli(&fleet, None, &["--soft", "all", "--yes"]).await.expect(0);
    let log = purge_cli(&fleet, None, &["log"]).await;
    log.expect(0);
    for text in [
        "  purge of url www.example/a?b, url www.example/c  by deploy  id v41\n",
        "  soft purge of everything  by admin  id ",
        "fra-1, boot ",
        "an epoch begins",
    ] {
        assert!(log.out.contains(text), "{text:?}: {}", log.out);
    }
    let times = |out: &str| out.lines().filter(|line| line.contains(": ") || line.contains("T")).count();
    assert_eq!(times(&log.out), log.out.lines().count(), "each line has a time: {}", log.out);
    let seq = position.split_once('.').expect("epoch and number").1;
    let since = json(&purge_cli(&fleet, None, &["--json", "log", "--since", seq]).await.out);
    assert_eq!(since["records"].as_array().map(Vec::len), Some(1), "{since}");

    for name in [position.as_str(), seq, "v41"] {
        let status = purge_cli(&fleet, None, &["status", name]).await;
        status.expect(0);
        assert!(status.out.starts_with("proven: ") && status.out.contains("by deploy"), "{}", status.out);
    }
    for name in ["1.99", "99", "v42", "1.1"] {
        purge_cli(&fleet, None, &["status", name]).await.expect(1);
    }

    // Who may purge one site sees its purges, and nothing else.
    let theirs = json(&purge_cli(&fleet, Some(&deploy), &["--json", "log"]).await.out);
    assert_eq!(theirs["records"].as_array().map(Vec::len), Some(1), "{theirs}");
    purge_cli(&fleet, Some(&deploy), &["status", "v41"]).await.expect(0);
    purge_cli(&fleet, None, &["--id", "admins", "url", "http://www.example/a"]).await.expect(0);
    purge_cli(&fleet, None, &["status", "admins"]).await.expect(0);
    purge_cli(&fleet, Some(&deploy), &["status", "admins"]).await.expect(1);
    let next = (seq.parse::<u64>().expect("a number") + 1).to_string();
    purge_cli(&fleet, Some(&deploy), &["status", &next]).await.expect(4);
    for refused in [&["log", "seal", "--yes"][..], &["log", "backup", "-"], &["forget", "fra-1", "--yes"]] {
        purge_cli(&fleet, Some(&deploy), refused).await.expect(4);
    }
}

#[tokio::test]
async fn all_hosts_of_a_site_at_once() {
    let origin = Origin::start().await;
    let hosts = "[[sites]]\nid = \"docs\"\nhosts = [\"www.example\", \"docs.example\"]";
    let fleet = builder(&origin).toml_extra(hosts).start().await.expect("a fleet");
    origin.on("/a", Script::cached("old"));
    let at = async |host| fleet.node("fra-1").get(host, "/a").await.expect("an answer").text();
    for (arguments, other) in
        [(&["url", "http://www.example/a"][..], "old"), (&["url", "--all-hosts", "http://www.example/a"], "new")]
    {
        purge_cli(&fleet, None, &["all", "--yes"]).await.expect(0);
        origin.on("/a", Script::cached("old"));
        assert_eq!((at("www.example").await, at("docs.example").await), ("old".to_owned(), "old".to_owned()));
        origin.on("/a", Script::cached("new"));
        purge_cli(&fleet, None, arguments).await.expect(0);
        assert_eq!((at("www.example").await, at("docs.example").await), ("new".to_owned(), other.to_owned()));
    }
}

/// Somebody says that a node is gone, and it is not: it is waited for again as soon as it has noticed.
#[tokio::test]
async fn a_node_that_is_forgotten_and_runs_joins_again() {
    let (fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    purge_cli(&fleet, None, &["forget", "iad-1", "--yes"]).await.expect(0);
    let is_back = async || {
        let ping = json(&purge_cli(&fleet, None, &["--json", "ping"]).await.out);
        let nodes = ping["nodes"].as_array().cloned().unwrap_or_default();
        nodes.iter().any(|node| node["node"] == "iad-1" && node["boot_id"].is_string())
    };
    eventually("it joins again", is_back).await;
    origin.on("/a", Script::cached("new"));
    purge_cli(&fleet, None, &["url", "http://www.example/a"]).await.expect(0);
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
}

/// The home's disk is lost, and the backup is older than the last purge.
#[tokio::test]
async fn a_home_is_restored_from_a_backup() {
    let (mut fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    fleet.terminate("iad-1").await.expect("it drains");
    let backup = fleet.folder().join("log.jsonl").display().to_string();
    let taken = purge_cli(&fleet, None, &["log", "backup", &backup]).await;
    taken.expect(0);
    assert!(taken.out.contains(" records\n"), "{}", taken.out);
    let to_stdout = purge_cli(&fleet, None, &["log", "backup", "-"]).await;
    assert_eq!(to_stdout.out, std::fs::read_to_string(&backup).expect("it is there"));

    origin.on("/a", Script::cached("new"));
    let lost = ["--id", "lost", "url", "http://www.example/a"];
    purge_cli(&fleet, None, &lost).await.expect(0);
    fleet.kill("shield-1").await.expect("it is killed");
    let again = restore(&fleet, &backup, "shield-1").await;
    assert!(!again.status.success());
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(why.contains("there is a purge log already") && why.contains("hint: "), "{why}");
    std::fs::remove_file(log_of(&fleet, "shield-1")).expect("the log is lost");
    let cut = fleet.folder().join("cut.jsonl");
    let text = std::fs::read_to_string(&backup).expect("it is there");
    let lines: Vec<&str> = text.lines().collect();
    for bad in [
        lines[..lines.len() - 1].join("\n") + "\n",
        String::new(),
        lines[1..].join("\n") + "\n",
        format!("{text}\n"),
        text.replacen("fra-1", "fra-2", 1),
    ] {
        std::fs::write(&cut, &bad).expect("a file");
        let refused = restore(&fleet, &cut.display().to_string(), "shield-1").await;
        assert!(!refused.status.success(), "{bad}");
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(why.contains("of the backup: ") && why.contains("hint: take another one"), "{why}");
        assert!(!log_of(&fleet, "shield-1").exists());
    }
    let restored = restore(&fleet, &backup, "shield-1").await;
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    let told = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(told.contains("an epoch begins at 2.") && told.contains("it had not been sealed"), "{told}");
    fleet.restart("shield-1").await.expect("it starts");

    // What was lost is not known any more; but nothing comes back that it had hidden.
    purge_cli(&fleet, None, &["status", "lost"]).await.expect(1);
    for node in ["shield-1", "fra-1"] {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
    // iad-1 had drained by the backup. It might have joined since, for all that the home knows.
    origin.on("/a", Script::cached("newer"));
    let purge = ["url", "http://www.example/a"];
    let ran = purge_cli(&fleet, None, &purge).await;
    ran.expect(3);
    assert!(ran.err.contains("has not been heard of since this epoch of the purge log began"), "{}", ran.err);
    purge_cli(&fleet, None, &["forget", "iad-1"]).await.expect(0);
    purge_cli(&fleet, None, &purge).await.expect(0);
    fleet.restart("iad-1").await.expect("it starts");
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "newer", "{node}");
    }
    purge_cli(&fleet, None, &purge).await.expect(0);
}

/// An empty log stands where one was lost. Who does not speak may have been a member of the lost one.
#[tokio::test]
async fn a_home_that_has_lost_its_log_takes_nobody_for_gone() {
    let (mut fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    fleet.signal("iad-1", Signal::STOP).expect("it is stopped");
    fleet.kill("shield-1").await.expect("it is killed");
    std::fs::remove_file(log_of(&fleet, "shield-1")).expect("the log is lost");
    fleet.restart("shield-1").await.expect("it starts");
    origin.on("/a", Script::cached("new"));
    let purge = ["url", "http://www.example/a"];
    let ran = purge_cli(&fleet, None, &purge).await;
    ran.expect(3);
    assert!(ran.err.contains("not in iad: iad-1"), "{}", ran.err);
    fleet.signal("iad-1", Signal::CONT).expect("it goes on");
    let all = async || purge_cli(&fleet, None, &purge).await.code == 0;
    eventually("it is heard of", all).await;
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
}

/// The log moves to another node, whole.
#[tokio::test]
async fn a_home_moves() {
    let (mut fleet, origin) = fleet().await;
    fill(&fleet, &origin, "/a", "old").await;
    purge_cli(&fleet, None, &["--id", "v1", "tag", "nothing"]).await.expect(0);
    purge_cli(&fleet, None, &["log", "seal"]).await.expect(2);
    let sealed = purge_cli(&fleet, None, &["log", "seal", "--yes"]).await;
    sealed.expect(0);
    assert!(sealed.out.contains("sealed"), "{}", sealed.out);
    let refused = purge_cli(&fleet, None, &["url", "http://www.example/a"]).await;
    refused.expect(1);
    assert!(refused.err.contains("the purge log is sealed: its home has moved"), "{}", refused.err);
    let backup = fleet.folder().join("log.jsonl").display().to_string();
    purge_cli(&fleet, None, &["log", "backup", &backup]).await.expect(0);

    let mut files: Vec<PathBuf> = fleet.nodes().iter().map(|node| node.fleet_file().to_owned()).collect();
    files.push(fleet.fleet_file().to_owned());
    files.sort();
    files.dedup();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a fleet file");
        let moved = text.replace("home = \"shield-1\"", "home = \"fra-1\"");
        assert_ne!(text, moved);
        std::fs::write(&file, moved).expect("a fleet file");
    }
    // One that only follows takes the new file while it runs; who was the home, or is to be it, starts again.
    fleet.terminate("fra-1").await.expect("it ends");
    let restored = restore(&fleet, &backup, "fra-1").await;
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    assert!(String::from_utf8_lossy(&restored.stdout).contains("it had been sealed"));
    fleet.restart("fra-1").await.expect("it starts");
    fleet.terminate("shield-1").await.expect("it ends");
    fleet.restart("shield-1").await.expect("it starts");
    fleet.reload("iad-1").expect("it is told");
    let follows = async || {
        let ping = json(&purge_cli(&fleet, None, &["--json", "ping"]).await.out);
        let nodes = ping["nodes"].as_array().cloned().unwrap_or_default();
        ping["node"] == "fra-1" && nodes.len() == 3 && nodes.iter().all(|node| node["proven"] == true)
    };
    eventually("all follow the new home", follows).await;

    origin.on("/a", Script::cached("new"));
    purge_cli(&fleet, None, &["url", "http://www.example/a"]).await.expect(0);
    for node in NODES {
        assert_eq!(ask(&fleet, node, "/a").await.1, "new", "{node}");
    }
    let again = json(&purge_cli(&fleet, None, &["--json", "--id", "v1", "tag", "nothing"]).await.out);
    assert_eq!((&again["is_new"], &again["proven"]), (&Value::Bool(false), &Value::Bool(true)), "{again}");
}

/// A node that serves under leases alone holds up a purge no longer than its lease lasts, and has stopped serving by then.
#[tokio::test]
async fn a_strict_node_that_hears_nothing_stops_serving() {
    let origin = Origin::start().await;
    let strict = builder(&origin).toml_extra("[purge_log]\nmode = \"strict\"\nlease = \"2s\"\nhome = \"iad-1\"");
    let mut fleet = strict.start().await.expect("a fleet");
    let hits = async |node, body: &str| ask(&fleet, node, "/a").await == (Outcome::Hit, body.to_owned());
    origin.on("/a", Script::cached("old"));
    for node in NODES {
        eventually("it is leased", async || hits(node, "old").await).await;
    }
    fleet.signal("fra-1", Signal::STOP).expect("it is stopped");
    origin.on("/a", Script::cached("new"));
    // What comes while it stands still is answered when it goes on.
    let ran = purge_cli(&fleet, None, &["url", "http://www.example/a"]).await;
    ran.expect(0);
    let said = ran.out.contains("fra-1     edge    lease ended; ") && ran.out.ends_with("; 1 whose lease has ended\n");
    assert!(said, "{}", ran.out);
    let node = fleet.node("fra-1");
    let asked = node.get(HOST, "/a");
    let goes_on = async {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        fleet.signal("fra-1", Signal::CONT).expect("it goes on");
    };
    let (reply, ()) = tokio::join!(asked, goes_on);
    assert_eq!(reply.expect("an answer").text(), "new");
    eventually("it is leased again", async || hits("fra-1", "new").await).await;

    // Without the home nobody is leased, and everybody passes.
    let ping = json(&purge_cli(&fleet, None, &["--json", "ping"]).await.out);
    assert!(ping["nodes"].as_array().is_some_and(|nodes| nodes.iter().all(|node| node["lease_ms"].is_u64())), "{ping}");
    fleet.kill("iad-1").await.expect("it is killed");
    let passes = async || {
        let reply = fleet.node("fra-1").get(HOST, "/a").await.expect("an answer");
        reply.header("cache-status").is_some_and(|status| status.contains("fra-1;") && status.contains("no-purge-log"))
    };
    eventually("its lease ends", passes).await;
    origin.on("/a", Script::cached("newer"));
    assert_eq!(ask(&fleet, "fra-1", "/a").await.1, "newer");
    fleet.restart("iad-1").await.expect("it starts");
    // What was stored before it lost its lease is not hidden by that, and lives on.
    let hits = async || ask(&fleet, "fra-1", "/a").await == (Outcome::Hit, "new".to_owned());
    eventually("it is leased again", hits).await;
}
