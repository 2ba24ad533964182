//! Append-only files: the manifest that names the parts, and commands read back from a part.
//!
//! ```text
//! NAME.manifest              file NAME.1.base.rdb seq 1 type b
//!                            file NAME.1.incr.aof seq 1 type i
//! NAME.1.base.rdb            everything at some moment, as an RDB file, or (NAME.1.base.aof) as commands
//! NAME.1.incr.aof            what was done since, as commands; lines that begin with # are notes
//! ```

use std::io::{self, BufRead, Read};

/// A part of an append-only file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    pub seq: u64,
}

/// The parts, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    pub base: Option<Part>,
    pub increments: Vec<Part>,
    /// Parts that are not needed any more and may be there.
    pub history: Vec<Part>,
}

/// A line of a manifest that is not understood; lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the manifest is not understood")]
pub struct BadLine {
    pub line: usize,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self, BadLine> {
        let mut manifest = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = BadLine { line: at + 1 };
            let (name, rest) = name_of(line).ok_or(bad)?;
            let words: Vec<&str> = rest.split_ascii_whitespace().collect();
            let ["seq", seq, "type", kind] = words[..] else {
                return Err(bad);
            };
            if name.contains('/') || name.is_empty() {
                return Err(bad);
            }
            let seq = seq.parse().map_err(|_| bad)?;
            let part = Part { name, seq };
            match kind {
                "b" if manifest.base.is_none() => manifest.base = Some(part),
                "i" => manifest.increments.push(part),
                "h" => manifest.history.push(part),
                _ => return Err(bad),
            }
        }
        Ok(manifest)
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let kinds = [
            (self.base.as_slice(), 'b'),
            (&self.increments, 'i'),
            (&self.history, 'h'),
        ];
        for (parts, kind) in kinds {
            for Part { name, seq } in parts {
                let name = if name.contains([' ', '"', '\\']) {
                    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
                } else {
                    name.clone()
                };
                text.push_str(&format!("file {name} seq {seq} type {kind}\n"));
            }
        }
        text
    }
}

/// The name behind the word `file`, perhaps in quotes, and what follows it.
fn name_of(line: &str) -> Option<(String, &str)> {
    let rest = line.strip_prefix("file ")?;
    let Some(quoted) = rest.strip_prefix('"') else {
        let (name, rest) = rest.split_once(' ')?;
        return Some((name.to_owned(), rest));
    };
    let (mut name, mut escaped) = (String::new(), false);
    for (at, letter) in quoted.char_indices() {
        match letter {
            '"' if !escaped => return Some((name, &quoted[at + 1..])),
            '\\' if !escaped => escaped = true,
            letter => {
                escaped = false;
                name.push(letter);
            }
        }
    }
    None
}

/// Why a part cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum AofError {
    /// It ends in the middle of a command or a transaction, or in zeroes, as a power cut leaves it.
    #[error("it ends at offset {at} in the middle of a command or transaction")]
    Torn { at: u64 },
    #[error("at offset {at} stands no command")]
    Damaged { at: u64 },
    #[error(transparent)]
    Io(#[from] io::Error),
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

/// Commands of a part, one after the other.
pub struct Commands<'a> {
    source: &'a mut dyn BufRead,
    at: u64,
}

impl<'a> Commands<'a> {
    /// Reads on at `source`, which stands at offset `at` of the part.
    pub fn new(source: &'a mut dyn BufRead, at: u64) -> Self {
        Self { source, at }
    }

    /// Offset of the next byte.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The next command or note; None at the end.
    pub fn next_item(&mut self) -> Result<Option<Item>, AofError> {
        let begin = self.at;
        let Some(line) = self.line(begin)? else {
            return Ok(None);
        };
        match line.split_first() {
            Some((b'#', note)) => Ok(Some(Item::Note(note.to_vec()))),
            Some((b'*', digits)) => {
                let words = number(digits).ok_or(AofError::Damaged { at: begin })?;
                let mut command = Vec::new();
                for _ in 0..words {
                    command.push(self.word(begin)?);
                }
                if command.is_empty() {
                    return Err(AofError::Damaged { at: begin });
                }
                Ok(Some(Item::Command(command)))
            }
            _ => Err(self.not_a_command(begin, &line)),
        }
    }

