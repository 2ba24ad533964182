//! Every page damaged in turn: the rest is there, and what is missing is named.

use redkeep::db::Db;
use redkeep::db::salvage::{Salvaged, Scanned};
use redkeep::interchange::rdb::{List, Value};
use redkeep::storage::page::{self, Kind};
use redkeep::storage::salvage::LogFate;

use crate::{Contents, call, change, contents, database, fill, options, taken};

const PAGE: usize = 4096;
const META: usize = 4 * 4096;

/// Whether something that is said covers the key.
fn is_named(salvaged: &Salvaged, db: u64, key: &[u8]) -> bool {
    let of = |other: u32| u64::from(other) == db;
    salvaged.missing.iter().any(|missing| {
        let above = missing.low.as_deref().is_none_or(|low| key >= low);
        let below = missing.high.as_deref().is_none_or(|high| key < high);
        of(missing.db) && above && below
    }) || salvaged
        .gone
        .iter()
        .any(|gone| of(gone.db) && key.starts_with(&gone.key))
        || salvaged.storage.unplaced > 0
}

fn may_be_older(salvaged: &Salvaged, db: u64, key: &[u8]) -> bool {
    let is_scanned = |it: &Scanned| {
        let range = it.first.as_slice()..=it.last.as_slice();
        u64::from(it.db) == db && range.contains(&key)
    };
    salvaged.storage.is_scanned || salvaged.scanned.iter().any(is_scanned)
}

/// Elements of a value, as texts.
fn elements(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![format!("{text:?}")],
        Value::List(List { elements, .. }) | Value::Set(elements) => {
            elements.iter().map(|it| format!("{it:?}")).collect()
        }
        Value::SortedSet(members) => members.iter().map(|it| format!("{it:?}")).collect(),
        Value::Hash(fields) => fields.iter().map(|it| format!("{it:?}")).collect(),
        Value::Stream(stream) => {
            let entries = stream.entries.iter();
            entries
                .map(|it| format!("{:?} {:?}", it.id, it.items))
                .collect()
        }
    }
}

/// The elements that are there were there, in this order, and as many are missing as is said at most.
fn is_part(salvaged: &Salvaged, db: u64, key: &[u8], was: &Value, is: &Value) -> bool {
    let Some(partial) = salvaged
        .partial
        .iter()
        .find(|it| u64::from(it.db) == db && it.key == key)
    else {
        return false;
    };
    let (was, is) = (elements(was), elements(is));
    let mut rest = was.iter();
    let is_subsequence = is.iter().all(|element| rest.any(|other| other == element));
    is_subsequence
        && partial.elements == is.len() as u64
        && (was.len() - is.len()) as u64 <= partial.missing
}

#[track_caller]
fn differences_are_named(was: &Contents, is: &Contents, salvaged: &Salvaged, what: &str) {
    for ((db, key), (value, expires_ms)) in was {
        let shown = String::from_utf8_lossy(&key[..key.len().min(30)]);
        match is.get(&(*db, key.clone())) {
            None => assert!(
                is_named(salvaged, *db, key) || may_be_older(salvaged, *db, key),
                "{what}: database {db} key {shown} is gone, and nothing says so"
            ),
            Some((now, at)) if now == value && at == expires_ms => {}
            Some((now, at)) => {
                let is_known = is_part(salvaged, *db, key, value, now) && at == expires_ms;
                assert!(
                    is_known || may_be_older(salvaged, *db, key),
                    "{what}: database {db} key {shown} differs: {:?}",
                    salvaged.partial
                );
            }
        }
    }
    for (db, key) in is.keys() {
        let is_known = was.contains_key(&(*db, key.clone())) || may_be_older(salvaged, *db, key);
        assert!(is_known, "{what}: a key that never was");
    }
    for gone in &salvaged.gone {
        let key = (u64::from(gone.db), gone.key.clone());
        assert!(!is.contains_key(&key), "{what}: {gone:?} is there");
    }
    assert!(was == is || !salvaged.is_whole(), "{what}");
}

#[test]
fn every_page_may_be_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 250);
    let image = std::fs::read(&path).expect("a file");
    let pages = image.len() / PAGE;
    let (mut differ, mut partial) = (0, 0);
    for no in META / PAGE..pages {
        let page = no * PAGE..(no + 1) * PAGE;
        if image[page.clone()].iter().all(|byte| *byte == 0) {
            continue;
        }
        let mut bytes = image.clone();
        let damage = match no % 3 {
            0 => {
                bytes[page].fill(0);
                "zeroes"
            }
            1 if no % 5 == 0 => {
                bytes.truncate(page.start);
                "the end"
            }
            _ => {
                bytes[page.start + 1234] ^= 0x20;
                "a bit"
            }
        };
        std::fs::write(&path, &bytes).expect("a file");
        let (is, salvaged) = taken(&path);
        let what = format!("page {no}, {damage}");
        differences_are_named(&was, &is, &salvaged, &what);
        differ += usize::from(is != was);
        partial += salvaged.partial.len();
    }
    assert!(differ > 20 && partial > 5, "{differ} {partial}");
}

#[test]
fn all_metas_may_be_damaged() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 250);
    let mut bytes = std::fs::read(&path).expect("a file");
    bytes[..META].fill(0x33);
    std::fs::write(&path, &bytes).expect("a file");
    let (is, salvaged) = taken(&path);
    assert!(is == was, "{salvaged:?}");
    assert!(!salvaged.is_whole(), "what is found so may be older");
    assert_eq!(salvaged.libraries, 1);

    // Without the log what it had is missing, and that is said.
    std::fs::remove_file(path.with_file_name("data.keep-wal")).expect("a log");
    let (is, salvaged) = taken(&path);
    differences_are_named(&was, &is, &salvaged, "no meta, no log");
    assert!(is.len() + 2 >= was.len());
}

