//! The scripts that are sent, and what they do.

use super::{Lua, Raised, Run};
use crate::numbers;

/// What a script does.
pub struct Body {
    pub text: &'static str,
    /// The line of its first command.
    pub line: usize,
    pub read_only: bool,
    pub run: fn(&mut Run) -> Result<Lua, Raised>,
}

const fn body(text: &'static str, run: fn(&mut Run) -> Result<Lua, Raised>) -> Body {
    Body {
        text,
        line: 1,
        read_only: false,
        run,
    }
}

/// Runs the request that its other words are.
pub const CALLS: &str = "return redis.call(unpack(ARGV))";
/// The same, and returns its error.
pub const CALLS_PROTECTED: &str = "return redis.pcall(unpack(ARGV))";

/// Runs the requests in its other words, each behind the number of its words, and returns their replies and errors.
pub const CALLS_SEVERAL: &str = "local r, i = {}, 1 while i <= #ARGV do local n = tonumber(ARGV[i]) \
    r[#r+1] = redis.pcall(unpack(ARGV, i+1, i+n)) i = i+n+1 end return r";

const SEVERAL: Body = body(CALLS_SEVERAL, |script| {
    let (mut replies, mut rest) = (Vec::new(), script.args);
    while let Some((count, words)) = rest.split_first() {
        let count = numbers::canonical(count).expect("a number of words");
        let (request, others) = words.split_at(count as usize);
        replies.push(script.protected(request));
        rest = others;
    }
    Ok(Lua::Table(replies))
});

const BODIES: &[Body] = &[
    body(CALLS, |script| script.call(script.args)),
    body(CALLS_PROTECTED, |script| Ok(script.protected(script.args))),
    body(
        "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return r.err end return {r}",
        |script| match script.protected(script.args) {
            Lua::Error(text) => Ok(Lua::Text(text)),
            value => Ok(Lua::Table(vec![value])),
        },
    ),
    body("return {KEYS[1],KEYS[2],ARGV[1],ARGV[2]}", |script| {
        let word =
            |words: &[Vec<u8>], at: usize| words.get(at).cloned().map_or(Lua::Nil, Lua::Text);
        let (keys, args) = (script.keys, script.args);
        Ok(Lua::Table(vec![
            word(keys, 0),
            word(keys, 1),
            word(args, 0),
            word(args, 1),
        ]))
    }),
    body(
        "return {#KEYS,#ARGV,'x',1.9,-1.9,true,false,nil,1}",
        |script| {
            let count = |words: &[Vec<u8>]| Lua::Number(words.len() as i64);
            Ok(Lua::Table(vec![
                count(script.keys),
                count(script.args),
                Lua::Text(b"x".to_vec()),
                Lua::Number(1),
                Lua::Number(-1),
                Lua::True,
                Lua::False,
                Lua::Nil,
                Lua::Number(1),
            ]))
        },
    ),
    body(
        "redis.call('SET',KEYS[1],ARGV[1]) return redis.call('INCRBY',KEYS[1],1)",
        |script| {
            let (key, value) = (word(script.keys)?, word(script.args)?);
            script.call(&request(&[b"SET", &key, &value]))?;
            script.call(&request(&[b"INCRBY", &key, b"1"]))
        },
    ),
    body(
        "for i, k in ipairs(KEYS) do redis.call('RPUSH', k, i) end return #KEYS",
        |script| {
            for (at, key) in script.keys.iter().enumerate() {
                script.call(&request(&[b"RPUSH", key, (at + 1).to_string().as_bytes()]))?;
            }
            Ok(Lua::Number(script.keys.len() as i64))
        },
    ),
    body("return redis.status_reply('FINE')", |_| {
        Ok(Lua::Status(b"FINE".to_vec()))
    }),
    body("return redis.error_reply('MY error')", |_| {
        Ok(Lua::Error(b"MY error".to_vec()))
    }),
    body("return {ok='fine'}", |_| Ok(Lua::Status(b"fine".to_vec()))),
    body("return {err='ERR mine'}", |_| {
        Ok(Lua::Error(b"ERR mine".to_vec()))
    }),
    body("return redis.sha1hex('')", |_| {
        Ok(Lua::Text(
            b"da39a3ee5e6b4b0d3255bfef95601890afd80709".to_vec(),
        ))
    }),
    body("return", |_| Ok(Lua::Nil)),
    body("return 'text'", |_| Ok(Lua::Text(b"text".to_vec()))),
    body("error('boom')", |_| {
        Err(Raised(b"ERR user_script:1: boom".to_vec()))
    }),
    body("error({err='MY boom'})", |_| {
        Err(Raised(b"MY boom".to_vec()))
    }),
    body("x = 1", |_| {
        Err(Raised(
            b"ERR user_script:1: Attempt to modify a readonly table".to_vec(),
        ))
    }),
    body("return unknown", |_| {
        Err(Raised(
            b"ERR user_script:1: Script attempted to access nonexistent global variable 'unknown'"
                .to_vec(),
        ))
    }),
    Body {
        text: "#!lua flags=no-writes\nreturn redis.call(unpack(ARGV))",
        line: 2,
        read_only: true,
        run: |script| script.call(script.args),
    },
    Body {
        text: "#!lua\nreturn redis.call(unpack(ARGV))",
        line: 2,
        read_only: false,
        run: |script| script.call(script.args),
    },
];

/// Scripts that are none, and the complaint about each.
const BROKEN: &[(&str, &str)] = &[
    (
        "syntax error here",
        "Error compiling script (new function): user_script:1: '=' expected near 'error'",
    ),
    (
        "#!lua flags=foo\nreturn 1",
        "Unexpected flag in script shebang: foo",
    ),
    (
        "#!foo\nreturn 1",
        "Unexpected engine in script shebang: #!foo",
    ),
];

/// The texts of the scripts that may be sent with any words.
pub fn texts() -> Vec<&'static str> {
    let broken = BROKEN.iter().map(|(text, _)| *text);
    BODIES.iter().map(|body| body.text).chain(broken).collect()
}

/// What a script does, or why it does not compile.
pub fn find(text: &[u8]) -> Option<Result<&'static Body, &'static str>> {
    let broken = BROKEN.iter().find(|(broken, _)| broken.as_bytes() == text);
    if let Some((_, complaint)) = broken {
        return Some(Err(complaint));
    }
    let mut bodies = BODIES.iter().chain([&SEVERAL]);
    let found = bodies.find(|body| body.text.as_bytes() == text);
    found.map(Ok)
}

fn request(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

/// The first of the words; a nil among the arguments of a command is an error.
fn word(words: &[Vec<u8>]) -> Result<Vec<u8>, Raised> {
    let missing = b"ERR Lua redis lib command arguments must be strings or integers";
    words
        .first()
        .cloned()
        .ok_or_else(|| Raised(missing.to_vec()))
}
