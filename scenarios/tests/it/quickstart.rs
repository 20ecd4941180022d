//! The quickstart, shortened, on real processes: it holds; and it fails when the purge is a lie.
//!
//! These tests need the programs of the whole workspace: `make test` builds them, as `cargo build --workspace --bins`
//! does before a `cargo test -p scenarios`.

use scenarios::clock;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) fn programs() -> PathBuf {
    let beside = || Path::new(env!("CARGO_BIN_EXE_scenarios")).parent().unwrap().to_owned();
    std::env::var_os("TIDEWALL_BIN_DIR").map_or_else(beside, PathBuf::from)
}

/// The shipped scenario with a load of six seconds.
fn short(folder: &TempDir) -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(crate_folder.join("quickstart.toml")).unwrap();
    let text = text
        .replace("dist = \"sites", &format!("dist = \"{}/sites", crate_folder.display()))
        .replace("duration_s = 27.0", "duration_s = 6.0")
        .replace("at_s = 15.0", "at_s = 3.0")
        .replace("min_hit_ratio = 0.9", "min_hit_ratio = 0.6")
        .replace("min_origin_offload = 0.9", "min_origin_offload = 0.6");
    let path = folder.path().join("short.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Runs it, and gives the exit code and the checks that failed.
fn run(folder: &TempDir, programs: &Path) -> (Option<i32>, Vec<String>, String) {
    let report = folder.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenarios"));
    command.env("TIDEWALL_BIN_DIR", programs).arg("run").arg(short(folder)).arg("--json").arg(&report);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap())
        .unwrap_or_else(|error| panic!("{error}: {said}"));
    let checks = report["checks"].as_array().unwrap();
    assert!(checks.len() >= 10, "{said}");
    let failed = checks.iter().filter(|check| check["ok"] == false);
    (output.status.code(), failed.map(|check| check["name"].as_str().unwrap().to_owned()).collect(), said)
}

#[test]
fn every_check_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (code, mut failed, said) = run(&folder, &programs());
    // Whether the generator is on time is the machine's business.
    failed.retain(|name| name != "the load was sent when it was due");
    assert!(failed.is_empty() && matches!(code, Some(0 | 1)), "{code:?} {failed:?}: {said}");
}

#[test]
fn a_purge_that_is_none_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    for program in ["edge", "origin"] {
        symlink(programs().join(program), folder.path().join(program)).unwrap();
    }
    let liar = folder.path().join("purge-cli");
    std::fs::write(&liar, "#!/bin/sh\necho '{\"ok\": true, \"duration_ms\": 1.0, \"nodes\": []}'\n").unwrap();
    std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, failed, said) = run(&folder, folder.path());
    assert_eq!(code, Some(1), "{said}");
    for check in [
        "no reader gets the old release after the purge",
        "no request of the load gets it either",
        "it does not come back",
    ] {
        assert!(failed.iter().any(|name| name == check), "{check} holds: {said}");
    }
    assert!(said.contains("--seed 1"), "{said}");
}

/// The processes whose command line has this in it.
fn processes_of(folder: &str) -> Vec<String> {
    let lines = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(folder)).collect()
}

#[test]
fn nothing_outlives_a_run_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenarios"));
    // The fleet's folder is made here, and every node has it on its command line.
    command.env("TIDEWALL_BIN_DIR", programs()).env("TMPDIR", folder.path()).arg("run").arg(short(&folder));
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mark = folder.path().join("tidewall-fleet").display().to_string();
    let until = |condition: &dyn Fn() -> bool, what: &str| {
        let deadline = clock::now() + Duration::from_secs(30);
        while !condition() {
            assert!(clock::now() < deadline, "{what}: {:?}", processes_of(&mark));
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    // The origin's policy file is in the folder as well.
    until(&|| processes_of(&mark).len() == 5, "five processes should run");
    running.kill().unwrap();
    running.wait().unwrap();
    until(&|| processes_of(&mark).is_empty(), "no process should be left");
}
