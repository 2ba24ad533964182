//! The commands of the model: names, arities, functions. The table is the model's own.

use crate::errors::{self, Failure};
use crate::state::{Call, ConnectionId, Model, Outcome};
use crate::{
    administration, bitfields, bitmaps, configuration, connection, counters, databases, dumps,
    expiry, geo, hash_expiry, hashes, hyperloglog, introspection, keys, lists, object, pubsub,
    scan, scripts, server, sets, sort, sorted_sets, streams, strings, subsequence, tracking,
    transactions, users,
};

/// A command or, with a bar in its name, a subcommand.
struct Command {
    name: &'static str,
    /// The number of words, the name included; at least as many if negative.
    arity: isize,
    run: fn(&mut Call) -> Outcome,
}

const fn row(name: &'static str, arity: isize, run: fn(&mut Call) -> Outcome) -> Command {
    Command { name, arity, run }
}

/// Commands that only have subcommands.
const CONTAINERS: &[&str] = &[
    "acl", "client", "cluster", "command", "config", "function", "latency", "memory", "module",
    "object", "pubsub", "script", "slowlog", "xgroup", "xinfo",
];

const COMMANDS: &[Command] = &[
    row("append", 3, strings::append),
    row("bitcount", -2, bitmaps::bitcount),
    row("bitfield", -2, bitfields::bitfield),
    row("bitfield_ro", -2, bitfields::bitfield_ro),
    row("bitop", -4, bitmaps::bitop),
    row("bitpos", -3, bitmaps::bitpos),
    row("copy", -3, keys::copy),
    row("dbsize", 1, databases::dbsize),
    row("decr", 2, counters::decr),
    row("decrby", 3, counters::decrby),
    row("del", -2, keys::del),
    row("exists", -2, keys::exists),
    row("expire", -3, expiry::expire),
    row("expireat", -3, expiry::expireat),
    row("expiretime", 2, expiry::expiretime),
    row("flushall", -1, databases::flushall),
    row("flushdb", -1, databases::flushdb),
    row("get", 2, strings::get),
    row("getbit", 3, bitmaps::getbit),
    row("getdel", 2, strings::getdel),
    row("getex", -2, strings::getex),
    row("getrange", 4, strings::getrange),
    row("getset", 3, strings::getset),
    row("hdel", -3, hashes::hdel),
    row("hexists", 3, hashes::hexists),
    row("hexpire", -6, hash_expiry::hexpire),
    row("hexpireat", -6, hash_expiry::hexpireat),
    row("hexpiretime", -5, hash_expiry::hexpiretime),
    row("hget", 3, hashes::hget),
    row("hgetall", 2, hashes::hgetall),
    row("hincrby", 4, hashes::hincrby),
    row("hincrbyfloat", 4, hashes::hincrbyfloat),
    row("hkeys", 2, hashes::hkeys),
    row("hlen", 2, hashes::hlen),
    row("hmget", -3, hashes::hmget),
    row("hmset", -4, hashes::hmset),
    row("hpersist", -5, hash_expiry::hpersist),
    row("hpexpire", -6, hash_expiry::hpexpire),
    row("hpexpireat", -6, hash_expiry::hpexpireat),
    row("hpexpiretime", -5, hash_expiry::hpexpiretime),
    row("hpttl", -5, hash_expiry::hpttl),
    row("hrandfield", -2, hashes::hrandfield),
    row("hscan", -3, hashes::hscan),
    row("hset", -4, hashes::hset),
    row("hsetnx", 4, hashes::hsetnx),
    row("hstrlen", 3, hashes::hstrlen),
    row("httl", -5, hash_expiry::httl),
    row("hvals", 2, hashes::hvals),
    row("incr", 2, counters::incr),
    row("incrby", 3, counters::incrby),
    row("incrbyfloat", 3, counters::incrbyfloat),
    row("keys", 2, scan::keys),
    row("lcs", -3, subsequence::lcs),
    row("mget", -2, strings::mget),
    row("move", 3, databases::move_key),
    row("mset", -3, strings::mset),
    row("msetnx", -3, strings::msetnx),
    row("persist", 2, expiry::persist),
    row("pexpire", -3, expiry::pexpire),
    row("pexpireat", -3, expiry::pexpireat),
    row("pexpiretime", 2, expiry::pexpiretime),
    row("pfadd", -2, hyperloglog::pfadd),
    row("pfcount", -2, hyperloglog::pfcount),
    row("pfmerge", -2, hyperloglog::pfmerge),
    row("psetex", 4, strings::psetex),
    row("pttl", 2, expiry::pttl),
    row("randomkey", 1, scan::randomkey),
    row("rename", 3, keys::rename),
    row("renamenx", 3, keys::renamenx),
    row("sadd", -3, sets::sadd),
    row("scard", 2, sets::scard),
    row("sdiff", -2, sets::sdiff),
    row("sdiffstore", -3, sets::sdiffstore),
    row("sinter", -2, sets::sinter),
    row("sintercard", -3, sets::sintercard),
    row("sinterstore", -3, sets::sinterstore),
    row("sismember", 3, sets::sismember),
    row("smembers", 2, sets::smembers),
    row("smismember", -3, sets::smismember),
    row("smove", 4, sets::smove),
    row("spop", -2, sets::spop),
    row("srandmember", -2, sets::srandmember),
    row("srem", -3, sets::srem),
    row("sscan", -3, sets::sscan),
    row("sunion", -2, sets::sunion),
    row("sunionstore", -3, sets::sunionstore),
    row("scan", -2, scan::scan),
    row("set", -3, strings::set),
    row("setbit", 4, bitmaps::setbit),
    row("setex", 4, strings::setex),
    row("setnx", 3, strings::setnx),
    row("setrange", 4, strings::setrange),
    row("strlen", 2, strings::strlen),
    row("substr", 4, strings::getrange),
    row("swapdb", 3, databases::swapdb),
    row("touch", -2, keys::exists),
    row("ttl", 2, expiry::ttl),
    row("type", 2, keys::type_of),
    row("unlink", -2, keys::del),
    row("blmove", 6, lists::blmove),
    row("blmpop", -5, lists::blmpop),
    row("blpop", -3, lists::blpop),
    row("brpop", -3, lists::brpop),
    row("brpoplpush", 4, lists::brpoplpush),
    row("lindex", 3, lists::lindex),
    row("linsert", 5, lists::linsert),
    row("llen", 2, lists::llen),
    row("lmove", 5, lists::lmove),
    row("lmpop", -4, lists::lmpop),
    row("lpop", -2, lists::lpop),
    row("lpos", -3, lists::lpos),
    row("lpush", -3, lists::lpush),
    row("lpushx", -3, lists::lpushx),
    row("lrange", 4, lists::lrange),
    row("lrem", 4, lists::lrem),
    row("lset", 4, lists::lset),
    row("ltrim", 4, lists::ltrim),
    row("rpop", -2, lists::rpop),
    row("rpoplpush", 3, lists::rpoplpush),
    row("rpush", -3, lists::rpush),
    row("rpushx", -3, lists::rpushx),
    row("acl|genpass", -2, administration::genpass),
    row("acl|help", 2, object::help),
    row("acl|load", 2, administration::acl_file),
    row("acl|log", -2, users::log::log),
    row("acl|save", 2, administration::acl_file),
    row("bgrewriteaof", 1, administration::bgrewriteaof),
    row("bgsave", -1, administration::bgsave),
    row("cluster|addslots", -3, server::cluster),
    row("cluster|addslotsrange", -4, server::cluster),
    row("cluster|bumpepoch", 2, server::cluster),
    row("cluster|count-failure-reports", 3, server::cluster),
    row("cluster|countkeysinslot", 3, server::cluster),
    row("cluster|delslots", -3, server::cluster),
    row("cluster|delslotsrange", -4, server::cluster),
    row("cluster|failover", -2, server::cluster),
    row("cluster|flushslots", 2, server::cluster),
    row("cluster|forget", 3, server::cluster),
    row("cluster|getkeysinslot", 4, server::cluster),
    row("cluster|help", 2, server::cluster),
    row("cluster|keyslot", 3, server::cluster),
    row("cluster|links", 2, server::cluster),
    row("cluster|meet", -4, server::cluster),
    row("cluster|myshardid", 2, server::cluster),
    row("cluster|replicas", 3, server::cluster),
    row("cluster|replicate", 3, server::cluster),
    row("cluster|reset", -2, server::cluster),
    row("cluster|saveconfig", 2, server::cluster),
    row("cluster|set-config-epoch", 3, server::cluster),
    row("cluster|setslot", -4, server::cluster),
    row("cluster|shards", 2, server::cluster),
    row("cluster|slaves", 3, server::cluster),
    row("command", -1, introspection::command),
    row("command|count", 2, introspection::count),
    row("command|docs", -2, introspection::docs),
    row("command|getkeys", -3, introspection::getkeys),
    row("command|getkeysandflags", -3, introspection::getkeys),
    row("command|help", 2, object::help),
    row("command|info", -2, introspection::info),
    row("command|list", -2, introspection::list),
    row("config|get", -3, configuration::get),
    row("config|help", 2, object::help),
    row("config|resetstat", 2, server::ok),
    row("config|rewrite", 2, configuration::rewrite),
    row("config|set", -4, configuration::set),
    row("debug", -2, administration::debug),
    row("geoadd", -5, geo::geoadd),
    row("geodist", -4, geo::geodist),
    row("geohash", -2, geo::geohash),
    row("geopos", -2, geo::geopos),
    row("georadius", -6, geo::searches::run),
    row("georadius_ro", -6, geo::searches::run),
    row("georadiusbymember", -5, geo::searches::run),
    row("georadiusbymember_ro", -5, geo::searches::run),
    row("geosearch", -7, geo::searches::run),
    row("geosearchstore", -8, geo::searches::run),
    row("info", -1, administration::info),
    row("lastsave", 1, administration::lastsave),
    row("latency|doctor", 2, administration::text),
    row("latency|graph", 3, administration::latency_graph),
    row("latency|help", 2, object::help),
    row("latency|histogram", -2, administration::empty_map),
    row("memory|doctor", 2, administration::text),
    row("memory|help", 2, object::help),
    row("memory|malloc-stats", 2, administration::text),
    row("memory|purge", 2, server::ok),
    row("memory|stats", 2, administration::empty_map),
    row("asking", 1, server::cluster),
    row("readonly", 1, server::cluster),
    row("readwrite", 1, server::cluster),
    row("module|help", 2, object::help),
    row("module|load", -3, server::module),
    row("module|loadex", -3, server::module),
    row("module|unload", 3, server::module),
    row("pfdebug", 3, administration::pfdebug),
    row("pfselftest", 1, server::ok),
    row("replconf", -1, administration::replconf),
    row("replicaof", 3, administration::replicaof),
    row("save", 1, server::ok),
    row("shutdown", -1, administration::shutdown),
    row("slaveof", 3, administration::replicaof),
    row("slowlog|help", 2, object::help),
    row("sort", -2, sort::sort),
    row("sort_ro", -2, sort::sort),
    row("eval", -3, scripts::eval),
    row("eval_ro", -3, scripts::eval),
    row("evalsha", -3, scripts::evalsha),
    row("evalsha_ro", -3, scripts::evalsha),
    row("script|load", 3, scripts::load),
    row("script|exists", -3, scripts::exists),
    row("script|flush", -2, scripts::flush),
    row("script|kill", 2, scripts::kill),
    row("script|help", 2, object::help),
    row("script|debug", 3, scripts::debug),
    row("function|load", -3, scripts::functions::load),
    row("function|delete", 3, scripts::functions::delete),
    row("function|flush", -2, scripts::functions::flush),
    row("function|list", -2, scripts::functions::list),
    row("function|stats", 2, scripts::functions::stats),
    row("function|dump", 2, scripts::functions::dump),
    row("function|restore", -3, scripts::functions::restore),
    row("function|kill", 2, scripts::kill),
    row("function|help", 2, object::help),
    row("fcall", -3, scripts::functions::fcall),
    row("fcall_ro", -3, scripts::functions::fcall),
    row("dump", 2, dumps::dump),
    row("restore", -4, dumps::restore),
    row("restore-asking", -4, dumps::restore),
    row("acl|cat", -2, users::commands::cat),
    row("acl|deluser", -3, users::commands::deluser),
    row("acl|dryrun", -4, users::commands::dryrun),
    row("acl|getuser", 3, users::commands::getuser),
    row("acl|list", 2, users::commands::list),
    row("acl|setuser", -3, users::commands::setuser),
    row("acl|users", 2, users::commands::users),
    row("acl|whoami", 2, users::commands::whoami),
    row("zadd", -4, sorted_sets::zadd),
    row("zcard", 2, sorted_sets::zcard),
    row("zcount", 4, sorted_sets::ranges::zcount),
    row("zdiff", -3, sorted_sets::algebra::zdiff),
    row("zdiffstore", -4, sorted_sets::algebra::zdiffstore),
    row("zincrby", 4, sorted_sets::zincrby),
    row("zinter", -3, sorted_sets::algebra::zinter),
    row("zintercard", -3, sorted_sets::algebra::zintercard),
    row("zinterstore", -4, sorted_sets::algebra::zinterstore),
    row("zlexcount", 4, sorted_sets::ranges::zlexcount),
    row("zmpop", -4, sorted_sets::pops::zmpop),
    row("zmscore", -3, sorted_sets::zmscore),
    row("zpopmax", -2, sorted_sets::pops::zpopmax),
    row("zpopmin", -2, sorted_sets::pops::zpopmin),
    row("zrandmember", -2, sorted_sets::whole::zrandmember),
    row("zrange", -4, sorted_sets::ranges::zrange),
    row("zrangebylex", -4, sorted_sets::ranges::zrangebylex),
    row("zrangebyscore", -4, sorted_sets::ranges::zrangebyscore),
    row("zrangestore", -5, sorted_sets::ranges::zrangestore),
    row("zrank", -3, sorted_sets::zrank),
    row("zrem", -3, sorted_sets::zrem),
    row("zremrangebylex", 4, sorted_sets::ranges::zremrangebylex),
    row("zremrangebyrank", 4, sorted_sets::ranges::zremrangebyrank),
    row("zremrangebyscore", 4, sorted_sets::ranges::zremrangebyscore),
    row("zrevrange", -4, sorted_sets::ranges::zrevrange),
    row("zrevrangebylex", -4, sorted_sets::ranges::zrevrangebylex),
    row(
        "zrevrangebyscore",
        -4,
        sorted_sets::ranges::zrevrangebyscore,
    ),
    row("zrevrank", -3, sorted_sets::zrevrank),
    row("zscan", -3, sorted_sets::whole::zscan),
    row("zscore", 3, sorted_sets::zscore),
    row("zunion", -3, sorted_sets::algebra::zunion),
    row("zunionstore", -4, sorted_sets::algebra::zunionstore),
    row("bzmpop", -5, sorted_sets::pops::bzmpop),
    row("bzpopmax", -3, sorted_sets::pops::bzpopmax),
    row("bzpopmin", -3, sorted_sets::pops::bzpopmin),
    row("discard", 1, transactions::discard),
    row("exec", 1, transactions::exec),
    row("multi", 1, transactions::multi),
    row("unwatch", 1, transactions::unwatch),
    row("watch", -2, transactions::watch),
    row("auth", -2, connection::auth),
    row("client|caching", 3, tracking::caching),
    row("client|getname", 2, connection::getname),
    row("client|getredir", 2, tracking::getredir),
    row("client|help", 2, object::help),
    row("client|id", 2, connection::id),
    row("client|info", 2, connection::info),
    row("client|kill", -3, connection::kill),
    row("client|list", -2, connection::list),
    row("client|no-evict", 3, connection::on_or_off),
    row("client|no-touch", 3, connection::on_or_off),
    row("client|pause", -3, connection::pause),
    row("client|reply", 3, connection::reply),
    row("client|setinfo", 4, connection::setinfo),
    row("client|setname", 3, connection::setname),
    row("client|tracking", -3, tracking::tracking),
    row("client|trackinginfo", 2, tracking::trackinginfo),
    row("client|unblock", -3, connection::unblock),
    row("client|unpause", 2, connection::unpause),
    row("echo", 2, connection::echo),
    row("hello", -1, connection::hello),
    row("ping", -1, connection::ping),
    row("quit", -1, connection::quit),
    row("reset", 1, connection::reset),
    row("select", 2, connection::select),
    row("object|encoding", 3, object::encoding),
    row("object|freq", 3, object::freq),
    row("object|help", 2, object::help),
    row("object|idletime", 3, object::idletime),
    row("object|refcount", 3, object::refcount),
    row("checkpoint", 1, server::ok),
    row("cluster|info", 2, server::cluster),
    row("cluster|myid", 2, server::cluster),
    row("cluster|nodes", 2, server::cluster),
    row("cluster|slots", 2, server::cluster),
    row("latency|history", 3, server::empty_array),
    row("latency|latest", 2, server::empty_array),
    row("latency|reset", -2, server::zero),
    row("lolwut", -1, server::lolwut),
    row("memory|usage", -3, server::memory_usage),
    row("module|list", 2, server::empty_array),
    row("psubscribe", -2, pubsub::psubscribe),
    row("publish", 3, pubsub::publish),
    row("pubsub|channels", -2, pubsub::channels),
    row("pubsub|help", 2, object::help),
    row("pubsub|numpat", 2, pubsub::numpat),
    row("pubsub|numsub", -2, pubsub::numsub),
    row("pubsub|shardchannels", -2, pubsub::shardchannels),
    row("pubsub|shardnumsub", -2, pubsub::shardnumsub),
    row("punsubscribe", -1, pubsub::punsubscribe),
    row("role", 1, server::role),
    row("slowlog|get", -2, server::slowlog_get),
    row("slowlog|len", 2, server::zero),
    row("slowlog|reset", 2, server::ok),
    row("spublish", 3, pubsub::spublish),
    row("ssubscribe", -2, pubsub::ssubscribe),
    row("subscribe", -2, pubsub::subscribe),
    row("sunsubscribe", -1, pubsub::sunsubscribe),
    row("time", 1, server::time),
    row("unsubscribe", -1, pubsub::unsubscribe),
    row("wait", 3, server::wait),
    row("waitaof", 4, server::waitaof),
    row("xack", -4, streams::groups::xack),
    row("xadd", -5, streams::xadd),
    row("xautoclaim", -6, streams::claims::xautoclaim),
    row("xclaim", -6, streams::claims::xclaim),
    row("xdel", -3, streams::xdel),
    row("xgroup|create", -5, streams::groups::create),
    row("xgroup|createconsumer", 5, streams::groups::createconsumer),
    row("xgroup|delconsumer", 5, streams::groups::delconsumer),
    row("xgroup|destroy", 4, streams::groups::destroy),
    row("xgroup|help", 2, object::help),
    row("xgroup|setid", -5, streams::groups::setid),
    row("xinfo|consumers", 4, streams::information::consumers),
    row("xinfo|groups", 3, streams::information::groups),
    row("xinfo|help", 2, object::help),
    row("xinfo|stream", -3, streams::information::stream),
    row("xlen", 2, streams::xlen),
    row("xpending", -3, streams::pending::xpending),
    row("xrange", -4, streams::reading::xrange),
    row("xread", -4, streams::reading::xread),
    row("xreadgroup", -7, streams::reading::xreadgroup),
    row("xrevrange", -4, streams::reading::xrevrange),
    row("xsetid", -3, streams::xsetid),
    row("xtrim", -4, streams::xtrim),
];

