//! Measures Tidewall with the public HTTP cache test suite: which of its tests pass, by site and topology.
//!
//! The suite brings an origin server that does what each test says, and a client that sends the test's requests and
//! looks at the answers. Between them stands a real edge on the shipped example fleet file, without or with a shield.
//! What fails is compared with what is on record, so that a test that passed once does not fail unnoticed.

mod error;
mod example;
mod install;
mod markdown;
mod measure;
mod program;
mod reasons;
mod record;
mod report;
mod score;
mod stand;
mod suite;
mod table;

pub use error::ConformanceError;
pub use example::{Column, Example, Topology};
pub use markdown::markdown;
pub use measure::{Dump, Options, dump, measure};
pub use reasons::{Reason, Reasons};
pub use record::{Record, RecordedColumn};
pub use report::{ColumnReport, Comparison, Report, SecondTry, SuiteReport, Tally, TestReport};
pub use score::{Outcome, Raw, Results, Scored, score};
pub use suite::{Category, Kind, Suite, Test};
pub use table::render;

use crate::scenario;
use std::path::PathBuf;

/// Where the record and the reasons are: beside the shipped scenarios.
pub fn folder() -> PathBuf {
    scenario::shipped_folder().join("conformance")
}
