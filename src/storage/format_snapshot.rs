//! The format, printed and compared with `format_snapshot.txt`: whoever changes a byte on disk changes that file,
//! `docs/FORMAT.md` and the version with it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::check::tests::rig::MemVfs;
use super::log::{
    ATOM_BYTES, CheckpointRef, Log, LogParams, Lsn, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use super::meta::{FORMAT_VERSION, META_BYTES, Meta};
use super::page::{self, Desc, Kind, PageNo, PagePtr, Stamp};
use super::record::{Change, DEPTH_MAX, Place};
use super::{blob, cell, freemap, node, open, pager, tree};
use crate::vfs::Clock;

const SNAPSHOT: &str = include_str!("format_snapshot.txt");
const PAGE: usize = 512;

#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn wall_ms(&self) -> u64 {
        0x0102_0304_0506
    }

    fn wall_us(&self) -> u64 {
        self.wall_ms() * 1000
    }

    fn mono_us(&self) -> u64 {
        0
    }
}

fn ptr(n: u64) -> PagePtr {
    PagePtr {
        page: PageNo(n),
        stamp: Stamp(n + 0x100),
    }
}

fn desc(n: u64, is_blob: bool) -> Desc {
    Desc {
        root: ptr(n),
        height: 2,
        is_blob,
        count: n * 10,
        bytes: if is_blob { 0 } else { n * 20 },
    }
}

/// Lines of sixteen bytes; lines of zeroes are left out.
fn dump(out: &mut String, name: &str, bytes: &[u8]) {
    writeln!(out, "{name}: {} bytes", bytes.len()).expect("written");
    for (i, line) in bytes.chunks(16).enumerate() {
        if line.iter().all(|b| *b == 0) {
            continue;
        }
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        writeln!(out, "  {:05x} {}", i * 16, hex.join(" ")).expect("written");
    }
}

fn constants(out: &mut String) {
    let figures = [
        ("format version", u64::from(FORMAT_VERSION)),
        ("meta copy", META_BYTES as u64),
        ("meta region", pager::META_REGION_BYTES),
        ("page, smallest", page::PAGE_BYTES_MIN as u64),
        ("page, largest", page::PAGE_BYTES_MAX as u64),
        ("page header", page::HEADER_BYTES as u64),
        ("pointer", page::PTR_BYTES as u64),
        ("descriptor", page::DESC_BYTES as u64),
        ("stamp counter bits", u64::from(open::STAMP_COUNTER_BITS)),
        (
            "key bytes in a page of 4096",
            node::key_inline_max(4096) as u64,
        ),
        (
            "cell bytes in a page of 4096",
            node::cell_bytes_max(4096) as u64,
        ),
        ("child of a branch", tree::CHILD_BYTES as u64),
        ("tree height", u64::from(tree::HEIGHT_MAX)),
        ("head of a cell", cell::HEAD_BYTES_MAX as u64),
        ("nested trees of a cell", cell::SLOTS_MAX as u64),
        ("nesting depth", DEPTH_MAX as u64),
        ("blob", blob::BLOB_BYTES_MAX),
        ("blob leaf in a page of 4096", blob::leaf_bytes(4096)),
        ("blob children in a page of 4096", blob::fanout(4096)),
        (
            "blob height in a page of 4096",
            u64::from(blob::height_max(4096)),
        ),
        ("first free run in a page", freemap::RUNS_START as u64),
        ("free run", freemap::RUN_BYTES as u64),
        ("log atom", ATOM_BYTES),
        ("log segment, smallest", SEGMENT_BYTES_MIN),
        ("log segment, largest", SEGMENT_BYTES_MAX),
    ];
    for (name, value) in figures {
        writeln!(out, "{name}: {value}").expect("written");
    }
}

fn metas(out: &mut String) {
    let meta = Meta {
        page_bytes: 4096,
        uuid: *b"0123456789abcdef",
        seq: 0x21,
        checkpoint: CheckpointRef {
            seq: 0x22,
            lsn: Lsn(0x23),
        },
        durable_lsn: Lsn(0x24),
        generation: 0x25,
        log_required: true,
        pages: 0x26,
        catalog: desc(0x27, false),
        free_map: ptr(0x28),
        wall_ms: 0x29,
    };
    dump(out, "meta", &meta.encode());
}

