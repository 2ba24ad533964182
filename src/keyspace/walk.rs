//! Walking over the keys of a database in their order: KEYS, SCAN, RANDOMKEY.

use std::ops::ControlFlow;

use super::header::{Header, Kind};
use super::{Keyspace, expiry, root_ids};
use crate::resp::glob::{self, Case};
use crate::resp::{Stream, StreamError, encode};
use crate::storage::{Error, Read, Seek, Snapshot, TreeId};

/// Random draws that may hit keys that are due before the next key that is not is taken.
const DRAWS_MAX: usize = 64;
/// KEYS on a database of up to this many keys answers at once.
const KEYS_AT_ONCE: u64 = 1024;
/// One SCAN call visits at most this many keys, whatever COUNT says.
const SCAN_VISITS_MAX: u64 = 1_000_000;
/// One SCAN call returns about this many bytes of keys at most.
const SCAN_BYTES_MAX: usize = 64 << 20;

/// Which keys are wanted.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Keys that match the pattern; None: all.
    pub pattern: Option<Box<[u8]>>,
    /// Keys of a kind.
    pub kind: KindFilter,
    /// Keys that are not due at this wall time in milliseconds.
    pub now_ms: u64,
}

/// Which kinds of values are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindFilter {
    Any,
    Only(Kind),
    /// A kind that does not exist was asked for.
    Nothing,
}

impl Filter {
    /// Keys that match `pattern` and are not due.
    pub fn matching(pattern: &[u8], now_ms: u64) -> Self {
        Self {
            pattern: (pattern != b"*").then(|| pattern.into()),
            kind: KindFilter::Any,
            now_ms,
        }
    }

    /// What every wanted key begins with.
    fn prefix(&self) -> &[u8] {
        self.pattern.as_deref().map_or(&[], glob::literal_prefix)
    }

    fn wants(&self, key: &[u8], head: &[u8]) -> bool {
        let header = Header::parse(head);
        self.wants_kind(header.kind) && !header.is_due(self.now_ms) && self.matches(key)
    }

    fn wants_kind(&self, kind: Kind) -> bool {
        match self.kind {
            KindFilter::Any => true,
            KindFilter::Only(wanted) => kind == wanted,
            KindFilter::Nothing => false,
        }
    }

    fn matches(&self, key: &[u8]) -> bool {
        self.pattern
            .as_deref()
            .is_none_or(|pattern| glob::matches(pattern, key, Case::Sensitive))
    }
}

/// What one SCAN call found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub keys: Vec<Vec<u8>>,
    /// Where to go on; 0: the walk is over.
    pub cursor: u64,
}

impl Keyspace {
    /// Visits about `count` keys from where `cursor` stands (0: the beginning) and returns those that `filter` wants;
    /// those that match and are due are met.
    pub fn scan(
        &mut self,
        db: u32,
        cursor: u64,
        count: u64,
        filter: &Filter,
    ) -> Result<Page, Error> {
        let trees = self.trees(db)?;
        let prefix = filter.prefix();
        let from = match self.cursors.resolve(cursor) {
            Some(key) if cursor != 0 && key >= prefix => Seek::After(key),
            _ => Seek::AtLeast(prefix),
        };
        let (mut page, mut visits, mut bytes) = (Page::default(), 0, 0);
        let (mut last, mut more) = (Vec::new(), false);
        let (mut hits, mut misses) = (0, 0);
        let mut due: Vec<Vec<u8>> = Vec::new();
        let removes_due = self.changes.removes_due();
        let limit = count.min(SCAN_VISITS_MAX);
        self.engine.scan(trees.keys, from, &mut |key, cell| {
            if !glob::begins_with(key, prefix) {
                return ControlFlow::Break(());
            }
            if visits == limit || bytes >= SCAN_BYTES_MAX {
                more = true;
                return ControlFlow::Break(());
            }
            visits += 1;
            let header = Header::parse(cell.head());
            let is_due = header.is_due(filter.now_ms);
            let is_gone = is_due && self.changes.has_met(db, key);
            if !is_gone && filter.matches(key) {
                let looks = if is_due { &mut misses } else { &mut hits };
                *looks += 1;
                let is_kept = if is_due {
                    removes_due
                } else {
                    filter.wants_kind(header.kind)
                };
                if is_kept {
                    bytes += key.len();
                    let keys = if is_due { &mut due } else { &mut page.keys };
                    keys.push(key.to_vec());
                }
            }
            last.clear();
            last.extend_from_slice(key);
            ControlFlow::Continue(())
        })?;
        for key in due {
            self.changes.met_due(db, &key);
        }
        if filter.kind != KindFilter::Any {
            self.stats.hits += hits;
            self.stats.misses += misses;
        }
        if more {
            page.cursor = self.cursors.issue(&last);
        }
        Ok(page)
    }

