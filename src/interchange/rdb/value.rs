//! Values as the formats carry them, whole and in memory.

use crate::keyspace::list::Division;
use crate::keyspace::stream::id::StreamId;

/// A value of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(Vec<u8>),
    List(List),
    Set(Vec<Vec<u8>>),
    /// Members and their scores, none of which is NaN.
    SortedSet(Vec<(Vec<u8>, f64)>),
    Hash(Vec<Field>),
    Stream(Box<Stream>),
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    pub elements: Vec<Vec<u8>>,
    /// The nodes that hold them, in their order; none: they are not known.
    pub nodes: Vec<Division>,
}

impl List {
    /// A list whose nodes are not known.
    pub fn of(elements: Vec<Vec<u8>>) -> Self {
        Self {
            elements,
            nodes: Vec::new(),
        }
    }

    /// Adds a node.
    pub fn push_node(&mut self, elements: Vec<Vec<u8>>, plain: bool) {
        let len = elements.len();
        self.nodes.push(Division { len, plain });
        self.elements.extend(elements);
    }
}

/// A field of a hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// Wall time in milliseconds since 1970 after which the field is gone.
    pub expires_ms: Option<u64>,
}

impl Field {
    /// No field expires later, in milliseconds: a file that says so is damaged.
    pub const EXPIRES_MS_MAX: u64 = (1 << 48) - 1;
}

/// An entry of a stream: fields and values in turn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamEntry {
    pub id: StreamId,
    pub items: Vec<Vec<u8>>,
    /// It is the first that is left of a node of Redis's. No entry is, where nodes are not known.
    pub begins_node: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// In the order of their numbers.
    pub entries: Vec<StreamEntry>,
    pub last_id: StreamId,
    pub max_deleted_id: StreamId,
    /// How many entries it ever had.
    pub entries_added: u64,
    /// None: nothing is known of it but the entries that it has.
    pub last_node: Option<LastNode>,
    pub groups: Vec<Group>,
}

impl Stream {
    /// Whether it is known which entries stand together.
    pub fn has_nodes(&self) -> bool {
        self.entries.first().is_some_and(|entry| entry.begins_node)
    }
}

/// The last node of a stream: what decides whether the next entry goes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastNode {
    /// Entries that it ever had.
    pub entries: u64,
    /// Bytes of its listpack.
    pub bytes: u64,
}

/// A consumer group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    /// None: it is not known.
    pub entries_read: Option<u64>,
    /// In the order of their numbers.
    pub pending: Vec<Pending>,
    pub consumers: Vec<Consumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    pub id: StreamId,
    /// Wall time in milliseconds since 1970.
    pub delivered_ms: u64,
    pub deliveries: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Consumer {
    pub name: Vec<u8>,
    /// Wall time in milliseconds since 1970.
    pub seen_ms: u64,
    /// The same; None: it has never got anything.
    pub active_ms: Option<u64>,
    /// Which of the group's pending entries it owns.
    pub pending: Vec<StreamId>,
}
