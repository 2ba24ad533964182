//! XGROUP.

use super::id_word;
use super::read_group::open;
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors, help, kind};
use crate::keyspace::change::Class;
use crate::keyspace::header::Kind;
use crate::keyspace::stream::edit::Edit;
use crate::keyspace::stream::group::{Group, GroupHead};
use crate::keyspace::stream::id::StreamId;
use crate::keyspace::{Slot, Txn};
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;
use crate::storage::Plan;

/// The words behind the ID.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    make_stream: bool,
    /// None: unknown.
    entries_read: Option<i64>,
}

impl Options {
    fn parse(args: &[&[u8]], creates: bool) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        let mut words = &args[5..];
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if creates && is_word(word, "MKSTREAM") {
                options.make_stream = true;
                continue;
            }
            match words.split_first() {
                Some((number, rest)) if is_word(word, "ENTRIESREAD") => {
                    words = rest;
                    options.entries_read = match integer(number)? {
                        -1 => None,
                        ..0 => return Err(errors::STREAM_ENTRIES_READ),
                        read => Some(read),
                    };
                }
                _ => return Err(errors::subcommand_syntax(args)),
            }
        }
        Ok(options)
    }
}

/// `$`, or an ID.
fn last_id(word: &[u8], of_stream: StreamId) -> Option<StreamId> {
    (until_nul(word) == b"$").then_some(of_stream)
}

/// XGROUP CREATE key group id | $ [MKSTREAM] [ENTRIESREAD entries-read]
pub fn create(call: &mut Call<'_>) -> Outcome {
    const WORDS_MAX: usize = 8;
    let args = call.args;
    let options = Options::parse(args, true)?;
    let (db, key, now_ms, name) = (call.client.db, args[2], call.now_ms, args[3]);
    call.keyspace.write(Plan::Simple, |txn| {
        let slot = kind::slot(txn, db, key, now_ms, Kind::Stream)?;
        if !slot.exists() && !options.make_stream {
            return Err(errors::STREAM_KEY_REQUIRED.into());
        }
        if args.len() > WORDS_MAX {
            return Err(errors::subcommand_syntax(args).into());
        }
        let mut edit = Edit::open(txn, db, key, slot)?;
        let last_id = match last_id(args[4], edit.stream.head.last_id) {
            Some(id) => id,
            None => id_word::exact(args[4])?,
        };
        if let Some(groups) = edit.groups_if_any(txn)?
            && Group::open(&mut txn.keyspace().engine, groups, name)?.is_some()
        {
            return Err(errors::STREAM_BUSY_GROUP.into());
        }
        txn.engine().need_savepoint();
        let groups = edit.groups(txn)?;
        let head = GroupHead::new(last_id, options.entries_read);
        Group::create(txn.engine(), groups, name, head)?;
        edit.finish(txn)?;
        if !slot.exists() {
            txn.touched(db, key, 0, None);
        }
        txn.counted(db, key, 1, Some((Class::Stream, "xgroup-create")));
        Ok::<_, Failure>(())
    })?;
    call.out.ok();
    Ok(())
}

/// XGROUP SETID key group id | $ [ENTRIESREAD entries-read]
pub fn setid(call: &mut Call<'_>) -> Outcome {
    let args = call.args;
    let options = Options::parse(args, false)?;
    let (db, key, now_ms, name) = (call.client.db, args[2], call.now_ms, args[3]);
    call.keyspace.write(Plan::Simple, |txn| {
        let slot = existing(txn, db, key, now_ms)?;
        let found = open(txn, db, key, name)?;
        let (stream, mut group) = found.ok_or_else(|| errors::stream_no_group_of_key(name, key))?;
        if !matches!(args.len(), 5 | 7) {
            return Err(errors::subcommand_syntax(args).into());
        }
        assert!(slot.exists(), "a group has a stream");
        group.head.last_id = match last_id(args[4], stream.head.last_id) {
            Some(id) => id,
            None => id_word::bound(args[4], 0)?,
        };
        group.head.entries_read = options.entries_read;
        group.save(txn.engine())?;
        txn.counted(db, key, 1, Some((Class::Stream, "xgroup-setid")));
        Ok::<_, Failure>(())
    })?;
    call.out.ok();
    Ok(())
}

