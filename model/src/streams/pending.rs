//! XPENDING.

use super::{Group, Id, id_reply, words};
use crate::errors::{self, Failure};
use crate::numbers::integer;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

pub fn no_group(key: &[u8], group: &[u8]) -> Failure {
    words::no_group(&[b"No such key '", key, b"' or consumer group '", group, b"'"])
}

/// Which entries are listed.
struct Listed {
    idle_ms: i64,
    from: Id,
    to: Id,
    count: usize,
    consumer: Option<Vec<u8>>,
}

fn listed(call: &Call) -> Result<Option<Listed>, Failure> {
    if call.args.len() == 3 {
        return Ok(None);
    }
    if !(6..=9).contains(&call.args.len()) {
        return Err(errors::syntax());
    }
    let (mut at, mut idle_ms) = (3, 0);
    if call.says(3, "IDLE") {
        idle_ms = integer(call.arg(4))?;
        if call.args.len() < 8 {
            return Err(errors::syntax());
        }
        at = 5;
    }
    let count = integer(call.arg(at + 2))?.max(0) as usize;
    Ok(Some(Listed {
        idle_ms,
        from: words::start(call.arg(at))?,
        to: words::end(call.arg(at + 1))?,
        count,
        consumer: call.args.get(at + 3).cloned(),
    }))
}

pub fn xpending(call: &mut Call) -> Outcome {
    let listed = listed(call)?;
    let (key, name, now_ms) = (call.arg(1), call.arg(2), call.now_ms);
    call.look_for(key);
    let group = call.stream(key)?.and_then(|it| it.groups.get(name));
    let group = group.ok_or_else(|| no_group(key, name))?;
    Ok(match listed {
        Some(listed) => list(group, &listed, now_ms),
        None => summary(group),
    })
}

fn summary(group: &Group) -> Reply {
    let Some((first, last)) = group.pending.keys().next().zip(group.pending.keys().last()) else {
        return Reply::Array(vec![
            Reply::Integer(0),
            Reply::Null,
            Reply::Null,
            Reply::NullArray,
        ]);
    };
    let owners = group.consumers.keys().filter_map(|name| {
        let owned = group.owned(name).len();
        let count = Reply::bulk(owned.to_string().as_bytes());
        (owned > 0).then(|| Reply::Array(vec![Reply::bulk(name), count]))
    });
    Reply::Array(vec![
        Reply::count(group.pending.len()),
        id_reply(*first),
        id_reply(*last),
        Reply::Array(owners.collect()),
    ])
}

fn list(group: &Group, listed: &Listed, now_ms: i64) -> Reply {
    let wanted = group.pending.iter().filter(|(id, pending)| {
        (listed.from..=listed.to).contains(*id)
            && listed
                .consumer
                .as_ref()
                .is_none_or(|name| *name == pending.consumer)
            && (listed.idle_ms == 0 || now_ms - pending.delivered_ms >= listed.idle_ms)
    });
    let rows = wanted.take(listed.count).map(|(id, pending)| {
        Reply::Array(vec![
            id_reply(*id),
            Reply::bulk(&pending.consumer),
            Reply::Integer((now_ms - pending.delivered_ms).max(0)),
            Reply::Integer(pending.deliveries),
        ])
    });
    Reply::Array(rows.collect())
}
