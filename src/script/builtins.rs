//! What of Lua's own functions is replaced, so that shields cannot be told from the tables behind them and nothing
//! harmful is within reach: no files, no precompiled chunks, no finalizers.

use std::ffi::CString;

use mlua_sys as ffi;

use super::raise::{Raise, position};
use super::shield::{READ_ONLY, Shielding, write_guarded};
use super::stack::{Kind, Stack};
use super::state::{FIRST_UPVALUE, Native, Next};
use crate::resp::text::until_nul;

/// The libraries of Lua that scripts have, with the names under which they open.
const LIBRARIES: &[(ffi::lua_CFunction, &str)] = &[
    (ffi::luaopen_base, ""),
    (ffi::luaopen_table, "table"),
    (ffi::luaopen_string, "string"),
    (ffi::luaopen_math, "math"),
    (ffi::luaopen_os, "os"),
];

/// Globals that the base library brings and scripts do not have.
const REMOVED: &[&str] = &["dofile", "loadfile", "print"];

/// Functions that look behind shields, in the globals and in `table`. Each has the original as an upvalue.
const WRAPPED: &[(&str, Native)] = &[
    ("next", look_behind),
    ("rawget", look_behind),
    ("rawset", rawset),
    ("setmetatable", setmetatable),
];
const WRAPPED_IN_TABLE: &[(&str, Native)] = &[("foreach", look_behind), ("insert", insert)];

/// Functions that are ours as a whole.
const REPLACED: &[(&str, Native)] = &[
    ("getmetatable", getmetatable),
    ("newproxy", newproxy),
    ("pcall", pcall),
    ("xpcall", xpcall),
    ("load", load),
    ("loadstring", loadstring),
];

/// Opens Lua's libraries into the globals of the table on top, which are the machine's, and replaces what has to be.
pub fn open(stack: &mut Stack<'_>) {
    for &(open, name) in LIBRARIES {
        stack.push_c_function(open, 0);
        stack.push_bytes(name.as_bytes());
        let opened = stack.call(1, Some(0), None);
        assert!(opened.is_ok(), "Lua's libraries open");
    }
    for name in REMOVED {
        stack.push_nil();
        stack.set_field(-2, name);
    }
    // `pairs` hands out the original `next` where it can, which walks faster.
    stack.field(-1, "next");
    stack.push_native(pairs, 1);
    stack.set_field(-2, "pairs");
    wrap(stack, WRAPPED);
    for &(name, native) in REPLACED {
        stack.push_native(native, 0);
        stack.set_field(-2, name);
    }
    stack.field(-1, "table");
    wrap(stack, WRAPPED_IN_TABLE);
    stack.pop(1);
    keep_clock_alone(stack);
}

/// Replaces functions in the table on top.
fn wrap(stack: &mut Stack<'_>, functions: &[(&str, Native)]) {
    for &(name, native) in functions {
        stack.field(-1, name);
        assert_eq!(stack.kind(-1), Kind::Function, "Lua has the function");
        stack.push_native(native, 1);
        stack.set_field(-2, name);
    }
}

fn keep_clock_alone(stack: &mut Stack<'_>) {
    stack.field(-1, "os");
    stack.push_table();
    stack.field(-2, "clock");
    stack.set_field(-2, "clock");
    stack.set_field(-3, "os");
    stack.pop(1);
}

/// `getmetatable("")` and the methods of strings lead to shields too. The shield of the string library is on top.
pub fn shield_strings(stack: &mut Stack<'_>) {
    stack.push_bytes(b"");
    let has_one = stack.push_metatable(-1);
    assert!(has_one, "strings have a metatable");
    stack.push_value(-3);
    stack.set_field(-2, "__index");
    stack.push_value(-1);
    stack.shield();
    stack.remember_shield();
    stack.pop(2);
}

/// next, rawget, table.foreach: what they are asked of a shield is answered by what stands behind it.
fn look_behind(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.unshield(1);
    Ok(Next::Original)
}

