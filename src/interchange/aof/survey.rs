//! A part read to its end without carrying anything out: what it holds, and up to where it is whole.

use std::io;

use super::note::{self, Note};
use super::{AofError, Commands, Item, Tail};

/// What a part holds.
#[derive(Debug, Default)]
pub struct Survey {
    pub commands: u64,
    /// Pairs of MULTI and EXEC.
    pub transactions: u64,
    pub notes: u64,
    /// The first and the last time stamp, in milliseconds since 1970.
    pub times_ms: Option<(u64, u64)>,
    /// Where a time stamp stands that is earlier than the one before it.
    pub goes_back_at: Option<u64>,
    /// Where a MULTI stands inside a transaction, or an EXEC outside of one.
    pub stray_at: Option<u64>,
    /// Up to here are whole commands and transactions.
    pub end: u64,
    /// Why it does not go on there.
    pub fault: Option<AofError>,
}

/// Reads commands to their end. A transaction that is open there counts as cut. `see` is called with the offset and the
/// words of each command.
pub fn survey(
    commands: &mut Commands<'_>,
    see: &mut dyn FnMut(u64, &[Vec<u8>]),
) -> io::Result<Survey> {
    let mut survey = Survey {
        end: commands.at(),
        ..Survey::default()
    };
    let mut is_open = false;
    loop {
        let begin = commands.at();
        match commands.next_item() {
            Ok(None) => {
                let (at, tail) = (survey.end, Tail::Cut);
                if is_open {
                    survey.fault = Some(AofError::Torn { at, tail });
                } else {
                    survey.end = commands.at();
                }
                return Ok(survey);
            }
            Err(AofError::Io(error)) => return Err(error),
            Err(fault) => {
                survey.fault = Some(fault.back_to(survey.end));
                return Ok(survey);
            }
            Ok(Some(Item::Note(text))) => survey.see_note(begin, &text),
            Ok(Some(Item::Command(words))) => {
                see(begin, &words);
                is_open = survey.see_command(begin, &words[0], is_open);
            }
        }
        if !is_open {
            survey.end = commands.at();
        }
    }
}

impl Survey {
    fn see_note(&mut self, at: u64, text: &[u8]) {
        self.notes += 1;
        if let Note::Time(ms) = note::read(text) {
            let (first, last) = self.times_ms.unwrap_or((ms, ms));
            if ms < last {
                self.goes_back_at.get_or_insert(at);
            }
            self.times_ms = Some((first, ms));
        }
    }

    /// Whether a transaction is open behind it.
    fn see_command(&mut self, at: u64, name: &[u8], is_open: bool) -> bool {
        self.commands += 1;
        let begins = name.eq_ignore_ascii_case(b"MULTI");
        let ends = name.eq_ignore_ascii_case(b"EXEC");
        if (begins && is_open) || (ends && !is_open) {
            self.stray_at.get_or_insert(at);
        }
        self.transactions += u64::from(ends && is_open);
        begins || (is_open && !ends)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";

    fn of(parts: &[&[u8]]) -> Survey {
        let mut source = Cursor::new(parts.concat());
        let mut commands = Commands::new(&mut source, 0);
        survey(&mut commands, &mut |_, _| {}).expect("memory")
    }

    #[test]
    fn what_is_whole_ends_before_an_open_transaction() {
        let whole = of(&[SET, MULTI, SET, EXEC, b"#TS:1\r\n"]);
        assert_eq!((whole.commands, whole.transactions, whole.notes), (4, 1, 1));
        assert_eq!(
            whole.end,
            (2 * SET.len() + MULTI.len() + EXEC.len() + 7) as u64
        );
        assert!(whole.fault.is_none());
        assert_eq!(of(&[b"KEVYAOF1\n"]).end, 9, "a name alone");
        let set = SET.len() as u64;
        for tail in [&b""[..], b"*2\r\n", &SET[..9], &[0; 50]] {
            let open = of(&[SET, MULTI, SET, tail]);
            assert_eq!(open.end, set);
            let fault = open.fault.expect("it is open");
            assert!(
                matches!(fault, AofError::Torn { at, .. } if at == set),
                "{fault}"
            );
        }
    }

    #[test]
    fn damage_in_a_transaction_is_told_by_its_own_place() {
        let at = (SET.len() + MULTI.len()) as u64;
        let survey = of(&[SET, MULTI, b"junk\r\n", SET, EXEC]);
        assert_eq!(survey.end, SET.len() as u64);
        assert_eq!(survey.fault.and_then(|fault| fault.offset()), Some(at));
        let survey = of(&[SET, MULTI, b"junk\r\n"]);
        assert_eq!(
            survey.fault.and_then(|fault| fault.offset()),
            Some(SET.len() as u64)
        );
    }

    #[test]
    fn transactions_in_each_other_are_noticed() {
        assert_eq!(of(&[MULTI, EXEC]).stray_at, None);
        assert_eq!(of(&[SET, EXEC]).stray_at, Some(SET.len() as u64));
        assert_eq!(of(&[MULTI, MULTI, EXEC]).stray_at, Some(MULTI.len() as u64));
    }
}
