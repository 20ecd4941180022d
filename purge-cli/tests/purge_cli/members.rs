//! `ping` and `forget`.

use crate::stage::{Answer, Asked, Home, nobody, node, ok, run};
use serde_json::{Value, json};

/// What the home says of the log and its nodes.
fn log(nodes: &[Value]) -> Value {
    json!({ "node": "hub-1", "head": "1.7", "sealed": false, "nodes": nodes })
}

fn connected(name: &str, connected: impl Into<Value>) -> Value {
    let mut node = node(name, "1.7", true);
    node["connected"] = connected.into();
    node
}

/// A node of which the home says that it does not run.
fn gone(name: &str) -> Value {
    json!({ "node": name, "boot_id": null, "applied": null, "proven": true, "connected": false })
}

fn not_found(name: &str) -> Answer {
    Answer::Reply("404 Not Found", format!(r#"{{"error":"{name} is no member"}}"#))
}

fn asks_to_forget(asked: &Asked) -> bool {
    asked.line == "post /log/forget http/1.1"
}

#[test]
fn ping_tells_who_follows() {
    let nodes = [connected("hub-1", true), connected("fra-1", false), connected("iad-1", Value::Null), gone("lax-1")];
    let home = Home::start(move |_| ok(&log(&nodes)));
    let fleet = home.fleet().node("sin-1", "edge", nobody());
    let ran = fleet.run(&["ping"]);
    let all =
        "error: not all nodes run and follow: fra-1 (silent), lax-1 (not running), sin-1 (not known to the home)\n";
    ran.failed(
        3,
        &[all, "hint: purges wait for a silent node until", "hint: a node that is not running", "same fleet file"],
    );
    for line in [
        "hub-1  ?       following    at 1.7",
        "fra-1  ?       silent       at 1.7",
        "iad-1  ?       ?            at 1.7",
        "lax-1  ?       not running\n",
        "sin-1  ?       not known to the home",
    ] {
        assert!(ran.out.contains(line), "no {line:?} in:\n{}", ran.out);
    }
    let report = fleet.run(&["--json", "ping"]).json();
    let states: Vec<&Value> = report["nodes"].as_array().expect("a list").iter().map(|node| &node["state"]).collect();
    assert_eq!(states, [&json!("following"), &json!("silent"), &Value::Null, &json!("not_running")]);
    for (key, want) in [("ok", json!(false)), ("exit_code", json!(3)), ("unknown", json!(["sin-1"]))] {
        assert_eq!(report[key], want, "{report}");
    }
    assert_eq!(report["nodes"][0]["applied"], "1.7");
    let quiet = fleet.run(&["--quiet", "ping"]);
    quiet.failed(3, &[all]);
    assert_eq!(quiet.out, "");
}

#[test]
fn ping_says_when_all_is_well() {
    let home = Home::start(|_| ok(&log(&[connected("hub-1", true)])));
    let fleet = home.fleet();
    let ran = fleet.run(&["ping"]);
    ran.failed(0, &[]);
    assert_eq!(ran.err, "");
    let report = fleet.run(&["--json", "ping"]).json();
    assert_eq!((&report["ok"], &report["exit_code"], &report["error"]), (&json!(true), &json!(0), &Value::Null));
    // It can't be told whether this one is connected: so it is wrong only if it is behind.
    for (proven, code) in [(true, 0), (false, 3)] {
        let home = Home::start(move |_| ok(&log(&[node("hub-1", "1.6", proven)])));
        home.fleet().run(&["ping"]).failed(code, &[]);
    }
}

/// Who says that a node does not run that does may have mistaken its name.
#[test]
fn a_node_that_runs_is_forgotten_by_who_insists() {
    let home = Home::start(|asked| {
        let fra = if asks_to_forget(asked) { gone("fra-1") } else { connected("fra-1", true) };
        ok(&log(&[connected("hub-1", true), fra]))
    });
    let fleet = home.fleet();
    let ran = fleet.run(&["--json", "forget", "fra-1"]);
    ran.failed(
        2,
        &["error: fra-1 runs: its stream to the home is open", "    hint: stop it first; to forget it all the same"],
    );
    let document = ran.json();
    assert_eq!((&document["exit_code"], &document["state"]), (&json!(2), &json!("not_recorded")), "{document}");
    assert!(!home.asked().iter().any(asks_to_forget));

    let ran = fleet.run(&["forget", "--yes", "fra-1"]);
    ran.failed(0, &[]);
    assert!(ran.out.ends_with("\nforgotten: fra-1\n"), "{}", ran.out);
    assert!(asks_to_forget(home.asked().last().expect("a request")));
    let document = fleet.run(&["--json", "forget", "-y", "fra-1"]).json();
    for (key, want) in [("ok", json!(true)), ("exit_code", json!(0)), ("forgotten", json!("fra-1"))] {
        assert_eq!(document[key], want, "{document}");
    }
}

#[test]
fn a_node_is_forgotten_once() {
    let home = Home::start(|asked| match asks_to_forget(asked) {
        true => not_found("fra-1"),
        false => ok(&log(&[connected("hub-1", true), gone("fra-1")])),
    });
    let fleet = home.fleet();
    let ran = fleet.run(&["forget", "fra-1"]);
    ran.failed(0, &[]);
    assert!(ran.out.ends_with("\nalready forgotten: fra-1\n"), "{}", ran.out);
    fleet.run(&["forget", "sin-9"]).failed(1, &["404: fra-1 is no member"]);
    fleet.run(&["forget", "hub-1", "--yes"]).failed(1, &["404: fra-1 is no member"]);
}

/// Commands that only read take any token, the one that sees most first.
#[test]
fn to_read_a_token_for_reading_will_do() {
    let home = Home::start(|_| ok(&log(&[connected("hub-1", true)])));
    let fleet = home.fleet().token("watch", "read", "READ_TOKEN").token("deploy", "purge", "DEPLOY_TOKEN");
    let asked_with = |variables: &[(&str, &str)]| {
        run(fleet.command(&["ping"]).envs(variables.iter().copied()), "").failed(0, &[]);
        let head = home.asked().pop().expect("a request").head;
        let token = head.lines().find_map(|line| line.strip_prefix("authorization: bearer ")).expect("a token");
        token.to_owned()
    };
    let (read, purge, admin) = ("read-secret-of-tests", "purge-secret-of-tests", "admin-secret-of-tests");
    assert_eq!(asked_with(&[("READ_TOKEN", read)]), read);
    assert_eq!(asked_with(&[("DEPLOY_TOKEN", purge)]), purge);
    assert_eq!(asked_with(&[("READ_TOKEN", read), ("DEPLOY_TOKEN", purge)]), read);
    assert_eq!(asked_with(&[("READ_TOKEN", read), ("FLEET_TOKEN", admin)]), admin);
    let asked = home.asked().len();
    let purges = run(fleet.command(&["site", "docs"]).env("READ_TOKEN", read), "");
    purges.failed(1, &["no token", "token admin: ", "token deploy: "]);
    assert_eq!(home.asked().len(), asked, "it does not do for more");
}
