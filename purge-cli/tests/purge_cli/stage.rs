//! A fleet file, the program, and homes of the purge log that answer as a test says.

use serde_json::Value;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const SECRET: &str = "a-secret-of-the-tests";

/// What happens at all happens within this, on any machine.
const SOON: Duration = Duration::from_secs(20);

/// A fleet file in a folder of its own.
pub(crate) struct Fleet {
    pub(crate) folder: TempDir,
    nodes: String,
    sites: String,
    tokens: String,
}

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Fleet {
    /// A fleet with the site docs and no nodes yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, nodes: String::new(), sites: String::new(), tokens: String::new() }
            .site("docs", "docs.example.com")
    }

    pub(crate) fn site(mut self, id: &str, host: &str) -> Self {
        self.sites += &format!("[[sites]]\nid = \"{id}\"\nhosts = [\"{host}\"]\norigin = \"www\"\n");
        self
    }

    /// A node, in the PoP that its name begins with.
    pub(crate) fn node(mut self, id: &str, role: &str, admin: SocketAddr) -> Self {
        let pop = id.split('-').next().unwrap_or(id);
        let number = self.nodes.matches("[[pops]]").count() + 1;
        self.nodes += &format!(
            "[[pops]]\nid = \"{pop}\"\nlatitude = 0.0\nlongitude = 0.0\n\
             [[pops.nodes]]\nid = \"{id}\"\nrole = \"{role}\"\npublic = \"127.0.0.{number}:80\"\nadmin = \"{admin}\"\n\
             listen = \"127.0.0.1:0\"\n"
        );
        self
    }

    /// Another token beside the one for everything, for the site docs if it purges.
    pub(crate) fn token(mut self, id: &str, role: &str, env: &str) -> Self {
        let sites = if role == "purge" { "sites = [\"docs\"]\n" } else { "" };
        self.tokens += &format!("[[tokens]]\nid = \"{id}\"\nrole = \"{role}\"\nenv = \"{env}\"\n{sites}");
        self
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }

    /// Writes the fleet file. Its token for everything is in the variable FLEET_TOKEN.
    fn write(&self) -> PathBuf {
        let rest = "[[origins]]\nid = \"www\"\nurl = \"http://127.0.0.1:8000\"\n\
                    [[tokens]]\nid = \"admin\"\nrole = \"admin\"\nenv = \"FLEET_TOKEN\"\n\
                    [tier]\nsecret_env = \"FLEET_TOKEN\"\n";
        self.file("fleet.toml", &format!("{}{}{}{rest}", self.nodes, self.sites, self.tokens))
    }

    /// Runs `purge-cli` on this fleet with a token.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(self.command(args).env("TIDEWALL_TOKEN", SECRET), "")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = purge_cli(args);
        command.env("TIDEWALL_CONFIG", self.write()).current_dir(self.folder.path());
        command
    }
}

/// `purge-cli` in an environment that says nothing.
pub(crate) fn purge_cli(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purge-cli"));
    command.args(args).env_clear();
    command
}

pub(crate) fn run(command: &mut Command, stdin: &str) -> Ran {
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
    pub(crate) fn failed(&self, code: i32, wanted: &[&str]) {
        assert_eq!(self.code, code, "{}", self.err);
        for text in wanted {
            assert!(self.err.contains(text), "no {text:?} in:\n{}", self.err);
        }
        assert!(!self.err.contains('\u{1b}') && !self.err.contains(SECRET), "{:?}", self.err);
    }

    /// The one document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Somebody who takes connections (the system does) and never answers.
pub(crate) fn mute() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// As in `get /log http/1.1`.
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The id of the purge that it asks for.
    pub(crate) fn id(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).expect("JSON");
        body["id"].as_str().expect("an id").to_owned()
    }
}

/// What a request gets.
pub(crate) enum Answer {
    /// A status, and a body in JSON.
    Reply(&'static str, String),
    /// The first bytes of a success without an end, and then the end of the connection.
    BreaksOff(String),
}

/// A home of the purge log that answers as it is told.
pub(crate) struct Home {
    pub(crate) addr: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Home {
    pub(crate) fn start(answers: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), answers)
    }

    pub(crate) fn start_at(addr: SocketAddr, mut answers: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind(addr).expect("a port");
        let addr = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        std::thread::spawn(move || {
            for peer in listener.incoming() {
                let mut peer = peer.expect("a connection");
                peer.set_read_timeout(Some(SOON)).expect("a socket option");
                let request = read_request(&mut peer);
                let answer = answers(&request);
                heard.lock().expect("nobody panics with it").push(request);
                send(peer, answer);
            }
        });
        Self { addr, asked }
    }

    /// A fleet of one node, which is this home.
    pub(crate) fn fleet(&self) -> Fleet {
        Fleet::new().node("hub-1", "shield", self.addr)
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    /// The first lines of what it was asked so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// Reads one request: its head, and as much body as the head announces.
fn read_request(peer: &mut impl Read) -> Asked {
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
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = bytes.split_off(end);
    let missing = length.parse::<usize>().expect("a number") - body.len();
    let from = body.len();
    body.resize(from + missing, 0);
    peer.read_exact(&mut body[from..]).expect("the request's body");
    Asked { line: head.lines().next().expect("a line").to_owned(), head, body }
}

fn send(mut peer: TcpStream, answer: Answer) {
    let sent = match answer {
        Answer::Reply(status, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            peer.write_all(format!("{head}{body}").as_bytes())
        }
        Answer::BreaksOff(lines) => {
            peer.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{lines}").as_bytes())
        }
    };
    sent.expect("it is read");
}

/// A success.
pub(crate) fn ok(body: &Value) -> Answer {
    Answer::Reply("200 OK", body.to_string())
}

/// A node as the home tells of it.
pub(crate) fn node(name: &str, applied: &str, proven: bool) -> Value {
    serde_json::json!({ "node": name, "boot_id": "b", "applied": applied, "proven": proven })
}

/// What the home says of a purge that it has recorded.
pub(crate) fn receipt(position: &str, nodes: &[Value]) -> Value {
    let proven = nodes.iter().all(|node| node["proven"] == true);
    serde_json::json!({
        "node": "hub-1", "position": position, "issued_at_ms": 1, "is_new": true, "targets": 1, "proven": proven,
        "nodes": nodes,
    })
}
