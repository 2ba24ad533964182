//! `tests/server/events.txt`: commands, how their look-ups count, and the keyspace notifications of all classes that they
//! cause, in order, as Redis 7.4 sends them.
//!
//! A line `> words` is a command; a byte that cannot be seen is `\xNN`, an empty word `''`. The line below are its hits
//! and misses; then come its events, each with its key. `REDKEEP_COMPARE_WITH=host:port` plays the file to a Redis server.

use std::env;
use std::net::TcpStream;
use std::time::Duration;

use crate::shell::{Shell, ShellOptions, Socket};

type Client = Socket<TcpStream>;

/// What no command of the file says or answers.
const MARK: &str = "--that is all--";

fn word(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut parts = text.trim_matches('\'').split("\\x");
    bytes.extend_from_slice(parts.next().expect("a first part").as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn request(words: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// Sends a request and reads past its reply.
fn carry_out(client: &mut Client, bytes: &[u8]) {
    client.send(bytes);
    client.send(request(&[b"ECHO".to_vec(), MARK.into()]));
    while client.line() != MARK {}
}

/// Hits and misses since the server began.
fn looks(client: &mut Client) -> [u64; 2] {
    client.send("INFO stats\r\n");
    let text = client.bulk();
    ["keyspace_hits:", "keyspace_misses:"].map(|name| {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        line.expect("a field").parse().expect("a number")
    })
}

/// The events until now, a line each.
fn heard(listener: &mut Client, client: &mut Client) -> String {
    carry_out(
        client,
        &request(&[b"PUBLISH".to_vec(), MARK.into(), b"m".to_vec()]),
    );
    let mut events = String::new();
    loop {
        assert_eq!(listener.line(), "*4");
        let [_, _, channel, key] = std::array::from_fn(|_| listener.bulk());
        if channel == MARK {
            return events;
        }
        let event = channel.split(':').nth(1).expect("an event");
        events += &format!("{event} {key}\n");
    }
}

#[test]
fn commands_look_up_and_tell_as_recorded() {
    let shell = Shell::start(ShellOptions::default());
    let other = env::var("REDKEEP_COMPARE_WITH").ok();
    let connect = || {
        let Some(address) = &other else {
            return shell.connect();
        };
        let stream = TcpStream::connect(address).expect("Redis listens");
        let timeout = Some(Duration::from_secs(10));
        stream.set_read_timeout(timeout).expect("a timeout");
        Socket(stream)
    };
    let (mut client, mut listener) = (connect(), connect());
    carry_out(&mut client, b"FLUSHALL\r\n");
    carry_out(&mut client, b"CONFIG SET notify-keyspace-events AEmn\r\n");
    listener.send("PSUBSCRIBE *\r\n");
    for _ in 0..6 {
        listener.line();
    }
    let mut commands = 0;
    let mut before = looks(&mut client);
    for part in include_str!("events.txt").split("> ").skip(1) {
        let (command, told) = part.split_once('\n').expect("a line of its own");
        let words: Vec<Vec<u8>> = command.split(' ').map(word).collect();
        carry_out(&mut client, &request(&words));
        let events = heard(&mut listener, &mut client);
        let now = looks(&mut client);
        let [hits, misses] = [now[0] - before[0], now[1] - before[1]];
        assert_eq!(format!("= {hits} {misses}\n{events}"), told, "{command}");
        (before, commands) = (now, commands + 1);
    }
    assert!(commands > 250, "{commands} commands");
}
