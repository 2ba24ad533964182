//! Kinds of directive: what each accepts. Reading and printing of values is in [`super::value`].

use super::choices::Words;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Digits.
    Plain,
    /// Bytes: digits with `k`, `kb`, `m`, `mb`, `g`, `gb` (the short ones in thousands). Shown in bytes.
    Bytes,
    /// Bytes that must be a power of two.
    PowerOfTwo,
    /// Bytes, or a percentage, which is kept as its negative.
    BytesOrPercent,
    Octal,
    /// Times a second; cut to 1..=500 rather than refused.
    Hertz,
}

/// What a text must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextRule {
    /// Any text without a zero byte.
    Any,
    /// Any bytes.
    Bytes,
    DbFile,
    AppendFile,
    AppendDir,
    Hostname,
    NodeName,
    ProcTitle,
}

/// What a directive accepts, with its default.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    YesNo {
        default: bool,
    },
    Number {
        default: i64,
        min: i128,
        max: i128,
        unit: Unit,
    },
    /// One word.
    Choice {
        words: Words,
        default: i64,
    },
    /// Several words, each a bit.
    Choices {
        words: Words,
    },
    /// `optional`: the empty text means none, and CONFIG REWRITE then writes no line.
    Text {
        default: &'static str,
        rule: TextRule,
        optional: bool,
    },
    /// The working directory.
    Directory,
    /// Pairs of seconds and changes.
    Save,
    /// Client class, hard limit, soft limit, seconds; several of them.
    OutputLimits,
    /// Three numbers.
    OomScores,
    /// Letters, each a class of keyspace events.
    Events,
    /// Addresses.
    Bind,
    /// Host and port.
    ReplicaOf,
    /// Numbers from 0 to 100.
    Percentiles,
}

pub const DIRECTORY: Kind = Kind::Directory;
pub const SAVE: Kind = Kind::Save;
pub const OUTPUT_LIMITS: Kind = Kind::OutputLimits;
pub const OOM_SCORES: Kind = Kind::OomScores;
pub const EVENTS: Kind = Kind::Events;
pub const BIND: Kind = Kind::Bind;
pub const REPLICA_OF: Kind = Kind::ReplicaOf;
pub const PERCENTILES: Kind = Kind::Percentiles;

pub const fn yes_no(default: bool) -> Kind {
    Kind::YesNo { default }
}

const fn any_number(default: i128, min: i128, max: i128, unit: Unit) -> Kind {
    assert!(min <= default && default <= max && default <= i64::MAX as i128);
    assert!(min >= i64::MIN as i128 && max <= u64::MAX as i128);
    Kind::Number {
        default: default as i64,
        min,
        max,
        unit,
    }
}

pub const fn number(default: i128, min: i128, max: i128) -> Kind {
    any_number(default, min, max, Unit::Plain)
}

pub const fn memory(default: i128, min: i128, max: i128) -> Kind {
    any_number(default, min, max, Unit::Bytes)
}

pub const fn page(default: i128, min: i128, max: i128) -> Kind {
    any_number(default, min, max, Unit::PowerOfTwo)
}

pub const fn share(default: i128, min: i128, max: i128) -> Kind {
    any_number(default, min, max, Unit::BytesOrPercent)
}

pub const fn octal(default: i128, min: i128, max: i128) -> Kind {
    any_number(default, min, max, Unit::Octal)
}

pub const fn hertz(default: i128) -> Kind {
    any_number(default, 0, i32::MAX as i128, Unit::Hertz)
}

pub const fn choice(words: Words, default: i64) -> Kind {
    Kind::Choice { words, default }
}

pub const fn choices(words: Words) -> Kind {
    Kind::Choices { words }
}

pub const fn text(default: &'static str) -> Kind {
    ruled(default, TextRule::Any, false)
}

pub const fn optional(default: &'static str) -> Kind {
    ruled(default, TextRule::Any, true)
}

pub const fn ruled(default: &'static str, rule: TextRule, optional: bool) -> Kind {
    Kind::Text {
        default,
        rule,
        optional,
    }
}

impl Kind {
    /// Whether values are kept as one number.
    pub const fn is_number(&self) -> bool {
        matches!(
            self,
            Self::YesNo { .. }
                | Self::Number { .. }
                | Self::Choice { .. }
                | Self::Choices { .. }
                | Self::Events
        )
    }
}
