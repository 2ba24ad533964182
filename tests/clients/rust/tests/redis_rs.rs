//! redis-rs by its ordinary use, in both protocols.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamPendingReply, StreamReadOptions,
    StreamReadReply,
};
use redis::{
    Commands, ExistenceCheck, ProtocolVersion, RedisResult, Script, SetExpiry, SetOptions,
};
use redkeep_clients::{
    PATIENCE, client, file, fresh, in_both_protocols, kill_server, number, open, tls_port,
    wait_for_blocked, wait_until,
};

in_both_protocols!(
    values_of_every_type_come_back,
    errors_have_their_codes,
    a_pool_is_shared_by_threads,
    pipelines_keep_order_and_report_errors_in_place,
    transactions_are_atomic_under_contention,
    messages_reach_channels_and_patterns,
    scripts_are_loaded_when_they_are_not_there,
    a_lock_has_one_holder,
    who_waits_is_served_in_order,
    groups_share_a_stream_and_take_over,
    iterators_see_everything,
    a_session_over_tls,
    pools_come_back_after_the_server_was_killed,
);

fn values_of_every_type_come_back(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let new = SetOptions::default()
        .conditional_set(ExistenceCheck::NX)
        .with_expiration(SetExpiry::EX(100));
    let set = |r: &mut redis::Connection, value| {
        r.set_options::<_, _, Option<String>>("s", value, new.clone())
    };
    assert_eq!(set(&mut r, "v").unwrap().as_deref(), Some("OK"));
    assert_eq!(set(&mut r, "w").unwrap(), None);
    assert_eq!(r.get::<_, String>("s").unwrap(), "v");
    assert!((1..=100).contains(&r.ttl::<_, i64>("s").unwrap()));
    let () = r.mset(&[("a", "1"), ("b", "two")]).unwrap();
    let values: (i64, Option<String>, String) = r.mget(&["a", "none", "b"]).unwrap();
    assert_eq!(values, (1, None, "two".to_owned()));
    let () = r.hset_multiple("h", &[("x", "1"), ("y", "z")]).unwrap();
    let hash: BTreeMap<String, String> = r.hgetall("h").unwrap();
    assert_eq!(
        hash,
        BTreeMap::from([
            ("x".to_owned(), "1".to_owned()),
            ("y".to_owned(), "z".to_owned())
        ])
    );
    assert_eq!(r.rpush::<_, _, usize>("l", &[1, 2, 3]).unwrap(), 3);
    assert_eq!(r.lrange::<_, Vec<i64>>("l", 0, -1).unwrap(), [1, 2, 3]);
    assert_eq!(r.sadd::<_, _, usize>("set", &["a", "b"]).unwrap(), 2);
    assert_eq!(
        r.smembers::<_, BTreeSet<String>>("set").unwrap(),
        BTreeSet::from(["a".to_owned(), "b".to_owned()])
    );
    assert!(r.sismember::<_, _, bool>("set", "a").unwrap());
    assert_eq!(
        r.zadd_multiple::<_, _, _, usize>("z", &[(1.5, "a"), (f64::INFINITY, "b")])
            .unwrap(),
        2
    );
    let ranked: Vec<(String, f64)> = r.zrange_withscores("z", 0, -1).unwrap();
    assert_eq!(
        ranked,
        [("a".to_owned(), 1.5), ("b".to_owned(), f64::INFINITY)]
    );
    assert_eq!(r.incr::<_, _, f64>("f", 0.5).unwrap(), 0.5);
    let binary: Vec<u8> = (0..=255).collect();
    let () = r.set("binary", &binary).unwrap();
    assert_eq!(r.get::<_, Vec<u8>>("binary").unwrap(), binary);
    assert_eq!(r.del::<_, usize>(&["a", "b", "none"]).unwrap(), 2);
}

fn errors_have_their_codes(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let () = r.set("s", "v").unwrap();
    let error = r.lpush::<_, _, usize>("s", 1).unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    let error = redis::cmd("NOSUCHCOMMAND").exec(&mut r).unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
    let error = r.incr::<_, _, i64>("s", 1).unwrap_err();
    assert!(error.to_string().contains("not an integer"), "{error}");
}

