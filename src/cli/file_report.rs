//! What a check of an RDB file or an append-only file found, as lines and as JSON.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::storage::check::Severity;

/// Something that is worth telling.
#[derive(Debug)]
struct FileFinding {
    severity: Severity,
    file: PathBuf,
    /// In bytes from the start of the file.
    offset: Option<u64>,
    text: String,
}

/// The end of a part that can be cut off, so that the rest is whole.
#[derive(Clone, Debug)]
pub(super) struct TornEnd {
    pub file: PathBuf,
    pub at: u64,
    pub len: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct FileReport {
    findings: Vec<FileFinding>,
    figures: Vec<(&'static str, u64)>,
    pub torn_end: Option<TornEnd>,
    /// Files that nothing needs any more.
    pub leftovers: Vec<PathBuf>,
}

impl FileReport {
    pub fn add(&mut self, severity: Severity, file: &Path, offset: Option<u64>, text: String) {
        self.findings.push(FileFinding {
            severity,
            file: file.to_path_buf(),
            offset,
            text,
        });
    }

    /// What stands in `file`, which is `len` bytes long, from offset `at` on can be cut off.
    pub fn tear(&mut self, file: &Path, at: u64, len: u64) {
        self.torn_end = Some(TornEnd {
            file: file.to_path_buf(),
            at,
            len: len - at,
        });
    }

    /// Adds to a figure, which may be new.
    pub fn count(&mut self, what: &'static str, count: u64) {
        match self.figures.iter_mut().find(|(name, _)| *name == what) {
            Some((_, sum)) => *sum += count,
            None => self.figures.push((what, count)),
        }
    }

    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether something is damaged that is not the end that can be cut off.
    pub fn has_other_errors(&self) -> bool {
        let is_end = |finding: &FileFinding| {
            let end = self.torn_end.as_ref();
            end.is_some_and(|end| end.file == finding.file && finding.offset == Some(end.at))
        };
        let mut errors = self.findings.iter();
        errors.any(|finding| finding.severity == Severity::Error && !is_end(finding))
    }

    /// The report as lines; `done` is what was changed.
    pub fn lines(&self, result: &str, findings_max: usize, done: &[String]) -> String {
        let mut out = String::new();
        let mut line = |text: &str| writeln!(out, "{text}").expect("written to memory");
        for text in done {
            line(&format!("fixed {text}"));
        }
        for finding in self.findings.iter().take(findings_max) {
            let (severity, file) = (finding.severity, finding.file.display());
            let offset = finding.offset.map(|at| format!(" offset {at}"));
            let offset = offset.unwrap_or_default();
            line(&format!("{severity} {file}{offset}: {}", finding.text));
        }
        let more = self.findings.len().saturating_sub(findings_max);
        if more > 0 {
            line(&format!("and {more} more findings"));
        }
        for (name, value) in &self.figures {
            line(&format!("{name}: {value}"));
        }
        line(&format!("result: {result}"));
        out
    }

    /// The report as one JSON object.
    pub fn json(&self, result: &str, findings_max: usize, done: &[String]) -> String {
        let shown = self.findings.iter().take(findings_max);
        let findings: Vec<Value> = shown
            .map(|finding| {
                json!({
                    "severity": finding.severity.to_string(),
                    "file": finding.file.to_string_lossy(),
                    "offset": finding.offset,
                    "text": finding.text,
                })
            })
            .collect();
        let figures = self.figures.iter();
        let stats: Map<String, Value> = figures
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let report = json!({
            "result": result,
            "fixed": done,
            "findings": findings,
            "suppressed": self.findings.len().saturating_sub(findings_max),
            "stats": stats,
        });
        format!("{report}\n")
    }
}
