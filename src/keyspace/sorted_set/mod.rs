//! Sorted sets: members in the order of their scores, those of the same score in the order of their bytes.
//!
//! ```text
//! small form, a sequence (`packed`), in order:  score (8 bytes, an IEEE 754 double, little endian), member, score ...
//! large form, tree 0: member                    -> score (8 bytes, the same)
//! large form, tree 1: sortable score and member -> nothing, or one byte if the score is minus zero
//! ```
//!
//! A sortable score has eight bytes that compare as the scores do; minus zero is where zero is. Ranks, and ranges of
//! any kind, are ranks in tree 1.

mod digest;
pub mod draft;
pub mod lookup;
pub mod members;
pub mod picks;
pub mod range;
pub mod score;
pub mod stream;

#[cfg(test)]
mod tests;

pub use draft::{Draft, Limits};
pub use members::Members;
pub use range::{LexBound, LexRange, ScoreRange, Span};

/// Nested trees of the large form.
const TREES: usize = 2;
/// Tree 0: member to score.
pub const BY_MEMBER: usize = 0;
/// Tree 1: in order.
pub const BY_SCORE: usize = 1;
/// The tree that has members in order, and how many bytes stand before each.
pub(super) const ORDER: (usize, usize) = (BY_SCORE, score::SCORE_BYTES);
