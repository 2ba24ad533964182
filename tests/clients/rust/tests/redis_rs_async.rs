//! redis-rs with tokio: connections that many tasks share, pushes, cached values, managed connections.

use futures_util::StreamExt;
use futures_util::future::join_all;
use redis::aio::ConnectionManagerConfig;
use redis::caching::CacheConfig;
use redis::{
    AsyncCommands, AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisResult,
    from_redis_value,
};
use redkeep_clients::{
    PATIENCE, client, field, fresh, in_both_protocols, kill_server, open, run, wait_for_blocked,
    within,
};
use tokio::sync::mpsc::unbounded_channel;

in_both_protocols!(
    many_tasks_share_a_connection,
    messages_come_as_a_stream,
    who_waits_is_served,
    managed_connections_come_back_after_the_server_was_killed,
);

fn patient() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PATIENCE))
        .set_response_timeout(Some(PATIENCE))
}

fn many_tasks_share_a_connection(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let shared = client(protocol)
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            .unwrap();
        let tasks = (0..500).map(|n| {
            let mut own = shared.clone();
            tokio::spawn(async move {
                let (count, value): (i64, i64) = redis::pipe()
                    .atomic()
                    .set(n, n)
                    .ignore()
                    .incr("count", 1)
                    .get(n)
                    .query_async(&mut own)
                    .await
                    .unwrap();
                assert_eq!(value, n);
                count
            })
        });
        let mut counts: Vec<_> = join_all(tasks)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=500).collect::<Vec<_>>());
        let script = redis::Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let tasks = (0..50).map(|_| {
            let (mut own, script) = (shared.clone(), script.clone());
            tokio::spawn(async move {
                script
                    .key("sum")
                    .arg(2)
                    .invoke_async::<i64>(&mut own)
                    .await
                    .unwrap()
            })
        });
        assert_eq!(
            join_all(tasks).await.into_iter().map(Result::unwrap).max(),
            Some(100)
        );
    });
}

fn messages_come_as_a_stream(protocol: ProtocolVersion) {
    fresh(protocol);
    run(async {
        let mut publisher = client(protocol)
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            .unwrap();
        let (mut sink, mut stream) = client(protocol).get_async_pubsub().await.unwrap().split();
        sink.subscribe("news").await.unwrap();
        sink.psubscribe("other*").await.unwrap();
        for channel in ["news", "others"] {
            assert_eq!(
                publisher
                    .publish::<_, _, usize>(channel, "hello")
                    .await
                    .unwrap(),
                1
            );
            let message = within("a message", stream.next()).await.unwrap();
            assert_eq!(
                (message.get_channel_name(), message.get_payload_bytes()),
                (channel, &b"hello"[..])
            );
        }
        sink.unsubscribe("news").await.unwrap();
        assert_eq!(
            publisher
                .publish::<_, _, usize>("news", "again")
                .await
                .unwrap(),
            0
        );
    });
}

fn who_waits_is_served(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    run(async {
        // What waits has a connection of its own: commands behind it would wait as well.
        let mut own = client(protocol)
            .get_multiplexed_async_connection_with_config(&patient())
            .await
            .unwrap();
        let waiting = tokio::spawn(async move { own.blpop::<_, (String, String)>("l", 0.0).await });
        tokio::task::block_in_place(|| {
            wait_for_blocked(&mut r, 1);
            let () = redis::Commands::rpush(&mut r, "l", "x").unwrap();
        });
        let served = within("the client is served", waiting)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(served, ("l".to_owned(), "x".to_owned()));
    });
}

fn managed_connections_come_back_after_the_server_was_killed(protocol: ProtocolVersion) {
    let mut r = fresh(protocol);
    run(async {
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1000)
            .set_max_delay(std::time::Duration::from_millis(50))
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let mut manager = client(protocol)
            .get_connection_manager_with_config(config)
            .await
            .unwrap();
        let pairs: Vec<_> = (0..500).map(|n| (format!("key:{n}"), n)).collect();
        let () = manager.mset(&pairs).await.unwrap();
        let before = kill_server(&mut r);
        // A command that was under way fails; those behind it find the new connection.
        let serves = async {
            while manager.get::<_, i64>("key:499").await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        within("the server serves", serves).await;
        assert_eq!(
            redis::cmd("DBSIZE")
                .query_async::<i64>(&mut manager)
                .await
                .unwrap(),
            500
        );
        assert_ne!(field(&mut open(protocol), "server", "run_id"), before);
    });
}

