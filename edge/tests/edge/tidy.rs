//! The house rules that Cargo and clippy can't check: layers, file sizes, clocks, purge numbers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Past this many lines, tests aside, a file is two concepts.
const MOST_LINES: usize = 600;

/// The layer of each top-level module of `edge`: a file may use modules of its own layer and below.
const LAYERS: [(&str, u8); 25] = [
    ("core", 10),
    ("config", 20),
    ("wire", 20),
    ("clock", 30),
    ("telemetry", 31),
    ("data_folder", 32),
    ("log_home", 32),
    ("follow", 33),
    ("purge_log", 32),
    ("quotas", 32),
    ("store", 33),
    ("upstream", 34),
    ("snapshot", 34),
    ("node", 35),
    ("refusal", 40),
    ("proxy", 41),
    ("following", 40),
    ("admin", 41),
    ("express", 42),
    ("front_door", 42),
    ("listen", 42),
    ("cli", 50),
    ("server", 50),
    ("restore", 50),
    ("main", 51),
];

/// Only these modules may name Pingora.
const PINGORA: [&str; 8] = ["express", "store", "upstream", "proxy", "front_door", "listen", "node", "server"];

/// What the core must not touch: I/O, clocks, randomness, logging, serialisation.
const NOT_IN_CORE: [&str; 16] = [
    "std::fs",
    "std::io",
    "TcpStream",
    "UdpSocket",
    "ToSocketAddrs",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "tokio::",
    "pingora",
    "rand::",
    "tracing::",
    "use log::",
    "serde",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("edge is a member of the workspace").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry of the folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The part of a source file before its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

fn is_tests(path: &Path) -> bool {
    path.file_stem().is_some_and(|name| name == "tests") || path.components().any(|part| part.as_os_str() == "tests")
}

/// Each source file of `edge` with its path below `src`, its top-level module, and its text without tests.
fn sources() -> Vec<(String, String, String)> {
    let src = workspace().join("edge/src");
    let files = rust_files(&src).into_iter().filter(|path| !is_tests(path));
    files
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file");
            let name = path.strip_prefix(&src).expect("below src").display().to_string();
            let module = name.split(['/', '.']).next().unwrap_or_default().to_owned();
            (name, module, without_tests(&text).to_owned())
        })
        .collect()
}

/// Lines of code: comments say what they like.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = text.lines().enumerate().map(|(n, line)| (n + 1, line.trim()));
    numbered.filter(|(_, line)| !line.starts_with("//"))
}

fn report(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn imports_point_downward() {
    let layers: BTreeMap<&str, u8> = LAYERS.into_iter().collect();
    let mut broken = Vec::new();
    for (name, module, text) in sources() {
        if module == "lib" {
            continue;
        }
        let Some(&own) = layers.get(module.as_str()) else {
            broken.push(format!("{name}: give the module {module} a place in LAYERS"));
            continue;
        };
        for (line, code) in code(&text) {
            for part in code.split("crate::").skip(1) {
                let used = part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                if layers.get(used).is_some_and(|&layer| layer > own) {
                    broken.push(format!("{name}:{line}: {module} must not use {used}, which is above it"));
                }
            }
        }
    }
    report(&broken);
}

#[test]
fn the_core_is_pure_and_pingora_stays_in_its_place() {
    let mut broken = Vec::new();
    for (name, module, text) in sources() {
        for (line, code) in code(&text) {
            if module == "core" {
                for word in NOT_IN_CORE.iter().filter(|word| code.contains(*word)) {
                    broken.push(format!("{name}:{line}: the core must not use {word}"));
                }
            }
            if code.contains("pingora::") && !PINGORA.contains(&module.as_str()) {
                broken.push(format!("{name}:{line}: {module} must not name Pingora"));
            }
        }
    }
    report(&broken);
}

#[test]
fn purge_numbers_are_compared_in_the_core_alone() {
    let mut broken = Vec::new();
    for (name, module, text) in sources() {
        if module == "core" {
            continue;
        }
        for (line, code) in code(&text) {
            let compares = [" < ", " > ", " <= ", " >= ", ".max(", ".min(", ".cmp("].iter().any(|op| code.contains(op));
            let numbers = ["fence", "applied", "valid_seq", "position"].iter().any(|word| code.contains(word));
            if compares && numbers {
                broken
                    .push(format!("{name}:{line}: ask core::purge or core::log instead of comparing numbers: {code}"));
            }
        }
    }
    report(&broken);
}

#[test]
fn files_hold_one_concept() {
    let mut broken = Vec::new();
    for member in ["edge", "origin", "purge-cli", "scenarios", "benches"] {
        for path in rust_files(&workspace().join(member)) {
            let text = fs::read_to_string(&path).expect("a source file");
            let lines = if is_tests(&path) { text.lines().count() / 2 } else { without_tests(&text).lines().count() };
            if lines > MOST_LINES {
                broken.push(format!("{}: {lines} lines: two concepts?", path.display()));
            }
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if ["utils", "util", "helpers", "common", "misc"].contains(&name) {
                broken.push(format!("{}: name the concept", path.display()));
            }
        }
    }
    report(&broken);
}

#[test]
fn only_clocks_read_clocks() {
    let mut broken = Vec::new();
    for member in ["edge", "origin", "purge-cli", "scenarios"] {
        for path in rust_files(&workspace().join(member).join("src")) {
            let text = fs::read_to_string(&path).expect("a source file");
            let is_clock = path.file_stem().is_some_and(|name| name == "clock");
            for (line, code) in code(without_tests(&text)) {
                if !is_clock && (code.contains("Instant::now()") || code.contains("SystemTime::now()")) {
                    broken.push(format!("{}:{line}: ask the crate's clock", path.display()));
                }
            }
        }
    }
    report(&broken);
}
