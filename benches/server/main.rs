//! The server as its users meet it: how large it is, how long what it does takes at any size, and what is felt of the
//! work in the background, beside Redis where there is a like.
//!
//! ```text
//! cargo bench --bench server -- [OPTIONS] [size|complexity|background|beyond|bound|commands ...]
//! ```
//!
//! - `size`: resident memory with a small cache and much data; the start on a large file; DEL and FLUSHALL of much.
//! - `complexity`: time and pages of operations on one element, in collections of a thousand elements and more.
//! - `background`: the latency of SET, in an open loop of half the rate that the server can do, while it saves, rewrites
//!   its append-only file and is backed up; and the memory that takes. Redis does the same in the same run.
//! - `beyond`: GET and SET on data that is much larger than the cache, beside Redis, which has it in memory.
//! - `bound`: PING in pipelines, beside Redis and beside a server that does nothing: what the program that measures can do.
//! - `commands`: many commands in pipelines, beside Redis.
//!
//! Figures are printed as `name=value`, a line each. `redis-server` has to be on the PATH for `background`, `beyond`,
//! `bound` and `commands`, `redis-benchmark` for the last two.

mod background;
mod beyond;
mod bound;
mod commands;
mod complexity;
mod redis_benchmark;
mod server;
mod size;

use std::path::PathBuf;

/// What is to be measured, and with how much.
#[derive(clap::Parser)]
struct Options {
    /// GiB of data of `size`, `background` and `beyond`.
    #[arg(long, default_value_t = 2.0)]
    gigabytes: f64,
    /// Elements of the largest collections of `complexity`.
    #[arg(long, default_value_t = 10_000_000)]
    elements: u64,
    /// Seconds of each load of `background`.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Times that each load of `background` is run; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Where the files are made.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// All, if none is named.
    #[arg(value_parser = ["size", "complexity", "background", "beyond", "bound", "commands"])]
    work: Vec<String>,
}

impl Options {
    /// A folder for the files of one server.
    fn folder(&self) -> tempfile::TempDir {
        match &self.dir {
            Some(dir) => tempfile::tempdir_in(dir),
            None => tempfile::tempdir(),
        }
        .expect("a folder for the files")
    }

    /// Keys that hold that much data, with values of [`server::VALUE_BYTES`].
    fn keys(&self) -> u64 {
        ((self.gigabytes * (1u64 << 30) as f64) / server::VALUE_BYTES as f64).max(1.0) as u64
    }
}

fn main() {
    let options = <Options as clap::Parser>::parse();
    let does = |work: &str| options.work.is_empty() || options.work.iter().any(|w| w == work);
    if does("size") {
        size::measure(&options);
    }
    if does("complexity") {
        complexity::measure(&options);
    }
    if does("background") {
        background::measure(&options);
    }
    if does("beyond") {
        beyond::measure(&options);
    }
    if does("bound") {
        bound::measure(&options);
    }
    if does("commands") {
        commands::measure(&options);
    }
}

/// The one in the middle; of an even number the higher of two.
fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A figure for whoever reads the output.
fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name}={value}");
}
