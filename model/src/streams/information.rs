//! XINFO.

use super::{FIRST_ID, Group, Id, LAST_ID, Stream, id_reply, item_reply, words};
use crate::commands::misused_subcommand;
use crate::errors::{self, Failure};
use crate::numbers::integer;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

fn named(name: &str, value: Reply) -> (Reply, Reply) {
    (Reply::bulk(name.as_bytes()), value)
}

fn number_or_null(number: Option<i64>) -> Reply {
    number.map_or(Reply::Null, Reply::Integer)
}

fn existing<'c>(call: &'c mut Call) -> Result<&'c mut Stream, Failure> {
    call.look_for(call.arg(2));
    call.stream(call.arg(2))?.ok_or_else(errors::no_such_key)
}

/// Nothing, or FULL with a count, of which 0 is all.
fn full_count(call: &Call) -> Result<Option<usize>, Failure> {
    match call.args.len() {
        3 => Ok(None),
        4 if call.says(3, "FULL") => Ok(Some(10)),
        6 if call.says(3, "FULL") && call.says(4, "COUNT") => {
            let count = integer(call.arg(5))?;
            Ok(Some(usize::try_from(count).unwrap_or(10)))
        }
        _ => Err(misused_subcommand(call)),
    }
}

pub fn stream(call: &mut Call) -> Outcome {
    existing(call)?;
    let full = full_count(call)?;
    let stream = existing(call)?;
    let keys = stream.nodes.len();
    let mut fields = vec![
        named("length", Reply::count(stream.len())),
        named("radix-tree-keys", Reply::count(keys)),
        // Right for one key at most; the shape of a larger tree is not modelled.
        named("radix-tree-nodes", Reply::count(keys + 1)),
        named("last-generated-id", id_reply(stream.last)),
        named("max-deleted-entry-id", id_reply(stream.max_deleted)),
        named("entries-added", Reply::Integer(stream.added)),
        named("recorded-first-entry-id", id_reply(stream.first_id())),
    ];
    match full {
        None => {
            let edge = |item: Option<_>| item.map_or(Reply::Null, item_reply);
            fields.push(named("groups", Reply::count(stream.groups.len())));
            fields.push(named("first-entry", edge(stream.items().next())));
            fields.push(named("last-entry", edge(stream.items().next_back())));
        }
        Some(count) => {
            let most = if count == 0 { usize::MAX } else { count };
            let items = stream.range(FIRST_ID, LAST_ID).into_iter().take(most);
            fields.push(named(
                "entries",
                Reply::Array(items.map(item_reply).collect()),
            ));
            let groups = stream
                .groups
                .iter()
                .map(|(name, group)| full_group(stream, name, group, most));
            fields.push(named("groups", Reply::Array(groups.collect())));
        }
    }
    Ok(Reply::Map(fields))
}

fn full_group(stream: &Stream, name: &[u8], group: &Group, most: usize) -> Reply {
    let pending = group.pending.iter().take(most).map(|(id, pending)| {
        Reply::Array(vec![
            id_reply(*id),
            Reply::bulk(&pending.consumer),
            Reply::Integer(pending.delivered_ms),
            Reply::Integer(pending.deliveries),
        ])
    });
    let consumers = group.consumers.keys();
    let consumers = consumers.map(|name| full_consumer(group, name, most));
    Reply::Map(vec![
        named("name", Reply::bulk(name)),
        named("last-delivered-id", id_reply(group.last)),
        named("entries-read", number_or_null(group.read)),
        named("lag", number_or_null(stream.lag(group))),
        named("pel-count", Reply::count(group.pending.len())),
        named("pending", Reply::Array(pending.collect())),
        named("consumers", Reply::Array(consumers.collect())),
    ])
}

fn full_consumer(group: &Group, name: &[u8], most: usize) -> Reply {
    let consumer = &group.consumers[name];
    let owned = group.owned(name);
    let row = |id: &Id| {
        let pending = &group.pending[id];
        Reply::Array(vec![
            id_reply(*id),
            Reply::Integer(pending.delivered_ms),
            Reply::Integer(pending.deliveries),
        ])
    };
    Reply::Map(vec![
        named("name", Reply::bulk(name)),
        named("seen-time", Reply::Integer(consumer.seen_ms)),
        named("active-time", Reply::Integer(consumer.active_ms)),
        named("pel-count", Reply::count(owned.len())),
        named(
            "pending",
            Reply::Array(owned.iter().take(most).map(row).collect()),
        ),
    ])
}

pub fn groups(call: &mut Call) -> Outcome {
    let stream = existing(call)?;
    let rows = stream.groups.iter().map(|(name, group)| {
        Reply::Map(vec![
            named("name", Reply::bulk(name)),
            named("consumers", Reply::count(group.consumers.len())),
            named("pending", Reply::count(group.pending.len())),
            named("last-delivered-id", id_reply(group.last)),
            named("entries-read", number_or_null(group.read)),
            named("lag", number_or_null(stream.lag(group))),
        ])
    });
    Ok(Reply::Array(rows.collect()))
}

pub fn consumers(call: &mut Call) -> Outcome {
    let (key, name, now_ms) = (call.arg(2), call.arg(3), call.now_ms);
    let group = existing(call)?.groups.get(name).ok_or_else(|| {
        words::no_group(&[
            b"No such consumer group '",
            name,
            b"' for key name '",
            key,
            b"'",
        ])
    })?;
    let rows = group.consumers.iter().map(|(name, consumer)| {
        let inactive = match consumer.active_ms {
            -1 => -1,
            active => now_ms - active,
        };
        Reply::Map(vec![
            named("name", Reply::bulk(name)),
            named("pending", Reply::count(group.owned(name).len())),
            named("idle", Reply::Integer((now_ms - consumer.seen_ms).max(0))),
            named("inactive", Reply::Integer(inactive)),
        ])
    });
    Ok(Reply::Array(rows.collect()))
}
