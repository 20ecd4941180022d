//! Runs a scenario: sets the stage, warms the caches, sends the load, deploys in the midst of it, and reports.

mod checks;
mod deploy;
mod purge;
mod read;
mod report;
mod stage;
mod table;
mod watch;
mod wiring;

pub use checks::Check;
pub use report::{DeployReport, LinkReport, OriginReport, PurgeNode, PurgeReport, ReadReport, RegionReport, Report};
pub(crate) use stage::ORIGIN_PORT;
pub use stage::Stage;
pub use table::render;
pub(crate) use table::{render_checks, render_verdict};
pub(crate) use wiring::{nodes_of, wire};

use crate::client::ClientError;
use crate::clock;
use crate::fleet::FleetError;
use crate::load::{Catalogue, Load, LoadSpec};
use crate::scenario::Scenario;
use crate::site::{DeployPlan, Release, SiteError, SiteHistory};
use deploy::{Deployment, deploy};
use read::{Readers, Want};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep_until;
use watch::Watch;

/// The stages of the load, as reports name them.
const STAGES: [&str; 3] = ["before", "deploy", "after"];
/// How often the progress of the load is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// What a run may be told beyond its scenario.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Another seed.
    pub seed: Option<u64>,
    /// Another rate, in requests a second and region.
    pub per_second: Option<f64>,
}

/// Is told how a run gets on.
pub trait Progress: Sync {
    /// Something new begins.
    fn phase(&self, text: &str);
    /// Where the current phase has got to.
    fn detail(&self, text: &str);
}

/// A run that could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A process did not do what it should.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// A release can't be read.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// A link can't be opened.
    #[error("the link {name} can't be opened: {cause}")]
    Link {
        /// Its name.
        name: String,
        /// Why not.
        cause: std::io::Error,
    },
    /// The origin can't listen.
    #[error("the origin can't listen on {address}: {cause}")]
    Origin {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        cause: std::io::Error,
    },
    /// A program can't be run.
    #[error("{}: can't be run: {cause}", program.display())]
    Program {
        /// Which.
        program: std::path::PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// A process does not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What a scenario publishes, read and compared.
struct Content {
    old: Release,
    new: Release,
    history: Arc<SiteHistory>,
    plan: DeployPlan,
}

impl Content {
    fn read(scenario: &Scenario) -> Result<Self, SiteError> {
        let read =
            |entry: &crate::scenario::ReleaseEntry| Release::read(&entry.name, &scenario.folder.join(&entry.dist));
        let (old, new) = (read(scenario.first_release())?, read(scenario.deployed_release())?);
        let history = Arc::new(SiteHistory::new(&[old.clone(), new.clone()]));
        let plan = DeployPlan::between(&old, &new, &scenario.site.hashed);
        Ok(Self { old, new, history, plan })
    }
}

/// Runs a scenario. The fleet still runs when this is done, until the stage is dropped.
///
/// # Errors
/// If it can't be run to its end. That it ran says nothing about its checks, which are in the report.
pub async fn run(scenario: &Scenario, options: &Options, progress: &dyn Progress) -> Result<(Report, Stage), RunError> {
    let seed = options.seed.unwrap_or(scenario.seed);
    let content = Content::read(scenario)?;
    progress.phase("starting the fleet");
    let stage = Stage::set(scenario, &content.old).await?;

    let readers = Readers::new(&stage.regions, &scenario.site.host, &content.history);
    let pages: Vec<(String, Want)> =
        content.old.page_urls().map(|url| (url, Want::Release(content.old.name.clone()))).collect();
    progress.phase(&format!("warming: {} pages in {} regions", pages.len(), stage.regions.len()));
    let warm = readers.read(&pages).await;

    let spec = LoadSpec {
        host: scenario.site.host.clone(),
        per_second: options.per_second.unwrap_or(scenario.load.per_second),
        seed,
        max_connections: scenario.load.max_connections,
    };
    let catalogue = |release: &Release| Catalogue::new(release.urls(), scenario.load.zipf_exponent, seed);
    let watch = Arc::new(Watch::new(&content.history, &content.plan, &content.new.name));
    progress.phase(&format!("load on {}: {} requests a second in each region", content.old.name, spec.per_second));
    let start = clock::now();
    let mut load = Load::start(&stage.regions, &spec, STAGES[0], catalogue(&content.old), &watch);
    wait_until(start + Duration::from_secs_f64(scenario.deploy.at_s), &load, progress).await;

    load.enter(STAGES[1], catalogue(&content.old));
    let deployment: Deployment = {
        let on_purged = |at| {
            watch.purged(at);
            load.enter(STAGES[2], catalogue(&content.new));
        };
        deploy(scenario, &content, &stage, &readers, progress, on_purged).await?
    };

    progress.phase(&format!("load on {}", content.new.name));
    wait_until(start + Duration::from_secs_f64(scenario.load.duration_s), &load, progress).await;
    progress.phase("finishing: what is unanswered, a last look at all that changed, counters");
    let results = load.finish().await;
    let last = readers.read(&deploy::wanted(&content)).await;
    let report = Report::gather(scenario, seed, &spec, &stage, &warm, deployment, &last, results, &watch).await?;
    Ok((report, stage))
}

async fn wait_until(deadline: tokio::time::Instant, load: &Load, progress: &dyn Progress) {
    loop {
        let now = clock::now();
        if now >= deadline {
            return;
        }
        let left = deadline.saturating_duration_since(now).as_secs_f64();
        progress.detail(&format!("{} responses, {left:.0} s left", load.responses()));
        sleep_until(deadline.min(now + TELL_EVERY)).await;
    }
}
