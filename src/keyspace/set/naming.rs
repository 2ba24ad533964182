//! How Redis would call a set as members come to it one after the other.

use super::Limits;
use crate::keyspace::header::Encoding;
use crate::resp::integer::parse_i64;

/// The longest decimal form of a 64-bit integer: no integer is too long where this is allowed.
const INTEGER_LEN_MAX: u64 = 20;

/// The encoding of a new set to which `hint` members, the first of them `first`, are about to be added.
pub fn of_new(limits: Limits, first: &[u8], hint: u64) -> Encoding {
    if parse_i64(first).is_some() && hint <= limits.integers_max {
        Encoding::Integers
    } else if hint <= limits.entries_max {
        Encoding::Packed
    } else {
        Encoding::Table
    }
}

/// The encoding of a set to which `hint` members are about to be added.
pub fn with_hint(limits: Limits, encoding: Encoding, hint: u64) -> Encoding {
    match encoding {
        Encoding::Integers if hint > limits.integers_max => Encoding::Table,
        Encoding::Packed if hint > limits.entries_max => Encoding::Table,
        other => other,
    }
}

/// The encoding after a new member joined the `len` there were. `longest` tells how long the longest of them is; it is
/// asked only where that may matter.
pub fn with_member<E>(
    limits: Limits,
    encoding: Encoding,
    member: &[u8],
    len: u64,
    longest: impl FnOnce() -> Result<u64, E>,
) -> Result<Encoding, E> {
    let fits = len < limits.entries_max && member.len() as u64 <= limits.value_bytes_max;
    Ok(match encoding {
        Encoding::Integers if parse_i64(member).is_some() => {
            if len < limits.integers_max.min(1 << 30) {
                Encoding::Integers
            } else {
                Encoding::Table
            }
        }
        Encoding::Integers if fits => {
            if limits.value_bytes_max >= INTEGER_LEN_MAX || longest()? <= limits.value_bytes_max {
                Encoding::Packed
            } else {
                Encoding::Table
            }
        }
        Encoding::Packed if fits => Encoding::Packed,
        _ => Encoding::Table,
    })
}

/// What is known of members that came in an order nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    pub len: u64,
    pub all_integers: bool,
    pub longest: u64,
}

impl Default for Census {
    fn default() -> Self {
        Self {
            len: 0,
            all_integers: true,
            longest: 0,
        }
    }
}

impl Census {
    /// Counts a member.
    pub fn add(&mut self, member: &[u8]) {
        self.len += 1;
        self.all_integers = self.all_integers && parse_i64(member).is_some();
        self.longest = self.longest.max(member.len() as u64);
    }

    /// The encoding of a set that was made of them.
    pub fn encoding(&self, limits: Limits) -> Encoding {
        if self.all_integers && self.len <= limits.integers_max {
            Encoding::Integers
        } else if !self.all_integers
            && self.len <= limits.entries_max
            && self.longest <= limits.value_bytes_max
        {
            Encoding::Packed
        } else {
            Encoding::Table
        }
    }
}
