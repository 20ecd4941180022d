//! The secrets of a fleet: drawn anew for each, kept in files that only this user can read.

use super::error::FleetError;
use edge::config::TokenRole;
use rand::RngCore as _;
use std::fmt;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// 256 bits.
const SECRET_BYTES: usize = 32;

/// The tokens of the admin API and the tier secret.
#[derive(Clone)]
pub struct Secrets {
    /// The token that may do everything.
    pub admin: String,
    /// The token that may purge all sites.
    pub deploy: String,
    /// The token that may read statistics.
    pub read: String,
    /// By which nodes know each other's requests.
    pub tier: String,
    /// Guards the control endpoints of the origin server.
    pub origin: String,
    folder: PathBuf,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Draws secrets and writes each to a file of its name in `folder`, which is made.
    pub(super) fn create(folder: &Path) -> Result<Self, FleetError> {
        std::fs::create_dir_all(folder).map_err(FleetError::file(folder))?;
        let draw = |name: &str| -> Result<String, FleetError> {
            let mut bytes = [0; SECRET_BYTES];
            rand::rng().fill_bytes(&mut bytes);
            let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let path = folder.join(name);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .map_err(FleetError::file(&path))?;
            file.write_all(secret.as_bytes()).map_err(FleetError::file(&path))?;
            Ok(secret)
        };
        Ok(Self {
            admin: draw("admin")?,
            deploy: draw("deploy")?,
            read: draw("read")?,
            tier: draw("tier")?,
            origin: draw("origin")?,
            folder: folder.to_owned(),
        })
    }

    /// The secret of the first token of a kind: `admin`, `deploy` or `read`.
    pub fn of_role(&self, role: &TokenRole) -> &str {
        match role {
            TokenRole::Read => &self.read,
            TokenRole::Purge(_) => &self.deploy,
            TokenRole::Admin => &self.admin,
        }
    }

    /// The file that holds the secret of a name: `admin`, `deploy`, `read`, `tier` or `origin`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
