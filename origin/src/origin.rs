//! What all requests share: the current release, the policy, the counters.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::clock;
use crate::counters::Counters;
use crate::hint::Hint;
use crate::loader::{self, LoadError, LoadLimits};
use crate::policy::Policy;
use crate::release::Release;
use crate::release_name::ReleaseName;
use crate::token::Token;

/// How an origin behaves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How files are served.
    pub policy: Policy,
    /// What a release may take.
    pub limits: LoadLimits,
    /// Guards the control endpoints; without one there are none.
    pub token: Option<Token>,
    /// Whether there are synthetic objects and faults.
    pub has_synthetic: bool,
}

/// An origin's state.
#[derive(Debug)]
pub struct Origin {
    options: Options,
    current: ArcSwap<Release>,
    counters: Arc<Counters>,
    /// Held while a release loads: one at a time bounds the memory to two releases.
    switching: Arc<Mutex<()>>,
}

/// Why the release stayed the same.
#[derive(Debug, thiserror::Error)]
pub enum SwitchError {
    /// The new one can't be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The new one has no files: serving it would take the site down.
    #[error("{} holds no files to serve", root.display())]
    Empty {
        /// Its folder.
        root: PathBuf,
    },
    /// Another switch is under way.
    #[error("another release is being loaded")]
    Busy,
    /// The loading task failed.
    #[error("the loading of the release was cut short")]
    Interrupted(#[source] tokio::task::JoinError),
}

impl Hint for SwitchError {
    fn hint(&self) -> String {
        match self {
            Self::Load(error) => error.hint(),
            Self::Empty { .. } => "build the site first, or correct the path of the folder".to_owned(),
            Self::Busy | Self::Interrupted(_) => "ask what is served now, then try again".to_owned(),
        }
    }
}

impl Origin {
    /// Loads the first release. Blocks. An empty one is fine: it leaves the synthetic objects.
    pub fn start(options: Options, root: &std::path::Path, name: ReleaseName) -> Result<Self, LoadError> {
        let release = loader::load(root, name, &options.policy, options.limits, clock::wall_now())?;
        Ok(Self {
            options,
            current: ArcSwap::from_pointee(release),
            counters: Arc::new(Counters::new(clock::now())),
            switching: Arc::default(),
        })
    }

    /// The release that is served now. A request asks once and keeps its answer to its end.
    pub fn release(&self) -> Arc<Release> {
        self.current.load_full()
    }

    /// How files are served.
    pub const fn policy(&self) -> &Policy {
        &self.options.policy
    }

    /// The guard of the control endpoints.
    pub const fn token(&self) -> Option<&Token> {
        self.options.token.as_ref()
    }

    /// Whether there are synthetic objects and faults.
    pub const fn has_synthetic(&self) -> bool {
        self.options.has_synthetic
    }

    /// What has been counted.
    pub const fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Loads a release and serves it from then on; gives the new one and the one before. On an error nothing changes.
    pub async fn switch(
        self: &Arc<Self>,
        root: PathBuf,
        name: ReleaseName,
    ) -> Result<(Arc<Release>, Arc<Release>), SwitchError> {
        let switching = Arc::clone(&self.switching).try_lock_owned().map_err(|_| SwitchError::Busy)?;
        let origin = Arc::clone(self);
        // All of it is in the task: a caller that goes away doesn't leave a load behind that nobody counts.
        let loading = tokio::task::spawn_blocking(move || {
            let _switching = switching;
            let Options { policy, limits, .. } = &origin.options;
            let release = Arc::new(loader::load(&root, name, policy, *limits, clock::wall_now())?);
            if release.assets.is_empty() {
                return Err(SwitchError::Empty { root: release.root.clone() });
            }
            let previous = origin.current.swap(Arc::clone(&release));
            tracing::info!(release = %release.name, previous = %previous.name, files = release.assets.len(), "switched");
            Ok((release, previous))
        });
        loading.await.map_err(SwitchError::Interrupted)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_switch_at_a_time() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("index.html"), "home").expect("written");
        let name = |text: &str| text.parse::<ReleaseName>().expect("a name");
        let origin = Arc::new(Origin::start(Options::default(), dir.path(), name("v1")).expect("loaded"));
        let under_way = Arc::clone(&origin.switching).try_lock_owned().expect("free");
        let busy = origin.switch(dir.path().to_owned(), name("v2")).await;
        assert!(matches!(busy, Err(SwitchError::Busy)));
        assert_eq!(origin.release().name, name("v1"));
        drop(under_way);
        let (now, before) = origin.switch(dir.path().to_owned(), name("v2")).await.expect("switched");
        assert_eq!((&now.name, &before.name, &origin.release().name), (&name("v2"), &name("v1"), &name("v2")));
    }
}
