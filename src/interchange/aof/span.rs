//! Which bytes of an increment its database wrote. Each write is announced by a note that says how many bytes follow and
//! what they give, and the last of those are a note that says where it stands. So those of another server that goes on
//! with the file are told from ours, and from ours of which a crash has left a part: nobody writes our notes behind what
//! another server wrote.
//!
//! ```text
//! #REDKEEP identity lsn life   the first line: what precedes the increment is everything up to transaction lsn. The same line
//!                           before a write: another life of the database goes on, from transaction lsn on
//! #RK:lsn:bytes:crc         the bytes that follow, of which crc is the CRC-32, lead to transaction lsn
//! #RK.offset                the last line of those bytes, which begins at this offset of the file, in hexadecimal
//! ```

use std::io::{self, BufRead, Read};

use memchr::memmem;

use super::note::{self, END_LINE_BYTES, Note};

/// The longest line of these.
const LINE_BYTES_MAX: u64 = 128;
/// Bytes read together.
const STEP_BYTES: usize = 64 * 1024;

/// What stands at an offset of an increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The end of the file.
    Nothing,
    /// An announced write, up to `end`, which leads to transaction `lsn`.
    Whole { lsn: u64, end: u64 },
    /// A line, up to `end`, that names the life which goes on.
    Placed { end: u64 },
    /// A write that is shorter than it was announced, or a part of the announcement.
    Short,
    /// As many bytes as were announced, up to `end`, and other ones.
    Other { end: u64 },
    /// A line that begins as an announcement and is none.
    Broken,
    /// What nobody announced.
    Unannounced,
}

/// How far an increment is its database's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// As the first line says; None: there is no such line.
    pub identity: Option<String>,
    pub lsn: u64,
    /// The life of the database that led there; None: the file does not say.
    pub life: Option<String>,
    /// Offset of the first byte that is not as the database wrote it.
    pub end: u64,
    /// What stands there; never a whole write.
    pub behind: Next,
}

/// Follows an increment from its start.
pub fn own(source: &mut dyn BufRead) -> io::Result<Own> {
    let mut own = Own {
        identity: None,
        lsn: 0,
        life: None,
        end: 0,
        behind: Next::Nothing,
    };
    let first = line(source)?;
    let Some(Note::Place {
        identity,
        lsn,
        life,
    }) = note_of(&first)
    else {
        own.behind = behind(&first);
        return Ok(own);
    };
    (own.identity, own.lsn) = (Some(identity.to_owned()), lsn);
    own.life = life.map(str::to_owned);
    own.end = first.len() as u64;
    // A life counts from its first whole write on: its line is written with that.
    let (mut at, mut life, mut placed) = (own.end, own.life.clone(), None);
    loop {
        let line = line(source)?;
        match behind_line(source, &line, at)? {
            Next::Whole { lsn, end } => {
                (own.lsn, own.end, at) = (lsn, end, end);
                own.life.clone_from(&life);
                placed = None;
            }
            found @ Next::Placed { end } if let Some(name) = life_of(&line, &own) => {
                life = Some(name);
                placed = placed.or(Some(found));
                at = end;
            }
            found => {
                own.behind = placed.unwrap_or(found);
                return Ok(own);
            }
        }
    }
}

/// The life that a line names with which the file goes on where it is.
fn life_of(line: &[u8], own: &Own) -> Option<String> {
    match note_of(line)? {
        Note::Place {
            identity,
            lsn,
            life: Some(life),
        } if own.identity.as_deref() == Some(identity) && own.lsn == lsn => Some(life.to_owned()),
        _ => None,
    }
}

/// What stands at the offset `at`, where `source` is.
pub fn next(source: &mut dyn BufRead, at: u64) -> io::Result<Next> {
    let line = line(source)?;
    behind_line(source, &line, at)
}

/// What stands at the offset `at`, of which `line` is read.
fn behind_line(source: &mut dyn BufRead, line: &[u8], at: u64) -> io::Result<Next> {
    let (bytes, crc, lsn) = match note_of(line) {
        Some(Note::Span { lsn, bytes, crc }) => (bytes, crc, lsn),
        Some(Note::Place { life: Some(_), .. }) => {
            let end = at + line.len() as u64;
            return Ok(Next::Placed { end });
        }
        _ => return Ok(behind(line)),
    };
    let (read, found) = checksum(source, bytes)?;
    let end = at + line.len() as u64 + read;
    Ok(if read < bytes {
        Next::Short
    } else if found != crc {
        Next::Other { end }
    } else {
        Next::Whole { lsn, end }
    })
}

/// A write of these bytes at the offset `at`, which leads to transaction `lsn`: announced and ended.
pub fn announced(lsn: u64, mut bytes: Vec<u8>, at: u64) -> Vec<u8> {
    let len = bytes.len() + END_LINE_BYTES;
    // All sums have as many digits.
    let announcement_len = note::span_line_of(lsn, len, 0).len();
    let end_at = at + (announcement_len + bytes.len()) as u64;
    bytes.extend_from_slice(note::end_line(end_at).as_bytes());
    let announcement = note::span_line(lsn, &bytes);
    assert_eq!(
        announcement.len(),
        announcement_len,
        "the end line is where it says"
    );
    bytes.splice(0..0, announcement.into_bytes());
    bytes
}

