//! Tidewall's cache node: a PoP edge or an origin shield.
//!
//! The layers, lowest first; imports point downward only (a tidy test checks what Cargo can't):
//!
//! 1. [`core`]: pure decisions of HTTP caching, purging and routing. No I/O, no clock, no randomness, no logging.
//! 2. [`config`] and [`wire`]: the fleet file, and what travels between the programs.
//! 3. `telemetry`, `clock`, `store`, `purge_log`, `upstream` (feature `server`, like all below).
//! 4. `front_door`, `proxy`, `admin`: the request path and the control plane's HTTP.
//! 5. `server`: assembly, roles, signals.

pub mod core;

pub mod config;
pub mod wire;

#[cfg(feature = "server")]
pub mod clock;
#[cfg(feature = "server")]
pub mod telemetry;

#[cfg(feature = "server")]
pub mod data_folder;
#[cfg(feature = "server")]
pub mod follow;
#[cfg(feature = "server")]
pub mod log_home;
#[cfg(feature = "server")]
pub mod node;
#[cfg(feature = "server")]
pub mod purge_log;
#[cfg(feature = "server")]
pub mod quotas;
#[cfg(feature = "server")]
pub mod snapshot;
#[cfg(feature = "server")]
pub mod store;
#[cfg(feature = "server")]
pub mod upstream;

#[cfg(feature = "server")]
pub mod admin;
#[cfg(feature = "server")]
mod express;
#[cfg(feature = "server")]
mod following;
#[cfg(feature = "server")]
pub mod front_door;
#[cfg(feature = "server")]
pub mod listen;
#[cfg(feature = "server")]
pub mod proxy;
#[cfg(feature = "server")]
pub mod refusal;

#[cfg(feature = "server")]
pub mod cli;
#[cfg(feature = "server")]
pub mod restore;
#[cfg(feature = "server")]
pub mod server;
