//! `redkeep check`: verifies a database, whether or not a server has it open, an RDB file or an append-only file.
//!
//! Exit codes: 0 healthy, 1 warnings, 2 errors, 3 the file cannot be checked.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value, json};

use super::check_files::Subject;
use super::{live_file, repair};
use crate::db::DbError;
use crate::db::view::hold;
use crate::storage::check::{
    CheckError, CheckOptions, CheckProgress, Finding, Report, Severity, check,
};

/// Verify a database file and its log as they are at one moment, also while a server has them open, an RDB file, or an
/// append-only file.
///
/// What it is, its bytes say. Nothing is written without --fix. That cuts off what a crash left at the end of the last part
/// of an append-only file, a half transaction whole, keeps the bytes in a file beside, and removes files that rewrites
/// left. Damage before the end, and damage to an RDB file, is named and left as it is. Of a database nothing is changed:
/// opening it mends what a crash leaves.
///
/// Exit codes: 0 healthy, 1 warnings, 2 errors, 3 the file cannot be checked
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The database, such as data.keep; or dump.rdb, appendonlydir, its manifest, appendonly.aof
    file: PathBuf,
    /// Cut off what a crash left at the end of an append-only file
    #[arg(long)]
    fix: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Findings that are shown; the others are counted
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_findings: usize,
}

const WARNINGS: u8 = 1;
const ERRORS: u8 = 2;
const UNUSABLE: u8 = 3;

/// Columns of the progress bar.
const BAR_COLUMNS: u64 = 40;

/// What --fix says of a database.
const DATABASE_NOT_FIXED: &str = "--fix changes nothing of a database. Opening it mends a damaged copy of a meta and \
     cuts the torn end of its log; damaged pages, and damage inside its log, need a backup. Without one, \
     `redkeep salvage` takes what can be read into a new file";
/// What --fix says of an RDB file.
const RDB_NOT_FIXED: &str =
    "--fix changes nothing of an RDB file: behind damage nothing of it can be told";

/// Runs the subcommand.
pub fn run(args: &CheckArgs) -> ExitCode {
    let (out, code) = match Subject::find(&args.file) {
        Ok(Some(subject)) => check_files(args, &subject).unwrap_or_else(|e| unusable(args, &e)),
        Ok(None) => check_database(args),
        Err(error) => unusable(args, &error),
    };
    // A reader that went away has what it wanted; the exit code tells the rest.
    io::stdout().write_all(out.as_bytes()).unwrap_or_default();
    ExitCode::from(code)
}

/// What is said of a file that cannot be checked.
fn unusable(args: &CheckArgs, error: &dyn std::fmt::Display) -> (String, u8) {
    if args.json {
        let report = json!({"result": "unusable", "error": error.to_string()});
        return (format!("{report}\n"), UNUSABLE);
    }
    eprintln!("redkeep check: {error}");
    (String::new(), UNUSABLE)
}

fn check_files(args: &CheckArgs, subject: &Subject) -> io::Result<(String, u8)> {
    let mut report = subject.check()?;
    let mut done = Vec::new();
    match subject {
        Subject::AppendOnly(file) if args.fix => {
            done = repair::fix(&report, file)?;
            if !done.is_empty() {
                report = subject.check()?;
            }
        }
        Subject::Rdb(_) if args.fix => eprintln!("redkeep check: {RDB_NOT_FIXED}"),
        _ => {}
    }
    let (result, code) = verdict(report.worst());
    let out = if args.json {
        report.json(result, args.max_findings, &done)
    } else {
        report.lines(result, args.max_findings, &done)
    };
    Ok((out, code))
}

