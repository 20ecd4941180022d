//! The real program over real connections: one file per topic.

mod harness;
mod http_client;

mod command_line;
mod conditionals;
mod control;
mod encodings;
mod faults;
mod files;
mod limits;
mod ranges;
mod releases;
mod shutdown;
mod synthetic;
mod traversal;
