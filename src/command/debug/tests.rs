use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::testing::Bench;
use crate::command::Failure;
use crate::keyspace::change::{Change, Listener};
use crate::resp::Proto;
use crate::vfs::{OpenMode, OsVfs, Vfs, VfsFile, VfsResult};

const COUNTER: &[u8] =
    b"#!lua name=l\nlocal n = 0\nredis.register_function('f', function() n = n + 1 return n end)";
const OTHER: &[u8] =
    b"#!lua name=m\nlocal n = 0\nredis.register_function('g', function() n = n + 1 return n end)";
const NOT_LOADED: &[u8] = b"-ERR Error trying to load the RDB dump, check server logs.\r\n";

/// Names without a folder are in this one.
#[derive(Debug)]
struct Folder(tempfile::TempDir);

impl Vfs for Folder {
    fn open(&self, path: &Path, mode: OpenMode) -> VfsResult<Arc<dyn VfsFile>> {
        OsVfs.open(&self.0.path().join(path), mode)
    }
    fn rename(&self, from: &Path, to: &Path) -> VfsResult<()> {
        OsVfs.rename(&self.0.path().join(from), &self.0.path().join(to))
    }
    fn unlink(&self, path: &Path) -> VfsResult<()> {
        OsVfs.unlink(&self.0.path().join(path))
    }
    fn list(&self, dir: &Path) -> VfsResult<Vec<PathBuf>> {
        OsVfs.list(&self.0.path().join(dir))
    }
    fn sync_dir(&self, dir: &Path) -> VfsResult<()> {
        OsVfs.sync_dir(&self.0.path().join(dir))
    }
}

/// A server with files beside its database, a key, and a library that counts its calls.
fn with_a_counter() -> (Bench, Arc<Folder>) {
    let mut bench = Bench::new();
    let disk = Arc::new(Folder(tempfile::tempdir().expect("a folder")));
    bench.server.disk = Some(Arc::clone(&disk) as Arc<dyn Vfs>);
    bench.run(&[&b"SET"[..], b"kept", b"old", b"EX", b"100"]);
    bench.run(&[&b"FUNCTION"[..], b"LOAD", COUNTER]);
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":1\r\n");
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":2\r\n");
    (bench, disk)
}

fn reload(bench: &mut Bench, options: &[&[u8]]) -> Vec<u8> {
    let words = [&[&b"DEBUG"[..], b"RELOAD"], options].concat();
    let reply = bench.run(&words);
    // It waits for the checkpoint.
    bench.client.block = None;
    reply
}

#[test]
fn what_is_saved_by_a_reload_is_loaded_by_the_next() {
    let (mut bench, _disk) = with_a_counter();
    assert_eq!(reload(&mut bench, &[]), b"");
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":1\r\n");
    bench.run(&[b"SET", b"kept", b"new"]);
    bench.run(&[b"SET", b"other", b"1"]);
    bench.run(&[&b"FUNCTION"[..], b"LOAD", OTHER]);
    bench.run(&[b"FCALL", b"g", b"0"]);
    assert_eq!(reload(&mut bench, &[b"nosave", b"noflush"]), NOT_LOADED);
    assert_eq!(bench.run(&[b"GET", b"kept"]), b"$3\r\nnew\r\n");
    let dirty = bench.keyspace.stats.dirty;
    let merged = reload(&mut bench, &[b"nosave", b"noflush", b"merge"]);
    assert_eq!(merged, b"+OK\r\n");
    assert_eq!(bench.keyspace.stats.dirty, dirty);
    assert_eq!(bench.run(&[b"GET", b"kept"]), b"$3\r\nold\r\n");
    assert_eq!(bench.run(&[b"TTL", b"kept"]), b":100\r\n");
    assert_eq!(bench.run(&[b"DBSIZE"]), b":2\r\n");
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":1\r\n");
    assert_eq!(bench.run(&[b"FCALL", b"g", b"0"]), b":2\r\n");
    assert_eq!(reload(&mut bench, &[b"nosave"]), b"+OK\r\n");
    assert_eq!(bench.run(&[b"DBSIZE"]), b":1\r\n");
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":1\r\n");
    let gone = bench.run(&[b"FCALL", b"g", b"0"]);
    assert_eq!(gone, b"-ERR Function not found\r\n");
}

