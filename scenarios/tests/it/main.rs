//! The integration tests of the scenarios: links, the command line.

mod wan;
