//! Due keys that commands meet.

use super::*;
use crate::command::effects;
use crate::config::events;
use crate::storage::OnMiss;

impl World {
    fn expired_keys(&mut self, session: &mut Session) -> u64 {
        let info = self.ask(session, "INFO stats\r\n");
        let line = info.lines().find(|line| line.starts_with("expired_keys:"));
        let (_, number) = line.unwrap().split_once(':').unwrap();
        number.parse().unwrap()
    }

    /// A connection that hears of events of these classes.
    fn listener(&mut self, classes: i64) -> Session {
        let flags = events::KEYEVENT | classes;
        self.server.tuning.events.store(flags, Ordering::Relaxed);
        let mut listener = self.session(&BOUND);
        self.ask(&mut listener, "PSUBSCRIBE __keyevent@0__:*\r\n");
        listener
    }

    /// Removes what is due as the background does.
    fn expire_due(&mut self) {
        let now_ms = self.clock.wall_ms();
        effects::listen(&mut self.keyspace, &self.server, now_ms);
        self.keyspace.engine.begin_command(OnMiss::Read);
        self.keyspace.expire_due(now_ms, 100).unwrap();
        effects::distribute(&mut self.keyspace, &self.server, None, now_ms);
    }
}

/// The events that a listener has heard of since the last call, each with its key.
fn heard(listener: &Session) -> Vec<String> {
    let mut posted = Vec::new();
    listener.client.entry.take_posted(&mut posted);
    let posted = String::from_utf8(posted).unwrap();
    let lines: Vec<&str> = posted.lines().collect();
    let messages = lines.chunks(9);
    messages
        .map(|lines| format!("{} {}", &lines[6]["__keyevent@0__:".len()..], lines[8]))
        .collect()
}

#[test]
fn a_read_removes_the_due_key_that_it_meets_though_nobody_listens() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.ask(&mut session, "SET a x PX 10\r\nSET b x PX 10\r\n");
    world.wait_ms(20);
    assert_eq!(world.ask(&mut session, "GET a\r\n"), "$-1\r\n");
    assert_eq!(world.expired_keys(&mut session), 1);
    let looked_at = |world: &mut World, key: &[u8]| world.keyspace.presence(0, key, u64::MAX);
    assert_eq!(
        looked_at(&mut world, b"a").unwrap(),
        crate::keyspace::expiry::Presence::Absent
    );
    assert_eq!(
        looked_at(&mut world, b"b").unwrap(),
        crate::keyspace::expiry::Presence::Due
    );
    assert!(world.keyspace.changes.is_empty());
}

#[test]
fn a_due_key_that_a_transaction_meets_counts_once() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.ask(&mut session, "SET a x PX 10\r\nSET b x PX 10\r\n");
    world.wait_ms(20);
    let all = "MULTI\r\nGET a\r\nGET a\r\nSET b y\r\nGET b\r\nEXEC\r\n";
    let replies = world.ask(&mut session, all);
    assert!(replies.ends_with("*4\r\n$-1\r\n$-1\r\n+OK\r\n$1\r\ny\r\n"));
    assert_eq!(world.expired_keys(&mut session), 2);
    assert_eq!(world.ask(&mut session, "GET b\r\n"), "$1\r\ny\r\n");
}

#[test]
fn during_a_pause_due_keys_are_not_there_and_do_not_expire() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let listener = world.listener(events::EXPIRED);
    // The pause begins inside of a transaction, whose later commands obey it.
    let all = "SET c x PX 10\r\nMULTI\r\nSET a x PX 10\r\nSET b x PX 10\r\nCLIENT PAUSE 50000 WRITE\r\nEXEC\r\n";
    world.ask(&mut session, all);
    world.wait_ms(20);
    assert_eq!(
        world.ask(&mut session, "GET a\r\nEXISTS a b\r\n"),
        "$-1\r\n:0\r\n"
    );
    assert_eq!(world.expired_keys(&mut session), 0);
    assert_eq!(heard(&listener), [""; 0]);

    let all = "MULTI\r\nCLIENT UNPAUSE\r\nGET c\r\nEXEC\r\nGET a\r\n";
    world.ask(&mut session, all);
    assert_eq!(world.expired_keys(&mut session), 2);
    assert_eq!(heard(&listener), ["expired c", "expired a"]);
}

