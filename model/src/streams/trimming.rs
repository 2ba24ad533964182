//! The words of XADD and XTRIM, and what they trim.

use super::{Id, Stream, words};
use crate::errors::{self, Failure};
use crate::numbers::integer;

#[derive(Clone, Copy, Debug)]
enum Wish {
    Len(usize),
    From(Id),
}

pub struct AddWords {
    wish: Option<Wish>,
    approximate: bool,
    limit: usize,
    pub only_existing: bool,
    /// None: `*`.
    pub id: Option<(u64, Option<u64>)>,
    /// The first word behind the ID.
    pub end: usize,
}

impl AddWords {
    pub fn parse(args: &[Vec<u8>], adds: bool) -> Result<AddWords, Failure> {
        let mut words = AddWords {
            wish: None,
            approximate: false,
            limit: 0,
            only_existing: false,
            id: None,
            end: usize::MAX,
        };
        let mut limit = None;
        let mut at = 2;
        while at < args.len() {
            let word = args[at].to_ascii_uppercase();
            let more = at + 1 < args.len();
            match word.as_slice() {
                b"*" if adds => {
                    words.end = at + 1;
                    break;
                }
                b"MAXLEN" | b"MINID" if more => at = words.strategy(args, at)?,
                b"LIMIT" if more => {
                    at += 1;
                    let number = integer(&args[at])?;
                    let number = usize::try_from(number);
                    limit =
                        Some(number.map_err(|_| errors::err("The LIMIT argument must be >= 0."))?);
                }
                b"NOMKSTREAM" if adds => words.only_existing = true,
                _ if adds => {
                    words.id = Some(super::words::partial(&args[at], 0)?);
                    words.end = at + 1;
                    break;
                }
                _ => return Err(errors::syntax()),
            }
            at += 1;
        }
        words.check(limit, adds)?;
        Ok(words)
    }

    fn strategy(&mut self, args: &[Vec<u8>], at: usize) -> Result<usize, Failure> {
        if self.wish.is_some() {
            return Err(errors::err(
                "syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let mut value = at + 1;
        let operator = at + 2 < args.len();
        self.approximate = operator && args[value] == b"~";
        if operator && (args[value] == b"~" || args[value] == b"=") {
            value += 1;
        }
        self.wish = Some(if args[at].eq_ignore_ascii_case(b"MAXLEN") {
            let len = usize::try_from(integer(&args[value])?);
            Wish::Len(len.map_err(|_| errors::err("The MAXLEN argument must be >= 0."))?)
        } else {
            Wish::From(words::id(&args[value], 0)?)
        });
        Ok(value)
    }

    fn check(&mut self, limit: Option<usize>, adds: bool) -> Result<(), Failure> {
        if limit.unwrap_or(0) > 0 && self.wish.is_none() {
            return Err(errors::err(
                "syntax error, LIMIT cannot be used without specifying a trimming strategy",
            ));
        }
        if !adds && self.wish.is_none() {
            return Err(errors::err(
                "syntax error, XTRIM must be called with a trimming strategy",
            ));
        }
        if limit.is_some() && !self.approximate {
            return Err(errors::err(
                "syntax error, LIMIT cannot be used without the special ~ option",
            ));
        }
        // A hundred nodes of a hundred entries.
        self.limit = limit.unwrap_or(if self.approximate { 10_000 } else { 0 });
        Ok(())
    }

    /// Returns how many entries went.
    pub fn trim(&self, stream: &mut Stream) -> usize {
        let Some(wish) = self.wish else {
            return 0;
        };
        let before = stream.len();
        while let Some(node) = stream.nodes.first() {
            let (len, live) = (stream.len(), node.live());
            let done = before - len;
            if self.limit > 0 && done + live > self.limit {
                break;
            }
            let goes = match wish {
                Wish::Len(most) => len > most && len - live >= most,
                Wish::From(id) => node.last_id() < id,
            };
            if !goes {
                break;
            }
            stream.nodes.remove(0);
        }
        if !self.approximate {
            while stream.len() > 0 {
                let first = stream.first_id();
                let goes = match wish {
                    Wish::Len(most) => stream.len() > most,
                    Wish::From(id) => first < id,
                };
                if !goes {
                    break;
                }
                super::nodes::delete(&mut stream.nodes, first);
            }
        }
        before - stream.len()
    }
}
