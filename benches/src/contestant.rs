//! The servers under comparison, each started on core 0 in front of the same origin.

use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// The host that the bench asks for.
pub(crate) const HOST: &str = "bench.example";

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Contestant {
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("{} has exited", self.name))
    }

    /// The head and body of one response.
    pub(crate) async fn ask(&self, target: &str) -> Result<(String, Vec<u8>)> {
        ask(self.address, target).await.with_context(|| format!("{} does not answer", self.name))
    }
}

/// `edge` as it ships, with its release profile.
pub(crate) async fn edge(
    binary: &Path,
    folder: &Path,
    address: SocketAddr,
    admin: SocketAddr,
    origin: SocketAddr,
) -> Result<Contestant> {
    let config = folder.join("fleet.toml");
    let text = format!(
        "[[pops]]\nid = \"bench\"\nlatitude = 0\nlongitude = 0\n\
         nodes = [{{ id = \"edge-1\", public = \"{address}\", admin = \"{admin}\" }}]\n\
         [[origins]]\nid = \"origin\"\nurl = \"http://{origin}\"\n\
         [[sites]]\nid = \"bench\"\nhosts = [\"{HOST}\"]\norigin = \"origin\"\n\
         [[tokens]]\nid = \"admin\"\nrole = \"admin\"\nenv = \"BENCH_TOKEN\"\n\
         [limits]\nrequests_per_connection = 1000000000\n"
    );
    std::fs::write(&config, text)?;
    let mut command = pinned(binary);
    command.args(["run", "--node", "edge-1", "--config"]).arg(&config);
    command.env("BENCH_TOKEN", "a-token-for-the-bench-alone").env("EDGE_LOG", "warn");
    let version = version_of(binary, "--version").await?;
    start("edge", version, command, address).await
}

/// nginx with the configuration in `benches/peers/nginx.conf`.
pub(crate) async fn nginx(folder: &Path, address: SocketAddr, origin: SocketAddr) -> Result<Contestant> {
    let shm = Path::new("/dev/shm");
    let cache =
        if shm.is_dir() { shm.join(format!("tidewall-bench-{}", std::process::id())) } else { folder.join("cache") };
    let text = include_str!("../peers/nginx.conf")
        .replace("@FOLDER@", &folder.display().to_string())
        .replace("@CACHE@", &cache.display().to_string())
        .replace("@ORIGIN@", &origin.to_string())
        .replace("@LISTEN@", &address.to_string());
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text)?;
    let binary = find("nginx").context("nginx is not installed\nhint: apt-get install nginx-light (Debian, Ubuntu)")?;
    let mut command = pinned(&binary);
    command.arg("-p").arg(folder).arg("-c").arg(&config);
    let version = version_of(&binary, "-v").await?;
    start("nginx", version, command, address).await
}

/// The program of that name on the path, or where Debian keeps servers.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn pinned(binary: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(binary);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    command
}

async fn version_of(binary: &Path, flag: &str) -> Result<String> {
    let output = Command::new(binary).arg(flag).output().await?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).trim().to_owned())
}

async fn start(name: &'static str, version: String, mut command: Command, address: SocketAddr) -> Result<Contestant> {
    let mut child = command
        .spawn()
        .with_context(|| format!("can't start {name} under taskset\nhint: apt-get install util-linux"))?;
    let up = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        up = tokio::time::timeout(START_TIMEOUT, up) => up.with_context(|| format!("{name} does not listen on {address}"))?,
        status = child.wait() => bail!("{name} ended at once: {}", status?),
    }
    Ok(Contestant { name, version, address, child })
}

/// One GET on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, target: &str) -> Result<(String, Vec<u8>)> {
    let mut tcp = TcpStream::connect(address).await?;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    tcp.read_to_end(&mut response).await?;
    let end = response.windows(4).position(|w| w == b"\r\n\r\n").context("a response without a head")?;
    let head = String::from_utf8_lossy(&response[..end]).into_owned();
    Ok((head, response.split_off(end + 4)))
}
