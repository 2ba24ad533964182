//! Large replies of members, read from a snapshot while they are sent.

use std::ops::ControlFlow;

use super::Span;
use super::members::{Members, body};
use super::score::{OrderKey, from_order_key};
use crate::keyspace::double;
use crate::keyspace::{Keyspace, root_ids};
use crate::resp::{Stream, StreamError, encode};
use crate::storage::{Error, Read, Seek, Snapshot};

/// Replies with more members than this are streamed.
pub(super) const STREAMED_MEMBERS: u64 = 1024;

/// How members are shown to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    pub scores: bool,
    /// The client speaks RESP3: a member and its score are an array, the score a double.
    pub resp3: bool,
}

impl Shown {
    /// Items of a reply with so many members.
    pub fn items(self, members: u64) -> usize {
        let factor = if self.scores && !self.resp3 { 2 } else { 1 };
        members as usize * factor
    }

    /// Appends a member.
    pub fn push(self, out: &mut Vec<u8>, member: &[u8], score: f64) {
        if self.scores && self.resp3 {
            encode::array(out, 2);
        }
        self.push_flat(out, member, score);
    }

    /// Appends a member, and its score if it is shown, without an array around them.
    pub fn push_flat(self, out: &mut Vec<u8>, member: &[u8], score: f64) {
        encode::bulk(out, member);
        if !self.scores {
            return;
        }
        let printed = double::print(score);
        if self.resp3 {
            out.push(b',');
            out.extend_from_slice(printed.as_bytes());
            out.extend_from_slice(encode::LINE_END);
        } else {
            encode::bulk(out, printed.as_bytes());
        }
    }
}

impl Keyspace {
    /// A stream of the members with these ranks of the set at `key`, if there are many and the set is large.
    pub fn stream_members(
        &mut self,
        (db, key): (u32, &[u8]),
        members: &Members,
        span: Span,
        downwards: bool,
        shown: Shown,
    ) -> Option<MembersStream> {
        // A snapshot does not show what an open transaction has changed.
        if !members.is_large() || span.len() <= STREAMED_MEMBERS || self.in_transaction() {
            return None;
        }
        Some(MembersStream {
            snapshot: self.engine.snapshot(),
            db,
            key: key.into(),
            downwards,
            shown,
            from: if downwards { span.end - 1 } else { span.start },
            left: span.len(),
            last: None,
        })
    }
}

/// Members on their way to a client.
pub struct MembersStream {
    snapshot: Snapshot,
    db: u32,
    key: Box<[u8]>,
    downwards: bool,
    shown: Shown,
    /// Rank of the first.
    from: u64,
    /// How many are still to be sent.
    left: u64,
    /// The last one sent.
    last: Option<OrderKey>,
}

impl MembersStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<(), Error> {
        let mut reader = self.snapshot.reader();
        let keys = reader.root(root_ids(self.db)[0])?;
        let Members::Large { by_score, .. } = Members::open(&mut reader, keys, &self.key)? else {
            unreachable!("trees were opened");
        };
        let end = out.len().saturating_add(bytes_wanted.max(1));
        let seek = match &self.last {
            Some(last) if self.downwards => Seek::Before(last),
            Some(last) => Seek::After(last),
            None if self.downwards => Seek::NthBack(self.from),
            None => Seek::Nth(self.from),
        };
        let (mut left, shown) = (self.left, self.shown);
        let mut last = None;
        reader.scan(by_score, seek, &mut |key, cell| {
            let (score, member) = from_order_key(key, body(&cell));
            shown.push(out, member, score);
            left -= 1;
            if left > 0 && out.len() < end {
                return ControlFlow::Continue(());
            }
            last = Some(OrderKey::from_slice(key));
            ControlFlow::Break(())
        })?;
        self.left = left;
        self.last = last;
        Ok(())
    }
}

impl Stream for MembersStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        self.next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))?;
        Ok(self.left > 0)
    }
}
