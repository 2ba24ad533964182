//! The commands whose replies are not compared raw, by which rule they are, and why.

use super::Rule;

pub struct Exemption {
    /// The command, with its subcommand behind a bar.
    pub command: &'static str,
    pub rule: Rule,
    #[expect(dead_code, reason = "it is for the reader of the table")]
    reason: &'static str,
}

const fn exempt(command: &'static str, rule: Rule, reason: &'static str) -> Exemption {
    Exemption {
        command,
        rule,
        reason,
    }
}

pub const EXEMPTIONS: &[Exemption] = &[
    exempt(
        "smembers",
        Rule::SetOrder,
        "Redis returns members in the order of its hash table, unless the set is small",
    ),
    exempt(
        "sinter",
        Rule::SetOrder,
        "Redis returns members in the order of its hash table, unless the sets are small",
    ),
    exempt(
        "sunion",
        Rule::SetOrder,
        "Redis returns members in the order of its hash table, unless the sets are small",
    ),
    exempt(
        "sdiff",
        Rule::SetOrder,
        "Redis returns members in the order of its hash table, unless the sets are small",
    ),
    exempt("srandmember", Rule::DrawnMembers, "the choice is random"),
    exempt("spop", Rule::PoppedMembers, "the choice is random"),
    exempt(
        "sscan",
        Rule::ElementPage,
        "cursors, page sizes and the order of large sets are the server's own; whole walks are judged apart",
    ),
    exempt(
        "hgetall",
        Rule::HashOrder,
        "Redis returns fields in the order of its hash table, unless the hash is small",
    ),
    exempt(
        "hkeys",
        Rule::HashOrder,
        "Redis returns fields in the order of its hash table, unless the hash is small",
    ),
    exempt(
        "hvals",
        Rule::HashOrder,
        "Redis returns fields in the order of its hash table, unless the hash is small",
    ),
    exempt(
        "hscan",
        Rule::ElementPage,
        "cursors, page sizes and the order of large hashes are the server's own; whole walks are judged apart",
    ),
    exempt("hrandfield", Rule::RandomFields, "the choice is random"),
    exempt(
        "zscan",
        Rule::MemberPage,
        "cursors, page sizes and the order of large sets are the server's own; whole walks are judged apart",
    ),
    exempt("zrandmember", Rule::RandomMembers, "the choice is random"),
    exempt(
        "keys",
        Rule::AnyOrder,
        "Redis returns keys in the order of its hash table",
    ),
    exempt(
        "scan",
        Rule::ScanPage,
        "cursors and page sizes are the server's own; whole scans are judged apart",
    ),
    exempt("randomkey", Rule::AnyKey, "the choice is random"),
    exempt(
        "dbsize",
        Rule::CountWithExpired,
        "Redis counts expired keys until it removes them",
    ),
    exempt(
        "time",
        Rule::Clock,
        "the server reads its clock later than the model",
    ),
    exempt(
        "hello",
        Rule::Greeting,
        "the version and the connection's id are the server's own",
    ),
    exempt(
        "unsubscribe",
        Rule::AnyNames,
        "Redis ends all subscriptions in the order of its hash table",
    ),
    exempt(
        "punsubscribe",
        Rule::AnyNames,
        "Redis ends all subscriptions in the order of its hash table",
    ),
    exempt(
        "sunsubscribe",
        Rule::AnyNames,
        "Redis ends all subscriptions in the order of its hash table",
    ),
    exempt(
        "pubsub|channels",
        Rule::AnyOrder,
        "Redis lists channels in the order of its hash table",
    ),
    exempt(
        "pubsub|shardchannels",
        Rule::AnyOrder,
        "Redis lists channels in the order of its hash table",
    ),
    exempt(
        "pubsub|help",
        Rule::HelpFrame,
        "the texts between the first line and the last two are the server's own",
    ),
    exempt("client|id", Rule::Positive, "ids are the server's own"),
    exempt(
        "client|info",
        Rule::Lines,
        "addresses, ages and buffer sizes are the server's own",
    ),
    exempt(
        "client|list",
        Rule::Lines,
        "addresses, ages and buffer sizes are the server's own",
    ),
    exempt(
        "client|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "object|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt("object|idletime", Rule::Natural, "seconds pass"),
    exempt(
        "object|refcount",
        Rule::SharedOrNot,
        "whether a small integer is a shared object depends on its way into memory",
    ),
    exempt(
        "memory|usage",
        Rule::Size,
        "sizes depend on the server's memory layout",
    ),
    exempt("lolwut", Rule::AnyText, "the picture is random"),
    exempt(
        "slowlog|get",
        Rule::AnyArray,
        "which commands are slow depends on the machine",
    ),
    exempt(
        "slowlog|len",
        Rule::Natural,
        "which commands are slow depends on the machine",
    ),
    exempt(
        "latency|latest",
        Rule::AnyArray,
        "which events are slow depends on the machine",
    ),
    exempt(
        "latency|history",
        Rule::AnyArray,
        "which events are slow depends on the machine",
    ),
    exempt(
        "latency|reset",
        Rule::Natural,
        "which events are slow depends on the machine",
    ),
    exempt(
        "role",
        Rule::AnyArray,
        "the replication offset is the server's own",
    ),
    exempt(
        "waitaof",
        Rule::NoError,
        "whether the local log is synced depends on the machine",
    ),
    exempt(
        "xpending",
        Rule::Moments,
        "an idle time counts from when the server ran an earlier request",
    ),
    exempt(
        "xinfo|consumers",
        Rule::Moments,
        "idle times count from when the server ran earlier requests",
    ),
    exempt(
        "xinfo|stream",
        Rule::Moments,
        "times are those at which the server ran earlier requests, and the index is not modelled",
    ),
    exempt(
        "xinfo|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "xgroup|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "acl|cat",
        Rule::Includes,
        "a server lists the commands that it has, in the order of its table",
    ),
    exempt("acl|genpass", Rule::Digits, "the password is random"),
    exempt(
        "acl|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "acl|log",
        Rule::Refusals,
        "entries have times, and describe connections with their addresses, ages and buffer sizes",
    ),
    exempt(
        "bgrewriteaof",
        Rule::Background,
        "whether one is going on depends on the machine",
    ),
    exempt(
        "bgsave",
        Rule::Background,
        "whether one is going on depends on the machine",
    ),
    exempt(
        "save",
        Rule::Background,
        "whether one is going on in the background depends on the machine",
    ),
    exempt(
        "command",
        Rule::Declared,
        "Redis lists commands in the order of its hash table; key specifications and tips are not modelled",
    ),
    exempt(
        "command|count",
        Rule::Positive,
        "a server counts the commands that it has",
    ),
    exempt(
        "command|docs",
        Rule::SameKeys,
        "the prose is each server's own",
    ),
    exempt(
        "command|getkeysandflags",
        Rule::KeysWithFlags,
        "flags of keys are not modelled",
    ),
    exempt(
        "command|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "command|info",
        Rule::Declared,
        "key specifications and tips are not modelled",
    ),
    exempt(
        "command|list",
        Rule::Includes,
        "Redis lists commands in the order of its hash table, and some that are not modelled",
    ),
    exempt(
        "config|get",
        Rule::AnyPairs,
        "Redis returns directives in the order of its hash table",
    ),
    exempt(
        "config|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "debug|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "debug|object",
        Rule::AnyStatus,
        "what is told of the object is the server's own",
    ),
    exempt(
        "debug|digest-value",
        Rule::EachDigits,
        "digests are not modelled",
    ),
    exempt(
        "georadius",
        Rule::Found,
        "members at the same distance, and those found without an order, come in any order",
    ),
    exempt(
        "georadius_ro",
        Rule::Found,
        "members at the same distance, and those found without an order, come in any order",
    ),
    exempt(
        "georadiusbymember",
        Rule::Found,
        "members at the same distance, and those found without an order, come in any order",
    ),
    exempt(
        "georadiusbymember_ro",
        Rule::Found,
        "members at the same distance, and those found without an order, come in any order",
    ),
    exempt(
        "geosearch",
        Rule::Found,
        "members at the same distance, and those found without an order, come in any order",
    ),
    exempt("info", Rule::Titles, "most values are the server's own"),
    exempt(
        "lastsave",
        Rule::Positive,
        "the server saves in its own time",
    ),
    exempt(
        "latency|doctor",
        Rule::AnyText,
        "the prose is each server's own",
    ),
    exempt(
        "latency|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "latency|histogram",
        Rule::AnyArray,
        "latencies depend on the machine",
    ),
    exempt(
        "memory|doctor",
        Rule::AnyText,
        "the prose is each server's own",
    ),
    exempt(
        "memory|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "memory|malloc-stats",
        Rule::AnyBlob,
        "the text is the allocator's",
    ),
    exempt(
        "memory|stats",
        Rule::AnyArray,
        "sizes depend on the server's memory layout",
    ),
    exempt(
        "module|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "slowlog|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "sort",
        Rule::Ties,
        "elements that are sorted by the same text, and those of a set that is not sorted, come in any order",
    ),
    exempt(
        "sort_ro",
        Rule::Ties,
        "elements that are sorted by the same text, and those of a set that is not sorted, come in any order",
    ),
    exempt(
        "script|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "function|help",
        Rule::HelpFrame,
        "the prose between the frame is each server's own",
    ),
    exempt(
        "function|dump",
        Rule::AnyBlob,
        "the bytes of a dump are the server's own",
    ),
    exempt(
        "function|list",
        Rule::AnyPlace,
        "Redis lists libraries in the order of its hash table",
    ),
    exempt(
        "dump",
        Rule::AnyBlob,
        "the bytes of a dump are the server's own; what RESTORE makes of them is compared",
    ),
];