/// Finds the command, checks its arity, and queues or runs it.
pub fn dispatch(call: &mut Call) -> Outcome {
    let found = find(call).and_then(|command| match transactions::forbids(call) {
        _ if server::is_of_modules(command.name) => Err(server::no_modules()),
        true => Err(errors::err("Command not allowed inside a transaction")),
        false => Ok(command),
    });
    let allowed = found.and_then(|command| permit(call, command));
    let command = match allowed.and_then(|command| confine(call, command)) {
        Ok(command) => command,
        Err(failure) => return Err(transactions::refuse(call, failure)),
    };
    transactions::queue(call).unwrap_or_else(|| carry_out(call, command))
}

/// Runs a request again that has waited: its user may have lost rights.
pub fn run_permitted(call: &mut Call) -> Outcome {
    let command = find(call)?;
    let command = permit(call, command)?;
    carry_out(call, command)
}

/// Runs a command, and tells its changes to whom they matter.
fn carry_out(call: &mut Call, command: &Command) -> Outcome {
    let before = call.before();
    let outcome = (command.run)(call);
    if let Some(before) = before {
        call.behind(before, outcome.is_ok());
    }
    outcome
}

/// A user may not send everything.
fn permit(call: &mut Call, command: &'static Command) -> Result<&'static Command, Failure> {
    let context = call.context();
    let Err(denied) = call.check_permission(call.args, context) else {
        return Ok(command);
    };
    let user = call.connection().user.clone();
    let text = denied.text(&user);
    Err(Failure([b"NOPERM ", text.as_slice()].concat()))
}

/// A subscriber may not send everything.
fn confine(call: &Call, command: &'static Command) -> Result<&'static Command, Failure> {
    if call.model.is_confined(call.connection) && !pubsub::is_for_confined(command.name) {
        return Err(errors::err(&format!(
            "Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            command.name
        )));
    }
    Ok(command)
}

/// Runs a request that was queued.
pub fn run(call: &mut Call) -> Outcome {
    let command = find(call)?;
    carry_out(call, command)
}

/// Finds the command and checks its arity.
fn find(call: &mut Call) -> Result<&'static Command, Failure> {
    let first = lower(call.arg(0));
    // COMMAND without a subcommand is a command.
    let container =
        CONTAINERS.contains(&first.as_str()) && (first != "command" || call.args.len() > 1);
    if container && call.args.len() == 1 {
        let same = CONTAINERS.iter().find(|it| **it == first);
        call.sends(same.copied().unwrap_or("NULL"));
        return Err(errors::wrong_arity(&first));
    }
    let full = if container {
        format!("{first}|{}", lower(call.arg(1)))
    } else {
        first
    };
    let Some(command) = COMMANDS
        .iter()
        .find(|command| command.name == full && command.name.contains('|') == container)
    else {
        call.sends("NULL");
        return Err(if container {
            unknown_subcommand(call.arg(0), call.arg(1))
        } else {
            unknown_command(call.args)
        });
    };
    call.name = command.name;
    call.sends(command.name);
    let fits = match command.arity {
        least if least < 0 => call.args.len() >= least.unsigned_abs(),
        exact => call.args.len() == exact.unsigned_abs(),
    };
    if !fits {
        return Err(errors::wrong_arity(command.name));
    }
    Ok(command)
}

impl Call<'_> {
    /// Remembers what the connection sent last, unless a transaction or a script of it runs this.
    fn sends(&mut self, name: &'static str) {
        let in_script = self.model.remembered.in_script;
        let connection = self.connection();
        if connection.executing.is_none() && !in_script {
            connection.last_command = name;
        }
    }
}

