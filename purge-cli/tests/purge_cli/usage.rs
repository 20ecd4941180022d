//! What can be typed, and what is wrong with it. Nothing is sent.

use crate::stage::{Fleet, Home, Ran, SECRET, mute, nobody, node, ok, purge_cli, receipt, run};
use serde_json::json;

#[test]
fn help_names_exit_codes_and_examples() {
    let help = run(&mut purge_cli(&["--help"]), "");
    assert_eq!(help.code, 0);
    for exit in purge_cli::exit::Exit::ALL {
        let start: String = exit.meaning().chars().take(40).collect();
        assert!(help.out.contains(&format!("{}  {start}", exit.code())), "{exit:?} in:\n{}", help.out);
    }
    for text in ["Examples:", "purge-cli all --yes", "TIDEWALL_CONFIG", "TIDEWALL_TOKEN", "--timeout"] {
        assert!(help.out.contains(text), "no {text:?} in:\n{}", help.out);
    }
    let version = run(&mut purge_cli(&["--version"]), "");
    assert_eq!((version.code, version.out.as_str()), (0, concat!("purge-cli ", env!("CARGO_PKG_VERSION"), "\n")));
}

#[test]
fn completions_need_no_fleet() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&mut purge_cli(&["completions", shell]), "");
        assert_eq!((script.code, script.err.as_str()), (0, ""));
        assert!(script.out.contains("purge-cli") && script.out.contains("prefix"), "{shell}");
    }
}

#[test]
fn wrong_arguments() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.run(&[]).failed(2, &["Usage:"]);
    fleet.run(&["burn"]).failed(2, &["burn"]);
    fleet.run(&["url"]).failed(2, &["<URL>"]);
    fleet.run(&["url", "--timeout", "10", "http://docs.example.com/"]).failed(2, &["500ms, 10s or 2m"]);
    fleet.run(&["tag", "a", "--token-env", "A", "--token-file", "b"]).failed(2, &["two places", "hint: keep one"]);
    run(&mut purge_cli(&["site", "docs"]), "").failed(2, &["no fleet file", "hint: ", "--config", "TIDEWALL_CONFIG"]);
}

#[test]
fn a_fleet_file_that_cannot_be_used() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.run(&["--config", "no.toml", "site", "docs"]).failed(1, &["no.toml", "hint: "]);
    fleet.file("wrong.toml", "pops = 1\nsighs = 2\n");
    fleet.run(&["site", "docs", "--config", "wrong.toml"]).failed(1, &["wrong.toml:1: pops", "wrong.toml:2: sighs"]);
}

#[test]
fn every_wrong_target_is_listed_and_nothing_is_sent() {
    let (listener, addr) = mute();
    listener.set_nonblocking(true).expect("a socket option");
    let fleet = Fleet::new().site("shop", "shop.example.com").node("fra-1", "edge", addr);
    fleet.file("urls.txt", "# deploy 41\nhttps://docs.example.com/good\n\nhttps://blog.example.com/\n");
    fleet.run(&["url", "/guide", "https://docs.example.com/a b", "--from", "urls.txt"]).failed(
        2,
        &[
            "nothing was sent",
            "\"/guide\": is not an absolute URL\n    hint: write it as in https://",
            "\"https://docs.example.com/a b\": has characters that a URL must percent-encode",
            "urls.txt:4: \"https://blog.example.com/\": no site has the host \"blog.example.com\"\n    \
             hint: the fleet file knows docs.example.com, shop.example.com",
        ],
    );
    fleet.run(&["prefix", "https://docs.example.com/a?b"]).failed(2, &["a prefix has no query"]);
    fleet.run(&["tag", "a"]).failed(2, &["--site: the fleet has several sites", "knows docs, shop"]);
    fleet.run(&["tag", "--site", "blog", "a"]).failed(2, &["--site: \"blog\": the fleet file has no site"]);
    fleet.run(&["host", "blog.example.com"]).failed(2, &["no site has the host"]);
    fleet
        .run(&["host", "https://docs.example.com/"])
        .failed(2, &["is a URL, not a host\n    hint: write the host alone, as in www.example.com"]);
    let secret = fleet.run(&["--json", "url", "https://user:pw@docs.example.com/", "https://u@docs.example.com/@"]);
    secret.failed(
        2,
        &[
            "\"https://…@docs.example.com/\": has a user name or a password\n    hint: leave out what stands before the \"@\"",
            "\"https://…@docs.example.com/@\": has a user name",
        ],
    );
    assert!(!secret.err.contains("pw") && !secret.out.contains("pw"), "{}{}", secret.err, secret.out);
    fleet
        .run(&["site", "blog", "log"])
        .failed(2, &["\"blog\": the fleet file has no", "\"log\": the fleet file has no"]);
    assert!(listener.accept().is_err(), "a node was contacted");
}

