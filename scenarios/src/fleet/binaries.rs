//! Where the programs are.

use super::error::FleetError;
use std::path::{Path, PathBuf};

/// A program of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    /// A node.
    Edge,
    /// The origin server.
    Origin,
    /// The purge CLI.
    PurgeCli,
}

impl Binary {
    /// Its file name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Origin => "origin",
            Self::PurgeCli => "purge-cli",
        }
    }
}

/// The environment variable that says where the programs are.
const FOLDER_VARIABLE: &str = "TIDEWALL_BIN_DIR";

/// Finds a program: in the folder that `TIDEWALL_BIN_DIR` names, or else beside this executable. (The executables of
/// tests and examples are one folder below.)
///
/// # Errors
/// [`FleetError::NoBinary`] if it isn't there.
pub fn find_binary(binary: Binary) -> Result<PathBuf, FleetError> {
    let folder = match std::env::var_os(FOLDER_VARIABLE) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent().map(|folder| build_folder(folder).to_owned()))
            .unwrap_or_default(),
    };
    let path = folder.join(format!("{}{}", binary.name(), std::env::consts::EXE_SUFFIX));
    if path.is_file() { Ok(path) } else { Err(FleetError::NoBinary { name: binary.name(), path }) }
}

fn build_folder(folder: &Path) -> &Path {
    let nested = folder.file_name().is_some_and(|name| name == "deps" || name == "examples");
    if nested { folder.parent().unwrap_or(folder) } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_look_one_folder_up() {
        for (folder, want) in [("t/debug/deps", "t/debug"), ("t/debug/examples", "t/debug"), ("t/debug", "t/debug")] {
            assert_eq!(build_folder(Path::new(folder)), Path::new(want));
        }
    }
}
