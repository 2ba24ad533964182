//! XGROUP and XACK.

use std::collections::BTreeMap;

use super::{Consumer, FIRST_ID, Group, Stream, words};
use crate::commands::misused_subcommand;
use crate::errors::{self, Failure};
use crate::numbers::integer;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

impl Call<'_> {
    /// The consumer of a stream that is there does something; one that is not there comes into being.
    pub fn see_consumer(&mut self, key: &[u8], group: &[u8], consumer: &[u8]) {
        let now_ms = self.now_ms;
        let Ok(Some(stream)) = self.stream(key) else {
            unreachable!("the caller has found it");
        };
        let group = stream.groups.get_mut(group).expect("it was checked");
        let is_new = !group.consumers.contains_key(consumer);
        let fresh = Consumer {
            seen_ms: now_ms,
            active_ms: -1,
        };
        let consumer = group.consumers.entry(consumer.to_vec());
        consumer.or_insert(fresh).seen_ms = now_ms;
        if is_new {
            self.note('t', "xgroup-createconsumer", key);
        }
    }
}

/// Whether MKSTREAM was said, and ENTRIESREAD.
fn options(call: &Call, creates: bool) -> Result<(bool, Option<i64>), Failure> {
    let (mut makes, mut read) = (false, None);
    let mut index = 5;
    while index < call.args.len() {
        if creates && call.says(index, "MKSTREAM") {
            makes = true;
            index += 1;
        } else if call.says(index, "ENTRIESREAD") && index + 1 < call.args.len() {
            let number = integer(call.arg(index + 1))?;
            if number < -1 {
                return Err(errors::err("value for ENTRIESREAD must be positive or -1"));
            }
            read = (number >= 0).then_some(number);
            index += 2;
        } else {
            return Err(misused_subcommand(call));
        }
    }
    Ok((makes, read))
}

fn key_required() -> Failure {
    errors::err(
        "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
         option to create an empty stream automatically.",
    )
}

pub fn create(call: &mut Call) -> Outcome {
    let (makes, read) = options(call, true)?;
    let (key, name) = (call.arg(2), call.arg(3));
    if call.stream(key)?.is_none() && !makes {
        return Err(key_required());
    }
    if call.args.len() > 8 {
        return Err(misused_subcommand(call));
    }
    let last = match call.arg(4) {
        b"$" => call.stream(key)?.map_or(FIRST_ID, |stream| stream.last),
        word => words::id(word, 0)?,
    };
    let stream = call.stream_or_new(key)?;
    if stream.groups.contains_key(name) {
        return Err(Failure(
            b"BUSYGROUP Consumer Group name already exists".to_vec(),
        ));
    }
    let group = Group {
        last,
        read,
        pending: BTreeMap::new(),
        consumers: BTreeMap::new(),
    };
    stream.groups.insert(name.to_vec(), group);
    call.note('t', "xgroup-create", key);
    Ok(Reply::ok())
}

/// The stream, which must be there, and whether it has the group.
fn existing<'c>(call: &'c mut Call) -> Result<(&'c mut Stream, bool), Failure> {
    let (key, name) = (call.arg(2), call.arg(3));
    let stream = call.stream(key)?.ok_or_else(key_required)?;
    let known = stream.groups.contains_key(name);
    Ok((stream, known))
}

fn no_such_group(call: &Call) -> Failure {
    words::no_group(&[
        b"No such consumer group '",
        call.arg(3),
        b"' for key name '",
        call.arg(2),
        b"'",
    ])
}

pub fn setid(call: &mut Call) -> Outcome {
    let (_, read) = options(call, false)?;
    let (name, word, count) = (call.arg(3), call.arg(4), call.args.len());
    let (stream, known) = existing(call)?;
    let last = stream.last;
    if !known {
        return Err(no_such_group(call));
    }
    if count != 5 && count != 7 {
        return Err(misused_subcommand(call));
    }
    let id = match word {
        b"$" => last,
        word => words::bound(word, 0)?,
    };
    let (stream, _) = existing(call)?;
    let group = stream.groups.get_mut(name).expect("it is known");
    (group.last, group.read) = (id, read);
    call.note('t', "xgroup-setid", call.arg(2));
    Ok(Reply::ok())
}

pub fn destroy(call: &mut Call) -> Outcome {
    let name = call.arg(3);
    let (stream, _) = existing(call)?;
    let is_gone = stream.groups.remove(name).is_some();
    if is_gone {
        call.note('t', "xgroup-destroy", call.arg(2));
    }
    Ok(Reply::flag(is_gone))
}

pub fn createconsumer(call: &mut Call) -> Outcome {
    let (name, consumer) = (call.arg(3), call.arg(4));
    let (stream, known) = existing(call)?;
    if !known {
        return Err(no_such_group(call));
    }
    if stream.groups[name].consumers.contains_key(consumer) {
        return Ok(Reply::flag(false));
    }
    call.see_consumer(call.arg(2), name, consumer);
    Ok(Reply::flag(true))
}

pub fn delconsumer(call: &mut Call) -> Outcome {
    let (name, consumer) = (call.arg(3), call.arg(4));
    let (stream, known) = existing(call)?;
    if !known {
        return Err(no_such_group(call));
    }
    let group = stream.groups.get_mut(name).expect("it is known");
    let owned = group.owned(consumer);
    group.pending.retain(|id, _| !owned.contains(id));
    if group.consumers.remove(consumer).is_some() {
        call.note('t', "xgroup-delconsumer", call.arg(2));
    }
    Ok(Reply::count(owned.len()))
}

pub fn xack(call: &mut Call) -> Outcome {
    let args = call.args;
    call.look_for(&args[1]);
    let Some(group) = call
        .stream(&args[1])?
        .and_then(|stream| stream.groups.get_mut(&args[2]))
    else {
        return Ok(Reply::Integer(0));
    };
    let ids = words::ids(&args[3..])?;
    let known = ids.iter().filter(|id| group.pending.remove(id).is_some());
    Ok(Reply::count(known.count()))
}
