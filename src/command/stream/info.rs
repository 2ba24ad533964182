//! XINFO.

use std::ops::ControlFlow;

use super::pending::Names;
use super::range::stream;
use super::record_reply::{self, Wanted};
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors, help};
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::entries::Direction;
use crate::keyspace::stream::group::{Consumer, Group};
use crate::keyspace::stream::id::StreamId;
use crate::keyspace::stream::progress::Totals;
use crate::resp::{ErrorReply, Reply};

/// Entries and pending entries that FULL shows, unless told.
const COUNT: u64 = 10;

/// What XINFO STREAM is asked for.
#[derive(Clone, Copy, Debug)]
enum Extent {
    Short,
    /// So many entries and pending entries; None: all.
    Full(Option<u64>),
}

impl Extent {
    fn parse(args: &[&[u8]]) -> Result<Self, ErrorReply> {
        match &args[3..] {
            [] => Ok(Self::Short),
            [full] if is_word(full, "FULL") => Ok(Self::Full(Some(COUNT))),
            [full, count, number] if is_word(full, "FULL") && is_word(count, "COUNT") => {
                Ok(Self::Full(match integer(number)? {
                    0 => None,
                    number => Some(u64::try_from(number).unwrap_or(COUNT)),
                }))
            }
            _ => Err(errors::subcommand_syntax(args)),
        }
    }
}

/// The stream at `key`, which must be there.
fn existing(call: &mut Call<'_>, key: &[u8]) -> Result<Stream, Failure> {
    Ok(stream(call, key)?.ok_or(errors::NO_SUCH_KEY)?)
}

/// XINFO STREAM key [FULL [COUNT count]]
pub fn info_stream(call: &mut Call<'_>) -> Outcome {
    let key = call.args[2];
    let stream = existing(call, key)?;
    let extent = Extent::parse(call.args)?;
    let engine = &mut call.keyspace.engine;
    let totals = stream.totals(engine)?;
    let nodes = stream.entries.nodes(engine)?;
    let out = &mut *call.out;
    out.map(match extent {
        Extent::Short => 10,
        Extent::Full(_) => 9,
    });
    field(out, "length", totals.len as i64);
    field(out, "radix-tree-keys", nodes.count as i64);
    field(out, "radix-tree-nodes", nodes.radix_nodes as i64);
    id_field(out, "last-generated-id", stream.head.last_id);
    id_field(out, "max-deleted-entry-id", stream.head.max_deleted_id);
    field(out, "entries-added", stream.head.entries_added as i64);
    id_field(out, "recorded-first-entry-id", totals.first_id);
    match extent {
        Extent::Short => edges(call, &stream),
        Extent::Full(count) => full(call, key, &stream, &totals, count),
    }
}

fn field(out: &mut Reply, name: &str, value: i64) {
    out.bulk(name.as_bytes());
    out.int(value);
}

fn id_field(out: &mut Reply, name: &str, id: StreamId) {
    out.bulk(name.as_bytes());
    record_reply::id(out, id);
}

/// How far a group has read.
fn progress(out: &mut Reply, group: &Group, totals: &Totals) {
    let head = &group.head;
    let lag = totals.lag(head.entries_read, head.last_id);
    for (name, value) in [("entries-read", head.entries_read), ("lag", lag)] {
        match value {
            Some(value) => field(out, name, value),
            None => {
                out.bulk(name.as_bytes());
                out.null();
            }
        }
    }
}

fn edges(call: &mut Call<'_>, stream: &Stream) -> Outcome {
    let engine = &mut call.keyspace.engine;
    let groups = stream.groups.map_or(0, |groups| {
        crate::storage::Read::count(engine, groups) as i64
    });
    field(call.out, "groups", groups);
    let all = StreamId::MIN..=StreamId::MAX;
    for (name, direction) in [
        ("first-entry", Direction::Forward),
        ("last-entry", Direction::Backward),
    ] {
        call.out.bulk(name.as_bytes());
        let out = call.out.buffer_mut();
        if !record_reply::edge(out, engine, stream, all.clone(), direction)? {
            call.out.null();
        }
    }
    Ok(())
}

fn full(
    call: &mut Call<'_>,
    key: &[u8],
    stream: &Stream,
    totals: &Totals,
    count: Option<u64>,
) -> Outcome {
    call.out.bulk(b"entries");
    let wanted = Wanted {
        range: StreamId::MIN..=StreamId::MAX,
        direction: Direction::Forward,
        count,
    };
    record_reply::many(call, key, stream, wanted)?;
    call.out.bulk(b"groups");
    let Some(groups) = stream.groups else {
        call.out.array(0);
        return Ok(());
    };
    let names = Group::names(&mut call.keyspace.engine, groups)?;
    call.out.array(names.len());
    for name in names {
        let group = Group::open(&mut call.keyspace.engine, groups, &name)?;
        let group = group.expect("a group of the list");
        call.out.map(7);
        call.out.bulk(b"name");
        call.out.bulk(&name);
        id_field(call.out, "last-delivered-id", group.head.last_id);
        progress(call.out, &group, totals);
        full_pending(call, &group, count)?;
        full_consumers(call, &group, count)?;
    }
    Ok(())
}

