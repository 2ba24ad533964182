//! Connections that hear of keyspace events, and commands on keys of every kind.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

use super::arguments::*;
use super::{
    Argument, Arguments, CONNECTIONS, Features, Request, Step, VALUES, bitmaps, blocking, geo,
    keys, of_rows, one_key, request, scripting, sizes, sort, streams, tracking, transactions,
    words,
};

/// Classes that are switched on: none that depends on when the server removes what has expired.
const CLASSES: &[&str] = &[
    "KEg$lshzt",
    "g$lshzKEtdn",
    "Kg$lshztn",
    "Eg$lshztn",
    "KElgn",
    "Eg",
    "K$sE",
    "Ehzt",
    "tnK",
    "KEg$lshztnm",
    "KEm",
    "KEn",
];

/// `notify-keyspace-events` and a value, good or bad.
pub fn switch() -> Arguments {
    let odd = select(vec![
        "", "KE", "g$lshzt", "m", "KEq", "kE", " ", "A", "Anm", "xe", "ee$",
    ]);
    let value = prop_oneof![3 => select(CLASSES), 1 => odd];
    let name = select(vec!["notify-keyspace-events", "Notify-Keyspace-Events"]);
    all(vec![
        name.prop_map(Argument::text).boxed(),
        value.prop_map(Argument::text).boxed(),
    ])
}

/// What is listened to: all, one kind of channel, a database, a key, an event.
fn hearing() -> BoxedStrategy<Request> {
    let forms = vec![
        "PSUBSCRIBE __keyspace@*",
        "PSUBSCRIBE __keyevent@0__:*",
        "PSUBSCRIBE __key*__:* __keyspace@0__:[ab]",
        "PSUBSCRIBE __keyevent@[12]__:* *:del",
        "SUBSCRIBE __keyspace@0__:a __keyspace@1__:a __keyevent@0__:del",
        "SUBSCRIBE __keyevent@0__:set __keyevent@0__:new __keyevent@0__:rename_to",
        "PSUBSCRIBE *",
    ];
    let all = Just("PSUBSCRIBE __key*__:*");
    prop_oneof![2 => all, 1 => select(forms)]
        .prop_map(words)
        .boxed()
}

fn of(connection: usize, requests: Vec<Request>) -> Step {
    Step::Requests {
        connection,
        requests,
    }
}

/// Events are switched on, and one or two connections hear of them.
fn begin() -> BoxedStrategy<Vec<Step>> {
    let classes = prop_oneof![
        3 => Just("KEg$lshztn"),
        1 => Just("KEg$lshztnm"),
        2 => select(CLASSES),
    ];
    let listener = (0..CONNECTIONS, select(vec!["3", "3", "3", "2"]), hearing());
    (0..CONNECTIONS, classes, collection::vec(listener, 1..3))
        .prop_map(|(maker, classes, listeners)| {
            let switch = words(&format!("CONFIG SET notify-keyspace-events {classes}"));
            let switch = of(maker, vec![words("RESET"), switch]);
            let listeners = listeners
                .into_iter()
                .map(|(connection, protocol, hearing)| {
                    let hello = words(&format!("HELLO {protocol}"));
                    of(connection, vec![words("RESET"), hello, hearing])
                });
            std::iter::once(switch).chain(listeners).collect()
        })
        .boxed()
}

/// A request about keys of any kind.
fn about_keys() -> BoxedStrategy<Request> {
    let others = [
        streams::ROWS,
        bitmaps::ROWS,
        geo::ROWS,
        sort::ROWS,
        scripting::ROWS,
    ];
    let all = VALUES.into_iter().chain(others);
    prop_oneof![
        6 => of_rows(all.flatten()),
        2 => of_rows(keys::ROWS.iter()),
        1 => of_rows(streams::ROWS.iter()),
        15 => changes(),
    ]
    .boxed()
}

