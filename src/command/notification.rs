//! Keyspace notifications: what `notify-keyspace-events` switches on.

use std::sync::atomic::Ordering;

use super::outgoing::Outgoing;
use super::server::Server;
use super::subscriptions::Kind;
use crate::config::events;
use crate::keyspace::change::Class;

/// Every class and its bit in the value of the directive.
const CLASSES: [(Class, i64); 11] = [
    (Class::Generic, events::GENERIC),
    (Class::String, events::STRING),
    (Class::List, events::LIST),
    (Class::Set, events::SET),
    (Class::Hash, events::HASH),
    (Class::SortedSet, events::ZSET),
    (Class::Stream, events::STREAM),
    (Class::Expired, events::EXPIRED),
    (Class::Evicted, events::EVICTED),
    (Class::Miss, events::MISS),
    (Class::New, events::NEW),
];

/// The classes that are wanted, as bits of [`Class`], while anybody may hear of them.
pub fn wanted(server: &Server) -> u16 {
    let flags = server.tuning.events.load(Ordering::Relaxed);
    if flags & (events::KEYSPACE | events::KEYEVENT) == 0 || !server.subscriptions.any() {
        return 0;
    }
    CLASSES
        .iter()
        .filter(|(_, bit)| flags & bit != 0)
        .fold(0, |classes, (class, _)| classes | class.bit())
}

/// Puts the messages of one event into `outgoing`.
pub fn publish(server: &Server, db: u32, key: &[u8], event: &str, outgoing: &mut Outgoing) {
    let flags = server.tuning.events.load(Ordering::Relaxed);
    if flags & events::KEYSPACE != 0 {
        let mut channel = format!("__keyspace@{db}__:").into_bytes();
        channel.extend_from_slice(key);
        let event = event.as_bytes();
        server
            .subscriptions
            .publish(Kind::Channel, &channel, event, outgoing);
    }
    if flags & events::KEYEVENT != 0 {
        let channel = format!("__keyevent@{db}__:{event}");
        server
            .subscriptions
            .publish(Kind::Channel, channel.as_bytes(), key, outgoing);
    }
}
