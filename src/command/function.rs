//! FCALL and FUNCTION.

use super::argument::{integer_or, is_word};
use super::eval::{self, NESTED, Way};
use super::libraries::{ENGINE, Libraries, Library, Policy, declared, library_is_there};
use super::running::Kind;
use super::script_run::Subject;
use super::{Call, Failure, Outcome, errors, help};
use crate::config::Key;
use crate::interchange::rdb::library as dump;
use crate::resp::ErrorReply;
use crate::resp::glob::{self, Case};
use crate::resp::text::until_nul;
use crate::storage::Plan;

/// FCALL function numkeys [key ...] [arg ...]
pub fn fcall(call: &mut Call<'_>) -> Outcome {
    run(call, false)
}

/// FCALL_RO function numkeys [key ...] [arg ...]
pub fn fcall_ro(call: &mut Call<'_>) -> Outcome {
    run(call, true)
}

fn run(call: &mut Call<'_>, read_only: bool) -> Outcome {
    const NOT_FOUND: ErrorReply = ErrorReply::new("ERR Function not found");
    const BAD_COUNT: ErrorReply = ErrorReply::new("ERR Bad number of keys provided");
    eval::show(call);
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let (vm, function) = libraries.find(call.args[1]).ok_or(NOT_FOUND)?;
    let keys = integer_or(call.args[2], BAD_COUNT)?;
    eval::split_arguments(call.args, keys)?;
    let name = String::from_utf8_lossy(&function.name);
    let subject = Subject {
        kind: Kind::Function,
        name: &name,
        flags: Some(function.flags),
        read_only,
    };
    eval::run_in(call, vm, &function.reference, subject, keys, Way::Straight)
}

/// Error replies repeat what was sent, which need not be text.
fn refuse(call: &mut Call<'_>, text: &[u8]) -> Outcome {
    call.out.error_bytes(&[b"ERR ".as_slice(), text].concat());
    Ok(())
}

fn without_line_ends(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let len = text.iter().rposition(|byte| !is_end(byte));
    &text[..len.map_or(0, |last| last + 1)]
}

/// FUNCTION LOAD [REPLACE] code
pub fn load(call: &mut Call<'_>) -> Outcome {
    let (code, options) = call.args[2..].split_last().expect("the arity");
    let mut replaces = false;
    for option in options {
        if !is_word(option, "replace") {
            let option = without_line_ends(until_nul(option));
            let text = [b"Unknown option given: ".as_slice(), option].concat();
            return refuse(call, &text);
        }
        replaces = true;
    }
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let compiled = declared(code).and_then(|parsed| {
        if !replaces && libraries.knows(&parsed.name) {
            return Err(library_is_there(&parsed.name));
        }
        libraries.compile_declared(parsed, code, server)
    });
    let library = match compiled {
        Ok(library) => library,
        Err(text) => return refuse(call, &text),
    };
    if let Some(text) = libraries.clash(&library, |other| other == library.name) {
        libraries.discard(library);
        return refuse(call, &text);
    }
    let stored = call.keyspace.write(Plan::Simple, |txn| {
        txn.put_library(&library.name, &library.code)?;
        txn.keyspace().stats.dirty += 1;
        Ok::<_, Failure>(())
    });
    if let Err(failure) = stored {
        libraries.discard(library);
        return Err(failure);
    }
    call.out.bulk(&library.name);
    libraries.insert(library);
    libraries.settle(call.keyspace.libraries_epoch(), &server.scripting.figures);
    Ok(())
}

/// FUNCTION DELETE library
pub fn delete(call: &mut Call<'_>) -> Outcome {
    const NOT_FOUND: ErrorReply = ErrorReply::new("ERR Library not found");
    let (name, server) = (call.args[2], call.server);
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    if !libraries.knows(name) {
        return Err(NOT_FOUND.into());
    }
    call.keyspace.write(Plan::Simple, |txn| {
        txn.delete_library(name)?;
        txn.keyspace().stats.dirty += 1;
        Ok::<_, Failure>(())
    })?;
    libraries.drop_library(name);
    libraries.settle(call.keyspace.libraries_epoch(), &server.scripting.figures);
    call.out.ok();
    Ok(())
}

