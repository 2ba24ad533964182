//! Telling the end of a file that a crash left from damage inside it: are there whole commands behind?

/// Bytes behind the bad place that are searched.
pub(super) const WINDOW_BYTES: u64 = 64 << 20;
/// Words that are looked at in all attempts: a bound for hostile bytes.
const WORDS_MAX: u64 = 1 << 22;

/// So many commands in a row stand in no value by accident.
const RUN: u64 = 16;

/// Where in `bytes` the first whole command begins that begins a line.
///
/// `is_cut`: a command may have been cut, whose value may hold commands itself. Then a few count only if they go on to the
/// very end.
pub(super) fn first_command(bytes: &[u8], is_cut: bool) -> Option<usize> {
    let mut budget = WORDS_MAX;
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'*', &bytes[from..]) {
        let at = from + found;
        from = at + 1;
        if (at == 0 || bytes[at - 1] == b'\n')
            && let Some(len) = command_len(&bytes[at..], &mut budget)
        {
            let (commands, end) = run(bytes, at + len, &mut budget);
            if !is_cut || commands + 1 >= RUN || end == bytes.len() {
                return Some(at);
            }
            from = end;
        }
        if budget == 0 {
            return None;
        }
    }
    None
}

/// How many commands follow one another from an offset on, notes between them, and where that ends.
fn run(bytes: &[u8], from: usize, budget: &mut u64) -> (u64, usize) {
    let (mut commands, mut at) = (0, from);
    while commands < RUN {
        let rest = &bytes[at..];
        if let Some(len) = command_len(rest, budget) {
            commands += 1;
            at += len;
        } else if let (Some(b'#'), Some(end)) = (rest.first(), memchr::memchr(b'\n', rest)) {
            at += end + 1;
        } else {
            break;
        }
    }
    (commands, at)
}

/// The length of the whole command with which `bytes` begins.
fn command_len(bytes: &[u8], budget: &mut u64) -> Option<usize> {
    let (words, mut at) = header(bytes, b'*').filter(|(words, _)| *words > 0)?;
    for word in 0..words {
        *budget = budget.saturating_sub(1);
        let (len, header_len) = header(&bytes[at..], b'$').filter(|_| *budget > 0)?;
        let begin = at + header_len;
        let text = bytes.get(begin..)?.get(..len as usize)?;
        if !bytes[begin + text.len()..].starts_with(b"\r\n") || (word == 0 && !is_name(text)) {
            return None;
        }
        at = begin + text.len() + 2;
    }
    Some(at)
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

#[cfg(test)]
mod tests {
    use super::*;

    const DEL: &[u8] = b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n";

    #[test]
    fn commands_in_a_value_that_is_cut_do_not_count() {
        let value = [DEL, b"#TS:1\r\n", DEL, b"more of the value"].concat();
        let cut = [b"*1\r\n$900\r\n", &value[..]].concat();
        assert_eq!(first_command(&cut[1..], true), None);
        assert_eq!(first_command(&cut[1..], false), Some(9));
        // To the very end, or in a long row, they do.
        let end = [b"*1\r\n$900\r\n", DEL, b"#TS:1\r\n", DEL].concat();
        assert_eq!(first_command(&end[1..], true), Some(9));
        let row = [b"*1\r\n$900\r\n", &DEL.repeat(16)[..], b"text"].concat();
        assert_eq!(first_command(&row[1..], true), Some(9));
        let short = [b"*1\r\n$900\r\n", &DEL.repeat(15)[..], b"text"].concat();
        assert_eq!(first_command(&short[1..], true), None);
    }

    #[test]
    fn a_hostile_file_is_given_up() {
        let hostile = b"*9\r\n$1\r\na\r\n".repeat(1 << 20);
        assert_eq!(first_command(&hostile, true), None);
    }
}