/// rawset(table, key, value)
fn rawset(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    match stack.push_real(1) {
        Shielding::None => Ok(Next::Original),
        Shielding::Shield => Err(Raise::Plain(READ_ONLY)),
        Shielding::Guard => {
            stack.replace(1);
            stack.set_top(3);
            write_guarded(stack)?;
            stack.set_top(1);
            Ok(Next::Return(1))
        }
    }
}

/// table.insert(table, [position,] value)
fn insert(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let is_complete = match stack.top() {
        2 => true,
        3 => stack.number(2).is_some(),
        _ => false,
    };
    if is_complete && stack.push_real(1) != Shielding::None {
        return Err(Raise::Plain(READ_ONLY));
    }
    Ok(Next::Original)
}

/// setmetatable(table, metatable)
fn setmetatable(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if !matches!(stack.kind(2), Kind::Nil | Kind::Table) {
        return Ok(Next::Original);
    }
    if stack.push_real(1) != Shielding::None {
        return Err(Raise::Plain(READ_ONLY));
    }
    if stack.kind(2) == Kind::Table {
        stack.unshield(2);
    }
    Ok(Next::Original)
}

/// getmetatable(value)
fn getmetatable(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.kind(1) == Kind::None {
        return Err(Raise::argument(1, "value expected"));
    }
    stack.unshield(1);
    if !stack.push_metatable(1) {
        stack.push_nil();
        return Ok(Next::Return(1));
    }
    stack.field(-1, "__metatable");
    if stack.kind(-1) == Kind::Nil {
        stack.pop(1);
        stack.swap_for_shield();
    }
    Ok(Next::Return(1))
}

/// pairs(table)
fn pairs(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.check_table(1)?;
    stack.set_top(1);
    let original_next = Stack::upvalue(FIRST_UPVALUE);
    if stack.push_real(1) == Shielding::None {
        stack.push_value(original_next);
    } else {
        stack.pop(1);
        stack.push_value(original_next);
        stack.push_native(look_behind, 1);
    }
    stack.insert(1);
    stack.push_nil();
    Ok(Next::Return(3))
}

/// newproxy([true | false | proxy]): a userdata with a fresh metatable, none, or that of another.
///
/// The metatable takes no `__gc`: a finalizer would run at any time, also inside native functions.
fn newproxy(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.set_top(1);
    stack.push_userdata();
    match stack.kind(1) {
        Kind::None | Kind::Nil => {}
        Kind::Boolean if !stack.truth(1) => {}
        Kind::Boolean => {
            stack.push_table();
            stack.push_value(-1);
            stack.guard();
            stack.set_field(-2, "__metatable");
            stack.set_metatable(2);
        }
        Kind::Userdata if stack.push_metatable(1) => stack.set_metatable(2),
        _ => return Err(Raise::argument(1, "boolean or proxy expected")),
    }
    Ok(Next::Return(1))
}

/// pcall(function, ...): an error that is a table with a text in `err` is answered as that text, as scripts of the
/// time expect it when errors were texts.
fn pcall(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let arguments = stack.top() - 1;
    if arguments < 0 {
        return Err(Raise::argument(1, "value expected"));
    }
    stack.push_boolean(true);
    stack.insert(1);
    if stack.call(arguments, None, None).is_ok() {
        return Ok(Next::Return(stack.top()));
    }
    stack.push_boolean(false);
    stack.replace(1);
    if stack.kind(-1) == Kind::Table {
        stack.field(-1, "err");
        if matches!(stack.kind(-1), Kind::String | Kind::Number) {
            stack.replace(-2);
        } else {
            // The field, whatever it is, is one more result.
            return Ok(Next::Return(stack.top()));
        }
    }
    Ok(Next::Return(stack.top()))
}

