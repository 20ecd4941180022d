//! Load as an open system of many clients makes it: requests come when they come, whether or not earlier ones have been
//! answered, and the latency of each counts from when it was to be sent. A server that stalls is charged for all that
//! would have been asked meanwhile (there is no coordinated omission).

mod arrivals;
mod catalogue;
mod generator;
mod pool;
mod record;

pub use arrivals::Arrivals;
pub use catalogue::{Catalogue, Zipf};
pub use generator::{Load, LoadSpec, Observed, Observer, Region, RegionResult};
pub use pool::{Exchange, Pool};
pub use record::{Latency, Record, RecordReport};
