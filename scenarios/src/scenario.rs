//! Scenario files.

mod file;
mod shipped;

pub use file::{
    Deploy, Expect, Load, PopEntry, ReleaseEntry, Scenario, ScenarioError, Server, Shield, SiteEntry, Topology,
};
pub use shipped::{Shipped, find, shipped, shipped_folder};
