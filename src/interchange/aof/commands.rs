//! The commands of a part, one after the other, and what is wrong where one does not follow.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use super::resume::{WINDOW_BYTES, first_command};

/// What stands behind the last whole command of a file that was not closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// A part of a command, or of a transaction.
    Cut,
    /// Zeroes, perhaps behind a part of a command: a length that was written without the bytes.
    Zeroes,
}

impl std::fmt::Display for Tail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Cut => "in the middle of a command or transaction",
            Self::Zeroes => "in zeroes",
        })
    }
}

/// Why a part cannot be read to its end. Offsets count from the start of the file.
#[derive(Debug, thiserror::Error)]
pub enum AofError {
    /// As a power cut or a full disk leaves it.
    #[error("at offset {at} it ends {tail}")]
    Torn { at: u64, tail: Tail },
    /// As a power cut may leave it, and as somebody else may who wrote to the file.
    #[error("from offset {at} to its end are {len} bytes without a command")]
    Garbage { at: u64, len: u64 },
    #[error(
        "at offset {at} stands {what}, and commands go on at offset {resumes}: it is damaged in the middle"
    )]
    Damaged {
        at: u64,
        what: &'static str,
        resumes: u64,
    },
    /// What follows is too long to be searched.
    #[error("at offset {at} stands {what}, and {len} bytes follow")]
    Lost {
        at: u64,
        what: &'static str,
        len: u64,
    },
    #[error("at offset {at} is {what}, and no append-only file")]
    Foreign { at: u64, what: &'static str },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl AofError {
    /// Where it is, in bytes from the start of the file.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Torn { at, .. }
            | Self::Garbage { at, .. }
            | Self::Damaged { at, .. }
            | Self::Lost { at, .. }
            | Self::Foreign { at, .. } => Some(*at),
            Self::Io(_) => None,
        }
    }

    /// The same as the end of a part whose commands and transactions are whole up to `whole`.
    pub(super) fn back_to(self, whole: u64) -> Self {
        match self {
            Self::Torn { tail, .. } => Self::Torn { at: whole, tail },
            Self::Garbage { at, len } => Self::Garbage {
                at: whole,
                len: len + (at - whole),
            },
            other => other,
        }
    }
}

/// What stands in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Command(Vec<Vec<u8>>),
    /// A line that begins with #, without that.
    Note(Vec<u8>),
}

/// The longest header line that is read.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Words of a command, and bytes of a word, that are believed.
const WORDS_MAX: u64 = 1 << 30;
/// Bytes that are made room for before they are there.
const ROOM_BYTES_MAX: u64 = 1 << 20;

/// How files of other programs begin, and what they are.
const FOREIGN: &[(&[u8], &str)] = &[
    (
        b"KEVYAOF2\n",
        "a log of kevy in its format 2, with checksums, which is not read: have kevy write an RDB file",
    ),
    (b"KEVYAOF", "a log of kevy in a format that is not known"),
    (b"VALKEY", "an RDB file of Valkey 9"),
    (b"REDKEEP\0", "a database file of Redkeep"),
    (b"RKLOG", "a log of Redkeep"),
    (b"SQLite format 3\0", "a database of SQLite"),
    (b"\x1f\x8b", "a file packed by gzip"),
    (b"\x28\xb5\x2f\xfd", "a file packed by zstd"),
    (b"file ", "a manifest"),
];
/// How a log of kevy begins that is commands from there on.
const KEVY: &[u8] = b"KEVYAOF1\n";
/// The longest beginning that is looked at.
const SIGN_BYTES: usize = 16;

/// Where commands are read from.
pub trait Source: BufRead + Seek {}
impl<T: BufRead + Seek> Source for T {}

