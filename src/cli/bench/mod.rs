//! `redkeep bench`: a load generator for anything that speaks RESP.

mod keys;
mod load;
mod pace;
mod replies;
mod report;
mod template;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use keys::Distribution;
pub(super) use load::Target;
use load::{Load, LoadError, Until};
use report::{Format, Report};
use template::{Mix, TemplateError};

/// Measure a server, or two in turns.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// HOST:PORT, or the path of a unix socket
    #[arg(long, default_value = "127.0.0.1:6379")]
    addr: Target,
    /// A second server: rounds alternate between the two, and ratios are printed (addr : against)
    #[arg(long, value_name = "ADDR")]
    against: Option<Target>,
    /// Password, for AUTH on every connection
    #[arg(long)]
    password: Option<String>,
    /// Connections
    #[arg(long, short = 'c', default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clients: u32,
    /// Requests that a connection sends before it waits for their replies
    #[arg(long, short = 'P', default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pipeline: u32,
    /// Requests a second that are due, whether the server keeps up or not; latency counts from when a request was due
    /// (default: each connection sends when it has its replies)
    #[arg(long)]
    rate: Option<f64>,
    /// Threads of this program
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Requests a round
    #[arg(long, short = 'n', default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// Seconds a round, instead of a number of requests
    #[arg(long, conflicts_with = "requests")]
    duration: Option<f64>,
    /// Different keys
    #[arg(long, short = 'r', default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    keyspace: u64,
    /// Which keys are asked how often
    #[arg(long, value_enum, default_value_t = Distribution::Uniform)]
    dist: Distribution,
    /// Exponent of --dist zipf
    #[arg(long, default_value_t = 0.99)]
    zipf_exponent: f64,
    /// Bytes of __data__
    #[arg(long, short = 'd', default_value_t = 64, value_parser = clap::value_parser!(u32).range(0..=512 << 20))]
    value_size: u32,
    /// set, get, mixed, or a command with __key__ and __data__ in it, such as "HSET __key__ f __data__"
    #[arg(long, default_value = "set")]
    command: String,
    /// Writes of --command mixed, of a hundred
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=100))]
    writes: u32,
    /// SET every key once before the first round
    #[arg(long)]
    fill: bool,
    /// Rounds for each server
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seed of keys and values
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("--duration must be more than 0 and at most 86400 seconds")]
    Duration,
    #[error("--rate must be at least 1 and at most 100000000 requests a second")]
    Rate,
    #[error("--zipf-exponent must be more than 0 and at most 10")]
    Exponent,
    #[error("{target}: {error}")]
    Load { target: Target, error: LoadError },
}

/// Runs the subcommand.
pub fn run(args: &BenchArgs) -> ExitCode {
    match measure(args) {
        Ok(report) => {
            let format = if args.json {
                Format::Json
            } else if io::stdout().is_terminal() {
                Format::Table
            } else {
                Format::Lines
            };
            print!("{}", report.print(format));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("redkeep bench: {error}");
            let is_usage = !matches!(error, BenchError::Load { .. });
            ExitCode::from(if is_usage { 2 } else { 1 })
        }
    }
}

fn measure(args: &BenchArgs) -> Result<Report, BenchError> {
    let mix = Mix::parse(&args.command, args.writes)?;
    let load = load_of(args, mix)?;
    let mut targets = vec![args.addr.clone()];
    targets.extend(args.against.clone());
    if args.fill {
        let fill = fill_of(args)?;
        for target in &targets {
            go(&fill, target, "filling")?;
        }
    }
    let mut report = Report::new(&targets, args);
    for round in 0..args.rounds {
        let mut order: Vec<usize> = (0..targets.len()).collect();
        // Each server is first as often as second, so that neither always finds the machine warmer.
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let title = format!("round {}/{}", round + 1, args.rounds);
            report.add(at, go(&load, &targets[at], &title)?);
        }
    }
    Ok(report)
}

fn go(load: &Load, target: &Target, title: &str) -> Result<load::Round, BenchError> {
    load.run(target, title).map_err(|error| BenchError::Load {
        target: target.clone(),
        error,
    })
}

fn load_of(args: &BenchArgs, mix: Mix) -> Result<Load, BenchError> {
    let until = match args.duration {
        None => Until::Requests(args.requests),
        Some(seconds) if seconds > 0.0 && seconds <= 86_400.0 => {
            Until::Elapsed(Duration::from_secs_f64(seconds))
        }
        Some(_) => return Err(BenchError::Duration),
    };
    if !(args.zipf_exponent > 0.0 && args.zipf_exponent <= 10.0) {
        return Err(BenchError::Exponent);
    }
    if args.rate.is_some_and(|rate| !(1.0..=1e8).contains(&rate)) {
        return Err(BenchError::Rate);
    }
    Ok(Load {
        mix,
        clients: args.clients,
        pipeline: args.pipeline,
        rate: args.rate,
        threads: args.threads,
        until,
        keyspace: args.keyspace,
        distribution: args.dist,
        exponent: args.zipf_exponent,
        value_size: args.value_size as usize,
        seed: args.seed,
        password: args.password.clone(),
    })
}

fn fill_of(args: &BenchArgs) -> Result<Load, BenchError> {
    let mut fill = load_of(args, Mix::parse("set", 100)?)?;
    fill.until = Until::Requests(args.keyspace);
    fill.distribution = Distribution::Sequential;
    fill.rate = None;
    // Wide enough to be quick, narrow enough that large values do not pile up.
    fill.pipeline = (1 << 20) / (args.value_size + 100).min(1 << 20);
    fill.pipeline = fill.pipeline.clamp(1, 64);
    Ok(fill)
}
