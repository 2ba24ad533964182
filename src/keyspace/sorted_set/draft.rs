//! Changing a sorted set: in memory while it is small, in its trees while it is large.
//!
//! A small set is changed in a copy of its body, and [`Draft::finish`] writes what became different. A large one is
//! changed at once. Everything a step changes is located before its first change; a step that needs more asks for a
//! savepoint before.

use super::members::{Members, small_entries};
use super::score::{self, order_key, order_mark};
use super::{Span, TREES};
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::packed::{item_bytes, push};
use crate::keyspace::{Keyspace, Slot, Txn};
use crate::storage::node::key_inline_max;
use crate::storage::{Error, Plan, Read, TreeId};

/// A large set with at most this many members becomes small again.
const SMALL_AGAIN: u64 = 16;
/// Members whose removal is prepared before what was read may leave memory.
const REMOVED_TOGETHER: usize = 256;

/// What decides how Redis would encode a sorted set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `zset-max-listpack-entries`.
    pub entries_max: u64,
    /// `zset-max-listpack-value`, bytes.
    pub value_bytes_max: u64,
}

impl Limits {
    /// How a set that is about to get `count` members, the first of `len` bytes, begins.
    pub fn encoding(&self, count: u64, len: u64) -> Encoding {
        if count <= self.entries_max && len <= self.value_bytes_max {
            Encoding::Packed
        } else {
            Encoding::Table
        }
    }
}

/// What the key's cell has, as far as it is not what the draft has.
#[derive(Debug)]
enum Stored {
    /// Nothing, or something else that is to be replaced.
    Nothing,
    /// The small form with this body; None: that of the draft.
    Small(Option<Vec<u8>>),
    /// The trees.
    Large,
}

/// A sorted set that is being changed.
#[derive(Debug)]
pub struct Draft<'k> {
    key: &'k [u8],
    slot: Slot,
    header: Header,
    members: Members,
    stored: Stored,
    limits: Limits,
}

impl<'k> Draft<'k> {
    /// The set at `key`, which is there: `members` are its.
    pub fn of(slot: Slot, key: &'k [u8], members: Members, limits: Limits) -> Self {
        let stored = match members {
            Members::Small(_) => Stored::Small(None),
            Members::Large { .. } => Stored::Large,
        };
        Self {
            key,
            header: slot.header().expect("a key that is there"),
            slot,
            members,
            stored,
            limits,
        }
    }

    /// A new set to stand at `key` instead of what is there, without an expiry.
    pub fn new(slot: Slot, key: &'k [u8], encoding: Encoding, limits: Limits) -> Self {
        Self {
            key,
            slot,
            header: Header::new(Kind::SortedSet, encoding),
            members: Members::Small(Vec::new()),
            stored: Stored::Nothing,
            limits,
        }
    }

    pub fn len(&self, keyspace: &Keyspace) -> u64 {
        self.members.len(&keyspace.engine)
    }

    /// The score of a member.
    pub fn score(&self, txn: &mut Txn<'_>, member: &[u8]) -> Result<Option<f64>, Error> {
        self.members.score(&mut txn.keyspace().engine, member)
    }

    /// So many members are about to be added: says so of the encoding.
    pub fn expect(&mut self, txn: &mut Txn<'_>, count: u64) -> Result<(), Error> {
        if self.header.encoding == Encoding::Packed && count > self.limits.entries_max {
            self.become_table(txn)?;
        }
        Ok(())
    }

    fn become_table(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        self.header.encoding = Encoding::Table;
        if self.members.is_large() {
            txn.engine().need_savepoint();
            txn.set_header(&mut self.slot, self.key, self.header, &[])?;
        }
        Ok(())
    }

    /// Gives a member a score. `old` is the one it has, which is another.
    pub fn set(
        &mut self,
        txn: &mut Txn<'_>,
        member: &[u8],
        old: Option<f64>,
        score: f64,
    ) -> Result<(), Error> {
        if old.is_none() && self.header.encoding == Encoding::Packed {
            let count = self.len(txn.keyspace()) + 1;
            if self.limits.encoding(count, member.len() as u64) != Encoding::Packed {
                self.become_table(txn)?;
            }
        }
        // Redis's small encoding has no minus zero.
        let score = if self.header.encoding == Encoding::Packed {
            score + 0.0
        } else {
            score
        };
        if let Members::Large {
            by_member,
            by_score,
        } = self.members
        {
            return set_large(txn, (by_member, by_score), member, old, score);
        }
        self.set_small(txn, member, old, score)
    }

