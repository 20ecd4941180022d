//! The promise of purges amid faults, shortened, on real processes: it holds; and it is found out when it is a lie. The
//! machine may be busy, so little is asked of how much is met.

use crate::quickstart::programs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// Runs it, and gives the exit code, the report, and what was said.
fn run(programs: &Path, duration: &str) -> (Option<i32>, serde_json::Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_scenarios"));
    command.env("TIDEWALL_BIN_DIR", programs).args(["chaos", "--seed", "1", "--duration", duration]);
    let output = command.arg("--json").arg(&report).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read_to_string(report).unwrap();
    let report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), report, said)
}

#[test]
fn the_promise_holds() {
    let (code, report, said) = run(&programs(), "8s");
    assert_eq!(code, Some(0), "{said}");
    let count = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_u64).unwrap_or(0);
    assert!(count("/reads/checked") > 0 && count("/purges/proven") > 0 && count("/purges/met_fills") > 0, "{said}");
    assert!(report["faults"].as_object().is_some_and(|faults| !faults.is_empty()), "{said}");
    assert_eq!(report["stale"].as_array().map(Vec::len), Some(0), "{said}");
}

#[test]
fn a_purge_that_is_none_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    symlink(programs().join("edge"), folder.path().join("edge")).unwrap();
    let liar = folder.path().join("purge-cli");
    let lie = r#"{"proven": true, "position": null, "is_new": true, "nodes": [NODES]}"#;
    let node = r#"{"node": "fra-1", "proven": true, "boot_id": "b1"}"#;
    let lie = lie.replace("NODES", &[node; 8].join(", "));
    std::fs::write(&liar, format!("#!/bin/sh\necho '{lie}'\n")).unwrap();
    std::fs::set_permissions(&liar, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, report, said) = run(folder.path(), "5s");
    assert_eq!(code, Some(1), "{said}");
    let stale = report["stale"].as_array().unwrap();
    assert!(!stale.is_empty(), "{said}");
    let told = &stale[0];
    assert!(told["got"].as_u64() < told["promised"].as_u64(), "{told}");
    assert!(["node", "request", "purge"].iter().all(|key| told[key].as_str() != Some("")), "{told}");
    for check in [
        "no read falls below what a proven purge has promised",
        "then every node gives the newest version, and stores it",
    ] {
        assert!(said.contains(&format!("FAIL  {check}")), "{check}: {said}");
    }
}
