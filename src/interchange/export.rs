//! Keys out of the trees into RDB: from the engine (DUMP) or from a snapshot (files).
//!
//! A large collection is written element by element, so that it may be larger than memory.

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::rdb::encode::{NodeWriter, Output};
use super::rdb::file::{Key, Writer};
use super::rdb::{
    Consumer, Group, LastNode, Pending, Stream, StreamEntry, encode_stream, kind, payload,
};
use crate::keyspace::hash::small::Small;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::packed::Packed;
use crate::keyspace::sorted_set::{Members, Span};
use crate::keyspace::stream::entries::Direction;
use crate::keyspace::stream::group as stored_group;
use crate::keyspace::stream::id::StreamId;
use crate::keyspace::stream::node::Node;
use crate::keyspace::{hash, library, list, root_ids, set, stream};
use crate::resp::glob;
use crate::storage::{Body, Cell, Error, Read, Reader, Seek, Snapshot, TreeId};

/// Keys that are looked at before what was read of them is forgotten.
const KEYS_AT_ONCE: usize = 256;
/// Bytes of a long string that are read at a time.
const CHUNK_BYTES: u64 = 1 << 20;
/// Consumers of a group that are read at a time.
const CONSUMERS_AT_ONCE: usize = 1024;

/// Why keys could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Storage(#[from] Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<ExportError> for io::Error {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Storage(error) => Self::other(error),
            ExportError::Io(error) => error,
        }
    }
}

/// What is said of a file, and how it is written.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Of the format.
    pub version: u16,
    /// Long strings are compressed.
    pub compresses: bool,
    /// The file ends in its checksum.
    pub checksums: bool,
    pub databases: u32,
    /// The file is the base of an append-only file.
    pub is_aof_base: bool,
    /// Wall time in milliseconds since 1970.
    pub now_ms: u64,
}

/// Writes the libraries of functions and all keys of a snapshot that are not due as an RDB file. `on_progress` is called
/// with how many keys are written.
pub fn write_file(
    snapshot: &Snapshot,
    facts: &Facts,
    sink: &mut dyn Write,
    on_progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let out = Output::new(sink, facts.compresses);
    let mut writer = Writer::begin(out, facts.version, facts.checksums)?;
    writer.aux("redis-ver", b"7.4.0")?;
    writer.aux("redis-bits", b"64")?;
    writer.aux("ctime", (facts.now_ms / 1000).to_string().as_bytes())?;
    writer.aux("aof-base", if facts.is_aof_base { b"1" } else { b"0" })?;
    let libraries = library::read_all(&mut snapshot.reader()).map_err(ExportError::from)?;
    for (_, code) in &libraries {
        writer.function(code)?;
    }
    let mut done = 0;
    for db in 0..facts.databases {
        let [keys, expiries, _] = root_ids(db);
        let mut reader = snapshot.reader();
        let (keys, expiries) = (
            reader.root(keys).map_err(ExportError::from)?,
            reader.root(expiries).map_err(ExportError::from)?,
        );
        if reader.count(keys) == 0 {
            continue;
        }
        writer.database(db, reader.count(keys), reader.count(expiries))?;
        each_batch::<ExportError>(snapshot, db, &mut |reader, keys, batch| {
            for (name, header) in batch.iter().filter(|(_, it)| !it.is_due(facts.now_ms)) {
                let kind = kind_of(header, facts.version);
                writer.key(name, kind, header.expires_ms)?;
                put_value(&mut writer.out, reader, keys, name, facts.version)?;
            }
            done += batch.len() as u64;
            on_progress(done);
            Ok(true)
        })?;
    }
    writer.end()
}

