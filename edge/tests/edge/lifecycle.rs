//! A node's life: it starts or says why it can't, takes a new fleet file or says why it won't, and ends without
//! breaking off what it is at.

mod open_files;
mod reloading;
mod starting;
mod stopping;
