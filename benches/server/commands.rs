//! Commands that `redis-benchmark` has no line for, in pipelines of 16, beside Redis.

use crate::redis_benchmark;
use crate::server::{Client, Server};
use crate::{Options, median, say};

const ROUNDS: usize = 3;
/// How long one round of one command takes on the slower server, about.
const SECONDS: f64 = 0.7;
const REQUESTS_MIN: u64 = 1600;
const REQUESTS_MAX: u64 = 1_000_000;

/// Small collections of each type, and strings.
const SMALL: u64 = 10_000;
/// Elements of a small collection.
const SMALL_LEN: u64 = 20;
/// Elements of a large collection, and strings.
const LARGE: u64 = 100_000;
/// Requests that are sent before their replies are read.
const FILL_AT_ONCE: usize = 500;

/// A name, how many numbers `__rand_int__` may be, and the command; a word behind `N*` stands there N times.
const COMMANDS: &[(&str, u64, &str)] = &[
    (
        "setex",
        LARGE,
        "SETEX expiring:__rand_int__ 1000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ),
    ("getex", LARGE, "GETEX string:__rand_int__"),
    ("mget_10", LARGE, "MGET 10*string:__rand_int__"),
    ("append", SMALL, "APPEND appended:__rand_int__ abc"),
    ("getrange", SMALL, "GETRANGE string:__rand_int__ 10 20"),
    ("setrange", SMALL, "SETRANGE string:__rand_int__ 10 hello"),
    ("expire", LARGE, "EXPIRE string:__rand_int__ 10000"),
    ("ttl", LARGE, "TTL string:__rand_int__"),
    ("exists", LARGE, "EXISTS string:__rand_int__"),
    ("exists_16", LARGE, "EXISTS 16*string:__rand_int__"),
    ("del_nothing", LARGE, "DEL nothing:__rand_int__"),
    ("del_nothing_16", LARGE, "DEL 16*nothing:__rand_int__"),
    (
        "copy",
        SMALL,
        "COPY string:__rand_int__ copied:__rand_int__ REPLACE",
    ),
    ("copy_large", 1, "COPY hash copied REPLACE"),
    ("scan", 1, "SCAN 0"),
    ("scan_1000", 1, "SCAN 0 COUNT 1000"),
    ("setbit", 1, "SETBIT bits 350000 1"),
    ("getbit", 1, "GETBIT bits 350000"),
    ("bitcount", 1, "BITCOUNT bits"),
    ("bitpos", 1, "BITPOS bits 0"),
    ("pfadd_large", LARGE, "PFADD counted __rand_int__"),
    (
        "pfadd_small",
        SMALL,
        "PFADD counted:__rand_int__ __rand_int__",
    ),
    ("hget_small", SMALL, "HGET hash:__rand_int__ 000000000005"),
    (
        "hset_small",
        SMALL,
        "HSET hash:__rand_int__ 000000000005 value",
    ),
    ("hgetall_small", SMALL, "HGETALL hash:__rand_int__"),
    ("hincrby", SMALL, "HINCRBY counters:__rand_int__ field 1"),
    ("hget_large", LARGE, "HGET hash __rand_int__"),
    ("hmget_large_16", LARGE, "HMGET hash 16*__rand_int__"),
    ("hset_large", LARGE, "HSET hash __rand_int__ value"),
    ("hscan_large", 1, "HSCAN hash 0"),
    ("hgetall_large", 1, "HGETALL hash"),
    (
        "hexpire",
        SMALL,
        "HEXPIRE hash:__rand_int__ 1000 FIELDS 1 000000000003",
    ),
    ("lindex_large", 1, "LINDEX list 50000"),
    ("lset_small", SMALL, "LSET list:__rand_int__ 10 abc"),
    ("lrange_small", SMALL, "LRANGE list:__rand_int__ 0 -1"),
    ("lpos_small", SMALL, "LPOS list:__rand_int__ 000000000015"),
    (
        "lmove_small",
        SMALL,
        "LMOVE list:__rand_int__ list:__rand_int__ LEFT RIGHT",
    ),
    ("lmove_large", 1, "LMOVE list list LEFT RIGHT"),
    ("sismember_large", LARGE, "SISMEMBER set __rand_int__"),
    (
        "smismember_large_16",
        LARGE,
        "SMISMEMBER set 16*__rand_int__",
    ),
    ("smembers_small", SMALL, "SMEMBERS set:__rand_int__"),
    ("sscan_large", 1, "SSCAN set 0"),
    ("srandmember_large", 1, "SRANDMEMBER set"),
    (
        "sinter_small",
        SMALL,
        "SINTER set:__rand_int__ set:__rand_int__",
    ),
    ("sinter_small_large", SMALL, "SINTER set:__rand_int__ set"),
    (
        "sunion_small",
        SMALL,
        "SUNION set:__rand_int__ set:__rand_int__",
    ),
    (
        "sdiff_small",
        SMALL,
        "SDIFF set:__rand_int__ set:__rand_int__",
    ),
    (
        "sinterstore_small",
        SMALL,
        "SINTERSTORE result:__rand_int__ set:__rand_int__ set:__rand_int__",
    ),
    (
        "smove",
        SMALL,
        "SMOVE set:__rand_int__ set:__rand_int__ 000000000007",
    ),
    ("sunion_large", 1, "SUNION set set"),
    ("zscore_large", LARGE, "ZSCORE sorted __rand_int__"),
    ("zadd_large", LARGE, "ZADD sorted __rand_int__ __rand_int__"),
    (
        "zincrby_small",
        SMALL,
        "ZINCRBY sorted:__rand_int__ 1 000000000007",
    ),
    ("zrank_large", LARGE, "ZRANK sorted __rand_int__"),
    (
        "zrange_small",
        SMALL,
        "ZRANGE sorted:__rand_int__ 0 -1 WITHSCORES",
    ),
    ("zrange_large_10", 1, "ZRANGE sorted 50000 50009"),
    (
        "zrangebyscore_10",
        LARGE,
        "ZRANGEBYSCORE sorted __rand_int__ +inf LIMIT 0 10",
    ),
    ("zcount_large", LARGE, "ZCOUNT sorted __rand_int__ +inf"),
    (
        "zunion_small",
        SMALL,
        "ZUNION 2 sorted:__rand_int__ sorted:__rand_int__",
    ),
    (
        "zunionstore_small",
        SMALL,
        "ZUNIONSTORE result:__rand_int__ 2 sorted:__rand_int__ sorted:__rand_int__",
    ),
    ("xadd", SMALL, "XADD added:__rand_int__ * field value"),
    ("xadd_maxlen", 1, "XADD trimmed MAXLEN ~ 1000 * field value"),
    ("xrange_10", LARGE, "XRANGE stream __rand_int__ + COUNT 10"),
    (
        "xread_10",
        LARGE,
        "XREAD COUNT 10 STREAMS stream __rand_int__",
    ),
    (
        "xreadgroup",
        1,
        "XREADGROUP GROUP group consumer COUNT 1 STREAMS stream >",
    ),
    ("xinfo_stream", 1, "XINFO STREAM stream"),
    (
        "geodist",
        LARGE,
        "GEODIST positions __rand_int__ 000000000001",
    ),
    (
        "geosearch",
        1,
        "GEOSEARCH positions FROMLONLAT 10 10 BYRADIUS 200 km",
    ),
    ("sort_small", SMALL, "SORT set:__rand_int__"),
    (
        "eval_get",
        LARGE,
        "EVAL return(redis.call('GET',KEYS[1])) 1 string:__rand_int__",
    ),
    (
        "eval_incr",
        SMALL,
        "EVAL return(redis.call('INCR',KEYS[1])) 1 counter:__rand_int__",
    ),
    ("publish", 1, "PUBLISH channel message"),
];

pub fn measure(options: &Options) {
    let folders = [options.folder(), options.folder()];
    let servers = [
        Server::redkeep(folders[0].path(), &[]),
        Server::redis(folders[1].path()),
    ];
    for server in &servers {
        eprintln!("commands: filling");
        fill(&mut server.connect());
    }
    for (name, keyspace, command) in COMMANDS {
        let words = words(command);
        let known = servers[1].connect().ask(&["COMMAND", "INFO", words[0]]);
        if known.ends_with(b"-1\r\n") {
            eprintln!("commands: {name} is not there in this Redis");
            continue;
        }
        let per_s = |server: &Server, requests| {
            redis_benchmark::per_s(server.address(), requests, *keyspace, &words)
        };
        let slower = servers
            .iter()
            .map(|server| per_s(server, REQUESTS_MIN))
            .fold(f64::INFINITY, f64::min);
        let requests = ((slower * SECONDS) as u64).clamp(REQUESTS_MIN / 16, REQUESTS_MAX);
        eprintln!("commands: {name}, {requests} requests");
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (server, rates) in servers.iter().zip(&mut rates) {
                rates.push(per_s(server, requests));
            }
        }
        let [own, redis] = rates.map(median);
        say(&format!("commands_{name}_per_s"), format!("{own:.0}"));
        say(
            &format!("commands_{name}_to_redis"),
            format!("{:.2}", own / redis),
        );
    }
}

