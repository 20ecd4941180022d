//! `--json`: one document on stdout whatever happens, and the words on stderr.

use crate::stage::{Answer, Fleet, Home, Ran, SECRET, nobody, node, ok, purge_cli, run};
use serde_json::{Value, json};
use std::process::Stdio;

#[test]
fn a_purge_that_failed_has_its_document() {
    let fleet = Fleet::new().node("hub-1", "shield", nobody()).node("fra-1", "edge", nobody());
    let ran = fleet.run(&["--json", "--soft", "--timeout", "300ms", "tag", "a", "b", "a"]);
    ran.failed(1, &["error: hub-1, the home of the purge log, has not recorded the purge: can't connect to", "hint: "]);
    let report = ran.json();
    for (key, want) in [
        ("ok", json!(false)),
        ("state", json!("not_recorded")),
        ("proven", json!(false)),
        ("mode", json!("soft")),
        ("wait", json!("all")),
        ("position", Value::Null),
        ("positions", json!([])),
        ("batches", json!(1)),
        ("batches_recorded", json!(0)),
        ("nodes", json!([])),
        ("exit_code", json!(1)),
    ] {
        assert_eq!(report[key], want, "{key}: {report}");
    }
    assert_eq!(report["exit"]["code"], 1);
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["targets"][0], json!({ "kind": "tag", "site": "docs", "tag": "a" }));
    assert!(report["error"].as_str().is_some_and(|error| error.contains("connection refused")), "{report}");
    assert!(report["hint"].as_str().is_some_and(|hint| hint.contains("may be sent again")), "{report}");
}

/// The document of an error has what the words have.
#[track_caller]
fn check(ran: &Ran, code: i32, error: &str, hint: &str) -> Value {
    ran.failed(code, &[error]);
    let document = ran.json();
    let has = |key: &str, text: &str| document[key].as_str().is_some_and(|said| said.contains(text));
    assert!(has("error", error) && has("hint", hint), "{document}");
    assert_eq!((&document["exit_code"], &document["ok"]), (&json!(code), &json!(false)), "{document}");
    let is_answered = error.starts_with("hub-1, ") || error.starts_with("there is no purge");
    let state = if is_answered { Value::Null } else { json!("not_recorded") };
    assert_eq!(document["state"], state, "{document}");
    document
}

