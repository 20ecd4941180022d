//! Layer 5: the purge log of a node from a backup.

use crate::config::{Fleet, LoadError};
use crate::core::id::NodeId;
use crate::data_folder::{DataError, DataFolder};
use crate::log_home::{FileHome, RestoreError, Restored, Retention};
use std::path::{Path, PathBuf};

/// Makes the purge log of a node that does not run from a backup. `data`: where nodes keep their data, if not where the file
/// says. `backup`: a file, or `-` for standard input. Returns where the log is now, too.
///
/// # Errors
/// [`RestoreFailed`].
pub fn restore(
    backup: &Path,
    config: &Path,
    name: &NodeId,
    data: Option<&Path>,
) -> Result<(Restored, PathBuf), RestoreFailed> {
    let fleet = Fleet::load(config)?;
    if fleet.node(name).is_none() {
        return Err(RestoreFailed::NoSuchNode(name.to_string()));
    }
    let data = DataFolder::of_node(&fleet, name, data)?;
    let retention = Retention::from(&fleet.purge_log);
    let unreadable = |cause| RestoreFailed::Unreadable { path: backup.to_owned(), cause };
    let restored = if backup == Path::new("-") {
        FileHome::restore(&data.log_path(), retention, std::io::stdin().lock())
    } else {
        let file = std::fs::File::open(backup).map_err(unreadable)?;
        FileHome::restore(&data.log_path(), retention, std::io::BufReader::new(file))
    };
    Ok((restored?, data.log_path()))
}

/// A backup that has not been restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreFailed {
    /// The fleet file can't be used.
    #[error(transparent)]
    Fleet(#[from] LoadError),
    /// It has no such node.
    #[error("the fleet file has no node {0:?}\n    hint: add it first, and name it in [purge_log] home")]
    NoSuchNode(String),
    /// The data folder can't be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no backup.
    #[error("{}: can't be read: {cause}\n    hint: `purge-cli log backup FILE` writes one", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// It can't be restored.
    #[error(transparent)]
    Restore(#[from] RestoreError),
}
