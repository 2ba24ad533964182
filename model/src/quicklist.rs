//! A list as Redis keeps it: one listpack, or a row of nodes. Only OBJECT ENCODING shows the difference.

/// The largest node, in bytes: the default of `list-max-listpack-size`, -2.
const NODE_BYTES_MAX: usize = 8192;
/// What a listpack has around its entries, in bytes.
const FRAME_BYTES: usize = 7;
/// What Redis expects an entry to take beside its bytes.
const ENTRY_MARGIN_BYTES: usize = 8;

/// A listpack, or one long element outside any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    elements: Vec<Vec<u8>>,
    plain: bool,
}

impl Node {
    fn of(element: &[u8]) -> Node {
        Node {
            elements: vec![element.to_vec()],
            plain: is_long(element),
        }
    }

    fn bytes(&self) -> usize {
        if self.plain {
            return self.elements[0].len();
        }
        FRAME_BYTES
            + self
                .elements
                .iter()
                .map(|it| entry_bytes(it))
                .sum::<usize>()
    }

    fn accepts(&self, element: &[u8]) -> bool {
        !self.plain
            && !is_long(element)
            && self.bytes() + element.len() + ENTRY_MARGIN_BYTES <= NODE_BYTES_MAX
    }
}

fn is_long(element: &[u8]) -> bool {
    element.len() > NODE_BYTES_MAX
}

/// The bytes of an entry of a listpack.
fn entry_bytes(element: &[u8]) -> usize {
    if let Some(number) = crate::numbers::canonical(element) {
        let fits = |bits: u32| number >= -(1_i64 << (bits - 1)) && number < 1_i64 << (bits - 1);
        return match number {
            0..=127 => 2,
            _ if fits(13) => 3,
            _ if fits(16) => 4,
            _ if fits(24) => 5,
            _ if fits(32) => 6,
            _ => 10,
        };
    }
    let with_length = match element.len() {
        short @ 0..=63 => 1 + short,
        middle @ 64..=4095 => 2 + middle,
        long => 5 + long,
    };
    let backward = match with_length {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    with_length + backward
}

/// Where a new element goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Before,
    After,
}

/// A list value. It is never empty, except while an element moves within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    nodes: Vec<Node>,
    /// It is a quicklist; otherwise there is one node at most, a listpack.
    quick: bool,
}

impl List {
    /// A list that is made as a whole.
    pub fn stored(elements: &[Vec<u8>]) -> List {
        let mut list = List {
            nodes: Vec::new(),
            quick: true,
        };
        elements
            .iter()
            .for_each(|element| list.push(false, element));
        list.reloaded()
    }

    /// The list with the same nodes; a single one that fits is a listpack.
    pub fn reloaded(mut self) -> List {
        self.quick = match &self.nodes[..] {
            [node] => node.plain || node.bytes() > NODE_BYTES_MAX,
            _ => true,
        };
        self
    }