/// A list that is there only as it was before it became large, which the log's changes do not fit, was once called missing.
#[test]
fn a_key_of_which_an_older_value_is_found_is_named_as_older() {
    const KEY: &[u8] = b"the list";
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, options()).expect("a new file");
    let push = |element: &str| call(&mut db.connect(), &["RPUSH", "the list", element]);
    push("before");
    db.checkpoint().expect("a checkpoint");
    for n in 0..2000 {
        push(&format!("element {n}"));
    }
    db.checkpoint().expect("a checkpoint");
    push("in the log");
    db.sync().expect("a sync");
    let was = contents(&db);
    drop(db);

    let mut bytes = std::fs::read(&path).expect("a file");
    bytes[..META].fill(0x33);
    let leaves = bytes.chunks_exact_mut(PAGE).filter(|page| {
        Kind::of(page) == Some(Kind::Leaf) && page.windows(KEY.len()).any(|text| text == KEY)
    });
    let newest = leaves.max_by_key(|page| page::ptr_of(page).stamp);
    newest.expect("the leaf of the keys")[1234] ^= 0x20;
    std::fs::write(&path, &bytes).expect("a file");
    let (is, salvaged) = taken(&path);
    differences_are_named(&was, &is, &salvaged, "an older list");
    let (value, _) = &is[&(0, KEY.to_vec())];
    assert_eq!(elements(value), [format!("{:?}", b"before")]);
    assert_eq!((salvaged.gone.len(), salvaged.keys), (0, 1));
    let is_older = |it: &Scanned| it.first == KEY && it.last == KEY;
    assert!(salvaged.scanned.iter().any(is_older) && !salvaged.is_whole());
}

#[test]
fn a_file_that_was_cut_is_called_so() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 250);
    let mut bytes = std::fs::read(&path).expect("a file");
    let rest = bytes.len() / 4;
    bytes.truncate(rest);
    std::fs::write(&path, &bytes).expect("a file");
    let (is, salvaged) = taken(&path);
    assert!(is.len() < was.len() && !salvaged.is_whole());
    let note = format!("the file was cut: it has {rest} bytes of ");
    let notes = &salvaged.storage.notes;
    assert!(
        notes.iter().any(|told| told.starts_with(&note)),
        "{notes:?}"
    );
}

/// Such a log was once left out, and the file called whole.
#[test]
fn the_log_is_needed_if_the_meta_that_says_so_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, options()).expect("a new file");
    fill(&db, 100);
    db.close().expect("a clean end");
    let db = Db::open(&path, options()).expect("a file");
    change(&db);
    db.sync().expect("a sync");
    let was = contents(&db);
    drop(db);
    let image = std::fs::read(&path).expect("a file");
    let number = |copy: &[u8]| u64::from_le_bytes(copy[32..40].try_into().expect("eight bytes"));
    let newest = if number(&image) > number(&image[META / 2..]) {
        0..META / 2
    } else {
        META / 2..META
    };
    for fill in [0, 0x33] {
        let mut bytes = image.clone();
        bytes[newest.clone()].fill(fill);
        std::fs::write(&path, &bytes).expect("a file");
        let refused = Db::open(&path, options())
            .expect_err("its log goes on")
            .to_string();
        assert!(
            refused.contains("`redkeep salvage` takes both"),
            "{refused}"
        );
        let (is, salvaged) = taken(&path);
        assert!(is == was, "{salvaged:?}");
        assert!(
            salvaged.is_whole() && salvaged.storage.replayed > 0,
            "{salvaged:?}"
        );
        let notes = salvaged.storage.notes.join("\n");
        assert!(notes.contains("the log was replayed"), "{notes}");
    }

    // Beside a file that is whole alone it is of another copy, and is named.
    let mut bytes = image.clone();
    let older = META / 2 - newest.start;
    let copy = image[older..older + META / 2].to_vec();
    bytes[newest].copy_from_slice(&copy);
    std::fs::write(&path, &bytes).expect("a file");
    let (is, salvaged) = taken(&path);
    assert!(is != was && !salvaged.is_whole(), "{salvaged:?}");
    let last = salvaged.storage.last_lsn;
    assert!(
        matches!(salvaged.storage.log, LogFate::Lost { from, .. } if from == last.next()),
        "{salvaged:?}"
    );
}

#[test]
fn a_sorted_set_is_whole_if_either_of_its_trees_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 400);
    let image = std::fs::read(&path).expect("a file");
    let key = (0, b"large zset".to_vec());
    let mut mended = 0;
    for no in META / PAGE..image.len() / PAGE {
        let mut bytes = image.clone();
        bytes[no * PAGE + 99] ^= 1;
        if image[no * PAGE + 4] != 1 {
            continue;
        }
        std::fs::write(&path, &bytes).expect("a file");
        let (is, salvaged) = taken(&path);
        if salvaged.storage.damaged_count == 1 && is == was && salvaged.is_whole() {
            mended += 1;
        }
        if let Some((value, _)) = is.get(&key) {
            assert!(*value == was[&key].0, "page {no}");
        }
    }
    assert!(mended >= 4, "{mended}");
}
