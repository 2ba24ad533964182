//! XREADGROUP.

use std::ops::ControlFlow;

use super::ask::Ask;
use super::id_word;
use super::record_reply;
use super::told::Told;
use crate::command::blocking::Awaits;
use crate::command::{Call, Failure, Outcome, errors, kind};
use crate::keyspace::Txn;
use crate::keyspace::change::Class;
use crate::keyspace::header::Kind;
use crate::keyspace::stream::Stream;
use crate::keyspace::stream::entries::Direction;
use crate::keyspace::stream::group::{Consumer, Group, Pending};
use crate::keyspace::stream::id::StreamId;
use crate::resp::text::until_nul;
use crate::resp::{ErrorReply, encode};
use crate::storage::{Error, Plan};

/// XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]
pub fn xreadgroup(call: &mut Call<'_>) -> Outcome {
    let ask = Ask::parse(call.args, true, call.now_ms)?;
    let (db, now_ms) = (call.client.db, call.now_ms);
    let (mut served, mut body, mut delivered) = (0, Vec::new(), Vec::new());
    let is_resp3 = call.out.is_resp3();
    let null: &[u8] = if is_resp3 { b"_\r\n" } else { b"*-1\r\n" };
    call.keyspace.write(Plan::Savepoint, |txn| {
        let (from, mut opened) = check(txn, db, &ask, now_ms)?;
        for (key, from) in ask.keys.iter().zip(from) {
            let opened = opened.take().filter(|_| ask.keys.len() == 1);
            let mut reading = Reading::open(txn, db, key, &ask, now_ms, opened)?;
            let header = body.len();
            if !is_resp3 {
                encode::array(&mut body, 2);
            }
            encode::bulk(&mut body, key);
            let is_served = match from {
                From::New => reading.new_entries(txn, &mut body)?,
                From::History(after) => reading.history(txn, after, &mut body, null)?,
            };
            if is_served {
                served += 1;
            } else {
                body.truncate(header);
            }
            delivered.push(reading.told());
            reading.close(txn)?;
        }
        Ok::<_, Failure>(())
    })?;
    call.keyspace.changes.rewrite();
    for told in &delivered {
        told.tell(call);
    }
    if served > 0 {
        call.out.map_of_pairs(served);
        call.out.raw(&body);
        return Ok(());
    }
    let blocks = match ask.block {
        Some(until_ms) => call.block_on_keys(ask.keys, Awaits::StreamGroup, until_ms),
        None => false,
    };
    if !blocks {
        call.out.null_array();
    }
    Ok(())
}

/// Which entries of a stream are asked for.
#[derive(Clone, Copy, Debug)]
enum From {
    /// Those that the group has not delivered.
    New,
    /// The consumer's pending ones behind this ID.
    History(StreamId),
}

impl From {
    fn parse(word: &[u8]) -> Result<Self, ErrorReply> {
        match until_nul(word) {
            b"$" => Err(errors::stream_meaningless('$')),
            b"+" => Err(errors::stream_meaningless('+')),
            b">" => Ok(Self::New),
            _ => match id_word::exact(word)? {
                // Redis cannot tell it from `>`.
                StreamId::MAX => Ok(Self::New),
                id => Ok(Self::History(id)),
            },
        }
    }
}

/// Everything that can be said against the request. Also the last stream and its group as they are before anything is read.
fn check(
    txn: &mut Txn<'_>,
    db: u32,
    ask: &Ask<'_>,
    now_ms: u64,
) -> Result<(Vec<From>, Option<Opened>), Failure> {
    let (group, _) = ask.group.expect("checked words");
    let mut from = Vec::with_capacity(ask.keys.len());
    let mut opened = None;
    for (key, word) in ask.keys.iter().zip(ask.ids) {
        let slot = kind::read_slot(txn, db, key, now_ms, Kind::Stream)?;
        opened = match slot.exists() {
            true => open(txn, db, key, group)?,
            false => None,
        };
        if opened.is_none() {
            return Err(errors::stream_no_group_to_read(key, group).into());
        }
        from.push(From::parse(word)?);
    }
    // Redis looks up again what it has checked, which counts.
    for key in ask.keys {
        kind::read_slot(txn, db, key, now_ms, Kind::Stream)?;
    }
    Ok((from, opened))
}

/// A stream and a group of it.
pub(super) type Opened = (Stream, Group);

/// The stream at `key`, which is one, and its group of this name.
pub(super) fn open(
    txn: &mut Txn<'_>,
    db: u32,
    key: &[u8],
    group: &[u8],
) -> Result<Option<Opened>, Error> {
    let stream = txn.keyspace().stream(db, key)?;
    let Some(groups) = stream.groups else {
        return Ok(None);
    };
    let group = Group::open(&mut txn.keyspace().engine, groups, group)?;
    Ok(group.map(|group| (stream, group)))
}

/// The consumer on whose behalf a command runs.
pub(super) struct Acting<'a> {
    pub name: &'a [u8],
    /// What is stored of it; None: the command has created it.
    stored: Option<Consumer>,
    pub now: Consumer,
}

impl<'a> Acting<'a> {
    /// Looks the consumer up, or creates it and tells of that.
    pub(super) fn open(
        txn: &mut Txn<'_>,
        db: u32,
        key: &[u8],
        group: &mut Group,
        name: &'a [u8],
        now_ms: u64,
    ) -> Result<Self, Error> {
        let seen_ms = now_ms as i64;
        let stored = group.consumer(&mut txn.keyspace().engine, name)?;
        let now = match stored {
            Some(found) => Consumer { seen_ms, ..found },
            None => {
                let made = group.add_consumer(txn.engine(), name, seen_ms)?;
                txn.counted(db, key, 1, Some((Class::Stream, "xgroup-createconsumer")));
                made
            }
        };
        Ok(Self { name, stored, now })
    }