#[test]
fn lists() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.file("empty.txt", "# nothing\n\n");
    fleet.run(&["url", "--from", "empty.txt"]).failed(2, &["the list is empty", "hint: "]);
    fleet.run(&["tag", "--from", "-"]).failed(2, &["the list is empty"]);
    fleet.run(&["host", "--from", "no.txt"]).failed(1, &["no.txt: can't be read", "hint: "]);
    std::fs::write(fleet.folder.path().join("latin.txt"), b"caf\xe9\n").expect("a file");
    fleet.run(&["tag", "--from", "latin.txt"]).failed(2, &["latin.txt:1: is not UTF-8", "hint: "]);
    let stdin = run(fleet.command(&["tag", "--from", "-"]).env("TIDEWALL_TOKEN", SECRET), "good\nnot good\n");
    stdin.failed(2, &["standard input:2: \"not good\""]);
}

#[test]
fn all_wants_a_yes() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    let refused = run(fleet.command(&["all"]).env("TIDEWALL_TOKEN", SECRET), "yes\n");
    refused.failed(2, &["standard input is no terminal", "hint: add --yes"]);
    fleet
        .run(&["all", "--yes", "--timeout", "50ms"])
        .failed(1, &["fra-1, the home of the purge log, has not recorded the purge"]);
}

/// What stands in a path must not lead elsewhere.
#[test]
fn what_is_no_name_of_a_purge_is_not_sent() {
    let home = Home::start(|_| ok(&json!({})));
    let fleet = home.fleet();
    for name in ["", ".", "..", "../x", "../../stats", "a/b", "a?b", "a b", "ü", &"x".repeat(65)] {
        fleet.run(&["status", name]).failed(2, &["write a position (1.42), a number (42) or an id"]);
    }
    fleet.run(&["log", "--since", "1."]).failed(2, &["write a number (42) or a position (1.42)"]);
    fleet.run(&["forget", "../x"]).failed(2, &["invalid value '../x'"]);
    fleet.run(&["--id", "42", "site", "docs"]).failed(2, &["begin it with a letter"]);
    fleet.run(&["--id", "a..1", "site", "docs"]).failed(2, &["leave it out"]);
    assert_eq!(home.lines(), [""; 0]);
}

#[test]
fn options_of_no_use_are_refused() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.run(&["--soft", "ping"]).failed(2, &["`ping` has no use for --soft\n    hint: leave it out"]);
    fleet.run(&["status", "1.7", "--wait", "none"]).failed(2, &["`status` has no use for --wait"]);
    let help = fleet.run(&["status", "--help"]);
    assert!(help.out.contains("--timeout") && !help.out.contains("--soft"), "{}", help.out);
}

/// Who writes a star means more than one URL.
#[test]
fn stars_are_taken_literally_and_warned_of() {
    let home = Home::start(|_| ok(&receipt("1.7", &[node("hub-1", "1.7", true)])));
    let fleet = home.fleet();
    let warning = |ran: &Ran| ran.err.matches("warning: ").count();
    let ran = fleet.run(&["url", "https://docs.example.com/img/*", "https://docs.example.com/img/*x"]);
    ran.failed(
        0,
        &["warning: \"https://docs.example.com/img/*\": the star is taken literally\n    \
             hint: all that begins so is purged by: purge-cli prefix https://docs.example.com/img/\n"],
    );
    assert_eq!(warning(&ran), 1, "{}", ran.err);
    fleet.file("stars.txt", &(0..9).map(|n| format!("https://docs.example.com/{n}/*\n")).collect::<String>());
    let ran = fleet.run(&["prefix", "--from", "stars.txt"]);
    ran.failed(0, &["warning: stars.txt:1: ", "warning: 6 more targets end in a star"]);
    assert_eq!(warning(&ran), 4, "{}", ran.err);
}

/// Colours are for terminals, and for who asks for them.
#[test]
fn no_colours_where_they_are_not_wanted() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    let said = |variables: &[(&str, &str)]| {
        let args = ["site", "docs", "--timeout", "50ms"];
        run(fleet.command(&args).env("TIDEWALL_TOKEN", SECRET).envs(variables.iter().copied()), "").err
    };
    assert!(!said(&[]).contains('\u{1b}'));
    assert!(said(&[("CLICOLOR_FORCE", "1")]).contains('\u{1b}'));
    assert!(!said(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).contains('\u{1b}'));
}
