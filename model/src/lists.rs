//! Lists: pushing, popping, indexes, searching, moving.

use crate::blocking::{Awaits, seconds};
use crate::errors::{self, Failure};
use crate::numbers;
use crate::quicklist::{List, Place};
use crate::reply::Reply;
use crate::state::{Call, Entry, Outcome, Value};

impl Call<'_> {
    /// The list stored under a key, nothing if there is no key, an error for another type.
    pub fn list(&mut self, key: &[u8]) -> Result<Option<&mut List>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::List(list)) => Ok(Some(list)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    /// The elements of the list stored under a key, to be read; none if there is no key.
    fn elements(&mut self, key: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
        self.look_for(key);
        let list = self.list(key)?;
        Ok(list.map_or_else(Vec::new, |list| {
            list.elements().into_iter().map(<[u8]>::to_vec).collect()
        }))
    }

    /// After elements have gone, by what `event` names: a list without any is no key, one with few is smaller.
    fn shrink_list(&mut self, key: &[u8], event: &str) {
        self.note('l', event, key);
        let Ok(Some(list)) = self.list(key) else {
            return;
        };
        if list.len() == 0 {
            self.delete(key);
        } else {
            list.shrink();
        }
    }

    fn push(&mut self, key: &[u8], left: bool, elements: &[Vec<u8>], bytes: usize) -> usize {
        if !self.exists(key) {
            let entry = Entry {
                value: Value::List(List::default()),
                expires_at_ms: None,
                relative: false,
            };
            self.insert(key, entry);
        }
        let Ok(Some(list)) = self.list(key) else {
            unreachable!("the caller has checked the type");
        };
        list.make_room(bytes);
        for element in elements {
            list.push(left, element);
        }
        let len = list.len();
        self.note('l', if left { "lpush" } else { "rpush" }, key);
        len
    }
}

pub fn lpush(call: &mut Call) -> Outcome {
    push(call, true, false)
}

pub fn rpush(call: &mut Call) -> Outcome {
    push(call, false, false)
}

pub fn lpushx(call: &mut Call) -> Outcome {
    push(call, true, true)
}

pub fn rpushx(call: &mut Call) -> Outcome {
    push(call, false, true)
}

fn push(call: &mut Call, left: bool, only_existing: bool) -> Outcome {
    let key = call.key();
    if call.list(key)?.is_none() && only_existing {
        return Ok(Reply::Integer(0));
    }
    let elements = &call.args[2..];
    let bytes = elements.iter().map(Vec::len).sum();
    Ok(Reply::count(call.push(key, left, elements, bytes)))
}

pub fn lpop(call: &mut Call) -> Outcome {
    pop(call, true)
}

pub fn rpop(call: &mut Call) -> Outcome {
    pop(call, false)
}

fn pop(call: &mut Call, left: bool) -> Outcome {
    if call.args.len() > 3 {
        return Err(errors::wrong_arity(call.name));
    }
    let key = call.key();
    if call.args.len() == 2 {
        let popped = pop_up_to(call, key, left, 1)?;
        return Ok(popped.map_or(Reply::Null, |mut one| one.remove(0)));
    }
    let complaint = "value is out of range, must be positive";
    let count = natural(call.arg(2), complaint)?;
    let popped = pop_up_to(call, key, left, count)?;
    Ok(popped.map_or(Reply::NullArray, Reply::Array))
}

fn pop_event(left: bool) -> &'static str {
    if left { "lpop" } else { "rpop" }
}

/// Takes up to `count` elements; nothing if there is no list.
fn pop_up_to(
    call: &mut Call,
    key: &[u8],
    left: bool,
    count: usize,
) -> Result<Option<Vec<Reply>>, Failure> {
    let Some(list) = call.list(key)? else {
        return Ok(None);
    };
    let mut popped = Vec::new();
    while popped.len() < count
        && let Some((element, _)) = list.pop(left)
    {
        popped.push(Reply::Bulk(element));
    }
    if count > 0 {
        call.shrink_list(key, pop_event(left));
    }
    Ok(Some(popped))
}

fn natural(text: &[u8], complaint: &str) -> Result<usize, Failure> {
    let number = numbers::integer_or(text, complaint)?;
    usize::try_from(number).map_err(|_| errors::err(complaint))
}

fn positive(text: &[u8], complaint: &str) -> Result<usize, Failure> {
    match natural(text, complaint)? {
        0 => Err(errors::err(complaint)),
        number => Ok(number),
    }
}

pub fn llen(call: &mut Call) -> Outcome {
    let key = call.key();
    Ok(Reply::count(call.elements(key)?.len()))
}

pub fn lrange(call: &mut Call) -> Outcome {
    let (start, stop) = (
        numbers::integer(call.arg(2))?,
        numbers::integer(call.arg(3))?,
    );
    let key = call.key();
    let elements = call.elements(key)?;
    let range = range(start, stop, elements.len());
    let found = elements[range].iter().map(|element| Reply::bulk(element));
    Ok(Reply::Array(found.collect()))
}

