//! Which bytes of an increment its database wrote. Each write is announced by a note that says how many bytes follow and
//! what they give, so that those of another server that goes on with the file are told from ours, and from ours that a
//! crash has cut.
//!
//! ```text
//! #REDKEEP identity lsn     the first line: what precedes the increment is everything up to transaction lsn
//! #RK:lsn:bytes:crc         the bytes that follow, of which crc is the CRC-32, lead to transaction lsn
//! ```

use std::io::{self, BufRead, Read};

use super::note::{self, Note};

/// The longest line of these.
const LINE_BYTES_MAX: u64 = 128;
/// Bytes read together.
const STEP_BYTES: usize = 64 * 1024;

/// What stands behind the last bytes that are the database's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    Nothing,
    /// A write that is shorter than it was announced.
    Short,
    /// As many bytes as were announced, and other ones.
    Other,
    /// What nobody announced.
    Unannounced,
}

/// How far an increment is its database's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// As the first line says; None: there is no such line.
    pub identity: Option<String>,
    pub lsn: u64,
    /// Offset of the first byte that is not, or not surely, the database's.
    pub end: u64,
    pub behind: Behind,
}

/// Follows an increment from its start.
pub fn own(source: &mut dyn BufRead) -> io::Result<Own> {
    let mut own = Own {
        identity: None,
        lsn: 0,
        end: 0,
        behind: Behind::Nothing,
    };
    let first = line(source)?;
    let Some(Note::Place { identity, lsn }) = note_of(&first) else {
        own.behind = behind(&first);
        return Ok(own);
    };
    (own.identity, own.lsn) = (Some(identity.to_owned()), lsn);
    own.end = first.len() as u64;
    loop {
        let line = line(source)?;
        let Some(Note::Span { lsn, bytes, crc }) = note_of(&line) else {
            own.behind = behind(&line);
            return Ok(own);
        };
        let (read, found) = checksum(source, bytes)?;
        if read < bytes {
            own.behind = Behind::Short;
            return Ok(own);
        }
        if found != crc {
            own.behind = Behind::Other;
            return Ok(own);
        }
        own.lsn = lsn;
        own.end += line.len() as u64 + bytes;
    }
}

/// A line with its end; without one where it is long, or the last.
fn line(source: &mut dyn BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    Read::take(source, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    Ok(line)
}

fn note_of(line: &[u8]) -> Option<Note<'_>> {
    let text = line.strip_prefix(b"#")?.strip_suffix(b"\r\n")?;
    Some(note::read(text))
}

/// What a line is that announces nothing.
fn behind(line: &[u8]) -> Behind {
    let begins = |whole: &str| {
        let len = line.len().min(whole.len());
        line[..len] == whole.as_bytes()[..len] && !line.ends_with(b"\n")
    };
    if line.is_empty() {
        Behind::Nothing
    } else if begins("#REDKEEP ") || begins("#RK:") {
        Behind::Short
    } else {
        Behind::Unannounced
    }
}

/// How many of `bytes` bytes are there, and their CRC-32.
fn checksum(source: &mut dyn BufRead, bytes: u64) -> io::Result<(u64, u32)> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; STEP_BYTES];
    let mut limited = Read::take(source, bytes);
    let mut read = 0;
    loop {
        let step = limited.read(&mut buffer)?;
        if step == 0 {
            return Ok((read, hasher.finalize()));
        }
        hasher.update(&buffer[..step]);
        read += step as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";

    fn span(lsn: u64, bytes: &[u8]) -> Vec<u8> {
        [note::span_line(lsn, bytes).as_bytes(), bytes].concat()
    }

    fn of(parts: &[&[u8]]) -> Own {
        own(&mut &parts.concat()[..]).expect("memory")
    }

    #[test]
    fn what_was_announced_is_ours_and_no_byte_more() {
        let head = note::place_line("abc", 7);
        let head = head.as_bytes();
        let (first, second) = (span(8, SET), span(9, b""));
        let whole = of(&[head, &first, &second]);
        assert_eq!(whole.identity.as_deref(), Some("abc"));
        assert_eq!((whole.lsn, whole.behind), (9, Behind::Nothing));
        assert_eq!(whole.end, (head.len() + first.len() + second.len()) as u64);
        let end = whole.end;
        for more in [SET, b"#TS:1\r\n", b"junk", &[0; 9]] {
            let longer = of(&[head, &first, &second, more]);
            assert_eq!((longer.lsn, longer.end), (9, end));
            assert_eq!(
                longer.behind,
                Behind::Unannounced,
                "{}",
                more.escape_ascii()
            );
        }
    }

    #[test]
    fn every_cut_is_short_and_every_flip_is_noticed() {
        let head = note::place_line("abc", 7);
        let head = head.as_bytes();
        let first = span(8, SET);
        for cut in 1..first.len() {
            let found = of(&[head, &first[..cut]]);
            let expect = (7, head.len() as u64, Behind::Short);
            assert_eq!((found.lsn, found.end, found.behind), expect, "{cut}");
        }
        for cut in 1..head.len() {
            let found = of(&[&head[..cut]]);
            assert_eq!(
                (found.identity, found.behind),
                (None, Behind::Short),
                "{cut}"
            );
        }
        for at in first.len() - SET.len()..first.len() {
            let mut flipped = first.clone();
            flipped[at] ^= 1;
            let found = of(&[head, &flipped, &span(9, SET)]);
            assert_eq!((found.lsn, found.behind), (7, Behind::Other), "{at}");
        }
    }

    #[test]
    fn files_without_our_first_line_are_not_ours() {
        for bytes in [SET, b"#REDKEEP abc\r\n", b"#REDKEEP a b\r\n", &span(1, SET)] {
            let found = of(&[bytes]);
            let expect = (None, Behind::Unannounced);
            assert_eq!((found.identity, found.behind), expect);
        }
        assert_eq!(of(&[]).behind, Behind::Nothing);
    }
}
