//! XRANGE, XREVRANGE, XREAD and XREADGROUP.

use super::nodes::Item;
use super::{FIRST_ID, Id, LAST_ID, Pending, Stream, id_reply, item_reply, words};
use crate::blocking::Awaits;
use crate::errors::{self, Failure};
use crate::numbers::integer;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, Outcome};

pub fn xrange(call: &mut Call) -> Outcome {
    range(call, false)
}

pub fn xrevrange(call: &mut Call) -> Outcome {
    range(call, true)
}

fn range(call: &mut Call, backward: bool) -> Outcome {
    let (from, to) = if backward { (3, 2) } else { (2, 3) };
    let (from, to) = (words::start(call.arg(from))?, words::end(call.arg(to))?);
    let mut count = None;
    let mut index = 4;
    while index < call.args.len() {
        if !call.says(index, "COUNT") || index + 1 == call.args.len() {
            return Err(errors::syntax());
        }
        count = Some(integer(call.arg(index + 1))?.max(0) as usize);
        index += 2;
    }
    call.look_for(call.key());
    let Some(stream) = call.stream(call.key())? else {
        return Ok(Reply::Array(Vec::new()));
    };
    if count == Some(0) {
        return Ok(Reply::NullArray);
    }
    let mut items = stream.range(from, to);
    if backward {
        items.reverse();
    }
    items.truncate(count.unwrap_or(usize::MAX));
    Ok(Reply::Array(items.into_iter().map(item_reply).collect()))
}