#[test]
fn due_fields_are_repeated_one_by_one_and_the_key_goes_with_the_last() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let listener = world.listener(events::HASH | events::GENERIC);
    world.server.feed.open_file(true);
    let all = "HSET h a 1 b 2 c 3\r\nHPEXPIRE h 20 FIELDS 1 a\r\nHPEXPIRE h 10 FIELDS 2 c b\r\n";
    world.ask(&mut session, all);
    world.server.feed.take_file();
    heard(&listener);
    world.wait_ms(50);
    world.expire_due();
    let hdel = |field: &str| format!("*3\r\n$4\r\nHDEL\r\n$1\r\nh\r\n$1\r\n{field}\r\n");
    let said = String::from_utf8(world.server.feed.take_file().bytes).unwrap();
    assert_eq!(said.len(), 3 * hdel("a").len(), "{said}");
    assert!(
        said.ends_with(&hdel("a")),
        "the first to expire goes first: {said}"
    );
    assert!(said.contains(&hdel("b")) && said.contains(&hdel("c")));
    assert_eq!(heard(&listener), ["hexpired h", "del h"]);
    assert_eq!(world.keyspace.stats.expired_fields, 3);
    assert_eq!(world.ask(&mut session, "EXISTS h\r\n"), ":0\r\n");
}

#[test]
fn due_keys_that_wandering_commands_pass_are_removed_one_by_one() {
    for command in ["SCAN 0 MATCH f*", "RANDOMKEY"] {
        let mut world = World::new();
        let mut session = world.session(&BOUND);
        world.ask(&mut session, "SET f1 x PX 10\r\nSET f2 x PX 10\r\n");
        world.wait_ms(20);
        world.server.feed.open_file(true);
        assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":2\r\n");
        world.ask(&mut session, &format!("{command}\r\n"));
        let said = String::from_utf8(world.server.feed.take_file().bytes).unwrap();
        let del = |key: &str| format!("*2\r\n$3\r\nDEL\r\n$2\r\n{key}\r\n");
        assert!(
            said.ends_with(&(del("f1") + &del("f2"))) && !said.contains("MULTI"),
            "{command}: {said}"
        );
        assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":0\r\n");
    }
}

#[test]
fn a_scan_removes_the_due_keys_that_match_whatever_their_type() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let keys = "SET f1 x PX 10\r\nSET f2 x\r\nSET g x PX 10\r\nSADD f3 x\r\nPEXPIRE f3 10\r\n";
    world.ask(&mut session, keys);
    world.wait_ms(20);
    let found = world.ask(&mut session, "SCAN 0 MATCH f* TYPE string\r\n");
    assert_eq!(found, "*2\r\n$1\r\n0\r\n*1\r\n$2\r\nf2\r\n");
    assert_eq!(world.expired_keys(&mut session), 2);
    assert_eq!(world.ask(&mut session, "DBSIZE\r\n"), ":2\r\n");
}

#[test]
fn a_due_key_that_nobody_looks_at_goes_as_one_that_is_there() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let listener = world.listener(events::EXPIRED | events::GENERIC);
    for command in [
        "BITOP NOT due no",
        "ZRANGESTORE due no 0 -1",
        "ZUNIONSTORE due 1 no",
        "SINTERSTORE due no",
        "SORT no STORE due",
        "GEOSEARCHSTORE due no FROMLONLAT 1 1 BYRADIUS 1 m",
    ] {
        world.ask(&mut session, "SET due x PX 10\r\n");
        world.wait_ms(20);
        heard(&listener);
        let reply = world.ask(&mut session, &format!("{command}\r\n"));
        assert_eq!(reply, ":0\r\n", "{command}");
        assert_eq!(heard(&listener), ["del due"], "{command}");
    }
    world.ask(&mut session, "SET due x PX 10\r\n");
    world.wait_ms(20);
    let all = "WATCH due\r\nBITOP NOT due no\r\nMULTI\r\nPING\r\nEXEC\r\n";
    let replies = world.ask(&mut session, all);
    assert!(replies.ends_with("*1\r\n+PONG\r\n"), "{replies}");

    world.ask(&mut session, "SET due x PX 10\r\n");
    world.wait_ms(20);
    let script = "return redis.call('restore', KEYS[1], 0, redis.call('dump', KEYS[2]), 'replace')";
    heard(&listener);
    let all = format!("SET there x\r\nEVAL \"{script}\" 2 due there\r\n");
    assert_eq!(world.ask(&mut session, &all), "+OK\r\n+OK\r\n");
    assert_eq!(heard(&listener), ["restore due"]);
    assert_eq!(world.expired_keys(&mut session), 0);
}

