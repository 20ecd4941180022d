//! What is on record: for each site and topology, the tests that fail. All others are expected to pass.

use super::error::ConformanceError;
use super::example::Column;
use super::score::Scored;
use super::suite::{Kind, PINNED};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;

/// The file, in the folder of this module's data.
const FILE: &str = "record.toml";
const HEADER: &str = "\
# The required and optimal tests of the cache test suite that do not pass, by site and topology. All others do, and one
# of those that fails makes `make conformance` fail. Written by `scenarios conformance --accept`; the reasons are in
# expected.toml.

";

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The version of the suite that it is about.
    pub suite: String,
    /// Site by site and topology.
    #[serde(default, rename = "column")]
    pub columns: Vec<RecordedColumn>,
}

/// What fails in one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedColumn {
    /// Which.
    #[serde(flatten)]
    pub column: Column,
    /// The required tests that fail.
    pub required: BTreeSet<String>,
    /// The optimal tests that fail.
    pub optimal: BTreeSet<String>,
}

impl RecordedColumn {
    /// What there is to record of a run.
    pub fn of(column: &Column, scored: &[Scored]) -> Self {
        let failing = |kind: Kind| {
            let failing = scored.iter().filter(|it| it.kind == kind && !it.passes());
            failing.map(|it| it.id.clone()).collect()
        };
        Self { column: column.clone(), required: failing(Kind::Required), optimal: failing(Kind::Optimal) }
    }

    /// Whether a test is known to fail.
    pub fn fails(&self, id: &str) -> bool {
        self.required.contains(id) || self.optimal.contains(id)
    }
}

impl Record {
    /// Reads the record in a folder. If there is none, or it is about another version of the suite, it is empty.
    ///
    /// # Errors
    /// If it is there and can't be read.
    pub fn read(folder: &Path) -> Result<Self, ConformanceError> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(ConformanceError::file(path)(error)),
        };
        let record: Self =
            toml::from_str(&text).map_err(|error| ConformanceError::File { path, cause: error.to_string() })?;
        Ok(if record.suite == PINNED { record } else { Self::default() })
    }

    /// What is recorded of a column.
    pub fn of(&self, column: &Column) -> Option<&RecordedColumn> {
        self.columns.iter().find(|recorded| recorded.column == *column)
    }

    /// Takes new columns in the place of old ones, and forgets sites that are no longer there.
    pub fn replace(&mut self, columns: Vec<RecordedColumn>, sites: &[String]) {
        PINNED.clone_into(&mut self.suite);
        let is_new = |old: &RecordedColumn| columns.iter().any(|new| new.column == old.column);
        self.columns.retain(|old| sites.contains(&old.column.site) && !is_new(old));
        self.columns.extend(columns);
        self.columns.sort_by(|a, b| a.column.cmp(&b.column));
    }

    /// Writes it.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write(&self, folder: &Path) -> Result<(), ConformanceError> {
        let path = folder.join(FILE);
        let text = toml::to_string_pretty(self)
            .map_err(|error| ConformanceError::File { path: path.clone(), cause: error.to_string() })?;
        std::fs::write(&path, format!("{HEADER}{text}")).map_err(ConformanceError::file(path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::example::Topology;
    use super::*;

    fn column(site: &str, topology: Topology) -> Column {
        Column { site: site.to_owned(), topology }
    }

    fn recorded(site: &str, topology: Topology, required: &[&str]) -> RecordedColumn {
        let required = required.iter().map(|&id| id.to_owned()).collect();
        RecordedColumn { column: column(site, topology), required, optimal: BTreeSet::new() }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), Record::default());
        let mut record = Record::default();
        let sites = ["docs".to_owned(), "api".to_owned()];
        let columns = vec![recorded("docs", Topology::Shield, &["b", "a"]), recorded("docs", Topology::Direct, &[])];
        record.replace(columns, &sites);
        record.write(folder.path()).unwrap();
        assert_eq!(Record::read(folder.path()).unwrap(), record);
        let docs = record.of(&column("docs", Topology::Shield)).unwrap();
        assert!(docs.fails("a") && !docs.fails("c"));
        assert_eq!(record.of(&column("api", Topology::Shield)), None);
    }

    #[test]
    fn what_was_not_run_stays_unless_its_site_is_gone() {
        let mut record = Record::default();
        let both = ["docs".to_owned(), "old".to_owned()];
        let (direct, shield) = (Topology::Direct, Topology::Shield);
        record.replace(vec![recorded("docs", direct, &["a"]), recorded("old", direct, &["a"])], &both);
        record.replace(vec![recorded("docs", shield, &["b"])], &both[..1]);
        assert_eq!(record.columns, [recorded("docs", direct, &["a"]), recorded("docs", shield, &["b"])]);
    }

    #[test]
    fn a_wrong_record_is_told_and_one_of_another_version_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(folder.path().join(FILE), text).unwrap();
            Record::read(folder.path())
        };
        assert!(read("suite = 1").unwrap_err().to_string().contains("record.toml"));
        assert_eq!(read("suite = \"0.0.1\"").unwrap(), Record::default());
    }
}
