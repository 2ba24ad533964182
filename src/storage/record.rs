//! What one transaction writes to the log: its changes to keys, in order, without a word about pages.
//!
//! ```text
//! record = change*
//! change = code (1 byte) fields
//!   01 in root        root
//!   02 in nested      root, depth (1..), depth * (key, slot): the tree that the changes after it apply to
//!   10 put            key, head, body
//!   11 put nested     key, head, slots
//!   12 set head       key, head
//!   13 write body     key, offset, bytes
//!   14 truncate body  key, length
//!   15 delete         key
//!   16 delete range   from, flag (0: to the end, 1: to is given), [to]
//!   17 move           key, place, key          place = root, depth (0..), depth * (key, slot)
//!   18 copy           key, place, key
//!   19 drop root      root
//!   1a swap roots     root, root
//!   1b splice body    key, offset, bytes removed, bytes put in their place
//! ```
//!
//! Numbers are varints (seven bits a byte, low first); keys, heads and bytes are a varint length and the bytes.

use smallvec::SmallVec;

use super::varint::{self, Fault};

/// One change, borrowed from its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    In(Place<'a>),
    Put {
        key: &'a [u8],
        head: &'a [u8],
        body: &'a [u8],
    },
    PutNested {
        key: &'a [u8],
        head: &'a [u8],
        slots: usize,
    },
    SetHead {
        key: &'a [u8],
        head: &'a [u8],
    },
    WriteBody {
        key: &'a [u8],
        offset: u64,
        bytes: &'a [u8],
    },
    TruncateBody {
        key: &'a [u8],
        len: u64,
    },
    SpliceBody {
        key: &'a [u8],
        offset: u64,
        removed: u64,
        bytes: &'a [u8],
    },
    Delete {
        key: &'a [u8],
    },
    DeleteRange {
        from: &'a [u8],
        to: Option<&'a [u8]>,
    },
    Move {
        key: &'a [u8],
        to: Place<'a>,
        to_key: &'a [u8],
    },
    Copy {
        key: &'a [u8],
        to: Place<'a>,
        to_key: &'a [u8],
    },
    DropRoot(u32),
    SwapRoots(u32, u32),
}

/// A tree, by the way to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    pub root: u32,
    pub steps: SmallVec<[(&'a [u8], usize); 2]>,
}

/// A record that cannot be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record is not understood at byte {at}: {what}")]
pub struct RecordFault {
    /// Offset in the record, in bytes.
    pub at: usize,
    pub what: &'static str,
}

/// Nested trees are at most this deep.
pub const DEPTH_MAX: usize = 8;

const IN_ROOT: u8 = 0x01;
const IN_NESTED: u8 = 0x02;
const PUT: u8 = 0x10;
const PUT_NESTED: u8 = 0x11;
const SET_HEAD: u8 = 0x12;
const WRITE_BODY: u8 = 0x13;
const TRUNCATE_BODY: u8 = 0x14;
const DELETE: u8 = 0x15;
const DELETE_RANGE: u8 = 0x16;
const MOVE: u8 = 0x17;
const COPY: u8 = 0x18;
const DROP_ROOT: u8 = 0x19;
const SWAP_ROOTS: u8 = 0x1a;
const SPLICE_BODY: u8 = 0x1b;

/// Bytes of a put beside its key, head and body, at most.
const PUT_BYTES: usize = 1 + 3 * 10;

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_place(out: &mut Vec<u8>, place: &Place<'_>) {
    varint::put(out, u64::from(place.root));
    assert!(
        place.steps.len() <= DEPTH_MAX,
        "nested trees are not deeper"
    );
    varint::put(out, place.steps.len() as u64);
    for (key, slot) in &place.steps {
        put_bytes(out, key);
        varint::put(out, *slot as u64);
    }
}

impl Change<'_> {
    /// Appends the change to a record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::In(place) if place.steps.is_empty() => {
                out.push(IN_ROOT);
                varint::put(out, u64::from(place.root));
            }
            Self::In(place) => {
                out.push(IN_NESTED);
                put_place(out, place);
            }
            Self::Put { key, head, body } => {
                out.reserve(key.len() + head.len() + body.len() + PUT_BYTES);
                out.push(PUT);
                put_bytes(out, key);
                put_bytes(out, head);
                put_bytes(out, body);
            }
            Self::PutNested { key, head, slots } => {
                out.push(PUT_NESTED);
                put_bytes(out, key);
                put_bytes(out, head);
                varint::put(out, *slots as u64);
            }
            Self::SetHead { key, head } => {
                out.push(SET_HEAD);
                put_bytes(out, key);
                put_bytes(out, head);
            }
            Self::WriteBody { key, offset, bytes } => {
                out.push(WRITE_BODY);
                put_bytes(out, key);
                varint::put(out, *offset);
                put_bytes(out, bytes);
            }
            Self::TruncateBody { key, len } => {
                out.push(TRUNCATE_BODY);
                put_bytes(out, key);
                varint::put(out, *len);
            }
            Self::SpliceBody {
                key,
                offset,
                removed,
                bytes,
            } => {
                out.push(SPLICE_BODY);
                put_bytes(out, key);
                varint::put(out, *offset);
                varint::put(out, *removed);
                put_bytes(out, bytes);
            }
            Self::Delete { key } => {
                out.push(DELETE);
                put_bytes(out, key);
            }
            Self::DeleteRange { from, to } => {
                out.push(DELETE_RANGE);
                put_bytes(out, from);
                out.push(u8::from(to.is_some()));
                if let Some(to) = to {
                    put_bytes(out, to);
                }
            }
            Self::Move { key, to, to_key } | Self::Copy { key, to, to_key } => {
                out.push(if matches!(self, Self::Move { .. }) {
                    MOVE
                } else {
                    COPY
                });
                put_bytes(out, key);
                put_place(out, to);
                put_bytes(out, to_key);
            }
            Self::DropRoot(root) => {
                out.push(DROP_ROOT);
                varint::put(out, u64::from(*root));
            }
            Self::SwapRoots(a, b) => {
                out.push(SWAP_ROOTS);
                varint::put(out, u64::from(*a));
                varint::put(out, u64::from(*b));
            }
        }
    }
}

