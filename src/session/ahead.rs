//! Looking up together what the next requests ask for: most of what a look-up costs is waiting for memory.
//!
//! The requests are those of a pipeline, or the first ones of sessions that are carried out in one batch. What is looked up
//! is a guess, which changes no answer.

use std::ops::Range;

use smallvec::SmallVec;

use super::Session;
use crate::keyspace::Keyspace;
use crate::resp::parser::{Guess, guess_one};
use crate::storage::TOGETHER_MAX;

/// What one request probably asks for.
#[derive(Clone, Copy)]
struct Wish<'a> {
    key: &'a [u8],
    /// An element of the set, hash or sorted set at the key, or empty.
    element: &'a [u8],
    /// A second key, or empty.
    other_key: &'a [u8],
    /// The last member of the sorted set at the key is popped, or the first; None: neither.
    pops_last: Option<bool>,
}

type Wishes<'a> = SmallVec<[Wish<'a>; TOGETHER_MAX]>;

impl<'a> Wish<'a> {
    fn of(guess: &Guess, input: &'a [u8]) -> Option<Self> {
        let word = |span: &Range<usize>| input.get(span.clone());
        Some(Self {
            key: word(&guess.key)?,
            element: word(&guess.element)?,
            other_key: word(&guess.other_key)?,
            pops_last: guess.pops_last,
        })
    }
}

impl Session {
    /// Looks up what the requests of this hold ask for, from number `number` on. Returns for how many of them, at least 1.
    pub(super) fn look_ahead(&self, keyspace: &mut Keyspace, number: usize) -> usize {
        let guesses = self.ahead.get(number..).unwrap_or_default();
        let guesses = &guesses[..guesses.len().min(TOGETHER_MAX)];
        let (input, _) = self.input.whole();
        let wishes: Wishes<'_> = guesses
            .iter()
            .filter_map(|guess| Wish::of(guess, input))
            .collect();
        look_up(keyspace, self.client.db, &wishes)
    }

    /// What the requests from number `number` on ask for is to be read with the pages that the first of them has missed.
    pub(super) fn miss_ahead(&self, keyspace: &mut Keyspace, number: usize) {
        keyspace.engine.forget_ahead();
        self.look_ahead(keyspace, number);
        keyspace.engine.miss_ahead();
    }

    /// What the only complete request asks for; None where there are more, for which the session looks itself.
    fn only_wish(&self) -> Option<Wish<'_>> {
        if !self.pending || !self.ahead.is_empty() {
            return None;
        }
        let (input, start) = self.input.whole();
        let (guess, _) = guess_one(input, start)?;
        Wish::of(&guess, input)
    }
}

/// Looks up what the first of the sessions that are carried out next ask for, as far as it is in the database of the first of
/// them. Returns for how many, at least 1.
pub fn look_ahead_together<'s>(
    keyspace: &mut Keyspace,
    sessions: impl Iterator<Item = &'s Session>,
) -> usize {
    let mut db = None;
    let wishes: Wishes<'_> = sessions
        .take(TOGETHER_MAX)
        .filter(|session| *db.get_or_insert(session.client.db) == session.client.db)
        .filter_map(Session::only_wish)
        .collect();
    look_up(keyspace, db.unwrap_or_default(), &wishes)
}

/// Looks up keys, or the elements of one key, named or at an end. Returns for how many requests that serves.
fn look_up(keyspace: &mut Keyspace, db: u32, wishes: &[Wish<'_>]) -> usize {
    let [first, others @ ..] = wishes else {
        return TOGETHER_MAX;
    };
    let mut keys = SmallVec::<[&[u8]; TOGETHER_MAX]>::new();
    let mut seen_to = 0;
    for wish in wishes {
        let wished = [wish.key, wish.other_key];
        let wished = &wished[..1 + usize::from(!wish.other_key.is_empty())];
        if keys.len() + wished.len() > TOGETHER_MAX {
            break;
        }
        keys.extend_from_slice(wished);
        seen_to += 1;
    }
    if keys.len() < 2 {
        return TOGETHER_MAX;
    }
    let (first_key, other_keys) = (keys[0], &keys[1..]);
    if other_keys.iter().any(|key| *key != first_key) {
        // The first of several that change the same two keys finds the ways for all.
        let is_like_first =
            |wish: &Wish<'_>| (wish.key, wish.other_key) == (first.key, first.other_key);
        if others.is_empty() || !others.iter().all(is_like_first) {
            keyspace.look_ahead(db, &keys);
        }
    } else if wishes.iter().all(|wish| !wish.element.is_empty()) {
        let elements: SmallVec<[&[u8]; TOGETHER_MAX]> =
            wishes.iter().map(|wish| wish.element).collect();
        keyspace.look_ahead_in(db, first_key, &elements);
    } else if let Some(is_last) = first.pops_last
        && others.iter().all(|wish| wish.pops_last == first.pops_last)
    {
        keyspace.look_ahead_at_end(db, first_key, is_last, wishes.len());
    }
    match seen_to == wishes.len() {
        true => TOGETHER_MAX,
        false => seen_to,
    }
}
