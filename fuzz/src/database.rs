//! Files of a database that were written by arbitrary input: checksums are made right, so that what lies behind them is
//! reached.

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use redkeep::storage::checkpoint::{Checkpoint, EngineLock};
use redkeep::storage::engine::{Engine, Plan};
use redkeep::storage::meta::META_BYTES;
use redkeep::storage::open::{OpenOptions, log_path, open};
use redkeep::storage::page;
use redkeep::storage::{OnMiss, Read, RootId};
use redkeep::vfs::MemVfs;

use crate::{Edits, Standstill};

const PAGE: usize = 512;
const META_REGION: usize = 4 * META_BYTES;

struct Locked(Mutex<Engine>);

impl EngineLock for Locked {
    fn with<R>(&self, work: impl FnOnce(&mut Engine) -> R) -> R {
        work(&mut self.0.lock().expect("nothing panics"))
    }
}

/// A small database with pages of every kind, and its log.
fn healthy() -> &'static (Vec<u8>, Vec<u8>) {
    static FILES: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    FILES.get_or_init(|| {
        let vfs = MemVfs::default();
        let path = Path::new("data.keep");
        let clock = Arc::new(Standstill);
        let options = OpenOptions {
            page_bytes: PAGE,
            cache_bytes: 1 << 20,
            segment_bytes: 16 << 10,
            ..OpenOptions::new([7; 16])
        };
        let opened = open(&vfs, clock.clone(), path, &options, &mut |_, _| {});
        let (engine, _) = opened.expect("a new file");
        let lock = Locked(Mutex::new(engine));
        lock.with(fill);
        let begun = lock.with(|engine| Checkpoint::begin(engine, clock.clone()));
        let checkpoint = begun.expect("it begins").expect("there is something to write");
        checkpoint.run(&lock, || {}).expect("it ends");
        lock.with(|engine| {
            change(engine, b"log");
            let log = engine.log().expect("it has one").clone();
            log.write_to(log.last_lsn()).expect("memory takes it");
        });
        drop(lock);
        (vfs.bytes(path), vfs.bytes(&log_path(path)))
    })
}

fn change(engine: &mut Engine, key: &[u8]) {
    engine.begin_command(OnMiss::Read);
    engine.begin(Plan::Savepoint).expect("writes are allowed");
    let tree = engine.root(RootId(0)).expect("a root");
    engine.put(tree, key, b"h", &[5; 30]).expect("it fits");
    engine.commit();
}

fn fill(engine: &mut Engine) {
    for n in 0..30_u32 {
        change(engine, format!("key{n}").as_bytes());
    }
    for n in 0..8_u8 {
        let mut key = vec![b'x'; 600];
        key.push(n);
        change(engine, &key);
    }
    for key in [b"nest", b"gone"] {
        engine.begin_command(OnMiss::Read);
        engine.begin(Plan::Savepoint).expect("writes are allowed");
        let tree = engine.root(RootId(1)).expect("a root");
        engine.put_nested(tree, key, b"", 2).expect("it fits");
        let nested = engine.nested(tree, key, 1).expect("there");
        let nested = nested.expect("it was put");
        for n in 0..40_u8 {
            engine.put(nested, &[n], b"", &[n; 30]).expect("it fits");
        }
        engine.put(tree, b"large", b"", &[1; 20_000]).expect("it fits");
        engine.commit();
    }
    engine.begin_command(OnMiss::Read);
    engine.begin(Plan::Savepoint).expect("writes are allowed");
    let tree = engine.root(RootId(1)).expect("a root");
    engine.delete(tree, b"gone").expect("it is there");
    engine.commit();
}

/// Makes the checksums of meta copies and pages right, and the numbers of pages.
fn seal(bytes: &mut Vec<u8>) {
    if bytes.len() < META_REGION {
        bytes.resize(META_REGION, 0);
    }
    for copy in bytes[..META_REGION].chunks_mut(META_BYTES) {
        // The checksum of a meta covers all before it.
        let crc = crc(&copy[..META_BYTES - 4]);
        copy[META_BYTES - 4..].copy_from_slice(&crc.to_le_bytes());
    }
    for (i, bytes) in bytes[META_REGION..].chunks_exact_mut(PAGE).enumerate() {
        let number = (META_REGION / PAGE + i) as u64;
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        page::seal(bytes);
    }
}

/// CRC-32 by way of a page's own checksum.
fn crc(bytes: &[u8]) -> u32 {
    let mut sealed = vec![0; 4];
    sealed.extend_from_slice(bytes);
    page::seal(&mut sealed);
    u32::from_le_bytes([sealed[0], sealed[1], sealed[2], sealed[3]])
}

fn edit(bytes: &mut [u8], input: &[u8]) {
    for (place, edit) in Edits::new(input) {
        let at = place % bytes.len();
        let n = edit.len().min(bytes.len() - at);
        bytes[at..at + n].copy_from_slice(&edit[..n]);
    }
}

/// The files that an input stands for, under the name `path`. None: it is empty.
pub fn files(path: &Path, input: &[u8]) -> Option<MemVfs> {
    let (mode, input) = input.split_first()?;
    let (mut data, mut log) = healthy().clone();
    match mode % 4 {
        0 => data = input.to_vec(),
        1 => {
            // The metas stay, all pages are new.
            data.truncate(META_REGION);
            data.extend_from_slice(input);
            seal(&mut data);
        }
        2 => edit(&mut log, input),
        _ => {
            edit(&mut data, input);
            seal(&mut data);
        }
    }
    let vfs = MemVfs::default();
    vfs.set(path, data);
    vfs.set(&log_path(path), log);
    Some(vfs)
}
