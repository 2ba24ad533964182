//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! A watched key has changed when a request touched it ([`Call::touch`]), when its entry is another one after a request
//! than before, or when it expired. All connections' watches are looked at after every request, and once after a whole
//! EXEC.

use std::collections::{BTreeMap, BTreeSet};

use crate::commands;
use crate::errors::{self, Failure};
use crate::hashes::Hash;
use crate::reply::Reply;
use crate::sets::Set;
use crate::state::{Call, ConnectionId, Entry, Model, Outcome, Value};
use crate::table;

/// An open transaction.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    pub queue: Vec<Vec<Vec<u8>>>,
    /// A request was refused, so EXEC fails.
    pub aborted: bool,
}

/// What a connection watches.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    /// Databases and keys.
    pub keys: Vec<(usize, Vec<u8>)>,
    /// One of them changed, so EXEC answers nothing.
    pub changed: bool,
}

/// Commands that an open transaction does not queue.
const AT_ONCE: &[&str] = &["exec", "discard", "multi", "watch", "quit", "reset"];

/// Whether a command is refused inside MULTI.
fn is_never_queued(name: &str) -> bool {
    name == "checkpoint" || table::find(name).is_some_and(|it| it.has_flag("no_multi"))
}

/// Whether an open transaction refuses the command.
pub fn forbids(call: &mut Call) -> bool {
    is_never_queued(call.name) && call.connection().transaction.is_some()
}

/// Queues a request that is well formed, if a transaction is open.
pub fn queue(call: &mut Call) -> Option<Outcome> {
    let (name, request) = (call.name, call.args.to_vec());
    let connection = call.connection();
    let is_vain = connection.watches.changed;
    let transaction = connection.transaction.as_mut()?;
    if AT_ONCE.contains(&name) {
        return None;
    }
    // What will not run is not kept.
    if !transaction.aborted && !is_vain {
        transaction.queue.push(request);
    }
    Some(Ok(Reply::Status(b"QUEUED".to_vec())))
}

/// A request was refused before it ran: an open transaction fails, and is over if it was EXEC.
pub fn refuse(call: &mut Call, failure: Failure) -> Failure {
    if call.name == "exec" {
        end(call);
        let reason = failure.0.strip_prefix(b"ERR ").unwrap_or(&failure.0);
        return Failure([b"EXECABORT Transaction discarded because of: ", reason].concat());
    }
    if let Some(transaction) = &mut call.connection().transaction {
        transaction.aborted = true;
    }
    failure
}

fn end(call: &mut Call) -> Option<Transaction> {
    let connection = call.connection();
    connection.watches = Watches::default();
    connection.transaction.take()
}

pub fn multi(call: &mut Call) -> Outcome {
    if call.connection().transaction.is_some() {
        return Err(errors::err("MULTI calls can not be nested"));
    }
    call.connection().transaction = Some(Transaction::default());
    Ok(Reply::ok())
}

pub fn discard(call: &mut Call) -> Outcome {
    match end_if_open(call) {
        Some(_) => Ok(Reply::ok()),
        None => Err(errors::err("DISCARD without MULTI")),
    }
}

fn end_if_open(call: &mut Call) -> Option<Transaction> {
    call.connection().transaction.as_ref()?;
    end(call)
}

pub fn watch(call: &mut Call) -> Outcome {
    if call.connection().transaction.is_some() {
        return Err(errors::err("WATCH inside MULTI is not allowed"));
    }
    let keys = call.args[1..].to_vec();
    let connection = call.connection();
    if !connection.watches.changed {
        let database = connection.database;
        let keys = keys.into_iter().map(|key| (database, key));
        connection.watches.keys.extend(keys);
    }
    Ok(Reply::ok())
}

pub fn unwatch(call: &mut Call) -> Outcome {
    call.connection().watches = Watches::default();
    Ok(Reply::ok())
}

