//! The log: whatever is done to its bytes, a scan gives a verdict, and what it accepts is what was written, up to a
//! point.
#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use redkeep::storage::log::{CheckpointRef, Log, LogParams, Lsn, SEGMENT_BYTES_MIN, replay, scan};
use redkeep::vfs::{MemVfs, OpenMode, Vfs};
use redkeep_fuzz::{Edits, Standstill};

const UUID: [u8; 16] = *b"fuzz fuzz fuzz  ";
const RECORDS: u64 = 120;

fn record(n: u64) -> Vec<u8> {
    vec![n as u8; (n * 97 % 700) as usize]
}

/// A log of several segments, some of it known to be synced.
fn whole() -> &'static [u8] {
    static LOG: OnceLock<Vec<u8>> = OnceLock::new();
    LOG.get_or_init(|| {
        let vfs = MemVfs::default();
        let path = Path::new("log");
        let params = LogParams {
            segment_bytes: SEGMENT_BYTES_MIN,
            ..LogParams::new(UUID, 1)
        };
        let start = CheckpointRef::default();
        let log = Log::create(&vfs, path, Arc::new(Standstill), params, start).expect("a log");
        for n in 1..=RECORDS {
            log.reserve(1 << 16, false).expect("there is room");
            log.append(&[&record(n)]);
            let done = if n % 7 == 0 {
                log.sync_to(Lsn(n))
            } else {
                log.write_to(Lsn(n))
            };
            done.expect("memory takes it");
        }
        vfs.bytes(path)
    })
}

fuzz_target!(|input: &[u8]| {
    let Some(([mode, lsn], rest)) = input.split_first_chunk::<2>() else {
        return;
    };
    let bytes = if mode % 4 == 0 {
        rest.to_vec()
    } else {
        let mut bytes = whole().to_vec();
        for (place, edit) in Edits::new(rest) {
            let at = place % bytes.len();
            let n = edit.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&edit[..n]);
        }
        bytes
    };
    let vfs = MemVfs::default();
    let path = Path::new("log");
    vfs.set(path, bytes);
    let file = vfs.open(path, OpenMode::Read).expect("it is there");
    let from = CheckpointRef {
        seq: 0,
        lsn: Lsn(u64::from(*lsn) % RECORDS),
    };
    let Ok(scanned) = scan(&*file, &UUID, from, from.lsn) else {
        return;
    };
    let mut next = from.lsn.0 + 1;
    let done = replay(&*file, &scanned, from.lsn, |lsn, _, bytes| {
        assert_eq!(lsn.0, next, "transactions come in order");
        assert_eq!(bytes, record(lsn.0), "a transaction is what was written");
        next += 1;
        Ok::<(), ()>(())
    });
    assert!(done.is_ok(), "what a scan accepts can be read");
});
