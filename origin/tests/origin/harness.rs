//! Starts the program and asks it things.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::http_client::{Connection, Response};

pub(crate) const TOKEN: &str = "a-token-for-tests";
pub(crate) const TOKEN_VARIABLE: &str = "ORIGIN_TEST_TOKEN";

/// A folder of files that goes away by itself.
pub(crate) struct Site(TempDir);

impl Site {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let site = Self(TempDir::new().expect("a folder"));
        for (path, text) in files {
            site.write(path, text.as_bytes());
        }
        site
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("created");
        std::fs::write(path, bytes).expect("written");
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn root(&self) -> String {
        self.path().display().to_string()
    }
}

/// The program, not yet started.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_origin"));
    command.env(TOKEN_VARIABLE, TOKEN).env_remove("ORIGIN_LOG").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    program().args(arguments).output().expect("run")
}

/// A running origin.
pub(crate) struct Origin {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) ready: serde_json::Value,
    _site: Option<Site>,
}

impl Origin {
    /// Serves a site, as release v1, with a control token.
    pub(crate) fn serve(site: Site) -> Self {
        Self::serve_with(site, &[])
    }

    /// Serves a site like [`Self::serve`], with further arguments.
    pub(crate) fn serve_with(site: Site, arguments: &[&str]) -> Self {
        let mut origin = Self::start(&site.root(), &[&["--control-token-env", TOKEN_VARIABLE], arguments].concat());
        origin._site = Some(site);
        origin
    }

    /// Serves files like [`Self::serve`].
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        Self::serve(Site::new(files))
    }

    /// Serves a folder, as release v1, with further arguments.
    pub(crate) fn start(root: &str, arguments: &[&str]) -> Self {
        let mut child = program()
            .args(["serve", "--root", root, "--release", "v1", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let address = ready["listening"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        Self { child, address, ready, _site: None }
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).expect("connected")
    }

    #[track_caller]
    pub(crate) fn request(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Response {
        self.connect().request(method, path, fields, "").unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    #[track_caller]
    pub(crate) fn get_with(&self, path: &str, name: &str, value: &str) -> Response {
        self.request("GET", path, &[(name, value)])
    }

    /// A request to a control endpoint, with the token.
    #[track_caller]
    pub(crate) fn control(&self, method: &str, path: &str, body: &str) -> Response {
        let authorization = format!("Bearer {TOKEN}");
        let fields = [("Authorization", authorization.as_str()), ("Content-Type", "application/json")];
        self.connect().request(method, path, &fields, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn switch(&self, root: &Path, name: &str) -> Response {
        self.control("POST", "/_origin/release", &serde_json::json!({ "root": root, "name": name }).to_string())
    }

    #[track_caller]
    pub(crate) fn stats(&self) -> serde_json::Value {
        self.control("GET", "/_origin/stats", "").expect(200).json()
    }

    /// Waits until the counters look like this.
    #[track_caller]
    pub(crate) fn wait_for_stats(&self, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        wait_for(|| Some(self.stats()).filter(&is_so))
    }

    /// Sends a signal by its name, such as TERM.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.expect("kill").success());
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("ended")
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn wait_for<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    const ATTEMPTS: u32 = 6000;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 0..ATTEMPTS {
        if let Some(answer) = answer() {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("what was waited for did not come about");
}

/// A policy file.
pub(crate) fn policy(text: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().expect("a folder");
    let path = dir.path().join("policy.toml");
    std::fs::write(&path, text).expect("written");
    (dir, path)
}
