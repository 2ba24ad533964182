//! What SORT sorts: the elements of a list, a set or a sorted set.

use std::ops::{ControlFlow, Range};

use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::Look;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::list::Elements;
use crate::keyspace::packed::ByteStrings;
use crate::keyspace::sorted_set::{Members, Span};
use crate::storage::{self, Error, Plan};

/// A collection that is there.
#[derive(Debug)]
pub enum Collection {
    List(Elements),
    /// All members.
    Set(ByteStrings),
    SortedSet(Header, Members),
}

impl Collection {
    /// What stands at `key`; None: nothing.
    pub fn lookup(call: &mut Call<'_>, key: &[u8]) -> Result<Option<Self>, Failure> {
        let (db, now_ms) = (call.client.db, call.now_ms);
        let entry = call.keyspace.lookup(db, key, now_ms, Look::READ)?;
        let Some(header) = entry.map(|entry| entry.header) else {
            return Ok(None);
        };
        let keyspace = &mut *call.keyspace;
        let sorted = match header.kind {
            Kind::List => Elements::open(keyspace, db, key, now_ms, Look::UNSEEN)?.map(Self::List),
            Kind::Set => keyspace
                .members(db, key, u64::MAX, usize::MAX)?
                .map(Self::Set),
            Kind::SortedSet => match keyspace.sorted_set(db, key, now_ms, Look::UNSEEN)? {
                Some((header, Some(members))) => Some(Self::SortedSet(header, members)),
                _ => None,
            },
            Kind::String | Kind::Hash | Kind::Stream => None,
        };
        match sorted {
            None => Err(errors::WRONG_TYPE.into()),
            sorted => Ok(sorted),
        }
    }

    /// Whether the elements have an order of their own.
    pub fn has_order(&self) -> bool {
        !matches!(self, Self::Set(_))
    }

    pub fn len(&self, call: &Call<'_>) -> usize {
        match self {
            Self::List(elements) => elements.len() as usize,
            Self::Set(members) => members.len(),
            Self::SortedSet(_, members) => members.len(&call.keyspace.engine) as usize,
        }
    }

    /// The elements with these numbers, which count from the end if `downwards`. A set has no downwards.
    pub fn part(
        &self,
        call: &mut Call<'_>,
        range: Range<usize>,
        downwards: bool,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let len = self.len(call);
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut part = Vec::with_capacity(range.len());
        match self {
            Self::Set(members) => part.extend(range.map(|n| members.get(n).to_vec())),
            Self::List(elements) => {
                let first = if downwards {
                    len - 1 - range.start
                } else {
                    range.start
                };
                let wanted = range.len();
                elements.visit(call.keyspace, first as u64, downwards, &mut |element| {
                    part.push(element.to_vec());
                    if part.len() == wanted {
                        ControlFlow::Break(())
                    } else {
                        ControlFlow::Continue(())
                    }
                })?;
            }
            Self::SortedSet(_, members) => {
                let range = if downwards {
                    len - range.end..len - range.start
                } else {
                    range
                };
                let span = Span::new(range.start as u64, range.end as u64);
                let engine = &mut call.keyspace.engine;
                members.visit_span(engine, span, downwards, &mut |member, _| {
                    part.push(member.to_vec());
                })?;
            }
        }
        Ok(part)
    }

    /// Notes what sorting leaves behind: Redis calls a sorted set that was sorted a `skiplist`. Where nothing can be
    /// written it is not noted.
    pub fn note(self, call: &mut Call<'_>, key: &[u8]) -> Outcome {
        let header = match self {
            Self::List(elements) => {
                elements.close(call.keyspace);
                return Ok(());
            }
            Self::SortedSet(header, _) if header.encoding == Encoding::Packed => Header {
                encoding: Encoding::Table,
                ..header
            },
            Self::Set(_) | Self::SortedSet(..) => return Ok(()),
        };
        let (db, now_ms) = (call.client.db, call.now_ms);
        let noted = call.keyspace.write(Plan::Savepoint, |txn| {
            let mut slot = txn.slot(db, key, now_ms)?;
            txn.set_header(&mut slot, key, header, &[])
        });
        match noted {
            Ok(()) | Err(storage::Error::DiskFull | storage::Error::Poisoned) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
