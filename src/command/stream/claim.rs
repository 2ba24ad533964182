//! XCLAIM and XAUTOCLAIM.

use super::id_word;
use super::pending::page;
use super::read_group::{Acting, open};
use super::record_reply;
use super::told::Told;
use crate::command::argument::{integer, integer_in, is_word};
use crate::command::{Call, Failure, Outcome, errors, kind};
use crate::keyspace::header::Kind;
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::group::{Group, Pending};
use crate::keyspace::stream::id::StreamId;
use crate::keyspace::{Look, Slot, Txn};
use crate::resp::ErrorReply;
use crate::storage::{Error, Plan, Seek};

/// What the options of XCLAIM say.
struct Options {
    /// Wall time in milliseconds.
    delivered_ms: i64,
    deliveries: Option<u64>,
    force: bool,
    just_id: bool,
    last_id: StreamId,
}

impl Options {
    fn parse(mut words: &[&[u8]], now_ms: i64) -> Result<Self, ErrorReply> {
        let mut options = Self {
            delivered_ms: now_ms,
            deliveries: None,
            force: false,
            just_id: false,
            last_id: StreamId::MIN,
        };
        let number =
            |word: &[u8], name: &str| integer(word).map_err(|_| errors::stream_claim_option(name));
        // A time that is not given, not past or before 1970 is now.
        let mut delivered_ms = -1i64;
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if is_word(word, "FORCE") {
                options.force = true;
                continue;
            } else if is_word(word, "JUSTID") {
                options.just_id = true;
                continue;
            }
            let Some((value, rest)) = words.split_first() else {
                return Err(errors::stream_unknown_claim_option(word));
            };
            words = rest;
            if is_word(word, "IDLE") {
                delivered_ms = now_ms.wrapping_sub(number(value, "IDLE")?);
            } else if is_word(word, "TIME") {
                delivered_ms = number(value, "TIME")?;
            } else if is_word(word, "RETRYCOUNT") {
                options.deliveries = u64::try_from(number(value, "RETRYCOUNT")?).ok();
            } else if is_word(word, "LASTID") {
                options.last_id = id_word::exact(value)?;
            } else {
                return Err(errors::stream_unknown_claim_option(word));
            }
        }
        if (0..=now_ms).contains(&delivered_ms) {
            options.delivered_ms = delivered_ms;
        }
        Ok(options)
    }
}

fn idle_min(word: &[u8], command: &str) -> Result<i64, ErrorReply> {
    let idle_ms = integer(word).map_err(|_| errors::stream_claim_idle(command))?;
    Ok(idle_ms.max(0))
}

/// Which entries are taken over, and what is said of them then.
struct Terms {
    /// How long an entry must have been idle, in milliseconds.
    idle_ms_min: i64,
    /// The entries are answered by their IDs alone, and this delivery does not count.
    just_id: bool,
    /// The wall time in milliseconds at which they were delivered.
    delivered_ms: i64,
    /// How often they were; None: once more than before.
    deliveries: Option<u64>,
}

/// A consumer that takes entries over.
struct Claiming<'a> {
    db: u32,
    key: &'a [u8],
    now_ms: i64,
    terms: Terms,
    stream: Stream,
    group: Group,
    consumer: Acting<'a>,
    claimed: usize,
    body: Vec<u8>,
    /// What is said now of the entries that were looked at; None: they are not pending any more.
    repeated: Vec<(StreamId, Option<Pending>)>,
}

/// What became of a pending entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It was not idle long enough.
    Left,
    Done,
    /// The stream has no such entry: it is not pending any more.
    Gone,
}

