//! For every invariant, a file damaged so that it does not hold, and the finding that names it. Checksums are right
//! again after the damage unless they are what is damaged.

use super::rig::{Image, PAGE, Rig, busy, checked, in_use, wal};
use crate::storage::cell::Cell;
use crate::storage::check::{Invariant, Report, Severity};
use crate::storage::freemap::{RUN_BYTES, RUNS_START};
use crate::storage::log::Lsn;
use crate::storage::meta::META_BYTES;
use crate::storage::node::{self, Node};
use crate::storage::page::{
    DESC_BYTES, HEADER_BYTES, Kind, PTR_BYTES, PagePtr, Stamp, u32_at, u48_at,
};
use crate::storage::tree::Child;
use crate::vfs::Vfs;

/// A killed database, and the pages that its checkpoint uses.
struct Victim {
    rig: Rig,
    pages: Vec<(u64, String)>,
}

impl Victim {
    fn new() -> Self {
        let mut rig = busy();
        rig.kill();
        let pages = in_use(&rig.vfs);
        Self { rig, pages }
    }

    fn image(&self) -> Image {
        Image::of(&self.rig.vfs)
    }

    /// The first page in use whose owner begins with `owner` and that `wanted` takes.
    fn find(&self, owner: &str, wanted: impl Fn(&[u8]) -> bool) -> u64 {
        let image = self.image();
        self.pages
            .iter()
            .find(|(no, name)| name.starts_with(owner) && wanted(image.page(*no)))
            .map(|(no, _)| *no)
            .expect("the busy database has such a page")
    }

    fn find_kind(&self, owner: &str, kind: Kind) -> u64 {
        self.find(owner, |page| Kind::of(page) == Some(kind))
    }

    /// Checks a copy whose data file was changed.
    fn damaged(&self, change: impl FnOnce(&mut Image)) -> Report {
        let vfs = self.rig.vfs.copy();
        let mut image = self.image();
        change(&mut image);
        image.put_back(&vfs);
        checked(&vfs)
    }

    /// Checks a copy with one page changed and sealed again.
    fn damaged_page(&self, no: u64, change: impl FnOnce(&mut [u8])) -> Report {
        self.damaged(|image| image.edit(no, change))
    }
}

fn assert_names(report: &Report, invariant: Invariant, severity: Severity) {
    let named = report
        .findings
        .iter()
        .any(|f| f.invariant == invariant && f.severity == severity);
    assert!(named, "{invariant} at {severity}: {:#?}", report.findings);
}

fn assert_error(report: &Report, invariant: Invariant) {
    assert_names(report, invariant, Severity::Error);
    assert!(!report.is_healthy());
}

/// Where in a page the value of cell `i` is.
fn value_at(page: &[u8], i: usize) -> usize {
    Node::new(page).value(i).as_ptr() as usize - page.as_ptr() as usize
}

#[test]
fn i1_meta_copies() {
    let victim = Victim::new();
    let (_, slot) = victim.image().newest();
    // The first copy of the newest slot cannot be torn when the second one is whole.
    let report = victim.damaged(|image| image.bytes[slot.offset(0) as usize + 100] ^= 1);
    assert_names(&report, Invariant::MetaCopies, Severity::Warning);
    let report = victim.damaged(|image| image.bytes[slot.other().offset(1) as usize + 9] ^= 1);
    assert_names(&report, Invariant::MetaCopies, Severity::Warning);
}

#[test]
fn a_meta_torn_by_a_crash_is_only_noted() {
    let victim = Victim::new();
    let (newest, slot) = victim.image().newest();
    let older = slot.other();
    let next = crate::storage::meta::Meta {
        seq: newest.seq + 1,
        ..newest
    };
    let report = victim.damaged(|image| image.bytes[older.offset(0) as usize + 100] ^= 1);
    assert_eq!(report.worst, Some(Severity::Note), "{:?}", report.findings);
    let report = victim.damaged(|image| {
        image.bytes[older.offset(0) as usize..][..META_BYTES].copy_from_slice(&next.encode());
        image.bytes[older.offset(1) as usize + 100] ^= 1;
    });
    assert_eq!(report.worst, Some(Severity::Note), "{:?}", report.findings);
    let report = victim.damaged(|image| {
        image.bytes[older.offset(0) as usize..][..META_BYTES].copy_from_slice(&next.encode());
    });
    assert_eq!(report.findings, []);
}

