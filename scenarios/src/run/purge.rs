//! Runs the real `purge-cli`.

use super::report::PurgeReport;
use super::stage::Stage;
use crate::clock;
use crate::fleet::{Binary, FleetError, Process, ProcessSpec, find_binary};
use serde::Deserialize;
use std::time::Duration;
use tokio::time::Instant;

/// The environment variable that carries the token to `purge-cli`.
const TOKEN_VARIABLE: &str = "TIDEWALL_DEPLOY_TOKEN";
/// How long a purge may take. The command has timeouts of its own.
const PURGE_WITHIN: Duration = Duration::from_secs(60);

/// What `purge-cli --json` prints, as far as it is used here.
#[derive(Deserialize)]
struct Printed {
    ok: bool,
    duration_ms: f64,
    nodes: Vec<super::report::PurgeNode>,
}

/// Purges URLs on all nodes. Gives the moment at which the command was seen to have ended, too.
pub(super) async fn purge(stage: &Stage, urls: &[String]) -> Result<(PurgeReport, Instant), FleetError> {
    let folder = stage.fleet.folder();
    let list = folder.join("purge-list.txt");
    std::fs::write(&list, urls.join("\n")).map_err(FleetError::file(&list))?;
    let arguments = ["url", "--from", "-", "--json", "--token-env", TOKEN_VARIABLE, "--config"];
    let mut arguments: Vec<std::ffi::OsString> = arguments.into_iter().map(Into::into).collect();
    arguments.push(stage.fleet.fleet_file().into());
    let start = clock::now();
    let mut command = Process::start(ProcessSpec {
        name: "purge-cli".to_owned(),
        program: find_binary(Binary::PurgeCli)?,
        arguments,
        environment: vec![(TOKEN_VARIABLE.to_owned(), stage.fleet.secrets().deploy.clone())],
        stdin: Some(list),
        log_folder: folder.join("logs"),
    })
    .await?;
    let status = command.wait(PURGE_WITHIN).await?;
    let ended = clock::now();
    let wall_ms = ended.saturating_duration_since(start).as_secs_f64() * 1e3;
    let printed: Result<Printed, _> = serde_json::from_str(&command.stdout());
    let (ok, duration_ms, nodes) =
        printed.map_or((false, 0.0, Vec::new()), |printed| (printed.ok, printed.duration_ms, printed.nodes));
    let exit_code = status.code();
    let stderr = command.stderr();
    Ok((PurgeReport { urls: urls.len(), exit_code, ok, duration_ms, wall_ms, nodes, stderr }, ended))
}
