//! LCS: the longest common subsequence of two strings.

use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, STRING_BYTES_MAX, Value};

#[derive(Default)]
struct Options {
    length_only: bool,
    ranges: bool,
    with_lengths: bool,
    shortest: usize,
}

/// A run of equal bytes: where it starts and ends in both strings, ends included.
#[derive(Clone, Copy)]
struct Run {
    first: (usize, usize),
    last: (usize, usize),
}

impl Run {
    fn length(self) -> usize {
        self.last.0 - self.first.0 + 1
    }
}

fn parse_options(call: &Call) -> Result<Options, Failure> {
    let mut options = Options::default();
    let mut index = 3;
    while index < call.args.len() {
        if call.says(index, "IDX") {
            options.ranges = true;
        } else if call.says(index, "LEN") {
            options.length_only = true;
        } else if call.says(index, "WITHMATCHLEN") {
            options.with_lengths = true;
        } else if call.says(index, "MINMATCHLEN") && index + 1 < call.args.len() {
            index += 1;
            let shortest = numbers::integer(call.arg(index))?;
            options.shortest = usize::try_from(shortest.max(0)).expect("not negative");
        } else {
            return Err(errors::syntax());
        }
        index += 1;
    }
    Ok(options)
}

fn operand(call: &mut Call, key: &[u8]) -> Result<Vec<u8>, Failure> {
    call.look_for(key);
    match call.entry(key).map(|entry| &entry.value) {
        None => Ok(Vec::new()),
        Some(Value::Text(text)) => Ok(text.bytes.clone()),
        Some(_) => Err(errors::err("The specified keys must contain string values")),
    }
}

pub fn lcs(call: &mut Call) -> Outcome {
    let (first, second) = (call.arg(1), call.arg(2));
    let left = operand(call, first)?;
    let right = operand(call, second)?;
    let options = parse_options(call)?;
    if options.length_only && options.ranges {
        return Err(errors::err(
            "If you want both the length and indexes, please just use IDX.",
        ));
    }
    if (left.len() + 1) * (right.len() + 1) * 4 > STRING_BYTES_MAX {
        return Err(errors::err(
            "Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = lengths(&left, &right);
    let length = table[left.len()][right.len()] as usize;
    if options.length_only {
        return Ok(Reply::count(length));
    }
    let (common, runs) = walk_back(&left, &right, &table);
    if options.ranges {
        Ok(ranges_reply(&options, &runs, length))
    } else {
        Ok(Reply::Bulk(common))
    }
}

/// `table[i][j]` is the length of the longest common subsequence of the first `i` and `j` bytes.
fn lengths(left: &[u8], right: &[u8]) -> Vec<Vec<u32>> {
    let mut table = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in 1..=left.len() {
        for j in 1..=right.len() {
            table[i][j] = if left[i - 1] == right[j - 1] {
                table[i - 1][j - 1] + 1
            } else {
                table[i - 1][j].max(table[i][j - 1])
            };
        }
    }
    table
}

/// Walks from the ends to the beginning and returns the subsequence and its runs, last run first.
fn walk_back(left: &[u8], right: &[u8], table: &[Vec<u32>]) -> (Vec<u8>, Vec<Run>) {
    let (mut i, mut j) = (left.len(), right.len());
    let mut common = Vec::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut open = false;
    while i > 0 && j > 0 {
        if left[i - 1] == right[j - 1] {
            i -= 1;
            j -= 1;
            common.push(left[i]);
            match runs.last_mut() {
                Some(run) if open && run.first == (i + 1, j + 1) => run.first = (i, j),
                _ => runs.push(Run {
                    first: (i, j),
                    last: (i, j),
                }),
            }
            open = true;
        } else {
            open = false;
            if table[i - 1][j] > table[i][j - 1] {
                i -= 1;
            } else {
                j -= 1;
            }
        }
    }
    common.reverse();
    (common, runs)
}

fn ranges_reply(options: &Options, runs: &[Run], length: usize) -> Reply {
    let range = |from: usize, to: usize| Reply::Array(vec![Reply::count(from), Reply::count(to)]);
    let matches = runs
        .iter()
        .filter(|run| run.length() >= options.shortest)
        .map(|run| {
            let mut parts = vec![
                range(run.first.0, run.last.0),
                range(run.first.1, run.last.1),
            ];
            if options.with_lengths {
                parts.push(Reply::count(run.length()));
            }
            Reply::Array(parts)
        });
    Reply::Map(vec![
        (Reply::bulk(b"matches"), Reply::Array(matches.collect())),
        (Reply::bulk(b"len"), Reply::count(length)),
    ])
}
