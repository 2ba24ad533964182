//! Syncs, and the ways in which they fail.

use std::path::Path;

use redkeep::vfs::{VfsErrorKind, VfsResult};

use super::fault::Fault;
use super::profile::LieKind;
use super::state::{InodeId, Op};
use super::{Conditions, Request, World};

impl World {
    /// A sync through a description that was told of `told` failures. Returns of how many it is told now.
    pub(super) fn sync(
        &mut self,
        id: InodeId,
        told: u64,
        request: &Request<'_>,
        conditions: &Conditions,
    ) -> (u64, VfsResult<()>) {
        let io_error = request.error(VfsErrorKind::Io, true, "input/output error");
        match conditions.fault {
            Some(Fault::SyncLosesPages) => {
                self.fail(id, VfsErrorKind::Io, conditions, false);
                return (self.tell(id), Err(io_error));
            }
            Some(Fault::SyncEvicts) => {
                self.fail(id, VfsErrorKind::Io, conditions, true);
                return (self.tell(id), Err(io_error));
            }
            Some(Fault::SyncNoSpace) => {
                self.fail(id, VfsErrorKind::NoSpace, conditions, false);
                let error = request.error(VfsErrorKind::NoSpace, true, "no space");
                return (self.tell(id), Err(error));
            }
            Some(Fault::SyncReverts) => {
                self.disk.revert(id);
                self.count_failure(id, VfsErrorKind::Io);
                return (self.tell(id), Err(io_error));
            }
            // Whoever syncs next is told: this one is not, unless something was lost before.
            Some(Fault::SyncFailsLate) if self.failures_of(id) == told => {
                if self.fail(id, VfsErrorKind::Io, conditions, false) {
                    self.losses.silent.insert(request.path.to_path_buf());
                }
                return (told, Ok(()));
            }
            _ => {}
        }
        match self.disk.lie_about(request.path).map(|l| l.kind) {
            Some(LieKind::Nothing) => {}
            Some(LieKind::OrdersOnly) => self.disk.fence(id, conditions.cutoff),
            None => self.disk.settle(id, conditions.cutoff),
        }
        if self.failures_of(id) > told {
            let writeback = &self.disk.inode(id).expect("a handle holds it").writeback;
            let kind = writeback.kind.unwrap_or(VfsErrorKind::Io);
            let error = request.error(kind, true, "an earlier write failed in the background");
            return (self.tell(id), Err(error));
        }
        (told, Ok(()))
    }

    /// A sync of a directory.
    pub(super) fn sync_dir(
        &mut self,
        dir: &Path,
        request: &Request<'_>,
        conditions: &Conditions,
    ) -> VfsResult<()> {
        match conditions.fault {
            Some(Fault::DirSyncFails) => {
                let cutoff = conditions.cutoff;
                self.disk
                    .lose(|p| p.op.dir() == Some(dir) && p.seq <= cutoff);
                Err(request.error(VfsErrorKind::Io, true, "input/output error"))
            }
            Some(Fault::DirSyncUnsupported) => {
                Err(request.error(VfsErrorKind::Unsupported, false, "not supported"))
            }
            _ => {
                match self.disk.lie_about(dir) {
                    Some(_) => {}
                    None => self.disk.settle_dir(dir, conditions.cutoff),
                }
                Ok(())
            }
        }
    }

    /// Writeback of a file fails outside any sync.
    pub(super) fn writeback_fails(&mut self, id: InodeId, kind: VfsErrorKind) {
        let conditions = Conditions {
            fault: None,
            cutoff: self.disk.seq,
        };
        self.fail(id, kind, &conditions, false);
    }

    /// Loses some of a file's pending writes, at least one if there is any, makes its other operations durable, and
    /// counts the failure. `evict`: the cache gives the lost ones up after one more read. Whether anything was lost.
    fn fail(
        &mut self,
        id: InodeId,
        kind: VfsErrorKind,
        conditions: &Conditions,
        evict: bool,
    ) -> bool {
        let cutoff = conditions.cutoff;
        let of_file = |op: &Op| matches!(op, Op::Write { inode, .. } if *inode == id);
        let candidates: Vec<u64> = self
            .disk
            .pending()
            .iter()
            .filter(|p| p.seq <= cutoff && of_file(&p.op))
            .map(|p| p.seq)
            .collect();
        let mut lost: Vec<u64> = Vec::new();
        for seq in &candidates {
            if self.faults.below(2) == 0 {
                lost.push(*seq);
            }
        }
        if lost.is_empty() && !candidates.is_empty() {
            lost.push(*self.faults.pick(&candidates));
        }
        let gone = self.disk.lose(|p| lost.contains(&p.seq));
        self.disk.settle(id, cutoff);
        self.count_failure(id, kind);
        if evict {
            self.losses.evicts = true;
            let inode = self.disk.inode_mut(id).expect("a handle holds it");
            for pending in gone {
                if let Op::Write { offset, bytes, .. } = pending.op {
                    inode.fading.push((offset, offset + bytes.len() as u64));
                }
            }
        }
        !lost.is_empty()
    }

    fn failures_of(&self, id: InodeId) -> u64 {
        let inode = self.disk.inode(id).expect("a handle holds it");
        inode.writeback.failures
    }

    fn count_failure(&mut self, id: InodeId, kind: VfsErrorKind) {
        let inode = self.disk.inode_mut(id).expect("a handle holds it");
        inode.writeback.failures += 1;
        inode.writeback.reported = false;
        inode.writeback.kind = Some(kind);
    }

    /// A description is told of every failure so far.
    fn tell(&mut self, id: InodeId) -> u64 {
        let inode = self.disk.inode_mut(id).expect("a handle holds it");
        inode.writeback.reported = true;
        inode.writeback.failures
    }
}
