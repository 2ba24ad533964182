//! What is not damaged is kept as it is.

use redkeep::db::Db;

use crate::{call, contents, database, options, taken};

#[test]
fn an_undamaged_file_comes_back_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 400);
    let (is, salvaged) = taken(&path);
    assert_eq!(is.len(), was.len());
    assert!(is == was);
    assert!(salvaged.is_whole(), "{salvaged:?}");
    assert_eq!(salvaged.keys, was.len() as u64);
    assert_eq!(salvaged.libraries, 1);
    assert_eq!(salvaged.types["hash"], 2);
    assert!(salvaged.storage.replayed >= 8, "{salvaged:?}");
}

/// Digests mix every value, and what the library answers is in the file.
#[test]
fn digests_and_functions_are_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, _) = database(dir.path(), 300);
    let ask = |path: &std::path::Path| {
        let db = Db::open(path, options()).expect("it opens");
        let mut connection = db.connect();
        let mut answers = Vec::new();
        for words in [
            &["DEBUG", "DIGEST"][..],
            &["FCALL", "f", "0"],
            &["FUNCTION", "LIST", "WITHCODE"],
            &["HPEXPIRETIME", "large hash", "FIELDS", "1", "element 00001"],
            &["XINFO", "STREAM", "large stream", "FULL"],
            &["OBJECT", "ENCODING", "integers"],
            &["PEXPIRETIME", "timed:00001"],
        ] {
            answers.push(connection.call(words).map_err(|error| error.to_string()));
        }
        answers
    };
    let was = ask(&path);
    let out = dir.path().join("out.keep");
    redkeep::db::salvage::salvage(&path, &out, crate::CACHE_BYTES, &mut |_| {})
        .expect("it is salvaged");
    assert_eq!(ask(&out), was);
}

/// A key that is due and not removed yet is taken with its time, and goes as it would have gone.
#[test]
fn due_keys_stay_what_they_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, options()).expect("a new file");
    call(&mut db.connect(), &["SET", "due", "x", "PX", "1"]);
    call(&mut db.connect(), &["SET", "stays", "x"]);
    std::thread::sleep(std::time::Duration::from_millis(5));
    db.close().expect("it closes");
    let (is, salvaged) = taken(&path);
    assert_eq!(salvaged.keys, 2);
    assert!(salvaged.is_whole());
    assert_eq!(is.len(), 1, "a reader does not see it");

    let out = dir.path().join("again.keep");
    redkeep::db::salvage::salvage(&path, &out, crate::CACHE_BYTES, &mut |_| {})
        .expect("it is salvaged");
    let db = Db::open(&out, options()).expect("it opens");
    db.maintain().expect("due keys are removed");
    assert_eq!(contents(&db).len(), 1);
}

#[test]
fn a_file_in_use_and_a_place_that_is_taken_are_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let out = dir.path().join("out.keep");
    let db = Db::open(&path, options()).expect("a new file");
    let refused = redkeep::db::salvage::salvage(&path, &out, crate::CACHE_BYTES, &mut |_| {});
    let error = refused.expect_err("it is open").to_string();
    assert!(error.contains("in use"), "{error}");
    drop(db);
    std::fs::write(&out, "something").expect("a file");
    let refused = redkeep::db::salvage::salvage(&path, &out, crate::CACHE_BYTES, &mut |_| {});
    let error = refused.expect_err("it is there").to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(std::fs::read(&out).expect("a file"), b"something");
}
