//! Layer 1: the pure core. `now` and seeds are arguments; nothing here performs I/O, reads a clock, draws randomness
//! or logs. The node, the simulator and the command-line tools all ask these functions, so a decision has one home.

pub mod boot_time;
pub mod id;
pub mod time;

pub mod key;
pub mod key_rules;
pub mod reference;
pub mod url;

pub mod cache_control;
pub mod freshness;
pub mod partial;
pub mod range;
pub mod reuse;
pub mod store_rule;
pub mod validate;
pub mod vary;

pub mod cache_groups;
pub mod invalidate;
pub mod log;
pub mod purge;
pub mod quota;
pub mod rules;
pub mod tags;

pub mod health;
pub mod hop;
pub mod route;
pub mod site_rule;
pub mod tier;

pub mod cache_status;
pub mod forwarded;
pub mod member;
pub mod proxy_status;