/// The elements between two indexes, both included, which count from the end if negative.
fn range(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let start = if start < 0 { len + start } else { start }.max(0);
    let stop = if stop < 0 { len + stop } else { stop }.min(len - 1);
    if start > stop {
        return 0..0;
    }
    start as usize..stop as usize + 1
}

fn index(text: &[u8], len: usize) -> Result<Option<usize>, Failure> {
    let index = numbers::integer(text)?;
    let index = if index < 0 { len as i64 + index } else { index };
    Ok(usize::try_from(index).ok().filter(|&index| index < len))
}

pub fn lindex(call: &mut Call) -> Outcome {
    let key = call.key();
    let elements = call.elements(key)?;
    if elements.is_empty() {
        return Ok(Reply::Null);
    }
    let index = index(call.arg(2), elements.len())?;
    Ok(index.map_or(Reply::Null, |index| Reply::bulk(&elements[index])))
}

pub fn lset(call: &mut Call) -> Outcome {
    let (key, place, element) = (call.key(), call.arg(2), call.arg(3));
    let Some(list) = call.list(key)? else {
        return Err(errors::no_such_key());
    };
    let index = index(place, list.len())?;
    list.make_room(element.len());
    let Some(index) = index else {
        return Err(errors::err("index out of range"));
    };
    list.replace(index, element);
    call.shrink_list(key, "lset");
    call.touch(key);
    Ok(Reply::ok())
}

pub fn ltrim(call: &mut Call) -> Outcome {
    let (start, stop) = (
        numbers::integer(call.arg(2))?,
        numbers::integer(call.arg(3))?,
    );
    let key = call.key();
    let Some(list) = call.list(key)? else {
        return Ok(Reply::ok());
    };
    let kept = range(start, stop, list.len());
    for gone in (0..list.len()).rev().filter(|index| !kept.contains(index)) {
        list.remove(gone);
    }
    call.shrink_list(key, "ltrim");
    call.touch(key);
    Ok(Reply::ok())
}

pub fn linsert(call: &mut Call) -> Outcome {
    let place = if call.says(2, "BEFORE") {
        Place::Before
    } else if call.says(2, "AFTER") {
        Place::After
    } else {
        return Err(errors::syntax());
    };
    let (key, pivot, element) = (call.key(), call.arg(3), call.arg(4));
    let Some(list) = call.list(key)? else {
        return Ok(Reply::Integer(0));
    };
    list.make_room(element.len());
    let Some(index) = list.elements().iter().position(|it| *it == pivot) else {
        return Ok(Reply::Integer(-1));
    };
    list.insert(index, place, element);
    let len = list.len();
    call.note('l', "linsert", key);
    Ok(Reply::count(len))
}

/// An integer that has a negative.
fn signed(text: &[u8]) -> Result<i64, Failure> {
    match numbers::integer(text)? {
        i64::MIN => Err(errors::err(&format!(
            "value is out of range, value must between {} and {}",
            -i64::MAX,
            i64::MAX
        ))),
        number => Ok(number),
    }
}

pub fn lrem(call: &mut Call) -> Outcome {
    let count = signed(call.arg(2))?;
    let (key, element) = (call.key(), call.arg(3));
    let Some(list) = call.list(key)? else {
        return Ok(Reply::Integer(0));
    };
    let elements = list.elements();
    let equal = (0..elements.len()).filter(|&at| elements[at] == element);
    let mut gone: Vec<usize> = equal.collect();
    if count < 0 {
        gone.reverse();
    }
    if count != 0 {
        gone.truncate(count.unsigned_abs() as usize);
    }
    gone.sort_unstable();
    for &at in gone.iter().rev() {
        list.remove(at);
    }
    if !gone.is_empty() {
        call.shrink_list(key, "lrem");
    }
    Ok(Reply::count(gone.len()))
}

