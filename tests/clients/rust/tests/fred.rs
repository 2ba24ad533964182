//! fred by its ordinary use, in both protocols.

use std::collections::{BTreeMap, BTreeSet};

use fred::clients::{Client, Pool, SubscriberClient};
use fred::prelude::*;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use fred::rustls::{ClientConfig, RootCertStore};
use fred::types::client::Invalidation;
use fred::types::config::{ReconnectPolicy, TlsConfig, TlsConnector};
use fred::types::scan::Scanner;
use fred::types::scripts::Script;
use fred::types::streams::XReadResponse;
use fred::types::{Message, MessageKind, RespVersion};
use futures_util::future::join_all;
use futures_util::{StreamExt, TryStreamExt};
use redis::ProtocolVersion;
use redkeep_clients::{
    PATIENCE, field, file, fresh, in_both_protocols, kill_server, open, port, run, tls_port,
    wait_for_blocked, within,
};
use tokio::sync::broadcast::Receiver;
use tokio::task::block_in_place;

in_both_protocols!(
    values_of_every_type_come_back,
    a_pool_is_shared_by_tasks,
    pipelines_keep_order_and_report_errors_in_place,
    transactions_fail_when_what_they_watch_changes,
    messages_reach_channels_patterns_and_shards,
    scripts_are_loaded_when_they_are_not_there,
    a_lock_has_one_holder,
    changes_of_tracked_keys_are_told,
    who_waits_is_served,
    groups_share_a_stream,
    iterators_see_every_key,
    a_session_over_tls,
    clients_come_back_after_the_server_was_killed,
);

/// What every client is built from; it tries again until patience ends.
fn builder(protocol: ProtocolVersion) -> Builder {
    let mut builder = Builder::default_centralized();
    builder.with_config(|config| {
        config.server = ServerConfig::new_centralized("127.0.0.1", port());
        config.version = if protocol == ProtocolVersion::RESP2 {
            RespVersion::RESP2
        } else {
            RespVersion::RESP3
        };
    });
    builder.with_connection_config(|config| {
        config.connection_timeout = PATIENCE;
        config.internal_command_timeout = PATIENCE;
        config.max_command_attempts = 1000;
    });
    builder.with_performance_config(|config| config.default_command_timeout = PATIENCE);
    builder.set_policy(ReconnectPolicy::new_constant(0, 20));
    builder
}

async fn connect(protocol: ProtocolVersion) -> Client {
    let client = builder(protocol).build().unwrap();
    client.init().await.unwrap();
    client
}

async fn next_message(messages: &mut Receiver<Message>) -> (MessageKind, String, String) {
    let message = within("a message", messages.recv()).await.unwrap();
    (
        message.kind,
        message.channel.to_string(),
        message.value.convert().unwrap(),
    )
}

fn values_of_every_type_come_back(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let new = |value| {
            r.set::<Option<String>, _, _>(
                "s",
                value,
                Some(Expiration::EX(100)),
                Some(SetOptions::NX),
                false,
            )
        };
        assert_eq!(new("v").await.unwrap().as_deref(), Some("OK"));
        assert_eq!(new("w").await.unwrap(), None);
        assert!((1..=100).contains(&r.ttl::<i64, _>("s").await.unwrap()));
        r.mset(vec![("a", "1"), ("b", "two")]).await.unwrap();
        let values: (i64, Option<String>, String) = r.mget(vec!["a", "none", "b"]).await.unwrap();
        assert_eq!(values, (1, None, "two".to_owned()));
        assert_eq!(
            r.hset::<i64, _, _>("h", vec![("x", "1"), ("y", "z")])
                .await
                .unwrap(),
            2
        );
        let hash: BTreeMap<String, String> = r.hgetall("h").await.unwrap();
        assert_eq!(
            hash,
            BTreeMap::from([
                ("x".to_owned(), "1".to_owned()),
                ("y".to_owned(), "z".to_owned())
            ])
        );
        assert_eq!(r.rpush::<i64, _, _>("l", vec![1, 2, 3]).await.unwrap(), 3);
        assert_eq!(
            r.lrange::<Vec<i64>, _>("l", 0, -1).await.unwrap(),
            [1, 2, 3]
        );
        assert_eq!(r.sadd::<i64, _, _>("set", vec!["a", "b"]).await.unwrap(), 2);
        let members: BTreeSet<String> = r.smembers("set").await.unwrap();
        assert_eq!(members, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!(
            r.zadd::<i64, _, _>(
                "z",
                None,
                None,
                false,
                false,
                vec![(1.5, "a"), (f64::INFINITY, "b")]
            )
            .await
            .unwrap(),
            2
        );
        let ranked: Vec<(String, f64)> =
            r.zrange("z", 0, -1, None, false, None, true).await.unwrap();
        assert_eq!(
            ranked,
            [("a".to_owned(), 1.5), ("b".to_owned(), f64::INFINITY)]
        );
        let binary: Vec<u8> = (0..=255).collect();
        let () = r
            .set("binary", &binary[..], None, None, false)
            .await
            .unwrap();
        assert_eq!(r.get::<Vec<u8>, _>("binary").await.unwrap(), binary);
        let error = r.lpush::<i64, _, _>("s", 1).await.unwrap_err();
        assert!(error.details().starts_with("WRONGTYPE"), "{error}");
    });
}

