//! Sets: members in the order in which Redis lists those of a small one.

use std::collections::BTreeSet;

use crate::errors::{self, Failure};
use crate::glob;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Entry, Model, Outcome, Value};

/// `set-max-intset-entries`, `set-max-listpack-entries` and `set-max-listpack-value`, as Redis starts with.
const INTEGERS_MAX: usize = 512;
const ENTRIES_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 64;

/// A server may forget the order of a set once it takes more than this many bytes.
const ORDERED_BYTES_MAX: usize = 400;

/// Bytes that a server may add to each member.
const MEMBER_OVERHEAD_BYTES: usize = 4;

/// How Redis would hold a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetEncoding {
    Intset,
    Listpack,
    Table,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub members: Vec<Vec<u8>>,
    pub encoding: SetEncoding,
    /// The order is the server's own, unless it is that of integers.
    forgotten: bool,
}

impl Set {
    fn new(encoding: SetEncoding) -> Set {
        Set {
            members: Vec::new(),
            encoding,
            forgotten: false,
        }
    }

    pub fn encoding_name(&self) -> &'static str {
        match self.encoding {
            SetEncoding::Intset => "intset",
            SetEncoding::Listpack => "listpack",
            SetEncoding::Table => "hashtable",
        }
    }

    /// Whether the order is the server's own.
    pub fn is_disordered(&self) -> bool {
        self.forgotten && self.encoding != SetEncoding::Intset
    }

    pub fn has(&self, member: &[u8]) -> bool {
        self.members.iter().any(|other| other == member)
    }

    /// Puts an intset in its order, and remembers whether a server may have forgotten that of another set.
    fn settle(&mut self) {
        if self.encoding == SetEncoding::Intset {
            self.members
                .sort_by_key(|member| numbers::canonical(member));
        }
        let bytes: usize = self
            .members
            .iter()
            .map(|member| member.len() + MEMBER_OVERHEAD_BYTES)
            .sum();
        self.forgotten |= self.encoding == SetEncoding::Table || bytes > ORDERED_BYTES_MAX;
    }

    /// Adds a member, as Redis does it. False: it was there.
    fn add(&mut self, member: &[u8]) -> bool {
        if self.has(member) {
            return false;
        }
        let integer = numbers::canonical(member).is_some();
        let fits = self.members.len() < ENTRIES_MAX && member.len() <= VALUE_BYTES_MAX;
        self.encoding = match self.encoding {
            SetEncoding::Intset if integer && self.members.len() < INTEGERS_MAX => {
                SetEncoding::Intset
            }
            SetEncoding::Intset if !integer && fits => SetEncoding::Listpack,
            SetEncoding::Listpack if fits => SetEncoding::Listpack,
            _ => SetEncoding::Table,
        };
        self.members.push(member.to_vec());
        self.settle();
        true
    }

    /// Takes a member out. False: it was not there.
    fn take(&mut self, member: &[u8]) -> bool {
        let before = self.members.len();
        self.members.retain(|other| other != member);
        self.members.len() < before
    }

    /// What is read from a dump: one in a hash table is filled anew.
    pub fn reloaded(set: Set) -> Set {
        if set.encoding != SetEncoding::Table {
            return set;
        }
        let mut filled = Set::new(match set.members.len() {
            count if count <= INTEGERS_MAX => SetEncoding::Intset,
            _ => SetEncoding::Table,
        });
        filled.forgotten = true;
        set.members.iter().for_each(|member| {
            filled.add(member);
        });
        filled
    }

    /// What SADD makes of a key that is not there.
    fn for_members(members: &[Vec<u8>]) -> Set {
        let integer = numbers::canonical(&members[0]).is_some();
        Set::new(match members.len() {
            count if integer && count <= INTEGERS_MAX => SetEncoding::Intset,
            count if count <= ENTRIES_MAX => SetEncoding::Listpack,
            _ => SetEncoding::Table,
        })
    }
}

