//! How many entries at the front of a stream trimming removes.

use super::entries::{Entries, Place};
use super::id::StreamId;
use crate::storage::{Error, Read};

/// What is to stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// So many entries.
    Length(u64),
    /// Entries with this ID and those behind it.
    Id(StreamId),
}

/// A wish to trim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trim {
    pub threshold: Threshold,
    /// Only whole nodes go.
    pub is_approximate: bool,
    /// The most entries to remove; 0: any number. Approximate trimming only.
    pub limit: u64,
}

impl Trim {
    /// How many entries go.
    pub fn excess<R: Read>(&self, entries: &Entries, reader: &mut R) -> Result<u64, Error> {
        self.excess_with(entries, reader, None)
    }

    /// How many entries go, at most, after an entry with this ID was added behind the others.
    pub fn excess_with<R: Read>(
        &self,
        entries: &Entries,
        reader: &mut R,
        added: Option<StreamId>,
    ) -> Result<u64, Error> {
        let wanted = match self.threshold {
            Threshold::Length(len) => {
                (entries.len(reader) + u64::from(added.is_some())).saturating_sub(len)
            }
            Threshold::Id(id) => {
                entries.rank(reader, id)? + u64::from(added.is_some_and(|added| added < id))
            }
        };
        if !self.is_approximate || wanted == 0 {
            return Ok(wanted);
        }
        let most = match self.limit {
            0 => wanted,
            limit => wanted.min(limit),
        };
        match entries.nth(reader, most)? {
            None => Ok(most),
            Some(kept) => node_start(entries, reader, most, kept),
        }
    }
}

/// The number of the first entry of the node in which `place`, number `at`, is. Looks at the first entry of all, which
/// mostly is of that node where a stream is trimmed again and again, and then searches in steps that double, so that it
/// costs the logarithm of the node's size.
fn node_start<R: Read>(
    entries: &Entries,
    reader: &mut R,
    at: u64,
    place: Place,
) -> Result<u64, Error> {
    let is_of_node = |n: u64, reader: &mut R| -> Result<bool, Error> {
        Ok(entries
            .nth(reader, n)?
            .is_some_and(|other| other.node == place.node))
    };
    // So many entries are of no more nodes than there are numbers.
    if at <= u64::from(u16::MAX) && is_of_node(0, reader)? {
        return Ok(0);
    }
    // Entry `high` is of the node; entry `low - 1` is not, once it is known.
    let (mut high, mut step) = (at, 1);
    let mut low = loop {
        if high == 0 {
            return Ok(0);
        }
        let probe = high.saturating_sub(step);
        if !is_of_node(probe, reader)? {
            break probe + 1;
        }
        high = probe;
        step *= 2;
    };
    while low < high {
        let mid = low + (high - low) / 2;
        if is_of_node(mid, reader)? {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    Ok(high)
}
