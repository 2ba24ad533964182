//! Filling databases that are empty, all keys together: see [`bulk`](crate::storage::bulk).

use std::path::Path;

use super::expiry::index_key;
use super::header::Header;
use super::{Keyspace, root_ids};
use crate::storage::Error;
use crate::storage::bulk::BulkLoad;
use crate::vfs::Vfs;

/// Keys on their way into databases that have none.
#[derive(Debug)]
pub struct Bulk<'v> {
    load: BulkLoad<'v>,
    /// Memory for the body of a collection.
    pub body: Vec<u8>,
}

impl<'v> Bulk<'v> {
    /// Begins; [`Keyspace::begin_seeding`] has said in the file that it is not whole. Keys that memory has no room for wait
    /// in a file without a name in the folder of `path`, where no file may be.
    pub fn begin(keyspace: &mut Keyspace, vfs: &'v dyn Vfs, path: &Path) -> Self {
        Self {
            load: BulkLoad::begin(&mut keyspace.engine, vfs, path),
            body: Vec::new(),
        }
    }

    /// Takes a key with this header, without the times of fields, and this body. False: it is too large to stand in a page
    /// whole, and was not taken.
    pub fn put(
        &mut self,
        keyspace: &Keyspace,
        db: u32,
        key: &[u8],
        header: Header,
        body: &[u8],
    ) -> Result<bool, Error> {
        let [keys, expiries, _] = root_ids(db);
        let engine = &keyspace.engine;
        let taken = self
            .load
            .put(engine, keys, key, &header.to_bytes(&[]), body)?;
        if let Some(expires_ms) = header.expires_ms.filter(|_| taken) {
            let entry = index_key(expires_ms, key);
            let fits = self.load.put(engine, expiries, &entry, &[], &[])?;
            assert!(fits, "an entry of the index has no body");
        }
        Ok(taken)
    }

    /// Takes what was put into a database by itself.
    pub fn lift(&mut self, keyspace: &mut Keyspace, db: u32) -> Result<(), Error> {
        let roots = root_ids(db).into_iter();
        let mut lifted = roots.map(|root| self.load.lift(&mut keyspace.engine, root));
        lifted.try_for_each(|lifted| lifted)
    }

    /// Puts all keys into the databases. They are in the file after the next checkpoint, after which
    /// [`Engine::resume_logging`](crate::storage::Engine::resume_logging) is called. After an error the databases are of no use.
    pub fn finish(self, keyspace: &mut Keyspace) -> Result<(), Error> {
        self.load.finish(&mut keyspace.engine)
    }
}
