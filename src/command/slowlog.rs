//! SLOWLOG: the commands that took longest.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::client::Client;
use super::{Call, Outcome, argument, errors, help};
use crate::resp::ErrorReply;

/// Words of a command that an entry keeps, and bytes of a word.
const WORDS_MAX: usize = 32;
const WORD_BYTES_MAX: usize = 128;
/// How many entries SLOWLOG GET answers unless told.
const COUNT_DEFAULT: i64 = 10;

/// One slow command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: u64,
    /// Wall time, seconds.
    pub time_s: u64,
    pub duration_us: u64,
    pub words: Vec<Vec<u8>>,
    pub addr: String,
    pub name: Option<Arc<[u8]>>,
}

/// The log: newest first, bounded by `slowlog-max-len`.
#[derive(Debug, Default)]
pub struct Slowlog {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl Entry {
    /// A command, without number yet; of many or long words only the first are kept, and how much is missing.
    pub fn new(words: &[&[u8]], duration_us: u64, time_s: u64, client: Option<&Client>) -> Self {
        Self {
            id: 0,
            time_s,
            duration_us,
            words: shortened(words),
            addr: client.map_or_else(String::new, |client| client.entry.addr.clone()),
            name: client.and_then(|client| client.name.clone()),
        }
    }
}

impl Slowlog {
    /// Adds an entry under the next number.
    pub fn add(&self, entry: Entry, len_max: usize) {
        let mut inner = self.inner.lock();
        let id = inner.next_id;
        inner.next_id += 1;
        inner.entries.push_front(Entry { id, ..entry });
        inner.entries.truncate(len_max);
    }

    /// Passes over the numbers of `count` entries that later ones have already pushed out.
    pub fn pass(&self, count: u64) {
        self.inner.lock().next_id += count;
    }

    pub fn len(&self) -> usize {
        self.inner.lock().entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn reset(&self) {
        self.inner.lock().entries.clear();
    }

    /// The newest `count` entries.
    pub fn newest(&self, count: usize) -> Vec<Entry> {
        self.inner
            .lock()
            .entries
            .iter()
            .take(count)
            .cloned()
            .collect()
    }
}

fn shortened(words: &[&[u8]]) -> Vec<Vec<u8>> {
    let kept = words.len().min(WORDS_MAX);
    let mut out = Vec::with_capacity(kept);
    for (at, word) in words[..kept].iter().enumerate() {
        if kept != words.len() && at == kept - 1 {
            out.push(format!("... ({} more arguments)", words.len() - kept + 1).into_bytes());
        } else if word.len() > WORD_BYTES_MAX {
            let mut short = word[..WORD_BYTES_MAX].to_vec();
            short.extend(format!("... ({} more bytes)", word.len() - WORD_BYTES_MAX).into_bytes());
            out.push(short);
        } else {
            out.push(word.to_vec());
        }
    }
    out
}

/// SLOWLOG GET [count]
pub fn get(call: &mut Call<'_>) -> Outcome {
    const RANGE: ErrorReply = ErrorReply::new("ERR count should be greater than or equal to -1");
    let count = match call.args {
        [_, _] => COUNT_DEFAULT,
        [_, _, count] => argument::integer_in(count, -1..=i64::MAX, RANGE)?,
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let entries = call.server.slowlog.newest(count);
    let out = &mut *call.out;
    out.array(entries.len());
    for entry in &entries {
        out.array(6);
        out.int(entry.id as i64);
        out.int(entry.time_s as i64);
        out.int(entry.duration_us as i64);
        out.array(entry.words.len());
        for word in &entry.words {
            out.bulk(word);
        }
        out.bulk(entry.addr.as_bytes());
        out.bulk(entry.name.as_deref().unwrap_or_default());
    }
    Ok(())
}

/// SLOWLOG LEN
pub fn len(call: &mut Call<'_>) -> Outcome {
    call.out.int(call.server.slowlog.len() as i64);
    Ok(())
}

/// SLOWLOG RESET
pub fn reset(call: &mut Call<'_>) -> Outcome {
    call.server.slowlog.reset();
    call.out.ok();
    Ok(())
}

/// SLOWLOG HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::SLOWLOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_keeps_the_first_words_and_says_what_is_missing() {
        let long = vec![b'x'; 130];
        let mut words: Vec<&[u8]> = vec![b"w"; 40];
        words[1] = &long;
        let kept = shortened(&words);
        assert_eq!(kept.len(), WORDS_MAX);
        assert_eq!(kept[1], [&long[..128], b"... (2 more bytes)"].concat());
        assert_eq!(kept[31], b"... (9 more arguments)");
        assert_eq!(shortened(&words[..32]).last().unwrap(), b"w");
    }
}
