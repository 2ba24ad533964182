//! A commit could once fail halfway: the descriptor of a set that had changed was not put into its key's cell, because a
//! page had to leave the pool for it and could not be written. The change was acknowledged and logged, and the set was
//! read as it had been before.

use super::*;
use crate::keyspace::rig::{NOW_MS, Rig};
use crate::keyspace::set::{Limits, sources::Source};

const KEY: &[u8] = b"set";
const MEMBERS: u64 = 60;
const LIMITS: Limits = Limits {
    integers_max: 0,
    entries_max: 0,
    value_bytes_max: 64,
};

/// So many pages that no pool of [`POOL_BYTES`] holds them, and what it holds is not written yet.
const OTHERS: u32 = 500;
const POOL_BYTES: u64 = 64 * 512;

fn add(txn: &mut Txn<'_>, member: &[u8]) -> Result<(), Error> {
    let mut set = txn.set(0, KEY, NOW_MS, LIMITS, 1)?.expect("a set");
    assert!(set.add(member)?);
    set.finish().map(|_| ())
}

/// A set in a tree of its own, all pages frozen, and a pool that is full of pages which are not written, those of the set
/// among them.
fn rig() -> (Rig, crate::storage::Snapshot) {
    let mut rig = Rig::with_cache(512, POOL_BYTES);
    let add_one = |rig: &mut Rig, n: u64| {
        rig.write(Plan::Simple, |txn| {
            add(txn, format!("member {n}").as_bytes())
        })
        .expect("storage that works");
    };
    (1..MEMBERS).for_each(|n| add_one(&mut rig, n));
    for n in 0..OTHERS {
        let name = format!("other {n}");
        rig.write(Plan::Simple, |txn| {
            let slot = txn.slot(0, name.as_bytes(), NOW_MS)?;
            let encoding = header::Encoding::Raw;
            txn.put_string(&slot, name.as_bytes(), &[b'v'; 100], encoding, None)
        })
        .expect("storage that works");
    }
    add_one(&mut rig, 0);
    assert_eq!(members(&mut rig), Ok(MEMBERS));
    let entry = rig.keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
    let is_large = entry
        .expect("storage that works")
        .is_some_and(|entry| entry.is_large());
    assert!(is_large, "it has a tree");
    let frozen = rig.keyspace.engine.snapshot();
    (rig, frozen)
}

/// Adds a member; when that is done, no page can be written any more.
fn add_before_writes_fail(rig: &mut Rig, plan: Plan) -> Result<(), Error> {
    let fail = rig.fail_page_writes();
    let done = rig.write(plan, |txn| {
        add(txn, b"new")?;
        fail(true);
        Ok(())
    });
    fail(false);
    done
}

/// What tells how many members there are, in every way; the ways agree.
fn members(rig: &mut Rig) -> Result<u64, &'static str> {
    let refused = |error: Error| match error {
        Error::Poisoned => "refused",
        error => panic!("{error}"),
    };
    rig.begin();
    let keyspace = &mut rig.keyspace;
    let entry = keyspace.lookup(0, KEY, NOW_MS, Look::UNSEEN);
    let counted = entry.map(|entry| entry.map_or(0, |entry| set::len(&entry)));
    let ways = [
        counted,
        keyspace
            .members(0, KEY, u64::MAX, usize::MAX)
            .map(|members| members.expect("no bounds").len() as u64),
        Source::open(keyspace, 0, KEY).map(|source| source.len),
    ]
    .map(|way| way.map_err(refused));
    let sized = keyspace.key_bytes(0, KEY).map_err(refused);
    assert_eq!(ways[0], ways[1]);
    assert_eq!(ways[0], ways[2]);
    assert_eq!(ways[0].is_err(), sized.is_err());
    ways[0]
}

/// Whether files can be written from the data.
fn reads_snapshots(rig: &mut Rig) -> bool {
    let snapshot = rig.keyspace.engine.snapshot();
    match snapshot.reader().root(root_ids(0)[0]) {
        Ok(_) => true,
        Err(Error::Poisoned) => false,
        Err(error) => panic!("{error}"),
    }
}

fn assert_nothing_is_written_any_more(rig: &mut Rig) {
    let refused = rig.write(Plan::Simple, |txn| add(txn, b"another"));
    assert!(matches!(refused, Err(Error::Poisoned)));
}

#[test]
fn a_change_that_cannot_be_completed_is_refused_and_undone() {
    let (mut rig, _frozen) = rig();
    let lsn = rig.keyspace.last_lsn();
    let refused = add_before_writes_fail(&mut rig, Plan::Savepoint);
    assert!(matches!(refused, Err(Error::Io(_))), "{refused:?}");
    assert_eq!(members(&mut rig), Ok(MEMBERS));
    assert!(reads_snapshots(&mut rig));
    assert_eq!(rig.keyspace.last_lsn(), lsn, "nothing is logged");
    assert_nothing_is_written_any_more(&mut rig);
    assert_eq!(members(&mut rig.restart()), Ok(MEMBERS));
}

#[test]
fn a_change_that_can_neither_be_completed_nor_undone_is_refused_and_not_read() {
    let (mut rig, _frozen) = rig();
    let lsn = rig.keyspace.last_lsn();
    let refused = add_before_writes_fail(&mut rig, Plan::Simple);
    assert!(matches!(refused, Err(Error::Io(_))), "{refused:?}");
    assert_eq!(members(&mut rig), Err("refused"));
    assert_eq!(rig.keyspace.last_lsn(), lsn, "nothing is logged");
    assert_nothing_is_written_any_more(&mut rig);
    assert_eq!(members(&mut rig), Err("refused"), "for good");
    assert!(!reads_snapshots(&mut rig));
    assert_eq!(members(&mut rig.restart()), Ok(MEMBERS));
}
