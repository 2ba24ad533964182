//! XADD, XDEL, XTRIM, XSETID.

use super::id_word;
use super::record_reply;
use super::trim_words::{Command, TrimWords};
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors, settings};
use crate::keyspace::Txn;
use crate::keyspace::change::Class;
use crate::keyspace::stream::edit::Edit;
use crate::keyspace::stream::head::StreamHead;
use crate::keyspace::stream::id::{Pattern, StreamId};
use crate::keyspace::stream::node::NODE_BYTES_MAX;
use crate::keyspace::stream::trim::{Threshold, Trim};
use crate::resp::ErrorReply;
use crate::storage::Plan;

/// XADD key [NOMKSTREAM] [MAXLEN | MINID [= | ~] threshold [LIMIT count]] * | id field value [field value ...]
pub fn xadd(call: &mut Call<'_>) -> Outcome {
    let limits = settings::stream_node_limits(call.server);
    let words = TrimWords::parse(call.args, Command::Add, limits)?;
    let pairs = call.args.get(words.end..).unwrap_or_default();
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(errors::wrong_number("xadd").into());
    }
    if words.id == Some(Pattern::Id(StreamId::MIN)) {
        return Err(errors::STREAM_ID_ZERO.into());
    }
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let is_repeated = call.is_repeated();
    let added = call.keyspace.write(Plan::Simple, |txn| {
        let mut edit = edit(txn, db, key, now_ms)?;
        if words.only_existing && !edit.exists() {
            return Ok(None);
        }
        let id = next_id(&edit.stream.head, words.id, now_ms)?;
        if pairs.iter().map(|text| text.len() as u64).sum::<u64>() > NODE_BYTES_MAX {
            return Err(errors::STREAM_ENTRY_TOO_LARGE.into());
        }
        if let Some(trim) = &words.trim {
            edit.before_trim(txn, trim, id)?;
        }
        edit.append(txn, id, pairs, limits)?;
        let trimmed = match &words.trim {
            Some(trim) => edit.trim(txn, trim)?,
            None => 0,
        };
        let left = match &words.trim {
            Some(trim) if is_repeated && trim.is_approximate => Some(edge(txn, &edit, trim)?),
            _ => None,
        };
        edit.finish(txn)?;
        txn.touched(db, key, 1, Some((Class::Stream, "xadd")));
        txn.ready(db, key);
        if trimmed > 0 {
            txn.event(db, key, Class::Stream, "xtrim");
        }
        Ok::<_, Failure>(Some((id, left)))
    })?;
    if let Some((id, trim)) = &added
        && is_repeated
    {
        let name = id.to_string();
        let mut words = call.args.to_vec();
        let at = words.len() - pairs.len() - 1;
        words[at] = name.as_bytes();
        repeat(call, words, at, trim.as_deref());
    }
    match added {
        Some((id, _)) => record_reply::id(call.out, id),
        None => call.out.null(),
    }
    Ok(())
}

/// The stream at `key`, to be changed; WRONGTYPE if another kind of value is there.
fn edit<'k>(txn: &mut Txn<'_>, db: u32, key: &'k [u8], now_ms: u64) -> Result<Edit<'k>, Failure> {
    Ok(Edit::begin(txn, db, key, now_ms)?.ok_or(errors::WRONG_TYPE)?)
}

/// The ID of the next entry.
fn next_id(head: &StreamHead, asked: Option<Pattern>, now_ms: u64) -> Result<StreamId, ErrorReply> {
    let last = head.last_id;
    if last == StreamId::MAX {
        return Err(errors::STREAM_EXHAUSTED);
    }
    let id = match asked {
        None => last.successor(now_ms),
        Some(Pattern::Id(id)) => id,
        Some(Pattern::Time(ms)) if ms == last.ms => {
            let seq = last.seq.checked_add(1).ok_or(errors::STREAM_ID_SMALL)?;
            StreamId::new(ms, seq)
        }
        Some(Pattern::Time(ms)) => StreamId::new(ms, 0),
    };
    if id <= last {
        return Err(errors::STREAM_ID_SMALL);
    }
    Ok(id)
}

/// What an exact trim to the entries that are left is told.
fn edge(txn: &mut Txn<'_>, edit: &Edit<'_>, trim: &Trim) -> Result<String, Failure> {
    let engine = &mut txn.keyspace().engine;
    Ok(match trim.threshold {
        Threshold::Length(_) => edit.stream.entries.len(engine).to_string(),
        Threshold::Id(_) => {
            let first = edit.stream.entries.first(engine)?;
            first.map_or(StreamId::MIN, |place| place.id).to_string()
        }
    })
}

/// Tells those who repeat it of a command with options of trimming before word number `end`. `left`: it trimmed
/// approximately, and whoever repeats it trims exactly to this.
fn repeat<'w>(call: &mut Call<'_>, mut words: Vec<&'w [u8]>, end: usize, left: Option<&'w str>) {
    if let Some(left) = left {
        let mut at = 2;
        while at + 1 < end.min(words.len()) {
            if is_word(words[at], "LIMIT") {
                // An exact trim has none.
                words.drain(at..at + 2);
                break;
            }
            if words[at + 1] == b"~" {
                (words[at + 1], words[at + 2]) = (b"=", left.as_bytes());
                at += 2;
            }
            at += 1;
        }
    }
    call.does(&words);
}

