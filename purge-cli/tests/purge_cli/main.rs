//! The program as a user meets it, as far as that needs no node: mistakes, exit codes, homes that can't be reached, don't
//! answer, or answer in ways that a node can't be brought to at will. Purges of running nodes are tested beside the node.

mod stage;

mod backup;
mod documents;
mod home;
mod log;
mod members;
mod parts;
mod tokens;
mod usage;
