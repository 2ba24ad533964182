//! The error replies that several commands have, in Redis's words.

use crate::resp::text::until_nul;
use crate::resp::{ErrorReply, StreamError, text};
use crate::storage;

pub const WRONG_TYPE: ErrorReply =
    ErrorReply::new("WRONGTYPE Operation against a key holding the wrong kind of value");
pub const SYNTAX: ErrorReply = ErrorReply::new("ERR syntax error");
pub const NOT_AN_INTEGER: ErrorReply =
    ErrorReply::new("ERR value is not an integer or out of range");
pub const OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR value is out of range");
pub const TIMEOUT_NOT_AN_INTEGER: ErrorReply =
    ErrorReply::new("ERR timeout is not an integer or out of range");
pub const TIMEOUT_NOT_A_FLOAT: ErrorReply =
    ErrorReply::new("ERR timeout is not a float or out of range");
pub const TIMEOUT_NEGATIVE: ErrorReply = ErrorReply::new("ERR timeout is negative");
pub const TIMEOUT_RANGE: ErrorReply = ErrorReply::new("ERR timeout is out of range");
pub const NOT_A_FLOAT: ErrorReply = ErrorReply::new("ERR value is not a valid float");
pub const NO_SUCH_KEY: ErrorReply = ErrorReply::new("ERR no such key");
pub const SAME_OBJECT: ErrorReply =
    ErrorReply::new("ERR source and destination objects are the same");