fn a_pool_is_shared_by_threads(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let builder = r2d2::Pool::builder()
        .max_size(4)
        .connection_timeout(PATIENCE);
    let pool = builder.build(client(protocol)).unwrap();
    thread::scope(|scope| {
        for worker in 0..8 {
            let pool = pool.clone();
            scope.spawn(move || {
                for step in 0..100 {
                    let mut own = pool.get().unwrap();
                    let () = own.set(format!("{worker}:{step}"), worker).unwrap();
                    let () = own.incr("count", 1).unwrap();
                    assert_eq!(
                        own.get::<_, i64>(format!("{worker}:{step}")).unwrap(),
                        worker
                    );
                }
            });
        }
    });
    assert_eq!(r.get::<_, i64>("count").unwrap(), 800);
    assert_eq!(redis::cmd("DBSIZE").query::<i64>(&mut r).unwrap(), 801);
}

fn pipelines_keep_order_and_report_errors_in_place(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let mut pipe = redis::pipe();
    for _ in 0..10_000 {
        pipe.incr("n", 1);
    }
    assert_eq!(
        pipe.query::<Vec<i64>>(&mut r).unwrap(),
        (1..=10_000).collect::<Vec<_>>()
    );
    let mut pipe = redis::pipe();
    pipe.set("s", "v").lpush("s", 1).get("s");
    let replies: Vec<RedisResult<String>> = pipe.ignore_errors().query(&mut r).unwrap();
    assert_eq!(replies[0].as_deref(), Ok("OK"));
    assert_eq!(replies[1].as_ref().unwrap_err().code(), Some("WRONGTYPE"));
    assert_eq!(replies[2].as_deref(), Ok("v"));
}

fn transactions_are_atomic_under_contention(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut own = open(protocol);
                for _ in 0..20 {
                    let (_,): (i64,) = redis::transaction(&mut own, &["n"], |own, pipe| {
                        let old: Option<i64> = own.get("n")?;
                        pipe.set("n", old.unwrap_or(0) + 1)
                            .ignore()
                            .get("n")
                            .query(own)
                    })
                    .unwrap();
                }
            });
        }
    });
    assert_eq!(r.get::<_, i64>("n").unwrap(), 80);
    redis::cmd("WATCH").arg("n").exec(&mut r).unwrap();
    let () = open(protocol).set("n", "other").unwrap();
    let refused: Option<(String,)> = redis::pipe()
        .atomic()
        .set("n", "mine")
        .query(&mut r)
        .unwrap();
    assert_eq!(refused, None);
    assert_eq!(r.get::<_, String>("n").unwrap(), "other");
    let error = redis::pipe()
        .atomic()
        .set("a", 1)
        .cmd("SET")
        .arg("only")
        .exec(&mut r)
        .unwrap_err();
    assert_eq!(error.code(), Some("EXECABORT"));
    assert!(!r.exists::<_, bool>("a").unwrap());
}

fn messages_reach_channels_and_patterns(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let mut listener = open(protocol);
    let mut subscription = listener.as_pubsub();
    subscription.subscribe("news").unwrap();
    subscription.psubscribe("n*").unwrap();
    assert_eq!(r.publish::<_, _, usize>("news", "hello").unwrap(), 2);
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let message = subscription.get_message().unwrap();
        assert_eq!(message.get_channel_name(), "news");
        assert_eq!(message.get_payload::<String>().unwrap(), "hello");
        seen.insert(message.get_pattern::<Option<String>>().unwrap());
    }
    assert_eq!(seen, BTreeSet::from([None, Some("n*".to_owned())]));
    subscription.unsubscribe("news").unwrap();
    assert_eq!(r.publish::<_, _, usize>("news", "again").unwrap(), 1);
    assert_eq!(
        subscription
            .get_message()
            .unwrap()
            .get_payload::<String>()
            .unwrap(),
        "again"
    );
    drop(subscription);
    // The connection carries commands again.
    let () = listener.set("k", "v").unwrap();
    assert_eq!(r.publish::<_, _, usize>("news", "nobody").unwrap(), 0);
}

