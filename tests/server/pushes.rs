//! What connections are told without having asked: messages of channels, keyspace notifications, invalidations.

use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use redkeep::config::composite::OutputLimit;
use redkeep::server::durability::SyncPolicy;

use crate::shell::{Shell, ShellOptions, Socket, eventually, id};

type Client = Socket<TcpStream>;

fn shell() -> Shell {
    Shell::start(ShellOptions::default())
}

/// An aggregate of bulk strings.
fn bulks(kind: char, words: &[&str]) -> String {
    let mut out = format!("{kind}{}\r\n", words.len());
    for word in words {
        out += &format!("${}\r\n{word}\r\n", word.len());
    }
    out
}

/// A confirmation of RESP2 (`*`) or RESP3 (`>`).
fn confirmed(kind: char, word: &str, name: &str, count: usize) -> String {
    format!(
        "{kind}3\r\n${}\r\n{word}\r\n${}\r\n{name}\r\n:{count}\r\n",
        word.len(),
        name.len()
    )
}

fn invalidated(keys: &[&str]) -> String {
    format!(">2\r\n$10\r\ninvalidate\r\n{}", bulks('*', keys))
}

/// A client that speaks RESP3.
fn three(shell: &Shell) -> Client {
    let mut client = shell.connect();
    client.send("HELLO 3\r\n");
    for _ in 0..26 {
        client.line();
    }
    client
}

/// A client that listens to a channel.
fn subscriber(shell: &Shell, channel: &str) -> Client {
    let mut client = shell.connect();
    client.check(
        format!("SUBSCRIBE {channel}\r\n"),
        &confirmed('*', "subscribe", channel, 1),
    );
    client
}

/// The value of a field of INFO.
fn info(client: &mut Client, field: &str) -> String {
    client.send("INFO everything\r\n");
    let text = client.bulk();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("INFO has {field}"))
        .to_owned()
}

#[test]
fn who_flushes_hears_of_it_for_others_before_the_reply() {
    let shell = shell();
    let (mut two, mut hears) = (shell.connect(), three(&shell));
    let redirect = format!("CLIENT TRACKING ON REDIRECT {}\r\n", id(&mut hears));
    two.check(redirect, "+OK\r\n");
    let told = ">2\r\n$10\r\ninvalidate\r\n$-1\r\n";
    hears.check("FLUSHALL\r\n", &format!("{told}+OK\r\n"));
    hears.check("FLUSHALL ASYNC\r\n", &format!("+OK\r\n{told}"));
}

#[test]
fn what_changed_before_a_flush_is_broadcast_before_its_reply() {
    let shell = shell();
    let mut client = three(&shell);
    client.check("CLIENT TRACKING ON BCAST\r\n", "+OK\r\n");
    let (all, key) = (">2\r\n$10\r\ninvalidate\r\n_\r\n", invalidated(&["k"]));
    client.check(
        "SET k 1\r\nFLUSHDB\r\nPING\r\n",
        &format!("+OK\r\n{all}{key}+OK\r\n+PONG\r\n"),
    );
    client.check(
        "SET k 1\r\nFLUSHDB ASYNC\r\nPING\r\n",
        &format!("+OK\r\n+OK\r\n{all}+PONG\r\n{key}"),
    );
}

#[test]
fn a_script_of_a_subscriber_is_no_subscriber() {
    let shell = shell();
    let mut client = three(&shell);
    client.check("SUBSCRIBE x\r\n", &confirmed('>', "subscribe", "x", 1));
    client.check("EVAL \"return redis.call('PING')\" 0\r\n", "+PONG\r\n");
}

