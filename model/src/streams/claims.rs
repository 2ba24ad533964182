//! XCLAIM and XAUTOCLAIM.

use super::pending::no_group;
use super::{FIRST_ID, Group, Id, LAST_ID, Pending, Stream, id_reply, item_reply, words};
use crate::errors::{self, Failure};
use crate::numbers::{integer, integer_or};
use crate::reply::Reply;
use crate::state::{Call, Outcome};

/// How an entry is claimed.
struct Claim {
    group: Vec<u8>,
    consumer: Vec<u8>,
    idle_ms: i64,
    delivered_ms: i64,
    deliveries: Option<i64>,
    just_id: bool,
    now_ms: i64,
}

enum Fate {
    Left,
    Gone,
    Claimed(Reply),
}

impl Claim {
    fn group<'s>(&self, stream: &'s mut Stream) -> &'s mut Group {
        stream.groups.get_mut(&self.group).expect("it was checked")
    }

    /// Claims an entry that is pending, or becomes so by `force`.
    fn one(&self, stream: &mut Stream, id: Id, force: bool) -> Fate {
        let pending = self.group(stream).pending.get(&id).cloned();
        let Some(item) = stream.item(id).cloned() else {
            let gone = self.group(stream).pending.remove(&id).is_some();
            return if gone { Fate::Gone } else { Fate::Left };
        };
        let deliveries = match &pending {
            Some(old) if self.idle_ms > 0 && self.now_ms - old.delivered_ms < self.idle_ms => {
                return Fate::Left;
            }
            Some(old) => old.deliveries,
            None if force => 1,
            None => return Fate::Left,
        };
        let new = Pending {
            consumer: self.consumer.clone(),
            delivered_ms: self.delivered_ms,
            deliveries: self
                .deliveries
                .unwrap_or(deliveries + i64::from(!self.just_id)),
        };
        let group = self.group(stream);
        group.pending.insert(id, new);
        let consumer = group.consumers.get_mut(&self.consumer);
        consumer.expect("it was seen").active_ms = self.now_ms;
        Fate::Claimed(if self.just_id {
            id_reply(id)
        } else {
            item_reply(&item)
        })
    }
}

fn idle(call: &Call) -> Result<i64, Failure> {
    let name = call.name.to_ascii_uppercase();
    let complaint = format!("Invalid min-idle-time argument for {name}");
    Ok(integer_or(call.arg(4), &complaint)?.max(0))
}

fn known<'c>(call: &'c mut Call) -> Result<&'c mut Stream, Failure> {
    let (key, group) = (call.arg(1), call.arg(2));
    call.look_for(key);
    let stream = call.stream(key)?;
    stream
        .filter(|it| it.groups.contains_key(group))
        .ok_or_else(|| no_group(key, group))
}

pub fn xclaim(call: &mut Call) -> Outcome {
    known(call)?;
    let mut claim = Claim {
        group: call.arg(2).to_vec(),
        consumer: call.arg(3).to_vec(),
        idle_ms: idle(call)?,
        delivered_ms: -1,
        deliveries: None,
        just_id: false,
        now_ms: call.now_ms,
    };
    let ids: Vec<Id> = call.args[5..]
        .iter()
        .map_while(|word| words::id(word, 0).ok())
        .collect();
    let (mut force, mut last) = (false, FIRST_ID);
    let mut at = 5 + ids.len();
    let number = |at: usize, name: &str| {
        integer_or(
            call.arg(at),
            &format!("Invalid {name} option argument for XCLAIM"),
        )
    };
    while at < call.args.len() {
        let more = at + 1 < call.args.len();
        at += 1;
        if call.says(at - 1, "FORCE") {
            force = true;
        } else if call.says(at - 1, "JUSTID") {
            claim.just_id = true;
        } else if call.says(at - 1, "IDLE") && more {
            claim.delivered_ms = call.now_ms - number(at, "IDLE")?;
            at += 1;
        } else if call.says(at - 1, "TIME") && more {
            claim.delivered_ms = number(at, "TIME")?;
            at += 1;
        } else if call.says(at - 1, "RETRYCOUNT") && more {
            claim.deliveries = Some(number(at, "RETRYCOUNT")?).filter(|count| *count >= 0);
            at += 1;
        } else if call.says(at - 1, "LASTID") && more {
            last = words::id(call.arg(at), 0)?;
            at += 1;
        } else {
            let shown = crate::commands::up_to_nul(call.arg(at - 1), usize::MAX);
            return Err(errors::err_bytes(&[
                b"Unrecognized XCLAIM option '",
                shown,
                b"'",
            ]));
        }
    }
    if !(0..=call.now_ms).contains(&claim.delivered_ms) {
        claim.delivered_ms = call.now_ms;
    }
    known(call)?;
    call.see_consumer(call.arg(1), &claim.group, &claim.consumer);
    let stream = known(call)?;
    let group = claim.group(stream);
    group.last = group.last.max(last);
    let mut claimed = Vec::new();
    for id in ids {
        if let Fate::Claimed(reply) = claim.one(stream, id, force) {
            claimed.push(reply);
        }
    }
    Ok(Reply::Array(claimed))
}

pub fn xautoclaim(call: &mut Call) -> Outcome {
    let idle_ms = idle(call)?;
    let start = words::start(call.arg(5))?;
    let (mut count, mut just_id) = (100, false);
    let mut at = 6;
    while at < call.args.len() {
        if call.says(at, "COUNT") && at + 1 < call.args.len() {
            at += 1;
            let complaint = || errors::err("COUNT must be > 0");
            count = integer(call.arg(at)).map_err(|_| complaint())?;
            if !(1..=i64::MAX / 16).contains(&count) {
                return Err(complaint());
            }
        } else if call.says(at, "JUSTID") {
            just_id = true;
        } else {
            return Err(errors::syntax());
        }
        at += 1;
    }
    let claim = Claim {
        group: call.arg(2).to_vec(),
        consumer: call.arg(3).to_vec(),
        idle_ms,
        delivered_ms: call.now_ms,
        deliveries: None,
        just_id,
        now_ms: call.now_ms,
    };
    known(call)?;
    call.see_consumer(call.arg(1), &claim.group, &claim.consumer);
    let stream = known(call)?;
    let ids: Vec<Id> = claim.group(stream).pending.keys().copied().collect();
    let mut ids = ids.into_iter().filter(|id| (start..=LAST_ID).contains(id));
    let (mut claimed, mut gone) = (Vec::new(), Vec::new());
    let mut attempts = count.saturating_mul(10);
    while attempts > 0 && claimed.len() + gone.len() < count as usize {
        let Some(id) = ids.next() else {
            break;
        };
        attempts -= 1;
        match claim.one(stream, id, false) {
            Fate::Left => {}
            Fate::Gone => gone.push(id_reply(id)),
            Fate::Claimed(reply) => claimed.push(reply),
        }
    }
    Ok(Reply::Array(vec![
        id_reply(ids.next().unwrap_or(FIRST_ID)),
        Reply::Array(claimed),
        Reply::Array(gone),
    ]))
}
