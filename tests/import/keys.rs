//! `redkeep import` and `redkeep dump`, as they are called: what goes out comes back.

use std::fs;
use std::path::Path;

use redkeep::db::{Db, Options};
use redkeep::interchange::rdb::encode::{self, Output as Encoder};
use redkeep::interchange::rdb::file::Writer;
use redkeep::interchange::rdb::{List, Value};
use redkeep::resp::value::Value as Reply;

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
    fs::write(
        &rdb,
        "{\"key\":\"s\",\"type\":\"string\",\"value\":\"a\"}\n{bad",
    )
    .unwrap();
    let output = redkeep(&["import", text(&rdb), "--target", text(&target)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let named = format!(
        "redkeep import: {}: line 2: column 2: key must be",
        rdb.display()
    );
    assert!(told.starts_with(&named), "{told}");
    assert!(!target.exists());
    let twice = "{\"key\":\"s\",\"type\":\"string\",\"value\":\"a\"}\n".repeat(2);
    fs::write(&rdb, twice).unwrap();
    let output = redkeep(&["import", text(&rdb), "--target", text(&target)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("key s stands twice in database 0"), "{told}");
    let is_targets = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("target");
    let mut left = fs::read_dir(dir.path()).unwrap();
    assert!(left.all(|entry| !is_targets(&entry.unwrap().file_name())));
}

/// A file of so many keys that several threads decode it, with a set among them that has a member twice, if `damaged` says
/// at which key.
fn many_keys(count: usize, damaged: Option<usize>) -> (Vec<u8>, usize) {
    let (mut out, mut damage_at) = (Vec::new(), 0);
    let mut writer = Writer::begin(Encoder::new(&mut out, true), 10, true).expect("memory");
    writer.database(0, count as u64, 0).expect("memory");
    for n in 0..count {
        let is_damaged = damaged == Some(n);
        let value = match n % 3 {
            _ if is_damaged => Value::Set(vec![vec![b'm'; 600]; 2]),
            0 => Value::String(format!("{n}").repeat(20).into_bytes()),
            1 => {
                let element = |i: usize| format!("{i}").into_bytes();
                Value::List(List::of((0..n % 50 + 1).map(element).collect()))
            }
            _ => Value::SortedSet((0..n % 70 + 1).map(|i| (vec![i as u8], i as f64)).collect()),
        };
        let name = format!("key:{:05}", n * 7919 % count);
        writer
            .key(name.as_bytes(), encode::kind_of(&value, 10), None)
            .expect("memory");
        if is_damaged {
            damage_at = writer.out.at() as usize;
        }
        encode::value(&mut writer.out, &value, 10).expect("memory");
    }
    writer.end().expect("memory");
    (out, damage_at)
}

#[test]
fn keys_that_several_threads_decode_are_all_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (rdb, target, again) = (at("dump.rdb"), at("target.keep"), at("again.rdb"));
    let count = 30_011;
    fs::write(&rdb, many_keys(count, None).0).unwrap();
    succeeds(&["import", text(&rdb), "--target", text(&target)]);
    succeeds(&["check", text(&target)]);
    let db = Db::open(&target, Options::default()).expect("the file");
    assert_eq!(db.len().unwrap(), count as u64);
    for n in (0..count).step_by(97) {
        let name = format!("key:{:05}", n * 7919 % count);
        match n % 3 {
            0 => assert_eq!(
                db.get(&name).unwrap().unwrap(),
                format!("{n}").repeat(20).as_bytes()
            ),
            1 => assert_eq!(
                db.call(&["LLEN", &name]).unwrap(),
                Reply::Int(n as i64 % 50 + 1)
            ),
            _ => assert_eq!(
                db.call(&["ZCARD", &name]).unwrap(),
                Reply::Int(n as i64 % 70 + 1)
            ),
        }
    }
    db.close().unwrap();
    succeeds(&["dump", "--file", text(&target), "--output", text(&again)]);
    assert!(fs::metadata(&again).unwrap().len() > 0);
}

#[test]
fn the_first_damage_of_a_file_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let (rdb, target) = (at("dump.rdb"), at("target.keep"));
    // It is cut off as well, which is found sooner than a member that stands twice, and is further behind.
    let (mut bytes, damage_at) = many_keys(30_011, Some(20_000));
    bytes.truncate(bytes.len() - 100);
    fs::write(&rdb, bytes).unwrap();
    let output = redkeep(&["import", text(&rdb), "--target", text(&target)]);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let wanted = format!("offset {damage_at}: an element stands twice");
    assert!(told.contains(&wanted), "{told}");
    assert!(!target.exists());
}
