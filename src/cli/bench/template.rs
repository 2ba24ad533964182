//! Requests: templates with places for a key and for data, encoded in RESP.

use std::io::Write;

use crate::config::words;
use crate::resp::encode;

const KEY: &[u8] = b"__key__";
const DATA: &[u8] = b"__data__";
/// A key is `key:` and twelve digits.
const KEY_BYTES: usize = 16;

/// Why a template is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("the quotes of --command are not balanced")]
    Quotes,
    #[error("--command is empty")]
    Empty,
}

/// What the requests of a load are: all of one template, or some percent of the first and the rest of the second.
#[derive(Clone, Debug)]
pub struct Mix {
    first: Template,
    second: Option<(Template, u32)>,
}

impl Mix {
    /// `writes` is the percentage of SET in `mixed`.
    pub fn parse(command: &str, writes: u32) -> Result<Self, TemplateError> {
        let set = || Template::parse("SET __key__ __data__");
        let get = || Template::parse("GET __key__");
        Ok(match command.to_ascii_lowercase().as_str() {
            "set" => Self::one(set()?),
            "get" => Self::one(get()?),
            "mixed" => Self {
                first: set()?,
                second: Some((get()?, 100 - writes)),
            },
            _ => Self::one(Template::parse(command)?),
        })
    }

    fn one(first: Template) -> Self {
        Self {
            first,
            second: None,
        }
    }

    /// The template of the next request; `draw` is below 100.
    pub fn pick(&self, draw: u32) -> &Template {
        match &self.second {
            Some((second, share)) if draw < *share => second,
            _ => &self.first,
        }
    }
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Key,
    Data,
}

/// A request with places for a key and for data.
#[derive(Clone, Debug)]
pub struct Template {
    words: Vec<Vec<Part>>,
}

impl Template {
    fn parse(command: &str) -> Result<Self, TemplateError> {
        let words = words::split(command.as_bytes()).ok_or(TemplateError::Quotes)?;
        if words.is_empty() {
            return Err(TemplateError::Empty);
        }
        let words = words.iter().map(|word| parts(word)).collect();
        Ok(Self { words })
    }

    /// Appends a request.
    pub fn write(&self, key: u64, data: &[u8], out: &mut Vec<u8>) {
        let mut text = [0; KEY_BYTES];
        write!(&mut text[..], "key:{key:012}").expect("keys have at most twelve digits");
        encode::array(out, self.words.len() as u64);
        for word in &self.words {
            let length = |part: &Part| match part {
                Part::Bytes(bytes) => bytes.len(),
                Part::Key => KEY_BYTES,
                Part::Data => data.len(),
            };
            encode::bulk_header(out, word.iter().map(length).sum::<usize>() as u64);
            for part in word {
                out.extend_from_slice(match part {
                    Part::Bytes(bytes) => bytes,
                    Part::Key => &text,
                    Part::Data => data,
                });
            }
            out.extend_from_slice(encode::LINE_END);
        }
    }
}

/// Splits a word at its places.
fn parts(mut word: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    loop {
        let place = [(KEY, Part::Key), (DATA, Part::Data)]
            .into_iter()
            .filter_map(|(name, part)| Some((memchr::memmem::find(word, name)?, name.len(), part)))
            .min_by_key(|(at, ..)| *at);
        let Some((at, width, part)) = place else {
            parts.push(Part::Bytes(word.to_vec()));
            return parts;
        };
        parts.push(Part::Bytes(word[..at].to_vec()));
        parts.push(part);
        word = &word[at + width..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: &str, expect: &str) {
        let mut out = Vec::new();
        let mix = Mix::parse(command, 50).expect("a template");
        mix.pick(99).write(7, b"xy", &mut out);
        assert_eq!(String::from_utf8(out).expect("text"), expect);
    }

    #[test]
    fn templates_become_requests() {
        check("get", "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000007\r\n");
        check(
            "SET",
            "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000007\r\n$2\r\nxy\r\n",
        );
        check(
            "HSET a__key__b 'f g' __data____data__",
            "*4\r\n$4\r\nHSET\r\n$18\r\nakey:000000000007b\r\n$3\r\nf g\r\n$4\r\nxyxy\r\n",
        );
        assert_eq!(
            Mix::parse("SET 'x", 0).expect_err("quotes"),
            TemplateError::Quotes
        );
        assert_eq!(
            Mix::parse("  ", 0).expect_err("empty"),
            TemplateError::Empty
        );
    }

    #[test]
    fn a_mix_has_its_share_of_writes() {
        let mix = Mix::parse("mixed", 30).expect("a mix");
        let writes = (0..100)
            .filter(|draw| mix.pick(*draw).words.len() == 3)
            .count();
        assert_eq!(writes, 30);
    }
}
