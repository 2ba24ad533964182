//! The lives of the data: what tells one history of a database from another that has the same name and the same number of
//! transactions, because a copy was put back. Each life that changes something gets a random name in a transaction before its
//! first, once anything beside the file goes by it. So a transaction of a life has one history.

use super::{IDENTITY_KEY, Keyspace, LIVES_KEY, OWN_ROOT};
use crate::storage::{Engine, Error, OnMiss, Plan, Read};

/// How many are kept, the newest.
const LIVES_MAX: usize = 32;

/// A life that has changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Life {
    name: String,
    /// The transaction that named it.
    first_lsn: u64,
}

/// The lives that led to the data as it is, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lives(Vec<Life>);

impl Lives {
    /// Reads a record; a line that is none is left out.
    fn of(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        let life = |line: &str| {
            let (name, lsn) = line.split_once(' ')?;
            Some(Life {
                name: name.to_owned(),
                first_lsn: lsn.parse().ok()?,
            })
        };
        Self(text.lines().filter_map(life).collect())
    }

    fn to_text(&self) -> String {
        let line = |life: &Life| format!("{} {}\n", life.name, life.first_lsn);
        self.0.iter().map(line).collect()
    }

    fn push(&mut self, name: &str, first_lsn: u64) {
        let name = name.to_owned();
        self.0.push(Life { name, first_lsn });
        let passed = self.0.len().saturating_sub(LIVES_MAX);
        self.0.drain(..passed);
    }

    /// Whether what life `name` had done up to transaction `lsn` is a part of this history. Of a life that may have been
    /// forgotten that is taken for granted.
    pub fn have(&self, name: &str, lsn: u64) -> bool {
        match self.0.iter().rposition(|life| life.name == name) {
            Some(at) => self.0.get(at + 1).is_none_or(|next| lsn < next.first_lsn),
            None => self.0.len() == LIVES_MAX,
        }
    }
}

/// Which life this is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Now {
    /// Nothing goes by it.
    #[default]
    Unasked,
    /// The next change names it first.
    Nameless,
    Named(String),
}

impl Now {
    /// When the file is opened.
    pub fn of(engine: &mut Engine) -> Result<Self, Error> {
        let own = engine.root(OWN_ROOT)?;
        let is_asked = engine.get(own, IDENTITY_KEY)?.is_some();
        Ok(if is_asked {
            Self::Nameless
        } else {
            Self::Unasked
        })
    }
}

impl Keyspace {
    /// The lives that led here.
    pub fn lives(&mut self) -> Result<Lives, Error> {
        let own = self.engine.root(OWN_ROOT)?;
        let mut bytes = Vec::new();
        self.engine
            .read_body(own, LIVES_KEY, 0, u64::MAX, &mut bytes)?;
        Ok(Lives::of(&bytes))
    }

    /// The name of this life; None: it has changed nothing yet, or nothing goes by it.
    pub fn life(&self) -> Option<&str> {
        match &self.life {
            Now::Named(name) => Some(name),
            Now::Unasked | Now::Nameless => None,
        }
    }

    /// The name of this life, which is drawn if it has none.
    pub fn named_life(&mut self) -> Result<String, Error> {
        if self.life().is_none() {
            self.name_life()?;
        }
        Ok(self.life().expect("it was named").to_owned())
    }

    /// Names this life in a transaction of its own, for which no command has to wait twice.
    #[cold]
    pub(super) fn name_life(&mut self) -> Result<(), Error> {
        let on_miss = self.engine.pager_mut().set_on_miss(OnMiss::Read);
        let before = std::mem::take(&mut self.life);
        let named = self.write_life();
        self.engine.pager_mut().set_on_miss(on_miss);
        match named {
            Ok(name) => {
                self.life = Now::Named(name);
                Ok(())
            }
            Err(error) => {
                self.life = before;
                Err(error)
            }
        }
    }

    fn write_life(&mut self) -> Result<String, Error> {
        let name = format!("{:016x}", self.rng.u64(..));
        let mut lives = self.lives()?;
        lives.push(&name, self.engine.last_lsn().0 + 1);
        let text = lives.to_text();
        self.write(Plan::Simple, |txn| txn.put_own(LIVES_KEY, text.as_bytes()))?;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_of_a_history_up_to_the_next_one() {
        let mut lives = Lives::default();
        assert!(!lives.have("a", 0));
        lives.push("a", 3);
        lives.push("b", 7);
        assert_eq!(Lives::of(lives.to_text().as_bytes()), lives);
        assert!(lives.have("a", 6) && !lives.have("a", 7));
        assert!(lives.have("b", 7) && lives.have("b", 99));
        assert!(!lives.have("c", 1));
        for n in 0..LIVES_MAX as u64 {
            lives.push(&format!("life{n}"), 10 + n);
        }
        assert_eq!(lives.0.len(), LIVES_MAX);
        assert!(lives.have("a", 99), "nobody knows");
    }
}
