//! What a session asks of the engine besides carrying out commands.

use crate::keyspace::Keyspace;
use crate::storage::OnMiss;
use crate::storage::page::PagePtr;
use crate::storage::pager::PageSource;

/// The engine as sessions see it. All calls are made under the engine lock.
pub trait Store: Send + Sync {
    /// The LSN of the latest commit.
    fn last_lsn(&self, keyspace: &Keyspace) -> u64;

    /// A command begins. `waiting`: a page that is not in the cache is read at once, under the lock, instead of
    /// failing the command with a miss.
    fn begin_command(&self, keyspace: &mut Keyspace, waiting: bool);

    /// The pages that the latest command missed, to be read off the lock.
    fn take_misses(&self, keyspace: &mut Keyspace) -> Option<Box<dyn Fetch>>;
}

/// Reads of pages that a parked command waits for.
pub trait Fetch: Send {
    /// Reads them all, without the engine lock.
    fn fetch(&mut self);

    /// Puts what was read into the cache, under the engine lock. It must be called: the pages are reserved until
    /// then. The command runs again in any case and meets what there is.
    fn land(self: Box<Self>, keyspace: &mut Keyspace);
}

/// The engine that a keyspace owns.
#[derive(Debug, Default)]
pub struct OwnEngine;

impl Store for OwnEngine {
    fn last_lsn(&self, keyspace: &Keyspace) -> u64 {
        keyspace.last_lsn()
    }

    fn begin_command(&self, keyspace: &mut Keyspace, waiting: bool) {
        keyspace
            .engine
            .begin_command(if waiting { OnMiss::Read } else { OnMiss::Note });
    }

    fn take_misses(&self, keyspace: &mut Keyspace) -> Option<Box<dyn Fetch>> {
        let pages = keyspace.engine.missed().to_vec();
        if pages.is_empty() {
            return None;
        }
        keyspace.engine.pager_mut().begin_load(&pages);
        Some(Box::new(PageReads {
            source: keyspace.engine.source().clone(),
            pages: pages.into_iter().map(|page| (page, None)).collect(),
        }))
    }
}

/// Pages and, once they are read, their bytes.
struct PageReads {
    source: PageSource,
    pages: Vec<(PagePtr, Option<Vec<u8>>)>,
}

impl Fetch for PageReads {
    fn fetch(&mut self) {
        // The first is asked for at once.
        for (page, _) in self.pages.iter().skip(1) {
            self.source.will_need(page.page);
        }
        for (page, bytes) in &mut self.pages {
            let mut read = vec![0; self.source.page_bytes()];
            // A page that cannot be read is met again, with its error, when the command reads under the lock.
            *bytes = self.source.read(*page, &mut read).ok().map(|()| read);
        }
    }

    fn land(self: Box<Self>, keyspace: &mut Keyspace) {
        for (page, bytes) in self.pages {
            // No room in the cache: the command misses again, and then reads under the lock.
            let _ = keyspace.engine.pager_mut().end_load(page, bytes.as_deref());
        }
    }
}
