//! Sending what commands have to say: messages of channels, keyspace notifications, invalidations of tracked keys.
//!
//! To the connection whose command it is everything comes behind the command's reply: messages and notifications in
//! the order in which they were made, in the protocol that it spoke then, then invalidations. To others it comes in the order in which it was made.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::client::Entry;
use super::effects::{Effects, Maker};
use super::notification;
use super::outgoing::{Kind, Outgoing, Progress};
use super::server::Server;
use super::serving;
use super::tracking::Target;
use crate::keyspace::change::Change;
use crate::resp::{Proto, Reply, encode};

/// The channel on which a connection of RESP2 gets the invalidations that are redirected to it.
const INVALIDATION_CHANNEL: &[u8] = b"__redis__:invalidate";

/// Hands messages to connections while the engine lock is held.
pub struct Sender<'a> {
    server: &'a Server,
    /// Messages leave once the log is written up to here.
    lsn: u64,
    /// The connection whose turn it is, and the end of its replies.
    own: Option<(u64, &'a mut Reply)>,
}

impl<'a> Sender<'a> {
    pub fn new(server: &'a Server, lsn: u64, own: Option<(u64, &'a mut Reply)>) -> Self {
        Self { server, lsn, own }
    }

    /// Sends a message, whose form is that of RESP2. `own_proto` is what the connection whose turn it is gets it in; None:
    /// what it speaks now.
    fn send(&mut self, to: &Arc<Entry>, message: &[u8], own_proto: Option<Proto>) {
        if let Some((id, out)) = &mut self.own
            && *id == to.id
        {
            let kind = match own_proto.unwrap_or(out.proto()) {
                Proto::Resp3 => b'>',
                Proto::Resp2 => message[0],
            };
            out.raw(&[kind]);
            out.raw(&message[1..]);
            return;
        }
        let kind = match to.proto() {
            Proto::Resp3 => b'>',
            Proto::Resp2 => message[0],
        };
        self.server.post(to, &[&[kind], &message[1..]], self.lsn);
    }

    /// Sends one invalidation. `keys` is a reply: an array of keys, or the null that stands for all.
    fn invalidate(&mut self, target: &Target, keys: &[u8]) {
        let redirected = match target.redirect {
            0 => None,
            id => match self.server.registry.get(id) {
                Some(entry) => Some(entry),
                None => return self.tell_broken(target),
            },
        };
        let to = redirected.as_ref().unwrap_or(&target.entry);
        let mut message = Vec::with_capacity(keys.len() + 64);
        if to.proto() == Proto::Resp3 {
            encode::array(&mut message, 2);
            encode::bulk(&mut message, b"invalidate");
        } else if redirected.is_some() && to.is_subscriber() {
            encode::array(&mut message, 3);
            encode::bulk(&mut message, b"message");
            encode::bulk(&mut message, INVALIDATION_CHANNEL);
        } else {
            // This protocol has no way to tell it.
            return;
        }
        message.extend_from_slice(keys);
        self.send(to, &message, None);
    }

    /// The connection that should get the invalidations is gone.
    fn tell_broken(&mut self, target: &Target) {
        target.entry.set_redirect_broken(true);
        if target.entry.proto() == Proto::Resp3 {
            let mut message = Vec::new();
            encode::array(&mut message, 2);
            encode::bulk(&mut message, b"tracking-redir-broken");
            encode::int(&mut message, target.redirect as i64);
            self.send(&target.entry, &message, None);
        }
    }

    fn invalidate_all(&mut self, target: &Target) {
        let null: &[u8] = match target.entry.proto() {
            Proto::Resp3 => b"_\r\n",
            Proto::Resp2 => b"$-1\r\n",
        };
        self.invalidate(target, null);
    }

    /// Tells what changed under the prefixes of tracking connections since the last call.
    pub fn broadcast(&mut self) {
        if !self.server.tracking.any() {
            return;
        }
        for broadcast in self.server.tracking.broadcasts() {
            let keys = array(broadcast.keys.iter().map(|key| &**key));
            for target in &broadcast.targets {
                self.invalidate(target, &keys);
            }
        }
    }

    /// Forgets tracked keys above `tracking-table-max-keys`, and tells who has read them.
    pub fn make_room(&mut self) {
        let keys_max = self.server.tuning.tracked_keys_max.load(Ordering::Relaxed);
        if !self.server.tracking.is_over(keys_max) {
            return;
        }
        for (key, targets) in self.server.tracking.make_room(keys_max) {
            for target in &targets {
                self.invalidate(target, &array([&*key].into_iter()));
            }
        }
    }
}

