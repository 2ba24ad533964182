//! `redkeep completions` and `redkeep man`: what shells and `man` are told, made from the flags themselves.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::server::options;

/// The name of the program on a command line.
const PROGRAM: &str = "redkeep";

/// Print completions for a shell
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell that is to read them
    #[arg(value_enum)]
    shell: Shell,
}

/// Print a manual page: the program's, or that of one of its subcommands
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The subcommand
    subcommand: Option<String>,
}

/// The program whose server has its directives as options.
fn with_directives(program: Command) -> Command {
    program.mut_subcommand("server", |server| server.args(options()))
}

/// Prints completions.
pub fn complete(args: &CompletionsArgs, program: Command) -> ExitCode {
    let mut program = with_directives(program);
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut program, PROGRAM, &mut out);
    print(&out)
}

/// Prints a manual page.
pub fn describe(args: &ManArgs, program: Command) -> ExitCode {
    let mut program = with_directives(program);
    // Subcommands have their full names after this.
    program.build();
    let described = match &args.subcommand {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(found) => found.clone(),
            None => {
                eprintln!("redkeep man: there is no subcommand '{name}'");
                return ExitCode::from(2);
            }
        },
    };
    let mut out = Vec::new();
    match Man::new(described).render(&mut out) {
        Ok(()) => print(&out),
        Err(error) => failed(&error),
    }
}

fn print(text: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("redkeep: cannot print: {error}");
    ExitCode::FAILURE
}
