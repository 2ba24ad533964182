//! `maxmemory`: what is refused, what is given up, and when.

use super::*;
use crate::command::dispatch::BOUND;
use crate::session::OwnEngine;
use crate::storage::OnMiss;

static ALL: LazyLock<Bindings> = LazyLock::new(|| BOUND.clone());

const OOM: &str = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

impl World {
    fn limit(&self, bytes: u64) {
        let limit = &self.server.tuning.maxmemory;
        limit.store(bytes, Ordering::Relaxed);
    }

    /// Keys of 100 bytes and more, as many as `count`.
    fn fill(&mut self, session: &mut Session, count: usize) {
        for n in 0..count {
            let value = "v".repeat(100);
            assert_eq!(
                self.ask(session, &format!("SET key:{n} {value}\r\n")),
                "+OK\r\n"
            );
        }
    }
}

#[test]
fn without_a_policy_data_is_refused_and_everything_else_goes_on() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    world.fill(&mut session, 3);
    world.limit(1);
    assert_eq!(world.ask(&mut session, "SET a 1\r\n"), OOM);
    assert_eq!(world.ask(&mut session, "STRLEN key:1\r\n"), ":100\r\n");
    assert_eq!(world.ask(&mut session, "DEL key:1\r\n"), ":1\r\n");
    assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":2\r\n");
    let replies = world.ask(&mut session, "MULTI\r\nINCR n\r\nEXEC\r\n");
    let aborted = "-EXECABORT Transaction discarded because of previous errors.\r\n";
    assert_eq!(replies, format!("+OK\r\n{OOM}{aborted}"));
    world.limit(0);
    assert_eq!(
        world.ask(&mut session, "MULTI\r\nINCR a\r\nSTRLEN key:2\r\n"),
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n"
    );
    world.limit(1);
    let reply = world.ask(&mut session, "EXEC\r\n");
    let aborted = "-EXECABORT Transaction discarded because of: OOM command not allowed";
    assert!(reply.starts_with(aborted), "{reply}");
    let script = "EVAL \"return redis.call('incr', 'n')\" 0\r\n";
    let reply = world.ask(&mut session, script);
    assert!(reply.starts_with(OOM.trim_end()), "{reply}");
    // What has begun to write goes on to its end.
    let script = "EVAL \"redis.call('del', 'key:0') return redis.call('incr', 'n')\" 0\r\n";
    assert_eq!(world.ask(&mut session, script), ":1\r\n");
}

#[test]
fn keys_go_before_a_command_until_there_is_room() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    world.ask(&mut session, "CONFIG SET maxmemory-policy allkeys-lru\r\n");
    world.fill(&mut session, 50);
    let limit = world.keyspace.used_bytes() - 1000;
    world.limit(limit);
    assert_eq!(world.ask(&mut session, "SET last 1\r\n"), "+OK\r\n");
    let evicted = world.keyspace.stats.evicted_keys;
    assert!((8..=12).contains(&evicted), "{evicted} keys of 120 bytes");
    assert!(world.keyspace.used_bytes() < limit + 100);
    assert_eq!(world.ask(&mut session, "EXISTS last\r\n"), ":1\r\n");
    // Volatile policies have nothing to give up here.
    world.ask(&mut session, "CONFIG SET maxmemory-policy volatile-lru\r\n");
    world.limit(1);
    assert_eq!(world.ask(&mut session, "SET last 2\r\n"), OOM);
    let keys = format!(":{}\r\n", 51 - evicted);
    assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), keys);
}

#[test]
fn a_refused_request_and_a_pause_give_up_nothing() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    world.ask(
        &mut session,
        "CONFIG SET maxmemory-policy allkeys-random\r\n",
    );
    world.fill(&mut session, 20);
    world.limit(1);
    assert!(
        world
            .ask(&mut session, "SET a\r\n")
            .starts_with("-ERR wrong number")
    );
    assert!(
        world
            .ask(&mut session, "NOTHING\r\n")
            .starts_with("-ERR unknown")
    );
    assert_eq!(world.keyspace.stats.evicted_keys, 0);
    let now_ms = world.clock.wall_ms();
    world.server.pause.begin(now_ms + 1000, false, now_ms);
    assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":20\r\n");
    world.wait_ms(2000);
    assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":0\r\n");
}

#[test]
fn a_watched_key_that_is_given_up_fails_exec() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    world.ask(
        &mut session,
        "CONFIG SET maxmemory-policy allkeys-random\r\n",
    );
    world.fill(&mut session, 1);
    world.ask(&mut session, "WATCH key:0\r\nMULTI\r\nPING\r\n");
    world.limit(1);
    assert_eq!(world.ask(&mut session, "EXEC\r\n"), "*-1\r\n");
}

#[test]
fn with_a_cold_cache_room_is_made_after_few_parks() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    world.ask(&mut session, "CONFIG SET maxmemory-policy allkeys-lru\r\n");
    world.fill(&mut session, 2000);
    let log = world.keyspace.engine.log().expect("a log").clone();
    log.write_to(log.last_lsn()).expect("written");
    world.keyspace.engine.forget_cache();
    let limit = world.keyspace.used_bytes() - 20_000;
    world.limit(limit);
    session.input.room().extend_from_slice(b"SET a 1\r\n");
    let mut parks = 0;
    loop {
        let now_us = world.clock.wall_us();
        world.keyspace.engine.begin_command(OnMiss::Note);
        match session.execute(&mut world.keyspace, &world.server, &OwnEngine, now_us) {
            Step::Park(fetch) => {
                parks += 1;
                if let Some(mut fetch) = fetch {
                    fetch.fetch();
                    fetch.land(&mut world.keyspace);
                }
            }
            Step::Read => break,
            _ => {}
        }
        assert!(parks < 5, "it ends");
    }
    assert!(parks > 0, "the cache was cold");
    assert_eq!(reply(&mut session), "+OK\r\n");
    assert!(world.keyspace.used_bytes() < limit + 100);
}

#[test]
fn tracked_prefixes_count_among_what_a_connection_holds() {
    let mut world = World::new();
    let mut session = world.session(&ALL);
    let held = |world: &mut World, session: &mut Session| -> u64 {
        let line = world.ask(session, "CLIENT INFO\r\n");
        let total = line
            .split(' ')
            .find_map(|field| field.strip_prefix("tot-mem="));
        total.unwrap().parse().unwrap()
    };
    let before = held(&mut world, &mut session);
    let prefixes: String = (0..1000).map(|n| format!(" PREFIX {n:05}")).collect();
    let begin = format!("CLIENT TRACKING ON BCAST{prefixes}\r\n");
    assert_eq!(world.ask(&mut session, &begin), "+OK\r\n");
    let with_prefixes = held(&mut world, &mut session);
    assert!(
        with_prefixes >= before + 1000 * 5,
        "{before} {with_prefixes}"
    );
    world.ask(&mut session, "CLIENT TRACKING OFF\r\n");
    let after = held(&mut world, &mut session);
    assert!(after + 1000 * 5 <= with_prefixes, "{after} {with_prefixes}");
    // That is enough to be closed for.
    let limit = &world.server.tuning.clients_bytes_max;
    limit.store(after + 1000 * 5, Ordering::Relaxed);
    assert_eq!(world.ask(&mut session, "PING\r\n"), "+PONG\r\n");
    assert!(!session.client.entry.has_signal(signal::KILL));
    world.ask(&mut session, &begin);
    assert!(session.client.entry.has_signal(signal::KILL));
}