/// What XREAD and XREADGROUP are asked for.
struct Ask {
    /// 0: all.
    count: usize,
    group: Option<(Vec<u8>, Vec<u8>)>,
    no_ack: bool,
    /// How long to wait for entries, if at all, in milliseconds; 0: for ever.
    block_ms: Option<i64>,
    /// Keys, and an ID for each.
    keys: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Ask {
    fn parse(call: &Call, grouped: bool) -> Result<Ask, Failure> {
        let args = call.args;
        let only = |option: &str| {
            let text = "is only supported by XREADGROUP. You called XREAD instead.";
            errors::err(&format!("The {option} option {text}"))
        };
        let mut ask = Ask {
            count: 0,
            group: None,
            no_ack: false,
            block_ms: None,
            keys: Vec::new(),
        };
        let mut at = 1;
        while at < args.len() {
            let more = args.len() - 1 - at;
            if call.says(at, "BLOCK") && more > 0 {
                at += 1;
                ask.block_ms = Some(timeout(call.arg(at), call.now_ms)?);
            } else if call.says(at, "COUNT") && more > 0 {
                at += 1;
                ask.count = integer(call.arg(at))?.max(0) as usize;
            } else if call.says(at, "STREAMS") && more > 0 {
                let words = &args[at + 1..];
                if words.len() % 2 == 1 {
                    return Err(unbalanced(grouped));
                }
                let (keys, ids) = words.split_at(words.len() / 2);
                ask.keys = keys.iter().cloned().zip(ids.iter().cloned()).collect();
                break;
            } else if call.says(at, "GROUP") && more > 1 {
                if !grouped {
                    return Err(only("GROUP"));
                }
                ask.group = Some((args[at + 1].clone(), args[at + 2].clone()));
                at += 2;
            } else if call.says(at, "NOACK") {
                if !grouped {
                    return Err(only("NOACK"));
                }
                ask.no_ack = true;
            } else {
                return Err(errors::syntax());
            }
            at += 1;
        }
        if ask.keys.is_empty() {
            return Err(errors::syntax());
        }
        if grouped && ask.group.is_none() {
            return Err(errors::err("Missing GROUP option for XREADGROUP"));
        }
        Ok(ask)
    }

    fn limited<T>(&self, mut items: Vec<T>) -> Vec<T> {
        if self.count > 0 {
            items.truncate(self.count);
        }
        items
    }
}

fn timeout(word: &[u8], now_ms: i64) -> Result<i64, Failure> {
    let timeout = crate::numbers::integer_or(word, "timeout is not an integer or out of range")?;
    if timeout < 0 {
        return Err(errors::err("timeout is negative"));
    }
    if timeout.checked_add(now_ms).is_none() {
        return Err(errors::err("timeout is out of range"));
    }
    Ok(timeout)
}

fn unbalanced(grouped: bool) -> Failure {
    let (name, id) = if grouped {
        ("xreadgroup", '>')
    } else {
        ("xread", '$')
    };
    errors::err(&format!(
        "Unbalanced '{name}' list of streams: for each stream key an ID or '{id}' must be specified."
    ))
}

/// Keys and what was read from each; if there is nothing, it is waited for.
fn answer(call: &mut Call, ask: &Ask, read: Vec<(Vec<u8>, Reply)>) -> Reply {
    if read.is_empty() {
        let Some(timeout_ms) = ask.block_ms else {
            return Reply::NullArray;
        };
        let keys: Vec<Vec<u8>> = ask.keys.iter().map(|(key, _)| key.clone()).collect();
        let awaits = match ask.group {
            Some(_) => Awaits::Group,
            None => Awaits::Stream,
        };
        let timeout_ms = (timeout_ms != 0).then_some(timeout_ms);
        return call.wait_for(&keys, awaits, timeout_ms, Reply::NullArray);
    }
    let pairs = read
        .into_iter()
        .map(|(key, items)| (Reply::Bulk(key), items));
    match call.protocol() {
        Protocol::Resp3 => Reply::Map(pairs.collect()),
        Protocol::Resp2 => {
            let pairs = pairs.map(|(key, items)| Reply::Array(vec![key, items]));
            Reply::Array(pairs.collect())
        }
    }
}

pub fn xread(call: &mut Call) -> Outcome {
    let ask = Ask::parse(call, false)?;
    let (mut read, mut last_ids) = (Vec::new(), Vec::new());
    for (key, word) in &ask.keys {
        call.look_for(key);
        let stream = call.stream(key)?.cloned();
        let after = read_after(word, stream.as_ref())?;
        last_ids.push(after);
        let items = match (stream, words::next(after)) {
            (Some(stream), Some(from)) => {
                let items = stream.range(from, LAST_ID).into_iter().cloned().collect();
                ask.limited::<Item>(items)
            }
            _ => Vec::new(),
        };
        if !items.is_empty() {
            read.push((
                key.clone(),
                Reply::Array(items.iter().map(item_reply).collect()),
            ));
        }
    }
    // They are looked for first to settle the IDs, and again to read.
    for (key, _) in &ask.keys {
        call.look_for(key);
    }
    let reply = answer(call, &ask, read);
    // What `$` stands for is settled now.
    let first = call.args.len() - last_ids.len();
    for (number, id) in last_ids.into_iter().enumerate() {
        if call.arg(first + number) == b"$" {
            call.wait_with(first + number, id_text(id));
        }
    }
    Ok(reply)
}

fn id_text(id: Id) -> Vec<u8> {
    format!("{}-{}", id.0, id.1).into_bytes()
}

fn read_after(word: &[u8], stream: Option<&Stream>) -> Result<Id, Failure> {
    match (word, stream) {
        (b"$" | b"+", None) => Ok(FIRST_ID),
        (b"$", Some(stream)) => Ok(stream.last),
        (b"+", Some(stream)) => words::previous(stream.last)
            .ok_or_else(|| errors::err("the stream last element ID is 0-0")),
        (b">", _) => Err(errors::err(
            "The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => words::id(word, 0),
    }
}

pub fn xreadgroup(call: &mut Call) -> Outcome {
    let ask = Ask::parse(call, true)?;
    let (group, consumer) = ask.group.clone().expect("it was checked");
    let mut from = Vec::new();
    for (key, word) in &ask.keys {
        call.look_for(key);
        let known = call
            .stream(key)?
            .is_some_and(|it| it.groups.contains_key(&group));
        if !known {
            return Err(words::no_group(&[
                b"No such key '",
                key,
                b"' or consumer group '",
                &group,
                b"' in XREADGROUP with GROUP option",
            ]));
        }
        from.push(group_from(word)?);
    }
    let mut read = Vec::new();
    for ((key, _), after) in ask.keys.iter().zip(from) {
        let now_ms = call.now_ms;
        call.see_consumer(key, &group, &consumer);
        let stream = call.stream(key)?.expect("it was checked");
        let items = match after {
            Some(after) => Some(history(stream, &ask, after, now_ms)),
            None => new_entries(stream, &ask, now_ms),
        };
        if let Some(items) = items {
            read.push((key.clone(), Reply::Array(items)));
        }
    }
    Ok(answer(call, &ask, read))
}

/// None: new entries.
fn group_from(word: &[u8]) -> Result<Option<Id>, Failure> {
    let meaningless = |id: char| {
        errors::err(&format!(
            "The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this \
             consumer by specifying a proper ID, or use the > ID to get new messages. The {id} ID would just \
             return an empty result set."
        ))
    };
    match word {
        b"$" => Err(meaningless('$')),
        b"+" => Err(meaningless('+')),
        b">" => Ok(None),
        // The largest ID is what Redis keeps for `>`.
        _ => Ok(Some(words::id(word, 0)?).filter(|id| *id != LAST_ID)),
    }
}

fn new_entries(stream: &mut Stream, ask: &Ask, now_ms: i64) -> Option<Vec<Reply>> {
    let (name, consumer) = ask.group.as_ref().expect("it was checked");
    let from = words::next(stream.groups[name].last)?;
    let items: Vec<Item> = stream.range(from, LAST_ID).into_iter().cloned().collect();
    let items = ask.limited(items);
    let last = items.last()?.id;
    let mut read = stream.groups[name].read;
    for item in &items {
        read = stream.read_one(read, item.id);
    }
    let group = stream.groups.get_mut(name).expect("it was checked");
    (group.last, group.read) = (last, read);
    if !ask.no_ack {
        for item in &items {
            let pending = Pending {
                consumer: consumer.clone(),
                delivered_ms: now_ms,
                deliveries: 1,
            };
            group.pending.insert(item.id, pending);
        }
        group
            .consumers
            .get_mut(consumer)
            .expect("it was seen")
            .active_ms = now_ms;
    }
    Some(items.iter().map(item_reply).collect())
}

fn history(stream: &mut Stream, ask: &Ask, after: Id, now_ms: i64) -> Vec<Reply> {
    let (name, consumer) = ask.group.as_ref().expect("it was checked");
    let owned = stream.groups[name].owned(consumer);
    let behind: Vec<Id> = owned.into_iter().filter(|id| *id > after).collect();
    let mut replies = Vec::new();
    for id in ask.limited(behind) {
        let Some(item) = stream.item(id) else {
            replies.push(Reply::Array(vec![id_reply(id), Reply::NullArray]));
            continue;
        };
        replies.push(item_reply(item));
        let group = stream.groups.get_mut(name).expect("it was checked");
        let pending = group.pending.get_mut(&id).expect("it is owned");
        pending.delivered_ms = now_ms;
        pending.deliveries += 1;
    }
    replies
}