#[test]
fn messages_reach_channels_patterns_and_shard_channels() {
    let shell = shell();
    let (mut two, mut three, mut publisher) = (shell.connect(), three(&shell), shell.connect());
    two.check(
        "PSUBSCRIBE n?ws *\r\n",
        &(confirmed('*', "psubscribe", "n?ws", 1) + &confirmed('*', "psubscribe", "*", 2)),
    );
    three.check(
        "SUBSCRIBE news\r\n",
        &confirmed('>', "subscribe", "news", 1),
    );
    three.check(
        "SSUBSCRIBE news\r\n",
        &confirmed('>', "ssubscribe", "news", 1),
    );
    publisher.check("PUBLISH news hello\r\n", ":3\r\n");
    publisher.check("SPUBLISH news hi\r\n", ":1\r\n");
    two.expect(&bulks('*', &["pmessage", "*", "news", "hello"]));
    two.expect(&bulks('*', &["pmessage", "n?ws", "news", "hello"]));
    three.expect(&bulks('>', &["message", "news", "hello"]));
    three.expect(&bulks('>', &["smessage", "news", "hi"]));
    publisher.check("PUBSUB NUMPAT\r\n", ":2\r\n");
    publisher.check("PUBSUB CHANNELS\r\n", "*1\r\n$4\r\nnews\r\n");
    publisher.check(
        "PUBSUB SHARDNUMSUB news x\r\n",
        "*4\r\n$4\r\nnews\r\n:1\r\n$1\r\nx\r\n:0\r\n",
    );
    assert_eq!(info(&mut publisher, "pubsub_channels"), "1");
    assert_eq!(info(&mut publisher, "pubsub_patterns"), "2");
    assert_eq!(info(&mut publisher, "pubsubshard_channels"), "1");
    assert_eq!(info(&mut publisher, "pubsub_clients"), "2");
}

#[test]
fn a_subscriber_of_resp2_may_only_change_its_subscriptions() {
    let shell = shell();
    let mut client = subscriber(&shell, "ch");
    client.check(
        "GET k\r\n",
        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
         context\r\n",
    );
    client.check(
        "CLIENT ID\r\n",
        "-ERR Can't execute 'client|id': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
         this context\r\n",
    );
    client.check("PING\r\n", &bulks('*', &["pong", ""]));
    client.check("PING hi\r\n", &bulks('*', &["pong", "hi"]));
    client.check("UNSUBSCRIBE\r\n", &confirmed('*', "unsubscribe", "ch", 0));
    client.check(
        "UNSUBSCRIBE\r\n",
        "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:0\r\n",
    );
    client.check("PING\r\n", "+PONG\r\n");
    client.check("GET k\r\n", "$-1\r\n");
}

#[test]
fn what_others_said_before_a_command_comes_before_its_reply() {
    let shell = shell();
    let (mut client, mut publisher) = (three(&shell), shell.connect());
    client.check("SUBSCRIBE ch\r\n", &confirmed('>', "subscribe", "ch", 1));
    for round in 0..200 {
        let text = round.to_string();
        publisher.check(format!("PUBLISH ch {text}\r\n"), ":1\r\n");
        client.send("UNSUBSCRIBE ch\r\nSUBSCRIBE ch\r\n");
        client.expect(&bulks('>', &["message", "ch", &text]));
        client.expect(&confirmed('>', "unsubscribe", "ch", 0));
        client.expect(&confirmed('>', "subscribe", "ch", 1));
    }
}

#[test]
fn what_a_client_publishes_to_itself_comes_behind_the_reply() {
    let shell = shell();
    let mut client = three(&shell);
    client.check("SUBSCRIBE ch\r\n", &confirmed('>', "subscribe", "ch", 1));
    let message = |text: &str| bulks('>', &["message", "ch", text]);
    client.check("PUBLISH ch a\r\n", &format!(":1\r\n{}", message("a")));
    client.check(
        "PUBLISH ch a\r\nGET k\r\nPUBLISH ch b\r\n",
        &format!(":1\r\n{}_\r\n:1\r\n{}", message("a"), message("b")),
    );
    client.check(
        "MULTI\r\nPUBLISH ch a\r\nSET k 1\r\nPUBLISH ch b\r\nEXEC\r\n",
        &format!(
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n:1\r\n+OK\r\n:1\r\n{}{}",
            message("a"),
            message("b")
        ),
    );
    client.send("CLIENT REPLY OFF\r\n");
    client.check("PUBLISH ch c\r\n", &message("c"));
    client.check("SUBSCRIBE x\r\n", &confirmed('>', "subscribe", "x", 2));
}

