//! How commands arrive: requests of the protocol, one at a time.

/// Most words of a command, and most bytes of a word.
const WORDS_MAX: i32 = 1024;
const WORD_BYTES_MAX: i32 = 1024;

/// What the bytes that have come so far are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    Part,
    Words(Vec<Vec<u8>>),
    Nonsense,
}

/// What C's `atoi` reads.
pub fn leading_integer(text: &[u8]) -> i32 {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0_i64, |number, digit| {
        (number * 10 + i64::from(digit - b'0')).min(i64::from(i32::MAX))
    });
    let number = if is_negative { -number } else { number };
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// A number that is written as numbers are printed.
pub fn integer(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}

/// The bytes before the next end of a line, and those behind it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(bytes, b"\r\n")?;
    Some((&bytes[..at], &bytes[at + 2..]))
}

/// Reads a request. What stands before it is nobody's.
pub fn parse(input: &[u8]) -> Arrived {
    if input.is_empty() {
        return Arrived::Part;
    }
    let Some(star) = memchr::memchr(b'*', input) else {
        return Arrived::Nonsense;
    };
    let Some((count, mut rest)) = line(&input[star + 1..]) else {
        return Arrived::Part;
    };
    let count = leading_integer(count);
    if !(1..=WORDS_MAX).contains(&count) {
        return Arrived::Nonsense;
    }
    let mut words = Vec::new();
    for _ in 0..count {
        match rest.first() {
            None => return Arrived::Part,
            Some(b'$') => {}
            Some(_) => return Arrived::Nonsense,
        }
        let Some((len, after)) = line(&rest[1..]) else {
            return Arrived::Part;
        };
        let len = leading_integer(len);
        if !(1..=WORD_BYTES_MAX).contains(&len) {
            return Arrived::Nonsense;
        }
        let len = len as usize;
        let Some(after_word) = after.get(len..len + 2) else {
            return Arrived::Part;
        };
        if after_word != b"\r\n" {
            return Arrived::Nonsense;
        }
        words.push(after[..len].to_vec());
        rest = &after[len + 2..];
    }
    Arrived::Words(words)
}