/// The end of the last line from offset `at` on, where `source` is, that ends what was announced: everything before was
/// written by the database of the file, however it looks now.
pub fn last_end(source: &mut dyn Read, at: u64) -> io::Result<Option<u64>> {
    let begins = memmem::Finder::new("#RK.");
    let (mut found, mut window, mut window_at) = (None, Vec::new(), at);
    loop {
        let read = Read::take(&mut *source, STEP_BYTES as u64).read_to_end(&mut window)?;
        for place in begins.find_iter(&window) {
            let (line_at, line) = (window_at + place as u64, &window[place..]);
            let line = &line[..line.len().min(END_LINE_BYTES)];
            if note_of(line) == Some(Note::End { at: line_at }) {
                found = Some(line_at + END_LINE_BYTES as u64);
            }
        }
        if read == 0 {
            return Ok(found);
        }
        // A line may stand across the edge.
        let passed = window.len().saturating_sub(END_LINE_BYTES - 1);
        window.drain(..passed);
        window_at += passed as u64;
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
fn behind(line: &[u8]) -> Next {
    let begins = |whole: &str| {
        let len = line.len().min(whole.len());
        line[..len] == whole.as_bytes()[..len]
    };
    if line.is_empty() {
        Next::Nothing
    } else if !begins("#REDKEEP ") && !begins("#RK:") {
        Next::Unannounced
    } else if line.ends_with(b"\n") {
        Next::Broken
    } else {
        Next::Short
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
        let head = note::place_line("abc", 7, "def");
        let head = head.as_bytes();
        let (first, second) = (span(8, SET), span(9, b""));
        let whole = of(&[head, &first, &second]);
        assert_eq!(whole.identity.as_deref(), Some("abc"));
        assert_eq!((whole.lsn, whole.behind), (9, Next::Nothing));
        assert_eq!(whole.end, (head.len() + first.len() + second.len()) as u64);
        let end = whole.end;
        for more in [SET, b"#TS:1\r\n", b"junk", &[0; 9]] {
            let longer = of(&[head, &first, &second, more]);
            assert_eq!((longer.lsn, longer.end), (9, end));
            assert_eq!(longer.behind, Next::Unannounced, "{}", more.escape_ascii());
        }
    }

    #[test]
    fn every_cut_is_short_and_every_flip_is_noticed() {
        let head = note::place_line("abc", 7, "def");
        let head = head.as_bytes();
        let first = span(8, SET);
        for cut in 1..first.len() {
            let found = of(&[head, &first[..cut]]);
            let expect = (7, head.len() as u64, Next::Short);
            assert_eq!((found.lsn, found.end, found.behind), expect, "{cut}");
        }
        for cut in 1..head.len() {
            let found = of(&[&head[..cut]]);
            assert_eq!((found.identity, found.behind), (None, Next::Short), "{cut}");
        }
        for at in first.len() - SET.len()..first.len() {
            let mut flipped = first.clone();
            flipped[at] ^= 1;
            let found = of(&[head, &flipped, &span(9, SET)]);
            let end = (head.len() + first.len()) as u64;
            assert_eq!((found.lsn, found.behind), (7, Next::Other { end }), "{at}");
        }
    }

    #[test]
    fn a_life_counts_from_its_first_whole_write_on() {
        let head = note::place_line("abc", 7, "def");
        let (head, first, second) = (head.as_bytes(), span(8, SET), span(9, SET));
        let line = note::place_line("abc", 8, "ghi");
        let line = line.as_bytes();
        let found = of(&[head, &first, line, &second]);
        let expect = (Some("ghi"), 9, Next::Nothing);
        assert_eq!((found.life.as_deref(), found.lsn, found.behind), expect);
        let before = head.len() + first.len();
        let end = (before + line.len()) as u64;
        for cut in 0..second.len() {
            let found = of(&[head, &first, line, &second[..cut]]);
            assert_eq!((found.life.as_deref(), found.lsn), (Some("def"), 8));
            assert_eq!(
                (found.end, found.behind),
                (before as u64, Next::Placed { end })
            );
        }
        // Of another database, or of another place.
        for line in [
            note::place_line("ab", 8, "ghi"),
            note::place_line("abc", 9, "ghi"),
        ] {
            let found = of(&[head, &first, line.as_bytes(), &second]);
            assert_eq!((found.life.as_deref(), found.lsn), (Some("def"), 8));
        }
        // As files of before say it.
        let old = of(&[b"#REDKEEP abc 7\r\n", &first]);
        assert_eq!((old.life, old.lsn), (None, 8));
    }

    #[test]
    fn files_without_our_first_line_are_not_ours() {
        for (bytes, behind) in [
            (SET, Next::Unannounced),
            (b"#REDKEEP abc\r\n", Next::Broken),
            (b"#REDKEEP a b\r\n", Next::Broken),
            (&span(1, SET), Next::Broken),
        ] {
            let found = of(&[bytes]);
            assert_eq!((found.identity, found.behind), (None, behind));
        }
        assert_eq!(of(&[]).behind, Next::Nothing);
    }

    #[test]
    fn the_last_end_line_is_found_wherever_it_stands() {
        for len in [
            0,
            1,
            STEP_BYTES - 40,
            STEP_BYTES - 9,
            STEP_BYTES,
            3 * STEP_BYTES,
        ] {
            let bytes = announced(8, vec![b'x'; len], 5);
            let end = 5 + bytes.len() as u64;
            let behind = [&bytes, &b"#RK.000000000000\r\n#RK."[..]].concat();
            assert_eq!(
                last_end(&mut &behind[..], 5).expect("memory"),
                Some(end),
                "{len}"
            );
            assert_eq!(
                last_end(&mut &behind[..], 6).expect("memory"),
                None,
                "{len}"
            );
        }
    }
}
