//! An open file of the simulated file system.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redkeep::vfs::{VfsErrorKind, VfsFile, VfsResult};

use super::content::CHUNK;
use super::fault::{Done, Fault, Short};
use super::state::{Call, InodeId, chunk_ceil, chunk_floor};
use super::tear::garbage;
use super::{Answer, Conditions, RESIDENT_PER_MILLION, Request, SimVfs, World};
use crate::seed::Stream;
use crate::trace::{IoKind, hash_of};

/// The largest file: so that offsets and lengths add up without overflow.
const FILE_MAX: u64 = 1 << 62;

/// One open description.
pub(super) struct SimFile {
    vfs: SimVfs,
    path: Arc<Path>,
    inode: InodeId,
    handle: u64,
    /// Writeback failures that this description was told of. Relaxed: it is read and written under the world's lock.
    told: AtomicU64,
    life: u32,
    writable: bool,
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimFile({}, inode {})", self.path.display(), self.inode)
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.vfs.lock().close_handle(self.handle, self.life);
    }
}

impl SimFile {
    pub(super) fn new(
        vfs: SimVfs,
        path: Arc<Path>,
        inode: InodeId,
        handle: u64,
        told: u64,
        life: u32,
        writable: bool,
    ) -> Self {
        Self {
            vfs,
            path,
            inode,
            handle,
            told: AtomicU64::new(told),
            life,
            writable,
        }
    }

