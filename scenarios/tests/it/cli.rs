//! The command line, as far as it goes without a fleet.

use std::path::Path;
use std::process::{Command, Output};

fn scenarios() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenarios"));
    command.env_remove("TIDEWALL_BIN_DIR").env_remove("TIDEWALL_SCENARIO_DIR");
    command
}

#[track_caller]
fn check(command: &mut Command, code: i32, stdout: &str, stderr: &str) -> Output {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "stdout: {out}\nstderr: {err}");
    assert!(out.contains(stdout), "stdout lacks {stdout:?}: {out}");
    assert!(err.contains(stderr), "stderr lacks {stderr:?}: {err}");
    output
}

#[test]
fn what_is_shipped_is_listed_with_a_line_each() {
    let output = check(scenarios().arg("list"), 0, "quickstart  ", "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().all(|line| line.len() < 140 && line.contains("  ")), "{text}");
    assert!(!text.contains("Cargo"), "{text}");
}

#[test]
fn help_has_examples() {
    check(scenarios().arg("--help"), 0, "Examples:", "");
    check(scenarios().args(["run", "--help"]), 0, "scenarios run quickstart --keep", "");
    check(scenarios().args(["conformance", "--help"]), 0, "then commit scenarios/conformance/record.toml", "");
    check(scenarios().args(["chaos", "--help"]), 0, "scenarios chaos --seed 7", "");
    check(scenarios().args(["completions", "bash"]), 0, "_scenarios()", "");
}

#[test]
fn usage_errors_exit_2() {
    for (arguments, message) in [
        (&[][..], "Usage"),
        (&["run"], "FILE|NAME"),
        (&["fly"], "unrecognized subcommand"),
        (&["run", "quickstart", "--rate", "0"], "use a number from 0.1"),
        (&["conformance", "--site", "no-such-site"], "no site of the example fleet file\n    hint: it has docs"),
        (&["conformance", "--topology", "star"], "[possible values: direct, shield]"),
        (&["conformance", "--suite", ".", "--accept"], "cannot be used with"),
        (&["chaos", "--duration", "1s"], "write it as in 15s or 10m, from 5s to 24h"),
        (&["run", "no-such-scenario"], "`scenarios list` shows"),
        (&["run", "Cargo"], "`scenarios list` shows"),
        (&["run", "../scenarios/quickstart"], "no file and no scenario"),
    ] {
        check(scenarios().args(arguments), 2, "", message);
    }
}

#[test]
fn a_wrong_scenario_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, "description = \"x\"\nsede = 7\n").unwrap();
    check(scenarios().arg("run").arg(&path), 2, "", "unknown field `sede`");
    check(scenarios().arg("list").env("TIDEWALL_SCENARIO_DIR", folder.path()), 2, "", "mine.toml");
}

#[test]
fn missing_programs_are_named_with_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let run = || {
        let mut command = scenarios();
        command.env("TIDEWALL_BIN_DIR", empty.path());
        command
    };
    let output = check(run().args(["run", "quickstart"]), 3, "", "hint: `cargo build --workspace --bins` builds it");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the program "), "{output:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_told_before_the_run() {
    let nowhere = Path::new("no/such/folder/report.json");
    check(scenarios().args(["run", "quickstart", "--json"]).arg(nowhere), 3, "", "can't be written");
}

#[test]
fn a_machine_without_node_or_without_a_suite_is_told_what_to_do() {
    let empty = tempfile::tempdir().unwrap();
    let without_node = || {
        let mut command = scenarios();
        command.arg("conformance").env("PATH", empty.path());
        command
    };
    check(&mut without_node(), 3, "", "the program node is not in PATH");
    check(&mut without_node(), 3, "", "hint: install Node.js");
    // Only that it is there is asked before the suite is looked for.
    std::fs::write(empty.path().join("node"), "").unwrap();
    check(without_node().arg("--suite").arg(empty.path()), 3, "", "no cache test suite: cli.mjs");
}

#[test]
fn a_wrong_record_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conformance")).unwrap();
    let path = folder.path().join("conformance/record.toml");
    std::fs::write(&path, "suite = 7\n").unwrap();
    let mut command = scenarios();
    check(command.arg("conformance").env("TIDEWALL_SCENARIO_DIR", folder.path()), 3, "", "record.toml: ");
}