fn a_pool_is_shared_by_tasks(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let pool: Pool = builder(protocol).build_pool(4).unwrap();
        pool.init().await.unwrap();
        let tasks = (0..400).map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let () = pool.set(n, n, None, None, false).await.unwrap();
                let count: i64 = pool.incr("count").await.unwrap();
                assert_eq!(pool.get::<i64, _>(n).await.unwrap(), n);
                count
            })
        });
        let mut counts: Vec<_> = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=400).collect::<Vec<_>>());
        pool.quit().await.unwrap();
    });
}

fn pipelines_keep_order_and_report_errors_in_place(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let pipeline = r.pipeline();
        for _ in 0..5000 {
            let () = pipeline.incr("n").await.unwrap();
        }
        assert_eq!(
            pipeline.all::<Vec<i64>>().await.unwrap(),
            (1..=5000).collect::<Vec<_>>()
        );
        let pipeline = r.pipeline();
        let () = pipeline.incr("n").await.unwrap();
        let () = pipeline.lpush("n", 1).await.unwrap();
        let () = pipeline.get("n").await.unwrap();
        let replies = pipeline.try_all::<i64>().await;
        assert_eq!(
            (replies[0].clone().unwrap(), replies[2].clone().unwrap()),
            (5001, 5001)
        );
        assert!(
            replies[1]
                .as_ref()
                .unwrap_err()
                .details()
                .starts_with("WRONGTYPE")
        );
    });
}

fn transactions_fail_when_what_they_watch_changes(protocol: ProtocolVersion) {
    let mut other = fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let transaction = r.multi();
        let () = transaction.set("a", 1, None, None, false).await.unwrap();
        let () = transaction.incr("a").await.unwrap();
        let () = transaction.get("a").await.unwrap();
        let replies: (String, i64, i64) = transaction.exec(true).await.unwrap();
        assert_eq!(replies, ("OK".to_owned(), 2, 2));
        r.watch("a").await.unwrap();
        let () = redis::Commands::set(&mut other, "a", "changed").unwrap();
        let transaction = r.multi();
        let () = transaction
            .set("a", "mine", None, None, false)
            .await
            .unwrap();
        assert!(transaction.exec::<Value>(true).await.unwrap().is_null());
        assert_eq!(r.get::<String, _>("a").await.unwrap(), "changed");
    });
}

fn messages_reach_channels_patterns_and_shards(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let subscriber: SubscriberClient = builder(protocol).build_subscriber_client().unwrap();
        subscriber.init().await.unwrap();
        let mut messages = subscriber.message_rx();
        subscriber.subscribe("news").await.unwrap();
        subscriber.psubscribe("o*").await.unwrap();
        subscriber.ssubscribe("shard").await.unwrap();
        for channel in ["news", "others"] {
            assert_eq!(r.publish::<i64, _, _>(channel, "hello").await.unwrap(), 1);
        }
        assert_eq!(
            next_message(&mut messages).await,
            (MessageKind::Message, "news".to_owned(), "hello".to_owned())
        );
        assert_eq!(
            next_message(&mut messages).await,
            (
                MessageKind::PMessage,
                "others".to_owned(),
                "hello".to_owned()
            )
        );
        assert_eq!(r.spublish::<i64, _, _>("shard", "x").await.unwrap(), 1);
        assert_eq!(
            next_message(&mut messages).await,
            (MessageKind::SMessage, "shard".to_owned(), "x".to_owned())
        );
        assert_eq!(subscriber.tracked_channels().len(), 1);
        subscriber.unsubscribe("news").await.unwrap();
        assert_eq!(r.publish::<i64, _, _>("news", "again").await.unwrap(), 0);
    });
}

