//! The integration tests of the scenarios: links, load, the command line, and a short run.

mod cli;
mod load;
mod quickstart;
mod wan;
