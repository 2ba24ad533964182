//! The database inside a program: what calls promise, and what they refuse.

use std::time::Duration;

use redkeep::db::{Db, DbError, Options, Sync, Value};

fn words(words: &[&str]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

#[test]
fn what_was_written_is_there_when_the_file_is_opened_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, Options::default()).expect("a new file");
    db.set("s", b"\x00\xff").unwrap();
    db.set_for("soon", "x", Duration::from_secs(1000)).unwrap();
    assert_eq!(db.rpush("l", &["a", "b", "c"]).unwrap(), 3);
    assert!(db.hset("h", "f", "v").unwrap());
    assert!(db.zadd("z", "m", 1.5).unwrap());
    assert_eq!(db.sadd("set", &["x", "y"]).unwrap(), 2);
    let again = Db::open(&path, Options::default()).expect_err("it is open");
    let told = format!(
        "{} is in use already, by this process or another",
        path.display()
    );
    assert_eq!(again.to_string(), told);
    // Dropped without a checkpoint: the log has it.
    drop(db);

    let db = Db::open(&path, Options::default()).expect("the file");
    assert!(db.report().replayed > 0);
    assert_eq!(db.get("s").unwrap().unwrap(), b"\x00\xff");
    assert!(db.ttl("soon").unwrap().unwrap() > Duration::from_secs(900));
    assert_eq!(db.ttl("s").unwrap(), None);
    assert_eq!(db.lrange("l", 0, -1).unwrap(), words(&["a", "b", "c"]));
    assert_eq!(db.hgetall("h").unwrap(), [(b"f".to_vec(), b"v".to_vec())]);
    assert_eq!(db.zrange("z", 0, -1).unwrap(), [(b"m".to_vec(), 1.5)]);
    assert_eq!(db.len().unwrap(), 6);
    db.maintain().unwrap();
    db.close().unwrap();

    std::fs::remove_file(dir.path().join("data.keep-wal")).expect("a log");
    let db = Db::open(&path, Options::default()).expect("the file is whole without its log");
    assert_eq!(db.report().replayed, 0);
    assert_eq!(db.len().unwrap(), 6);
}

#[test]
fn errors_are_those_of_a_server_and_change_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        sync: Sync::Manual,
        ..Options::default()
    };
    let db = Db::open(dir.path().join("data.keep"), options).expect("a new file");
    db.set("s", "text").unwrap();
    let told = |result: Result<Value, DbError>| result.expect_err("a refusal").to_string();
    assert!(told(db.call(&["LPUSH", "s", "x"])).starts_with("WRONGTYPE"));
    assert_eq!(
        told(db.call(&["NOTHING"])),
        "ERR unknown command 'NOTHING', with args beginning with: "
    );
    for refused in [&["SHUTDOWN"][..], &["subscribe", "c"], &["Save"]] {
        assert!(matches!(db.call(refused), Err(DbError::NeedsServer)));
    }
    assert!(matches!(db.call::<&str>(&[]), Err(DbError::NoWords)));
    assert_eq!(db.call(&["BLPOP", "none", "0"]).unwrap(), Value::Nil);
    let mut connection = db.connect();
    connection.call(&["MULTI"]).unwrap();
    connection.call(&["PING"]).unwrap();
    connection.call(&["EXEC"]).unwrap();
    assert_eq!(
        connection.call(&["BLPOP", "none", "0"]).unwrap(),
        Value::Nil
    );
    // A word that is wrong: nothing of the transaction happens.
    let wrong = [words(&["SET", "a", "1"]), words(&["GET"])];
    assert!(matches!(db.transaction(&wrong), Err(DbError::Reply(_))));
    assert!(!db.exists("a").unwrap());
    // What would end the transaction on the way.
    for at_once in ["exec", "DISCARD", "Reset"] {
        let wrong = [
            words(&["SET", "a", "1"]),
            words(&[at_once]),
            words(&["SET", "b", "1"]),
        ];
        assert!(matches!(db.transaction(&wrong), Err(DbError::NotQueued(_))));
        assert!(!db.exists("a").unwrap() && !db.exists("b").unwrap());
    }
    let right = [words(&["SET", "a", "1"]), words(&["LPUSH", "s", "x"])];
    let replies = db.transaction(&right).unwrap();
    assert_eq!(replies[0], Value::Simple("OK".to_owned()));
    assert!(matches!(&replies[1], Value::Error(text) if text.starts_with("WRONGTYPE")));
    assert_eq!(db.get("a").unwrap().unwrap(), b"1");
    db.sync().unwrap();
}

#[test]
fn threads_and_snapshots_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = Options {
        sync: Sync::Manual,
        // A checkpoint now and then, made by whoever finds the log long.
        checkpoint_bytes: 100_000,
        ..Options::default()
    };
    let db = Db::open(dir.path().join("data.keep"), options).expect("a new file");
    db.set("n", "0").unwrap();
    let snapshot = db.snapshot();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2_000 {
                    db.incr_by("n", 1).expect("a number");
                }
            });
        }
    });
    assert_eq!(db.get("n").unwrap().unwrap(), b"8000");
    let mut seen = Vec::new();
    let mut note = |key: &redkeep::interchange::rdb::file::Key| {
        seen.push(format!("{:?}", key.value));
        true
    };
    snapshot.each_key(&mut note).unwrap();
    assert_eq!(seen, ["Value(String([48]))"]);
    let mut rdb = Vec::new();
    snapshot.write_rdb(11, &mut rdb, &mut |_| {}).unwrap();
    assert!(rdb.starts_with(b"REDIS0011"));
}

#[test]
fn a_file_that_a_newer_version_has_gone_on_from_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, Options::default()).expect("a new file");
    db.set("k", "v").unwrap();
    db.close().unwrap();

    // One copy of the meta is of the next version, with a checksum that fits; the others stay.
    let mut bytes = std::fs::read(&path).expect("the file");
    let whole = bytes.clone();
    let meta = &mut bytes[..4096];
    meta[8] += 1;
    let checksum = crc32fast::hash(&meta[..4092]);
    meta[4092..].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(&path, &bytes).expect("it is written");
    let refused = Db::open(&path, Options::default()).expect_err("another version");
    assert!(refused.to_string().contains("format version"), "{refused}");
    std::fs::write(&path, &whole).expect("it is written");
    let db = Db::open(&path, Options::default()).expect("the file as it was");
    assert_eq!(db.get("k").unwrap().unwrap(), b"v");
}

/// A checkpoint that stayed held would keep its pages.
#[test]
fn a_backup_whose_listener_panics_holds_nothing_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, Options::default()).expect("a new file");
    db.set("big", vec![1; 8 << 20]).unwrap();
    let panics = std::panic::AssertUnwindSafe(|| {
        db.backup(dir.path().join("copy.keep"), |_| panic!("nobody listens"))
    });
    std::panic::catch_unwind(panics).expect_err("it panics");
    db.del(&["big"]).unwrap();
    for n in 0..5 {
        db.maintain().unwrap();
        db.set("small", [n]).unwrap();
        db.checkpoint().unwrap();
    }
    let len = std::fs::metadata(&path).expect("a file").len();
    assert!(len < 4 << 20, "{len}");
    db.backup(dir.path().join("copy.keep"), |_| {}).unwrap();
}
