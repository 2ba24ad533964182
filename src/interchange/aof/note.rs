//! Notes: lines that begin with # and are no commands.

/// How the note begins that tells which database wrote the file, and up to which transaction.
const PLACE: &str = "REDKEEP ";
/// How the note begins that announces what its database writes behind it.
const SPAN: &str = "RK:";
/// How the note begins that ends it.
const END: &str = "RK.";
/// Digits of the offset in it: that of 256 TiB.
const END_DIGITS: usize = 12;
/// Bytes of the line that ends what was announced.
pub const END_LINE_BYTES: usize = 1 + END.len() + END_DIGITS + 2;
/// Numbers from here on are milliseconds: as seconds they would be of the year 5138.
const MILLISECONDS_MIN: u64 = 100_000_000_000;

/// A note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// What follows was done at this wall time, in milliseconds since 1970, or later.
    Time(u64),
    /// What precedes it is everything that the database of this name had done up to its transaction `lsn`.
    Place {
        identity: &'a str,
        lsn: u64,
        /// The life of that database which goes on behind it, and in an increment's first line led there.
        life: Option<&'a str>,
    },
    /// The `bytes` that follow, whose CRC-32 is `crc`, lead that database to its transaction `lsn`.
    Span {
        lsn: u64,
        bytes: u64,
        crc: u32,
    },
    /// Everything before it was written by the database of the file. It says its own offset, which a copy of it in a value
    /// does not have.
    End {
        at: u64,
    },
    Other,
}

/// Reads a note, given without its #.
pub fn read(note: &[u8]) -> Note<'_> {
    let Ok(text) = std::str::from_utf8(note) else {
        return Note::Other;
    };
    if let Some(digits) = text.strip_prefix("TS:") {
        return match digits.parse::<u64>() {
            Ok(ms) if ms >= MILLISECONDS_MIN => Note::Time(ms),
            Ok(s) => Note::Time(s * 1000),
            Err(_) => Note::Other,
        };
    }
    if let Some(rest) = text.strip_prefix(SPAN) {
        return span(rest).unwrap_or(Note::Other);
    }
    if let Some(digits) = text.strip_prefix(END) {
        let at = u64::from_str_radix(digits, 16).ok();
        let at = at.filter(|_| digits.len() == END_DIGITS);
        return at.map_or(Note::Other, |at| Note::End { at });
    }
    let place = text.strip_prefix(PLACE).and_then(place);
    place.unwrap_or(Note::Other)
}

fn place(text: &str) -> Option<Note<'_>> {
    let (identity, rest) = text.split_once(' ')?;
    let (lsn, life) = match rest.split_once(' ') {
        Some((lsn, life)) => (lsn, Some(life)),
        None => (rest, None),
    };
    let lsn = lsn.parse().ok()?;
    Some(Note::Place {
        identity,
        lsn,
        life,
    })
}

fn span(text: &str) -> Option<Note<'_>> {
    let (lsn, rest) = text.split_once(':')?;
    let (bytes, crc) = rest.split_once(':')?;
    Some(Note::Span {
        lsn: lsn.parse().ok()?,
        bytes: bytes.parse().ok()?,
        crc: u32::from_str_radix(crc, 16).ok()?,
    })
}

/// The line before bytes that lead the database to its transaction `lsn`.
pub fn span_line(lsn: u64, bytes: &[u8]) -> String {
    span_line_of(lsn, bytes.len(), crc32fast::hash(bytes))
}

/// The same before `len` bytes whose CRC-32 is `crc`.
pub fn span_line_of(lsn: u64, len: usize, crc: u32) -> String {
    format!("#{SPAN}{lsn}:{len}:{crc:08x}\r\n")
}

/// The line that ends what was announced, and begins at this offset of the file.
pub fn end_line(at: u64) -> String {
    let line = format!("#{END}{at:0END_DIGITS$x}\r\n");
    assert_eq!(line.len(), END_LINE_BYTES, "a file of less than 256 TiB");
    line
}

/// The line that says how far the database of this name had come, and in which life it goes on.
pub fn place_line(identity: &str, lsn: u64, life: &str) -> String {
    format!("#{PLACE}{identity} {lsn} {life}\r\n")
}

/// The line that says when what follows was done, at a wall time in seconds since 1970.
pub fn time_line(seconds: u64) -> String {
    format!("#TS:{seconds}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_told_apart() {
        assert_eq!(read(b"TS:1700000000"), Note::Time(1_700_000_000_000));
        assert_eq!(read(b"TS:1700000000123"), Note::Time(1_700_000_000_123));
        let line = place_line("abc", 7, "def");
        let note = line.strip_prefix('#').unwrap().trim_end();
        let place = |life| Note::Place {
            identity: "abc",
            lsn: 7,
            life,
        };
        assert_eq!(read(note.as_bytes()), place(Some("def")));
        assert_eq!(read(b"REDKEEP abc 7"), place(None));
        let line = span_line(7, b"123456789");
        let note = line.strip_prefix('#').unwrap().trim_end();
        let span = Note::Span {
            lsn: 7,
            bytes: 9,
            crc: 0xcbf4_3926,
        };
        assert_eq!(read(note.as_bytes()), span);
        let line = end_line(0xabc);
        let note = line.strip_prefix('#').unwrap().trim_end();
        assert_eq!(read(note.as_bytes()), Note::End { at: 0xabc });
        for other in [
            &b"RK.abc"[..],
            b"RK.00000000000x",
            b"TS:",
            b"TS:-1",
            b"TS:99999999999999999999",
            b"REDKEEP",
            b"REDKEEP a",
            b"REDKEEP a b",
            b"RK:1:2",
            b"RK:1:2:x",
            b"RK:-1:2:0",
            b"\xff",
            b"",
        ] {
            assert_eq!(read(other), Note::Other);
        }
    }
}
