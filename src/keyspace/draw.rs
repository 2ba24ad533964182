//! Elements of a large collection picked at random (HRANDFIELD, SRANDMEMBER): each is as likely as any other, by its
//! rank in the tree.

use std::ops::ControlFlow;

use super::elements::{Place, expiry};
use super::hash::is_due;
use crate::resp::{Stream, StreamError, encode};
use crate::storage::tree::Pages;
use crate::storage::{Body, Cell, Error, Read, Seek, Snapshot, TreeId};

/// Up to this many different elements are picked by their ranks; for more, all elements are looked at in turn.
const RANKS_MAX: u64 = 100_000;
/// Draws that may hit elements that are due before the next one that is not is taken.
const DRAWS_MAX: usize = 64;

/// How many elements are picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picks {
    /// So many different ones, in the order of the tree; not more than there are.
    Different(u64),
    /// So many draws, each from all elements.
    Draws(u64),
}

/// How each element is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    Key,
    /// The element, then its value.
    KeyAndValue,
    /// Both in an array of two.
    Pair,
}

/// Numbers of `count` different ones of `len` things, ascending; every set of them is as likely as any other.
pub fn different(rng: &mut fastrand::Rng, len: u64, count: u64) -> Vec<u64> {
    assert!(count <= len, "there are not more than all");
    let mut numbers: Vec<u64> = Vec::new();
    while (numbers.len() as u64) < count {
        let missing = count - numbers.len() as u64;
        numbers.extend((0..missing).map(|_| rng.u64(..len)));
        numbers.sort_unstable();
        numbers.dedup();
    }
    numbers
}

#[derive(Debug)]
enum State {
    /// Draws still to be made.
    Draws(u64),
    /// Ranks of those picked, and how many are done.
    Ranks(Vec<u64>, usize),
    /// All are looked at in turn: so many are to be picked of so many to come, which stand behind the last one.
    InTurn {
        picks: u64,
        live: u64,
        last: Option<Vec<u8>>,
    },
}

/// Picks on their way into a reply.
#[derive(Debug)]
pub struct Drawing {
    place: Place,
    telling: Telling,
    now_ms: u64,
    rng: fastrand::Rng,
    /// Elements in the tree, due ones included.
    len: u64,
    state: State,
}

impl Drawing {
    /// Picks of the `len` elements at `place`, of which `due` are due at `now_ms`.
    pub fn new(
        place: Place,
        picks: Picks,
        telling: Telling,
        (len, due, now_ms): (u64, u64, u64),
        mut rng: fastrand::Rng,
    ) -> Self {
        let live = len - due;
        let state = match picks {
            Picks::Draws(draws) => State::Draws(if live > 0 { draws } else { 0 }),
            Picks::Different(picks) if due == 0 && picks <= RANKS_MAX && picks <= live / 4 => {
                State::Ranks(different(&mut rng, len, picks), 0)
            }
            Picks::Different(picks) => State::InTurn {
                picks: picks.min(live),
                live,
                last: None,
            },
        };
        Self {
            place,
            telling,
            now_ms,
            rng,
            len,
            state,
        }
    }

    /// Appends about `bytes_wanted` more bytes of the reply to `out`; false when there are no more.
    pub fn fill<R: Read>(
        &mut self,
        reader: &mut R,
        out: &mut Vec<u8>,
        bytes_wanted: usize,
    ) -> Result<bool, Error> {
        let tree = self.place.open(reader)?;
        let end = out.len().saturating_add(bytes_wanted.max(1));
        let mut element = Vec::new();
        loop {
            match &mut self.state {
                State::Draws(0) => return Ok(false),
                State::Draws(draws) => {
                    *draws -= 1;
                    self.draw(reader, tree, &mut element)?;
                }
                State::Ranks(ranks, done) => {
                    let Some(&rank) = ranks.get(*done) else {
                        return Ok(false);
                    };
                    *done += 1;
                    reader.select(tree, rank, &mut element)?;
                }
                State::InTurn { .. } => {
                    if !self.next_in_turn(reader, tree, &mut element)? {
                        return Ok(false);
                    }
                }
            }
            self.tell(reader, tree, &element, out)?;
            reader.pages().progress();
            if out.len() >= end {
                return Ok(true);
            }
        }
    }

