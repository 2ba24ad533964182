//! Clients blocked on keys, with commands made for the test: a value is taken from the first key that has one.

use super::*;
use crate::command::argument::deadline_of_seconds;
use crate::command::blocking::Awaits;
use crate::command::serving::time_out;
use crate::command::string;

/// Takes the string at one of the keys; the last word is a timeout.
fn take(call: &mut Call<'_>) -> Outcome {
    let (keys, timeout) = (
        &call.args[1..call.args.len() - 1],
        call.args[call.args.len() - 1],
    );
    let until_ms = deadline_of_seconds(timeout, call.now_ms)?;
    for key in keys {
        let words = [&b"getdel"[..], key];
        let mark = call.out.mark();
        string::getdel(&mut Call {
            args: &words,
            keyspace: call.keyspace,
            client: call.client,
            server: call.server,
            out: call.out,
            now_ms: call.now_ms,
        })?;
        if call.out.bytes_since(mark) != b"$-1\r\n" {
            return Ok(());
        }
        call.out.cut(mark);
    }
    if !call.block_on_keys(keys, Awaits::StreamGroup, until_ms) {
        call.out.null_array();
    }
    Ok(())
}

/// Takes the string at the first key and gives it to the second.
fn forward(call: &mut Call<'_>) -> Outcome {
    let (from, to) = (call.args[1], call.args[2]);
    let words = [&b"take"[..], from, b"0"];
    let mark = call.out.mark();
    take(&mut Call {
        args: &words,
        keyspace: call.keyspace,
        client: call.client,
        server: call.server,
        out: call.out,
        now_ms: call.now_ms,
    })?;
    if call.client.block.is_some() {
        return Ok(());
    }
    let reply = call.out.bytes_since(mark).to_vec();
    let value = &reply[4..reply.len() - 2];
    let words = [&b"set"[..], to, value];
    let mark = call.out.mark();
    string::set(&mut Call {
        args: &words,
        keyspace: call.keyspace,
        client: call.client,
        server: call.server,
        out: call.out,
        now_ms: call.now_ms,
    })?;
    call.out.cut(mark);
    Ok(())
}

/// Waits for a list.
fn wait_for_list(call: &mut Call<'_>) -> Outcome {
    let key = call.args[1];
    if !call.block_on_keys(&[key], Awaits::List, None) {
        call.out.null_array();
    }
    Ok(())
}

static BLOCKING: LazyLock<Bindings> = LazyLock::new(|| {
    BOUND
        .clone()
        .with("mget", take)
        .with("lcs", forward)
        .with("getrange", wait_for_list)
});

impl World {
    fn block(&mut self, session: &mut Session, words: &str) {
        session.input.room().extend_from_slice(words.as_bytes());
        assert!(
            matches!(self.step(session), Step::Blocked(_)),
            "{words:?} blocks: {}",
            reply(session)
        );
        assert_eq!(reply(session), "");
    }
}

/// What came for a blocked client since the last call.
fn posted(session: &Session) -> String {
    let mut bytes = Vec::new();
    session.client.entry.take_posted(&mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn who_came_first_is_served_first_and_once() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut waiters: Vec<_> = (0..3).map(|_| world.session(&BLOCKING)).collect();
    for waiter in &mut waiters {
        world.block(waiter, "MGET a b 0\r\n");
    }
    assert_eq!(world.server.blocked.len(), 3);
    assert_eq!(world.server.blocked.keys(), (2, 2));
    assert_eq!(
        world.ask(&mut writer, "SET b 1\r\nSET a 2\r\nEXISTS a b\r\n"),
        "+OK\r\n+OK\r\n:0\r\n"
    );
    assert_eq!(posted(&waiters[0]), "$1\r\n1\r\n");
    assert_eq!(posted(&waiters[1]), "$1\r\n2\r\n");
    assert_eq!(posted(&waiters[2]), "");
    world.ask(&mut writer, "SET a 3\r\nSET a 4\r\n");
    assert_eq!(posted(&waiters[2]), "$1\r\n3\r\n");
    assert_eq!(world.ask(&mut writer, "GET a\r\n"), "$1\r\n4\r\n");
    assert_eq!(
        (world.server.blocked.len(), world.server.blocked.keys()),
        (0, (0, 0))
    );
    for waiter in &mut waiters {
        assert_eq!(
            waiter.client.entry.take_signals() & signal::RESUME,
            signal::RESUME
        );
        waiter.resume();
        assert_eq!(world.ask(waiter, "PING\r\n"), "+PONG\r\n");
    }
}

#[test]
fn what_serving_makes_ready_is_served_too() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut last = world.session(&BLOCKING);
    let mut middle = world.session(&BLOCKING);
    let mut first = world.session(&BLOCKING);
    world.block(&mut last, "MGET c 0\r\n");
    world.block(&mut middle, "LCS b c\r\n");
    world.block(&mut first, "LCS a b\r\n");
    assert_eq!(
        world.ask(&mut writer, "SET a x\r\nEXISTS a b c\r\n"),
        "+OK\r\n:0\r\n"
    );
    for session in [&first, &middle, &last] {
        assert_eq!(posted(session), "$1\r\nx\r\n");
    }
}

