//! Looking a sorted set up by its key.

use super::Members;
use crate::keyspace::header::{Header, Kind};
use crate::keyspace::{Entry, Keyspace, Look, Slot, Txn};
use crate::storage::Error;

/// The body of a small sorted set.
fn small_body(entry: &Entry<'_>) -> Option<Vec<u8>> {
    let is_small = entry.header.kind == Kind::SortedSet && !entry.is_large();
    entry.inline().filter(|_| is_small).map(<[u8]>::to_vec)
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
        let header = entry.header;
        let members = match small_body(&entry) {
            Some(body) => Some(Members::Small(body)),
            None if header.kind == Kind::SortedSet => Some(self.large_members(db, key)?),
            None => None,
        };
        Ok(Some((header, members)))
    }

    fn large_members(&mut self, db: u32, key: &[u8]) -> Result<Members, Error> {
        let keys = self.trees(db)?.keys;
        Members::open(&mut self.engine, keys, key)
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
        let (slot, body) = self.inspect(db, key, now_ms, Look::WRITE, |entry| {
            entry.and_then(small_body)
        })?;
        let members = match body {
            Some(body) => Some(Members::Small(body)),
            None if slot.header().is_some_and(|it| it.kind == Kind::SortedSet) => {
                Some(self.keyspace().large_members(db, key)?)
            }
            None => None,
        };
        Ok((slot, members))
    }
}
