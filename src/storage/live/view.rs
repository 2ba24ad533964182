//! The files as they were, for one reader: what it writes goes to a file of its own that has no name.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::sync::Mutex;
use crate::vfs::{
    OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile, VfsResult, read_exact_at, write_all_at,
};

/// What is written is kept in pieces of this size.
const BLOCK_BYTES: usize = 4096;

/// Where written blocks go: a file without a name, which vanishes with its last handle.
pub(super) struct Scratch {
    vfs: Arc<dyn Vfs>,
    /// The name that it has for a moment.
    path: PathBuf,
    opened: Mutex<Opened>,
}

#[derive(Default)]
struct Opened {
    /// None: nothing was written yet.
    file: Option<Arc<dyn VfsFile>>,
    blocks: u64,
}

impl Scratch {
    pub fn new(vfs: Arc<dyn Vfs>, path: PathBuf) -> Self {
        Self {
            vfs,
            path,
            opened: Mutex::new(Opened::default()),
        }
    }

    /// The file, and the place of a new block in it.
    fn place(&self) -> VfsResult<(Arc<dyn VfsFile>, u64)> {
        let mut opened = self.opened.lock();
        if opened.file.is_none() {
            let file = self.vfs.open(&self.path, OpenMode::CreateNew)?;
            self.vfs.unlink(&self.path)?;
            opened.file = Some(file);
        }
        let file = opened.file.clone().expect("it was opened above");
        let offset = opened.blocks * BLOCK_BYTES as u64;
        opened.blocks += 1;
        Ok((file, offset))
    }

    fn file(&self) -> Option<Arc<dyn VfsFile>> {
        self.opened.lock().file.clone()
    }
}

/// What a file was at a moment.
pub(super) struct Base {
    pub file: Arc<dyn VfsFile>,
    /// Its length.
    pub len: u64,
    /// Its beginning, where that has changed since.
    pub head: Vec<u8>,
    /// The parts that count; the others are zeroes. None: all of it.
    pub parts: Option<Vec<Range<u64>>>,
}

impl Base {
    /// Fills `out` with the bytes from `offset` on.
    fn read(&self, out: &mut [u8], offset: u64) -> VfsResult<()> {
        out.fill(0);
        let wanted = offset..(offset + out.len() as u64).min(self.len);
        let whole = 0..self.len;
        let whole = std::slice::from_ref(&whole);
        for part in self.parts.as_deref().unwrap_or(whole) {
            let (start, end) = (part.start.max(wanted.start), part.end.min(wanted.end));
            if start < end {
                let piece = &mut out[(start - offset) as usize..(end - offset) as usize];
                // A file that ends before is an error, never zeroes.
                read_exact_at(&*self.file, piece, start)?;
            }
        }
        if let Some(head) = self.head.get(offset as usize..) {
            let len = head.len().min(out.len());
            out[..len].copy_from_slice(&head[..len]);
        }
        Ok(())
    }
}

/// What was written over a base.
struct Written {
    len: u64,
    /// No more of the base than this counts: the file was cut to it.
    base_len: u64,
    /// Number of a block, and where it lies in the scratch file.
    blocks: BTreeMap<u64, u64>,
}

struct Layer {
    path: PathBuf,
    base: Base,
    written: Mutex<Written>,
    scratch: Arc<Scratch>,
}

impl Layer {
    fn new(path: PathBuf, base: Base, scratch: Arc<Scratch>) -> Self {
        let written = Mutex::new(Written {
            len: base.len,
            base_len: base.len,
            blocks: BTreeMap::new(),
        });
        Self {
            path,
            base,
            written,
            scratch,
        }
    }

    /// Fills `out`, which lies in the file, with what is there now.
    fn read(&self, written: &Written, out: &mut [u8], offset: u64) -> VfsResult<()> {
        self.base.read(out, offset)?;
        let end = offset + out.len() as u64;
        if written.base_len < end {
            let cut = written.base_len.saturating_sub(offset) as usize;
            out[cut..].fill(0);
        }
        let blocks = offset / BLOCK_BYTES as u64..end.div_ceil(BLOCK_BYTES as u64);
        let Some(file) = self.scratch.file() else {
            return Ok(());
        };
        for (block, place) in written.blocks.range(blocks) {
            let start = (block * BLOCK_BYTES as u64).max(offset);
            let stop = ((block + 1) * BLOCK_BYTES as u64).min(end);
            let piece = &mut out[(start - offset) as usize..(stop - offset) as usize];
            read_exact_at(&*file, piece, place + start % BLOCK_BYTES as u64)?;
        }
        Ok(())
    }

