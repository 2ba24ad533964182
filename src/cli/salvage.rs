//! `redkeep salvage`: every readable key of a damaged file becomes a new file, and what is missing is named.
//!
//! Exit codes: 0 nothing is missing, 1 something is missing or may be older, 2 wrong usage, 3 there is no new file.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::progress::Progress;
use crate::config::Config;
use crate::db::salvage::{self, Gone, MissingKeys, Partial, Salvaged, Scanned};
use crate::interchange::jsonl::bytes;
use crate::storage::salvage::{LogFate, SalvageProgress};

/// Take every readable key out of a damaged database, and name what is missing.
///
/// BROKEN and its log are read and never changed; no server may have it open. The new file is a database of its own: it
/// is there whole, or not at all. Keys keep their databases, times of expiry and forms; keys that are due stay what
/// they are. What cannot be read is named: pages, keys, ranges of keys, transactions of the log. Where a page that
/// leads to others is damaged, all pages are read in search of them; what is found so is named, for it may be older than the
/// last commit. A collection of which elements are missing keeps the others.
///
/// Exit codes: 0 nothing is missing, 1 something is missing or may be older, 2 wrong usage, 3 there is no new file
#[derive(Debug, Args)]
pub struct SalvageArgs {
    /// The damaged database, such as data.keep; its log is read from beside it
    broken: PathBuf,
    /// The new database; nothing may be there
    out: PathBuf,
    /// One JSON object instead of lines; keys in it are whole, {"base64": ".."} where they are no UTF-8
    #[arg(long)]
    json: bool,
    /// Findings that are shown; the others are counted
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_findings: usize,
}

const MISSING: u8 = 1;
const NO_FILE: u8 = 3;

/// Bytes of a key that are shown.
const KEY_BYTES_SHOWN: usize = 64;

const MAY_BE_OLDER: &str = "found by scanning: may be older than the last commit";

/// Runs the subcommand.
pub fn run(args: &SalvageArgs) -> ExitCode {
    let cache_bytes = super::server::cache_bytes(&Config::default());
    let mut bars = Bars::default();
    let done = salvage::salvage(&args.broken, &args.out, cache_bytes, &mut |progress| {
        bars.show(progress);
    });
    bars.clear();
    let (out, code) = match done {
        Ok(salvaged) => {
            let code = if salvaged.is_whole() { 0 } else { MISSING };
            (report(args, &salvaged), code)
        }
        Err(error) if args.json => {
            let report = json!({"result": "failed", "error": error.to_string()});
            (format!("{report}\n"), NO_FILE)
        }
        Err(error) => {
            eprintln!("redkeep salvage: {error}");
            (String::new(), NO_FILE)
        }
    };
    // A reader that went away has what it wanted; the exit code tells the rest.
    io::stdout().write_all(out.as_bytes()).unwrap_or_default();
    ExitCode::from(code)
}

/// One thing that is missing or in doubt: a line, and the same as JSON.
struct Finding {
    line: String,
    json: Value,
}

fn report(args: &SalvageArgs, salvaged: &Salvaged) -> String {
    let findings = findings(salvaged);
    let shown = &findings[..findings.len().min(args.max_findings)];
    let suppressed = findings.len() - shown.len();
    let result = if salvaged.is_whole() {
        "whole"
    } else {
        "partial"
    };
    if args.json {
        let stats: serde_json::Map<String, Value> = figures(salvaged)
            .into_iter()
            .map(|(name, value)| (name.replace(' ', "_"), json!(value)))
            .collect();
        let shown: Vec<&Value> = shown.iter().map(|finding| &finding.json).collect();
        let report = json!({
            "result": result,
            "findings": shown,
            "suppressed": suppressed,
            "types": salvaged.types,
            "damaged_pages": salvaged.storage.damaged,
            "stats": stats,
        });
        return format!("{report}\n");
    }
    let mut lines: Vec<String> = shown.iter().map(|finding| finding.line.clone()).collect();
    if suppressed > 0 {
        lines.push(format!("and {suppressed} more findings"));
    }
    let count = |(name, count): (&str, u64)| format!("{name}: {count}");
    lines.push(count(("keys", salvaged.keys)));
    for (kind, keys) in &salvaged.types {
        lines.push(count((&format!("type {kind}"), *keys)));
    }
    lines.extend(figures(salvaged).into_iter().skip(1).map(count));
    lines.push(format!("result: {result}"));
    lines.join("\n") + "\n"
}

