//! Channels: subscribing, publishing, and what PUBSUB tells of them.

use std::collections::BTreeSet;

use crate::commands;
use crate::errors;
use crate::glob;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, ConnectionId, Model, Outcome};

/// The channel on which RESP2 hears of keys that have changed.
pub const INVALIDATIONS: &[u8] = b"__redis__:invalidate";

/// What a connection listens to.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    channels: BTreeSet<Vec<u8>>,
    patterns: BTreeSet<Vec<u8>>,
    shard_channels: BTreeSet<Vec<u8>>,
}

/// One of the three sets.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Channel,
    Pattern,
    ShardChannel,
}

impl Subscriptions {
    fn of(&self, kind: Kind) -> &BTreeSet<Vec<u8>> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
            Kind::ShardChannel => &self.shard_channels,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut BTreeSet<Vec<u8>> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::ShardChannel => &mut self.shard_channels,
        }
    }

    pub fn any(&self) -> bool {
        self.channels.len() + self.patterns.len() + self.shard_channels.len() > 0
    }

    /// How many channels, patterns and shard channels there are.
    pub fn counts(&self) -> [usize; 3] {
        let kinds = [Kind::Channel, Kind::Pattern, Kind::ShardChannel];
        kinds.map(|kind| self.of(kind).len())
    }

    /// What a confirmation shows: shard channels are counted apart.
    fn shown(&self, kind: Kind) -> usize {
        match kind {
            Kind::Channel | Kind::Pattern => self.channels.len() + self.patterns.len(),
            Kind::ShardChannel => self.shard_channels.len(),
        }
    }
}

pub fn subscribe(call: &mut Call) -> Outcome {
    join(call, Kind::Channel)
}

pub fn psubscribe(call: &mut Call) -> Outcome {
    join(call, Kind::Pattern)
}

pub fn ssubscribe(call: &mut Call) -> Outcome {
    if call.connection().executing.is_some() {
        let text = "SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
        return Err(errors::err(text));
    }
    join(call, Kind::ShardChannel)
}

pub fn unsubscribe(call: &mut Call) -> Outcome {
    leave(call, Kind::Channel)
}

pub fn punsubscribe(call: &mut Call) -> Outcome {
    leave(call, Kind::Pattern)
}

pub fn sunsubscribe(call: &mut Call) -> Outcome {
    leave(call, Kind::ShardChannel)
}

fn confirmation(call: &mut Call, kind: Kind, name: Option<&[u8]>) -> Reply {
    let shown = call.connection().subscriptions.shown(kind);
    Reply::Push(vec![
        Reply::bulk(call.name.as_bytes()),
        name.map_or(Reply::Null, Reply::bulk),
        Reply::count(shown),
    ])
}

fn join(call: &mut Call, kind: Kind) -> Outcome {
    let mut replies = Vec::new();
    for name in &call.args[1..] {
        let set = call.connection().subscriptions.of_mut(kind);
        set.insert(name.clone());
        replies.push(confirmation(call, kind, Some(name)));
    }
    Ok(Reply::Several(replies))
}

fn leave(call: &mut Call, kind: Kind) -> Outcome {
    let mut names = call.args[1..].to_vec();
    if names.is_empty() {
        let all = call.connection().subscriptions.of(kind);
        names = all.iter().cloned().collect();
    }
    let mut replies = Vec::new();
    for name in &names {
        let set = call.connection().subscriptions.of_mut(kind);
        set.remove(name);
        replies.push(confirmation(call, kind, Some(name)));
    }
    if replies.is_empty() {
        replies.push(confirmation(call, kind, None));
    }
    Ok(Reply::Several(replies))
}

pub fn publish(call: &mut Call) -> Outcome {
    Ok(Reply::count(call.model.publish(call.arg(1), call.arg(2))))
}

pub fn spublish(call: &mut Call) -> Outcome {
    let (channel, text) = (call.arg(1), call.arg(2));
    let receivers = call
        .model
        .send(Kind::ShardChannel, "smessage", channel, text);
    Ok(Reply::count(receivers))
}

impl Model {
    /// Sends a text to those who listen to a channel, and then to those whose patterns it fits; how many there are.
    pub fn publish(&mut self, channel: &[u8], text: &[u8]) -> usize {
        let receivers = self.send(Kind::Channel, "message", channel, text);
        let connections = self.connections.iter();
        let mut matching: Vec<(Vec<u8>, ConnectionId)> = connections
            .flat_map(|(id, connection)| {
                let patterns = connection.subscriptions.patterns.iter();
                patterns.map(|pattern| (pattern.clone(), *id))
            })
            .filter(|(pattern, _)| glob::fits(pattern, channel))
            .collect();
        matching.sort();
        for (pattern, receiver) in &matching {
            let words = [b"pmessage", pattern.as_slice(), channel, text];
            let message = Reply::Push(words.map(Reply::bulk).to_vec());
            self.post(*receiver, &message);
        }
        receivers + matching.len()
    }

    /// Sends a text to those who listen to its very channel.
    fn send(&mut self, kind: Kind, word: &str, channel: &[u8], text: &[u8]) -> usize {
        let listeners = self.listeners_of(kind, channel);
        for &listener in &listeners {
            let words = [word.as_bytes(), channel, text];
            let message = Reply::Push(words.map(Reply::bulk).to_vec());
            self.post(listener, &message);
        }
        listeners.len()
    }

    fn listeners_of(&self, kind: Kind, channel: &[u8]) -> Vec<ConnectionId> {
        let connections = self.connections.iter();
        let listening = connections.filter(|(_, it)| it.subscriptions.of(kind).contains(channel));
        listening.map(|(id, _)| *id).collect()
    }
}

pub fn channels(call: &mut Call) -> Outcome {
    list(call, Kind::Channel)
}

pub fn shardchannels(call: &mut Call) -> Outcome {
    list(call, Kind::ShardChannel)
}

fn all(call: &Call, kind: Kind) -> BTreeSet<Vec<u8>> {
    let connections = call.model.connections.values();
    connections
        .flat_map(|connection| connection.subscriptions.of(kind).iter().cloned())
        .collect()
}

fn list(call: &mut Call, kind: Kind) -> Outcome {
    let pattern = match call.args.len() {
        2 => None,
        3 => Some(call.arg(2)),
        _ => return Err(commands::misused_subcommand(call)),
    };
    let names = all(call, kind).into_iter();
    let wanted = names.filter(|name| pattern.is_none_or(|pattern| glob::fits(pattern, name)));
    Ok(Reply::Array(wanted.map(Reply::Bulk).collect()))
}

pub fn numsub(call: &mut Call) -> Outcome {
    count(call, Kind::Channel)
}

pub fn shardnumsub(call: &mut Call) -> Outcome {
    count(call, Kind::ShardChannel)
}

fn count(call: &mut Call, kind: Kind) -> Outcome {
    let mut items = Vec::new();
    for name in &call.args[2..] {
        items.push(Reply::bulk(name));
        items.push(Reply::count(call.model.listeners_of(kind, name).len()));
    }
    Ok(Reply::Array(items))
}

pub fn numpat(call: &mut Call) -> Outcome {
    Ok(Reply::count(all(call, Kind::Pattern).len()))
}

/// Whether a connection may send only commands about subscriptions: RESP2 has no other place for messages.
pub fn is_confined(subscriptions: &Subscriptions, protocol: Protocol) -> bool {
    subscriptions.any() && protocol == Protocol::Resp2
}

/// Whether a confined connection may send this command.
pub fn is_for_confined(name: &str) -> bool {
    name.ends_with("subscribe") || ["ping", "quit", "reset"].contains(&name)
}
