//! `purge-cli`: purges a Tidewall fleet, and says so only when every node has done it.
//!
//! A run reads the fleet file, checks every target against it, and sends the purge to the admin address of every node
//! of every PoP. **Shields first**, all of them in parallel; when each has answered or failed, the edges, all in
//! parallel. The order matters: an edge that has applied a purge refills from a shield, and a shield that had not heard
//! of it would hand out the very response that was purged. So no edge is told before the shields have had their chance.
//! If a shield fails, the edges are told nonetheless (less is stale that way), and the run ends as partial.
//!
//! A node answers once the purge is applied, so the exit code 0 means: no node of the fleet file answers from what it
//! stored before with anything that the purge selects (after `--soft`: only as stale). It rests on two things that this
//! program can't see: that the fleet file names every node, and that the origin serves the new content before the purge
//! is issued. See [`exit::Exit`] for the other codes. To purge again what was purged already is harmless, which is why
//! failed attempts are repeated, and why a partial run is mended by running it again.
//!
//! What stands where, in reading order:
//!
//! - [`run`]: one run of the program, from its arguments to its exit code.
//! - [`cli`]: what can be typed.
//! - [`list`], [`target`], [`token`]: what is to be purged, checked against the fleet file; and by which right.
//! - [`batch`]: the request bodies.
//! - [`fanout`]: who is told, in which order, how often.
//! - [`admin`]: one request to one node's admin server; `scenarios` uses it too.
//! - [`report`]: what is said of it, to people and as JSON.
//! - [`clock`]: the only place that reads a clock.

pub mod cli;
pub mod exit;
pub mod run;

pub mod list;
pub mod target;
pub mod token;

pub mod batch;
pub mod fanout;

pub mod admin;
pub mod report;

pub mod clock;