fn scripts_are_loaded_when_they_are_not_there(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let script = Script::from_lua(
            "local n = redis.call('INCRBY', KEYS[1], ARGV[1]) return {n, KEYS[1], ARGV[1]}",
        );
        for sum in [5, 10] {
            r.script_flush(false).await.unwrap();
            let error = script
                .evalsha::<Value, _, _, _>(&r, "n", 5)
                .await
                .unwrap_err();
            assert!(error.details().starts_with("NOSCRIPT"), "{error}");
            let reply: (i64, String, String) =
                script.evalsha_with_reload(&r, "n", 5).await.unwrap();
            assert_eq!(reply, (sum, "n".to_owned(), "5".to_owned()));
            assert!(
                r.script_exists::<bool, _>(script.sha1().clone())
                    .await
                    .unwrap()
            );
        }
        let code = "#!lua name=own\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
        assert_eq!(
            r.function_load::<String, _>(false, code).await.unwrap(),
            "own"
        );
        assert_eq!(r.fcall::<i64, _, _, _>("twice", (), 21).await.unwrap(), 42);
    });
}

/// A lock as Redis's manual has it: a value of the holder's own, deleted only by who has it.
fn a_lock_has_one_holder(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let release = Script::from_lua(
            "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0",
        );
        let take = async |token: &str, ms| {
            let expiry = Some(Expiration::PX(ms));
            let taken =
                r.set::<Option<String>, _, _>("lock", token, expiry, Some(SetOptions::NX), false);
            taken.await.unwrap().is_some()
        };
        assert!(take("mine", 100_000).await);
        assert!(!take("other", 100_000).await);
        assert_eq!(
            release
                .evalsha_with_reload::<i64, _, _>(&r, "lock", "other")
                .await
                .unwrap(),
            0
        );
        assert_eq!(
            release
                .evalsha_with_reload::<i64, _, _>(&r, "lock", "mine")
                .await
                .unwrap(),
            1
        );
        assert!(take("short", 20).await);
        within("the lock expires", async {
            while !take("next", 100_000).await {}
        })
        .await;
        assert_eq!(
            release
                .evalsha_with_reload::<i64, _, _>(&r, "lock", "short")
                .await
                .unwrap(),
            0
        );
    });
}

async fn next_invalidation(invalidations: &mut Receiver<Invalidation>) -> Vec<String> {
    let invalidation = within("an invalidation", invalidations.recv())
        .await
        .unwrap();
    invalidation
        .keys
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

/// In RESP2 another connection is told, by the channel that it subscribes to.
fn changes_of_tracked_keys_are_told(protocol: ProtocolVersion) {
    let mut other = fresh(protocol);
    run(async {
        let (r, told) = (connect(protocol).await, connect(protocol).await);
        let mut invalidations = if protocol == ProtocolVersion::RESP2 {
            let invalidations = told.invalidation_rx();
            told.subscribe("__redis__:invalidate").await.unwrap();
            let id = *told.connection_ids().values().next().unwrap();
            let () = r
                .client_tracking("on", Some(id), (), false, false, false, false)
                .await
                .unwrap();
            assert_eq!(r.client_getredir::<i64>().await.unwrap(), id);
            invalidations
        } else {
            let invalidations = r.invalidation_rx();
            r.start_tracking((), false, false, false, false)
                .await
                .unwrap();
            invalidations
        };
        for key in ["a", "b"] {
            assert_eq!(r.get::<Option<String>, _>(key).await.unwrap(), None);
            let () = redis::Commands::set(&mut other, "untracked", 1).unwrap();
            let () = redis::Commands::set(&mut other, key, 1).unwrap();
            assert_eq!(next_invalidation(&mut invalidations).await, [key]);
        }
    });
}

fn who_waits_is_served(protocol: ProtocolVersion) {
    let mut other = fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let waiting =
            tokio::spawn(async move { r.blpop::<(String, String), _>(vec!["x", "y"], 0.0).await });
        block_in_place(|| {
            wait_for_blocked(&mut other, 1);
            let () = redis::Commands::rpush(&mut other, "y", "one").unwrap();
        });
        let served = within("the client is served", waiting)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(served, ("y".to_owned(), "one".to_owned()));
        let r = connect(protocol).await;
        // The client makes an error of its own from the server's nil.
        let error = r
            .blpop::<(String, String), _>("none", 0.05)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Timeout);
    });
}