    /// What OBJECT ENCODING answers.
    pub fn encoding(&self) -> &'static str {
        if self.quick { "quicklist" } else { "listpack" }
    }

    pub fn len(&self) -> usize {
        self.nodes.iter().map(|node| node.elements.len()).sum()
    }

    /// All elements in order.
    pub fn elements(&self) -> Vec<&[u8]> {
        self.nodes
            .iter()
            .flat_map(|node| node.elements.iter().map(Vec::as_slice))
            .collect()
    }

    /// Before elements of so many bytes come in, a listpack they do not fit in becomes a quicklist.
    pub fn make_room(&mut self, bytes: usize) {
        let taken = self.nodes.first().map_or(FRAME_BYTES, Node::bytes);
        if !self.quick && taken + bytes > NODE_BYTES_MAX {
            self.quick = true;
        }
    }

    pub fn push(&mut self, left: bool, element: &[u8]) {
        let at = if left {
            0
        } else {
            self.nodes.len().saturating_sub(1)
        };
        let joins = self
            .nodes
            .get(at)
            .is_some_and(|node| !self.quick || node.accepts(element));
        if joins {
            let elements = &mut self.nodes[at].elements;
            elements.insert(if left { 0 } else { elements.len() }, element.to_vec());
            return;
        }
        let mut node = Node::of(element);
        node.plain &= self.quick;
        self.nodes
            .insert(if left { 0 } else { self.nodes.len() }, node);
    }

    /// Takes an element off an end, and says whether Redis has it as an integer then.
    pub fn pop(&mut self, left: bool) -> Option<(Vec<u8>, bool)> {
        let at = if left { 0 } else { self.len().checked_sub(1)? };
        let (node, _) = self.find(at)?;
        let plain = self.nodes[node].plain;
        let element = self.remove(at);
        let integer = self.quick && !plain && crate::numbers::canonical(&element).is_some();
        Some((element, integer))
    }

    /// The node and the place in it of the element with this index.
    fn find(&self, index: usize) -> Option<(usize, usize)> {
        let mut rest = index;
        for (at, node) in self.nodes.iter().enumerate() {
            if rest < node.elements.len() {
                return Some((at, rest));
            }
            rest -= node.elements.len();
        }
        None
    }

    pub fn remove(&mut self, index: usize) -> Vec<u8> {
        let (node, offset) = self.find(index).expect("an element of the list");
        let element = self.nodes[node].elements.remove(offset);
        if self.nodes[node].elements.is_empty() {
            self.nodes.remove(node);
        }
        element
    }

    /// After elements have gone: a quicklist of one node becomes a listpack again below half its size.
    pub fn shrink(&mut self) {
        if let [node] = &self.nodes[..]
            && !node.plain
            && node.bytes() <= NODE_BYTES_MAX / 2
        {
            self.quick = false;
        }
    }

    /// Puts an element beside the one with this index.
    pub fn insert(&mut self, index: usize, place: Place, element: &[u8]) {
        let (node, offset) = self.find(index).expect("an element of the list");
        if self.quick {
            self.insert_quick(node, offset, place, element);
            return;
        }
        let at = offset + usize::from(place == Place::After);
        self.nodes[node].elements.insert(at, element.to_vec());
    }

    fn insert_quick(&mut self, node: usize, offset: usize, place: Place, element: &[u8]) {
        let after = place == Place::After;
        let edge = if after {
            self.nodes[node].elements.len() - 1
        } else {
            0
        };
        let beyond = if after {
            Some(node + 1)
        } else {
            node.checked_sub(1)
        };
        let beyond = beyond.filter(|&at| self.nodes.get(at).is_some_and(|it| it.accepts(element)));
        let new_at = node + usize::from(after);
        if is_long(element) {
            let whole = self.nodes[node].plain || offset == edge;
            if whole {
                self.nodes.insert(new_at, Node::of(element));
            } else {
                let cut = self.cut(node, offset + usize::from(after));
                self.nodes.insert(cut, Node::of(element));
            }
        } else if self.nodes[node].accepts(element) {
            let at = offset + usize::from(after);
            self.nodes[node].elements.insert(at, element.to_vec());
        } else if offset == edge {
            match beyond {
                Some(beyond) => {
                    let elements = &mut self.nodes[beyond].elements;
                    elements.insert(if after { 0 } else { elements.len() }, element.to_vec());
                }
                None => self.nodes.insert(new_at, Node::of(element)),
            }
        } else {
            let second = self.cut(node, offset + usize::from(after));
            if after {
                self.nodes[second].elements.insert(0, element.to_vec());
                self.merge_around(second - 1);
            } else {
                self.nodes[second - 1].elements.push(element.to_vec());
                self.merge_around(second);
            }
        }
    }

    /// Cuts a node in two; returns the index of the second part.
    fn cut(&mut self, node: usize, at: usize) -> usize {
        let elements = self.nodes[node].elements.split_off(at);
        let plain = false;
        self.nodes.insert(node + 1, Node { elements, plain });
        node + 1
    }

    /// Merges the neighbours of a node, and it with them, as far as they fit into one.
    fn merge_around(&mut self, node: usize) {
        let mut node = node;
        if node >= 2 && self.merge(node - 2) {
            node -= 1;
        }
        self.merge(node + 1);
        if node >= 1 && self.merge(node - 1) {
            node -= 1;
        }
        self.merge(node);
    }

    /// Merges a node with the next one.
    fn merge(&mut self, node: usize) -> bool {
        if node + 1 >= self.nodes.len() {
            return false;
        }
        let (one, other) = (&self.nodes[node], &self.nodes[node + 1]);
        let bytes = one.bytes() + other.bytes() - FRAME_BYTES.min(other.bytes());
        if one.plain || other.plain || bytes > NODE_BYTES_MAX {
            return false;
        }
        let other = self.nodes.remove(node + 1);
        self.nodes[node].elements.extend(other.elements);
        true
    }

    /// Replaces the element with this index.
    pub fn replace(&mut self, index: usize, element: &[u8]) {
        let (node, offset) = self.find(index).expect("an element of the list");
        let long = self.quick && is_long(element);
        if long == self.nodes[node].plain {
            self.nodes[node].elements[offset] = element.to_vec();
        } else if !long {
            self.insert_quick(node, offset, Place::After, element);
            self.nodes.remove(node);
        } else {
            if offset + 1 < self.nodes[node].elements.len() {
                self.cut(node, offset + 1);
            }
            self.nodes.insert(node + 1, Node::of(element));
            self.nodes[node].elements.pop();
            if self.nodes[node].elements.is_empty() {
                self.nodes.remove(node);
            } else {
                self.merge_around(node + 1);
            }
        }
    }
}
