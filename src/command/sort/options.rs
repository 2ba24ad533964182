//! The options of SORT.

use std::ops::Range;

use super::Pattern;
use crate::command::argument::{integer, is_word};
use crate::command::errors;
use crate::resp::ErrorReply;

/// What SORT is asked for.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    pub by: Option<Pattern<'a>>,
    pub get: Vec<Pattern<'a>>,
    pub downwards: bool,
    pub alpha: bool,
    pub destination: Option<&'a [u8]>,
    offset: i64,
    /// How many elements at most; negative: all.
    count: i64,
}

impl<'a> Options<'a> {
    /// Reads the words behind the key. `stores`: STORE is known.
    pub fn parse(
        mut words: &[&'a [u8]],
        stores: bool,
        reads_every_key: bool,
    ) -> Result<Self, ErrorReply> {
        let mut options = Self {
            by: None,
            get: Vec::new(),
            downwards: false,
            alpha: false,
            destination: None,
            offset: 0,
            count: -1,
        };
        while let Some((word, rest)) = words.split_first() {
            words = match rest {
                _ if is_word(word, "ASC") => {
                    options.downwards = false;
                    rest
                }
                _ if is_word(word, "DESC") => {
                    options.downwards = true;
                    rest
                }
                _ if is_word(word, "ALPHA") => {
                    options.alpha = true;
                    rest
                }
                [offset, count, rest @ ..] if is_word(word, "LIMIT") => {
                    options.offset = integer(offset)?;
                    options.count = integer(count)?;
                    rest
                }
                [key, rest @ ..] if stores && is_word(word, "STORE") => {
                    options.destination = Some(key);
                    rest
                }
                [pattern, rest @ ..] if is_word(word, "BY") => {
                    // `#` has no place for the element either.
                    let pattern = match Pattern::parse(pattern) {
                        Pattern::Own => Pattern::Constant,
                        pattern => pattern,
                    };
                    if pattern != Pattern::Constant && !reads_every_key {
                        return Err(errors::SORT_BY_DENIED);
                    }
                    options.take_by(pattern);
                    rest
                }
                [pattern, rest @ ..] if is_word(word, "GET") => {
                    if !reads_every_key {
                        return Err(errors::SORT_GET_DENIED);
                    }
                    options.get.push(Pattern::parse(pattern));
                    rest
                }
                _ => return Err(errors::SYNTAX),
            };
        }
        Ok(options)
    }

    /// The last pattern counts, but one without a place for the element has its effect whatever follows.
    fn take_by(&mut self, pattern: Pattern<'a>) {
        if self.by != Some(Pattern::Constant) {
            self.by = Some(pattern);
        }
    }

    /// Whether the elements are not sorted.
    pub fn keeps_order(&self) -> bool {
        self.by == Some(Pattern::Constant)
    }

    /// Which of so many elements are told.
    pub fn range(&self, len: usize) -> Range<usize> {
        let within = |number: i64| usize::try_from(number).unwrap_or(0).min(len);
        let start = within(self.offset);
        let end = if self.count < 0 {
            len
        } else {
            (start + within(self.count)).min(len)
        };
        start..end
    }
}