#[test]
fn every_error_has_its_document() {
    let home = Home::start(|asked| match asked.line.as_str() {
        "get /log/purges/nothing http/1.1" | "get /log/purges/nothing..1 http/1.1" => {
            Answer::Reply("404 Not Found", r#"{"error":"there is no purge of this id"}"#.to_owned())
        }
        _ => Answer::Reply("403 Forbidden", r#"{"error":"not yours","hint":"ask"}"#.to_owned()),
    });
    let fleet = home.fleet();
    for args in [
        &["ping"][..],
        &["forget", "x"],
        &["log"],
        &["log", "seal", "--yes"],
        &["log", "backup", "f"],
        &["status", "1.7"],
    ] {
        let ran = fleet.run(&[&["--json"], args].concat());
        check(&ran, 4, "hub-1, the home of the purge log: 403: not yours", "ask; the token is from");
    }
    check(&fleet.run(&["status", "nothing", "--json"]), 1, "there is no purge of this id", "fit together");
    check(&fleet.run(&["--json", "all"]), 2, "nobody can be asked", "add --yes");
    check(&fleet.run(&["--json", "--config", "no.toml", "ping"]), 1, "no.toml: can't be read", "--config");
    check(&fleet.run(&["--json", "log", "backup", "-"]), 2, "can't both go to standard output", "name a file");
    let none = run(&mut fleet.command(&["--json", "ping"]), "");
    check(&none, 1, "no token: TIDEWALL_TOKEN is not set", "export TIDEWALL_TOKEN");
    check(&run(&mut purge_cli(&["--json", "site", "docs"]), ""), 2, "no fleet file", "TIDEWALL_CONFIG");
    fleet.file("wrong.toml", "pops = 1\nsighs = 2\n");
    check(&fleet.run(&["--json", "--config", "wrong.toml", "ping"]), 1, "wrong.toml:2: sighs", "mend what is listed");
}

/// So has every success, beside what it shows.
#[test]
fn every_success_has_its_document() {
    let home = Home::start(|asked| match asked.line.split(' ').nth(1) {
        Some("/log/records?since=0") => ok(&json!({ "head": "1.7", "last": 7, "is_all": true, "records": [] })),
        Some("/log/backup") => Answer::Reply("200 OK", crate::backup::backup()),
        _ => {
            let mut hub = node("hub-1", "1.7", true);
            hub["connected"] = json!(true);
            ok(&json!({ "node": "hub-1", "head": "1.7", "sealed": true, "nodes": [hub] }))
        }
    });
    let fleet = home.fleet();
    for (args, key, want) in [
        (&["ping"][..], "head", json!("1.7")),
        (&["forget", "hub-1", "--yes"], "forgotten", json!("hub-1")),
        (&["log", "seal", "--yes"], "sealed", json!(true)),
        (&["log"], "records", json!([])),
        (&["log", "backup", "f"], "file", json!("f")),
        (&["log", "backup", "f", "-q"], "records", json!(0)),
    ] {
        let document = fleet.run(&[args, &["--json"]].concat()).json();
        for (key, want) in [("ok", json!(true)), ("exit_code", json!(0)), (key, want)] {
            assert_eq!(document[key], want, "{args:?}: {document}");
        }
    }
}

/// Who reads the document has had enough.
#[test]
fn a_closed_standard_output_changes_nothing() {
    let home = Home::start(|asked| {
        let mut hub = node("hub-1", "1.7", true);
        hub["connected"] = json!(true);
        if asked.line.starts_with("get /log http") {
            return ok(&json!({ "node": "hub-1", "head": "1.7", "sealed": false, "nodes": [hub] }));
        }
        let event = json!({
            "kind": "purge", "id": "v41", "digest": "0".repeat(32), "by": "admin", "mode": "hard",
            "selectors": [{ "kind": "everything" }], "rules": "0".repeat(32),
        });
        let record = json!({ "position": "1.7", "issued_at_ms": 1, "event": event });
        ok(&json!({ "node": "hub-1", "record": record, "proven": true, "nodes": [hub] }))
    });
    let fleet = home.fleet();
    for args in [&["ping"][..], &["status", "1.7"], &["--json", "ping"], &["--json", "status", "1.7"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = fleet.command(args);
        let output = command.env("TIDEWALL_TOKEN", SECRET).stdin(Stdio::null()).stdout(writer).output();
        let output = output.expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn every_wrong_target_is_in_the_document() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.file("urls.txt", "https://blog.example.com/\n");
    let ran = fleet.run(&["--json", "--id", "v41", "url", "/guide", "--from", "urls.txt"]);
    ran.failed(2, &["\"/guide\": is not an absolute URL", "urls.txt:1: "]);
    let document = ran.json();
    assert_eq!((&document["exit_code"], &document["id"]), (&json!(2), &json!("v41")), "{document}");
    assert_eq!(document["error"], "nothing was sent: 2 of the targets can't be purged");
    assert_eq!(document["problems"][0]["target"], "/guide");
    assert_eq!(document["problems"][1]["place"], "urls.txt:1");
    assert!(
        document["problems"][1]["hint"].as_str().is_some_and(|hint| hint.contains("docs.example.com")),
        "{document}"
    );
}

/// So have arguments that can't be read.
#[test]
fn wrong_arguments_have_their_document() {
    let json = |args: &[&str]| run(purge_cli(args).env("TIDEWALL_TOKEN", SECRET), "");
    check(&json(&["--json", "status", "../x"]), 2, "invalid value '../x'", "see purge-cli --help");
    check(&json(&["ping", "--json", "--soft"]), 2, "`ping` has no use for --soft", "leave it out");
    check(&json(&["--json", "burn"]), 2, "unrecognized subcommand 'burn'", "see purge-cli --help");
    let none = json(&["--json"]);
    assert_eq!((none.code, none.json()["error"].as_str()), (2, Some("no command is named")));
    let plain = json(&["url", "--", "--json"]);
    assert_eq!((plain.code, plain.out.as_str()), (2, ""), "behind -- it is a URL");
    let help = json(&["--json", "--help"]);
    assert!(help.code == 0 && help.out.contains("Examples:"), "{}", help.out);
}
