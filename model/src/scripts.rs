//! EVAL and SCRIPT. The scripts are a fixed family: what each of them does is known here and not computed.

pub mod family;
pub mod functions;

use std::collections::BTreeMap;

use crate::commands;
use crate::compare::{Node, parse};
use crate::errors::{self, Failure};
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::sha1;
use crate::state::{Call, Outcome};
use crate::table;
use family::Body;

/// A value of Lua, as far as scripts return them.
#[derive(Clone, Debug, PartialEq)]
pub enum Lua {
    Nil,
    False,
    True,
    /// A number, cut to an integer.
    Number(i64),
    Text(Vec<u8>),
    Status(Vec<u8>),
    Error(Vec<u8>),
    Table(Vec<Lua>),
}

/// Why a script ended early: the text of the error, and whether the place where it happened is added to it.
pub struct Raised(pub Vec<u8>);

impl Lua {
    /// What a command answered in RESP2, as a script sees it.
    fn of_reply(node: &Node) -> Lua {
        match node {
            Node::Line(b'+', text) => Lua::Status(text.clone()),
            Node::Line(b'-', text) => Lua::Error(text.clone()),
            Node::Blob(_, bytes) => Lua::Text(bytes.clone()),
            Node::Items(_, items) => Lua::Table(items.iter().map(Lua::of_reply).collect()),
            Node::Null => Lua::False,
            Node::Line(..) => Lua::Number(node.integer().expect("the other lines are integers")),
        }
    }

    /// What the client gets. An array ends before its first nil.
    fn reply(&self) -> Reply {
        match self {
            Lua::Nil | Lua::False => Reply::Null,
            Lua::True => Reply::Integer(1),
            Lua::Number(number) => Reply::Integer(through_double(*number)),
            Lua::Text(bytes) => Reply::Bulk(bytes.clone()),
            Lua::Status(text) => Reply::Status(text.clone()),
            Lua::Error(text) => Reply::Error(text.clone()),
            Lua::Table(items) => {
                let items = items.iter().take_while(|item| **item != Lua::Nil);
                Reply::Array(items.map(Lua::reply).collect())
            }
        }
    }
}

/// An integer after it was a number of Lua, which is a double; beyond 64 bits processors make the least of it.
fn through_double(number: i64) -> i64 {
    let double = number as f64;
    if double >= 2_f64.powi(63) {
        i64::MIN
    } else {
        double as i64
    }
}

/// A running script.
pub struct Run<'a, 'b> {
    call: &'a mut Call<'b>,
    pub keys: &'a [Vec<u8>],
    pub args: &'a [Vec<u8>],
    read_only: bool,
}

impl Run<'_, '_> {
    /// `redis.pcall`
    pub fn protected(&mut self, request: &[Vec<u8>]) -> Lua {
        self.staged(request).unwrap_or_else(Lua::Error)
    }

    /// `redis.call`
    pub fn call(&mut self, request: &[Vec<u8>]) -> Result<Lua, Raised> {
        match self.staged(request) {
            Ok(Lua::Error(text)) | Err(text) => Err(Raised(text)),
            Ok(value) => Ok(value),
        }
    }

    fn staged(&mut self, request: &[Vec<u8>]) -> Result<Lua, Vec<u8>> {
        self.call.begin_stage(request);
        let outcome = self.request(request);
        self.call.end_stage();
        outcome
    }

    fn request(&mut self, request: &[Vec<u8>]) -> Result<Lua, Vec<u8>> {
        let refuse = |text: &str| Err(format!("ERR {text}").into_bytes());
        if request.is_empty() {
            return refuse("Please specify at least one argument for this redis lib call");
        }
        let Some(declared) = table::of_request(request) else {
            return refuse("Unknown Redis command called from script");
        };
        let words = request.len() as i64;
        if declared.arity > 0 && declared.arity != words || words < -declared.arity {
            return refuse("Wrong number of args calling Redis command from script");
        }
        if declared.has_flag("noscript") {
            return refuse("This Redis command is not allowed from script");
        }
        if let Err(denied) = self.call.check_permission(request, "lua") {
            let user = self.call.connection().user.clone();
            let text = denied.text(&user);
            return Err([b"ERR ACL failure in script: ", text.as_slice()].concat());
        }
        if self.read_only && declared.has_flag("write") {
            return refuse("Write commands are not allowed from read-only scripts.");
        }
        let mut inner = Call {
            model: &mut *self.call.model,
            connection: self.call.connection,
            args: request,
            name: "",
            now_ms: self.call.now_ms,
        };
        let reply = commands::run(&mut inner).unwrap_or_else(Reply::from);
        self.call.model.remove_expired(self.call.now_ms);
        let node = parse(&reply.encode(Protocol::Resp2)).expect("one reply");
        Ok(Lua::of_reply(&node))
    }
}

/// The texts of scripts by their digests.
pub type Cache = BTreeMap<String, Vec<u8>>;

/// The keys and the other words, behind a number of keys at place `at`.
fn divided<'a>(
    call: &Call<'a>,
    at: usize,
    complaint: Option<&str>,
) -> Result<[&'a [Vec<u8>]; 2], Failure> {
    let number = match complaint {
        Some(complaint) => numbers::integer_or(call.arg(at), complaint)?,
        None => numbers::integer(call.arg(at))?,
    };
    let words = &call.args[at + 1..];
    if number > words.len() as i64 {
        return Err(errors::err(
            "Number of keys can't be greater than number of args",
        ));
    }
    let Ok(number) = usize::try_from(number) else {
        return Err(errors::err("Number of keys can't be negative"));
    };
    let (keys, args) = words.split_at(number);
    Ok([keys, args])
}

