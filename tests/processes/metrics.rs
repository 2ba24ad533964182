//! `/metrics` says what INFO says, and `/healthz` whether the server can be used; alerts name what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, Server, free_port};

const ALERTS: &str = include_str!("../../docs/prometheus/alerts.yml");

fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Sends bytes and returns everything that is answered.
fn raw(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    // A refusal may come before all is sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).expect("text")
}

/// The status and the body of a page.
fn get(address: &str, path: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: redkeep\r\n\r\n");
    let answer = raw(address, request.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page.lines().filter(|line| !line.starts_with('#'));
    let pairs = lines.map(|line| line.rsplit_once(' ').expect("a sample"));
    pairs
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// The fields of INFO; the section of the databases, which ends it, must not be empty.
fn info(server: &Server) -> BTreeMap<String, String> {
    let mut connection = server.connect();
    let mut line = connection.ask("INFO everything");
    let mut fields = BTreeMap::new();
    loop {
        if let Some((name, value)) = line.split_once(':') {
            fields.insert(name.to_owned(), value.to_owned());
            if name.starts_with("db") {
                return fields;
            }
        }
        line = connection.line();
    }
}

#[test]
fn metrics_are_what_info_says() {
    let address = free_address();
    let server = Server::redkeep(&["--metrics-addr", &address]);
    let mut connection = server.connect();
    for n in 0..100 {
        assert_eq!(connection.ask(&format!("SET key:{n} value EX 1000")), "+OK");
    }
    assert!(connection.ask("LPUSH key:1 x").starts_with("-WRONGTYPE"));
    let (status, page) = get(&address, "/metrics");
    assert_eq!(status, 200);
    let (samples, info) = (samples(&page), info(&server));
    let of_info = |name: &str| info[name].parse::<f64>().expect("a number");
    for (field, metric) in [
        ("used_memory", "redkeep_used_memory_bytes"),
        ("log_last_lsn", "redkeep_log_last_lsn"),
        ("log_written_bytes", "redkeep_log_written_bytes_total"),
        ("file_pages", "redkeep_file_pages"),
        ("checkpoints", "redkeep_checkpoints_total"),
        ("total_error_replies", "redkeep_error_replies_total"),
        ("keyspace_hits", "redkeep_keyspace_hits_total"),
        ("snapshots", "redkeep_snapshots"),
        ("maxclients", "redkeep_maxclients"),
        ("poisoned", "redkeep_poisoned"),
    ] {
        assert_eq!(samples[metric], of_info(field), "{field}");
    }
    assert!(info["cmdstat_set"].starts_with("calls=100,"));
    for (sample, expected) in [
        ("redkeep_command_calls_total{command=\"set\"}", 100.0),
        ("redkeep_command_failed_calls_total{command=\"lpush\"}", 1.0),
        ("redkeep_errors_total{error=\"WRONGTYPE\"}", 1.0),
        ("redkeep_db_keys{db=\"0\"}", 100.0),
        ("redkeep_db_expiring_keys{db=\"0\"}", 100.0),
    ] {
        assert_eq!(samples[sample], expected, "{sample}");
    }
    // What is looked at is not changed by that.
    assert!(!info.contains_key("cmdstat_info"), "nobody sent INFO");
}

#[test]
fn health_is_that_of_commands() {
    let address = free_address();
    let server = Server::redkeep(&["--metrics-addr", &address]);
    assert_eq!(get(&address, "/healthz"), (200, "ok\n".to_owned()));
    let mut connection = server.connect();
    let (mut script, begun) = (server.connect(), Instant::now());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let reply = script.ask("EVAL \"while true do end\" 0");
            assert!(reply.starts_with("-ERR Script killed by user"), "{reply}");
        });
        loop {
            assert!(begun.elapsed() < PATIENCE, "it is well all the time");
            match get(&address, "/healthz") {
                (200, _) => {}
                (status, text) => {
                    assert_eq!(status, 503);
                    assert_eq!(text, "a command or script is taking long\n");
                    break;
                }
            }
        }
        assert_eq!(get(&address, "/metrics").0, 503);
        while connection.ask("SCRIPT KILL") != "+OK" {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    assert_eq!(get(&address, "/healthz").0, 200);
}

#[test]
fn requests_are_few_and_small() {
    let address = free_address();
    let server = Server::redkeep(&["--metrics-addr", &address]);
    assert_eq!(get(&address, "/").0, 404);
    let post = raw(
        &address,
        b"POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(post.starts_with("HTTP/1.1 405 "), "{post}");
    let head = raw(&address, b"HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let large = format!(
        "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let refused = raw(&address, large.as_bytes());
    assert!(!refused.contains(" 200 "), "{refused}");
    assert!(!raw(&address, b"*1\r\n$4\r\nPING\r\n").contains("PONG"));
    // Those that say nothing keep neither the others nor commands away for long.
    let silent: Vec<_> = (0..40).map(|_| TcpStream::connect(&address)).collect();
    assert_eq!(server.connect().ask("PING"), "+PONG");
    assert_eq!(get(&address, "/healthz").0, 200);
    drop(silent);
}

#[test]
fn alerts_are_on_metrics_that_there_are() {
    let address = free_address();
    let server = Server::redkeep(&["--metrics-addr", &address]);
    server.connect().ask("SET k v EX 1000");
    let (_, page) = get(&address, "/metrics");
    let known: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let named: BTreeSet<&str> = ALERTS
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("redkeep_"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for name in named {
        assert!(known.contains(name), "{name}");
    }
}