#[test]
fn a_value_of_another_kind_serves_nobody() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut waiter = world.session(&BLOCKING);
    world.block(&mut waiter, "GETRANGE a 0 0\r\n");
    world.ask(&mut writer, "SET a x\r\nDEL a\r\n");
    assert_eq!(posted(&waiter), "");
    assert_eq!(world.server.blocked.len(), 1);
}

#[test]
fn a_wait_ends_once() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut waiters: Vec<_> = (0..4).map(|_| world.session(&BLOCKING)).collect();
    for waiter in &mut waiters {
        world.block(waiter, "MGET a 1.5\r\n");
    }
    let until_ms = waiters[0].client.block.and_then(|block| block.until_ms);
    assert_eq!(until_ms, Some(world.clock.wall_ms() + 1500));
    let id = |at: usize| waiters[at].client.id;
    assert!(time_out(&world.server, id(0), 0));
    assert!(!time_out(&world.server, id(0), 0));
    let unblock = format!("CLIENT UNBLOCK {} ERROR\r\n", id(1)).repeat(2);
    assert_eq!(world.ask(&mut writer, &unblock), ":1\r\n:0\r\n");
    world.server.disconnect(&waiters[2].client.entry);
    world.ask(&mut writer, "SET a x\r\n");
    assert!(!time_out(&world.server, id(3), 0));
    let replies: Vec<_> = waiters.iter().map(posted).collect();
    assert_eq!(
        replies,
        [
            "*-1\r\n",
            "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n",
            "",
            "$1\r\nx\r\n"
        ]
    );
    let mget = crate::command::table::lookup(b"mget").unwrap();
    let stat = world.server.stats.command(mget.id);
    assert_eq!(stat.calls.load(Ordering::Relaxed), 3);
    assert_eq!(stat.failed.load(Ordering::Relaxed), 1);
}

#[test]
fn a_pause_delays_serving() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut waiter = world.session(&BLOCKING);
    world.block(&mut waiter, "MGET a 0\r\n");
    world
        .keyspace
        .changes
        .listen(crate::keyspace::change::Listener::Block, true);
    let now_ms = world.clock.wall_ms();
    world.server.pause.begin(now_ms + 100, false, now_ms);
    world
        .keyspace
        .write(storage::Plan::Savepoint, |txn| {
            let slot = txn.slot(0, b"a", now_ms)?;
            txn.put_string(&slot, b"a", b"x", Default::default(), None)?;
            txn.touched(0, b"a", 1, None);
            Ok::<_, storage::Error>(())
        })
        .expect("storage");
    world.ask(&mut writer, "PING\r\n");
    assert_eq!(posted(&waiter), "");
    world.wait_ms(100);
    world.ask(&mut writer, "PING\r\n");
    assert_eq!(posted(&waiter), "$1\r\nx\r\n");
}

#[test]
fn nobody_listens_once_nobody_waits() {
    let mut world = World::new();
    let mut writer = world.session(&BLOCKING);
    let mut waiter = world.session(&BLOCKING);
    let block = crate::keyspace::change::Listener::Block;
    assert!(!world.keyspace.changes.hears(block));
    world.block(&mut waiter, "MGET a 0\r\n");
    assert!(world.keyspace.changes.hears(block));
    world.server.disconnect(&waiter.client.entry);
    world.ask(&mut writer, "SET a x\r\n");
    assert!(!world.keyspace.changes.hears(block));
    assert!(world.keyspace.changes.is_empty());
}

#[test]
fn the_slow_log_has_the_words_that_came_though_others_ran_again() {
    let mut world = World::new();
    let mut writer = world.session(&BOUND);
    let mut reader = world.session(&BOUND);
    world.ask(&mut writer, "XADD s 1-1 f v\r\n");
    world.block(&mut reader, "XREAD BLOCK 0 STREAMS s $\r\n");
    let threshold = &world.server.tuning.slowlog_us_min;
    threshold.store(0, Ordering::Relaxed);
    world.ask(&mut writer, "XADD s 1-2 f v\r\n");
    assert!(posted(&reader).ends_with("$3\r\n1-2\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n"));
    let entries = world.server.slowlog.newest(10);
    let slow = entries.iter().find(|entry| entry.words[0] == b"XREAD");
    assert_eq!(slow.expect("an entry").words.last().unwrap(), b"$");
}
