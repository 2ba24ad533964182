//! Members picked at random, each as likely as any other.

use super::Members;
use super::stream::{STREAMED_MEMBERS, Shown};
use crate::keyspace::draw::different;
use crate::keyspace::{Keyspace, root_ids};
use crate::resp::{Stream, StreamError};
use crate::storage::{Error, Read, Snapshot};

/// How many members are picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// So many different ones, in order; fewer than there are.
    Different(u64),
    /// So many draws, each from all.
    Draws(u64),
}

#[derive(Debug)]
enum State {
    Draws(u64),
    /// Ranks, and how many of them are done.
    Ranks(Vec<u64>, usize),
}

/// Picks on their way into a reply.
#[derive(Debug)]
pub struct Picks {
    len: u64,
    shown: Shown,
    rng: fastrand::Rng,
    state: State,
}

/// Ranks of `count` different ones of `len` members, ascending; every choice is as likely as any other.
fn ranks(rng: &mut fastrand::Rng, len: u64, count: u64) -> Vec<u64> {
    if count <= len / 4 {
        return different(rng, len, count);
    }
    let mut missing = count;
    let chosen = |rank: &u64| {
        let chosen = rng.u64(..len - rank) < missing;
        missing -= u64::from(chosen);
        chosen
    };
    (0..len).filter(chosen).collect()
}

impl Picks {
    /// Picks of `len` members.
    pub fn new(len: u64, count: Count, shown: Shown, mut rng: fastrand::Rng) -> Self {
        let state = match count {
            Count::Draws(draws) => State::Draws(draws),
            Count::Different(count) => State::Ranks(ranks(&mut rng, len, count), 0),
        };
        Self {
            len,
            shown,
            rng,
            state,
        }
    }

    /// How many members are still to come.
    fn left(&self) -> u64 {
        match &self.state {
            State::Draws(draws) => *draws,
            State::Ranks(ranks, done) => (ranks.len() - done) as u64,
        }
    }

    fn next_rank(&mut self) -> Option<u64> {
        match &mut self.state {
            State::Draws(0) => None,
            State::Draws(draws) => {
                *draws -= 1;
                Some(self.rng.u64(..self.len))
            }
            State::Ranks(ranks, done) => {
                *done += 1;
                ranks.get(*done - 1).copied()
            }
        }
    }

    /// Appends members up to about `bytes_wanted` bytes.
    fn fill<R: Read>(
        &mut self,
        reader: &mut R,
        members: &Members,
        out: &mut Vec<u8>,
        bytes_wanted: usize,
    ) -> Result<(), Error> {
        let end = out.len().saturating_add(bytes_wanted.max(1));
        while out.len() < end
            && self.left() > 0
            && let Some(rank) = self.next_rank()
            && let Some((member, score)) = members.at(reader, rank)?
        {
            self.shown.push(out, &member, score);
        }
        Ok(())
    }
}

impl Keyspace {
    /// Appends the picks to `out`, or gives a stream of them if they are many.
    pub fn pick_members(
        &mut self,
        (db, key): (u32, &[u8]),
        members: Members,
        mut picks: Picks,
        out: &mut Vec<u8>,
    ) -> Result<Option<PicksStream>, Error> {
        // A snapshot does not show what an open transaction has changed.
        if picks.left() <= STREAMED_MEMBERS || self.in_transaction() {
            picks.fill(&mut self.engine, &members, out, usize::MAX)?;
            return Ok(None);
        }
        Ok(Some(PicksStream {
            snapshot: self.engine.snapshot(),
            db,
            key: key.into(),
            members,
            picks,
        }))
    }
}

/// Picks on their way to a client.
pub struct PicksStream {
    snapshot: Snapshot,
    db: u32,
    key: Box<[u8]>,
    /// If they are large, only good for the command that looked them up.
    members: Members,
    picks: Picks,
}

impl PicksStream {
    fn next(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<(), Error> {
        let mut reader = self.snapshot.reader();
        if self.members.is_large() {
            let keys = reader.root(root_ids(self.db)[0])?;
            self.members = Members::open(&mut reader, keys, &self.key)?;
        }
        self.picks
            .fill(&mut reader, &self.members, out, bytes_wanted)
    }
}

impl Stream for PicksStream {
    fn fill(&mut self, out: &mut Vec<u8>, bytes_wanted: usize) -> Result<bool, StreamError> {
        self.next(out, bytes_wanted)
            .map_err(|error| StreamError(error.to_string()))?;
        Ok(self.picks.left() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_ranks_is_as_likely() {
        let mut rng = fastrand::Rng::with_seed(3);
        for count in [1, 2, 4] {
            let mut seen = std::collections::BTreeMap::new();
            for _ in 0..10_000 {
                *seen.entry(ranks(&mut rng, 5, count)).or_insert(0) += 1;
            }
            let choices = if count == 2 { 10 } else { 5 };
            assert_eq!(seen.len(), choices);
            let expected = 10_000 / choices;
            for (ranks, times) in seen {
                assert_eq!(ranks.len() as u64, count);
                assert!(
                    times * 10 > expected * 8 && times * 10 < expected * 12,
                    "{ranks:?}: {times}"
                );
            }
        }
    }
}
