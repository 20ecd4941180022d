//! `purge-cli`: purges a Tidewall fleet, and says so only when it is proven that no node serves what was purged.
//!
//! A run reads the fleet file, checks every target against it, and sends the purge to the home of the purge log, which
//! writes it down, numbers it, and answers when every member has applied it: each process of a node that may serve what it
//! has stored. So the exit code 0 means that no node answers any more from what an origin sent for a request from before the
//! purge, if the purge selects it. (Not so of `--soft` and `--wait none`, which say `accepted`.) It rests on the origin having the new content before
//! the purge is issued, and on a node that was declared gone (`forget`) being gone. See [`exit::Exit`] for the other codes.
//! A purge has an id, by which the home knows it again: that is why failed attempts are repeated, and why a run that was cut
//! short can be repeated with `--id`.
//!
//! What stands where, in reading order:
//!
//! - [`run`]: one run of the program, from its arguments to its exit code.
//! - [`cli`]: what can be typed.
//! - [`list`], [`target`], [`token`]: what is to be purged, checked against the fleet file; and by which right.
//! - [`batch`]: the request bodies.
//! - [`fanout`]: how the home is asked, and how often.
//! - [`outcome`]: what became of it: where it is recorded, which nodes have applied it, and how the run ends.
//! - [`admin`]: one request to one node's admin server.
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
pub mod outcome;

pub mod admin;
pub mod report;

pub mod clock;