/// Reads the changes of a record one after the other. Arbitrary bytes give an error, never a panic.
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> Changes<'a> {
    pub fn new(record: &'a [u8]) -> Self {
        Self { record, at: 0 }
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, RecordFault> {
        Err(RecordFault { at: self.at, what })
    }

    fn byte(&mut self) -> Result<u8, RecordFault> {
        let Some(byte) = self.record.get(self.at) else {
            return self.fault("it ends too early");
        };
        self.at += 1;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, RecordFault> {
        match varint::get(&self.record[self.at..]) {
            Ok((value, len)) => {
                self.at += len;
                Ok(value)
            }
            Err(Fault::Ends) => {
                self.at = self.record.len();
                self.fault("it ends too early")
            }
            Err(Fault::TooLarge) => {
                self.at += varint::BYTES_MAX;
                self.fault("a number has more than 64 bits")
            }
        }
    }

    fn small(&mut self, max: u64, what: &'static str) -> Result<u64, RecordFault> {
        let value = self.number()?;
        if value > max {
            self.fault(what)
        } else {
            Ok(value)
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordFault> {
        let len = self.number()?;
        let left = self.record.len() - self.at;
        if len > left as u64 {
            return self.fault("it ends inside a string");
        }
        let start = self.at;
        self.at += len as usize;
        Ok(&self.record[start..self.at])
    }

    fn root(&mut self) -> Result<u32, RecordFault> {
        Ok(self.small(u64::from(u32::MAX), "a root has 32 bits")? as u32)
    }

    fn place(&mut self) -> Result<Place<'a>, RecordFault> {
        let root = self.root()?;
        let depth = self.small(DEPTH_MAX as u64, "nested trees are not so deep")?;
        let mut steps = SmallVec::new();
        for _ in 0..depth {
            let key = self.bytes()?;
            steps.push((key, self.slots()?));
        }
        Ok(Place { root, steps })
    }

    fn slots(&mut self) -> Result<usize, RecordFault> {
        Ok(self.small(super::cell::SLOTS_MAX as u64, "a cell has few nested trees")? as usize)
    }

    fn head(&mut self) -> Result<&'a [u8], RecordFault> {
        let head = self.bytes()?;
        if head.len() > super::cell::HEAD_BYTES_MAX {
            return self.fault("a head is short");
        }
        Ok(head)
    }

    /// The next change; None at the end.
    pub fn next_change(&mut self) -> Result<Option<Change<'a>>, RecordFault> {
        if self.at == self.record.len() {
            return Ok(None);
        }
        let code = self.byte()?;
        Ok(Some(match code {
            IN_ROOT => Change::In(Place {
                root: self.root()?,
                steps: SmallVec::new(),
            }),
            IN_NESTED => Change::In(self.place()?),
            PUT => Change::Put {
                key: self.bytes()?,
                head: self.head()?,
                body: self.bytes()?,
            },
            PUT_NESTED => Change::PutNested {
                key: self.bytes()?,
                head: self.head()?,
                slots: self.slots()?,
            },
            SET_HEAD => Change::SetHead {
                key: self.bytes()?,
                head: self.head()?,
            },
            WRITE_BODY => {
                let (key, offset) = (self.bytes()?, self.offset()?);
                Change::WriteBody {
                    key,
                    offset,
                    bytes: self.bytes()?,
                }
            }
            TRUNCATE_BODY => Change::TruncateBody {
                key: self.bytes()?,
                len: self.offset()?,
            },
            SPLICE_BODY => {
                let (key, offset) = (self.bytes()?, self.offset()?);
                Change::SpliceBody {
                    key,
                    offset,
                    removed: self.offset()?,
                    bytes: self.bytes()?,
                }
            }
            DELETE => Change::Delete { key: self.bytes()? },
            DELETE_RANGE => {
                let from = self.bytes()?;
                let to = if self.byte()? == 0 {
                    None
                } else {
                    Some(self.bytes()?)
                };
                Change::DeleteRange { from, to }
            }
            MOVE => Change::Move {
                key: self.bytes()?,
                to: self.place()?,
                to_key: self.bytes()?,
            },
            COPY => Change::Copy {
                key: self.bytes()?,
                to: self.place()?,
                to_key: self.bytes()?,
            },
            DROP_ROOT => Change::DropRoot(self.root()?),
            SWAP_ROOTS => Change::SwapRoots(self.root()?, self.root()?),
            _ => return self.fault("no change has this code"),
        }))
    }

    fn offset(&mut self) -> Result<u64, RecordFault> {
        self.small(super::blob::BODY_BYTES_MAX, "a body is not so long")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smallvec::smallvec;

    #[test]
    fn every_change_reads_back() {
        let mut record = Vec::new();
        let place = Place {
            root: 300,
            steps: smallvec![(b"owner".as_slice(), 1), (b"".as_slice(), 0)],
        };
        let changes = [
            Change::In(Place {
                root: 2,
                steps: SmallVec::new(),
            }),
            Change::In(place.clone()),
            Change::Put {
                key: b"k",
                head: b"h",
                body: &[7; 300],
            },
            Change::PutNested {
                key: b"",
                head: b"",
                slots: 3,
            },
            Change::SetHead {
                key: b"k",
                head: b"x",
            },
            Change::WriteBody {
                key: b"k",
                offset: 1 << 33,
                bytes: b"zz",
            },
            Change::TruncateBody { key: b"k", len: 5 },
            Change::SpliceBody {
                key: b"k",
                offset: 3,
                removed: 200,
                bytes: b"in",
            },
            Change::Delete { key: b"k" },
            Change::DeleteRange {
                from: b"a",
                to: Some(b"b"),
            },
            Change::DeleteRange {
                from: b"",
                to: None,
            },
            Change::Move {
                key: b"k",
                to: place.clone(),
                to_key: b"n",
            },
            Change::Copy {
                key: b"k",
                to: Place::default(),
                to_key: b"n",
            },
            Change::DropRoot(u32::MAX),
            Change::SwapRoots(0, 1),
        ];
        changes.iter().for_each(|c| c.encode(&mut record));
        let mut reader = Changes::new(&record);
        for change in changes {
            assert_eq!(reader.next_change(), Ok(Some(change)));
        }
        assert_eq!(reader.next_change(), Ok(None));
        for cut in 0..record.len() {
            let mut reader = Changes::new(&record[..cut]);
            while let Ok(Some(_)) = reader.next_change() {}
        }
    }

    proptest! {
        #[test]
        fn arbitrary_records_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = Changes::new(&bytes);
            while let Ok(Some(_)) = reader.next_change() {}
        }
    }
}
