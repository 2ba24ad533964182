//! Pages of large values and long keys.

use std::rc::Rc;

use super::Invariant;
use super::walk::{BlobTask, Task, Walk};
use crate::storage::blob;
use crate::storage::page::HEADER_BYTES;

impl Walk<'_, '_> {
    /// I17, I18. `page` is what its pointer says.
    pub(super) fn blob_page(&mut self, task: &BlobTask, page: &[u8]) {
        if task.height == 0 {
            self.blob_leaf(task, page);
        } else {
            self.blob_branch(task, page);
        }
    }

    fn blob_leaf(&mut self, task: &BlobTask, page: &[u8]) {
        if task.owner.is_dropped {
            return;
        }
        let used = task.left.min(blob::leaf_bytes(self.page_bytes)) as usize;
        if page[HEADER_BYTES + used..].iter().any(|byte| *byte != 0) {
            let spot = self.spot(task.ptr, &task.key);
            let what = format!("bytes behind the {used} that the value has here are not zero");
            self.fault(Invariant::BlobTail, spot, &task.owner, &what);
        }
    }

    fn blob_branch(&mut self, task: &BlobTask, page: &[u8]) {
        let fanout = blob::fanout(self.page_bytes);
        let below = blob::span(self.page_bytes, task.height - 1);
        for index in 0..fanout {
            let child = blob::child_at(page, index);
            if child.is_null() {
                continue;
            }
            let start = index.saturating_mul(below);
            let spot = self.spot(task.ptr, &task.key);
            if start >= task.left && !task.owner.is_dropped {
                let what = format!("child {index} lies behind the end of the value");
                self.fault(Invariant::BlobGeometry, spot, &task.owner, &what);
            }
            if self.reach(child, spot, &task.owner) {
                self.push(Task::Blob(BlobTask {
                    ptr: child,
                    height: task.height - 1,
                    left: task.left.saturating_sub(start).min(below),
                    key: Rc::clone(&task.key),
                    owner: Rc::clone(&task.owner),
                }));
            }
        }
        let end = blob::fanout(self.page_bytes) as usize * crate::storage::page::PTR_BYTES;
        if page[HEADER_BYTES + end..].iter().any(|byte| *byte != 0) {
            let spot = self.spot(task.ptr, &task.key);
            let what = "bytes behind its last child are not zero";
            self.fault(Invariant::BlobGeometry, spot, &task.owner, what);
        }
    }
}
