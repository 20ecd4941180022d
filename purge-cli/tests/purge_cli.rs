//! The program as a user meets it, as far as that needs no node: mistakes, exit codes, nodes that can't be reached or
//! don't answer. Purges of running nodes are tested beside the node.

use serde_json::Value;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const SECRET: &str = "a-secret-of-the-tests";

/// What happens at all happens within this, on any machine.
const SOON: Duration = Duration::from_secs(20);

/// A fleet file in a folder of its own.
struct Fleet {
    folder: TempDir,
    nodes: String,
    sites: String,
}

/// What a run left behind.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Fleet {
    /// A fleet with the site docs and no nodes yet.
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), nodes: String::new(), sites: String::new() }
            .site("docs", "docs.example.com")
    }

    fn site(mut self, id: &str, host: &str) -> Self {
        self.sites += &format!("[[sites]]\nid = \"{id}\"\nhosts = [\"{host}\"]\norigin = \"www\"\n");
        self
    }

    /// A node, in the PoP that its name begins with.
    fn node(mut self, id: &str, role: &str, admin: SocketAddr) -> Self {
        let pop = id.split('-').next().unwrap_or(id);
        let number = self.nodes.matches("[[pops]]").count() + 1;
        self.nodes += &format!(
            "[[pops]]\nid = \"{pop}\"\nlatitude = 0.0\nlongitude = 0.0\n\
             [[pops.nodes]]\nid = \"{id}\"\nrole = \"{role}\"\npublic = \"127.0.0.{number}:80\"\nadmin = \"{admin}\"\n\
             listen = \"127.0.0.1:0\"\n"
        );
        self
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Writes the fleet file. Its one token is in the variable FLEET_TOKEN.
    fn write(&self) -> PathBuf {
        let rest = "[[origins]]\nid = \"www\"\nurl = \"http://127.0.0.1:8000\"\n\
                    [[tokens]]\nid = \"admin\"\nrole = \"admin\"\nenv = \"FLEET_TOKEN\"\n\
                    [tier]\nsecret_env = \"FLEET_TOKEN\"\n";
        self.file("fleet.toml", &format!("{}{}{rest}", self.nodes, self.sites))
    }

    /// Runs `purge-cli` on this fleet with a token.
    fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args).env("TIDEWALL_TOKEN", SECRET), "")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = purge_cli(args);
        command.env("TIDEWALL_CONFIG", self.write()).current_dir(self.folder.path());
        command
    }
}

/// `purge-cli` in an environment that says nothing.
fn purge_cli(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purge-cli"));
    command.args(args).env_clear();
    command
}

