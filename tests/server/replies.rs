//! The files in `tests/server/replies`: requests and, byte for byte, what Redis 7.4 answers.
//!
//! With `REDKEEP_COMPARE_WITH=host:port` (and `REDKEEP_COMPARE_WITH_PASSWORD=host:port` for a server whose password
//! is "secret") the same files are played to a Redis server, so that a file cannot say what Redis does not.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use crate::shell::{Shell, ShellOptions};

/// One exchange of a file.
struct Exchange {
    line: usize,
    /// None: a new connection begins here.
    request: Option<Vec<u8>>,
    reply: Vec<u8>,
    ends: bool,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("something after a backslash") {
            b'r' => b'\r',
            b'n' => b'\n',
            b'\\' => b'\\',
            b'x' => {
                let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap() as u8;
                digit() << 4 | digit()
            }
            other => panic!("an escape \\{}", char::from(other)),
        });
    }
    bytes
}

fn exchanges(script: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for (at, line) in script.lines().enumerate() {
        if let Some(request) = line.strip_prefix("> ") {
            let mut bytes = unescape(request);
            if bytes[0] != b'*' {
                bytes.extend_from_slice(b"\r\n");
            }
            exchanges.push(Exchange {
                line: at + 1,
                request: Some(bytes),
                reply: Vec::new(),
                ends: false,
            });
        } else if let Some(reply) = line.strip_prefix("< ") {
            let exchange = exchanges.last_mut().expect("a request before a reply");
            exchange.ends = reply.ends_with("<end>");
            exchange.reply = unescape(reply.trim_end_matches("<end>"));
        } else if line == "---" {
            exchanges.push(Exchange {
                line: at + 1,
                request: None,
                reply: Vec::new(),
                ends: true,
            });
        } else {
            assert!(
                line.is_empty() || line.starts_with('#'),
                "a line of a script: {line}"
            );
        }
    }
    exchanges
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    stream
}

/// Reads what is expected, and what more there is at once.
fn read_reply(stream: &mut TcpStream, expected: &Exchange) -> Vec<u8> {
    let mut reply = vec![0; expected.reply.len()];
    let mut at = 0;
    while at < reply.len() {
        match stream.read(&mut reply[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => panic!("line {}: {e}", expected.line),
        }
    }
    reply.truncate(at);
    let mut more = Vec::new();
    if expected.ends {
        match stream.read_to_end(&mut more) {
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
            Err(e) => panic!("line {}: the connection stays open: {e}", expected.line),
        }
    } else {
        // Whatever came too much is there when the next request is answered; a nonblocking look finds most of it.
        stream.set_nonblocking(true).unwrap();
        let mut byte = [0; 64];
        if let Ok(n) = stream.read(&mut byte) {
            more.extend_from_slice(&byte[..n]);
        }
        stream.set_nonblocking(false).unwrap();
    }
    reply.extend(more);
    reply
}

/// Plays a script; Redis of another patch level differs in the number it gives of itself.
fn play(name: &str, address: SocketAddr) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/server/replies")
        .join(name);
    let script = std::fs::read_to_string(path).expect("the script");
    let exchanges = exchanges(&script);
    let mut stream = connect(address);
    let mut played = 0;
    let mut differences = Vec::new();
    for exchange in &exchanges {
        let Some(request) = &exchange.request else {
            stream = connect(address);
            continue;
        };
        stream.write_all(request).expect("the server reads");
        let reply = read_reply(&mut stream, exchange);
        let shown = |bytes: &[u8]| {
            let text = bytes.escape_ascii().to_string();
            text.replace("7.4.1", "7.4.0")
        };
        if shown(&reply) != shown(&exchange.reply) {
            differences.push(format!(
                "{name}:{}: {}\n  expected {}\n  got      {}",
                exchange.line,
                shown(request),
                shown(&exchange.reply),
                shown(&reply)
            ));
        }
        played += 1;
        if exchange.ends {
            stream = connect(address);
        }
    }
    println!("{name}: {played} exchanges");
    assert!(played > 0, "{name} has exchanges");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Plays a script to a server of ours and, where one is named, to a Redis server.
fn check(name: &str, password: &str, other: &str) {
    let shell = Shell::start(ShellOptions::default());
    shell
        .shared
        .server
        .users
        .require_password(password.as_bytes());
    play(name, shell.address);
    if let Ok(address) = std::env::var(other) {
        play(name, address.parse().expect("an address"));
    }
}

#[test]
fn a_replica_may_say_that_it_listens_anywhere() {
    let shell = Shell::start(ShellOptions::default());
    let mut client = shell.connect();
    client.check("REPLCONF listening-port 65536\r\n", "+OK\r\n");
    client.check(
        "REPLCONF listening-port -9223372036854775808\r\n",
        "+OK\r\n",
    );
    client.check(
        "REPLCONF listening-port x\r\n",
        "-ERR value is not an integer or out of range\r\n",
    );
}

#[test]
fn connection() {
    check("connection.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn client() {
    check("client.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn replicas() {
    check("replicas.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn eviction() {
    check("eviction.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn function() {
    check("function.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn instance() {
    check("instance.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn pubsub() {
    check("pubsub.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn stream() {
    check("stream.txt", "", "REDKEEP_COMPARE_WITH");
}

#[test]
fn auth() {
    check("auth.txt", "secret", "REDKEEP_COMPARE_WITH_PASSWORD");
}