    /// Writes a piece that lies in one block.
    fn write(&self, written: &mut Written, bytes: &[u8], offset: u64) -> VfsResult<()> {
        let block = offset / BLOCK_BYTES as u64;
        let mut whole = [0; BLOCK_BYTES];
        self.read(written, &mut whole, block * BLOCK_BYTES as u64)?;
        let at = (offset % BLOCK_BYTES as u64) as usize;
        whole[at..at + bytes.len()].copy_from_slice(bytes);
        let (file, place) = match (written.blocks.get(&block), self.scratch.file()) {
            (Some(place), Some(file)) => (file, *place),
            _ => self.scratch.place()?,
        };
        write_all_at(&*file, &whole, place)?;
        written.blocks.insert(block, place);
        Ok(())
    }
}

/// An open file of a view.
#[derive(Clone)]
struct ViewFile(Arc<Layer>);

impl std::fmt::Debug for ViewFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ViewFile").field(&self.0.path).finish()
    }
}

impl VfsFile for ViewFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let written = self.0.written.lock();
        let len = written.len.saturating_sub(offset).min(buf.len() as u64) as usize;
        self.0.read(&written, &mut buf[..len], offset)?;
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        let mut written = self.0.written.lock();
        let room = BLOCK_BYTES - (offset % BLOCK_BYTES as u64) as usize;
        let len = buf.len().min(room);
        self.0.write(&mut written, &buf[..len], offset)?;
        written.len = written.len.max(offset + len as u64);
        Ok(len)
    }

    fn len(&self) -> VfsResult<u64> {
        Ok(self.0.written.lock().len)
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        let mut written = self.0.written.lock();
        if len < written.len {
            let first_gone = len.div_ceil(BLOCK_BYTES as u64);
            written.blocks.split_off(&first_gone);
            written.base_len = written.base_len.min(len);
            let in_block = (len % BLOCK_BYTES as u64) as usize;
            if in_block > 0 && written.blocks.contains_key(&(len / BLOCK_BYTES as u64)) {
                self.0
                    .write(&mut written, &vec![0; BLOCK_BYTES - in_block], len)?;
            }
        }
        written.len = len;
        Ok(())
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        let mut written = self.0.written.lock();
        written.len = written.len.max(offset + len);
        Ok(())
    }

    fn sync_data(&self) -> VfsResult<()> {
        Ok(())
    }

    fn sync_all(&self) -> VfsResult<()> {
        Ok(())
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.0.path
    }
}

/// A file system with a database's two files.
#[derive(Debug)]
pub(super) struct View {
    files: Vec<ViewFile>,
}

impl View {
    /// A view of files as they were, by their paths.
    pub fn new(files: Vec<(PathBuf, Base)>, scratch: Scratch) -> Self {
        let scratch = Arc::new(scratch);
        let layer = |(path, base)| ViewFile(Arc::new(Layer::new(path, base, Arc::clone(&scratch))));
        Self {
            files: files.into_iter().map(layer).collect(),
        }
    }
}

fn refused(op: &'static str, path: &Path) -> VfsError {
    VfsError {
        kind: VfsErrorKind::Denied,
        op,
        path: path.to_path_buf(),
        offset: None,
        effect_unknown: false,
        message: "the file is open for reading only".to_owned(),
    }
}

impl Vfs for View {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        match self.files.iter().find(|file| file.0.path == path) {
            Some(file) if mode != OpenMode::CreateNew => Ok(Arc::new(file.clone())),
            Some(_) => Err(refused("create", path)),
            None if matches!(mode, OpenMode::Create | OpenMode::CreateNew) => {
                Err(refused("create", path))
            }
            None => Err(VfsError {
                kind: VfsErrorKind::NotFound,
                message: "there is no such file".to_owned(),
                ..refused("open", path)
            }),
        }
    }

    fn rename(&self, from: &Path, _: &Path) -> VfsResult<()> {
        Err(refused("rename", from))
    }

    fn unlink(&self, path: &Path) -> VfsResult<()> {
        Err(refused("unlink", path))
    }

    fn list(&self, _: &Path) -> VfsResult<Vec<PathBuf>> {
        Ok(self.files.iter().map(|file| file.0.path.clone()).collect())
    }

    fn sync_dir(&self, _: &Path) -> VfsResult<()> {
        Ok(())
    }
}
