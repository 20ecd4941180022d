//! The suite: where its parts are, and what it says about its tests.

use super::error::ConformanceError;
use super::{install, program};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version that is installed, and that the record is about.
pub(super) const PINNED: &str = "0.4.5";
/// Where the engine is within the suite: newer forms have it in a folder of its own.
const ENGINES: [&str; 2] = ["test-engine", "."];
/// Reads the tests' index.
const READER: &str = include_str!("../../conformance/tests.mjs");
/// How long node may take to read it.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// The suite.
#[derive(Debug)]
pub struct Suite {
    /// Its package's version.
    pub version: String,
    /// Whether it is the pinned one, which the record is about.
    pub is_pinned: bool,
    /// Its tests.
    pub categories: Vec<Category>,
    pub(super) node: PathBuf,
    pub(super) server: PathBuf,
    pub(super) client: PathBuf,
}

/// Tests about one thing. The suite itself calls this a suite.
#[derive(Debug, Deserialize)]
pub struct Category {
    /// Its id.
    pub id: String,
    /// What it is about.
    pub name: String,
    /// Its tests.
    pub tests: Vec<Test>,
}

/// A test.
#[derive(Debug, Clone, Deserialize)]
pub struct Test {
    /// Its id, of which there is one in the whole suite.
    pub id: String,
    /// What it asks.
    pub name: String,
    /// What it means to fail it.
    #[serde(default)]
    pub kind: Kind,
    /// Tests without which this one says nothing.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// About the caches of browsers; not run here.
    #[serde(default)]
    pub browser_only: bool,
}

/// What it means to fail a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Not conformant.
    #[default]
    Required,
    /// Conformant, but not as good as a cache can be.
    Optimal,
    /// Nothing: it finds out what a cache does where it may choose.
    Check,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Required, Self::Optimal, Self::Check];

    /// As the suite writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Optimal => "optimal",
            Self::Check => "check",
        }
    }
}

#[derive(Deserialize)]
struct Package {
    version: String,
}

impl Suite {
    /// Opens the suite in a folder, or the pinned one, which is installed if it isn't there yet.
    ///
    /// # Errors
    /// If it can't be had or read, or Node.js is not there.
    pub async fn open(folder: Option<&Path>) -> Result<Self, ConformanceError> {
        let node = program::find("node")?;
        let (is_pinned, folder) = match folder {
            Some(folder) => (false, folder.to_owned()),
            None => (true, install::pinned().await?),
        };
        let lacks = |missing| ConformanceError::NoSuite { folder: folder.clone(), missing };
        let engine = ENGINES.iter().map(|engine| folder.join(engine)).find(|engine| engine.join("cli.mjs").is_file());
        let engine = engine.ok_or_else(|| lacks("cli.mjs or test-engine/cli.mjs"))?;
        let (client, server) = (engine.join("cli.mjs"), engine.join("server/server.mjs"));
        if !server.is_file() {
            return Err(lacks("server/server.mjs"));
        }
        let bad = |cause: String| ConformanceError::BadSuite { folder: folder.clone(), cause };
        let package = std::fs::read(folder.join("package.json")).map_err(|_| lacks("package.json"))?;
        let package: Package = serde_json::from_slice(&package).map_err(|error| bad(error.to_string()))?;
        let index = std::path::absolute(folder.join("tests/index.mjs")).map_err(|error| bad(error.to_string()))?;
        if !index.is_file() {
            return Err(lacks("tests/index.mjs"));
        }
        let logs = tempfile::tempdir().map_err(ConformanceError::file("TMPDIR"))?;
        let arguments = vec!["--input-type=module".into(), "-e".into(), READER.into(), index.into()];
        let ended = program::run("node", &node, arguments, Vec::new(), logs.path(), READ_WITHIN).await?;
        if !ended.status.success() {
            return Err(bad(format!("node ended with {}\n{}", ended.status, ended.log)));
        }
        let categories = serde_json::from_str(&ended.stdout).map_err(|error| bad(error.to_string()))?;
        Ok(Self { version: package.version, is_pinned, categories, node, server, client })
    }

    /// The tests that are run: those about browsers are not.
    pub fn tests(&self) -> impl Iterator<Item = (&Category, &Test)> {
        let all = self.categories.iter().flat_map(|category| category.tests.iter().map(move |test| (category, test)));
        all.filter(|(_, test)| !test.browser_only)
    }

    /// Fails if there is no test of this id to be run, and says which ids are like it.
    pub(super) fn require(&self, id: &str) -> Result<(), ConformanceError> {
        if self.tests().any(|(_, test)| test.id == id) {
            return Ok(());
        }
        let like: Vec<&str> = self.tests().map(|(_, test)| test.id.as_str()).filter(|&it| it.contains(id)).collect();
        let near = if like.is_empty() { String::new() } else { format!(", such as {}", like.join(", ")) };
        Err(ConformanceError::UnknownTest { test: id.to_owned(), near })
    }
}
