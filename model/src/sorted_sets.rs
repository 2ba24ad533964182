//! Sorted sets: a list of members in order, and what Redis would call it.

pub mod algebra;
pub mod pops;
pub mod ranges;
pub mod whole;

use std::cmp::Ordering;

use crate::doubles;
use crate::errors::{self, Failure};
use crate::reply::Reply;
use crate::state::{Call, Entry, Outcome, Value};

/// A small set has at most this many members.
const SMALL_MEMBERS: usize = 128;
/// And none of them is longer, in bytes.
const SMALL_BYTES: usize = 64;

/// A member and its score.
pub type Scored = (Vec<u8>, f64);

#[derive(Clone, Debug, PartialEq)]
pub struct SortedSet {
    /// In order.
    pub members: Vec<Scored>,
    /// Redis calls it a listpack, else a skiplist.
    pub small: bool,
}

/// By score, then by bytes.
pub fn order(left: &Scored, right: &Scored) -> Ordering {
    let scores = left.1.partial_cmp(&right.1).expect("scores are numbers");
    scores.then_with(|| left.0.cmp(&right.0))
}

impl SortedSet {
    /// An empty set that is to have so many members, the first of so many bytes.
    pub fn expecting(count: usize, bytes: usize) -> SortedSet {
        SortedSet {
            members: Vec::new(),
            small: count <= SMALL_MEMBERS && bytes <= SMALL_BYTES,
        }
    }

    /// What is read from a dump.
    pub fn reloaded(mut self) -> SortedSet {
        let longest = self.members.iter().map(|(member, _)| member.len()).max();
        let fits = self.members.len() <= SMALL_MEMBERS && longest.unwrap_or(0) <= SMALL_BYTES;
        self.small |= fits;
        self
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        let found = self.members.iter().find(|(own, _)| own == member);
        found.map(|(_, score)| *score)
    }

    /// Gives a member another score than it has.
    pub fn set(&mut self, member: &[u8], score: f64) {
        let length = self.members.len();
        self.remove(member);
        let is_new = self.members.len() == length;
        if is_new && (length == SMALL_MEMBERS || member.len() > SMALL_BYTES) {
            self.small = false;
        }
        // A listpack keeps whole numbers as integers, which have one zero.
        let score = if self.small && score == 0.0 {
            0.0
        } else {
            score
        };
        self.members.push((member.to_vec(), score));
        self.members.sort_by(order);
    }

    pub fn remove(&mut self, member: &[u8]) -> bool {
        let length = self.members.len();
        self.members.retain(|(own, _)| own != member);
        self.members.len() < length
    }

    /// Whether ranges of members make no sense, and depend on chance in Redis.
    pub fn is_unpredictable(&self) -> bool {
        !self.small
            && self
                .members
                .iter()
                .any(|(_, score)| *score != self.members[0].1)
    }
}

impl Call<'_> {
    /// The sorted set under a key, nothing if there is no key, an error for another type.
    pub fn sorted_set(&mut self, key: &[u8]) -> Result<Option<&mut SortedSet>, Failure> {
        match self.entry(key).map(|entry| &mut entry.value) {
            None => Ok(None),
            Some(Value::SortedSet(set)) => Ok(Some(set)),
            Some(_) => Err(errors::wrong_type()),
        }
    }

    /// A copy of the members under a key, to be read.
    pub fn scored(&mut self, key: &[u8]) -> Result<Vec<Scored>, Failure> {
        self.look_for(key);
        let set = self.sorted_set(key)?;
        Ok(set.map(|set| set.members.clone()).unwrap_or_default())
    }

    /// Stores a set under a key, which loses its expiry; an empty one leaves no key. `event` names what stores it.
    pub fn store_sorted_set(&mut self, key: &[u8], set: SortedSet, event: &str) {
        if set.members.is_empty() {
            self.delete(key);
            return;
        }
        let entry = Entry {
            value: Value::SortedSet(set),
            expires_at_ms: None,
            relative: false,
        };
        self.insert(key, entry);
        self.touch(key);
        self.note('z', event, key);
    }

    /// Removes a key whose set has become empty.
    pub fn drop_if_empty(&mut self, key: &[u8]) {
        if let Ok(Some(set)) = self.sorted_set(key)
            && set.members.is_empty()
        {
            self.delete(key);
        }
    }
}

pub fn score_reply(score: Option<f64>) -> Reply {
    score.map_or(Reply::Null, |score| Reply::Double(doubles::show(score)))
}

pub fn double(text: &[u8]) -> Result<f64, Failure> {
    doubles::strict(text).ok_or_else(errors::not_a_float)
}

