//! A digest of keys and values, the same as that of a Redis server that holds the same, whatever their order.

use std::ops::ControlFlow;

use sha1::{Digest as _, Sha1};

use super::header::{Header, Kind};
use super::value::CHUNK_BYTES;
use super::{Entry, Keyspace};
use crate::storage::{Body, Error, Read, Seek};

/// Keys with long values or collections that are noted before their values are read.
const LONG_KEYS: usize = 64;
/// What a key with an expiry adds; the time itself does not count.
const EXPIRES: &[u8] = b"!!expire!!";

/// Twenty bytes that stand for any amount of data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds a hash regardless of what was added before.
    fn add_hash(&mut self, hash: &[u8]) {
        for (byte, added) in self.0.iter_mut().zip(hash) {
            *byte ^= added;
        }
    }

    /// Adds what another digest stands for, in any order.
    pub(super) fn add_digest(&mut self, other: &Self) {
        self.add(&other.0);
    }

    /// Adds data in any order.
    pub(super) fn add(&mut self, data: &[u8]) {
        self.add_hash(&Sha1::digest(data));
    }

    /// Adds the hash of data at this place of a sequence.
    pub(super) fn mix_hash(&mut self, hash: &[u8]) {
        self.add_hash(hash);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds data at this place of a sequence.
    pub(super) fn mix(&mut self, data: &[u8]) {
        self.mix_hash(&Sha1::digest(data));
    }

    /// Mixes a string value in, of which only the hash is left.
    fn mix_string(&mut self, header: Header, hash: &[u8]) {
        self.mix_kind(header);
        self.mix_hash(hash);
        self.add_expiry(header);
    }

    /// Begins with the kind of value.
    fn mix_kind(&mut self, header: Header) {
        self.mix(&(header.kind as u32).to_be_bytes());
    }

    /// Ends with whether the key expires.
    fn add_expiry(&mut self, header: Header) {
        if header.expires_ms.is_some() {
            self.add(EXPIRES);
        }
    }

    /// In hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The digest of a key and its value, of which only the hash is left.
fn of_entry(key: &[u8], header: Header, hash: &[u8]) -> Digest {
    let mut digest = Digest::default();
    digest.mix(key);
    digest.mix_string(header, hash);
    digest
}

impl Keyspace {
    /// The digest of the value at `key`; zeroes if there is none.
    pub fn value_digest(&mut self, db: u32, key: &[u8], now_ms: u64) -> Result<Digest, Error> {
        let mut digest = Digest::default();
        let trees = self.trees(db)?;
        let Some(cell) = self.engine.get(trees.keys, key)? else {
            return Ok(digest);
        };
        let (header, len) = (Header::parse(cell.head()), cell.body_len());
        if header.is_due(now_ms) {
            return Ok(digest);
        }
        match (Entry { header, cell }).inline() {
            Some(bytes) if header.kind == Kind::String => {
                digest.mix_string(header, &Sha1::digest(bytes));
            }
            _ => self.mix_value(db, key, header, len, &mut digest)?,
        }
        Ok(digest)
    }

    /// Mixes in a value that is not a short string.
    fn mix_value(
        &mut self,
        db: u32,
        key: &[u8],
        header: Header,
        len: u64,
        digest: &mut Digest,
    ) -> Result<(), Error> {
        digest.mix_kind(header);
        match header.kind {
            Kind::Stream => self.mix_stream(db, key, digest)?,
            Kind::List => self.mix_list(db, key, digest)?,
            Kind::Hash => self.add_hash_digest(db, key, digest)?,
            Kind::Set => self.add_set_digest(db, key, digest)?,
            Kind::SortedSet => self.add_sorted_set_digest(db, key, digest)?,
            _ => {
                let hash = self.long_value_hash(db, key, len)?;
                digest.mix_hash(&hash);
            }
        }
        digest.add_expiry(header);
        Ok(())
    }

    /// The digest of all databases.
    pub fn digest(&mut self, now_ms: u64) -> Result<Digest, Error> {
        let mut all = Digest::default();
        for db in self.databases_with_keys() {
            if self.due(db, now_ms)? == self.len(db)? {
                continue;
            }
            all.mix(&db.to_be_bytes());
            let mut after = None;
            loop {
                let (long, last) = self.add_short_values(db, &after, now_ms, &mut all)?;
                for (key, header, len) in long {
                    let mut digest = Digest::default();
                    digest.mix(&key);
                    self.mix_value(db, &key, header, len, &mut digest)?;
                    all.add_digest(&digest);
                }
                match last {
                    None => break,
                    key => after = key,
                }
            }
        }
        Ok(all)
    }

    /// Adds the keys behind `after` up to so many with long values or collections, which are returned, and the last key seen if
    /// there may be more.
    fn add_short_values(
        &mut self,
        db: u32,
        after: &Option<Vec<u8>>,
        now_ms: u64,
        all: &mut Digest,
    ) -> Result<(Vec<LongValue>, Option<Vec<u8>>), Error> {
        let trees = self.trees(db)?;
        let from = after.as_deref().map_or(Seek::First, Seek::After);
        let (mut long, mut last) = (Vec::new(), None);
        self.engine.scan(trees.keys, from, &mut |key, cell| {
            let header = Header::parse(cell.head());
            if header.is_due(now_ms) {
                return ControlFlow::Continue(());
            }
            match cell.body() {
                Body::Inline(bytes) if header.kind == Kind::String => {
                    all.add(&of_entry(key, header, &Sha1::digest(bytes)).0);
                }
                _ => long.push((key.to_vec(), header, cell.body_len())),
            }
            if long.len() < LONG_KEYS {
                return ControlFlow::Continue(());
            }
            last = Some(key.to_vec());
            ControlFlow::Break(())
        })?;
        Ok((long, last))
    }

    fn long_value_hash(
        &mut self,
        db: u32,
        key: &[u8],
        len: u64,
    ) -> Result<sha1::digest::Output<Sha1>, Error> {
        let mut hasher = Sha1::new();
        let mut chunk = Vec::new();
        for offset in (0..len).step_by(CHUNK_BYTES as usize) {
            chunk.clear();
            self.read_value(db, key, offset, CHUNK_BYTES, &mut chunk)?;
            hasher.update(&chunk);
        }
        Ok(hasher.finalize())
    }
}

/// A key whose value is not beside its head, its header, and the bytes of the value.
type LongValue = (Vec<u8>, Header, u64);
