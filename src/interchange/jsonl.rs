//! Keys as lines of JSON, which `docs/JSONL.md` describes: one object a line, in UTF-8; bytes that are no text are
//! `{"base64": ".."}`.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};

use serde_json::{Map, Value as Json, json};

use super::base64;
use super::load::{LoadError, Summary};
use super::rdb::decode::Decoded;
use super::rdb::file::Key;
use super::rdb::{Consumer, Field, Group, List, Pending, Stream, StreamEntry, Value};
use crate::keyspace::stream::id::StreamId;

/// Keys between two calls of the function that is told of progress.
const TELL_EVERY: u64 = 4096;

/// Writes one key as a line. A value that was skipped is not written: it is not known.
pub fn write(key: &Key, out: &mut dyn Write) -> io::Result<()> {
    let Decoded::Value(value) = &key.value else {
        return Ok(());
    };
    let (kind, value) = put_value(value);
    let mut line = Map::new();
    line.insert("db".to_owned(), json!(key.db));
    line.insert("key".to_owned(), bytes(&key.name));
    line.insert("type".to_owned(), json!(kind));
    if let Some(ms) = key.expires_ms {
        line.insert("expires_ms".to_owned(), json!(ms));
    }
    line.insert("value".to_owned(), value);
    serde_json::to_writer(&mut *out, &Json::Object(line))?;
    out.write_all(b"\n")
}

/// Reads lines to their end and hands every key that is not due to `put`, with the number of its line. `on_progress`
/// is called with the bytes read.
pub fn read(
    source: &mut dyn BufRead,
    now_ms: u64,
    put: &mut dyn FnMut(u64, &Key) -> Result<(), LoadError>,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Summary, LoadError> {
    let mut summary = Summary::default();
    let (mut line, mut at, mut number) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        number += 1;
        let failed = |what: String| LoadError::Line { number, what };
        let len = source
            .read_until(b'\n', &mut line)
            .map_err(|error| failed(error.to_string()))?;
        if len == 0 {
            return Ok(summary);
        }
        at += len as u64;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let parsed: Json =
            serde_json::from_slice(&line).map_err(|error| failed(fault_in_line(&error)))?;
        let key = key(&parsed).map_err(|what| failed(what.to_owned()))?;
        if key.expires_ms.is_some_and(|ms| ms < now_ms) {
            summary.expired += 1;
            continue;
        }
        put(number, &key)?;
        summary.keys += 1;
        if summary.keys.is_multiple_of(TELL_EVERY) {
            on_progress(at);
        }
    }
}

/// What is wrong with a line, and where in it: each is one to the parser, which counts lines as well.
fn fault_in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let what = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    format!("column {}: {what}", error.column())
}

/// The name of a value's type, as TYPE answers it.
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "string",
        Value::List(_) => "list",
        Value::Set(_) => "set",
        Value::SortedSet(_) => "zset",
        Value::Hash(_) => "hash",
        Value::Stream(_) => "stream",
    }
}

fn put_value(value: &Value) -> (&'static str, Json) {
    let json = match value {
        Value::String(text) => bytes(text),
        Value::List(List { elements, .. }) | Value::Set(elements) => {
            Json::Array(elements.iter().map(|one| bytes(one)).collect())
        }
        Value::SortedSet(members) => members
            .iter()
            .map(|(member, score)| json!([bytes(member), put_score(*score)]))
            .collect(),
        Value::Hash(fields) => fields
            .iter()
            .map(|field| match field.expires_ms {
                Some(ms) => json!([bytes(&field.name), bytes(&field.value), ms]),
                None => json!([bytes(&field.name), bytes(&field.value)]),
            })
            .collect(),
        Value::Stream(stream) => put_stream(stream),
    };
    (kind(value), json)
}

fn put_stream(stream: &Stream) -> Json {
    let entries: Vec<Json> = stream
        .entries
        .iter()
        .map(|entry| {
            let items: Vec<Json> = entry.items.iter().map(|item| bytes(item)).collect();
            json!([entry.id.to_string(), items])
        })
        .collect();
    let groups: Vec<Json> = stream.groups.iter().map(put_group).collect();
    json!({
        "entries": entries,
        "last_id": stream.last_id.to_string(),
        "max_deleted_id": stream.max_deleted_id.to_string(),
        "entries_added": stream.entries_added,
        "groups": groups,
    })
}

