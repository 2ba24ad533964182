//! The words of XADD and XTRIM that say how to trim, and the ID of XADD.

use crate::command::argument::{integer, is_word};
use crate::command::errors;
use crate::keyspace::stream::id::Pattern;
use crate::keyspace::stream::node::NodeLimits;
use crate::keyspace::stream::trim::{Threshold, Trim};
use crate::resp::ErrorReply;
use crate::resp::text::until_nul;

use super::id_word;

/// Nodes of entries that approximate trimming removes at most, unless told.
const LIMIT_NODES: u64 = 100;
/// Entries of it where nodes have no limit.
const LIMIT_UNLIMITED: u64 = 10_000;
const LIMIT_MAX: u64 = 1_000_000;

/// The command whose words are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Add,
    Trim,
}

/// What the words say.
#[derive(Clone, Copy, Debug)]
pub struct TrimWords {
    pub trim: Option<Trim>,
    /// NOMKSTREAM of XADD.
    pub only_existing: bool,
    /// The ID of XADD; None: `*`.
    pub id: Option<Pattern>,
    /// The word behind it.
    pub end: usize,
}

impl TrimWords {
    /// Reads words from the third on.
    pub fn parse(args: &[&[u8]], command: Command, limits: NodeLimits) -> Result<Self, ErrorReply> {
        let adds = command == Command::Add;
        let mut words = Self {
            trim: None,
            only_existing: false,
            id: None,
            end: args.len() + 1,
        };
        let (mut trim, mut limit) = (None, None);
        let mut at = 2;
        while at < args.len() {
            let word = args[at];
            let more = args.len() - 1 - at;
            if adds && until_nul(word) == b"*" {
                words.end = at + 1;
                break;
            } else if is_word(word, "MAXLEN") && more > 0 {
                let (is_approximate, number) = operator(args, &mut at, trim.is_some())?;
                let len = integer(number)?;
                let len = u64::try_from(len).map_err(|_| errors::STREAM_MAXLEN)?;
                trim = Some((Threshold::Length(len), is_approximate));
            } else if is_word(word, "MINID") && more > 0 {
                let (is_approximate, id) = operator(args, &mut at, trim.is_some())?;
                trim = Some((Threshold::Id(id_word::exact(id)?), is_approximate));
            } else if is_word(word, "LIMIT") && more > 0 {
                at += 1;
                let number = u64::try_from(integer(args[at])?);
                limit = Some(number.map_err(|_| errors::STREAM_LIMIT)?);
            } else if adds && is_word(word, "NOMKSTREAM") {
                words.only_existing = true;
            } else if adds {
                words.id = Some(Pattern::parse(word, 0).ok_or(errors::STREAM_ID)?);
                words.end = at + 1;
                break;
            } else {
                return Err(errors::SYNTAX);
            }
            at += 1;
        }
        words.trim = checked(trim, limit, command, limits)?;
        Ok(words)
    }
}

/// Reads `~` or `=`, if there is one, and the word behind it, which `at` then stands at.
fn operator<'a>(
    args: &[&'a [u8]],
    at: &mut usize,
    is_second: bool,
) -> Result<(bool, &'a [u8]), ErrorReply> {
    if is_second {
        return Err(errors::STREAM_TWO_STRATEGIES);
    }
    *at += 1;
    let has_more = *at + 1 < args.len();
    let is_approximate = match until_nul(args[*at]) {
        b"~" if has_more => Some(true),
        b"=" if has_more => Some(false),
        _ => None,
    };
    *at += usize::from(is_approximate.is_some());
    Ok((is_approximate.unwrap_or(false), args[*at]))
}

fn checked(
    trim: Option<(Threshold, bool)>,
    limit: Option<u64>,
    command: Command,
    limits: NodeLimits,
) -> Result<Option<Trim>, ErrorReply> {
    let Some((threshold, is_approximate)) = trim else {
        if limit.is_some_and(|limit| limit > 0) {
            return Err(errors::STREAM_LIMIT_ALONE);
        }
        return match (command, limit) {
            (Command::Trim, _) => Err(errors::STREAM_NO_STRATEGY),
            (Command::Add, Some(_)) => Err(errors::STREAM_LIMIT_EXACT),
            (Command::Add, None) => Ok(None),
        };
    };
    if limit.is_some() && !is_approximate {
        return Err(errors::STREAM_LIMIT_EXACT);
    }
    Ok(Some(Trim {
        threshold,
        is_approximate,
        limit: match limit {
            Some(limit) => limit,
            None if is_approximate => usual_limit(limits),
            None => 0,
        },
    }))
}

/// Redis multiplies in 64 bits with a sign.
fn usual_limit(limits: NodeLimits) -> u64 {
    let limit = (limits.entries as i64).wrapping_mul(LIMIT_NODES as i64);
    match u64::try_from(limit) {
        Ok(limit) if limit > 0 => limit.min(LIMIT_MAX),
        _ => LIMIT_UNLIMITED,
    }
}
