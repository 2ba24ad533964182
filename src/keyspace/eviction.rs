//! Giving up keys to make room: which key, by the policy, and its end.
//!
//! The keys to choose from are drawn by their rank in the trees, so that each is as likely as any other, whatever its
//! database. The one that expires first is not drawn but known: it stands in front of its tree.

use super::change::Class;
use super::expiry::{index_key, split};
use super::header::Header;
use super::{Keyspace, Look};
use crate::storage::pager::META_REGION_BYTES;
use crate::storage::{Error, Plan, Read, TreeId};

/// What keys are given up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// The one not used for longest goes.
    Recency,
    /// The one used least often goes.
    Frequency,
    /// The one that expires first goes.
    TimeToLive,
    /// Any goes.
    Chance,
}

/// A rule by which keys are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub merit: Merit,
    /// Keys that do not expire stay.
    pub only_volatile: bool,
    /// From so many keys the best is taken.
    pub samples: u64,
}

/// A key that may be given up.
struct Candidate {
    db: u32,
    key: Vec<u8>,
    /// The highest goes.
    score: u64,
}

impl Keyspace {
    /// Bytes of data, with what an empty file has.
    pub fn used_bytes(&self) -> u64 {
        META_REGION_BYTES + self.engine.data_bytes()
    }

    /// Bytes of data that a key takes, as [`Keyspace::used_bytes`] counts them: it falls by so many when the key goes.
    /// 0 if it is not there.
    pub fn key_bytes(&mut self, db: u32, key: &[u8]) -> Result<u64, Error> {
        let trees = self.trees(db)?;
        let Some(cell) = self.engine.current(trees.keys, key)? else {
            return Ok(0);
        };
        let mut bytes = cell.entry_bytes(key.len() as u64);
        let header = Header::parse(cell.head());
        let times = [
            (trees.expiries, header.expires_ms),
            (trees.fields, header.fields_expire_ms),
        ];
        for (index, time_ms) in times {
            let Some(time_ms) = time_ms else { continue };
            let name = index_key(time_ms, key);
            if let Some(cell) = self.engine.get(index, &name)? {
                bytes += cell.entry_bytes(name.len() as u64);
            }
        }
        Ok(bytes)
    }

    /// Gives up one key by the rule. False: there is none to give up. A miss leaves no trace, but that the next call
    /// draws other keys.
    pub fn evict_one(&mut self, rule: &Rule, now_ms: u64) -> Result<bool, Error> {
        let chosen = if rule.merit == Merit::TimeToLive {
            self.first_to_expire()?
        } else {
            self.drawn(rule, now_ms)?
        };
        match chosen {
            Some(Candidate { db, key, .. }) => self.evict(db, &key, now_ms),
            None => Ok(false),
        }
    }

    fn first_to_expire(&mut self) -> Result<Option<Candidate>, Error> {
        let mut first: Option<Candidate> = None;
        for db in self.databases_with_keys() {
            if let Some((expires_ms, key)) = self.next_expiry(db)? {
                let score = u64::MAX - expires_ms;
                if first.as_ref().is_none_or(|best| score > best.score) {
                    first = Some(Candidate { db, key, score });
                }
            }
        }
        Ok(first)
    }

    /// The best of some keys that are drawn. Those on pages that are not in memory are passed over if there are others.
    fn drawn(&mut self, rule: &Rule, now_ms: u64) -> Result<Option<Candidate>, Error> {
        let (mut trees, mut total) = (Vec::new(), 0);
        for db in self.databases_with_keys() {
            let of_db = self.trees(db)?;
            let tree = if rule.only_volatile {
                of_db.expiries
            } else {
                of_db.keys
            };
            let count = self.engine.count(tree);
            total += count;
            trees.push((db, tree, count));
        }
        if total == 0 {
            return Ok(None);
        }
        let draws = if rule.merit == Merit::Chance {
            1
        } else {
            rule.samples.max(1)
        };
        let (mut best, mut key) = (None::<Candidate>, Vec::new());
        let mut missed = None;
        for _ in 0..draws {
            let rank = self.rng.u64(0..total);
            let (db, tree, rank) = place(&trees, rank);
            match self.engine.select(tree, rank, &mut key) {
                Ok(Some(_)) => {}
                Ok(None) => continue,
                Err(Error::Miss) => {
                    missed = Some(Error::Miss);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let name = if rule.only_volatile {
                split(&key).1
            } else {
                &key
            };
            let score = match rule.merit {
                Merit::Recency => self.access.idle_seconds(db, name, now_ms),
                Merit::Frequency => u64::from(u8::MAX - self.access.frequency(db, name, now_ms)),
                Merit::Chance | Merit::TimeToLive => 0,
            };
            if best.as_ref().is_none_or(|best| score > best.score) {
                let key = name.to_vec();
                best = Some(Candidate { db, key, score });
            }
        }
        match (best, missed) {
            (None, Some(miss)) => Err(miss),
            (best, _) => Ok(best),
        }
    }

    /// Removes a key to make room. One that is due expires.
    fn evict(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<bool, Error> {
        let evicted = self.write(Plan::Simple, |txn| {
            let (slot, ()) = txn.inspect(db, key, now_ms, Look::ASIDE, |_| ())?;
            let was_live = txn.delete(&slot, key)?;
            if was_live {
                txn.touched(db, key, 0, Some((Class::Evicted, "evicted")));
                txn.keyspace().changes.effect(db, &[b"DEL", key]);
            }
            Ok::<_, Error>(was_live)
        })?;
        self.stats.evicted_keys += u64::from(evicted);
        Ok(true)
    }
}

/// The tree in which the key of this rank over all trees stands, and its rank there.
fn place(trees: &[(u32, TreeId, u64)], mut rank: u64) -> (u32, TreeId, u64) {
    for &(db, tree, count) in trees {
        if rank < count {
            return (db, tree, rank);
        }
        rank -= count;
    }
    unreachable!("a rank is below the number of keys");
}

#[cfg(test)]
mod tests;