fn put_group(group: &Group) -> Json {
    let pending: Vec<Json> = group
        .pending
        .iter()
        .map(|one| json!([one.id.to_string(), one.delivered_ms, one.deliveries]))
        .collect();
    let consumers: Vec<Json> = group
        .consumers
        .iter()
        .map(|consumer| {
            let owned: Vec<String> = consumer.pending.iter().map(StreamId::to_string).collect();
            json!({
                "name": bytes(&consumer.name),
                "seen_ms": consumer.seen_ms,
                "active_ms": consumer.active_ms,
                "pending": owned,
            })
        })
        .collect();
    json!({
        "name": bytes(&group.name),
        "last_id": group.last_id.to_string(),
        "entries_read": group.entries_read,
        "pending": pending,
        "consumers": consumers,
    })
}

/// Text as it is, other bytes in Base64.
pub fn bytes(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": base64::encode(bytes) }),
    }
}

fn put_score(score: f64) -> Json {
    if score.is_finite() {
        json!(score)
    } else {
        json!(if score > 0.0 { "inf" } else { "-inf" })
    }
}

/// What is wrong with a line.
type Fault = &'static str;

fn key(line: &Json) -> Result<Key, Fault> {
    let kind = line["type"].as_str().ok_or("'type' is no text")?;
    Ok(Key {
        db: match &line["db"] {
            Json::Null => 0,
            db => number(db)?,
        },
        name: get_bytes(&line["key"])?,
        value: Decoded::Value(get_value(kind, &line["value"])?),
        expires_ms: optional(&line["expires_ms"])?,
        idle_s: None,
        frequency: None,
    })
}

fn get_value(kind: &str, json: &Json) -> Result<Value, Fault> {
    if kind == "string" {
        return get_bytes(json).map(Value::String);
    }
    if kind == "stream" {
        return get_stream(json).map(|stream| Value::Stream(Box::new(stream)));
    }
    let elements = list(json)?;
    if elements.is_empty() {
        return Err("a collection has no elements");
    }
    Ok(match kind {
        "list" => Value::List(List::of(all(elements, get_bytes)?)),
        "set" => Value::Set(distinct(all(elements, get_bytes)?, |member| member)?),
        "zset" => Value::SortedSet(distinct(all(elements, member)?, |(member, _)| member)?),
        "hash" => Value::Hash(distinct(all(elements, field)?, |field| &field.name)?),
        _ => return Err("'type' is none of string, list, set, zset, hash and stream"),
    })
}

fn all<T>(elements: &[Json], read: impl Fn(&Json) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    elements.iter().map(read).collect()
}

/// The elements, if no two have the same name.
fn distinct<T>(elements: Vec<T>, name: impl Fn(&T) -> &Vec<u8>) -> Result<Vec<T>, Fault> {
    let names: BTreeSet<&Vec<u8>> = elements.iter().map(&name).collect();
    if names.len() < elements.len() {
        return Err("a member or field stands there twice");
    }
    Ok(elements)
}

fn list(json: &Json) -> Result<&Vec<Json>, Fault> {
    json.as_array().ok_or("a list is wanted")
}

fn get_bytes(json: &Json) -> Result<Vec<u8>, Fault> {
    match json {
        Json::String(text) => Ok(text.clone().into_bytes()),
        Json::Object(map) => map
            .get("base64")
            .and_then(Json::as_str)
            .and_then(base64::decode)
            .ok_or("bytes are neither text nor in Base64"),
        _ => Err("text is wanted"),
    }
}

fn number(json: &Json) -> Result<u64, Fault> {
    json.as_u64().ok_or("a whole number is wanted")
}

fn optional(json: &Json) -> Result<Option<u64>, Fault> {
    match json {
        Json::Null => Ok(None),
        json => number(json).map(Some),
    }
}

fn member(json: &Json) -> Result<(Vec<u8>, f64), Fault> {
    let [member, score] = list(json)?.as_slice() else {
        return Err("a member of a zset is a list of member and score");
    };
    let score = match score {
        Json::String(text) if text == "inf" => f64::INFINITY,
        Json::String(text) if text == "-inf" => f64::NEG_INFINITY,
        score => score.as_f64().ok_or("a score is no number")?,
    };
    Ok((get_bytes(member)?, score))
}

