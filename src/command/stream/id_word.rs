//! Words that are IDs of entries.

use std::ops::RangeInclusive;

use crate::command::errors;
use crate::keyspace::stream::id::StreamId;
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;

/// An ID; the number of one without it is 0.
pub fn exact(word: &[u8]) -> Result<StreamId, ErrorReply> {
    StreamId::parse(word, 0).ok_or(errors::STREAM_ID)
}

/// IDs, all of which must be.
pub fn exact_all(words: &[&[u8]]) -> Result<Vec<StreamId>, ErrorReply> {
    words.iter().map(|word| exact(word)).collect()
}

/// An ID, or `-` for the smallest and `+` for the largest.
pub fn bound(word: &[u8], missing_seq: u64) -> Result<StreamId, ErrorReply> {
    match until_nul(word) {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => StreamId::parse(word, missing_seq).ok_or(errors::STREAM_ID),
    }
}

/// The first ID of an interval, which stands behind one with a round bracket.
pub fn start(word: &[u8]) -> Result<StreamId, ErrorReply> {
    match word.split_first() {
        Some((b'(', rest)) if !rest.is_empty() => {
            let id = StreamId::parse(rest, 0).ok_or(errors::STREAM_ID)?;
            id.next().ok_or(errors::STREAM_START)
        }
        _ => bound(word, 0),
    }
}

/// The last ID of an interval, which stands before one with a round bracket.
pub fn end(word: &[u8]) -> Result<StreamId, ErrorReply> {
    match word.split_first() {
        Some((b'(', rest)) if !rest.is_empty() => {
            let id = StreamId::parse(rest, u64::MAX).ok_or(errors::STREAM_ID)?;
            id.previous().ok_or(errors::STREAM_END)
        }
        _ => bound(word, u64::MAX),
    }
}

/// An interval.
pub fn interval(first: &[u8], last: &[u8]) -> Result<RangeInclusive<StreamId>, ErrorReply> {
    Ok(start(first)?..=end(last)?)
}
