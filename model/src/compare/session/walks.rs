//! Whole walks: SCAN and its kin from cursor 0 to cursor 0, with changes between the pages.

use std::collections::BTreeSet;

use super::{Session, now_ms};
use crate::compare::{Failure, quoted};
use crate::exemptions;
use crate::generate::Request;
use crate::glob_matches;

/// A SCAN of the small key space must end within this many pages.
const SCAN_PAGES_MAX: usize = 10_000;

/// A walk: what it is over, and how it asks for a page.
struct Walk<'a> {
    connection: usize,
    /// The words before the cursor.
    start: &'a [&'a str],
    /// Those behind it, as they were drawn.
    options: &'a Request,
    /// Requests that are sent between the pages.
    between: &'a [Request],
    /// How many elements of a page stand for one that is walked over.
    step: usize,
}

impl Session {
    /// Walks a whole SCAN.
    pub(super) fn scan(
        &mut self,
        connection: usize,
        options: &Request,
        between: &[Request],
    ) -> Result<(), Failure> {
        let (database, _) = self.model.selected(connection);
        let walk = Walk {
            connection,
            start: &["SCAN"],
            options,
            between,
            step: 1,
        };
        self.walk(&walk, &|session| session.matching(database, options))
    }

    /// Walks over the elements of a collection with HSCAN or its kin.
    pub(super) fn scan_elements(
        &mut self,
        connection: usize,
        (command, key): (&str, &str),
        options: &Request,
        between: &[Request],
    ) -> Result<(), Failure> {
        let (database, _) = self.model.selected(connection);
        let words = resolved(options);
        let pattern = last_option(&words, "MATCH");
        let has_values = command != "SSCAN"
            && !words
                .iter()
                .any(|word| word.eq_ignore_ascii_case(b"NOVALUES"));
        let is_unknown =
            !has_values && command == "HSCAN" && !exemptions::knows_novalues(self.version);
        // The model does not see the requests for pages, one of which may miss the key.
        if is_unknown || self.model.notifies('m') {
            return Ok(());
        }
        let walk = Walk {
            connection,
            start: &[command, key],
            options,
            between,
            step: if has_values { 2 } else { 1 },
        };
        self.walk(&walk, &|session| {
            let all = session.model.elements(database, key.as_bytes());
            let fits = |element: &Vec<u8>| {
                pattern
                    .as_ref()
                    .is_none_or(|pattern| glob_matches(pattern, element))
            };
            all.into_iter().filter(fits).collect()
        })
    }

    /// Everything that is `wanted` from the first page to the last must come, and nothing may come that never was.
    fn walk(
        &mut self,
        walk: &Walk<'_>,
        wanted: &dyn Fn(&Session) -> BTreeSet<Vec<u8>>,
    ) -> Result<(), Failure> {
        let options = resolved(walk.options);
        let (mut always, mut ever) = (wanted(self), wanted(self));
        let mut seen = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        let mut changes = walk.between.iter();
        for _ in 0..SCAN_PAGES_MAX {
            self.let_expire(walk.options);
            self.sweep()?;
            let mut words: Vec<&[u8]> = walk.start.iter().map(|word| word.as_bytes()).collect();
            words.push(&cursor);
            words.extend(options.iter().map(Vec::as_slice));
            let reply = self.bare_bytes(walk.connection, &words)?;
            let Some((next, page)) = exemptions::scan_page(&reply) else {
                return Err(self.divergence(b"a cursor and a page", &reply));
            };
            seen.extend(page.into_iter().step_by(walk.step));
            if next == b"0" {
                return self.judge_scan(&always, &ever, &seen);
            }
            cursor = next;
            if let Some(change) = changes.next() {
                self.request(walk.connection, change)?;
            }
            let now_there = wanted(self);
            always.retain(|one| now_there.contains(one));
            ever.extend(now_there);
        }
        Err(self.divergence(b"a walk that ends", b"a walk that goes on"))
    }

    fn judge_scan(
        &self,
        always: &BTreeSet<Vec<u8>>,
        ever: &BTreeSet<Vec<u8>>,
        seen: &BTreeSet<Vec<u8>>,
    ) -> Result<(), Failure> {
        let list = |keys: Vec<&Vec<u8>>| {
            keys.iter()
                .map(|key| quoted(key))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let missing: Vec<_> = always.difference(seen).collect();
        let extra: Vec<_> = seen.difference(ever).collect();
        if missing.is_empty() && extra.is_empty() {
            return Ok(());
        }
        let expected = format!("SCAN returns {}", list(always.iter().collect()));
        let actual = format!("it misses {} and adds {}", list(missing), list(extra));
        Err(self.divergence(expected.as_bytes(), actual.as_bytes()))
    }

    /// The keys of a database that a SCAN with these options is to return.
    fn matching(&self, database: usize, options: &Request) -> BTreeSet<Vec<u8>> {
        let words = resolved(options);
        let (pattern, kind) = (last_option(&words, "MATCH"), last_option(&words, "TYPE"));
        let now = now_ms();
        let keys = self.model.keys(database).filter(|key| {
            let entry = self.model.entry(database, key).expect("it was listed");
            let kind_fits = kind
                .as_ref()
                .is_none_or(|kind| kind.eq_ignore_ascii_case(entry.value.type_name().as_bytes()));
            let pattern_fits = pattern
                .as_ref()
                .is_none_or(|pattern| glob_matches(pattern, key));
            kind_fits && pattern_fits && entry.expires_at_ms.is_none_or(|at| at >= now)
        });
        keys.map(<[u8]>::to_vec).collect()
    }
}

/// Options as they are sent: none of them is a moment or a dump.
fn resolved(options: &Request) -> Vec<Vec<u8>> {
    let words = options.iter();
    words
        .map(|argument| argument.resolve(0, std::iter::empty()))
        .collect()
}

/// The argument behind the last option of this name.
fn last_option(words: &[Vec<u8>], name: &str) -> Option<Vec<u8>> {
    let at = words
        .iter()
        .rposition(|word| word.eq_ignore_ascii_case(name.as_bytes()))?;
    words.get(at + 1).cloned()
}
