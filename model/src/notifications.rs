//! Keyspace notifications: what `notify-keyspace-events` switches on, and what is published of what happens to keys.
//!
//! A command says what happens to a key where it happens ([`Call::note`]), and who listens is told at once: the connection
//! whose command it is, behind its reply, like everything that is published to it.

use crate::state::{Call, Model};

/// The directive.
pub const DIRECTIVE: &str = "notify-keyspace-events";

/// Every letter, in the order in which Redis shows them.
const LETTERS: &str = "g$lshzxetdnKEm";

/// What `A` stands for.
const ALL: &str = "g$lshzxetd";

/// The letters that a value switches on, in their order; nothing if one is unknown.
pub fn letters(value: &str) -> Option<String> {
    let is_known = |letter: char| letter == 'A' || LETTERS.contains(letter);
    if !value.chars().all(is_known) {
        return None;
    }
    let is_on =
        |letter: &char| value.contains(*letter) || value.contains('A') && ALL.contains(*letter);
    Some(LETTERS.chars().filter(is_on).collect())
}

/// Letters as CONFIG GET shows them: beside `A`, which takes the place of several, there is no `n`.
pub fn shown(letters: &str) -> String {
    if !letters.starts_with(ALL) {
        return letters.to_owned();
    }
    let others = letters[ALL.len()..].chars().filter(|it| *it != 'n');
    std::iter::once('A').chain(others).collect()
}

impl Call<'_> {
    /// Something happens to a key of the selected database. `class` is the letter that switches it on.
    pub fn note(&mut self, class: char, event: &str, key: &[u8]) {
        let database = self.connection().database;
        self.model.note(database, class, event, key);
    }

    /// A command that only reads looks for a key, and misses it if it is not there.
    pub fn look_for(&mut self, key: &[u8]) {
        if !self.exists(key) {
            self.note('m', "keymiss", key);
        }
    }
}

impl Model {
    /// Something happens to a key.
    pub fn note(&mut self, database: usize, class: char, event: &str, key: &[u8]) {
        if !self.notifies(class) {
            return;
        }
        let channel =
            |kind: &str, of: &[u8]| [format!("__{kind}@{database}__:").as_bytes(), of].concat();
        if self.notifies('K') {
            self.heard_events += self.publish(&channel("keyspace", key), event.as_bytes());
        }
        if self.notifies('E') {
            self.heard_events += self.publish(&channel("keyevent", event.as_bytes()), key);
        }
    }

    /// How many messages about events were sent so far.
    pub fn heard_events(&self) -> usize {
        self.heard_events
    }

    /// Whether a letter is switched on.
    pub fn notifies(&self, letter: char) -> bool {
        let letters = self.configuration.get(DIRECTIVE);
        letters.is_some_and(|letters| letters.contains(letter))
    }
}
