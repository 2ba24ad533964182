//! What commands did to keys, told to everyone who waits for it.
//!
//! While anybody listens ([`Changes::listen`](crate::keyspace::change::Changes::listen)) the keyspace keeps what a
//! command changes. [`distribute`] takes it once the command, the whole EXEC, the whole script or the job of a
//! background thread is over, still under the engine lock, and gives it to each consumer in turn: a function that gets
//! an [`Effects`]. A consumer may post bytes to other connections and append to the maker's reply; it does not change
//! keys, and it cannot fail.

use super::client::Client;
use super::server::Server;
use super::{feed, notification, push, serving};
use crate::keyspace::Keyspace;
use crate::keyspace::change::{Change, Listener};
use crate::resp::{Reply, ReplyMark};
use crate::storage::OnMiss;

/// The connection whose command made the changes.
pub struct Maker<'a> {
    pub client: &'a mut Client,
    /// Ends with the reply of the command, if it has one.
    pub out: &'a mut Reply,
    /// Where that reply begins.
    pub reply_at: ReplyMark,
}

impl Maker<'_> {
    fn says_nothing(&self) -> bool {
        self.client.outgoing.is_empty()
    }
}

/// What a consumer of changes is told.
pub struct Effects<'a> {
    /// In the order in which they were made.
    pub changes: &'a [Change],
    pub server: &'a Server,
    /// Bytes that tell of the changes may leave once the log is written up to here.
    pub lsn: u64,
    /// Wall time of the command in milliseconds.
    pub now_ms: u64,
}

/// Tells everyone what was changed since the last call, and serves the clients that waited for it. `maker` is None for
/// jobs.
pub fn distribute(keyspace: &mut Keyspace, server: &Server, maker: Option<Maker<'_>>, now_ms: u64) {
    let says_nothing = maker.as_ref().is_none_or(Maker::says_nothing);
    if keyspace.changes.is_empty() && says_nothing && !server.blocked.has_ready() {
        return;
    }
    let changes = tell(keyspace, server, maker, now_ms);
    if server.blocked.is_empty() {
        keyspace.changes.listen(Listener::Block, false);
        return;
    }
    let mut table = server.blocked.lock();
    table.note(&changes);
    serving::serve(keyspace, server, &mut table, now_ms);
    server.blocked.count(&table);
}

/// Gives the changes since the last call to every consumer, and returns them.
pub(super) fn tell(
    keyspace: &mut Keyspace,
    server: &Server,
    mut maker: Option<Maker<'_>>,
    now_ms: u64,
) -> Vec<Change> {
    let says_nothing = maker.as_ref().is_none_or(Maker::says_nothing);
    if keyspace.changes.has_due() {
        keyspace.engine.begin_command(OnMiss::Read);
        if let Err(error) = keyspace.remove_met_due(now_ms) {
            // It is removed when it is met again, or in the background.
            tracing::debug!("a due key was not removed: {error}");
        }
    }
    let changes = keyspace.changes.take();
    if changes.is_empty() && says_nothing {
        return changes;
    }
    let effects = Effects {
        changes: &changes,
        server,
        lsn: keyspace.last_lsn(),
        now_ms,
    };
    if server.watched.watchers() > 0 {
        server.watched.see(&changes, keyspace, now_ms);
    } else {
        keyspace.changes.listen(Listener::Watch, false);
    }
    for consumer in CONSUMERS {
        consumer(&effects, maker.as_mut());
    }
    changes
}

/// Lets the keyspace keep what keyspace notifications, client tracking, replicas and the append-only file need to
/// hear of, as things are now. To be called before a command or a job changes keys. During a pause keys that are due
/// stay when they are met, and nobody is told of them.
pub fn listen(keyspace: &mut Keyspace, server: &Server, now_ms: u64) {
    keyspace.changes.notify(notification::wanted(server));
    keyspace
        .changes
        .listen(Listener::Track, server.tracking.any());
    keyspace
        .changes
        .listen(Listener::Repeat, server.feed.is_wanted());
    if server.watched.watchers() > 0 {
        // One that came while a script had the data could not say so.
        keyspace.changes.listen(Listener::Watch, true);
    }
    let is_paused = server.pause.holds(true, now_ms).is_some();
    keyspace.changes.listen(Listener::Expire, !is_paused);
}

/// Who is told, in this order.
const CONSUMERS: &[fn(&Effects<'_>, Option<&mut Maker<'_>>)] = &[push::consume, feed::consume];
