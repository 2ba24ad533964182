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
    use crate::command::testing::Bench;
    use crate::config::Caller;

    /// The payload in a reply.
    fn payload(reply: &[u8]) -> Vec<u8> {
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
        let dump = payload(&bench.run(&[b"dump", b"k"]));
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
        let dump = payload(&bench.run(&[b"dump", b"k"]));
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
}