/// xpcall(function, handler)
///
/// Lua itself would call the handler where the error is raised, and without the hook if it is the hook that raises: a
/// handler that does not end would never end. Here it is called when the function is left.
fn xpcall(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.kind(2) == Kind::None {
        return Err(Raise::argument(2, "value expected"));
    }
    stack.set_top(2);
    stack.push_boolean(true);
    stack.push_value(1);
    if stack.call(0, None, None).is_ok() {
        return Ok(Next::Return(stack.top() - 2));
    }
    stack.push_boolean(false);
    stack.replace(3);
    stack.push_value(2);
    stack.insert(-2);
    if stack.call(1, Some(1), None).is_err() {
        stack.pop(1);
        stack.push_bytes(b"error in error handling");
    }
    Ok(Next::Return(2))
}

/// loadstring(code [, name])
fn loadstring(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let code = stack.check_bytes(1)?.to_vec();
    let name = match stack.is_nothing(2) {
        true => code.clone(),
        false => stack.check_bytes(2)?.to_vec(),
    };
    Ok(load_code(stack, &code, &name))
}

fn load_code(stack: &mut Stack<'_>, code: &[u8], name: &[u8]) -> Next {
    let name = CString::new(until_nul(name)).unwrap_or_default();
    if stack.load(code, &name).is_ok() {
        return Next::Return(1);
    }
    stack.push_nil();
    stack.insert(-2);
    Next::Return(2)
}

/// load(function [, name]): the function gives the code piece by piece.
fn load(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let name = match stack.is_nothing(2) {
        true => b"=(load)".to_vec(),
        false => stack.check_bytes(2)?.to_vec(),
    };
    if stack.kind(1) != Kind::Function {
        return Err(Raise::wrong_type(stack, 1, "function"));
    }
    let mut code = Vec::new();
    loop {
        stack.push_value(1);
        if stack.call(0, Some(1), None).is_err() {
            break;
        }
        if stack.kind(-1) == Kind::Nil {
            return Ok(load_code(stack, &code, &name));
        }
        let Some(piece) = stack.text(-1) else {
            let mut text = position(stack, 1);
            text.extend_from_slice(b"reader function must return a string");
            stack.push_bytes(&text);
            break;
        };
        if piece.is_empty() {
            return Ok(load_code(stack, &code, &name));
        }
        code.extend_from_slice(piece);
        stack.pop(1);
    }
    stack.push_nil();
    stack.insert(-2);
    Ok(Next::Return(2))
}

/// The handler of errors of scripts and functions: makes a table of whatever was raised, and adds where.
pub fn handle_error(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.set_top(1);
    // What raised is the function below; where that is native, what counts is the one that called it.
    let place = stack.place(1).and_then(|place| match place.is_native {
        true => stack.place(2),
        false => Some(place),
    });
    if stack.kind(1) != Kind::Table || stack.push_real(1) != Shielding::None {
        let mut line = b"ERR ".to_vec();
        append_printed(stack, 1, &mut line);
        stack.set_top(0);
        stack.push_table();
        stack.push_bytes(&line);
        stack.set_field(1, "err");
    }
    if let Some(place) = place {
        stack.push_bytes(&place.source);
        stack.set_field(1, "source");
        stack.push_number(f64::from(place.line));
        stack.set_field(1, "line");
    }
    stack.set_top(1);
    Ok(Next::Return(1))
}

/// Appends what `tostring` says of a value that has no `__tostring`.
fn append_printed(stack: &mut Stack<'_>, index: i32, out: &mut Vec<u8>) {
    match stack.kind(index) {
        Kind::None | Kind::Nil => out.extend_from_slice(b"nil"),
        Kind::Boolean => out.extend_from_slice(if stack.truth(index) {
            b"true"
        } else {
            b"false"
        }),
        Kind::String | Kind::Number => {
            let text = stack.text(index).unwrap_or_default();
            out.extend_from_slice(until_nul(text));
        }
        kind => {
            let address = stack.address(index);
            out.extend_from_slice(format!("{}: {address:#x}", kind.name()).as_bytes());
        }
    }
}