#[test]
fn what_a_client_tells_itself_is_in_the_protocol_that_it_spoke_then() {
    let shell = shell();
    let mut client = three(&shell);
    client.check("CONFIG SET notify-keyspace-events K$\r\n", "+OK\r\n");
    client.check("SUBSCRIBE ch\r\n", &confirmed('>', "subscribe", "ch", 1));
    let pattern = "__keyspace@0__:*";
    client.check(
        format!("PSUBSCRIBE {pattern}\r\n"),
        &confirmed('>', "psubscribe", pattern, 2),
    );
    client.check("MULTI\r\n", "+OK\r\n");
    for request in [
        "PUBLISH ch one",
        "SET k v",
        "HELLO 2",
        "PUBLISH ch two",
        "SET k v",
    ] {
        client.check(format!("{request}\r\n"), "+QUEUED\r\n");
    }
    client.check("EXEC\r\n", "*5\r\n:1\r\n+OK\r\n");
    for _ in 0..26 {
        client.line();
    }
    client.expect(":1\r\n+OK\r\n");
    for (kind, message) in [('>', "one"), ('*', "two")] {
        client.expect(&bulks(kind, &["message", "ch", message]));
        let channel = "__keyspace@0__:k";
        client.expect(&bulks(kind, &["pmessage", pattern, channel, "set"]));
    }
}