pub fn lpos(call: &mut Call) -> Outcome {
    let (mut rank, mut count, mut most) = (1, None, 0);
    let mut at = 3;
    while at < call.args.len() {
        if at + 1 == call.args.len() {
            return Err(errors::syntax());
        }
        let value = call.arg(at + 1);
        if call.says(at, "RANK") {
            rank = signed(value)?;
            if rank == 0 {
                return Err(errors::err(
                    "RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use \
                     negative to start from the end of the list",
                ));
            }
        } else if call.says(at, "COUNT") {
            count = Some(natural(value, "COUNT can't be negative")?);
        } else if call.says(at, "MAXLEN") {
            most = natural(value, "MAXLEN can't be negative")?;
        } else {
            return Err(errors::syntax());
        }
        at += 2;
    }
    let (key, element) = (call.key(), call.arg(2));
    let elements = call.elements(key)?;
    let mut order: Vec<usize> = (0..elements.len()).collect();
    if rank < 0 {
        order.reverse();
    }
    if most > 0 {
        order.truncate(most);
    }
    order.retain(|&at| elements[at] == element);
    let skipped = usize::try_from(rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
    let mut found = order.into_iter().skip(skipped);
    Ok(match count {
        None => found.next().map_or(Reply::Null, Reply::count),
        Some(0) => Reply::Array(found.map(Reply::count).collect()),
        Some(count) => Reply::Array(found.take(count).map(Reply::count).collect()),
    })
}

/// LEFT is true, RIGHT false.
fn side(call: &Call, at: usize) -> Result<bool, Failure> {
    if call.says(at, "LEFT") {
        Ok(true)
    } else if call.says(at, "RIGHT") {
        Ok(false)
    } else {
        Err(errors::syntax())
    }
}

pub fn lmove(call: &mut Call) -> Outcome {
    let (from, to) = (side(call, 3)?, side(call, 4)?);
    Ok(move_element(call, from, to)?.unwrap_or(Reply::Null))
}

pub fn rpoplpush(call: &mut Call) -> Outcome {
    Ok(move_element(call, false, true)?.unwrap_or(Reply::Null))
}

/// Moves an element from the first key to the second; nothing if there is none.
fn move_element(call: &mut Call, from: bool, to: bool) -> Result<Option<Reply>, Failure> {
    let (source, target) = (call.arg(1), call.arg(2));
    if call.list(source)?.is_none() {
        return Ok(None);
    }
    call.list(target)?;
    let popped = call.list(source)?.and_then(|list| list.pop(from));
    let (element, integer) = popped.expect("a list is not empty");
    let bytes = if integer { 0 } else { element.len() };
    call.push(target, to, std::slice::from_ref(&element), bytes);
    call.shrink_list(source, pop_event(from));
    call.touch(source);
    Ok(Some(Reply::Bulk(element)))
}

pub fn lmpop(call: &mut Call) -> Outcome {
    let wish = wish(call, 1)?;
    Ok(pop_first(call, &wish)?.unwrap_or(Reply::NullArray))
}

struct Wish {
    keys: Vec<Vec<u8>>,
    left: bool,
    count: usize,
}

fn wish(call: &Call, at: usize) -> Result<Wish, Failure> {
    let keys = positive(call.arg(at), "numkeys should be greater than 0")?;
    let side_at = at.saturating_add(keys).saturating_add(1);
    if side_at >= call.args.len() {
        return Err(errors::syntax());
    }
    let left = side(call, side_at)?;
    let count = match call.args.len() - side_at {
        1 => 1,
        length => {
            let mut count = None;
            for option in (1..length).step_by(2).map(|offset| side_at + offset) {
                let misplaced = count.is_some() || option + 1 == call.args.len();
                if misplaced || !call.says(option, "COUNT") {
                    return Err(errors::syntax());
                }
                let number = call.arg(option + 1);
                count = Some(positive(number, "count should be greater than 0")?);
            }
            count.expect("at least one option was read")
        }
    };
    Ok(Wish {
        keys: call.args[at + 1..side_at].to_vec(),
        left,
        count,
    })
}

fn pop_first(call: &mut Call, wish: &Wish) -> Result<Option<Reply>, Failure> {
    for key in &wish.keys {
        if let Some(popped) = pop_up_to(call, key, wish.left, wish.count)? {
            return Ok(Some(Reply::Array(vec![
                Reply::bulk(key),
                Reply::Array(popped),
            ])));
        }
    }
    Ok(None)
}

pub fn blpop(call: &mut Call) -> Outcome {
    pop_or_wait(call, true)
}

pub fn brpop(call: &mut Call) -> Outcome {
    pop_or_wait(call, false)
}

fn pop_or_wait(call: &mut Call, left: bool) -> Outcome {
    let (last, args) = (call.args.len() - 1, call.args);
    let timeout = seconds(call.arg(last))?;
    for key in &args[1..last] {
        if let Some(mut popped) = pop_up_to(call, key, left, 1)? {
            return Ok(Reply::Array(vec![Reply::bulk(key), popped.remove(0)]));
        }
    }
    Ok(call.wait_for(&args[1..last], Awaits::List, timeout, Reply::NullArray))
}

pub fn blmove(call: &mut Call) -> Outcome {
    let (from, to) = (side(call, 3)?, side(call, 4)?);
    let timeout = seconds(call.arg(5))?;
    Ok(move_element(call, from, to)?.unwrap_or_else(|| wait_to_move(call, timeout)))
}

/// Where nobody waits a single element is missing.
fn wait_to_move(call: &mut Call, timeout_ms: Option<i64>) -> Reply {
    let source = &call.args[1..2];
    call.wait_for(source, Awaits::List, timeout_ms, Reply::Null)
}

pub fn brpoplpush(call: &mut Call) -> Outcome {
    let timeout = seconds(call.arg(3))?;
    Ok(move_element(call, false, true)?.unwrap_or_else(|| wait_to_move(call, timeout)))
}

pub fn blmpop(call: &mut Call) -> Outcome {
    let wish = wish(call, 2)?;
    let timeout = seconds(call.arg(1))?;
    Ok(match pop_first(call, &wish)? {
        Some(popped) => popped,
        None => call.wait_for(&wish.keys, Awaits::List, timeout, Reply::NullArray),
    })
}
