//! Replies as they come in: where each ends, and whether it is an error. Their content is skipped.

/// What arrived is not RESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's reply is not RESP")]
pub struct Malformed;

/// Finds the ends of replies in a stream of bytes, remembering where it stopped.
#[derive(Debug, Default)]
pub struct Replies {
    /// Bytes of the current reply that are understood.
    at: usize,
    /// Elements that the current reply still needs.
    pending: u64,
    is_error: bool,
    /// What the first error said.
    first_error: Option<Vec<u8>>,
}

/// A line longer than this is no reply of a sane server.
const LINE_BYTES_MAX: usize = 1 << 20;

impl Replies {
    /// Looks at the bytes from the current reply's start on. Some when the reply is complete: its length, and
    /// whether it is an error; then the next call begins after it.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, bool)>, Malformed> {
        if self.at == 0 {
            self.pending = 1;
            self.is_error = false;
        }
        while self.pending > 0 {
            let Some(width) = self.element(&bytes[self.at.min(bytes.len())..])? else {
                return Ok(None);
            };
            self.at += width;
            self.pending -= 1;
        }
        let end = std::mem::take(&mut self.at);
        Ok(Some((end, self.is_error)))
    }

    /// The text of the first error there was.
    pub fn take_first_error(&mut self) -> Option<Vec<u8>> {
        self.first_error.take()
    }

    /// The width of one element, whose own elements are added to those pending.
    fn element(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let Some(end) = memchr::memchr(b'\n', bytes) else {
            return if bytes.len() > LINE_BYTES_MAX {
                Err(Malformed)
            } else {
                Ok(None)
            };
        };
        let line = bytes[..end].strip_suffix(b"\r").ok_or(Malformed)?;
        let (kind, rest) = line.split_first().ok_or(Malformed)?;
        let is_top = self.at == 0;
        match kind {
            b'+' | b':' | b'_' | b',' | b'#' | b'(' => Ok(Some(end + 1)),
            b'-' => {
                self.error(is_top, rest);
                Ok(Some(end + 1))
            }
            b'$' | b'=' | b'!' => {
                let width = count(rest)?.map_or(0, |length| length + 2);
                let total = end.checked_add(1).and_then(|head| head.checked_add(width));
                let total = total.ok_or(Malformed)?;
                if bytes.len() < total {
                    return Ok(None);
                }
                if *kind == b'!' {
                    self.error(is_top, &bytes[end + 1..total - 2]);
                }
                Ok(Some(total))
            }
            b'*' | b'~' | b'>' => self.more(count(rest)?, 1, 0).map(|()| Some(end + 1)),
            b'%' => self.more(count(rest)?, 2, 0).map(|()| Some(end + 1)),
            // Attributes precede the element they belong to.
            b'|' => self.more(count(rest)?, 2, 1).map(|()| Some(end + 1)),
            _ => Err(Malformed),
        }
    }

    fn error(&mut self, is_top: bool, text: &[u8]) {
        self.is_error |= is_top;
        self.first_error.get_or_insert_with(|| text.to_vec());
    }

    fn more(&mut self, count: Option<usize>, each: u64, beside: u64) -> Result<(), Malformed> {
        let more = (count.unwrap_or(0) as u64).checked_mul(each);
        self.pending = more
            .and_then(|more| more.checked_add(self.pending)?.checked_add(beside))
            .ok_or(Malformed)?;
        Ok(())
    }
}

/// A length; None for -1, which is no value.
fn count(digits: &[u8]) -> Result<Option<usize>, Malformed> {
    if digits == b"-1" {
        return Ok(None);
    }
    let text = std::str::from_utf8(digits).map_err(|_| Malformed)?;
    text.parse::<u32>()
        .map(|count| Some(count as usize))
        .map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds the bytes one more at a time; returns lengths and errors of the replies.
    fn feed(bytes: &[u8]) -> Result<Vec<(usize, bool)>, Malformed> {
        let mut replies = Replies::default();
        let mut found = Vec::new();
        let mut start = 0;
        for end in 0..=bytes.len() {
            while let Some((length, is_error)) = replies.next(&bytes[start..end])? {
                found.push((length, is_error));
                start += length;
            }
        }
        Ok(found)
    }

    #[test]
    fn replies_end_where_they_end() {
        for (reply, is_error) in [
            ("+OK\r\n", false),
            ("-ERR no\r\n", true),
            ("$-1\r\n", false),
            ("$5\r\na\r\nbc\r\n", false),
            ("*-1\r\n", false),
            ("*0\r\n", false),
            ("*2\r\n*1\r\n:1\r\n-ERR inside\r\n", false),
            ("%1\r\n+a\r\n*1\r\n_\r\n", false),
            ("|1\r\n+a\r\n+b\r\n$1\r\nx\r\n", false),
            ("=7\r\ntxt:abc\r\n", false),
            ("!3\r\nERR\r\n", true),
        ] {
            let twice = format!("{reply}{reply}");
            let expect = (reply.len(), is_error);
            assert_eq!(feed(twice.as_bytes()), Ok(vec![expect, expect]), "{reply}");
        }
        for bad in [
            "x\r\n",
            "\r\n",
            "+a\n",
            "$x\r\n",
            "*-2\r\n",
            "$99999999999\r\n",
        ] {
            assert_eq!(feed(bad.as_bytes()), Err(Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn replies_never_end_beyond_the_bytes(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'*'), Just(b'1')], 0..60)) {
            if let Ok(found) = feed(&bytes) {
                let total: usize = found.iter().map(|(length, _)| length).sum();
                prop_assert!(total <= bytes.len());
            }
        }
    }
}