pub fn exec(call: &mut Call) -> Outcome {
    let changed = call.connection().watches.changed;
    let Some(transaction) = end_if_open(call) else {
        return Err(errors::err("EXEC without MULTI"));
    };
    if transaction.aborted {
        let text = b"EXECABORT Transaction discarded because of previous errors.";
        return Err(Failure(text.to_vec()));
    }
    if changed {
        return Ok(Reply::NullArray);
    }
    let mut replies = Vec::new();
    call.connection().executing = Some(transaction.queue.len());
    for request in &transaction.queue {
        // A request before may have given a key an expiry in the past.
        call.model.remove_expired(call.now_ms);
        let mut inner = Call {
            args: request,
            model: &mut *call.model,
            connection: call.connection,
            name: "",
            now_ms: call.now_ms,
        };
        inner.begin_stage(request);
        let reply = match inner.check_permission(request, "multi") {
            Ok(()) => commands::run(&mut inner).unwrap_or_else(Reply::from),
            Err(denied) => Reply::Error(no_longer_allowed(denied.reason())),
        };
        inner.end_stage();
        // HELLO changes the protocol of the replies that follow.
        let protocol = inner.connection().protocol;
        replies.push(Reply::Encoded(reply.encode(protocol)));
    }
    call.connection().executing = None;
    Ok(Reply::Array(replies))
}

fn no_longer_allowed(reason: &str) -> Vec<u8> {
    let text = format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: {reason}"
    );
    text.into_bytes()
}

/// The entries at all watched keys.
pub struct Watched(Vec<(ConnectionId, usize, Vec<u8>, Option<Entry>)>);

impl Model {
    /// What the watches see before a request.
    pub(crate) fn watched(&self) -> Watched {
        let mut watched = Vec::new();
        for (&id, connection) in &self.connections {
            for (database, key) in &connection.watches.keys {
                let entry = self.entry(*database, key).cloned();
                watched.push((id, *database, key.clone(), entry));
            }
        }
        Watched(watched)
    }

    /// Marks the connections that watch what these requests changed.
    pub(crate) fn compare_watched(&mut self, before: Watched) {
        let touched = std::mem::take(&mut self.touched);
        for (id, database, key, old) in before.0 {
            let new = self.entry(database, &key);
            let is_touched = touched.contains(&(database, key.clone()));
            let is_stream = [old.as_ref(), new]
                .iter()
                .all(|it| it.is_some_and(is_stream));
            let is_other = !is_same(new, old.as_ref());
            let Some(connection) = self.connections.get_mut(&id) else {
                continue;
            };
            if connection.watches.keys.is_empty() {
                continue;
            }
            if is_touched || (is_other && !is_stream) {
                connection.watches.keys.clear();
                connection.watches.changed = true;
            }
        }
    }

    /// Somebody else than the connections of this model changed a key.
    pub fn changed_by_others(&mut self, database: usize, key: &[u8]) {
        let watched = self.watched();
        self.touched.insert((database, key.to_vec()));
        self.compare_watched(watched);
    }

    /// The requests that an EXEC of this connection would run.
    pub fn queued(&self, connection: ConnectionId) -> Option<&[Vec<Vec<u8>>]> {
        let transaction = self.connections.get(&connection)?.transaction.as_ref()?;
        Some(&transaction.queue)
    }
}

/// Whether two entries are the same to who watches: how a value is held does not count.
pub fn is_same(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => {
            one.expires_at_ms == other.expires_at_ms
                && match (&one.value, &other.value) {
                    (Value::Text(one), Value::Text(other)) => one.bytes == other.bytes,
                    (Value::Hash(one), Value::Hash(other)) => fields(one) == fields(other),
                    (Value::SortedSet(one), Value::SortedSet(other)) => {
                        one.members == other.members
                    }
                    (Value::Set(one), Value::Set(other)) => {
                        let sorted =
                            |set: &Set| set.members.iter().cloned().collect::<BTreeSet<_>>();
                        sorted(one) == sorted(other)
                    }
                    (Value::List(one), Value::List(other)) => one.elements() == other.elements(),
                    (one, other) => one == other,
                }
        }
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Much of what changes in a stream is no change to who watches.
fn is_stream(entry: &Entry) -> bool {
    matches!(entry.value, Value::Stream(_))
}

/// The fields of a hash by name, with their values and expiries.
fn fields(hash: &Hash) -> BTreeMap<&[u8], (&[u8], Option<i64>)> {
    let fields = hash.fields.iter();
    fields
        .map(|field| (&*field.name, (&*field.value, field.expires_at_ms)))
        .collect()
}

impl Call<'_> {
    /// A key of the selected database was changed, though its value may be the same as before.
    pub fn touch(&mut self, key: &[u8]) {
        let database = self.connection().database;
        self.model.touched.insert((database, key.to_vec()));
    }
}
