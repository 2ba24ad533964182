//! Fields whose time has come: removed when a command meets them, and in the background.

use super::{Limits, TIMES, is_due};
use crate::keyspace::change::{Class, Listener};
use crate::keyspace::expiry;
use crate::keyspace::{Keyspace, Txn};
use crate::storage::{Error, Plan, Read, Seek};

/// Nothing is added to a hash whose fields are removed, so its name stays.
const NO_LIMITS: Limits = Limits {
    entries_max: u64::MAX,
    value_bytes_max: u64::MAX,
};

/// What became of a hash that lost due fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    pub fields: usize,
    /// No field is left, and the key is gone.
    pub emptied: bool,
}

/// How what happened is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// `hexpired`, and `del` for a key that is gone.
    Events,
    /// As above, but nothing if the only field that was removed was the last one.
    EventsOfMany,
}

impl Txn<'_> {
    /// Removes those of `fields` that are due, for a command that met them. Needs a savepoint.
    pub fn reap_fields(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        fields: &[&[u8]],
        telling: Telling,
    ) -> Result<Reaped, Error> {
        let Some(mut hash) = self.hash(db, key, now_ms, NO_LIMITS, 2)? else {
            return Ok(Reaped::default());
        };
        let mut reaped = Reaped::default();
        let mut gone = Vec::new();
        for field in fields {
            if hash.find(field)?.is_some_and(|found| found.is_due(now_ms)) {
                hash.remove(field)?;
                gone.push(*field);
                reaped.fields += 1;
            }
        }
        if reaped.fields == 0 {
            return Ok(reaped);
        }
        reaped.emptied = !hash.finish()?;
        for field in &gone {
            self.keyspace().changes.field_expired(db, key, field);
        }
        let told = telling == Telling::Events || reaped.fields > usize::from(reaped.emptied);
        self.tell_reaped(db, key, reaped, told);
        Ok(reaped)
    }

    /// Removes up to `max` fields that are due. Needs a savepoint. A hash whose fields all are goes at once, however
    /// many they are, unless somebody who repeats it has to hear of each.
    pub fn reap(&mut self, db: u32, key: &[u8], now_ms: u64, max: usize) -> Result<Reaped, Error> {
        let is_repeated = self.keyspace().changes.hears(Listener::Repeat);
        let due = self.keyspace().due_fields(db, key, now_ms)?;
        let Some(mut hash) = self.hash(db, key, now_ms, NO_LIMITS, 2)? else {
            return Ok(Reaped::default());
        };
        if due == 0 || !hash.exists() {
            return Ok(Reaped::default());
        }
        if due == hash.len() && !is_repeated {
            hash.delete()?;
            let reaped = Reaped {
                fields: usize::try_from(due).unwrap_or(usize::MAX),
                emptied: true,
            };
            self.tell_reaped(db, key, reaped, true);
            return Ok(reaped);
        }
        let gone = hash.remove_due(now_ms, max)?;
        let reaped = Reaped {
            fields: gone.len(),
            emptied: !hash.finish()?,
        };
        for field in &gone {
            self.keyspace().changes.field_expired(db, key, field);
        }
        self.tell_reaped(db, key, reaped, true);
        Ok(reaped)
    }

    fn tell_reaped(&mut self, db: u32, key: &[u8], reaped: Reaped, told: bool) {
        self.keyspace().stats.expired_fields += reaped.fields as u64;
        self.touched(db, key, 0, told.then_some((Class::Hash, "hexpired")));
        if told && reaped.emptied {
            self.event(db, key, Class::Generic, "del");
        }
    }
}

impl Keyspace {
    /// How many hashes of a database have fields that expire.
    pub fn hashes_expiring(&mut self, db: u32) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        Ok(self.engine.count(trees.fields))
    }

    /// The hash of a database whose first field is due for longest.
    fn next_due_hash(&mut self, db: u32, now_ms: u64) -> Result<Option<Vec<u8>>, Error> {
        let trees = self.trees(db)?;
        if self.engine.count(trees.fields) == 0 {
            return Ok(None);
        }
        let mut entry = Vec::new();
        let seen = self
            .engine
            .seek(trees.fields, Seek::First, &mut entry)?
            .is_some();
        if !seen {
            return Ok(None);
        }
        let (first_ms, key) = expiry::split(&entry);
        Ok(is_due(Some(first_ms), now_ms).then(|| key.to_vec()))
    }

    /// Removes due fields of hashes, at most about `budget`, those that have been due for longest first. Returns how
    /// many removals that was; a hash that goes at once with more fields than that is one.
    pub(in crate::keyspace) fn expire_fields(
        &mut self,
        db: u32,
        now_ms: u64,
        budget: usize,
    ) -> Result<usize, Error> {
        let mut done = 0;
        while done < budget {
            let Some(key) = self.next_due_hash(db, now_ms)? else {
                break;
            };
            let max = budget - done;
            let reaped = self.write(Plan::Savepoint, |txn| {
                let slot = txn.slot(db, &key, now_ms)?;
                if !slot.exists() {
                    txn.delete(&slot, &key)?;
                    return Ok(Reaped::default());
                }
                txn.reap(db, &key, now_ms, max)
            })?;
            done += if reaped.fields > max {
                1
            } else {
                reaped.fields.max(1)
            };
        }
        Ok(done)
    }

    /// Whether a hash of the database has a field that is due.
    pub(in crate::keyspace) fn has_due_fields(
        &mut self,
        db: u32,
        now_ms: u64,
    ) -> Result<bool, Error> {
        Ok(self.next_due_hash(db, now_ms)?.is_some())
    }

    /// How many of the tree's first entries are due.
    pub(super) fn due_in_large(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<u64, Error> {
        let tree = self.tree(db, key, TIMES)?;
        self.engine.rank(tree, &now_ms.to_be_bytes())
    }
}
