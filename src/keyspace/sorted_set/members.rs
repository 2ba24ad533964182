//! Reading the members of a sorted set, in the live engine and in snapshots.

use std::ops::ControlFlow;

use super::score::{self, OrderKey, from_order_key, order_key, sortable};
use super::{BY_MEMBER, BY_SCORE, LexBound, LexRange, ScoreRange, Span, TREES};
use crate::keyspace::header::Encoding;
use crate::keyspace::packed::Packed;
use crate::storage::{Body, Cell, Error, Read, Seek, TreeId};

/// Where the members are.
#[derive(Clone, Debug)]
pub enum Members {
    /// A copy of the body.
    Small(Vec<u8>),
    /// Good until the command ends.
    Large { by_member: TreeId, by_score: TreeId },
}

/// Bytes of a body that stands beside its head.
pub(super) fn body<'a>(cell: &Cell<'a>) -> &'a [u8] {
    match cell.body() {
        Body::Inline(bytes) => bytes,
        Body::Blob { .. } => unreachable!("scores are short"),
    }
}

/// One member of the small form.
#[derive(Clone, Copy, Debug)]
pub(super) struct SmallEntry<'a> {
    /// Where its score begins and its member ends.
    pub at: usize,
    pub end: usize,
    pub score: f64,
    pub member: &'a [u8],
}

/// The members of a small form, in order.
pub(super) fn small_entries(body: &[u8]) -> impl Iterator<Item = SmallEntry<'_>> {
    let mut items = Packed::new(body).iter();
    std::iter::from_fn(move || {
        let score = items.next()?;
        let member = items.next().expect("a member behind its score");
        Some(SmallEntry {
            at: score.at,
            end: member.end,
            score: score::from_bytes(score.bytes),
            member: member.bytes,
        })
    })
}

impl Members {
    /// Those of the large sorted set at `key`.
    pub fn open<R: Read>(reader: &mut R, keys: TreeId, key: &[u8]) -> Result<Self, Error> {
        let mut tree = |n| {
            let tree = reader.nested(keys, key, n)?;
            Ok::<_, Error>(tree.expect("a large collection is there"))
        };
        Ok(Self::of_trees([tree(0)?, tree(1)?]))
    }

    /// Those in the trees of a large sorted set.
    pub(super) fn of_trees(trees: [TreeId; TREES]) -> Self {
        Self::Large {
            by_member: trees[BY_MEMBER],
            by_score: trees[BY_SCORE],
        }
    }

    /// The score in an entry of tree 0.
    pub fn score_of(cell: &Cell<'_>) -> f64 {
        score::from_bytes(body(cell))
    }

    pub fn is_large(&self) -> bool {
        matches!(self, Self::Large { .. })
    }

    /// How many there are.
    pub fn len<R: Read>(&self, reader: &R) -> u64 {
        match self {
            Self::Small(body) => Packed::new(body).len() as u64 / 2,
            Self::Large { by_score, .. } => reader.count(*by_score),
        }
    }

    /// The score of a member; None if it is none.
    pub fn score<R: Read>(&self, reader: &mut R, member: &[u8]) -> Result<Option<f64>, Error> {
        match self {
            Self::Small(body) => Ok(small_entries(body)
                .find(|entry| entry.member == member)
                .map(|entry| entry.score)),
            Self::Large { by_member, .. } => {
                let cell = reader.get(*by_member, member)?;
                Ok(cell.map(|cell| score::from_bytes(body(&cell))))
            }
        }
    }

    /// How many stand before a member with this score.
    pub fn rank<R: Read>(&self, reader: &mut R, score: f64, member: &[u8]) -> Result<u64, Error> {
        self.count_below(reader, &order_key(score, member))
    }

    /// How many have a key in tree 1, or would have, that is below `bound`.
    fn count_below<R: Read>(&self, reader: &mut R, bound: &[u8]) -> Result<u64, Error> {
        match self {
            Self::Small(body) => Ok(small_entries(body)
                .take_while(|entry| *order_key(entry.score, entry.member) < *bound)
                .count() as u64),
            Self::Large { by_score, .. } => reader.rank(*by_score, bound),
        }
    }

    /// The ranks of the scores in a range.
    pub fn span_of_scores<R: Read>(
        &self,
        reader: &mut R,
        range: &ScoreRange,
    ) -> Result<Span, Error> {
        // Scores are not "not a number", so that there is a next sortable one.
        let key = |score, past_equal| (sortable(score) + u64::from(past_equal)).to_be_bytes();
        let start = self.count_below(reader, &key(range.min, range.without_min))?;
        let end = self.count_below(reader, &key(range.max, !range.without_max))?;
        Ok(Span::new(start, end))
    }

    /// The ranks of the members in a range, which makes sense if all have the same score. Where they have not, a set
    /// that is called small is walked as Redis walks it, and in another the first score counts.
    pub fn span_of_lex<R: Read>(
        &self,
        reader: &mut R,
        range: &LexRange<'_>,
        encoding: Encoding,
    ) -> Result<Span, Error> {
        if encoding == Encoding::Packed {
            let all = self.all(reader)?;
            let Some(start) = range.first_of(&all) else {
                return Ok(Span::default());
            };
            let count = all[start..]
                .iter()
                .take_while(|(member, _)| range.reaches_up_to(member))
                .count();
            return Ok(Span::new(start as u64, (start + count) as u64));
        }
        let mut first = None;
        self.visit(reader, 0, false, &mut |_, score| {
            first = Some(score);
            ControlFlow::Break(())
        })?;
        let Some(score) = first.filter(|_| !range.is_empty()) else {
            return Ok(Span::default());
        };
        let start = self.count_below_lex(reader, score, range.min, false)?;
        let end = self.count_below_lex(reader, score, range.max, true)?;
        Ok(Span::new(start, end))
    }

