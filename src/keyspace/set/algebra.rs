//! Intersection, union and difference of sets.
//!
//! The result comes member by member in byte order, from trees in that order, in bounded memory, however large the sets
//! are. Where Redis lists small sets in an order of its own, [`listed`] puts the result together as it does.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::convert::Infallible;

use smallvec::SmallVec;

use super::naming::{self, Census};
use super::sources::{Cursor, Source};
use super::{Limits, sort_integers};
use crate::keyspace::header::Encoding;
use crate::keyspace::packed::ByteStrings;
use crate::resp::{Stream, StreamError, encode};
use crate::storage::{Error, Read, Snapshot, TreeId};

/// A result of up to this many bytes is put together in memory before it is sent.
const KEPT_BYTES_MAX: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Intersection,
    Union,
    /// The first set without all others.
    Difference,
}

/// Members of a set in the order in which Redis keeps them, and what it calls the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    pub members: Vec<&'a [u8]>,
    pub encoding: Encoding,
}

/// A set as Redis puts it together, member by member.
struct Builder<'a> {
    limits: Limits,
    listed: Listed<'a>,
}

impl<'a> Builder<'a> {
    fn new(limits: Limits) -> Self {
        let listed = Listed {
            members: Vec::new(),
            encoding: Encoding::Integers,
        };
        Self { limits, listed }
    }

    /// Adds a member that it does not have.
    fn add(&mut self, member: &'a [u8]) {
        let Listed { members, encoding } = &mut self.listed;
        let longest = || {
            let lens = members.iter().map(|member| member.len() as u64);
            Ok::<_, Infallible>(lens.max().unwrap_or(0))
        };
        let len = members.len() as u64;
        let Ok(renamed) = naming::with_member(self.limits, *encoding, member, len, longest);
        if *encoding == Encoding::Integers && renamed != Encoding::Integers {
            sort_integers(members);
        }
        *encoding = renamed;
        members.push(member);
    }

    fn finish(mut self) -> Listed<'a> {
        if self.listed.encoding == Encoding::Integers {
            sort_integers(&mut self.listed.members);
        }
        self.listed
    }
}

/// The result of an operation on sets that Redis lists in a known order, given in that order; None if it calls the
/// result a hash table, whose order nobody knows.
pub fn listed(operation: Operation, sets: &[ByteStrings], limits: Limits) -> Option<Listed<'_>> {
    match operation {
        Operation::Union => {
            let mut builder = Builder::new(limits);
            let mut seen = BTreeSet::new();
            for member in sets.iter().flat_map(ByteStrings::iter) {
                if sets.len() == 1 || seen.insert(member) {
                    builder.add(member);
                }
                if builder.listed.encoding == Encoding::Table {
                    return None;
                }
            }
            Some(builder.finish())
        }
        Operation::Intersection => {
            let (base, smallest) = sets.iter().enumerate().min_by_key(|(_, set)| set.len())?;
            let others = sets.iter().enumerate().filter(|(at, _)| *at != base);
            let others: Vec<_> = others.map(|(_, set)| set.sorted()).collect();
            let mut census = Census::default();
            let mut members: Vec<&[u8]> = Vec::with_capacity(smallest.len());
            for member in smallest.iter() {
                if others.iter().all(|set| set.has(member)) {
                    census.add(member);
                    members.push(member);
                }
            }
            let encoding = census.encoding(limits);
            Some(Listed { members, encoding })
        }
        Operation::Difference => {
            let others: Vec<_> = sets[1..].iter().map(ByteStrings::sorted).collect();
            let is_left = |member: &[u8]| !others.iter().any(|set| set.has(member));
            let subtracts = subtracts_from_copy(sets.iter().map(|set| set.len() as u64));
            let mut builder = Builder::new(limits);
            for member in sets[0].iter() {
                if subtracts || is_left(member) {
                    builder.add(member);
                }
            }
            let mut result = builder.finish();
            if subtracts {
                result.members.retain(|member| is_left(member));
            }
            Some(result)
        }
    }
}

