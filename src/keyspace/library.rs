//! Libraries of functions: kept in the file under their names, among the keyspace's own records.
//!
//! The keyspace knows their code and not one word of Lua. Whoever compiles them watches
//! [`Keyspace::libraries_epoch`], which moves with every change, and again when a change is taken back.

use std::ops::ControlFlow;

use super::{Keyspace, OWN_ROOT, Txn};
use crate::storage::{Error, Read, Seek};

/// What the keys of their records begin with; the name follows.
pub(super) const PREFIX: &[u8] = b"library:";

/// The name of a library, and its code.
pub type NameAndCode = (Vec<u8>, Vec<u8>);

/// Counts changes of the libraries.
#[derive(Debug, Default)]
pub(super) struct LibraryEpoch {
    epoch: u64,
    /// The open transaction has changed them.
    is_changed: bool,
}

impl LibraryEpoch {
    fn change(&mut self) {
        self.epoch += 1;
        self.is_changed = true;
    }

    /// The transaction is kept.
    pub(super) fn keep(&mut self) {
        self.is_changed = false;
    }

    /// The transaction is taken back.
    pub(super) fn take_back(&mut self) {
        self.epoch += u64::from(std::mem::take(&mut self.is_changed));
    }
}

fn key(name: &[u8]) -> Vec<u8> {
    [PREFIX, name].concat()
}

impl Keyspace {
    /// While this stays the same, so do the libraries.
    pub fn libraries_epoch(&self) -> u64 {
        self.library_epoch.epoch
    }

    /// Names and codes of all libraries, in the order of their names.
    pub fn libraries(&mut self) -> Result<Vec<NameAndCode>, Error> {
        read_all(&mut self.engine)
    }
}

/// Names and codes of all libraries that a reader sees, in the order of their names.
pub fn read_all<R: Read>(reader: &mut R) -> Result<Vec<NameAndCode>, Error> {
    let own = reader.root(OWN_ROOT)?;
    let mut names = Vec::new();
    reader.scan(
        own,
        Seek::AtLeast(PREFIX),
        &mut |key, _| match key.strip_prefix(PREFIX) {
            Some(name) => {
                names.push(name.to_vec());
                ControlFlow::Continue(())
            }
            None => ControlFlow::Break(()),
        },
    )?;
    let mut libraries = Vec::with_capacity(names.len());
    for name in names {
        let mut code = Vec::new();
        reader.read_body(own, &key(&name), 0, u64::MAX, &mut code)?;
        libraries.push((name, code));
    }
    Ok(libraries)
}

impl Txn<'_> {
    /// Keeps a library under its name, whatever was there.
    pub fn put_library(&mut self, name: &[u8], code: &[u8]) -> Result<(), Error> {
        self.put_own(&key(name), code)?;
        self.keyspace().library_epoch.change();
        Ok(())
    }

    /// Forgets a library.
    pub fn delete_library(&mut self, name: &[u8]) -> Result<(), Error> {
        self.delete_own(&key(name))?;
        self.keyspace().library_epoch.change();
        Ok(())
    }
}
