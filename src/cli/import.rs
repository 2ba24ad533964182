//! `redkeep import`: keys out of an RDB file, an append-only file or lines of JSON into a database file or a running
//! server. The commands of an append-only file are carried out in a database of their own, and its keys are taken.
//!
//! Exit codes: 0 every key is in, 1 failed, 2 the command line cannot be understood, 3 done, but keys were left out.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgGroup, Args, ValueEnum};
use serde_json::json;

use super::append_only::{AppendOnly, AppendOnlyError, Manner, Origin, Played, Torn};
use super::bench::Target;
use super::key_source::{Census, KeySource};
use super::moment::Moment;
use super::new_file::{self, DATABASES_MAX, Filling, NewFileError};
use super::remote::{Remote, RemoteError};
use super::scratch::Scratch;
use super::seed::{compile, put_libraries};
use crate::command::settings;
use crate::config::Config;
use crate::db::{Db, DbError, Options, PAGE_BYTES, Sync};
use crate::interchange::load::{self, LoadError, Summary};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file::Key;
use crate::interchange::rdb::payload;
use crate::keyspace::{Keyspace, Look};
use crate::resp::value::Value;
use crate::storage::open::log_path;
use crate::storage::{OnMiss, Plan};

/// Keys that the kernel gets together.
const KEYS_TOGETHER: u64 = 256;
/// Requests, and bytes of them, that a server gets together.
const REQUESTS_TOGETHER: u64 = 256;
const REQUEST_BYTES: usize = 1 << 20;

const LEFT_OUT: u8 = 3;

/// Put the keys of an RDB file, an append-only file or lines of JSON into a database.
///
/// Exit codes: 0 every key is in, 1 failed, 2 wrong usage, 3 done, but keys were left out
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("destination").required(true).args(["target", "addr"]))]
#[group(skip)]
pub struct ImportArgs {
    /// dump.rdb, appendonlydir or its manifest, appendonly.aof, or what `redkeep dump --format jsonl` wrote
    file: PathBuf,
    /// The database file, made if it is not there; no server may have it open
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    /// A running server: HOST:PORT, or the path of a unix socket
    #[arg(long)]
    addr: Option<Target>,
    /// Password for AUTH
    #[arg(long, requires = "addr")]
    password: Option<String>,
    /// Only keys of this database
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..DATABASES_MAX))]
    db: Option<u64>,
    /// Put keys in the place of those that are there; without it those stay
    #[arg(long)]
    replace: bool,
    /// An append-only file as it was at this moment, by its time stamps: 2026-11-20T10:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Whether a command or transaction that is cut at the end of an append-only file is left out; `no`: an error
    #[arg(long, value_enum, value_name = "YES|NO", default_value_t = YesNo::Yes, hide_possible_values = true)]
    aof_load_truncated: YesNo,
    /// Read the file to its end and change nothing
    #[arg(long)]
    dry_run: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