pub const DATABASE_RANGE: ErrorReply = ErrorReply::new("ERR DB index is out of range");
pub const FIRST_DATABASE: ErrorReply = ErrorReply::new("ERR invalid first DB index");
pub const SECOND_DATABASE: ErrorReply = ErrorReply::new("ERR invalid second DB index");
pub const OFFSET_RANGE: ErrorReply = ErrorReply::new("ERR offset is out of range");
pub const STRING_TOO_LONG: ErrorReply =
    ErrorReply::new("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
pub const INCREMENT_OVERFLOW: ErrorReply =
    ErrorReply::new("ERR increment or decrement would overflow");
pub const DECREMENT_OVERFLOW: ErrorReply = ErrorReply::new("ERR decrement would overflow");
pub const INCREMENT_NOT_FINITE: ErrorReply =
    ErrorReply::new("ERR increment would produce NaN or Infinity");
pub const LCS_NOT_STRINGS: ErrorReply =
    ErrorReply::new("ERR The specified keys must contain string values");
pub const LCS_LEN_AND_IDX: ErrorReply =
    ErrorReply::new("ERR If you want both the length and indexes, please just use IDX.");
pub const LCS_TOO_LONG: ErrorReply = ErrorReply::new("ERR String too long for LCS");
pub const LCS_MEMORY: ErrorReply =
    ErrorReply::new("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
pub const BIT_OFFSET: ErrorReply =
    ErrorReply::new("ERR bit offset is not an integer or out of range");
pub const BIT_VALUE: ErrorReply = ErrorReply::new("ERR bit is not an integer or out of range");
pub const BIT_ARGUMENT: ErrorReply = ErrorReply::new("ERR The bit argument must be 1 or 0.");
pub const BITOP_NOT: ErrorReply =
    ErrorReply::new("ERR BITOP NOT must be called with a single source key.");
pub const BITFIELD_TYPE: ErrorReply = ErrorReply::new(
    "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
);
pub const BITFIELD_OVERFLOW: ErrorReply = ErrorReply::new("ERR Invalid OVERFLOW type specified");
pub const BITFIELD_READ_ONLY: ErrorReply =
    ErrorReply::new("ERR BITFIELD_RO only supports the GET subcommand");
pub const NOT_A_HLL: ErrorReply =
    ErrorReply::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
pub const CORRUPT_HLL: ErrorReply = ErrorReply::new("INVALIDOBJ Corrupted HLL object detected");
pub const KEY_MISSING: ErrorReply = ErrorReply::new("ERR The specified key does not exist");
pub const HLL_NOT_SPARSE: ErrorReply = ErrorReply::new("ERR HLL encoding is not sparse");
pub const NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR value is out of range, must be positive");
pub const COUNT_NOT_POSITIVE: ErrorReply = ErrorReply::new("ERR count should be greater than 0");
pub const LIMIT_NEGATIVE: ErrorReply = ErrorReply::new("ERR LIMIT can't be negative");
pub const NOT_A_WEIGHT: ErrorReply = ErrorReply::new("ERR weight value is not a float");
pub const NOT_A_SCORE_RANGE: ErrorReply = ErrorReply::new("ERR min or max is not a float");
pub const NOT_A_MEMBER_RANGE: ErrorReply =
    ErrorReply::new("ERR min or max not valid string range item");
pub const SCORE_NAN: ErrorReply = ErrorReply::new("ERR resulting score is not a number (NaN)");
pub const ZADD_NX_XX: ErrorReply =
    ErrorReply::new("ERR XX and NX options at the same time are not compatible");
pub const ZADD_GT_LT_NX: ErrorReply =
    ErrorReply::new("ERR GT, LT, and/or NX options at the same time are not compatible");
pub const ZADD_INCR_PAIRS: ErrorReply =
    ErrorReply::new("ERR INCR option supports a single increment-element pair");
pub const LIMIT_WITHOUT_BY: ErrorReply = ErrorReply::new(
    "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
);
pub const WITHSCORES_BYLEX: ErrorReply =
    ErrorReply::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
pub const SORT_BY_DENIED: ErrorReply =
    ErrorReply::new("ERR BY option of SORT denied due to insufficient ACL permissions.");
pub const SORT_GET_DENIED: ErrorReply =
    ErrorReply::new("ERR GET option of SORT denied due to insufficient ACL permissions.");
pub const SORT_NOT_NUMBERS: ErrorReply =
    ErrorReply::new("ERR One or more scores can't be converted into double");
pub const UNKNOWN_UNIT: ErrorReply =
    ErrorReply::new("ERR unsupported unit provided. please use M, KM, FT, MI");
pub const RADIUS_NOT_A_NUMBER: ErrorReply = ErrorReply::new("ERR need numeric radius");
pub const RADIUS_NEGATIVE: ErrorReply = ErrorReply::new("ERR radius cannot be negative");
pub const WIDTH_NOT_A_NUMBER: ErrorReply = ErrorReply::new("ERR need numeric width");
pub const HEIGHT_NOT_A_NUMBER: ErrorReply = ErrorReply::new("ERR need numeric height");
pub const BOX_NEGATIVE: ErrorReply = ErrorReply::new("ERR height or width cannot be negative");
pub const MEMBER_NOT_DECODED: ErrorReply =
    ErrorReply::new("ERR could not decode requested zset member");
pub const COUNT_MUST_BE_POSITIVE: ErrorReply = ErrorReply::new("ERR COUNT must be > 0");
pub const ANY_WITHOUT_COUNT: ErrorReply =
    ErrorReply::new("ERR the ANY argument requires COUNT argument");
pub const SEARCHSTORE_WITH: ErrorReply = ErrorReply::new(
    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);
pub const RADIUS_STORE_WITH: ErrorReply = ErrorReply::new(
    "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
);
pub const BAD_PAYLOAD: ErrorReply =
    ErrorReply::new("ERR DUMP payload version or checksum are wrong");
pub const INVALID_CURSOR: ErrorReply = ErrorReply::new("ERR invalid cursor");
pub const NOVALUES: ErrorReply = ErrorReply::new("ERR NOVALUES option can only be used in HSCAN");
pub const HASH_NOT_AN_INTEGER: ErrorReply = ErrorReply::new("ERR hash value is not an integer");
pub const HASH_NOT_A_FLOAT: ErrorReply = ErrorReply::new("ERR hash value is not a float");
pub const NOT_FINITE: ErrorReply = ErrorReply::new("ERR value is NaN or Infinity");
pub const EXPIRE_NEGATIVE: ErrorReply = ErrorReply::new("ERR invalid expire time, must be >= 0");
pub const FIELDS_MISSING: ErrorReply =
    ErrorReply::new("ERR Mandatory argument FIELDS is missing or not at the right position");
pub const FIELDS_NOT_POSITIVE: ErrorReply =
    ErrorReply::new("ERR Number of fields must be a positive integer");
pub const NUM_FIELDS_NOT_POSITIVE: ErrorReply =
    ErrorReply::new("ERR Parameter `numFields` should be greater than 0");
pub const FIELDS_DO_NOT_MATCH: ErrorReply =
    ErrorReply::new("ERR The `numfields` parameter must match the number of arguments");
pub const NUMKEYS_NOT_POSITIVE: ErrorReply =
    ErrorReply::new("ERR numkeys should be greater than 0");
pub const NUMKEYS_TOO_LARGE: ErrorReply =
    ErrorReply::new("ERR Number of keys can't be greater than number of args");
pub const EXPIRE_NX: ErrorReply =
    ErrorReply::new("ERR NX and XX, GT or LT options at the same time are not compatible");
pub const EXPIRE_GT_LT: ErrorReply =
    ErrorReply::new("ERR GT and LT options at the same time are not compatible");
pub const IDLE_TIME_UNDER_LFU: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);
pub const FREQUENCY_WITHOUT_LFU: ErrorReply = ErrorReply::new(
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.",
);

/// How a failure of storage is told to a client.
pub fn of_storage(error: &storage::Error) -> ErrorReply {
    match error {
        storage::Error::DiskFull => ErrorReply::new(
            "MISCONF The disk is full: commands that add data are refused until there is space again. \
             Reads, deletions and shutdown go on.",
        ),
        storage::Error::Poisoned => ErrorReply::new(
            "MISCONF Errors writing to the log file: an earlier write or sync failed, so commands that change data \
             are refused. Check the disk and the server's log, then restart the server.",
        ),
        storage::Error::Miss => {
            ErrorReply::new("ERR a page could not be brought into the cache; try again")
        }
        storage::Error::Corrupt(corruption) => ErrorReply::formatted(format!(
            "ERR a damaged page was met: {corruption}. Nothing but the keys on it is lost; \
             run `redkeep check` on the file and restore them from a backup"
        )),
        storage::Error::Io(error) => {
            ErrorReply::formatted(format!("ERR the disk could not be read: {error}"))
        }
    }
}

/// A reply that could not be read to its end, and of which nothing was sent.
pub fn of_stream(error: &StreamError) -> ErrorReply {
    ErrorReply::formatted(format!("ERR {error}"))
}

pub const STREAM_ID: ErrorReply =
    ErrorReply::new("ERR Invalid stream ID specified as stream command argument");
pub const STREAM_START: ErrorReply = ErrorReply::new("ERR invalid start ID for the interval");
pub const STREAM_END: ErrorReply = ErrorReply::new("ERR invalid end ID for the interval");
pub const STREAM_ID_ZERO: ErrorReply =
    ErrorReply::new("ERR The ID specified in XADD must be greater than 0-0");
pub const STREAM_ID_SMALL: ErrorReply = ErrorReply::new(
    "ERR The ID specified in XADD is equal or smaller than the target stream top item",
);
pub const STREAM_EXHAUSTED: ErrorReply =
    ErrorReply::new("ERR The stream has exhausted the last possible ID, unable to add more items");
pub const STREAM_ENTRY_TOO_LARGE: ErrorReply =
    ErrorReply::new("ERR Elements are too large to be stored");
pub const STREAM_TWO_STRATEGIES: ErrorReply = ErrorReply::new(
    "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
);
pub const STREAM_NO_STRATEGY: ErrorReply =
    ErrorReply::new("ERR syntax error, XTRIM must be called with a trimming strategy");
pub const STREAM_MAXLEN: ErrorReply = ErrorReply::new("ERR The MAXLEN argument must be >= 0.");
pub const STREAM_LIMIT: ErrorReply = ErrorReply::new("ERR The LIMIT argument must be >= 0.");
pub const STREAM_LIMIT_ALONE: ErrorReply = ErrorReply::new(
    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
);
pub const STREAM_LIMIT_EXACT: ErrorReply =
    ErrorReply::new("ERR syntax error, LIMIT cannot be used without the special ~ option");
pub const STREAM_ADDED_NEGATIVE: ErrorReply = ErrorReply::new("ERR entries_added must be positive");
pub const STREAM_SETID_DELETED_GIVEN: ErrorReply = ErrorReply::new(
    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
);
pub const STREAM_SETID_DELETED: ErrorReply =
    ErrorReply::new("ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
pub const STREAM_SETID_TOP: ErrorReply =
    ErrorReply::new("ERR The ID specified in XSETID is smaller than the target stream top item");
pub const STREAM_SETID_ADDED: ErrorReply = ErrorReply::new(
    "ERR The entries_added specified in XSETID is smaller than the target stream length",
);
pub const STREAM_GROUP_OPTION: ErrorReply = ErrorReply::new(
    "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
);
pub const STREAM_NOACK_OPTION: ErrorReply = ErrorReply::new(
    "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
);
pub const STREAM_NO_GROUP_OPTION: ErrorReply =
    ErrorReply::new("ERR Missing GROUP option for XREADGROUP");
pub const STREAM_LAST_ZERO: ErrorReply = ErrorReply::new("ERR the stream last element ID is 0-0");
pub const STREAM_NEW_WITHOUT_GROUP: ErrorReply = ErrorReply::new(
    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
);
pub const STREAM_ENTRIES_READ: ErrorReply =
    ErrorReply::new("ERR value for ENTRIESREAD must be positive or -1");
pub const STREAM_KEY_REQUIRED: ErrorReply = ErrorReply::new(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);
pub const STREAM_BUSY_GROUP: ErrorReply =
    ErrorReply::new("BUSYGROUP Consumer Group name already exists");
pub const STREAM_CLAIM_MEMORY: ErrorReply =
    ErrorReply::new("ERR Insufficient memory, failed allocating transient memory, COUNT too high.");

/// An expiry that is not positive, or overflows. `command` is the command's name in lower case.
pub fn expire_time(command: &str) -> ErrorReply {
    ErrorReply::formatted(format!("ERR invalid expire time in '{command}' command"))
}

/// Too few or too many words. `command` is the command's name in lower case.
pub fn wrong_number(command: &str) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR wrong number of arguments for '{command}' command"
    ))
}

