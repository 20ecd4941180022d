//! The deploy: the origin switches, the old release is still served from the caches, the purge goes out, and from the
//! moment that it is reported done every reader everywhere gets the new release.

use super::purge::purge;
use super::read::{Read, Readers, Want};
use super::report::PurgeReport;
use super::stage::Stage;
use super::{Content, Progress};
use crate::clock;
use crate::fleet::FleetError;
use crate::scenario::Scenario;
use crate::site::ChangeKind;
use tokio::time::Instant;

/// What happened.
pub(super) struct Deployment {
    pub(super) changed: usize,
    pub(super) removed: usize,
    pub(super) added: usize,
    pub(super) switch_ms: f64,
    /// After the switch and before the purge: all pages that change, as warm as they are.
    pub(super) before_purge: Vec<Read>,
    pub(super) purge: PurgeReport,
    /// Right after the purge: all that changed.
    pub(super) after_purge: Vec<Read>,
}

/// What should be answered for everything that changes, once the new release is out.
pub(super) fn wanted(content: &Content) -> Vec<(String, Want)> {
    let new = &content.new.name;
    let of_change = |change: &crate::site::Change| {
        let want = match change.kind {
            ChangeKind::Changed | ChangeKind::Added => Want::Release(new.clone()),
            ChangeKind::Removed => Want::Missing(new.clone()),
        };
        change.urls.iter().map(move |url| (url.clone(), want.clone())).collect::<Vec<_>>()
    };
    content.plan.changes.iter().flat_map(of_change).collect()
}

/// Deploys. `on_purged` is told when the purge was reported done, as soon as it is.
pub(super) async fn deploy(
    scenario: &Scenario,
    content: &Content,
    stage: &Stage,
    readers: &Readers,
    progress: &dyn Progress,
    on_purged: impl FnOnce(Instant),
) -> Result<Deployment, FleetError> {
    let (old, new, plan) = (&content.old, &content.new, &content.plan);
    progress.phase(&format!("deploying {}: the origin switches", new.name));
    let start = clock::now();
    stage.origin.switch(&new.root, &new.name).await?;
    let switch_ms = clock::now().saturating_duration_since(start).as_secs_f64() * 1e3;

    // The pages that were warmed, in the form in which they were.
    let changing = plan.changes.iter().filter(|change| change.page && change.kind != ChangeKind::Added);
    let still_old: Vec<(String, Want)> =
        changing.map(|change| (change.urls[0].clone(), Want::Release(old.name.clone()))).collect();
    progress.phase(&format!("before the purge: {} is still served from the caches", old.name));
    let before_purge = readers.read(&still_old).await;

    let urls = plan.purge_list(&scenario.site.host);
    progress.phase(&format!("purging {} URLs on {} nodes", urls.len(), stage.fleet.nodes().len()));
    let (purge, purged_at) = purge(stage, &urls).await?;
    on_purged(purged_at);

    let wanted = wanted(content);
    let regions = stage.regions.len();
    let after_purge = readers.read(&wanted).await;
    progress.phase(&format!("purged; read {} URLs in {regions} regions", wanted.len()));
    Ok(Deployment {
        changed: plan.count(ChangeKind::Changed),
        removed: plan.count(ChangeKind::Removed),
        added: plan.count(ChangeKind::Added),
        switch_ms,
        before_purge,
        purge,
        after_purge,
    })
}
