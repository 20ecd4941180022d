//! The integration tests of the scenarios: links, load, the command line, and short runs.

mod chaos;
mod cli;
mod load;
mod quickstart;
mod wan;
