//! `redkeep import` and `redkeep dump`, as they are called: what goes out comes back.

use std::fs;
use std::path::Path;

use redkeep::db::{Db, Options};

use crate::program::{redkeep, succeeds, text};

/// A database with every type, small and large, with expiries, in two databases.
fn fill(path: &Path) {
    let db = Db::open(path, Options::default()).expect("a new file");
    let many: Vec<String> = (0..2000).map(|n| format!("element:{n}")).collect();
    db.set("string", b"\x00\xfftext").unwrap();
    db.call(&["SET", "soon", "x", "PXAT", "4102444800000"])
        .unwrap();
    db.call(&["APPEND", "long", &"z".repeat(100_000)]).unwrap();
    db.rpush("list", &["a", "b", "1"]).unwrap();
    db.rpush("long list", &many).unwrap();
    db.sadd("numbers", &["3", "1", "2"]).unwrap();
    db.sadd("long set", &many).unwrap();
    for (score, member) in many.iter().enumerate() {
        db.zadd("long sorted set", member, score as f64 / 3.0)
            .unwrap();
        db.hset("long hash", member, "value").unwrap();
    }
    db.call(&["ZADD", "sorted set", "inf", "x", "-1.5", "y"])
        .unwrap();
    db.hset("hash", "field", "value").unwrap();
    db.call(&[
        "HPEXPIREAT",
        "hash",
        "4102444800000",
        "FIELDS",
        "1",
        "field",
    ])
    .unwrap();
    db.call(&["XADD", "stream", "1-1", "f", "v"]).unwrap();
    db.call(&["XADD", "stream", "2-1", "f", "w"]).unwrap();
    db.call(&["XGROUP", "CREATE", "stream", "group", "0"])
        .unwrap();
    db.call(&[
        "XREADGROUP",
        "GROUP",
        "group",
        "me",
        "COUNT",
        "1",
        "STREAMS",
        "stream",
        ">",
    ])
    .unwrap();
    let code = "#!lua name=kept\nredis.register_function('answer', function() return 42 end)";
    db.call(&["FUNCTION", "LOAD", code]).unwrap();
    let mut connection = db.connect();
    connection.call(&["SELECT", "3"]).unwrap();
    connection.call(&["SET", "elsewhere", "y"]).unwrap();
    drop(connection);
    db.close().unwrap();
}

#[test]
fn what_is_dumped_and_imported_is_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (first, rdb, lines) = (at("first.keep"), at("dump.rdb"), at("dump.jsonl"));
    fill(&first);
    succeeds(&["dump", "--file", text(&first), "--output", text(&rdb)]);
    let dumped = succeeds(&["dump", "--file", text(&first), "--format", "jsonl"]);
    assert_eq!(dumped.iter().filter(|byte| **byte == b'\n').count(), 13);
    fs::write(&lines, &dumped).unwrap();
    for source in [&rdb, &lines] {
        let target = at("target.keep");
        succeeds(&["import", text(source), "--target", text(&target)]);
        let again = succeeds(&["dump", "--file", text(&target), "--format", "jsonl"]);
        assert!(again == dumped, "imported from {}", source.display());
        succeeds(&["check", text(&target)]);
        let db = Db::open(&target, Options::default()).expect("the file");
        let has_library = db.call(&["FCALL", "answer", "0"]).is_ok();
        assert_eq!(has_library, source == &rdb, "RDB has libraries");
        db.close().unwrap();
        for file in ["target.keep", "target.keep-wal", "target.keep-shm"] {
            let _ = fs::remove_file(at(file));
        }
    }
}

#[test]
fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (first, rdb, target) = (at("first.keep"), at("dump.rdb"), at("target.keep"));
    fill(&first);
    succeeds(&["dump", "--file", text(&first), "--output", text(&rdb)]);
    let db = Db::open(&target, Options::default()).expect("a new file");
    db.set("list", "mine").unwrap();
    db.close().unwrap();
    let dry = succeeds(&["import", text(&rdb), "--target", text(&target), "--dry-run"]);
    assert!(String::from_utf8_lossy(&dry).starts_with("readable: 13\n"));
    let output = redkeep(&["import", text(&rdb), "--target", text(&target), "--db", "0"]);
    assert_eq!(output.status.code(), Some(3), "a key was left out");
    let db = Db::open(&target, Options::default()).expect("the file");
    assert_eq!(db.get("list").unwrap().unwrap(), b"mine");
    assert_eq!(db.len().unwrap(), 12);
    assert!(db.call(&["FCALL", "answer", "0"]).is_err());
    db.close().unwrap();
    succeeds(&["import", text(&rdb), "--target", text(&target), "--replace"]);
    let db = Db::open(&target, Options::default()).expect("the file");
    assert_eq!(db.lrange("list", 0, -1).unwrap(), [b"a", b"b", b"1"]);
    assert!(db.call(&["FCALL", "answer", "0"]).is_ok());
}

#[test]
fn a_damaged_file_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (first, rdb, target) = (at("first.keep"), at("dump.rdb"), at("target.keep"));
    fill(&first);
    succeeds(&["dump", "--file", text(&first), "--output", text(&rdb)]);
    let whole = fs::read(&rdb).unwrap();
    fs::write(&rdb, &whole[..whole.len() / 2]).unwrap();
    let output = redkeep(&["import", text(&rdb), "--target", text(&target)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("offset"), "{told}");
    assert!(!target.exists());
    let twice = "{\"key\":\"s\",\"type\":\"set\",\"value\":[\"a\",\"a\"]}\n";
    fs::write(&rdb, twice).unwrap();
    let output = redkeep(&["import", text(&rdb), "--target", text(&target)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("line 1"), "{told}");
    assert!(!target.exists());
}
