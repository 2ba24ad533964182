//! Bytes in, bytes out, against a server without a log.

mod blocking;
mod eviction;
mod expiry;
mod freeing;
mod memory;
mod missing;
mod scripts;
mod transactions;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;

use super::*;
use crate::command::client::{Origin, signal};
use crate::command::{Call, Failure, Outcome};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::resp::{Stream, StreamError};
use crate::storage::{self, OnMiss};
use crate::vfs::{Clock, MemVfs};

const FILE: &str = "data.keep";

/// A clock that a test moves.
#[derive(Debug, Default)]
struct HandClock(AtomicU64);

impl Clock for HandClock {
    fn wall_ms(&self) -> u64 {
        self.wall_us() / 1000
    }
    fn wall_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
    fn mono_us(&self) -> u64 {
        self.wall_us()
    }
}

/// An engine whose LSN and misses a test sets.
#[derive(Default)]
struct FakeStore {
    lsn: AtomicU64,
    waiting: Mutex<Vec<bool>>,
    fetches: AtomicUsize,
}

struct NoFetch;

impl Fetch for NoFetch {
    fn fetch(&mut self) {}
    fn land(self: Box<Self>, _: &mut Keyspace) {}
}

impl Store for FakeStore {
    fn last_lsn(&self, _: &Keyspace) -> u64 {
        self.lsn.load(Ordering::Relaxed)
    }
    fn begin_command(&self, _: &mut Keyspace, waiting: bool) {
        self.waiting.lock().push(waiting);
    }
    fn take_misses(&self, _: &mut Keyspace) -> Option<Box<dyn Fetch>> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(NoFetch))
    }
}

struct World {
    clock: Arc<HandClock>,
    server: Server,
    store: FakeStore,
    keyspace: Keyspace,
}

impl World {
    fn new() -> Self {
        Self::over(&MemVfs::default(), &storage::OpenOptions::new([1; 16]))
    }

    fn over(vfs: &MemVfs, options: &storage::OpenOptions) -> Self {
        let clock = Arc::new(HandClock(AtomicU64::new(1_700_000_000_000_000)));
        let (engine, _) = storage::open(
            vfs,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Path::new(FILE),
            options,
            &mut |_, _| {},
        )
        .expect("a new file");
        Self {
            clock: Arc::clone(&clock),
            server: Server::new(Arc::new(Config::default()), clock),
            store: FakeStore::default(),
            keyspace: Keyspace::new(engine, 16, 1, 0).expect("an empty file"),
        }
    }

    fn session(&self, bindings: &'static Bindings) -> Session {
        let id = self.server.registry.next_id();
        let origin = Origin {
            addr: format!("127.0.0.1:{id}"),
            ..Origin::default()
        };
        let entry = Arc::new(Entry::new(id, origin, self.clock.wall_ms()));
        self.server.registry.insert(Arc::clone(&entry));
        Session::with_bindings(entry, &self.server, bindings)
    }

    fn step(&mut self, session: &mut Session) -> Step {
        let now_us = self.clock.wall_us();
        session.execute(&mut self.keyspace, &self.server, &self.store, now_us)
    }

    /// Sends bytes, executes until more are needed, and returns the replies.
    fn ask(&mut self, session: &mut Session, bytes: &str) -> String {
        session.input.room().extend_from_slice(bytes.as_bytes());
        while let Step::Again = self.step(session) {}
        reply(session)
    }

    /// The same, reading pages under the lock.
    fn ask_reading(&mut self, session: &mut Session, bytes: &str) -> String {
        self.keyspace.engine.begin_command(OnMiss::Read);
        self.ask(session, bytes)
    }

    /// A set with a tree of its own, and a pool that is full of pages which are not written and which a snapshot reaches, those
    /// of the set among them. So a change of the set is complete only when a page has been written.
    fn with_full_pool(
        vfs: &MemVfs,
        bindings: &'static Bindings,
    ) -> (Self, Session, storage::Snapshot) {
        let options = storage::OpenOptions {
            page_bytes: 512,
            cache_bytes: 64 * 512,
            ..storage::OpenOptions::new([1; 16])
        };
        let mut world = Self::over(vfs, &options);
        let mut session = world.session(bindings);
        let mut ask = |bytes: &str| world.ask_reading(&mut session, bytes);
        for n in 1..200 {
            assert_eq!(ask(&format!("SADD set m{n}\r\n")), ":1\r\n");
        }
        let value = "v".repeat(100);
        for n in 0..500 {
            assert_eq!(ask(&format!("SET other{n} {value}\r\n")), "+OK\r\n");
        }
        assert_eq!(ask("SADD set m0\r\n"), ":1\r\n");
        let snapshot = world.keyspace.engine.snapshot();
        (world, session, snapshot)
    }

