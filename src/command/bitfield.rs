//! BITFIELD and BITFIELD_RO: integers of any width inside a string.

use super::argument::{integer, is_word};
use super::bitmap::{bit_offset, make_room};
use super::{Call, Failure, Outcome, errors, settings, string_value};
use crate::keyspace::Keyspace;
use crate::keyspace::bits::{FieldType, Overflow, WINDOW, window_get, window_put};
use crate::keyspace::change::Class;
use crate::resp::ErrorReply;
use crate::resp::integer::parse_i64;
use crate::resp::text::until_nul;
use crate::storage::{self, Plan};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    field: FieldType,
    /// First bit.
    offset: u64,
    action: Action,
    overflow: Overflow,
}

impl Operation {
    fn writes(&self) -> bool {
        self.action != Action::Get
    }

    fn last_byte(&self) -> u64 {
        (self.offset + u64::from(self.field.bits) - 1) / 8
    }

    fn shift(&self) -> u32 {
        (self.offset % 8) as u32
    }

    /// The bytes that hold the field, zeroes where the string ends before.
    fn read(
        &self,
        keyspace: &mut Keyspace,
        db: u32,
        key: &[u8],
    ) -> Result<[u8; WINDOW], storage::Error> {
        let mut bytes = Vec::with_capacity(WINDOW);
        keyspace.read_value(db, key, self.offset / 8, WINDOW as u64, &mut bytes)?;
        bytes.resize(WINDOW, 0);
        let mut window = [0; WINDOW];
        window.copy_from_slice(&bytes);
        Ok(window)
    }

    fn value(&self, window: [u8; WINDOW]) -> i64 {
        self.field
            .decode(window_get(window, self.shift(), self.field.bits))
    }
}

fn field_type(word: &[u8]) -> Result<FieldType, ErrorReply> {
    let signed = match word.first() {
        Some(b'i') => true,
        Some(b'u') => false,
        _ => return Err(errors::BITFIELD_TYPE),
    };
    let bits_max = if signed { 64 } else { 63 };
    parse_i64(until_nul(&word[1..]))
        .and_then(|bits| u32::try_from(bits).ok())
        .filter(|bits| (1..=bits_max).contains(bits))
        .map(|bits| FieldType { signed, bits })
        .ok_or(errors::BITFIELD_TYPE)
}

/// A bit's place; `#n` is the n-th field of its width.
fn field_offset(word: &[u8], bits: u32, len_max: u64) -> Result<u64, ErrorReply> {
    let number = match word.split_first() {
        Some((b'#', number)) => {
            parse_i64(number).map(|number| number.wrapping_mul(i64::from(bits)))
        }
        _ => parse_i64(word),
    };
    bit_offset(number, len_max)
}

fn overflow(word: &[u8]) -> Result<Overflow, ErrorReply> {
    [
        ("WRAP", Overflow::Wrap),
        ("SAT", Overflow::Saturate),
        ("FAIL", Overflow::Fail),
    ]
    .into_iter()
    .find(|(name, _)| is_word(word, name))
    .map(|(_, overflow)| overflow)
    .ok_or(errors::BITFIELD_OVERFLOW)
}

fn parse(mut words: &[&[u8]], len_max: u64) -> Result<Vec<Operation>, ErrorReply> {
    let mut operations = Vec::new();
    let mut how = Overflow::Wrap;
    loop {
        let (taken, action): (usize, fn(i64) -> Action) = match words {
            [] => return Ok(operations),
            [word, _, _, ..] if is_word(word, "GET") => (3, |_| Action::Get),
            [word, _, _, _, ..] if is_word(word, "SET") => (4, Action::Set),
            [word, _, _, _, ..] if is_word(word, "INCRBY") => (4, Action::Add),
            [word, name, rest @ ..] if is_word(word, "OVERFLOW") => {
                how = overflow(name)?;
                words = rest;
                continue;
            }
            _ => return Err(errors::SYNTAX),
        };
        let field = field_type(words[1])?;
        let offset = field_offset(words[2], field.bits, len_max)?;
        let number = if taken == 4 { integer(words[3])? } else { 0 };
        operations.push(Operation {
            field,
            offset,
            action: action(number),
            overflow: how,
        });
        words = &words[taken..];
    }
}

/// BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment
/// ...]
pub fn bitfield(call: &mut Call) -> Outcome {
    let operations = parse(&call.args[2..], settings::string_bytes_max(call))?;
    let last = operations
        .iter()
        .filter(|operation| operation.writes())
        .map(Operation::last_byte)
        .max();
    match last {
        Some(last) => change(call, &operations, last),
        None => read(call, &operations),
    }
}

/// BITFIELD_RO key [GET type offset ...]
pub fn bitfield_ro(call: &mut Call) -> Outcome {
    let operations = parse(&call.args[2..], settings::string_bytes_max(call))?;
    if operations.iter().any(Operation::writes) {
        return Err(errors::BITFIELD_READ_ONLY.into());
    }
    read(call, &operations)
}

fn read(call: &mut Call, operations: &[Operation]) -> Outcome {
    let (db, key) = (call.client.db, call.args[1]);
    let exists = string_value::lookup_len(call, key)?.is_some();
    call.out.array(operations.len());
    for operation in operations {
        let window = if exists {
            operation.read(call.keyspace, db, key)?
        } else {
            [0; WINDOW]
        };
        call.out.int(operation.value(window));
    }
    Ok(())
}

fn change(call: &mut Call, operations: &[Operation], last: u64) -> Outcome {
    let (db, key, now_ms) = (call.client.db, call.args[1], call.now_ms);
    let plan = match operations {
        [_] => Plan::Simple,
        _ => Plan::Savepoint,
    };
    let out = &mut *call.out;
    call.keyspace.write(plan, |txn| {
        let slot = string_value::slot(txn, db, key, now_ms)?;
        txn.before_part(&slot, last + 1);
        let grew = make_room(txn, &slot, key, last)?;
        let mut changes = 0;
        out.array(operations.len());
        for operation in operations {
            let window = operation.read(txn.keyspace(), db, key)?;
            let before = operation.value(window);
            let (after, reply) = match operation.action {
                Action::Get => {
                    out.int(before);
                    continue;
                }
                Action::Set(value) => {
                    let after = operation.field.fit(value, operation.overflow);
                    (after, after.map(|_| before))
                }
                Action::Add(increment) => {
                    let field = operation.field;
                    let after = field.add(before, increment, operation.overflow);
                    (after, after)
                }
            };
            let (Some(after), Some(reply)) = (after, reply) else {
                out.null();
                continue;
            };
            out.int(reply);
            if after != before {
                let (shift, bits) = (operation.shift(), operation.field.bits);
                let window = window_put(window, shift, bits, after.cast_unsigned());
                let first = operation.offset / 8;
                let len = (operation.last_byte() - first + 1) as usize;
                txn.write_into(&slot, key, first, &window[..len])?;
            }
            changes += u64::from(grew || after != before);
        }
        if changes > 0 {
            txn.touched(db, key, changes, Some((Class::String, "setbit")));
        }
        Ok::<_, Failure>(())
    })
}