fn check_database(args: &CheckArgs) -> (String, u8) {
    if args.fix {
        eprintln!("redkeep check: {DATABASE_NOT_FIXED}");
    }
    let options = CheckOptions {
        findings_max: args.max_findings,
    };
    let mut bar = Bar::new(io::stderr().is_terminal() && !args.json);
    let checked = checked(&args.file, &options, &mut |progress| bar.show(progress));
    bar.clear();
    match &checked {
        Ok(report) => {
            let (result, code) = verdict(report.worst);
            let out = if args.json {
                report_json(report, result)
            } else {
                report_lines(report, result)
            };
            (out, code)
        }
        Err(error) => unusable(args, error),
    }
}

/// Checks a database as it is at one moment, beside the server that has it open, if one has.
fn checked(
    path: &Path,
    options: &CheckOptions,
    on_progress: &mut dyn FnMut(CheckProgress),
) -> Result<Report, CannotCheck> {
    let beside = hold(path, &live_file::view_options())?;
    Ok(check(beside.vfs(), path, options, on_progress)?)
}

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
enum CannotCheck {
    #[error(transparent)]
    Hold(#[from] DbError),
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// What is said of the worst that was found, and the exit code.
fn verdict(worst: Option<Severity>) -> (&'static str, u8) {
    match worst {
        Some(Severity::Error) => ("errors", ERRORS),
        Some(Severity::Warning) => ("warnings", WARNINGS),
        Some(Severity::Note) | None => ("healthy", 0),
    }
}

/// The figures of a report, by name.
fn figures(report: &Report) -> [(&'static str, u64); 12] {
    let stats = &report.stats;
    [
        ("page_bytes", stats.page_bytes),
        ("pages", stats.pages),
        ("pages_read", stats.pages_read),
        ("pages_free", stats.pages_free),
        ("pages_lost", stats.pages_lost),
        ("trees", stats.trees),
        ("entries", stats.entries),
        ("blobs", stats.blobs),
        ("checkpoint_lsn", stats.checkpoint_lsn),
        ("last_lsn", stats.last_lsn),
        ("log_records", stats.records),
        ("log_bytes", stats.log_bytes),
    ]
}

fn report_lines(report: &Report, result: &str) -> String {
    let mut out = String::new();
    let mut line = |text: &str| writeln!(out, "{text}").expect("written to memory");
    for finding in &report.findings {
        line(&finding.to_string());
    }
    if report.suppressed > 0 {
        line(&format!("and {} more findings", report.suppressed));
    }
    for (name, value) in figures(report) {
        line(&format!("{name}: {value}"));
    }
    line(&format!("result: {result}"));
    out
}

fn report_json(report: &Report, result: &str) -> String {
    let findings: Vec<Value> = report.findings.iter().map(finding_json).collect();
    let figures = figures(report).into_iter();
    let stats: Map<String, Value> = figures
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    let report = json!({
        "result": result,
        "findings": findings,
        "suppressed": report.suppressed,
        "stats": stats,
    });
    format!("{report}\n")
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "invariant": finding.invariant.to_string(),
        "title": finding.invariant.title(),
        "severity": finding.severity.to_string(),
        "file": finding.file.to_string_lossy(),
        "offset": finding.offset,
        "page": finding.page,
        "key": finding.key,
        "text": finding.text,
    })
}

/// A bar on the terminal, drawn over itself.
struct Bar {
    is_on: bool,
    drawn: bool,
}

impl Bar {
    fn new(is_on: bool) -> Self {
        Self {
            is_on,
            drawn: false,
        }
    }

    fn show(&mut self, progress: CheckProgress) {
        if !self.is_on || progress.pages_total == 0 {
            return;
        }
        let share = progress.pages.min(progress.pages_total);
        let done = u128::from(share) * u128::from(BAR_COLUMNS) / u128::from(progress.pages_total);
        let done = done as usize;
        let rest = BAR_COLUMNS as usize - done;
        eprint!(
            "\r[{}{}] {} of {} pages",
            "#".repeat(done),
            ".".repeat(rest),
            progress.pages,
            progress.pages_total
        );
        self.drawn = true;
    }

    fn clear(&self) {
        if self.drawn {
            eprint!("\r\x1b[K");
        }
    }
}
