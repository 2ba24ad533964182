//! A database damaged at every page, and what is salvaged of it.

mod histories;
mod live;
mod superseded;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::{LogFate, Report, Rules, Salvage, SalvageError, Spot, TreeKind};
use crate::storage::cell::Cell;
use crate::storage::check::tests::rig::{
    Contents, Image, MemVfs, PAGE, Rig, busy, checked, in_use, path, wal,
};
use crate::storage::engine::Engine;
use crate::storage::meta::META_BYTES;
use crate::storage::node::Node;
use crate::storage::open::OpenOptions;
use crate::storage::page::{Kind, level_of};
use crate::storage::read::{Read, RootId};
use crate::vfs::{Clock, OpenMode, OsClock, Vfs, read_exact_at, write_all_at};

/// Keys of roots have heads, but for one, and what hangs at them has none.
struct Heads;

fn is_key(key: &[u8], cell: &Cell<'_>) -> bool {
    !cell.head().is_empty() || key == b"holes"
}

impl Rules for Heads {
    fn is_derived(&self, _root: RootId) -> bool {
        false
    }

    fn fits(&self, spot: Spot<'_>, key: &[u8], cell: &Cell<'_>) -> bool {
        is_key(key, cell) == spot.slots.is_empty()
    }

    fn stray_root(&self, key: &[u8], cell: &Cell<'_>, nth: u32) -> Option<RootId> {
        is_key(key, cell).then_some(RootId(nth))
    }
}

const OUT: &str = "out.keep";

fn salvage_with(
    vfs: &MemVfs,
    mend: impl FnOnce(Engine) -> Result<Engine, SalvageError>,
) -> Result<Report, SalvageError> {
    let clock: Arc<dyn Clock> = Arc::new(OsClock::default());
    let options = OpenOptions {
        cache_bytes: 1 << 20,
        segment_bytes: 16 << 10,
        ..OpenOptions::new([9; 16])
    };
    let request = Salvage {
        vfs,
        clock: &clock,
        broken: &path(),
        out: Path::new(OUT),
        options: &options,
        rules: &Heads,
    };
    request.run(&mut |_| {}, |engine, _| mend(engine))
}

/// What is salvaged, and what is said of it. The new file is without a fault, and the damaged one as it was.
#[track_caller]
fn salvaged(vfs: &MemVfs) -> (Contents, Report) {
    let before = (vfs.bytes(&path()), vfs.list(Path::new(".")).expect("names"));
    let report = salvage_with(vfs, Ok).expect("something is salvaged");
    assert!(
        before.0 == vfs.bytes(&path()),
        "the damaged file is as it was"
    );
    let alone = MemVfs::default();
    alone.set(&path(), vfs.bytes(Path::new(OUT)));
    vfs.unlink(Path::new(OUT)).expect("it is there");
    let names = vfs.list(Path::new(".")).expect("names");
    assert_eq!(before.1, names, "nothing is left beside it");
    let checked = checked(&alone);
    assert!(checked.is_healthy(), "{:?}", checked.findings);
    let contents = Rig::over(alone).expect("it opens").contents();
    (contents.expect("it can be read"), report)
}

fn is_whole(report: &Report) -> bool {
    report.gaps.is_empty()
        && report.keys.is_empty()
        && report.scanned.is_empty()
        && report.unplaced == 0
        && !report.is_scanned
        && !matches!(report.log, LogFate::Lost { .. })
}

