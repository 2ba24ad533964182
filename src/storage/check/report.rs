//! What a check found.

use std::fmt;
use std::path::PathBuf;

use super::invariant::Invariant;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// What a crash leaves and the next open puts right.
    Note,
    /// Nothing is lost, and something is not as it should be: lost space, a lost spare copy.
    Warning,
    /// Data is damaged, or the file does not open.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// One violation of one invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub invariant: Invariant,
    pub severity: Severity,
    /// The file it is in.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub offset: Option<u64>,
    pub page: Option<u64>,
    /// The key, or the first of the keys, that it concerns; not UTF-8 is replaced, long keys are cut.
    pub key: Option<String>,
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.severity,
            self.invariant,
            self.file.display()
        )?;
        if let Some(page) = self.page {
            write!(f, " page {page}")?;
        }
        if let Some(offset) = self.offset {
            write!(f, " offset {offset}")?;
        }
        if let Some(key) = &self.key {
            write!(f, " key {key:?}")?;
        }
        write!(f, ": {}", self.text)
    }
}

/// How much a check looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckStats {
    pub page_bytes: u64,
    /// Pages that the newest checkpoint counts.
    pub pages: u64,
    /// Pages that it reaches and that were read.
    pub pages_read: u64,
    pub pages_free: u64,
    /// Pages that are neither reached nor free.
    pub pages_lost: u64,
    pub trees: u64,
    pub entries: u64,
    pub blobs: u64,
    /// The last transaction of the checkpoint.
    pub checkpoint_lsn: u64,
    /// The last transaction of the log.
    pub last_lsn: u64,
    /// Transactions of the log behind the checkpoint.
    pub records: u64,
    pub log_bytes: u64,
}

/// The result of a check.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order in which they were met; not more than [`super::CheckOptions::findings_max`].
    pub findings: Vec<Finding>,
    /// Findings that there was no room for.
    pub suppressed: u64,
    /// The worst of all findings, suppressed ones counted.
    pub worst: Option<Severity>,
    pub stats: CheckStats,
}

impl Report {
    /// Whether nothing but notes was found.
    pub fn is_healthy(&self) -> bool {
        self.worst.is_none_or(|w| w == Severity::Note)
    }

    /// Whether a finding violates `invariant`.
    pub fn names(&self, invariant: Invariant) -> bool {
        self.findings.iter().any(|f| f.invariant == invariant)
    }

    pub(super) fn add(&mut self, findings_max: usize, finding: Finding) {
        self.worst = self.worst.max(Some(finding.severity));
        if self.findings.len() < findings_max {
            self.findings.push(finding);
        } else {
            self.suppressed += 1;
        }
    }
}
