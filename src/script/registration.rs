//! redis.register_function: what a library brings.

use super::raise::Raise;
use super::shebang::{FLAGS, Flags, is_name};
use super::stack::{Kind, Reference, Stack};
use super::state::Next;

/// A function of a library.
#[derive(Debug)]
pub struct Registered {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    pub function: Reference,
}

/// The functions that a library has registered so far.
#[derive(Debug, Default)]
pub struct Registration(pub Vec<Registered>);

/// What is said of names that cannot be.
pub const BAD_NAME: &str = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// The arguments of a call, the function apart: it is the stack's.
#[derive(Default)]
struct Arguments {
    name: Option<Vec<u8>>,
    description: Option<Vec<u8>>,
    flags: Flags,
}

/// redis.register_function(name, function) or redis.register_function{function_name=, callback=, flags=, description=}
pub fn register_function(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.context().registration.borrow().is_none() {
        return Err(Raise::reply(
            "redis.register_function can only be called on FUNCTION LOAD command",
        ));
    }
    // The function ends up at index 3.
    let arguments = match stack.top() {
        1 => named(stack),
        2 => positional(stack),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let arguments = arguments.map_err(Raise::reply)?;
    let name = arguments.name.unwrap_or_default();
    if !is_name(&name) {
        return Err(Raise::reply(BAD_NAME));
    }
    let context = stack.context();
    let mut registration = context.registration.borrow_mut();
    let functions = &mut registration.get_or_insert_default().0;
    if functions.iter().any(|function| function.name == name) {
        return Err(Raise::reply("Function already exists in the library"));
    }
    stack.push_value(3);
    functions.push(Registered {
        name,
        description: arguments.description,
        flags: arguments.flags,
        function: stack.keep(),
    });
    Ok(Next::Return(0))
}

fn positional(stack: &mut Stack<'_>) -> Result<Arguments, &'static str> {
    let name = stack.text(1).map(<[u8]>::to_vec);
    let name = name.ok_or("first argument to redis.register_function must be a string")?;
    if stack.kind(2) != Kind::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    stack.push_value(2);
    Ok(Arguments {
        name: Some(name),
        ..Arguments::default()
    })
}

fn named(stack: &mut Stack<'_>) -> Result<Arguments, &'static str> {
    if stack.kind(1) != Kind::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        );
    }
    let mut arguments = Arguments::default();
    stack.set_top(3);
    stack.push_nil();
    while stack.next(1) {
        let key = match stack.kind(-2) {
            Kind::String => stack.bytes(-2).unwrap_or_default().to_ascii_lowercase(),
            Kind::Number => Vec::new(),
            _ => return Err("named argument key given to redis.register_function is not a string"),
        };
        match key.as_slice() {
            b"function_name" => {
                let name = stack.text(-1).map(<[u8]>::to_vec);
                arguments.name = Some(name.ok_or(
                    "function_name argument given to redis.register_function must be a string",
                )?);
            }
            b"description" => {
                let description = stack.text(-1).map(<[u8]>::to_vec);
                arguments.description = Some(description.ok_or(
                    "description argument given to redis.register_function must be a string",
                )?);
            }
            b"callback" => {
                if stack.kind(-1) != Kind::Function {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
                stack.push_value(-1);
                stack.replace(3);
            }
            b"flags" => {
                if stack.kind(-1) != Kind::Table {
                    return Err(
                        "flags argument to redis.register_function must be a table representing function flags",
                    );
                }
                arguments.flags = read_flags(stack).ok_or("unknown flag given")?;
            }
            _ => return Err("unknown argument given to redis.register_function"),
        }
        stack.pop(1);
    }
    if arguments.name.is_none() {
        return Err("redis.register_function must get a function name argument");
    }
    if stack.kind(3) != Kind::Function {
        return Err("redis.register_function must get a callback argument");
    }
    Ok(arguments)
}

/// The flags named in the table on top.
fn read_flags(stack: &mut Stack<'_>) -> Option<Flags> {
    let mut flags = Flags::default();
    for position in 1.. {
        stack.raw_get_at(-1, position);
        if stack.kind(-1) == Kind::Nil {
            stack.pop(1);
            break;
        }
        let name = stack.text(-1)?;
        let known = FLAGS
            .iter()
            .find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
        flags.add(known?.0);
        stack.pop(1);
    }
    Some(flags)
}
