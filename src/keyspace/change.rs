//! What happened to keys, kept until the command or EXEC is done: WATCH, blocked clients, keyspace notifications and
//! client tracking hang on it.

use std::collections::BTreeMap;

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

impl Class {
    /// A bit for sets of classes.
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value or the expiry of a key changed. `expired`: the key was due, and only now it is removed.
    Touched {
        db: u32,
        key: Box<[u8]>,
        expired: bool,
    },
    /// Who is blocked on the key has to look again: it came into being, or something was added to its stream.
    Ready { db: u32, key: Box<[u8]> },
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
    /// A field of a hash is gone because it was due.
    FieldExpired {
        db: u32,
        key: Box<[u8]>,
        field: Box<[u8]>,
    },
    /// What a command did, in words that whoever repeats them ends up with the same data.
    Effect {
        db: u32,
        words: Box<[Box<[u8]>]>,
        /// It changes no data: files that keep the data leave it out.
        is_message: bool,
    },
}

/// Who wants to hear of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Connections with watched keys.
    Watch,
    /// Connections blocked on keys.
    Block,
    /// Keyspace notifications: the only one that hears of [`Change::Event`].
    Notify,
    /// Client tracking.
    Track,
    /// Whoever repeats what commands do: the only one that hears of [`Change::Effect`].
    Repeat,
    /// Whoever removes the due keys that a command met, once it is over. It hears of keys that expired, and of
    /// nothing else.
    Expire,
}

impl Listener {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The listeners that hear of keys whose values changed.
const OF_VALUES: u8 = !(Listener::Repeat.bit() | Listener::Expire.bit());

/// The changes of the running command or EXEC, in order.
#[derive(Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    /// The bits of the listeners.
    listeners: u8,
    /// The classes of events that are kept while [`Listener::Notify`] listens.
    classes: u16,
    /// The running command has said itself what it does, or that it does nothing worth repeating.
    is_rewritten: bool,
    /// Keys by database that the running command met when they were due: they were told as expired, and are to be
    /// removed when it is over. With each, how many changes there were before.
    due: BTreeMap<u32, BTreeMap<Box<[u8]>, usize>>,
}

impl Changes {
    /// Whether changes are kept for this listener. What nobody listens to is not kept and costs nothing.
    pub fn listen(&mut self, listener: Listener, on: bool) {
        if on {
            self.listeners |= listener.bit();
        } else {
            self.listeners &= !listener.bit();
        }
    }

    /// Which classes of events are kept, as bits of [`Class`]; with none, [`Listener::Notify`] does not listen.
    pub fn notify(&mut self, classes: u16) {
        self.classes = classes;
        self.listen(Listener::Notify, classes != 0);
    }

    /// Whether this one listens.
    pub fn hears(&self, listener: Listener) -> bool {
        self.listeners & listener.bit() != 0
    }

