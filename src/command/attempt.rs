//! Carrying out a handler so that a command that fails leaves no trace.

use super::{Call, Failure, Outcome};
use crate::keyspace::change::Listener;

/// Runs `handler`, and keeps its words for those who repeat what commands do. If it fails, what it had written of a
/// reply is taken back; if storage failed it, so are statistics, changes told, messages, subscriptions and random
/// draws, so that it can run again.
pub fn carry_out(call: &mut Call<'_>, handler: fn(&mut Call<'_>) -> Outcome) -> Outcome {
    let reply = call.out.mark();
    let mark = call.keyspace.mark();
    let said = call.client.outgoing.mark();
    let repeats = call.keyspace.changes.hears(Listener::Repeat);
    let (db, dirty) = (call.client.db, call.keyspace.stats.dirty);
    if repeats {
        call.keyspace.changes.begin_effect();
    }
    let outcome = handler(call);
    if repeats {
        let has_changed = outcome.is_ok() && call.keyspace.stats.dirty != dirty;
        let changes = &mut call.keyspace.changes;
        changes.end_effect(db, call.args, has_changed);
    }
    if let Err(failure) = &outcome {
        call.out.cut(reply);
        if let Failure::Storage(_) | Failure::Slow = failure {
            call.keyspace.undo(mark);
            call.client.take_back(said, call.server);
        }
    }
    outcome
}
