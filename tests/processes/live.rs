//! Processes that read a file beside its server: each sees one moment, none is noticed, and one that dies leaves nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, Server};
use crate::program::{redkeep, succeeds, text};
use redkeep::db::{View, ViewOptions};

/// Pairs that are written over and over.
const PAIRS: u64 = 400;

const ARGUMENTS: [&str; 4] = ["--wal-autocheckpoint", "64kb", "--cache-size", "1mb"];

/// A server whose checkpoints come often, and whose pages leave the cache.
fn server() -> Server {
    Server::redkeep(&ARGUMENTS)
}

/// What the writer has done.
#[derive(Default)]
struct Load {
    /// Rounds that are acknowledged.
    rounds: AtomicU64,
    slowest_ms: AtomicU64,
    is_over: AtomicBool,
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes rounds: each gives one pair two equal values, and says in the same transaction which round it is.
fn write_rounds(server: &Server, load: &Load) {
    let mut connection = server.connect();
    let filler = "x".repeat(1500);
    while !load.is_over.load(Ordering::Relaxed) {
        let round = load.rounds.load(Ordering::Relaxed) + 1;
        let n = round % PAIRS;
        let begun = Instant::now();
        let set = format!("MSET a:{n} {round}{filler} b:{n} {round}{filler} round {round}");
        assert_eq!(connection.ask(&set), "+OK");
        let took_ms = begun.elapsed().as_millis() as u64;
        load.slowest_ms.fetch_max(took_ms, Ordering::Relaxed);
        load.rounds.store(round, Ordering::Relaxed);
    }
}

/// Runs `work` while rounds are written, after each pair was.
fn under_load(server: &Server, load: &Load, work: impl FnOnce()) {
    std::thread::scope(|scope| {
        load.is_over.store(false, Ordering::Relaxed);
        let _ends = Ends(&load.is_over);
        scope.spawn(|| write_rounds(server, load));
        wait_for(|| load.rounds.load(Ordering::Relaxed) > 2 * PAIRS);
        work();
    });
}

#[track_caller]
fn wait_for(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a dump as lines of JSON says: the round, and that it is the state after exactly that round.
#[track_caller]
fn round_of(dump: &[u8]) -> u64 {
    let (mut round, mut pairs) = (0, [[0_u64; 2]; PAIRS as usize]);
    for line in dump.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        let key: serde_json::Value = serde_json::from_slice(line).expect("a line of JSON");
        let (name, value) = (key["key"].as_str().unwrap(), key["value"].as_str().unwrap());
        let value: u64 = value.trim_end_matches('x').parse().expect("a round");
        match name.split_once(':') {
            None => round = value,
            Some(("late", _)) => assert_eq!(value, 0, "{name}"),
            Some((side, n)) => {
                let n: usize = n.parse().unwrap();
                pairs[n][usize::from(side == "b")] = value;
            }
        }
    }
    for (n, pair) in pairs.iter().enumerate() {
        // The last round up to `round` that wrote this pair.
        let n = n as u64;
        let expected = round - (round + PAIRS - n) % PAIRS;
        assert_eq!(pair, &[expected; 2], "pair {n} in round {round}");
    }
    round
}

fn info(server: &Server, field: &str) -> u64 {
    let mut connection = server.connect();
    let size = connection.ask("INFO storage");
    assert_eq!(size, "# Storage");
    loop {
        let line = connection.line();
        if let Some(value) = line.strip_prefix(field).and_then(|l| l.strip_prefix(':')) {
            return value.parse().expect("a number");
        }
    }
}

/// A reader that holds its pin: nobody takes what it prints.
fn stuck_reader(server: &Server) -> Child {
    let before = info(server, "live_readers");
    let child = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .args(["dump", "--format", "jsonl", "--file"])
        .arg(server.at("data.keep"))
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("redkeep runs");
    wait_for(|| info(server, "live_readers") > before);
    child
}

/// What is left of the reader's output, when it has ended well.
#[track_caller]
fn output_of(mut reader: Child) -> Vec<u8> {
    let mut out = Vec::new();
    let pipe = reader.stdout.as_mut().expect("a pipe");
    pipe.read_to_end(&mut out).expect("its output");
    assert!(reader.wait().expect("it ends").success());
    out
}

/// Gives keys that no round writes a value, one of many pages.
fn write_late(server: &Server, value: u64) {
    let mut connection = server.connect();
    let filler = "x".repeat(1500);
    for n in 0..PAIRS {
        let set = format!("SET late:{n} {value}{filler}");
        assert_eq!(connection.ask(&set), "+OK");
    }
    assert_eq!(connection.ask("CHECKPOINT"), "+OK");
}

/// Waits until so many checkpoints more were made.
fn checkpoints(server: &Server, more: u64) {
    let before = info(server, "checkpoint_seq");
    wait_for(|| info(server, "checkpoint_seq") >= before + more);
}

#[test]
fn readers_see_one_moment_and_hold_nobody_up() {
    let server = server();
    let file = server.at("data.keep");
    let file = text(&file);
    let load = Load::default();
    under_load(&server, &load, || {
        let before = info(&server, "checkpoint_seq");
        let mut turn = 0;
        while turn < 12 || info(&server, "checkpoint_seq") <= before + 20 {
            assert!(turn < 1000, "checkpoints go on beside the readers");
            turn += 1;
            let known = load.rounds.load(Ordering::Relaxed);
            let dump = succeeds(&["dump", "--file", file, "--format", "jsonl"]);
            assert!(round_of(&dump) >= known, "what was acknowledged is seen");
            let known = load.rounds.load(Ordering::Relaxed);
            let round = succeeds(&["get", "round", "--file", file]);
            let round: u64 = String::from_utf8(round).unwrap().parse().unwrap();
            assert!(round >= known);
            let names = succeeds(&["scan", "--file", file, "--match", "a:*", "--count"]);
            assert_eq!(names, format!("{PAIRS}\n").into_bytes());
            let stats = succeeds(&["stats", "--file", file, "--json"]);
            let stats: serde_json::Value = serde_json::from_slice(&stats).expect("JSON");
            assert_eq!(stats["db0_keys"], 2 * PAIRS + 1);
            assert_eq!(stats["live"], 1);
            let checked = redkeep(&["check", file]);
            let said = String::from_utf8_lossy(&checked.stdout);
            assert_eq!(checked.status.code(), Some(0), "turn {turn}: {said}");
        }
    });
    let slowest_ms = load.slowest_ms.load(Ordering::Relaxed);
    assert!(slowest_ms < 3000, "a write took {slowest_ms} ms");
    assert_eq!(info(&server, "live_readers"), 0);
}

/// Pages that are in use when the file has everything and nothing else goes on.
fn pages_at_rest(server: &Server) -> u64 {
    let mut connection = server.connect();
    for turn in 0..3 {
        // A checkpoint is made only of something, and pages of the one before are free when it is done.
        assert_eq!(connection.ask(&format!("SET rest {turn}")), "+OK");
        assert_eq!(connection.ask("CHECKPOINT"), "+OK");
    }
    info(server, "file_pages") - info(server, "file_free_pages")
}

#[test]
fn a_reader_that_is_killed_leaves_nothing_held() {
    let server = server();
    let load = Load::default();
    let mut reader = None;
    under_load(&server, &load, || {
        // What the reader holds has every pair.
        assert_eq!(server.connect().ask("CHECKPOINT"), "+OK");
        reader = Some(stuck_reader(&server));
        checkpoints(&server, 12);
        assert_eq!(info(&server, "live_readers"), 1);
        assert!(info(&server, "live_oldest_checkpoints_behind") >= 12);
        // Every pair is written anew, so that nothing of what the reader sees is part of the data any more.
        let round = load.rounds.load(Ordering::Relaxed);
        wait_for(|| load.rounds.load(Ordering::Relaxed) > round + PAIRS);
    });
    let held = pages_at_rest(&server);
    assert_eq!(info(&server, "live_readers"), 1);
    let mut reader = reader.expect("it was started");
    reader.kill().expect("it runs");
    reader.wait().expect("it ends");
    assert_eq!(info(&server, "live_readers"), 0);
    let left = pages_at_rest(&server);
    // The reader saw as many pages as the data has.
    assert!(left * 3 < held * 2, "{left} pages of {held} are in use");
    under_load(&server, &load, || checkpoints(&server, 12));
    assert!(pages_at_rest(&server) < left + 64);
    // The segment that is written, and the one before it.
    assert!(info(&server, "log_live_bytes") <= 2 * (4 << 20));
}

#[test]
fn a_reader_ends_well_although_its_server_is_killed_and_another_one_goes_on() {
    let mut server = server();
    let load = Load::default();
    let mut reader = None;
    let mut known = 0;
    // The replay of the log brings the pages of rounds into the reader's memory; these it reads at the end.
    write_late(&server, 0);
    under_load(&server, &load, || {
        known = load.rounds.load(Ordering::Relaxed);
        reader = Some(stuck_reader(&server));
        checkpoints(&server, 4);
    });
    let limit = load.rounds.load(Ordering::Relaxed);
    for _ in 0..3 {
        server.kill();
        server.start_again(&ARGUMENTS);
        assert_eq!(info(&server, "live_readers"), 1);
        under_load(&server, &load, || {
            write_late(&server, 1);
            checkpoints(&server, 8);
        });
    }
    let round = round_of(&output_of(reader.expect("it was started")));
    assert!((known..=limit).contains(&round), "{round}");
    assert_eq!(info(&server, "live_readers"), 0);
    let checked = redkeep(&["check", text(&server.at("data.keep"))]);
    let said = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(0), "{said}");
}

