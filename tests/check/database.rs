//! `redkeep check` of databases.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redkeep::storage::open::{OpenOptions, open};
use redkeep::storage::{Engine, OnMiss, Plan, Read, RootId};
use redkeep::vfs::{OsClock, OsVfs};

use crate::program::check;

/// A database with a transaction in its log.
fn database(dir: &Path) -> (PathBuf, Engine) {
    let path = dir.join("data.keep");
    let clock = Arc::new(OsClock::default());
    let options = OpenOptions::new([1; 16]);
    let opened = open(&OsVfs, clock, &path, &options, &mut |_, _| {});
    let (mut engine, _) = opened.expect("a new file");
    engine.begin_command(OnMiss::Read);
    engine.begin(Plan::Simple).expect("writes are allowed");
    let tree = engine.root(RootId(0)).expect("a root");
    engine.put(tree, b"key", b"", b"value").expect("it fits");
    let lsn = engine.commit();
    let log = engine.log().expect("it has one");
    log.write_to(lsn).expect("the log takes writes");
    (path, engine)
}

#[test]
fn exit_codes_tell_what_was_found() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, engine) = database(dir.path());

    let (code, out, error) = check(&[], &path);
    assert_eq!((code, error.as_str()), (0, ""), "it is open: {out}");
    assert!(out.contains("log_records: 1\n"), "{out}");

    drop(engine);
    let (code, out, error) = check(&[], &path);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.ends_with("result: healthy\n"), "{out}");
    assert!(out.contains("log_records: 1\n"), "{out}");

    let mut bytes = std::fs::read(&path).expect("readable");
    let whole = bytes.clone();
    // The newest meta is in the second slot; its first copy cannot be torn when its second one is whole.
    bytes[2 * 4096 + 100] ^= 1;
    std::fs::write(&path, &bytes).expect("writable");
    let (code, out, _) = check(&[], &path);
    assert_eq!(code, 1, "{out}");
    assert!(out.starts_with("warning I1 "), "{out}");

    std::fs::write(&path, &whole).expect("writable");
    std::fs::remove_file(dir.path().join("data.keep-wal")).expect("it is there");
    let (code, out, _) = check(&["--json"], &path);
    assert_eq!(code, 2, "{out}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["result"], "errors");
    assert_eq!(report["findings"][0]["invariant"], "I21");
    assert_eq!(report["stats"]["page_bytes"], 4096);
    let (code, out, _) = check(&["--max-findings", "0"], &path);
    assert_eq!(code, 2);
    assert!(out.starts_with("and 1 more findings\n"), "{out}");

    let (code, out, _) = check(&["--json"], &dir.path().join("none"));
    assert_eq!(code, 3);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["result"], "unusable");
}
