//! Sorted sets in digests: each member with its score, in any order.

use super::Span;
use crate::keyspace::digest::Digest;
use crate::keyspace::{Keyspace, Look, double};
use crate::storage::Error;

impl Keyspace {
    /// Adds the members of the sorted set at `key`, which is there.
    pub(in crate::keyspace) fn add_sorted_set_digest(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        // The caller has looked whether it is due.
        let found = self.sorted_set(db, key, 0, Look::UNSEEN)?;
        let Some((_, Some(members))) = found else {
            return Ok(());
        };
        let span = Span::new(0, members.len(&self.engine));
        members.visit_span(&mut self.engine, span, false, &mut |member, score| {
            let mut element = Digest::default();
            element.mix(member);
            element.mix(double::print_digits(score).as_bytes());
            digest.add_digest(&element);
        })
    }
}
