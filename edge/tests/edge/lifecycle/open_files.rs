//! More clients than files that can be open.

use crate::support::{BOUND, Client, Command, NODE, eventually, get};
use edge::wire::admin::Listening;

const RUN: [&str; 5] = ["run", "--config", "FILE", "--node", NODE];

#[tokio::test]
async fn a_node_that_runs_out_of_files_recovers() {
    let command = Command::with("");
    let mut process = command.start_with_files("-n 40", &RUN).await;
    process.first_line::<Listening>().await.unwrap_or_else(|error| panic!("{error}"));
    assert!(process.stderr().contains("more clients are let in than files can be open"), "{}", process.stderr());
    let address = command.plan().nodes()[0].public;
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(Client::connect(address).await);
    }
    eventually("it can't accept more", async || process.stderr().contains("can't accept a connection")).await;
    drop(clients);
    // No origin is there, so this is the answer of a node that has a file for the attempt.
    eventually("it serves again", async || Client::connect(address).await.exchange(get("/")).await.status == 502).await;
    let log = process.stderr();
    assert!(!log.contains("panicked"), "{log}");
    assert!(log.matches("can't accept a connection").count() < 1000, "it does not spin");
    let status = process.terminate(BOUND).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let command = Command::with("[limits]\nconnections = 100");
    let mut process = command.start_with_files("-S -n 64", &RUN).await;
    process.first_line::<Listening>().await.unwrap_or_else(|error| panic!("{error}"));
    let pid = process.pid().expect("it runs");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    if let Some(line) = limits.lines().find(|line| line.starts_with("Max open files")) {
        let numbers: Vec<&str> = line.split_whitespace().skip(3).take(2).collect();
        assert_eq!(numbers[0], numbers[1], "{line}");
    }
}
