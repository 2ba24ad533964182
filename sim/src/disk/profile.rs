//! What the simulated hardware and file system promise.

use std::path::Path;

/// Which files something concerns, by how their paths begin and end; empty ends are those of every file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    begin: String,
    end: String,
}

impl Files {
    /// Every file.
    pub fn all() -> Self {
        Self::default()
    }

    /// Files whose path ends so ("-wal", "data.keep").
    pub fn ending(end: &str) -> Self {
        Self {
            end: end.to_owned(),
            ..Self::default()
        }
    }

    /// Files in a folder.
    pub fn within(dir: &str) -> Self {
        Self {
            begin: format!("{dir}/"),
            ..Self::default()
        }
    }

    /// Whether a path is among them.
    pub fn matches(&self, path: &Path) -> bool {
        let path = path.as_os_str().as_encoded_bytes();
        path.starts_with(self.begin.as_bytes()) && path.ends_with(self.end.as_bytes())
    }
}

/// What a sync does on a disk that lies about it (F14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LieKind {
    /// It orders what came before it against what comes after, and persists nothing.
    OrdersOnly,
    /// It does nothing.
    Nothing,
}

/// A disk that reports syncs it did not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lie {
    pub files: Files,
    pub kind: LieKind,
}

/// The promises. The defaults are the fewest that real stacks keep: nothing that a file system does not guarantee.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskProfile {
    /// Bytes that tear as one: 1, 512 or 4096.
    pub atom: u64,
    /// Whether an atom is all new or all old; otherwise it may also be cut in the middle.
    pub atoms_atomic: bool,
    /// Whether a torn atom may hold garbage or zeroes.
    pub garbage_atoms: bool,
    /// Power-safe overwrite: bytes beside a write are safe. Otherwise an atom that is partly written may be lost whole.
    pub psow: bool,
    /// Whether a file that grew may show garbage where its data was lost; otherwise zeroes.
    pub garbage_growth: bool,
    /// Whether a rename may be lost so that neither name is left.
    pub rename_loses_both: bool,
    /// Whether a sync of a new file makes its name durable.
    pub fsync_persists_new_name: bool,
    /// Whether never-written areas read as garbage; otherwise as zeroes, as systems promise (F43).
    pub garbage_holes: bool,
    /// Whether the disk lies about syncs.
    pub lie: Option<Lie>,
    /// Bytes of disk space.
    pub capacity: Option<u64>,
    /// Whether older durable versions are kept, for stale reads.
    pub keep_versions: bool,
    /// What garbage is made of.
    pub garbage_seed: u64,
}

impl Default for DiskProfile {
    fn default() -> Self {
        Self {
            atom: 512,
            atoms_atomic: false,
            garbage_atoms: true,
            psow: false,
            garbage_growth: true,
            rename_loses_both: false,
            fsync_persists_new_name: false,
            garbage_holes: false,
            lie: None,
            capacity: None,
            keep_versions: false,
            garbage_seed: 0,
        }
    }
}