#[test]
fn a_dump_that_cannot_be_loaded_changes_nothing() {
    let (mut bench, disk) = with_a_counter();
    assert_eq!(reload(&mut bench, &[b"nosave"]), NOT_LOADED);
    reload(&mut bench, &[]);
    let file = disk.open(Path::new("dump.rdb"), OpenMode::ReadWrite);
    let file = file.expect("it was saved");
    let len = file.len().expect("a length");
    file.set_len(len - 9).expect("it is cut");
    bench.run(&[b"SET", b"other", b"1"]);
    bench.run(&[b"FCALL", b"f", b"0"]);
    for options in [&[&b"nosave"[..]][..], &[b"nosave", b"noflush", b"merge"]] {
        assert_eq!(reload(&mut bench, options), NOT_LOADED);
        assert_eq!(bench.run(&[b"DBSIZE"]), b":2\r\n");
    }
    assert_eq!(bench.run(&[b"FCALL", b"f", b"0"]), b":2\r\n");
}

#[test]
fn who_repeats_commands_hears_what_was_loaded() {
    let (mut bench, _disk) = with_a_counter();
    reload(&mut bench, &[]);
    bench.keyspace.changes.take();
    bench.keyspace.changes.listen(Listener::Repeat, true);
    reload(&mut bench, &[b"nosave"]);
    let words = bench
        .keyspace
        .changes
        .take()
        .into_iter()
        .filter_map(|it| match it {
            Change::Effect { words, .. } => Some(words),
            _ => None,
        });
    let words: Vec<_> = words.collect();
    let names: Vec<_> = words
        .iter()
        .map(|it| it[0].escape_ascii().to_string())
        .collect();
    assert_eq!(names, ["FLUSHALL", "FUNCTION", "FUNCTION", "RESTORE"]);
    let mut other = Bench::new();
    for words in &words {
        let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
        let reply = other.run(&words);
        assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
    }
    let digest: &[&[u8]] = &[b"DEBUG", b"DIGEST"];
    assert_eq!(other.run(digest), bench.run(digest));
    assert_eq!(other.run(&[b"FCALL", b"f", b"0"]), b":1\r\n");
}

/// The digests that a Redis server gives for the same keys.
#[test]
fn digests_are_those_of_redis() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.run(&[b"DEBUG", b"DIGEST"]),
        b"+0000000000000000000000000000000000000000\r\n"
    );
    bench.run(&[b"SET", b"a", b"b"]);
    bench.run(&[b"SET", b"c", b"12", b"EX", b"100"]);
    assert_eq!(
        bench.run(&[b"DEBUG", b"DIGEST-VALUE", b"a", b"c", b"zz"]),
        b"*3\r\n+b78559cd22bce6e6df712eb99ce7f3b08e8f8f1f\r\n+83df3a94c43338a2db2a05ddb5dbb794b842c619\r\n\
          +0000000000000000000000000000000000000000\r\n"
    );
}

#[test]
fn a_digest_sees_every_key_value_expiry_and_database_and_not_their_order() {
    let mut bench = Bench::new();
    let digest = |bench: &mut Bench| bench.run(&[b"DEBUG", b"DIGEST"]);
    let long = vec![b'x'; 300_000];
    for n in 0..150 {
        bench.run(&[b"SET", format!("long:{n}").as_bytes(), &long[n * 100..]]);
        bench.run(&[b"SET", format!("short:{n}").as_bytes(), b"v"]);
    }
    let first = digest(&mut bench);
    bench.run(&[b"SETRANGE", b"long:149", b"200000", b"y"]);
    let second = digest(&mut bench);
    assert_ne!(first, second);
    bench.run(&[b"SETRANGE", b"long:149", b"200000", b"x"]);
    assert_eq!(digest(&mut bench), first);
    bench.run(&[b"EXPIRE", b"short:7", b"100"]);
    assert_ne!(digest(&mut bench), first);
    bench.run(&[b"PERSIST", b"short:7"]);
    bench.run(&[b"SWAPDB", b"0", b"1"]);
    assert_ne!(digest(&mut bench), first);
}

