//! DUMP and RESTORE: a value as bytes, and back.

use super::argument::{integer, is_word};
use super::{Call, Failure, Outcome, errors, settings};
use crate::interchange::rdb::decode::Decoded;
use crate::interchange::rdb::payload;
use crate::interchange::{export, import};
use crate::keyspace::Look;
use crate::keyspace::change::Class;
use crate::keyspace::eviction::Merit;
use crate::keyspace::header::Header;
use crate::resp::ErrorReply;
use crate::storage::Plan;

const BUSY_KEY: ErrorReply = ErrorReply::new("BUSYKEY Target key name already exists.");
const BAD_VALUE: ErrorReply = ErrorReply::new("ERR Bad data format");
const BAD_TTL: ErrorReply = ErrorReply::new("ERR Invalid TTL value, must be >= 0");
const BAD_IDLE_TIME: ErrorReply = ErrorReply::new("ERR Invalid IDLETIME value, must be >= 0");
const BAD_FREQUENCY: ErrorReply =
    ErrorReply::new("ERR Invalid FREQ value, must be >= 0 and <= 255");

/// DUMP key
pub fn dump(call: &mut Call<'_>) -> Outcome {
    let (db, key) = (call.client.db, call.args[1]);
    let entry = call.keyspace.lookup(db, key, call.now_ms, Look::READ)?;
    let Some(entry) = entry else {
        call.out.null();
        return Ok(());
    };
    let header = entry.header;
    let bytes = payload_of(call, key, &header)?;
    call.out.bulk(&bytes);
    Ok(())
}

/// The value at a key of the client's database, which has this header, as DUMP gives it.
pub fn payload_of(call: &mut Call<'_>, key: &[u8], header: &Header) -> Result<Vec<u8>, Failure> {
    let version = settings::rdb_version(call.server, header.fields_expire_ms.is_some());
    let compresses = settings::rdb_compresses(call.server);
    let bytes = call.keyspace.read_key(call.client.db, |reader, keys| {
        export::dump(reader, keys, key, version, compresses)
    })?;
    Ok(bytes)
}

/// What RESTORE was told besides the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(mut words: &[&[u8]]) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        while let Some((option, rest)) = words.split_first() {
            words = rest;
            if is_word(option, "REPLACE") {
                options.replace = true;
            } else if is_word(option, "ABSTTL") {
                options.absolute = true;
            } else if let Some((number, rest)) = words.split_first()
                && is_word(option, "IDLETIME")
                && options.frequency.is_none()
            {
                let seconds = integer(number)?;
                options.idle_s = Some(u64::try_from(seconds).map_err(|_| BAD_IDLE_TIME)?);
                words = rest;
            } else if let Some((number, rest)) = words.split_first()
                && is_word(option, "FREQ")
                && options.idle_s.is_none()
            {
                let frequency = integer(number)?;
                options.frequency = Some(u8::try_from(frequency).map_err(|_| BAD_FREQUENCY)?);
                words = rest;
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]
pub fn restore(call: &mut Call<'_>) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let options = Options::parse(&call.args[4..])?;
    if !options.replace
        && call
            .keyspace
            .lookup(db, key, now_ms, Look::UNSEEN)?
            .is_some()
    {
        return Err(BUSY_KEY.into());
    }
    let ttl = u64::try_from(integer(call.args[2])?).map_err(|_| BAD_TTL)?;
    let body = payload::open(call.args[3]).map_err(|_| errors::BAD_PAYLOAD)?;
    let value = match payload::read(body) {
        Ok(Decoded::Value(value)) => value,
        Ok(Decoded::Skipped(_)) => return Err(BAD_VALUE.into()),
        Err(error) => {
            tracing::debug!("a payload of RESTORE is not understood: {error}");
            return Err(BAD_VALUE.into());
        }
    };
    let expires_ms = match (ttl, options.absolute) {
        (0, _) => None,
        (ttl, true) => Some(ttl),
        (ttl, false) => Some(now_ms.saturating_add(ttl)),
    };
    // A moment beyond 63 bits is one of the past, as it is to Redis, whose sum is before 1970.
    let is_past = |moment: u64| moment <= now_ms || moment > i64::MAX.cast_unsigned();
    let is_over = expires_ms.is_some_and(is_past);
    let limits = settings::import_limits(call.server);
    let has_deleted = call.keyspace.write(Plan::Savepoint, |txn| {
        if is_over {
            return Ok::<_, super::Failure>(txn.put_nothing(db, key, now_ms)?);
        }
        txn.discard(db, key, now_ms)?;
        import::put(txn, db, key, &value, expires_ms, now_ms, &limits)?;
        txn.touched(db, key, 1, Some((Class::Generic, "restore")));
        Ok(false)
    })?;
    if has_deleted {
        call.deletes(key);
    } else if let Some(expires_ms) = expires_ms
        && !is_over
        && !options.absolute
    {
        let moment = expires_ms.to_string();
        let mut words = call.args.to_vec();
        words[2] = moment.as_bytes();
        words.push(b"ABSTTL");
        call.does(&words);
    }
    if !is_over {
        note_use(call, key, &options);
    }
    call.out.ok();
    Ok(())
}