    /// The set of [`Self::with_full_pool`] has its members and no `new` one.
    fn assert_set_is_as_before(&mut self, session: &mut Session) {
        assert_eq!(self.ask_reading(session, "SCARD set\r\n"), ":200\r\n");
        assert_eq!(self.ask_reading(session, "SISMEMBER set new\r\n"), ":0\r\n");
    }

    fn wait_ms(&self, ms: u64) {
        self.clock.0.fetch_add(ms * 1000, Ordering::Relaxed);
    }
}

/// How often a command was carried out.
fn calls(world: &World, command: &str) -> u64 {
    let command = crate::command::table::lookup(command.as_bytes()).expect("a command");
    world
        .server
        .stats
        .command(command.id)
        .calls
        .load(Ordering::Relaxed)
}

fn reply(session: &mut Session) -> String {
    let (bytes, _) = session.reply.take();
    String::from_utf8(bytes).unwrap()
}

fn writes_half_then_misses(call: &mut Call<'_>) -> Outcome {
    call.out.array(2);
    call.out.bulk(b"half");
    Err(Failure::Storage(storage::Error::Miss))
}

fn disk_full(call: &mut Call<'_>) -> Outcome {
    call.out.array(1);
    Err(Failure::Storage(storage::Error::DiskFull))
}

fn takes_long(call: &mut Call<'_>) -> Outcome {
    // 20 ms on any clock that a test moves by hand: the command moves it itself.
    let moved = call.args[1];
    LONG.lock()
        .as_ref()
        .expect("the test lends its clock")
        .0
        .fetch_add(
            std::str::from_utf8(moved).unwrap().parse().unwrap(),
            Ordering::Relaxed,
        );
    call.out.ok();
    Ok(())
}

static LONG: Mutex<Option<Arc<HandClock>>> = Mutex::new(None);

fn streams(call: &mut Call<'_>) -> Outcome {
    struct Empty;
    impl Stream for Empty {
        fn fill(&mut self, _: &mut Vec<u8>, _: usize) -> Result<bool, StreamError> {
            Ok(false)
        }
    }
    call.out.bulk_header(0);
    call.out.stream(Box::new(Empty));
    call.out.raw(b"\r\n");
    Ok(())
}

static MISSING: LazyLock<Bindings> = LazyLock::new(|| {
    BOUND
        .clone()
        .with("lolwut", writes_half_then_misses)
        .with("time", disk_full)
        .with("echo", takes_long)
        .with("role", streams)
});

#[test]
fn a_miss_takes_back_its_reply_and_parks_with_what_was_done_before() {
    let mut world = World::new();
    let mut session = world.session(&MISSING);
    session
        .input
        .room()
        .extend_from_slice(b"PING\r\nLOLWUT\r\nPING\r\n");
    assert!(matches!(world.step(&mut session), Step::Park(Some(_))));
    assert_eq!(reply(&mut session), "+PONG\r\n");
    // A second miss parks again; after it the command reads under the lock and comes to an end.
    assert!(matches!(world.step(&mut session), Step::Park(_)));
    assert_eq!(*world.store.waiting.lock(), [false, false, false]);
    assert!(matches!(world.step(&mut session), Step::Read));
    assert_eq!(
        *world.store.waiting.lock(),
        [false, false, false, true, false]
    );
    assert!(reply(&mut session).ends_with("+PONG\r\n"));
    assert_eq!(world.store.fetches.load(Ordering::Relaxed), 2);
}

#[test]
fn a_failure_of_storage_leaves_an_error_and_nothing_else() {
    let mut world = World::new();
    let mut session = world.session(&MISSING);
    let reply = world.ask(&mut session, "TIME\r\nPING\r\n");
    assert!(reply.starts_with("-MISCONF The disk is full"), "{reply}");
    assert!(reply.ends_with("\r\n+PONG\r\n"), "{reply}");
    assert_eq!(reply.matches("\r\n").count(), 2);
    let errors = world.server.stats.errors();
    assert_eq!(errors, [(b"MISCONF".to_vec(), 1)]);
}

