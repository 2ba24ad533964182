//! Damage to the medium: what rots, is zeroed, or lands in the wrong place while nobody looks.

use std::fmt;
use std::path::{Path, PathBuf};

use super::content::Content;
use super::state::Disk;
use super::tear::garbage;

/// Damage to the durable bytes of one file. Offsets and lengths are in bytes and lie inside the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// F36: a bit flips; `bit` is 0 to 7.
    Flip { offset: u64, bit: u8 },
    /// F36: a run of bytes becomes garbage.
    Garbage { offset: u64, len: u64 },
    /// F38: a run of bytes becomes zeroes.
    Zero { offset: u64, len: u64 },
    /// F39, F41: the bytes at `from` lie also at `to`.
    Copy { from: u64, to: u64, len: u64 },
    /// F39: two runs change places; they must not overlap.
    Swap { a: u64, b: u64, len: u64 },
    /// F40, F42: a run shows what it held so many durable versions ago, at least 1; needs a profile that keeps versions.
    Older {
        offset: u64,
        len: u64,
        versions: usize,
    },
    /// F30: a run cannot be read until it is overwritten.
    Unreadable { offset: u64, len: u64 },
}

/// Damage that cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DamageError {
    /// No file has this path.
    NotFound(PathBuf),
    /// A range ends behind the file, which is so long.
    Outside { end: u64, len: u64 },
    /// Fewer durable versions are kept.
    NoVersion { kept: usize },
}

impl fmt::Display for DamageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DamageError::NotFound(path) => write!(f, "no file {}", path.display()),
            DamageError::Outside { end, len } => {
                write!(f, "the range ends at {end}, the file at {len}")
            }
            DamageError::NoVersion { kept } => write!(f, "only {kept} older versions are kept"),
        }
    }
}

impl std::error::Error for DamageError {}

impl Damage {
    fn end(&self) -> u64 {
        match *self {
            Damage::Flip { offset, .. } => offset + 1,
            Damage::Garbage { offset, len }
            | Damage::Zero { offset, len }
            | Damage::Older { offset, len, .. }
            | Damage::Unreadable { offset, len } => offset + len,
            Damage::Copy { from, to, len } => from.max(to) + len,
            Damage::Swap { a, b, len } => a.max(b) + len,
        }
    }

    fn apply(&self, content: &mut Content, inode: u64, seed: u64) {
        match *self {
            Damage::Flip { offset, bit } => {
                let byte = content.bytes(offset, 1)[0];
                content.write(offset, &[byte ^ (1 << (bit % 8))]);
            }
            Damage::Garbage { offset, len } => {
                let mut bytes = vec![0; len as usize];
                garbage(seed, inode, u64::MAX - 1, offset, &mut bytes);
                content.write(offset, &bytes);
            }
            Damage::Zero { offset, len } => content.write(offset, &vec![0; len as usize]),
            Damage::Copy { from, to, len } => {
                let bytes = content.bytes(from, len);
                content.write(to, &bytes);
            }
            Damage::Swap { a, b, len } => {
                let (at_a, at_b) = (content.bytes(a, len), content.bytes(b, len));
                content.write(a, &at_b);
                content.write(b, &at_a);
            }
            Damage::Older { .. } | Damage::Unreadable { .. } => {}
        }
    }
}

impl Disk {
    /// How many durable versions ago a run held something else than now, once for each content, newest first: what a lost
    /// write may leave there.
    pub fn older(&self, path: &Path, offset: u64, len: u64) -> Vec<usize> {
        let Some(inode) = self.lookup(path).and_then(|id| self.inodes.get(&id)) else {
            return Vec::new();
        };
        let mut seen = vec![inode.durable.bytes(offset, len)];
        let mut found = Vec::new();
        for (versions, old) in (1..).zip(inode.versions.iter().rev()) {
            let mut bytes = old.bytes(offset, len);
            bytes.resize(len as usize, 0);
            if !seen.contains(&bytes) {
                seen.push(bytes);
                found.push(versions);
            }
        }
        found
    }

