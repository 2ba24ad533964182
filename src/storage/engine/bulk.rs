//! Changes that are not logged, and root trees that are filled in order: see [`bulk`](crate::storage::bulk).

use super::{Engine, OnMiss, Plan, Read, RootId, TreeId};
use crate::storage::Error;
use crate::storage::page::Desc;
use crate::storage::tree::{self, Builder, Entry, Seek};

/// A root tree that is being filled in order.
#[derive(Debug)]
pub(in crate::storage) struct Filling {
    tree: TreeId,
    builder: Builder,
}

impl Engine {
    /// What is changed from now on is not logged. The caller has logged that the file is not whole.
    pub fn stop_logging(&mut self) {
        assert!(self.txn.is_none(), "between transactions");
        self.is_logging = false;
    }

    /// What is changed from now on is logged again.
    ///
    /// # Panics
    /// If something was changed that no checkpoint has written: what follows could not be replayed.
    pub fn resume_logging(&mut self) {
        assert!(
            !self.has_unlogged,
            "a checkpoint has written what the log has not"
        );
        self.is_logging = true;
    }

    /// Takes the first cell out of a root tree that is not empty, without what hangs there.
    pub(in crate::storage) fn lift_first(
        &mut self,
        tree: TreeId,
        key: &mut Vec<u8>,
        value: &mut Vec<u8>,
    ) -> Result<(), Error> {
        assert!(!self.is_logging, "a lifted cell is in no record");
        let found = self.seek(tree, Seek::First, key)?.is_some();
        assert!(found && self.find(tree, key)?, "the tree is not empty");
        self.begin(Plan::Simple)?;
        value.clear();
        let taken = self.take_found(tree, key, &mut |old| value.extend_from_slice(old));
        if taken.is_err() {
            self.rollback();
            return taken;
        }
        self.commit();
        Ok(())
    }

    /// Begins to fill a root tree, which is empty, and is until it is filled.
    pub(in crate::storage) fn begin_filling(&mut self, id: RootId) -> Result<Filling, Error> {
        assert!(!self.is_logging, "what is filled is in no record");
        self.begin_command(OnMiss::Read);
        let tree = self.root(id)?;
        assert_eq!(
            self.desc(tree),
            Desc::EMPTY_TREE,
            "only an empty tree is filled"
        );
        Ok(Filling {
            tree,
            builder: Builder::default(),
        })
    }

    /// Puts a cell behind all others of the tree.
    pub(in crate::storage) fn fill(
        &mut self,
        filling: &mut Filling,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), Error> {
        let overflow = tree::make_key_overflow(&mut self.pager, key)?;
        let entry = Entry {
            key,
            overflow,
            value,
        };
        if filling.builder.append(&mut self.pager, &entry)? {
            // A page that is done may leave memory.
            self.pager.pass_on();
        }
        Ok(())
    }

    /// The tree is filled.
    pub(in crate::storage) fn end_filling(&mut self, filling: Filling) -> Result<(), Error> {
        self.begin_command(OnMiss::Read);
        self.begin(Plan::Simple)?;
        self.fingers.forget();
        self.mark_changed();
        match filling.builder.finish(&mut self.pager) {
            Ok(desc) => {
                self.set_desc(filling.tree, desc);
                self.commit();
                Ok(())
            }
            Err(error) => {
                self.rollback();
                Err(error)
            }
        }
    }
}