/// Runs a body; `place` names the script where an error is shown.
fn run(
    call: &mut Call,
    body: &Body,
    [keys, args]: [&[Vec<u8>]; 2],
    read_only: bool,
    place: &str,
) -> Reply {
    let database = call.connection().database;
    let mut script = Run {
        call: &mut *call,
        keys,
        args,
        read_only: read_only || body.read_only,
    };
    script.call.model.remembered.in_script = true;
    let outcome = (body.run)(&mut script);
    script.call.model.remembered.in_script = false;
    // The database that a script selects is its own.
    call.connection().database = database;
    match outcome {
        Ok(value) => value.reply(),
        Err(Raised(text)) => Reply::Error([&text[..], b" script: ", place.as_bytes()].concat()),
    }
}

/// A script that compiles.
fn compiled(text: &[u8]) -> Result<&'static Body, Failure> {
    match family::find(text) {
        Some(Ok(body)) => Ok(body),
        Some(Err(complaint)) => Err(errors::err(complaint)),
        None => unreachable!("scripts outside the family are not sent"),
    }
}

fn evaluate(call: &mut Call, text: &[u8], words: [&[Vec<u8>]; 2]) -> Outcome {
    let body = compiled(text)?;
    let digest = sha1::hexadecimal(text);
    call.model.scripts.insert(digest.clone(), text.to_vec());
    let place = format!("{digest}, on @user_script:{}.", body.line);
    let read_only = call.name.ends_with("_ro");
    if read_only && text.starts_with(b"#!") && !body.read_only {
        return Err(errors::err(
            "Can not execute a script with write flag using *_ro command.",
        ));
    }
    Ok(run(call, body, words, read_only, &place))
}

pub fn eval(call: &mut Call) -> Outcome {
    let words = divided(call, 2, None)?;
    evaluate(call, call.args[1].as_slice(), words)
}

pub fn evalsha(call: &mut Call) -> Outcome {
    let missing = || Failure(b"NOSCRIPT No matching script. Please use EVAL.".to_vec());
    let digest = String::from_utf8_lossy(call.arg(1)).to_ascii_lowercase();
    if call.arg(1).len() != 40 {
        return Err(missing());
    }
    let words = divided(call, 2, None)?;
    let text = call.model.scripts.get(&digest).cloned();
    let text = text.ok_or_else(missing)?;
    evaluate(call, &text, words)
}

pub fn load(call: &mut Call) -> Outcome {
    let text = call.arg(2);
    compiled(text)?;
    let digest = sha1::hexadecimal(text);
    call.model.scripts.insert(digest.clone(), text.to_vec());
    Ok(Reply::Bulk(digest.into_bytes()))
}

pub fn exists(call: &mut Call) -> Outcome {
    let digests = call.args[2..].iter();
    let flags = digests.map(|digest| {
        let digest = String::from_utf8_lossy(digest).to_ascii_lowercase();
        Reply::flag(call.model.scripts.contains_key(&digest))
    });
    Ok(Reply::Array(flags.collect()))
}

pub fn flush(call: &mut Call) -> Outcome {
    if !flushes(call) {
        return Err(errors::err("SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    call.model.scripts.clear();
    Ok(Reply::ok())
}

fn flushes(call: &Call) -> bool {
    match call.args.len() {
        2 => true,
        3 => call.says(2, "SYNC") || call.says(2, "ASYNC"),
        _ => false,
    }
}

pub fn kill(_: &mut Call) -> Outcome {
    Err(Failure(
        b"NOTBUSY No scripts in execution right now.".to_vec(),
    ))
}

/// SCRIPT DEBUG, which is only switched off: a session ends its connection.
pub fn debug(call: &mut Call) -> Outcome {
    if call.connection().executing.is_some() {
        return Err(errors::err(
            "SCRIPT DEBUG must be called outside a pipeline",
        ));
    }
    if call.says(2, "NO") {
        return Ok(Reply::ok());
    }
    Err(errors::err("Use SCRIPT DEBUG YES/SYNC/NO"))
}

/// Whether a request runs several others, and answers with their replies.
pub fn is_of_several(request: &[Vec<u8>]) -> bool {
    request[0].eq_ignore_ascii_case(b"EVAL")
        && request
            .get(1)
            .is_some_and(|text| text == family::CALLS_SEVERAL.as_bytes())
}

/// EVAL of these requests, one after the other.
pub fn of_several(requests: &[Vec<Vec<u8>>]) -> Vec<Vec<u8>> {
    let words = ["EVAL", family::CALLS_SEVERAL, "0"].map(|word| word.as_bytes().to_vec());
    let counted = requests.iter().flat_map(|request| {
        let count = request.len().to_string().into_bytes();
        [vec![count], request.clone()].concat()
    });
    words.into_iter().chain(counted).collect()
}

/// The request that a script of the family runs, if it runs one that its words name.
pub fn inner_request(request: &[Vec<u8>]) -> Option<&[Vec<u8>]> {
    let name = request[0].to_ascii_lowercase();
    if !name.starts_with(b"eval") && !name.starts_with(b"fcall") {
        return None;
    }
    let keys = usize::try_from(numbers::canonical(request.get(2)?)?).ok()?;
    let inner = request.get(3_usize.checked_add(keys)?..)?;
    (!inner.is_empty()).then_some(inner)
}