    fn request(&self, kind: IoKind, op: &'static str) -> Request<'_> {
        Request {
            inode: Some(self.inode),
            ..Request::new(kind, op, &self.path)
        }
    }

    fn io<T>(
        &self,
        request: Request<'_>,
        body: impl FnOnce(&mut World, &Request<'_>, &Conditions) -> VfsResult<Answer<T>>,
    ) -> VfsResult<T> {
        self.vfs.io(Some(self.life), request, body)
    }

    fn check_writable(&self, request: &Request<'_>) -> VfsResult<()> {
        if self.writable {
            return Ok(());
        }
        Err(request.error(
            VfsErrorKind::Denied,
            false,
            "the file is open for reading only",
        ))
    }

    fn read(&self, kind: IoKind, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        let mut request = self.request(kind, "read");
        request.offset = Some(offset);
        request.len = buf.len() as u64;
        self.io(request, |world, request, conditions| {
            world.read(self.inode, buf, offset, request, conditions)
        })
    }

    fn sync(&self) -> VfsResult<()> {
        let request = self.request(IoKind::Sync, "sync");
        self.io(request, |world, request, conditions| {
            let told = self.told.load(Ordering::Relaxed);
            let (now, result) = world.sync(self.inode, told, request, conditions);
            self.told.store(now, Ordering::Relaxed);
            result?;
            Ok(Answer::new((), 0))
        })
    }
}

impl VfsFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<usize> {
        self.read(IoKind::Read, buf, offset)
    }

    fn read_now_at(&self, buf: &mut [u8], offset: u64) -> VfsResult<Option<usize>> {
        if !self.vfs.lock().residence.chance(RESIDENT_PER_MILLION) {
            return Ok(None);
        }
        self.read(IoKind::ReadNow, buf, offset).map(Some)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> VfsResult<usize> {
        let mut request = self.request(IoKind::Write, "write");
        request.offset = Some(offset);
        request.len = buf.len() as u64;
        request.content = hash_of(buf);
        let bytes: Arc<[u8]> = buf.into();
        let fits = offset < FILE_MAX && self.writable;
        request.call = fits.then(|| Call::Write {
            inode: self.inode,
            offset,
            bytes: bytes.clone(),
        });
        self.io(request, |world, request, conditions| {
            self.check_writable(request)?;
            if !fits {
                return Err(request.error(VfsErrorKind::NoSpace, false, "file too large"));
            }
            world.write(self.inode, &bytes, offset, request, conditions)
        })
    }

    fn len(&self) -> VfsResult<u64> {
        let request = self.request(IoKind::Len, "stat");
        self.io(request, |world, _, _| {
            let len = world.disk.inode(self.inode).map_or(0, |i| i.cache.len());
            Ok(Answer::new(len, len))
        })
    }

    fn set_len(&self, len: u64) -> VfsResult<()> {
        let mut request = self.request(IoKind::SetLen, "set length");
        request.offset = Some(len);
        let call = Call::SetLen {
            inode: self.inode,
            len,
        };
        let sound = len < FILE_MAX && self.writable;
        request.call = sound.then(|| call.clone());
        self.io(request, |world, request, _| {
            self.check_writable(request)?;
            if !sound {
                return Err(request.error(VfsErrorKind::NoSpace, false, "file too large"));
            }
            world.disk.perform(&call);
            Ok(Answer::new((), len))
        })
    }

    fn allocate(&self, offset: u64, len: u64) -> VfsResult<()> {
        let mut request = self.request(IoKind::Allocate, "allocate");
        request.offset = Some(offset);
        request.len = len;
        let call = Call::Allocate {
            inode: self.inode,
            offset,
            len,
        };
        let sound = offset < FILE_MAX && len < FILE_MAX && len > 0 && self.writable;
        let room = sound && {
            let world = self.vfs.lock();
            world.disk.inode(self.inode).is_some()
                && world.disk.space_needed(self.inode, offset, len) <= world.disk.free()
        };
        request.call = room.then(|| call.clone());
        self.io(request, |world, request, _| {
            self.check_writable(request)?;
            if len == 0 {
                return Err(request.error(VfsErrorKind::Unsupported, false, "nothing to allocate"));
            }
            if !sound || world.disk.space_needed(self.inode, offset, len) > world.disk.free() {
                return Err(request.error(VfsErrorKind::NoSpace, false, "no space"));
            }
            world.disk.perform(&call);
            Ok(Answer::new((), len))
        })
    }

    fn sync_data(&self) -> VfsResult<()> {
        self.sync()
    }

    fn sync_all(&self) -> VfsResult<()> {
        self.sync()
    }

    fn lock_exclusive(&self) -> VfsResult<()> {
        let request = self.request(IoKind::Lock, "lock");
        self.io(request, |world, request, _| {
            match world.locks.get(&self.inode) {
                Some(holder) if *holder != self.handle => {
                    return Err(request.error(
                        VfsErrorKind::Locked,
                        false,
                        "another has it locked",
                    ));
                }
                _ => world.locks.insert(self.inode, self.handle),
            };
            Ok(Answer::new((), 0))
        })
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// How many of `len` bytes from `offset` a short transfer takes.
fn shorten(short: Short, offset: u64, len: usize, atom: u64) -> usize {
    let n = match short {
        Short::Zero => 0,
        Short::One => 1,
        Short::Half => len / 2,
        Short::AllButOne => len.saturating_sub(1),
        Short::AtAtom => (atom - offset % atom) as usize,
    };
    n.min(len)
}

/// Another atom of a file of `len` bytes than the one at `offset`; None if there is no other.
fn elsewhere(offset: u64, len: u64, atom: u64, stream: &mut Stream) -> Option<u64> {
    let atoms = len.div_ceil(atom);
    let own = offset / atom;
    if atoms < 2 {
        return None;
    }
    let other = (own % atoms + 1 + stream.below(atoms - 1)) % atoms;
    Some(other * atom + offset % atom)
}

impl World {
    fn read(
        &mut self,
        id: InodeId,
        buf: &mut [u8],
        offset: u64,
        request: &Request<'_>,
        conditions: &Conditions,
    ) -> VfsResult<Answer<usize>> {
        let profile = self.disk.profile.clone();
        let inode = self.disk.inode_mut(id).expect("a handle holds the inode");
        let left = inode.cache.len().saturating_sub(offset);
        let mut size = left.min(buf.len() as u64) as usize;
        let end = offset.saturating_add(size as u64);
        if conditions.fault == Some(Fault::BadSector) && size > 0 {
            inode.bad.insert(offset, end);
        }
        let fails = conditions.fault == Some(Fault::ReadFails);
        if fails || inode.bad.intersects(offset, end) {
            return Err(request.error(VfsErrorKind::Io, false, "input/output error"));
        }
        if let Some(Fault::ShortRead(short)) = conditions.fault {
            size = shorten(short, offset, size, profile.atom).max(size.min(1));
        }
        let buf = &mut buf[..size];
        inode.cache.read(offset, buf);
        let unwritten = inode.cache.unwritten(offset, size as u64);
        if profile.garbage_holes {
            fill_holes(inode, id, offset, buf, profile.garbage_seed);
        }
        match conditions.fault {
            Some(Fault::FlipOnRead) if size > 0 => flip(buf, &mut self.faults),
            Some(Fault::MisdirectedRead) => {
                let other = elsewhere(offset, inode.cache.len(), profile.atom, &mut self.faults);
                if let Some(other) = other {
                    inode.cache.read(other, buf);
                }
            }
            Some(Fault::StaleRead) if !inode.versions.is_empty() => {
                let version = self.faults.pick(&inode.versions);
                let fresh = buf.to_vec();
                let n = version.read(offset, buf);
                buf[n..].copy_from_slice(&fresh[n..]);
            }
            _ => {}
        }
        self.fade(id, offset, offset + size as u64);
        Ok(Answer {
            content: Some(hash_of(buf)),
            unwritten,
            ..Answer::new(size, size as u64)
        })
    }

    /// After a read: pages that were lost and still cached are given up, so that the next read sees the old ones (F19).
    fn fade(&mut self, id: InodeId, start: u64, end: u64) {
        let inode = self.disk.inode_mut(id).expect("a handle holds the inode");
        let (gone, kept) = std::mem::take(&mut inode.fading)
            .into_iter()
            .partition::<Vec<_>, _>(|(s, e)| *s < end && start < *e);
        inode.fading = kept;
        for (s, e) in gone {
            let old = inode.durable.bytes(s, e - s);
            let len = inode.cache.len();
            inode
                .cache
                .write(s, &vec![0; (e.min(len).saturating_sub(s)) as usize]);
            inode.cache.write(s, &old);
            inode.cache.clip();
        }
    }

    fn write(
        &mut self,
        id: InodeId,
        bytes: &Arc<[u8]>,
        offset: u64,
        request: &Request<'_>,
        conditions: &Conditions,
    ) -> VfsResult<Answer<usize>> {
        let atom = self.disk.profile.atom;
        let room = self.room(id, offset, bytes.len());
        if room == 0 && !bytes.is_empty() {
            return Err(request.error(VfsErrorKind::NoSpace, false, "no space"));
        }
        let bytes: Arc<[u8]> = if room < bytes.len() {
            bytes[..room].into()
        } else {
            bytes.clone()
        };
        let all = bytes.len();
        match conditions.fault {
            Some(Fault::NoSpace(done)) => {
                self.write_part(id, offset, &bytes, done);
                Err(request.error(VfsErrorKind::NoSpace, true, "no space"))
            }
            Some(Fault::WriteFails(done)) => {
                self.write_part(id, offset, &bytes, done);
                Err(request.error(VfsErrorKind::Io, true, "input/output error"))
            }
            Some(Fault::ShortWrite(short)) => {
                let n = shorten(short, offset, all, atom);
                self.disk.write(id, offset, bytes[..n].into());
                Ok(Answer::new(n, n as u64))
            }
            Some(Fault::FlipOnWrite) if all > 0 => {
                let mut flipped = bytes.to_vec();
                flip(&mut flipped, &mut self.faults);
                self.disk.write(id, offset, flipped.into());
                Ok(Answer::new(all, all as u64))
            }
            Some(Fault::MisdirectedWrite { cached }) => {
                self.misdirect(id, offset, &bytes, cached);
                Ok(Answer::new(all, all as u64))
            }
            Some(Fault::LostWrite { cached }) => {
                if cached {
                    self.write_cache_only(id, offset, &bytes);
                }
                Ok(Answer::new(all, all as u64))
            }
            fault => {
                self.disk.write(id, offset, bytes);
                if fault == Some(Fault::WritebackFails) {
                    self.writeback_fails(id, VfsErrorKind::Io);
                }
                Ok(Answer::new(all, all as u64))
            }
        }
    }

    /// How many bytes of a write the disk has space for.
    fn room(&self, id: InodeId, offset: u64, len: usize) -> usize {
        let free = self.disk.free();
        if len == 0 || self.disk.space_needed(id, offset, len as u64) <= free {
            return len;
        }
        // Whole chunks from the start of the write, as long as they fit.
        let end = offset + len as u64;
        let (mut at, mut left) = (chunk_floor(offset), free);
        while at < chunk_ceil(end) {
            let needed = self.disk.space_needed(id, at, CHUNK);
            if needed > left {
                break;
            }
            left -= needed;
            at += CHUNK;
        }
        at.clamp(offset, end).saturating_sub(offset) as usize
    }

    fn write_part(&mut self, id: InodeId, offset: u64, bytes: &Arc<[u8]>, done: Done) {
        let n = match done {
            Done::Nothing => 0,
            Done::Prefix if bytes.len() < 2 => 0,
            Done::Prefix => self.faults.between(1, bytes.len() as u64 - 1) as usize,
            Done::All => bytes.len(),
        };
        self.disk.write(id, offset, bytes[..n].into());
    }

    fn write_cache_only(&mut self, id: InodeId, offset: u64, bytes: &Arc<[u8]>) {
        let last = self.disk.seq;
        self.disk.write(id, offset, bytes.clone());
        // The length is metadata and lands; the data does not.
        self.disk
            .lose(|p| p.seq > last && matches!(p.op, super::Op::Write { .. }));
    }

    fn misdirect(&mut self, id: InodeId, offset: u64, bytes: &Arc<[u8]>, cached: bool) {
        let atom = self.disk.profile.atom;
        let len = self.disk.inode(id).map_or(0, |i| i.cache.len());
        let target = elsewhere(offset, len, atom, &mut self.faults);
        let Some(other) = target else {
            // Nowhere else to go: the write is lost.
            self.write_cache_only(id, offset, bytes);
            return;
        };
        if !cached {
            self.disk.write(id, other, bytes.clone());
            return;
        }
        self.write_cache_only(id, offset, bytes);
        self.disk.write_behind_cache(id, other, bytes.clone());
    }
}

fn flip(bytes: &mut [u8], stream: &mut Stream) {
    let bit = stream.below(bytes.len() as u64 * 8);
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
}

/// Replaces what nobody wrote with garbage.
fn fill_holes(inode: &super::Inode, id: InodeId, offset: u64, buf: &mut [u8], seed: u64) {
    let end = offset + buf.len() as u64;
    let mut at = offset;
    while at < end {
        let Some((s, e)) = inode.cache.unwritten(at, end - at) else {
            return;
        };
        let hole = &mut buf[(s - offset) as usize..(e - offset) as usize];
        garbage(seed, id, u64::MAX, s, hole);
        at = e;
    }
}
