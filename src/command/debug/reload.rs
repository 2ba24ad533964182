//! DEBUG RELOAD and DEBUG LOADAOF: what is in files is read again.
//!
//! Without NOSAVE the data comes from the database file, and the RDB file that is saved beside it has the same. With it
//! the RDB file is loaded, in one transaction: what cannot be loaded changes nothing.

use std::io::{self, BufReader};
use std::sync::Arc;

use crate::command::argument::is_word;
use crate::command::client::{Block, BlockKind};
use crate::command::eval::NESTED;
use crate::command::libraries::{Libraries, Library, Policy};
use crate::command::server::Server;
use crate::command::{Call, Failure, Outcome, save, settings};
use crate::interchange::export;
use crate::interchange::import::{self, Limits};
use crate::interchange::load::{self, LoadError, Summary};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::file;
use crate::keyspace::change::Listener;
use crate::keyspace::{Keyspace, Look, Txn};
use crate::resp::ErrorReply;
use crate::storage::replace::replace;
use crate::storage::{self, OnMiss, Plan};
use crate::vfs::{Reader, Vfs};

/// Bytes read together.
const BUFFER_BYTES: usize = 1 << 20;

const NOT_LOADED: ErrorReply =
    ErrorReply::new("ERR Error trying to load the RDB dump, check server logs.");
const IN_ONE_STEP: ErrorReply =
    ErrorReply::new("ERR a transaction or a script cannot wait for the file to be read again");

/// The options.
#[derive(Clone, Copy, Debug)]
struct Wish {
    saves: bool,
    flushes: bool,
    merges: bool,
}

impl Wish {
    fn parse(words: &[&[u8]]) -> Result<Self, ErrorReply> {
        const NOT_AN_OPTION: ErrorReply = ErrorReply::new(
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
        );
        let mut wish = Self {
            saves: true,
            flushes: true,
            merges: false,
        };
        for option in words {
            if is_word(option, "nosave") {
                wish.saves = false;
            } else if is_word(option, "merge") {
                wish.merges = true;
            } else if is_word(option, "noflush") {
                wish.flushes = false;
            } else {
                return Err(NOT_AN_OPTION);
            }
        }
        Ok(wish)
    }

    /// What becomes of libraries that are there.
    fn policy(self) -> Policy {
        match self {
            Self { flushes: true, .. } => Policy::Flush,
            Self { merges: true, .. } => Policy::Replace,
            _ => Policy::Append,
        }
    }
}

/// DEBUG RELOAD [MERGE] [NOFLUSH] [NOSAVE]
pub fn reload(call: &mut Call<'_>) -> Outcome {
    let wish = Wish::parse(&call.args[2..])?;
    if !wish.saves {
        return load(call, wish);
    }
    if call.client.deny_blocking {
        return Err(IN_ONE_STEP.into());
    }
    save_file(call)?;
    let is_there = call.keyspace.len_of_all() > 0 || !call.keyspace.libraries()?.is_empty();
    if !wish.flushes && !wish.merges && is_there {
        return Err(NOT_LOADED.into());
    }
    if wish.flushes {
        let databases = call.keyspace.databases();
        call.keyspace.changes.all_replaced(databases);
    }
    start_over(call)
}

/// DEBUG LOADAOF, and the rest of RELOAD: what is in the database file is read from it again.
pub fn start_over(call: &mut Call<'_>) -> Outcome {
    if call.client.deny_blocking {
        return Err(IN_ONE_STEP.into());
    }
    let limits = settings::list_limits(call.server);
    call.keyspace.name_lists_as_loaded(limits)?;
    let mut libraries = call.server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.clear();
    let ticket = call.server.checkpoints.ask_to_reload();
    call.client.block = Some(Block {
        kind: BlockKind::Checkpoint { ticket },
        until_ms: None,
    });
    Ok(())
}

/// Where the RDB file is.
fn disk(server: &Server) -> Result<Arc<dyn Vfs>, ErrorReply> {
    const NO_DISK: ErrorReply = ErrorReply::new("ERR there are no files beside the database");
    server.disk.clone().ok_or(NO_DISK)
}

fn save_file(call: &mut Call<'_>) -> Outcome {
    const NOT_SAVED: ErrorReply = ErrorReply::new("ERR");
    let (disk, path) = (disk(call.server)?, save::path(call.server));
    let has_fields = call.keyspace.has_expiring_fields();
    let facts = save::facts(call.server, has_fields, call.now_ms);
    let snapshot = call.keyspace.engine.snapshot();
    let saved = replace(&*disk, &path, &mut |out| {
        export::write_file(&snapshot, &facts, out, &mut |_| {})
    });
    if let Err(error) = saved {
        tracing::warn!("{} was not saved: {error}", path.display());
        return Err(NOT_SAVED.into());
    }
    let dirty = call.keyspace.stats.dirty;
    call.server.saves.ended_beside(call.now_ms, dirty);
    Ok(())
}

/// Loads the RDB file.
fn load(call: &mut Call<'_>, wish: Wish) -> Outcome {
    let pager = call.keyspace.engine.pager_mut();
    // A file is not read anew for each page.
    let on_miss = pager.set_on_miss(OnMiss::Read);
    let loaded = load_present(call, wish);
    call.keyspace.engine.pager_mut().set_on_miss(on_miss);
    loaded
}