impl Call<'_> {
    /// The set stored under a key, nothing if there is no key, an error for another type.
    pub fn set(&mut self, key: &[u8]) -> Result<Option<&mut Set>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::Set(set)) => Ok(Some(set)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    fn put_set(&mut self, key: &[u8], set: Set) {
        let entry = Entry {
            value: Value::Set(set),
            expires_at_ms: None,
            relative: false,
        };
        self.insert(key, entry);
    }

    /// Removes the key if its set has no members.
    fn drop_empty_set(&mut self, key: &[u8]) {
        if matches!(self.set(key), Ok(Some(set)) if set.members.is_empty()) {
            self.delete(key);
        }
    }

    /// A copy of the set under a key, to be read; an empty one if there is none.
    fn read_set(&mut self, key: &[u8]) -> Result<Set, Failure> {
        self.look_for(key);
        self.copied_set(key)
    }

    /// A copy of the set under a key; an empty one if there is none.
    fn copied_set(&mut self, key: &[u8]) -> Result<Set, Failure> {
        let set = self.set(key)?.cloned();
        Ok(set.unwrap_or_else(|| Set::new(SetEncoding::Intset)))
    }
}

pub fn sadd(call: &mut Call) -> Outcome {
    let (key, members) = (call.key(), &call.args[2..]);
    match call.set(key)? {
        None => call.put_set(key, Set::for_members(members)),
        Some(set) => {
            let most = match set.encoding {
                SetEncoding::Intset => INTEGERS_MAX,
                SetEncoding::Listpack => ENTRIES_MAX,
                SetEncoding::Table => usize::MAX,
            };
            if members.len() > most {
                set.encoding = SetEncoding::Table;
                set.settle();
            }
        }
    }
    let set = call.set(key)?.expect("it is there or was just made");
    let added = members.iter().filter(|member| set.add(member)).count();
    if added > 0 {
        call.note('s', "sadd", key);
    }
    Ok(Reply::count(added))
}

pub fn srem(call: &mut Call) -> Outcome {
    let (key, members) = (call.key(), &call.args[2..]);
    let Some(set) = call.set(key)? else {
        return Ok(Reply::count(0));
    };
    let removed = members.iter().filter(|member| set.take(member)).count();
    if removed > 0 {
        call.note('s', "srem", key);
    }
    call.drop_empty_set(key);
    Ok(Reply::count(removed))
}

pub fn sismember(call: &mut Call) -> Outcome {
    let (key, member) = (call.key(), call.arg(2));
    call.look_for(key);
    Ok(Reply::flag(
        call.set(key)?.is_some_and(|set| set.has(member)),
    ))
}

pub fn smismember(call: &mut Call) -> Outcome {
    let (key, members) = (call.key(), &call.args[2..]);
    let set = call.read_set(key)?;
    let flags = members.iter().map(|member| Reply::flag(set.has(member)));
    Ok(Reply::Array(flags.collect()))
}

pub fn scard(call: &mut Call) -> Outcome {
    let key = call.key();
    Ok(Reply::count(call.read_set(key)?.members.len()))
}

fn bulks(members: Vec<Vec<u8>>) -> Vec<Reply> {
    members.into_iter().map(Reply::Bulk).collect()
}

pub fn smembers(call: &mut Call) -> Outcome {
    let key = call.key();
    Ok(Reply::Set(bulks(call.read_set(key)?.members)))
}

pub fn smove(call: &mut Call) -> Outcome {
    let (from, to, member) = (call.arg(1), call.arg(2), call.arg(3));
    if !call.exists(from) {
        return Ok(Reply::flag(false));
    }
    call.set(from)?;
    call.set(to)?;
    let source = call.set(from)?.expect("it was found");
    if from == to {
        return Ok(Reply::flag(source.has(member)));
    }
    if !source.take(member) {
        return Ok(Reply::flag(false));
    }
    call.note('s', "srem", from);
    call.drop_empty_set(from);
    if !call.exists(to) {
        call.put_set(to, Set::for_members(&[member.to_vec()]));
    }
    if call.set(to)?.expect("it was just made").add(member) {
        call.note('s', "sadd", to);
    }
    Ok(Reply::flag(true))
}

/// The first member, or as many as are asked for.
pub fn srandmember(call: &mut Call) -> Outcome {
    if call.args.len() > 3 {
        return Err(errors::syntax());
    }
    let count = match call.args.get(2) {
        None => None,
        Some(word) => Some(numbers::random_count(word)?),
    };
    let key = call.key();
    let members = call.read_set(key)?.members;
    let Some(count) = count else {
        return Ok(members
            .first()
            .map_or(Reply::Null, |member| Reply::bulk(member)));
    };
    Ok(Reply::Array(bulks(match usize::try_from(count) {
        Ok(count) => members.into_iter().take(count).collect(),
        Err(_) => {
            let draws = usize::try_from(count.unsigned_abs()).expect("few draws are asked for");
            members.into_iter().cycle().take(draws).collect()
        }
    })))
}