#[test]
fn who_loses_a_channel_is_closed() {
    let shell = shell();
    let mut admin = shell.connect();
    admin.check(
        "ACL SETUSER u on nopass +@all ~* &old &p* &x\r\n",
        "+OK\r\n",
    );
    for (word, name) in [
        ("subscribe", "old"),
        ("psubscribe", "p*"),
        ("ssubscribe", "old"),
    ] {
        let user = || {
            let mut client = shell.connect();
            client.check("AUTH u any\r\n", "+OK\r\n");
            client
        };
        let (mut loser, mut other, mut own) = (user(), user(), three(&shell));
        own.check("AUTH u any\r\n", "+OK\r\n");
        loser.check(format!("{word} {name}\r\n"), &confirmed('*', word, name, 1));
        own.check(format!("{word} {name}\r\n"), &confirmed('>', word, name, 1));
        other.check("SUBSCRIBE x\r\n", &confirmed('*', "subscribe", "x", 1));
        // A rule more, and the same rules in a selector, take nothing away.
        admin.check("ACL SETUSER u &more\r\n", "+OK\r\n");
        admin.check(
            "ACL SETUSER u resetchannels &x (+@all &old &p* &more)\r\n",
            "+OK\r\n",
        );
        loser.check("PING\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        own.check("ACL SETUSER u clearselectors\r\n", "+OK\r\n");
        assert_eq!(own.end(), "");
        assert_eq!(loser.end(), "");
        other.check("PING\r\n", "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
        admin.check("ACL SETUSER u &old &p*\r\n", "+OK\r\n");
    }
}

#[test]
fn pushes_wait_for_the_log_as_replies_do() {
    let shell = shell();
    let (mut listener, mut tracker) = (subscriber(&shell, "ch"), three(&shell));
    tracker.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    tracker.check("GET k\r\n", "_\r\n");
    *shell.log.policy.lock() = SyncPolicy::Always;
    let mut publisher = shell.connect();
    publisher.send("SET k 1\r\nPUBLISH ch m\r\n");
    eventually("a sync is asked for", || {
        shell.log.asked.load(Ordering::SeqCst) > 0
    });
    let short = Some(Duration::from_millis(60));
    for client in [&mut listener, &mut tracker] {
        client.0.set_read_timeout(short).unwrap();
        client.0.peek(&mut [0]).unwrap_err();
        let long = Some(Duration::from_secs(10));
        client.0.set_read_timeout(long).unwrap();
    }
    shell.log.synced.store(u64::MAX, Ordering::SeqCst);
    shell.log.progress();
    listener.expect(&bulks('*', &["message", "ch", "m"]));
    tracker.expect(&invalidated(&["k"]));
}

/// Also a wait that ends in an error has read its keys.
#[test]
fn keys_of_a_wait_that_ends_in_an_error_are_tracked() {
    let shell = shell();
    let (mut tracker, mut writer) = (three(&shell), shell.connect());
    writer.check("XGROUP CREATE a g $ MKSTREAM\r\n", "+OK\r\n");
    tracker.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    tracker.send("XREAD BLOCK 0 STREAMS s a $ $\r\n");
    eventually("it waits", || info(&mut writer, "blocked_clients") == "1");
    writer.check("SET a x\r\n", "+OK\r\n");
    tracker.expect(&invalidated(&["a"]));
    writer.check("XADD s 1-1 f v\r\n", "$3\r\n1-1\r\n");
    tracker.expect(&invalidated(&["s"]));
    tracker.expect("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    writer.check("XADD s 1-2 f v\r\n", "$3\r\n1-2\r\n");
    tracker.expect(&invalidated(&["s"]));
}

/// What is remembered is what the command's own reading of its options comes upon, as in Redis: nothing behind a word that is
/// no option, or without an ID for each key.
#[test]
fn keys_of_a_request_that_is_refused_for_its_options_are_not_tracked() {
    let shell = shell();
    let (mut tracker, mut writer) = (three(&shell), shell.connect());
    tracker.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    tracker.check("XREAD FOO STREAMS s 0\r\n", "-ERR syntax error\r\n");
    tracker.send("XREAD STREAMS s t 0\r\n");
    assert!(tracker.line().starts_with("-ERR Unbalanced"));
    tracker.check(
        "XREAD BLOCK streams STREAMS t 0\r\n",
        "-ERR timeout is not an integer or out of range\r\n",
    );
    for key in ["s", "t"] {
        writer.check(format!("XADD {key} 1-1 f v\r\n"), "$3\r\n1-1\r\n");
    }
    tracker.expect(&invalidated(&["t"]));
    tracker.check("PING\r\n", "+PONG\r\n");
}

#[test]
fn the_end_of_a_wait_keeps_its_place_among_what_a_transaction_has_to_say() {
    let shell = shell();
    let (mut waiter, mut other) = (three(&shell), shell.connect());
    let waiter_id = id(&mut waiter);
    waiter.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    waiter.send("SUBSCRIBE ch\r\n");
    waiter.expect(&confirmed('>', "subscribe", "ch", 1));
    let message = bulks('>', &["message", "ch", "m"]);
    let unblock = format!("CLIENT UNBLOCK {waiter_id}");
    let (set, publish) = (("SET a x", "+OK\r\n"), ("PUBLISH ch m", ":1\r\n"));
    let (first, second) = ((&*unblock, ":1\r\n"), (&*unblock, ":0\r\n"));
    for (commands, told) in [
        (
            [set, publish, first, second],
            [&*invalidated(&["a"]), &message, "_\r\n"],
        ),
        (
            [first, set, publish, second],
            ["_\r\n", &*invalidated(&["a"]), &message],
        ),
    ] {
        waiter.check("EXISTS a\r\n", ":0\r\n");
        waiter.send("BLPOP a 0\r\n");
        eventually("it waits", || info(&mut other, "blocked_clients") == "1");
        other.check("MULTI\r\n", "+OK\r\n");
        for (command, _) in commands {
            other.check(format!("{command}\r\n"), "+QUEUED\r\n");
        }
        let replies: String = commands.map(|(_, reply)| reply).concat();
        other.check("EXEC\r\n", &format!("*4\r\n{replies}"));
        for bytes in told {
            waiter.expect(bytes);
        }
        other.check("DEL a\r\n", ":1\r\n");
    }
}

#[test]
fn a_connection_that_ends_or_is_reset_listens_to_nothing() {
    let shell = shell();
    let mut publisher = shell.connect();
    drop(subscriber(&shell, "ch"));
    eventually("the end of a connection is seen", || {
        publisher.send("PUBLISH ch m\r\n");
        publisher.line() == ":0"
    });
    let mut client = subscriber(&shell, "ch");
    client.check("RESET\r\n", "+RESET\r\n");
    publisher.check("PUBLISH ch m\r\n", ":0\r\n");
    client.check("GET k\r\n", "$-1\r\n");
    let mut killed = subscriber(&shell, "ch");
    publisher.send("CLIENT LIST TYPE pubsub\r\n");
    let list = publisher.bulk();
    assert!(list.contains(" flags=P ") && list.contains(" sub=1 psub=0 ssub=0 "));
    assert_eq!(list.lines().count(), 1);
    publisher.check("CLIENT KILL TYPE pubsub\r\n", ":1\r\n");
    publisher.check("PUBLISH ch m\r\n", ":0\r\n");
    assert_eq!(killed.end(), "");
}

/// What a client may leave unread that listens to channels.
fn limit_subscribers(shell: &Shell, hard_bytes: u64, soft_bytes: u64) {
    let subscriber = redkeep::command::client::Entry::default();
    subscriber.set_subscriber(true);
    let limit = shell.shared.server.tuning.output_limit(&subscriber);
    limit.set(&OutputLimit {
        hard_bytes,
        soft_bytes,
        soft_seconds: 0,
    });
}

/// Publishes until nobody listens or so many bytes are published; returns them.
fn publish(publisher: &mut Client, bytes_max: usize) -> usize {
    let request = format!(
        "*3\r\n$7\r\nPUBLISH\r\n$2\r\nch\r\n$65536\r\n{}\r\n",
        "x".repeat(65536)
    );
    let mut published = 0;
    while published < bytes_max {
        publisher.send(&request);
        if publisher.line() == ":0" {
            break;
        }
        published += 65536;
    }
    published
}

#[test]
fn a_subscriber_that_reads_nothing_is_cut_at_the_hard_limit() {
    const LIMIT: usize = 200_000;
    let shell = shell();
    limit_subscribers(&shell, LIMIT as u64, 0);
    let (_slow, mut publisher) = (subscriber(&shell, "ch"), shell.connect());
    let entry = shell.shared.server.registry.all()[0].clone();
    let mut waiting_max = 0;
    let enough = 256 << 20;
    let mut published = 0;
    while published < enough {
        let now = publish(&mut publisher, 65536);
        waiting_max = waiting_max.max(entry.waiting_bytes());
        published += now;
        if now == 0 {
            break;
        }
    }
    assert!(published < enough, "it is cut");
    assert!(waiting_max < LIMIT + 2 * 65_600, "{waiting_max}");
    let cut = "client_output_buffer_limit_disconnections";
    assert_eq!(info(&mut publisher, cut), "1");
}

#[test]
fn a_subscriber_that_reads_nothing_is_cut_above_the_soft_limit_without_further_messages() {
    let shell = shell();
    limit_subscribers(&shell, 0, 100_000);
    let (_slow, mut publisher) = (subscriber(&shell, "ch"), shell.connect());
    // More than the sockets hold.
    publish(&mut publisher, 16 << 20);
    eventually("it is cut", || {
        publisher.send("PUBSUB NUMSUB ch\r\n");
        publisher.line();
        publisher.bulk();
        publisher.line() == ":0"
    });
    let cut = "client_output_buffer_limit_disconnections";
    assert_eq!(info(&mut publisher, cut), "1");
}

#[test]
fn notifications_come_in_the_order_of_the_events() {
    let shell = shell();
    let (mut listener, mut client) = (shell.connect(), shell.connect());
    client.check("CONFIG SET notify-keyspace-events KEA\r\n", "+OK\r\n");
    listener.check("PSUBSCRIBE *\r\n", &confirmed('*', "psubscribe", "*", 1));
    let heard = |listener: &mut Client, key: &str, event: &str| {
        let keyspace = format!("__keyspace@0__:{key}");
        let keyevent = format!("__keyevent@0__:{event}");
        listener.expect(&bulks('*', &["pmessage", "*", &keyspace, event]));
        listener.expect(&bulks('*', &["pmessage", "*", &keyevent, key]));
    };
    client.check("SET k v EX 100\r\nRENAME k l\r\n", "+OK\r\n+OK\r\n");
    for (key, event) in [
        ("k", "set"),
        ("k", "expire"),
        ("k", "rename_from"),
        ("l", "rename_to"),
    ] {
        heard(&mut listener, key, event);
    }
    client.check(
        "MULTI\r\nSET a 1\r\nPUBLISH ch m\r\nDEL a\r\nEXEC\r\n",
        "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n+OK\r\n:1\r\n:1\r\n",
    );
    heard(&mut listener, "a", "set");
    listener.expect(&bulks('*', &["pmessage", "*", "ch", "m"]));
    heard(&mut listener, "a", "del");
    client.check("CONFIG SET notify-keyspace-events Eg\r\n", "+OK\r\n");
    client.check("SET b 1\r\nDEL b\r\n", "+OK\r\n:1\r\n");
    listener.expect(&bulks('*', &["pmessage", "*", "__keyevent@0__:del", "b"]));
    client.check("CONFIG SET notify-keyspace-events \"\"\r\n", "+OK\r\n");
    client.check("SET c 1\r\nPUBLISH end m\r\n", "+OK\r\n:1\r\n");
    listener.expect(&bulks('*', &["pmessage", "*", "end", "m"]));
}

#[test]
fn a_key_that_is_met_when_due_expires_once() {
    let shell = shell();
    // Nothing else is to meet them.
    let switches = &shell.shared.server.switches;
    switches.active_expire.store(false, Ordering::Relaxed);
    let (mut listener, mut client) = (shell.connect(), three(&shell));
    client.check("CONFIG SET notify-keyspace-events Exm\r\n", "+OK\r\n");
    listener.check("PSUBSCRIBE *\r\n", &confirmed('*', "psubscribe", "*", 1));
    client.check("SET k v PX 1\r\nSET l v PX 1\r\n", "+OK\r\n+OK\r\n");
    std::thread::sleep(Duration::from_millis(5));
    let event = |name: &str, key: &str| {
        let channel = format!("__keyevent@0__:{name}");
        bulks('*', &["pmessage", "*", &channel, key])
    };
    client.check("GET k\r\n", "_\r\n");
    listener.expect(&event("expired", "k"));
    listener.expect(&event("keymiss", "k"));
    client.check("GET k\r\n", "_\r\n");
    listener.expect(&event("keymiss", "k"));
    client.check("SET l w\r\nDEL l\r\n", "+OK\r\n:1\r\n");
    listener.expect(&event("expired", "l"));
    client.check("DEL l\r\n", ":0\r\n");
    client.check("SET l v PX 1\r\n", "+OK\r\n");
    std::thread::sleep(Duration::from_millis(5));
    // A command that fails has met it all the same.
    client.check("LSET l 0 w\r\n", "-ERR no such key\r\n");
    listener.expect(&event("expired", "l"));
    client.check("DBSIZE\r\n", ":0\r\n");
    client.check("PUBLISH end m\r\n", ":1\r\n");
    listener.expect(&bulks('*', &["pmessage", "*", "end", "m"]));
}

#[test]
fn a_change_of_a_read_key_is_told_once_and_behind_the_own_reply() {
    let shell = shell();
    let (mut client, mut other) = (three(&shell), shell.connect());
    client.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    client.check("MGET k l\r\nTTL m\r\n", "*2\r\n_\r\n_\r\n:-2\r\n");
    assert_eq!(info(&mut other, "tracking_total_keys"), "3");
    assert_eq!(info(&mut other, "tracking_clients"), "1");
    other.check("MSET k 1 l 2 m 3\r\n", "+OK\r\n");
    for key in ["k", "l", "m"] {
        client.expect(&invalidated(&[key]));
    }
    other.check("SET k 2\r\n", "+OK\r\n");
    client.check(
        "GET k\r\nSET k 3\r\n",
        &format!("$1\r\n2\r\n+OK\r\n{}", invalidated(&["k"])),
    );
    client.check(
        "MULTI\r\nGET k\r\nSET k 3\r\nGET k\r\nEXEC\r\n",
        &format!(
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*3\r\n$1\r\n3\r\n+OK\r\n$1\r\n3\r\n{}",
            invalidated(&["k"])
        ),
    );
    other.check("FLUSHALL\r\n", "+OK\r\n");
    client.expect(">2\r\n$10\r\ninvalidate\r\n_\r\n");
    assert_eq!(info(&mut other, "tracking_total_items"), "0");
    client.check("CLIENT TRACKING OFF\r\n", "+OK\r\n");
    client.check("GET k\r\n", "_\r\n");
    other.check("SET k 1\r\n", "+OK\r\n");
    client.check("PING\r\n", "+PONG\r\n");
}

#[test]
fn invalidations_are_redirected_to_either_protocol() {
    let shell = shell();
    let (mut client, mut other) = (shell.connect(), shell.connect());
    let mut receiver = shell.connect();
    let number = id(&mut receiver);
    client.check(
        format!("CLIENT TRACKING ON REDIRECT {number}\r\n"),
        "+OK\r\n",
    );
    client.check("CLIENT GETREDIR\r\n", &format!(":{number}\r\n"));
    receiver.check(
        "SUBSCRIBE __redis__:invalidate\r\n",
        &confirmed('*', "subscribe", "__redis__:invalidate", 1),
    );
    client.check("GET k\r\n", "$-1\r\n");
    other.check("SET k 1\r\n", "+OK\r\n");
    let message = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n";
    receiver.expect(&format!("{message}*1\r\n$1\r\nk\r\n"));
    other.check("FLUSHDB\r\n", "+OK\r\n");
    receiver.expect(&format!("{message}$-1\r\n"));
    receiver.check("RESET\r\n", "+RESET\r\n");
    receiver.send("HELLO 3\r\n");
    for _ in 0..26 {
        receiver.line();
    }
    client.check("GET k\r\n", "$-1\r\n");
    client.check("SET k 1\r\n", "+OK\r\n");
    receiver.expect(&invalidated(&["k"]));
    drop(receiver);
    client.send("HELLO 3\r\n");
    for _ in 0..26 {
        client.line();
    }
    eventually("the receiver is gone", || {
        other.send("CLIENT LIST\r\n");
        !other.bulk().contains(&format!("id={number} "))
    });
    client.check("GET k\r\n", "$1\r\n1\r\n");
    other.check("SET k 2\r\n", "+OK\r\n");
    client.expect(&format!(
        ">2\r\n$21\r\ntracking-redir-broken\r\n:{number}\r\n"
    ));
    client.check(
        "CLIENT TRACKINGINFO\r\n",
        &format!(
            "%3\r\n$5\r\nflags\r\n~2\r\n$2\r\non\r\n$15\r\nbroken_redirect\r\n$8\r\nredirect\r\n:{number}\r\n$8\r\n\
             prefixes\r\n*0\r\n"
        ),
    );
}

#[test]
fn broadcasts_gather_the_keys_of_a_pipeline_under_each_prefix() {
    let shell = shell();
    let (mut client, mut quiet) = (three(&shell), three(&shell));
    let mut other = shell.connect();
    client.check(
        "CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:\r\n",
        "+OK\r\n",
    );
    quiet.check("CLIENT TRACKING ON BCAST NOLOOP\r\n", "+OK\r\n");
    assert_eq!(info(&mut other, "tracking_total_prefixes"), "3");
    other.check("MSET user:1 a item:1 b else c\r\n", "+OK\r\n");
    client.expect(&invalidated(&["item:1"]));
    client.expect(&invalidated(&["user:1"]));
    quiet.expect(&invalidated(&["else", "item:1", "user:1"]));
    quiet.check("SET user:2 x\r\n", "+OK\r\n");
    client.expect(&invalidated(&["user:2"]));
    quiet.check("PING\r\n", "+PONG\r\n");
    client.check(
        "CLIENT TRACKING ON BCAST PREFIX user\r\n",
        "-ERR Prefix 'user' overlaps with an existing prefix 'user:'. Prefixes for a single client must not \
         overlap.\r\n",
    );
}

#[test]
fn only_the_keys_that_were_opted_for_are_tracked() {
    let shell = shell();
    let (mut client, mut other) = (three(&shell), shell.connect());
    client.check("CLIENT TRACKING ON OPTIN\r\nGET a\r\n", "+OK\r\n_\r\n");
    client.check(
        "CLIENT CACHING YES\r\nGET b\r\nGET c\r\n",
        "+OK\r\n_\r\n_\r\n",
    );
    other.check("MSET a 1 b 2 c 3\r\n", "+OK\r\n");
    client.expect(&invalidated(&["b"]));
    client.check("CLIENT TRACKING OFF\r\n", "+OK\r\n");
    client.check(
        "CLIENT TRACKING ON OPTOUT\r\nGET a\r\n",
        "+OK\r\n$1\r\n1\r\n",
    );
    client.check(
        "CLIENT CACHING NO\r\nMULTI\r\nGET b\r\nEXEC\r\n",
        "+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$1\r\n2\r\n",
    );
    other.check("MSET a 1 b 2 c 3\r\n", "+OK\r\n");
    client.expect(&invalidated(&["a"]));
    client.check("PING\r\n", "+PONG\r\n");
}

#[test]
fn a_full_table_of_tracked_keys_forgets_some_and_tells() {
    let shell = shell();
    let mut client = three(&shell);
    client.check("CONFIG SET tracking-table-max-keys 2\r\n", "+OK\r\n");
    client.check("CLIENT TRACKING ON\r\n", "+OK\r\n");
    client.check("MGET a b c d\r\n", "*4\r\n_\r\n_\r\n_\r\n_\r\n");
    client.check(
        "PING\r\n",
        &format!("{}{}+PONG\r\n", invalidated(&["a"]), invalidated(&["b"])),
    );
    assert_eq!(info(&mut shell.connect(), "tracking_total_keys"), "2");
}