/// Writes all keys of a snapshot that are not due as commands. `on_progress` is called with how many keys are written.
pub fn write_commands(
    snapshot: &Snapshot,
    facts: &Facts,
    sink: &mut dyn Write,
    on_progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let libraries = library::read_all(&mut snapshot.reader()).map_err(ExportError::from)?;
    for (_, code) in &libraries {
        write_command(sink, &[b"FUNCTION", b"LOAD", b"REPLACE", code])?;
    }
    let mut done = 0;
    for db in 0..facts.databases {
        let mut is_selected = false;
        each_batch::<ExportError>(snapshot, db, &mut |reader, keys, batch| {
            if !std::mem::replace(&mut is_selected, true) {
                write_command(sink, &[b"SELECT", db.to_string().as_bytes()])?;
            }
            for (name, header) in batch.iter().filter(|(_, it)| !it.is_due(facts.now_ms)) {
                let payload = dump(reader, keys, name, facts.version, facts.compresses)?;
                let moment = header.expires_ms.unwrap_or(0).to_string();
                let words: [&[u8]; 5] = [b"RESTORE", name, moment.as_bytes(), &payload, b"ABSTTL"];
                write_command(sink, &words)?;
            }
            done += batch.len() as u64;
            on_progress(done);
            Ok(true)
        })?;
    }
    Ok(())
}

/// What is done with some keys of a database: their reader, their tree, their names and headers. False ends the visit.
type VisitBatch<'a, E> =
    dyn FnMut(&mut Reader, TreeId, &[(Vec<u8>, Header)]) -> Result<bool, E> + 'a;

/// Visits the keys of a database in order, some at a time, due ones included, until `visit` says false; so does it then.
/// Each time has a reader of its own: trees opened on the way are forgotten with it.
fn each_batch<E: From<Error>>(
    snapshot: &Snapshot,
    db: u32,
    visit: &mut VisitBatch<'_, E>,
) -> Result<bool, E> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let mut reader = snapshot.reader();
        let keys = reader.root(root_ids(db)[0])?;
        let mut batch = names(&mut reader, keys, after.as_deref())?;
        if batch.is_empty() {
            return Ok(true);
        }
        if !visit(&mut reader, keys, &batch)? {
            return Ok(false);
        }
        after = batch.pop().map(|(last, _)| last);
    }
}

fn write_command(sink: &mut dyn Write, words: &[&[u8]]) -> io::Result<()> {
    write!(sink, "*{}\r\n", words.len())?;
    for word in words {
        write!(sink, "${}\r\n", word.len())?;
        sink.write_all(word)?;
        sink.write_all(b"\r\n")?;
    }
    Ok(())
}

