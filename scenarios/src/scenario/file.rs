//! The format of a scenario file.

use crate::wan::geo::{Geography, Place};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Largest scenario file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// PoPs of one machine: each is a process and some links.
const MAX_POPS: usize = 32;
/// The longest load.
const MAX_LOAD_S: f64 = 3600.0;

/// A scenario: a fleet somewhere on Earth, a site and its releases, load, a deploy, and what is expected to hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// One line on what it shows.
    pub description: String,
    /// Determines the load, unless another seed is given.
    #[serde(default)]
    pub seed: u64,
    /// What is where.
    pub topology: Topology,
    /// What is published.
    pub site: SiteEntry,
    /// The origin's policy file, as it is: which file is cached for how long.
    #[serde(default)]
    pub policy: toml::Table,
    /// Merged into the fleet file: any section of it.
    #[serde(default)]
    pub fleet: toml::Table,
    /// How much is asked for.
    pub load: Load,
    /// The release that goes live while the load runs.
    pub deploy: Deploy,
    /// What is expected to hold, on top of what must.
    #[serde(default)]
    pub expect: Expect,
    /// The folder that paths are relative to.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What is where.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topology {
    /// How much longer the way of the fibre is than the great circle.
    #[serde(default = "default_path_factor")]
    pub path_factor: f64,
    /// No round trip is shorter, in milliseconds.
    #[serde(default = "default_min_rtt_ms")]
    pub min_rtt_ms: f64,
    /// Where clients are served.
    pub pops: Vec<PopEntry>,
    /// What the edges fetch through, and the home of the purge log.
    pub shield: Shield,
    /// Further shields: each has a share of the URLs.
    #[serde(default)]
    pub further_shields: Vec<Shield>,
    /// Where the origin is.
    pub origin: Server,
    /// Where purges are issued.
    pub operator: Server,
}

fn default_path_factor() -> f64 {
    Geography::default().path_factor
}

fn default_min_rtt_ms() -> f64 {
    Geography::default().min_rtt.as_secs_f64() * 1e3
}

/// A PoP with one edge, and the clients near it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopEntry {
    /// Its name. The edge is called after it: `NAME-1`.
    pub id: String,
    /// The region, as people call it.
    pub region: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
    /// The round trip between its clients and its edge, in milliseconds.
    #[serde(default = "default_client_rtt_ms")]
    pub client_rtt_ms: f64,
}

fn default_client_rtt_ms() -> f64 {
    10.0
}

/// The shield, in a PoP of its own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shield {
    /// The node's name.
    pub id: String,
    /// The PoP's name.
    pub pop: String,
    /// The region, as people call it.
    pub region: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// A place where something is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The region, as people call it.
    pub region: String,
    /// Degrees north.
    pub latitude: f64,
    /// Degrees east.
    pub longitude: f64,
}

/// What is published.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteEntry {
    /// The site's name in the fleet file.
    pub id: String,
    /// Its host.
    pub host: String,
    /// The folder of files that carry a digest of their content in their name, such as `assets/`.
    #[serde(default)]
    pub hashed: String,
    /// Its releases; the first is live from the start.
    pub releases: Vec<ReleaseEntry>,
}

/// A release as built.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseEntry {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the scenario file.
    pub dist: PathBuf,
}

/// How much is asked for, in each region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Requests a second, on average.
    pub per_second: f64,
    /// For how long.
    pub duration_s: f64,
    /// How unequal the popularity of URLs is: 0 for not at all, 0.9 as on the web.
    #[serde(default = "default_zipf_exponent")]
    pub zipf_exponent: f64,
    /// Connections that the clients of a region keep, at most.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
}

fn default_zipf_exponent() -> f64 {
    0.9
}

fn default_max_connections() -> usize {
    64
}

/// A release that goes live while the load runs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deploy {
    /// How long after the start of the load.
    pub at_s: f64,
    /// Which.
    pub release: String,
}

/// What is expected to hold.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The least share of requests answered from the store, over all regions.
    pub min_hit_ratio: Option<f64>,
    /// The least share of requests that did not reach the origin.
    pub min_origin_offload: Option<f64>,
    /// The longest time that a purge of the deploy may take, in milliseconds.
    pub max_purge_ms: Option<f64>,
}

/// A scenario that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The file can't be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: std::io::Error,
    },
    /// The file is not a scenario.
    #[error("{}: {cause}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no scenario of this name.
    #[error("there is no file and no scenario {name:?}\n    hint: `scenarios list` shows those that are shipped")]
    Unknown {
        /// The name.
        name: String,
    },
}

impl Scenario {
    /// Reads and checks a scenario file.
    ///
    /// # Errors
    /// If it can't be read or is wrong; with place and reason.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let unreadable = |cause| ScenarioError::Unreadable { path: path.to_owned(), cause };
        let wrong = |cause| ScenarioError::Wrong { path: path.to_owned(), cause };
        if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
            return Err(wrong("is larger than 1 MiB, which no scenario is".to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(wrong)
    }

    /// Checks the text of a scenario file, whose paths are relative to `folder`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, String> {
        let mut scenario: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        scenario.folder = folder.to_owned();
        scenario.check().map(|()| scenario)
    }

