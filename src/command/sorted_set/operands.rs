//! The sets that ZUNION, ZINTER and ZDIFF combine: sorted ones, and plain ones whose members all have score 1.

use std::ops::ControlFlow;

use crate::command::{Call, Failure, errors};
use crate::keyspace::header::Kind;
use crate::keyspace::packed::ByteStrings;
use crate::keyspace::set::{self, MEMBERS};
use crate::keyspace::sorted_set::{Members, Span};
use crate::keyspace::{Keyspace, Look};
use crate::storage::{Engine, Error, Read, Seek, TreeId};

/// Members read before what was read may leave memory.
const BATCH: u64 = 1024;

/// Where the members of an operand are.
#[derive(Debug)]
enum Source {
    Nothing,
    SortedSet(Members),
    /// A plain set.
    SmallSet(ByteStrings),
    /// A plain set whose members are the keys of a tree.
    LargeSet(TreeId),
}

/// The score of every member of a plain set.
const SET_SCORE: f64 = 1.0;

/// The plain set at `key`.
fn plain_set(keyspace: &mut Keyspace, db: u32, key: &[u8], now_ms: u64) -> Result<Source, Error> {
    let small = match keyspace.lookup(db, key, now_ms, Look::UNSEEN)? {
        None => return Ok(Source::Nothing),
        Some(entry) => set::small(&entry).map(ByteStrings::of),
    };
    match small {
        Some(members) => Ok(Source::SmallSet(members)),
        None => Ok(Source::LargeSet(keyspace.tree(db, key, MEMBERS)?)),
    }
}

/// One of the sets.
#[derive(Debug)]
pub struct Operand<'a> {
    pub key: &'a [u8],
    source: Source,
    pub weight: f64,
}

impl<'a> Operand<'a> {
    /// Looks the set up; WRONGTYPE if it is none.
    pub fn lookup(call: &mut Call<'_>, key: &'a [u8]) -> Result<Self, Failure> {
        let found = call
            .keyspace
            .sorted_set(call.client.db, key, call.now_ms, Look::READ)?;
        let source = match found {
            None => Source::Nothing,
            Some((_, Some(members))) => Source::SortedSet(members),
            Some((header, None)) if header.kind == Kind::Set => {
                plain_set(call.keyspace, call.client.db, key, call.now_ms)?
            }
            Some((_, None)) => return Err(errors::WRONG_TYPE.into()),
        };
        Ok(Self {
            key,
            source,
            weight: 1.0,
        })
    }

    pub fn len(&self, engine: &Engine) -> u64 {
        match &self.source {
            Source::Nothing => 0,
            Source::SortedSet(members) => members.len(engine),
            Source::SmallSet(members) => members.len() as u64,
            Source::LargeSet(tree) => engine.count(*tree),
        }
    }

    /// The score of a member; None: it is none.
    pub fn score(&self, engine: &mut Engine, member: &[u8]) -> Result<Option<f64>, Error> {
        match &self.source {
            Source::Nothing => Ok(None),
            Source::SortedSet(members) => members.score(engine, member),
            Source::SmallSet(members) => {
                let is_member = members.iter().any(|own| own == member);
                Ok(is_member.then_some(SET_SCORE))
            }
            Source::LargeSet(tree) => Ok(engine.get(*tree, member)?.map(|_| SET_SCORE)),
        }
    }

    /// Some members behind the first `done`, in the order in which Redis goes through them; none: that were all.
    pub fn batch(&self, engine: &mut Engine, done: u64) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let mut batch = Vec::new();
        match &self.source {
            Source::Nothing => {}
            Source::SortedSet(members) => {
                let end = members.len(engine) - done;
                let span = Span::new(end.saturating_sub(BATCH), end);
                members.visit_span(engine, span, true, &mut |member, score| {
                    batch.push((member.to_vec(), score));
                })?;
            }
            Source::SmallSet(members) => {
                let left = members.iter().skip(done as usize);
                batch.extend(left.map(|member| (member.to_vec(), SET_SCORE)));
            }
            Source::LargeSet(tree) => {
                engine.scan(*tree, Seek::Nth(done), &mut |member, _| {
                    batch.push((member.to_vec(), SET_SCORE));
                    if batch.len() as u64 == BATCH {
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(batch)
    }
}