/// Requests that fill, move and empty a few keys, so that most of them change something.
fn changes() -> BoxedStrategy<Request> {
    let of_all = [
        "DEL K",
        "DEL K",
        "UNLINK K L",
        "RENAME K L",
        "RENAMENX K L",
        "COPY K L REPLACE",
        "COPY K L DB 1",
        "MOVE K 1",
        "SORT K BY nosort STORE L",
        "PEXPIREAT K 1",
        "EXPIRE K 1000",
        "PERSIST K",
    ];
    let of_strings = [
        "SET K x",
        "SET K 1 EX 1000",
        "GETEX K PXAT 1",
        "GETEX K PERSIST",
        "GETDEL K",
        "MSET K 1 L 2",
        "INCR K",
        "APPEND K x",
        "SETRANGE K 2 x",
        "SETBIT K 7 1",
        "BITOP OR K L L",
        "PFADD K x",
        "PFMERGE K L",
    ];
    let of_lists = [
        "RPUSH K x",
        "LPUSH K x y",
        "LPOP K",
        "RPOP K 5",
        "LMOVE K L LEFT RIGHT",
        "RPOPLPUSH K K",
        "LMPOP 2 K L LEFT COUNT 9",
        "BLPOP K L 0.1",
        "LTRIM K 1 0",
        "LREM K 0 x",
        "LSET K 0 x",
        "LINSERT K BEFORE x y",
    ];
    let of_sets = [
        "SADD K m",
        "SADD K m n",
        "SREM K m",
        "SPOP K 10",
        "SPOP K",
        "SMOVE K L m",
        "SUNIONSTORE K L",
        "SDIFFSTORE K L L",
        "SINTERSTORE K K L",
    ];
    let of_sorted_sets = [
        "ZADD K 1 m",
        "ZADD K 1 m 2 n",
        "ZINCRBY K 1 m",
        "ZREM K m",
        "ZPOPMIN K 10",
        "ZPOPMAX K",
        "ZMPOP 2 K L MIN",
        "ZREMRANGEBYRANK K 0 -1",
        "ZUNIONSTORE K 1 L",
        "ZDIFFSTORE K 2 L L",
        "ZRANGESTORE K L 0 -1",
    ];
    let of_hashes = [
        "HSET K f v",
        "HSET K f v g 1",
        "HDEL K f",
        "HDEL K f g",
        "HINCRBY K g 1",
        "HPEXPIRE K 0 FIELDS 1 f",
        "HEXPIRE K 1000 FIELDS 1 f",
        "HEXPIREAT K 1 FIELDS 2 f g",
        "HPERSIST K FIELDS 1 f",
    ];
    let of_streams = [
        "XADD K * f v",
        "XADD K MAXLEN 1 * f v",
        "XTRIM K MAXLEN 0",
        "XGROUP CREATE K g 0 MKSTREAM",
        "XGROUP DESTROY K g",
        "XREADGROUP GROUP g c STREAMS K >",
        "XAUTOCLAIM K g d 0 0",
        "XGROUP DELCONSUMER K g c",
        "XSETID K 9999999999999-1",
    ];
    let kinds: [&[&str]; 7] = [
        &of_all,
        &of_strings,
        &of_lists,
        &of_sets,
        &of_sorted_sets,
        &of_hashes,
        &of_streams,
    ];
    let kinds = kinds.map(|forms| blocking::with_keys(select(forms.to_vec()).boxed()));
    let of_databases = [
        "SELECT 1",
        "SELECT 0",
        "SWAPDB 0 1",
        "FLUSHDB",
        "FLUSHALL",
        "FLUSHALL ASYNC",
    ];
    let of_databases = select(of_databases.to_vec()).prop_map(words);
    prop_oneof![
        24 => Union::new(kinds),
        1 => of_databases,
    ]
    .boxed()
}

/// Events of single commands, of transactions and scripts, and of those who wait for keys and are served.
pub fn steps(length: usize, features: Features) -> BoxedStrategy<Vec<Step>> {
    let single = (0..CONNECTIONS, about_keys())
        .prop_map(|(connection, request)| vec![of(connection, vec![request])]);
    let script =
        (0..CONNECTIONS, collection::vec(about_keys(), 1..6)).prop_map(|(connection, requests)| {
            vec![Step::Script {
                connection,
                requests,
            }]
        });
    let transaction =
        (0..CONNECTIONS, collection::vec(about_keys(), 1..6)).prop_map(|(connection, requests)| {
            let frame = [vec![words("MULTI")], requests, vec![words("EXEC")]];
            vec![of(connection, frame.concat())]
        });
    let any = (0..CONNECTIONS, request(features))
        .prop_map(|(connection, request)| vec![of(connection, vec![request])]);
    let part = prop_oneof![
        24 => single,
        3 => script,
        3 => transaction,
        2 => any,
        2 => one_key::steps(),
        1 => transactions::steps(features),
        1 => blocking::steps(features),
        1 => tracking::steps(features),
        1 => sizes::steps(),
        1 => Just(vec![Step::AwaitExpiry]),
        5 => begin(),
    ];
    (begin(), collection::vec(part, 1..=length))
        .prop_map(|(begin, parts)| [begin, parts.concat()].concat())
        .boxed()
}
