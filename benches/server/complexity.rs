//! What one operation costs in collections of different sizes: microseconds, and pages looked at and read.

use std::time::Instant;

use crate::server::{Client, Server};
use crate::{Options, say};

/// Operations of a measurement with a cold cache; each finds few pages of those before it.
const COLD: u64 = 100;
const WARM: u64 = 5000;
/// Elements of a request that builds a collection.
const CHUNK: u64 = 500;
/// Enough that a tree of ten million elements fits.
const CACHE: &str = "6gb";

/// An operation: its name, the type that it is for, and its words for a random number below the number of elements and a
/// number that only grows.
type Operation = (&'static str, &'static str, fn(u64, u64) -> Vec<String>);

const OPERATIONS: [Operation; 10] = [
    ("lindex", "list", |at, _| {
        words(["LINDEX", "list", &at.to_string()])
    }),
    ("lset", "list", |at, _| {
        words(["LSET", "list", &at.to_string(), "another value"])
    }),
    ("zrank", "zset", |at, _| words(["ZRANK", "zset", &name(at)])),
    ("zadd", "zset", |at, _| {
        words(["ZADD", "zset", &(at + 1).to_string(), &name(at)])
    }),
    ("srandmember", "set", |_, _| words(["SRANDMEMBER", "set"])),
    ("spop", "set", |_, _| words(["SPOP", "set"])),
    ("hget", "hash", |at, _| words(["HGET", "hash", &name(at)])),
    ("hset", "hash", |at, _| {
        words(["HSET", "hash", &name(at), "another value"])
    }),
    ("xadd", "stream", |_, turn| {
        words(["XADD", "stream", "*", "f", &turn.to_string()])
    }),
    ("xrange", "stream", |at, _| {
        words([
            "XRANGE",
            "stream",
            &format!("{}-0", at + 1),
            "+",
            "COUNT",
            "1",
        ])
    }),
];

const TYPES: [&str; 5] = ["list", "zset", "set", "hash", "stream"];

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn name(element: u64) -> String {
    format!("element:{element:010}")
}

pub fn measure(options: &Options) {
    let sizes = [1000, 100_000, 10_000_000];
    for elements in sizes.into_iter().filter(|size| *size <= options.elements) {
        let folder = options.folder();
        let start = || Server::redkeep(folder.path(), &["--cache-size", CACHE]);
        let server = start();
        let mut client = server.connect();
        for kind in TYPES {
            eprintln!("complexity: building a {kind} of {elements}");
            build(&mut client, kind, elements);
        }
        client.ask(&["CHECKPOINT"]);
        server.stop();
        for operation in &OPERATIONS {
            let server = start();
            let mut client = server.connect();
            run(&mut client, operation, elements, COLD, "cold");
            // SPOP takes away what it is measured on.
            let warm = WARM.min(elements / 2);
            run(&mut client, operation, elements, warm, "warm_up");
            run(
                &mut client,
                operation,
                elements,
                warm.min(elements / 4),
                "warm",
            );
            server.stop();
        }
        let server = start();
        let mut client = server.connect();
        for kind in TYPES {
            let us = client.time_ms(&["DEL", kind]) * 1000.0;
            say(
                &format!("complexity_del_{kind}_{elements}_us"),
                format!("{us:.0}"),
            );
        }
    }
}

/// Adds that many elements, in order.
fn build(client: &mut Client, kind: &str, elements: u64) {
    let mut at = 0;
    while at < elements {
        let chunk = at..elements.min(at + CHUNK);
        at = chunk.end;
        let requests = if kind == "stream" {
            let add = |n| {
                [
                    "XADD".into(),
                    "stream".into(),
                    format!("{}-0", n + 1),
                    "f".into(),
                    name(n),
                ]
            };
            chunk.map(|n| bytes(add(n))).collect()
        } else {
            let command = match kind {
                "list" => "RPUSH",
                "zset" => "ZADD",
                "set" => "SADD",
                _ => "HSET",
            };
            let elements = chunk.flat_map(|n| match kind {
                "zset" => vec![n.to_string(), name(n)],
                "hash" => vec![name(n), "a value".to_owned()],
                _ => vec![name(n)],
            });
            vec![bytes(
                [command.to_owned(), kind.to_owned()]
                    .into_iter()
                    .chain(elements),
            )]
        };
        client.ask_all(&requests);
    }
}

fn bytes(words: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    words.into_iter().map(String::into_bytes).collect()
}

fn run(client: &mut Client, operation: &Operation, elements: u64, times: u64, cache: &str) {
    let (command, _, words) = operation;
    let mut draw = fastrand::Rng::with_seed(elements ^ times);
    let requests: Vec<Vec<String>> = (0..times)
        .map(|turn| words(draw.u64(..elements), turn))
        .collect();
    let looked = |client: &Client| {
        let misses = client.number("storage", "cache_misses");
        (client.number("storage", "cache_hits") + misses, misses)
    };
    let before = looked(client);
    let begun = Instant::now();
    for request in &requests {
        let request: Vec<&str> = request.iter().map(String::as_str).collect();
        let reply = client.ask(&request);
        assert!(reply[0] != b'-', "{}", String::from_utf8_lossy(&reply));
    }
    let us = begun.elapsed().as_secs_f64() * 1e6 / times as f64;
    let after = looked(client);
    if cache == "warm_up" {
        return;
    }
    let each = |after: u64, before: u64| (after - before) as f64 / times as f64;
    let name = format!("complexity_{command}_{elements}_{cache}");
    say(&format!("{name}_us"), format!("{us:.1}"));
    say(
        &format!("{name}_pages"),
        format!("{:.1}", each(after.0, before.0)),
    );
    say(
        &format!("{name}_pages_read"),
        format!("{:.2}", each(after.1, before.1)),
    );
}
