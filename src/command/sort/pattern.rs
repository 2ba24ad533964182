//! The patterns of BY and GET, and what is found under the keys they make.

use crate::command::Call;
use crate::keyspace::Look;
use crate::keyspace::hash;
use crate::keyspace::header::Kind;
use crate::resp::text::until_nul;
use crate::storage::{Body, Error};

/// A pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern<'a> {
    /// `#`: the element itself.
    Own,
    /// No key is made of the element, and nothing is found.
    Constant,
    /// The element between two parts is a key, which holds a hash if there is a field.
    Key {
        front: &'a [u8],
        back: &'a [u8],
        field: Option<&'a [u8]>,
    },
}

impl<'a> Pattern<'a> {
    /// Reads a word; what stands behind a zero byte only counts as a part of keys.
    pub fn parse(word: &'a [u8]) -> Self {
        let text = until_nul(word);
        if text == b"#" {
            return Self::Own;
        }
        let Some(star) = memchr::memchr(b'*', text) else {
            return Self::Constant;
        };
        let behind = star + 1;
        let arrow = memchr::memmem::find(&text[behind..], b"->").map(|at| behind + at);
        let arrow = arrow.filter(|at| at + 2 < text.len());
        Self::Key {
            front: &word[..star],
            back: &word[behind..arrow.unwrap_or(word.len())],
            field: arrow.map(|at| &word[at + 2..]),
        }
    }
}

/// Look-ups of one command.
#[derive(Debug, Default)]
pub struct Lookups {
    /// Fields of hashes that were met and are due.
    pub due: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Where a value is.
enum Place {
    Here(Vec<u8>),
    String(u64),
    /// In a field of a large hash, or of pages of its own.
    Field,
}

impl Lookups {
    /// What is found for an element.
    pub fn find(
        &mut self,
        call: &mut Call<'_>,
        pattern: Pattern<'_>,
        element: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let Pattern::Key { front, back, field } = pattern else {
            return Ok((pattern == Pattern::Own).then(|| element.to_vec()));
        };
        let key = [front, element, back].concat();
        let (db, now_ms) = (call.client.db, call.now_ms);
        let place = match (call.keyspace.lookup(db, &key, now_ms, Look::READ)?, field) {
            (Some(entry), None) if entry.header.kind == Kind::String => match entry.inline() {
                Some(bytes) => Place::Here(bytes.to_vec()),
                None => Place::String(entry.len()),
            },
            (Some(entry), Some(_)) if entry.header.kind == Kind::Hash => Place::Field,
            _ => return Ok(None),
        };
        match (place, field) {
            (Place::Here(bytes), _) => Ok(Some(bytes)),
            (Place::String(len), _) => {
                let mut bytes = Vec::new();
                call.keyspace.read_value(db, &key, 0, len, &mut bytes)?;
                Ok(Some(bytes))
            }
            (Place::Field, Some(field)) => self.field(call, key, field),
            (Place::Field, None) => Ok(None),
        }
    }

    fn field(
        &mut self,
        call: &mut Call<'_>,
        key: Vec<u8>,
        field: &[u8],
    ) -> Result<Option<Vec<u8>>, Error> {
        let (db, now_ms) = (call.client.db, call.now_ms);
        let is_large = match call.keyspace.lookup(db, &key, now_ms, Look::UNSEEN)? {
            Some(entry) => match hash::find_small(&entry, field) {
                Some(found) => {
                    let Some(found) = found else {
                        return Ok(None);
                    };
                    if found.is_due(now_ms) {
                        self.due.push((key, field.to_vec()));
                        return Ok(None);
                    }
                    if let Body::Inline(value) = found.value {
                        return Ok(Some(value.to_vec()));
                    }
                    false
                }
                None => true,
            },
            None => return Ok(None),
        };
        let len = match call.keyspace.hash_field(db, &key, field, is_large)? {
            None => return Ok(None),
            Some(found) if found.is_due(now_ms) => {
                self.due.push((key, field.to_vec()));
                return Ok(None);
            }
            Some(found) => match found.value {
                Body::Inline(value) => return Ok(Some(value.to_vec())),
                Body::Blob { len } => len,
            },
        };
        let mut bytes = Vec::new();
        call.keyspace
            .read_field(db, &key, field, 0, len, &mut bytes)?;
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_keys_with_a_place_for_the_element() {
        let key =
            |front: &'static str, back: &'static str, field: Option<&'static str>| Pattern::Key {
                front: front.as_bytes(),
                back: back.as_bytes(),
                field: field.map(str::as_bytes),
            };
        assert_eq!(Pattern::parse(b"#"), Pattern::Own);
        assert_eq!(Pattern::parse(b"nosort"), Pattern::Constant);
        assert_eq!(Pattern::parse(b"a\0*"), Pattern::Constant);
        assert_eq!(Pattern::parse(b"w_*"), key("w_", "", None));
        assert_eq!(Pattern::parse(b"a*b*c"), key("a", "b*c", None));
        assert_eq!(
            Pattern::parse(b"a->*b->c->d"),
            key("a->", "b", Some("c->d"))
        );
        assert_eq!(Pattern::parse(b"a*->"), key("a", "->", None));
    }
}
