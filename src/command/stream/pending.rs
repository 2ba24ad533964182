//! XACK and XPENDING.

use std::ops::{ControlFlow, RangeInclusive};

use super::id_word;
use super::range::stream;
use super::read_group::open;
use super::record_reply;
use crate::command::argument::{integer, is_word};
use crate::command::{Call, Failure, Outcome, errors, kind};
use crate::keyspace::header::Kind;
use crate::keyspace::stream::group::{Group, Pending};
use crate::keyspace::stream::id::StreamId;
use crate::resp::{ErrorReply, encode};
use crate::storage::{Engine, Error, Plan, Seek};

/// Records that are held in memory at a time.
const AT_ONCE: usize = 256;

/// XACK key group id [id ...]
pub fn xack(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms, name) = (call.client.db, call.args[1], call.now_ms, call.args[2]);
    let id_words = &call.args[3..];
    let plan = if id_words.len() == 1 {
        Plan::Simple
    } else {
        Plan::Savepoint
    };
    let acknowledged = call.keyspace.write(plan, |txn| {
        let slot = kind::read_slot(txn, db, key, now_ms, Kind::Stream)?;
        if !slot.exists() {
            return Ok(0);
        }
        let Some((_, group)) = open(txn, db, key, name)? else {
            return Ok(0);
        };
        let mut acknowledged = 0;
        for id in id_word::exact_all(id_words)? {
            if let Some(old) = group.pending(&mut txn.keyspace().engine, id)? {
                group.remove_pending(txn.engine(), id, old)?;
                acknowledged += 1;
            }
        }
        txn.counted(db, key, acknowledged, None);
        Ok::<_, Failure>(acknowledged)
    })?;
    call.out.int(acknowledged as i64);
    Ok(())
}

/// The names of consumers, each looked up once.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(u64, Vec<u8>)>);

impl Names {
    pub(super) fn of(
        &mut self,
        engine: &mut Engine,
        group: &Group,
        consumer: u64,
    ) -> Result<&[u8], Error> {
        let at = match self.0.iter().position(|(number, _)| *number == consumer) {
            Some(at) => at,
            None => {
                self.0
                    .push((consumer, group.consumer_name(engine, consumer)?));
                self.0.len() - 1
            }
        };
        Ok(&self.0[at].1)
    }
}

/// Which pending entries XPENDING lists.
struct Listed<'a> {
    idle_ms_min: i64,
    range: RangeInclusive<StreamId>,
    count: u64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Listed<'a> {
    /// Reads words from the fourth on; None: there are none.
    fn parse(words: &[&'a [u8]]) -> Result<Option<Self>, ErrorReply> {
        if words.is_empty() {
            return Ok(None);
        }
        if !(3..=6).contains(&words.len()) {
            return Err(errors::SYNTAX);
        }
        let (mut words, mut idle_ms_min) = (words, 0);
        if is_word(words[0], "IDLE") {
            idle_ms_min = integer(words[1])?;
            if words.len() < 5 {
                return Err(errors::SYNTAX);
            }
            words = &words[2..];
        }
        Ok(Some(Self {
            count: u64::try_from(integer(words[2])?).unwrap_or(0),
            range: id_word::interval(words[0], words[1])?,
            consumer: words.get(3).copied(),
            idle_ms_min,
        }))
    }
}

/// XPENDING key group [[IDLE min-idle-time] start end count [consumer]]
pub fn xpending(call: &mut Call<'_>) -> Outcome {
    let listed = Listed::parse(&call.args[3..])?;
    let (key, name) = (call.args[1], call.args[2]);
    let groups = stream(call, key)?.and_then(|stream| stream.groups);
    let group = match groups {
        Some(groups) => Group::open(&mut call.keyspace.engine, groups, name)?,
        None => None,
    };
    let group = group.ok_or_else(|| errors::stream_no_group(key, name))?;
    match listed {
        None => summary(call, &group),
        Some(listed) => list(call, &group, &listed),
    }
}

fn summary(call: &mut Call<'_>, group: &Group) -> Outcome {
    let engine = &mut call.keyspace.engine;
    let out = &mut *call.out;
    out.array(4);
    out.int(group.pending_len(engine) as i64);
    let first = group.pending_edge(engine, Seek::First)?;
    let last = group.pending_edge(engine, Seek::Last)?;
    let (Some(first), Some(last)) = (first, last) else {
        out.null();
        out.null();
        out.null_array();
        return Ok(());
    };
    record_reply::id(out, first);
    record_reply::id(out, last);
    let mut owners = Vec::new();
    for (name, consumer) in group.consumers(engine, None, usize::MAX)? {
        let owned = group.owned_len(engine, consumer.number)?;
        if owned > 0 {
            owners.push((name, owned));
        }
    }
    out.array(owners.len());
    for (name, owned) in owners {
        out.array(2);
        out.bulk(&name);
        out.bulk_int(owned as i64);
    }
    Ok(())
}

fn list(call: &mut Call<'_>, group: &Group, listed: &Listed<'_>) -> Outcome {
    let engine = &mut call.keyspace.engine;
    let consumer = match listed.consumer {
        None => None,
        Some(name) => match group.consumer(engine, name)? {
            Some(consumer) => Some(consumer.number),
            None => {
                call.out.array(0);
                return Ok(());
            }
        },
    };
    let now_ms = call.now_ms as i64;
    let (mut found, mut body, mut names) = (0, Vec::new(), Names::default());
    let mut from = Some(*listed.range.start());
    while let Some(start) = from
        && found < listed.count
    {
        let range = start..=*listed.range.end();
        let page = page(engine, group, consumer, range)?;
        from = match page.last() {
            Some((id, _)) if page.len() == AT_ONCE => id.next(),
            _ => None,
        };
        for (id, pending) in page {
            let idle_ms = now_ms.wrapping_sub(pending.delivered_ms);
            if found == listed.count || (listed.idle_ms_min != 0 && idle_ms < listed.idle_ms_min) {
                continue;
            }
            found += 1;
            encode::array(&mut body, 4);
            record_reply::write_id(&mut body, id);
            let name = names.of(engine, group, pending.consumer)?;
            encode::bulk(&mut body, name);
            encode::int(&mut body, idle_ms.max(0));
            encode::int(&mut body, pending.deliveries as i64);
        }
    }
    call.out.array(found as usize);
    call.out.raw(&body);
    Ok(())
}

/// Up to [`AT_ONCE`] pending entries of the range: of a consumer, or of all.
pub(super) fn page(
    engine: &mut Engine,
    group: &Group,
    consumer: Option<u64>,
    range: RangeInclusive<StreamId>,
) -> Result<Vec<(StreamId, Pending)>, Error> {
    let mut found = Vec::new();
    let go_on = |len: usize| {
        if len == AT_ONCE {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let Some(consumer) = consumer else {
        group.scan_pending(engine, range, &mut |id, pending| {
            found.push((id, pending));
            go_on(found.len())
        })?;
        return Ok(found);
    };
    let mut ids = Vec::new();
    group.scan_owned(engine, consumer, range, &mut |id| {
        ids.push(id);
        go_on(ids.len())
    })?;
    for id in ids {
        let pending = group.pending(engine, id)?;
        found.push((id, pending.expect("an owned entry is pending")));
    }
    Ok(found)
}