/// A restored key is a new one. What is said of its use counts where the policy of eviction asks for that.
fn note_use(call: &mut Call<'_>, key: &[u8], options: &Options) {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let merit = settings::eviction_merit(call.server);
    let access = &mut call.keyspace.access;
    access.made(access.find(db, key), now_ms);
    if merit == Some(Merit::Frequency) {
        if let Some(frequency) = options.frequency {
            access.set_frequency(db, key, frequency, now_ms);
        }
    } else if let Some(idle_s) = options.idle_s {
        access.set_idle(db, key, idle_s, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::command::testing::Bench;
    use crate::config::Caller;
    use crate::interchange::rdb::{List, Value, payload};

    /// The payload in a reply.
    fn dumped(reply: &[u8]) -> Vec<u8> {
        let start = reply
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a bulk string")
            + 1;
        reply[start..reply.len() - 2].to_vec()
    }

    #[test]
    fn a_key_that_is_restored_to_expire_beyond_the_last_moment_is_not_there() {
        let mut bench = Bench::new();
        bench.run(&[b"set", b"k", b"v"]);
        let dump = dumped(&bench.run(&[b"dump", b"k"]));
        let last = i64::MAX.to_string();
        let mut restore = |more: &[&[u8]]| {
            let words: &[&[u8]] = &[b"restore", b"k", last.as_bytes(), &dump, b"replace"];
            assert_eq!(bench.run(&[words, more].concat()), b"+OK\r\n");
            bench.run(&[b"pexpiretime", b"k"])
        };
        assert_eq!(restore(&[]), b":-2\r\n");
        assert_eq!(restore(&[b"absttl"]), format!(":{last}\r\n").as_bytes());
    }

    #[test]
    fn a_restored_key_is_new_and_used_as_the_policy_asks() {
        let mut bench = Bench::new();
        bench.run(&[b"set", b"k", b"v"]);
        let dump = dumped(&bench.run(&[b"dump", b"k"]));
        let set_policy = |bench: &Bench, name: &[u8]| {
            let config = &bench.server.config;
            let set = config.set(&[(b"maxmemory-policy", name)], Caller::default());
            set.expect("a policy");
        };
        set_policy(&bench, b"allkeys-lfu");
        for _ in 0..100 {
            bench.run(&[b"get", b"k"]);
        }
        let frequency = |bench: &mut Bench, more: &[&[u8]]| {
            let words: &[&[u8]] = &[b"restore", b"k", b"0", &dump, b"replace"];
            assert_eq!(bench.run(&[words, more].concat()), b"+OK\r\n");
            bench.run(&[b"object", b"freq", b"k"])
        };
        assert_eq!(frequency(&mut bench, &[]), b":5\r\n");
        assert_eq!(frequency(&mut bench, &[b"freq", b"77"]), b":77\r\n");
        assert_eq!(frequency(&mut bench, &[b"idletime", b"9000"]), b":5\r\n");
        set_policy(&bench, b"allkeys-lru");
        let idle = |bench: &mut Bench, more: &[&[u8]]| {
            let words: &[&[u8]] = &[b"restore", b"k", b"0", &dump, b"replace"];
            assert_eq!(bench.run(&[words, more].concat()), b"+OK\r\n");
            bench.run(&[b"object", b"idletime", b"k"])
        };
        assert_eq!(idle(&mut bench, &[b"idletime", b"9000"]), b":9000\r\n");
        assert_eq!(idle(&mut bench, &[b"freq", b"77"]), b":0\r\n");
    }

    /// The name of a list that is restored.
    fn restored(bench: &mut Bench, list: List) -> Vec<u8> {
        let dump = payload::write(&Value::List(list), 11, false);
        let restore: &[&[u8]] = &[b"restore", b"k", b"0", &dump, b"replace"];
        assert_eq!(bench.run(restore), b"+OK\r\n");
        bench.run(&[b"object", b"encoding", b"k"])
    }

    /// 134 of these elements are what a node of 8 KiB takes one by one; 134.2 would fill it.
    #[test]
    fn a_list_that_comes_element_by_element_is_divided_as_pushes_divide_it() {
        let mut bench = Bench::new();
        let elements = |count: usize| vec![vec![b'v'; 59]; count];
        let listpack = b"$8\r\nlistpack\r\n";
        let quicklist = b"$9\r\nquicklist\r\n";
        assert_eq!(restored(&mut bench, List::of(elements(134))), listpack);
        assert_eq!(restored(&mut bench, List::of(elements(135))), quicklist);
        let node = |list: &mut List, count| list.push_node(elements(count), false);
        let mut list = List::default();
        node(&mut list, 134);
        assert_eq!(restored(&mut bench, list.clone()), listpack);
        node(&mut list, 1);
        assert_eq!(restored(&mut bench, list), quicklist);
        let mut list = List::default();
        node(&mut list, 1);
        node(&mut list, 1);
        assert_eq!(restored(&mut bench, list), quicklist);
        let mut list = List::default();
        list.push_node(elements(1), true);
        assert_eq!(restored(&mut bench, list), quicklist);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_nodes_of_a_list_survive(
            changes in prop::collection::vec((0..8u8, prop_oneof![9 => 1..90usize, 1 => 3000..9500usize], any::<u16>()), 1..40),
            fill in prop_oneof![Just("-2"), Just("5")],
        ) {
            let mut bench = Bench::new();
            let config = &bench.server.config;
            config.set(&[(b"list-max-listpack-size", fill.as_bytes())], Caller::default()).expect("a limit");
            for (n, (change, len, at)) in changes.iter().enumerate() {
                let element = format!("{n:0>len$}");
                let some = vec![element.as_bytes(); 30];
                let place = (at % 40).to_string();
                let pivot = format!("{:0>len$}", n.saturating_sub(1));
                match change {
                    0..3 => bench.run(&[&[&b"rpush"[..], b"k"], &some[..]].concat()),
                    3 => bench.run(&[&[&b"lpush"[..], b"k"], &some[..7]].concat()),
                    4 => bench.run(&[b"lpop", b"k", place.as_bytes()]),
                    5 => bench.run(&[b"lset", b"k", place.as_bytes(), element.as_bytes()]),
                    6 => bench.run(&[b"linsert", b"k", b"after", pivot.as_bytes(), element.as_bytes()]),
                    _ => bench.run(&[b"lrem", b"k", b"5", pivot.as_bytes()]),
                };
            }
            bench.run(&[b"rpush", b"k", b"last"]);
            let (name, dump) = (bench.run(&[b"object", b"encoding", b"k"]), bench.run(&[b"dump", b"k"]));
            bench.run(&[b"restore", b"r", b"0", &dumped(&dump)]);
            let mut bench = bench.restart();
            prop_assert_eq!(bench.run(&[b"dump", b"r"]), dump.clone());
            // One that grew into a node of its own and stayed alone is named anew, as in Redis.
            let is_one_node = dumped(&dump)[1] == 1;
            let copied = bench.run(&[b"object", b"encoding", b"r"]);
            prop_assert!(copied == name || is_one_node && copied == b"$8\r\nlistpack\r\n", "{:?} {:?}", name, copied);
        }
    }
}
