//! The error replies of the data commands, in Redis's words.

use std::borrow::Cow;

use crate::keyspace::integer::until_nul;
use crate::resp::ErrorReply;
use crate::storage;

pub const WRONG_TYPE: ErrorReply =
    ErrorReply::new("WRONGTYPE Operation against a key holding the wrong kind of value");
pub const SYNTAX: ErrorReply = ErrorReply::new("ERR syntax error");
pub const NOT_AN_INTEGER: ErrorReply =
    ErrorReply::new("ERR value is not an integer or out of range");
pub const OUT_OF_RANGE: ErrorReply = ErrorReply::new("ERR value is out of range");
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
pub const INVALID_CURSOR: ErrorReply = ErrorReply::new("ERR invalid cursor");
pub const NOVALUES: ErrorReply = ErrorReply::new("ERR NOVALUES option can only be used in HSCAN");
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
        storage::Error::Corrupt(corruption) => formatted(format!(
            "ERR a damaged page was met: {corruption}. Nothing but the keys on it is lost; \
             run `redkeep check` on the file and restore them from a backup"
        )),
        storage::Error::Io(error) => formatted(format!("ERR the disk could not be read: {error}")),
    }
}

/// An expiry that is not positive, or overflows. `command` is the command's name in lower case.
pub fn expire_time(command: &str) -> ErrorReply {
    formatted(format!("ERR invalid expire time in '{command}' command"))
}

/// Too few or too many words. `command` is the command's name in lower case.
pub fn wrong_number(command: &str) -> ErrorReply {
    formatted(format!(
        "ERR wrong number of arguments for '{command}' command"
    ))
}

pub fn unsupported_option(option: &[u8]) -> ErrorReply {
    formatted(format!("ERR Unsupported option {}", text(option)))
}

pub fn unknown_pfdebug(subcommand: &[u8]) -> ErrorReply {
    formatted(format!(
        "ERR Unknown PFDEBUG subcommand '{}'",
        text(subcommand)
    ))
}

pub fn hll_self_test(reason: String) -> ErrorReply {
    formatted(format!("ERR TESTFAILED {reason}"))
}

fn formatted(text: String) -> ErrorReply {
    ErrorReply(Cow::Owned(text))
}

/// A word of the request as text, up to the first zero byte.
fn text(word: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(until_nul(word))
}
