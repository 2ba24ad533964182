use super::*;
use crate::command::testing::Bench;
use crate::resp::Proto;

fn text(bench: &mut Bench, words: &[&[u8]]) -> String {
    String::from_utf8(bench.run(words)).expect("text")
}

/// The titles of a reply.
fn titles(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# "))
        .collect()
}

#[test]
fn words_choose_sections() {
    let mut bench = Bench::new();
    let default = text(&mut bench, &[b"INFO"]);
    assert_eq!(
        titles(&default),
        [
            "Server",
            "Clients",
            "Memory",
            "Persistence",
            "Storage",
            "Stats",
            "Replication",
            "CPU",
            "Modules",
            "Errorstats",
            "Cluster",
            "Keyspace"
        ]
    );
    assert_eq!(text(&mut bench, &[b"INFO", b"none"]), "$0\r\n\r\n");
    let two = text(
        &mut bench,
        &[b"INFO", b"CPU", b"unknown", b"cluster", b"cpu"],
    );
    assert_eq!(titles(&two), ["CPU", "Cluster"]);
    let all = text(&mut bench, &[b"info", b"ALL"]);
    assert_eq!(titles(&all).len(), SECTIONS.len());
    let more = text(&mut bench, &[b"info", b"default", b"commandstats"]);
    assert_eq!(titles(&more).len(), SECTIONS.len() - 1);
    bench.proto = Proto::Resp3;
    let verbatim = text(&mut bench, &[b"INFO", b"cluster"]);
    assert_eq!(
        verbatim,
        "=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"
    );
}

#[test]
fn the_keyspace_is_counted() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"a", b"1"]);
    bench.run(&[b"SET", b"b", b"1", b"PX", b"1000"]);
    bench.run(&[b"SET", b"c", b"1", b"PX", b"3000"]);
    bench.run(&[b"SET", b"d", b"1", b"PX", b"10"]);
    bench.run(&[b"COPY", b"a", b"e", b"DB", b"3"]);
    bench.now_ms += 100;
    let text = text(&mut bench, &[b"INFO", b"keyspace"]);
    assert!(
        text.contains("db0:keys=4,expires=3,avg_ttl=1900,subexpiry=0\r\n"),
        "{text}"
    );
    assert!(
        text.contains("db3:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n"),
        "{text}"
    );
    assert!(!text.contains("db1:"), "{text}");
}

#[test]
fn every_line_is_a_title_or_a_field_and_no_field_stands_twice() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"a", b"1"]);
    let reply = text(&mut bench, &[b"INFO", b"everything"]);
    let (_, body) = reply.split_once("\r\n").expect("a bulk string");
    let mut names = Vec::new();
    for line in body
        .split("\r\n")
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
    {
        let (name, _) = line.split_once(':').expect("a field");
        assert!(!names.contains(&name), "{name}");
        names.push(name);
    }
    assert!(names.len() > 100, "{}", names.len());
    for name in [
        "redis_version",
        "redkeep_version",
        "process_id",
        "tcp_port",
        "role",
        "loading",
        "poisoned",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(body.contains("redis_version:7.4.0\r\n"));
}

#[test]
fn bytes_are_printed_as_redis_prints_them() {
    for (bytes, printed) in [
        (0, "0B"),
        (1023, "1023B"),
        (1024, "1.00K"),
        (1_056_064, "1.01M"),
        (25_274_793_984, "23.54G"),
        (1 << 50, "1.00P"),
        (u64::MAX, "18446744073709551615B"),
    ] {
        assert_eq!(human(bytes), printed);
    }
}
