//! FUNCTION and FCALL, with a fixed family of libraries.

use std::collections::BTreeMap;

use super::family::Body;
use super::{Lua, divided, flushes, run};
use crate::commands;
use crate::errors::{self, Failure};
use crate::glob;
use crate::reply::Reply;
use crate::state::{Call, Outcome};

/// A function of a library.
struct Function {
    name: &'static str,
    description: Option<&'static str>,
    body: Body,
}

/// A library that loads.
struct Library {
    name: &'static str,
    code: &'static str,
    functions: &'static [Function],
}

const RUNS: Function = Function {
    name: "f1",
    description: None,
    body: Body {
        text: "",
        line: 2,
        read_only: false,
        run: |script| script.call(script.args),
    },
};

const LIBRARIES: &[Library] = &[
    Library {
        name: "lib1",
        code: "#!lua name=lib1\nredis.register_function('f1', function(keys, args) return redis.call(unpack(args)) end)",
        functions: &[RUNS],
    },
    Library {
        name: "lib1",
        code: "#!lua name=lib1\nredis.register_function('f1', function(keys, args) return {#keys, #args} end)",
        functions: &[Function {
            name: "f1",
            description: None,
            body: Body {
                text: "",
                line: 2,
                read_only: false,
                run: |script| {
                    let counts = [script.keys.len(), script.args.len()];
                    Ok(Lua::Table(counts.map(|it| Lua::Number(it as i64)).to_vec()))
                },
            },
        }],
    },
    Library {
        name: "lib2",
        code: "#!lua name=lib2\nredis.register_function{function_name='f2', callback=function(keys, args) return redis.pcall(unpack(args)) end, flags={'no-writes'}, description='reads'}",
        functions: &[Function {
            name: "f2",
            description: Some("reads"),
            body: Body {
                text: "",
                line: 2,
                read_only: true,
                run: |script| Ok(script.protected(script.args)),
            },
        }],
    },
    Library {
        name: "lib3",
        code: "#!lua name=lib3\nredis.register_function('f1', function(keys, args) return redis.call(unpack(args)) end)",
        functions: &[RUNS],
    },
];

/// Libraries that do not load, and why.
const BROKEN: &[(&str, &str)] = &[
    ("#!lua name=lib2\nreturn 1", "No functions registered"),
    (
        "#!lua name=bad-name\nredis.register_function('f1', function(keys, args) return 1 end)",
        "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
    ),
    (
        "#!lua\nredis.register_function('f1', function(keys, args) return 1 end)",
        "Library name was not given",
    ),
    (
        "#!lua name=lib4\nsyntax error",
        "Error compiling function: user_function:2: '=' expected near 'error'",
    ),
    ("#!js name=lib4\nx", "Engine 'js' not found"),
];

/// The codes of all libraries.
pub fn codes() -> Vec<&'static str> {
    let broken = BROKEN.iter().map(|(code, _)| *code);
    LIBRARIES.iter().map(|it| it.code).chain(broken).collect()
}

/// The libraries that are loaded: their places in the family, by name.
pub type Loaded = BTreeMap<&'static str, usize>;

fn loaded<'a>(call: &'a Call) -> impl Iterator<Item = &'static Library> + 'a {
    call.model.libraries.values().map(|at| &LIBRARIES[*at])
}

fn find(call: &Call, name: &[u8]) -> Option<&'static Function> {
    let mut functions = loaded(call).flat_map(|library| library.functions);
    functions.find(|function| function.name.as_bytes() == name)
}

pub fn load(call: &mut Call) -> Outcome {
    let words = call.args.len();
    let mut replace = false;
    for at in 2..words - 1 {
        if !call.says(at, "REPLACE") {
            let shown = commands::up_to_nul(call.arg(at), usize::MAX);
            let is_text = |byte: &u8| !matches!(byte, b'\r' | b'\n');
            let len = shown.iter().rposition(is_text).map_or(0, |last| last + 1);
            return Err(errors::err_bytes(&[
                b"Unknown option given: ",
                &shown[..len],
            ]));
        }
        replace = true;
    }
    let code = call.arg(words - 1);
    let head = |name: &str| format!("#!lua name={name}\n").into_bytes();
    let mut names = call.model.libraries.keys();
    let known = names.find(|name| code.starts_with(&head(name)));
    if let Some(name) = known.filter(|_| !replace) {
        return Err(errors::err(&format!("Library '{name}' already exists")));
    }
    if let Some((_, complaint)) = BROKEN.iter().find(|(broken, _)| broken.as_bytes() == code) {
        return Err(errors::err(complaint));
    }
    if !code.starts_with(b"#!") {
        return Err(errors::err("Missing library metadata"));
    }
    let at = LIBRARIES.iter().position(|it| it.code.as_bytes() == code);
    let at = at.expect("libraries outside the family are not sent");
    let library = &LIBRARIES[at];
    let others = loaded(call).filter(|it| it.name != library.name);
    for other in others.flat_map(|it| it.functions) {
        if library.functions.iter().any(|it| it.name == other.name) {
            return Err(errors::err(&format!(
                "Function {} already exists",
                other.name
            )));
        }
    }
    call.model.libraries.insert(library.name, at);
    Ok(Reply::bulk(library.name.as_bytes()))
}

