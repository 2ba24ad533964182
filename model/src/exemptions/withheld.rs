//! The requests that are not sent: to some servers, or inside MULTI.

use super::{MODELLED, Pending, Version, full_name};
use crate::Model;
use crate::notifications;
use crate::numbers;
use crate::scripts;
use crate::sort::depends_on_order;
use crate::state::Value;
use crate::table;

/// Requests that some servers answer otherwise, and are not sent to them.
struct Withheld {
    before: Version,
    applies: fn(command: &str, pending: &Pending) -> bool,
    #[expect(dead_code, reason = "it is for the reader of the table")]
    reason: &'static str,
}

const FIELD_EXPIRY: &[&str] = &[
    "hexpire",
    "hexpireat",
    "hexpiretime",
    "hpersist",
    "hpexpire",
    "hpexpireat",
    "hpexpiretime",
    "hpttl",
    "httl",
];

/// More entries are not asked for of XAUTOCLAIM.
const XAUTOCLAIM_COUNT_MAX: i64 = 1 << 20;

/// A sequence takes less, in milliseconds, and fields that do not expire while one runs expire much later.
const SEQUENCE_MS_MAX: i64 = 50_000;

const WITHHELD: &[Withheld] = &[
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| command == "cluster" && pending.has_word("MYSHARDID"),
        reason: "CLUSTER MYSHARDID came with 7.2",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command == "xsetid"
                && pending
                    .expected
                    .ends_with(b"smaller than current max_deleted_entry_id\r\n")
        },
        reason: "7.0 compares the id with those that are there only",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            matches!(command, "lrem" | "lpos")
                && pending.expected.starts_with(b"-ERR value is out of range")
        },
        reason: "7.0 takes the least integer",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let user = pending.request.get(2);
            command == "acl|setuser" && user.is_some_and(|user| pending.model.listens(user))
        },
        reason: "the server closes connections that may not hear any more what they listen to",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command.starts_with("acl") || command == "auth" && !pending.has_word("default")
        },
        reason: "7.0 shows rules otherwise",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            command == "checkpoint" && pending.model.user(pending.connection) != b"default"
        },
        reason: "the model's table has no categories of the server's own commands",
    },
    Withheld {
        before: MODELLED,
        applies: |command, _| command.starts_with("restore"),
        reason: "each version reads dumps into encodings of its own",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let dump = pending.request.get(3);
            command.starts_with("restore")
                && dump.is_some_and(|dump| pending.model.is_dump_of_expiring(dump))
        },
        reason: "fields may be due when they are read, and Redis keeps room for expiries that its dump has not",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let dump = pending.request.get(3);
            command.starts_with("restore")
                && dump.is_some_and(|dump| pending.model.is_dump_of_gaps(dump))
        },
        reason: "a server may leave out what is deleted, and the node is sooner full with it",
    },
    Withheld {
        before: MODELLED,
        applies: |command, _| matches!(command, "client|list" | "client|info"),
        reason: "lines about connections have other fields",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| {
            let switches_events = command == "config|set"
                && pending.request[2..].len() == 2
                && pending.has_word(notifications::DIRECTIVE);
            let is_of_config = command.starts_with("config|") && !switches_events;
            command.starts_with("command") || is_of_config || command == "info"
        },
        reason: "each version declares commands otherwise, and knows other directives and sections",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| command == "config|get" && pending.has_word("*"),
        reason: "the model knows few directives",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| command == "shutdown" && !pending.expected.starts_with(b"-"),
        reason: "it ends the server",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            command.starts_with("sort")
                && pending.request.len() > 2
                && depends_on_order(pending.request)
        },
        reason: "what is stored or cut off depends on an order that Redis does not define",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let looks_up = pending.has_word("BY") || pending.has_word("GET");
            let source = pending.request.get(1);
            let source = source.and_then(|key| pending.model.entry(pending.database, key));
            let is_set = source.is_some_and(|it| matches!(it.value, Value::Set(_)));
            command.starts_with("sort") && looks_up && is_set && pending.model.notifies('m')
        },
        reason: "which key is missed first depends on the order of a set",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let is_elsewhere = |key| pending.model.holds_other_scores(pending.database, key);
            command.starts_with("geo") && pending.request[1..].iter().any(|key| is_elsewhere(key))
        },
        reason: "what C makes of a score that is no position is undefined",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let is_at_edge = pending.has_word("180") || pending.has_word("85.05112878");
            command.starts_with("georadius") && is_at_edge
                || command.starts_with("geosearch") && pending.has_word("FROMLONLAT") && is_at_edge
        },
        reason: "a search from the last point of the map begins in a cell that is not there",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let stores = command == "geosearchstore"
                || pending.has_word("STORE")
                || pending.has_word("STOREDIST");
            command.starts_with("geo") && stores && pending.has_word("COUNT")
        },
        reason: "which of the members at the same distance are stored is not defined",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let place = pending
                .request
                .get(2)
                .and_then(|word| numbers::canonical(word));
            command == "lset" && place.is_some_and(|place| i32::try_from(place).is_err())
        },
        reason: "Redis takes the lower 32 bits of the place",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| {
            command == "client|tracking" && !pending.expected.starts_with(b"-")
        },
        reason: "7.2 and 7.4 changed which of a command's keys are tracked, and what comes before its reply",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let may_be_due = || pending.model.expiring_fields();
            match command {
                "client|tracking" => pending.has_word("BCAST") && may_be_due(),
                _ => FIELD_EXPIRY.contains(&command) && pending.model.has_broadcasts(),
            }
        },
        reason: "how often it is announced that fields have expired depends on when the server removes them",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let mut words = pending.request.iter();
            let target = words.find(|word| word.eq_ignore_ascii_case(b"REDIRECT"));
            let target = target.and_then(|_| numbers::canonical(words.next()?));
            let own = pending.model.number_of(pending.connection);
            let own = own.filter(|_| pending.has_word("BCAST"));
            let is_shared = target.is_some_and(|it| {
                pending.model.is_redirected_to(it) || pending.model.broadcasts_to(it)
            });
            let is_own_shared = own.is_some_and(|it| pending.model.is_redirected_to(it));
            command == "client|tracking" && (is_shared || is_own_shared)
        },
        reason: "which of two connections is told first depends on their addresses",
    },
    Withheld {
        before: Version(u32::MAX, u32::MAX, u32::MAX),
        applies: |command, pending| {
            let prefixes = pending.request.iter();
            let prefixes = prefixes.filter(|word| word.eq_ignore_ascii_case(b"PREFIX"));
            command == "client|tracking" && prefixes.count() > 2
        },
        reason: "Redis answers an overlap of the later of three prefixes with an error and with OK",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command.ends_with("publish") && pending.model.is_subscribed(pending.connection)
        },
        reason: "7.0 sends a client its own message before the reply",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            let notifies = pending.model.notifies('K') || pending.model.notifies('E');
            let hears_itself = pending.model.is_subscribed(pending.connection) && notifies;
            let is_about_messages = command.ends_with("subscribe") || command == "reset";
            hears_itself && !is_about_messages
                || command == "config|set" && pending.model.anybody_waits()
        },
        reason: "7.0 sends a client the events of its own commands before their replies",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            command == "waitaof" && pending.expected.ends_with(b"appendonly is disabled.\r\n")
        },
        reason: "a server whose log is always on has nothing to complain about",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let last = format!(":{}\r\n", i64::MAX / 1000 + 1);
            command == "expiretime" && pending.expected == last.as_bytes()
        },
        reason: "rounding up the last half second of 63 bits overflows, as the compiler likes",
    },
    Withheld {
        before: MODELLED,
        applies: |command, _| {
            matches!(command, "xread" | "xreadgroup" | "xclaim" | "xautoclaim")
                || command.starts_with("xinfo")
        },
        reason: "7.2 and 7.4 changed when consumers are made and what is shown of them, and error texts",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            command == "waitaof" && pending.expected.starts_with(b"-ERR WAITAOF cannot be used")
        },
        reason: "a server that always has a log has nothing to complain about",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let key = pending.request.get(2);
            let short_sketch = key.is_some_and(|key| {
                let entry = pending.model.entry(pending.database, key);
                matches!(entry.map(|entry| &entry.value), Some(Value::Text(text))
                    if text.bytes.starts_with(b"HYLL") && text.bytes.len() <= 44)
            });
            command == "object|encoding" && short_sketch
        },
        reason: "Redis holds a sketch otherwise once it has read it, even if it is damaged or nothing changes",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            command == "bitfield" && pending.has_word("FAIL") && pending.model.changes_matter()
        },
        reason: "the text grows for an operation that fails, and nobody is told",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let mut words = pending.request.iter();
            let count = words.find(|word| word.eq_ignore_ascii_case(b"COUNT"));
            let count = count.and_then(|_| numbers::canonical(words.next()?));
            command == "xautoclaim" && count.is_some_and(|count| count > XAUTOCLAIM_COUNT_MAX)
        },
        reason: "Redis allocates for as many entries as are asked for, and complains if it cannot",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| command == "hello" && pending.expected.starts_with(b"-"),
        reason: "7.0 authenticates before it has read all options",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let overlong = |key| pending.model.holds_overlong_sketch(pending.database, key);
            command.starts_with("pf") && pending.request[1..].iter().any(|key| overlong(key))
        },
        reason: "7.4.1 overlooks runs beyond the last register, servers patched since refuse them",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            matches!(command, "client|setname" | "hello") && pending.request.concat().contains(&0)
        },
        reason: "7.0 checks a name beyond its first zero byte",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |_, pending| pending.expected == b"-ERR timeout is out of range\r\n",
        reason: "7.0 adds the timeout to the time unchecked",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command == "scan" && pending.expected == b"-ERR invalid cursor\r\n"
        },
        reason: "7.0 reads more cursors than it should",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, _| command.ends_with("|help"),
        reason: "the frame of a help was worded otherwise",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, _| matches!(command, "waitaof" | "client|no-touch" | "client|setinfo"),
        reason: "the command came with 7.2",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            matches!(command, "bitcount" | "bitpos") && pending.expected.starts_with(b"-")
        },
        reason: "7.0 looks the key up before it reads the arguments",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command == "lcs" && pending.expected.starts_with(b"-ERR Insufficient memory")
        },
        reason: "7.0 has no bound on the table and would allocate gigabytes",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            command == "object|encoding" && pending.expected == b"$8\r\nlistpack\r\n"
        },
        reason: "7.0 calls every list a quicklist",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| {
            let by_member = command.contains("lex") || pending.has_word("BYLEX");
            let unpredictable = |key| pending.model.is_unpredictable(pending.database, key);
            by_member && pending.request[1..].iter().any(|key| unpredictable(key))
        },
        reason: "a range of members of a skiplist with different scores depends on chance",
    },
    Withheld {
        before: Version(u32::MAX, 0, 0),
        applies: |command, pending| command == "spop" && pending.expected.is_empty(),
        reason: "what was popped is learned from the reply, and replies are switched off",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            let is_exact = |byte: &u8| !matches!(byte, b'.' | b'e');
            let mut numbers = pending.expected.split(|byte| !byte.is_ascii_digit());
            let is_long = numbers.any(|number| number.len() > 16);
            is_of_sorted_sets(command) && (is_long || !pending.expected.iter().all(is_exact))
        },
        reason: "7.0 prints scores with seventeen digits in RESP2",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            let keys = match command {
                "blmpop" | "bzmpop" => numbers::canonical(&pending.request[2]).unwrap_or(0),
                _ => pending.request.len() as i64 - 2,
            };
            let pops = command.starts_with('b') && command.contains("pop");
            pops && command != "brpoplpush" && pending.expected.is_empty() && keys > 1
        },
        reason: "7.0 serves who waits from the key that is ready, whatever is at those before it",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| command.ends_with("rank") && pending.request.len() > 3,
        reason: "WITHSCORE came with 7.2",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| {
            let is_limit = |word: &Vec<u8>| word.eq_ignore_ascii_case(b"LIMIT");
            let at = pending.request.iter().position(is_limit);
            let offset = at.and_then(|at| pending.request.get(at + 1));
            is_of_sorted_sets(command) && offset.is_some_and(|offset| offset.starts_with(b"-"))
        },
        reason: "before 7.4 a negative offset finds nothing in a skiplist too",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            matches!(command, "sscan" | "srandmember" | "spop")
                && pending.expected.starts_with(b"-")
        },
        reason: "7.0 reads more cursors than it should, and words the range of counts otherwise",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| command == "sscan" && pending.has_word("NOVALUES"),
        reason: "NOVALUES came with 7.4",
    },
    Withheld {
        before: MODELLED,
        applies: |command, _| FIELD_EXPIRY.contains(&command),
        reason: "fields expire since 7.4",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| command == "hscan" && pending.has_word("NOVALUES"),
        reason: "NOVALUES came with 7.4",
    },
    Withheld {
        before: Version(7, 2, 0),
        applies: |command, pending| {
            matches!(command, "hscan" | "hrandfield" | "zscan" | "zrandmember")
                && pending.expected.starts_with(b"-")
        },
        reason: "7.0 reads more cursors than it should, and another range of counts",
    },
    Withheld {
        before: MODELLED,
        applies: |_, pending| pending.has_word("MAXAGE"),
        reason: "CLIENT KILL MAXAGE came with 7.4",
    },
    Withheld {
        before: MODELLED,
        applies: |command, pending| command == "scan" && pending.has_word("NOVALUES"),
        reason: "NOVALUES came with 7.4",
    },
];

