//! Libraries follow the data: what a transaction did to them is taken back with it, and a restart finds them.

use std::sync::Arc;

use super::super::server::Server;
use super::super::testing::Bench;
use crate::config::Config;
use crate::interchange::rdb::payload;
use crate::resp::Proto;
use crate::storage::Plan;
use crate::vfs::OsClock;

fn load(bench: &mut Bench, name: &str, answer: u32) -> Vec<u8> {
    let code = format!(
        "#!lua name={name}\nredis.register_function{{function_name='{name}', flags={{'no-writes'}}, \
         callback=function() return {answer} end}}"
    );
    bench.run(&[b"FUNCTION", b"LOAD", b"REPLACE", code.as_bytes()])
}

fn call(bench: &mut Bench, name: &str) -> Vec<u8> {
    bench.run(&[b"FCALL", name.as_bytes(), b"0"])
}

const NOT_FOUND: &[u8] = b"-ERR Function not found\r\n";

#[test]
fn a_transaction_that_is_taken_back_leaves_the_libraries_of_before() {
    let mut bench = Bench::new();
    load(&mut bench, "kept", 1);
    load(&mut bench, "changed", 2);
    bench.keyspace.begin(Plan::Savepoint).expect("storage");
    load(&mut bench, "changed", 3);
    load(&mut bench, "added", 4);
    assert_eq!(bench.run(&[b"FUNCTION", b"DELETE", b"kept"]), b"+OK\r\n");
    assert_eq!(call(&mut bench, "changed"), b":3\r\n");
    assert_eq!(call(&mut bench, "kept"), NOT_FOUND);
    bench.keyspace.rollback();
    assert_eq!(call(&mut bench, "kept"), b":1\r\n");
    assert_eq!(call(&mut bench, "changed"), b":2\r\n");
    assert_eq!(call(&mut bench, "added"), NOT_FOUND);
    bench.keyspace.begin(Plan::Savepoint).expect("storage");
    assert_eq!(bench.run(&[b"FUNCTION", b"FLUSH"]), b"+OK\r\n");
    assert_eq!(call(&mut bench, "kept"), NOT_FOUND);
    bench.keyspace.rollback();
    assert_eq!(call(&mut bench, "kept"), b":1\r\n");
    bench.keyspace.begin(Plan::Savepoint).expect("storage");
    load(&mut bench, "added", 5);
    bench.keyspace.commit();
    assert_eq!(call(&mut bench, "added"), b":5\r\n");
}

#[test]
fn libraries_outlive_a_restart_and_an_empty_keyspace() {
    let mut bench = Bench::new();
    load(&mut bench, "first", 1);
    load(&mut bench, "second", 2);
    bench.run(&[b"SET", b"key", b"value"]);
    assert_eq!(bench.run(&[b"FLUSHALL"]), b"+OK\r\n");
    bench.run(&[b"FUNCTION", b"DELETE", b"first"]);
    let mut bench = bench.restart();
    bench.server = Server::new(Arc::new(Config::default()), Arc::new(OsClock::default()));
    let server = &bench.server;
    let opened = server.scripting.open(&mut bench.keyspace, server);
    opened.expect("storage");
    assert_eq!(bench.run(&[b"DBSIZE"]), b":0\r\n");
    assert_eq!(call(&mut bench, "first"), NOT_FOUND);
    assert_eq!(call(&mut bench, "second"), b":2\r\n");
}

#[test]
fn lists_are_maps_to_who_speaks_the_third_protocol() {
    let mut bench = Bench::new();
    load(&mut bench, "one", 1);
    bench.proto = Proto::Resp3;
    assert_eq!(
        String::from_utf8_lossy(&bench.run(&[b"FUNCTION", b"LIST"])),
        "*1\r\n%3\r\n$12\r\nlibrary_name\r\n$3\r\none\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n\
         %3\r\n$4\r\nname\r\n$3\r\none\r\n$11\r\ndescription\r\n_\r\n$5\r\nflags\r\n~1\r\n+no-writes\r\n"
    );
    let stats = bench.run(&[b"FUNCTION", b"STATS"]);
    assert_eq!(
        String::from_utf8_lossy(&stats),
        "%2\r\n$14\r\nrunning_script\r\n_\r\n$7\r\nengines\r\n%1\r\n$3\r\nLUA\r\n%2\r\n$15\r\nlibraries_count\r\n:1\r\n\
         $15\r\nfunctions_count\r\n:1\r\n"
    );
}

/// An item of a payload: a library of less than 64 bytes.
fn item(code: &str) -> Vec<u8> {
    [&[0xf5, code.len() as u8], code.as_bytes()].concat()
}

#[test]
fn libraries_of_a_payload_are_compiled_one_after_the_other() {
    let mut bench = Bench::new();
    let good = item("#!lua name=a\nredis.register_function('a', redis.log)");
    let bad = item("#!lua name=a\n)");
    for (items, error) in [
        ([bad.clone(), vec![0xf6]], "Error compiling function"),
        (
            [good.clone(), vec![0xf6]],
            "Pre-GA function format not supported",
        ),
        ([good.clone(), bad], "Library 'a' already exists"),
        (
            [good.clone(), vec![0xf5, 63]],
            "Failed loading library payload",
        ),
    ] {
        let mut payload = items.concat();
        payload::close(&mut payload, 12);
        let reply = bench.run(&[b"FUNCTION", b"RESTORE", &payload]);
        let reply = String::from_utf8_lossy(&reply).into_owned();
        assert!(reply.starts_with(&format!("-ERR {error}")), "{reply}");
        assert_eq!(bench.run(&[b"FUNCTION", b"LIST"]), b"*0\r\n");
    }
    let mut payload = good;
    payload::close(&mut payload, 12);
    load(&mut bench, "kept", 1);
    let flush = b"FLUSH\0".as_slice();
    assert_eq!(
        bench.run(&[b"FUNCTION", b"RESTORE", &payload, flush]),
        b"+OK\r\n"
    );
    assert_eq!(call(&mut bench, "kept"), NOT_FOUND);
}

#[test]
fn functions_whose_names_differ_only_in_case_count_each() {
    let mut bench = Bench::new();
    let code = "#!lua name=a\nredis.register_function('f', redis.log)\nredis.register_function('F', redis.log)";
    let loaded = bench.run(&[b"FUNCTION", b"LOAD", code.as_bytes()]);
    assert_eq!(loaded, b"$1\r\na\r\n");
    let stats = bench.run(&[b"FUNCTION", b"STATS"]);
    assert!(stats.ends_with(b"functions_count\r\n:2\r\n"));
}
