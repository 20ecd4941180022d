//! Why tests fail that we let fail.

use super::error::ConformanceError;
use super::suite::Suite;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file, in the folder of this module's data.
const FILE: &str = "expected.toml";

/// All reasons.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// One for each test, or for a test on some sites.
    #[serde(default)]
    pub failure: Vec<Reason>,
}

/// Why a test fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// The tests.
    pub ids: Vec<String>,
    /// The sites that this is about; all if left out.
    #[serde(default)]
    pub sites: Vec<String>,
    /// The section that says what may or must be, as in "RFC 9111, 4.2.2".
    pub section: String,
    /// Why.
    pub reason: String,
}

impl Reasons {
    /// Reads the reasons in a folder. If the file is not there, there are none.
    ///
    /// # Errors
    /// If it is there and can't be read.
    pub fn read(folder: &Path) -> Result<Self, ConformanceError> {
        let path = folder.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str(&text).map_err(|error| ConformanceError::File { path, cause: error.to_string() })
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConformanceError::file(path)(error)),
        }
    }

    /// Fails if a reason is about a test or a site that there is not.
    pub(super) fn check(&self, suite: &Suite, sites: &[String], folder: &Path) -> Result<(), ConformanceError> {
        for (reason, id) in self.failure.iter().flat_map(|reason| reason.ids.iter().map(move |id| (reason, id))) {
            let site = reason.sites.iter().find(|site| !sites.contains(site));
            let cause = match site {
                Some(site) => format!("{id}: no site of the example fleet file is called {site}"),
                None if suite.tests().any(|(_, test)| test.id == *id) => continue,
                None => format!("{id}: the suite has no such test"),
            };
            return Err(ConformanceError::File { path: folder.join(FILE), cause });
        }
        Ok(())
    }

    /// The reason for a test on a site: one for this very site before one for all.
    pub fn of(&self, id: &str, site: &str) -> Option<&Reason> {
        let about = || self.failure.iter().filter(|reason| reason.ids.iter().any(|it| it == id));
        let own = about().find(|reason| reason.sites.iter().any(|it| it == site));
        own.or_else(|| about().find(|reason| reason.sites.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_for_a_site_goes_before_one_for_all() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Reasons::read(folder.path()).unwrap().failure.is_empty());
        let text = "[[failure]]\nids = [\"a\"]\nsection = \"4\"\nreason = \"all\"\n\
                    [[failure]]\nids = [\"a\"]\nsites = [\"docs\"]\nsection = \"4\"\nreason = \"docs\"\n\
                    [[failure]]\nids = [\"b\", \"c\"]\nsites = [\"docs\"]\nsection = \"4\"\nreason = \"docs\"\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let reasons = Reasons::read(folder.path()).unwrap();
        let of = |id: &str, site: &str| reasons.of(id, site).map(|reason| reason.reason.as_str());
        assert_eq!((of("a", "docs"), of("a", "api")), (Some("docs"), Some("all")));
        assert_eq!((of("b", "docs"), of("b", "api")), (Some("docs"), None));
        std::fs::write(folder.path().join(FILE), "[[failure]]\nids = [\"a\"]\n").unwrap();
        assert!(Reasons::read(folder.path()).unwrap_err().to_string().contains("expected.toml"));
    }
}