#[test]
fn a_file_is_read_after_its_server_has_ended_and_while_the_next_one_begins() {
    let mut server = server();
    let load = Load::default();
    under_load(&server, &load, || {});
    let limit = load.rounds.load(Ordering::Relaxed);
    // The connection ends with the server, whatever it says.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("it is there");
    stream.write_all(b"SHUTDOWN\r\n").expect("it is sent");
    server.await_end();
    let mut reader = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .args(["dump", "--format", "jsonl", "--file"])
        .arg(server.at("data.keep"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("redkeep runs");
    // Its first byte is there when it has its pin and has read the log.
    let mut first = [0; 1];
    let pipe = reader.stdout.as_mut().expect("a pipe");
    pipe.read_exact(&mut first).expect("a byte");
    server.start_again(&ARGUMENTS);
    assert_eq!(info(&server, "live_readers"), 1);
    under_load(&server, &load, || checkpoints(&server, 8));
    let dump = [&first[..], &output_of(reader)].concat();
    assert_eq!(round_of(&dump), limit);
}

#[test]
fn without_write_access_to_the_shared_memory_a_reader_is_refused() {
    let server = server();
    assert_eq!(server.connect().ask("SET key value"), "+OK");
    let shm = server.at("data.keep-shm");
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    let dir = shm.parent().expect("a folder");
    std::fs::set_permissions(dir, mode(0o755)).unwrap();
    std::fs::set_permissions(server.at("data.keep"), mode(0o644)).unwrap();
    std::fs::set_permissions(&shm, mode(0o444)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
    command.args(["get", "key", "--file"]);
    command.arg(server.at("data.keep"));
    if rustix::process::geteuid().is_root() {
        // Root may write everything.
        command.uid(65534).gid(65534);
    }
    let output = command.output().expect("redkeep runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("write access") && said.contains("data.keep-shm"),
        "{said}"
    );
}

#[test]
fn a_reader_for_whom_there_is_no_place_is_refused() {
    let server = server();
    assert_eq!(server.connect().ask("SET key value"), "+OK");
    let options = ViewOptions {
        cache_bytes: 1 << 20,
        ..ViewOptions::default()
    };
    let open = || View::open(server.at("data.keep"), &options);
    let mut views: Vec<View> = (0..64).map(|_| open().expect("a place")).collect();
    assert_eq!(info(&server, "live_readers"), 64);
    let refused = open().expect_err("all places are taken").to_string();
    assert!(refused.contains("64 processes"), "{refused}");
    views.pop();
    let last = open().expect("a place is free again");
    let value = last.snapshot().key(0, b"key").expect("a page");
    assert!(value.is_some());
}