/// Why keys were not imported.
#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("{0}. Nothing was imported")]
    AppendOnly(#[from] AppendOnlyError),
    #[error("--until is for append-only files, and this is none")]
    NoMoments,
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Storage(#[from] crate::storage::Error),
    #[error(transparent)]
    NewFile(#[from] NewFileError),
    #[error("{target}: {error}")]
    Remote { target: Target, error: RemoteError },
}

/// What was left out because it is there.
#[derive(Clone, Copy, Debug, Default)]
struct Existing {
    keys: u64,
    libraries: u64,
}

/// What was in the file, and what became of it.
struct Imported {
    census: Census,
    existing: Existing,
    /// Of an append-only file.
    played: Option<Played>,
}

/// Runs the subcommand.
pub fn run(args: &ImportArgs) -> ExitCode {
    match import(args) {
        Ok(imported) => {
            let out = report(args, &imported);
            // A reader that went away has what it wanted; the exit code tells the rest.
            io::stdout().write_all(out.as_bytes()).unwrap_or_default();
            let skipped = imported.census.summary.skipped.values().sum::<u64>();
            let refused = imported.played.map_or(0, |played| played.refused);
            let existing = imported.existing;
            let left_out = existing.keys + existing.libraries + skipped + refused;
            ExitCode::from(if left_out > 0 { LEFT_OUT } else { 0 })
        }
        Err(error) => {
            // A part of an append-only file is named where it is meant.
            let is_named = match &error {
                ImportError::AppendOnly(error) => !matches!(error, AppendOnlyError::NoTimes),
                _ => false,
            };
            let file = match is_named {
                true => String::new(),
                false => format!("{}: ", args.file.display()),
            };
            eprintln!("redkeep import: {file}{error}");
            ExitCode::FAILURE
        }
    }
}

fn import(args: &ImportArgs) -> Result<Imported, ImportError> {
    let Some(file) = AppendOnly::find(&args.file)? else {
        if args.until.is_some() {
            return Err(ImportError::NoMoments);
        }
        let source = KeySource::file(&args.file, args.db);
        let (census, existing) = import_keys(args, &source)?;
        let played = None;
        return Ok(Imported {
            census,
            existing,
            played,
        });
    };
    let scratch = match &args.target {
        Some(target) if !args.dry_run => Scratch::beside(target)?,
        _ => Scratch::temporary()?,
    };
    let manner = Manner {
        until_ms: args.until.map(|moment| moment.0),
        takes_torn: args.aof_load_truncated == YesNo::Yes,
    };
    let played = scratch.play(&file, manner)?;
    let source = KeySource::database(&scratch.db, args.db);
    let is_whole = args.db.is_none() && !args.dry_run;
    let (mut census, existing) = match &args.target {
        Some(target) if is_whole && !target.exists() => {
            let log = log_path(target);
            if log.exists() {
                return Err(NewFileError::LogAlone(log.display().to_string()).into());
            }
            let census = source.read("Checking", &mut |_, _| Ok(()))?;
            drop(source);
            scratch.become_target(target)?;
            (census, Existing::default())
        }
        _ => import_keys(args, &source)?,
    };
    // What was left out on the way into the database that the keys were taken from.
    census.summary.add(Summary {
        keys: 0,
        functions: Vec::new(),
        ..played.summary.clone()
    });
    Ok(Imported {
        census,
        existing,
        played: Some(played),
    })
}

/// What the source has, and what was left out because it is there. A damaged one changes nothing: it is read twice, and
/// once where a new file is filled, which then is removed.
fn import_keys(args: &ImportArgs, source: &KeySource) -> Result<(Census, Existing), ImportError> {
    if let Some(path) = &args.target
        && !args.dry_run
        && !path.exists()
    {
        let filling = Filling {
            page_bytes: PAGE_BYTES,
            databases: DATABASES_MAX,
            limits: None,
            // They belong to no database.
            with_libraries: args.db.is_none(),
        };
        let census = new_file::fill(path, source, &filling)?;
        return Ok((census, Existing::default()));
    }
    let mut census = source
        .read("Checking", &mut |_, _| Ok(()))
        .map_err(NewFileError::Source)?;
    if census.db_max >= DATABASES_MAX {
        return Err(NewFileError::database(census.db_max, DATABASES_MAX).into());
    }
    if args.db.is_some() {
        // They belong to no database.
        census.summary.functions.clear();
    }
    let existing = match (&args.target, &args.addr) {
        _ if args.dry_run => Existing::default(),
        (Some(path), _) => into_file(args, source, path, &census)?,
        (None, Some(target)) => into_server(args, source, target, &census)?,
        (None, None) => unreachable!("one of the two is required"),
    };
    Ok((census, existing))
}

/// The database at `path`, as it is opened to be filled.
fn open_target(path: &Path, db_max: u64, cache_bytes: u64) -> Result<Db, ImportError> {
    let mut options = Options {
        sync: Sync::Manual,
        cache_bytes,
        ..Options::default()
    };
    options.databases = options.databases.max(db_max as u32 + 1);
    Ok(Db::open(path, options)?)
}

fn into_file(
    args: &ImportArgs,
    source: &KeySource,
    path: &Path,
    census: &Census,
) -> Result<Existing, ImportError> {
    let cache_bytes = super::server::cache_bytes(&Config::default());
    let db = open_target(path, census.db_max, cache_bytes)?;
    let codes = &census.summary.functions;
    let compiled = compile(codes, db.server());
    let mut libraries = compiled.map_err(NewFileError::Library)?;
    let mut existing = 0;
    put_keys(&db, source, &mut |keyspace, key| {
        if args.replace {
            return Ok(true);
        }
        keyspace.engine.begin_command(OnMiss::Read);
        let found = keyspace.lookup(key.db as u32, &key.name, source.now_ms, Look::UNSEEN)?;
        existing += u64::from(found.is_some());
        Ok(found.is_none())
    })?;
    let mut existing = Existing {
        keys: existing,
        libraries: 0,
    };
    if !args.replace {
        let there = db.keyspace().libraries()?;
        let found = libraries.len();
        libraries.retain(|library| there.iter().all(|(name, _)| *name != library.name));
        existing.libraries = (found - libraries.len()) as u64;
    }
    put_libraries(&mut db.keyspace(), &libraries)?;
    db.settle()?;
    db.close()?;
    Ok(existing)
}

/// Puts the keys of the source that `takes` says are to be put.
fn put_keys(
    db: &Db,
    source: &KeySource,
    takes: &mut dyn FnMut(&mut Keyspace, &Key) -> Result<bool, LoadError>,
) -> Result<Census, LoadError> {
    let limits = settings::import_limits(db.server());
    let mut done = 0_u64;
    source.read("Importing", &mut |at: u64, key: &Key| {
        let mut keyspace = db.keyspace();
        if !takes(&mut keyspace, key)? {
            return Ok(());
        }
        let plan = Plan::Savepoint;
        load::put(&mut keyspace, at, key, source.now_ms, &limits, plan)?;
        drop(keyspace);
        done += 1;
        if done.is_multiple_of(KEYS_TOGETHER) {
            db.settle()
                .map_err(|error| LoadError::Refused(error.to_string()))?;
        }
        Ok(())
    })
}

fn into_server(
    args: &ImportArgs,
    source: &KeySource,
    target: &Target,
    census: &Census,
) -> Result<Existing, ImportError> {
    let failed = |error| ImportError::Remote {
        target: target.clone(),
        error,
    };
    let remote = Remote::connect(target, args.password.as_deref()).map_err(failed)?;
    let mut restorer = Restorer {
        remote,
        version: 10,
        replace: args.replace,
        db: None,
        asked: 0,
        existing: Existing::default(),
    };
    restorer.version = restorer.remote.rdb_version().map_err(failed)?;
    source.read("Importing", &mut |_, key| {
        restorer
            .put(key)
            .map_err(|error| LoadError::Refused(error.to_string()))
    })?;
    restorer.settle().map_err(failed)?;
    for code in &census.summary.functions {
        restorer.put_library(code).map_err(failed)?;
    }
    Ok(restorer.existing)
}

/// Sends keys as RESTORE, many at a time.
struct Restorer {
    remote: Remote,
    version: u16,
    replace: bool,
    /// The database that is selected.
    db: Option<u64>,
    /// Requests without a reply.
    asked: u64,
    existing: Existing,
}

impl Restorer {
    fn put(&mut self, key: &Key) -> Result<(), RemoteError> {
        let Decoded::Value(value) = &key.value else {
            return Ok(());
        };
        if self.db != Some(key.db) {
            self.settle()?;
            self.remote.call(&["SELECT", &key.db.to_string()])?;
            self.db = Some(key.db);
        }
        let expires_ms = key.expires_ms.unwrap_or(0).to_string();
        let payload = payload::write(value, self.version, true);
        let mut words: Vec<&[u8]> = vec![
            b"RESTORE",
            &key.name,
            expires_ms.as_bytes(),
            &payload,
            b"ABSTTL",
        ];
        if self.replace {
            words.push(b"REPLACE");
        }
        self.remote.ask(&words);
        self.asked += 1;
        if self.asked >= REQUESTS_TOGETHER || self.remote.queued_bytes() >= REQUEST_BYTES {
            self.settle()?;
        }
        Ok(())
    }

    fn put_library(&mut self, code: &[u8]) -> Result<(), RemoteError> {
        let mut words: Vec<&[u8]> = vec![b"FUNCTION", b"LOAD"];
        if self.replace {
            words.push(b"REPLACE");
        }
        words.push(code);
        self.remote.ask(&words);
        match self.remote.answer()? {
            Value::Error(text) if text.ends_with("already exists") => self.existing.libraries += 1,
            Value::Error(text) => {
                return Err(RemoteError::Refused {
                    command: "FUNCTION LOAD".to_owned(),
                    text,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes the replies that are missing.
    fn settle(&mut self) -> Result<(), RemoteError> {
        for _ in 0..std::mem::take(&mut self.asked) {
            match self.remote.answer()? {
                Value::Error(text) if text.starts_with("BUSYKEY") => self.existing.keys += 1,
                Value::Error(text) => {
                    return Err(RemoteError::Refused {
                        command: "RESTORE".to_owned(),
                        text,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn report(args: &ImportArgs, imported: &Imported) -> String {
    let Imported {
        census,
        existing,
        played,
    } = imported;
    let summary = &census.summary;
    let libraries = summary.functions.len() as u64 - existing.libraries;
    if args.json {
        let mut report = json!({
            "dry_run": args.dry_run,
            "keys": summary.keys - existing.keys,
            "types": census.types,
            "existing": existing.keys,
            "expired": summary.expired,
            "skipped": summary.skipped,
            "module_fields": summary.module_fields,
            "libraries": libraries,
            "existing_libraries": existing.libraries,
        });
        if let Some(played) = played {
            report["append_only"] = played_json(played);
        }
        return format!("{report}\n");
    }
    let mut out = String::new();
    let mut line = |what: &str, count: u64| {
        writeln!(out, "{what}: {count}").expect("written to memory");
    };
    let verb = if args.dry_run { "readable" } else { "imported" };
    line(verb, summary.keys - existing.keys);
    for (kind, count) in &census.types {
        line(&format!("type {kind}"), *count);
    }
    line("libraries of functions", libraries);
    line("expired", summary.expired);
    line("existing, left as they are", existing.keys);
    if existing.libraries > 0 {
        line("existing libraries, left as they are", existing.libraries);
    }
    for (what, count) in &summary.skipped {
        line(&format!("skipped, {what}"), *count);
    }
    for (what, count) in &summary.module_fields {
        line(&format!("skipped, fields of module {what}"), *count);
    }
    if let Some(played) = played {
        line("commands carried out", played.commands);
        if played.refused > 0 {
            line("commands answered with an error", played.refused);
        }
        write_played(&mut out, played).expect("written to memory");
    }
    out
}

fn write_played(out: &mut String, played: &Played) -> std::fmt::Result {
    if let Some(last_ms) = played.last_ms {
        writeln!(out, "last time stamp: {}", Moment(last_ms))?;
    }
    if let Some(torn) = &played.torn {
        let Torn {
            path,
            at,
            len,
            tail,
        } = torn;
        let path = path.display();
        writeln!(
            out,
            "left out: {path} ends {tail} at offset {at}: {len} bytes"
        )?;
    }
    if let Some(origin) = &played.origin {
        let Origin {
            identity,
            lsn,
            commands_behind,
        } = origin;
        writeln!(
            out,
            "written by: database {identity}, up to its transaction {lsn}"
        )?;
        if *commands_behind > 0 {
            writeln!(
                out,
                "commands that it did not write, of another server: {commands_behind}"
            )?;
        }
    }
    Ok(())
}

fn played_json(played: &Played) -> serde_json::Value {
    let torn = played.torn.as_ref().map(|torn| {
        let file = torn.path.display().to_string();
        json!({"file": file, "offset": torn.at, "bytes": torn.len})
    });
    let origin = played.origin.as_ref().map(|origin| {
        json!({
            "identity": origin.identity,
            "lsn": origin.lsn,
            "commands_behind": origin.commands_behind,
        })
    });
    json!({
        "commands": played.commands,
        "refused": played.refused,
        "last_time_stamp_ms": played.last_ms,
        "torn": torn,
        "origin": origin,
    })
}