fn groups_share_a_stream(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let () = r.xgroup_create("s", "g", "$", true).await.unwrap();
        let mut ids: Vec<String> = Vec::new();
        for n in 0..20 {
            ids.push(r.xadd("s", false, None, "*", vec![("n", n)]).await.unwrap());
        }
        let mut seen = Vec::new();
        for (consumer, count) in [("one", 12), ("two", 100)] {
            let reply: XReadResponse<String, String, String, i64> = r
                .xreadgroup_map("g", consumer, Some(count), None, false, "s", ">")
                .await
                .unwrap();
            seen.extend(
                reply["s"]
                    .iter()
                    .map(|(id, fields)| (id.clone(), fields["n"])),
            );
        }
        assert_eq!(seen, ids.iter().cloned().zip(0..20).collect::<Vec<_>>());
        assert_eq!(
            r.xack::<i64, _, _, _>("s", "g", ids[..10].to_vec())
                .await
                .unwrap(),
            10
        );
        let (count, first, last, consumers): (i64, String, String, Vec<(String, i64)>) =
            r.xpending("s", "g", ()).await.unwrap();
        assert_eq!((count, &first, &last), (10, &ids[10], &ids[19]));
        assert_eq!(consumers, [("one".to_owned(), 2), ("two".to_owned(), 8)]);
        let claimed: (String, Vec<String>, Vec<String>) = r
            .xautoclaim("s", "g", "heir", 0, "0-0", Some(4), true)
            .await
            .unwrap();
        assert_eq!(claimed, (ids[14].clone(), ids[10..14].to_vec(), Vec::new()));
    });
}

fn iterators_see_every_key(protocol: ProtocolVersion) {
    let mut other = fresh(protocol);
    let pairs: Vec<_> = (0..1000).map(|n| (format!("key:{n}"), n)).collect();
    let () = redis::Commands::mset(&mut other, &pairs).unwrap();
    run(async {
        let r = connect(protocol).await;
        let keys: Vec<_> = r
            .scan_buffered("key:*", Some(50), None)
            .try_collect()
            .await
            .unwrap();
        let keys: BTreeSet<_> = keys
            .iter()
            .map(|key| key.as_str().unwrap().to_owned())
            .collect();
        assert_eq!(keys, pairs.iter().map(|(key, _)| key.clone()).collect());
        let pages = r.scan("key:*", Some(50), None).fuse();
        futures_util::pin_mut!(pages);
        let mut count = 0;
        while let Some(mut page) = pages.next().await.transpose().unwrap() {
            count += page.take_results().map_or(0, |keys| keys.len());
            page.next();
        }
        assert_eq!(count, 1000);
    });
}

/// Trust in the authority, and the client's own certificate if it shows one.
fn tls(shows_its_own: bool) -> TlsConfig {
    let mut authorities = RootCertStore::empty();
    authorities
        .add(CertificateDer::from_pem_slice(&file("ca.crt")).unwrap())
        .unwrap();
    let config = ClientConfig::builder().with_root_certificates(authorities);
    let config = if shows_its_own {
        let certificate = CertificateDer::from_pem_slice(&file("client.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(&file("client.key")).unwrap();
        config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap()
    } else {
        config.with_no_client_auth()
    };
    TlsConnector::from(config).into()
}

fn a_session_over_tls(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let build = |shows_its_own| {
            let mut builder = builder(protocol);
            builder.with_config(|config| {
                config.server = ServerConfig::new_centralized("localhost", tls_port());
                config.tls = Some(tls(shows_its_own));
                config.fail_fast = true;
            });
            builder
        };
        let r = build(true).build().unwrap();
        r.init().await.unwrap();
        let large = "x".repeat(3_000_000);
        let () = r.set("large", &large, None, None, false).await.unwrap();
        assert_eq!(r.get::<String, _>("large").await.unwrap(), large);
        // Without a certificate of its own a client is refused.
        let mut stranger = build(false);
        stranger.set_policy(ReconnectPolicy::new_constant(1, 1));
        assert!(
            within("an answer", stranger.build().unwrap().init())
                .await
                .is_err()
        );
    });
}

fn clients_come_back_after_the_server_was_killed(protocol: ProtocolVersion) {
    let mut other = fresh(protocol);
    run(async {
        let r = connect(protocol).await;
        let subscriber = builder(protocol).build_subscriber_client().unwrap();
        subscriber.init().await.unwrap();
        subscriber.manage_subscriptions();
        subscriber.subscribe("news").await.unwrap();
        let mut messages = subscriber.message_rx();
        let pairs: Vec<_> = (0..500).map(|n| (format!("key:{n}"), n)).collect();
        r.mset(pairs).await.unwrap();
        let before = block_in_place(|| kill_server(&mut other));
        // What is under way fails; the client connects again by itself.
        let publishes = async { while !matches!(r.publish("news", "still").await, Ok(1)) {} };
        within("the subscription is made again", publishes).await;
        assert_eq!(next_message(&mut messages).await.2, "still");
        // Messages are carried while the server still loads.
        within("the server serves", async {
            while r.ping::<String>(None).await.is_err() {}
        })
        .await;
        assert_eq!(r.dbsize::<i64>().await.unwrap(), 500);
        assert_eq!(r.get::<i64, _>("key:499").await.unwrap(), 499);
        assert_ne!(field(&mut open(protocol), "server", "run_id"), before);
    });
}
