//! Replies read back: what a client, or a program that embeds the database, makes of the bytes of an answer.

use super::integer::parse_i64;

/// One reply of any type of RESP2 and RESP3.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Nil,
    /// A status such as `OK`.
    Simple(String),
    /// Code and text, such as `ERR syntax error`.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Array(Vec<Value>),
    Set(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Double(f64),
    Boolean(bool),
    /// Digits of a number of any size.
    BigNumber(String),
    /// Text and the three letters that name its format.
    Verbatim(String, Vec<u8>),
    /// What was not asked for.
    Push(Vec<Value>),
}

/// The bytes are not RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reply is not RESP")]
pub struct NotResp;

/// Replies within replies that are understood.
const DEPTH_MAX: u32 = 64;
/// The longest line of a reply that is no bulk string, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The reply at the front of `bytes` and how many bytes it has; None: more bytes are to come.
pub fn read(bytes: &[u8]) -> Result<Option<(Value, usize)>, NotResp> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.value(0) {
        Ok(value) => Ok(Some((value, reader.at))),
        Err(Stop::Incomplete) => Ok(None),
        Err(Stop::NotResp) => Err(NotResp),
    }
}

/// Why a reply could not be read to its end.
enum Stop {
    Incomplete,
    NotResp,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: u32) -> Result<Value, Stop> {
        if depth > DEPTH_MAX {
            return Err(Stop::NotResp);
        }
        let (kind, line) = self.line()?;
        Ok(match kind {
            b'+' => Value::Simple(text(line)),
            b'-' => Value::Error(text(line)),
            b':' => Value::Int(number(line)?),
            b'_' => Value::Nil,
            b'#' => Value::Boolean(line == b"t"),
            b',' => Value::Double(text(line).parse().map_err(|_| Stop::NotResp)?),
            b'(' => Value::BigNumber(text(line)),
            b'$' => self.bulk(line)?.map_or(Value::Nil, Value::Bulk),
            b'!' => Value::Error(text(&self.bulk(line)?.ok_or(Stop::NotResp)?)),
            b'=' => {
                let whole = self.bulk(line)?.ok_or(Stop::NotResp)?;
                let (format, rest) = whole.split_at_checked(4).ok_or(Stop::NotResp)?;
                Value::Verbatim(text(&format[..3]), rest.to_vec())
            }
            b'*' if line == b"-1" => Value::Nil,
            b'*' => Value::Array(self.list(count(line)?, depth)?),
            b'~' => Value::Set(self.list(count(line)?, depth)?),
            b'>' => Value::Push(self.list(count(line)?, depth)?),
            b'%' => Value::Map(self.pairs(count(line)?, depth)?),
            // Attributes tell of the value behind them.
            b'|' => {
                self.pairs(count(line)?, depth)?;
                self.value(depth + 1)?
            }
            _ => return Err(Stop::NotResp),
        })
    }

    fn line(&mut self) -> Result<(u8, &'a [u8]), Stop> {
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr::memchr(b'\n', rest) else {
            let is_sane = rest.len() <= LINE_BYTES_MAX;
            return Err(if is_sane {
                Stop::Incomplete
            } else {
                Stop::NotResp
            });
        };
        self.at += end + 1;
        let line = rest[..end].strip_suffix(b"\r").ok_or(Stop::NotResp)?;
        let (kind, line) = line.split_first().ok_or(Stop::NotResp)?;
        Ok((*kind, line))
    }

    fn bulk(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
        if line == b"-1" {
            return Ok(None);
        }
        let len = count(line)?;
        let end = self.at.checked_add(len).ok_or(Stop::NotResp)?;
        let whole = end.checked_add(2).ok_or(Stop::NotResp)?;
        if self.bytes.len() < whole {
            return Err(Stop::Incomplete);
        }
        let bytes = self.bytes[self.at..end].to_vec();
        self.at = whole;
        Ok(Some(bytes))
    }

    fn list(&mut self, len: usize, depth: u32) -> Result<Vec<Value>, Stop> {
        (0..len).map(|_| self.value(depth + 1)).collect()
    }

    fn pairs(&mut self, len: usize, depth: u32) -> Result<Vec<(Value, Value)>, Stop> {
        (0..len)
            .map(|_| Ok((self.value(depth + 1)?, self.value(depth + 1)?)))
            .collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(line: &[u8]) -> Result<i64, Stop> {
    parse_i64(line).ok_or(Stop::NotResp)
}

fn count(line: &[u8]) -> Result<usize, Stop> {
    usize::try_from(number(line)?).map_err(|_| Stop::NotResp)
}

/// Appends a request: its words as an array of bulk strings.
pub fn put_request<W: AsRef<[u8]>>(out: &mut Vec<u8>, words: &[W]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        let word = word.as_ref();
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_off_waits_and_what_is_whole_is_read() {
        let cases: [(&[u8], Value); 9] = [
            (b"+OK\r\n", Value::Simple("OK".to_owned())),
            (b"-ERR no\r\n", Value::Error("ERR no".to_owned())),
            (b":-7\r\n", Value::Int(-7)),
            (b"$-1\r\n", Value::Nil),
            (b"$4\r\na\r\nb\r\n", Value::Bulk(b"a\r\nb".to_vec())),
            (
                b"*2\r\n:1\r\n$-1\r\n",
                Value::Array(vec![Value::Int(1), Value::Nil]),
            ),
            (
                b"%1\r\n#t\r\n,1.5\r\n",
                Value::Map(vec![(Value::Boolean(true), Value::Double(1.5))]),
            ),
            (
                b"=5\r\ntxt:x\r\n",
                Value::Verbatim("txt".to_owned(), b"x".to_vec()),
            ),
            (b"|1\r\n+a\r\n+b\r\n:3\r\n", Value::Int(3)),
        ];
        for (bytes, expect) in cases {
            for len in 0..bytes.len() {
                assert_eq!(read(&bytes[..len]), Ok(None), "{len} bytes of {bytes:?}");
            }
            let more = [bytes, b":9\r\n"].concat();
            assert_eq!(read(&more), Ok(Some((expect, bytes.len()))));
        }
    }

    #[test]
    fn other_bytes_and_endless_nesting_are_refused() {
        assert_eq!(read(b"hello\r\n"), Err(NotResp));
        assert_eq!(read(b"$-2\r\n"), Err(NotResp));
        assert_eq!(read(b"*1\r\n".repeat(1000).as_slice()), Err(NotResp));
    }
}
