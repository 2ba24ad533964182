//! MIGRATE between two Redkeeps and between Redkeep and Redis, both ways.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::process::{Connection, Server, free_port};

const KEYS: [&str; 6] = ["string", "list", "set", "hash", "zset", "stream"];

fn fill(connection: &mut Connection) {
    connection.ask("SET string text PX 100000000");
    for n in 0..700 {
        for request in [
            format!("RPUSH list {n}"),
            format!("SADD set member:{n}"),
            format!("HSET hash field:{n} {n}"),
            format!("ZADD zset {n}.25 member:{n}"),
            format!("XADD stream {}-1 field {n}", n + 1),
        ] {
            let reply = connection.ask(&request);
            assert!(!reply.starts_with('-'), "{request}: {reply}");
        }
    }
}

/// The digests of all keys, each of a connection of its own: only the first line of the reply is wanted.
fn digests(server: &Server) -> Vec<String> {
    let digest = |key: &&str| {
        let mut connection = server.connect();
        connection.ask(&format!("DEBUG DIGEST-VALUE {key}"));
        connection.line()
    };
    KEYS.iter().map(digest).collect()
}

fn moves_there_and_back(here: &Server, there: &Server) {
    let (mut first, mut second) = (here.connect(), there.connect());
    fill(&mut first);
    let before = digests(here);
    let all = KEYS.join(" ");
    let (to, back) = (there.port, here.port);
    assert_eq!(
        first.ask(&format!(
            "MIGRATE 127.0.0.1 {to} \"\" 0 5000 KEYS {all} nothing"
        )),
        "+OK"
    );
    assert_eq!(first.ask("DBSIZE"), ":0");
    assert_eq!(second.ask("DBSIZE"), ":6");
    assert_eq!(digests(there), before);
    let ttl_ms: u64 = second.ask("PTTL string")[1..].parse().expect("a number");
    assert!((90_000_000..=100_000_000).contains(&ttl_ms), "{ttl_ms}");

    for key in KEYS {
        assert_eq!(
            second.ask(&format!("MIGRATE 127.0.0.1 {back} {key} 0 5000 COPY")),
            "+OK"
        );
    }
    assert_eq!(second.ask("DBSIZE"), ":6");
    assert_eq!(digests(here), before);

    let again = second.ask(&format!("MIGRATE 127.0.0.1 {back} list 0 5000"));
    assert_eq!(
        again,
        "-ERR Target instance replied with error: BUSYKEY Target key name already exists."
    );
    assert_eq!(second.ask("EXISTS list"), ":1");
    assert_eq!(
        second.ask(&format!("MIGRATE 127.0.0.1 {back} list 0 5000 REPLACE")),
        "+OK"
    );
    assert_eq!(second.ask("EXISTS list"), ":0");
    assert_eq!(
        second.ask(&format!("MIGRATE 127.0.0.1 {back} list 0 5000 REPLACE")),
        "+NOKEY"
    );
    assert_eq!(
        second.ask(&format!("MIGRATE 127.0.0.1 {back} set 99 5000")),
        "-ERR Target instance replied with error: ERR DB index is out of range"
    );
    assert_eq!(second.ask("EXISTS set"), ":1");
}

#[test]
fn keys_move_between_two_redkeeps() {
    let options = ["--enable-debug-command", "yes"];
    moves_there_and_back(&Server::redkeep(&options), &Server::redkeep(&options));
}

#[test]
fn keys_move_to_redis_and_back() {
    let Some(mut command) = Server::redis() else {
        return;
    };
    command.args(["--enable-debug-command", "yes"]);
    let redis = Server::start(command);
    // Redis 7.0 reads version 10.
    let options = ["--enable-debug-command", "yes", "--rdb-version", "10"];
    let redkeep = Server::redkeep(&options);
    moves_there_and_back(&redkeep, &redis);
    for server in [&redkeep, &redis] {
        server.connect().ask("FLUSHALL");
    }
    moves_there_and_back(&redis, &redkeep);
}

/// What the other server did not acknowledge stays here, and others are not kept from their commands afterwards.
#[test]
fn keys_stay_when_the_other_server_fails() {
    let server = Server::redkeep(&["--requirepass", "", "--appendonly", "no"]);
    let mut connection = server.connect();
    connection.ask("MSET a 1 b 2 c 3");
    let nobody = free_port();
    assert_eq!(
        connection.ask(&format!("MIGRATE 127.0.0.1 {nobody} a 0 500")),
        "-IOERR error or timeout writing to target instance"
    );
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let silent = thread::spawn(move || listener.accept().expect("a connection").0);
    assert_eq!(
        connection.ask(&format!("MIGRATE 127.0.0.1 {port} a 0 200")),
        "-IOERR error or timeout reading to target instance"
    );
    drop(silent.join());
    assert_eq!(connection.ask("DBSIZE"), ":3");

    // SELECT and the first of three keys are acknowledged.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its number").port();
    let breaks = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut bytes = [0; 4096];
        let read = stream.read(&mut bytes).expect("requests");
        assert!(bytes[..read].starts_with(b"*2\r\n$6\r\nSELECT"));
        stream.write_all(b"+OK\r\n+OK\r\n").expect("two replies");
    });
    assert_eq!(
        connection.ask(&format!("MIGRATE 127.0.0.1 {port} \"\" 0 5000 KEYS a b c")),
        "-IOERR error or timeout reading to target instance"
    );
    breaks.join().expect("it said what it was to say");
    assert_eq!(connection.ask("EXISTS a"), ":0");
    assert_eq!(connection.ask("EXISTS b c"), ":2");
}

/// In a transaction and in a script it is carried out in its place.
#[test]
fn keys_move_in_transactions_and_scripts() {
    let (here, there) = (Server::redkeep(&[]), Server::redkeep(&[]));
    let (mut first, mut second) = (here.connect(), there.connect());
    let port = there.port;
    first.ask("MSET a 1 b 2");
    assert_eq!(first.ask("MULTI"), "+OK");
    assert_eq!(first.ask("INCR a"), "+QUEUED");
    assert_eq!(
        first.ask(&format!("MIGRATE 127.0.0.1 {port} a 0 5000")),
        "+QUEUED"
    );
    assert_eq!(first.ask("EXEC"), "*2");
    assert_eq!(first.line(), ":2");
    assert_eq!(first.line(), "+OK");
    assert_eq!(
        first.ask(&format!(
            "EVAL \"return redis.call('migrate','127.0.0.1',{port},KEYS[1],0,5000)\" 1 b"
        )),
        "+OK"
    );
    assert_eq!(first.ask("DBSIZE"), ":0");
    assert_eq!(second.ask("DBSIZE"), ":2");
    assert_eq!(second.ask("INCR a"), ":3");
    drop((here, there));
}
