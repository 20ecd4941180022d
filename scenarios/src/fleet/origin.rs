//! An origin server process.

use super::binaries::{Binary, find_binary};
use super::error::FleetError;
use super::process::{Process, ProcessSpec};
use crate::client::{self, ClientError};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The environment variable that carries the control token to the origin's processes.
const TOKEN_VARIABLE: &str = "TIDEWALL_ORIGIN_TOKEN";
/// How long `origin switch` may take. It reads and digests a whole release.
const SWITCH_WITHIN: Duration = Duration::from_secs(30);

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct OriginSpec {
    /// The folder of the built site.
    pub root: PathBuf,
    /// The release's name.
    pub release: String,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How files are cached; the origin's own rules if `None`.
    pub policy: Option<PathBuf>,
    /// Guards the control endpoints.
    pub control_token: String,
    /// The folder for what it prints.
    pub log_folder: PathBuf,
}

/// A running origin server. Killed when dropped.
#[derive(Debug)]
pub struct OriginServer {
    process: Process,
    address: SocketAddr,
    control_token: String,
    log_folder: PathBuf,
}

#[derive(Deserialize)]
struct OriginListening {
    listening: SocketAddr,
}

impl OriginServer {
    /// Starts an origin server and waits until it listens.
    ///
    /// # Errors
    /// If that does not happen; with the end of what it logged.
    pub async fn start(spec: OriginSpec) -> Result<Self, FleetError> {
        let mut arguments = vec!["serve".into(), "--root".into(), spec.root.into_os_string()];
        arguments.extend(["--release".into(), spec.release.into(), "--listen".into()]);
        arguments.push(spec.listen.to_string().into());
        arguments.extend(["--control-token-env".into(), TOKEN_VARIABLE.into()]);
        if let Some(policy) = spec.policy {
            arguments.extend(["--policy".into(), policy.into_os_string()]);
        }
        let mut process = Process::start(ProcessSpec {
            name: "origin".to_owned(),
            program: find_binary(Binary::Origin)?,
            arguments,
            environment: vec![(TOKEN_VARIABLE.to_owned(), spec.control_token.clone())],
            stdin: None,
            log_folder: spec.log_folder.clone(),
        })
        .await?;
        let line: OriginListening = process.first_line().await?;
        let (control_token, log_folder) = (spec.control_token, spec.log_folder);
        Ok(Self { process, address: line.listening, control_token, log_folder })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Has it serve another release, as a deploy does: with `origin switch`.
    ///
    /// # Errors
    /// If that fails; with what the command printed.
    pub async fn switch(&self, root: &Path, release: &str) -> Result<(), FleetError> {
        let mut command = Process::start(ProcessSpec {
            name: "origin-switch".to_owned(),
            program: find_binary(Binary::Origin)?,
            arguments: vec![
                "switch".into(),
                "--url".into(),
                format!("http://{}", self.address).into(),
                "--root".into(),
                root.into(),
                "--release".into(),
                release.into(),
                "--control-token-env".into(),
                TOKEN_VARIABLE.into(),
            ],
            environment: vec![(TOKEN_VARIABLE.to_owned(), self.control_token.clone())],
            stdin: None,
            log_folder: self.log_folder.clone(),
        })
        .await?;
        let status = command.wait(SWITCH_WITHIN).await?;
        if status.success() {
            return Ok(());
        }
        Err(FleetError::Failed { name: "origin switch".to_owned(), status, log: command.log_end() })
    }

    /// Its counters, as it gives them.
    ///
    /// # Errors
    /// If it doesn't.
    pub async fn stats(&self) -> Result<serde_json::Value, ClientError> {
        client::get_json(self.address, "/_origin/stats", &self.control_token).await
    }
}