#[test]
fn replies_wait_for_the_latest_commit_of_anyone() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.store.lsn.store(7, Ordering::Relaxed);
    world.ask(&mut session, "PING\r\n");
    assert_eq!(session.lsn_seen(), 7);
}

#[test]
fn a_hold_is_bounded_and_goes_on_where_it_stopped() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let pings = "PING\r\n".repeat(100);
    session.input.room().extend_from_slice(pings.as_bytes());
    assert!(matches!(world.step(&mut session), Step::Again));
    assert_eq!(reply(&mut session), "+PONG\r\n".repeat(64));
    assert!(matches!(world.step(&mut session), Step::Read));
    assert_eq!(reply(&mut session), "+PONG\r\n".repeat(36));
}

#[test]
fn a_streamed_reply_ends_the_hold() {
    let mut world = World::new();
    let mut session = world.session(&MISSING);
    session.input.room().extend_from_slice(b"ROLE\r\nPING\r\n");
    assert!(matches!(world.step(&mut session), Step::Again));
    assert!(session.reply.has_streams());
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_replies() {
    let all = "PING\r\n*2\r\n$4\r\nPING\r\n$5\r\nhello\r\nNOSUCH a b\r\nselect 3\r\nselect 99\r\nclient reply skip\r\n\
               ping\r\nclient getname\r\nclient setname me\r\nclient getname\r\n";
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let whole = world.ask(&mut session, all);
    for piece in [1, 2, 3, 7, 20] {
        let mut session = world.session(&BOUND);
        let mut replies = String::new();
        for at in (0..all.len()).step_by(piece) {
            let end = (at + piece).min(all.len());
            replies += &world.ask(&mut session, &all[at..end]);
        }
        assert_eq!(replies, whole);
    }
}

#[test]
fn a_pause_holds_commands_until_it_ends() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let mut other = world.session(&BOUND);
    assert_eq!(
        world.ask(&mut session, "CLIENT PAUSE 100 ALL\r\n"),
        "+OK\r\n"
    );
    other.input.room().extend_from_slice(b"PING\r\n");
    let end_ms = world.clock.wall_ms() + 100;
    assert!(matches!(world.step(&mut other), Step::Paused(until) if until == end_ms));
    assert_eq!(reply(&mut other), "");
    world.wait_ms(100);
    assert!(matches!(world.step(&mut other), Step::Read));
    assert_eq!(reply(&mut other), "+PONG\r\n");
}

#[test]
fn monitors_see_commands_but_no_secrets() {
    let mut world = World::new();
    let mut monitor = world.session(&BOUND);
    let mut session = world.session(&BOUND);
    assert_eq!(world.ask(&mut monitor, "MONITOR\r\n"), "+OK\r\n");
    world.store.lsn.store(3, Ordering::Relaxed);
    world.ask(
        &mut session,
        "select 2\r\nPING \"a b\"\r\nAUTH x y\r\nCLIENT LIST\r\n",
    );
    let mut posted = Vec::new();
    assert_eq!(monitor.client.entry.take_posted(&mut posted), 3);
    let id = session.client.id;
    assert_eq!(
        String::from_utf8(posted).unwrap(),
        format!(
            "+1700000000.000000 [2 127.0.0.1:{id}] \"select\" \"2\"\r\n\
             +1700000000.000000 [2 127.0.0.1:{id}] \"PING\" \"a b\"\r\n\
             +1700000000.000000 [2 127.0.0.1:{id}] \"AUTH\" \"(redacted)\" \"(redacted)\"\r\n"
        )
    );
    assert_eq!(
        monitor.client.entry.take_signals() & signal::OUTBOX,
        signal::OUTBOX
    );
    world.ask(&mut monitor, "RESET\r\n");
    world.ask(&mut session, "PING\r\n");
    let mut posted = Vec::new();
    monitor.client.entry.take_posted(&mut posted);
    assert!(posted.is_empty());
}