/// Everything that differs from how it was is named, and what is named as gone is not there.
#[track_caller]
fn differences_are_named(was: &Contents, is: &Contents, report: &Report, what: &str) {
    let is_scanned = |root: u32, key: &[u8]| {
        report.is_scanned
            || report.scanned_ranges.iter().any(|(kind, first, last)| {
                let (TreeKind::Known(id) | TreeKind::Guessed(id)) = *kind;
                id.0 == root && (first.as_slice()..=last.as_slice()).contains(&key)
            })
    };
    for ((root, key), value) in was {
        let shown = String::from_utf8_lossy(&key[..key.len().min(20)]);
        let noted = report.keys.get(&(*root, key.clone()));
        let is_gone = report.gaps.iter().any(|gap| gap.has(*root, key))
            || noted.is_some_and(|loss| loss.gone.is_some())
            || report.keys.iter().any(|((of, start), loss)| {
                of == root && loss.gone.is_some() && key.starts_with(start)
            })
            || report.is_scanned
            || report.unplaced > 0;
        match is.get(&(*root, key.clone())) {
            None => assert!(
                is_gone,
                "{what}: {root} {shown} is gone, and nothing says so"
            ),
            Some(now) if now == value => {}
            Some(now) => {
                let missing = noted.map_or(0, |loss| loss.entries.iter().sum());
                let is_part = (now.head == value.head && now.body == value.body)
                    && now.inner.iter().all(|entry| value.inner.contains(entry))
                    && (value.inner.len() - now.inner.len()) as u64 <= missing;
                let is_older = is_scanned(*root, key) || noted.is_some_and(|it| it.is_scanned);
                assert!(
                    is_part || is_older,
                    "{what}: {root} {shown} differs: {noted:?}"
                );
            }
        }
    }
    for (root, key) in is.keys() {
        let is_known = was.contains_key(&(*root, key.clone())) || is_scanned(*root, key);
        assert!(is_known, "{what}: a key that never was");
    }
    for (key, loss) in &report.keys {
        let is_gone = loss.gone.is_some() && !loss.is_cut;
        assert!(
            !is_gone || !is.contains_key(key),
            "{what}: {key:?}: {loss:?}"
        );
    }
}

/// A killed database with transactions in its log, and what it has.
fn victim() -> (Rig, Contents) {
    let mut rig = busy();
    let was = rig.contents().expect("it can be read");
    rig.kill();
    (rig, was)
}

#[test]
fn an_undamaged_file_comes_back_as_it_is() {
    let (rig, was) = victim();
    let (is, report) = salvaged(&rig.vfs);
    assert!(is == was);
    assert!(is_whole(&report), "{report:?}");
    assert_eq!(report.replayed, 20);
    assert_eq!(report.damaged_count, 0);
}

#[test]
fn a_file_that_was_closed_needs_no_log() {
    let mut rig = busy();
    let was = rig.contents().expect("it can be read");
    rig.close();
    for has_log in [true, false] {
        if !has_log {
            rig.vfs.unlink(&wal()).expect("it is there");
        }
        let (is, report) = salvaged(&rig.vfs);
        assert!(is == was && is_whole(&report), "{report:?}");
    }
}

/// Every page in turn: a bit is flipped, it is zeroed, the file ends there.
#[test]
fn what_is_not_on_the_damaged_page_is_salvaged_and_the_rest_is_named() {
    let (rig, was) = victim();
    let used: BTreeSet<u64> = in_use(&rig.vfs).into_iter().map(|(no, _)| no).collect();
    let image = Image::of(&rig.vfs).bytes;
    let first = META_BYTES * 4 / PAGE;
    let (mut lost, mut whole) = (0, 0);
    for no in first..image.len() / PAGE {
        for damage in ["a bit", "zeroes", "the end"] {
            let mut bytes = image.clone();
            let page = no * PAGE..(no + 1) * PAGE;
            match damage {
                "a bit" => bytes[page.start + 77] ^= 4,
                "zeroes" => bytes[page].fill(0),
                _ => bytes.truncate(page.start),
            }
            rig.vfs.set(&path(), bytes);
            let (is, report) = salvaged(&rig.vfs);
            let what = format!("page {no}, {damage}");
            differences_are_named(&was, &is, &report, &what);
            if damage != "the end" {
                let is_used = used.contains(&(no as u64));
                assert!(report.damaged_count <= u64::from(is_used), "{what}");
                // What tells two long keys apart in a branch is not needed, and what was dropped is not read.
                assert!(report.damaged_count == 1 || is == was, "{what}");
            }
            assert!(is == was || !is_whole(&report), "{what}");
            lost += usize::from(is != was);
            whole += usize::from(is == was);
        }
    }
    assert!(lost > 50 && whole > 50, "{lost} {whole}");
}

