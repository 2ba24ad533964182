//! SUBSCRIBE, PUBLISH and their kin; PUBSUB.

use super::subscriptions::{Counts, Kind};
use super::table::{Command, Flag};
use super::{Call, Outcome, errors, help};
use crate::resp::{ErrorReply, Proto};

/// Whether the command's replies are push messages: those that change subscriptions.
pub fn answers_with_pushes(command: &Command) -> bool {
    command.flags.has(Flag::PubSub) && command.flags.has(Flag::NoScript)
}

/// Whether a subscriber that speaks RESP2 may send this command.
pub fn is_for_subscribers(command: &Command) -> bool {
    answers_with_pushes(command) || matches!(command.name(), "ping" | "quit" | "reset")
}

/// SUBSCRIBE channel ...
pub fn subscribe(call: &mut Call<'_>) -> Outcome {
    join(call, Kind::Channel, b"subscribe")
}

/// PSUBSCRIBE pattern ...
pub fn psubscribe(call: &mut Call<'_>) -> Outcome {
    join(call, Kind::Pattern, b"psubscribe")
}

/// SSUBSCRIBE shardchannel ...; not in a transaction, which the other two may be in.
pub fn ssubscribe(call: &mut Call<'_>) -> Outcome {
    const NOT_HERE: ErrorReply =
        ErrorReply::new("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client");
    if call.client.deny_blocking {
        return Err(NOT_HERE.into());
    }
    join(call, Kind::Shard, b"ssubscribe")
}

/// UNSUBSCRIBE [channel ...]
pub fn unsubscribe(call: &mut Call<'_>) -> Outcome {
    leave(call, Kind::Channel, b"unsubscribe")
}

/// PUNSUBSCRIBE [pattern ...]
pub fn punsubscribe(call: &mut Call<'_>) -> Outcome {
    leave(call, Kind::Pattern, b"punsubscribe")
}

/// SUNSUBSCRIBE [shardchannel ...]
pub fn sunsubscribe(call: &mut Call<'_>) -> Outcome {
    leave(call, Kind::Shard, b"sunsubscribe")
}

fn join(call: &mut Call<'_>, kind: Kind, word: &[u8]) -> Outcome {
    for name in &call.args[1..] {
        let client = &mut *call.client;
        let (counts, step) = call
            .server
            .subscriptions
            .subscribe(&client.entry, kind, name);
        client.outgoing.steps(step);
        client.set_subscriptions(counts);
        confirm(call, word, Some(name), counts.shown(kind));
    }
    Ok(())
}

fn leave(call: &mut Call<'_>, kind: Kind, word: &[u8]) -> Outcome {
    if call.args.len() > 1 {
        for name in &call.args[1..] {
            leave_one(call, kind, word, name);
        }
        return Ok(());
    }
    let names = call.server.subscriptions.names(call.client.id, kind);
    for name in &names {
        leave_one(call, kind, word, name);
    }
    if names.is_empty() {
        let counts = call.client.subscriptions;
        confirm(call, word, None, counts.shown(kind));
    }
    Ok(())
}

fn leave_one(call: &mut Call<'_>, kind: Kind, word: &[u8], name: &[u8]) {
    let client = &mut *call.client;
    let (counts, step) = call.server.subscriptions.unsubscribe(client.id, kind, name);
    client.outgoing.steps(step);
    client.set_subscriptions(counts);
    confirm(call, word, Some(name), counts.shown(kind));
}

/// Tells the client of a subscription that began or ended, and how many it has now.
fn confirm(call: &mut Call<'_>, word: &[u8], name: Option<&[u8]>, count: usize) {
    let out = &mut *call.out;
    out.push(3);
    out.bulk(word);
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.int(count as i64);
}

/// Ends all subscriptions of the connection, without a word.
pub fn leave_all(call: &mut Call<'_>) {
    let client = &mut *call.client;
    if client.subscriptions.any() {
        call.server.subscriptions.leave(client.id);
        client.set_subscriptions(Counts::default());
    }
}

/// PUBLISH channel message
pub fn publish(call: &mut Call<'_>) -> Outcome {
    send(call, Kind::Channel)
}

/// SPUBLISH shardchannel message
pub fn spublish(call: &mut Call<'_>) -> Outcome {
    send(call, Kind::Shard)
}

fn send(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let outgoing = &mut call.client.outgoing;
    outgoing.place(call.keyspace.changes.len());
    let (channel, message) = (call.args[1], call.args[2]);
    let receivers = call
        .server
        .subscriptions
        .publish(kind, channel, message, outgoing);
    call.out.int(receivers as i64);
    let db = call.client.db;
    call.keyspace.changes.message(db, call.args);
    Ok(())
}

/// What PING answers to a subscriber that speaks RESP2; false if this is none. A script, which hears RESP2, is none.
pub fn ping(call: &mut Call<'_>) -> bool {
    let is_subscriber = call.client.subscriptions.any() && !call.client.in_script;
    if call.out.proto() != Proto::Resp2 || !is_subscriber {
        return false;
    }
    call.out.array(2);
    call.out.bulk(b"pong");
    call.out.bulk(call.args.get(1).copied().unwrap_or_default());
    true
}

/// PUBSUB CHANNELS [pattern]
pub fn channels(call: &mut Call<'_>) -> Outcome {
    list(call, Kind::Channel)
}

/// PUBSUB SHARDCHANNELS [pattern]
pub fn shardchannels(call: &mut Call<'_>) -> Outcome {
    list(call, Kind::Shard)
}

fn list(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let pattern = match call.args[2..] {
        [] => None,
        [pattern] => Some(pattern),
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let names = call.server.subscriptions.matching(kind, pattern);
    call.out.array(names.len());
    for name in names {
        call.out.bulk(&name);
    }
    Ok(())
}

/// PUBSUB NUMSUB [channel ...]
pub fn numsub(call: &mut Call<'_>) -> Outcome {
    count(call, Kind::Channel)
}

/// PUBSUB SHARDNUMSUB [shardchannel ...]
pub fn shardnumsub(call: &mut Call<'_>) -> Outcome {
    count(call, Kind::Shard)
}

fn count(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let names = &call.args[2..];
    call.out.array(names.len() * 2);
    for name in names {
        call.out.bulk(name);
        let listeners = call.server.subscriptions.listeners(kind, name);
        call.out.int(listeners as i64);
    }
    Ok(())
}

/// PUBSUB NUMPAT
pub fn numpat(call: &mut Call<'_>) -> Outcome {
    let patterns = call.server.subscriptions.sizes().patterns;
    call.out.int(patterns as i64);
    Ok(())
}

/// PUBSUB HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::PUBSUB)
}