/// The answer of a container command to a subcommand it has with words it does not take. `args` is the whole request.
pub fn subcommand_syntax(args: &[&[u8]]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        shown(args.get(1).copied().unwrap_or_default(), 128),
        text(args[0]).to_uppercase()
    ))
}

/// A number that is not in the range a command takes.
pub fn out_of_range_between(min: i64, max: i64) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR value is out of range, value must between {min} and {max}"
    ))
}

/// A command on several keys that names none. `command` is the command's name in lower case.
pub fn no_input_keys(command: &str) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR at least 1 input key is needed for '{command}' command"
    ))
}

/// A position that is not on the map.
pub fn invalid_position(longitude: f64, latitude: f64) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"
    ))
}

/// A search that does not say around what. `command` is the command's name as it was sent.
pub fn search_without_centre(command: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}",
        text(command)
    ))
}

/// A search that does not say how far. `command` is the command's name as it was sent.
pub fn search_without_shape(command: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR exactly one of BYRADIUS and BYBOX can be specified for {}",
        text(command)
    ))
}

pub fn unsupported_option(option: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!("ERR Unsupported option {}", text(option)))
}

pub fn unknown_pfdebug(subcommand: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR Unknown PFDEBUG subcommand '{}'",
        text(subcommand)
    ))
}

