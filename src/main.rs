//! The `redkeep` program.

use std::process::ExitCode;

use redkeep::cli;

fn main() -> ExitCode {
    cli::run(std::env::args_os(), cli::serve::serve)
}
