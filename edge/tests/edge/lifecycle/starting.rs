//! The start: one line that says where, or one error that says why not.

use crate::support::{BOUND, Client, Command, Ended, HOST, NODE, get, within};
use edge::wire::admin::Listening;
use std::net::{SocketAddr, TcpListener};

const RUN: [&str; 5] = ["run", "--config", "FILE", "--node", NODE];

/// Checks that the start failed in one go: exit code 1, nothing on stdout, one error with a hint and these words.
fn check_failed(ended: &Ended, words: &[&str]) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert_eq!(ended.stderr.matches("error:").count(), 1, "{ended:?}");
    for word in words.iter().chain(&["hint:"]) {
        assert!(ended.stderr.contains(word), "{word:?} should be in {ended:?}");
    }
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
}

#[tokio::test]
async fn a_node_says_where_it_listens() {
    let command = Command::with(
        "[[pops]]\nid = \"fra\"\n[[pops.nodes]]\nid = \"fra-1\"\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"",
    );
    let mut process = command.start(&RUN).await;
    let listening: Listening = process.first_line().await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(listening.node, NODE);
    let address = |text: &str| {
        let address: SocketAddr = text.parse().expect("an address");
        assert_ne!(address.port(), 0);
        address
    };
    let (public, admin) = (address(&listening.public), address(&listening.admin));
    // As soon as it says so, it is so. (No origin is at the address that the fleet file names.)
    assert_eq!(Client::connect(public).await.exchange(get("/")).await.status, 502);
    let health = format!("GET /health HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    assert_eq!(Client::connect(admin).await.exchange(health).await.status, 200);
    let status = process.terminate(BOUND).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(status.code(), Some(0), "{}", process.stderr());
    let stdout = process.stdout();
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
}

#[tokio::test]
async fn an_address_in_use_is_one_error() {
    for which in ["public", "admin"] {
        let command = Command::with("");
        let node = &command.plan().nodes()[0];
        let (taken, other) = if which == "public" { (node.public, node.admin) } else { (node.admin, node.public) };
        let _holder = TcpListener::bind(taken).expect("a free address");
        let ended = command.run(&RUN).await;
        check_failed(&ended, &[&format!("{which} listener"), &taken.to_string(), "in use", "another process listens"]);
        // It leaves nothing behind that listens.
        TcpListener::bind(other).expect("the other address is free");
    }
}

#[tokio::test]
async fn a_node_that_runs_keeps_its_address() {
    let command = Command::with("");
    let mut first = command.start(&RUN).await;
    first.first_line::<Listening>().await.unwrap_or_else(|error| panic!("{error}"));
    let second = Command::of_text(&std::fs::read_to_string(command.file()).expect("its fleet file"));
    check_failed(&second.run(&RUN).await, &["public listener", "in use"]);
    let address = command.plan().nodes()[0].public;
    assert_eq!(Client::connect(address).await.exchange(get("/")).await.status, 502, "the first still serves");
}

#[tokio::test]
async fn an_address_of_another_machine_is_one_error() {
    let command = Command::with("[[pops]]\nid = \"fra\"\n[[pops.nodes]]\nid = \"fra-1\"\nlisten = \"192.0.2.1:8080\"");
    check_failed(&command.run(&RUN).await, &["public listener", "192.0.2.1:8080", "no interface of this machine"]);
}

#[tokio::test]
async fn a_node_that_is_not_in_the_file() {
    let command = Command::with(
        "[[pops]]\nid = \"sin\"\nlatitude = 1\nlongitude = 103\nnodes = [{ id = \"sin-1\", public = \"127.0.0.1:1\", admin = \"127.0.0.1:2\" }]",
    );
    let ended = command.run(&["run", "--config", "FILE", "--node", "fra-2"]).await;
    check_failed(&ended, &["no node \"fra-2\"", "fra-1, sin-1"]);
}

#[tokio::test]
async fn secrets_that_cannot_be_had() {
    let token = |source: &str| format!("[[tokens]]\nid = \"extra\"\nrole = \"read\"\n{source}");
    let unset = Command::with(&token("env = \"TIDEWALL_TEST_UNSET\""));
    check_failed(&unset.run(&RUN).await, &["token extra", "TIDEWALL_TEST_UNSET is not set", "export it"]);
    let short = Command::with(&token("env = \"TIDEWALL_TEST_TOKEN\"")).env("TIDEWALL_TEST_TOKEN", "secret");
    let ended = short.run(&RUN).await;
    check_failed(&ended, &["token extra", "shorter than 16 bytes", "openssl rand"]);
    assert!(!ended.stderr.contains("\"secret\""), "{ended:?}");
    let missing = Command::with(&token("file = \"no-such-file\""));
    check_failed(&missing.run(&RUN).await, &["token extra", "no-such-file", "can't be read"]);
    let twice = Command::with(&token("file = \"secrets/admin\""));
    check_failed(&twice.run(&RUN).await, &["admin", "extra", "have the same secret"]);
    let set = Command::with(&token("env = \"TIDEWALL_TEST_TOKEN\"")).env("TIDEWALL_TEST_TOKEN", "0123456789abcdef");
    let mut process = set.start(&RUN).await;
    process.first_line::<Listening>().await.unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn fleet_files_that_cannot_be_used() {
    let wrong = Command::with("[listen]\nh2c = \"yes\"\n[[sites]]\nid = \"docs\"\nmax_ttl = 10");
    check_failed(&wrong.run(&RUN).await, &["listen.h2c = \"yes\"", "sites[0].max_ttl = 10", "2 problems in"]);
    let nothing = Command::with("");
    let ended = nothing.run(&["run", "--config", "/no/such/file.toml", "--node", NODE]).await;
    check_failed(&ended, &["/no/such/file.toml", "can't be read"]);
}

#[tokio::test]
async fn a_second_start_follows_the_first_at_once() {
    let command = Command::with("");
    for _ in 0..3 {
        let mut process = command.start(&RUN).await;
        process.first_line::<Listening>().await.unwrap_or_else(|error| panic!("{error}"));
        let address = command.plan().nodes()[0].public;
        // A connection that the node closes first leaves its address in TIME_WAIT.
        let mut client = Client::connect(address).await;
        assert_eq!(client.exchange(get("/")).await.status, 502);
        let status = within("its end", process.terminate(BOUND)).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(status.code(), Some(0));
    }
}
