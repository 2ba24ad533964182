//! ACL LOG: what was refused lately.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Entries that a new one may be the same as.
const RECENT: usize = 10;
/// An entry is the same as an earlier one for so long, in milliseconds.
const SAME_FOR_MS: u64 = 60_000;

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Command,
    Key,
    Channel,
    Login,
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
            Self::Login => "auth",
        }
    }
}

/// Where the request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    TopLevel,
    Transaction,
    Script,
}

impl Context {
    pub fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Transaction => "multi",
            Self::Script => "lua",
        }
    }
}

/// Something that was refused, once or several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub context: Context,
    /// The command, the key, the channel, or the word AUTH.
    pub object: Vec<u8>,
    pub user: Vec<u8>,
    /// The line of CLIENT INFO.
    pub client: String,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    pub refusal: Refusal,
    pub count: u64,
    pub id: u64,
    /// Wall times in milliseconds since 1970.
    pub created_ms: u64,
    pub updated_ms: u64,
}

/// The log, newest first.
#[derive(Debug, Default)]
pub struct AclLog(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl AclLog {
    /// Adds a refusal; `len_max` is how many entries are kept. A lower limit acts with the next new entry.
    pub fn add(&self, refusal: Refusal, now_ms: u64, len_max: usize) {
        let mut inner = self.0.lock();
        if len_max == 0 {
            inner.entries.clear();
            return;
        }
        let is_same = |entry: &Entry| {
            let known = &entry.refusal;
            (known.reason, known.context) == (refusal.reason, refusal.context)
                && now_ms.saturating_sub(entry.updated_ms) <= SAME_FOR_MS
                && known.object == refusal.object
                && known.user == refusal.user
        };
        let same = inner.entries.iter().take(RECENT).position(is_same);
        if let Some(entry) = same.and_then(|at| inner.entries.remove(at)) {
            inner.entries.push_front(Entry {
                count: entry.count + 1,
                updated_ms: now_ms,
                refusal,
                ..entry
            });
            return;
        }
        let id = inner.next_id;
        inner.next_id += 1;
        inner.entries.push_front(Entry {
            refusal,
            count: 1,
            id,
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        inner.entries.truncate(len_max);
    }

    /// The newest entries.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.0.lock().entries.iter().take(count).cloned().collect()
    }

    pub fn clear(&self) {
        self.0.lock().entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"bob".to_vec(),
            client: String::new(),
        }
    }

    #[test]
    fn the_same_refusal_is_counted() {
        let log = AclLog::default();
        for (object, now_ms) in [("a", 0), ("b", 1), ("a", 2), ("a", 70_000)] {
            log.add(refusal(object), now_ms, 10);
        }
        let entries = log.newest(10);
        let seen: Vec<_> = entries
            .iter()
            .map(|e| (e.refusal.object.clone(), e.count))
            .collect();
        assert_eq!(
            seen,
            [(b"a".to_vec(), 1), (b"a".to_vec(), 2), (b"b".to_vec(), 1)]
        );
        assert_eq!((entries[1].created_ms, entries[1].updated_ms), (0, 2));
        // The limit acts with a new entry, not with one that is known.
        log.add(refusal("a"), 70_001, 2);
        assert_eq!(log.newest(10).len(), 3);
        log.add(refusal("c"), 70_002, 2);
        assert_eq!(log.newest(10).len(), 2);
        let id = log.newest(1)[0].id;
        log.add(refusal("d"), 70_003, 0);
        assert_eq!(log.newest(10).len(), 0);
        log.add(refusal("e"), 70_004, 2);
        assert_eq!(log.newest(1)[0].id, id + 1);
    }
}
