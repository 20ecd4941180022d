//! Homes that can't be reached, don't answer, or refuse; and what they are asked.

use crate::stage::{Answer, Fleet, Home, SECRET, mute, nobody, node, ok, receipt, run};
use serde_json::{Value, json};

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
    let ran = home.fleet().run(&["site", "docs", "--id", "v41"]);
    ran.failed(5, &["may or may not have recorded the purge: the connection to", "`purge-cli status v41`"]);
    assert_eq!(home.asked().len(), 6);
}

/// A later attempt says more: not if it is refused for what it is, but if the id is another purge's.
#[test]
fn a_home_that_breaks_off_and_then_refuses() {
    for (status, said) in
        [("429 Too Many Requests", "may or may not have"), ("409 Conflict", "has not recorded the purge")]
    {
        let mut has_broken_off = false;
        let home = Home::start(move |_| match std::mem::replace(&mut has_broken_off, true) {
            false => Answer::BreaksOff(String::new()),
            true => Answer::Reply(status, r#"{"error":"no"}"#.to_owned()),
        });
        home.fleet().run(&["site", "docs", "--id", "v41"]).failed(4, &[said]);
        assert_eq!(home.asked().len(), 2);
    }
}

/// Where it is recorded is told at once: who has seen that can ask for the rest.
#[test]
fn a_home_that_breaks_off_after_it_has_recorded() {
    let recorded = json!({ "kind": "recorded", "position": "1.7", "waits_for": 2 });
    let home = Home::start(move |_| Answer::BreaksOff(format!("{recorded}\n")));
    let fleet = home.fleet();
    let ran = fleet.run(&["site", "docs", "--id", "v41"]);
    ran.failed(
        5,
        &[
            "recorded at 1.7, id v41; waiting for 2 nodes\n",
            "has recorded the purge at 1.7, but has not said which nodes have applied it: the connection to",
            "hint: `purge-cli status 1.7` tells which nodes have applied it by now",
        ],
    );
    assert_eq!(ran.err.matches("recorded at 1.7, id").count(), 1, "a retry is told once: {}", ran.err);
    let report = fleet.run(&["--json", "--quiet", "site", "docs", "--id", "v41"]).json();
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
            "not in no PoP of this fleet file: old-1 [2J",
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
    }
    let report = fleet.run(&["--json", "site", "docs"]).json();
    assert_eq!((&report["state"], &report["proven"]), (&json!("proven"), &json!(true)), "{report}");

    let behind = Home::start(|_| ok(&receipt("1.7", &[node("hub-1", "1.6", false)])));
    let ran = behind.fleet().run(&["--soft", "site", "docs"]);
    ran.failed(
        3,
        &["behind    hub  hub-1", "is applied by only 0 of 1 node in ", "tells whether all have applied it by now"],
    );
    assert!(!ran.err.contains("proven"), "{}", ran.err);
}

/// A home that says what its nodes do, and one that does not.
#[test]
fn ping_tells_who_follows() {
    let home = Home::start(|_| {
        let mut nodes = [node("hub-1", "1.7", true), node("fra-1", "1.7", true), node("iad-1", "1.7", true)];
        nodes[0]["connected"] = json!(true);
        nodes[1]["connected"] = json!(false);
        ok(&json!({ "node": "hub-1", "head": "1.7", "sealed": false, "nodes": nodes }))
    });
    let fleet = home.fleet();
    let ran = fleet.run(&["ping"]);
    ran.failed(0, &["hint: purges wait for a silent node until"]);
    for line in [
        "hub-1  ?       following    at 1.7",
        "fra-1  ?       silent       at 1.7",
        "iad-1  ?       ?            at 1.7",
    ] {
        assert!(ran.out.contains(line), "no {line:?} in:\n{}", ran.out);
    }
    let nodes = fleet.run(&["--json", "ping"]).json()["nodes"].clone();
    let states: Vec<&Value> = nodes.as_array().expect("a list").iter().map(|node| &node["state"]).collect();
    assert_eq!(states, [&json!("following"), &json!("silent"), &Value::Null]);
    assert_eq!(nodes[0]["applied"], "1.7");
}

/// A change that had no answer may have been made.
#[test]
fn a_change_without_an_answer_is_in_doubt() {
    let home = Home::start(|_| Answer::BreaksOff(String::new()));
    let fleet = home.fleet();
    fleet.run(&["forget", "fra-1"]).failed(5, &["hint: `purge-cli ping` shows whether it is forgotten"]);
    fleet.run(&["log", "seal", "--yes"]).failed(5, &["hint: `purge-cli ping` shows whether it is sealed"]);
    let ping = fleet.run(&["ping"]);
    ping.failed(5, &["broke off"]);
    assert!(!ping.err.contains("whether"), "{}", ping.err);
    let ran = run(fleet.command(&["forget", "fra-1"]).env("TIDEWALL_TOKEN", "short"), "");
    ran.failed(1, &["shorter than 16 bytes\n    hint: `openssl rand -hex 32`"]);
}
