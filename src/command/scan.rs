//! Walking over the keys: KEYS and SCAN.

use super::argument::{integer, is_word};
use super::{Call, Outcome, errors};
use crate::keyspace::header::Kind;
use crate::keyspace::walk::{Filter, Keys, KindFilter};
use crate::resp::ErrorReply;
use crate::resp::glob::{self, Case};
use crate::resp::integer::parse_cursor;

/// How many keys SCAN visits unless told.
const COUNT: i64 = 10;

/// KEYS pattern
pub fn keys(call: &mut Call) -> Outcome {
    let filter = Filter::matching(call.args[1], call.now_ms);
    match call.keyspace.keys(call.client.db, filter)? {
        Keys::List(keys) => {
            call.out.array(keys.len());
            for key in keys {
                call.out.bulk(&key);
            }
        }
        Keys::Stream(stream) => call.out.stream(Box::new(stream)),
    }
    Ok(())
}

/// Reads SCAN's options into `filter`; returns COUNT.
fn options(mut words: &[&[u8]], filter: &mut Filter) -> Result<i64, ErrorReply> {
    let mut count = COUNT;
    while let Some((word, rest)) = words.split_first() {
        words = rest;
        if is_word(word, "NOVALUES") {
            return Err(errors::NOVALUES);
        }
        let (value, rest) = words.split_first().ok_or(errors::SYNTAX)?;
        words = rest;
        if is_word(word, "COUNT") {
            count = integer(value)?;
            if count < 1 {
                return Err(errors::SYNTAX);
            }
        } else if is_word(word, "MATCH") {
            let matching = Filter::matching(value, filter.now_ms);
            filter.pattern = matching.pattern;
        } else if is_word(word, "TYPE") {
            filter.kind = Kind::by_name(value).map_or(KindFilter::Nothing, KindFilter::Only);
        } else {
            return Err(errors::SYNTAX);
        }
    }
    Ok(count)
}

/// What the options of HSCAN, SSCAN and ZSCAN ask for.
pub struct ElementOptions<'a> {
    /// None: all.
    pub pattern: Option<&'a [u8]>,
    /// Elements to visit.
    pub count: u64,
    /// NOVALUES.
    pub only_keys: bool,
}

impl<'a> ElementOptions<'a> {
    /// Reads the words behind the cursor. NOVALUES is for hashes.
    pub fn parse(mut words: &[&'a [u8]], of_hash: bool) -> Result<Self, ErrorReply> {
        let mut options = Self {
            pattern: None,
            count: COUNT as u64,
            only_keys: false,
        };
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if is_word(word, "NOVALUES") {
                if !of_hash {
                    return Err(errors::NOVALUES);
                }
                options.only_keys = true;
                continue;
            }
            let (value, rest) = words.split_first().ok_or(errors::SYNTAX)?;
            words = rest;
            if is_word(word, "COUNT") {
                let count = integer(value)?;
                options.count = u64::try_from(count)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or(errors::SYNTAX)?;
            } else if is_word(word, "MATCH") {
                options.pattern = (*value != b"*").then_some(*value);
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(options)
    }

    /// Whether an element is wanted.
    pub fn wants(&self, element: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, element, Case::Sensitive))
    }
}

/// The cursor of SCAN, HSCAN, SSCAN and ZSCAN.
pub fn cursor(word: &[u8]) -> Result<u64, ErrorReply> {
    parse_cursor(word).ok_or(errors::INVALID_CURSOR)
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]
pub fn scan(call: &mut Call) -> Outcome {
    let cursor = cursor(call.args[1])?;
    let mut filter = Filter::matching(b"*", call.now_ms);
    let count = options(&call.args[2..], &mut filter)?;
    let db = call.client.db;
    let page = call
        .keyspace
        .scan(db, cursor, count.cast_unsigned(), &filter)?;
    call.out.array(2);
    call.out.bulk_int(page.cursor.cast_signed());
    call.out.array(page.keys.len());
    for key in page.keys {
        call.out.bulk(&key);
    }
    Ok(())
}