/// The options of ZADD.
#[derive(Default)]
struct Conditions {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

pub fn zadd(call: &mut Call) -> Outcome {
    add(call, Conditions::default())
}

pub fn zincrby(call: &mut Call) -> Outcome {
    let conditions = Conditions {
        incr: true,
        ..Conditions::default()
    };
    add(call, conditions)
}

fn add(call: &mut Call, mut conditions: Conditions) -> Outcome {
    let mut index = 2;
    while index < call.args.len() {
        match call.arg(index).to_ascii_lowercase().as_slice() {
            b"nx" => conditions.nx = true,
            b"xx" => conditions.xx = true,
            b"gt" => conditions.gt = true,
            b"lt" => conditions.lt = true,
            b"ch" => conditions.ch = true,
            b"incr" => conditions.incr = true,
            _ => break,
        }
        index += 1;
    }
    let Conditions {
        nx,
        xx,
        gt,
        lt,
        ch,
        incr,
    } = conditions;
    let words = &call.args[index..];
    if words.is_empty() || words.len() % 2 == 1 {
        return Err(errors::syntax());
    }
    if nx && xx {
        return Err(errors::err(
            "XX and NX options at the same time are not compatible",
        ));
    }
    if nx && (gt || lt) || gt && lt {
        return Err(errors::err(
            "GT, LT, and/or NX options at the same time are not compatible",
        ));
    }
    if incr && words.len() > 2 {
        return Err(errors::err(
            "INCR option supports a single increment-element pair",
        ));
    }
    let mut pairs = Vec::new();
    for pair in words.chunks(2) {
        pairs.push((double(&pair[0])?, &pair[1]));
    }
    let key = call.key();
    let mut set = match call.sorted_set(key)? {
        Some(set) => set.clone(),
        None if xx => return Ok(if incr { Reply::Null } else { Reply::Integer(0) }),
        None => SortedSet::expecting(pairs.len(), pairs[0].1.len()),
    };
    set.small &= pairs.len() <= SMALL_MEMBERS;
    let (mut added, mut updated, mut result) = (0, 0, None);
    for (given, member) in pairs {
        let old = set.score(member);
        let wanted = match old {
            Some(_) if nx => continue,
            None if xx => continue,
            Some(old) if incr => old + given,
            _ => given,
        };
        if wanted.is_nan() {
            return Err(errors::err("resulting score is not a number (NaN)"));
        }
        if old.is_some_and(|old| lt && wanted >= old || gt && wanted <= old) {
            continue;
        }
        result = Some(wanted);
        if old != Some(wanted) {
            set.set(member, wanted);
            added += usize::from(old.is_none());
            updated += usize::from(old.is_some());
        }
    }
    let event = if incr { "zincr" } else { "zadd" };
    match call.sorted_set(key)? {
        Some(stored) => {
            *stored = set;
            if added + updated > 0 {
                call.touch(key);
                call.note('z', event, key);
            }
        }
        None => call.store_sorted_set(key, set, event),
    }
    Ok(match (incr, ch) {
        (true, _) => score_reply(result),
        (false, true) => Reply::count(added + updated),
        (false, false) => Reply::count(added),
    })
}

pub fn zrem(call: &mut Call) -> Outcome {
    let (key, args) = (call.key(), call.args);
    let Some(set) = call.sorted_set(key)? else {
        return Ok(Reply::Integer(0));
    };
    let removed = args[2..].iter().filter(|member| set.remove(member)).count();
    if removed > 0 {
        call.note('z', "zrem", key);
    }
    call.drop_if_empty(key);
    Ok(Reply::count(removed))
}

pub fn zcard(call: &mut Call) -> Outcome {
    let key = call.key();
    Ok(Reply::count(call.scored(key)?.len()))
}

pub fn zscore(call: &mut Call) -> Outcome {
    let (key, member) = (call.key(), call.arg(2));
    call.look_for(key);
    let set = call.sorted_set(key)?;
    Ok(score_reply(set.and_then(|set| set.score(member))))
}

pub fn zmscore(call: &mut Call) -> Outcome {
    let (key, args) = (call.key(), call.args);
    call.look_for(key);
    let set = call.sorted_set(key)?.cloned();
    let scores = args[2..]
        .iter()
        .map(|member| score_reply(set.as_ref().and_then(|set| set.score(member))));
    Ok(Reply::Array(scores.collect()))
}

pub fn zrank(call: &mut Call) -> Outcome {
    rank(call, false)
}

pub fn zrevrank(call: &mut Call) -> Outcome {
    rank(call, true)
}

fn rank(call: &mut Call, reverse: bool) -> Outcome {
    if call.args.len() > 4 {
        return Err(errors::wrong_arity(call.name));
    }
    let with_score = call.args.len() == 4;
    if with_score && !call.says(3, "WITHSCORE") {
        return Err(errors::syntax());
    }
    let (key, member) = (call.key(), call.arg(2));
    let members = call.scored(key)?;
    let Some(rank) = members.iter().position(|(own, _)| own == member) else {
        return Ok(if with_score {
            Reply::NullArray
        } else {
            Reply::Null
        });
    };
    let score = score_reply(Some(members[rank].1));
    let rank = Reply::count(if reverse {
        members.len() - 1 - rank
    } else {
        rank
    });
    Ok(if with_score {
        Reply::Array(vec![rank, score])
    } else {
        rank
    })
}