/// Pops the members that the server is known to pop, or else the first ones.
pub fn spop(call: &mut Call) -> Outcome {
    if call.args.len() > 3 {
        return Err(errors::syntax());
    }
    let count = match call.args.get(2) {
        None => None,
        Some(word) => Some(
            numbers::canonical(word)
                .and_then(|count| usize::try_from(count).ok())
                .ok_or_else(|| errors::err("value is out of range, must be positive"))?,
        ),
    };
    let key = call.key();
    let set = call.copied_set(key)?;
    let whole = count.is_some_and(|count| count >= set.members.len());
    let most = count.unwrap_or(1).min(set.members.len());
    let popped: Vec<Vec<u8>> = if whole {
        // Redis makes the reply as it makes a union.
        union(&[set]).members
    } else if let Some(drawn) = call.foretold().filter(|it| are_of(&set, it, most)) {
        drawn.clone()
    } else {
        let members = set.members.into_iter();
        members.take(count.unwrap_or(1)).collect()
    };
    let database = call.connection().database;
    let key = call.key();
    call.model
        .pop_members(database, key, &popped, count.is_some());
    if !popped.is_empty() {
        call.note('s', "spop", key);
        if !call.exists(key) {
            call.note('g', "del", key);
        }
    }
    Ok(match count {
        None => popped
            .first()
            .map_or(Reply::Null, |member| Reply::bulk(member)),
        Some(_) => Reply::Set(bulks(popped)),
    })
}

/// Whether these are as many different members of the set.
fn are_of(set: &Set, drawn: &[Vec<u8>], count: usize) -> bool {
    let different: BTreeSet<&Vec<u8>> = drawn.iter().collect();
    drawn.len() == count && different.len() == count && drawn.iter().all(|it| set.has(it))
}

impl Model {
    /// Takes members out of a set as SPOP does; `counted` if it was asked for a number of them.
    fn pop_members(&mut self, database: usize, key: &[u8], popped: &[Vec<u8>], counted: bool) {
        let entries = &mut self.databases[database].entries;
        let Some(Value::Set(set)) = entries.get_mut(key).map(|entry| &mut entry.value) else {
            return;
        };
        set.members.retain(|member| !popped.contains(member));
        if set.members.is_empty() {
            entries.remove(key);
            return;
        }
        // Redis makes the set anew if little is left of it.
        let remade = counted && set.members.len() * 5 <= popped.len();
        if remade && set.encoding != SetEncoding::Intset {
            let fits = set.members.len() <= ENTRIES_MAX
                && set
                    .members
                    .iter()
                    .all(|member| member.len() <= VALUE_BYTES_MAX);
            set.encoding = if fits {
                SetEncoding::Listpack
            } else {
                SetEncoding::Table
            };
        }
    }
}

/// Everything in one page.
pub fn sscan(call: &mut Call) -> Outcome {
    if numbers::cursor(call.arg(2)).is_none() {
        return Err(errors::err("invalid cursor"));
    }
    let key = call.key();
    let mut members = call.read_set(key)?.members;
    let mut index = if call.exists(key) { 3 } else { call.args.len() };
    while index < call.args.len() {
        let followed = index + 1 < call.args.len();
        if call.says(index, "COUNT") && followed {
            if numbers::integer(call.arg(index + 1))? < 1 {
                return Err(errors::syntax());
            }
        } else if call.says(index, "MATCH") && followed {
            let pattern = last_match(call);
            members.retain(|member| glob::matches(pattern, member));
        } else if call.says(index, "NOVALUES") {
            return Err(errors::err("NOVALUES option can only be used in HSCAN"));
        } else {
            return Err(errors::syntax());
        }
        index += 2;
    }
    Ok(Reply::Array(vec![
        Reply::bulk(b"0"),
        Reply::Array(bulks(members)),
    ]))
}

/// The pattern of the last MATCH.
fn last_match<'a>(call: &Call<'a>) -> &'a [u8] {
    let mut options = call.args[3..].chunks(2);
    let last = options.rfind(|option| option[0].eq_ignore_ascii_case(b"MATCH"));
    last.and_then(|option| option.get(1))
        .map_or(b"*", Vec::as_slice)
}

/// The sets under the keys.
fn sets(call: &mut Call, keys: &[Vec<u8>]) -> Result<Vec<Set>, Failure> {
    keys.iter().map(|key| call.read_set(key)).collect()
}