/// The leaves below a damaged branch are not reached by any pointer, and everything on them is found.
#[test]
fn what_hangs_below_a_damaged_branch_is_found() {
    let (rig, was) = victim();
    let image = Image::of(&rig.vfs);
    let mut branches = 0;
    for (no, owner) in in_use(&rig.vfs) {
        let page = image.page(no);
        let is_branch = Kind::of(page) == Some(Kind::Branch);
        if !is_branch || owner.starts_with("what was dropped") {
            continue;
        }
        branches += 1;
        let mut bytes = image.bytes.clone();
        bytes[no as usize * PAGE + 60] ^= 1;
        rig.vfs.set(&path(), bytes);
        let (is, report) = salvaged(&rig.vfs);
        let level = level_of(page);
        assert!(is == was, "page {no} of {owner}, level {level}: {report:?}");
        assert!(!is_whole(&report), "{owner}");
        let is_of_root = !owner.contains('>');
        assert_eq!(is_of_root, !report.scanned.is_empty(), "{owner}");
        if is_of_root {
            assert!(report.gaps.is_empty(), "{:?}", report.gaps);
        }
    }
    assert!(branches >= 3, "{branches}");
}

#[test]
fn without_any_meta_the_newest_catalog_is_found() {
    let (rig, was) = victim();
    let image = Image::of(&rig.vfs).bytes;
    let blank = |copies: std::ops::Range<usize>| {
        let mut bytes = image.clone();
        bytes[copies.start * META_BYTES..copies.end * META_BYTES].fill(0xa5);
        rig.vfs.set(&path(), bytes);
        salvaged(&rig.vfs)
    };
    let (is, report) = blank(0..4);
    assert!(is == was, "{report:?}");
    assert!(report.is_scanned && !is_whole(&report));
    assert_eq!(report.replayed, 20);
    // The newest meta alone, and the older one alone.
    for slot in [0..2, 2..4] {
        let (is, report) = blank(slot);
        assert!(is == was, "{report:?}");
    }
}

#[test]
fn a_damaged_catalog_is_made_up_for() {
    let (rig, was) = victim();
    let mut image = Image::of(&rig.vfs);
    let catalog = image.newest().0.catalog.root.page.0;
    image.bytes[catalog as usize * PAGE + 50] ^= 1;
    image.put_back(&rig.vfs);
    let (is, report) = salvaged(&rig.vfs);
    assert!(report.is_scanned);
    differences_are_named(&was, &is, &report, "the catalog");
    let found = was.keys().filter(|key| is.contains_key(key)).count();
    assert!(found * 10 > was.len() * 9, "{found} of {}", was.len());
}

#[test]
fn a_log_is_replayed_up_to_its_damage() {
    let rig = busy();
    let sync = || {
        rig.with(|engine| {
            let log = engine.log().expect("an open file has a log").clone();
            log.sync_to(log.last_lsn()).expect("the log is synced");
        });
    };
    sync();
    for n in 0..20_u8 {
        rig.put(5, &[b'm', n], b"synced in the log");
        sync();
    }
    let was = rig.contents().expect("it can be read");
    let mut rig = rig;
    rig.kill();
    let log = rig.vfs.bytes(&wal());
    let text = b"synced in the log";
    let places: Vec<usize> = (0..log.len() - text.len())
        .filter(|at| &log[*at..*at + text.len()] == text)
        .collect();
    assert_eq!(places.len(), 20);
    for damaged in [0, 11, 18] {
        let mut bytes = log.clone();
        bytes[places[damaged]] ^= 1;
        rig.vfs.set(&wal(), bytes);
        let (is, report) = salvaged(&rig.vfs);
        let expected = was.iter().filter(|((root, key), _)| {
            *root != 5 || key[0] != b'm' || usize::from(key[1]) < damaged
        });
        assert!(is.iter().eq(expected), "{damaged}");
        let LogFate::Lost { from, up_to, .. } = &report.log else {
            panic!("{:?}", report.log);
        };
        let first = report.checkpoint_lsn.0 + 20 + damaged as u64 + 1;
        assert_eq!((from.0, up_to.is_some()), (first, true));
        assert!(report.last_lsn >= up_to.expect("a transaction"));
    }

    rig.vfs.unlink(&wal()).expect("it is there");
    let (is, report) = salvaged(&rig.vfs);
    assert_eq!(is.len() + 40, was.len(), "the checkpoint's keys are there");
    let LogFate::Lost { from, up_to, .. } = &report.log else {
        panic!("{:?}", report.log);
    };
    assert_eq!((*from, *up_to), (report.checkpoint_lsn.next(), None));
}