/// The slot of a key that must be there.
fn existing(txn: &mut Txn<'_>, db: u32, key: &[u8], now_ms: u64) -> Result<Slot, Failure> {
    let slot = kind::slot(txn, db, key, now_ms, Kind::Stream)?;
    if slot.exists() {
        Ok(slot)
    } else {
        Err(errors::STREAM_KEY_REQUIRED.into())
    }
}

/// XGROUP DESTROY key group
pub fn destroy(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms, name) = (call.client.db, call.args[2], call.now_ms, call.args[3]);
    let destroyed = call.keyspace.write(Plan::Simple, |txn| {
        let slot = existing(txn, db, key, now_ms)?;
        let mut edit = Edit::open(txn, db, key, slot)?;
        let Some(groups) = edit.groups_if_any(txn)? else {
            return Ok(false);
        };
        if Group::open(&mut txn.keyspace().engine, groups, name)?.is_none() {
            return Ok(false);
        }
        txn.engine().need_savepoint();
        Group::destroy(txn.engine(), groups, name)?;
        edit.lost_group();
        edit.finish(txn)?;
        txn.counted(db, key, 1, Some((Class::Stream, "xgroup-destroy")));
        txn.ready(db, key);
        Ok::<_, Failure>(true)
    })?;
    call.out.int(i64::from(destroyed));
    Ok(())
}

/// XGROUP CREATECONSUMER key group consumer
pub fn createconsumer(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[2], call.now_ms);
    let (name, consumer) = (call.args[3], call.args[4]);
    let created = call.keyspace.write(Plan::Simple, |txn| {
        existing(txn, db, key, now_ms)?;
        let found = open(txn, db, key, name)?;
        let (_, mut group) = found.ok_or_else(|| errors::stream_no_group_of_key(name, key))?;
        if group
            .consumer(&mut txn.keyspace().engine, consumer)?
            .is_some()
        {
            return Ok(false);
        }
        txn.engine().need_savepoint();
        group.add_consumer(txn.engine(), consumer, now_ms as i64)?;
        txn.counted(db, key, 1, Some((Class::Stream, "xgroup-createconsumer")));
        Ok::<_, Failure>(true)
    })?;
    call.out.int(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer
pub fn delconsumer(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[2], call.now_ms);
    let (name, consumer) = (call.args[3], call.args[4]);
    let pending = call.keyspace.write(Plan::Simple, |txn| {
        existing(txn, db, key, now_ms)?;
        let found = open(txn, db, key, name)?;
        let (_, group) = found.ok_or_else(|| errors::stream_no_group_of_key(name, key))?;
        let engine = &mut txn.keyspace().engine;
        let Some(found) = group.consumer(engine, consumer)? else {
            return Ok(0);
        };
        let pending = group.owned_len(engine, found.number)?;
        txn.engine().need_savepoint();
        group.remove_consumer(txn.engine(), consumer, found)?;
        txn.counted(db, key, 1, Some((Class::Stream, "xgroup-delconsumer")));
        Ok::<_, Failure>(pending)
    })?;
    call.out.int(pending as i64);
    Ok(())
}

/// XGROUP HELP
pub fn group_help(call: &mut Call<'_>) -> Outcome {
    help::write(call, HELP)
}

const HELP: &[&str] = &[
    "CREATE <key> <groupname> <id|$> [option]",
    "    Create a new consumer group. Options are:",
    "    * MKSTREAM",
    "      Create the empty stream if it does not exist.",
    "    * ENTRIESREAD entries_read",
    "      Set the group's entries_read counter (internal use).",
    "CREATECONSUMER <key> <groupname> <consumer>",
    "    Create a new consumer in the specified group.",
    "DELCONSUMER <key> <groupname> <consumer>",
    "    Remove the specified consumer.",
    "DESTROY <key> <groupname>",
    "    Remove the specified group.",
    "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
    "    Set the current group ID and entries_read counter.",
];
