//! Whole walks: SCAN and its kin from cursor 0 to cursor 0, with changes between the pages.

use std::collections::BTreeSet;

use super::{Session, now_ms};
use crate::compare::{Failure, quoted};
use crate::exemptions;
use crate::generate::Request;
use crate::glob_matches;

/// A SCAN of the small key space must end within this many pages.
const SCAN_PAGES_MAX: usize = 10_000;

impl Session {
    /// Walks a whole SCAN. Every key that was there from the first page to the last must come, and no
    /// key may come that was never there.
    pub(super) fn scan(
        &mut self,
        connection: usize,
        options: &Request,
        between: &[Request],
    ) -> Result<(), Failure> {
        let (database, _) = self.model.selected(connection);
        let wanted =
            |session: &Session| -> BTreeSet<Vec<u8>> { session.matching(database, options) };
        let (mut always, mut ever) = (wanted(self), wanted(self));
        let mut seen = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        let mut changes = between.iter();
        for _ in 0..SCAN_PAGES_MAX {
            self.let_expire(options);
            self.sweep()?;
            let mut words: Vec<Vec<u8>> = vec![b"SCAN".to_vec(), cursor.clone()];
            words.extend(
                options
                    .iter()
                    .map(|argument| argument.resolve(0, std::iter::empty())),
            );
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let reply = self.bare_bytes(connection, &words)?;
            let Some((next, page)) = exemptions::scan_page(&reply) else {
                return Err(self.divergence(b"a cursor and a page of keys", &reply));
            };
            seen.extend(page);
            if next == b"0" {
                return self.judge_scan(&always, &ever, &seen);
            }
            cursor = next;
            if let Some(change) = changes.next() {
                self.request(connection, change)?;
            }
            let now_there = wanted(self);
            always.retain(|key| now_there.contains(key));
            ever.extend(now_there);
        }
        Err(self.divergence(b"a SCAN that ends", b"a SCAN that goes on"))
    }

    /// Walks over the elements of a collection with HSCAN or its kin, by the same rule.
    pub(super) fn scan_elements(
        &mut self,
        connection: usize,
        (command, key): (&str, &str),
        options: &Request,
        between: &[Request],
    ) -> Result<(), Failure> {
        let (database, _) = self.model.selected(connection);
        let resolved: Vec<Vec<u8>> = options
            .iter()
            .map(|argument| argument.resolve(0, std::iter::empty()))
            .collect();
        let pattern = last_option(&resolved, "MATCH");
        let has_values = command != "SSCAN"
            && !resolved
                .iter()
                .any(|word| word.eq_ignore_ascii_case(b"NOVALUES"));
        if !has_values && command == "HSCAN" && !exemptions::knows_novalues(self.version) {
            return Ok(());
        }
        let wanted = |session: &Session| -> BTreeSet<Vec<u8>> {
            let all = session.model.elements(database, key.as_bytes());
            let fits = |element: &Vec<u8>| {
                pattern
                    .as_ref()
                    .is_none_or(|pattern| glob_matches(pattern, element))
            };
            all.into_iter().filter(fits).collect()
        };
        let (mut always, mut ever) = (wanted(self), wanted(self));
        let mut seen = BTreeSet::new();
        let mut cursor = b"0".to_vec();
        let mut changes = between.iter();
        for _ in 0..SCAN_PAGES_MAX {
            self.let_expire(options);
            self.sweep()?;
            let mut words: Vec<&[u8]> = vec![command.as_bytes(), key.as_bytes(), &cursor];
            words.extend(resolved.iter().map(Vec::as_slice));
            let reply = self.bare_bytes(connection, &words)?;
            let Some((next, page)) = exemptions::scan_page(&reply) else {
                return Err(self.divergence(b"a cursor and a page of elements", &reply));
            };
            seen.extend(page.into_iter().step_by(if has_values { 2 } else { 1 }));
            if next == b"0" {
                return self.judge_scan(&always, &ever, &seen);
            }
            cursor = next;
            if let Some(change) = changes.next() {
                self.request(connection, change)?;
            }
            let now_there = wanted(self);
            always.retain(|element| now_there.contains(element));
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
        let words: Vec<Vec<u8>> = options
            .iter()
            .map(|argument| argument.resolve(0, std::iter::empty()))
            .collect();
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

/// The argument behind the last option of this name.
fn last_option(words: &[Vec<u8>], name: &str) -> Option<Vec<u8>> {
    let at = words
        .iter()
        .rposition(|word| word.eq_ignore_ascii_case(name.as_bytes()))?;
    words.get(at + 1).cloned()
}