    /// The keys that `filter` wants, if there are few keys to look at; otherwise a stream that answers with them.
    pub fn keys(&mut self, db: u32, filter: Filter) -> Result<Keys, Error> {
        let trees = self.trees(db)?;
        if self.engine.count(trees.keys) > KEYS_AT_ONCE && !self.in_transaction() {
            return Ok(Keys::Stream(KeysStream {
                snapshot: self.engine.snapshot(),
                db,
                filter,
                last: None,
                counted: false,
            }));
        }
        let mut keys = Vec::new();
        visit(&mut self.engine, trees.keys, &filter, &None, &mut |key| {
            keys.push(key.to_vec());
            true
        })?;
        Ok(Keys::List(keys))
    }

    /// A key at random, not due; None if there is none. Due ones that are drawn are met, or if there are no others,
    /// some of them.
    pub fn random_key(&mut self, db: u32, now_ms: u64) -> Result<Option<Vec<u8>>, Error> {
        let count = self.len(db)?;
        if self.due(db, now_ms)? == count {
            self.meet_first_due(db, now_ms)?;
            return Ok(None);
        }
        let trees = self.trees(db)?;
        let mut rng = self.rng.clone();
        let mut key = Vec::new();
        for _ in 0..DRAWS_MAX {
            let cell = self.engine.select(trees.keys, rng.u64(..count), &mut key)?;
            if cell.is_some_and(|cell| !Header::parse(cell.head()).is_due(now_ms)) {
                self.rng = rng;
                return Ok(Some(key));
            }
            self.changes.met_due(db, &key);
        }
        self.rng = rng;
        let filter = Filter::matching(b"*", now_ms);
        for from in [Some(key), None] {
            let mut found = None;
            visit(&mut self.engine, trees.keys, &filter, &from, &mut |key| {
                found = Some(key.to_vec());
                false
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl Keyspace {
    /// Meets keys that are due, those that have been for longest first, as many as are drawn at most.
    fn meet_first_due(&mut self, db: u32, now_ms: u64) -> Result<(), Error> {
        if !self.changes.removes_due() {
            return Ok(());
        }
        let trees = self.trees(db)?;
        let mut due: Vec<Vec<u8>> = Vec::new();
        self.engine
            .scan(trees.expiries, Seek::First, &mut |entry, _| {
                let (expires_ms, key) = expiry::split(entry);
                if expires_ms >= now_ms || due.len() == DRAWS_MAX {
                    return ControlFlow::Break(());
                }
                due.push(key.to_vec());
                ControlFlow::Continue(())
            })?;
        for key in due {
            self.changes.met_due(db, &key);
        }
        Ok(())
    }
}

/// What KEYS found.
pub enum Keys {
    List(Vec<Vec<u8>>),
    Stream(KeysStream),
}

/// Visits the wanted keys behind `after` until `take` says false; true if it did.
fn visit(
    source: &mut impl Read,
    tree: TreeId,
    filter: &Filter,
    after: &Option<Vec<u8>>,
    take: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<bool, Error> {
    let prefix = filter.prefix();
    let from = match after {
        Some(key) => Seek::After(key),
        None => Seek::AtLeast(prefix),
    };
    let mut stopped = false;
    source.scan(tree, from, &mut |key, cell| {
        if !glob::begins_with(key, prefix) {
            return ControlFlow::Break(());
        }
        if filter.wants(key, cell.head()) && !take(key) {
            stopped = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(stopped)
}

/// The whole reply of KEYS, read from a snapshot: first the keys are counted, then they are sent.
pub struct KeysStream {
    snapshot: Snapshot,
    db: u32,
    filter: Filter,
    last: Option<Vec<u8>>,
    counted: bool,
}

impl KeysStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, Error> {
        let mut reader = self.snapshot.reader();
        let tree = reader.root(root_ids(self.db)[0])?;
        if !self.counted {
            let mut count = 0u64;
            visit(&mut reader, tree, &self.filter, &None, &mut |_| {
                count += 1;
                true
            })?;
            encode::array(out, count);
            self.counted = true;
            return Ok(count > 0);
        }
        let end = out.len().saturating_add(bytes_wanted.max(1));
        let mut last = None;
        let more = visit(&mut reader, tree, &self.filter, &self.last, &mut |key| {
            encode::bulk(out, key);
            let full = out.len() >= end;
            if full {
                last = Some(key.to_vec());
            }
            !full
        })?;
        self.last = last;
        Ok(more)
    }
}

impl Stream for KeysStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        self.next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))
    }
}
