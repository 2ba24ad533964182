//! Commands and their replies, as a Redis 7.4.1 server gave them, and what no script can say.
//!
//! A line `> words` is a command, the line below it the reply; bytes that cannot be seen are `\xNN` (and `\r\n`),
//! `''` is an empty word, `@resp3` changes the protocol.

use super::testing::Bench;
use crate::keyspace::expiry::Expired;
use crate::resp::Proto;

fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let (byte, len) = match escape.as_bytes()[0] {
            b'r' => (b'\r', 1),
            b'n' => (b'\n', 1),
            _ => (
                u8::from_str_radix(&escape[1..3], 16).expect("two digits"),
                3,
            ),
        };
        out.push(byte);
        rest = &escape[len..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

fn check(script: &str) {
    let mut bench = Bench::new();
    let mut lines = script.lines();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        match line {
            "@resp2" => bench.proto = Proto::Resp2,
            "@resp3" => bench.proto = Proto::Resp3,
            _ => {}
        }
        let Some(command) = line.strip_prefix("> ") else {
            continue;
        };
        let words: Vec<Vec<u8>> = command
            .split(' ')
            .map(|word| bytes(if word == "''" { "" } else { word }))
            .collect();
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let expect = bytes(lines.next().expect("a reply"));
        let reply = bench.run(&words);
        assert_eq!(
            reply.escape_ascii().to_string(),
            expect.escape_ascii().to_string(),
            "{command}"
        );
        commands += 1;
    }
    assert!(commands > 50, "the script was read");
}

#[test]
fn strings_answer_as_recorded() {
    check(include_str!("scripts/string.txt"));
}

#[test]
fn bits_and_hyperloglogs_answer_as_recorded() {
    check(include_str!("scripts/bits.txt"));
}

#[test]
fn keys_answer_as_recorded() {
    check(include_str!("scripts/keys.txt"));
}

#[test]
fn long_values_stream_and_change_in_parts() {
    let mut bench = Bench::new();
    let mut value: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 / 3) as u8).collect();
    bench.run(&[b"SET", b"k", &value]);
    bench.run(&[b"SETRANGE", b"k", b"1234567", b"hello"]);
    value[1_234_567..1_234_572].copy_from_slice(b"hello");
    bench.run(&[b"APPEND", b"k", b"tail"]);
    value.extend_from_slice(b"tail");
    let bulk = |value: &[u8]| {
        let mut bulk = format!("${}\r\n", value.len()).into_bytes();
        bulk.extend_from_slice(value);
        bulk.extend_from_slice(b"\r\n");
        bulk
    };
    assert!(bench.run(&[b"GET", b"k"]) == bulk(&value));
    assert!(
        bench.run(&[b"GETRANGE", b"k", b"100", b"-100"]) == bulk(&value[100..value.len() - 99])
    );
    let ones: u32 = value.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(
        bench.run(&[b"BITCOUNT", b"k"]),
        format!(":{ones}\r\n").into_bytes()
    );
    bench.run(&[b"SET", b"mask", b"\xff\x0f"]);
    bench.run(&[b"EXPIRE", b"k", b"100"]);
    bench.run(&[b"BITOP", b"XOR", b"k", b"k", b"mask"]);
    value[0] ^= 0xff;
    value[1] ^= 0x0f;
    assert_eq!(bench.run(&[b"TTL", b"k"]), b":-1\r\n");
    assert!(bench.run(&[b"GETDEL", b"k"]) == bulk(&value));
    assert_eq!(bench.run(&[b"EXISTS", b"k"]), b":0\r\n");
}

/// Redis takes such a payload, and then an entry with an ID that is there already.
#[test]
fn the_last_id_of_a_stream_is_not_below_its_entries() {
    let mut bench = Bench::new();
    // Entries 5-0 and 9-0, and 1-0 as the last ID.
    let payload = b"\x15\x01\x10\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x00((\x00\x00\x00\x0f\x00\x02\x01\x00\x01\x01\x01\x81f\x02\x00\x01\x02\x01\x00\x01\x00\x01\x81v\x02\x04\x01\x02\x01\x04\x01\x00\x01\x81v\x02\x04\x01\xff\x02\x01\x00\x05\x00\x00\x00\x02\x00\x0b\x00\xdem\xa0\x00\xab\xdd2\x02";
    assert_eq!(bench.run(&[b"RESTORE", b"k", b"0", payload]), b"+OK\r\n");
    let refused = bench.run(&[b"XADD", b"k", b"9-0", b"f", b"v"]);
    assert!(refused.starts_with(b"-ERR The ID specified in XADD"));
    assert_eq!(
        bench.run(&[b"XADD", b"k", b"9-1", b"f", b"v"]),
        b"$3\r\n9-1\r\n"
    );
}