/// Visits the keys of a snapshot that are not due, with their values, by database and in order, until `visit` says
/// false. Each value is in memory as a whole.
pub fn each_key(
    snapshot: &Snapshot,
    databases: u32,
    now_ms: u64,
    visit: &mut dyn FnMut(&Key) -> bool,
) -> Result<(), Error> {
    for db in 0..databases {
        let went_on = each_batch::<Error>(snapshot, db, &mut |reader, _, batch| {
            for (name, header) in batch.iter().filter(|(_, it)| !it.is_due(now_ms)) {
                if !visit(&read(reader, db, name, header)?) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        if !went_on {
            break;
        }
    }
    Ok(())
}

/// Visits the names and kinds of the keys of a database that begin with `prefix` and are not due, in order, until `visit`
/// says false.
pub fn each_name(
    snapshot: &Snapshot,
    db: u32,
    prefix: &[u8],
    now_ms: u64,
    visit: &mut dyn FnMut(&[u8], Kind) -> bool,
) -> Result<(), Error> {
    let mut reader = snapshot.reader();
    let keys = reader.root(root_ids(db)[0])?;
    reader.scan(keys, Seek::AtLeast(prefix), &mut |name, cell| {
        let header = Header::parse(cell.head());
        let goes_on =
            glob::begins_with(name, prefix) && (header.is_due(now_ms) || visit(name, header.kind));
        if goes_on {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })
}

/// A key of a snapshot with its value; None if it is not there or due.
pub fn key(snapshot: &Snapshot, db: u32, name: &[u8], now_ms: u64) -> Result<Option<Key>, Error> {
    let mut reader = snapshot.reader();
    let keys = reader.root(root_ids(db)[0])?;
    let Some(cell) = reader.get(keys, name)? else {
        return Ok(None);
    };
    let header = Header::parse(cell.head());
    if header.is_due(now_ms) {
        return Ok(None);
    }
    read(&mut reader, db, name, &header).map(Some)
}

/// A key that is there, with its value.
fn read<R: Read>(reader: &mut R, db: u32, name: &[u8], header: &Header) -> Result<Key, Error> {
    let keys = reader.root(root_ids(db)[0])?;
    let bytes = dump(
        reader,
        keys,
        name,
        *super::rdb::VERSIONS_WRITTEN.end(),
        false,
    )?;
    let value = payload::open(&bytes).and_then(payload::read);
    Ok(Key {
        db: u64::from(db),
        name: name.to_vec(),
        value: value.expect("a payload that was written a moment ago"),
        expires_ms: header.expires_ms,
        idle_s: None,
        frequency: None,
    })
}

/// The next keys behind `after`, and their headers.
fn names<R: Read>(
    reader: &mut R,
    keys: TreeId,
    after: Option<&[u8]>,
) -> Result<Vec<(Vec<u8>, Header)>, Error> {
    let from = after.map_or(Seek::First, Seek::After);
    let mut names = Vec::new();
    reader.scan(keys, from, &mut |name, cell| {
        names.push((name.to_vec(), Header::parse(cell.head())));
        if names.len() < KEYS_AT_ONCE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(names)
}

/// What DUMP answers for the key, which is there.
pub fn dump<R: Read>(
    reader: &mut R,
    keys: TreeId,
    key: &[u8],
    version: u16,
    compresses: bool,
) -> Result<Vec<u8>, Error> {
    let cell = reader.get(keys, key)?.expect("a key that is there");
    let kind = kind_of(&Header::parse(cell.head()), version);
    let mut bytes = vec![kind];
    let mut out = Output::new(&mut bytes, compresses);
    match put_value(&mut out, reader, keys, key, version) {
        Ok(()) => {}
        Err(ExportError::Storage(error)) => return Err(error),
        Err(ExportError::Io(error)) => unreachable!("memory takes every write: {error}"),
    }
    payload::close(&mut bytes, version);
    Ok(bytes)
}

/// The byte that says how a value with this header is written.
pub fn kind_of(header: &Header, version: u16) -> u8 {
    match header.kind {
        Kind::String => kind::STRING,
        Kind::List => kind::LIST_QUICKLIST_2,
        Kind::Set => kind::SET,
        Kind::SortedSet => kind::SORTED_SET_2,
        Kind::Hash if header.fields_expire_ms.is_some() => kind::HASH_EXPIRING,
        Kind::Hash => kind::HASH,
        Kind::Stream if version < 11 => kind::STREAM_2,
        Kind::Stream => kind::STREAM_3,
    }
}

/// Writes the value at the key, which is there, as [`kind_of`] says.
pub fn put_value<R: Read>(
    out: &mut Output<'_>,
    reader: &mut R,
    keys: TreeId,
    key: &[u8],
    version: u16,
) -> Result<(), ExportError> {
    let cell = reader.get(keys, key)?.expect("a key that is there");
    let header = Header::parse(cell.head());
    let small = match cell.body() {
        Body::Inline(body) if cell.slots() == 0 => Some(body.to_vec()),
        _ => None,
    };
    let len = cell.body_len();
    match (header.kind, small) {
        (Kind::String, Some(text)) => out.string(&text)?,
        (Kind::String, None) => put_long_string(out, reader, keys, key, len)?,
        (Kind::List, Some(body)) => {
            let mut node = NodeWriter::default();
            out.length(1)?;
            for element in Packed::new(&body).iter() {
                node.push(out, element.bytes, false)?;
            }
            node.end(out)?;
        }
        (Kind::Set, Some(body)) => {
            let elements = Packed::new(&body);
            out.length(elements.len() as u64)?;
            for element in elements.iter() {
                out.string(element.bytes)?;
            }
        }
        (Kind::List, None) => {
            let tree = nested(reader, keys, key, 0)?;
            out.length(match header.encoding {
                Encoding::Table => list::nodes::count(reader, tree)?,
                _ => 1,
            })?;
            let (mut node, mut borders) = (NodeWriter::default(), list::nodes::Borders::default());
            each(reader, tree, &mut |_, head, element| {
                let flags = list::nodes::flags_of(head);
                if borders.begins_at(flags) {
                    node.end(out)?;
                }
                node.push(out, element, flags & list::nodes::PLAIN != 0)
            })?;
            node.end(out)?;
        }
        (Kind::Set, None) => {
            let tree = nested(reader, keys, key, set::MEMBERS)?;
            out.length(reader.count(tree))?;
            each(reader, tree, &mut |member, _, _| out.string(member))?;
        }
        (Kind::SortedSet, small) => put_sorted_set(out, reader, keys, key, small)?,
        (Kind::Hash, small) => {
            put_hash(out, reader, keys, key, small, header.fields_expire_ms)?;
        }
        (Kind::Stream, _) => {
            let stream = read_stream(reader, keys, key)?;
            encode_stream::stream(out, &stream, kind_of(&header, version))?;
        }
    }
    Ok(())
}

fn nested<R: Read>(reader: &mut R, keys: TreeId, key: &[u8], n: usize) -> Result<TreeId, Error> {
    let tree = reader.nested(keys, key, n)?;
    Ok(tree.expect("a large collection is there"))
}

fn put_long_string<R: Read>(
    out: &mut Output<'_>,
    reader: &mut R,
    keys: TreeId,
    key: &[u8],
    len: u64,
) -> Result<(), ExportError> {
    let mut chunk = Vec::new();
    if len <= CHUNK_BYTES {
        reader.read_body(keys, key, 0, len, &mut chunk)?;
        out.string(&chunk)?;
        return Ok(());
    }
    out.length(len)?;
    for offset in (0..len).step_by(CHUNK_BYTES as usize) {
        chunk.clear();
        reader.read_body(keys, key, offset, CHUNK_BYTES, &mut chunk)?;
        out.bytes(&chunk)?;
    }
    Ok(())
}

/// Takes the key, the head and the body of an entry.
type Visit<'v> = dyn FnMut(&[u8], &[u8], &[u8]) -> io::Result<()> + 'v;

/// Visits the entries of a tree with their bodies, also those that stand in pages of their own.
fn each<R: Read>(reader: &mut R, tree: TreeId, visit: &mut Visit<'_>) -> Result<(), ExportError> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let from = after.as_deref().map_or(Seek::First, Seek::After);
        let (mut long, mut outcome) = (None, Ok(()));
        reader.scan(tree, from, &mut |key, cell: Cell<'_>| match cell.body() {
            Body::Inline(body) => {
                outcome = visit(key, cell.head(), body);
                if outcome.is_ok() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            }
            Body::Blob { len } => {
                long = Some((key.to_vec(), cell.head().to_vec(), len));
                ControlFlow::Break(())
            }
        })?;
        outcome?;
        let Some((key, head, len)) = long else {
            return Ok(());
        };
        let mut body = Vec::new();
        reader.read_body(tree, &key, 0, len, &mut body)?;
        visit(&key, &head, &body)?;
        after = Some(key);
    }
}

fn put_sorted_set<R: Read>(
    out: &mut Output<'_>,
    reader: &mut R,
    keys: TreeId,
    key: &[u8],
    small: Option<Vec<u8>>,
) -> Result<(), ExportError> {
    let members = match small {
        Some(body) => Members::Small(body),
        None => Members::open(reader, keys, key)?,
    };
    let len = members.len(reader);
    out.length(len)?;
    let mut outcome = Ok(());
    members.visit_span(reader, Span::new(0, len), false, &mut |member, score| {
        if outcome.is_ok() {
            outcome = out
                .string(member)
                .and_then(|()| out.bytes(&score.to_le_bytes()));
        }
    })?;
    Ok(outcome?)
}

fn put_hash<R: Read>(
    out: &mut Output<'_>,
    reader: &mut R,
    keys: TreeId,
    key: &[u8],
    small: Option<Vec<u8>>,
    first_ms: Option<u64>,
) -> Result<(), ExportError> {
    if let Some(first_ms) = first_ms {
        out.bytes(&first_ms.to_le_bytes())?;
    }
    let put = |out: &mut Output<'_>, name: &[u8], value: &[u8], expires_ms: Option<u64>| {
        if let Some(first_ms) = first_ms {
            out.length(expires_ms.map_or(0, |time_ms| time_ms - first_ms + 1))?;
        }
        out.string(name)?;
        out.string(value)
    };
    if let Some(body) = small {
        let fields = Small::new(&body);
        out.length(fields.len() as u64)?;
        for three in fields.iter() {
            put(out, three.field.bytes, three.value.bytes, three.expires_ms)?;
        }
        return Ok(());
    }
    let tree = nested(reader, keys, key, hash::FIELDS)?;
    out.length(reader.count(tree))?;
    each(reader, tree, &mut |name, head, value| {
        put(out, name, value, hash::small::read_expiry(head))
    })
}

fn read_stream<R: Read>(reader: &mut R, keys: TreeId, key: &[u8]) -> Result<Stream, Error> {
    let stored = stream::Stream::open(reader, keys, key)?;
    let mut out = Stream {
        last_id: stored.head.last_id,
        max_deleted_id: stored.head.max_deleted_id,
        entries_added: stored.head.entries_added,
        ..Stream::default()
    };
    let (all, mut node) = (StreamId::MIN..=StreamId::MAX, None);
    stored
        .entries
        .scan(reader, all, Direction::Forward, &mut |record| {
            let begins_node = node.replace(record.node) != Some(record.node);
            out.entries.push(StreamEntry {
                id: record.id,
                begins_node,
                items: record
                    .pairs
                    .iter()
                    .map(|item| item.bytes.to_vec())
                    .collect(),
            });
            ControlFlow::Continue(())
        })?;
    out.last_node = last_node(&out.entries, stored.head.node);
    let Some(groups) = stored.groups else {
        return Ok(out);
    };
    for name in stored_group::Group::names(reader, groups)? {
        if let Some(group) = stored_group::Group::open(reader, groups, &name)? {
            out.groups.push(read_group(reader, name, &group)?);
        }
    }
    Ok(out)
}

/// What the last node had, if that is more than the entries tell.
fn last_node(entries: &[StreamEntry], node: Node) -> Option<LastNode> {
    let begins = entries.iter().rposition(|entry| entry.begins_node)?;
    let (had, bytes) = node.ever();
    let is_more = had > (entries.len() - begins) as u64;
    is_more.then_some(LastNode {
        entries: had,
        bytes,
    })
}

fn read_group<R: Read>(
    reader: &mut R,
    name: Vec<u8>,
    stored: &stored_group::Group,
) -> Result<Group, Error> {
    let mut group = Group {
        name,
        last_id: stored.head.last_id,
        entries_read: stored.head.entries_read.map(i64::cast_unsigned),
        ..Group::default()
    };
    let all = || StreamId::MIN..=StreamId::MAX;
    stored.scan_pending(reader, all(), &mut |id, pending| {
        group.pending.push(Pending {
            id,
            delivered_ms: pending.delivered_ms.cast_unsigned(),
            deliveries: pending.deliveries,
        });
        ControlFlow::Continue(())
    })?;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let some = stored.consumers(reader, after.as_deref(), CONSUMERS_AT_ONCE)?;
        let Some((last, _)) = some.last() else {
            return Ok(group);
        };
        after = Some(last.clone());
        for (name, consumer) in some {
            let mut pending = Vec::new();
            stored.scan_owned(reader, consumer.number, all(), &mut |id| {
                pending.push(id);
                ControlFlow::Continue(())
            })?;
            group.consumers.push(Consumer {
                name,
                seen_ms: consumer.seen_ms.cast_unsigned(),
                active_ms: u64::try_from(consumer.active_ms).ok(),
                pending,
            });
        }
    }
}
