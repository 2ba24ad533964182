//! XREAD.

use super::ask::Ask;
use super::id_word;
use super::range::stream;
use super::record_reply::{self, Wanted};
use crate::command::blocking::Awaits;
use crate::command::{Call, Failure, Outcome, errors};
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::entries::Direction;
use crate::keyspace::stream::id::StreamId;
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;

/// XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]
pub fn xread(call: &mut Call<'_>) -> Outcome {
    let ask = Ask::parse(call.args, false, call.now_ms)?;
    let mut found = Vec::new();
    let mut last_ids = Vec::new();
    for (key, word) in ask.keys.iter().zip(ask.ids) {
        let stream = stream(call, key)?;
        let after = after(word, stream.as_ref())?;
        last_ids.push(after);
        if let Some(stream) = stream
            && has_more(call, &stream, after)?
        {
            found.push((*key, stream, after));
        }
    }
    // Redis looks up again what it has checked, which counts, and tells who listens of keys that are not there.
    for key in ask.keys {
        stream(call, key)?;
    }
    if found.is_empty() {
        return block(call, &ask, &last_ids);
    }
    call.out.map_of_pairs(found.len());
    for (key, stream, after) in found {
        if !call.out.is_resp3() {
            call.out.array(2);
        }
        call.out.bulk(key);
        let first = after.next().expect("there are entries behind");
        let wanted = Wanted {
            range: first..=StreamId::MAX,
            direction: Direction::Forward,
            count: ask.count,
        };
        record_reply::many(call, key, &stream, wanted)?;
    }
    Ok(())
}

/// The ID behind which entries are wanted.
fn after(word: &[u8], stream: Option<&Stream>) -> Result<StreamId, ErrorReply> {
    let last_id = stream.map(|stream| stream.head.last_id);
    match until_nul(word) {
        b"$" => Ok(last_id.unwrap_or_default()),
        b"+" => match last_id {
            Some(last_id) => last_id.previous().ok_or(errors::STREAM_LAST_ZERO),
            None => Ok(StreamId::MIN),
        },
        b">" => Err(errors::STREAM_NEW_WITHOUT_GROUP),
        _ => id_word::exact(word),
    }
}

fn has_more(call: &mut Call<'_>, stream: &Stream, after: StreamId) -> Result<bool, Failure> {
    let last = stream.entries.last(&mut call.keyspace.engine)?;
    Ok(last.is_some_and(|last| last.id > after))
}

/// Waits for entries, if that was asked for.
fn block(call: &mut Call<'_>, ask: &Ask<'_>, last_ids: &[StreamId]) -> Outcome {
    let Some(until_ms) = ask.block else {
        call.out.null_array();
        return Ok(());
    };
    if !call.block_on_keys(ask.keys, Awaits::Stream, until_ms) {
        call.out.null_array();
        return Ok(());
    }
    // What `$` stands for is settled now.
    for (n, word) in ask.ids.iter().enumerate() {
        if until_nul(word) == b"$" {
            call.retry_word(ask.ids_at + n, last_ids[n].to_string().as_bytes());
        }
    }
    Ok(())
}
