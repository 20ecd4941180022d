//! The `edge` command: `check`, help, completions, and how it takes mistakes.

use crate::support::{Command, Ended, crate_folder};
use serde_json::Value;

const CHECK: [&str; 3] = ["check", "--config", "FILE"];
const CHECK_JSON: [&str; 4] = ["check", "--config", "FILE", "--json"];

/// A fleet file with ten mistakes.
const MISTAKES: &str = r#"[[pops]]
id = "Fra"
latitude = 500
longitude = 8.68
nodes = [{ id = "fra-1", public = "here", admin = "127.0.0.1:9090" }]
[[origins]]
id = "www"
url = "ftp://www.example.com"
[[origins]]
id = "api"
url = "https://api.example.com"
[[sites]]
id = "docs"
hosts = ["docs example"]
origin = "api"
max_ttl = 10
[[tokens]]
id = "admin"
role = "root"
env = "TOKEN"
[store]
memory = "lots"
[limits]
fields = 0
[listen]
h2 = true
"#;

/// Each of them: its line, its key, the value if it is the value that is wrong, and what the remedy speaks of.
const FOUND: [(u64, &str, Option<&str>, &str); 10] = [
    (2, "pops[0].id", Some("\"Fra\""), "another name"),
    (3, "pops[0].latitude", Some("500"), "-90 to 90"),
    (5, "pops[0].nodes[0].public", Some("\"here\""), "host:port"),
    (8, "origins[0].url", Some("\"ftp://www.example.com\""), "http://"),
    (14, "sites[0].hosts[0]", Some("\"docs example\""), "www.example.com"),
    (16, "sites[0].max_ttl", Some("10"), "90s"),
    (19, "tokens[0].role", Some("\"root\""), "\"read\", \"purge\" or \"admin\""),
    (22, "store.memory", Some("\"lots\""), "512MiB"),
    (24, "limits.fields", Some("0"), "1 to 200"),
    (26, "listen.h2", None, "h2c"),
];

fn check_ended(ended: &Ended, code: i32) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

#[tokio::test]
async fn every_mistake_is_listed_at_once() {
    let command = Command::of_text(MISTAKES);
    let ended = command.run(&CHECK).await;
    check_ended(&ended, 1);
    assert_eq!(ended.stdout, "");
    let file = command.file().display().to_string();
    let mut lines = ended.stderr.lines();
    for (line, key, value, remedy) in FOUND {
        let shown = lines.next().unwrap_or_default();
        let begins = match value {
            Some(value) => format!("{file}:{line}: {key} = {value}: "),
            None => format!("{file}:{line}: {key}: "),
        };
        assert!(shown.starts_with(&begins), "{shown:?} should begin with {begins:?}");
        let hint = lines.next().unwrap_or_default();
        assert!(hint.starts_with("    hint: ") && hint.contains(remedy), "{hint:?} should say {remedy:?}");
    }
    assert_eq!(lines.collect::<Vec<_>>(), [format!("10 problems in {file}")]);
}

#[tokio::test]
async fn mistakes_as_json() {
    let command = Command::of_text(MISTAKES);
    let ended = command.run(&CHECK_JSON).await;
    check_ended(&ended, 1);
    assert_eq!(ended.stderr, "");
    let outcome: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(outcome["ok"], false);
    assert_eq!(outcome["file"], command.file().display().to_string());
    let problems = outcome["problems"].as_array().expect("a list");
    assert_eq!(problems.len(), FOUND.len(), "{problems:#?}");
    for (problem, (line, key, value, remedy)) in problems.iter().zip(FOUND) {
        assert_eq!((&problem["line"], &problem["key"]), (&Value::from(line), &Value::from(key)));
        assert_eq!(problem["value"].as_str(), value, "{problem}");
        assert!(problem["hint"].as_str().is_some_and(|hint| hint.contains(remedy)), "{problem}");
        assert!(problem["error"].as_str().is_some_and(|error| !error.is_empty()), "{problem}");
    }
}

