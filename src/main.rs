//! The `redkeep` program.

use std::process::ExitCode;

use redkeep::cli::{self, server};

fn main() -> ExitCode {
    cli::run(std::env::args_os(), serve)
}

fn serve(_: server::Launch) -> Result<(), server::ServeError> {
    Err("this build has no server".into())
}
