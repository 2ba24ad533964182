//! The thread that writes the append-only file.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::append_file::AppendFile;
use super::thread::Thread;
use crate::config::{Config, Key};
use crate::interchange::aof::Manifest;
use crate::vfs::{OpenMode, Vfs, VfsErrorKind};

/// How often the thread looks at what it was not called for.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Where the parts of the append-only file are.
pub struct Place {
    pub dir: PathBuf,
    pub name: String,
}

impl Place {
    pub fn of(config: &Config) -> Self {
        let name = config.text(Key::Appendfilename);
        Self {
            dir: PathBuf::from(OsStr::from_bytes(&config.text(Key::Appenddirname))),
            name: String::from_utf8_lossy(&name).into_owned(),
        }
    }

    pub fn manifest(&self) -> PathBuf {
        self.dir.join(format!("{}.manifest", self.name))
    }
}

/// What stands there when the server begins.
pub enum Before {
    /// Parts that are replaced by the first rewrite.
    Stale(Manifest),
    /// Everything up to this transaction, the last: it goes on where it ends.
    Whole(Manifest, u64),
    /// What nobody may write over: why.
    Kept(String),
}

/// The running thread.
pub struct Appender {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Appender {
    pub fn start(shared: Arc<Shared>, vfs: Arc<dyn Vfs>, before: Before) -> io::Result<Self> {
        let of_thread = Arc::clone(&shared);
        let thread = Thread::start("append", move || {
            let mut file = AppendFile::new(
                &of_thread.server,
                &of_thread.engine,
                &*of_thread.durability,
                &*vfs,
            );
            file.have_helped();
            file.take_over(before);
            loop {
                let work = of_thread.server.append_only.wait(LOOK);
                file.turn(work);
                if work.stop {
                    return;
                }
            }
        })?;
        Ok(Self { shared, thread })
    }

    /// Ends the thread when everything is written. A rewrite that is on is given up: the parts before it hold everything.
    pub fn stop(self) {
        self.shared.server.append_only.stop();
        self.thread.join();
    }
}

/// Reads the manifest at `place`; None if there is none. A folder that cannot be listed is an error: what stands there would
/// be written over.
pub fn read_manifest(vfs: &dyn Vfs, place: &Place) -> io::Result<Option<Manifest>> {
    let path: &Path = &place.manifest();
    let names = match vfs.list(&place.dir) {
        Err(error) if error.kind == VfsErrorKind::NotFound => return Ok(None),
        listed => listed.map_err(io::Error::other)?,
    };
    if !names
        .iter()
        .any(|name| name.file_name() == path.file_name())
    {
        return Ok(None);
    }
    let file = vfs.open(path, OpenMode::Read).map_err(io::Error::other)?;
    let mut bytes = vec![0; file.len().map_err(io::Error::other)? as usize];
    crate::vfs::read_exact_at(&*file, &mut bytes, 0).map_err(io::Error::other)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Manifest::parse(&text).map(Some).map_err(io::Error::other)
}
