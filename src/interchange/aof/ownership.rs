//! Whose an increment is behind what its database surely wrote: that database's, as a crash leaves what was not synced;
//! another server's that went on with the file; or nobody can tell.
//!
//! What an end line shows to be the database's is, whatever stands there. Behind the last of them, a crash shows by
//! bytes that are no command, and another server by whole commands where none was announced.

use std::io::{self, SeekFrom};

use super::note::END_LINE_BYTES;
use super::span::{self, Next, Own};
use super::survey::{Survey, survey};
use super::{AofError, Commands, Source, Tail};

/// What stands behind the bytes that are as the database wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    Nothing,
    /// What a crash has left of its writes, and nothing else.
    Left,
    /// What nobody can tell.
    Doubtful,
    /// So many commands of another server, from this offset on.
    Foreign {
        at: u64,
        commands: u64,
    },
}

/// Follows an increment of the database of this name, or without it of whichever its first line names.
pub fn ownership(source: &mut dyn Source, identity: Option<&str>) -> io::Result<(Own, Rest)> {
    let own = span::own(source)?;
    let is_of_it = match (&own.identity, identity) {
        (Some(named), Some(identity)) => named == identity,
        (named, _) => named.is_some(),
    };
    let rest = if !is_of_it {
        let commands = survey_from(source, 0)?.commands;
        Rest::Foreign { at: 0, commands }
    } else if own.behind == Next::Nothing {
        Rest::Nothing
    } else {
        rest(source, &own)?
    };
    Ok((own, rest))
}

fn rest(source: &mut dyn Source, own: &Own) -> io::Result<Rest> {
    let (mut at, mut next) = (own.end, own.behind);
    source.seek(SeekFrom::Start(at))?;
    if let Some(end) = span::last_end(source, at)? {
        (at, next) = (end, next_at(source, end)?);
    }
    loop {
        let end = match next {
            Next::Nothing => return Ok(Rest::Left),
            Next::Whole { end, .. } | Next::Placed { end } => end,
            Next::Other { end } => {
                let survey = survey_from(source, at)?;
                if !is_damaged_before(source, &survey, end)? {
                    return Ok(unlike_announced(&survey, at, end));
                }
                end
            }
            Next::Short | Next::Broken | Next::Unannounced => {
                return Ok(unannounced(next, &survey_from(source, at)?, at));
            }
        };
        (at, next) = (end, next_at(source, end)?);
    }
}

fn next_at(source: &mut dyn Source, at: u64) -> io::Result<Next> {
    source.seek(SeekFrom::Start(at))?;
    span::next(source, at)
}

fn survey_from(source: &mut dyn Source, at: u64) -> io::Result<Survey> {
    source.seek(SeekFrom::Start(at))?;
    survey(&mut Commands::new(source, at), &mut |_, _| {})
}

/// Whether something stands inside a write that was announced up to `end` that is no command: another server goes on behind
/// whole ones only.
fn is_damaged_before(source: &mut dyn Source, survey: &Survey, end: u64) -> io::Result<bool> {
    match &survey.fault {
        None => Ok(false),
        Some(AofError::Torn {
            at,
            tail: Tail::Cut,
        }) => is_end_line(source, *at, end),
        Some(fault) => Ok(fault.offset().is_some_and(|at| at < end)),
    }
}

/// Whether at this offset the line stands, or a part of it, that ends what was announced up to `end`.
fn is_end_line(source: &mut dyn Source, at: u64, end: u64) -> io::Result<bool> {
    source.seek(SeekFrom::Start(at))?;
    let is_note = source.fill_buf()?.starts_with(b"#");
    Ok(is_note && at + END_LINE_BYTES as u64 == end)
}

/// What has the place of an announced write up to `end`, none of it damaged and no end line in it: whole commands that go
/// on across that end are of another server, which cut ours at its reading.
fn unlike_announced(survey: &Survey, at: u64, end: u64) -> Rest {
    let goes_across = match &survey.fault {
        None
        | Some(AofError::Torn {
            tail: Tail::Cut, ..
        }) => true,
        Some(fault) => fault.offset().is_some_and(|fault_at| fault_at > end),
    };
    if goes_across {
        let commands = survey.commands;
        Rest::Foreign { at, commands }
    } else {
        Rest::Doubtful
    }
}