fn scripts_are_loaded_when_they_are_not_there(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let script = Script::new(
        "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) return {n, KEYS[1], ARGV[1]}",
    );
    let add = |r: &mut redis::Connection| script.key("n").arg(5).invoke::<(i64, String, String)>(r);
    assert_eq!(add(&mut r).unwrap(), (5, "n".to_owned(), "5".to_owned()));
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut r).unwrap();
    let error = redis::cmd("EVALSHA")
        .arg(script.get_hash())
        .arg(1)
        .arg("n")
        .arg(5)
        .exec(&mut r)
        .unwrap_err();
    assert_eq!(error.code(), Some("NOSCRIPT"));
    assert_eq!(add(&mut r).unwrap().0, 10);
    let found: (bool, bool) = redis::cmd("SCRIPT")
        .arg("EXISTS")
        .arg(script.get_hash())
        .arg("none")
        .query(&mut r)
        .unwrap();
    assert_eq!(found, (true, false));
    let error = Script::new("return redis.error_reply('MINE of a script')")
        .invoke::<()>(&mut r)
        .unwrap_err();
    assert_eq!(error.code(), Some("MINE"));
    let code = "#!lua name=own\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
    assert_eq!(
        redis::cmd("FUNCTION")
            .arg("LOAD")
            .arg(code)
            .query::<String>(&mut r)
            .unwrap(),
        "own"
    );
    assert_eq!(
        redis::cmd("FCALL")
            .arg("twice")
            .arg(0)
            .arg(21)
            .query::<i64>(&mut r)
            .unwrap(),
        42
    );
}

/// A lock as Redis's manual has it: a value of the holder's own, deleted only by who has it.
fn a_lock_has_one_holder(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let release = Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
    );
    let take = |own: &mut redis::Connection, token: &str, ms| {
        let new = SetOptions::default()
            .conditional_set(ExistenceCheck::NX)
            .with_expiration(SetExpiry::PX(ms));
        own.set_options::<_, _, bool>("lock", token, new).unwrap()
    };
    let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for holder in 0..4 {
            let (release, inside, most) = (&release, &inside, &most);
            scope.spawn(move || {
                let mut own = open(protocol);
                for step in 0..5 {
                    let token = format!("{holder}:{step}");
                    wait_until("the lock is free", || take(&mut own, &token, 100_000));
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    assert_eq!(
                        release
                            .key("lock")
                            .arg(&token)
                            .invoke::<i64>(&mut own)
                            .unwrap(),
                        1
                    );
                }
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 1);
    assert!(take(&mut r, "mine", 100_000));
    assert_eq!(
        release
            .key("lock")
            .arg("other")
            .invoke::<i64>(&mut r)
            .unwrap(),
        0
    );
    assert_eq!(
        release
            .key("lock")
            .arg("mine")
            .invoke::<i64>(&mut r)
            .unwrap(),
        1
    );
    assert!(take(&mut r, "short", 20));
    wait_until("the lock expires", || take(&mut r, "next", 100_000));
    assert_eq!(
        release
            .key("lock")
            .arg("short")
            .invoke::<i64>(&mut r)
            .unwrap(),
        0
    );
}

fn who_waits_is_served_in_order(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for at in 0..2 {
            waiting.push(
                scope.spawn(move || open(protocol).blpop::<_, (String, String)>(&["x", "y"], 0.0)),
            );
            wait_for_blocked(&mut r, at + 1);
        }
        let () = r.rpush("y", &["one", "two"]).unwrap();
        for (one, expected) in waiting.into_iter().zip(["one", "two"]) {
            assert_eq!(
                one.join().unwrap().unwrap(),
                ("y".to_owned(), expected.to_owned())
            );
        }
        let least =
            scope.spawn(move || open(protocol).bzpopmin::<_, (String, String, f64)>("z", 0.0));
        wait_for_blocked(&mut r, 1);
        let () = r.zadd_multiple("z", &[(3, "a"), (2, "b")]).unwrap();
        assert_eq!(
            least.join().unwrap().unwrap(),
            ("z".to_owned(), "b".to_owned(), 2.0)
        );
    });
    assert_eq!(
        r.blpop::<_, Option<(String, String)>>("none", 0.05)
            .unwrap(),
        None
    );
}