/// Whether a server of this version knows HSCAN's NOVALUES.
pub fn knows_novalues(version: Version) -> bool {
    version >= MODELLED
}

fn is_of_sorted_sets(command: &str) -> bool {
    command.starts_with('z') || command.starts_with("bz")
}

/// Whether a server of this version is spared this request.
pub fn is_withheld(version: Version, pending: &Pending) -> bool {
    let command = full_name(pending.request);
    WITHHELD
        .iter()
        .any(|it| version < it.before && (it.applies)(&command, pending))
        || runs_withheld(version, pending)
}

/// Whether a request leaves a key behind that is due at once, and that is announced to somebody: the server may announce
/// its end together with its change, or by itself.
pub fn is_announced_twice(model: &Model, now_ms: i64) -> bool {
    let mut due = model.due(now_ms).into_iter();
    due.any(|(_, key)| model.hears_all_of(&key))
}

/// Whether a request leaves a field behind that expires while the sequence runs, and notifies of it: of which fields together
/// depends on when the server removes them.
pub fn is_notified_in_time(model: &Model, now_ms: i64) -> bool {
    model.notifies_of_fields_before(now_ms + SEQUENCE_MS_MAX)
}

/// Whether a request is a script that may run another which is not compared raw, or not sent. Those of a script of
/// several are compared each by itself, and are left out one by one.
fn runs_withheld(version: Version, pending: &Pending) -> bool {
    if scripts::is_of_several(pending.request) {
        return false;
    }
    let Some(request) = scripts::inner_request(pending.request) else {
        return false;
    };
    if is_never_scripted(version, request) || super::rule(request).is_some() {
        return true;
    }
    let mut model = pending.model.clone();
    let expected = model.answer_alone(pending.connection, request);
    let inner = Pending {
        request,
        expected: &expected,
        ..*pending
    };
    is_withheld(version, &inner)
}

/// Whether a server of this version is sent no script that runs this request.
pub fn is_never_scripted(version: Version, request: &[Vec<u8>]) -> bool {
    // 7.0 lets no script call what may block.
    let blocks = table::of_request(request).is_some_and(|it| it.has_flag("blocking"));
    blocks && version < Version(7, 2, 0) || is_never_queued(request)
}

/// Requests that no transaction and no script of several has: they end connections, or are answered by silence in the
/// middle of a reply, as a wrong password is by Redis, or by the state of the whole server.
const NOT_QUEUED: &[&str] = &[
    "script|debug",
    "acl|deluser",
    "auth",
    "client|kill",
    "client|reply",
    "info",
];

/// Whether a request is not sent inside MULTI, nor by a script of several.
pub fn is_never_queued(request: &[Vec<u8>]) -> bool {
    let has_word = request.iter().any(|it| it.eq_ignore_ascii_case(b"AUTH"));
    let name = full_name(request);
    let is_about_messages = ["subscribe", "client|tracking", "client|caching", "pubsub"]
        .iter()
        .any(|part| name.contains(part));
    let has_others = scripts::is_of_several(request);
    has_word || is_about_messages || has_others || NOT_QUEUED.contains(&name.as_str())
}
