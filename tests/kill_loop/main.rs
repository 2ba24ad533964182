//! The real server is killed at full load, again and again, and keeps what it acknowledged.
//!
//! Several connections write numbered commands in pipelines. SIGKILL comes at a random moment, sometimes a second one
//! during the restart. After each restart the keys of a connection are exactly what its first `m` commands
//! leave, where `m` is at least the number that was acknowledged and at most the number that was sent: nothing
//! acknowledged is missing, nothing is half there, nothing is there twice, nothing old comes back.
//!
//! `ROUNDS` sets the rounds for each policy, `SEED` repeats a run's moments (the machine's own timing remains).

mod load;
mod server;

use std::env;
use std::time::Duration;

use load::{CONNECTIONS, Load, Written};
use server::{Files, Server};

const ROUNDS_USUAL: u64 = 4;

/// Rounds between two looks of `redkeep check` at the file as the kill left it.
const ROUNDS_PER_CHECK: u64 = 5;

/// Load goes on for at most this long before a kill, in milliseconds.
const LOAD_MS_MAX: u64 = 600;

fn number_from(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

fn kill_loop(appendfsync: &str) {
    let rounds = number_from("ROUNDS").unwrap_or(ROUNDS_USUAL);
    let seed = number_from("SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("appendfsync {appendfsync}: SEED={seed} ROUNDS={rounds}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let files = Files::new(appendfsync);
    let mut written: Vec<Written> = (0..CONNECTIONS).map(Written::new).collect();
    let mut server = Server::start(&files);
    let mut total = 0;
    for round in 1..=rounds {
        let before: u64 = written.iter().map(|w| w.acknowledged).sum();
        let load = Load::start(server.port(), written, rng.fork());
        std::thread::sleep(Duration::from_millis(rng.u64(5..LOAD_MS_MAX)));
        load.announce_kill();
        server.kill();
        written = load.finish();
        total += written.iter().map(|w| w.acknowledged).sum::<u64>() - before;
        if round % ROUNDS_PER_CHECK == 0 {
            files.check(1);
        }
        if rng.u8(..4) == 0 {
            files.start_and_kill(Duration::from_micros(rng.u64(..30_000)));
        }
        server = Server::start(&files);
        let mut connection = server.connect();
        for of_one in &mut written {
            of_one.verify(&mut connection, round);
        }
    }
    server.stop();
    files.check(0);
    let server = Server::start(&files);
    let mut connection = server.connect();
    for of_one in &mut written {
        of_one.verify(&mut connection, rounds + 1);
    }
    server.stop();
    println!("appendfsync {appendfsync}: {rounds} kills, {total} acknowledged commands, all there");
    assert!(
        total >= rounds,
        "hardly anything was acknowledged: the load is broken"
    );
}

#[test]
fn kills_lose_nothing_acknowledged_under_always() {
    kill_loop("always");
}

#[test]
fn kills_lose_nothing_acknowledged_under_everysec() {
    kill_loop("everysec");
}

/// Each life begins a segment of the log. One that writes little makes no checkpoint for what it has written, and yet
/// many of them do not fill the disk.
#[test]
fn the_log_of_many_short_lives_is_bounded() {
    const LIVES: u64 = 24;
    const LOG_BYTES_MAX: u64 = 48 << 20;
    let files = Files::new("always");
    for life in 0..LIVES {
        let server = Server::start(&files);
        let mut connection = server.connect();
        let reply = connection.ask(&format!("SET life:{life} {life}\r\n"));
        assert_eq!(reply, "+OK");
        // Long enough for the server to look at its log.
        std::thread::sleep(Duration::from_millis(250));
        server.kill();
    }
    let bytes = files.wal_bytes();
    assert!(bytes <= LOG_BYTES_MAX, "the log has {bytes} bytes");
    let server = Server::start(&files);
    let mut connection = server.connect();
    for life in 0..LIVES {
        assert_eq!(connection.ask(&format!("EXISTS life:{life}\r\n")), ":1");
    }
    server.stop();
}

#[test]
fn libraries_of_functions_are_there_after_kills_and_in_saved_files() {
    let code = "#!lua name=kept\nredis.register_function('answer', function() return 42 end)";
    let load = format!("FUNCTION LOAD \"{}\"\r\n", code.replace('\n', "\\n"));
    let files = Files::new("always");
    let server = Server::start(&files);
    let mut connection = server.connect();
    assert_eq!(connection.ask(&load), "$4");
    assert_eq!(connection.line().expect("a name"), "kept");
    assert_eq!(connection.ask("FLUSHALL\r\n"), "+OK");
    server.kill();
    let server = Server::start(&files);
    let mut connection = server.connect();
    assert_eq!(connection.ask("FCALL answer 0\r\n"), ":42");
    assert_eq!(connection.ask("SAVE\r\n"), "+OK");
    server.kill();
    files.check(1);
    let saved = files.saved();
    let seeded = Files::new("always");
    let server = Server::start_with(&seeded, &["--load-rdb", saved.to_str().expect("a path")]);
    let mut connection = server.connect();
    assert_eq!(connection.ask("FCALL answer 0\r\n"), ":42");
    assert_eq!(connection.ask("FUNCTION FLUSH\r\n"), "+OK");
    server.kill();
    let server = Server::start(&seeded);
    let mut connection = server.connect();
    let reply = connection.ask("FCALL answer 0\r\n");
    assert_eq!(reply, "-ERR Function not found");
    server.stop();
}