/// The same, with whatever pages are needed.
fn load_present(call: &mut Call<'_>, wish: Wish) -> Outcome {
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let keyspace = &mut *call.keyspace;
    // Once to find what is against it: inside a transaction what was changed stays.
    let checked = read(server, call.now_ms, &mut |key| check(keyspace, key, wish));
    let fresh = compile(server, &mut libraries, &checked?.functions, wish)?;
    let dirty = call.keyspace.stats.dirty;
    let stored = store(call, &libraries, &fresh, wish);
    // Nothing of it is to be saved: it comes from where it would go.
    call.keyspace.stats.dirty = dirty;
    let summary = match stored {
        Ok(summary) => summary,
        Err(failure) => {
            libraries.discard_all(fresh);
            return Err(failure);
        }
    };
    if wish.flushes {
        libraries.clear();
        libraries.follow(call.keyspace, server)?;
    } else {
        for library in fresh {
            libraries.insert(library);
        }
        libraries.settle(call.keyspace.libraries_epoch(), &server.scripting.figures);
    }
    tracing::info!("{} keys are loaded by DEBUG RELOAD", summary.keys);
    call.out.ok();
    Ok(())
}

/// What is done with a key of the file.
type Take<'t> = dyn FnMut(&file::Key) -> Result<(), LoadError> + 't;

/// Reads the RDB file to its end and hands each key that is not due to `take`.
fn read(server: &Server, now_ms: u64, take: &mut Take<'_>) -> Result<Summary, Failure> {
    let (disk, path) = (disk(server)?, save::path(server));
    let open = || {
        let file = Reader::open(&*disk, &path)?;
        let len = file.len()?;
        Ok::<_, io::Error>((BufReader::with_capacity(BUFFER_BYTES, file), len))
    };
    let opened = open().map_err(|error| LoadError::Refused(error.to_string()));
    let summary = opened.and_then(|(mut file, len)| {
        load::read(&mut file, len, now_ms, &mut |_, key| take(key), &mut |_| {})
    });
    summary.map_err(|error| match error {
        LoadError::Storage(error) => Failure::Storage(error),
        error => {
            tracing::warn!("{} is not loaded: {error}", path.display());
            NOT_LOADED.into()
        }
    })
}

/// Finds what is against a key.
fn check(keyspace: &mut Keyspace, key: &file::Key, wish: Wish) -> Result<(), LoadError> {
    let db = load::database(keyspace, 0, key)?;
    if wish.flushes || wish.merges {
        return Ok(());
    }
    const NOTHING_IS_DUE: u64 = 0;
    match keyspace.lookup(db, &key.name, NOTHING_IS_DUE, Look::UNSEEN)? {
        None => Ok(()),
        Some(_) => Err(LoadError::Refused("it has a key that is there".to_owned())),
    }
}

fn compile(
    server: &Server,
    libraries: &mut Libraries,
    codes: &[Vec<u8>],
    wish: Wish,
) -> Result<Vec<Library>, Failure> {
    let compiled = libraries.compile_all(codes.iter().map(Ok), wish.policy(), server);
    compiled.map_err(|text| {
        let text = String::from_utf8_lossy(&text);
        tracing::warn!("the RDB file has libraries that cannot be loaded: {text}");
        NOT_LOADED.into()
    })
}

/// Changes the data, and says so to whoever repeats it.
fn store(
    call: &mut Call<'_>,
    libraries: &Libraries,
    fresh: &[Library],
    wish: Wish,
) -> Result<Summary, Failure> {
    let (server, own_db, now_ms) = (call.server, call.client.db, call.now_ms);
    let limits = settings::import_limits(server);
    call.keyspace.write(Plan::Savepoint, |txn| {
        if wish.flushes {
            empty(txn, libraries)?;
            txn.keyspace().changes.effect(own_db, &[b"FLUSHALL"]);
            let words: [&[u8]; 2] = [b"FUNCTION", b"FLUSH"];
            txn.keyspace().changes.effect(own_db, &words);
        }
        for library in fresh {
            txn.put_library(&library.name, &library.code)?;
            let words: [&[u8]; 4] = [b"FUNCTION", b"LOAD", b"REPLACE", &library.code];
            txn.keyspace().changes.effect(own_db, &words);
        }
        read(server, now_ms, &mut |key| {
            put(txn, server, key, now_ms, &limits)
        })
    })
}

fn empty(txn: &mut Txn<'_>, libraries: &Libraries) -> Result<(), storage::Error> {
    for db in 0..txn.keyspace().databases() {
        txn.flush(db, false)?;
    }
    let mut all = libraries.all();
    all.try_for_each(|library| txn.delete_library(&library.name))
}

fn put(
    txn: &mut Txn<'_>,
    server: &Server,
    key: &file::Key,
    now_ms: u64,
    limits: &Limits,
) -> Result<(), LoadError> {
    let db = load::database(txn.keyspace(), 0, key)?;
    let Decoded::Value(value) = &key.value else {
        return Ok(());
    };
    import::put(txn, db, &key.name, value, key.expires_ms, now_ms, limits)?;
    txn.touched(db, &key.name, 0, None);
    let keyspace = txn.keyspace();
    load::note_use(keyspace, db, key, now_ms);
    if keyspace.changes.hears(Listener::Repeat) {
        let version = settings::rdb_version(server, keyspace.has_expiring_fields());
        let payload = keyspace.read_key(db, |reader, keys| {
            export::dump(reader, keys, &key.name, version, false)
        })?;
        let moment = key.expires_ms.unwrap_or(0).to_string();
        let (name, moment) = (key.name.as_slice(), moment.as_bytes());
        let words = [b"RESTORE", name, moment, &payload, b"REPLACE", b"ABSTTL"];
        keyspace.changes.effect(db, &words);
    }
    Ok(())
}
