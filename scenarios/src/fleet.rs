//! Real Tidewall processes on loopback: what scenarios and integration tests run against.
//!
//! [`FleetBuilder`] describes a fleet; [`FleetBuilder::start`] writes its file into a scratch folder, starts a process
//! per node and waits until each of them is ready. Every node has an address of its own within 127.0.0.0/8, in a block
//! that no other fleet on the machine uses at the time. When the [`Fleet`] is dropped its processes are killed; they
//! don't outlive this process either, if the system has `setpriv`. A test that panics is shown what its nodes logged.
//!
//! ```no_run
//! # async fn example(origin: std::net::SocketAddr) -> Result<(), scenarios::fleet::FleetError> {
//! use scenarios::fleet::FleetBuilder;
//!
//! let fleet = FleetBuilder::new()
//!     .pop("fra", 50.11, 8.68)
//!     .shield("shield-1")
//!     .site("docs", &["www.example"], origin)
//!     .toml_extra("[[sites]]\nid = \"docs\"\ndefault_ttl = \"10s\"")
//!     .start()
//!     .await?;
//! let reply = fleet.node("fra-1").get("www.example", "/").await.unwrap();
//! assert_eq!(reply.status, 200);
//! # Ok(())
//! # }
//! ```
//!
//! Where processes must see each other through links of some length, go by way of [`FleetBuilder::reserve`]: the
//! [`Plan`] knows all addresses before anything runs, and takes a [`View`] for each PoP.

mod address;
mod binaries;
mod builder;
mod document;
mod error;
mod origin;
mod plan;
mod process;
mod running;
mod secrets;
mod spawner;

pub use address::Block;
pub use binaries::{Binary, find_binary};
pub use builder::FleetBuilder;
pub use error::FleetError;
pub use origin::{OriginServer, OriginSpec};
pub use plan::{Plan, PlannedNode, View};
pub use process::{Process, ProcessSpec};
pub use running::{Fleet, FleetNode};
pub use rustix::process::Signal;
pub use secrets::Secrets;
