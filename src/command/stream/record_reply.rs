//! Entries in replies: at once, or, where there are many, from a snapshot while the reply is sent.

use std::ops::{ControlFlow, RangeInclusive};

use crate::command::{Call, Failure};
use crate::keyspace::root_ids;
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::entries::Direction;
use crate::keyspace::stream::id::StreamId;
use crate::keyspace::stream::record::Record;
use crate::resp::{Reply, Stream as ReplyStream, StreamError, encode};
use crate::storage::{Error, Read, Snapshot};

/// Up to this many entries are answered at once.
const AT_ONCE: u64 = 1024;

/// Which entries of a stream are wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub range: RangeInclusive<StreamId>,
    pub direction: Direction,
    /// At most so many; None: all.
    pub count: Option<u64>,
}

/// Replies with an array of the entries that are wanted.
pub fn many(
    call: &mut Call<'_>,
    key: &[u8],
    stream: &Stream,
    wanted: Wanted,
) -> Result<(), Failure> {
    let may_stream = !call.keyspace.in_transaction();
    let engine = &mut call.keyspace.engine;
    let there = if wanted.range.is_empty() {
        0
    } else {
        stream.entries.count(engine, &wanted.range)?
    };
    let n = wanted.count.map_or(there, |count| count.min(there));
    call.out.array(n as usize);
    if n > AT_ONCE && may_stream {
        let snapshot = engine.snapshot();
        call.out.stream(Box::new(RecordsStream {
            snapshot,
            db: call.client.db,
            key: key.into(),
            wanted,
            left: n,
        }));
        return Ok(());
    }
    let out = call.out.buffer_mut();
    take(engine, stream, &wanted, n, &mut |record| {
        write(out, record);
        true
    })?;
    Ok(())
}

/// Gives the first `n` entries that are wanted to `take`, until that says false.
fn take<R: Read>(
    reader: &mut R,
    stream: &Stream,
    wanted: &Wanted,
    n: u64,
    take: &mut dyn FnMut(&Record<'_>) -> bool,
) -> Result<(), Error> {
    if n == 0 {
        return Ok(());
    }
    let mut left = n;
    let (range, direction) = (wanted.range.clone(), wanted.direction);
    stream
        .entries
        .scan(reader, range, direction, &mut |record| {
            left -= 1;
            if take(&record) && left > 0 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
}

/// Writes the entry with this ID; false if there is none.
pub fn one<R: Read>(
    out: &mut Vec<u8>,
    reader: &mut R,
    stream: &Stream,
    id: StreamId,
) -> Result<bool, Error> {
    edge(out, reader, stream, id..=id, Direction::Forward)
}

/// Writes the first entry of the range in this direction; false if there is none.
pub fn edge<R: Read>(
    out: &mut Vec<u8>,
    reader: &mut R,
    stream: &Stream,
    range: RangeInclusive<StreamId>,
    direction: Direction,
) -> Result<bool, Error> {
    let mut found = false;
    stream
        .entries
        .scan(reader, range, direction, &mut |record| {
            write(out, &record);
            found = true;
            ControlFlow::Break(())
        })?;
    Ok(found)
}

/// Writes an entry: its ID, and its fields and values in turn.
pub fn write(out: &mut Vec<u8>, record: &Record<'_>) {
    encode::array(out, 2);
    write_id(out, record.id);
    encode::array(out, record.pairs.len() as u64);
    for text in record.pairs.iter() {
        encode::bulk(out, text.bytes);
    }
}

/// Writes an ID.
pub fn write_id(out: &mut Vec<u8>, id: StreamId) {
    let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
    let (ms, seq) = (ms.format(id.ms), seq.format(id.seq));
    encode::bulk_header(out, (ms.len() + 1 + seq.len()) as u64);
    out.extend_from_slice(ms.as_bytes());
    out.push(b'-');
    out.extend_from_slice(seq.as_bytes());
    out.extend_from_slice(encode::LINE_END);
}

/// Replies with an ID.
pub fn id(out: &mut Reply, id: StreamId) {
    write_id(out.buffer_mut(), id);
}

/// Entries on their way to a client, read from a snapshot.
struct RecordsStream {
    snapshot: Snapshot,
    db: u32,
    key: Box<[u8]>,
    wanted: Wanted,
    left: u64,
}

impl RecordsStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, Error> {
        let mut reader = self.snapshot.reader();
        let keys = reader.root(root_ids(self.db)[0])?;
        let stream = Stream::open(&mut reader, keys, &self.key)?;
        let end = out.len().saturating_add(bytes_wanted.max(1));
        let (mut sent, mut last) = (0, None);
        take(
            &mut reader,
            &stream,
            &self.wanted,
            self.left,
            &mut |record| {
                write(out, record);
                sent += 1;
                last = Some(record.id);
                out.len() < end
            },
        )?;
        self.left -= sent;
        let range = &self.wanted.range;
        let behind = match (last, self.wanted.direction) {
            (Some(last), Direction::Forward) => last.next().map(|next| next..=*range.end()),
            (Some(last), Direction::Backward) => last.previous().map(|end| *range.start()..=end),
            (None, _) => None,
        };
        match behind {
            Some(range) if self.left > 0 => {
                self.wanted.range = range;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

impl ReplyStream for RecordsStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let more = self
            .next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))?;
        if !more && self.left > 0 {
            return Err(StreamError(format!("{} entries are not there", self.left)));
        }
        Ok(more)
    }
}