fn full_pending(call: &mut Call<'_>, group: &Group, count: Option<u64>) -> Outcome {
    let engine = &mut call.keyspace.engine;
    let there = group.pending_len(engine);
    field(call.out, "pel-count", there as i64);
    call.out.bulk(b"pending");
    let n = count.map_or(there, |count| count.min(there)) as usize;
    call.out.array(n);
    let mut found = Vec::with_capacity(n);
    group.scan_pending(engine, StreamId::MIN..=StreamId::MAX, &mut |id, pending| {
        found.push((id, pending));
        if found.len() < n {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    let mut names = Names::default();
    for (id, pending) in found {
        call.out.array(4);
        record_reply::id(call.out, id);
        call.out.bulk(names.of(engine, group, pending.consumer)?);
        call.out.int(pending.delivered_ms);
        call.out.int(pending.deliveries as i64);
    }
    Ok(())
}

fn full_consumers(call: &mut Call<'_>, group: &Group, count: Option<u64>) -> Outcome {
    let consumers = group.consumers(&mut call.keyspace.engine, None, usize::MAX)?;
    call.out.bulk(b"consumers");
    call.out.array(consumers.len());
    for (name, consumer) in consumers {
        call.out.map(5);
        call.out.bulk(b"name");
        call.out.bulk(&name);
        field(call.out, "seen-time", consumer.seen_ms);
        field(call.out, "active-time", consumer.active_ms);
        full_owned(call, group, consumer, count)?;
    }
    Ok(())
}

fn full_owned(
    call: &mut Call<'_>,
    group: &Group,
    consumer: Consumer,
    count: Option<u64>,
) -> Outcome {
    let engine = &mut call.keyspace.engine;
    let there = group.owned_len(engine, consumer.number)?;
    field(call.out, "pel-count", there as i64);
    call.out.bulk(b"pending");
    let n = count.map_or(there, |count| count.min(there)) as usize;
    call.out.array(n);
    let mut ids = Vec::with_capacity(n);
    let all = StreamId::MIN..=StreamId::MAX;
    group.scan_owned(engine, consumer.number, all, &mut |id| {
        ids.push(id);
        if ids.len() < n {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    for id in ids {
        let pending = group.pending(engine, id)?.expect("an owned entry");
        call.out.array(3);
        record_reply::id(call.out, id);
        call.out.int(pending.delivered_ms);
        call.out.int(pending.deliveries as i64);
    }
    Ok(())
}

/// XINFO GROUPS key
pub fn info_groups(call: &mut Call<'_>) -> Outcome {
    let stream = existing(call, call.args[2])?;
    let engine = &mut call.keyspace.engine;
    let totals = stream.totals(engine)?;
    let names = match stream.groups {
        Some(groups) => Group::names(engine, groups)?,
        None => Vec::new(),
    };
    let out = &mut *call.out;
    out.array(names.len());
    for name in names {
        let groups = stream.groups.expect("a stream with groups");
        let group = Group::open(engine, groups, &name)?.expect("a group of the list");
        out.map(6);
        out.bulk(b"name");
        out.bulk(&name);
        field(out, "consumers", group.consumers_len(engine) as i64);
        field(out, "pending", group.pending_len(engine) as i64);
        id_field(out, "last-delivered-id", group.head.last_id);
        progress(out, &group, &totals);
    }
    Ok(())
}

/// XINFO CONSUMERS key group
pub fn info_consumers(call: &mut Call<'_>) -> Outcome {
    let (key, name) = (call.args[2], call.args[3]);
    let stream = existing(call, key)?;
    let engine = &mut call.keyspace.engine;
    let group = match stream.groups {
        Some(groups) => Group::open(engine, groups, name)?,
        None => None,
    };
    let group = group.ok_or_else(|| errors::stream_no_group_of_key(name, key))?;
    let now_ms = call.now_ms as i64;
    let consumers = group.consumers(engine, None, usize::MAX)?;
    let out = &mut *call.out;
    out.array(consumers.len());
    for (name, consumer) in consumers {
        let inactive_ms = match consumer.active_ms {
            -1 => -1,
            active_ms => now_ms.wrapping_sub(active_ms),
        };
        let idle_ms = now_ms.wrapping_sub(consumer.seen_ms).max(0);
        out.map(4);
        out.bulk(b"name");
        out.bulk(&name);
        field(
            out,
            "pending",
            group.owned_len(engine, consumer.number)? as i64,
        );
        field(out, "idle", idle_ms);
        field(out, "inactive", inactive_ms);
    }
    Ok(())
}

/// XINFO HELP
pub fn info_help(call: &mut Call<'_>) -> Outcome {
    help::write(call, HELP)
}

const HELP: &[&str] = &[
    "CONSUMERS <key> <groupname>",
    "    Show consumers of <groupname>.",
    "GROUPS <key>",
    "    Show the stream consumer groups.",
    "STREAM <key> [FULL [COUNT <count>]",
    "    Show information about the stream.",
];
