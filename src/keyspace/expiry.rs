//! The index of expiries: eight bytes of wall time in milliseconds, big endian, then the key; nothing else.

use smallvec::SmallVec;

use super::header::Header;
use super::{Keyspace, Look};
use crate::storage::{Error, Plan, Read, Seek};

const TIME_LEN: usize = 8;

/// What a call of [`Keyspace::expire_due`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Keys and fields of hashes removed.
    pub removed: usize,
    /// Whether keys or fields that are due are left.
    pub more: bool,
}

/// What is at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Live,
    /// A value whose time is over, and which is not removed yet.
    Due,
}

/// The entry of a key in the index.
pub(super) fn index_key(expires_ms: u64, key: &[u8]) -> SmallVec<[u8; 64]> {
    let mut entry = SmallVec::from_slice(&expires_ms.to_be_bytes());
    entry.extend_from_slice(key);
    entry
}

/// The time and the key of an entry.
pub(super) fn split(entry: &[u8]) -> (u64, &[u8]) {
    let (time, key) = entry
        .split_first_chunk::<TIME_LEN>()
        .expect("an entry begins with its time");
    (u64::from_be_bytes(*time), key)
}

impl Keyspace {
    /// How many keys of a database are due and not removed yet.
    pub(super) fn due(&mut self, db: u32, now_ms: u64) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        if self.engine.count(trees.expiries) == 0 {
            return Ok(0);
        }
        self.engine.rank(trees.expiries, &now_ms.to_be_bytes())
    }

    /// What is at a key; the look leaves no trace.
    pub fn presence(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<Presence, Error> {
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?;
        Ok(match cell.map(|cell| Header::parse(cell.head())) {
            None => Presence::Absent,
            Some(header) if header.is_due(now_ms) => Presence::Due,
            Some(_) => Presence::Live,
        })
    }

    /// The key of a database that expires first, and when.
    pub fn next_expiry(&mut self, db: u32) -> Result<Option<(u64, Vec<u8>)>, Error> {
        let trees = self.trees(db)?;
        if self.engine.count(trees.expiries) == 0 {
            return Ok(None);
        }
        let mut entry = Vec::new();
        let found = self
            .engine
            .seek(trees.expiries, Seek::First, &mut entry)?
            .is_some();
        if !found {
            return Ok(None);
        }
        let (expires_ms, key) = split(&entry);
        Ok(Some((expires_ms, key.to_vec())))
    }

    /// The mean time that keys with an expiry have left, in milliseconds, from `samples` of them spread evenly over
    /// the index; 0 if there are none.
    pub fn mean_ttl_ms(&mut self, db: u32, now_ms: u64, samples: u64) -> Result<u64, Error> {
        let due = self.due(db, now_ms)?;
        let trees = self.trees(db)?;
        let live = self.engine.count(trees.expiries).saturating_sub(due);
        let samples = samples.min(live);
        if samples == 0 {
            return Ok(0);
        }
        let (mut entry, mut sum_ms) = (Vec::new(), 0u128);
        for sample in 0..samples {
            let middle =
                (2 * u128::from(sample) + 1) * u128::from(live) / (2 * u128::from(samples));
            let at = due + middle as u64;
            if self
                .engine
                .select(trees.expiries, at, &mut entry)?
                .is_some()
            {
                sum_ms += u128::from(split(&entry).0.saturating_sub(now_ms));
            }
        }
        Ok((sum_ms / u128::from(samples)) as u64)
    }

    /// Removes up to `budget` keys and fields of hashes that are due, those that have been for longest first, of every
    /// database in turn.
    /// What was removed before an error stays removed.
    pub fn expire_due(&mut self, now_ms: u64, budget: usize) -> Result<Expired, Error> {
        let mut done = Expired::default();
        for db in 0..self.databases() {
            while let Some((expires_ms, key)) = self.next_expiry(db)? {
                if expires_ms >= now_ms {
                    break;
                }
                if done.removed == budget {
                    done.more = true;
                    return Ok(done);
                }
                self.expire(db, &key, now_ms)?;
                done.removed += 1;
            }
            done.removed += self.expire_fields(db, now_ms, budget - done.removed)?;
            if done.removed == budget && self.has_due_fields(db, now_ms)? {
                done.more = true;
                return Ok(done);
            }
        }
        Ok(done)
    }

    /// How many keys of a database are still there although the running command met them when they were due.
    pub fn count_met_due(&mut self, db: u32, now_ms: u64) -> Result<u64, Error> {
        let keys = self.trees(db)?.keys;
        let mut count = 0;
        for (_, key) in self.changes.due().iter().filter(|(of, _)| *of == db) {
            let cell = self.engine.current(keys, key)?;
            let is_due = cell.is_some_and(|cell| Header::parse(cell.head()).is_due(now_ms));
            count += u64::from(is_due);
        }
        Ok(count)
    }

    /// Removes the keys that the command, which is over, met when they were due; that they expired was told already.
    pub fn remove_met_due(&mut self, now_ms: u64) -> Result<(), Error> {
        let keys = self.changes.due();
        let removed = keys.iter().try_for_each(|(db, key)| {
            self.write(Plan::Simple, |txn| {
                let (slot, ()) = txn.inspect(*db, key, now_ms, Look::ASIDE, |_| ())?;
                if !slot.exists() {
                    txn.delete(&slot, key)?;
                }
                Ok::<_, Error>(())
            })
        });
        self.changes.forget_due();
        removed
    }

    fn expire(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<(), Error> {
        self.write(Plan::Simple, |txn| {
            let (slot, ()) = txn.inspect(db, key, now_ms, Look::ASIDE, |_| ())?;
            assert!(!slot.exists(), "the index names the key's own expiry");
            txn.delete(&slot, key)?;
            Ok::<_, Error>(())
        })
    }
}
