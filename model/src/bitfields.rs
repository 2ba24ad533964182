//! BITFIELD: integers of any width at any bit of a string.

use crate::bitmaps;
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, Text};

#[derive(Clone, Copy)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Clone, Copy)]
struct Field {
    signed: bool,
    width: usize,
    offset: usize,
}

#[derive(Clone, Copy)]
enum Action {
    Get,
    Set(i64),
    Increment(i64),
}

#[derive(Clone, Copy)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

impl Field {
    fn least(self) -> i128 {
        if self.signed {
            -(1 << (self.width - 1))
        } else {
            0
        }
    }

    fn most(self) -> i128 {
        if self.signed {
            (1 << (self.width - 1)) - 1
        } else {
            (1 << self.width) - 1
        }
    }

    fn read(self, bytes: &[u8]) -> i128 {
        let mut value = 0_i128;
        for at in self.offset..self.offset + self.width {
            value = value * 2 + i128::from(bitmaps::bit(bytes, at));
        }
        if value > self.most() {
            value - (1 << self.width)
        } else {
            value
        }
    }

    /// Writes the low bits of the value.
    fn write(self, bytes: &mut [u8], value: i128) {
        for index in 0..self.width {
            let bit = value >> (self.width - 1 - index) & 1 == 1;
            bitmaps::put_bit(bytes, self.offset + index, bit);
        }
    }

    /// The value if it fits, else what the overflow rule makes of it; nothing if that is to fail.
    fn fit(self, value: i128, overflow: Overflow) -> Option<i128> {
        if (self.least()..=self.most()).contains(&value) {
            return Some(value);
        }
        match overflow {
            Overflow::Wrap => {
                let wrapped = value.rem_euclid(1 << self.width);
                Some(if wrapped > self.most() {
                    wrapped - (1 << self.width)
                } else {
                    wrapped
                })
            }
            Overflow::Saturate => Some(value.clamp(self.least(), self.most())),
            Overflow::Fail => None,
        }
    }
}

fn width_and_sign(text: &[u8]) -> Result<(bool, usize), Failure> {
    let invalid = || {
        errors::err(
            "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )
    };
    let (signed, most) = match text.first() {
        Some(b'i') => (true, 64),
        Some(b'u') => (false, 63),
        _ => return Err(invalid()),
    };
    match numbers::canonical(&text[1..]) {
        Some(width) if (1..=most).contains(&width) => Ok((signed, width as usize)),
        _ => Err(invalid()),
    }
}

fn parse(call: &Call) -> Result<Vec<Operation>, Failure> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < call.args.len() {
        let after = call.args.len() - index - 1;
        if call.says(index, "OVERFLOW") && after >= 1 {
            overflow = parse_overflow(call.arg(index + 1))?;
            index += 2;
            continue;
        }
        let words = match call.arg(index).to_ascii_uppercase().as_slice() {
            b"GET" if after >= 2 => 3,
            b"SET" | b"INCRBY" if after >= 3 => 4,
            _ => return Err(errors::syntax()),
        };
        let (signed, width) = width_and_sign(call.arg(index + 1))?;
        let offset = bitmaps::offset(call.arg(index + 2), Some(width as i64))?;
        let action = if words == 3 {
            Action::Get
        } else {
            let number = numbers::integer(call.arg(index + 3))?;
            if call.says(index, "SET") {
                Action::Set(number)
            } else {
                Action::Increment(number)
            }
        };
        let field = Field {
            signed,
            width,
            offset,
        };
        operations.push(Operation {
            field,
            action,
            overflow,
        });
        index += words;
    }
    Ok(operations)
}

fn parse_overflow(word: &[u8]) -> Result<Overflow, Failure> {
    match word.to_ascii_uppercase().as_slice() {
        b"WRAP" => Ok(Overflow::Wrap),
        b"SAT" => Ok(Overflow::Saturate),
        b"FAIL" => Ok(Overflow::Fail),
        _ => Err(errors::err("Invalid OVERFLOW type specified")),
    }
}

pub fn bitfield(call: &mut Call) -> Outcome {
    run(call, false)
}

pub fn bitfield_ro(call: &mut Call) -> Outcome {
    run(call, true)
}

fn run(call: &mut Call, read_only: bool) -> Outcome {
    let operations = parse(call)?;
    let key = call.key();
    let last_written = operations
        .iter()
        .filter(|operation| !matches!(operation.action, Action::Get))
        .map(|operation| operation.field.offset + operation.field.width - 1)
        .max();
    let mut bytes = match last_written {
        None => {
            call.look_for(key);
            call.bytes(key)?
        }
        Some(_) if read_only => {
            return Err(errors::err("BITFIELD_RO only supports the GET subcommand"));
        }
        Some(last) => bitmaps::grown(call, key, last)?,
    };
    let is_grown = call.text(key)?.map(|text| text.bytes.len()) != Some(bytes.len());
    let (mut replies, mut is_changed) = (Vec::new(), false);
    for operation in operations {
        let before = bytes.clone();
        let reply = apply(operation, &mut bytes);
        let is_write = !matches!(operation.action, Action::Get) && reply != Reply::Null;
        is_changed |= is_write && (is_grown || bytes != before);
        replies.push(reply);
    }
    if last_written.is_some() {
        call.replace(key, Text::raw(bytes));
    }
    if is_changed {
        call.note('$', "setbit", key);
    }
    Ok(Reply::Array(replies))
}

fn apply(operation: Operation, bytes: &mut [u8]) -> Reply {
    let field = operation.field;
    let old = field.read(bytes);
    let wanted = match operation.action {
        Action::Get => return integer(old),
        // A negative number set to an unsigned field counts as a huge one.
        Action::Set(number) if !field.signed => i128::from(number as u64),
        // So does one that is further below the largest value than 63 bits can say.
        Action::Set(number)
            if field.width < 64 && field.most() - i128::from(number) > i128::from(i64::MAX) =>
        {
            i128::from(number) + (1 << 64)
        }
        Action::Set(number) => i128::from(number),
        Action::Increment(number) => old + i128::from(number),
    };
    match field.fit(wanted, operation.overflow) {
        None => Reply::Null,
        Some(new) => {
            field.write(bytes, new);
            integer(if matches!(operation.action, Action::Set(_)) {
                old
            } else {
                new
            })
        }
    }
}

fn integer(value: i128) -> Reply {
    Reply::Integer(i64::try_from(value).expect("a field has at most 64 bits"))
}