    /// Whether nothing happened that anybody listens to.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The changes so far, leaving none.
    pub fn take(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.list)
    }

    /// Whether due keys are removed when they are met.
    pub(super) fn removes_due(&self) -> bool {
        self.hears(Listener::Expire)
    }

    /// A key is met that is due. If such keys are removed, whoever listens hears now that it expired.
    pub(super) fn met_due(&mut self, db: u32, key: &[u8]) {
        if !self.removes_due() || self.has_met(db, key) {
            return;
        }
        let before = self.list.len();
        self.due.entry(db).or_default().insert(key.into(), before);
        self.expired(db, key);
    }

    /// Whether the running command met this key when it was due.
    pub(super) fn has_met(&self, db: u32, key: &[u8]) -> bool {
        !self.due.is_empty() && self.due.get(&db).is_some_and(|keys| keys.contains_key(key))
    }

    /// Whether the running command met any key that was due.
    pub fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The keys that the running command met when they were due.
    pub(super) fn due(&self) -> Vec<(u32, Box<[u8]>)> {
        let of_one = |(db, keys): (&u32, &BTreeMap<Box<[u8]>, usize>)| {
            let db = *db;
            let keys: Vec<Box<[u8]>> = keys.keys().cloned().collect();
            keys.into_iter().map(move |key| (db, key))
        };
        self.due.iter().flat_map(of_one).collect()
    }

    /// Two databases change places, and what was met in them.
    pub(super) fn swap_due(&mut self, a: u32, b: u32) {
        let (of_a, of_b) = (self.due.remove(&a), self.due.remove(&b));
        self.due.extend(of_a.map(|keys| (b, keys)));
        self.due.extend(of_b.map(|keys| (a, keys)));
    }

    /// They are removed.
    pub(super) fn forget_due(&mut self) {
        self.due.clear();
    }

    /// A key is gone because it was due.
    pub(super) fn expired(&mut self, db: u32, key: &[u8]) {
        self.event(db, key, Class::Expired, "expired");
        self.touched(db, key, true);
    }

    /// A field of a hash is gone because it was due.
    pub(super) fn field_expired(&mut self, db: u32, key: &[u8], field: &[u8]) {
        if self.hears(Listener::Repeat) {
            self.list.push(Change::FieldExpired {
                db,
                key: key.into(),
                field: field.into(),
            });
        }
    }

    /// The running command does the same as these words; said by the command in the place of its own.
    pub fn effect(&mut self, db: u32, words: &[&[u8]]) {
        self.is_rewritten = true;
        self.say(db, words, false);
    }

    /// The running command sends a message that changes no data.
    pub fn message(&mut self, db: u32, words: &[&[u8]]) {
        self.is_rewritten = true;
        self.say(db, words, true);
    }

    /// The words of the running command are not to be repeated.
    pub fn rewrite(&mut self) {
        self.is_rewritten = true;
    }

    /// A command begins, perhaps inside of another one.
    pub fn begin_effect(&mut self) {
        self.is_rewritten = false;
    }

    /// The command that began last is over and has changed something, if `has_changed`. Its own words are its effect
    /// unless it said something else. The words of a command around it are not.
    pub fn end_effect(&mut self, db: u32, words: &[&[u8]], has_changed: bool) {
        if has_changed && !self.is_rewritten {
            self.say(db, words, false);
        }
        self.is_rewritten = true;
    }

    fn say(&mut self, db: u32, words: &[&[u8]], is_message: bool) {
        if self.hears(Listener::Repeat) {
            self.list.push(Change::Effect {
                db,
                words: words.iter().map(|word| (*word).into()).collect(),
                is_message,
            });
        }
    }

    pub(super) fn touched(&mut self, db: u32, key: &[u8], expired: bool) {
        let wanted = if expired { u8::MAX } else { OF_VALUES };
        if self.listeners & wanted != 0 {
            self.list.push(Change::Touched {
                db,
                key: key.into(),
                expired,
            });
        }
    }

    pub(super) fn ready(&mut self, db: u32, key: &[u8]) {
        if self.hears(Listener::Block) {
            self.list.push(Change::Ready {
                db,
                key: key.into(),
            });
        }
    }

    /// A key came into being. If it was met when it was due before, that was another one.
    pub(super) fn made(&mut self, db: u32, key: &[u8]) {
        if let Some(keys) = self.due.get_mut(&db) {
            keys.remove(key);
        }
        self.event(db, key, Class::New, "new");
        self.ready(db, key);
    }

    pub(super) fn event(&mut self, db: u32, key: &[u8], class: Class, name: &'static str) {
        if self.classes & class.bit() != 0 {
            self.list.push(Change::Event {
                db,
                key: key.into(),
                class,
                name,
            });
        }
    }

    /// Every database is read again from where it is kept. Who watches, caches or waits for keys takes it as if they had
    /// been replaced.
    pub fn all_replaced(&mut self, databases: u32) {
        for db in 0..databases {
            self.whole(Change::Flushed { db });
        }
    }

    pub(super) fn whole(&mut self, change: Change) {
        if self.listeners & !Listener::Expire.bit() != 0 {
            self.list.push(change);
        }
    }

    /// How many are kept now.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// What changed behind the first `len` is taken back. Keys that were missing or due were met all the same.
    pub(super) fn undo(&mut self, len: usize) {
        for change in self.list.split_off(len) {
            let was_met = match &change {
                Change::Event {
                    class: Class::Miss, ..
                } => true,
                Change::Event {
                    db,
                    key,
                    class: Class::Expired,
                    ..
                }
                | Change::Touched {
                    db,
                    key,
                    expired: true,
                } => self.has_met(*db, key),
                _ => false,
            };
            if was_met {
                self.list.push(change);
            }
        }
        for before in self.due.values_mut().flat_map(BTreeMap::values_mut) {
            *before = (*before).min(len);
        }
    }

    /// What happened behind the first `len` has not happened.
    pub(super) fn cut(&mut self, len: usize) {
        self.list.truncate(len);
        for keys in self.due.values_mut() {
            keys.retain(|_, before| *before < len);
        }
        self.due.retain(|_, keys| !keys.is_empty());
    }
}