/// Whether Redis makes a difference from a copy of the first set, which keeps what that was called, rather than by
/// adding what is left. `lens` are the sizes of the sets; those that are not there do not count.
fn subtracts_from_copy(lens: impl Iterator<Item = u64> + Clone) -> bool {
    let first = lens.clone().next().unwrap_or(0);
    let sets = lens.clone().filter(|len| *len > 0).count() as u64;
    first * sets / 2 > lens.sum()
}

/// The next member of a set, and the number of the set.
type Head = Reverse<(Vec<u8>, usize)>;

#[derive(Debug)]
enum State {
    /// Members of one set, those that the others have or have not.
    Filter { base: usize, cursor: Cursor },
    /// The next member of each set that has one, smallest first.
    Merge {
        cursors: Vec<Cursor>,
        heads: BinaryHeap<Head>,
        started: bool,
        last: Option<Vec<u8>>,
    },
}

/// The trees of the sets that an operation reads; None for a set in memory.
pub struct Opened(SmallVec<[Option<TreeId>; 4]>);

/// An operation under way.
#[derive(Debug)]
pub struct Algebra {
    operation: Operation,
    sources: Vec<Source>,
    state: State,
    /// Of the members of the set that a difference begins with.
    base_census: Census,
}

impl Algebra {
    pub fn new(operation: Operation, sources: Vec<Source>) -> Self {
        let mut this = Self {
            operation,
            sources,
            state: State::Filter {
                base: 0,
                cursor: Cursor::default(),
            },
            base_census: Census::default(),
        };
        this.start();
        this
    }

    /// How many members are looked at, at most, those included that a set is asked for.
    pub fn members_looked_at(&self) -> u64 {
        match self.state {
            State::Filter { base, .. } => {
                let sets = self.sources.len() as u64;
                self.sources[base].len.saturating_mul(sets)
            }
            State::Merge { .. } => self.sources.iter().map(|source| source.len).sum(),
        }
    }

    /// Begins again from the first member.
    fn start(&mut self) {
        self.base_census = Census::default();
        self.state = match self.operation {
            Operation::Union => State::Merge {
                cursors: self.sources.iter().map(|_| Cursor::default()).collect(),
                heads: BinaryHeap::new(),
                started: false,
                last: None,
            },
            Operation::Difference => State::Filter {
                base: 0,
                cursor: Cursor::default(),
            },
            Operation::Intersection => {
                let lens = self.sources.iter().map(|source| source.len).enumerate();
                State::Filter {
                    base: lens.min_by_key(|(_, len)| *len).map_or(0, |(at, _)| at),
                    cursor: Cursor::default(),
                }
            }
        };
    }

    /// Opens what [`Algebra::next`] reads.
    pub fn open<R: Read>(&self, reader: &mut R) -> Result<Opened, Error> {
        let trees = self.sources.iter().map(|source| source.tree(reader));
        Ok(Opened(trees.collect::<Result<_, Error>>()?))
    }

    /// The next member of the result. The reader has opened what it reads.
    pub fn next<R: Read>(
        &mut self,
        reader: &mut R,
        opened: &Opened,
    ) -> Result<Option<&[u8]>, Error> {
        let trees = &opened.0;
        match &mut self.state {
            State::Filter { base, cursor } => {
                let wanted = self.operation == Operation::Intersection;
                'members: loop {
                    if !cursor.advance(reader, &self.sources[*base], trees[*base])? {
                        return Ok(None);
                    }
                    self.base_census.add(cursor.member());
                    let member = cursor.member();
                    for (at, other) in self.sources.iter().enumerate() {
                        if at != *base && other.has(reader, trees[at], member)? != wanted {
                            continue 'members;
                        }
                    }
                    break;
                }
                Ok(Some(cursor.member()))
            }
            State::Merge {
                cursors,
                heads,
                started,
                last,
            } => {
                let mut next = |at: usize| -> Result<Option<Head>, Error> {
                    let cursor = &mut cursors[at];
                    let is_there = cursor.advance(reader, &self.sources[at], trees[at])?;
                    Ok(is_there.then(|| Reverse((cursor.member().to_vec(), at))))
                };
                if !*started {
                    for at in 0..self.sources.len() {
                        heads.extend(next(at)?);
                    }
                    *started = true;
                }
                loop {
                    let Some(Reverse((member, at))) = heads.pop() else {
                        return Ok(None);
                    };
                    heads.extend(next(at)?);
                    if last.as_ref() != Some(&member) {
                        return Ok(Some(last.insert(member)));
                    }
                }
            }
        }
    }

    /// The encoding of a set that Redis would make of the result, whose members `result` has counted. The operation
    /// has come to its end.
    pub fn encoding(&self, result: &Census, limits: Limits) -> Encoding {
        let subtracts = self.operation == Operation::Difference
            && subtracts_from_copy(self.sources.iter().map(|source| source.len));
        if subtracts {
            self.base_census.encoding(limits)
        } else {
            result.encoding(limits)
        }
    }
}

