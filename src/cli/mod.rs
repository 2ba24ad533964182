//! Subcommands and flags.
//!
//! Exit codes: 0 done, 1 something failed, 2 the command line cannot be understood. `check`, `get`, `import`, `dump` and `salvage` have more.

pub mod append_only;
mod backup;
mod bench;
mod check;
mod check_files;
mod config_files;
mod daemon;
mod dump;
mod file_report;
mod import;
mod key_source;
mod live_file;
mod loading;
mod logging;
mod manual;
mod moment;
mod new_file;
mod open_files;
pub mod own_aof;
mod progress;
mod remote;
mod repair;
mod restore;
mod salvage;
mod scratch;
pub mod seed;
mod seed_aof;
pub mod serve;
pub mod server;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

/// A durable Redis server in one file.
#[derive(Debug, Parser)]
#[command(name = "redkeep", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a file to Redis clients
    Server(ServerArgs),
    /// Measure a server, or two in turns
    Bench(bench::BenchArgs),
    /// Print the value at a key of a file, open or not
    Get(live_file::GetArgs),
    /// Print the names of the keys of a file, open or not
    Scan(live_file::ScanArgs),
    /// Print figures of a file, open or not
    Stats(live_file::StatsArgs),
    /// Verify a database, open or not, an RDB file or an append-only file
    Check(check::CheckArgs),
    /// Copy a database, open or not, to a file that is whole on its own
    Backup(backup::BackupArgs),
    /// Make a database as it was at a moment, from a backup and the log that `wal-keep` kept
    Restore(restore::RestoreArgs),
    /// Take every readable key out of a damaged database, and name what is missing
    Salvage(salvage::SalvageArgs),
    /// Put the keys of an RDB file, an append-only file or lines of JSON into a database
    Import(import::ImportArgs),
    /// Write the keys of a database as an RDB file or as lines of JSON
    Dump(dump::DumpArgs),
    /// Print completions for a shell
    Completions(manual::CompletionsArgs),
    /// Print a manual page: the program's, or that of one of its subcommands
    Man(manual::ManArgs),
}

/// The arguments are Redis's own, so clap hands them on unread.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
struct ServerArgs {
    /// [redis.conf] [-] [--directive value ...]; --help says more
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs the command line. `serve` runs a server until it is told to stop.
pub fn run(arguments: impl IntoIterator<Item = OsString>, serve: server::Serve) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to tell when standard error is gone too.
            error.print().unwrap_or_default();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match cli.command {
        Command::Server(args) => server::run(args.arguments, serve),
        Command::Bench(args) => bench::run(&args),
        Command::Get(args) => live_file::get(args),
        Command::Scan(args) => live_file::scan(&args),
        Command::Stats(args) => live_file::stats(&args),
        Command::Check(args) => check::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Salvage(args) => salvage::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Dump(args) => dump::run(&args),
        Command::Completions(args) => manual::complete(&args, Cli::command()),
        Command::Man(args) => manual::describe(&args, Cli::command()),
    }
}