/// An array of bulk strings.
fn array<'a>(items: impl ExactSizeIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    encode::bulks(&mut out, items);
    out
}

/// An invalidation for the maker of the changes: it waits for everything else.
struct Pending {
    target: Target,
    /// None: all keys.
    key: Option<Box<[u8]>>,
}

/// Tells tracking connections of one change; what is for the maker becomes pending.
///
/// What a script or time changed is announced to the maker under its prefixes even with NOLOOP.
fn invalidate(
    sender: &mut Sender<'_>,
    change: &Change,
    (maker, is_scripted): (u64, bool),
    pending: &mut Vec<Pending>,
) {
    let tracking = &sender.server.tracking;
    let (key, targets) = match change {
        Change::Touched { key, expired, .. } => {
            let is_own = !*expired && !is_scripted;
            (Some(key), tracking.changed(key, maker, is_own))
        }
        Change::Flushed { .. } => (None, tracking.flushed()),
        Change::Event { .. }
        | Change::Swapped { .. }
        | Change::Ready { .. }
        | Change::FieldExpired { .. }
        | Change::Effect { .. } => return,
    };
    for target in targets {
        if target.entry.id == maker {
            pending.push(Pending {
                target,
                key: key.cloned(),
            });
            continue;
        }
        match key {
            Some(key) => sender.invalidate(&target, &array([&**key].into_iter())),
            None => sender.invalidate_all(&target),
        }
    }
}

/// Whether this change empties a database as part of the same command as the change before.
fn goes_on(change: &Change, before: Option<&Change>) -> bool {
    match (before, change) {
        (Some(Change::Flushed { db: before }), Change::Flushed { db }) => *before + 1 == *db,
        _ => false,
    }
}

/// Sends everything that the command, and what it changed, has to say.
pub fn consume(effects: &Effects<'_>, maker: Option<&mut Maker<'_>>) {
    let Some(maker) = maker else {
        return tell(effects, &Outgoing::default(), None);
    };
    let mut outgoing = std::mem::take(&mut maker.client.outgoing);
    let replied = maker.out.mark();
    tell(effects, &outgoing, Some((maker.client.id, maker.out)));
    if outgoing.before_reply {
        let own = Some((maker.client.id, &mut *maker.out));
        Sender::new(effects.server, effects.lsn, own).broadcast();
        maker.out.move_before(maker.reply_at, replied);
    }
    outgoing.clear();
    maker.client.outgoing = outgoing;
}

fn tell(effects: &Effects<'_>, outgoing: &Outgoing, own: Option<(u64, &mut Reply)>) {
    let server = effects.server;
    let id = own.as_ref().map_or(0, |(id, _)| *id);
    let mut sender = Sender::new(server, effects.lsn, own);
    let is_tracked = server.tracking.any();
    let mut progress = Progress::default();
    let mut events = Outgoing::default();
    let mut pending = Vec::new();
    let mut before = None;
    for (at, change) in effects.changes.iter().enumerate() {
        speak(&mut sender, outgoing, at, &mut progress, id);
        if let Change::Event { db, key, name, .. } = change {
            notification::publish(server, *db, key, name, &mut events);
            let proto = outgoing.proto_at_change(at);
            events.up_to(
                0,
                &mut Progress::default(),
                |_, to, message, _| sender.send(to, message, proto),
                |_| {},
            );
            events.clear();
        } else if is_tracked && !goes_on(change, before) {
            let maker = (id, outgoing.is_scripted(at));
            invalidate(&mut sender, change, maker, &mut pending);
        }
        before = Some(change);
    }
    speak(&mut sender, outgoing, usize::MAX, &mut progress, id);
    for Pending { target, key } in pending {
        match key {
            Some(key) => sender.invalidate(&target, &array([&*key].into_iter())),
            None => sender.invalidate_all(&target),
        }
    }
}

/// Sends what was posted, and remembers the reads, that come before change number `changes`.
fn speak(
    sender: &mut Sender<'_>,
    outgoing: &Outgoing,
    changes: usize,
    progress: &mut Progress,
    id: u64,
) {
    let tracking = &sender.server.tracking;
    outgoing.up_to(
        changes,
        progress,
        |kind, to, bytes, proto| match kind {
            Kind::Message => sender.send(to, bytes, proto),
            // It tells nothing of the data.
            Kind::WaitEnd => serving::resume(to, bytes, 0),
        },
        |key| tracking.remember(id, key),
    );
}
