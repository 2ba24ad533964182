//! `redkeep dump`: the keys of a file or of a running server as RDB or as lines of JSON.
//!
//! Exit codes: 0 every key is written, 1 failed, 2 the command line cannot be understood, 3 done, but keys were left out.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};

use super::bench::Target;
use super::key_source::wall_ms;
use super::live_file;
use super::remote::{Remote, RemoteError};
use crate::db::DbError;
use crate::interchange::jsonl;
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::encode::{self, Output};
use crate::interchange::rdb::file::{Key, Writer};
use crate::interchange::rdb::payload;
use crate::resp::value::Value;
use crate::storage::replace::replace;
use crate::vfs::OsVfs;

/// What SCAN is asked for at a time.
const SCAN_COUNT: &str = "256";

const LEFT_OUT: u8 = 3;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    #[default]
    Rdb,
    Jsonl,
}

/// Write the keys of a database as an RDB file or as lines of JSON.
///
/// A file is written as it is at one moment, whether or not a server has it open. From a server keys come one after the other, by SCAN and DUMP.
///
/// Exit codes: 0 every key is written, 1 failed, 2 wrong usage, 3 done, but keys were left out
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("source").required(true).args(["file", "addr"]))]
#[group(skip)]
pub struct DumpArgs {
    /// The database file; a server may have it open
    #[arg(long)]
    file: Option<PathBuf>,
    /// A running server, Redis 7.0 or newer: HOST:PORT, or the path of a unix socket
    #[arg(long)]
    addr: Option<Target>,
    /// Password for AUTH
    #[arg(long, requires = "addr")]
    password: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Where it is written, whole or not at all; standard output without it
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Version of the RDB file: 10 to 12
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(10..=12))]
    rdb_version: Option<u16>,
}

/// Why keys were not written.
#[derive(Debug, thiserror::Error)]
enum DumpError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("{target}: {error}")]
    Remote { target: Target, error: RemoteError },
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("an RDB file is nothing for a terminal: name an --output")]
    Terminal,
}

