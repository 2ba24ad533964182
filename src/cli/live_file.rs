//! `get`, `scan` and `stats`: what a file holds, whether or not a server has it open.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, json};

use crate::config::Config;
use crate::db::{DbError, View, ViewOptions};
use crate::interchange::jsonl;
use crate::interchange::rdb::Value;
use crate::interchange::rdb::decode::Decoded;
use crate::keyspace::header::Kind;
use crate::resp::glob::{self, Case};
use crate::storage::{OnMiss, freemap};

/// Databases that a file is searched for.
const DATABASES: u32 = 1 << 14;

/// Nothing is there.
const ABSENT: u8 = 1;
/// The file cannot be read.
const FAILED: u8 = 3;

/// How every subcommand opens a file that may be in use.
pub(super) fn view_options() -> ViewOptions {
    ViewOptions {
        cache_bytes: super::server::cache_bytes(&Config::default()),
        databases: DATABASES,
        ..ViewOptions::default()
    }
}

/// Opens a file as it is now, beside the server that has it open, if one has.
pub(super) fn view(path: &Path) -> Result<View, DbError> {
    View::open(path, &view_options())
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum LiveError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn ended(name: &str, done: Result<u8, LiveError>) -> ExitCode {
    match done {
        Ok(code) => ExitCode::from(code),
        Err(LiveError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("redkeep {name}: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Print the value at a key of a file, which a server may have open.
///
/// A string is printed as its bytes, any other value as a line of JSON, as `redkeep dump` writes them.
///
/// Exit codes: 0 printed, 1 the key is not there, 2 wrong usage, 3 the file cannot be read
#[derive(Debug, Args)]
pub struct GetArgs {
    key: OsString,
    /// The database file, such as data.keep
    #[arg(long)]
    file: PathBuf,
    /// Number of the database
    #[arg(long, value_name = "N", default_value_t = 0)]
    db: u32,
}

/// Runs `get`.
pub fn get(args: GetArgs) -> ExitCode {
    ended("get", print_value(args))
}

fn print_value(args: GetArgs) -> Result<u8, LiveError> {
    let view = view(&args.file)?;
    let Some(key) = view.snapshot().key(args.db, &args.key.into_vec())? else {
        return Ok(ABSENT);
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match &key.value {
        Decoded::Value(Value::String(bytes)) => out.write_all(bytes)?,
        _ => jsonl::write(&key, &mut out)?,
    }
    out.flush()?;
    Ok(0)
}

/// Print the names of the keys of a file, which a server may have open.
///
/// One name a line, in the order of their bytes; with --json as JSON texts, so that a name may hold any byte.
///
/// Exit codes: 0 done, 2 wrong usage, 3 the file cannot be read
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// The database file, such as data.keep
    #[arg(long)]
    file: PathBuf,
    /// Number of the database
    #[arg(long, value_name = "N", default_value_t = 0)]
    db: u32,
    /// Names that match, as in SCAN
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<OsString>,
    /// Values of one type: string, list, set, zset, hash or stream
    #[arg(long = "type", value_parser = kind_by_name)]
    kind: Option<Kind>,
    /// Only how many they are
    #[arg(long)]
    count: bool,
    /// Names as JSON texts
    #[arg(long, conflicts_with = "count")]
    json: bool,
}

fn kind_by_name(name: &str) -> Result<Kind, String> {
    Kind::by_name(name.as_bytes())
        .ok_or_else(|| "string, list, set, zset, hash or stream".to_owned())
}

/// Runs `scan`.
pub fn scan(args: &ScanArgs) -> ExitCode {
    ended("scan", print_names(args))
}

fn print_names(args: &ScanArgs) -> Result<u8, LiveError> {
    let view = view(&args.file)?;
    let pattern = args.pattern.as_deref().map(OsStrExt::as_bytes);
    let prefix = pattern.map_or(&b""[..], glob::literal_prefix);
    let mut out = BufWriter::new(io::stdout().lock());
    let (mut count, mut printed) = (0_u64, Ok(()));
    view.snapshot()
        .each_name(args.db, prefix, &mut |name, kind| {
            let is_asked_for = args.kind.is_none_or(|asked| asked == kind)
                && pattern.is_none_or(|pattern| glob::matches(pattern, name, Case::Sensitive));
            if is_asked_for {
                count += 1;
                if !args.count {
                    printed = print_name(args, name, &mut out);
                }
            }
            printed.is_ok()
        })?;
    printed?;
    if args.count {
        writeln!(out, "{count}")?;
    }
    out.flush()?;
    Ok(0)
}

fn print_name(args: &ScanArgs, name: &[u8], out: &mut dyn Write) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", jsonl::bytes(name));
    }
    out.write_all(name)?;
    out.write_all(b"\n")
}

/// Print figures of a file, which a server may have open.
///
/// Exit codes: 0 done, 2 wrong usage, 3 the file cannot be read
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// The database file, such as data.keep
    #[arg(long)]
    file: PathBuf,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Runs `stats`.
pub fn stats(args: &StatsArgs) -> ExitCode {
    ended("stats", print_stats(args))
}

fn print_stats(args: &StatsArgs) -> Result<u8, LiveError> {
    let view = view(&args.file)?;
    let figures = figures(&view)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        let fields = figures.into_iter();
        let fields: Map<String, serde_json::Value> =
            fields.map(|(name, value)| (name, json!(value))).collect();
        writeln!(out, "{}", json!(fields))?;
    } else {
        for (name, value) in figures {
            writeln!(out, "{name}: {value}")?;
        }
    }
    out.flush()?;
    Ok(0)
}

/// What is known of a file, by name.
fn figures(view: &View) -> Result<Vec<(String, u64)>, LiveError> {
    let now_ms = super::key_source::wall_ms();
    let (report, is_live) = (view.report().clone(), view.is_live());
    view.with(|keyspace| {
        keyspace.engine.begin_command(OnMiss::Read);
        let mut figures = Vec::new();
        let mut put = |name: &str, value: u64| figures.push((name.to_owned(), value));
        let engine = &keyspace.engine;
        let page_bytes = engine.pager().page_bytes() as u64;
        let meta = engine.checkpoint_state().meta;
        put("live", u64::from(is_live));
        put("page_bytes", page_bytes);
        put("file_pages", meta.pages);
        put("file_bytes", meta.pages * page_bytes);
        let (space, _) = freemap::read(engine.source(), meta.free_map, meta.pages)?;
        put("free_pages", space.free_pages());
        put("checkpoint", meta.checkpoint.seq);
        put("checkpoint_lsn", meta.checkpoint.lsn.0);
        put("checkpoint_age_ms", now_ms.saturating_sub(meta.wall_ms));
        put("last_lsn", report.last_lsn.0);
        put("replayed", report.replayed);
        put("data_bytes", keyspace.used_bytes());
        for db in keyspace.databases_with_keys() {
            put(&format!("db{db}_keys"), keyspace.len(db)?);
            put(&format!("db{db}_expires"), keyspace.expiring(db)?);
        }
        Ok(figures)
    })
}