fn groups_share_a_stream_and_take_over(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let () = r.xgroup_create_mkstream("s", "g", "$").unwrap();
    let ids: Vec<String> = (0..20)
        .map(|n| r.xadd("s", "*", &[("n", n)]).unwrap())
        .collect();
    let mut seen = Vec::new();
    for (consumer, count) in [("one", 12), ("two", 100)] {
        let options = StreamReadOptions::default()
            .group("g", consumer)
            .count(count);
        let reply: StreamReadReply = r.xread_options(&["s"], &[">"], &options).unwrap();
        assert_eq!(reply.keys[0].key, "s");
        seen.extend(
            reply.keys[0]
                .ids
                .iter()
                .map(|entry| (entry.id.clone(), entry.get::<usize>("n").unwrap())),
        );
    }
    assert_eq!(seen, ids.iter().cloned().zip(0..20).collect::<Vec<_>>());
    assert_eq!(r.xack::<_, _, _, usize>("s", "g", &ids[..10]).unwrap(), 10);
    let StreamPendingReply::Data(pending) = r.xpending("s", "g").unwrap() else {
        panic!("entries are pending")
    };
    let consumers: Vec<_> = pending
        .consumers
        .iter()
        .map(|one| (one.name.as_str(), one.pending))
        .collect();
    assert_eq!(
        (pending.count, &pending.start_id, &pending.end_id),
        (10, &ids[10], &ids[19])
    );
    assert_eq!(consumers, [("one", 2), ("two", 8)]);
    let options = StreamAutoClaimOptions::default().count(4);
    let claimed: StreamAutoClaimReply = r
        .xautoclaim_options("s", "g", "heir", 0, "0-0", options)
        .unwrap();
    assert_eq!(
        claimed
            .claimed
            .iter()
            .map(|entry| &entry.id)
            .collect::<Vec<_>>(),
        ids[10..14].iter().collect::<Vec<_>>()
    );
    assert_eq!(claimed.next_stream_id, ids[14]);
    thread::scope(|scope| {
        let options = StreamReadOptions::default().block(0);
        let reader = scope.spawn(move || {
            open(protocol).xread_options::<_, _, StreamReadReply>(&["s"], &["$"], &options)
        });
        wait_for_blocked(&mut r, 1);
        let id: String = r.xadd("s", "*", &[("a", "b")]).unwrap();
        assert_eq!(reader.join().unwrap().unwrap().keys[0].ids[0].id, id);
    });
}

fn iterators_see_everything(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let mut pipe = redis::pipe();
    for n in 0..2000 {
        pipe.set(format!("key:{n}"), n)
            .ignore()
            .hset("h", format!("f{n}"), n)
            .ignore();
    }
    pipe.exec(&mut r).unwrap();
    let keys: BTreeSet<String> = r.scan_match("key:*").unwrap().map(Result::unwrap).collect();
    assert_eq!(keys, (0..2000).map(|n| format!("key:{n}")).collect());
    let fields: BTreeMap<String, i64> = r.hscan("h").unwrap().map(Result::unwrap).collect();
    assert_eq!(fields, (0..2000).map(|n| (format!("f{n}"), n)).collect());
}

fn a_session_over_tls(protocol: ProtocolVersion) {
    fresh(protocol);
    let connect = |client_tls| {
        let url = format!(
            "rediss://localhost:{}/?protocol=resp{}",
            tls_port(),
            number(protocol)
        );
        let certificates = redis::TlsCertificates {
            client_tls,
            root_cert: Some(file("ca.crt")),
        };
        let mut connection = redis::Client::build_with_tls(url, certificates)?
            .get_connection_with_timeout(PATIENCE)?;
        redis::cmd("PING").exec(&mut connection)?;
        RedisResult::Ok(connection)
    };
    let shown = redis::ClientTlsConfig {
        client_cert: file("client.crt"),
        client_key: file("client.key"),
    };
    let mut r = connect(Some(shown)).unwrap();
    let large = "x".repeat(3_000_000);
    let () = r.set("large", &large).unwrap();
    assert_eq!(r.get::<_, String>("large").unwrap(), large);
    assert!(
        connect(None).is_err(),
        "without a certificate of its own a client is refused"
    );
}

fn pools_come_back_after_the_server_was_killed(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    let pool = r2d2::Pool::builder()
        .max_size(2)
        .connection_timeout(PATIENCE)
        .build(client(protocol))
        .unwrap();
    let pairs: Vec<_> = (0..500).map(|n| (format!("key:{n}"), n)).collect();
    let () = pool.get().unwrap().mset(&pairs).unwrap();
    let before = kill_server(&mut r);
    // Connections are looked at when they are taken; one that broke is replaced.
    let count = || {
        redis::cmd("DBSIZE")
            .query::<i64>(&mut *pool.get().ok()?)
            .ok()
    };
    wait_until("the server serves", || count().is_some());
    assert_eq!(count(), Some(500));
    let mut r = pool.get().unwrap();
    assert_ne!(redkeep_clients::field(&mut r, "server", "run_id"), before);
    assert_eq!(r.get::<_, i64>("key:499").unwrap(), 499);
}
