//! Which function carries out which command. A command of the table that has none here is unknown to clients.

use super::table::{self, COUNT, CommandId, Flag, Group};
use super::{
    Call, Outcome, acl, append_only, backup, bitfield, bitmap, bitmap_operation, checkpoint,
    client_admin, client_tracking, config, connection, debug, dump, eval, expire, function, geo,
    hash, hash_expire, hash_number, hash_walk, hyperloglog, hyperloglog_debug, info, instance,
    introspect, keys, keys_database, latency, latency_report, list, list_move, list_search, memory,
    migrate, monitor, object, pubsub, replica_link, replication, save, scan, script, script_debug,
    set, set_algebra, set_random, set_walk, shutdown, slowlog, sort, sorted_set, stream, string,
    string_lcs, string_number, string_part, transaction,
};

/// A command's function.
pub type Handler = fn(&mut Call<'_>) -> Outcome;

/// The only place that binds names to functions.
const BINDINGS: &[(&str, Handler)] = &[
    ("acl|cat", acl::commands::cat),
    ("acl|deluser", acl::commands::deluser),
    ("acl|dryrun", acl::commands::dryrun),
    ("acl|genpass", acl::commands::genpass),
    ("acl|getuser", acl::commands::getuser),
    ("acl|help", acl::commands::help),
    ("acl|list", acl::commands::list),
    ("acl|load", acl::commands::load),
    ("acl|log", acl::commands::log),
    ("acl|save", acl::commands::save),
    ("acl|setuser", acl::commands::setuser),
    ("acl|users", acl::commands::users),
    ("acl|whoami", acl::commands::whoami),
    ("append", string_part::append),
    ("auth", connection::auth),
    ("backup", backup::backup),
    ("bgrewriteaof", append_only::bgrewriteaof),
    ("bgsave", save::bgsave),
    ("bitcount", bitmap::bitcount),
    ("bitfield", bitfield::bitfield),
    ("bitfield_ro", bitfield::bitfield_ro),
    ("bitop", bitmap_operation::bitop),
    ("bitpos", bitmap::bitpos),
    ("blmove", list_move::blmove),
    ("blmpop", list_move::blmpop),
    ("blpop", list_move::blpop),
    ("brpop", list_move::brpop),
    ("brpoplpush", list_move::brpoplpush),
    ("bzmpop", sorted_set::pop::bzmpop),
    ("bzpopmax", sorted_set::pop::bzpopmax),
    ("bzpopmin", sorted_set::pop::bzpopmin),
    ("checkpoint", checkpoint::checkpoint),
    ("client|caching", client_tracking::caching),
    ("client|getname", client_admin::getname),
    ("client|getredir", client_tracking::getredir),
    ("client|help", client_admin::help),
    ("client|id", client_admin::id),
    ("client|info", client_admin::info),
    ("client|kill", client_admin::kill),
    ("client|list", client_admin::list),
    ("client|no-evict", client_admin::no_evict),
    ("client|no-touch", client_admin::no_touch),
    ("client|pause", client_admin::pause),
    ("client|reply", client_admin::reply),
    ("client|setinfo", client_admin::setinfo),
    ("client|setname", client_admin::setname),
    ("client|tracking", client_tracking::tracking),
    ("client|trackinginfo", client_tracking::trackinginfo),
    ("client|unblock", client_admin::unblock),
    ("client|unpause", client_admin::unpause),
    ("command", introspect::command),
    ("command|count", introspect::count),
    ("command|docs", introspect::docs),
    ("command|getkeys", introspect::get_keys),
    ("command|getkeysandflags", introspect::get_keys_and_flags),
    ("command|help", introspect::help),
    ("command|info", introspect::info),
    ("command|list", introspect::list),
    ("config|get", config::get),
    ("config|help", config::help),
    ("config|resetstat", config::resetstat),
    ("config|rewrite", config::rewrite),
    ("config|set", config::set),
    ("copy", keys_database::copy),
    ("dbsize", keys_database::dbsize),
    ("debug", debug::debug),
    ("decr", string_number::decr),
    ("decrby", string_number::decrby),
    ("del", keys::del),
    ("discard", transaction::discard),
    ("dump", dump::dump),
    ("echo", connection::echo),
    ("eval", eval::eval),
    ("eval_ro", eval::eval_ro),
    ("evalsha", eval::evalsha),
    ("evalsha_ro", eval::evalsha_ro),
    ("exec", transaction::exec),
    ("exists", keys::exists),
    ("expire", expire::expire),
    ("expireat", expire::expireat),
    ("expiretime", expire::expiretime),
    ("fcall", function::fcall),
    ("fcall_ro", function::fcall_ro),
    ("flushall", keys_database::flushall),
    ("flushdb", keys_database::flushdb),
    ("function|delete", function::delete),
    ("function|dump", function::dump),
    ("function|flush", function::flush),
    ("function|help", function::help),
    ("function|kill", function::kill),
    ("function|list", function::list),
    ("function|load", function::load),
    ("function|restore", function::restore),
    ("function|stats", function::stats),
    ("geoadd", geo::geoadd),
    ("geodist", geo::geodist),
    ("geohash", geo::geohash),
    ("geopos", geo::geopos),
    ("georadius", geo::search::georadius),
    ("georadius_ro", geo::search::georadius_ro),
    ("georadiusbymember", geo::search::georadiusbymember),
    ("georadiusbymember_ro", geo::search::georadiusbymember_ro),
    ("geosearch", geo::search::geosearch),
    ("geosearchstore", geo::search::geosearchstore),
    ("get", string::get),
    ("getbit", bitmap::getbit),
    ("getdel", string::getdel),
    ("getex", string::getex),
    ("getrange", string_part::getrange),
    ("getset", string::getset),
    ("hdel", hash::hdel),
    ("hello", connection::hello),
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
    ("lastsave", save::lastsave),
    ("latency|doctor", latency_report::doctor),
    ("latency|graph", latency_report::graph),
    ("latency|help", latency::help),
    ("latency|histogram", latency_report::histogram),
    ("latency|history", latency::history),
    ("latency|latest", latency::latest),
    ("latency|reset", latency::reset),
    ("lcs", string_lcs::lcs),
    ("lindex", list::lindex),
    ("linsert", list_search::linsert),
    ("llen", list::llen),
    ("lmove", list_move::lmove),
    ("lmpop", list_move::lmpop),
    ("lolwut", instance::lolwut),
    ("lpop", list::lpop),
    ("lpos", list_search::lpos),
    ("lpush", list::lpush),
    ("lpushx", list::lpushx),
    ("lrange", list::lrange),
    ("lrem", list_search::lrem),
    ("lset", list::lset),
    ("ltrim", list::ltrim),
    ("memory|doctor", memory::doctor),
    ("memory|help", memory::help),
    ("memory|malloc-stats", memory::malloc_stats),
    ("memory|purge", memory::purge),
    ("memory|stats", memory::stats),
    ("memory|usage", object::memory_usage),
    ("mget", string::mget),
    ("migrate", migrate::migrate),
    ("module|help", instance::module_help),
    ("module|list", instance::module_list),
    ("module|load", instance::module_load),
    ("module|loadex", instance::module_load),
    ("module|unload", instance::module_unload),
    ("monitor", monitor::monitor),
    ("move", keys_database::r#move),
    ("mset", string::mset),
    ("msetnx", string::msetnx),
    ("multi", transaction::multi),
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
    ("ping", connection::ping),
    ("psetex", string::psetex),
    ("psubscribe", pubsub::psubscribe),
    ("psync", replica_link::psync),
    ("pttl", expire::pttl),
    ("publish", pubsub::publish),
    ("pubsub|channels", pubsub::channels),
    ("pubsub|help", pubsub::help),
    ("pubsub|numpat", pubsub::numpat),
    ("pubsub|numsub", pubsub::numsub),
    ("pubsub|shardchannels", pubsub::shardchannels),
    ("pubsub|shardnumsub", pubsub::shardnumsub),
    ("punsubscribe", pubsub::punsubscribe),
    ("quit", connection::quit),
    ("randomkey", keys::randomkey),
    ("rename", keys::rename),
    ("renamenx", keys::renamenx),
    ("replconf", replica_link::replconf),
    ("replicaof", replica_link::replicaof),
    ("reset", connection::reset),
    ("restore", dump::restore),
    ("restore-asking", dump::restore),
    ("role", replication::role),
    ("rpop", list::rpop),
    ("rpoplpush", list_move::rpoplpush),
    ("rpush", list::rpush),
    ("rpushx", list::rpushx),
    ("sadd", set::sadd),
    ("save", save::save),
    ("scan", scan::scan),
    ("script|debug", script_debug::debug),
    ("script|exists", script::exists),
    ("script|flush", script::flush),
    ("script|help", script::help),
    ("script|kill", script::kill),
    ("script|load", script::load),
    ("scard", set::scard),
    ("sdiff", set_algebra::sdiff),
    ("sdiffstore", set_algebra::sdiffstore),
    ("select", connection::select),
    ("set", string::set),
    ("setbit", bitmap::setbit),
    ("setex", string::setex),
    ("setnx", string::setnx),
    ("setrange", string_part::setrange),
    ("shutdown", shutdown::shutdown),
    ("sinter", set_algebra::sinter),
    ("sintercard", set_algebra::sintercard),
    ("sinterstore", set_algebra::sinterstore),
    ("sismember", set::sismember),
    ("slowlog|get", slowlog::get),
    ("slowlog|help", slowlog::help),
    ("slowlog|len", slowlog::len),
    ("slowlog|reset", slowlog::reset),
    ("slaveof", replica_link::replicaof),
    ("smembers", set_walk::smembers),
    ("smismember", set::smismember),
    ("smove", set::smove),
    ("sort", sort::sort),
    ("sort_ro", sort::sort_ro),
    ("spop", set_random::spop),
    ("spublish", pubsub::spublish),
    ("srandmember", set_random::srandmember),
    ("srem", set::srem),
    ("sscan", set_walk::sscan),
    ("ssubscribe", pubsub::ssubscribe),
    ("strlen", string_part::strlen),
    ("subscribe", pubsub::subscribe),
    ("substr", string_part::substr),
    ("sunion", set_algebra::sunion),
    ("sunionstore", set_algebra::sunionstore),
    ("sunsubscribe", pubsub::sunsubscribe),
    ("swapdb", keys_database::swapdb),
    ("sync", replica_link::sync),
    ("time", instance::time),
    ("touch", keys::touch),
    ("ttl", expire::ttl),
    ("type", keys::r#type),
    ("unlink", keys::unlink),
    ("unsubscribe", pubsub::unsubscribe),
    ("unwatch", transaction::unwatch),
    ("wait", replication::wait),
    ("waitaof", replication::waitaof),
    ("watch", transaction::watch),
    ("xack", stream::pending::xack),
    ("xadd", stream::xadd),
    ("xautoclaim", stream::claim::xautoclaim),
    ("xclaim", stream::claim::xclaim),
    ("xdel", stream::xdel),
    ("xgroup|create", stream::groups::create),
    ("xgroup|createconsumer", stream::groups::createconsumer),
    ("xgroup|delconsumer", stream::groups::delconsumer),
    ("xgroup|destroy", stream::groups::destroy),
    ("xgroup|help", stream::groups::group_help),
    ("xgroup|setid", stream::groups::setid),
    ("xinfo|consumers", stream::info::info_consumers),
    ("xinfo|groups", stream::info::info_groups),
    ("xinfo|help", stream::info::info_help),
    ("xinfo|stream", stream::info::info_stream),
    ("xlen", stream::xlen),
    ("xpending", stream::pending::xpending),
    ("xrange", stream::xrange),
    ("xread", stream::read::xread),
    ("xreadgroup", stream::read_group::xreadgroup),
    ("xrevrange", stream::xrevrange),
    ("xsetid", stream::xsetid),
    ("xtrim", stream::xtrim),
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

/// Commands not flagged as fast whose time is not measured one by one: the clock would cost more than they do.
const UNTIMED: &[&str] = &["set", "del", "mset"];

/// What is kept of a command for its execution.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    pub handler: Option<Handler>,
    /// Whether it may take long enough that its own time is worth a look at the clock.
    pub timed: bool,
}

/// A binding for every command of the table.
#[derive(Clone, Debug)]
pub struct Bindings([Binding; COUNT]);

/// The bindings of the server.
pub static BOUND: Bindings = build();

impl Bindings {
    /// How to carry out a command.
    pub fn of(&self, id: CommandId) -> Binding {
        self.0[id.index()]
    }

    /// The same with another function for one command, for tests of what calls them.
    #[cfg(test)]
    pub fn with(mut self, name: &str, handler: Handler) -> Self {
        let command = table::by_full_name(name.as_bytes()).expect("a command of the table");
        self.0[command.id.index()].handler = Some(handler);
        self
    }
}

const fn build() -> Bindings {
    let mut table = [Binding {
        handler: None,
        timed: true,
    }; COUNT];
    let mut i = 0;
    while i < COUNT {
        let command = &table::ACTIVE[i];
        table[i].timed = !command.flags.has(Flag::Fast);
        // Every subcommand of CLUSTER and every other command about clusters answers the same.
        let is_of_clusters = matches!(command.group, Group::Cluster);
        if is_of_clusters && !command.has_subcommands() {
            table[i].handler = Some(instance::cluster);
        }
        i += 1;
    }
    let mut i = 0;
    while i < BINDINGS.len() {
        let at = table::id(BINDINGS[i].0).index();
        assert!(table[at].handler.is_none(), "a command is bound once");
        table[at].handler = Some(BINDINGS[i].1);
        i += 1;
    }
    let mut i = 0;
    while i < UNTIMED.len() {
        table[table::id(UNTIMED[i]).index()].timed = false;
        i += 1;
    }
    Bindings(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_is_carried_out() {
        let missing: Vec<&str> = table::ACTIVE
            .iter()
            .filter(|command| !command.has_subcommands())
            .filter(|command| BOUND.of(command.id).handler.is_none())
            .map(|command| command.name())
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
