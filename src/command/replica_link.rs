//! SYNC, PSYNC, REPLCONF, REPLICAOF: what replicas say to their master.
//!
//! A replica gets a snapshot of all databases as an RDB file, then the stream of effects ([`super::feed`]) from that
//! moment on. The snapshot is written to a file without a name when it is sent, off the engine lock.

use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::argument::is_word;
use super::feed::Replica;
use super::{Call, Outcome, argument, errors, save};
use crate::interchange::export::{self, Facts};
use crate::resp::{ErrorReply, Stream, StreamError, encode};
use crate::storage::Snapshot;
use crate::vfs::{OpenMode, Vfs, VfsFile, read_up_to, write_all_at};

/// Bytes that are written together.
const BUFFER_BYTES: usize = 1 << 20;

/// What a connection said of itself before it became a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    pub port: i32,
    pub address: Option<Box<[u8]>>,
    /// It is a replica.
    pub is_replica: bool,
    /// It wants no keys, only functions.
    functions_only: bool,
}

/// SYNC
pub fn sync(call: &mut Call<'_>) -> Outcome {
    attach(call, &[])
}

/// PSYNC replicationid offset: every replica gets a snapshot, for no part of the stream is kept.
pub fn psync(call: &mut Call<'_>) -> Outcome {
    argument::integer(call.args[2])?;
    let id = call.server.machine.identity().replication_id.clone();
    let offset = call.server.feed.offset();
    let line = format!("+FULLRESYNC {id} {offset}\r\n");
    attach(call, line.as_bytes())
}

fn attach(call: &mut Call<'_>, greeting: &[u8]) -> Outcome {
    if call.client.announced.is_replica {
        // It is one already, and gets what it asks for.
        return Ok(());
    }
    let server = call.server;
    let has_fields = call.keyspace.has_expiring_fields();
    let mut facts = save::facts(server, has_fields, call.now_ms);
    if call.client.announced.functions_only {
        facts.databases = 0;
    }
    let is_online = Arc::new(AtomicBool::new(false));
    let Some(disk) = server.disk.clone() else {
        const NO_DISK: ErrorReply = ErrorReply::new("ERR no files can be written here");
        return Err(NO_DISK.into());
    };
    call.out.raw(greeting);
    call.out.stream(Box::new(SnapshotStream {
        state: State::Whole(Box::new(call.keyspace.engine.snapshot())),
        facts,
        disk,
        name: format!("temp-sync-{}.rdb", call.client.id),
        is_online: Arc::clone(&is_online),
    }));
    call.client.announced.is_replica = true;
    call.client.entry.set_replica();
    server.feed.attach(Replica {
        entry: Arc::clone(&call.client.entry),
        port: call.client.announced.port,
        address: call.client.announced.address.clone(),
        is_online,
        acknowledged: 0,
        acknowledged_ms: call.now_ms,
    });
    Ok(())
}

/// REPLCONF option value ...
pub fn replconf(call: &mut Call<'_>) -> Outcome {
    let (pairs, odd) = call.args[1..].as_chunks::<2>();
    if !odd.is_empty() {
        return Err(errors::SYNTAX.into());
    }
    for [option, value] in pairs {
        if is_word(option, "listening-port") {
            // Whatever it says is shown, its lower 32 bits, as Redis has it.
            let port = argument::integer(value)?;
            call.client.announced.port = port as i32;
        } else if is_word(option, "ip-address") {
            call.client.announced.address = Some((*value).into());
        } else if is_word(option, "ack") {
            if let Ok(offset) = argument::integer(value)
                && call.client.announced.is_replica
            {
                let offset = u64::try_from(offset).unwrap_or(0);
                let id = call.client.id;
                call.server.feed.acknowledge(id, offset, call.now_ms);
            }
            // It expects no answer.
            return Ok(());
        } else if is_word(option, "getack") {
            // Only a replica has something to acknowledge.
            return Ok(());
        } else if is_word(option, "rdb-filter-only") {
            call.client.announced.functions_only = filter(value)?;
        } else if !["capa", "rdb-only", "version"]
            .iter()
            .any(|known| is_word(option, known))
        {
            let option = errors::shown(option, usize::MAX);
            return Err(ErrorReply::formatted(format!(
                "ERR Unrecognized REPLCONF option: {option}"
            ))
            .into());
        }
    }
    call.out.ok();
    Ok(())
}

/// What a replica wants of a snapshot; whether that is functions alone.
fn filter(value: &[u8]) -> Result<bool, ErrorReply> {
    match value {
        b"" => Ok(true),
        value if is_word(value, "functions") => Ok(true),
        value => {
            let value = errors::shown(value, usize::MAX);
            let text = format!("ERR Unsupported rdb-filter-only option: {value}");
            Err(ErrorReply::formatted(text))
        }
    }
}

/// REPLICAOF host port | NO ONE
pub fn replicaof(call: &mut Call<'_>) -> Outcome {
    const NO_REPLICA: ErrorReply =
        ErrorReply::new("ERR this server is always a master and cannot be made a replica");
    if is_word(call.args[1], "no") && is_word(call.args[2], "one") {
        call.out.ok();
        return Ok(());
    }
    Err(NO_REPLICA.into())
}

/// Where a snapshot is on its way.
enum State {
    /// Nothing is written yet.
    Whole(Box<Snapshot>),
    /// It is in a file, and sent up to here.
    File {
        file: Arc<dyn VfsFile>,
        at: u64,
        len: u64,
    },
}

/// A snapshot as a replica gets it: its length, then an RDB file.
struct SnapshotStream {
    state: State,
    facts: Facts,
    disk: Arc<dyn Vfs>,
    name: String,
    is_online: Arc<AtomicBool>,
}

impl SnapshotStream {
    fn write(&self, snapshot: &Snapshot) -> io::Result<Arc<dyn VfsFile>> {
        let path = Path::new(&self.name);
        let file = self
            .disk
            .open(path, OpenMode::Create)
            .map_err(io::Error::other)?;
        // Without a name it is gone with its handle.
        self.disk.unlink(path).map_err(io::Error::other)?;
        let mut out = BufWriter::with_capacity(
            BUFFER_BYTES,
            Appending {
                file: &*file,
                at: 0,
            },
        );
        export::write_file(snapshot, &self.facts, &mut out, &mut |_| {})?;
        out.flush()?;
        drop(out);
        Ok(file)
    }

    fn go_on(&mut self, out: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
        if let State::Whole(snapshot) = &self.state {
            let file = self.write(snapshot)?;
            let len = file.len().map_err(io::Error::other)?;
            encode::bulk_header(out, len);
            self.state = State::File { file, at: 0, len };
        }
        let State::File { file, at, len } = &mut self.state else {
            unreachable!("it is in a file");
        };
        let from = out.len();
        let piece = wanted.min((*len - *at) as usize);
        out.resize(from + piece, 0);
        let read = read_up_to(&**file, &mut out[from..], *at).map_err(io::Error::other)?;
        if read < piece {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *at += piece as u64;
        Ok(at < len)
    }
}

impl Stream for SnapshotStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let more = self.go_on(out, bytes_wanted);
        let more =
            more.map_err(|error| StreamError(format!("a replica gets no snapshot: {error}")))?;
        if !more {
            self.is_online.store(true, Ordering::Relaxed);
        }
        Ok(more)
    }
}

/// A file that is written from its start.
struct Appending<'a> {
    file: &'a dyn VfsFile,
    at: u64,
}

impl Write for Appending<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(self.file, bytes, self.at).map_err(io::Error::other)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
