//! Where the token comes from, and what is said of it.

use crate::stage::{Answer, Fleet, Home, SECRET, nobody, run};

#[test]
fn no_token() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    let without = |args: &[&str]| run(&mut fleet.command(args), "");
    without(&["site", "docs"]).failed(1, &["TIDEWALL_TOKEN is not set", "token admin: ", "FLEET_TOKEN", "hint: "]);
    without(&["site", "docs", "--token-env", "MINE"]).failed(1, &["MINE is not set", "hint: "]);
    without(&["site", "docs", "--token-file", "mine"]).failed(1, &["mine: can't be read", "hint: "]);
    run(fleet.command(&["site", "docs"]).env("TIDEWALL_TOKEN", ""), "").failed(1, &["shorter than 16 bytes"]);
    let control = run(fleet.command(&["site", "docs"]).env("TIDEWALL_TOKEN", "0123456789abcdef\nx"), "");
    control.failed(1, &["a character that no HTTP field may have", "hint: "]);
}

#[test]
fn tokens_are_found() {
    let fleet = Fleet::new().node("fra-1", "edge", nobody());
    fleet.file("mine", &format!("{SECRET}\n"));
    // It gets as far as the home, which is down: so there was a token.
    let check = |args: &[&str], variable: &str| {
        let args = [&["site", "docs", "--timeout", "50ms"], args].concat();
        run(fleet.command(&args).env(variable, SECRET), "").failed(1, &["connection refused"]);
    };
    check(&[], "TIDEWALL_TOKEN");
    check(&[], "FLEET_TOKEN");
    check(&["--token-env", "X"], "X");
    check(&["--token-file", "mine"], "UNUSED");
}

/// What is wrong is said once, and what to do fits where the token is from.
#[test]
fn a_token_that_is_not_accepted() {
    let home = Home::start(|_| {
        let body =
            r#"{"error":"the token is not accepted","hint":"it is none of [[tokens]] in the node's fleet file"}"#;
        Answer::Reply("401 Unauthorized", body.to_owned())
    });
    let fleet = home.fleet();
    fleet.file("mine", &format!("{SECRET}\n"));
    for command in [&["site", "docs"][..], &["ping"]] {
        for (option, variable, advice) in [
            (&[][..], "TIDEWALL_TOKEN", "TIDEWALL_TOKEN: set TIDEWALL_TOKEN to another token's secret, or unset it"),
            (&[], "FLEET_TOKEN", "FLEET_TOKEN, as the fleet file says of token admin: give this program and the home"),
            (&["--token-env", "X"], "X", "X, as --token-env says: set X to another token's secret"),
            (&["--token-file", "mine"], "UNUSED", "mine, as --token-file says: write another token's secret there"),
        ] {
            let ran = run(fleet.command(&[command, option].concat()).env(variable, SECRET), "");
            ran.failed(4, &["401: the token is not accepted\n    hint: it is none of [[tokens]]", advice]);
            assert_eq!(ran.err.matches("not accepted").count(), 1, "{}", ran.err);
        }
    }
}