    /// Zeroes to the end are what a power cut leaves; anything else is damage.
    fn not_a_command(&mut self, begin: u64, line: &[u8]) -> AofError {
        let mut zeroes = line.iter().all(|byte| *byte == 0);
        while zeroes {
            let len = match self.source.fill_buf() {
                Ok([]) => return AofError::Torn { at: begin },
                Ok(bytes) => {
                    zeroes = bytes.iter().all(|byte| *byte == 0);
                    bytes.len()
                }
                Err(error) => return error.into(),
            };
            self.source.consume(len);
        }
        AofError::Damaged { at: begin }
    }

    fn word(&mut self, begin: u64) -> Result<Vec<u8>, AofError> {
        let at = self.at;
        let line = self.line(begin)?.ok_or(AofError::Torn { at: begin })?;
        let Some((b'$', digits)) = line.split_first() else {
            return Err(self.not_a_command(if line.contains(&0) { begin } else { at }, &line));
        };
        let len = number(digits).ok_or(AofError::Damaged { at })?;
        let mut word = Vec::with_capacity(len.min(ROOM_BYTES_MAX) as usize);
        let read = Read::take(&mut *self.source, len + 2).read_to_end(&mut word)? as u64;
        self.at += read;
        if read < len + 2 {
            return Err(AofError::Torn { at: begin });
        }
        if !word.ends_with(b"\r\n") {
            let end = word.split_off(word.len() - 2);
            let is_zeroes = end == b"\0\0";
            let at = if is_zeroes { begin } else { at };
            return Err(self.not_a_command(at, if is_zeroes { b"" } else { &end }));
        }
        word.truncate(word.len() - 2);
        Ok(word)
    }

    /// A line without its end; None at the end of the part.
    fn line(&mut self, begin: u64) -> Result<Option<Vec<u8>>, AofError> {
        let mut line = Vec::new();
        let mut limited = Read::take(&mut *self.source, LINE_BYTES_MAX);
        let read = limited.read_until(b'\n', &mut line)?;
        self.at += read as u64;
        if read == 0 {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            if line.contains(&0) || read as u64 == LINE_BYTES_MAX {
                return Err(self.not_a_command(begin, &line));
            }
            return Err(AofError::Torn { at: begin });
        }
        line.pop_if(|last| *last == b'\r');
        Ok(Some(line))
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|number| *number <= WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (usize, Option<AofError>) {
        let mut source = bytes;
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

    #[test]
    fn a_manifest_comes_back() {
        let text = "file a.1.base.rdb seq 1 type b\nfile \"a b.2.incr.aof\" seq 2 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.increments[0].name, "a b.2.incr.aof");
        assert_eq!(manifest.to_text(), text);
        assert_eq!(
            Manifest::parse("file a seq x type b"),
            Err(BadLine { line: 1 })
        );
        assert!(Manifest::parse("file ../a seq 1 type b").is_err());
    }

    #[test]
    fn a_torn_tail_is_told_from_damage() {
        const SET: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";
        const END: u64 = SET.len() as u64;
        assert!(matches!(
            read(&[SET, b"#TS:1\r\n", SET].concat()),
            (3, None)
        ));
        for cut in 1..SET.len() {
            let (count, error) = read(&[SET, &SET[..cut]].concat());
            assert_eq!(count, 1);
            assert!(
                matches!(error, Some(AofError::Torn { at: END })),
                "{cut}: {error:?}"
            );
        }
        let zeroes = [SET, &[0; 100]].concat();
        assert!(matches!(
            read(&zeroes),
            (1, Some(AofError::Torn { at: END }))
        ));
        let middle = [SET, b"junk\r\n", SET].concat();
        assert!(matches!(
            read(&middle),
            (1, Some(AofError::Damaged { at: END }))
        ));
    }
}
