//! `log backup`: what it writes to, and what it leaves alone.

use crate::stage::{Answer, Fleet, Home};
use edge::core::log::Ledger;
use edge::wire::backup::BackupLine;
use edge::wire::log::LedgerLine;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

/// The backup of a log without records.
pub(crate) fn backup() -> String {
    let ledger = Ledger::default();
    let end = BackupLine::End { position: ledger.position.to_string(), chain: ledger.chain.to_string() };
    let lines = [BackupLine::Base { ledger: LedgerLine::from(&ledger), lease_ms: 0 }, end];
    lines.iter().map(|line| serde_json::to_string(line).expect("JSON") + "\n").collect()
}

fn home() -> Home {
    Home::start(|_| Answer::Reply("200 OK", backup()))
}

/// What is in the folder beside the fleet file.
fn files(fleet: &Fleet) -> Vec<String> {
    let entries = fs::read_dir(fleet.folder.path()).expect("a folder");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name != "fleet.toml");
    names.sort();
    names
}

#[test]
fn it_takes_the_place_of_a_regular_file_alone() {
    let home = home();
    let fleet = home.fleet();
    let at = |name: &str| fleet.folder.path().join(name);
    fleet.file("old", "old");
    fs::create_dir(at("folder")).expect("a folder");
    symlink("old", at("link")).expect("a link");
    symlink("nowhere", at("dangling")).expect("a link");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    for (name, what) in [
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("socket", "no regular file"),
        ("/dev/null", "no regular file"),
    ] {
        let said = format!("error: {name}: is {what}\n    hint: name a file that is not there yet, or a regular one");
        fleet.run(&["log", "backup", name]).failed(2, &[&said]);
    }
    assert_eq!(home.lines(), [""; 0], "nothing is asked for");
    fleet.run(&["log", "backup", "no/such/folder"]).failed(1, &["no/such/folder: can't be written", "hint: "]);

    for name in ["old", "new"] {
        let ran = fleet.run(&["log", "backup", name]);
        ran.failed(0, &[]);
        assert_eq!(ran.out, format!("{name}: 0 records\n"));
        assert_eq!(fs::read_to_string(at(name)).expect("a file"), backup());
    }
    assert_eq!(files(&fleet), ["dangling", "folder", "link", "new", "old", "socket"], "nothing else is left");
}

#[test]
fn standard_output_takes_it() {
    let ran = home().fleet().run(&["log", "backup", "-"]);
    ran.failed(0, &[]);
    assert_eq!(ran.out, backup());
}

#[test]
fn a_part_is_not_taken_for_the_whole() {
    let all = backup();
    let first = all.lines().next().expect("a line").to_owned() + "\n";
    for (answer, code, why) in [
        (Answer::Reply("200 OK", first.clone()), 1, "the backup is not whole: it breaks off"),
        (Answer::BreaksOff(first), 5, "broke off"),
    ] {
        let mut answer = Some(answer);
        let home = Home::start(move |_| answer.take().expect("one request"));
        let fleet = home.fleet();
        fleet.file("kept", "old");
        fleet.run(&["log", "backup", "kept"]).failed(code, &[why, "hint: "]);
        assert_eq!(fs::read_to_string(fleet.folder.path().join("kept")).expect("a file"), "old");
        assert_eq!(files(&fleet), ["kept"]);
    }
}
