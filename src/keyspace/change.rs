//! What happened to keys, kept until the transaction is done: WATCH, keyspace notifications and client tracking
//! hang on it.

/// The classes by which notifications are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Generic,
    String,
    List,
    Set,
    Hash,
    SortedSet,
    Stream,
    Expired,
    Evicted,
    /// A key that did not exist was read. Not part of "all".
    Miss,
    /// A key came into being. Not part of "all".
    New,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value or the expiry of a key changed.
    Touched { db: u32, key: Box<[u8]> },
    /// A notification is due.
    Event {
        db: u32,
        key: Box<[u8]>,
        class: Class,
        name: &'static str,
    },
    /// A database lost all its keys.
    Flushed { db: u32 },
    /// Two databases changed places.
    Swapped { a: u32, b: u32 },
}

/// The changes of the running command or EXEC, in order.
#[derive(Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    listening: bool,
}

impl Changes {
    /// Whether changes are kept at all. Switched on while anything watches keys, wants notifications or tracks.
    pub fn listen(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// The changes so far, leaving none.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }

    pub(super) fn touched(&mut self, db: u32, key: &[u8]) {
        if self.listening {
            self.list.push(Change::Touched {
                db,
                key: key.into(),
            });
        }
    }

    pub(super) fn event(&mut self, db: u32, key: &[u8], class: Class, name: &'static str) {
        if self.listening {
            self.list.push(Change::Event {
                db,
                key: key.into(),
                class,
                name,
            });
        }
    }

    pub(super) fn whole(&mut self, change: Change) {
        if self.listening {
            self.list.push(change);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn cut(&mut self, len: usize) {
        self.list.truncate(len);
    }
}