#[test]
fn due_keys_vanish_at_their_millisecond_and_are_removed_exactly() {
    let mut bench = Bench::new();
    for n in 1..=100u64 {
        let (key, ms) = (format!("k{n}"), (n * 10).to_string());
        bench.run(&[b"SET", key.as_bytes(), b"v", b"PX", ms.as_bytes()]);
    }
    bench.now_ms += 500;
    assert_eq!(bench.run(&[b"EXISTS", b"k50", b"k49"]), b":1\r\n");
    assert_eq!(bench.run(&[b"DBSIZE"]), b":100\r\n");
    // Overwriting a due key is its end; persisting one is not possible.
    bench.run(&[b"SET", b"k1", b"new"]);
    assert_eq!(bench.run(&[b"PERSIST", b"k2"]), b":0\r\n");
    assert_eq!(bench.run(&[b"DBSIZE"]), b":100\r\n");
    let now_ms = bench.now_ms;
    let first = bench.keyspace.expire_due(now_ms, 20).expect("storage");
    assert_eq!(
        first,
        Expired {
            removed: 20,
            more: true
        }
    );
    let second = bench.keyspace.expire_due(now_ms, 1000).expect("storage");
    assert_eq!(
        second,
        Expired {
            removed: 28,
            more: false
        }
    );
    assert_eq!(bench.keyspace.stats.expired_keys, 49);
    assert_eq!(bench.run(&[b"DBSIZE"]), b":52\r\n");
    bench.run(&[b"SWAPDB", b"0", b"1"]);
    bench.now_ms += 10_000;
    let now_ms = bench.now_ms;
    let last = bench.keyspace.expire_due(now_ms, 1000).expect("storage");
    assert_eq!(last.removed, 51);
}

/// The cursor and the keys of a SCAN reply.
fn page(reply: &[u8]) -> (String, Vec<String>) {
    let text = String::from_utf8_lossy(reply).into_owned();
    let lines: Vec<&str> = text.split("\r\n").collect();
    let keys = lines[4..].iter().skip(1).step_by(2);
    (
        lines[2].to_owned(),
        keys.filter(|key| !key.is_empty())
            .map(|key| (*key).to_owned())
            .collect(),
    )
}

#[test]
fn scan_misses_no_key_also_across_restarts() {
    let mut bench = Bench::new();
    for n in 0..300 {
        bench.run(&[b"SET", format!("key:{n:03}").as_bytes(), b"v"]);
        bench.run(&[b"SET", format!("other:{n:03}").as_bytes(), b"v"]);
    }
    let (mut cursor, mut seen, mut calls) = ("0".to_owned(), Vec::new(), 0);
    loop {
        let reply = bench.run(&[
            b"SCAN",
            cursor.as_bytes(),
            b"MATCH",
            b"key:*",
            b"COUNT",
            b"7",
        ]);
        let (next, keys) = page(&reply);
        seen.extend(keys);
        calls += 1;
        cursor = next;
        if cursor == "0" {
            break;
        }
        if calls == 5 {
            bench.keyspace.save_cursors().expect("storage");
            bench = bench.restart();
        }
        bench.run(&[b"SET", format!("key:new{calls}").as_bytes(), b"v"]);
        bench.run(&[b"DEL", format!("other:{calls:03}").as_bytes()]);
    }
    let expect: Vec<String> = (0..300).map(|n| format!("key:{n:03}")).collect();
    for key in &expect {
        assert!(seen.contains(key), "{key} was missed");
    }
    // Only the range of the pattern was walked.
    assert!(calls <= 60, "{calls} calls");
}

#[test]
fn keys_streams_what_it_finds() {
    let mut bench = Bench::new();
    for n in 0..3000 {
        bench.run(&[b"SET", format!("key:{n:04}").as_bytes(), b"v"]);
    }
    let mut expect = b"*1000\r\n".to_vec();
    for n in 1000..2000 {
        expect.extend_from_slice(format!("$8\r\nkey:{n}\r\n").as_bytes());
    }
    assert!(bench.run(&[b"KEYS", b"key:1*"]) == expect);
    assert_eq!(bench.run(&[b"KEYS", b"none*"]), b"*0\r\n");
}