impl Model {
    /// A connection sends a request that this model does not answer.
    pub fn hear(&mut self, connection: ConnectionId, request: &[Vec<u8>]) {
        let mut call = Call {
            model: self,
            connection,
            args: request,
            name: "",
            now_ms: 0,
        };
        // Whatever is wrong with it, the server says.
        drop(find(&mut call));
    }
}

/// The complaint about a subcommand that exists but not with these arguments.
pub fn misused_subcommand(call: &Call) -> Failure {
    errors::err_bytes(&[
        b"unknown subcommand or wrong number of arguments for '",
        up_to_nul(call.arg(1), 128),
        b"'. Try ",
        &up_to_nul(call.arg(0), usize::MAX).to_ascii_uppercase(),
        b" HELP.",
    ])
}

fn unknown_subcommand(command: &[u8], subcommand: &[u8]) -> Failure {
    errors::err_bytes(&[
        b"unknown subcommand '",
        up_to_nul(subcommand, 128),
        b"'. Try ",
        &up_to_nul(command, usize::MAX).to_ascii_uppercase(),
        b" HELP.",
    ])
}

/// Names the command and as many arguments as begin within 128 bytes.
fn unknown_command(args: &[Vec<u8>]) -> Failure {
    let mut shown = Vec::new();
    for arg in &args[1..] {
        if shown.len() >= 128 {
            break;
        }
        let room = 128 - shown.len();
        shown.push(b'\'');
        shown.extend_from_slice(up_to_nul(arg, room));
        shown.extend_from_slice(b"' ");
    }
    errors::err_bytes(&[
        b"unknown command '",
        up_to_nul(&args[0], 128),
        b"', with args beginning with: ",
        &shown,
    ])
}

/// Error texts show an argument up to its first zero byte.
pub fn up_to_nul(text: &[u8], most: usize) -> &[u8] {
    let end = text
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(text.len());
    &text[..end.min(most)]
}

fn lower(word: &[u8]) -> String {
    String::from_utf8_lossy(word).to_ascii_lowercase()
}
