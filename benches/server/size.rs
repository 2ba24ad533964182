//! Memory, the start, and the end of much.

use std::time::Instant;

use crate::server::{Client, Server, VALUE_BYTES};
use crate::{Options, say};

const CACHE: &str = "64mb";
/// Bytes of the longest string that Redis knows.
const STRING_BYTES: usize = 512 << 20;
/// Fields of a hash that is twice as large as the cache.
const FIELDS: usize = 128 << 10;
const FLUSHED_KEYS: u64 = 1_000_000;

pub fn measure(options: &Options) {
    let folder = options.folder();
    let server = Server::redkeep(folder.path(), &["--cache-size", CACHE]);
    say("size_start_mib", format!("{:.1}", server.resident_mib()));
    eprintln!("size: filling {} keys", options.keys());
    server.forget_peak();
    server.fill(options.keys());
    step(&server, "fill");
    server.bench(&[
        "--keyspace",
        &options.keys().to_string(),
        "--command",
        "mixed",
    ]);
    step(&server, "gets_and_sets");
    let mut client = server.connect();
    scan(&mut client);
    step(&server, "scan");
    client.ask(&["CHECKPOINT"]);
    step(&server, "checkpoint");

    fill_hash(&mut client);
    step(&server, "large_hash");
    assert!(client.ask(&["HGETALL", "large-hash"]).len() > FIELDS * VALUE_BYTES);
    step(&server, "hgetall");
    assert_eq!(
        client.text(&[
            "SETRANGE",
            "large-string",
            &(STRING_BYTES - 1).to_string(),
            "x"
        ]),
        format!(":{STRING_BYTES}")
    );
    step(&server, "large_string");
    assert!(client.ask(&["GET", "large-string"]).len() > STRING_BYTES);
    step(&server, "get_large_string");

    say(
        "size_del_string_512mb_ms",
        format!("{:.3}", client.time_ms(&["DEL", "large-string"])),
    );
    client.ask(&["CHECKPOINT"]);
    let file_bytes = client.number("storage", "file_bytes");
    server.stop();
    let begun = Instant::now();
    let server = Server::redkeep(folder.path(), &["--cache-size", CACHE]);
    let opened_ms = begun.elapsed().as_secs_f64() * 1000.0;
    say("size_file_mib", file_bytes >> 20);
    // The process, the file and the first reply.
    say("size_clean_start_ms", format!("{opened_ms:.1}"));
    step(&server, "start");
    let mut client = server.connect();
    say(
        "size_flushall_all_ms",
        format!("{:.3}", client.time_ms(&["FLUSHALL"])),
    );
    server.fill(FLUSHED_KEYS);
    say(
        "size_flushall_million_ms",
        format!("{:.3}", client.time_ms(&["FLUSHALL"])),
    );
    step(&server, "flushall");
}

/// Says the most memory that something took.
fn step(server: &Server, name: &str) {
    say(
        &format!("size_peak_{name}_mib"),
        format!("{:.1}", server.peak_mib()),
    );
    server.forget_peak();
}

fn scan(client: &mut Client) {
    let mut cursor = "0".to_string();
    loop {
        let reply = client.ask(&["SCAN", &cursor, "COUNT", "1000"]);
        let text = String::from_utf8_lossy(&reply);
        cursor = text.lines().nth(2).expect("a cursor").to_string();
        if cursor == "0" {
            return;
        }
    }
}

fn fill_hash(client: &mut Client) {
    let value = vec![b'v'; VALUE_BYTES];
    let fields: Vec<usize> = (0..FIELDS).collect();
    for chunk in fields.chunks(100) {
        let mut request = vec![b"HSET".to_vec(), b"large-hash".to_vec()];
        for field in chunk {
            request.push(format!("field:{field}").into_bytes());
            request.push(value.clone());
        }
        client.ask_all(&[request]);
    }
}