    pub(super) fn is_new(&self) -> bool {
        self.stored.is_none()
    }

    /// Writes what is known of it, if that has changed.
    pub(super) fn save(&self, txn: &mut Txn<'_>, group: &Group) -> Result<(), Error> {
        match self.stored == Some(self.now) {
            true => Ok(()),
            false => group.put_consumer(txn.engine(), self.name, self.now),
        }
    }
}

/// One stream that is read.
struct Reading<'a> {
    ask: &'a Ask<'a>,
    db: u32,
    key: &'a [u8],
    now_ms: i64,
    stream: Stream,
    group: Group,
    consumer: Acting<'a>,
    /// New entries were delivered.
    moved: bool,
    pending: Vec<(StreamId, Option<Pending>)>,
}

impl<'a> Reading<'a> {
    /// `opened`: the stream and its group, if they are open and nothing has changed since.
    fn open(
        txn: &mut Txn<'_>,
        db: u32,
        key: &'a [u8],
        ask: &'a Ask<'a>,
        now_ms: u64,
        opened: Option<Opened>,
    ) -> Result<Self, Error> {
        let (group, name) = ask.group.expect("checked words");
        let opened = match opened {
            None => open(txn, db, key, group)?,
            opened => opened,
        };
        let (stream, mut group) = opened.expect("a checked group");
        let consumer = Acting::open(txn, db, key, &mut group, name, now_ms)?;
        Ok(Self {
            ask,
            db,
            key,
            now_ms: now_ms as i64,
            stream,
            group,
            consumer,
            moved: false,
            pending: Vec::new(),
        })
    }

    /// Delivers entries behind the group's last; false if there are none.
    fn new_entries(&mut self, txn: &mut Txn<'_>, body: &mut Vec<u8>) -> Result<bool, Error> {
        let engine = &mut txn.keyspace().engine;
        let last_id = self.stream.head.last_id;
        let Some(first) = self.group.head.last_id.next().filter(|id| *id <= last_id) else {
            return Ok(false);
        };
        let range = first..=StreamId::MAX;
        let count = self.ask.count.unwrap_or(u64::MAX);
        let (mut ids, mut records) = (Vec::new(), Vec::new());
        let entries = &self.stream.entries;
        entries.scan(engine, range, Direction::Forward, &mut |record| {
            record_reply::write(&mut records, &record);
            ids.push(record.id);
            if ids.len() as u64 == count {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        if ids.is_empty() {
            return Ok(false);
        }
        encode::array(body, ids.len() as u64);
        body.append(&mut records);
        self.deliver(txn, &ids)?;
        txn.counted(self.db, self.key, 1, None);
        Ok(true)
    }

    /// These entries now belong to the consumer.
    fn deliver(&mut self, txn: &mut Txn<'_>, ids: &[StreamId]) -> Result<(), Error> {
        let totals = self.stream.totals(&mut txn.keyspace().engine)?;
        self.moved = true;
        let head = &mut self.group.head;
        for id in ids {
            head.entries_read = totals.read_one(head.entries_read, *id);
            head.last_id = *id;
        }
        if self.ask.no_ack {
            return Ok(());
        }
        let new = Pending {
            consumer: self.consumer.now.number,
            delivered_ms: self.now_ms,
            deliveries: 1,
        };
        let engine = txn.engine();
        for id in ids {
            let old = self.group.pending(engine, *id)?;
            self.group.put_pending(engine, *id, old, new)?;
            self.pending.push((*id, Some(new)));
        }
        self.consumer.now.active_ms = self.now_ms;
        Ok(())
    }

    /// Delivers the consumer's own pending entries behind `after` again. Always an answer, if only an empty one.
    fn history(
        &mut self,
        txn: &mut Txn<'_>,
        after: StreamId,
        body: &mut Vec<u8>,
        null: &[u8],
    ) -> Result<bool, Error> {
        let first = after.next().expect("not the largest ID");
        let engine = txn.engine();
        let count = self.ask.count.unwrap_or(u64::MAX);
        let mut ids = Vec::new();
        let range = first..=StreamId::MAX;
        self.group
            .scan_owned(engine, self.consumer.now.number, range, &mut |id| {
                ids.push(id);
                if ids.len() as u64 == count {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        encode::array(body, ids.len() as u64);
        for id in ids {
            if !record_reply::one(body, engine, &self.stream, id)? {
                encode::array(body, 2);
                record_reply::write_id(body, id);
                body.extend_from_slice(null);
                continue;
            }
            let old = self.group.pending(engine, id)?.expect("an owned entry");
            let new = Pending {
                delivered_ms: self.now_ms,
                deliveries: old.deliveries.wrapping_add(1),
                ..old
            };
            self.group.put_pending(engine, id, Some(old), new)?;
        }
        Ok(true)
    }

    fn told(&self) -> Told<'a> {
        let (group, consumer) = self.ask.group.expect("checked words");
        Told {
            key: self.key,
            group,
            consumer,
            is_new_consumer: self.consumer.is_new(),
            moved: self.moved,
            head: self.group.head,
            pending: self.pending.clone(),
        }
    }

    fn close(mut self, txn: &mut Txn<'_>) -> Result<(), Error> {
        self.consumer.save(txn, &self.group)?;
        self.group.save(txn.engine())
    }
}
