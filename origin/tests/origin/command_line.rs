//! What the user types, and what comes back.

use std::process::Output;

use crate::harness::{Origin, Site, TOKEN_VARIABLE, policy, program, run};

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("text")
}

/// Exit 1, nothing on stdout, an error with these words and a hint with those.
#[track_caller]
fn check_failure(arguments: &[&str], error: &[&str], hint: &str) {
    let output = run(arguments);
    let text = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{text}");
    let error_text = text.find("error: ").map(|at| &text[at..]).expect(text);
    assert!(error.iter().all(|word| error_text.contains(word)), "{text}");
    let last = text.lines().last().expect("a line");
    assert!(last.starts_with("hint: ") && last.contains(hint), "{text}");
    assert!(!text.contains('\u{1b}'), "no colour: {text}");
}

#[test]
fn failures_name_the_place_the_cause_and_the_next_step() {
    let site = Site::new(&[("index.html", "home")]);
    let root = site.root();
    let (_dir, bad_policy) = policy("[cache_control]\nhtml = \"max-age\"\nother = \"a b\"");
    let bad_policy = bad_policy.display().to_string();
    let running = Origin::start(&root, &[]);
    let taken = running.address.to_string();

    check_failure(&["serve", "--root", &root, "--listen", &taken], &["cannot listen on", &taken, "in use"], "--listen");
    check_failure(&["serve", "--root", "/no/such/dir"], &["/no/such/dir", "No such file"], "build the site");
    check_failure(&["serve", "--root", &format!("{root}/index.html")], &["is not a folder"], "folder");
    let serve = |option: &'static str, value: &'static str| {
        ["serve", "--root", root.as_str(), option, value].map(str::to_owned)
    };
    for (arguments, error, hint) in [
        (serve("--policy", "/no/such/policy"), "cannot read the policy /no/such/policy", "--policy"),
        (serve("--control-token-env", "NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE", "export NO_SUCH_VARIABLE"),
        (serve("--control-token-file", "/no/such/token"), "/no/such/token", "openssl rand"),
        (serve("--max-entries", "0"), "more than 0 files", "folder of the built site"),
    ] {
        check_failure(&arguments.each_ref().map(String::as_str), &[error], hint);
    }
    check_failure(
        &["serve", "--root", &root, "--policy", &bad_policy],
        &[&bad_policy, "line 2, column 8: cache_control.html", "line 3, column 9: cache_control.other"],
        "line 2: write directives",
    );
}

#[test]
fn usage_errors_exit_with_2() {
    let site = Site::new(&[("index.html", "home")]);
    let root = site.root();
    for arguments in [
        &[][..],
        &["serve"],
        &["frobnicate"],
        &["serve", "--root", &root, "--listen", "nowhere"],
        &["serve", "--root", &root, "--release", "a b"],
        &["serve", "--root", &root, "--max-connections", "0"],
        &["serve", "--root", &root, "--log", "a=b=c"],
        &["serve", "--root", &root, "--head-timeout-ms", "99999999999"],
        &["serve", "--root", &root, "--control-token-env", "A", "--control-token-file", "b"],
        &["switch", "--root", &root, "--release", "v2"],
        &["switch", "--root", &root, "--release", "v2", "--control-token-env", "A", "--url", "https://x"],
        &["completions", "tcsh"],
    ] {
        let output = run(arguments);
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), ""), "{arguments:?}: {}", stderr(&output));
        assert!(!output.stderr.is_empty());
    }
}

#[test]
fn help_shows_examples_and_a_policy() {
    for (arguments, expected) in [
        (&["--help"][..], "completions"),
        (&["serve", "--help"], "origin serve --root dist"),
        (&["serve", "--help"], "[[cache_control.override]]"),
        (&["serve", "-h"], "origin serve --root dist"),
        (&["switch", "--help"], "origin switch --url"),
        (&["completions", "--help"], "origin completions bash"),
        (&["completions", "bash"], "_origin()"),
        (&["completions", "fish"], "complete -c origin"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
    ] {
        let output = run(arguments);
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(stdout(&output).contains(expected), "{arguments:?}: {}", stdout(&output));
    }
}

#[test]
fn the_ready_line_is_json() {
    let site = Site::new(&[("index.html", "home")]);
    let origin = Origin::start(&site.root(), &[]);
    assert_eq!(origin.ready, serde_json::json!({ "listening": origin.address.to_string(), "release": "v1" }));
    assert_ne!(origin.address.port(), 0);
}

#[test]
fn switching_from_the_command_line() {
    let first = Site::new(&[("index.html", "one")]);
    let second = Site::new(&[("index.html", "two"), ("b.txt", "b")]);
    let origin = Origin::serve(first);
    let url = format!("http://{}", origin.address);
    let folder = second.path().file_name().and_then(|name| name.to_str()).expect("a name");
    let switch = |name: &str, more: &[&str]| {
        let arguments =
            ["switch", "--url", &url, "--root", folder, "--release", name, "--control-token-env", TOKEN_VARIABLE];
        program()
            .current_dir(second.path().parent().expect("a parent"))
            .args(arguments)
            .args(more)
            .output()
            .expect("run")
    };

    let output = switch("v2", &["--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["release"], &report["previous"], &report["files"]), (&"v2".into(), &"v1".into(), &2.into()));
    assert_eq!(origin.get("/").expect(200).text(), "two");

    let output = switch("v3", &[]);
    assert!(stdout(&output).starts_with("now serving v3: 2 files, 4 bytes from /"), "{}", stdout(&output));
    assert!(stdout(&output).ends_with("(before: v2)\n"));
}

#[test]
fn a_switch_that_fails_says_why() {
    let site = Site::new(&[("index.html", "home")]);
    let origin = Origin::serve(Site::new(&[("index.html", "home")]));
    let url = format!("http://{}", origin.address);
    let wrong = site.path().join("wrong");
    site.write("wrong", b"another-token");
    let wrong = wrong.display().to_string();
    let root = site.root();
    let switch = |url: &str, root: &str, token: [&str; 2], error: &[&str], hint: &str| {
        let arguments = ["switch", "--url", url, "--root", root, "--release", "v2", token[0], token[1]];
        check_failure(&arguments, error, hint);
    };
    let token = ["--control-token-env", TOKEN_VARIABLE];
    switch(&url, &root, ["--control-token-file", &wrong], &["401", "control token"], "Authorization");
    switch(&url, "/no/such/dir", token, &["422", "/no/such/dir"], "build the site");

    let without_token = Origin::start(&root, &[]);
    let url = format!("http://{}", without_token.address);
    switch(&url, &root, token, &["404", "not an origin with a control token"], "--control-token-env");
    drop(without_token);
    switch(&url, &root, token, &["cannot reach", "refused"], "origin serve");
    assert_eq!(origin.get("/").expect(200).field("x-release"), Some("v1"));
}
