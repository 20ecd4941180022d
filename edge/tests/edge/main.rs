//! Tests of running nodes: each starts real processes on loopback through the harness of `scenarios`, and speaks real
//! HTTP with them.

mod front_door;
mod lifecycle;

mod caching;
mod purging;
mod tiers;

mod config;
mod tidy;
