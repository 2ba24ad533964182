//! The storage engine alone beside LMDB and redb: the same data and the same work, in alternating rounds of one run.
//!
//! ```text
//! cargo bench --bench engine -- [--keys N] [--seconds S] [--rounds N] [--cache-mb N] [--threads N] [--ahead N] [--dir DIR] [get|put|log ...]
//! ```
//!
//! - `get`: one key at random after the other.
//! - `put`: one key at random a transaction, and a sync once a second. Redkeep: each commit is written to the log, so
//!   that the end of the process loses nothing; LMDB: NOSYNC, and `env_sync` each second; redb: commits without
//!   durability, and one immediate commit each second. With `--threads` so many threads put at once; LMDB and redb let one
//!   of them write at a time. With `--ahead` each thread says the keys of its next puts, as a server does that has read several
//!   requests: Redkeep reads what it misses of them together.
//! - `log`: bytes that Redkeep's log takes for the same SETs beside those of Redis's append-only file, and what the
//!   checkpoints add.
//!
//! A key has 16 bytes and a value 64. Medians of the rounds are printed, one `name=value` line for each figure.

mod keep;
mod lmdb;
mod redb;
mod store;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::redb::Redb;
use ::redkeep::storage::TOGETHER_MAX;
use keep::Keep;
use lmdb::Lmdb;
use store::{Draw, Store, VALUE_BYTES, key};

/// What is to be measured, and how long.
#[derive(clap::Parser)]
struct Options {
    /// Keys that are there.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Seconds of one round of one engine.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Cache of Redkeep and redb, in MiB; LMDB has the kernel's.
    #[arg(long, default_value_t = 1024)]
    cache_mb: u64,
    /// Threads that put.
    #[arg(long, default_value_t = 1)]
    threads: u64,
    /// Keys that a thread says before it puts them.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=TOGETHER_MAX as u64))]
    ahead: u64,
    /// Where the files are made.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Passed by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// All, if none is named.
    #[arg(value_parser = ["get", "put", "log"])]
    work: Vec<String>,
}

/// Gets between two looks at the clock.
const GETS: u64 = 1000;

fn main() {
    let options = <Options as clap::Parser>::parse();
    let dir = match &options.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir(),
    }
    .expect("a directory for the files");
    let does = |work: &str| options.work.is_empty() || options.work.iter().any(|w| w == work);
    if does("get") || does("put") {
        let cache_bytes = options.cache_mb << 20;
        let mut stores: Vec<Box<dyn Store>> = vec![
            Box::new(Keep::open(&dir.path().join("data.keep"), cache_bytes)),
            Box::new(Lmdb::open(&dir.path().join("lmdb"), options.keys)),
            Box::new(Redb::open(&dir.path().join("data.redb"), cache_bytes)),
        ];
        for store in &mut stores {
            eprintln!("loading {} keys into {}", options.keys, store.name());
            store.load(options.keys);
        }
        if does("get") {
            compare("get", &options, &mut stores, gets);
        }
        if does("put") {
            compare("put", &options, &mut stores, puts);
        }
    }
    if does("log") {
        log_bytes(&options, dir.path());
    }
}

/// One round of work on one engine: operations a second.
type Round = fn(&mut dyn Store, &Options, &mut Draw) -> f64;

