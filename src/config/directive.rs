//! What a row of the table is, and how rows are found by name.

use super::kind::Kind;
use super::table::{Key, TABLE};
use super::value::Value;

/// No flag.
pub const NONE: u8 = 0;
/// Fixed while the server runs.
pub const IMMUTABLE: u8 = 1;
/// Takes several words.
pub const SEVERAL: u8 = 2;
/// CONFIG SET needs `enable-protected-configs`.
pub const PROTECTED: u8 = 4;
/// The value is hidden from SLOWLOG, MONITOR and logs.
pub const SENSITIVE: u8 = 8;
/// CONFIG GET shows it only by its exact name.
pub const HIDDEN: u8 = 16;
/// Worth printing in a crash report.
pub const DEBUG: u8 = 32;
/// Not to be set while the file is being recovered.
pub const DENY_LOADING: u8 = 64;
/// Setting it again to the same value acts again (the file it names may have changed).
pub const VOLATILE: u8 = 128;

/// What a directive does in this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It works.
    Acts,
    /// Checked and kept; it acts when its part exists.
    Later,
    /// Checked and kept; it names a part that does not exist here.
    Absent,
}

/// One row of the table.
#[derive(Debug)]
pub struct Directive {
    pub key: Key,
    pub name: &'static str,
    /// The older name, under which CONFIG GET shows it too.
    pub alias: Option<&'static str>,
    pub kind: Kind,
    /// Bits: [`IMMUTABLE`] and its kin.
    pub flags: u8,
    pub effect: Effect,
}

impl Directive {
    /// Whether all bits of `flag` are set.
    pub fn is(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }

    /// The value without a configuration file.
    pub fn default_value(&self) -> Value {
        self.kind.default_value()
    }
}

impl Key {
    /// The row.
    pub fn directive(self) -> &'static Directive {
        let directive = &TABLE[self as usize];
        debug_assert_eq!(directive.key, self, "rows stand in the order of their keys");
        directive
    }
}

/// A directive under one of its names. Redis keeps the two names of one directive apart where it looks for
/// duplicates and where it words errors, and so does this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: Key,
    /// The name in the table, in lower case.
    pub name: &'static str,
    pub is_alias: bool,
}

impl Entry {
    pub fn directive(&self) -> &'static Directive {
        self.key.directive()
    }
}

/// All entries: each directive, followed by its older name if it has one.
pub fn entries() -> impl Iterator<Item = Entry> {
    TABLE.iter().flat_map(|directive| {
        let entry = |name, is_alias| Entry {
            key: directive.key,
            name,
            is_alias,
        };
        std::iter::once(entry(directive.name, false))
            .chain(directive.alias.map(|alias| entry(alias, true)))
    })
}

/// The entry of that name, whatever its case.
pub fn find(name: &[u8]) -> Option<Entry> {
    entries().find(|entry| entry.name.as_bytes().eq_ignore_ascii_case(name))
}