#[test]
fn populate_makes_what_is_not_there() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"k:3", b"mine"]);
    assert_eq!(
        bench.run(&[b"DEBUG", b"POPULATE", b"1000", b"k", b"10"]),
        b"+OK\r\n"
    );
    assert_eq!(bench.run(&[b"DBSIZE"]), b":1000\r\n");
    assert_eq!(bench.run(&[b"GET", b"k:3"]), b"$4\r\nmine\r\n");
    assert_eq!(bench.run(&[b"GET", b"k:999"]), b"$10\r\nvalue:999\0\r\n");
    bench.run(&[b"DEBUG", b"POPULATE", b"1"]);
    assert_eq!(bench.run(&[b"GET", b"key:0"]), b"$7\r\nvalue:0\r\n");
    let refused = bench.run(&[b"DEBUG", b"POPULATE", b"-1"]);
    assert_eq!(refused, b"-ERR value is out of range, must be positive\r\n");
}

#[test]
fn objects_are_shown_as_redis_shows_them() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"n", b"12345678"]);
    let lru = (bench.now_ms / 1000) & 0xff_ffff;
    bench.now_ms += 3000;
    assert_eq!(
        String::from_utf8_lossy(&bench.run(&[b"DEBUG", b"OBJECT", b"n"])),
        format!(
            "+Value at:0x0 refcount:1 encoding:int serializedlength:5 lru:{lru} lru_seconds_idle:3\r\n"
        )
    );
    assert_eq!(
        bench.run(&[b"DEBUG", b"OBJECT", b"x"]),
        b"-ERR no such key\r\n"
    );
}

#[test]
fn every_type_of_reply_is_there_in_both_protocols() {
    let mut bench = Bench::new();
    let mut reply = |proto, name: &[u8]| {
        bench.proto = proto;
        let reply = bench.run(&[b"DEBUG", b"PROTOCOL", name]);
        reply.escape_ascii().to_string()
    };
    for (name, two, three) in [
        (&b"double"[..], r"$5\r\n3.141\r\n", r",3.141\r\n"),
        (b"null", r"$-1\r\n", r"_\r\n"),
        (
            b"map",
            r"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
            r"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
        ),
        (b"true", r":1\r\n", r"#t\r\n"),
        (b"False", r":0\r\n", r"#f\r\n"),
        (
            b"verbatim",
            r"$25\r\nThis is a verbatim\nstring\r\n",
            r"=29\r\ntxt:This is a verbatim\nstring\r\n",
        ),
    ] {
        assert_eq!(reply(Proto::Resp2, name), two);
        assert_eq!(reply(Proto::Resp3, name), three);
    }
    assert!(reply(Proto::Resp3, b"attrib").starts_with("|1"));
    assert!(reply(Proto::Resp2, b"push").starts_with("-ERR RESP2"));
    assert!(reply(Proto::Resp2, b"other").starts_with("-ERR Wrong protocol type name"));
}

#[test]
fn what_is_unknown_is_refused() {
    let mut bench = Bench::new();
    for words in [
        &[&b"DEBUG"[..], b"jmap"][..],
        &[b"DEBUG", b"sleep"],
        &[b"DEBUG", b"replybuffer", b"x", b"1"],
    ] {
        let reply = bench
            .try_run(words)
            .unwrap_or_else(|failure| match failure {
                Failure::Reply(error) => error.0.into_owned().into_bytes(),
                failure => panic!("{failure:?}"),
            });
        assert!(reply.starts_with(b"-ERR unknown subcommand or wrong number of arguments for '"));
    }
}