fn words(command: &str) -> Vec<&str> {
    let repeated = |word| match word_and_count(word) {
        Some((word, count)) => vec![word; count],
        None => vec![word],
    };
    command.split_whitespace().flat_map(repeated).collect()
}

fn word_and_count(word: &str) -> Option<(&str, usize)> {
    let (count, word) = word.split_once('*')?;
    Some((word, count.parse().ok()?))
}

/// The twelve digits that `redis-benchmark` makes of `__rand_int__`.
fn digits(n: u64) -> String {
    format!("{n:012}")
}

fn fill(client: &mut Client) {
    let pairs = |range: std::ops::Range<u64>, value: fn(u64) -> String| {
        range.flat_map(move |n| [digits(n), value(n)]).collect()
    };
    let names = |range: std::ops::Range<u64>| range.map(digits).collect::<Vec<_>>();
    let scored = |range: std::ops::Range<u64>| {
        range
            .flat_map(|n| [n.to_string(), digits(n)])
            .collect::<Vec<_>>()
    };
    let mut requests: Vec<Vec<String>> = Vec::new();
    let mut ask = |command: &[&str], words: Vec<String>| {
        requests.push(
            command
                .iter()
                .map(|word| (*word).to_owned())
                .chain(words)
                .collect(),
        );
    };
    for n in 0..LARGE {
        ask(
            &["SET", &format!("string:{}", digits(n))],
            vec!["a".repeat(64)],
        );
        ask(
            &["XADD", "stream", &format!("{}-1", n + 1), "field"],
            vec![digits(n)],
        );
        ask(&["SETBIT", "bits", &(n * 7).to_string(), "1"], Vec::new());
        let (longitude, latitude) = (n * 37 % 36_000, n * 91 % 17_000);
        let place = [
            longitude as f64 / 100.0 - 180.0,
            latitude as f64 / 100.0 - 85.0,
        ];
        ask(
            &["GEOADD", "positions"],
            vec![place[0].to_string(), place[1].to_string(), digits(n)],
        );
    }
    for n in 0..SMALL {
        let first = n * 7 % 30;
        let range = first..first + SMALL_LEN;
        ask(
            &["HSET", &format!("hash:{}", digits(n))],
            pairs(0..SMALL_LEN / 2, |_| "value".to_owned()),
        );
        ask(
            &["RPUSH", &format!("list:{}", digits(n))],
            names(0..SMALL_LEN),
        );
        ask(&["SADD", &format!("set:{}", digits(n))], names(range));
        ask(
            &["ZADD", &format!("sorted:{}", digits(n))],
            scored(0..SMALL_LEN),
        );
    }
    for from in (0..LARGE).step_by(1000) {
        let range = from..from + 1000;
        ask(
            &["HSET", "hash"],
            pairs(range.clone(), |n| format!("value{n}")),
        );
        ask(&["RPUSH", "list"], names(range.clone()));
        ask(&["SADD", "set"], names(range.clone()));
        ask(&["ZADD", "sorted"], scored(range.clone()));
        ask(&["PFADD", "counted"], names(range));
    }
    ask(&["XGROUP", "CREATE", "stream", "group", "0"], Vec::new());
    let requests: Vec<Vec<Vec<u8>>> = requests
        .into_iter()
        .map(|words| words.into_iter().map(String::into_bytes).collect())
        .collect();
    for part in requests.chunks(FILL_AT_ONCE) {
        client.ask_all(part);
    }
}