#[test]
fn the_reply_of_a_command_that_waited_is_skipped_too() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    assert_eq!(
        world.ask(&mut session, "CLIENT REPLY SKIP\r\nWAIT 1 50\r\n"),
        ""
    );
    session.unblock(&world.server, Unblocked::Answer { log_synced: true });
    assert_eq!(world.ask(&mut session, "PING\r\n"), "+PONG\r\n");
    world.ask(&mut session, "CLIENT REPLY SKIP\r\nBLPOP l 0\r\n");
    session.resume();
    assert_eq!(world.ask(&mut session, "PING\r\n"), "+PONG\r\n");
}

#[test]
fn a_request_of_no_words_is_one_whose_reply_is_skipped() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let mut check = |requests: &str, expect: &str| {
        assert_eq!(world.ask(&mut session, requests), expect, "{requests:?}");
    };
    for nothing in ["\r\n", "\n", "  \r\n", "*0\r\n", "*-1\r\n", "\r\n\r\n"] {
        let skipped = format!("CLIENT REPLY SKIP\r\n{nothing}ECHO a\r\n");
        check(&skipped, "$1\r\na\r\n");
    }
    check("CLIENT REPLY SKIP\r\n", "");
    check("\r\n", "");
    check("ECHO b\r\n", "$1\r\nb\r\n");
    check("CLIENT REPLY OFF\r\n\r\nECHO c\r\n", "");
    check("CLIENT REPLY SKIP\r\n\r\nECHO d\r\n", "");
    check("CLIENT REPLY ON\r\n", "+OK\r\n");
}

#[test]
fn a_monitor_without_replies_hears_nothing() {
    let mut world = World::new();
    let (mut monitor, mut other) = (world.session(&BOUND), world.session(&BOUND));
    let mut heard = |world: &mut World, monitor: &mut Session, own: &str, others: &str| {
        world.ask(monitor, own);
        world.ask(&mut other, others);
        let mut posted = Vec::new();
        monitor.client.entry.take_posted(&mut posted);
        let lines = String::from_utf8(posted).unwrap();
        let words = lines
            .lines()
            .map(|line| line.split_once("] ").expect("a line").1);
        words.collect::<Vec<_>>().join(" ")
    };
    let mut check = |own: &str, others: &str, expect: &str| {
        assert_eq!(
            heard(&mut world, &mut monitor, own, others),
            expect,
            "{own} {others}"
        );
    };
    check("MONITOR\r\n", "PING a\r\n", "\"PING\" \"a\"");
    check("CLIENT REPLY OFF\r\nECHO 1\r\n", "PING b\r\n", "");
    check(
        "ECHO 2\r\nCLIENT REPLY ON\r\nECHO 3\r\n",
        "PING c\r\n",
        "\"CLIENT\" \"REPLY\" \"ON\" \"ECHO\" \"3\" \"PING\" \"c\"",
    );
    check(
        "CLIENT REPLY SKIP\r\n",
        "PING d\r\n",
        "\"CLIENT\" \"REPLY\" \"SKIP\"",
    );
    check(
        "ECHO 4\r\nECHO 5\r\n",
        "PING e\r\n",
        "\"ECHO\" \"5\" \"PING\" \"e\"",
    );
    check(
        "CLIENT REPLY OFF\r\nRESET\r\nMONITOR\r\n",
        "PING f\r\n",
        "\"PING\" \"f\"",
    );
    check("ECHO 6\r\nQUIT\r\n", "", "\"ECHO\" \"6\"");
}

