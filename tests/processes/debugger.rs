//! Sessions of the debugger of scripts: what they say, whose data they work on, and who goes on meanwhile.

use crate::process::{Connection, PATIENCE, Server};
use std::time::{Duration, Instant};

/// Adds to `k` line by line.
const SCRIPT: &str = r#"EVAL "local n = redis.call('incr', 'k')\nlocal m = redis.call('get', 'k')\nreturn {n, m}" 0"#;

/// A connection whose next script is debugged.
fn debugging(server: &Server, mode: &str) -> Connection {
    let mut connection = server.connect();
    assert_eq!(connection.ask(&format!("SCRIPT DEBUG {mode}")), "+OK");
    connection
}

/// What the debugger says next: the lines of an array, without their marks.
fn heard(connection: &mut Connection) -> Vec<String> {
    let head = connection.line();
    let count = head
        .strip_prefix('*')
        .unwrap_or_else(|| panic!("{head:?} is no array"));
    let count: usize = count.parse().expect("a count");
    let lines = (0..count).map(|_| connection.line());
    lines
        .map(|line| line.strip_prefix('+').expect("a status").to_owned())
        .collect()
}

/// Sends a command of the debugger.
fn say(connection: &mut Connection, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let mut request = format!("*{}", words.len());
    for word in words {
        request.push_str(&format!("\r\n${}\r\n{word}", word.len()));
    }
    connection.send(&request);
}

fn ask(connection: &mut Connection, command: &str) -> Vec<String> {
    say(connection, command);
    heard(connection)
}

