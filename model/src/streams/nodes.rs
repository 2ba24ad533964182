//! Nodes of entries: where Redis begins another, and how many bytes one has.

use super::Id;
use crate::numbers;

/// The defaults of `stream-node-max-entries` and `stream-node-max-bytes`.
const ENTRIES_MAX: usize = 100;
const BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub id: Id,
    /// Fields and values in turn.
    pub pairs: Vec<Vec<u8>>,
    pub deleted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The ID and the fields of the first item it ever had, which later ones are kept relative to.
    id: Id,
    fields: Vec<Vec<u8>>,
    pub items: Vec<Item>,
}

impl Node {
    pub fn live(&self) -> usize {
        self.items.iter().filter(|item| !item.deleted).count()
    }

    /// The ID of its last item, deleted or not.
    pub fn last_id(&self) -> Id {
        self.items.last().expect("nodes are never empty").id
    }

    /// The length of the listpack that Redis keeps it in.
    fn bytes(&self) -> usize {
        let (live, all) = (self.live() as i64, self.items.len() as i64);
        let head = [live, all - live, self.fields.len() as i64, 0];
        let head: usize = head.into_iter().map(integer_bytes).sum();
        let fields: usize = self.fields.iter().map(|field| text_bytes(field)).sum();
        let items: usize = self.items.iter().map(|item| self.item_bytes(item)).sum();
        7 + head + fields + items
    }

    fn item_bytes(&self, item: &Item) -> usize {
        let names: Vec<&Vec<u8>> = item.pairs.iter().step_by(2).collect();
        let same = names.iter().copied().eq(&self.fields);
        let values: usize = item
            .pairs
            .iter()
            .skip(1)
            .step_by(2)
            .map(|text| text_bytes(text))
            .sum();
        let mut parts = 3 + names.len() as i64;
        let mut bytes = integer_bytes(0) + values;
        bytes += integer_bytes(item.id.0.wrapping_sub(self.id.0) as i64);
        bytes += integer_bytes(item.id.1.wrapping_sub(self.id.1) as i64);
        if !same {
            bytes += integer_bytes(names.len() as i64);
            bytes += names.iter().map(|name| text_bytes(name)).sum::<usize>();
            parts += names.len() as i64 + 1;
        }
        bytes + integer_bytes(parts)
    }
}

/// Adds an entry to the last node, or to another if that is full.
pub fn append(nodes: &mut Vec<Node>, id: Id, pairs: Vec<Vec<u8>>) {
    let len: usize = pairs.iter().map(Vec::len).sum();
    let fits = |node: &Node| node.bytes() + len < BYTES_MAX && node.items.len() < ENTRIES_MAX;
    if !nodes.last().is_some_and(fits) {
        nodes.push(Node {
            id,
            fields: pairs.iter().step_by(2).cloned().collect(),
            items: Vec::new(),
        });
    }
    let node = nodes.last_mut().expect("there is one now");
    node.items.push(Item {
        id,
        pairs,
        deleted: false,
    });
}

/// Deletes an entry; a node without any is gone.
pub fn delete(nodes: &mut Vec<Node>, id: Id) -> bool {
    let items = nodes.iter_mut().flat_map(|node| &mut node.items);
    let found = items
        .into_iter()
        .find(|item| item.id == id && !item.deleted);
    let Some(item) = found else {
        return false;
    };
    item.deleted = true;
    nodes.retain(|node| node.live() > 0);
    true
}

fn text_bytes(text: &[u8]) -> usize {
    match numbers::canonical(text) {
        Some(number) => integer_bytes(number),
        None if text.len() < 64 => with_length(1 + text.len()),
        None if text.len() < 4096 => with_length(2 + text.len()),
        None => with_length(5 + text.len()),
    }
}

fn integer_bytes(number: i64) -> usize {
    if (0..128).contains(&number) {
        return with_length(1);
    }
    // Signed integers of so many bits take so many bytes.
    let sizes = [(13, 2), (16, 3), (24, 4), (32, 5), (64, 9)];
    let fits =
        |bits: u32| bits == 64 || (-(1_i64 << (bits - 1))..1 << (bits - 1)).contains(&number);
    let (_, bytes) = sizes
        .into_iter()
        .find(|(bits, _)| fits(*bits))
        .expect("64 bits are enough");
    with_length(bytes)
}

/// Each part is followed by its length.
fn with_length(bytes: usize) -> usize {
    let ends = [127, 16_382, 2_097_150, 268_435_454];
    bytes + 1 + ends.into_iter().filter(|end| bytes > *end).count()
}
