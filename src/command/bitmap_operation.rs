//! BITOP: bitwise operations between strings, calculated piece by piece.

use super::argument::is_word;
use super::{Call, Failure, Outcome, errors, string_value};
use crate::keyspace::change::Class;
use crate::keyspace::header::Encoding;
use crate::keyspace::value::CHUNK_BYTES;
use crate::keyspace::{Keyspace, Txn};
use crate::resp::ErrorReply;
use crate::storage::{self, Plan};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn parse(word: &[u8]) -> Result<Self, ErrorReply> {
        [
            ("AND", Self::And),
            ("OR", Self::Or),
            ("XOR", Self::Xor),
            ("NOT", Self::Not),
        ]
        .into_iter()
        .find(|(name, _)| is_word(word, name))
        .map(|(_, operation)| operation)
        .ok_or(errors::SYNTAX)
    }

    fn apply(self, into: &mut [u8], operand: &[u8]) {
        for (byte, other) in into.iter_mut().zip(operand) {
            match self {
                Self::And => *byte &= other,
                Self::Or => *byte |= other,
                Self::Xor => *byte ^= other,
                Self::Not => *byte = !other,
            }
        }
    }
}

/// The strings of one BITOP.
struct Operands<'a> {
    operation: Operation,
    db: u32,
    /// Keys and lengths; a key that is not there has length 0.
    sources: Vec<(&'a [u8], u64)>,
    len: u64,
}

impl Operands<'_> {
    /// Appends the result's bytes `offset .. offset + len` to `out`. Shorter strings end in zeroes.
    fn calculate(
        &self,
        keyspace: &mut Keyspace,
        offset: u64,
        len: u64,
        out: &mut Vec<u8>,
    ) -> Result<(), storage::Error> {
        let mut operand = Vec::new();
        for (at, (key, key_len)) in self.sources.iter().enumerate() {
            operand.clear();
            if offset < *key_len {
                keyspace.read_value(self.db, key, offset, len, &mut operand)?;
            }
            operand.resize(len as usize, 0);
            if at == 0 && self.operation != Operation::Not {
                out.extend_from_slice(&operand);
            } else {
                out.resize(len as usize, 0);
                self.operation.apply(out, &operand);
            }
        }
        Ok(())
    }
}

/// BITOP AND | OR | XOR | NOT destkey key [key ...]
pub fn bitop(call: &mut Call) -> Outcome {
    let operation = Operation::parse(call.args[1])?;
    let (target, keys) = (call.args[2], &call.args[3..]);
    if operation == Operation::Not && keys.len() != 1 {
        return Err(errors::BITOP_NOT.into());
    }
    let mut sources = Vec::with_capacity(keys.len());
    for &key in keys {
        sources.push((key, string_value::lookup_len(call, key)?.unwrap_or(0)));
    }
    let operands = Operands {
        operation,
        db: call.client.db,
        len: sources.iter().map(|(_, len)| *len).max().unwrap_or(0),
        sources,
    };
    let now_ms = call.now_ms;
    let plan = if operands.len > CHUNK_BYTES {
        Plan::Savepoint
    } else {
        Plan::Simple
    };
    call.keyspace.write(plan, |txn| {
        if operands.len == 0 {
            txn.put_nothing(operands.db, target, now_ms)?;
            Ok(())
        } else {
            store(txn, &operands, target, now_ms)
        }
    })?;
    call.out.int(operands.len as i64);
    Ok(())
}

/// Stores the result. A target that is also a source, and so a string no longer than the result, is overwritten
/// piece by piece, each piece after it was read.
fn store(txn: &mut Txn<'_>, operands: &Operands<'_>, target: &[u8], now_ms: u64) -> Outcome {
    let db = operands.db;
    let mut slot = txn.slot(db, target, now_ms)?;
    let mut piece = Vec::new();
    let first = operands.len.min(CHUNK_BYTES);
    operands.calculate(txn.keyspace(), 0, first, &mut piece)?;
    let in_place = operands.len > CHUNK_BYTES
        && slot.exists()
        && operands.sources.iter().any(|(key, _)| *key == target);
    if in_place {
        txn.write_into(&slot, target, 0, &piece)?;
        txn.set_expiry(&slot, target, None)?;
        slot = txn.slot(db, target, now_ms)?;
        txn.set_encoding(&slot, target, Encoding::Raw)?;
    } else {
        txn.put_string(&slot, target, &piece, Encoding::Raw, None)?;
    }
    let mut offset = first;
    while offset < operands.len {
        piece.clear();
        let len = CHUNK_BYTES.min(operands.len - offset);
        operands.calculate(txn.keyspace(), offset, len, &mut piece)?;
        txn.write_into(&slot, target, offset, &piece)?;
        offset += len;
    }
    txn.touched(db, target, 1, Some((Class::String, "set")));
    Ok::<_, Failure>(())
}
