//! Carrying out a handler so that a command that fails leaves no trace.

use super::{Call, Failure, Outcome};

/// Runs `handler`. If it fails, what it had written of a reply is taken back; if storage failed it, so are
/// statistics, changes told, messages, subscriptions and random draws, so that it can run again.
pub fn carry_out(call: &mut Call<'_>, handler: fn(&mut Call<'_>) -> Outcome) -> Outcome {
    let reply = call.out.mark();
    let mark = call.keyspace.mark();
    let said = call.client.outgoing.mark();
    let outcome = handler(call);
    if let Err(failure) = &outcome {
        call.out.cut(reply);
        if let Failure::Storage(_) | Failure::Slow = failure {
            call.keyspace.undo(mark);
            call.client.take_back(said, call.server);
        }
    }
    outcome
}