pub fn delete(call: &mut Call) -> Outcome {
    let name = String::from_utf8_lossy(call.arg(2)).into_owned();
    match call.model.libraries.remove(name.as_str()) {
        Some(_) => Ok(Reply::ok()),
        None => Err(errors::err("Library not found")),
    }
}

pub fn flush(call: &mut Call) -> Outcome {
    if call.args.len() > 3 {
        return Err(commands::misused_subcommand(call));
    }
    if !flushes(call) {
        return Err(errors::err(
            "FUNCTION FLUSH only supports SYNC|ASYNC option",
        ));
    }
    call.model.libraries.clear();
    Ok(Reply::ok())
}

fn pair(name: &str, value: Reply) -> (Reply, Reply) {
    (Reply::bulk(name.as_bytes()), value)
}

fn described(function: &Function) -> Reply {
    let description = function.description;
    let flags = if function.body.read_only {
        vec![Reply::Status(b"no-writes".to_vec())]
    } else {
        Vec::new()
    };
    Reply::Map(vec![
        pair("name", Reply::bulk(function.name.as_bytes())),
        pair(
            "description",
            description.map_or(Reply::Null, |text| Reply::bulk(text.as_bytes())),
        ),
        pair("flags", Reply::Set(flags)),
    ])
}

pub fn list(call: &mut Call) -> Outcome {
    let (mut pattern, mut with_code) = (None, false);
    let mut at = 2;
    while at < call.args.len() {
        if call.says(at, "WITHCODE") && !with_code {
            with_code = true;
        } else if call.says(at, "LIBRARYNAME") && pattern.is_none() {
            let Some(given) = call.args.get(at + 1) else {
                return Err(errors::err("library name argument was not given"));
            };
            pattern = Some(given);
            at += 1;
        } else {
            let shown = commands::up_to_nul(call.arg(at), usize::MAX);
            return Err(errors::err_bytes(&[b"Unknown argument ", shown]));
        }
        at += 1;
    }
    let fits = |library: &&Library| {
        let lower = pattern.map(|pattern| pattern.to_ascii_lowercase());
        lower.is_none_or(|pattern| glob::matches(&pattern, library.name.as_bytes()))
    };
    let shown = loaded(call).filter(fits).map(|library| {
        let functions = library.functions.iter().map(described);
        let mut pairs = vec![
            pair("library_name", Reply::bulk(library.name.as_bytes())),
            pair("engine", Reply::bulk(b"LUA")),
            pair("functions", Reply::Array(functions.collect())),
        ];
        if with_code {
            pairs.push(pair("library_code", Reply::bulk(library.code.as_bytes())));
        }
        Reply::Map(pairs)
    });
    Ok(Reply::Array(shown.collect()))
}

pub fn stats(call: &mut Call) -> Outcome {
    let libraries = loaded(call).count();
    let functions: usize = loaded(call).map(|it| it.functions.len()).sum();
    let counts = Reply::Map(vec![
        pair("libraries_count", Reply::count(libraries)),
        pair("functions_count", Reply::count(functions)),
    ]);
    Ok(Reply::Map(vec![
        pair("running_script", Reply::Null),
        pair("engines", Reply::Map(vec![pair("LUA", counts)])),
    ]))
}

/// FUNCTION DUMP: the bytes are the server's own.
pub fn dump(_: &mut Call) -> Outcome {
    Ok(Reply::Bulk(Vec::new()))
}

/// FUNCTION RESTORE of what is no dump.
pub fn restore(call: &mut Call) -> Outcome {
    let policies = ["FLUSH", "APPEND", "REPLACE"];
    match call.args.len() {
        3 => {}
        4 if policies.iter().any(|policy| call.says(3, policy)) => {}
        4 => {
            return Err(errors::err(
                "Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
        _ => return Err(commands::misused_subcommand(call)),
    }
    Err(errors::err("DUMP payload version or checksum are wrong"))
}

pub fn fcall(call: &mut Call) -> Outcome {
    let function = find(call, call.arg(1)).ok_or_else(|| errors::err("Function not found"))?;
    let read_only = call.name.ends_with("_ro");
    let words = divided(call, 2, Some("Bad number of keys provided"))?;
    if read_only && !function.body.read_only {
        return Err(Failure(
            b"ERR Can not execute a script with write flag using *_ro command.".to_vec(),
        ));
    }
    let place = format!(
        "{}, on @user_function:{}.",
        function.name, function.body.line
    );
    Ok(run(call, &function.body, words, read_only, &place))
}
