//! A replica that is Redis follows: what it is given at first, and all that is changed afterwards.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Connection, PATIENCE, Server};

/// Redis, which `command` starts, as a replica of `master`.
fn replica_of(master: &Server, mut command: Command) -> Server {
    command.args(["--enable-debug-command", "yes", "--replicaof"]);
    command.arg(format!("127.0.0.1 {}", master.port));
    Server::start(command)
}

/// Waits until the replica has everything, and compares.
#[track_caller]
fn is_followed(master: &mut Connection, replica: &mut Connection) {
    let begun = Instant::now();
    while master.ask("WAIT 1 100") != ":1" {
        assert!(begun.elapsed() < PATIENCE, "the replica does not follow");
    }
    let digest = master.ask("DEBUG DIGEST");
    assert_eq!(digest.len(), 41, "{digest}");
    assert_eq!(replica.ask("DEBUG DIGEST"), digest);
    assert_eq!(replica.ask("DBSIZE"), master.ask("DBSIZE"));
}

#[test]
fn redis_follows_every_type() {
    let Some(redis) = Server::redis() else {
        return;
    };
    // Redis 7.0 reads version 10.
    let options = ["--enable-debug-command", "yes", "--rdb-version", "10"];
    let server = Server::redkeep(&options);
    let mut master = server.connect();
    let fill = |master: &mut Connection, round: usize| {
        for n in 0..300 {
            for request in [
                format!("SET string:{n} {round}"),
                format!("RPUSH list{round} a{n} {n}"),
                format!("SADD set{round} {n} member:{n}"),
                format!("HSET hash{round} field:{n} {n}"),
                format!("ZADD zset{round} {n}.5 member:{n}"),
                format!("XADD stream{round} {}-1 field {n}", n + 1),
            ] {
                let reply = master.ask(&request);
                assert!(!reply.starts_with('-'), "{request}: {reply}");
            }
        }
        for request in [
            format!("SET expiring{round} x PX 100000000"),
            format!("SPOP set{round} 7"),
            format!("LMOVE list{round} other{round} LEFT RIGHT"),
            format!("XGROUP CREATE stream{round} group 0"),
            format!("XREADGROUP GROUP group me COUNT 3 STREAMS stream{round} >"),
            format!("PFADD hll{round} a b c"),
            format!("GEOADD geo{round} 13.361389 38.115556 Palermo"),
            format!(
                "EVAL \"redis.call('set',KEYS[1],1) return redis.call('incr',KEYS[1])\" 1 script{round}"
            ),
            "MULTI".to_owned(),
            format!("INCR counter{round}"),
            format!("DEL string:{round}"),
        ] {
            // Of replies with more lines only the first is looked at: the connection is not used again.
            let mut fresh = None;
            let connection = if request.starts_with("SPOP") || request.starts_with("XREADGROUP") {
                fresh.insert(server.connect())
            } else {
                &mut *master
            };
            let reply = connection.ask(&request);
            assert!(!reply.starts_with('-'), "{request}: {reply}");
        }
        assert_eq!(master.ask("EXEC"), "*2");
        for _ in 0..2 {
            assert_eq!(master.line(), ":1");
        }
    };
    fill(&mut master, 0);
    let replica = replica_of(&server, redis);
    let mut follower = replica.connect();
    is_followed(&mut master, &mut follower);
    fill(&mut master, 1);
    is_followed(&mut master, &mut follower);
    assert_eq!(master.ask("SET short x PX 50"), "+OK");
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(master.ask("EXISTS short"), ":0");
    is_followed(&mut master, &mut follower);
    assert_eq!(master.ask("FLUSHALL"), "+OK");
    is_followed(&mut master, &mut follower);
    assert_eq!(follower.ask("DBSIZE"), ":0");
}
