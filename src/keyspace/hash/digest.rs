//! What a hash adds to a digest.

use std::ops::ControlFlow;

use sha1::{Digest as _, Sha1};

use super::small::Small;
use super::{FIELDS, Found};
use crate::keyspace::Keyspace;
use crate::keyspace::digest::Digest;
use crate::keyspace::value::CHUNK_BYTES;
use crate::storage::{Body, Error, Read, Seek};

/// What a field with an expiry adds; the time itself does not count.
const EXPIRES: &[u8] = b"!!hexpire!!";

/// A field with a value in pages of its own: its name, whether it expires, and bytes of the value.
type Long = (Vec<u8>, bool, u64);

fn add_field(digest: &mut Digest, field: &[u8], value_hash: &[u8], expires: bool) {
    let mut of_field = Digest::default();
    of_field.mix(field);
    of_field.mix_hash(value_hash);
    if expires {
        of_field.add(EXPIRES);
    }
    digest.add_digest(&of_field);
}

impl Keyspace {
    /// Adds the fields of the hash at `key`, which is there.
    pub(in crate::keyspace) fn add_hash_digest(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?;
        let Some(cell) = cell.filter(|cell| cell.slots() == 0) else {
            return self.add_large_hash_digest(db, key, digest);
        };
        if let Body::Inline(body) = cell.body() {
            for three in Small::new(body).iter() {
                let value_hash = Sha1::digest(three.value.bytes);
                let expires = three.expires_ms.is_some();
                add_field(digest, three.field.bytes, &value_hash, expires);
            }
        }
        Ok(())
    }

    fn add_large_hash_digest(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let tree = self.tree(db, key, FIELDS)?;
            let from = after.as_deref().map_or(Seek::First, Seek::After);
            let mut long: Option<Long> = None;
            self.engine.scan(tree, from, &mut |field, cell| {
                let found = Found::of_cell(&cell);
                let expires = found.expires_ms.is_some();
                match found.value {
                    Body::Inline(value) => {
                        add_field(digest, field, &Sha1::digest(value), expires);
                        ControlFlow::Continue(())
                    }
                    Body::Blob { len } => {
                        long = Some((field.to_vec(), expires, len));
                        ControlFlow::Break(())
                    }
                }
            })?;
            let Some((field, expires, len)) = long else {
                return Ok(());
            };
            let mut hasher = Sha1::new();
            let mut chunk = Vec::new();
            for offset in (0..len).step_by(CHUNK_BYTES as usize) {
                chunk.clear();
                self.read_field(db, key, &field, offset, CHUNK_BYTES, &mut chunk)?;
                hasher.update(&chunk);
            }
            add_field(digest, &field, &hasher.finalize(), expires);
            after = Some(field);
        }
    }
}