/// The figures of a report, by name.
fn figures(salvaged: &Salvaged) -> [(&'static str, u64); 12] {
    let storage = &salvaged.storage;
    [
        ("keys", salvaged.keys),
        ("libraries of functions", salvaged.libraries),
        ("keys in part", salvaged.partial.len() as u64),
        ("keys missing", salvaged.keys_missing()),
        ("keys found by scanning", salvaged.scanned_keys),
        ("entries without a place", storage.unplaced),
        ("pages", storage.pages),
        ("pages read", storage.pages_read),
        ("pages damaged", storage.damaged_count),
        ("transactions replayed", storage.replayed),
        ("changes of the log left out", storage.skipped),
        ("last transaction", storage.last_lsn.0),
    ]
}

fn findings(salvaged: &Salvaged) -> Vec<Finding> {
    let storage = &salvaged.storage;
    let mut found: Vec<Finding> = storage.notes.iter().map(|text| note(text)).collect();
    if salvaged.was_seeding {
        found.push(note(
            "the file was being filled from another one, and is not whole: that other one is",
        ));
    }
    found.extend(log(&storage.log));
    found.extend(storage.damaged.iter().map(|page| Finding {
        line: format!("page {page} is damaged"),
        json: json!({"what": "page", "page": page}),
    }));
    found.extend(salvaged.missing.iter().map(missing));
    found.extend(salvaged.gone.iter().map(gone));
    found.extend(salvaged.partial.iter().map(partial));
    found.extend(salvaged.scanned.iter().map(scanned));
    for name in &salvaged.libraries_gone {
        found.push(Finding {
            line: format!("missing: library of functions {:?}", shown(name)),
            json: json!({"what": "library", "name": bytes(name)}),
        });
    }
    if salvaged.records_missing > 0 {
        let count = salvaged.records_missing;
        found.push(Finding {
            line: format!("missing: {count} records that are no keys: libraries of functions, if there were any"),
            json: json!({"what": "records", "records": count}),
        });
    }
    found
}

fn note(text: &str) -> Finding {
    Finding {
        line: format!("note: {text}"),
        json: json!({"what": "note", "text": text}),
    }
}

fn log(fate: &LogFate) -> Option<Finding> {
    match fate {
        LogFate::Idle | LogFate::Whole { cut: None } => None,
        LogFate::Whole { cut: Some(cut) } => Some(note(&format!(
            "the log has {cut}, which an opening cuts as well"
        ))),
        LogFate::Lost { from, up_to, why } => Some(Finding {
            line: match up_to {
                Some(up_to) => {
                    format!("missing: transactions {from} to {up_to} of the log: {why}")
                }
                None => format!("missing: transactions from {from} on, if there were any: {why}"),
            },
            json: json!({
                "what": "transactions",
                "from": from.0,
                "up_to": up_to.map(|up_to| up_to.0),
                "why": why,
            }),
        }),
    }
}

fn missing(missing: &MissingKeys) -> Finding {
    let MissingKeys {
        db,
        low,
        high,
        keys,
        page,
    } = missing;
    let (low, high) = (low.as_deref().map(shown), high.as_deref().map(shown));
    let range = match (&low, &high) {
        (None, None) => "of the whole database".to_owned(),
        (Some(low), None) => format!("from {low:?} on"),
        (None, Some(high)) => format!("before {high:?}"),
        (Some(low), Some(high)) => format!("from {low:?} to before {high:?}"),
    };
    Finding {
        line: format!("missing: database {db}: {keys} keys {range}, at most (page {page})"),
        json: json!({
            "what": "keys",
            "db": db,
            "from": missing.low.as_deref().map(bytes),
            "before": missing.high.as_deref().map(bytes),
            "keys": keys,
            "page": page,
        }),
    }
}

fn gone(gone: &Gone) -> Finding {
    let Gone { db, key, why } = gone;
    Finding {
        line: format!("missing: database {db}: key {:?}: {why}", shown(key)),
        json: json!({"what": "key", "db": db, "key": bytes(key), "why": why}),
    }
}

fn partial(partial: &Partial) -> Finding {
    let (db, key, kind) = (partial.db, shown(&partial.key), partial.kind.name());
    let mut what = vec![format!("{} elements are there", partial.elements)];
    if partial.missing > 0 {
        what.push(format!("{} are missing at most", partial.missing));
    }
    if partial.lacks_groups {
        what.push("something of its groups is missing".to_owned());
    }
    if partial.is_scanned {
        what.push(format!("some were {MAY_BE_OLDER}"));
    }
    Finding {
        line: format!(
            "in part: database {db}: {kind} {key:?}: {}",
            what.join(", ")
        ),
        json: json!({
            "what": "part",
            "db": db,
            "key": bytes(&partial.key),
            "type": kind,
            "elements": partial.elements,
            "missing": partial.missing,
            "lacks_groups": partial.lacks_groups,
            "scanned": partial.is_scanned,
        }),
    }
}

fn scanned(scanned: &Scanned) -> Finding {
    let (first, last) = (shown(&scanned.first), shown(&scanned.last));
    let db = scanned.db;
    let doubt = if scanned.is_guessed {
        "; the file does not say of which database they are"
    } else {
        ""
    };
    Finding {
        line: format!("scanned: database {db}: {first:?} to {last:?}: {MAY_BE_OLDER}{doubt}"),
        json: json!({
            "what": "scanned",
            "db": db,
            "first": bytes(&scanned.first),
            "last": bytes(&scanned.last),
            "db_is_guessed": scanned.is_guessed,
        }),
    }
}

/// The start of a key, for people.
fn shown(key: &[u8]) -> String {
    let start = &key[..key.len().min(KEY_BYTES_SHOWN)];
    let mut text = String::from_utf8_lossy(start).into_owned();
    if start.len() < key.len() {
        text.push_str("...");
    }
    text
}

/// Progress of one step after the other.
#[derive(Default)]
struct Bars {
    title: &'static str,
    bar: Option<Progress<'static>>,
}

impl Bars {
    fn show(&mut self, progress: salvage::Progress) {
        let (title, done, total) = match progress {
            salvage::Progress::Storage(SalvageProgress::Walked { pages, pages_total }) => {
                ("walked", pages, pages_total)
            }
            salvage::Progress::Storage(SalvageProgress::Scanned { pages, pages_total }) => {
                ("scanned", pages, pages_total)
            }
            salvage::Progress::Storage(SalvageProgress::Replayed { done, total }) => {
                ("replayed", done, total)
            }
            salvage::Progress::Indexed { keys, keys_total } => ("indexed", keys, keys_total),
        };
        if title != self.title {
            self.clear();
            self.title = title;
            self.bar = None;
        }
        self.bar
            .get_or_insert_with(|| Progress::new(title, total))
            .show(done);
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.clear();
        }
    }
}