#[tokio::test]
async fn files_that_are_right() {
    let example = crate_folder().join("deploy/fleet.example.toml");
    let command = Command::of_text(&std::fs::read_to_string(example).expect("the shipped example"));
    let ended = command.run(&CHECK).await;
    check_ended(&ended, 0);
    assert!(ended.stdout.ends_with("good: 4 PoPs, 4 nodes, 2 sites\n"), "{ended:?}");
    // The one that the file itself speaks of.
    let warning = format!("warning: {}:", command.file().display());
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with(&warning) && lines[1].starts_with("    hint: "), "{ended:?}");
    let ended = command.run(&CHECK_JSON).await;
    check_ended(&ended, 0);
    let outcome: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let warnings = outcome["warnings"].as_array().expect("a list");
    assert_eq!(warnings.iter().map(|warning| &warning["key"]).collect::<Vec<_>>(), ["sites[1].store_posts"]);
    assert_eq!((&outcome["ok"], &outcome["pops"]), (&Value::Bool(true), &Value::from(4)));
    assert_eq!((&outcome["nodes"], &outcome["sites"]), (&Value::from(4), &Value::from(2)));
    let small = Command::with("");
    let ended = small.run(&CHECK).await;
    check_ended(&ended, 0);
    assert_eq!(ended.stderr, "");
    // The file may be named by the environment.
    let file = command.file().display().to_string();
    let ended = Command::with("").env("TIDEWALL_CONFIG", &file).run(&["check"]).await;
    check_ended(&ended, 0);
    assert!(ended.stdout.starts_with(&file), "{ended:?}");
}

#[tokio::test]
async fn files_that_are_none() {
    let command = Command::with("");
    for (arguments, reason) in [
        (["check", "--config", "/no/such/file.toml"], "can't be read"),
        (["check", "--config", "/"], "can't be read"),
        (["check", "--config", "/dev/null"], "is missing"),
    ] {
        let ended = command.run(&arguments).await;
        check_ended(&ended, 1);
        assert!(ended.stderr.contains(reason) && ended.stderr.contains("hint:"), "{ended:?}");
        assert!(ended.stderr.contains(arguments[2]), "{ended:?}");
    }
    let large = Command::of_text(&"#".repeat((4 << 20) + 1));
    let ended = large.run(&CHECK).await;
    check_ended(&ended, 1);
    assert!(ended.stderr.contains("larger than 4 MiB"), "{ended:?}");
    let binary = Command::with("");
    std::fs::write(binary.file(), [0xff, 0xfe, 0x00]).expect("a folder of our own");
    check_ended(&binary.run(&CHECK).await, 1);
    // Whoever asks for JSON is answered in JSON.
    let ended = command.run(&["check", "--config", "/no/such/file.toml", "--json"]).await;
    check_ended(&ended, 1);
    let outcome: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!((&outcome["ok"], &outcome["file"]), (&Value::Bool(false), &Value::from("/no/such/file.toml")));
    assert!(outcome["problems"][0]["error"].as_str().is_some_and(|error| error.contains("can't be read")), "{outcome}");
}

#[tokio::test]
async fn help_says_what_there_is() {
    let command = Command::with("");
    for (arguments, words) in [
        (&["--help"][..], &["run", "check", "completions", "SIGHUP", "EDGE_LOG", "Exit codes"][..]),
        (&["run", "--help"], &["--config <FILE>", "--node <NAME>", "TIDEWALL_CONFIG", "JSON on stdout"]),
        (&["check", "--help"], &["--config <FILE>", "--json"]),
        (&["help", "run"], &["--node <NAME>"]),
        (&["--version"], &["edge "]),
    ] {
        let ended = command.run(arguments).await;
        check_ended(&ended, 0);
        for word in words {
            assert!(ended.stdout.contains(word), "{word:?} should be in the output of {arguments:?}: {}", ended.stdout);
        }
        assert_eq!(ended.stderr, "");
    }
}

#[tokio::test]
async fn completions_for_shells() {
    let command = Command::with("");
    for (shell, word) in [("bash", "_edge()"), ("zsh", "#compdef edge"), ("fish", "complete -c edge")] {
        let ended = command.run(&["completions", shell]).await;
        check_ended(&ended, 0);
        assert!(ended.stdout.contains(word), "{shell}: {}", ended.stdout);
        assert_eq!(ended.stderr, "");
    }
    check_ended(&command.run(&["completions", "cmd.exe"]).await, 2);
}

#[tokio::test]
async fn wrong_usage() {
    let command = Command::with("");
    for arguments in [
        &[][..],
        &["fly"],
        &["run"],
        &["run", "--config", "FILE"],
        &["run", "--config", "FILE", "--node", "No Such Name"],
        &["run", "--config", "FILE", "--node", ""],
        &["check", "--config", "FILE", "--jsno"],
        &["check", "--config"],
    ] {
        let ended = command.run(arguments).await;
        check_ended(&ended, 2);
        assert!(ended.stdout.is_empty() && ended.stderr.contains("--help"), "{arguments:?}: {ended:?}");
    }
}

/// `edge completions bash | head -n 1`
#[tokio::test]
async fn a_reader_that_has_enough_is_no_accident() {
    let command = Command::with("");
    for arguments in ["completions bash", "--help", "check --config FILE --json"] {
        let ended = command.run_into_head(arguments).await;
        assert!(!ended.stderr.contains("panicked"), "{arguments}: {ended:?}");
    }
}