/// A key whose page is damaged has a whole value again if the log gives it one, and is deleted if the log deletes it.
#[test]
fn the_log_makes_up_for_what_is_missing() {
    let mut rig = Rig::new();
    for n in 0..200_u32 {
        rig.put(0, format!("key{n:03}").as_bytes(), &[n as u8; 40]);
    }
    rig.checkpoint();
    for n in (0..200_u32).step_by(2) {
        rig.put(0, format!("key{n:03}").as_bytes(), b"from the log");
    }
    rig.change(|engine| {
        let tree = engine.root(RootId(0))?;
        for n in (1..200_u32).step_by(4) {
            engine.delete(tree, format!("key{n:03}").as_bytes())?;
        }
        for n in (3..200_u32).step_by(4) {
            engine.write_body(tree, format!("key{n:03}").as_bytes(), 0, b"changed")?;
        }
        Ok(())
    });
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let image = Image::of(&rig.vfs);
    let (leaf, _) = in_use(&rig.vfs)
        .into_iter()
        .find(|(no, owner)| {
            owner.starts_with("root 0") && Kind::of(image.page(*no)) == Some(Kind::Leaf)
        })
        .expect("a leaf");
    let entries = Node::new(image.page(leaf)).len();
    let mut bytes = image.bytes.clone();
    bytes[leaf as usize * PAGE + 99] ^= 1;
    rig.vfs.set(&path(), bytes);
    let (is, report) = salvaged(&rig.vfs);
    differences_are_named(&was, &is, &report, "a leaf");
    let missing: Vec<&(u32, Vec<u8>)> = was.keys().filter(|key| !is.contains_key(key)).collect();
    assert!(!missing.is_empty() && missing.len() < entries);
    for key in missing {
        // Only their changes are in the log, so they are known by name.
        assert!(report.keys[key].gone.is_some(), "{key:?}");
    }
}

/// The page with the only leaf of a root tree.
fn only_leaf(rig: &Rig, root: u32) -> u64 {
    let image = Image::of(&rig.vfs);
    let owner = format!("root {root}");
    let mut leaves = in_use(&rig.vfs).into_iter().filter(|(no, of)| {
        of.starts_with(&owner) && !of.contains('>') && Kind::of(image.page(*no)) == Some(Kind::Leaf)
    });
    let (leaf, _) = leaves.next().expect("a leaf");
    assert!(leaves.next().is_none());
    leaf
}