    fn set_small(
        &mut self,
        txn: &mut Txn<'_>,
        member: &[u8],
        old: Option<f64>,
        score: f64,
    ) -> Result<(), Error> {
        let entry_bytes = item_bytes(score::SCORE_BYTES) + item_bytes(member.len());
        let bytes_max = txn.keyspace().packed_bytes_max();
        let body = self.body_mut();
        if old.is_some() {
            cut_small(body, member);
        }
        if body.len() + entry_bytes > bytes_max {
            let (by_member, by_score) = self.become_large(txn)?;
            return set_large(txn, (by_member, by_score), member, None, score);
        }
        let at = small_entries(body)
            .find(|entry| (entry.score, entry.member) > (score, member))
            .map_or(body.len(), |entry| entry.at);
        let mut entry = Vec::with_capacity(entry_bytes);
        push(&mut entry, &score::to_bytes(score));
        push(&mut entry, member);
        body.splice(at..at, entry);
        Ok(())
    }

    /// The body to change. The stored one is kept to be compared with.
    fn body_mut(&mut self) -> &mut Vec<u8> {
        let Members::Small(body) = &mut self.members else {
            unreachable!("a small set has a body");
        };
        if let Stored::Small(before @ None) = &mut self.stored {
            *before = Some(body.clone());
        }
        body
    }

    /// Moves a small set to trees.
    fn become_large(&mut self, txn: &mut Txn<'_>) -> Result<(TreeId, TreeId), Error> {
        txn.engine().need_savepoint();
        txn.put_trees(&mut self.slot, self.key, self.header, &[], TREES)?;
        let by_member = txn.tree(&self.slot, self.key, super::BY_MEMBER)?;
        let by_score = txn.tree(&self.slot, self.key, super::BY_SCORE)?;
        let large = Members::Large {
            by_member,
            by_score,
        };
        if let Members::Small(body) = std::mem::replace(&mut self.members, large) {
            for entry in small_entries(&body) {
                set_large(txn, (by_member, by_score), entry.member, None, entry.score)?;
            }
        }
        self.stored = Stored::Large;
        Ok((by_member, by_score))
    }

    /// Takes a member out. `score` is the one it has.
    pub fn remove(&mut self, txn: &mut Txn<'_>, member: &[u8], score: f64) -> Result<(), Error> {
        if self.members.is_large() {
            let len = self.len(txn.keyspace());
            if len - 1 <= SMALL_AGAIN {
                let rank = self
                    .members
                    .rank(&mut txn.keyspace().engine, score, member)?;
                if self.become_small_without(txn, Span::new(rank, rank + 1))? {
                    return Ok(());
                }
            }
        }
        match self.members {
            Members::Large {
                by_member,
                by_score,
            } => remove_large(txn, (by_member, by_score), member, score),
            Members::Small(_) => {
                cut_small(self.body_mut(), member);
                Ok(())
            }
        }
    }

    /// Takes the members with these ranks out.
    pub fn remove_span(&mut self, txn: &mut Txn<'_>, span: Span) -> Result<(), Error> {
        if span.is_empty() {
            return Ok(());
        }
        if let Members::Small(_) = self.members {
            let body = self.body_mut();
            let mut bounds = small_entries(body)
                .skip(span.start as usize)
                .take(span.len() as usize)
                .map(|entry| (entry.at, entry.end));
            let (start, mut end) = bounds.next().expect("ranks of the set");
            if let Some((_, last)) = bounds.last() {
                end = last;
            }
            body.drain(start..end);
            return Ok(());
        }
        let left = self.len(txn.keyspace()) - span.len();
        if left <= SMALL_AGAIN && self.become_small_without(txn, span)? {
            return Ok(());
        }
        txn.engine().need_savepoint();
        self.remove_span_large(txn, span)
    }

    /// Reads the few members that stay into memory; false if they have too many bytes to be small.
    fn become_small_without(&mut self, txn: &mut Txn<'_>, span: Span) -> Result<bool, Error> {
        let bytes_max = txn.keyspace().packed_bytes_max() / 2;
        let (mut body, mut rank) = (Vec::new(), 0);
        let engine = &mut txn.keyspace().engine;
        let len = self.members.len(engine);
        for part in [Span::new(0, span.start), Span::new(span.end, len)] {
            self.members
                .visit_span(engine, part, false, &mut |member, score| {
                    rank += 1;
                    if body.len() <= bytes_max {
                        push(&mut body, &score::to_bytes(score));
                        push(&mut body, member);
                    }
                })?;
        }
        assert_eq!(rank, len - span.len(), "every member that stays is read");
        let fits = body.len() <= bytes_max;
        if fits {
            self.members = Members::Small(body);
        }
        Ok(fits)
    }

