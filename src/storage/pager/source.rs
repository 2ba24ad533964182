//! Pages for threads that do not hold the engine lock: from the pool if they are there, otherwise from the file.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::pool::Pool;
use crate::storage::Error;
use crate::storage::cell;
use crate::storage::node::{self, Node};
use crate::storage::page::{self, Kind, PTR_BYTES, PageFault, PageNo, PagePtr};
use crate::storage::planted::Planted;
use crate::vfs::{VfsError, VfsErrorKind, VfsFile, read_up_to};

/// How often a page is read again before its damage is believed: a flip on the way heals, rot does not.
const READ_ATTEMPTS: usize = 3;

/// A page that is not what its pointer says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "page {page} of {} (offset {offset}) is damaged: {fault}; other pages are not affected. \
     Restore it from a backup, or delete the keys on it",
    path.display()
)]
pub struct Corruption {
    pub path: PathBuf,
    /// Where the page lies in the file, in bytes.
    pub offset: u64,
    pub page: PageNo,
    pub fault: PageFault,
}

/// Reads pages from the pool or the file, from any thread.
#[derive(Clone)]
pub struct PageSource {
    pool: Arc<Pool>,
    file: Arc<dyn VfsFile>,
    planted: Planted,
}

impl fmt::Debug for PageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageSource")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl PageSource {
    pub fn new(pool: Arc<Pool>, file: Arc<dyn VfsFile>, planted: Planted) -> Self {
        Self {
            pool,
            file,
            planted,
        }
    }

    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    pub fn file(&self) -> &dyn VfsFile {
        &*self.file
    }

    pub fn page_bytes(&self) -> usize {
        self.pool.page_bytes()
    }

    /// Copies a page that the caller's snapshot reaches: from the pool, or from the file.
    pub fn copy(&self, ptr: PagePtr, out: &mut [u8]) -> Result<(), Error> {
        // A page that leaves the pool between the two has been written before it left.
        if self.pool.copy_page(ptr, out) {
            return Ok(());
        }
        self.read(ptr, out)
    }

    /// Reads a page from the file and verifies it.
    pub fn read(&self, ptr: PagePtr, out: &mut [u8]) -> Result<(), Error> {
        self.read_verified(ptr.page, out, |page| self.verify(page, ptr))
    }

    /// As [`PageSource::read`], if that needs no wait for the disk. False: it does, or the page cannot be read;
    /// [`PageSource::read`] says which.
    pub fn read_now(&self, ptr: PagePtr, out: &mut [u8]) -> bool {
        assert_eq!(out.len(), self.page_bytes(), "a buffer for one page");
        let read = self.file.read_now_at(out, self.offset(ptr.page));
        read.is_ok_and(|done| done == Some(out.len())) && self.verify(out, ptr).is_ok()
    }

    /// A page will be read soon.
    pub fn will_need(&self, page: PageNo) {
        self.file
            .will_need(self.offset(page), self.page_bytes() as u64);
    }

    /// Where a page lies in the file, in bytes.
    fn offset(&self, page: PageNo) -> u64 {
        page.0 * self.page_bytes() as u64
    }

    /// As [`PageSource::read`], of whatever page has this number.
    pub fn read_numbered(&self, number: PageNo, out: &mut [u8]) -> Result<(), Error> {
        self.read_verified(number, out, |page| self.verify_numbered(page, number))
    }

    /// Whether these bytes, read from the place of this number, are a page.
    pub fn verify_numbered(&self, page: &[u8], number: PageNo) -> Result<(), PageFault> {
        let stamp = page::ptr_of(page).stamp;
        let expected = PagePtr {
            page: number,
            stamp,
        };
        self.verify(page, expected)
    }

    fn verify(&self, page: &[u8], ptr: PagePtr) -> Result<(), PageFault> {
        page::verify_planted(page, ptr, self.planted).and_then(|()| check_inside(page))
    }

    fn read_verified(
        &self,
        number: PageNo,
        out: &mut [u8],
        verify: impl Fn(&[u8]) -> Result<(), PageFault>,
    ) -> Result<(), Error> {
        let mut fault = PageFault::BehindEnd;
        for _ in 0..READ_ATTEMPTS {
            match self.read_once(number, out, &verify) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(found)) => fault = found,
                Err(first) if first.kind == VfsErrorKind::Io => {
                    // Once more, for an error that passes.
                    return match self.read_once(number, out, &verify) {
                        Ok(Ok(())) => Ok(()),
                        Ok(Err(fault)) => Err(self.damage(number, fault).into()),
                        Err(_) => Err(Error::Io(first)),
                    };
                }
                Err(e) => return Err(Error::Io(e)),
            }
        }
        Err(self.damage(number, fault).into())
    }

    fn read_once(
        &self,
        number: PageNo,
        out: &mut [u8],
        verify: impl Fn(&[u8]) -> Result<(), PageFault>,
    ) -> Result<Result<(), PageFault>, VfsError> {
        assert_eq!(out.len(), self.page_bytes(), "a buffer for one page");
        let done = read_up_to(&*self.file, out, self.offset(number))?;
        if done < out.len() {
            return Ok(Err(PageFault::BehindEnd));
        }
        Ok(verify(out))
    }

    /// The damage of the page at `ptr`, for people.
    pub fn corruption(&self, ptr: PagePtr, fault: PageFault) -> Corruption {
        self.damage(ptr.page, fault)
    }

    fn damage(&self, number: PageNo, fault: PageFault) -> Corruption {
        Corruption {
            path: self.file.path().to_path_buf(),
            offset: self.offset(number),
            page: number,
            fault,
        }
    }
}

/// Whether the inside of a page is such that reading it cannot go astray.
pub fn check_inside(bytes: &[u8]) -> Result<(), PageFault> {
    match Kind::of(bytes) {
        Some(Kind::Leaf) => {
            node::check_layout(bytes)?;
            if page::level_of(bytes) != 0 {
                return Err(PageFault::Layout("a leaf has level 0"));
            }
            let node = Node::new(bytes);
            if (0..node.len()).all(|i| cell::is_sound(node.value(i))) {
                Ok(())
            } else {
                Err(PageFault::Layout("a value does not hold together"))
            }
        }
        Some(Kind::Branch) => {
            node::check_layout(bytes)?;
            let node = Node::new(bytes);
            let sound =
                (0..node.len()).all(|i| node.value(i).len() == super::super::tree::CHILD_BYTES);
            if node.is_empty() || page::level_of(bytes) == 0 || !sound {
                return Err(PageFault::Layout(
                    "a branch has children, and a level above 0",
                ));
            }
            Ok(())
        }
        Some(Kind::BlobBranch) => {
            let children = usize::from(page::u16_at(bytes, 6));
            if page::HEADER_BYTES + children * PTR_BYTES > bytes.len() {
                return Err(PageFault::Layout(
                    "a blob branch has more children than fit",
                ));
            }
            Ok(())
        }
        Some(Kind::BlobLeaf | Kind::FreeMap) => Ok(()),
        None => Err(PageFault::Kind(bytes[4])),
    }
}
