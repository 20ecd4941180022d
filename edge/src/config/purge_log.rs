//! The purge log: whose it is, and what is kept of it.

use super::nodes::{Pop, Role, checked};
use super::reader::Section;
use crate::core::id::NodeId;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where nodes keep what must outlive them, unless the file says otherwise: beside the file.
pub const DEFAULT_DATA_FOLDER: &str = "tidewall-data";

/// The purge log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeLogConfig {
    /// The node that numbers purges and keeps their log. `None` only in a file that has no nodes.
    pub home: Option<NodeId>,
    /// Records are kept for so long,
    pub keep_for: Duration,
    /// and of them so many at most. A node that was away for longer hides all that it has when it is back.
    pub keep_records: u64,
    /// For how long a node serves what it has stored without hearing from the home; forever, without one.
    pub lease: Option<Duration>,
}

/// The lease of `mode = "strict"`, unless the file says.
const USUAL_LEASE: Duration = Duration::from_secs(10);

pub(super) fn read_purge_log(root: &Section<'_>, pops: &[Pop]) -> PurgeLogConfig {
    let nodes = || pops.iter().flat_map(|pop| &pop.nodes);
    let shield = nodes().find(|node| node.role == Role::Shield);
    let mut read = PurgeLogConfig {
        home: shield.or_else(|| nodes().next()).map(|node| node.id.clone()),
        keep_for: Duration::from_secs(7 * 24 * 3600),
        keep_records: 100_000,
        lease: None,
    };
    let Some(section) = root.section("purge_log") else { return read };
    if let Some((home, at)) = section.text("home").and_then(|at| checked(&section, &at, NodeId::new)) {
        match nodes().any(|node| node.id == home) {
            true => read.home = Some(home),
            false => section.reject(&at, "is no node of this file", "name one of [[pops.nodes]], best a shield"),
        }
    }
    read.keep_for = section.duration("keep_for").unwrap_or(read.keep_for);
    read.keep_records = section.integer("keep_records", 1..=10_000_000).unwrap_or(read.keep_records);
    let lease = section.duration("lease");
    if lease.is_some_and(|lease| lease < Duration::from_secs(1) || lease > Duration::from_secs(3600)) {
        section.reject(&section.at("lease"), "is too short or too long", "write 1s to 1h");
    }
    match section.text("mode") {
        Some(at) if at.value == "strict" => read.lease = Some(lease.unwrap_or(USUAL_LEASE)),
        Some(at) if at.value != "available" => section.reject(&at, "is no mode", "write \"available\" or \"strict\""),
        _ if lease.is_some() => {
            section.reject(&section.at("lease"), "is of no use", "write mode = \"strict\" too, or remove it");
        }
        _ => {}
    }
    section.finish();
    read
}

/// Reads where nodes keep their data.
pub(super) fn read_data_folder(root: &Section<'_>, folder: &Path) -> PathBuf {
    let default = folder.join(DEFAULT_DATA_FOLDER);
    let Some(section) = root.section("data") else { return default };
    let read = section.text("folder").map(|at| folder.join(at.value));
    section.finish();
    read.unwrap_or(default)
}
