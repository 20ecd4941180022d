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
    fleet.run(&["all", "--yes", "--timeout", "50ms"]).failed(3, &["purged everything on only 0 of 1 node"]);
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
    // It gets as far as the node, which is down: so there was a token.
    let check = |args: &[&str], variable: &str| {
        let args = [&["site", "docs", "--timeout", "50ms"], args].concat();
        run(fleet.command(&args).env(variable, SECRET), "").failed(3, &["connection refused"]);
    };
    check(&[], "TIDEWALL_TOKEN");
    check(&[], "FLEET_TOKEN");
    check(&["--token-env", "X"], "X");
    check(&["--token-file", "mine"], "UNUSED");
}

#[test]
fn every_node_that_cannot_be_reached_is_named() {
    let fleet =
        Fleet::new().node("hub-1", "shield", nobody()).node("fra-1", "edge", nobody()).node("sin-1", "edge", nobody());
    let ran = fleet.run(&["url", "https://docs.example.com/a", "https://docs.example.com/b", "--timeout", "300ms"]);
    ran.failed(
        3,
        &[
            "failed  hub  hub-1  shield",
            "failed  fra  fra-1  edge",
            "failed  sin  sin-1  edge",
            "connection refused",
            "error: purged 2 URLs on only 0 of 3 nodes",
            "not in hub: hub-1",
            "not in fra: fra-1",
            "a shield is among them",
            "hint: hub-1, fra-1, sin-1: is the node running",
        ],
    );
    assert_eq!(ran.out, "");
    let shield = ran.err.find("failed  hub").expect("checked above");
    assert!(shield < ran.err.find("failed  fra").expect("checked above"), "shields come first:\n{}", ran.err);
}

#[test]
fn json_is_one_document_whatever_happens() {
    let (_listener, addr) = mute();
    let fleet = Fleet::new().node("hub-1", "shield", nobody()).node("fra-1", "edge", addr);
    let ran = fleet.run(&["--json", "--soft", "--timeout", "300ms", "tag", "a", "b", "a"]);
    ran.failed(3, &[]);
    assert_eq!(ran.err, "");
    let report: Value = serde_json::from_str(&ran.out).expect("one document");
    assert_eq!(report["ok"], false);
    assert_eq!(report["exit"]["code"], 3);
    assert_eq!(report["mode"], "soft");
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(2));
    assert_eq!(report["targets"][0], serde_json::json!({ "kind": "tag", "site": "docs", "tag": "a" }));
    assert!(report["duration_ms"].as_f64().is_some_and(|ms| ms >= 300.0), "{report}");
    let nodes: Vec<_> = ["node", "pop", "role", "ok", "reason", "applied_seq", "boot_id"]
        .map(|key| [&report["nodes"][0][key], &report["nodes"][1][key]].map(ToString::to_string))
        .concat();
    let want = [
        "\"hub-1\"",
        "\"fra-1\"",
        "\"hub\"",
        "\"fra\"",
        "\"shield\"",
        "\"edge\"",
        "false",
        "false",
        "\"unreachable\"",
        "\"timeout\"",
        "null",
        "null",
        "null",
        "null",
    ];
    assert_eq!(nodes, want, "{report}");
    assert!(report["nodes"][1]["hint"].is_string());
}

#[test]
fn a_node_that_does_not_answer_costs_its_timeout_and_no_more() {
    let (_listener, addr) = mute();
    let fleet = Fleet::new().node("fra-1", "edge", addr);
    let begun = purge_cli::clock::now();
    fleet.run(&["site", "docs", "--timeout", "400ms"]).failed(3, &["no answer from", "within 400ms", "hint: "]);
    let took = purge_cli::clock::now() - begun;
    assert!(took.as_millis() >= 400, "{took:?}");
    assert!(took.as_secs() < 10, "{took:?}");
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

#[test]
fn edges_are_told_when_the_shields_have_failed_and_not_before() {
    let (shield, shield_addr) = mute();
    let (edge, edge_addr) = mute();
    let fleet = Fleet::new().node("fra-1", "edge", edge_addr).node("hub-1", "shield", shield_addr);
    let command = ["url", "https://docs.example.com/a", "--timeout", "500ms"];
    let mut command = fleet.command(&command);
    let mut child = command.env("TIDEWALL_TOKEN", SECRET).stderr(Stdio::null()).spawn().expect("purge-cli starts");

    let mut to_shield = accept(&shield);
    let (head, body) = read_request(&mut to_shield);
    assert!(head.starts_with("post /purges http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("authorization: bearer {SECRET}\r\n")), "{head}");
    assert!(head.contains(&format!("host: {shield_addr}\r\n")), "{head}");
    assert!(head.contains("content-type: application/json\r\n"), "{head}");
    let want = r#"{"targets":[{"kind":"url","url":"https://docs.example.com/a"}],"mode":"hard"}"#;
    assert_eq!(String::from_utf8_lossy(&body), want);

    let mut to_edge = accept(&edge);
    to_shield.set_nonblocking(true).expect("a socket option");
    assert_eq!(to_shield.read(&mut [0; 16]).ok(), Some(0), "the shield was given up before the edge was told");
    assert_eq!(read_request(&mut to_edge).1, body);
    // The end of the connection is a failure that may pass: the request comes once more.
    drop(to_edge);
    let mut again = accept(&edge);
    assert_eq!(read_request(&mut again).1, body);
    assert_eq!(child.wait().expect("purge-cli ends").code(), Some(3));
}
