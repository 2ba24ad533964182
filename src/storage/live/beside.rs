//! Takes a pin, and shows the files as they were then.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::board::Board;
use super::pin::{Moment, Pin, copies_in, read_region};
use super::view::{Base, Scratch, View};
use crate::storage::engine::Engine;
use crate::storage::log::{self, LogError, Lsn};
use crate::storage::open::{log_path, shm_path};
use crate::storage::{self, OpenError, OpenOptions, OpenReport};
use crate::vfs::{Clock, OpenMode, Vfs, VfsError, VfsErrorKind, VfsFile};

/// How often it is begun again because a writer began or ended meanwhile.
const ATTEMPTS_MAX: usize = 8;

/// How a file is read.
#[derive(Clone, Debug)]
pub struct BesideOptions {
    /// Bound of the buffer pool, in bytes.
    pub cache_bytes: u64,
    /// The name that the file for what does not fit into the pool has for a moment. Nothing may be there.
    pub scratch: PathBuf,
}

/// Why a file cannot be read beside its writer.
#[derive(Debug, thiserror::Error)]
pub enum BesideError {
    #[error(
        "{} may be in use, and to read it then takes write access to {}: {why}",
        path.display(), shm_path(path).display()
    )]
    Denied { path: PathBuf, why: String },
    #[error("{} is in use, by this process or another, and there cannot be readers beside it", .0.display())]
    InUse(PathBuf),
    #[error("{0} processes read the file already, and there is no place for more")]
    Full(usize),
    #[error("the process that writes the file is still opening it")]
    Opening,
    #[error("the file changes faster than it can be looked at")]
    Restless,
    #[error(transparent)]
    Log(LogError),
    #[error(transparent)]
    Vfs(#[from] VfsError),
}

/// What keeps the files as they are.
#[derive(Debug)]
enum Hold {
    /// A place on the board.
    Pin(Pin),
    /// Nobody else has the file, and while this handle is there nobody can.
    Lock(#[expect(dead_code, reason = "the handle is the lock")] Arc<dyn VfsFile>),
}

/// A database as it was at a moment. It stays so until this is dropped, whatever its writer does.
#[derive(Debug)]
pub struct Beside {
    path: PathBuf,
    view: View,
    hold: Hold,
    lsn: Option<Lsn>,
    options: BesideOptions,
}

impl Beside {
    /// Holds the database at `path` as it is now.
    pub fn take(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        options: BesideOptions,
    ) -> Result<Self, BesideError> {
        let file = vfs.open(path, OpenMode::Read)?;
        // Beside a file that is no database nothing is left behind.
        let meta = copies_in(&*read_region(&*file)?).newest();
        let board = match meta {
            Some(_) => open_board(&**vfs, path)?,
            None => None,
        };
        let (Some((meta, _)), Some(board)) = (meta, board) else {
            return Self::locked(vfs, path, file, options);
        };
        let pin = Pin::take(board.clone(), &meta.uuid)?;
        for _ in 0..ATTEMPTS_MAX {
            let instance = board.instance();
            let moment = pin.hold(&*file)?;
            let lsn = moment.lsn;
            match bases(&**vfs, path, Arc::clone(&file), moment) {
                Ok(files) => {
                    return Ok(Self {
                        path: path.to_path_buf(),
                        view: View::new(
                            files,
                            Scratch::new(Arc::clone(vfs), options.scratch.clone()),
                        ),
                        hold: Hold::Pin(pin),
                        lsn,
                        options,
                    });
                }
                Err(_) if board.instance() != instance => {}
                Err(e) => return Err(e),
            }
        }
        Err(BesideError::Restless)
    }