/// The words of the next push of a kind.
async fn next_push(
    pushes: &mut tokio::sync::mpsc::UnboundedReceiver<PushInfo>,
    kind: PushKind,
) -> Vec<String> {
    loop {
        let push = within("a push", pushes.recv()).await.unwrap();
        if push.kind == kind {
            return push
                .data
                .into_iter()
                .map(|word| from_redis_value(word).unwrap())
                .collect();
        }
    }
}

#[test]
fn one_connection_of_resp3_carries_commands_and_messages() {
    let mut r = fresh(ProtocolVersion::RESP3);
    run(async {
        let (sender, mut pushes) = unbounded_channel();
        let config = ConnectionManagerConfig::new()
            .set_push_sender(sender)
            .set_automatic_resubscription()
            .set_number_of_retries(1000)
            .set_max_delay(std::time::Duration::from_millis(50))
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let mut manager = client(ProtocolVersion::RESP3)
            .get_connection_manager_with_config(config)
            .await
            .unwrap();
        manager.subscribe("news").await.unwrap();
        manager.psubscribe("n*").await.unwrap();
        let () = manager.set("k", "v").await.unwrap();
        assert_eq!(
            manager
                .publish::<_, _, usize>("news", "hello")
                .await
                .unwrap(),
            2
        );
        assert_eq!(
            next_push(&mut pushes, PushKind::Message).await,
            ["news", "hello"]
        );
        assert_eq!(
            next_push(&mut pushes, PushKind::PMessage).await,
            ["n*", "news", "hello"]
        );
        assert_eq!(manager.get::<_, String>("k").await.unwrap(), "v");
        kill_server(&mut r);
        // Subscriptions are made again by the client, on the connection that replaces the broken one.
        let publishes = async {
            while !matches!(manager.publish::<_, _, usize>("news", "still").await, Ok(2)) {
                tokio::task::yield_now().await;
            }
        };
        within("the subscriptions are made again", publishes).await;
        assert_eq!(
            next_push(&mut pushes, PushKind::PMessage).await,
            ["n*", "news", "still"]
        );
    });
}

#[test]
fn cached_values_are_given_up_when_they_change() {
    let mut r = fresh(ProtocolVersion::RESP3);
    let () = redis::Commands::set(&mut r, "k", 1).unwrap();
    run(async {
        let config = patient().set_cache_config(CacheConfig::new());
        let mut cached = client(ProtocolVersion::RESP3)
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .unwrap();
        for _ in 0..10 {
            assert_eq!(cached.get::<_, i64>("k").await.unwrap(), 1);
        }
        let statistics = cached.get_cache_statistics().unwrap();
        assert_eq!((statistics.hit, statistics.miss), (9, 1));
        for (command, words) in [("SET", &["k", "2"][..]), ("DEL", &["k"])] {
            redis::cmd(command).arg(words).exec(&mut r).unwrap();
            let expected: Option<i64> = redis::Commands::get(&mut r, "k").unwrap();
            let seen = async {
                while cached.get::<_, Option<i64>>("k").await.unwrap() != expected {
                    tokio::task::yield_now().await;
                }
            };
            within("the change is seen", seen).await;
        }
        assert!(cached.get_cache_statistics().unwrap().invalidate >= 2);
    });
}

#[test]
fn users_may_do_what_their_rules_say() {
    let mut r = fresh(ProtocolVersion::RESP3);
    for words in [
        "SETUSER worker on >secret ~job:* +get +client +hello",
        "DELUSER worker",
    ] {
        redis::cmd("ACL")
            .arg(words.split(' ').collect::<Vec<_>>())
            .exec(&mut r)
            .unwrap();
        run(async {
            let url = format!(
                "redis://worker:secret@127.0.0.1:{}/?protocol=resp3",
                redkeep_clients::port()
            );
            let user = redis::Client::open(url)
                .unwrap()
                .get_multiplexed_async_connection_with_config(&patient())
                .await;
            if words.starts_with("DEL") {
                assert_eq!(user.err().unwrap().code(), Some("WRONGPASS"));
                return;
            }
            let mut user = user.unwrap();
            assert_eq!(user.get::<_, Option<String>>("job:1").await.unwrap(), None);
            let refused: RedisResult<Option<String>> = user.get("other").await;
            assert_eq!(refused.unwrap_err().code(), Some("NOPERM"));
        });
    }
}