    fn check(&self) -> Result<(), String> {
        let Self { topology, site, load, deploy, .. } = self;
        let in_range = |key: &str, value: f64, range: std::ops::RangeInclusive<f64>| {
            let (low, high) = (range.start(), range.end());
            if range.contains(&value) { Ok(()) } else { Err(format!("{key} is {value}: choose {low} to {high}")) }
        };
        in_range("topology.path_factor", topology.path_factor, 1.0..=10.0)?;
        in_range("topology.min_rtt_ms", topology.min_rtt_ms, 0.0..=1000.0)?;
        if !(1..=MAX_POPS).contains(&topology.pops.len()) {
            return Err(format!("topology.pops has {} entries: write 1 to {MAX_POPS}", topology.pops.len()));
        }
        let mut names = BTreeSet::new();
        for shield in topology.shields() {
            if !names.insert(&shield.pop) || topology.shields().filter(|other| other.id == shield.id).count() > 1 {
                return Err(format!(
                    "there are two shields {:?} or PoPs {:?}: each needs its own id",
                    shield.id, shield.pop
                ));
            }
        }
        for pop in &topology.pops {
            in_range(&format!("client_rtt_ms of {}", pop.id), pop.client_rtt_ms, 0.0..=10_000.0)?;
            if !names.insert(&pop.id) {
                return Err(format!("there are two PoPs {:?}: each needs its own id", pop.id));
            }
        }
        let name = |release: &str| site.releases.iter().position(|known| known.name == release);
        if (0..site.releases.len()).any(|at| name(&site.releases[at].name) != Some(at)) {
            return Err("site.releases has two of the same name: each needs its own".to_owned());
        }
        match name(&deploy.release) {
            Some(0) => return Err(format!("deploy.release is {:?}, which is live already", deploy.release)),
            Some(_) => {}
            None => return Err(format!("deploy.release is {:?}, which is none of site.releases", deploy.release)),
        }
        in_range("load.per_second", load.per_second, 0.1..=100_000.0)?;
        in_range("load.duration_s", load.duration_s, 1.0..=MAX_LOAD_S)?;
        in_range("load.zipf_exponent", load.zipf_exponent, 0.0..=5.0)?;
        if !(1..=10_000).contains(&load.max_connections) {
            return Err(format!("load.max_connections is {}: choose 1 to 10000", load.max_connections));
        }
        in_range("deploy.at_s", deploy.at_s, 0.0..=load.duration_s)
    }

    /// The release that is live from the start.
    pub fn first_release(&self) -> &ReleaseEntry {
        &self.site.releases[0]
    }

    /// The release that is deployed.
    pub fn deployed_release(&self) -> &ReleaseEntry {
        let deployed = self.site.releases.iter().find(|release| release.name == self.deploy.release);
        deployed.unwrap_or(&self.site.releases[0])
    }

    /// How distances become round-trip times.
    pub fn geography(&self) -> Geography {
        self.topology.geography()
    }
}

impl Topology {
    /// All shields, the home of the purge log first.
    pub fn shields(&self) -> impl Iterator<Item = &Shield> {
        std::iter::once(&self.shield).chain(&self.further_shields)
    }

    /// How distances become round-trip times.
    pub fn geography(&self) -> Geography {
        Geography { path_factor: self.path_factor, min_rtt: Duration::from_secs_f64(self.min_rtt_ms / 1e3) }
    }
}

impl PopEntry {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { latitude: self.latitude, longitude: self.longitude }
    }

    /// The round trip between its clients and its edge.
    pub fn client_rtt(&self) -> Duration {
        Duration::from_secs_f64(self.client_rtt_ms / 1e3)
    }

    /// The name of its edge.
    pub fn edge(&self) -> String {
        format!("{}-1", self.id)
    }
}

impl Shield {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { latitude: self.latitude, longitude: self.longitude }
    }
}

impl Server {
    /// Where it is.
    pub fn place(&self) -> Place {
        Place { latitude: self.latitude, longitude: self.longitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICKSTART: &str = include_str!("../../quickstart.toml");

    const FURTHER_SHIELD: &str = "[[topology.further_shields]]\nid = \"shield-1\"\npop = \"shield-sin\"\n\
        region = \"Singapore\"\nlatitude = 1.36\nlongitude = 103.99\n\n[[topology.pops]]";

    #[test]
    fn the_quickstart_is_in_order() {
        let scenario = Scenario::parse(QUICKSTART, Path::new("somewhere")).unwrap();
        assert_eq!(scenario.topology.pops.len(), 3);
        assert_eq!((scenario.first_release().name.as_str(), scenario.deployed_release().name.as_str()), ("v1", "v2"));
    }

    #[test]
    fn mistakes_are_named() {
        for (from, to, want) in [
            ("per_second", "per_secnod", "unknown field `per_secnod`"),
            ("[load]\n", "[load]\nzipf_exponent = 9.0\n#", "zipf_exponent"),
            ("id = \"iad\"", "id = \"fra\"", "two PoPs \"fra\""),
            ("[[topology.pops]]", FURTHER_SHIELD, "two shields \"shield-1\""),
            ("release = \"v2\"", "release = \"v1\"", "live already"),
            ("release = \"v2\"", "release = \"v3\"", "none of site.releases"),
            ("name = \"v2\"", "name = \"v1\"", "two of the same name"),
            ("host = ", "# host = ", "missing field `host`"),
            ("description = ", "description ", "expected"),
            ("at_s = ", "at_s = 99", "deploy.at_s is"),
        ] {
            let text = QUICKSTART.replacen(from, to, 1);
            assert_ne!(text, QUICKSTART, "{from:?} is not in the file");
            let error = Scenario::parse(&text, Path::new("")).expect_err(to);
            assert!(error.contains(want), "{to:?}: {error}");
        }
    }
}