fn run(command: &mut Command, stdin: &str) -> Ran {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().expect("purge-cli starts");
    // It may have ended without reading it all.
    let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
    let output = child.wait_with_output().expect("purge-cli ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Ran { code: output.status.code().expect("no signal"), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    /// Checks the code and what is in stderr.
    #[track_caller]
    fn failed(&self, code: i32, wanted: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        for text in wanted {
            assert!(self.err.contains(text), "no {text:?} in:\n{}", self.err);
        }
        assert!(!self.err.contains('\u{1b}') && !self.err.contains(SECRET), "{:?}", self.err);
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Somebody who takes connections (the system does) and never answers.
fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

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

#[test]
fn a_home_that_cannot_be_reached_is_named() {
    let fleet =
        Fleet::new().node("fra-1", "edge", nobody()).node("hub-1", "shield", nobody()).node("sin-1", "edge", nobody());
    let urls = ["url", "https://docs.example.com/a", "https://docs.example.com/b", "--timeout", "300ms", "--id", "v41"];
    let ran = fleet.run(&urls);
    ran.failed(
        1,
        &[
            "error: hub-1, the home of the purge log, has not recorded the purge: can't connect to",
            "connection refused",
            "hint: is the node running",
            "hint: then run the same command again, with --id v41: it is recorded once",
        ],
    );
    assert_eq!(ran.out, "");
}

#[test]
fn json_is_one_document_whatever_happens() {
    let fleet = Fleet::new().node("hub-1", "shield", nobody()).node("fra-1", "edge", nobody());
    let ran = fleet.run(&["--json", "--soft", "--timeout", "300ms", "tag", "a", "b", "a"]);
    ran.failed(1, &[]);
    assert_eq!(ran.err, "");
    let report: Value = serde_json::from_str(&ran.out).expect("one document");
    for (key, want) in [
        ("ok", serde_json::json!(false)),
        ("proven", serde_json::json!(false)),
        ("mode", serde_json::json!("soft")),
        ("wait", serde_json::json!("all")),
        ("position", Value::Null),
        ("nodes", serde_json::json!([])),
    ] {
        assert_eq!(report[key], want, "{key}: {report}");
    }
    assert_eq!(report["exit"]["code"], 1);
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["targets"][0], serde_json::json!({ "kind": "tag", "site": "docs", "tag": "a" }));
    assert!(report["error"].as_str().is_some_and(|error| error.contains("connection refused")), "{report}");
    assert!(report["hint"].is_string() && report["id"].as_str().is_some_and(|id| id.len() == 16), "{report}");
}

#[test]
fn a_home_that_does_not_answer_costs_its_timeout_and_a_little_more() {
    let (_listener, addr) = mute();
    let fleet = Fleet::new().node("fra-1", "edge", addr);
    let begun = purge_cli::clock::now();
    fleet.run(&["site", "docs", "--timeout", "400ms"]).failed(5, &["no answer from", "within 5.4s", "hint: "]);
    let took = purge_cli::clock::now() - begun;
    assert!(took.as_millis() >= 5400, "{took:?}");
    assert!(took.as_secs() < 20, "{took:?}");
}

/// The next connection. It must come soon.
fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).expect("a socket option");
    let deadline = purge_cli::clock::Deadline::after(SOON);
    loop {
        match listener.accept() {
            Ok((peer, _)) => {
                peer.set_nonblocking(false).expect("a socket option");
                peer.set_read_timeout(Some(SOON)).expect("a socket option");
                return peer;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(!deadline.left().is_zero(), "nobody connects");
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads one request: its head, and as much body as the head announces.
fn read_request(peer: &mut impl Read) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let mut more = [0; 4096];
        let n = peer.read(&mut more).expect("the request's head");
        assert!(n > 0, "the request ends within its head");
        bytes.extend_from_slice(&more[..n]);
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect("a length");
    let mut body = bytes.split_off(end);
    let missing = length.parse::<usize>().expect("a number") - body.len();
    let from = body.len();
    body.resize(from + missing, 0);
    peer.read_exact(&mut body[from..]).expect("the request's body");
    (head, body)
}

/// Answers a request with this status and body.
fn answer(mut peer: TcpStream, status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    peer.write_all(format!("{head}{body}").as_bytes()).expect("it is read");
}

#[test]
fn the_home_alone_is_told_and_a_retry_is_the_same_purge() {
    let (home, home_addr) = mute();
    let (edge, edge_addr) = mute();
    let fleet = Fleet::new().node("fra-1", "edge", edge_addr).node("hub-1", "shield", home_addr);
    let mut command = fleet.command(&["url", "https://docs.example.com/a", "--id", "v41"]);
    let piped = command.env("TIDEWALL_TOKEN", SECRET).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn().expect("purge-cli starts");

    let mut first = accept(&home);
    let (head, body) = read_request(&mut first);
    assert!(head.starts_with("post /purges http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {SECRET}\r\n")), "{head}");
    assert!(head.contains(&format!("host: {home_addr}\r\n")), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let want = serde_json::json!({
        "targets": [{ "kind": "url", "url": "https://docs.example.com/a" }],
        "mode": "hard", "id": "v41", "timeout_ms": 10_000,
    });
    assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON"), want);
    // The end of the connection is a failure that may pass: the request comes once more, and so it does after a 503.
    drop(first);
    let mut second = accept(&home);
    assert_eq!(read_request(&mut second).1, body);
    answer(second, "503 Service Unavailable", r#"{"error":"no room on the disk"}"#);
    let mut third = accept(&home);
    assert_eq!(read_request(&mut third).1, body);
    let node = |name: &str, proven: bool| serde_json::json!({ "node": name, "boot_id": "b", "applied": "1.7", "proven": proven });
    let reply = serde_json::json!({
        "node": "hub-1", "position": "1.7", "issued_at_ms": 1, "is_new": false, "targets": 1, "proven": false,
        "nodes": [node("hub-1", true), node("old-1\u{1b}[2J", false)],
    });
    answer(third, "200 OK", &reply.to_string());
    let output = child.wait_with_output().expect("purge-cli ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert_eq!(out, "ok        hub  hub-1  shield  at 1.7\n");
    for text in [
        "unproven  fra  fra-1  edge    is not known to the home of the purge log",
        "has not acknowledged it in time; the last that it acknowledged is 1.7",
        "purge of 1 URL at 1.7 (recorded before) is proven on only 1 of 3 nodes",
        "not in no PoP of this fleet file: old-1 [2J",
    ] {
        assert!(err.contains(text), "no {text:?} in:\n{err}");
    }
    edge.set_nonblocking(true).expect("a socket option");
    assert!(edge.accept().is_err(), "nodes hear of it from the home");
}