#[test]
fn what_changes_nothing_is_not_repeated_and_approximate_trimming_is_repeated_exactly() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.server.feed.open_file(true);
    world.ask(&mut session, "SET there x\r\n");
    world.server.feed.take_file();
    let script = "return redis.call('restore', KEYS[1], 1, redis.call('dump', KEYS[2]), 'absttl')";
    let all = format!("EVAL \"{script}\" 2 no there\r\n");
    assert_eq!(world.ask(&mut session, &all), "+OK\r\n");
    world.ask(&mut session, "XADD s MAXLEN ~ 5 LIMIT 10 1-1 f v\r\n");
    let said = String::from_utf8(world.server.feed.take_file().bytes).unwrap();
    let words: Vec<&str> = said.lines().skip(2).step_by(2).collect();
    assert_eq!(words, ["XADD", "s", "MAXLEN", "=", "1", "1-1", "f", "v"]);
}

#[test]
fn mset_meets_due_keys_in_their_turn() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.ask(&mut session, "SET due x PX 10\r\n");
    world.wait_ms(20);
    let listener = world.listener(events::EXPIRED | events::STRING);
    world.ask(&mut session, "MSET a 1 due 2\r\n");
    assert_eq!(heard(&listener), ["set a", "expired due", "set due"]);
}

#[test]
fn a_due_key_that_a_transaction_met_is_not_counted_and_does_not_change_places() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    world.ask(&mut session, "SET due x PX 10\r\nSET there x\r\n");
    world.wait_ms(20);
    let all = "MULTI\r\nDBSIZE\r\nGET due\r\nDBSIZE\r\nSCAN 0 TYPE hash\r\nSWAPDB 0 1\r\nEXEC\r\n";
    let replies = world.ask(&mut session, all);
    let (_, replies) = replies.split_once("*5\r\n").unwrap();
    let nothing = "*2\r\n$1\r\n0\r\n*0\r\n";
    assert_eq!(replies, format!(":2\r\n$-1\r\n:1\r\n{nothing}+OK\r\n"));
    let misses = world.ask(&mut session, "INFO stats\r\n");
    assert!(misses.contains("\nkeyspace_misses:1\r\n"), "{misses}");
    let all = "SELECT 1\r\nDBSIZE\r\nSET due x PX 10\r\n";
    assert_eq!(world.ask(&mut session, all), "+OK\r\n:1\r\n+OK\r\n");
    world.wait_ms(20);
    world.ask(&mut session, "MULTI\r\nGET due\r\nFLUSHDB\r\nEXEC\r\n");
    assert_eq!(world.expired_keys(&mut session), 2);
}

#[test]
fn a_due_key_that_is_made_again_stays_until_it_is_met_again() {
    let mut world = World::new();
    let mut session = world.session(&BOUND);
    let sets = "SET a 1 PXAT 1\r\nSET a 2 PXAT 1\r\nDBSIZE\r\n";
    assert_eq!(world.ask(&mut session, sets), "+OK\r\n+OK\r\n:1\r\n");
    assert_eq!(world.expired_keys(&mut session), 1);
    assert_eq!(
        world.ask(&mut session, "GET a\r\nDBSIZE\r\n"),
        "$-1\r\n:0\r\n"
    );
    assert_eq!(world.expired_keys(&mut session), 2);
}
