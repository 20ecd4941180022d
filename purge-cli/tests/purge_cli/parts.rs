//! Purges that take several requests.

use crate::stage::{Answer, Fleet, Home, nobody, node, ok, receipt};
use edge::wire::purge::MAX_SELECTORS;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A list of tags that fills two requests, and has one more.
fn list(fleet: &Fleet) -> &'static str {
    let tags: String = (0..=2 * MAX_SELECTORS).map(|n| format!("t{n}\n")).collect();
    fleet.file("tags.txt", &tags);
    "tags.txt"
}

/// A home that records so many requests, and then says that it was too much.
fn with_room_for(most: usize) -> Home {
    let mut records: BTreeMap<String, usize> = BTreeMap::new();
    Home::start(move |asked| {
        let (next, id) = (records.len() + 7, asked.id());
        if records.len() == most && !records.contains_key(&id) {
            let body = r#"{"error":"token deploy has used up its targets","hint":"send it again in 9 s"}"#;
            return Answer::Reply("429 Too Many Requests", body.to_owned());
        }
        let position = format!("1.{}", records.entry(id).or_insert(next));
        ok(&receipt(&position, &[node("hub-1", &position, true)]))
    })
}

#[test]
fn the_last_one_has_the_id_of_the_purge() {
    let home = with_room_for(9);
    let fleet = home.fleet();
    let ran = fleet.run(&["--json", "--id", "v41", "tag", "--from", list(&fleet)]);
    ran.failed(0, &[]);
    let ids: Vec<String> = home.asked().iter().map(crate::stage::Asked::id).collect();
    assert_eq!(ids, ["v41..1", "v41..2", "v41"]);
    let report = ran.json();
    for (key, want) in [
        ("position", json!("1.9")),
        ("batches", json!(3)),
        ("batches_recorded", json!(3)),
        ("positions", json!(["1.7", "1.8", "1.9"])),
        ("state", json!("proven")),
    ] {
        assert_eq!(report[key], want, "{key}");
    }
}

/// What is recorded before a refusal is recorded.
#[test]
fn a_refusal_in_the_middle() {
    let home = with_room_for(2);
    let fleet = home.fleet();
    let ran = fleet.run(&["--json", "--id", "v41", "tag", "--from", list(&fleet)]);
    ran.failed(
        3,
        &[
            "hub-1, the home of the purge log, has recorded 2 of 3 batches of the purge at 1.7, 1.8: 429: token deploy",
            "hint: send it again in 9 s",
            "hint: the same command with --id v41 may be sent again within 24 hours: it takes up where it ended",
        ],
    );
    let report = ran.json();
    for (key, want) in [
        ("state", json!("partly_recorded")),
        ("position", Value::Null),
        ("batches", json!(3)),
        ("batches_recorded", json!(2)),
        ("positions", json!(["1.7", "1.8"])),
        ("exit_code", json!(3)),
    ] {
        assert_eq!(report[key], want, "{key}");
    }
    assert!(report["exit"]["meaning"].as_str().is_some_and(|it| it.starts_with("not recorded whole")), "{report}");
    // Of nothing recorded, nothing is half done.
    let ran = with_room_for(0).fleet().run(&["--json", "site", "docs"]);
    ran.failed(4, &["has not recorded the purge: 429"]);
    assert_eq!(ran.json()["state"], "not_recorded");
}

/// The last request is waited for, and who has not applied that is named.
#[test]
fn a_node_that_is_down_is_named_at_the_end() {
    let mut recorded = 6;
    let home = Home::start(move |_| {
        recorded += 1;
        let position = format!("1.{recorded}");
        ok(&receipt(&position, &[node("hub-1", &position, true), node("fra-1", "1.6", false)]))
    });
    let fleet = home.fleet().node("fra-1", "edge", nobody());
    let ran = fleet.run(&["--json", "--id", "v41", "tag", "--from", list(&fleet)]);
    ran.failed(
        3,
        &["unproven  fra  fra-1", "purge of 20001 tags at 1.9 is proven on only 1 of 2 nodes", "not in fra: fra-1"],
    );
    let report = ran.json();
    assert_eq!((&report["batches_recorded"], &report["state"]), (&json!(3), &json!("accepted")), "{report}");
}

