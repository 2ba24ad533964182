//! Filling databases that are empty, all keys together: see [`bulk`](crate::storage::bulk).

use std::path::Path;

use super::expiry::index_key;
use super::header::Header;
use super::{Keyspace, ROOTS_PER_DATABASE, packed_bytes_max, root_ids};
use crate::storage::Error;
use crate::storage::bulk::{self, BulkLoad};
use crate::storage::checkpoint::EngineLock;
use crate::vfs::Vfs;

/// Why databases could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum BulkError {
    #[error(transparent)]
    Storage(#[from] Error),
    #[error("key {} stands twice in database {db}", key.escape_ascii())]
    Twice { db: u32, key: Vec<u8> },
}

/// Keys on their way into databases that have none.
#[derive(Debug)]
pub struct Bulk<'v> {
    load: BulkLoad<'v>,
    /// Memory for the body of a collection.
    pub body: Vec<u8>,
}

impl<'v> Bulk<'v> {
    /// Begins. About `memory_bytes` bytes of keys and values wait in memory, and what is more in a file without a name in
    /// the folder of `path`, where no file may be.
    pub fn new(keyspace: &Keyspace, vfs: &'v dyn Vfs, path: &Path, memory_bytes: usize) -> Self {
        Self {
            load: BulkLoad::new(&keyspace.engine, vfs, path, memory_bytes),
            body: Vec::new(),
        }
    }

    /// See [`Keyspace::packed_bytes_max`].
    pub fn packed_bytes_max(&self) -> usize {
        packed_bytes_max(self.load.page_bytes())
    }

    /// Takes a key with this header, without the times of fields, and this body. False: it is too large to stand in a page
    /// whole, and was not taken.
    pub fn put(&mut self, db: u32, key: &[u8], header: Header, body: &[u8]) -> Result<bool, Error> {
        let [keys, expiries, _] = root_ids(db);
        let taken = self.load.put(keys, key, &header.to_bytes(&[]), body)?;
        if let Some(expires_ms) = header.expires_ms.filter(|_| taken) {
            let fits = self
                .load
                .put(expiries, &index_key(expires_ms, key), &[], &[])?;
            assert!(fits, "an entry of the index has no body");
        }
        Ok(taken)
    }

    /// Takes what was put into a database by itself.
    pub fn lift(&mut self, keyspace: &mut Keyspace, db: u32) -> Result<(), Error> {
        let mut roots = root_ids(db).into_iter();
        roots.try_for_each(|root| self.load.lift(&mut keyspace.engine, root))
    }

    /// Puts what waits in memory in order, which [`fill`] does otherwise.
    pub fn sort(&mut self) {
        self.load.sort();
    }
}

/// Puts all keys into the databases. They are in the file after the next checkpoint; one may be made meanwhile, too. After
/// an error the databases are of no use.
pub fn fill(bulks: Vec<Bulk<'_>>, lock: &impl EngineLock) -> Result<(), BulkError> {
    let loads = bulks.into_iter().map(|bulk| bulk.load).collect();
    bulk::fill(loads, lock).map_err(|error| match error {
        bulk::BulkError::Storage(error) => BulkError::Storage(error),
        bulk::BulkError::Twice { root, key } => BulkError::Twice {
            db: root.0 / ROOTS_PER_DATABASE,
            key,
        },
    })
}