/// XTRIM key MAXLEN | MINID [= | ~] threshold [LIMIT count]
pub fn xtrim(call: &mut Call<'_>) -> Outcome {
    let limits = settings::stream_node_limits(call.server);
    let words = TrimWords::parse(call.args, Command::Trim, limits)?;
    let trim = words.trim.ok_or(errors::STREAM_NO_STRATEGY)?;
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let is_repeated = call.is_repeated();
    let mut left = None;
    let trimmed = call.keyspace.write(Plan::Simple, |txn| {
        let mut edit = edit(txn, db, key, now_ms)?;
        if !edit.exists() {
            return Ok(0);
        }
        let trimmed = edit.trim(txn, &trim)?;
        if is_repeated && trim.is_approximate && trimmed > 0 {
            left = Some(edge(txn, &edit, &trim)?);
        }
        edit.finish(txn)?;
        if trimmed > 0 {
            txn.touched(db, key, trimmed, Some((Class::Stream, "xtrim")));
        }
        Ok::<_, Failure>(trimmed)
    })?;
    if left.is_some() {
        repeat(call, call.args.to_vec(), call.args.len(), left.as_deref());
    }
    call.out.int(trimmed as i64);
    Ok(())
}

/// XDEL key id [id ...]
pub fn xdel(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let id_words = &call.args[2..];
    let deleted = call.keyspace.write(Plan::Simple, |txn| {
        let mut edit = edit(txn, db, key, now_ms)?;
        if !edit.exists() {
            return Ok(0);
        }
        let ids = id_word::exact_all(id_words)?;
        if ids.len() > 1 {
            edit.before_removal(txn, ids.len() as u64);
        }
        let mut deleted = 0;
        for id in ids {
            if edit.remove(txn, id)? {
                let head = &mut edit.stream.head;
                head.max_deleted_id = head.max_deleted_id.max(id);
                deleted += 1;
            }
        }
        edit.finish(txn)?;
        if deleted > 0 {
            txn.touched(db, key, deleted, Some((Class::Stream, "xdel")));
        }
        Ok::<_, Failure>(deleted)
    })?;
    call.out.int(deleted as i64);
    Ok(())
}

/// What XSETID sets.
struct Settings {
    last_id: StreamId,
    entries_added: Option<u64>,
    max_deleted_id: StreamId,
}

impl Settings {
    fn parse(args: &[&[u8]]) -> Result<Self, ErrorReply> {
        let mut settings = Self {
            last_id: id_word::exact(args[2])?,
            entries_added: None,
            max_deleted_id: StreamId::MIN,
        };
        let mut words = &args[3..];
        while let Some((word, rest)) = words.split_first() {
            let (value, rest) = rest.split_first().ok_or(errors::SYNTAX)?;
            words = rest;
            if is_word(word, "ENTRIESADDED") {
                let number = u64::try_from(integer(value)?);
                settings.entries_added = Some(number.map_err(|_| errors::STREAM_ADDED_NEGATIVE)?);
            } else if is_word(word, "MAXDELETEDID") {
                settings.max_deleted_id = id_word::exact(value)?;
                if settings.last_id < settings.max_deleted_id {
                    return Err(errors::STREAM_SETID_DELETED_GIVEN);
                }
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(settings)
    }

    /// Whether a stream with these entries may have them.
    fn check(&self, head: &StreamHead, len: u64, top: StreamId) -> Result<(), ErrorReply> {
        if self.last_id < head.max_deleted_id {
            return Err(errors::STREAM_SETID_DELETED);
        }
        if len > 0 && self.last_id < top {
            return Err(errors::STREAM_SETID_TOP);
        }
        if len > 0 && self.entries_added.is_some_and(|added| added < len) {
            return Err(errors::STREAM_SETID_ADDED);
        }
        Ok(())
    }
}

/// XSETID key last-id [ENTRIESADDED entries-added] [MAXDELETEDID max-deleted-id]
pub fn xsetid(call: &mut Call<'_>) -> Outcome {
    let settings = Settings::parse(call.args)?;
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    call.keyspace.write(Plan::Simple, |txn| {
        let mut edit = edit(txn, db, key, now_ms)?;
        if !edit.exists() {
            return Err(errors::NO_SUCH_KEY.into());
        }
        let last = edit.stream.entries.last(&mut txn.keyspace().engine)?;
        let top = last.map_or(StreamId::MIN, |last| last.id);
        let len = edit.len(txn);
        let head = &mut edit.stream.head;
        settings.check(head, len, top)?;
        head.node.passes(head.last_id, settings.last_id);
        head.last_id = settings.last_id;
        if let Some(added) = settings.entries_added {
            head.entries_added = added;
        }
        if settings.max_deleted_id != StreamId::MIN {
            head.max_deleted_id = settings.max_deleted_id;
        }
        edit.finish(txn)?;
        txn.counted(db, key, 1, Some((Class::Stream, "xsetid")));
        Ok::<_, Failure>(())
    })?;
    call.out.ok();
    Ok(())
}