    /// How many members of this score stand before the end of a range, or with it.
    fn count_below_lex<R: Read>(
        &self,
        reader: &mut R,
        score: f64,
        bound: LexBound<'_>,
        is_max: bool,
    ) -> Result<u64, Error> {
        let mut key: OrderKey;
        match bound {
            LexBound::Lowest => return Ok(0),
            LexBound::Highest => return Ok(self.len(reader)),
            LexBound::With(member) | LexBound::Without(member) => key = order_key(score, member),
        }
        if is_max == matches!(bound, LexBound::With(_)) {
            // The next key that there can be.
            key.push(0);
        }
        self.count_below(reader, &key)
    }

    /// Visits members whose scores are at least `min` and below `end`, in order, until `visit` says stop.
    pub fn visit_scores<R: Read>(
        &self,
        reader: &mut R,
        (min, end): (f64, f64),
        visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (min, end) = (sortable(min).to_be_bytes(), sortable(end).to_be_bytes());
        match self {
            Self::Small(body) => {
                // Whether all were visited makes no difference to anybody.
                let _stopped = small_entries(body)
                    .filter(|entry| (min..end).contains(&sortable(entry.score).to_be_bytes()))
                    .try_for_each(|entry| visit(entry.member, entry.score));
                Ok(())
            }
            Self::Large { by_score, .. } => {
                reader.scan(*by_score, Seek::AtLeast(&min), &mut |key, cell| {
                    if *key >= end[..] {
                        return ControlFlow::Break(());
                    }
                    let (score, member) = from_order_key(key, body(&cell));
                    visit(member, score)
                })
            }
        }
    }

    /// Visits members from rank `from` on, upwards or downwards, until `visit` says stop.
    pub fn visit<R: Read>(
        &self,
        reader: &mut R,
        from: u64,
        downwards: bool,
        visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        match self {
            Self::Small(body) => {
                visit_small(body, from, downwards, visit);
                Ok(())
            }
            Self::Large { by_score, .. } => {
                let seek = match downwards {
                    false => Seek::Nth(from),
                    true => Seek::NthBack(from),
                };
                reader.scan(*by_score, seek, &mut |key, cell| {
                    let (score, member) = from_order_key(key, body(&cell));
                    visit(member, score)
                })
            }
        }
    }

    /// Visits the members with these ranks, the last first if `downwards`.
    pub fn visit_span<R: Read>(
        &self,
        reader: &mut R,
        span: Span,
        downwards: bool,
        visit: &mut dyn FnMut(&[u8], f64),
    ) -> Result<(), Error> {
        let mut left = span.len();
        if left == 0 {
            return Ok(());
        }
        let from = if downwards { span.end - 1 } else { span.start };
        self.visit(reader, from, downwards, &mut |member, score| {
            visit(member, score);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
    }

    /// All members and their scores, in order.
    pub fn all<R: Read>(&self, reader: &mut R) -> Result<Vec<(Vec<u8>, f64)>, Error> {
        let span = Span::new(0, self.len(reader));
        let mut all = Vec::new();
        self.visit_span(reader, span, false, &mut |member, score| {
            all.push((member.to_vec(), score));
        })?;
        Ok(all)
    }

    /// The first member, or the last, and its score.
    pub fn edge<R: Read>(
        &self,
        reader: &mut R,
        is_last: bool,
    ) -> Result<Option<(Vec<u8>, f64)>, Error> {
        let Self::Large { by_score, .. } = self else {
            let rank = match is_last {
                true => self.len(reader).saturating_sub(1),
                false => 0,
            };
            return self.at(reader, rank);
        };
        let mut key = Vec::new();
        let seek = if is_last { Seek::Last } else { Seek::First };
        let Some(cell) = reader.seek(*by_score, seek, &mut key)? else {
            return Ok(None);
        };
        let (score, _) = from_order_key(&key, body(&cell));
        key.drain(..score::SCORE_BYTES);
        Ok(Some((key, score)))
    }

    /// The member with this rank and its score.
    pub fn at<R: Read>(&self, reader: &mut R, rank: u64) -> Result<Option<(Vec<u8>, f64)>, Error> {
        match self {
            Self::Small(body) => Ok(small_entries(body)
                .nth(rank as usize)
                .map(|entry| (entry.member.to_vec(), entry.score))),
            Self::Large { by_score, .. } => {
                let mut key = Vec::new();
                let Some(cell) = reader.select(*by_score, rank, &mut key)? else {
                    return Ok(None);
                };
                let (score, _) = from_order_key(&key, body(&cell));
                key.drain(..score::SCORE_BYTES);
                Ok(Some((key, score)))
            }
        }
    }
}

fn visit_small(
    body: &[u8],
    from: u64,
    downwards: bool,
    visit: &mut dyn FnMut(&[u8], f64) -> ControlFlow<()>,
) {
    let mut take = |entry: SmallEntry<'_>| visit(entry.member, entry.score).is_break();
    if !downwards {
        small_entries(body).skip(from as usize).any(take);
        return;
    }
    let entries: Vec<SmallEntry<'_>> = small_entries(body).take(from as usize + 1).collect();
    for entry in entries.into_iter().rev() {
        if take(entry) {
            return;
        }
    }
}
