//! Homes that can't be reached, don't answer, or refuse; and what they are asked.

use crate::stage::{Answer, Fleet, Home, SECRET, mute, nobody, node, ok, receipt, run};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

#[test]
fn a_home_that_cannot_be_reached_is_named() {
    let fleet =
        Fleet::new().node("fra-1", "edge", nobody()).node("hub-1", "shield", nobody()).node("sin-1", "edge", nobody());
    let urls = ["url", "https://docs.example.com/a", "https://docs.example.com/b", "--timeout", "300ms", "--id", "v41"];
    let ran = fleet.run(&urls);
    ran.failed(
        1,
        &[
            "error: hub-1, the home of the purge log, has not recorded the purge: can't connect to",
            "connection refused",
            "hint: is the node running",
            "hint: the same command with --id v41 may be sent again within 24 hours: it is recorded once",
        ],
    );
    assert_eq!(ran.out, "");
}

/// Without an answer nobody knows whether it is recorded: so it is said how to find out.
#[test]
fn a_home_that_does_not_answer_leaves_it_open() {
    let (_listener, addr) = mute();
    let fleet = Fleet::new().node("fra-1", "edge", addr);
    let ran = fleet.run(&["--json", "site", "docs", "--timeout", "50ms"]);
    let report = ran.json();
    let id = report["id"].as_str().expect("an id");
    ran.failed(
        5,
        &[
            "fra-1, the home of the purge log, may or may not have recorded the purge: no answer from",
            "within 5.05s",
            &format!("hint: `purge-cli status {id}` tells whether it is recorded"),
            &format!("hint: the same command with --id {id} may be sent again within 24 hours: it is recorded once"),
        ],
    );
    assert!(id.starts_with('p') && id.len() == 17, "{id}: no number of a record");
    for (key, want) in [("state", json!("unknown")), ("exit_code", json!(5)), ("batches_recorded", json!(0))] {
        assert_eq!(report[key], want, "{report}");
    }
}

/// A home that ends each time before it has answered.
#[test]
fn a_home_that_breaks_off_leaves_it_open_too() {
    let home = Home::start(|_| Answer::BreaksOff(String::new()));
    let ran = home.fleet().run(&["site", "docs", "--id", "v41", "--timeout", "1s"]);
    ran.failed(5, &["may or may not have recorded the purge: the connection to", "`purge-cli status v41`"]);
    assert!(home.asked().len() > 1, "it is tried again");
}

/// A home that can't do it for another reason than that it restarts is not asked for long. It may have recorded the purge.
#[test]
fn a_home_that_cannot_write_leaves_it_open_too() {
    let home = Home::start(|_| {
        let body = r#"{"error":"purge-log.redb: can't be written: no space left","hint":"make room on the disk"}"#;
        Answer::Reply("503 Service Unavailable", body.to_owned())
    });
    let fleet = home.fleet();
    let ran = fleet.run(&["--json", "site", "docs", "--id", "v41"]);
    ran.failed(5, &["may or may not have recorded the purge: 503: purge-log.redb", "hint: make room on the disk"]);
    assert_eq!(home.asked().len(), 6);
    let report = ran.json();
    assert_eq!((&report["state"], &report["exit_code"]), (&json!("unknown"), &json!(5)), "{report}");
    fleet.run(&["forget", "fra-1", "--yes"]).failed(5, &["hint: `purge-cli ping` shows whether it is forgotten"]);
    fleet.run(&["ping"]).failed(1, &["503: purge-log.redb"]);
}

