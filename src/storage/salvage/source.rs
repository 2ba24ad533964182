//! Pages of the damaged file: each is entered once, and verified.

use super::SalvageError;
use super::roots::Base;
use crate::storage::check::pages::{PageSet, read_page};
use crate::storage::node;
use crate::storage::page::{self, Kind, PagePtr};
use crate::vfs::{VfsErrorKind, VfsFile};

/// What became of a page that a pointer leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    Read,
    /// It cannot be read, or is not what the pointer says.
    Damaged,
    /// The pointer leads out of the file, or where another one led before.
    Astray,
}

pub(super) struct Source<'a> {
    pub file: &'a dyn VfsFile,
    pub page_bytes: usize,
    pub first_page: u64,
    pub pages: u64,
    pub reached: PageSet,
    /// Bytes of the file: nothing in it is longer.
    pub bytes: u64,
}

impl<'a> Source<'a> {
    pub fn new(file: &'a dyn VfsFile, base: &Base) -> Result<Self, SalvageError> {
        Ok(Self {
            file,
            page_bytes: base.page_bytes,
            first_page: base.first_page(),
            pages: base.pages,
            reached: PageSet::default(),
            bytes: file.len()?,
        })
    }

    /// Reads the page that `ptr` names, if it was not entered before.
    pub fn enter(
        &mut self,
        ptr: PagePtr,
        kind: Kind,
        level: u8,
        page: &mut [u8],
    ) -> Result<Entered, SalvageError> {
        let no = ptr.page.0;
        if no < self.first_page || no >= self.pages || !self.reached.insert(no) {
            return Ok(Entered::Astray);
        }
        let sound = self.is(ptr, kind, level, page)?;
        Ok(if sound {
            Entered::Read
        } else {
            Entered::Damaged
        })
    }

    /// Reads a page; whether it is the one that `ptr` names.
    pub fn is(
        &self,
        ptr: PagePtr,
        kind: Kind,
        level: u8,
        page: &mut [u8],
    ) -> Result<bool, SalvageError> {
        match read_page(self.file, ptr, page) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Ok(false),
            Err(e) if e.kind == VfsErrorKind::Io => return Ok(false),
            Err(e) => return Err(e.into()),
        }
        Ok(Kind::of(page) == Some(kind) && page::level_of(page) == level && is_laid_out(page))
    }
}

/// Whether the inside of a tree page, if it is one, can be looked at.
pub(super) fn is_laid_out(page: &[u8]) -> bool {
    match Kind::of(page) {
        Some(Kind::Leaf | Kind::Branch) => {
            node::check_layout(page).is_ok() && !node::Node::new(page).is_empty()
        }
        Some(_) => true,
        None => false,
    }
}