#[test]
fn a_monitor_may_not_use_keys_and_is_never_paused() {
    const REFUSED: &str = "-ERR Replica can't interact with the keyspace\r\n";
    let mut world = World::new();
    let mut monitor = world.session(&BOUND);
    let mut session = world.session(&BOUND);
    let queued = "+OK\r\n+QUEUED\r\n*1\r\n-ERR MONITOR isn't allowed for DENY BLOCKING client\r\n";
    let transaction = "MULTI\r\nMONITOR\r\nEXEC\r\n";
    assert_eq!(world.ask(&mut monitor, transaction), queued);
    world.ask(&mut monitor, "MONITOR\r\n");
    for request in [
        "GET key\r\n",
        "SET key 1\r\n",
        "PUBLISH channel message\r\n",
        "EVAL \"return 1\" 0\r\n",
    ] {
        assert_eq!(world.ask(&mut monitor, request), REFUSED, "{request}");
    }
    let transaction = "MULTI\r\nGET key\r\nEXEC\r\n";
    let aborted =
        format!("+OK\r\n{REFUSED}-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_eq!(world.ask(&mut monitor, transaction), aborted);
    world.ask(&mut session, "CLIENT PAUSE 100 ALL\r\n");
    let reply = world.ask(&mut monitor, "PING\r\n");
    assert!(reply.ends_with("+PONG\r\n"), "{reply}");
}

#[test]
fn slow_commands_are_logged() {
    let mut world = World::new();
    *LONG.lock() = Some(Arc::clone(&world.clock));
    world
        .server
        .tuning
        .slowlog_us_min
        .store(100, Ordering::Relaxed);
    world
        .server
        .tuning
        .latency_ms_min
        .store(15, Ordering::Relaxed);
    let mut session = world.session(&MISSING);
    world.ask(
        &mut session,
        "CLIENT SETNAME me\r\nECHO 99\r\nECHO 20000\r\nPING\r\n",
    );
    let entries = world.server.slowlog.newest(10);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].duration_us, 20_000);
    assert_eq!(entries[0].words, [b"ECHO".to_vec(), b"20000".to_vec()]);
    assert_eq!(entries[0].name.as_deref(), Some(&b"me"[..]));
    let id = session.client.id;
    assert_eq!(
        world.ask(&mut session, "SLOWLOG GET\r\n"),
        format!(
            "*1\r\n*6\r\n:0\r\n:1700000000\r\n:20000\r\n*2\r\n$4\r\nECHO\r\n$5\r\n20000\r\n${}\r\n127.0.0.1:{id}\r\n$2\r\nme\r\n",
            format!("127.0.0.1:{id}").len()
        )
    );
    assert_eq!(
        world.ask(&mut session, "LATENCY LATEST\r\n"),
        "*1\r\n*4\r\n$12\r\nfast-command\r\n:1700000000\r\n:20\r\n:20\r\n"
    );
    let echo = crate::command::table::lookup(b"echo").unwrap();
    let stat = world.server.stats.command(echo.id);
    assert_eq!(stat.calls.load(Ordering::Relaxed), 2);
    assert_eq!(stat.micros.load(Ordering::Relaxed), 20_099);
}

#[test]
fn client_list_shows_every_connection() {
    let mut world = World::new();
    let mut one = world.session(&BOUND);
    let mut two = world.session(&BOUND);
    world.ask(&mut two, "CLIENT SETNAME two\r\nSELECT 5\r\n");
    world.wait_ms(5000);
    let list = world.ask(&mut one, "HELLO 3\r\nCLIENT LIST\r\n");
    let (_, list) = list.split_once("txt:").expect("a verbatim string");
    let lines: Vec<_> = list.trim_end().lines().collect();
    assert_eq!(lines.len(), 2);
    let (id, other) = (one.client.id, two.client.id);
    assert!(lines[0].starts_with(&format!(
        "id={id} addr=127.0.0.1:{id} laddr= fd=0 name= age=5 idle=5 flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=13 "
    )), "{}", lines[0]);
    assert!(
        lines[0]
            .ends_with(" events=r cmd=client|list user=default redir=-1 resp=3 lib-name= lib-ver="),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains(&format!(
            "id={other} addr=127.0.0.1:{other} laddr= fd=0 name=two age=5 idle=5 flags=N db=5 "
        )),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains(" cmd=select "), "{}", lines[1]);
}

#[test]
fn most_commands_wait_for_loading_to_end() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.server.loading.begin(1);
    assert_eq!(
        world.ask(&mut session, "PING\r\nECHO x\r\n"),
        "-LOADING Redis is loading the dataset in memory\r\n$1\r\nx\r\n"
    );
}

#[test]
fn unread_words_count_and_understood_ones_do_not() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let tuning = &world.server.tuning;
    tuning.query_buffer_bytes_max.store(1000, Ordering::Relaxed);
    let word = "x".repeat(900);
    let half = format!("*3\r\n$4\r\nECHO\r\n$900\r\n{word}\r\n$900\r\n{word}");
    session.input.room().extend_from_slice(half.as_bytes());
    world.step(&mut session);
    assert!(!session.is_over_input_limit(&world.server));
    let mut session = world.session(&BOUND);
    let long = format!("*2\r\n$4\r\nECHO\r\n$2000\r\n{word}{word}");
    session.input.room().extend_from_slice(long.as_bytes());
    world.step(&mut session);
    assert!(session.is_over_input_limit(&world.server));
}