/// Runs the subcommand.
pub fn run(args: &DumpArgs) -> ExitCode {
    match dump(args) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(skipped) => {
            eprintln!(
                "redkeep dump: {skipped} keys were left out: their values are not known here"
            );
            ExitCode::from(LEFT_OUT)
        }
        Err(error) => {
            eprintln!("redkeep dump: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Writes everything; how many keys were left out.
fn dump(args: &DumpArgs) -> Result<u64, DumpError> {
    let mut skipped = 0;
    let mut fill = |out: &mut dyn Write| match (&args.file, &args.addr) {
        (Some(path), _) => from_file(args, path, out).map_err(io::Error::other),
        (None, Some(target)) => from_server(args, target, out)
            .map(|left_out| skipped = left_out)
            .map_err(io::Error::other),
        (None, None) => unreachable!("one of the two is required"),
    };
    match &args.output {
        Some(path) => replace(&OsVfs, path, &mut fill)?,
        None if args.format == Format::Rdb && io::stdout().is_terminal() => {
            return Err(DumpError::Terminal);
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            fill(&mut out)?;
            out.flush()?;
        }
    }
    Ok(skipped)
}

fn from_file(args: &DumpArgs, path: &Path, out: &mut dyn Write) -> Result<(), DumpError> {
    let view = live_file::view(path)?;
    let snapshot = view.snapshot();
    match args.format {
        Format::Rdb => {
            let has_fields = view.with(|keyspace| keyspace.has_expiring_fields());
            let version = args.rdb_version.unwrap_or(if has_fields { 12 } else { 11 });
            snapshot.write_rdb(version, out, &mut |_| {})?;
        }
        Format::Jsonl => {
            let mut outcome = Ok(());
            snapshot.each_key(&mut |key| {
                outcome = jsonl::write(key, out);
                outcome.is_ok()
            })?;
            outcome?;
        }
    }
    Ok(())
}

fn from_server(args: &DumpArgs, target: &Target, out: &mut dyn Write) -> Result<u64, DumpError> {
    let failed = |error| DumpError::Remote {
        target: target.clone(),
        error,
    };
    let mut remote = Remote::connect(target, args.password.as_deref()).map_err(failed)?;
    let theirs = remote.rdb_version().map_err(failed)?;
    let version = args.rdb_version.unwrap_or(theirs);
    let databases = databases(&mut remote).map_err(failed)?;
    let mut skipped = 0;
    if args.format == Format::Jsonl {
        for (db, _, _) in databases {
            skipped +=
                each_key(&mut remote, db, &mut |key| jsonl::write(key, out)).map_err(failed)?;
        }
        return Ok(skipped);
    }
    let mut writer = Writer::begin(Output::new(out, true), version, true)?;
    writer.aux("redis-ver", b"7.4.0")?;
    writer.aux("redis-bits", b"64")?;
    writer.aux("ctime", (wall_ms() / 1000).to_string().as_bytes())?;
    for (db, keys, expiring) in databases {
        writer.database(db, keys, expiring)?;
        skipped += each_key(&mut remote, db, &mut |key| {
            let Decoded::Value(value) = &key.value else {
                return Ok(());
            };
            writer.key(&key.name, encode::kind_of(value, version), key.expires_ms)?;
            encode::value(&mut writer.out, value, version)
        })
        .map_err(failed)?;
    }
    writer.end()?;
    Ok(skipped)
}

/// The databases that have keys, with the numbers of keys and of those that expire.
fn databases(remote: &mut Remote) -> Result<Vec<(u32, u64, u64)>, RemoteError> {
    let Value::Bulk(info) = remote.call(&["INFO", "keyspace"])? else {
        return Err(RemoteError::Unexpected("INFO"));
    };
    let line = |line: &str| {
        let (db, rest) = line.strip_prefix("db")?.split_once(':')?;
        let field = |name: &str| -> Option<u64> {
            let mut fields = rest.split(',');
            fields.find_map(|field| field.strip_prefix(name)?.parse().ok())
        };
        Some((db.parse().ok()?, field("keys=")?, field("expires=")?))
    };
    Ok(String::from_utf8_lossy(&info)
        .lines()
        .filter_map(line)
        .collect())
}

/// Hands every key of a database to `put`, once; how many were left out.
fn each_key(
    remote: &mut Remote,
    db: u32,
    put: &mut dyn FnMut(&Key) -> io::Result<()>,
) -> Result<u64, RemoteError> {
    remote.call(&["SELECT", &db.to_string()])?;
    // SCAN may name a key twice, and a file must not.
    let (mut seen, mut skipped) = (BTreeSet::new(), 0);
    let mut cursor = b"0".to_vec();
    loop {
        let words: [&[u8]; 4] = [b"SCAN", &cursor, b"COUNT", SCAN_COUNT.as_bytes()];
        let Value::Array(reply) = remote.call(&words)? else {
            return Err(RemoteError::Unexpected("SCAN"));
        };
        let Ok([Value::Bulk(next), Value::Array(names)]) = <[Value; 2]>::try_from(reply) else {
            return Err(RemoteError::Unexpected("SCAN"));
        };
        let mut asked = Vec::new();
        for name in names {
            let Value::Bulk(name) = name else {
                return Err(RemoteError::Unexpected("SCAN"));
            };
            if seen.insert(name.clone()) {
                remote.ask(&[b"PEXPIRETIME", &name[..]]);
                remote.ask(&[b"DUMP", &name[..]]);
                asked.push(name);
            }
        }
        for name in asked {
            let (expires, payload) = (remote.answer()?, remote.answer()?);
            match key_of(db, name, expires, payload)? {
                Some(key) if matches!(key.value, Decoded::Skipped(_)) => skipped += 1,
                Some(key) => put(&key)?,
                // It is gone meanwhile.
                None => {}
            }
        }
        if next == b"0" {
            return Ok(skipped);
        }
        cursor = next;
    }
}

fn key_of(
    db: u32,
    name: Vec<u8>,
    expires: Value,
    payload: Value,
) -> Result<Option<Key>, RemoteError> {
    let refused = |command: &str, text: String| RemoteError::Refused {
        command: format!("{command} {}", name.escape_ascii()),
        text,
    };
    let expires_ms = match expires {
        Value::Int(ms) => u64::try_from(ms).ok(),
        Value::Error(text) => return Err(refused("PEXPIRETIME", text)),
        _ => return Err(RemoteError::Unexpected("PEXPIRETIME")),
    };
    let bytes = match payload {
        Value::Bulk(bytes) => bytes,
        Value::Nil => return Ok(None),
        Value::Error(text) => return Err(refused("DUMP", text)),
        _ => return Err(RemoteError::Unexpected("DUMP")),
    };
    let value = payload::open(&bytes)
        .and_then(payload::read)
        .map_err(|error| refused("DUMP", error.to_string()))?;
    Ok(Some(Key {
        db: u64::from(db),
        name,
        value,
        expires_ms,
        idle_s: None,
        frequency: None,
    }))
}
