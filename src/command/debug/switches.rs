//! The switches that DEBUG turns.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use super::super::argument::{integer, is_word};
use super::super::{Call, Outcome};
use crate::command::errors;
use crate::config::number::bytes;
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;

/// How often a reply buffer's peak is forgotten unless DEBUG says otherwise, in milliseconds.
const PEAK_RESET_MS: i64 = 5000;
/// The largest such size: a little less than four gigabytes.
const PACKED_BYTES_MAX: u64 = (1 << 32) - (1 << 20);

/// What DEBUG has switched. Each is independent of the others, so every access is relaxed.
#[derive(Debug)]
pub struct Switches {
    /// Due keys are removed in the background.
    pub active_expire: AtomicBool,
    /// The periodic jobs rest.
    pub cron_paused: AtomicBool,
    /// Idle reply buffers shrink.
    pub reply_resizing: AtomicBool,
    /// Milliseconds that a reply buffer keeps its size; negative: for ever.
    pub reply_peak_ms: AtomicI64,
    /// Elements of a list from this size on would stand alone in Redis, in bytes; 0: the directives say from which.
    pub packed_bytes: AtomicU64,
    /// Scripts may use commands that are denied to them.
    pub scripts_unbound: AtomicBool,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            active_expire: AtomicBool::new(true),
            cron_paused: AtomicBool::new(false),
            reply_resizing: AtomicBool::new(true),
            reply_peak_ms: AtomicI64::new(PEAK_RESET_MS),
            packed_bytes: AtomicU64::new(0),
            scripts_unbound: AtomicBool::new(false),
        }
    }
}

/// Whether a word is a number other than zero; what stands behind its digits does not count.
fn is_on(word: &[u8]) -> bool {
    let word = word.trim_ascii_start();
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let digits = digits.split(|b| !b.is_ascii_digit()).next();
    digits.is_some_and(|digits| digits.iter().any(|&digit| digit != b'0'))
}

/// The subcommands that turn a switch.
pub(super) fn set(call: &mut Call<'_>) -> Outcome {
    let switches = &call.server.switches;
    let args = call.args;
    let is = |name: &str| is_word(args[1], name);
    let switch = match args.len() {
        3 if is("set-active-expire") => &switches.active_expire,
        3 if is("pause-cron") => &switches.cron_paused,
        3 if is("set-disable-deny-scripts") => &switches.scripts_unbound,
        3 if is("quicklist-packed-threshold") => {
            let size = packed_bytes(args[2])?;
            switches.packed_bytes.store(size, Ordering::Relaxed);
            call.out.ok();
            return Ok(());
        }
        4 if is("replybuffer") && is_word(args[2], "peak-reset-time") => {
            let time_ms = match args[3] {
                word if is_word(word, "never") => -1,
                word if is_word(word, "reset") => PEAK_RESET_MS,
                word => integer(word)?,
            };
            switches.reply_peak_ms.store(time_ms, Ordering::Relaxed);
            call.out.ok();
            return Ok(());
        }
        4 if is("replybuffer") && is_word(args[2], "resizing") => &switches.reply_resizing,
        _ => return Err(errors::subcommand_syntax(args).into()),
    };
    switch.store(is_on(args[args.len() - 1]), Ordering::Relaxed);
    call.out.ok();
    Ok(())
}

fn packed_bytes(word: &[u8]) -> Result<u64, ErrorReply> {
    const NOT_A_SIZE: ErrorReply =
        ErrorReply::new("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    match bytes(until_nul(word)) {
        Some(size) if size <= PACKED_BYTES_MAX => Ok(size),
        _ => Err(NOT_A_SIZE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_other_than_zero_are_on() {
        for on in [&b"1"[..], b"-1", b" 10", b"1x", b"01"] {
            assert!(is_on(on), "{}", on.escape_ascii());
        }
        for off in [&b"0"[..], b"", b"x", b"0x1", b"00", b"-"] {
            assert!(!is_on(off), "{}", off.escape_ascii());
        }
    }
}
