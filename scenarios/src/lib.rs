//! Whole Tidewall fleets on one machine: real processes on loopback, links of real length, load, checks, reports.
//!
//! - [`fleet`] starts real `edge` and `origin` processes; integration tests of the other crates use it as well.
//! - [`wan`] is links of real length.
//! - [`load`] is many clients.
//! - [`site`] is what they ask for, and what a deploy changes.
//! - [`scenario`] is the format of scenario files, [`run`] runs one and reports.
//! - [`prove`] is the purge protocol under a seeded scheduler, without processes.
//! - [`chaos`] is the promise of purges on real processes, amid faults.
//! - [`conformance`] runs the public cache test suite.
//! - [`client`] is all HTTP that this crate speaks, [`cache_status`] how it reads what an edge did.
//! - [`clock`] is the one place that reads the clock, [`alarm`] the one that sleeps to the microsecond.

pub mod alarm;
pub mod cache_status;
pub mod chaos;
pub mod client;
pub mod clock;
pub mod conformance;
pub mod fleet;
pub mod load;
pub mod prove;
pub mod run;
pub mod scenario;
pub mod site;
pub mod wan;
