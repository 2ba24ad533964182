//! Running handlers in tests: words in, reply bytes out.

use std::sync::Arc;

use super::attempt::carry_out;
use super::client::Client;
use super::server::Server;
use super::{
    Call, Failure, Outcome, bitfield, bitmap, bitmap_operation, debug, dump, expire, function,
    hash, hash_expire, hash_number, hash_walk, hyperloglog, hyperloglog_debug, info, keys,
    keys_database, list, list_move, list_search, memory, object, scan, set, set_algebra,
    set_random, set_walk, sorted_set, string, string_lcs, string_number, string_part,
};
use crate::config::Config;
use crate::keyspace::Keyspace;
use crate::resp::{Proto, Reply};
use crate::storage::{Engine, OnMiss, OpenOptions, open};
use crate::vfs::{OsClock, OsVfs};

type Handler = fn(&mut Call<'_>) -> Outcome;

/// Every handler of the data commands by name; a subcommand's name has a bar.
pub const HANDLERS: &[(&str, Handler)] = &[
    ("append", string_part::append),
    ("bitcount", bitmap::bitcount),
    ("bitfield", bitfield::bitfield),
    ("bitfield_ro", bitfield::bitfield_ro),
    ("bitop", bitmap_operation::bitop),
    ("bitpos", bitmap::bitpos),
    ("bzmpop", sorted_set::pop::bzmpop),
    ("bzpopmax", sorted_set::pop::bzpopmax),
    ("bzpopmin", sorted_set::pop::bzpopmin),
    ("copy", keys_database::copy),
    ("dump", dump::dump),
    ("restore", dump::restore),
    ("dbsize", keys_database::dbsize),
    ("debug", debug::debug),
    ("decr", string_number::decr),
    ("decrby", string_number::decrby),
    ("del", keys::del),
    ("exists", keys::exists),
    ("expire", expire::expire),
    ("expireat", expire::expireat),
    ("expiretime", expire::expiretime),
    ("fcall", function::fcall),
    ("flushall", keys_database::flushall),
    ("flushdb", keys_database::flushdb),
    ("function|delete", function::delete),
    ("function|flush", function::flush),
    ("function|list", function::list),
    ("function|load", function::load),
    ("function|restore", function::restore),
    ("function|stats", function::stats),
    ("get", string::get),
    ("getbit", bitmap::getbit),
    ("getdel", string::getdel),
    ("getex", string::getex),
    ("getrange", string_part::getrange),
    ("getset", string::getset),
    ("hdel", hash::hdel),
    ("hexists", hash::hexists),
    ("hexpire", hash_expire::hexpire),
    ("hexpireat", hash_expire::hexpireat),
    ("hexpiretime", hash_expire::hexpiretime),
    ("hget", hash::hget),
    ("hgetall", hash_walk::hgetall),
    ("hincrby", hash_number::hincrby),
    ("hincrbyfloat", hash_number::hincrbyfloat),
    ("hkeys", hash_walk::hkeys),
    ("hlen", hash::hlen),
    ("hmget", hash::hmget),
    ("hmset", hash::hmset),
    ("hpersist", hash_expire::hpersist),
    ("hpexpire", hash_expire::hpexpire),
    ("hpexpireat", hash_expire::hpexpireat),
    ("hpexpiretime", hash_expire::hpexpiretime),
    ("hpttl", hash_expire::hpttl),
    ("hrandfield", hash_walk::hrandfield),
    ("hscan", hash_walk::hscan),
    ("hset", hash::hset),
    ("hsetnx", hash::hsetnx),
    ("hstrlen", hash::hstrlen),
    ("httl", hash_expire::httl),
    ("hvals", hash_walk::hvals),
    ("incr", string_number::incr),
    ("incrby", string_number::incrby),
    ("incrbyfloat", string_number::incrbyfloat),
    ("info", info::info),
    ("keys", scan::keys),
    ("lcs", string_lcs::lcs),
    ("lindex", list::lindex),
    ("linsert", list_search::linsert),
    ("llen", list::llen),
    ("lmove", list_move::lmove),
    ("lmpop", list_move::lmpop),
    ("lpop", list::lpop),
    ("lpos", list_search::lpos),
    ("lpush", list::lpush),
    ("lpushx", list::lpushx),
    ("lrange", list::lrange),
    ("lrem", list_search::lrem),
    ("lset", list::lset),
    ("ltrim", list::ltrim),
    ("memory|doctor", memory::doctor),
    ("memory|stats", memory::stats),
    ("memory|usage", object::memory_usage),
    ("mget", string::mget),
    ("move", keys_database::r#move),
    ("mset", string::mset),
    ("msetnx", string::msetnx),
    ("object|encoding", object::object_encoding),
    ("object|freq", object::object_freq),
    ("object|help", object::object_help),
    ("object|idletime", object::object_idletime),
    ("object|refcount", object::object_refcount),
    ("persist", expire::persist),
    ("pexpire", expire::pexpire),
    ("pexpireat", expire::pexpireat),
    ("pexpiretime", expire::pexpiretime),
    ("pfadd", hyperloglog::pfadd),
    ("pfcount", hyperloglog::pfcount),
    ("pfdebug", hyperloglog_debug::pfdebug),
    ("pfmerge", hyperloglog::pfmerge),
    ("pfselftest", hyperloglog_debug::pfselftest),
    ("psetex", string::psetex),
    ("pttl", expire::pttl),
    ("randomkey", keys::randomkey),
    ("rename", keys::rename),
    ("renamenx", keys::renamenx),
    ("rpop", list::rpop),
    ("rpoplpush", list_move::rpoplpush),
    ("rpush", list::rpush),
    ("rpushx", list::rpushx),
    ("sadd", set::sadd),
    ("scan", scan::scan),
    ("scard", set::scard),
    ("sdiff", set_algebra::sdiff),
    ("sdiffstore", set_algebra::sdiffstore),
    ("set", string::set),
    ("setbit", bitmap::setbit),
    ("setex", string::setex),
    ("setnx", string::setnx),
    ("setrange", string_part::setrange),
    ("sinter", set_algebra::sinter),
    ("sintercard", set_algebra::sintercard),
    ("sinterstore", set_algebra::sinterstore),
    ("sismember", set::sismember),
    ("smembers", set_walk::smembers),
    ("smismember", set::smismember),
    ("smove", set::smove),
    ("spop", set_random::spop),
    ("srandmember", set_random::srandmember),
    ("srem", set::srem),
    ("sscan", set_walk::sscan),
    ("strlen", string_part::strlen),
    ("substr", string_part::substr),
    ("sunion", set_algebra::sunion),
    ("sunionstore", set_algebra::sunionstore),
    ("swapdb", keys_database::swapdb),
    ("touch", keys::touch),
    ("ttl", expire::ttl),
    ("type", keys::r#type),
    ("unlink", keys::unlink),
    ("zadd", sorted_set::add::zadd),
    ("zcard", sorted_set::zcard),
    ("zcount", sorted_set::zcount),
    ("zdiff", sorted_set::algebra::zdiff),
    ("zdiffstore", sorted_set::algebra::zdiffstore),
    ("zincrby", sorted_set::add::zincrby),
    ("zinter", sorted_set::algebra::zinter),
    ("zintercard", sorted_set::algebra::zintercard),
    ("zinterstore", sorted_set::algebra::zinterstore),
    ("zlexcount", sorted_set::zlexcount),
    ("zmpop", sorted_set::pop::zmpop),
    ("zmscore", sorted_set::zmscore),
    ("zpopmax", sorted_set::pop::zpopmax),
    ("zpopmin", sorted_set::pop::zpopmin),
    ("zrandmember", sorted_set::random::zrandmember),
    ("zrange", sorted_set::range::zrange),
    ("zrangebylex", sorted_set::range::zrangebylex),
    ("zrangebyscore", sorted_set::range::zrangebyscore),
    ("zrangestore", sorted_set::range::zrangestore),
    ("zrank", sorted_set::zrank),
    ("zrem", sorted_set::remove::zrem),
    ("zremrangebylex", sorted_set::remove::zremrangebylex),
    ("zremrangebyrank", sorted_set::remove::zremrangebyrank),
    ("zremrangebyscore", sorted_set::remove::zremrangebyscore),
    ("zrevrange", sorted_set::range::zrevrange),
    ("zrevrangebylex", sorted_set::range::zrevrangebylex),
    ("zrevrangebyscore", sorted_set::range::zrevrangebyscore),
    ("zrevrank", sorted_set::zrevrank),
    ("zscan", sorted_set::scan::zscan),
    ("zscore", sorted_set::zscore),
    ("zunion", sorted_set::algebra::zunion),
    ("zunionstore", sorted_set::algebra::zunionstore),
];

/// A server without a network.
pub struct Bench {
    pub keyspace: Keyspace,
    pub client: Client,
    pub proto: Proto,
    pub now_ms: u64,
    pub server: Server,
    dir: tempfile::TempDir,
}

/// Opens the database in `dir`.
fn engine(dir: &std::path::Path) -> Engine {
    let opened = open(
        &OsVfs,
        Arc::new(OsClock::default()),
        &dir.join("data.keep"),
        &OpenOptions::new([7; 16]),
        &mut |_, _| {},
    );
    opened.expect("a database").0
}

impl Bench {
    /// Empty, with 16 databases, at a fixed time.
    pub fn new() -> Self {
        let now_ms = 1_700_000_000_000;
        let dir = tempfile::tempdir().expect("a directory for the test");
        Self {
            keyspace: Keyspace::new(engine(dir.path()), 16, 1, now_ms).expect("a new database"),
            dir,
            client: Client::default(),
            proto: Proto::Resp2,
            now_ms,
            server: Server::new(Arc::new(Config::default()), Arc::new(OsClock::default())),
        }
    }

    /// Runs a command and returns its reply, or what storage had against it.
    pub fn try_run(&mut self, words: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        if !self.keyspace.in_transaction() {
            self.keyspace.engine.begin_command(OnMiss::Read);
        }
        let mut reply = Reply::new(self.proto);
        let outcome = carry_out(
            &mut Call {
                args: words,
                keyspace: &mut self.keyspace,
                client: &mut self.client,
                server: &self.server,
                out: &mut reply,
                now_ms: self.now_ms,
            },
            handler(words),
        );
        match outcome {
            Err(Failure::Reply(error)) => {
                assert!(reply.is_empty(), "an error is the whole reply");
                reply.error(&error);
            }
            other => other?,
        }
        Ok(whole(reply))
    }

    /// Runs a command that storage has nothing against.
    pub fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        self.try_run(words).expect("storage that works")
    }

    /// Closes and opens the database, without a checkpoint.
    pub fn restart(self) -> Self {
        let Self {
            keyspace,
            client,
            proto,
            now_ms,
            server,
            dir,
        } = self;
        if let Some(log) = keyspace.engine.log() {
            log.write_to(keyspace.engine.last_lsn()).expect("a log");
        }
        drop(keyspace);
        Self {
            keyspace: Keyspace::new(engine(dir.path()), 16, 1, now_ms).expect("the database"),
            client,
            proto,
            now_ms,
            server,
            dir,
        }
    }
}

fn handler(words: &[&[u8]]) -> Handler {
    let name = String::from_utf8_lossy(words[0]).to_lowercase();
    let full = match words.get(1) {
        Some(word) if ["object", "memory", "function"].contains(&name.as_str()) => {
            format!("{name}|{}", String::from_utf8_lossy(word).to_lowercase())
        }
        _ => name,
    };
    let found = HANDLERS.iter().find(|(name, _)| *name == full);
    found.expect("a command of the list").1
}

/// The bytes that a client would get, streams included.
fn whole(mut reply: Reply) -> Vec<u8> {
    let (bytes, streams) = reply.take();
    let (mut out, mut at) = (Vec::new(), 0);
    for (place, mut stream) in streams {
        out.extend_from_slice(&bytes[at..place]);
        at = place;
        while stream.fill(&mut out, 1000).expect("a readable snapshot") {}
    }
    out.extend_from_slice(&bytes[at..]);
    out
}