impl Algebra {
    /// How many members the result has; not more than `limit` are counted unless that is 0.
    pub fn count<R: Read>(&mut self, reader: &mut R, limit: u64) -> Result<u64, Error> {
        let opened = self.open(reader)?;
        let mut count = 0;
        while self.next(reader, &opened)?.is_some() {
            count += 1;
            if count == limit {
                break;
            }
        }
        Ok(count)
    }
}

/// The number of members of a result on its way to a client, counted in a snapshot.
pub struct AlgebraCount {
    snapshot: Snapshot,
    algebra: Algebra,
    limit: u64,
}

impl AlgebraCount {
    pub fn new(snapshot: Snapshot, algebra: Algebra, limit: u64) -> Self {
        Self {
            snapshot,
            algebra,
            limit,
        }
    }
}

impl Stream for AlgebraCount {
    fn fill(&mut self, out: &mut Vec<u8>, _: usize) -> Result<bool, StreamError> {
        let mut reader = self.snapshot.reader();
        let count = self
            .algebra
            .count(&mut reader, self.limit)
            .map_err(|error| StreamError(error.to_string()))?;
        encode::int(out, count as i64);
        Ok(false)
    }
}

/// A result on its way to a client, read from a snapshot. What is short is sent when it is complete; of what is long
/// the members are counted first, then they are sent.
pub struct AlgebraStream {
    snapshot: Snapshot,
    algebra: Algebra,
    /// The byte that begins a set in the client's protocol.
    kind: u8,
    counted: bool,
}

impl AlgebraStream {
    pub fn new(snapshot: Snapshot, algebra: Algebra, resp3: bool) -> Self {
        Self {
            snapshot,
            algebra,
            kind: if resp3 { b'~' } else { b'*' },
            counted: false,
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<bool, Error> {
        let mut reader = self.snapshot.reader();
        let opened = self.algebra.open(&mut reader)?;
        let (mut kept, mut count, mut long) = (Vec::new(), 0u64, false);
        while let Some(member) = self.algebra.next(&mut reader, &opened)? {
            count += 1;
            if !long {
                encode::bulk(&mut kept, member);
            }
            if kept.len() > KEPT_BYTES_MAX {
                long = true;
                kept = Vec::new();
            }
        }
        encode::header(out, self.kind, count);
        out.extend_from_slice(&kept);
        self.counted = true;
        self.algebra.start();
        Ok(long)
    }

    fn go_on(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, Error> {
        let mut reader = self.snapshot.reader();
        let opened = self.algebra.open(&mut reader)?;
        let end = out.len().saturating_add(bytes_wanted.max(1));
        while out.len() < end {
            let Some(member) = self.algebra.next(&mut reader, &opened)? else {
                return Ok(false);
            };
            encode::bulk(out, member);
        }
        Ok(true)
    }
}

impl Stream for AlgebraStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let more = if self.counted {
            self.go_on(out, bytes_wanted)
        } else {
            self.begin(out)
        };
        more.map_err(|error| StreamError(error.to_string()))
    }
}
