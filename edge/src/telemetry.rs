//! Layer 3a: the node's counters.
//!
//! Requests count into plain atomics, one set per site, without a lock and without an allocation. OpenTelemetry reads
//! them: each counter is an observable instrument of the SDK's meter provider, and whoever wants figures (`GET /stats`
//! today, exporters later) collects them from there, so that all of them say the same.

mod counters;
mod outcome;
mod report;

pub use counters::{Counters, Telemetry};
pub use outcome::CacheOutcome;
pub use report::{NodeInfo, Reporter};