fn compare(work: &str, options: &Options, stores: &mut [Box<dyn Store>], round: Round) {
    let mut rates = vec![Vec::new(); stores.len()];
    for number in 0..options.rounds {
        for (store, rates) in stores.iter_mut().zip(&mut rates) {
            let mut draw = Draw::new(number as u64);
            let rate = round(&mut **store, options, &mut draw);
            eprintln!("{work} round {number}: {} {rate:.0}/s", store.name());
            rates.push(rate);
        }
    }
    let medians: Vec<f64> = rates.iter_mut().map(|rates| median(rates)).collect();
    for (store, median) in stores.iter().zip(&medians) {
        println!("{work}_{}_per_s={median:.0}", store.name());
    }
    for (store, median) in stores.iter().zip(&medians).skip(1) {
        println!(
            "{work}_ratio_to_{}={:.2}",
            store.name(),
            medians[0] / median
        );
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn gets(store: &mut dyn Store, options: &Options, draw: &mut Draw) -> f64 {
    let begun = Instant::now();
    let mut done = 0;
    while begun.elapsed().as_secs_f64() < options.seconds {
        let mut keys = (0..GETS).map(|_| key(draw.below(options.keys)));
        let found = store.get_all(&mut keys);
        assert_eq!(found, GETS, "every key is there");
        done += GETS;
    }
    done as f64 / begun.elapsed().as_secs_f64()
}

fn puts(store: &mut dyn Store, options: &Options, draw: &mut Draw) -> f64 {
    let begun = Instant::now();
    let seeds: Vec<u64> = (0..options.threads).map(|_| draw.below(u64::MAX)).collect();
    let store = &*store;
    let done: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = seeds
            .iter()
            .enumerate()
            .map(|(number, seed)| {
                scope.spawn(move || puts_of_one(store, options, *seed, number == 0))
            })
            .collect();
        let counts = threads.into_iter().map(|it| it.join());
        counts.map(|count| count.expect("puts")).sum()
    });
    store.sync();
    done as f64 / begun.elapsed().as_secs_f64()
}

/// Puts until the time is over, and syncs each second if this is the thread that `syncs`; how many.
fn puts_of_one(store: &dyn Store, options: &Options, seed: u64, syncs: bool) -> u64 {
    let begun = Instant::now();
    let mut draw = Draw::new(seed);
    let mut synced = begun;
    let mut done = 0_u64;
    let mut value = [b'v'; VALUE_BYTES];
    while begun.elapsed().as_secs_f64() < options.seconds {
        let keys: Vec<_> = (0..options.ahead)
            .map(|_| key(draw.below(options.keys)))
            .collect();
        if keys.len() > 1 {
            store.will_put(&keys);
        }
        for key in &keys {
            value[..8].copy_from_slice(&done.to_le_bytes());
            store.put(key, &value);
            done += 1;
        }
        if syncs && synced.elapsed() >= Duration::from_secs(1) {
            store.sync();
            synced = Instant::now();
        }
    }
    done
}

/// What a million SETs to random keys write, without and with checkpoints.
fn log_bytes(options: &Options, dir: &std::path::Path) {
    const SETS: u64 = 1_000_000;
    let mut store = Keep::open(&dir.join("log.keep"), options.cache_mb << 20);
    store.load(options.keys);
    let (log, all) = (store.log_bytes(), written_bytes());
    let mut draw = Draw::new(1);
    let value = [b'v'; VALUE_BYTES];
    for _ in 0..SETS {
        store.put(&key(draw.below(options.keys)), &value);
    }
    store.sync();
    store.checkpoint();
    let (log, all) = (store.log_bytes() - log, written_bytes() - all);
    let words = [&b"SET"[..], &key(0), &value];
    let header = |n: usize| format!("${n}\r\n").len() + n + 2;
    let aof = "*3\r\n".len() + words.iter().map(|word| header(word.len())).sum::<usize>();
    let per_set = |bytes: u64| bytes as f64 / SETS as f64;
    println!("log_bytes_per_set={:.1}", per_set(log));
    println!("aof_bytes_per_set={aof}");
    println!("log_ratio_to_aof={:.2}", per_set(log) / aof as f64);
    println!("checkpoint_bytes_per_set={:.1}", per_set(all - log));
    let user = (key(0).len() + VALUE_BYTES) as f64;
    println!("write_amplification={:.2}", per_set(all) / user);
}

/// Bytes that this process has had the kernel write to the disk so far: a page that changes several times before it is
/// written counts once.
fn written_bytes() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").expect("Linux tells what was written");
    let line = io
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok())
        .expect("a number of bytes")
}