/// Why no item follows.
enum Fault {
    /// The file ends first.
    End,
    /// Something else stands there.
    Other(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Commands of a part, one after the other.
pub struct Commands<'a> {
    source: &'a mut dyn Source,
    at: u64,
    /// Nothing was read yet.
    is_begin: bool,
}

impl<'a> Commands<'a> {
    /// Reads on at `source`, which stands at offset `at` of the part.
    pub fn new(source: &'a mut dyn Source, at: u64) -> Self {
        Self {
            source,
            at,
            is_begin: at == 0,
        }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next command or note; None at the end. An error ends the reading.
    pub fn next_item(&mut self) -> Result<Option<Item>, AofError> {
        let is_begin = std::mem::take(&mut self.is_begin);
        if is_begin {
            self.skip_name()?;
        }
        let begin = self.at;
        match self.item() {
            Ok(item) => Ok(item),
            Err(Fault::Io(error)) => Err(error.into()),
            Err(Fault::Other(what)) => Err(match self.judge(begin, what, false)? {
                AofError::Garbage { at, .. } | AofError::Lost { at, .. } if is_begin => {
                    AofError::Foreign { at, what }
                }
                error => error,
            }),
            Err(Fault::End) => {
                Err(self.judge(begin, "a command that is longer than the file", true)?)
            }
        }
    }

    /// Passes the name of a program that writes commands behind it; refuses files that are something else.
    fn skip_name(&mut self) -> Result<(), AofError> {
        let mut sign = Vec::new();
        Read::take(&mut *self.source, SIGN_BYTES as u64).read_to_end(&mut sign)?;
        let foreign = FOREIGN.iter().find(|(begin, _)| sign.starts_with(begin));
        if sign.starts_with(KEVY) {
            self.at = KEVY.len() as u64;
        } else if let Some((_, what)) = foreign {
            return Err(AofError::Foreign { at: 0, what });
        }
        self.source.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }

    /// The bytes from an offset on, as many as are searched, and how many there are.
    fn window(&mut self, from: u64) -> io::Result<(Vec<u8>, u64)> {
        let end = self.source.seek(SeekFrom::End(0))?;
        self.source.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        Read::take(&mut *self.source, WINDOW_BYTES).read_to_end(&mut bytes)?;
        Ok((bytes, end.saturating_sub(from)))
    }

    /// What it is that stands at `begin` in the place of a command. `is_short`: the file ends before it does.
    fn judge(&mut self, begin: u64, what: &'static str, is_short: bool) -> io::Result<AofError> {
        let (bytes, len) = self.window(begin)?;
        let behind = bytes.get(1..).unwrap_or_default();
        if let Some(behind) = first_command(behind, is_short) {
            let resumes = begin + 1 + behind as u64;
            return Ok(AofError::Damaged {
                at: begin,
                what,
                resumes,
            });
        }
        let zeroes = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        let rest = &bytes[..bytes.len() - zeroes];
        let is_cut = is_cut(rest);
        Ok(if len > bytes.len() as u64 && !is_cut {
            AofError::Lost {
                at: begin,
                what,
                len,
            }
        } else if !is_cut {
            AofError::Garbage { at: begin, len }
        } else {
            let tail = if zeroes > 0 { Tail::Zeroes } else { Tail::Cut };
            AofError::Torn { at: begin, tail }
        })
    }

    fn item(&mut self) -> Result<Option<Item>, Fault> {
        let Some(line) = self.line()? else {
            return Ok(None);
        };
        match line.split_first() {
            Some((b'#', note)) => Ok(Some(Item::Note(note.to_vec()))),
            Some((b'*', digits)) => {
                let words = number(digits).filter(|words| *words > 0);
                let words = words.ok_or(Fault::Other("no number of words"))?;
                let mut command = Vec::new();
                for _ in 0..words {
                    command.push(self.word()?);
                }
                Ok(Some(Item::Command(command)))
            }
            _ => Err(Fault::Other("no command")),
        }
    }

    fn word(&mut self) -> Result<Vec<u8>, Fault> {
        let line = self.line()?.ok_or(Fault::End)?;
        let Some((b'$', digits)) = line.split_first() else {
            return Err(Fault::Other("a command with a word that has no length"));
        };
        let len =
            number(digits).ok_or(Fault::Other("a command with a length that is no number"))?;
        let mut word = Vec::with_capacity(len.min(ROOM_BYTES_MAX) as usize);
        let read = Read::take(&mut *self.source, len + 2).read_to_end(&mut word)? as u64;
        self.at += read;
        if read < len + 2 {
            return Err(Fault::End);
        }
        if !word.ends_with(b"\r\n") {
            return Err(Fault::Other("a command with a word of another length"));
        }
        word.truncate(word.len() - 2);
        Ok(word)
    }

    /// A line without its end; None at the end of the part.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut line = Vec::new();
        let mut limited = Read::take(&mut *self.source, LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut line)?;
        self.at += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            return Err(match line.first() {
                Some(b'*' | b'$' | b'#') if (read as u64) < LINE_BYTES_MAX => Fault::End,
                Some(b'*' | b'$' | b'#') => Fault::Other("a line without an end"),
                _ => Fault::Other("no command"),
            });
        }
        line.pop_if(|last| *last == b'\r');
        Ok(Some(line))
    }
}

/// Whether this is how a command or a note may begin that goes on.
fn is_cut(bytes: &[u8]) -> bool {
    match bytes.first() {
        None => true,
        Some(b'#') => !bytes.contains(&b'\n'),
        Some(b'*') => is_cut_command(bytes).unwrap_or(true),
        Some(_) => false,
    }
}