fn is_any_disordered(sets: &[Set]) -> bool {
    sets.iter().any(Set::is_disordered)
}

fn intersection(sets: &[Set]) -> Set {
    let smallest = sets
        .iter()
        .min_by_key(|set| set.members.len())
        .expect("one set at least");
    let members = smallest.members.iter();
    let common = members.filter(|member| sets.iter().all(|set| set.has(member)));
    let members: Vec<Vec<u8>> = common.cloned().collect();
    let integers = members
        .iter()
        .all(|member| numbers::canonical(member).is_some());
    let short = members.iter().all(|member| member.len() <= VALUE_BYTES_MAX);
    let encoding = if integers && members.len() <= INTEGERS_MAX {
        SetEncoding::Intset
    } else if short && members.len() <= ENTRIES_MAX {
        SetEncoding::Listpack
    } else {
        SetEncoding::Table
    };
    Set {
        members,
        encoding,
        forgotten: is_any_disordered(sets),
    }
}

fn union(sets: &[Set]) -> Set {
    let mut union = Set::new(SetEncoding::Intset);
    for member in sets.iter().flat_map(|set| &set.members) {
        union.add(member);
    }
    union.forgotten |= is_any_disordered(sets);
    union
}

fn difference(sets: &[Set]) -> Set {
    let (first, others) = sets.split_first().expect("one set at least");
    let is_left = |member: &&Vec<u8>| !others.iter().any(|set| set.has(member));
    let there = sets.iter().filter(|set| !set.members.is_empty()).count();
    let total: usize = sets.iter().map(|set| set.members.len()).sum();
    // Redis then subtracts from a copy of the first set, which keeps its encoding.
    let subtracts = first.members.len() * there / 2 > total;
    let mut difference = Set::new(SetEncoding::Intset);
    let added = first
        .members
        .iter()
        .filter(|member| subtracts || is_left(member));
    added.for_each(|member| {
        difference.add(member);
    });
    difference.members.retain(|member| is_left(&member));
    difference.forgotten |= is_any_disordered(sets);
    difference
}

fn answer(call: &mut Call, combine: fn(&[Set]) -> Set) -> Outcome {
    let keys = &call.args[1..];
    let sets = sets(call, keys)?;
    Ok(Reply::Set(bulks(combine(&sets).members)))
}

fn store(call: &mut Call, combine: fn(&[Set]) -> Set) -> Outcome {
    let keys = &call.args[2..];
    let sets = sets(call, keys)?;
    let mut result = combine(&sets);
    result.settle();
    let (key, count) = (call.key(), result.members.len());
    if count > 0 {
        call.put_set(key, result);
        call.touch(key);
        call.note('s', call.name, key);
    } else {
        call.delete(key);
    }
    Ok(Reply::count(count))
}

pub fn sinter(call: &mut Call) -> Outcome {
    answer(call, intersection)
}

pub fn sunion(call: &mut Call) -> Outcome {
    answer(call, union)
}

pub fn sdiff(call: &mut Call) -> Outcome {
    answer(call, difference)
}

pub fn sinterstore(call: &mut Call) -> Outcome {
    store(call, intersection)
}

pub fn sunionstore(call: &mut Call) -> Outcome {
    store(call, union)
}

pub fn sdiffstore(call: &mut Call) -> Outcome {
    store(call, difference)
}

pub fn sintercard(call: &mut Call) -> Outcome {
    let complaint = "numkeys should be greater than 0";
    let count = numbers::integer_or(call.arg(1), complaint)?;
    if count < 1 {
        return Err(errors::err(complaint));
    }
    let words = &call.args[2..];
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    if count > words.len() {
        return Err(errors::err(
            "Number of keys can't be greater than number of args",
        ));
    }
    let (keys, options) = words.split_at(count);
    let mut limit = 0;
    for option in options.chunks(2) {
        let [word, number] = option else {
            return Err(errors::syntax());
        };
        if !word.eq_ignore_ascii_case(b"LIMIT") {
            return Err(errors::syntax());
        }
        let complaint = "LIMIT can't be negative";
        limit = numbers::integer_or(number, complaint)?;
        if limit < 0 {
            return Err(errors::err(complaint));
        }
    }
    let sets = sets(call, keys)?;
    let found = intersection(&sets).members.len();
    Ok(Reply::count(match usize::try_from(limit) {
        Ok(limit) if limit > 0 => found.min(limit),
        _ => found,
    }))
}