impl<'a> Claiming<'a> {
    /// Begins for the consumer that the words `args` name, which is made if it is not there.
    fn begin(
        txn: &mut Txn<'_>,
        db: u32,
        args: &[&'a [u8]],
        now_ms: u64,
        (stream, mut group): (Stream, Group),
        terms: Terms,
    ) -> Result<Self, Failure> {
        let (key, name) = (args[1], args[3]);
        let consumer = Acting::open(txn, db, key, &mut group, name, now_ms)?;
        Ok(Self {
            db,
            key,
            now_ms: now_ms as i64,
            terms,
            stream,
            group,
            consumer,
            claimed: 0,
            body: Vec::new(),
            repeated: Vec::new(),
        })
    }

    /// Gives the entry to the consumer. `pending`: what is said of it; None: it is not pending and becomes so.
    fn claim(
        &mut self,
        txn: &mut Txn<'_>,
        id: StreamId,
        pending: Option<Pending>,
    ) -> Result<Claim, Error> {
        let engine = txn.engine();
        let is_there = self.stream.entries.contains(engine, id)?;
        let old = match pending {
            Some(old) if !is_there => {
                self.group.remove_pending(engine, id, old)?;
                txn.counted(self.db, self.key, 1, None);
                self.repeated.push((id, None));
                return Ok(Claim::Gone);
            }
            Some(old)
                if self.now_ms.wrapping_sub(old.delivered_ms) < self.terms.idle_ms_min
                    && self.terms.idle_ms_min > 0 =>
            {
                return Ok(Claim::Left);
            }
            old => old,
        };
        let before = old.map_or(1, |old| old.deliveries);
        let deliveries = match self.terms.deliveries {
            Some(deliveries) => deliveries,
            None if self.terms.just_id => before,
            None => before.wrapping_add(1),
        };
        let new = Pending {
            consumer: self.consumer.now.number,
            delivered_ms: self.terms.delivered_ms,
            deliveries,
        };
        self.group.put_pending(engine, id, old, new)?;
        if self.terms.just_id {
            record_reply::write_id(&mut self.body, id);
        } else {
            record_reply::one(&mut self.body, engine, &self.stream, id)?;
        }
        self.claimed += 1;
        self.consumer.now.active_ms = self.now_ms;
        txn.counted(self.db, self.key, 1, None);
        self.repeated.push((id, Some(new)));
        Ok(Claim::Done)
    }

    fn told(&self, group: &'a [u8], moved: bool) -> Told<'a> {
        Told {
            key: self.key,
            group,
            consumer: self.consumer.name,
            is_new_consumer: self.consumer.is_new(),
            moved,
            head: self.group.head,
            pending: self.repeated.clone(),
        }
    }

    fn close(&mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        self.consumer.save(txn, &self.group)?;
        self.group.save(txn.engine())
    }
}

/// Opens the stream and the group that the words name, at the slot of the key.
fn opened(
    txn: &mut Txn<'_>,
    db: u32,
    args: &[&[u8]],
    slot: &Slot,
) -> Result<(Stream, Group), Failure> {
    let (key, name) = (args[1], args[2]);
    kind::check(slot, Kind::Stream)?;
    let found = if slot.exists() {
        open(txn, db, key, name)?
    } else {
        None
    };
    Ok(found.ok_or_else(|| errors::stream_no_group(key, name))?)
}

/// XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count]
/// [FORCE] [JUSTID] [LASTID id]
pub fn xclaim(call: &mut Call<'_>) -> Outcome {
    let (db, args, now_ms) = (call.client.db, call.args, call.now_ms);
    let mut moved = false;
    let claiming = call.keyspace.write(Plan::Savepoint, |txn| {
        let (slot, ()) = txn.inspect(db, args[1], now_ms, Look::READ, |_| ())?;
        let (stream, mut group) = opened(txn, db, args, &slot)?;
        let idle_ms_min = idle_min(args[4], "XCLAIM")?;
        let ids: Vec<StreamId> = args[5..]
            .iter()
            .map_while(|word| id_word::exact(word).ok())
            .collect();
        let options = Options::parse(&args[5 + ids.len()..], now_ms as i64)?;
        let moves_on = options.last_id > group.head.last_id;
        group.head.last_id = group.head.last_id.max(options.last_id);
        let terms = Terms {
            idle_ms_min,
            just_id: options.just_id,
            delivered_ms: options.delivered_ms,
            deliveries: options.deliveries,
        };
        let mut claiming = Claiming::begin(txn, db, args, now_ms, (stream, group), terms)?;
        let mut is_told = false;
        for id in ids {
            let engine = &mut txn.keyspace().engine;
            let pending = claiming.group.pending(engine, id)?;
            let is_forced = options.force && claiming.stream.entries.contains(engine, id)?;
            if pending.is_some() || is_forced {
                is_told |= claiming.claim(txn, id, pending)? != Claim::Left;
            }
        }
        if moves_on && !is_told {
            txn.counted(db, args[1], 1, None);
        }
        moved = moves_on;
        claiming.close(txn)?;
        Ok::<_, Failure>(claiming)
    })?;
    claiming.told(args[2], moved).tell(call);
    call.out.array(claiming.claimed);
    call.out.raw(&claiming.body);
    Ok(())
}

/// Entries that XAUTOCLAIM looks at for each that it may return.
const ATTEMPTS: u64 = 10;
/// What COUNT is unless it is given.
const COUNT: u64 = 100;
/// The largest COUNT that Redis takes.
const COUNT_MAX: i64 = i64::MAX / 16;
/// Redis reserves memory for as many IDs as COUNT says, and no more than processors can address.
const COUNT_ALLOCATED_MAX: u64 = (1 << 47) / 16;

/// The options of XAUTOCLAIM: COUNT, and whether JUSTID is among them.
fn auto_options(mut words: &[&[u8]]) -> Result<(u64, bool), ErrorReply> {
    let (mut count, mut just_id) = (COUNT, false);
    while let Some((word, rest)) = words.split_first() {
        words = rest;
        if is_word(word, "JUSTID") {
            just_id = true;
            continue;
        }
        match words.split_first() {
            Some((number, rest)) if is_word(word, "COUNT") => {
                words = rest;
                count = integer_in(number, 1..=COUNT_MAX, errors::COUNT_MUST_BE_POSITIVE)? as u64;
            }
            _ => return Err(errors::SYNTAX),
        }
    }
    Ok((count, just_id))
}

/// XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]
pub fn xautoclaim(call: &mut Call<'_>) -> Outcome {
    let (db, args, now_ms) = (call.client.db, call.args, call.now_ms);
    let (claiming, next, gone) = call.keyspace.write(Plan::Savepoint, |txn| {
        // The key is looked up first, but what is there matters only where the words are right.
        let (slot, ()) = txn.inspect(db, args[1], now_ms, Look::READ, |_| ())?;
        let idle_ms_min = idle_min(args[4], "XAUTOCLAIM")?;
        let start = id_word::start(args[5])?;
        let (count, just_id) = auto_options(&args[6..])?;
        let (stream, group) = opened(txn, db, args, &slot)?;
        if count >= COUNT_ALLOCATED_MAX {
            return Err(errors::STREAM_CLAIM_MEMORY.into());
        }
        let terms = Terms {
            idle_ms_min,
            just_id,
            delivered_ms: now_ms as i64,
            deliveries: None,
        };
        let mut claiming = Claiming::begin(txn, db, args, now_ms, (stream, group), terms)?;
        let (next, gone) = walk(txn, &mut claiming, start, count)?;
        claiming.close(txn)?;
        Ok::<_, Failure>((claiming, next, gone))
    })?;
    claiming.told(args[2], false).tell(call);
    let out = &mut *call.out;
    out.array(3);
    record_reply::id(out, next);
    out.array(claiming.claimed);
    out.raw(&claiming.body);
    out.array(gone.len());
    for id in gone {
        record_reply::id(out, id);
    }
    Ok(())
}

/// Claims pending entries from `start` on. Returns where to go on, and the entries that the stream no longer has.
fn walk(
    txn: &mut Txn<'_>,
    claiming: &mut Claiming<'_>,
    start: StreamId,
    mut count: u64,
) -> Result<(StreamId, Vec<StreamId>), Error> {
    let mut attempts = count.saturating_mul(ATTEMPTS);
    let mut gone = Vec::new();
    let mut from = Some(start);
    while let Some(start) = from
        && attempts > 0
        && count > 0
    {
        let range = start..=StreamId::MAX;
        let page = page(&mut txn.keyspace().engine, &claiming.group, None, range)?;
        if page.is_empty() {
            return Ok((StreamId::MIN, gone));
        }
        for (id, pending) in page {
            if attempts == 0 || count == 0 {
                break;
            }
            attempts -= 1;
            from = id.next();
            match claiming.claim(txn, id, Some(pending))? {
                Claim::Left => {}
                Claim::Done => count -= 1,
                Claim::Gone => {
                    gone.push(id);
                    count -= 1;
                }
            }
        }
    }
    let next = match from {
        Some(from) => {
            let edge = from.to_bytes();
            let engine = &mut txn.keyspace().engine;
            claiming.group.pending_edge(engine, Seek::AtLeast(&edge))?
        }
        None => None,
    };
    Ok((next.unwrap_or(StreamId::MIN), gone))
}