/// None: it ends where more may follow.
fn is_cut_command(bytes: &[u8]) -> Option<bool> {
    let (words, mut rest) = match line_number(bytes)? {
        Some(found) => found,
        None => return Some(false),
    };
    for _ in 0..words {
        if rest.first().is_some_and(|sign| *sign != b'$') {
            return Some(false);
        }
        let Some((len, behind)) = line_number(rest)? else {
            return Some(false);
        };
        let end = behind.get(len as usize..)?;
        if !b"\r\n".starts_with(&end[..end.len().min(2)]) {
            return Some(false);
        }
        rest = end.get(2..)?;
    }
    // It is whole: what is wrong is not that it ends.
    Some(false)
}

/// The number of a line behind its sign, and what follows the line. None: it ends before; Some(None): it is no number.
fn line_number(bytes: &[u8]) -> Option<Option<(u64, &[u8])>> {
    let rest = bytes.get(1..)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = &rest[digits..];
    if behind.len() < 2 && b"\r\n".starts_with(behind) {
        return None;
    }
    let Some(next) = behind.strip_prefix(b"\r\n") else {
        return Some(None);
    };
    Some(number(&rest[..digits]).map(|number| (number, next)))
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    let has_sign = !text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number <= WORDS_MAX);
    number.filter(|_| !has_sign)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const SET: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
    const END: u64 = SET.len() as u64;

    fn read(bytes: &[u8]) -> (usize, Option<AofError>) {
        let mut source = Cursor::new(bytes);
        let mut commands = Commands::new(&mut source, 0);
        let mut count = 0;
        loop {
            match commands.next_item() {
                Ok(Some(_)) => count += 1,
                Ok(None) => return (count, None),
                Err(error) => return (count, Some(error)),
            }
        }
    }

    #[track_caller]
    fn torn(bytes: &[u8], expect: Tail) {
        match read(bytes) {
            (1, Some(AofError::Torn { at: END, tail })) => assert_eq!(tail, expect),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn commands_and_notes_come_one_after_the_other() {
        assert!(matches!(
            read(&[SET, b"#TS:1\r\n", SET].concat()),
            (3, None)
        ));
        assert!(matches!(read(&[KEVY, SET, SET].concat()), (2, None)));
        assert!(matches!(read(b""), (0, None)));
    }

    #[test]
    fn a_command_that_is_cut_anywhere_is_a_torn_tail() {
        for cut in 1..SET.len() {
            torn(&[SET, &SET[..cut]].concat(), Tail::Cut);
            torn(&[SET, &SET[..cut], &[0; 5000]].concat(), Tail::Zeroes);
        }
        torn(&[SET, &[0; 100]].concat(), Tail::Zeroes);
        torn(&[SET, b"#TS:12"].concat(), Tail::Cut);
        assert!(matches!(
            read(&[0; 99]),
            (0, Some(AofError::Torn { at: 0, .. }))
        ));
    }

    #[test]
    fn damage_in_the_middle_is_no_torn_tail() {
        for junk in [
            &b"junk\r\n"[..],
            b"*1\r\n$999999\r\nx\r\n",
            b"*0\r\n",
            b"*1\r\n$-1\r\n",
            b"*2\r\n$3\r\nDEL\r\n$1\r\nabc\r\n",
            &[0; 64],
        ] {
            let bytes = [SET, junk, b"\n", SET].concat();
            let resumes_at = END + junk.len() as u64 + 1;
            match read(&bytes) {
                (1, Some(AofError::Damaged { at, resumes, .. })) => {
                    assert_eq!((at, resumes), (END, resumes_at), "{junk:?}");
                }
                other => panic!("{junk:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn bytes_that_no_crash_of_ours_leaves_are_garbage() {
        for junk in [&b"junk"[..], b"\xff\xfe\x00", b"*1\r\n$4\r\nPINGPONG"] {
            let (count, error) = read(&[SET, junk].concat());
            let garbage = matches!(error, Some(AofError::Garbage { at: END, len }) if len == junk.len() as u64);
            assert!(count == 1 && garbage, "{junk:?}: {error:?}");
        }
    }

    #[test]
    fn files_of_others_are_named() {
        for (bytes, expect) in [
            (&b"KEVYAOF2\n\x01\x02"[..], "kevy"),
            (b"REDKEEP\0\x01", "Redkeep"),
            (b"hello world\n", "no command"),
            (b"hello", "no command"),
            (b"VALKEY080", "Valkey"),
        ] {
            let (count, error) = read(bytes);
            let text = error.expect(expect).to_string();
            assert!(count == 0 && text.contains(expect), "{text}");
            assert!(text.contains("offset 0"), "{text}");
        }
    }
}
