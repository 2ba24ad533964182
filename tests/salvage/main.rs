//! `redkeep salvage` and the library's call: what is taken out of a damaged file, and what is said of the rest.

mod damage;
mod kept;
mod program;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use redkeep::db::salvage::{Salvaged, salvage};
use redkeep::db::{Connection, Db, Options, Sync};
use redkeep::interchange::rdb::Value;
use redkeep::interchange::rdb::decode::Decoded;
use redkeep::storage::check::{CheckOptions, check};
use redkeep::vfs::OsVfs;

/// Memory for the pages of a new file.
const CACHE_BYTES: u64 = 4 << 20;

/// Databases, keys, values and times of expiry.
type Contents = BTreeMap<(u64, Vec<u8>), (Value, Option<u64>)>;

fn options() -> Options {
    Options {
        sync: Sync::Manual,
        ..Options::default()
    }
}

#[track_caller]
fn call(connection: &mut Connection, words: &[&str]) {
    connection.call(words).expect("an answer");
}

/// Values of every kind in both forms, in three databases, with times and a library. `scale`: elements of the large ones.
fn fill(db: &Db, scale: u32) {
    let mut all = db.connect();
    let connection = &mut all;
    for n in 0..scale {
        call(
            connection,
            &[
                "SET",
                &format!("string:{n:05}"),
                &"v".repeat(n as usize % 60),
            ],
        );
    }
    for n in 0..scale / 4 {
        let time = format!("{}", 4_000_000_000_000_u64 + u64::from(n));
        call(
            connection,
            &["SET", &format!("timed:{n:05}"), "x", "PXAT", &time],
        );
    }
    call(connection, &["SETRANGE", "holes", "70000", "end"]);
    call(connection, &["SET", &"long name ".repeat(100), "x"]);
    call(connection, &["SET", "large", &"0123456789".repeat(3000)]);
    for n in 0..scale {
        let element = format!("element {n:05}");
        call(connection, &["RPUSH", "large list", &element]);
        call(connection, &["SADD", "large set", &element]);
        call(
            connection,
            &[
                "ZADD",
                "large zset",
                &format!("{}", f64::from(n) / 4.0),
                &element,
            ],
        );
        call(
            connection,
            &["HSET", "large hash", &element, &"f".repeat(n as usize % 30)],
        );
        call(
            connection,
            &[
                "XADD",
                "large stream",
                &format!("{}-1", n + 1),
                "field",
                &element,
            ],
        );
    }
    call(
        connection,
        &[
            "HPEXPIREAT",
            "large hash",
            "4000000000000",
            "FIELDS",
            "1",
            "element 00001",
        ],
    );
    call(
        connection,
        &["XGROUP", "CREATE", "large stream", "group", "0"],
    );
    for consumer in ["a", "b", "c"] {
        let words = [
            "XREADGROUP",
            "GROUP",
            "group",
            consumer,
            "COUNT",
            "20",
            "STREAMS",
            "large stream",
            ">",
        ];
        call(connection, &words);
    }
    call(connection, &["XACK", "large stream", "group", "1-1"]);
    call(connection, &["RPUSH", "small list", "a", "b", "c"]);
    call(connection, &["SADD", "small set", "a", "b", "1"]);
    call(connection, &["SADD", "integers", "1", "2", "3"]);
    call(connection, &["ZADD", "small zset", "-inf", "a", "2.5", "b"]);
    call(connection, &["HSET", "small hash", "a", "1", "b", "2"]);
    call(
        connection,
        &[
            "HPEXPIREAT",
            "small hash",
            "4000000000000",
            "FIELDS",
            "1",
            "a",
        ],
    );
    call(connection, &["XADD", "small stream", "5-5", "a", "b"]);
    call(connection, &["SELECT", "3"]);
    for n in 0..scale / 2 {
        call(
            connection,
            &["SET", &format!("three:{n:05}"), &n.to_string()],
        );
    }
    call(connection, &["SELECT", "9"]);
    call(connection, &["LPUSH", "nine", "1"]);
    let library = "#!lua name=library\nredis.register_function('f', function() return 1 end)";
    call(connection, &["FUNCTION", "LOAD", library]);
}

/// Changes that stay in the log.
fn change(db: &Db) {
    let mut connection = db.connect();
    let connection = &mut connection;
    call(connection, &["SET", "in the log", "1"]);
    call(connection, &["DEL", "string:00003"]);
    call(connection, &["APPEND", "string:00004", " and more"]);
    call(connection, &["RENAME", "string:00005", "renamed"]);
    call(connection, &["HSET", "large hash", "in the log", "1"]);
    call(connection, &["ZREM", "large zset", "element 00007"]);
    call(connection, &["LPOP", "large list"]);
    call(
        connection,
        &["XADD", "large stream", "9999999-1", "field", "in the log"],
    );
}

/// A file that ended as by a kill: a checkpoint, and a log behind it.
fn database(dir: &Path, scale: u32) -> (PathBuf, Contents) {
    let path = dir.join("data.keep");
    let db = Db::open(&path, options()).expect("a new file");
    fill(&db, scale);
    db.checkpoint().expect("a checkpoint");
    change(&db);
    db.sync().expect("a sync");
    let was = contents(&db);
    (path, was)
}

fn contents(db: &Db) -> Contents {
    let mut found = Contents::new();
    let visited = db.snapshot().each_key(&mut |key| {
        let Decoded::Value(value) = &key.value else {
            panic!("all values are known");
        };
        let value = (in_order(value.clone()), key.expires_ms);
        found.insert((key.db, key.name.clone()), value);
        true
    });
    visited.expect("they can be read");
    found
}

/// A hash lists its fields in no order that means anything.
fn in_order(mut value: Value) -> Value {
    match &mut value {
        Value::Hash(fields) => fields.sort_by(|a, b| a.name.cmp(&b.name)),
        Value::Set(members) => members.sort(),
        _ => {}
    }
    value
}

/// What a file has that was salvaged, after it was checked.
#[track_caller]
fn opened(out: &Path) -> Contents {
    let report = check(&OsVfs, out, &CheckOptions::default(), &mut |_| {}).expect("a database");
    assert!(report.is_healthy(), "{:?}", report.findings);
    assert_eq!(report.stats.pages_lost, 0);
    let db = Db::open(out, options()).expect("it opens");
    let found = contents(&db);
    drop(db);
    found
}

/// Salvages a file into another one, which is read and removed.
#[track_caller]
fn taken(broken: &Path) -> (Contents, Salvaged) {
    let out = broken.with_extension("out");
    let before = std::fs::read(broken).expect("a file");
    let salvaged = salvage(broken, &out, CACHE_BYTES, &mut |_| {}).expect("something is salvaged");
    assert!(
        before == std::fs::read(broken).expect("a file"),
        "it is as it was"
    );
    let found = opened(&out);
    for end in ["out", "out-wal", "out-shm"] {
        // Not all of them are there.
        std::fs::remove_file(broken.with_extension(end)).unwrap_or_default();
    }
    (found, salvaged)
}
