//! The sets that ZUNION, ZINTER and ZDIFF combine: sorted ones, and plain ones whose members all have score 1.

use crate::command::{Call, Failure, errors};
use crate::keyspace::Look;
use crate::keyspace::sorted_set::{Members, Span};
use crate::storage::{Engine, Error};

/// Members read before what was read may leave memory.
const BATCH: u64 = 1024;

/// Where the members of an operand are.
#[derive(Debug)]
enum Source {
    Nothing,
    SortedSet(Members),
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
        }
    }

    /// The score of a member; None: it is none.
    pub fn score(&self, engine: &mut Engine, member: &[u8]) -> Result<Option<f64>, Error> {
        match &self.source {
            Source::Nothing => Ok(None),
            Source::SortedSet(members) => members.score(engine, member),
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
        }
        Ok(batch)
    }
}