pub fn hll_self_test(reason: String) -> ErrorReply {
    ErrorReply::formatted(format!("ERR TESTFAILED {reason}"))
}

/// XREAD or, if `is_group`, XREADGROUP with a key too many.
pub fn stream_unbalanced(is_group: bool) -> ErrorReply {
    let (command, id) = if is_group {
        ("xreadgroup", '>')
    } else {
        ("xread", '$')
    };
    ErrorReply::formatted(format!(
        "ERR Unbalanced '{command}' list of streams: for each stream key an ID or '{id}' must be specified."
    ))
}

/// An ID of XREAD for XREADGROUP.
pub fn stream_meaningless(id: char) -> ErrorReply {
    ErrorReply::formatted(format!(
        "ERR The {id} ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
         specifying a proper ID, or use the > ID to get new messages. The {id} ID would just return an empty result set."
    ))
}

/// XREADGROUP without its group.
pub fn stream_no_group_to_read(key: &[u8], group: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
        text(key),
        text(group)
    ))
}

/// XPENDING, XCLAIM and XAUTOCLAIM without their group.
pub fn stream_no_group(key: &[u8], group: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "NOGROUP No such key '{}' or consumer group '{}'",
        text(key),
        text(group)
    ))
}

/// XGROUP and XINFO without their group.
pub fn stream_no_group_of_key(group: &[u8], key: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!(
        "NOGROUP No such consumer group '{}' for key name '{}'",
        text(group),
        text(key)
    ))
}

/// A minimal idle time that is no integer. `command` is the command's name in upper case.
pub fn stream_claim_idle(command: &str) -> ErrorReply {
    ErrorReply::formatted(format!("ERR Invalid min-idle-time argument for {command}"))
}

/// An option of XCLAIM that is no integer.
pub fn stream_claim_option(option: &str) -> ErrorReply {
    ErrorReply::formatted(format!("ERR Invalid {option} option argument for XCLAIM"))
}

pub fn stream_unknown_claim_option(option: &[u8]) -> ErrorReply {
    ErrorReply::formatted(format!("ERR Unrecognized XCLAIM option '{}'", text(option)))
}

/// The text of a word up to its first zero byte, cut to `bytes_max`, for an error line.
pub fn shown(word: &[u8], bytes_max: usize) -> String {
    let word = until_nul(word);
    text::of_bytes(&word[..word.len().min(bytes_max)])
}

fn text(word: &[u8]) -> String {
    shown(word, usize::MAX)
}