/// A home with these purges, each at a position.
fn with(purges: &'static [(&str, &str, bool)], mode: &'static str) -> Home {
    Home::start(move |asked| {
        let name = asked.line.split(' ').nth(1).and_then(|path| path.strip_prefix("/log/purges/")).expect("a purge");
        let Some((id, position, proven)) = purges.iter().find(|(id, at, _)| *id == name || *at == name) else {
            return Answer::Reply("404 Not Found", r#"{"error":"there is no purge of this id"}"#.to_owned());
        };
        let event = json!({
            "kind": "purge", "id": id, "digest": "0".repeat(32), "by": "admin", "mode": mode,
            "selectors": [{ "kind": "tag", "site": "docs", "tag": id }], "rules": "0".repeat(32),
        });
        ok(&json!({
            "node": "hub-1", "record": { "position": position, "issued_at_ms": 1, "event": event }, "proven": proven,
            "nodes": [node("hub-1", "1.9", *proven)],
        }))
    })
}

#[test]
fn all_of_them_are_shown() {
    let home = with(&[("v41..1", "1.7", true), ("v41..2", "1.8", true), ("v41", "1.10", false)], "hard");
    let fleet = home.fleet();
    let ran = fleet.run(&["status", "v41"]);
    ran.failed(3, &[]);
    for line in ["proven:    1.7 ", "proven:    1.8 ", "not proven:   1.10 "] {
        assert!(ran.out.contains(line), "no {line:?} in:\n{}", ran.out);
    }
    let report = fleet.run(&["--json", "status", "v41"]).json();
    assert_eq!(report["records"].as_array().map(Vec::len), Some(3));
    assert_eq!((&report["record"]["position"], &report["proven"]), (&json!("1.10"), &json!(false)), "{report}");
    // By a position only that record is asked for.
    let asked = home.asked().len();
    fleet.run(&["status", "1.7"]).failed(0, &[]);
    assert_eq!(home.asked().len(), asked + 1);
}

/// A run that ended in the middle: the parts that are there prove nothing.
#[test]
fn one_that_is_not_whole_is_not_proven() {
    let home = with(&[("v41..1", "1.7", true), ("v41..2", "1.8", true)], "hard");
    let fleet = home.fleet();
    let ran = fleet.run(&["--json", "status", "v41"]);
    let why = "v41: 2 batches of this purge are recorded, and not the last one";
    ran.failed(3, &[why, "hint: send the same purge again with --id v41: it takes up where it ended"]);
    let report = ran.json();
    for (key, want) in
        [("state", json!("partly_recorded")), ("proven", json!(false)), ("exit_code", json!(3)), ("error", json!(why))]
    {
        assert_eq!(report[key], want, "{key}: {report}");
    }
    fleet.run(&["status", "v42"]).failed(1, &["404: there is no purge of this id"]);
}

#[test]
fn a_soft_one_is_accepted() {
    let home = with(&[("v41", "1.7", true)], "soft");
    let ran = home.fleet().run(&["status", "v41"]);
    ran.failed(0, &[]);
    assert!(ran.out.starts_with("accepted: applied by the only node: "), "{}", ran.out);
    // The fleet file has a node that the home does not know.
    let wider = home.fleet().node("fra-1", "edge", nobody());
    let ran = wider.run(&["status", "v41"]);
    ran.failed(3, &[]);
    assert!(ran.out.starts_with("accepted: applied by 1 of 2 nodes: "), "{}", ran.out);
    assert!(ran.out.contains("fra-1  ?       not known to the home"), "{}", ran.out);
    let report = wider.run(&["--json", "status", "v41"]).json();
    assert_eq!((&report["ok"], &report["exit_code"]), (&json!(false), &json!(3)), "{report}");
    assert_eq!((&report["nodes"][0]["applied_it"], report["nodes"][0].get("proven")), (&json!(true), None), "{report}");
    assert_eq!((&report["state"], &report["applied_by_all"]), (&json!("accepted"), &json!(false)), "{report}");
}
