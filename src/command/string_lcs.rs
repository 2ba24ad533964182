//! LCS: the longest common subsequence of two strings.

use super::argument::{integer, is_word};
use super::{Call, Failure, Outcome, errors, settings};
use crate::keyspace::Look;
use crate::keyspace::header::Kind;
use crate::keyspace::lcs::{Lcs, Range, length};
use crate::resp::{ErrorReply, Reply};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    len: bool,
    ranges: bool,
    range_len: bool,
    range_len_min: u64,
}

impl Options {
    fn parse(mut words: &[&[u8]]) -> Result<Self, ErrorReply> {
        let mut options = Self::default();
        while let Some((word, rest)) = words.split_first() {
            words = rest;
            if is_word(word, "IDX") {
                options.ranges = true;
            } else if is_word(word, "LEN") {
                options.len = true;
            } else if is_word(word, "WITHMATCHLEN") {
                options.range_len = true;
            } else if is_word(word, "MINMATCHLEN")
                && let Some((number, rest)) = words.split_first()
            {
                words = rest;
                options.range_len_min = integer(number)?.max(0).cast_unsigned();
            } else {
                return Err(errors::SYNTAX);
            }
        }
        if options.len && options.ranges {
            return Err(errors::LCS_LEN_AND_IDX);
        }
        Ok(options)
    }
}

/// LCS key1 key2 [LEN] [IDX] [MINMATCHLEN len] [WITHMATCHLEN]
pub fn lcs(call: &mut Call) -> Outcome {
    let keys = [call.args[1], call.args[2]];
    let lens = [string_len(call, keys[0])?, string_len(call, keys[1])?];
    let [Some(a_len), Some(b_len)] = lens else {
        return Err(errors::LCS_NOT_STRINGS.into());
    };
    let options = Options::parse(&call.args[3..])?;
    check_memory(a_len, b_len, settings::string_bytes_max(call))?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    if a_len > 0 && b_len > 0 {
        let db = call.client.db;
        call.keyspace.read_value(db, keys[0], 0, a_len, &mut a)?;
        call.keyspace.read_value(db, keys[1], 0, b_len, &mut b)?;
    }
    if options.len {
        call.out.int(length(&a, &b) as i64);
        return Ok(());
    }
    let lcs = Lcs::new(&a, &b);
    if options.ranges {
        reply_ranges(call.out, &lcs, &options);
    } else {
        call.out.bulk(&lcs.bytes());
    }
    Ok(())
}

/// Length of the string at a key, 0 if the key is not there; None for another kind of value.
fn string_len(call: &mut Call, key: &[u8]) -> Result<Option<u64>, Failure> {
    let db = call.client.db;
    let entry = call.keyspace.lookup(db, key, call.now_ms, Look::READ)?;
    Ok(match entry {
        None => Some(0),
        Some(entry) => (entry.header.kind == Kind::String).then(|| entry.len()),
    })
}

/// Refuses what would take Redis more than `bytes_max` bytes: four for each pair of places. We take a 32nd of it.
fn check_memory(a_len: u64, b_len: u64, bytes_max: u64) -> Result<(), ErrorReply> {
    let too_long = u64::from(u32::MAX - 1);
    if a_len >= too_long || b_len >= too_long {
        return Err(errors::LCS_TOO_LONG);
    }
    let table = (u128::from(a_len) + 1) * (u128::from(b_len) + 1) * 4;
    if table > u128::from(bytes_max) {
        return Err(errors::LCS_MEMORY);
    }
    Ok(())
}

fn reply_ranges(out: &mut Reply, lcs: &Lcs<'_>, options: &Options) {
    let ranges: Vec<Range> = lcs
        .ranges()
        .into_iter()
        .filter(|range| range.len() >= options.range_len_min)
        .collect();
    out.map(2);
    out.bulk(b"matches");
    out.array(ranges.len());
    for range in ranges {
        out.array(2 + usize::from(options.range_len));
        for (first, last) in [range.a, range.b] {
            out.array(2);
            out.int(first as i64);
            out.int(last as i64);
        }
        if options.range_len {
            out.int(range.len() as i64);
        }
    }
    out.bulk(b"len");
    out.int(lcs.len() as i64);
}
