//! Looking a sorted set up by its key.

use super::members::body;
use super::{Members, TREES};
use crate::keyspace::header::{Header, Kind};
use crate::keyspace::{Entry, Keyspace, Look, Slot, Txn};
use crate::storage::Error;
use crate::storage::page::Desc;

/// What the entry of a sorted set shows.
enum Seen {
    /// The body of a small one.
    Small(Vec<u8>),
    /// The descriptors of the trees.
    Large([Desc; TREES]),
}

/// None: it is no sorted set.
fn see(entry: &Entry<'_>) -> Option<Seen> {
    if entry.header.kind != Kind::SortedSet {
        return None;
    }
    Some(match entry.trees() {
        Some(trees) => Seen::Large(trees),
        None => Seen::Small(body(&entry.cell).to_vec()),
    })
}

impl Keyspace {
    /// What is at `key`, if anything: its header, and the members if it is a sorted set.
    pub fn sorted_set(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        look: Look,
    ) -> Result<Option<(Header, Option<Members>)>, Error> {
        let Some(entry) = self.lookup(db, key, now_ms, look)? else {
            return Ok(None);
        };
        let (header, seen) = (entry.header, see(&entry));
        Ok(Some((header, self.members_seen(db, key, seen)?)))
    }

    fn members_seen(
        &mut self,
        db: u32,
        key: &[u8],
        seen: Option<Seen>,
    ) -> Result<Option<Members>, Error> {
        Ok(match seen {
            None => None,
            Some(Seen::Small(body)) => Some(Members::Small(body)),
            Some(Seen::Large(trees)) => {
                let trees = self.trees_seen(db, key, trees)?;
                Some(Members::of_trees(trees))
            }
        })
    }
}

impl Txn<'_> {
    /// What stands at `key` before it is changed, and the members if it is a sorted set.
    pub fn sorted_set(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
    ) -> Result<(Slot, Option<Members>), Error> {
        let (slot, seen) =
            self.inspect(db, key, now_ms, Look::WRITE, |entry| entry.and_then(see))?;
        let members = self.keyspace().members_seen(db, key, seen)?;
        Ok((slot, members))
    }
}