    fn remove_span_large(&mut self, txn: &mut Txn<'_>, span: Span) -> Result<(), Error> {
        let Members::Large {
            by_member,
            by_score,
        } = self.members
        else {
            unreachable!("a large set");
        };
        let mut rank = span.start;
        let mut from = None;
        while rank < span.end {
            let part = Span::new(rank, span.end.min(rank + REMOVED_TOGETHER as u64));
            let mut names = Vec::with_capacity(REMOVED_TOGETHER);
            let engine = &mut txn.keyspace().engine;
            self.members
                .visit_span(engine, part, false, &mut |member, score| {
                    if from.is_none() {
                        from = Some(order_key(score, member));
                    }
                    names.push(member.to_vec());
                })?;
            for name in &names {
                txn.engine().delete(by_member, name)?;
            }
            rank = part.end;
        }
        let engine = txn.engine();
        let mut end = Vec::new();
        let has_end = engine.select(by_score, span.end, &mut end)?.is_some();
        let from = from.expect("a span that is not empty");
        engine.delete_range(by_score, &from, has_end.then_some(&end))?;
        Ok(())
    }

    /// Writes what is not written yet; a set without members is gone. Returns whether it is there.
    pub fn finish(mut self, txn: &mut Txn<'_>) -> Result<bool, Error> {
        let Members::Small(body) = &self.members else {
            return Ok(true);
        };
        if body.is_empty() {
            txn.delete(&self.slot, self.key)?;
            return Ok(false);
        }
        let is_same_header = self.slot.header() == Some(self.header);
        match &self.stored {
            Stored::Small(None) if is_same_header => {}
            Stored::Small(Some(before)) if is_same_header => {
                let change = difference(before, body);
                let bytes = &body[change.at..body.len() - change.behind];
                let removed = before.len() - change.behind - change.at;
                if removed > 0 || !bytes.is_empty() {
                    txn.splice(&mut self.slot, self.key, change.at, removed, bytes)?;
                }
            }
            _ => txn.put_value(&mut self.slot, self.key, self.header, &[], body)?,
        }
        Ok(true)
    }
}

/// What two bodies have in common at their ends.
struct Difference {
    /// Bytes in front that are the same.
    at: usize,
    /// Bytes behind that are.
    behind: usize,
}

fn difference(before: &[u8], after: &[u8]) -> Difference {
    let at = before
        .iter()
        .zip(after)
        .take_while(|(one, other)| one == other)
        .count();
    let behind = before[at..]
        .iter()
        .rev()
        .zip(after[at..].iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    Difference { at, behind }
}

fn cut_small(body: &mut Vec<u8>, member: &[u8]) {
    let found = small_entries(body).find(|entry| entry.member == member);
    let bounds = found.map(|entry| entry.at..entry.end);
    body.drain(bounds.expect("a member of the set"));
}

/// Prepares a change of a member whose keys may be too long to change in one step.
fn prepare(txn: &mut Txn<'_>, member: &[u8]) {
    let page_bytes = txn.keyspace().engine.pager().page_bytes();
    if score::SCORE_BYTES + member.len() > key_inline_max(page_bytes) {
        txn.engine().need_savepoint();
    }
}

fn set_large(
    txn: &mut Txn<'_>,
    (by_member, by_score): (TreeId, TreeId),
    member: &[u8],
    old: Option<f64>,
    score: f64,
) -> Result<(), Error> {
    prepare(txn, member);
    let new_key = order_key(score, member);
    let old_key = old.map(|old| order_key(old, member));
    let engine = txn.engine();
    engine.locate(by_score, &new_key)?;
    if let Some(old_key) = &old_key {
        engine.locate(by_score, old_key)?;
    }
    engine.put(by_member, member, &[], &score::to_bytes(score))?;
    if let Some(old_key) = &old_key {
        let was_there = engine.delete(by_score, old_key)?;
        assert!(was_there, "every member is in both trees");
    }
    engine.put(by_score, &new_key, &[], order_mark(score))
}

fn remove_large(
    txn: &mut Txn<'_>,
    (by_member, by_score): (TreeId, TreeId),
    member: &[u8],
    score: f64,
) -> Result<(), Error> {
    prepare(txn, member);
    let key = order_key(score, member);
    let engine = txn.engine();
    engine.locate(by_score, &key)?;
    engine.locate(by_member, member)?;
    let was_there = engine.delete(by_member, member)?;
    assert!(was_there, "the member is in the set");
    let was_there = engine.delete(by_score, &key)?;
    assert!(was_there, "every member is in both trees");
    Ok(())
}

/// How many members ZADD and its kin may change under [`Plan::Simple`].
pub fn plan(members: usize) -> Plan {
    if members == 1 {
        Plan::Simple
    } else {
        Plan::Savepoint
    }
}