    /// Damages a file: its durable bytes, and the cached ones where nothing is pending, as if they had been read anew.
    pub fn damage(&mut self, path: &Path, damage: &Damage) -> Result<(), DamageError> {
        let missing = || DamageError::NotFound(path.to_path_buf());
        let id = self.lookup(path).ok_or_else(missing)?;
        let seed = self.profile.garbage_seed;
        let pending: Vec<_> = self
            .pending
            .iter()
            .filter(|p| p.op.inode() == Some(id))
            .map(|p| p.op.clone())
            .collect();
        let inode = self.inodes.get_mut(&id).ok_or_else(missing)?;
        let (end, len) = (damage.end(), inode.durable.len());
        if end > len {
            return Err(DamageError::Outside { end, len });
        }
        match *damage {
            Damage::Older {
                offset,
                len,
                versions,
            } => {
                let kept = inode.versions.len();
                let at = kept.checked_sub(versions).filter(|_| versions > 0);
                let Some(old) = at.and_then(|i| inode.versions.get(i)) else {
                    return Err(DamageError::NoVersion { kept });
                };
                let mut bytes = old.bytes(offset, len);
                bytes.resize(len as usize, 0);
                inode.durable.write(offset, &bytes);
            }
            Damage::Unreadable { offset, len } => inode.bad.insert(offset, offset + len),
            _ => damage.apply(&mut inode.durable, id, seed),
        }
        // The cache is what is durable, and what is pending over it.
        inode.cache = inode.durable.clone();
        for op in &pending {
            super::state::apply(&mut inode.cache, op);
        }
        inode.cache.clip();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskProfile;

    const FILE: &str = "/db/file";

    fn disk() -> Disk {
        let profile = DiskProfile {
            keep_versions: true,
            ..DiskProfile::default()
        };
        let mut disk = Disk::new(profile, &["/db"]);
        let id = disk.create(Path::new(FILE));
        disk.write(id, 0, vec![b'o'; 2048].into());
        disk.settle(id, u64::MAX);
        disk.write(id, 512, vec![b'n'; 512].into());
        disk.settle(id, u64::MAX);
        disk
    }

    fn after(damage: Damage) -> Vec<u8> {
        let mut disk = disk();
        disk.damage(Path::new(FILE), &damage)
            .expect("the damage is inside the file");
        disk.contents(Path::new(FILE)).expect("the file is there")
    }

    #[test]
    fn damage_hits_its_range_and_nothing_else() {
        let before = disk().contents(Path::new(FILE)).expect("the file is there");
        let changed = |damage| -> Vec<usize> {
            let bytes = after(damage);
            (0..2048).filter(|i| bytes[*i] != before[*i]).collect()
        };
        assert_eq!(changed(Damage::Flip { offset: 5, bit: 7 }), [5]);
        let zeroed = changed(Damage::Zero {
            offset: 100,
            len: 3,
        });
        assert_eq!(zeroed, [100, 101, 102]);
        let rotten = changed(Damage::Garbage {
            offset: 0,
            len: 512,
        });
        assert!(rotten.len() > 400 && rotten.iter().all(|i| *i < 512));
    }

    #[test]
    fn valid_bytes_appear_in_the_wrong_place_or_from_the_past() {
        let copied = after(Damage::Copy {
            from: 512,
            to: 1024,
            len: 512,
        });
        assert!(copied[512..1536].iter().all(|b| *b == b'n'));
        let swapped = after(Damage::Swap {
            a: 0,
            b: 512,
            len: 512,
        });
        assert_eq!((swapped[0], swapped[512]), (b'n', b'o'));
        let older = after(Damage::Older {
            offset: 512,
            len: 512,
            versions: 1,
        });
        assert_eq!(older[512], b'o');
    }

    #[test]
    fn damage_that_cannot_be_done_is_refused() {
        let mut disk = disk();
        let mut refused = |path: &str, damage| disk.damage(Path::new(path), &damage).is_err();
        assert!(refused(
            FILE,
            Damage::Flip {
                offset: 2048,
                bit: 0
            }
        ));
        assert!(refused("/db/none", Damage::Flip { offset: 0, bit: 0 }));
        assert!(refused(
            FILE,
            Damage::Older {
                offset: 0,
                len: 1,
                versions: 3
            }
        ));
    }
}
