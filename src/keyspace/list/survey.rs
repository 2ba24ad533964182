//! What a list would take in Redis, and what it is named after Redis has loaded it: for DEBUG.

use std::ops::ControlFlow;

use super::nodes::{self, ENDS, STARTS};
use super::packed::Packed;
use super::{Limits, List, fill_of};
use crate::keyspace::digest::Digest;
use crate::keyspace::header::{Encoding, Header, Kind};
use crate::keyspace::list::Elements;
use crate::keyspace::{Keyspace, Look};
use crate::storage::{Error, Plan, Read, Seek};

/// Lists that are named anew in one transaction.
const NAMED_AT_ONCE: usize = 64;

/// What was counted of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// How many elements it has.
    pub len: u64,
    /// Bytes of their entries.
    pub entry_bytes: u64,
    /// Nodes that they stand in.
    pub nodes: u64,
    /// The limit of the nodes, if it is named `quicklist`.
    pub fill: Option<i16>,
}

impl Keyspace {
    /// Looks at all elements of the list at `key`, which is there.
    pub fn survey_list(&mut self, db: u32, key: &[u8]) -> Result<Survey, Error> {
        let trees = self.trees(db)?;
        let cell = self.engine.get(trees.keys, key)?.expect("a list is there");
        let mut survey = Survey {
            nodes: 1,
            fill: fill_of(&Header::parse(cell.head()), cell.head()),
            ..Survey::default()
        };
        if cell.slots() == 0 {
            let mut body = Vec::new();
            self.read_value(db, key, 0, u64::MAX, &mut body)?;
            let items = Packed::new(&body);
            survey.len = items.len() as u64;
            let entries = items.iter().map(|item| nodes::entry_bytes(item.bytes));
            survey.entry_bytes = entries.sum();
            return Ok(survey);
        }
        let tree = self.tree(db, key, 0)?;
        let mut ended = false;
        self.engine.scan(tree, Seek::First, &mut |_, cell| {
            let flags = nodes::flags(&cell);
            let starts = survey.len > 0 && (ended || flags & STARTS != 0);
            survey.nodes += u64::from(starts);
            ended = flags & ENDS != 0;
            survey.len += 1;
            survey.entry_bytes += nodes::cell_entry_bytes(&cell);
            ControlFlow::Continue(())
        })?;
        Ok(survey)
    }

    /// Mixes the elements of the list at `key`, which is there, into a digest.
    pub(in crate::keyspace) fn mix_list(
        &mut self,
        db: u32,
        key: &[u8],
        digest: &mut Digest,
    ) -> Result<(), Error> {
        let elements = Elements::open(self, db, key, 0, Look::UNSEEN)?;
        let elements = elements.expect("a list is there");
        elements.visit(self, 0, false, &mut |element| {
            digest.mix(element);
            ControlFlow::Continue(())
        })?;
        elements.close(self);
        Ok(())
    }

    /// Names every list as Redis does when it loads it from a file: a `quicklist` of one node that is not too large
    /// is a `listpack`.
    pub fn name_lists_as_loaded(&mut self, limits: Limits) -> Result<(), Error> {
        for db in self.databases_with_keys() {
            let trees = self.trees(db)?;
            let mut after: Option<Vec<u8>> = None;
            loop {
                let mut found: Vec<Vec<u8>> = Vec::new();
                let from = after.as_deref().map_or(Seek::First, Seek::After);
                self.engine.scan(trees.keys, from, &mut |key, cell| {
                    let header = Header::parse(cell.head());
                    if header.kind == Kind::List && header.encoding == Encoding::Table {
                        found.push(key.to_vec());
                    }
                    if found.len() < NAMED_AT_ONCE {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                })?;
                if found.is_empty() {
                    break;
                }
                self.write(Plan::Savepoint, |txn| {
                    for key in &found {
                        if let Some(mut list) = List::open(txn, db, key, 0, limits)? {
                            list.name_as_loaded(txn)?;
                        }
                    }
                    Ok::<_, Error>(())
                })?;
                if found.len() < NAMED_AT_ONCE {
                    break;
                }
                after = found.pop();
            }
        }
        Ok(())
    }
}
