//! Telling the end of a file that a crash left from damage inside it: are there whole commands behind?

/// Bytes behind the bad place that are searched.
pub(super) const WINDOW_BYTES: u64 = 64 << 20;
/// Words that are looked at in all attempts: a bound for hostile bytes.
const WORDS_MAX: u64 = 1 << 22;

/// Where in `bytes` the first whole command begins that begins a line.
pub(super) fn first_command(bytes: &[u8]) -> Option<usize> {
    let mut budget = WORDS_MAX;
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'*', &bytes[from..]) {
        let at = from + found;
        if (at == 0 || bytes[at - 1] == b'\n') && is_command(&bytes[at..], &mut budget) {
            return Some(at);
        }
        if budget == 0 {
            return None;
        }
        from = at + 1;
    }
    None
}

fn is_command(bytes: &[u8], budget: &mut u64) -> bool {
    let Some((words, mut at)) = header(bytes, b'*') else {
        return false;
    };
    for word in 0..words {
        *budget = budget.saturating_sub(1);
        let Some((len, header_len)) = header(&bytes[at..], b'$').filter(|_| *budget > 0) else {
            return false;
        };
        let begin = at + header_len;
        let Some(text) = bytes.get(begin..).and_then(|rest| rest.get(..len as usize)) else {
            return false;
        };
        if !bytes[begin + text.len()..].starts_with(b"\r\n") || (word == 0 && !is_name(text)) {
            return false;
        }
        at = begin + text.len() + 2;
    }
    words > 0
}

/// Names of commands, those of modules counted.
fn is_name(text: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-|".contains(byte);
    text.first().is_some_and(u8::is_ascii_alphabetic) && text.iter().all(is_letter)
}

/// The number behind a sign, and the length of its line.
fn header(bytes: &[u8], sign: u8) -> Option<(u64, usize)> {
    const DIGITS_MAX: usize = 10;
    let rest = bytes.strip_prefix(&[sign])?;
    let digits = rest
        .iter()
        .take(DIGITS_MAX)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let number = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
    let is_line = rest[digits..].starts_with(b"\r\n");
    is_line.then_some((number, 1 + digits + 2))
}
