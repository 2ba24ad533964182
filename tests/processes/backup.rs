//! BACKUP under load, and copies of the files made from outside: what opens is whole and right, or it is refused.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, Server};
use crate::program::{redkeep, succeeds, text};
use redkeep::db::{Copied, Db, DbError, Options, Sync};

#[track_caller]
fn is_healthy(path: &Path) {
    let output = redkeep(&["check", text(path)]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{} is not: {said}", path.display());
}

/// A server whose checkpoints come often, and whose pages leave the cache.
fn server() -> Server {
    Server::redkeep(&["--wal-autocheckpoint", "256kb", "--cache-size", "1mb"])
}

/// Says that something is over, also where a test fails.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work` while pairs are written; it gets the number of pairs that are acknowledged.
fn under_load(server: &Server, work: impl FnOnce(&AtomicU64)) {
    let (acknowledged, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (acknowledged, is_over) = (&acknowledged, &is_over);
        let _ends = Ends(is_over);
        scope.spawn(move || {
            let mut connection = server.connect();
            let filler = "x".repeat(700);
            while !is_over.load(Ordering::Relaxed) {
                let n = acknowledged.load(Ordering::Relaxed);
                let set = format!("MSET a:{n} {n}{filler} b:{n} {n}{filler}");
                assert_eq!(connection.ask(&set), "+OK");
                // A pair is deleted after a thousand others, so that pages are used again.
                if let Some(gone) = n.checked_sub(1000) {
                    assert_eq!(connection.ask(&format!("DEL a:{gone} b:{gone}")), ":2");
                }
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
        let begun = Instant::now();
        while acknowledged.load(Ordering::Relaxed) < 2000 {
            assert!(begun.elapsed() < PATIENCE, "the load does not begin");
            std::thread::sleep(Duration::from_millis(1));
        }
        work(acknowledged);
    });
}

/// The pairs of a copy: each is whole, they follow each other, and the newest is not older than `newest`.
#[track_caller]
fn has_pairs(db: &Db, newest: u64) {
    let pairs = db.call(&["DBSIZE"]).expect("a size");
    let redkeep::db::Value::Int(keys) = pairs else {
        panic!("DBSIZE is a number");
    };
    assert_eq!(keys % 2, 0, "half a pair is there");
    let mut numbers: Vec<u64> = Vec::new();
    for n in newest.saturating_sub(1500)..newest + 1_000_000 {
        let (a, b) = (
            db.get(format!("a:{n}")).unwrap(),
            db.get(format!("b:{n}")).unwrap(),
        );
        assert_eq!(a, b, "pair {n}");
        match a {
            Some(value) => {
                assert!(value.starts_with(n.to_string().as_bytes()), "pair {n}");
                numbers.push(n);
            }
            None if n > newest => break,
            None => {}
        }
    }
    assert_eq!(numbers.len() as i64 * 2, keys, "other keys are there");
    let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
    assert_eq!(
        last - first + 1,
        numbers.len() as u64,
        "a pair is missing between"
    );
    assert!(
        last + 1 >= newest,
        "{last} is older than the acknowledged {newest}"
    );
}

#[test]
fn a_backup_under_load_is_one_moment() {
    let server = server();
    under_load(&server, |acknowledged| {
        for round in 0..5 {
            let name = format!("backup-{round}.keep");
            let newest = acknowledged.load(Ordering::Relaxed);
            assert_eq!(server.connect().ask(&format!("BACKUP {name}")), "+OK");
            is_healthy(&server.at(&name));
            assert!(
                !server.at(&format!("{name}-wal")).exists(),
                "it needs no log"
            );
            let db = Db::open(server.at(&name), Options::default()).expect("it opens");
            has_pairs(&db, newest);
        }
    });
    let mut connection = server.connect();
    let refused = connection.ask("BACKUP backup-0.keep");
    assert_eq!(
        refused,
        "-ERR the backup failed: backup-0.keep exists already"
    );
    for name in ["../elsewhere.keep", "/tmp/elsewhere.keep"] {
        let refused = connection.ask(&format!("BACKUP {name}"));
        assert!(refused.starts_with("-ERR BACKUP writes into the working directory"));
    }
    assert_eq!(
        connection.ask("BACKUP data.keep"),
        "-ERR the backup failed: data.keep exists already"
    );
    let address = format!("127.0.0.1:{}", server.port);
    succeeds(&["backup", "--addr", &address, "by-hand.keep"]);
    is_healthy(&server.at("by-hand.keep"));
    assert_eq!(
        redkeep(&["backup", "--addr", &address, "by-hand.keep"])
            .status
            .code(),
        Some(1)
    );
}

/// Copies the files of a server as `cp` would, into a folder of their own.
fn copy_files(server: &Server, names: [&str; 2]) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a folder");
    for name in names {
        fs::copy(server.at(name), to.path().join(name)).expect("a copy");
    }
    to
}

const FILES: [&str; 2] = ["data.keep", "data.keep-wal"];

#[test]
fn held_files_can_be_copied_from_outside() {
    let server = server();
    under_load(&server, |acknowledged| {
        let mut connection = server.connect();
        for _ in 0..5 {
            assert_eq!(connection.ask("BACKUP HOLD 60"), "+OK");
            let newest = acknowledged.load(Ordering::Relaxed);
            assert!(
                connection
                    .ask("CHECKPOINT")
                    .contains("checkpoints are held")
            );
            assert!(
                connection
                    .ask("BACKUP late.keep")
                    .contains("checkpoints are held")
            );
            let copy = copy_files(&server, FILES);
            assert_eq!(connection.ask("BACKUP RELEASE"), ":1");
            assert_eq!(connection.ask("BACKUP RELEASE"), ":0");
            assert_eq!(connection.ask("CHECKPOINT"), "+OK");
            let path = copy.path().join("data.keep");
            let db = Db::open(&path, Options::default()).expect("it opens");
            has_pairs(&db, newest);
            db.close().expect("it closes");
            is_healthy(&path);
        }
        // A hold ends by itself.
        assert_eq!(connection.ask("BACKUP HOLD 1"), "+OK");
        let begun = Instant::now();
        while connection.ask("CHECKPOINT") != "+OK" {
            assert!(begun.elapsed() < PATIENCE, "the hold does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
}

#[test]
fn files_copied_without_a_hold_are_right_or_refused() {
    let server = server();
    under_load(&server, |_| {
        for round in 0..20 {
            let names = if round % 2 == 0 {
                FILES
            } else {
                [FILES[1], FILES[0]]
            };
            let copy = copy_files(&server, names);
            // Refused, or a page that is not what it should be is told, or everything read is right.
            let Ok(db) = Db::open(copy.path().join("data.keep"), Options::default()) else {
                continue;
            };
            for n in 0..50_000 {
                for name in ["a", "b"] {
                    match db.get(format!("{name}:{n}")) {
                        Ok(None) => {}
                        Ok(Some(value)) => {
                            let number = n.to_string();
                            assert!(value.starts_with(number.as_bytes()), "a wrong value");
                            assert_eq!(value.len(), number.len() + 700, "a wrong value");
                        }
                        Err(DbError::Storage(_) | DbError::Reply(_)) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    });
}

#[test]
fn who_copies_a_file_that_a_server_has_open_is_sent_to_the_server() {
    let server = server();
    let (file, copy) = (server.at("data.keep"), server.at("copy.keep"));
    let refused = redkeep(&["backup", "--file", text(&file), text(&copy)]);
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("--addr has it make the copy"), "{said}");
    assert!(!copy.exists());
}

#[test]
fn a_closed_file_is_copied_by_the_program_and_by_the_library() {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |name: &str| dir.path().join(name);
    let options = Options {
        sync: Sync::Manual,
        ..Options::default()
    };
    let db = Db::open(at("data.keep"), options).expect("a new file");
    for n in 0..20_000 {
        db.set(format!("key:{n}"), "v".repeat(n % 300)).unwrap();
    }
    // Free pages between those in use.
    for n in (0..20_000).filter(|n| n % 7 > 1) {
        db.call(&["DEL", &format!("key:{n}")]).unwrap();
    }
    let mut heard = Copied::default();
    db.backup(at("first.keep"), |copied| heard = copied)
        .unwrap();
    assert!(heard.pages > 0 && heard.pages == heard.pages_total);
    assert!(matches!(
        db.backup(at("first.keep"), |_| {}),
        Err(DbError::Backup(_))
    ));
    db.set("later", "x").unwrap();
    db.close().unwrap();
    let (file, second) = (at("data.keep"), at("second.keep"));
    succeeds(&["backup", "--file", text(&file), text(&second)]);
    for (name, has_later) in [("first.keep", false), ("second.keep", true)] {
        is_healthy(&at(name));
        let copy = Db::open(at(name), Options::default()).expect("it opens");
        assert_eq!(copy.get("later").unwrap().is_some(), has_later);
        for n in 0..20_000 {
            let value = copy.get(format!("key:{n}")).unwrap();
            let expected = (n % 7 <= 1).then(|| vec![b'v'; n % 300]);
            assert_eq!(value, expected, "key {n}");
        }
    }
    // A page that is damaged is found on the way, and nothing is left of the copy.
    let mut bytes = fs::read(at("second.keep")).unwrap();
    // Free pages are zero in a copy; those of trees have their kind, which is not.
    let mut pages = bytes.chunks_exact_mut(4096).skip(4);
    let page = pages.rfind(|page| page[4] != 0).expect("a page in use");
    page[1000..3000].fill(0x55);
    fs::write(at("damaged.keep"), bytes).unwrap();
    let refused = redkeep(&[
        "backup",
        "--file",
        text(&at("damaged.keep")),
        text(&at("third.keep")),
    ]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("is damaged"), "{said}");
    assert!(!at("third.keep").exists() && !at("third.keep.tmp").exists());
}
