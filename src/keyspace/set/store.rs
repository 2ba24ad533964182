//! Storing a whole set at a key: the result of an operation.

use super::algebra::{Algebra, Listed, Opened};
use super::naming::Census;
use super::{Limits, MEMBERS, TREES, sort_integers};
use crate::keyspace::OWN_ROOT;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::packed::{self, ByteStrings};
use crate::keyspace::txn::Txn;
use crate::storage::{Error, Read};

/// Where a large result stands until it is complete, in the keyspace's own tree.
const RESULT_KEY: &[u8] = b"set-result";
/// A result of up to this many bytes is put together in memory.
const KEPT_BYTES_MAX: usize = 64 << 10;

impl Txn<'_> {
    /// Gives the key the members, whatever it had; there is one. Needs a savepoint.
    pub fn put_set(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        mut listed: Listed<'_>,
    ) -> Result<(), Error> {
        if listed.encoding == Encoding::Integers {
            sort_integers(&mut listed.members);
        }
        let mut slot = self.slot(db, key, now_ms)?;
        let header = Header::new(Kind::Set, listed.encoding);
        let lens = listed.members.iter().map(|member| member.len());
        let bytes: usize = lens.map(packed::item_bytes).sum();
        if bytes <= self.keyspace().packed_bytes_max() {
            let mut body = Vec::with_capacity(bytes);
            for member in &listed.members {
                packed::push(&mut body, member);
            }
            return self.put_value(&mut slot, key, header, &[], &body);
        }
        self.put_trees(&mut slot, key, header, &[], TREES)?;
        let tree = self.tree(&slot, key, MEMBERS)?;
        let engine = self.engine();
        for member in &listed.members {
            engine.put(tree, member, &[], &[])?;
        }
        Ok(())
    }

    /// Gives the key the members that an operation results in, whatever it had, and returns how many there are; if
    /// there are none, nothing is changed. Needs a savepoint.
    pub fn put_result(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        mut algebra: Algebra,
        limits: Limits,
    ) -> Result<u64, Error> {
        let mut census = Census::default();
        let opened = algebra.open(&mut self.keyspace().engine)?;
        let (mut members, mut bytes) = (ByteStrings::default(), 0);
        while let Some(member) = algebra.next(&mut self.keyspace().engine, &opened)? {
            census.add(member);
            bytes += packed::item_bytes(member.len());
            members.push(member);
            if bytes > KEPT_BYTES_MAX {
                self.collect(&members, &mut algebra, &opened, &mut census)?;
                self.install_result(db, key, now_ms, algebra.encoding(&census, limits))?;
                return Ok(census.len);
            }
        }
        let encoding = algebra.encoding(&census, limits);
        if census.len > 0 {
            let members = members.iter().collect();
            self.put_set(db, key, now_ms, Listed { members, encoding })?;
        }
        Ok(census.len)
    }

    /// Puts `members` and all that follow into a set beside the databases, for they may be read from the one that is
    /// going to be replaced.
    fn collect(
        &mut self,
        members: &ByteStrings,
        algebra: &mut Algebra,
        opened: &Opened,
        census: &mut Census,
    ) -> Result<(), Error> {
        let engine = self.engine();
        let own = engine.root(OWN_ROOT)?;
        let head = Header::new(Kind::Set, Encoding::Table).to_bytes(&[]);
        engine.put_nested(own, RESULT_KEY, &head, TREES)?;
        let result = engine.nested(own, RESULT_KEY, MEMBERS)?;
        let result = result.expect("it was just put there");
        for member in members.iter() {
            engine.put(result, member, &[], &[])?;
        }
        while let Some(member) = algebra.next(engine, opened)? {
            census.add(member);
            engine.put(result, member, &[], &[])?;
        }
        Ok(())
    }

    fn install_result(
        &mut self,
        db: u32,
        key: &[u8],
        now_ms: u64,
        encoding: Encoding,
    ) -> Result<(), Error> {
        let engine = self.engine();
        let own = engine.root(OWN_ROOT)?;
        if encoding != Encoding::Table {
            let head = Header::new(Kind::Set, encoding).to_bytes(&[]);
            engine.set_head(own, RESULT_KEY, &head)?;
        }
        let slot = self.slot(db, key, now_ms)?;
        self.install((own, RESULT_KEY), &slot, key)
    }
}