    /// Holds a file of which no other process can say that it writes it.
    fn locked(
        vfs: &Arc<dyn Vfs>,
        path: &Path,
        file: Arc<dyn VfsFile>,
        options: BesideOptions,
    ) -> Result<Self, BesideError> {
        match file.lock_exclusive() {
            Ok(()) => {}
            Err(e) if e.kind == VfsErrorKind::Locked => {
                return Err(BesideError::InUse(path.to_path_buf()));
            }
            // Where a file that is only read cannot be locked, nobody can have it open for writing through the lock.
            Err(e) if matches!(e.kind, VfsErrorKind::Unsupported | VfsErrorKind::Denied) => {}
            Err(e) => return Err(e.into()),
        }
        let mut files = vec![(path.to_path_buf(), whole(Arc::clone(&file))?)];
        files.extend(closed_log(&**vfs, path)?);
        Ok(Self {
            path: path.to_path_buf(),
            view: View::new(
                files,
                Scratch::new(Arc::clone(vfs), options.scratch.clone()),
            ),
            hold: Hold::Lock(file),
            lsn: None,
            options,
        })
    }

    /// The two files as they were.
    pub fn vfs(&self) -> &dyn Vfs {
        &self.view
    }

    /// How far the log of the process that writes the file was; None: no process had it open.
    pub fn live_lsn(&self) -> Option<Lsn> {
        self.lsn
    }

    /// Replays the log and opens the trees. What is changed in them, nobody else sees.
    pub fn open(&self, clock: Arc<dyn Clock>) -> Result<(Engine, OpenReport), OpenError> {
        let options = OpenOptions {
            cache_bytes: self.options.cache_bytes,
            reads_only: true,
            ..OpenOptions::new([0; 16])
        };
        let opened = storage::open(&self.view, clock, &self.path, &options, &mut |_, _| {})?;
        if let Hold::Pin(pin) = &self.hold {
            pin.pass_log();
        }
        Ok(opened)
    }
}

/// The board beside a file. None: there is none and can be none.
fn open_board(vfs: &dyn Vfs, path: &Path) -> Result<Option<Board>, BesideError> {
    let failure = match Board::open(vfs, path) {
        Ok(board) => return Ok(board),
        Err(e) => e,
    };
    match failure.kind {
        VfsErrorKind::Unsupported => Ok(None),
        VfsErrorKind::Denied if is_absent(vfs, &shm_path(path)) => Ok(None),
        VfsErrorKind::Denied => Err(BesideError::Denied {
            path: path.to_path_buf(),
            why: failure.message,
        }),
        _ => Err(failure.into()),
    }
}

fn is_absent(vfs: &dyn Vfs, path: &Path) -> bool {
    matches!(vfs.open(path, OpenMode::Read), Err(e) if e.kind == VfsErrorKind::NotFound)
}

fn whole(file: Arc<dyn VfsFile>) -> Result<Base, BesideError> {
    Ok(Base {
        len: file.len()?,
        file,
        head: Vec::new(),
        parts: None,
    })
}

/// The log of a file that nobody writes, if there is one.
fn closed_log(vfs: &dyn Vfs, path: &Path) -> Result<Option<(PathBuf, Base)>, BesideError> {
    let path = log_path(path);
    match vfs.open(&path, OpenMode::Read) {
        Ok(log) => Ok(Some((path, whole(log)?))),
        Err(e) if e.kind == VfsErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The files as they were at a moment.
fn bases(
    vfs: &dyn Vfs,
    path: &Path,
    file: Arc<dyn VfsFile>,
    moment: Moment,
) -> Result<Vec<(PathBuf, Base)>, BesideError> {
    let meta = moment.meta;
    let bytes = meta.pages * u64::from(meta.page_bytes);
    let data = Base {
        // A file that is too short is seen as it is.
        len: file.len()?.min(bytes),
        file,
        head: moment.region.to_vec(),
        parts: None,
    };
    let mut files = vec![(path.to_path_buf(), data)];
    let Some(lsn) = moment.lsn else {
        files.extend(closed_log(vfs, path)?);
        return Ok(files);
    };
    let up_to = lsn.max(meta.checkpoint.lsn);
    if meta.log_required || up_to > meta.checkpoint.lsn {
        let log_path = log_path(path);
        let log = vfs.open(&log_path, OpenMode::Read)?;
        let extent = log::extent(&*log, &meta.uuid, meta.checkpoint, up_to);
        let extent = extent.map_err(BesideError::Log)?;
        let base = Base {
            file: log,
            len: extent.len,
            head: Vec::new(),
            parts: Some(extent.ranges),
        };
        files.push((log_path, base));
    }
    Ok(files)
}