fn field(json: &Json) -> Result<Field, Fault> {
    let (name, value, expires_ms) = match list(json)?.as_slice() {
        [name, value] => (name, value, None),
        [name, value, ms] => (name, value, Some(number(ms)?)),
        _ => return Err("a field of a hash is a list of name, value and expiry"),
    };
    if expires_ms.is_some_and(|ms| ms == 0 || ms > Field::EXPIRES_MS_MAX) {
        return Err("a field expires at a time that cannot be");
    }
    Ok(Field {
        name: get_bytes(name)?,
        value: get_bytes(value)?,
        expires_ms,
    })
}

fn id(json: &Json) -> Result<StreamId, Fault> {
    let parse = |text: &str| {
        let (ms, seq) = text.split_once('-')?;
        Some(StreamId::new(ms.parse().ok()?, seq.parse().ok()?))
    };
    json.as_str()
        .and_then(parse)
        .ok_or("an ID is not MILLISECONDS-NUMBER")
}

fn get_stream(json: &Json) -> Result<Stream, Fault> {
    let entries = all(list(&json["entries"])?, |entry| {
        let [at, items] = list(entry)?.as_slice() else {
            return Err("an entry is a list of its ID and its items");
        };
        let items = all(list(items)?, get_bytes)?;
        if items.is_empty() || items.len() % 2 != 0 {
            return Err("an entry has fields and values in turn");
        }
        Ok(StreamEntry {
            id: id(at)?,
            items,
            begins_node: false,
        })
    })?;
    let stream = Stream {
        last_id: id(&json["last_id"])?,
        max_deleted_id: id(&json["max_deleted_id"])?,
        entries_added: number(&json["entries_added"])?,
        groups: all(list(&json["groups"])?, group)?,
        last_node: None,
        entries,
    };
    let last = stream.entries.last().map(|entry| entry.id);
    if !stream.entries.is_sorted_by(|a, b| a.id < b.id) || last > Some(stream.last_id) {
        return Err("the entries of a stream are not in order up to 'last_id'");
    }
    let names = stream.groups.iter().map(|group| &group.name);
    if has_twice(names) {
        return Err("a stream has a group twice");
    }
    Ok(stream)
}

fn group(json: &Json) -> Result<Group, Fault> {
    let group = Group {
        name: get_bytes(&json["name"])?,
        last_id: id(&json["last_id"])?,
        entries_read: optional(&json["entries_read"])?,
        pending: all(list(&json["pending"])?, |one| match list(one)?.as_slice() {
            [at, delivered, deliveries] => Ok(Pending {
                id: id(at)?,
                delivered_ms: number(delivered)?,
                deliveries: number(deliveries)?,
            }),
            _ => Err("what is pending is a list of ID, time and deliveries"),
        })?,
        consumers: all(list(&json["consumers"])?, |consumer| {
            Ok(Consumer {
                name: get_bytes(&consumer["name"])?,
                seen_ms: number(&consumer["seen_ms"])?,
                active_ms: optional(&consumer["active_ms"])?,
                pending: all(list(&consumer["pending"])?, id)?,
            })
        })?,
    };
    if !group.pending.is_sorted_by(|a, b| a.id < b.id) {
        return Err("what is pending is not in order");
    }
    let mut owned: Vec<StreamId> = group
        .consumers
        .iter()
        .flat_map(|consumer| consumer.pending.iter().copied())
        .collect();
    owned.sort_unstable();
    if !owned.iter().eq(group.pending.iter().map(|one| &one.id)) {
        return Err("what is pending has not one owner each");
    }
    if has_twice(group.consumers.iter().map(|consumer| &consumer.name)) {
        return Err("a group has a consumer twice");
    }
    Ok(group)
}

fn has_twice<'a>(names: impl Iterator<Item = &'a Vec<u8>>) -> bool {
    let mut names: Vec<&Vec<u8>> = names.collect();
    names.sort_unstable();
    names.windows(2).any(|two| two[0] == two[1])
}