/// A home that restarts is waited for as long as the nodes are.
#[test]
fn a_home_that_restarts_is_tried_until_the_timeout_is_over() {
    // On an address where nobody else takes a port meanwhile.
    let addr = TcpListener::bind("127.0.0.77:0").and_then(|listener| listener.local_addr()).expect("a port");
    let fleet = Fleet::new().node("hub-1", "shield", addr);
    let mut purge = fleet.command(&["site", "docs", "--timeout", "60s"]);
    let purge = purge.env("TIDEWALL_TOKEN", SECRET).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let purge = purge.spawn().expect("purge-cli starts");
    // More than it once had patience for.
    std::thread::sleep(Duration::from_secs(2));
    let home = Home::start_at(addr, |_| ok(&receipt("1.7", &[node("hub-1", "1.7", true)])));
    let ended = purge.wait_with_output().expect("purge-cli ends");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(home.lines(), ["post /purges http/1.1"]);
}

/// A later attempt says more: not if it is refused for what it is, but if the id is another purge's.
#[test]
fn a_home_that_breaks_off_and_then_refuses() {
    for (status, code, said) in
        [("429 Too Many Requests", 5, "may or may not have"), ("409 Conflict", 4, "has not recorded the purge")]
    {
        let mut has_broken_off = false;
        let home = Home::start(move |_| match std::mem::replace(&mut has_broken_off, true) {
            false => Answer::BreaksOff(String::new()),
            true => Answer::Reply(status, r#"{"error":"no"}"#.to_owned()),
        });
        home.fleet().run(&["site", "docs", "--id", "v41"]).failed(code, &[said]);
        assert_eq!(home.asked().len(), 2);
    }
}

/// Where it is recorded is told at once: who has seen that can ask for the rest.
#[test]
fn a_home_that_breaks_off_after_it_has_recorded() {
    let recorded = json!({ "kind": "recorded", "position": "1.7", "waits_for": 2 });
    let home = Home::start(move |_| Answer::BreaksOff(format!("{recorded}\n")));
    let fleet = home.fleet();
    let ran = fleet.run(&["site", "docs", "--id", "v41", "--timeout", "500ms"]);
    ran.failed(
        5,
        &[
            "recorded at 1.7, id v41; waiting for 2 processes of nodes\n",
            "has recorded the purge at 1.7, but has not said which nodes have applied it: the connection to",
            "unknown   hub  hub-1  shield  may or may not have applied it",
            "hint: `purge-cli status 1.7` tells which nodes have applied it by now",
        ],
    );
    assert_eq!(ran.err.matches("recorded at 1.7, id").count(), 1, "a retry is told once: {}", ran.err);
}

/// What the home has said before its answer ended is known.
#[test]
fn nodes_that_have_acknowledged_are_in_the_report() {
    let mut told = node("fra-1", "1.7", true);
    told["kind"] = json!("node");
    let recorded = json!({ "kind": "recorded", "position": "1.7", "waits_for": 2 });
    let home = Home::start(move |_| Answer::BreaksOff(format!("{recorded}\n{told}\n")));
    let fleet = home.fleet().node("fra-1", "edge", nobody());
    let purge = ["site", "docs", "--id", "v41", "--timeout", "500ms"];
    let ran = fleet.run(&purge);
    assert_eq!(ran.out, "ok        fra  fra-1  edge    at 1.7\n");
    let said =
        "has recorded the purge at 1.7 and said that 1 node has applied it, but its answer has no end: the connection";
    ran.failed(5, &["unknown   hub  hub-1  shield  may or may not have applied it", said]);
    let report = fleet.run(&[&["--json", "--quiet"], &purge[..]].concat()).json();
    for (key, want) in [
        ("ok", json!(false)),
        ("state", json!("accepted")),
        ("proven", json!(false)),
        ("position", json!("1.7")),
        ("positions", json!(["1.7"])),
        ("applied_by_all", Value::Null),
    ] {
        assert_eq!(report[key], want, "{key}: {report}");
    }
    assert!(report["exit"]["meaning"].as_str().is_some_and(|it| it.starts_with("recorded, but ")), "{report}");
    let nodes = report["nodes"].as_array().expect("a list").iter();
    let nodes: Vec<Value> = nodes.map(|node| json!([node["node"], node["proven"], node["reason"]])).collect();
    assert_eq!(nodes, [json!(["hub-1", false, "not_told"]), json!(["fra-1", true, null])], "{report}");
}

#[test]
fn the_home_alone_is_told_and_a_retry_is_the_same_purge() {
    let (edge, edge_addr) = mute();
    let mut attempt = 0;
    let home = Home::start(move |_| {
        attempt += 1;
        match attempt {
            // The end of the connection is a failure that may pass: the request comes once more, and so it does after a 503.
            1 => Answer::BreaksOff(String::new()),
            2 => Answer::Reply("503 Service Unavailable", r#"{"error":"no room on the disk"}"#.to_owned()),
            _ => {
                let mut reply = receipt("1.7", &[node("hub-1", "1.7", true), node("old-1\u{1b}[2J", "1.7", false)]);
                reply["is_new"] = json!(false);
                ok(&reply)
            }
        }
    });
    let fleet = Fleet::new().node("fra-1", "edge", edge_addr).node("hub-1", "shield", home.addr);
    let ran = fleet.run(&["url", "https://docs.example.com/a", "--id", "v41"]);

    let asked = home.asked();
    assert_eq!(home.lines(), ["post /purges http/1.1"; 3]);
    let head = &asked[0].head;
    assert!(head.contains(&format!("authorization: bearer {SECRET}\r\n")), "{head}");
    assert!(head.contains(&format!("host: {}\r\n", home.addr)), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let want = json!({
        "targets": [{ "kind": "url", "url": "https://docs.example.com/a" }],
        "mode": "hard", "id": "v41", "timeout_ms": 10_000,
    });
    for asked in &asked {
        assert_eq!(serde_json::from_slice::<Value>(&asked.body).expect("JSON"), want);
    }
    ran.failed(
        3,
        &[
            "unproven  fra  fra-1  edge    is not known to the home of the purge log",
            "has not acknowledged it in time; the last that it acknowledged is 1.7",
            "purge of 1 URL at 1.7 (recorded before) is proven on only 1 of 3 nodes",
            "\n    nodes that this fleet file does not have: old-1 [2J\n",
            "`purge-cli status 1.7` tells whether it is proven by now",
        ],
    );
    assert_eq!(ran.out, "ok        hub  hub-1  shield  at 1.7\n");
    edge.set_nonblocking(true).expect("a socket option");
    assert!(edge.accept().is_err(), "nodes hear of it from the home");
}

/// The promise is of hard purges that all nodes were waited for. Others are accepted, whatever the home says.
#[test]
fn nothing_else_is_called_proven() {
    let home = Home::start(|_| ok(&receipt("1.7", &[node("hub-1", "1.7", true)])));
    let fleet = home.fleet();
    for (options, said) in [
        (&["--soft"][..], "accepted: soft purge of 1 site at 1.7 is applied by the only node in "),
        (&["--wait", "none"], "accepted: purge of 1 site is recorded at 1.7 in "),
    ] {
        let ran = fleet.run(&[options, &["site", "docs"]].concat());
        ran.failed(0, &[]);
        assert!(ran.out.contains(said) && !ran.out.contains("proven"), "{}", ran.out);
        let ran = fleet.run(&[options, &["--json", "site", "docs"]].concat());
        let report = ran.json();
        assert_eq!((ran.code, &report["state"], &report["proven"]), (0, &json!("accepted"), &json!(false)), "{report}");
        assert_eq!(report["ok"], true);
        assert!(report["exit"]["meaning"].as_str().is_some_and(|it| it.starts_with("accepted: ")), "{report}");
        let nodes = report["nodes"].as_array().expect("a list");
        assert!(nodes.iter().all(|node| node.get("proven").is_none() && node["applied_it"] == true), "{report}");
        assert_eq!(nodes.len(), usize::from(options[0] == "--soft"), "{report}");
    }
    let report = fleet.run(&["--json", "site", "docs"]).json();
    assert_eq!((&report["state"], &report["proven"]), (&json!("proven"), &json!(true)), "{report}");

    let behind = Home::start(|_| ok(&receipt("1.7", &[node("hub-1", "1.6", false)])));
    let ran = behind.fleet().run(&["--soft", "site", "docs"]);
    ran.failed(
        3,
        &[
            "behind    hub  hub-1",
            "is applied by only 0 of 1 node in ",
            "; 1 may still serve",
            "tells whether all have applied it by now",
        ],
    );
    assert!(!ran.err.contains("proven"), "{}", ran.err);
}

/// Who serves nothing without having applied it is not said to have applied it.
#[test]
fn nodes_that_need_not_apply_it_are_counted_apart() {
    let home = Home::start(|asked| {
        let gone = json!({ "node": "sin-1", "boot_id": null, "applied": null, "proven": true });
        let nodes = [node("hub-1", "1.7", true), node("fra-1", "1.6", true), gone];
        if asked.line.starts_with("post") {
            return ok(&receipt("1.7", &nodes));
        }
        let event = json!({
            "kind": "purge", "id": "v41", "digest": "0".repeat(32), "by": "admin", "mode": "soft",
            "selectors": [{ "kind": "everything" }], "rules": "0".repeat(32),
        });
        let record = json!({ "position": "1.7", "issued_at_ms": 1, "event": event });
        ok(&json!({ "node": "hub-1", "record": record, "proven": true, "nodes": nodes }))
    });
    let fleet = home.fleet().node("fra-1", "edge", nobody()).node("sin-1", "edge", nobody());
    let ran = fleet.run(&["site", "docs"]);
    ran.failed(0, &[]);
    for text in [
        "ok        fra  fra-1  edge    lease ended; the last that it acknowledged is 1.6\n",
        "ok        sin  sin-1  edge    does not run\n",
        "proven: purge of 1 site at 1.7 is applied on 1 node in ",
        "; 1 whose lease has ended; 1 does not run\n",
    ] {
        assert!(ran.out.contains(text), "no {text:?} in:\n{}", ran.out);
    }
    let status = fleet.run(&["status", "1.7"]);
    status.failed(0, &[]);
    let counted = "accepted: applied by 1 node; 1 whose lease has ended; 1 does not run: ";
    assert!(status.out.starts_with(counted) && status.out.contains("  lease ended  "), "{}", status.out);
    for args in [&["--json", "--soft", "site", "docs"][..], &["--json", "status", "1.7"]] {
        let report = fleet.run(args).json();
        let nodes = report["nodes"].as_array().expect("a list").iter();
        let nodes: Vec<Value> = nodes
            .map(|node| json!([node["node"], node["applied_it"], node.get("reason"), node.get("proven")]))
            .collect();
        for want in [
            json!(["hub-1", true, null, null]),
            json!(["fra-1", false, "lease_ended", null]),
            json!(["sin-1", false, "not_running", null]),
        ] {
            assert!(nodes.contains(&want), "{want} of {args:?}: {report}");
        }
        assert_eq!((&report["ok"], &report["applied_by_all"]), (&json!(true), &json!(true)), "{report}");
    }
}

/// A change that had no answer may have been made.
#[test]
fn a_change_without_an_answer_is_in_doubt() {
    let home = Home::start(|_| Answer::BreaksOff(String::new()));
    let fleet = home.fleet();
    fleet.run(&["forget", "fra-1", "--yes"]).failed(5, &["hint: `purge-cli ping` shows whether it is forgotten"]);
    fleet.run(&["log", "seal", "--yes"]).failed(5, &["hint: `purge-cli ping` shows whether it is sealed"]);
    let ping = fleet.run(&["ping"]);
    ping.failed(5, &["broke off"]);
    assert!(!ping.err.contains("whether"), "{}", ping.err);
    let ran = run(fleet.command(&["forget", "fra-1"]).env("TIDEWALL_TOKEN", "short"), "");
    ran.failed(1, &["shorter than 16 bytes\n    hint: `openssl rand -hex 32`"]);
}
