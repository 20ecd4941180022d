//! Tests of running nodes: each starts real processes on loopback through the harness of `scenarios`, and speaks real
//! HTTP with them.

mod stage;
mod support;

mod express;
mod front_door;
mod key_rules;
mod lifecycle;

mod caching;
mod purging;
mod tiers;

mod purge_cli;
mod purge_log;

mod config;
mod oracle;
mod tidy;