#[test]
fn i2_meta_order() {
    let victim = Victim::new();
    let (meta, slot) = victim.image().newest();
    let mut other = meta;
    other.seq += 7;
    let report = victim.damaged(|image| {
        image.bytes[slot.offset(0) as usize..][..META_BYTES].copy_from_slice(&other.encode());
    });
    assert_error(&report, Invariant::MetaOrder);
    let report = victim.damaged(|image| image.set_meta(slot, &other));
    assert_error(&report, Invariant::MetaOrder);
    let mut older = meta;
    older.seq -= 1;
    older.checkpoint.lsn = Lsn(meta.checkpoint.lsn.0 + 1);
    let report = victim.damaged(|image| image.set_meta(slot.other(), &older));
    assert_error(&report, Invariant::MetaOrder);
}

#[test]
fn i3_meta_content() {
    let victim = Victim::new();
    let (meta, slot) = victim.image().newest();
    for at in [127, 200, META_BYTES - 5] {
        let report = victim.damaged(|image| {
            for copy in 0..2 {
                let start = slot.offset(copy) as usize;
                let bytes = &mut image.bytes[start..start + META_BYTES];
                bytes[at] = 1;
                let crc = crc32fast::hash(&bytes[..META_BYTES - 4]);
                bytes[META_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
            }
        });
        assert_error(&report, Invariant::MetaContent);
    }
    let mut few = meta;
    few.pages = 3;
    let report = victim.damaged(|image| image.set_meta(slot, &few));
    assert_error(&report, Invariant::MetaContent);
    let mut many = meta;
    (many.pages, many.generation) = (u64::MAX, u32::MAX);
    let report = victim.damaged(|image| image.set_meta(slot, &many));
    assert_error(&report, Invariant::MetaContent);
}

#[test]
fn i4_file_length() {
    let victim = Victim::new();
    let (meta, _) = victim.image().newest();
    let end = meta.pages as usize * PAGE;
    let report = victim.damaged(|image| image.bytes.truncate(end - 1));
    assert_error(&report, Invariant::FileLength);
    let report = victim.damaged(|image| image.bytes.resize(image.bytes.len() + 77, 1));
    assert_eq!(
        report.findings,
        [],
        "a file may be longer than its meta says"
    );
}

/// Whether a page is a branch with two leaves at least.
fn has_leaves(page: &[u8]) -> bool {
    Kind::of(page) == Some(Kind::Branch) && page[5] == 1 && Node::new(page).len() > 1
}

/// Changes the pointer of child `index` of a branch of root 0 that has leaves below it.
fn with_child(victim: &Victim, index: usize, change: impl FnOnce(&Node<'_>) -> Child) -> Report {
    let no = victim.find("root 0", has_leaves);
    victim.damaged_page(no, |page| {
        let child = change(&Node::new(page)).encode();
        node::value_mut(page, index).copy_from_slice(&child);
    })
}

#[test]
fn i5_reached_once() {
    let victim = Victim::new();
    let report = with_child(&victim, 1, |node| Child::decode(node.value(0)));
    assert_error(&report, Invariant::ReachedOnce);
    // A branch that is its own child is entered once.
    let no = victim.find_kind("root 0: ", Kind::Branch);
    let report = victim.damaged_page(no, |page| {
        let own = Child {
            ptr: crate::storage::page::ptr_of(page),
            count: 1,
        };
        node::value_mut(page, 0).copy_from_slice(&own.encode());
    });
    assert_error(&report, Invariant::ReachedOnce);
}

/// Changes a run of the free map that is not the first and has two pages at least.
fn with_run(victim: &Victim, change: impl FnOnce(&mut u64, &mut u64, u64)) -> Report {
    let no = victim.find_kind("the free map", Kind::FreeMap);
    victim.damaged_page(no, |page| {
        let runs = u32_at(page, 24) as usize / RUN_BYTES;
        let at = (1..runs)
            .map(|i| RUNS_START + i * RUN_BYTES)
            .find(|at| u48_at(page, at + 6) > 1)
            .expect("the busy database has such a run");
        let (mut start, mut len) = (u48_at(page, at), u48_at(page, at + 6));
        let before = u48_at(page, at - RUN_BYTES) + u48_at(page, at - RUN_BYTES + 6);
        change(&mut start, &mut len, before);
        page[at..at + 6].copy_from_slice(&start.to_le_bytes()[..6]);
        page[at + 6..at + 12].copy_from_slice(&len.to_le_bytes()[..6]);
    })
}

#[test]
fn i6_used_or_free() {
    let victim = Victim::new();
    let report = with_run(&victim, |start, len, before| {
        // Two pages earlier would touch the run before where there is one page between.
        assert!(*start > before);
        (*start, *len) = (*start - 1, *len + 1);
    });
    assert_error(&report, Invariant::UsedOrFree);
}

#[test]
fn i7_no_leak() {
    let victim = Victim::new();
    let report = with_run(&victim, |start, len, _| {
        (*start, *len) = (*start + 1, *len - 1)
    });
    assert_names(&report, Invariant::NoLeak, Severity::Warning);
    assert_eq!(
        (report.worst, report.stats.pages_lost),
        (Some(Severity::Warning), 1)
    );
}

#[test]
fn i8_pointer_in_file() {
    let victim = Victim::new();
    for page in [1, 31, 1 << 40] {
        let report = with_child(&victim, 0, |node| {
            let mut child = Child::decode(node.value(0));
            child.ptr.page.0 = page;
            child
        });
        assert_error(&report, Invariant::PointerInFile);
    }
}

#[test]
fn i9_page_checksum() {
    let victim = Victim::new();
    for (no, name) in &victim.pages {
        let report = victim.damaged(|image| image.bytes[*no as usize * PAGE + 300] ^= 4);
        assert_error(&report, Invariant::PageChecksum);
        assert!(
            report.findings.iter().any(|f| f.page == Some(*no)),
            "page {no} of {name}"
        );
    }
}

#[test]
fn i10_page_number() {
    let victim = Victim::new();
    for owner in [
        "root 0",
        "root 5",
        "the free map",
        "the catalog",
        "what was dropped",
    ] {
        let no = victim.find(owner, |_| true);
        let report = victim.damaged_page(no, |page| page[8] ^= 1);
        assert_error(&report, Invariant::PageNumber);
    }
}

#[test]
fn i11_page_stamp() {
    let victim = Victim::new();
    let no = victim.find("root 0", |_| true);
    let report = victim.damaged_page(no, |page| page[16] ^= 1);
    assert_error(&report, Invariant::PageStamp);
    // A stamp of a life that has not been, pointed to as such.
    let (mut meta, slot) = victim.image().newest();
    let root = meta.catalog.root.page.0;
    meta.catalog.root.stamp = Stamp(u64::from(meta.generation + 1) << 40);
    let report = victim.damaged(|image| {
        image.set_meta(slot, &meta);
        let stamp = meta.catalog.root.stamp.0.to_le_bytes();
        image.edit(root, |page| page[16..24].copy_from_slice(&stamp));
    });
    assert_error(&report, Invariant::PageStamp);
}

#[test]
fn i12_page_kind() {
    let victim = Victim::new();
    let leaf = victim.find_kind("root 0", Kind::Leaf);
    let report = victim.damaged_page(leaf, |page| page[4] = Kind::BlobLeaf as u8);
    assert_error(&report, Invariant::PageKind);
    let report = victim.damaged_page(leaf, |page| page[5] = 1);
    assert_error(&report, Invariant::PageKind);
    for kind in [Kind::Leaf, Kind::BlobLeaf, Kind::BlobBranch, Kind::FreeMap] {
        let no = victim.find("", |page| Kind::of(page) == Some(kind));
        let report = victim.damaged_page(no, |page| page[36] = 1);
        assert_error(&report, Invariant::PageKind);
    }
}

#[test]
fn i13_node_layout() {
    let victim = Victim::new();
    let leaf = victim.find_kind("root 0", Kind::Leaf);
    for at in [6, 24, 28, 32, HEADER_BYTES, HEADER_BYTES + 3] {
        let report = victim.damaged_page(leaf, |page| page[at] ^= 1);
        assert_error(&report, Invariant::NodeLayout);
    }
    let report = victim.damaged_page(leaf, |page| {
        let ptr = crate::storage::page::ptr_of(page);
        node::init(page, Kind::Leaf, 0, ptr, b"");
    });
    assert_error(&report, Invariant::NodeLayout);
    // The first child of a branch with a key.
    let branch = victim.find_kind("root 0", Kind::Branch);
    let report = victim.damaged_page(branch, |page| {
        let value = Node::new(page).value(0).to_vec();
        node::remove(page, 0);
        assert!(node::insert(page, 0, b"", None, &value));
        let at = value_at(page, 0) - 4;
        // One byte of the value becomes the key.
        page[at] = 1;
        page[at + 2] -= 1;
    });
    assert_error(&report, Invariant::NodeLayout);
}

#[test]
fn i14_key_order() {
    let victim = Victim::new();
    // Two neighbours in each other's place.
    let no = victim.find("root 0", has_leaves);
    let report = victim.damaged_page(no, |page| {
        let node = Node::new(page);
        let (a, b) = (node.value(0).to_vec(), node.value(1).to_vec());
        node::value_mut(page, 0).copy_from_slice(&b);
        node::value_mut(page, 1).copy_from_slice(&a);
    });
    assert_error(&report, Invariant::KeyOrder);
}

#[test]
fn i14_order_of_long_keys() {
    let victim = Victim::new();
    // A leaf with two keys that only their blobs tell apart, which change places.
    let is_long = |page: &[u8]| {
        Kind::of(page) == Some(Kind::Leaf) && {
            let node = Node::new(page);
            node.len() > 1 && node.has_overflow(0) && node.has_overflow(1)
        }
    };
    let no = victim.find("root 0", is_long);
    let report = victim.damaged_page(no, |page| {
        let node = Node::new(page);
        let place = |i: usize| value_at(page, i) - DESC_BYTES;
        let (a, b) = (place(0), place(1));
        assert_eq!(node.suffix(0), node.suffix(1));
        for i in 0..DESC_BYTES {
            page.swap(a + i, b + i);
        }
    });
    assert_error(&report, Invariant::KeyOrder);
}

#[test]
fn i15_counts() {
    let victim = Victim::new();
    let report = with_child(&victim, 1, |node| {
        let mut child = Child::decode(node.value(1));
        child.count += 1;
        child
    });
    assert_error(&report, Invariant::Counts);
    let (mut meta, slot) = victim.image().newest();
    meta.catalog.count += 1;
    let report = victim.damaged(|image| image.set_meta(slot, &meta));
    assert_error(&report, Invariant::Counts);
}

#[test]
fn i16_cells() {
    let victim = Victim::new();
    let leaf = victim.find_kind("root 0", Kind::Leaf);
    let report = victim.damaged_page(leaf, |page| {
        let at = value_at(page, 0);
        page[at + 1] = 200;
    });
    assert_error(&report, Invariant::Cells);
    // A nested tree that is said to be a blob.
    let owner = victim.find("root 5", |page| {
        Kind::of(page) == Some(Kind::Leaf) && {
            let node = Node::new(page);
            (0..node.len()).any(|i| Cell::new(node.value(i)).slots() > 0)
        }
    });
    let report = victim.damaged_page(owner, |page| {
        let node = Node::new(page);
        let i = (0..node.len())
            .find(|i| Cell::new(node.value(*i)).slots() > 0)
            .expect("it was found");
        let at = value_at(page, i) + Cell::new(node.value(i)).slot_offset(1);
        page[at + 15] = 1;
    });
    assert_error(&report, Invariant::Cells);
}

/// Changes the descriptor of a large value of root 0.
fn with_blob(victim: &Victim, change: impl FnOnce(&mut [u8])) -> Report {
    let blob_of = |page: &[u8]| {
        let node = Node::new(page);
        (0..node.len()).find(|i| {
            let cell = Cell::new(node.value(*i));
            cell.blob().is_some_and(|d| d.height > 0)
        })
    };
    let no = victim.find("root 0", |page| {
        Kind::of(page) == Some(Kind::Leaf) && blob_of(page).is_some()
    });
    victim.damaged_page(no, |page| {
        let i = blob_of(page).expect("it was found");
        let at = value_at(page, i) + 2 + Cell::new(Node::new(page).value(i)).head().len();
        change(&mut page[at..at + DESC_BYTES]);
    })
}

#[test]
fn i17_blob_geometry() {
    let victim = Victim::new();
    // Too long, too short for its height, its end before its last pages, not a blob, far too high.
    let report = with_blob(&victim, |desc| desc[20] = 1);
    assert_error(&report, Invariant::BlobGeometry);
    let report = with_blob(&victim, |desc| desc[16..24].fill(0));
    assert_error(&report, Invariant::BlobGeometry);
    let report = with_blob(&victim, |desc| desc[17] -= 4);
    assert_error(&report, Invariant::BlobGeometry);
    let report = with_blob(&victim, |desc| desc[15] = 0);
    assert_error(&report, Invariant::BlobGeometry);
    let report = with_blob(&victim, |desc| desc[14] = 99);
    assert_error(&report, Invariant::BlobGeometry);
}

#[test]
fn i18_blob_tail() {
    let victim = Victim::new();
    let report = with_blob(&victim, |desc| desc[16] -= 1);
    assert_error(&report, Invariant::BlobTail);
}

#[test]
fn i19_catalog() {
    let victim = Victim::new();
    let leaf = victim.find_kind("the catalog", Kind::Leaf);
    // The first cell is the list of dropped trees, the second one a root.
    let report = victim.damaged_page(leaf, |page| {
        let at = value_at(page, 1);
        page[at + 2 + 15] = 1;
    });
    assert_error(&report, Invariant::Catalog);
    let report = victim.damaged_page(leaf, |page| {
        let at = value_at(page, 0);
        page[at + 2..at + 8].fill(0);
    });
    assert_error(&report, Invariant::Catalog);
    let report = victim.damaged_page(leaf, |page| {
        let value = Node::new(page).value(0).to_vec();
        node::remove(page, 0);
        assert!(node::insert(page, 0, b"c", None, &value));
    });
    assert_error(&report, Invariant::Catalog);
}

#[test]
fn i20_free_map() {
    let victim = Victim::new();
    let report = with_run(&victim, |start, _, before| *start = before);
    assert_error(&report, Invariant::FreeMap);
    let report = with_run(&victim, |start, _, _| *start = 0);
    assert_error(&report, Invariant::FreeMap);
    let report = with_run(&victim, |_, len, _| *len = 0);
    assert_error(&report, Invariant::FreeMap);
    let report = with_run(&victim, |_, len, _| *len = 1 << 40);
    assert_error(&report, Invariant::FreeMap);
    let no = victim.find_kind("the free map", Kind::FreeMap);
    let report = victim.damaged_page(no, |page| page[24] += 1);
    assert_error(&report, Invariant::FreeMap);
    // A chain that bites its tail.
    let report = victim.damaged_page(no, |page| {
        let own: PagePtr = crate::storage::page::ptr_of(page);
        page[HEADER_BYTES..HEADER_BYTES + PTR_BYTES].copy_from_slice(&own.encode());
    });
    assert_error(&report, Invariant::ReachedOnce);
}

#[test]
fn i21_log_present() {
    let victim = Victim::new();
    let vfs = victim.rig.vfs.copy();
    vfs.unlink(&wal()).expect("it is there");
    assert_error(&checked(&vfs), Invariant::LogPresent);
    vfs.set(&wal(), Vec::new());
    let report = checked(&vfs);
    assert!(!report.is_healthy(), "{:?}", report.findings);
    // The log of another database.
    let mut header = victim.rig.vfs.bytes(&wal());
    for copy in 0..2 {
        let atom = &mut header[copy * 4096..][..4096];
        atom[16] ^= 1;
        let crc = crc32fast::hash(&atom[..4092]);
        atom[4092..].copy_from_slice(&crc.to_le_bytes());
    }
    vfs.set(&wal(), header);
    assert_error(&checked(&vfs), Invariant::LogPresent);
}

#[test]
fn i22_log_whole() {
    let mut rig = busy();
    // Later frames know that the earlier ones are synced.
    for n in 0..3_u8 {
        rig.with(|engine| {
            let log = engine.log().expect("open").clone();
            log.sync_to(log.last_lsn()).expect("a sync");
        });
        rig.put(0, &[n], b"more");
    }
    rig.kill();
    let mut bytes = rig.vfs.bytes(&wal());
    let mark = b"in the log";
    let at = bytes.windows(mark.len()).rposition(|w| w == mark);
    bytes[at.expect("it was logged")] ^= 1;
    rig.vfs.set(&wal(), bytes);
    assert_error(&rig.check(), Invariant::LogWhole);
}

#[test]
fn i23_log_checkpoint() {
    let victim = Victim::new();
    let (_, slot) = victim.image().newest();
    let report = victim.damaged(|image| {
        for copy in 0..2 {
            image.bytes[slot.offset(copy) as usize + 50] ^= 1;
        }
    });
    assert_error(&report, Invariant::LogCheckpoint);
    assert!(report.names(Invariant::MetaCopies));
}

#[test]
fn i24_log_idle() {
    let victim = Victim::new();
    let (mut meta, slot) = victim.image().newest();
    meta.log_required = false;
    let report = victim.damaged(|image| image.set_meta(slot, &meta));
    assert_error(&report, Invariant::LogIdle);
}

#[test]
fn i25_log_records() {
    let mut rig = busy();
    rig.with(|engine| {
        let log = engine.log().expect("open").clone();
        log.append(&[b"\xEEno change"]);
    });
    rig.kill();
    assert_error(&rig.check(), Invariant::LogRecords);
}

#[test]
fn i26_bytes() {
    let victim = Victim::new();
    let (mut meta, slot) = victim.image().newest();
    meta.catalog.bytes += 1;
    let report = victim.damaged(|image| image.set_meta(slot, &meta));
    assert_error(&report, Invariant::Bytes);
    // A root of several pages: the second cell of the catalog is root 0.
    let leaf = victim.find_kind("the catalog", Kind::Leaf);
    let report = victim.damaged_page(leaf, |page| {
        let at = value_at(page, 1);
        page[at + 2 + 24] ^= 1;
    });
    assert_error(&report, Invariant::Bytes);
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
    // A nested tree, whose bytes are part of those of its owner.
    let owner = victim.find("root 5", |page| {
        Kind::of(page) == Some(Kind::Leaf) && nested_at(page).is_some()
    });
    let report = victim.damaged_page(owner, |page| {
        let at = nested_at(page).expect("it was found");
        page[at + 24] ^= 1;
    });
    let count = report
        .findings
        .iter()
        .filter(|f| f.invariant == Invariant::Bytes)
        .count();
    assert_eq!(count, 2, "{:?}", report.findings);
    // A blob has its length and no bytes.
    let report = with_blob(&victim, |desc| desc[24] = 1);
    assert_error(&report, Invariant::BlobGeometry);
}

/// Where in a leaf the descriptor of a nested tree with pages is.
fn nested_at(page: &[u8]) -> Option<usize> {
    let node = Node::new(page);
    (0..node.len()).find_map(|i| {
        let cell = Cell::new(node.value(i));
        (0..cell.slots())
            .find(|slot| !cell.slot(*slot).root.is_null())
            .map(|slot| value_at(page, i) + cell.slot_offset(slot))
    })
}

#[test]
fn every_invariant_is_numbered_once_and_documented() {
    let document = include_str!("../../../../docs/FORMAT.md");
    for (i, invariant) in Invariant::ALL.iter().enumerate() {
        assert_eq!(usize::from(invariant.number()), i + 1);
        let row = format!("| {invariant} | {} |", invariant.title());
        assert!(document.contains(&row), "docs/FORMAT.md has no row {row:?}");
    }
}
