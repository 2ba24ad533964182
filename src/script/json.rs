//! The library `cjson`: values to JSON and back.
//!
//! Its settings stand in a table that the functions of one copy of the library share: `cjson.new` makes another copy. They
//! outlive the script that changes them.

mod decode;
mod encode;

use super::raise::Raise;
use super::stack::{Kind, Stack};
use super::state::{FIRST_UPVALUE, Native, Next};

pub const NAME: &str = "cjson";

const VERSION: &str = "2.1.0";

const FUNCTIONS: &[(&str, Native)] = &[
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", |stack| {
        set_number(stack, Setting::EncodeMaxDepth, 1, i32::MAX)
    }),
    ("decode_max_depth", |stack| {
        set_number(stack, Setting::DecodeMaxDepth, 1, i32::MAX)
    }),
    ("encode_number_precision", |stack| {
        set_number(stack, Setting::NumberPrecision, 1, 14)
    }),
    ("encode_keep_buffer", |stack| {
        set_choice(stack, Setting::KeepBuffer, OFF_ON)
    }),
    ("encode_invalid_numbers", |stack| {
        set_choice(stack, Setting::EncodeInvalidNumbers, OFF_ON_NULL)
    }),
    ("decode_invalid_numbers", |stack| {
        set_choice(stack, Setting::DecodeInvalidNumbers, OFF_ON)
    }),
    ("new", new),
];

const OFF_ON: &[&str] = &["off", "on"];
const OFF_ON_NULL: &[&str] = &["off", "on", "null"];

/// What can be set. Each is a number at its place in the table of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    /// Whether arrays that are too sparse become objects instead of errors.
    SparseConvert = 1,
    /// An array is too sparse if its last position is more than this many times the number of its elements (0: never) ...
    SparseRatio,
    /// ... and more than this.
    SparseSafe,
    EncodeMaxDepth,
    DecodeMaxDepth,
    /// 0: an error, 1: printed, 2: null.
    EncodeInvalidNumbers,
    /// Whether numbers that are not JSON's are read.
    DecodeInvalidNumbers,
    /// Without meaning here: every call has a buffer of its own.
    KeepBuffer,
    NumberPrecision,
}

const DEFAULTS: [(Setting, i32); 9] = [
    (Setting::SparseConvert, 0),
    (Setting::SparseRatio, 2),
    (Setting::SparseSafe, 10),
    (Setting::EncodeMaxDepth, 1000),
    (Setting::DecodeMaxDepth, 1000),
    (Setting::EncodeInvalidNumbers, 0),
    (Setting::DecodeInvalidNumbers, 1),
    (Setting::KeepBuffer, 1),
    (Setting::NumberPrecision, 14),
];

/// Pushes a copy of the library.
pub fn push(stack: &mut Stack<'_>) {
    stack.push_table();
    stack.push_table();
    for (setting, default) in DEFAULTS {
        stack.push_number(f64::from(default));
        stack.raw_set_at(-2, setting as i32);
    }
    for &(name, native) in FUNCTIONS {
        stack.push_value(-1);
        stack.push_native(native, 1);
        stack.set_field(-3, name);
    }
    stack.pop(1);
    stack.push_null_pointer();
    stack.set_field(-2, "null");
    for (name, text) in [("_NAME", NAME), ("_VERSION", VERSION)] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
}

/// cjson.new()
fn new(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    push(stack);
    Ok(Next::Return(1))
}

fn get(stack: &mut Stack<'_>, setting: Setting) -> i32 {
    stack.raw_get_at(Stack::upvalue(FIRST_UPVALUE), setting as i32);
    let value = stack.number(-1).unwrap_or_default() as i32;
    stack.pop(1);
    value
}

fn set(stack: &mut Stack<'_>, setting: Setting, value: i32) {
    stack.push_number(f64::from(value));
    stack.raw_set_at(Stack::upvalue(FIRST_UPVALUE), setting as i32);
}

/// Lets missing arguments be nil.
fn check_count(stack: &mut Stack<'_>, count: i32) -> Result<(), Raise> {
    if stack.top() > count {
        return Err(Raise::argument(count + 1, "found too many arguments"));
    }
    stack.set_top(count);
    Ok(())
}

/// Exactly one argument.
fn check_single(stack: &Stack<'_>) -> Result<(), Raise> {
    if stack.top() == 1 {
        Ok(())
    } else {
        Err(Raise::argument(1, "expected 1 argument"))
    }
}

/// Changes a setting to the number in an argument, if it has one, and pushes what it is then.
fn number_option(
    stack: &mut Stack<'_>,
    argument: i32,
    setting: Setting,
    min: i32,
    max: i32,
) -> Result<(), Raise> {
    if stack.kind(argument) != Kind::Nil {
        let value = stack.check_integer(argument)? as i32;
        if !(min..=max).contains(&value) {
            return Err(Raise::argument(
                1,
                format!("expected integer between {min} and {max}"),
            ));
        }
        set(stack, setting, value);
    }
    let value = get(stack, setting);
    stack.push_number(f64::from(value));
    Ok(())
}

/// The same with one of some words; the first two may also be false and true.
fn choice_option(
    stack: &mut Stack<'_>,
    argument: i32,
    setting: Setting,
    words: &[&str],
) -> Result<(), Raise> {
    match stack.kind(argument) {
        Kind::Nil => {}
        Kind::Boolean => {
            let value = i32::from(stack.truth(argument));
            set(stack, setting, value);
        }
        _ => {
            let word = stack.check_bytes(argument)?.to_vec();
            let Some(value) = words.iter().position(|known| known.as_bytes() == word) else {
                let text = [b"invalid option '".as_slice(), &word, b"'"].concat();
                return Err(Raise::argument(argument, text));
            };
            set(stack, setting, value as i32);
        }
    }
    match get(stack, setting) {
        value @ (0 | 1) => stack.push_boolean(value == 1),
        value => stack.push_bytes(words[value as usize].as_bytes()),
    }
    Ok(())
}

fn set_number(stack: &mut Stack<'_>, setting: Setting, min: i32, max: i32) -> Result<Next, Raise> {
    check_count(stack, 1)?;
    number_option(stack, 1, setting, min, max)?;
    Ok(Next::Return(1))
}

fn set_choice(stack: &mut Stack<'_>, setting: Setting, words: &[&str]) -> Result<Next, Raise> {
    check_count(stack, 1)?;
    choice_option(stack, 1, setting, words)?;
    Ok(Next::Return(1))
}

/// cjson.encode_sparse_array([convert [, ratio [, safe]]])
fn encode_sparse_array(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    check_count(stack, 3)?;
    choice_option(stack, 1, Setting::SparseConvert, OFF_ON)?;
    number_option(stack, 2, Setting::SparseRatio, 0, i32::MAX)?;
    number_option(stack, 3, Setting::SparseSafe, 0, i32::MAX)?;
    Ok(Next::Return(3))
}