/// The lines behind the end of a session, up to the end of the connection.
fn last_lines(connection: &mut Connection) -> Vec<String> {
    // A line of the protocol is never empty here, the end of the stream is.
    std::iter::from_fn(|| Some(connection.line()).filter(|line| !line.is_empty())).collect()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it did not happen: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const STOPPED_AT_1: [&str; 2] = [
    "* Stopped at 1, stop reason = step over",
    "-> 1   local n = redis.call('incr', 'k')",
];
const STOPPED_AT_2: [&str; 4] = [
    "<redis> incr k",
    "<reply> 2",
    "* Stopped at 2, stop reason = step over",
    "-> 2   local m = redis.call('get', 'k')",
];
const REPLY: [&str; 4] = ["*2", ":2", "$1", "2"];

#[test]
fn a_session_on_a_copy_changes_nothing_and_others_go_on() {
    let server = Server::redkeep(&[]);
    let mut other = server.connect();
    other.ask("SET k 1");
    let mut first = debugging(&server, "YES");
    let mut second = debugging(&server, "YES");
    for session in [&mut first, &mut second] {
        session.send(SCRIPT);
        assert_eq!(heard(session), STOPPED_AT_1);
    }
    assert_eq!(other.ask("SET k 10"), "+OK");
    assert_eq!(ask(&mut first, "step"), STOPPED_AT_2);
    assert_eq!(ask(&mut first, "redis publish news x")[1], "<reply> 0");
    assert_eq!(other.ask("GET k"), "10");
    // Other scripts run meanwhile, and are no longer than they were.
    assert_eq!(
        other.ask(r#"EVAL "return redis.call('incr', 'k')" 0"#),
        ":11"
    );
    for session in [&mut first, &mut second] {
        assert_eq!(ask(session, "continue"), ["<endsession>"]);
        assert_eq!(last_lines(session), REPLY);
    }
    assert_eq!(other.ask("GET k"), "11");
    server.stop();
}

#[test]
fn a_session_on_the_data_keeps_what_it_does_and_others_wait() {
    let server = Server::redkeep(&["--workers", "1"]);
    let mut other = server.connect();
    other.ask("SET k 1");
    let mut session = debugging(&server, "SYNC");
    session.send(SCRIPT);
    assert_eq!(heard(&mut session), STOPPED_AT_1);
    other.send("INCRBY k 100");
    assert_eq!(ask(&mut session, "s"), STOPPED_AT_2);
    assert_eq!(ask(&mut session, "c"), ["<endsession>"]);
    assert_eq!(last_lines(&mut session), REPLY);
    assert_eq!(other.line(), ":102");
    server.stop();
}

#[test]
fn a_script_whose_user_has_gone_runs_to_its_end() {
    let server = Server::redkeep(&[]);
    for (mode, value) in [("YES", "$-1"), ("SYNC", "1")] {
        let mut session = debugging(&server, mode);
        session.send(SCRIPT);
        heard(&mut session);
        drop(session);
        let mut other = server.connect();
        wait_until("the session ends", || {
            other.ask("INFO clients");
            let mut clients = String::new();
            while clients.is_empty() {
                let line = other.line();
                clients = line
                    .strip_prefix("connected_clients:")
                    .unwrap_or_default()
                    .to_owned();
            }
            while !other.line().starts_with("blocked_clients") {}
            drop(std::mem::replace(&mut other, server.connect()));
            clients == "1"
        });
        assert_eq!(other.ask("GET k"), value, "{mode}");
    }
    server.stop();
}

#[test]
fn what_no_session_can_be_begun_for_is_refused() {
    let server = Server::redkeep(&[]);
    let mut connection = debugging(&server, "YES");
    let sha = "0".repeat(40);
    assert_eq!(
        connection.ask(&format!("EVALSHA {sha} 0")),
        "-ERR Please use EVAL instead of EVALSHA for debugging"
    );
    assert_eq!(
        connection.ask("SCRIPT DEBUG maybe"),
        "-ERR Use SCRIPT DEBUG YES/SYNC/NO"
    );
    assert_eq!(connection.ask("SCRIPT DEBUG NO"), "+OK");
    assert_eq!(connection.ask("EVAL 'return 7' 0"), ":7");
    connection.send("PING\r\nSCRIPT DEBUG YES");
    assert_eq!(connection.line(), "+PONG");
    assert_eq!(
        connection.line(),
        "-ERR SCRIPT DEBUG must be called outside a pipeline"
    );
    server.stop();
}

/// A script with tables, functions, errors and long values, and what a user may do with it.
const LOOKED_AT: &str = r#"EVAL "local function sum(a, b)\n  local c = a + b\n  redis.debug('in', c, {1,2})\n  return c\nend\nlocal t = {1, 'two', {x = true}}\nlocal long = string.rep('x', 300)\nlocal e = redis.pcall('incr', KEYS[1], 1)\nredis.breakpoint()\nlocal s = sum(1, 2)\nreturn {s, long, e}" 1 key value"#;
const COMMANDS: &[&str] = &[
    "list",
    "break 4 7",
    "break",
    "break -4",
    "break 99 x",
    "step",
    "list 2 1",
    "print KEYS",
    "print ARGV",
    "print none",
    "continue",
    "print t",
    "step",
    "print long",
    "maxlen 0",
    "print long",
    "maxlen 1",
    "redis set a b",
    "redis mget a none",
    "redis nosuch",
    "eval 1/3",
    "eval {1,{2}}",
    "eval nosuch()",
    "eval (",
    "step",
    "continue",
    "step",
    "break 2",
    "next",
    "trace",
    "print",
    "nonsense",
    "step",
    "step",
    "step",
];

/// All that is heard in a session that ends with its last command.
fn transcript(server: &Server, mode: &str) -> Vec<Vec<String>> {
    let mut session = debugging(server, mode);
    session.send(LOOKED_AT);
    let mut all = vec![heard(&mut session)];
    for command in COMMANDS {
        all.push(ask(&mut session, command));
    }
    assert_eq!(
        all.last().map(Vec::len),
        Some(1),
        "the last command ends the session"
    );
    all.push(last_lines(&mut session));
    all
}

#[test]
fn sessions_say_what_those_of_redis_say() {
    let keep = Server::redkeep(&[]);
    let said = transcript(&keep, "YES");
    assert_eq!(said[0][0], "* Stopped at 5, stop reason = step over");
    assert_eq!(transcript(&keep, "SYNC"), said);
    if let Some(redis) = Server::redis() {
        let redis = Server::start(redis);
        for mode in ["YES", "SYNC"] {
            assert_eq!(transcript(&redis, mode), said, "{mode}");
        }
    }
    keep.stop();
}