fn pages(out: &mut String) {
    let mut value = Vec::new();
    cell::encode(&mut value, b"head", None, &[desc(1, false)], b"body");
    dump(out, "cell, inline", &value);
    cell::encode(&mut value, b"h", Some(desc(2, true)), &[], b"");
    dump(out, "cell, blob", &value);
    let mut bytes = vec![0; PAGE];
    node::init(&mut bytes, Kind::Leaf, 0, ptr(3), b"pre");
    assert!(node::insert(&mut bytes, 0, b"a", None, &value));
    assert!(node::insert(
        &mut bytes,
        1,
        b"bcdef",
        Some(desc(4, true)),
        &value
    ));
    assert!(node::insert(&mut bytes, 1, b"b", None, &value));
    node::remove(&mut bytes, 1);
    page::seal(&mut bytes);
    dump(out, "leaf", &bytes);
    let child = tree::Child {
        ptr: ptr(5),
        count: 6,
    };
    node::init(&mut bytes, Kind::Branch, 1, ptr(7), b"");
    assert!(node::insert(&mut bytes, 0, b"", None, &child.encode()));
    assert!(node::insert(&mut bytes, 1, b"m", None, &child.encode()));
    page::seal(&mut bytes);
    dump(out, "branch", &bytes);
    let maps = freemap::build(PAGE, &[ptr(8), ptr(9)], &[40..42, 50..99]);
    dump(out, "free map", &maps[0]);
}

fn records(out: &mut String) {
    let (key, head) = (&b"key"[..], &b"head"[..]);
    let (to, to_key) = (
        Place {
            root: 300,
            steps: smallvec::smallvec![(b"owner".as_slice(), 1)],
        },
        &b"new"[..],
    );
    let root = Place {
        root: 1,
        steps: smallvec::SmallVec::new(),
    };
    let changes = [
        Change::In(root),
        Change::In(to.clone()),
        Change::Put {
            key,
            head,
            body: b"body",
        },
        Change::PutNested {
            key,
            head,
            slots: 2,
        },
        Change::SetHead { key, head },
        Change::WriteBody {
            key,
            offset: 300,
            bytes: b"bytes",
        },
        Change::TruncateBody { key, len: 5 },
        Change::SpliceBody {
            key,
            offset: 300,
            removed: 2,
            bytes: b"bytes",
        },
        Change::Delete { key },
        Change::DeleteRange {
            from: key,
            to: Some(to_key),
        },
        Change::DeleteRange {
            from: key,
            to: None,
        },
        Change::Move {
            key,
            to: to.clone(),
            to_key,
        },
        Change::Copy { key, to, to_key },
        Change::DropRoot(2),
        Change::SwapRoots(3, 4),
    ];
    for change in changes {
        let mut record = Vec::new();
        change.encode(&mut record);
        dump(out, &format!("{change:?}"), &record);
    }
}

fn log(out: &mut String) {
    let vfs = MemVfs::default();
    let params = LogParams {
        segment_bytes: SEGMENT_BYTES_MIN,
        ..LogParams::new(*b"0123456789abcdef", 1)
    };
    let checkpoint = CheckpointRef {
        seq: 2,
        lsn: Lsn(3),
    };
    let path = Path::new("log");
    let log = Log::create(&vfs, path, Arc::new(Noon), params, checkpoint).expect("a log");
    log.append(&[b"first", b"second"]);
    log.sync_to(log.last_lsn()).expect("a sync");
    log.append(&[b"third"]);
    log.write_to(log.last_lsn()).expect("a write");
    dump(out, "log", &vfs.bytes(path));
}

#[test]
fn the_format_is_the_committed_one() {
    let mut out = String::new();
    constants(&mut out);
    metas(&mut out);
    pages(&mut out);
    records(&mut out);
    log(&mut out);
    assert!(
        out == SNAPSHOT,
        "format_snapshot.txt, docs/FORMAT.md and the version go with a change of the format:\n{out}"
    );
}
