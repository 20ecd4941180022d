//! The `purge-cli` program. Everything that it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    purge_cli::run::run(std::env::args_os())
}
