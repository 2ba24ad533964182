//! `redkeep salvage` on arbitrary files: it ends, in bounded memory, without a panic; what it makes is without a fault, and
//! what it reads is not written to.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use redkeep::storage::cell::Cell;
use redkeep::storage::check::{CheckOptions, check};
use redkeep::storage::open::OpenOptions;
use redkeep::storage::salvage::{Rules, Salvage, SalvageError, Spot};
use redkeep::storage::RootId;
use redkeep::vfs::Clock;
use redkeep_fuzz::{Standstill, database};

/// Root 7 follows from others; heads tell keys from elements.
struct Heads;

impl Rules for Heads {
    fn is_derived(&self, root: RootId) -> bool {
        root == RootId(7)
    }

    fn fits(&self, spot: Spot<'_>, _key: &[u8], cell: &Cell<'_>) -> bool {
        cell.head().is_empty() != spot.slots.is_empty()
    }

    fn stray_root(&self, _key: &[u8], cell: &Cell<'_>, nth: u32) -> Option<RootId> {
        (!cell.head().is_empty()).then_some(RootId(nth))
    }
}

fuzz_target!(|input: &[u8]| {
    let (path, out) = (Path::new("data.keep"), Path::new("out.keep"));
    let Some(vfs) = database::files(path, input) else {
        return;
    };
    let before = vfs.bytes(path);
    let clock: Arc<dyn Clock> = Arc::new(Standstill);
    let options = OpenOptions {
        cache_bytes: 1 << 20,
        segment_bytes: 16 << 10,
        ..OpenOptions::new([9; 16])
    };
    let request = Salvage {
        vfs: &vfs,
        clock: &clock,
        broken: path,
        out,
        options: &options,
        rules: &Heads,
    };
    let done = request.run::<SalvageError>(&mut |_| {}, |engine, _| Ok(engine));
    assert!(before == vfs.bytes(path));
    if done.is_ok() {
        let report = check(&vfs, out, &CheckOptions::default(), &mut |_| {}).expect("a database");
        assert!(report.is_healthy(), "{:?}", report.findings);
    }
});