/// What stands where nothing whole is announced.
fn unannounced(next: Next, survey: &Survey, at: u64) -> Rest {
    let commands = survey.commands;
    let is_torn = matches!(survey.fault, Some(AofError::Torn { .. }));
    match next {
        // Cut between two of its commands, by a crash or by a server that read it and may have gone on.
        Next::Short if survey.fault.is_none() && commands > 0 => Rest::Doubtful,
        Next::Short => Rest::Left,
        Next::Unannounced if commands > 0 => Rest::Foreign { at, commands },
        _ if is_torn => Rest::Left,
        _ => Rest::Doubtful,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::interchange::aof::note;

    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const DEL: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
    /// As small as sectors may be here.
    const SECTOR: usize = 64;

    /// An increment of three writes: where each begins and the last ends.
    fn increment() -> (Vec<u8>, Vec<usize>) {
        let mut bytes = note::place_line("abc", 7, "def").into_bytes();
        let mut begins = Vec::new();
        for lsn in 8..11 {
            begins.push(bytes.len());
            let value = "v".repeat(4 * SECTOR);
            let set = format!(
                "*3\r\n$3\r\nSET\r\n$1\r\na\r\n${}\r\n{value}\r\n",
                value.len()
            );
            let said = [DEL, set.as_bytes(), MULTI, DEL, b"*1\r\n$4\r\nEXEC\r\n"].concat();
            bytes.extend(span::announced(lsn, said, bytes.len() as u64));
        }
        begins.push(bytes.len());
        (bytes, begins)
    }

    fn of(bytes: &[u8]) -> (u64, usize, Rest) {
        let mut source = Cursor::new(bytes);
        let (own, rest) = ownership(&mut source, Some("abc")).expect("memory");
        (own.lsn, own.end as usize, rest)
    }

    /// Zeroes and garbage in the place of some bytes.
    fn holes(bytes: &[u8], from: usize, to: usize) -> [Vec<u8>; 2] {
        [0, 0xfe].map(|byte| {
            let mut torn = bytes.to_vec();
            torn[from..to].fill(byte);
            torn
        })
    }

    #[test]
    fn a_hole_in_what_was_not_synced_is_ours_and_what_others_wrote_behind_it_is_not() {
        let (whole, begins) = increment();
        assert_eq!(of(&whole), (10, whole.len(), Rest::Nothing));
        let end_line = whole.len() - note::END_LINE_BYTES;
        for from in begins[1]..end_line {
            for to in [from + 1, from + SECTOR, end_line] {
                let write = if from < begins[2] { 1 } else { 2 };
                for torn in holes(&whole, from, to.clamp(from + 1, end_line)) {
                    let expect = (7 + write as u64, begins[write], Rest::Left);
                    assert_eq!(of(&torn), expect, "{from} to {to}");
                    // What a crash left of the next write does not matter.
                    let next = span::announced(11, MULTI.repeat(9), whole.len() as u64);
                    for more in [&next[..1], &next[..40], &[0; 99]] {
                        assert_eq!(of(&[&torn, more].concat()), expect, "{from} to {to}");
                    }
                    let more = [&torn, DEL, DEL].concat();
                    let (at, commands) = (whole.len() as u64, 2);
                    let foreign = Rest::Foreign { at, commands };
                    assert_eq!(of(&more), (expect.0, expect.1, foreign), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn a_hole_that_takes_the_end_line_is_ours_where_the_announcement_is_there() {
        let (whole, begins) = increment();
        let said = begins[2] + whole[begins[2]..].iter().position(|b| *b == b'\n').unwrap() + 1;
        for from in said..whole.len() {
            for torn in holes(&whole, from, whole.len()) {
                let (lsn, end, rest) = of(&torn);
                assert_eq!((lsn, end, rest), (9, begins[2], Rest::Left), "{from}");
            }
            for torn in holes(&whole, from, whole.len()) {
                let (_, _, rest) = of(&[&torn[..], DEL].concat());
                assert!(matches!(rest, Rest::Foreign { .. }), "{from} {rest:?}");
            }
        }
    }

    #[test]
    fn an_end_line_counts_at_its_own_place_only() {
        let (whole, begins) = increment();
        // Another server cut the last write and was given our file as a value.
        let cut = &whole[..begins[2]];
        let value = String::from_utf8(whole.clone()).expect("text");
        let set = format!(
            "*3\r\n$3\r\nSET\r\n$1\r\na\r\n${}\r\n{value}\r\n",
            value.len()
        );
        let (lsn, end, rest) = of(&[cut, set.as_bytes()].concat());
        let (at, commands) = (begins[2] as u64, 1);
        assert_eq!((lsn, end), (9, begins[2]));
        assert_eq!(rest, Rest::Foreign { at, commands });
    }

    #[test]
    fn neither_announcement_nor_end_line_leaves_doubt() {
        let (whole, begins) = increment();
        for mut torn in holes(&whole, begins[2], begins[2] + 30) {
            let len = torn.len();
            torn[len - 30..].fill(0);
            assert_eq!(of(&torn), (9, begins[2], Rest::Doubtful));
        }
    }
}
