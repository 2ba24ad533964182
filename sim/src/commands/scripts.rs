//! The scripted scenarios: each type small, large and on the way between; what is more than one change and must be one.
//!
//! Pages have 512 bytes, so a collection of more than 128 bytes is large, and a few elements are enough. What a
//! command changes waits for [`Act::Ack`] or [`Act::Sync`] with what came before it: the fewer there are between two
//! syncs, the fewer ends a crash has.

use super::life::{Act, Meaning, Scenario, Work, command};
use super::machine::Words;
use crate::disk::DiskProfile;
use crate::engine::life::Shape;

fn call(text: &str) -> Act {
    Act::Call(command(text))
}

fn form(key: &str, is_large: bool) -> Act {
    Act::Form(key.as_bytes().to_vec(), is_large)
}

fn words(words: &[&str]) -> Words {
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn words_of(text: &str) -> Vec<&str> {
    text.split_ascii_whitespace().collect()
}

/// A command that does the same as others.
fn means(call: &[&str], commands: &[&str]) -> Act {
    Act::Call(Work {
        words: words(call),
        meaning: Meaning::These(commands.iter().map(|text| command(text).words).collect()),
    })
}

/// `start` and then, for each number, `pattern` with the number for `#`.
fn many(start: &str, numbers: std::ops::Range<u32>, pattern: &str) -> Act {
    let mut text = start.to_owned();
    for number in numbers {
        text.push(' ');
        text.push_str(&pattern.replace('#', &number.to_string()));
    }
    call(&text)
}

fn scenario(name: &'static str, base: Vec<Act>, script: Vec<Act>) -> Scenario {
    let mut closed = base;
    closed.extend([Act::Sync, Act::Shutdown]);
    Scenario {
        name,
        shape: Shape::default(),
        profile: DiskProfile::default(),
        directives: Vec::new(),
        base: closed,
        script,
    }
}

/// Values in the cell, and on pages of their own; parts of them; expiries; numbers and bits.
fn strings() -> Scenario {
    let long = "x".repeat(700);
    scenario(
        "strings",
        vec![
            call("SET short 1"),
            call(&format!("SET long {long}")),
            call("SET timed v PX 90000000"),
        ],
        vec![
            call("APPEND short 23"),
            Act::Ack,
            call(&format!("APPEND short {}", "y".repeat(600))),
            Act::Sync,
            call("SETRANGE long 400 middle"),
            call("PERSIST timed"),
            Act::Ack,
            call("SET long s EX 100000"),
            call("SETBIT bits 1900 1"),
            Act::Sync,
            call("GETDEL timed"),
            call("INCRBYFLOAT n 1.5"),
            Act::Ack,
            Act::Checkpoint,
            call("MSET a 1 b 2 c 3 short z"),
            Act::Sync,
        ],
    )
}

/// A list in one cell, then in nodes of a tree, then short again.
fn lists() -> Scenario {
    scenario(
        "lists",
        vec![
            call("RPUSH small a b c"),
            many("RPUSH large", 0..12, "element-of-the-list-#"),
            form("small", false),
            form("large", true),
        ],
        vec![
            call("LPUSH small first"),
            Act::Ack,
            many("RPUSH small", 0..8, "element-on-the-way-#"),
            form("small", true),
            Act::Sync,
            call("LINSERT large BEFORE element-of-the-list-6 inserted"),
            call("LSET large 0 changed"),
            Act::Ack,
            call("LMOVE large small LEFT RIGHT"),
            Act::Sync,
            Act::CheckpointSteps(2),
            call("LTRIM large 9 -1"),
            call("LREM small 1 b"),
            Act::Ack,
            Act::FreeDropped(4),
            call("LTRIM small 0 1"),
            Act::Checkpoint,
            call("RPOP small 5"),
            Act::Sync,
        ],
    )
}

/// A hash in one cell, then in a tree, with fields that expire, and one that is emptied by them.
fn hashes() -> Scenario {
    scenario(
        "hashes",
        vec![
            call("HSET small a 1 b 2"),
            many("HSET large", 0..10, "field-# value-of-the-field-#"),
            call("HPEXPIRE large 90000000 FIELDS 2 field-1 field-2"),
            form("small", false),
            form("large", true),
        ],
        vec![
            call("HPEXPIRE small 50 FIELDS 1 b"),
            Act::Ack,
            Act::Wait(60_000),
            Act::Expire,
            many("HSET small", 0..7, "way-# value-on-the-way-#"),
            form("small", true),
            Act::Sync,
            call("HPERSIST large FIELDS 1 field-1"),
            call("HPEXPIRE large 50 FIELDS 2 field-3 field-4"),
            Act::Ack,
            call("HINCRBY large count 5"),
            Act::Wait(60_000),
            call("HGET large field-3"),
            Act::Expire,
            Act::Sync,
            Act::CheckpointSteps(2),
            call("HDEL small a way-0 way-1 way-2 way-3 way-4 way-5"),
            Act::Ack,
            call("HPEXPIRE small 50 FIELDS 1 way-6"),
            Act::Wait(60_000),
            Act::Expire,
            Act::Checkpoint,
            call("DEL large"),
            Act::Sync,
        ],
    )
}

/// Integers, then names, then a tree; members that move; a set stored over another.
fn sets() -> Scenario {
    scenario(
        "sets",
        vec![
            call("SADD small 1 2 3"),
            many("SADD large", 0..12, "member-of-the-set-#"),
            form("small", false),
            form("large", true),
        ],
        vec![
            call("SADD small name"),
            Act::Ack,
            many("SADD small", 4..14, "member-of-the-set-#"),
            form("small", true),
            Act::Sync,
            call("SMOVE large small member-of-the-set-1"),
            call("SREM large member-of-the-set-2 member-of-the-set-3"),
            Act::Ack,
            call("SINTERSTORE both small large"),
            Act::Sync,
            Act::CheckpointSteps(2),
            call("SDIFFSTORE large small large"),
            form("large", false),
            Act::Ack,
            Act::FreeDropped(4),
            call("SUNIONSTORE small both large"),
            Act::Checkpoint,
            call("SINTERSTORE small both nothing"),
            Act::Sync,
        ],
    )
}

/// Members in one cell, then in two trees, of names and of scores; ranges that go; places on the globe.
fn sorted_sets() -> Scenario {
    scenario(
        "sorted-sets",
        vec![
            call("ZADD small 1 a 2 b"),
            many("ZADD large", 0..10, "# member-of-the-set-#"),
            form("small", false),
            form("large", true),
        ],
        vec![
            call("ZINCRBY small 3.5 a"),
            Act::Ack,
            many("ZADD small", 3..11, "# member-on-the-way-#"),
            form("small", true),
            Act::Sync,
            call("ZADD large XX CH 100 member-of-the-set-1 -5 member-of-the-set-2"),
            call("ZREMRANGEBYSCORE large 3 5"),
            Act::Ack,
            means(
                &words_of("GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"),
                &["ZADD places 3479099956230698 Palermo 3479447370796909 Catania"],
            ),
            Act::Sync,
            Act::CheckpointSteps(2),
            call("ZUNIONSTORE small 2 small large WEIGHTS 1 2"),
            Act::Ack,
            Act::FreeDropped(4),
            call("ZREMRANGEBYRANK small 0 -3"),
            Act::Checkpoint,
            call("ZPOPMIN small 2"),
            call("ZRANGESTORE large large 0 1"),
            Act::Sync,
        ],
    )
}

/// Entries, groups, consumers, what is pending; trims; a stream that is deleted with all of it.
fn streams() -> Scenario {
    let entry = |n: u32| call(&format!("XADD large {n}-1 field value-of-the-entry-{n}"));
    let mut base: Vec<Act> = (1..6).map(entry).collect();
    base.extend([
        call("XGROUP CREATE large group 0"),
        call("XREADGROUP GROUP group one COUNT 2 STREAMS large >"),
        call("XADD small 1-1 a b"),
    ]);
    scenario(
        "streams",
        base,
        vec![
            call("XADD small * c d"),
            Act::Ack,
            call("XGROUP CREATE small group $ MKSTREAM"),
            Act::Sync,
            call("XREADGROUP GROUP group two COUNT 1 STREAMS large >"),
            call("XACK large group 1-1"),
            Act::Ack,
            call("XCLAIM large group two 0 2-1"),
            Act::Sync,
            call("XDEL large 3-1"),
            Act::Sync,
            Act::Checkpoint,
            call("XTRIM large MAXLEN 2"),
            Act::Ack,
            call("XGROUP DELCONSUMER large group one"),
            Act::Sync,
            call("XSETID large 9-9"),
            call("XGROUP DESTROY large group"),
            Act::Ack,
            call("DEL small"),
            Act::FreeDropped(4),
            Act::Sync,
        ],
    )
}

/// MULTI and EXEC over several keys and databases, one that is discarded, one that a watched key ends.
fn transactions() -> Scenario {
    scenario(
        "transactions",
        vec![
            call("SET a 1"),
            many("RPUSH list", 0..8, "element-of-the-list-#"),
        ],
        vec![
            call("MULTI"),
            call("INCR a"),
            call("RPUSH list last"),
            call("HSET hash f v"),
            call("SELECT 1"),
            call("SET elsewhere 1"),
            call("SELECT 0"),
            call("EXEC"),
            Act::Ack,
            call("MULTI"),
            call("DEL list"),
            call("INCR hash"),
            call("SADD set a b c"),
            call("EXEC"),
            Act::Sync,
            call("MULTI"),
            call("FLUSHALL"),
            call("DISCARD"),
            call("WATCH a"),
            call("SET a 7"),
            call("MULTI"),
            call("SET a 8"),
            call("EXEC"),
            Act::Ack,
            Act::Checkpoint,
            call("MULTI"),
            call("SMOVE set set2 a"),
            call("RENAME a b"),
            call("EXPIRE b 100000"),
            call("EXEC"),
            Act::Sync,
        ],
    )
}

/// Scripts and functions that change several keys; a library that is loaded and deleted.
fn scripts() -> Scenario {
    let transfer = "redis.call('DECRBY', KEYS[1], ARGV[1]) redis.call('INCRBY', KEYS[2], ARGV[1]) \
                    redis.call('RPUSH', 'journal', KEYS[1], KEYS[2]) return 1";
    let half = "redis.call('SET', 'half', '1') return redis.call('LPUSH', 'a', 'x')";
    let library = "#!lua name=bank\nredis.register_function('pay', function(keys, args) \
                   redis.call('DECRBY', keys[1], args[1]) return redis.call('INCRBY', keys[2], args[1]) end)";
    let load = Work {
        words: words(&["FUNCTION", "LOAD", library]),
        meaning: Meaning::Library(b"bank".to_vec(), Some(library.as_bytes().to_vec())),
    };
    let delete = Work {
        words: words(&["FUNCTION", "DELETE", "bank"]),
        meaning: Meaning::Library(b"bank".to_vec(), None),
    };
    let transferred = ["DECRBY a 5", "INCRBY b 5", "RPUSH journal a b"];
    scenario(
        "scripts",
        vec![call("SET a 100"), call("SET b 0")],
        vec![
            means(&["EVAL", transfer, "2", "a", "b", "5"], &transferred),
            Act::Ack,
            // What a script has changed before it fails stays.
            means(&["EVAL", half, "0"], &["SET half 1", "LPUSH a x"]),
            Act::Sync,
            Act::Call(load.clone()),
            Act::Ack,
            means(
                &["FCALL", "pay", "2", "a", "b", "7"],
                &["DECRBY a 7", "INCRBY b 7"],
            ),
            Act::Sync,
            Act::Checkpoint,
            Act::Call(delete),
            call("MULTI"),
            call("SET in multi"),
            call("EXEC"),
            Act::Ack,
            means(&["EVAL", transfer, "2", "a", "b", "5"], &transferred),
            Act::Sync,
            Act::Call(load),
            Act::Sync,
        ],
    )
}

/// Databases that are emptied, swapped and moved between.
fn databases() -> Scenario {
    scenario(
        "databases",
        vec![
            call("MSET a 1 b 2 c 3"),
            many("SADD set", 0..12, "member-of-the-set-#"),
            call("SET timed 1 EX 100000"),
            call("SELECT 1"),
            call("SET other 1"),
            call("SELECT 0"),
        ],
        vec![
            call("SWAPDB 0 1"),
            Act::Ack,
            call("SET new 1"),
            Act::Sync,
            call("SELECT 1"),
            call("MOVE set 2"),
            call("COPY a d DB 0"),
            Act::Ack,
            call("FLUSHDB"),
            Act::Sync,
            Act::CheckpointSteps(2),
            call("SELECT 2"),
            call("RENAME set renamed"),
            Act::Ack,
            call("FLUSHALL"),
            Act::FreeDropped(5),
            Act::Checkpoint,
            call("SET last 1"),
            Act::Sync,
        ],
    )
}

/// Keys that expire while the process runs, while it is away, and in the background.
fn expiries() -> Scenario {
    scenario(
        "expiries",
        vec![
            call("SET soon 1 PX 40"),
            many("RPUSH list", 0..8, "element-of-the-list-#"),
            call("PEXPIRE list 40"),
            call("SET late 1 EX 10000"),
            call("SET later 1 EX 1000000"),
        ],
        vec![
            call("GET soon"),
            call("SET new 1 PX 20"),
            Act::Ack,
            Act::Wait(30_000),
            call("APPEND new 2"),
            Act::Sync,
            Act::Expire,
            call("PEXPIREAT late 99"),
            Act::Ack,
            call("EXPIRE later 2000000 GT"),
            call("PERSIST later"),
            Act::Sync,
            Act::Checkpoint,
            call("SETEX later 5000000 2"),
            Act::Ack,
            Act::Expire,
            Act::Sync,
        ],
    )
}

/// Keys that are given up so that others have room.
fn eviction() -> Scenario {
    let value = "v".repeat(300);
    let mut script = Vec::new();
    for n in 0..6 {
        script.push(call(&format!("SET new{n} {value}")));
        script.push(if n % 2 == 1 { Act::Sync } else { Act::Ack });
        if n == 3 {
            script.push(Act::Checkpoint);
        }
    }
    script.push(Act::Evicted(3));
    let mut found = scenario(
        "eviction",
        vec![
            many("RPUSH list", 0..8, "element-of-the-list-#"),
            many("HSET hash", 0..8, "field-# value-of-the-field-#"),
            call(&format!("MSET a {value} b {value} c {value} d {value}")),
        ],
        script,
    );
    found.directives = vec![
        ("maxmemory", "19500"),
        ("maxmemory-policy", "allkeys-random"),
        ("notify-keyspace-events", "Ee"),
    ];
    found
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    vec![
        strings(),
        lists(),
        hashes(),
        sets(),
        sorted_sets(),
        streams(),
        transactions(),
        scripts(),
        databases(),
        expiries(),
        eviction(),
    ]
}