    /// Draws one element that is not due; there is one.
    fn draw<R: Read>(
        &mut self,
        reader: &mut R,
        tree: TreeId,
        element: &mut Vec<u8>,
    ) -> Result<(), Error> {
        for _ in 0..DRAWS_MAX {
            let rank = self.rng.u64(..self.len);
            let cell = reader.select(tree, rank, element)?;
            if cell.is_some_and(|cell| !is_due(expiry(&cell), self.now_ms)) {
                return Ok(());
            }
        }
        // Nearly all are due: the next one that is not, around the end if need be.
        let after = element.clone();
        for from in [Seek::After(&after), Seek::First] {
            let mut found = false;
            reader.scan(tree, from, &mut |key, cell| {
                if is_due(expiry(&cell), self.now_ms) {
                    return ControlFlow::Continue(());
                }
                element.clear();
                element.extend_from_slice(key);
                found = true;
                ControlFlow::Break(())
            })?;
            if found {
                return Ok(());
            }
        }
        unreachable!("one element is not due");
    }

    /// Goes on to the next element that is picked. Of those to come each is picked with the probability that makes
    /// every choice equally likely.
    fn next_in_turn<R: Read>(
        &mut self,
        reader: &mut R,
        tree: TreeId,
        element: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let (now_ms, rng) = (self.now_ms, &mut self.rng);
        let State::InTurn { picks, live, last } = &mut self.state else {
            unreachable!("the caller has seen the state");
        };
        if *picks == 0 {
            return Ok(false);
        }
        let mut found = false;
        let mut visit = |key: &[u8], cell: Cell<'_>| {
            if is_due(expiry(&cell), now_ms) {
                return ControlFlow::Continue(());
            }
            let picked = rng.u64(..*live) < *picks;
            *live -= 1;
            if !picked {
                return ControlFlow::Continue(());
            }
            *picks -= 1;
            element.clear();
            element.extend_from_slice(key);
            found = true;
            ControlFlow::Break(())
        };
        let from = last.as_deref().map_or(Seek::First, Seek::After);
        reader.scan(tree, from, &mut visit)?;
        assert!(found, "as many are left as are to be picked");
        *last = Some(element.clone());
        Ok(true)
    }

    fn tell<R: Read>(
        &self,
        reader: &mut R,
        tree: TreeId,
        element: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        if self.telling == Telling::Pair {
            encode::array(out, 2);
        }
        encode::bulk(out, element);
        if self.telling == Telling::Key {
            return Ok(());
        }
        let cell = reader.get(tree, element)?.expect("it was just found");
        if let Body::Inline(value) = cell.body() {
            encode::bulk(out, value);
            return Ok(());
        }
        let len = cell.body_len();
        encode::bulk_header(out, len);
        reader.read_body(tree, element, 0, len, out)?;
        out.extend_from_slice(encode::LINE_END);
        Ok(())
    }
}

/// Picks from a snapshot, on their way to a client.
pub struct DrawingStream {
    pub snapshot: Snapshot,
    pub drawing: Drawing,
}

impl Stream for DrawingStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let mut reader = self.snapshot.reader();
        self.drawing
            .fill(&mut reader, out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))
    }
}

/// Draws from a few elements that are told already, on their way to a client.
pub struct SmallDraws {
    told: Vec<Vec<u8>>,
    draws: u64,
    rng: fastrand::Rng,
}

impl SmallDraws {
    /// So many draws from what `told` has of each element.
    pub fn new(told: Vec<Vec<u8>>, draws: u64, rng: fastrand::Rng) -> Self {
        Self { told, draws, rng }
    }
}

impl Stream for SmallDraws {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        let end = out.len().saturating_add(bytes_wanted.max(1));
        while self.draws > 0 && out.len() < end {
            self.draws -= 1;
            out.extend_from_slice(&self.told[self.rng.usize(..self.told.len())]);
        }
        Ok(self.draws > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_different_numbers_is_as_likely() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            *seen.entry(different(&mut rng, 5, 2)).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 10);
        for (numbers, times) in seen {
            assert!(numbers[0] < numbers[1], "{numbers:?}");
            assert!((1800..2200).contains(&times), "{numbers:?}: {times}");
        }
    }
}
