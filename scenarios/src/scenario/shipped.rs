//! The scenarios that come with the crate.

use super::file::{Scenario, ScenarioError};
use std::path::{Path, PathBuf};

/// The environment variable that says where they are.
const FOLDER_VARIABLE: &str = "TIDEWALL_SCENARIO_DIR";

/// Where the shipped scenarios are: the folder that `TIDEWALL_SCENARIO_DIR` names, or else the one that the program was
/// built in.
pub fn shipped_folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE).map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// A scenario that comes with the crate.
#[derive(Debug)]
pub struct Shipped {
    /// Its name, for `scenarios run`.
    pub name: String,
    /// Its file, as read.
    pub scenario: Result<Scenario, ScenarioError>,
}

/// The shipped scenarios, by name.
///
/// # Errors
/// If the folder can't be read.
pub fn shipped(folder: &Path) -> Result<Vec<Shipped>, ScenarioError> {
    let unreadable = |cause| ScenarioError::Unreadable { path: folder.to_owned(), cause };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|&name| name != "Cargo" && path.extension().is_some_and(|it| it == "toml")) {
            found.push(Shipped { name: name.to_owned(), scenario: Scenario::load(&path) });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Finds a scenario by the path of its file, or by the name of a shipped one.
///
/// # Errors
/// If there is none, or it is wrong.
pub fn find(file_or_name: &str) -> Result<Scenario, ScenarioError> {
    let path = Path::new(file_or_name);
    if path.is_file() {
        return Scenario::load(path);
    }
    let shipped = shipped_folder().join(format!("{file_or_name}.toml"));
    let plain = !file_or_name.contains(['/', '\\']) && file_or_name != "Cargo";
    if plain && shipped.is_file() {
        return Scenario::load(&shipped);
    }
    Err(ScenarioError::Unknown { name: file_or_name.to_owned() })
}
