//! Files that another thread of a server writes beside the database: commands go on at each of its I/Os.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::life::{Act, Life, TICK_US};
use crate::disk::SimVfs;
use crate::engine::life::Stop;
use crate::trace::{Digest, IoKind};

/// What was found in files before, by their bytes: many crashes leave the same.
#[derive(Clone, Debug)]
pub struct Known<T>(Arc<Mutex<BTreeMap<u128, T>>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Known<T> {
    /// What files with these bytes hold, which is looked for once.
    pub fn find<E>(&self, bytes: &[u8], look: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let mut digest = Digest::default();
        digest.bytes(bytes);
        let digest = digest.value();
        if let Some(known) = held(&self.0).get(&digest) {
            return Ok(known.clone());
        }
        let found = look()?;
        held(&self.0).insert(digest, found.clone());
        Ok(found)
    }
}

/// A life that has another thread beside it.
#[derive(Clone)]
pub struct Busy(Arc<Mutex<Life>>);

/// What is done at the I/Os of the other thread, the last first, and why it ended before.
struct Meanwhile {
    waiting: Vec<Vec<Act>>,
    stop: Option<Stop>,
}

impl Meanwhile {
    /// What is next; None: all is done, or something failed.
    fn next(&mut self) -> Option<Vec<Act>> {
        match self.stop {
            None => self.waiting.pop(),
            Some(_) => None,
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Busy {
    /// Nothing is beside it yet.
    pub fn new(life: Life) -> Self {
        Self(Arc::new(Mutex::new(life)))
    }

    /// The life. The other thread does no I/O meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Life> {
        held(&self.0)
    }

    /// Does one thing after another.
    pub fn act(&self, vfs: &SimVfs, acts: &[Act]) -> Result<(), Stop> {
        acts.iter().try_for_each(|act| {
            vfs.clock().advance_us(TICK_US);
            self.lock().act(act)
        })
    }

    /// Does the work of the other thread. At each change that it makes in a folder some acts are done, as long as there are
    /// any; those that are left are done behind it.
    pub fn beside<R, E: From<Stop>>(
        &self,
        vfs: &SimVfs,
        folder: &'static str,
        meanwhile: &[Vec<Act>],
        work: impl FnOnce() -> Result<R, E>,
    ) -> Result<R, E> {
        let meanwhile = Arc::new(Mutex::new(Meanwhile {
            waiting: meanwhile.iter().rev().cloned().collect(),
            stop: None,
        }));
        let (of_window, busy, disk) = (Arc::clone(&meanwhile), self.clone(), vfs.clone());
        let window = move |kind: IoKind, path: &Path| {
            if !kind.changes() || !path.starts_with(folder) {
                return;
            }
            let mut meanwhile = held(&of_window);
            if let Some(acts) = meanwhile.next() {
                meanwhile.stop = busy.act(&disk, &acts).err();
            }
        };
        vfs.set_window(Some(Box::new(window)));
        let done = work();
        vfs.set_window(None);
        let mut meanwhile = held(&meanwhile);
        if let Some(stop) = meanwhile.stop.take() {
            return Err(stop.into());
        }
        let done = done?;
        while let Some(acts) = meanwhile.next() {
            self.act(vfs, &acts)?;
        }
        Ok(done)
    }
}
