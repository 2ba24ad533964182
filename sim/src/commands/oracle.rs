//! What a database holds according to the model, what one shows, and the two compared.
//!
//! Both sides are asked the same questions in the same words, so that nothing is compared but answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use redkeep::resp::value::{self, Value};
use redkeep_model::Model;

use super::machine::{Machine, Words};
use super::waiters::WAITING_CONSUMERS;

/// The connection of the workload, and that of the questions.
pub const WORKER: usize = 0;
const ASKER: usize = 1;

/// The connection of the first client that may block; those of the others follow.
pub const FIRST_WAITER: usize = 10;

/// The databases that workloads use.
const USED: [usize; 3] = [0, 1, 2];

/// What a database holds.
#[derive(Clone, Debug, Default)]
pub struct Content {
    pub model: Model,
    /// Libraries of functions: name and code.
    pub libraries: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Content {
    /// The string at a key of database 0, if there is one.
    pub fn string(&self, key: &[u8], now_ms: u64) -> Option<Vec<u8>> {
        let mut model = self.model.clone();
        model.disconnect(ASKER);
        let get = words(&[b"GET", key]);
        match understood(&model.execute(ASKER, &get, now_ms.cast_signed())) {
            Ok(Value::Bulk(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a string is at a key of database 0.
    pub fn has(&self, key: &[u8], now_ms: u64) -> bool {
        self.string(key, now_ms).is_some()
    }
}

/// What may be shown after a transaction: one content, or, between the transactions of one command, one of several.
#[derive(Clone, Debug)]
pub struct State {
    choices: Vec<Arc<Content>>,
}

impl Default for State {
    fn default() -> Self {
        Self::of(Content::default())
    }
}

impl State {
    /// Exactly this.
    pub fn of(content: Content) -> Self {
        Self {
            choices: vec![Arc::new(content)],
        }
    }

    /// One of these; the last one is what holds if nothing is known of it.
    pub fn one_of(choices: Vec<Arc<Content>>) -> Self {
        assert!(!choices.is_empty(), "a state has a content");
        Self { choices }
    }

    /// The content, or the last of those that it may be.
    pub fn content(&self) -> &Arc<Content> {
        self.choices.last().expect("a state has a content")
    }

    /// The choice that looks like this at a wall time, if one does.
    pub fn like(&self, shown: &Shown, now_ms: u64) -> Option<&Arc<Content>> {
        self.choices
            .iter()
            .find(|content| Shown::by_model(content, now_ms) == *shown)
    }
}

/// Every key with its answers, and every library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    keys: BTreeMap<(usize, Vec<u8>), Vec<Value>>,
    libraries: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// An error where an answer was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

/// Answers a question about a database.
type Answer<'a> = &'a mut dyn FnMut(usize, &Words) -> Result<Value, Refused>;

fn words(text: &[&[u8]]) -> Words {
    text.iter().map(|word| word.to_vec()).collect()
}

impl Shown {
    /// What the model shows.
    pub fn by_model(content: &Content, now_ms: u64) -> Self {
        let mut model = content.model.clone();
        model.disconnect(ASKER);
        let now = now_ms.cast_signed();
        let mut selected = 0;
        let mut answer = |db: usize, question: &Words| {
            if db != selected {
                let select = words(&[b"SELECT", db.to_string().as_bytes()]);
                model.execute(ASKER, &select, now);
                selected = db;
            }
            understood(&model.execute(ASKER, question, now))
        };
        let mut shown = Self::by(&mut answer, now).expect("the model answers");
        shown.libraries.clone_from(&content.libraries);
        shown
    }

    /// What a server shows. No key is given up for the questions.
    pub fn by_machine(machine: &mut Machine, now_us: u64) -> Result<Self, Refused> {
        machine.unbounded(|machine| Self::asked_of(machine, now_us))
    }

    fn asked_of(machine: &mut Machine, now_us: u64) -> Result<Self, Refused> {
        let mut selected = usize::MAX;
        let mut answer = |db: usize, question: &Words| {
            if db != selected {
                refused(machine.call(&words(&[b"SELECT", db.to_string().as_bytes()]), now_us))?;
                selected = db;
            }
            refused(machine.call(question, now_us))
        };
        let now_ms = (now_us / 1000).cast_signed();
        let mut shown = Self::by(&mut answer, now_ms)?;
        shown.libraries = libraries(&answer(0, &words(&[b"FUNCTION", b"LIST", b"WITHCODE"]))?);
        Ok(shown)
    }

    fn by(answer: Answer<'_>, now_ms: i64) -> Result<Self, Refused> {
        let mut keys = BTreeMap::new();
        for db in USED {
            for name in strings(&answer(db, &words(&[b"KEYS", b"*"]))?) {
                if let Some(answers) = key(answer, (db, &name), now_ms)? {
                    keys.insert((db, name), answers);
                }
            }
        }
        Ok(Self {
            keys,
            libraries: BTreeMap::new(),
        })
    }

    /// Whether it is shown at any time: no key and no field expires.
    pub fn is_lasting(&self) -> bool {
        let never = |expiry: &Value| *expiry == Value::Int(-1);
        self.keys.values().all(|answers| match &answers[..] {
            [Value::Simple(kind), expiry, .., Value::Array(fields)] if kind == "hash" => {
                never(expiry) && fields.iter().all(never)
            }
            [_, expiry, ..] => never(expiry),
            _ => false,
        })
    }

    /// The first difference, for people.
    pub fn difference(expected: &Self, found: &Self) -> String {
        for place in expected.keys.keys().chain(found.keys.keys()) {
            let (e, f) = (expected.keys.get(place), found.keys.get(place));
            if e != f {
                return format!(
                    "database {} key {:?}: expected {}, found {}",
                    place.0,
                    String::from_utf8_lossy(&place.1),
                    text(e),
                    text(f)
                );
            }
        }
        if expected.libraries != found.libraries {
            return format!(
                "libraries {:?}, found {:?}",
                expected.libraries.keys(),
                found.libraries.keys()
            );
        }
        "none".to_owned()
    }
}

fn text(answers: Option<&Vec<Value>>) -> String {
    fn short(value: &Value, out: &mut String) {
        match value {
            Value::Bulk(bytes) => {
                let start = &bytes[..bytes.len().min(24)];
                out.push_str(&format!(
                    "{:?}/{} ",
                    String::from_utf8_lossy(start),
                    bytes.len()
                ));
            }
            Value::Array(all) => {
                out.push('[');
                all.iter().for_each(|value| short(value, out));
                out.push(']');
            }
            other => out.push_str(&format!("{other:?} ")),
        }
    }
    let Some(answers) = answers else {
        return "nothing".to_owned();
    };
    let mut out = String::new();
    answers.iter().for_each(|value| short(value, &mut out));
    out
}

fn understood(bytes: &[u8]) -> Result<Value, Refused> {
    match value::read(bytes) {
        Ok(Some((value, _))) => refused(value),
        _ => Err(Refused("the model's reply is not RESP".to_owned())),
    }
}

fn refused(value: Value) -> Result<Value, Refused> {
    match value {
        Value::Error(text) => Err(Refused(text)),
        value => Ok(value),
    }
}

fn strings(value: &Value) -> Vec<Vec<u8>> {
    let Value::Array(all) = value else {
        return Vec::new();
    };
    all.iter()
        .filter_map(|one| match one {
            Value::Bulk(bytes) => Some(bytes.clone()),
            _ => None,
        })
        .collect()
}

/// What is to be known of a key: its type, its expiry, its value in an order that does not depend on how it came about.
/// None: a hash of which all fields are due, which is there until somebody removes them.
fn key(
    answer: Answer<'_>,
    (db, name): (usize, &[u8]),
    now_ms: i64,
) -> Result<Option<Vec<Value>>, Refused> {
    let kind = answer(db, &words(&[b"TYPE", name]))?;
    let expiry = answer(db, &words(&[b"PEXPIRETIME", name]))?;
    let Value::Simple(kind_name) = &kind else {
        return Err(Refused("TYPE answers no status".to_owned()));
    };
    let values = match kind_name.as_str() {
        "string" => vec![answer(db, &words(&[b"GET", name]))?],
        "list" => vec![answer(db, &words(&[b"LRANGE", name, b"0", b"-1"]))?],
        "set" => {
            let mut members = strings(&answer(db, &words(&[b"SMEMBERS", name]))?);
            members.sort();
            members.into_iter().map(Value::Bulk).collect()
        }
        "zset" => {
            let question = words(&[b"ZRANGE", name, b"0", b"-1", b"WITHSCORES"]);
            vec![answer(db, &question)?]
        }
        "hash" => match hash(answer, (db, name), now_ms)? {
            Some(fields) => fields,
            None => return Ok(None),
        },
        "stream" => {
            let question = words(&[b"XINFO", b"STREAM", name, b"FULL", b"COUNT", b"0"]);
            vec![without_seen(without_index(answer(db, &question)?))]
        }
        // A key may be due between two questions only if time passes, and it does not.
        other => return Err(Refused(format!("a key is a {other}"))),
    };
    Ok(Some([kind, expiry].into_iter().chain(values).collect()))
}

/// Fields in the order of their names, each with its value and its expiry.
fn hash(
    answer: Answer<'_>,
    (db, name): (usize, &[u8]),
    now_ms: i64,
) -> Result<Option<Vec<Value>>, Refused> {
    let flat = strings(&answer(db, &words(&[b"HGETALL", name]))?);
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = flat
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect();
    pairs.sort();
    if pairs.is_empty() {
        return Ok(None);
    }
    let count = pairs.len().to_string();
    let mut question = words(&[b"HPEXPIRETIME", name, b"FIELDS", count.as_bytes()]);
    question.extend(pairs.iter().map(|(field, _)| field.clone()));
    let expiries = at_last_moment(answer(db, &question)?, now_ms);
    let flat = pairs.into_iter().flat_map(|(field, value)| [field, value]);
    Ok(Some(flat.map(Value::Bulk).chain([expiries]).collect()))
}

/// Expiries of fields that are there, whatever form the hash has. A field lives to the end of the millisecond of its expiry; in
/// a small hash HPEXPIRETIME says of it for that millisecond that it is gone, as Redis does, and the model's hashes grow large
/// elsewhere. So a field that is there and is said to be gone expires now.
fn at_last_moment(expiries: Value, now_ms: i64) -> Value {
    const GONE: Value = Value::Int(-2);
    match expiries {
        Value::Array(all) => {
            let known = |expiry| match expiry {
                GONE => Value::Int(now_ms),
                expiry => expiry,
            };
            Value::Array(all.into_iter().map(known).collect())
        }
        expiries => expiries,
    }
}

/// The answer of XINFO without what tells of the shape of Redis's index.
fn without_index(value: Value) -> Value {
    let Value::Array(fields) = value else {
        return value;
    };
    let of_index =
        |name: &Value| matches!(name, Value::Bulk(name) if name.starts_with(b"radix-tree"));
    let kept = fields
        .chunks(2)
        .filter(|pair| !of_index(&pair[0]))
        .flat_map(<[Value]>::to_vec);
    Value::Array(kept.collect())
}

/// The answer of XINFO without when consumers were seen: a client that waits and looks again is seen, of which nobody else
/// hears. Where it looks at another stream than before, as after SWAPDB, its consumer is made.
fn without_seen(value: Value) -> Value {
    let Value::Array(items) = value else {
        return value;
    };
    let mut kept = Vec::new();
    let mut items = items.into_iter();
    while let Some(item) = items.next() {
        if matches!(&item, Value::Bulk(name) if name.as_slice() == b"seen-time") {
            items.next();
        } else if !is_only_seen(&item) {
            kept.push(without_seen(item));
        }
    }
    Value::Array(kept)
}

/// Whether this is a consumer that a client may wait for, and that was never given anything.
fn is_only_seen(value: &Value) -> bool {
    let Value::Array(fields) = value else {
        return false;
    };
    let says = |name: &str, is: &dyn Fn(&Value) -> bool| {
        let pairs = fields.chunks_exact(2);
        let named =
            |pair: &&[Value]| matches!(&pair[0], Value::Bulk(known) if known == name.as_bytes());
        pairs.filter(named).any(|pair| is(&pair[1]))
    };
    let may_wait = |name: &Value| match name {
        Value::Bulk(name) => WAITING_CONSUMERS.iter().any(|it| it.as_bytes() == name),
        _ => false,
    };
    says("name", &may_wait)
        && says("active-time", &|time| *time == Value::Int(-1))
        && says("pel-count", &|count| *count == Value::Int(0))
}

/// Names and codes of what FUNCTION LIST answers.
fn libraries(value: &Value) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let Value::Array(all) = value else {
        return BTreeMap::new();
    };
    let of = |library: &Value, wanted: &[u8]| {
        let Value::Array(fields) = library else {
            return None;
        };
        fields.chunks_exact(2).find_map(|pair| match pair {
            [Value::Bulk(name), Value::Bulk(value)] if name == wanted => Some(value.clone()),
            _ => None,
        })
    };
    all.iter()
        .filter_map(|library| Some((of(library, b"library_name")?, of(library, b"library_code")?)))
        .collect()
}
