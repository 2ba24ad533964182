//! What DUMP answers and RESTORE takes: a value between the byte of its kind and a footer.
//!
//! ```text
//! kind (1 byte), value, version (2 bytes, little endian), checksum of all before it (8 bytes, little endian)
//! ```

use super::decode::{self, Templates};
use super::encode::{self, Output};
use super::file::opcode;
use super::{Input, RdbError, VERSION_READ_MAX, Value, module};
use crate::interchange::crc64::crc64;

const FOOTER_BYTES: usize = 10;

/// The payload of a value, in this version.
pub fn write(value: &Value, version: u16, compresses: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Output::new(&mut bytes, compresses);
    out.byte(encode::kind_of(value, version))
        .and_then(|()| encode::value(&mut out, value, version))
        .expect("memory takes every write");
    close(&mut bytes, version);
    bytes
}

/// Appends the footer.
pub fn close(bytes: &mut Vec<u8>, version: u16) {
    bytes.extend_from_slice(&version.to_le_bytes());
    let crc = crc64(bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// The payload without its footer, if that is right: a version that is understood and the checksum.
pub fn open(payload: &[u8]) -> Result<&[u8], RdbError> {
    let truncated = RdbError::Truncated {
        at: payload.len() as u64,
    };
    let (body, footer) = payload
        .split_last_chunk::<FOOTER_BYTES>()
        .ok_or(truncated)?;
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    if version > VERSION_READ_MAX {
        return Err(RdbError::TooNew { version });
    }
    let checked = &payload[..payload.len() - 8];
    let expected = footer[2..]
        .iter()
        .rev()
        .fold(0, |n, b| n << 8 | u64::from(*b));
    let found = crc64(checked);
    if expected != found {
        return Err(RdbError::Checksum { expected, found });
    }
    Ok(body)
}

/// The value in a payload whose footer was taken off by [`open`].
pub fn read(body: &[u8]) -> Result<decode::Decoded, RdbError> {
    let (mut source, len) = (body, body.len() as u64);
    let mut input = Input::new(&mut source, len);
    let mut kind = input.byte()?;
    if kind == opcode::METADATA {
        module::skip_metadata(&mut input)?;
        kind = input.byte()?;
    }
    // Templates stand in files alone.
    let value = decode::value(&mut input, kind, &Templates::new())?;
    if input.left() > 0 {
        return input.damage("there are bytes behind the value");
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::StreamId;
    use super::super::value::{
        Consumer, Field, Group, LastNode, List, Pending, Stream, StreamEntry,
    };
    use super::*;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|n| n.to_string().into_bytes()),
            prop::collection::vec(any::<u8>(), 0..40),
            (any::<u8>(), 20..9000_usize).prop_map(|(byte, len)| vec![byte; len]),
        ]
    }

    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::btree_set(text(), 1..20).prop_map(|set| set.into_iter().collect())
    }

    fn hash() -> impl Strategy<Value = Value> {
        let time = prop::option::of(0..1u64 << 45);
        prop::collection::btree_map(text(), (text(), time), 1..20).prop_map(|map| {
            let field = |(name, (value, expires_ms))| Field {
                name,
                value,
                expires_ms,
            };
            Value::Hash(map.into_iter().map(field).collect())
        })
    }

    fn id() -> impl Strategy<Value = StreamId> {
        (any::<u64>(), 0..3u64).prop_map(|(ms, seq)| StreamId::new(ms, seq))
    }

    fn stream() -> impl Strategy<Value = Value> {
        let items = prop_oneof![
            text().prop_map(|value| vec![b"a".to_vec(), value.clone(), b"b".to_vec(), value]),
            (text(), text()).prop_map(|(name, value)| vec![name, value]),
        ];
        let begins = prop::bool::weighted(0.02);
        let entries = prop::collection::btree_map(id(), (items, begins), 0..250);
        let groups = prop::collection::btree_map(text(), group(), 0..3);
        (entries, groups, id(), any::<u64>()).prop_map(|(entries, groups, last_id, added)| {
            let entry = |(at, (id, (items, begins)))| StreamEntry {
                id,
                items,
                begins_node: at == 0 || begins,
            };
            let named = |(name, group)| Group { name, ..group };
            Value::Stream(Box::new(Stream {
                entries: entries.into_iter().enumerate().map(entry).collect(),
                last_node: None,
                last_id,
                max_deleted_id: last_id,
                entries_added: added,
                groups: groups.into_iter().map(named).collect(),
            }))
        })
    }

    fn group() -> impl Strategy<Value = Group> {
        let pending = prop::collection::btree_map(id(), (any::<u64>(), 0..5u64), 0..10);
        (pending, id(), prop::option::of(0..100u64), any::<bool>()).prop_map(
            |(pending, last_id, entries_read, active)| {
                let one = |(id, (delivered_ms, deliveries))| Pending {
                    id,
                    delivered_ms,
                    deliveries,
                };
                let pending: Vec<Pending> = pending.into_iter().map(one).collect();
                let (odd, even): (Vec<_>, Vec<_>) =
                    pending.iter().enumerate().partition(|(at, _)| at % 2 == 1);
                let consumer = |name: &[u8], owned: Vec<(usize, &Pending)>| Consumer {
                    name: name.to_vec(),
                    seen_ms: 7,
                    active_ms: active.then_some(9),
                    pending: owned.into_iter().map(|(_, pending)| pending.id).collect(),
                };
                Group {
                    consumers: vec![consumer(b"x", odd), consumer(b"y", even)],
                    name: Vec::new(),
                    last_id,
                    entries_read,
                    pending,
                }
            },
        )
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            text().prop_map(Value::String),
            texts().prop_map(|elements| Value::List(List::of(elements))),
            prop::collection::vec((texts(), any::<bool>()), 1..4).prop_map(|nodes| {
                let mut list = List::default();
                for (mut elements, plain) in nodes {
                    elements.truncate(if plain { 1 } else { usize::MAX });
                    list.push_node(elements, plain);
                }
                Value::List(list)
            }),
            texts().prop_map(Value::Set),
            texts().prop_map(|members| {
                let scored = |(at, member): (usize, Vec<u8>)| (member, at as f64 / 3.0);
                Value::SortedSet(members.into_iter().enumerate().map(scored).collect())
            }),
            hash(),
            stream(),
        ]
    }

    proptest! {
        #[test]
        fn values_come_back(value in value(), compresses in any::<bool>()) {
            let payload = write(&value, 12, compresses);
            let read = read(open(&payload).unwrap()).unwrap();
            prop_assert_eq!(read, decode::Decoded::Value(value));
        }

        #[test]
        fn a_changed_byte_is_noticed(value in value(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
            let mut payload = write(&value, 12, true);
            let at = at.index(payload.len());
            payload[at] ^= flip;
            prop_assert!(open(&payload).is_err());
        }

        #[test]
        fn damaged_values_do_not_panic(
            value in value(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let payload = write(&value, 12, true);
            let mut body = open(&payload).unwrap().to_vec();
            for (at, byte) in flips {
                let at = at.index(body.len());
                body[at] = byte;
            }
            let _ = read(&body);
            let _ = read(&body[..cut.index(body.len())]);
        }
    }

    #[test]
    fn the_last_node_of_a_stream_comes_back_with_what_it_had() {
        let entry = |at: u64, begins_node| StreamEntry {
            id: StreamId::new(1 << 40, at),
            items: vec![b"f".to_vec(), b"v".to_vec()],
            begins_node,
        };
        for bytes in (0..40_000).step_by(7) {
            let had = LastNode { entries: 5, bytes };
            let stream = Stream {
                entries: vec![entry(1, true), entry(2, true), entry(9, false)],
                last_node: Some(had),
                ..Stream::default()
            };
            let payload = write(&Value::Stream(Box::new(stream.clone())), 12, true);
            let Ok(decode::Decoded::Value(Value::Stream(read))) = read(open(&payload).unwrap())
            else {
                panic!("no stream");
            };
            assert_eq!(read.entries, stream.entries);
            let last = read.last_node.expect("entries are gone");
            assert_eq!(last.entries, had.entries);
            assert!(
                bytes < 100 || (bytes - 3..=bytes).contains(&last.bytes),
                "{bytes} {last:?}"
            );
        }
    }

    #[test]
    fn what_redis_wrote_is_read() {
        // DUMP of the string "bar" and of the hash {f: v} by Redis 7.0.
        let string = b"\x00\x03bar\x0a\x00";
        let mut payload = string.to_vec();
        payload.extend_from_slice(&crc64(string).to_le_bytes());
        let read = read(open(&payload).unwrap()).unwrap();
        assert_eq!(read, decode::Decoded::Value(Value::String(b"bar".to_vec())));
    }
}
