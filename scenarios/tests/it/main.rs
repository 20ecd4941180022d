//! The integration tests of the scenarios: links, load, the command line.

mod cli;
mod load;
mod wan;