/// So few functions are not left for later, whatever is asked for.
const FREED_AT_ONCE_MAX: u64 = 64;

/// FUNCTION FLUSH [ASYNC | SYNC]
pub fn flush(call: &mut Call<'_>) -> Outcome {
    const WRONG_WORD: ErrorReply =
        ErrorReply::new("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
    let is_async = match call.args[2..] {
        [] => call.server.config.is_on(Key::LazyfreeLazyUserFlush),
        [how] if is_word(how, "sync") => false,
        [how] if is_word(how, "async") => true,
        [_] => return Err(WRONG_WORD.into()),
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let functions = libraries.functions() as u64;
    call.keyspace.write(Plan::Savepoint, |txn| {
        let from = txn.keyspace().engine.dropped();
        for library in libraries.all() {
            txn.delete_library(&library.name)?;
        }
        if is_async && functions > FREED_AT_ONCE_MAX {
            // The machine goes with them.
            txn.keyspace().engine.count_dropped(from, functions + 1);
        }
        txn.keyspace().stats.dirty += 1;
        Ok::<_, Failure>(())
    })?;
    libraries.clear();
    libraries.settle(call.keyspace.libraries_epoch(), &server.scripting.figures);
    call.out.ok();
    Ok(())
}

/// FUNCTION LIST [LIBRARYNAME pattern] [WITHCODE]
pub fn list(call: &mut Call<'_>) -> Outcome {
    const NO_NAME: ErrorReply = ErrorReply::new("ERR library name argument was not given");
    let (mut pattern, mut with_code) = (None, false);
    let mut words = call.args[2..].iter();
    while let Some(option) = words.next() {
        if !with_code && is_word(option, "withcode") {
            with_code = true;
        } else if pattern.is_none() && is_word(option, "libraryname") {
            pattern = Some(*words.next().ok_or(NO_NAME)?);
        } else {
            let text = [b"Unknown argument ".as_slice(), until_nul(option)].concat();
            return refuse(call, &text);
        }
    }
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let is_asked_for = |library: &&Library| {
        pattern.is_none_or(|pattern| glob::matches(pattern, &library.name, Case::Insensitive))
    };
    let asked_for: Vec<&Library> = libraries.all().filter(is_asked_for).collect();
    call.out.array(asked_for.len());
    for library in asked_for {
        describe(call, library, with_code);
    }
    Ok(())
}

fn describe(call: &mut Call<'_>, library: &Library, with_code: bool) {
    let out = &mut *call.out;
    out.map(if with_code { 4 } else { 3 });
    out.bulk(b"library_name");
    out.bulk(&library.name);
    out.bulk(b"engine");
    out.bulk(ENGINE.as_bytes());
    out.bulk(b"functions");
    out.array(library.functions.len());
    for function in &library.functions {
        out.map(3);
        out.bulk(b"name");
        out.bulk(&function.name);
        out.bulk(b"description");
        match &function.description {
            Some(description) => out.bulk(description),
            None => out.null(),
        }
        out.bulk(b"flags");
        out.set(function.flags.names().count());
        for flag in function.flags.names() {
            out.simple(flag);
        }
    }
    if with_code {
        out.bulk(b"library_code");
        out.bulk(&library.code);
    }
}

/// FUNCTION STATS
pub fn stats(call: &mut Call<'_>) -> Outcome {
    let scripting = &call.server.scripting;
    let late = scripting.running.late();
    if let Some(late) = &late
        && late.kind == Kind::Script
    {
        return Err(late.kind.busy().into());
    }
    let (libraries, functions) = match &late {
        // The machine is in use; the figures are of the time before.
        Some(_) => scripting.figures.counts(),
        None => {
            let mut libraries = scripting.libraries.try_lock().ok_or(NESTED)?;
            libraries.follow(call.keyspace, call.server)?;
            (libraries.len() as u64, libraries.functions() as u64)
        }
    };
    let out = &mut *call.out;
    out.map(2);
    out.bulk(b"running_script");
    match late {
        None => out.null(),
        Some(late) => {
            let words = late.request.words();
            let running_us = call.server.clock.mono_us().saturating_sub(late.started_us);
            out.map(3);
            out.bulk(b"name");
            out.bulk(late.name.as_bytes());
            out.bulk(b"command");
            out.array(words.len());
            for word in words {
                out.bulk(word);
            }
            out.bulk(b"duration_ms");
            out.int((running_us / 1000) as i64);
        }
    }
    out.bulk(b"engines");
    out.map(1);
    out.bulk(ENGINE.as_bytes());
    out.map(2);
    out.bulk(b"libraries_count");
    out.int(libraries as i64);
    out.bulk(b"functions_count");
    out.int(functions as i64);
    Ok(())
}

/// FUNCTION KILL
pub fn kill(call: &mut Call<'_>) -> Outcome {
    call.server.scripting.running.kill(Kind::Function)?;
    call.out.ok();
    Ok(())
}

/// FUNCTION DUMP
pub fn dump(call: &mut Call<'_>) -> Outcome {
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let codes = libraries.all().map(|library| library.code.as_slice());
    let payload = dump::write(codes);
    call.out.bulk(&payload);
    Ok(())
}

/// FUNCTION RESTORE payload [FLUSH | APPEND | REPLACE]
pub fn restore(call: &mut Call<'_>) -> Outcome {
    const WRONG_WORD: ErrorReply = ErrorReply::new(
        "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
    );
    let policy = match call.args[3..] {
        [] => Policy::Append,
        [how] if is_word(how, "append") => Policy::Append,
        [how] if is_word(how, "replace") => Policy::Replace,
        [how] if is_word(how, "flush") => Policy::Flush,
        [_] => return Err(WRONG_WORD.into()),
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let codes = dump::codes(call.args[2]).ok_or(errors::BAD_PAYLOAD)?;
    let server = call.server;
    let mut libraries = server.scripting.libraries.try_lock().ok_or(NESTED)?;
    libraries.follow(call.keyspace, server)?;
    let fresh = match libraries.compile_all(codes, policy, server) {
        Ok(fresh) => fresh,
        Err(text) => return refuse(call, &text),
    };
    if let Err(failure) = store_all(call, &libraries, policy, &fresh) {
        libraries.discard_all(fresh);
        return Err(failure);
    }
    // What goes is gone before the first function comes: one of its name may come with another library.
    let old: Vec<Vec<u8>> = match policy {
        Policy::Flush => libraries.all().map(|it| it.name.clone()).collect(),
        _ => fresh.iter().map(|it| it.name.clone()).collect(),
    };
    for name in old {
        libraries.drop_library(&name);
    }
    for library in fresh {
        libraries.insert(library);
    }
    libraries.settle(call.keyspace.libraries_epoch(), &server.scripting.figures);
    call.out.ok();
    Ok(())
}

fn store_all(
    call: &mut Call<'_>,
    libraries: &Libraries,
    policy: Policy,
    fresh: &[Library],
) -> Result<(), Failure> {
    call.keyspace.write(Plan::Savepoint, |txn| {
        if policy == Policy::Flush {
            for library in libraries.all() {
                txn.delete_library(&library.name)?;
            }
        }
        for library in fresh {
            txn.put_library(&library.name, &library.code)?;
        }
        txn.keyspace().stats.dirty += 1;
        Ok(())
    })
}

/// FUNCTION HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::FUNCTION)
}

#[cfg(test)]
mod tests;
