//! `redkeep check`: verifies a database that no server has open.
//!
//! Exit codes: 0 healthy, 1 warnings, 2 errors, 3 the file cannot be checked.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::json;
use crate::storage::check::{CheckOptions, CheckProgress, Finding, Report, Severity, check};
use crate::vfs::OsVfs;

/// Verify a database file and its log, reading only; no server may have it open.
///
/// Exit codes: 0 healthy, 1 warnings, 2 errors, 3 the file cannot be checked
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The database, such as data.keep
    file: PathBuf,
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

/// Runs the subcommand.
pub fn run(args: &CheckArgs) -> ExitCode {
    let options = CheckOptions {
        findings_max: args.max_findings,
    };
    let mut bar = Bar::new(io::stderr().is_terminal() && !args.json);
    let checked = check(&OsVfs, &args.file, &options, &mut |progress| {
        bar.show(progress);
    });
    bar.clear();
    let (out, code) = match &checked {
        Ok(report) if args.json => (report_json(report), exit_code(report)),
        Ok(report) => (report_lines(report), exit_code(report)),
        Err(e) if args.json => {
            let error = json::text(&e.to_string());
            (
                format!("{{\"result\":\"unusable\",\"error\":{error}}}\n"),
                UNUSABLE,
            )
        }
        Err(e) => {
            eprintln!("redkeep check: {e}");
            (String::new(), UNUSABLE)
        }
    };
    // A reader that went away has what it wanted; the exit code tells the rest.
    io::stdout().write_all(out.as_bytes()).unwrap_or_default();
    ExitCode::from(code)
}

fn exit_code(report: &Report) -> u8 {
    match report.worst {
        Some(Severity::Error) => ERRORS,
        Some(Severity::Warning) => WARNINGS,
        Some(Severity::Note) | None => 0,
    }
}

fn result_of(report: &Report) -> &'static str {
    match report.worst {
        Some(Severity::Error) => "errors",
        Some(Severity::Warning) => "warnings",
        Some(Severity::Note) | None => "healthy",
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

fn report_lines(report: &Report) -> String {
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
    line(&format!("result: {}", result_of(report)));
    out
}

fn report_json(report: &Report) -> String {
    let findings: Vec<String> = report.findings.iter().map(finding_json).collect();
    let stats: Vec<String> = figures(report)
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!(
        "{{\"result\":\"{}\",\"findings\":[{}],\"suppressed\":{},\"stats\":{{{}}}}}\n",
        result_of(report),
        findings.join(","),
        report.suppressed,
        stats.join(",")
    )
}

fn finding_json(finding: &Finding) -> String {
    let number = |n: Option<u64>| n.map_or("null".to_owned(), |n| n.to_string());
    let key = finding.key.as_deref().map(json::text);
    format!(
        "{{\"invariant\":\"{}\",\"title\":{},\"severity\":\"{}\",\"file\":{},\"offset\":{},\"page\":{},\"key\":{},\"text\":{}}}",
        finding.invariant,
        json::text(finding.invariant.title()),
        finding.severity,
        json::text(&finding.file.to_string_lossy()),
        number(finding.offset),
        number(finding.page),
        key.unwrap_or("null".to_owned()),
        json::text(&finding.text)
    )
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
