//! The words of XREAD and XREADGROUP.

use crate::command::argument::{deadline_of_millis, integer, is_word};
use crate::command::errors;
use crate::resp::ErrorReply;

/// What the words say.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The most entries of a stream; None: all.
    pub count: Option<u64>,
    /// None: it does not block. Otherwise the wall time in milliseconds at which it ends, or never.
    pub block: Option<Option<u64>>,
    /// The names of group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub no_ack: bool,
    pub keys: &'a [&'a [u8]],
    /// One for each key.
    pub ids: &'a [&'a [u8]],
    /// The number of the first of these words.
    pub ids_at: usize,
}

impl<'a> Ask<'a> {
    /// Reads words from the second on; `is_group` for XREADGROUP.
    pub fn parse(args: &'a [&'a [u8]], is_group: bool, now_ms: u64) -> Result<Self, ErrorReply> {
        let mut ask = Self {
            count: None,
            block: None,
            group: None,
            no_ack: false,
            keys: &[],
            ids: &[],
            ids_at: 0,
        };
        let mut at = 1;
        while at < args.len() {
            let word = args[at];
            let more = args.len() - 1 - at;
            if is_word(word, "BLOCK") && more > 0 {
                at += 1;
                ask.block = Some(deadline_of_millis(args[at], now_ms)?);
            } else if is_word(word, "COUNT") && more > 0 {
                at += 1;
                let count = u64::try_from(integer(args[at])?).unwrap_or(0);
                ask.count = (count > 0).then_some(count);
            } else if is_word(word, "STREAMS") && more > 0 {
                ask.streams(args, at + 1, is_group)?;
                break;
            } else if is_word(word, "GROUP") && more >= 2 {
                if !is_group {
                    return Err(errors::STREAM_GROUP_OPTION);
                }
                ask.group = Some((args[at + 1], args[at + 2]));
                at += 2;
            } else if is_word(word, "NOACK") {
                if !is_group {
                    return Err(errors::STREAM_NOACK_OPTION);
                }
                ask.no_ack = true;
            } else {
                return Err(errors::SYNTAX);
            }
            at += 1;
        }
        if ask.keys.is_empty() {
            return Err(errors::SYNTAX);
        }
        if is_group && ask.group.is_none() {
            return Err(errors::STREAM_NO_GROUP_OPTION);
        }
        Ok(ask)
    }

    fn streams(
        &mut self,
        args: &'a [&'a [u8]],
        at: usize,
        is_group: bool,
    ) -> Result<(), ErrorReply> {
        let words = &args[at..];
        if words.len() % 2 == 1 {
            return Err(errors::stream_unbalanced(is_group));
        }
        (self.keys, self.ids) = words.split_at(words.len() / 2);
        self.ids_at = at + words.len() / 2;
        Ok(())
    }
}
