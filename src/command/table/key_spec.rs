//! Where in a request the keys are, and how they are accessed.

/// How a key is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum KeyFlag {
    /// Read; the value stays as it is.
    Ro,
    /// Changed, and what it becomes depends on what it was.
    Rw,
    /// Overwritten whatever it was.
    Ow,
    /// Deleted whatever it was.
    Rm,
    /// What the user stored is returned, copied or decides what happens.
    Access,
    /// What the user stored is changed.
    Update,
    /// Data is added, and none is changed or removed.
    Insert,
    /// Data is removed.
    Delete,
    /// Not a key, only routed like one.
    NotKey,
    /// The spec does not find all the keys it is about.
    Incomplete,
    /// Some requests access the key otherwise than the spec says.
    VariableFlags,
}

/// The flags in the order in which replies show them.
pub const KEY_FLAGS: &[(KeyFlag, &str)] = &[
    (KeyFlag::Ro, "RO"),
    (KeyFlag::Rw, "RW"),
    (KeyFlag::Ow, "OW"),
    (KeyFlag::Rm, "RM"),
    (KeyFlag::Access, "access"),
    (KeyFlag::Update, "update"),
    (KeyFlag::Insert, "insert"),
    (KeyFlag::Delete, "delete"),
    (KeyFlag::NotKey, "not_key"),
    (KeyFlag::Incomplete, "incomplete"),
    (KeyFlag::VariableFlags, "variable_flags"),
];

/// A set of [`KeyFlag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyFlags(u16);

impl KeyFlags {
    pub const NONE: Self = Self(0);

    pub const fn of(flags: &[KeyFlag]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < flags.len() {
            bits |= 1 << flags[i] as u16;
            i += 1;
        }
        Self(bits)
    }

    pub const fn has(self, flag: KeyFlag) -> bool {
        self.0 & 1 << flag as u16 != 0
    }
}

/// How the first word is found that a spec is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginSearch {
    /// The word at this position.
    Index(i32),
    /// The word after `word`, which is looked for from position `from`; a negative `from` counts from the end and
    /// looks backwards.
    Keyword { word: &'static str, from: i32 },
    /// A spec cannot say.
    Unknown,
}

/// Which words are keys, from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindKeys {
    /// Every `step`th word up to `last`, relative to the first, or to the request's end when negative. With a
    /// `limit` of n above 1, and `last` -1, only the first n-th part of what follows.
    Range { last: i32, step: i32, limit: i32 },
    /// The word `count` after the first holds how many keys there are; they begin `first` after the first word.
    KeyNum { count: i32, first: i32, step: i32 },
    /// A spec cannot say.
    Unknown,
}

/// Where some of a command's keys are, and how they are accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySpec {
    pub notes: Option<&'static str>,
    pub flags: KeyFlags,
    pub begin: BeginSearch,
    pub find: FindKeys,
}

impl KeySpec {
    const ONE: FindKeys = FindKeys::Range {
        last: 0,
        step: 1,
        limit: 0,
    };

    const fn new(begin: BeginSearch, find: FindKeys, flags: &'static [KeyFlag]) -> Self {
        Self {
            notes: None,
            flags: KeyFlags::of(flags),
            begin,
            find,
        }
    }

    /// The word at `position`.
    pub const fn at(position: i32, flags: &'static [KeyFlag]) -> Self {
        assert!(position > 0, "the name is no key");
        Self::new(BeginSearch::Index(position), Self::ONE, flags)
    }

    /// The word after `word`, which is looked for from position `from`.
    pub const fn after(word: &'static str, from: i32, flags: &'static [KeyFlag]) -> Self {
        Self::new(BeginSearch::Keyword { word, from }, Self::ONE, flags)
    }

    /// As many words as the word at `position` says, after it.
    pub const fn counted(position: i32, flags: &'static [KeyFlag]) -> Self {
        let find = FindKeys::KeyNum {
            count: 0,
            first: 1,
            step: 1,
        };
        Self::new(BeginSearch::Index(position), find, flags)
    }

    /// Keys that a spec cannot find.
    pub const fn unknown(flags: &'static [KeyFlag]) -> Self {
        Self::new(BeginSearch::Unknown, FindKeys::Unknown, flags)
    }

    /// Up to `last`, relative to the first, or to the end when negative.
    pub const fn to(self, last: i32) -> Self {
        self.every(1, last)
    }

    /// Every `step`th word up to `last`.
    pub const fn every(mut self, step: i32, last: i32) -> Self {
        assert!(step > 0, "the search goes on");
        self.find = FindKeys::Range {
            last,
            step,
            limit: 0,
        };
        self
    }

    /// The first half of what follows.
    pub const fn first_half(mut self) -> Self {
        self.find = FindKeys::Range {
            last: -1,
            step: 1,
            limit: 2,
        };
        self
    }

    pub const fn notes(mut self, text: &'static str) -> Self {
        self.notes = Some(text);
        self
    }
}