/// Where a tree is only there as it was before, changes of the log do not fit its keys. Those were once named as gone.
#[test]
fn a_key_whose_value_is_older_than_the_changes_to_it_is_not_gone() {
    let mut rig = Rig::new();
    for key in [&b"tree"[..], b"text", b"same"] {
        rig.put(0, key, b"before");
    }
    rig.checkpoint();
    let below = |engine: &mut Engine, name: &[u8]| {
        let tree = engine.root(RootId(0))?;
        let nested = engine.nested(tree, b"tree", 0)?.expect("it is there");
        engine.put(nested, name, b"", b"value")
    };
    rig.put(0, b"text", b"a longer text");
    rig.change(|engine| {
        let tree = engine.root(RootId(0))?;
        engine.put_nested(tree, b"tree", b"h", 1)?;
        below(engine, b"one")
    });
    rig.checkpoint();
    rig.change(|engine| {
        below(engine, b"other")?;
        let tree = engine.root(RootId(0))?;
        engine.splice_body(tree, b"text", 9, 4, b"words")
    });
    let was = rig.contents().expect("it can be read");
    rig.kill();
    let leaf = only_leaf(&rig, 0) as usize;
    let mut bytes = Image::of(&rig.vfs).bytes;
    bytes[..4 * META_BYTES].fill(0);
    bytes[leaf * PAGE + 99] ^= 1;
    rig.vfs.set(&path(), bytes);
    let (is, report) = salvaged(&rig.vfs);
    differences_are_named(&was, &is, &report, "an older tree");
    for key in [&b"tree"[..], b"text"] {
        let key = (0, key.to_vec());
        assert_eq!(is[&key].body, b"before");
        let loss = &report.keys[&key];
        assert!(loss.gone.is_none() && loss.is_scanned, "{key:?}: {loss:?}");
    }
}

/// The same of a key to whose place another would have been moved that is missing.
#[test]
fn a_key_that_a_missing_one_replaces_is_not_gone() {
    for moves in [true, false] {
        let mut rig = Rig::new();
        rig.put(0, b"from", b"value");
        rig.put(5, b"to", b"before");
        rig.checkpoint();
        rig.change(|engine| {
            let (from, to) = (engine.root(RootId(0))?, engine.root(RootId(5))?);
            match moves {
                true => engine.move_cell(from, b"from", to, b"to"),
                false => engine.copy_cell(from, b"from", to, b"to"),
            }
        });
        let was = rig.contents().expect("it can be read");
        rig.kill();
        let leaf = only_leaf(&rig, 0) as usize;
        let mut bytes = Image::of(&rig.vfs).bytes;
        bytes[leaf * PAGE + 99] ^= 1;
        rig.vfs.set(&path(), bytes);
        let (is, report) = salvaged(&rig.vfs);
        differences_are_named(&was, &is, &report, "a moved key");
        let key = (5, b"to".to_vec());
        assert_eq!(is[&key].body, b"before");
        let loss = &report.keys[&key];
        assert!(loss.gone.is_none() && loss.is_scanned, "{loss:?}");
    }
}

#[test]
fn nothing_is_there_when_it_fails() {
    let (rig, _) = victim();
    let names = rig.vfs.list(Path::new(".")).expect("names");
    let failed = salvage_with(&rig.vfs, |_| {
        Err(SalvageError::Storage(crate::storage::Error::DiskFull))
    });
    assert!(failed.is_err());
    assert_eq!(rig.vfs.list(Path::new(".")).expect("names"), names);

    rig.vfs
        .open(Path::new(OUT), OpenMode::Create)
        .expect("a file");
    assert!(matches!(
        salvage_with(&rig.vfs, Ok),
        Err(SalvageError::Out(_))
    ));

    let nothing = MemVfs::default();
    nothing.set(&path(), vec![7; 100_000]);
    assert!(matches!(
        salvage_with(&nothing, Ok),
        Err(SalvageError::Nothing(_))
    ));
}

/// A power loss can leave both names of a file that was salvaged and renamed.
#[test]
fn a_file_that_has_the_name_of_one_being_made_stays_as_it_is() {
    let (rig, _) = victim();
    let whole = b"an earlier one";
    let beside = rig
        .vfs
        .open(Path::new("out.keep.salvaging"), OpenMode::Create)
        .expect("a file");
    write_all_at(&*beside, whole, 0).expect("written");
    salvage_with(&rig.vfs, Ok).expect("something is salvaged");
    let mut bytes = vec![0; beside.len().expect("a length") as usize];
    read_exact_at(&*beside, &mut bytes, 0).expect("it can be read");
    assert_eq!(bytes, whole);
}
