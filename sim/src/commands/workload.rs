//! Commands that a seed draws, of every type, so that collections grow, shrink and are replaced.

use std::collections::VecDeque;

use super::life::{Act, Meaning, Work, command};
use super::waiters::{WAITERS, WAITING_CONSUMERS};
use crate::seed::{Purpose, Seed, Stream};

/// What the draws of a run are limited to.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Keys of each type.
    pub keys: u64,
    /// Elements are among so many.
    pub elements: u64,
    /// Values are below this, in bytes.
    pub bytes_max: u64,
    /// The types that are in.
    pub types: u64,
    /// Expiries are below this, in milliseconds.
    pub ttl_ms_max: u64,
}

impl Limits {
    /// The limits of a seed.
    pub fn draw(stream: &mut Stream) -> Self {
        Self {
            keys: *stream.pick(&[1, 2, 4]),
            elements: *stream.pick(&[4, 12, 40]),
            bytes_max: *stream.pick(&[8, 60, 60, 700]),
            types: stream.next_u64() | 1 << stream.below(KINDS.len() as u64),
            ttl_ms_max: *stream.pick(&[50, 100_000, 1_000_000_000]),
        }
    }
}

/// Entries of streams whose IDs are remembered.
const ENTRIES_KNOWN: usize = 12;

/// The groups of streams; clients that wait read from the first one.
const GROUPS: [&str; 4] = ["g", "g", "h", "i"];

/// The place of streams among the types.
const STREAMS: usize = 5;

/// Whether a command of a script was not refused by the memory or the disk.
const HAD_ROOM: &str = "local t = {} local function had_room(r) \
    if type(r) == 'table' and r.err then for _, p in ipairs({'OOM ', 'MISCONF ', 'ERR the disk', 'ERR a page'}) do \
    if r.err:sub(1, #p) == p then return 0 end end end return 1 end ";

/// Draws commands.
pub struct Workload {
    limits: Limits,
    stream: Stream,
    next_id: u64,
    /// The numbers of the entries that were added last.
    entries: VecDeque<u64>,
    /// The type and the number of the key that the transaction being drawn keeps to.
    focus: Option<(usize, u64)>,
}

type Draw = fn(&mut Workload) -> String;

/// What there is to draw, by type; a type that a seed does not have is not drawn.
const KINDS: [Draw; 8] = [
    Workload::string,
    Workload::list,
    Workload::hash,
    Workload::set,
    Workload::sorted_set,
    Workload::stream,
    Workload::key_of_any_type,
    Workload::database,
];

/// The letters of the keys of each type, in the order of [`KINDS`].
const LETTERS: [char; 6] = ['s', 'l', 'h', 'm', 'z', 'x'];

impl Workload {
    /// The workload of a seed.
    pub fn new(seed: Seed, limits: Limits) -> Self {
        Self {
            limits,
            stream: seed.stream(Purpose::Workload),
            next_id: 0,
            entries: VecDeque::new(),
            focus: None,
        }
    }

    /// The stream of the workload, for what else is drawn from it.
    pub fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn key(&mut self, kind: char) -> String {
        // Now and then a key of another type: an error, or a key that is replaced.
        let kind = if self.stream.chance(30_000) {
            *self.stream.pick(&LETTERS)
        } else {
            kind
        };
        let number = self.stream.below(self.limits.keys);
        match self.focus {
            Some((_, kept)) if self.stream.chance(800_000) => format!("{kind}{kept}"),
            _ => format!("{kind}{number}"),
        }
    }

    fn any_key(&mut self) -> String {
        let kind = match self.focus {
            Some((kind, _)) if self.stream.chance(800_000) => LETTERS[kind],
            _ => *self.stream.pick(&LETTERS),
        };
        self.key(kind)
    }

    fn element(&mut self) -> String {
        let n = self.stream.below(self.limits.elements);
        let len = if n.is_multiple_of(4) { 24 } else { 1 };
        format!("{n}{}", "e".repeat(len))
    }

    fn value(&mut self) -> String {
        self.next_id += 1;
        let id = self.next_id;
        if self.stream.chance(200_000) {
            return id.to_string();
        }
        let len = self.stream.below(self.limits.bytes_max) as usize;
        format!("{id}{}", "v".repeat(len))
    }

    fn ttl_ms(&mut self) -> u64 {
        self.stream.between(1, self.limits.ttl_ms_max)
    }

    fn small(&mut self) -> u64 {
        self.stream.below(12)
    }

    /// A place in a collection, from either end.
    fn place(&mut self) -> i64 {
        self.stream.below(16).cast_signed() - 8
    }

    fn several(&mut self, draw: fn(&mut Self) -> String) -> String {
        let count = if self.stream.chance(250_000) { 12 } else { 2 };
        let all: Vec<String> = (0..self.stream.between(1, count))
            .map(|_| draw(self))
            .collect();
        all.join(" ")
    }

    fn string(&mut self) -> String {
        let key = self.key('s');
        let value = self.value();
        match self.stream.below(14) {
            0 => format!("APPEND {key} {value}"),
            1 => format!("SETRANGE {key} {} {value}", self.stream.below(900)),
            2 => format!(
                "SETBIT {key} {} {}",
                self.stream.below(4000),
                self.small() % 2
            ),
            3 => format!("INCRBY {key} {}", self.small()),
            4 => format!("GETDEL {key}"),
            5 => format!("GETEX {key} PX {}", self.ttl_ms()),
            6 => format!("MSET {key} {value} {} {}", self.key('s'), self.value()),
            7 => format!("MSETNX {key} {value} {} {}", self.key('s'), self.value()),
            8 => format!("SET {key} {value} PX {}", self.ttl_ms()),
            9 => format!("SET {key} {value} KEEPTTL"),
            10 => format!("SET {key} {value} XX GET"),
            11 => format!("PFADD {} {}", self.key('s'), self.several(Self::element)),
            12 => format!("BITOP OR {key} {} {}", self.key('s'), self.key('s')),
            _ => format!("SET {key} {value}"),
        }
    }

    fn list(&mut self) -> String {
        let key = self.key('l');
        match self.stream.below(12) {
            0 => format!("LPUSH {key} {}", self.several(Self::element)),
            1 => format!("LPOP {key} {}", self.small() + 1),
            2 => format!("RPOP {key}"),
            3 => format!("LSET {key} {} {}", self.place(), self.value()),
            4 => format!("LTRIM {key} {} {}", self.place(), self.place()),
            5 => format!("LREM {key} {} {}", self.place(), self.element()),
            6 => {
                let side = *self.stream.pick(&["BEFORE", "AFTER"]);
                let (pivot, value) = (self.element(), self.value());
                format!("LINSERT {key} {side} {pivot} {value}")
            }
            7 => format!("LMOVE {key} {} LEFT RIGHT", self.key('l')),
            8 => format!("LMPOP 2 {key} {} RIGHT COUNT 3", self.key('l')),
            9 => format!("RPUSHX {key} {}", self.value()),
            _ => format!("RPUSH {key} {}", self.several(Self::element)),
        }
    }

    fn field_and_value(&mut self) -> String {
        format!("{} {}", self.element(), self.value())
    }

    fn hash(&mut self) -> String {
        let key = self.key('h');
        match self.stream.below(11) {
            0 => format!("HDEL {key} {}", self.several(Self::element)),
            1 => format!("HINCRBY {key} n {}", self.small()),
            2 => format!("HSETNX {key} {}", self.field_and_value()),
            3 | 4 => {
                let (ttl, field) = (self.ttl_ms(), self.element());
                format!("HPEXPIRE {key} {ttl} FIELDS 2 {field} n")
            }
            5 => format!("HPERSIST {key} FIELDS 1 {}", self.element()),
            6 => format!("HINCRBYFLOAT {key} f 1.25"),
            7 => format!("HPEXPIREAT {key} 1 FIELDS 1 {}", self.element()),
            _ => format!("HSET {key} {}", self.several(Self::field_and_value)),
        }
    }

    fn set(&mut self) -> String {
        let key = self.key('m');
        match self.stream.below(11) {
            0 | 1 => format!("SREM {key} {}", self.several(Self::element)),
            2 => format!("SMOVE {key} {} {}", self.key('m'), self.element()),
            3 => format!("SINTERSTORE {key} {} {}", self.key('m'), self.key('m')),
            4 => format!("SUNIONSTORE {key} {} {}", self.key('m'), self.key('m')),
            5 => format!("SDIFFSTORE {key} {} {}", self.key('m'), self.key('m')),
            6 => format!("SADD {key} {} {}", self.small(), self.small()),
            7 => format!("SPOP {key} 1000"),
            _ => format!("SADD {key} {}", self.several(Self::element)),
        }
    }

    fn score_and_member(&mut self) -> String {
        format!("{}.5 {}", self.place(), self.element())
    }

    fn sorted_set(&mut self) -> String {
        let key = self.key('z');
        match self.stream.below(12) {
            0 | 1 => format!("ZREM {key} {}", self.several(Self::element)),
            2 => format!("ZINCRBY {key} {} {}", self.place(), self.element()),
            3 => format!("ZPOPMIN {key} {}", self.small()),
            4 => format!("ZREMRANGEBYRANK {key} {} {}", self.place(), self.place()),
            5 => format!("ZREMRANGEBYSCORE {key} {} {}", self.place(), self.place()),
            6 => format!("ZUNIONSTORE {key} 2 {} {}", self.key('z'), self.key('m')),
            7 => format!("ZINTERSTORE {key} 2 {} {}", self.key('z'), self.key('z')),
            8 => format!("ZRANGESTORE {key} {} 0 {}", self.key('z'), self.small()),
            9 => format!("ZADD {key} GT CH {}", self.score_and_member()),
            _ => format!("ZADD {key} {}", self.several(Self::score_and_member)),
        }
    }

    /// Mostly the ID of an entry that was added, so that it may be pending.
    fn entry_id(&mut self) -> String {
        let known = self.entries.len() as u64;
        let number = if known > 0 && self.stream.chance(800_000) {
            self.entries[self.stream.below(known) as usize]
        } else {
            self.stream.below(self.next_id + 2)
        };
        format!("{number}-1")
    }

    fn add_entry(&mut self, key: &str) -> String {
        self.next_id += 1;
        let id = self.next_id;
        self.entries.push_back(id);
        if self.entries.len() > ENTRIES_KNOWN {
            self.entries.pop_front();
        }
        format!("XADD {key} {id}-1 {}", self.field_and_value())
    }

    fn stream(&mut self) -> String {
        let key = self.key('x');
        // Several groups of one stream, and several consumers of one group.
        let group = *self.stream.pick(&GROUPS);
        let consumer = self.consumer();
        match self.stream.below(20) {
            0 | 1 => format!("XGROUP CREATE {key} {group} {} MKSTREAM", self.small() % 2),
            2..=4 => format!(
                "XREADGROUP GROUP {group} {consumer} COUNT {} STREAMS {key} >",
                self.small() + 1
            ),
            5 | 6 => format!("XACK {key} {group} {} {}", self.entry_id(), self.entry_id()),
            7 => format!("XCLAIM {key} {group} {consumer} 0 {}", self.entry_id()),
            8 => format!("XAUTOCLAIM {key} {group} {consumer} 0 0 COUNT 3"),
            9 => format!("XDEL {key} {} {}", self.entry_id(), self.entry_id()),
            10 => format!("XTRIM {key} MAXLEN {}", self.small()),
            11 => format!("XGROUP DELCONSUMER {key} {group} {consumer}"),
            // Who waits is not told of entries that come back to be new.
            12 => format!("XGROUP SETID {key} {group} $"),
            13 => format!("XGROUP CREATECONSUMER {key} {group} {consumer}"),
            14 if self.focus.is_some() || self.stream.chance(300_000) => {
                format!("XGROUP DESTROY {key} {group}")
            }
            _ => self.add_entry(&key),
        }
    }

    fn key_of_any_type(&mut self) -> String {
        let key = self.any_key();
        match self.stream.below(9) {
            0 => format!("DEL {key} {}", self.any_key()),
            1 => format!("UNLINK {key}"),
            2 | 3 => format!("PEXPIRE {key} {}", self.ttl_ms()),
            4 => format!("PERSIST {key}"),
            5 => format!("RENAME {key} {}", self.any_key()),
            6 => format!("COPY {key} {} REPLACE", self.any_key()),
            7 => format!("MOVE {key} {}", self.stream.below(3)),
            _ => format!("PEXPIREAT {key} {}", self.small()),
        }
    }

    fn database(&mut self) -> String {
        match self.stream.below(8) {
            0 => "FLUSHDB".to_owned(),
            1 if self.stream.chance(300_000) => "FLUSHALL".to_owned(),
            2 | 3 => format!("SWAPDB {} {}", self.stream.below(3), self.stream.below(3)),
            _ => format!("SELECT {}", self.stream.below(3)),
        }
    }

    fn one(&mut self) -> String {
        match self.focus {
            Some(_) if self.stream.chance(150_000) => return self.key_of_any_type(),
            Some((kind, _)) if self.stream.chance(900_000) => return KINDS[kind](self),
            _ => {}
        }
        loop {
            let kind = self.stream.below(KINDS.len() as u64);
            // Keys of a type that is not drawn are rarely there.
            if self.limits.types & (1 << kind) != 0 {
                return KINDS[kind as usize](self);
            }
        }
    }

    /// A command of a client beside that may block.
    pub fn block(&mut self) -> Act {
        let timeout = *self.stream.pick(&["0", "0", "0", "0.05", "0.2"]);
        let text = match self.stream.below(9) {
            0 => format!("BLPOP {} {timeout}", self.key('l')),
            1 => format!("BLPOP {} {} {timeout}", self.key('l'), self.key('l')),
            2 => format!("BRPOP {} {timeout}", self.key('l')),
            3 | 4 => format!(
                "BLMOVE {} {} RIGHT LEFT {timeout}",
                self.key('l'),
                self.key('l')
            ),
            5 => format!("BZPOPMIN {} {timeout}", self.key('z')),
            6 => format!("BZMPOP {timeout} 1 {} MAX COUNT 2", self.key('z')),
            _ => {
                let consumer = *self.stream.pick(&WAITING_CONSUMERS);
                let (count, key) = (self.small() + 1, self.key('x'));
                format!("XREADGROUP GROUP g {consumer} COUNT {count} BLOCK 0 STREAMS {key} >")
            }
        };
        Act::Block(self.stream.below(WAITERS as u64) as usize, command(&text))
    }

    /// Some clients come one after the other for what is at a key, and are given it, or a part of it.
    pub fn queue(&mut self) -> Vec<Act> {
        let call = |text: String| Act::Call(command(&text));
        let (kind, key) = match self.stream.below(3) {
            0 => ('z', self.key('z')),
            1 => ('x', self.key('x')),
            _ => ('l', self.key('l')),
        };
        // Who waits is in the first database.
        let mut acts = vec![call("SELECT 0".to_owned()), call(format!("DEL {key}"))];
        if kind == 'x' {
            acts.push(call(format!("XGROUP CREATE {key} g $ MKSTREAM")));
        }
        for _ in 0..self.stream.between(1, WAITERS as u64 + 1) {
            let words = match kind {
                'z' => format!("BZPOPMIN {key} 0"),
                'x' => format!("XREADGROUP GROUP g one COUNT 1 BLOCK 0 STREAMS {key} >"),
                _ => {
                    let verb = *self.stream.pick(&["BLPOP", "BLPOP", "BRPOP"]);
                    format!("{verb} {key} 0")
                }
            };
            let waiter = self.stream.below(WAITERS as u64) as usize;
            acts.push(Act::Block(waiter, command(&words)));
        }
        if self.stream.chance(300_000) {
            acts.push(if self.stream.chance(500_000) {
                Act::Ack
            } else {
                Act::Checkpoint
            });
        }
        let mut given: Vec<Act> = (0..self.stream.between(1, 3))
            .map(|_| {
                call(match kind {
                    'z' => format!("ZADD {key} {}", self.several(Self::score_and_member)),
                    'x' => self.add_entry(&key),
                    _ => format!("RPUSH {key} {}", self.several(Self::element)),
                })
            })
            .collect();
        if self.stream.chance(300_000) {
            given.insert(0, call("MULTI".to_owned()));
            given.push(call("EXEC".to_owned()));
        }
        acts.extend(given);
        acts
    }

    /// A command, a transaction, or a script that does several commands.
    pub fn calls(&mut self) -> Vec<Act> {
        match self.stream.below(12) {
            0 => {
                let focus = self.draw_focus();
                self.transaction(focus)
            }
            1 => vec![self.script()],
            _ => vec![Act::Call(command(&self.one()))],
        }
    }

    /// Commands of any kind, or most of them on one key: what the one leaves below the key, the next one meets there.
    /// What a key had before the transaction may be put back in the midst of it, or elsewhere.
    fn transaction(&mut self, focus: Option<(usize, u64)>) -> Vec<Act> {
        let call = |text: String| Act::Call(command(&text));
        self.focus = focus;
        let mut calls = Vec::new();
        let restores = self.focus.is_some() && self.stream.chance(250_000);
        if restores {
            let from = self.any_key();
            calls.push(Act::Dump(from.into_bytes()));
        }
        calls.push(call("MULTI".to_owned()));
        let most = if self.focus.is_some() { 12 } else { 6 };
        let count = self.stream.between(1, most);
        let restored_at = restores.then(|| self.stream.below(count));
        for at in 0..count {
            if restored_at == Some(at) {
                let to = self.any_key();
                calls.push(Act::Restore(to.into_bytes()));
            }
            calls.push(call(self.one()));
        }
        self.focus = None;
        let end = if self.stream.chance(100_000) {
            "DISCARD"
        } else {
            "EXEC"
        };
        calls.push(call(end.to_owned()));
        calls
    }

    fn draw_focus(&mut self) -> Option<(usize, u64)> {
        if self.stream.chance(400_000) {
            return None;
        }
        let kind = self.stream.below(LETTERS.len() as u64) as usize;
        let number = self.stream.below(self.limits.keys);
        (self.limits.types & (1 << kind) != 0).then_some((kind, number))
    }

    /// Groups of a stream come to have what is pending, and then a transaction changes several of them: there are trees
    /// below a group, which is in a tree below the key.
    pub fn groups(&mut self) -> Vec<Act> {
        if self.limits.types & (1 << STREAMS) == 0 {
            return self.calls();
        }
        let number = self.stream.below(self.limits.keys);
        let key = format!("{}{number}", LETTERS[STREAMS]);
        let mut acts = Vec::new();
        let mut add = |text: String| acts.push(Act::Call(command(&text)));
        for group in &GROUPS[1..] {
            if self.stream.chance(700_000) {
                add(format!("XGROUP CREATE {key} {group} 0 MKSTREAM"));
            }
        }
        for _ in 0..self.stream.between(1, 5) {
            add(self.add_entry(&key));
        }
        for group in &GROUPS[1..] {
            let (count, consumer) = (self.stream.between(1, 4), self.consumer());
            add(format!(
                "XREADGROUP GROUP {group} {consumer} COUNT {count} STREAMS {key} >"
            ));
        }
        if self.stream.chance(300_000) {
            acts.push(Act::Checkpoint);
        }
        acts.extend(self.transaction(Some((STREAMS, number))));
        acts
    }

    fn consumer(&mut self) -> &'static str {
        let drawn: &&str = self.stream.pick(&["one", "two", "three"]);
        drawn
    }

    /// Commands one after the other in a script; what fails there does not end it.
    fn script(&mut self) -> Act {
        let commands: Vec<_> = (0..self.stream.between(1, 5))
            .map(|_| command(&self.one()).words)
            .collect();
        let mut words = vec![b"EVAL".to_vec(), Vec::new(), b"0".to_vec()];
        let mut code = HAD_ROOM.to_owned();
        let mut next = 1;
        for command in &commands {
            let arguments: Vec<String> = (0..command.len())
                .map(|n| format!("ARGV[{}]", next + n))
                .collect();
            let arguments = arguments.join(",");
            code += &format!("t[#t + 1] = had_room(redis.pcall({arguments})) ");
            next += command.len();
            words.extend(command.iter().cloned());
        }
        words[1] = (code + "return t").into_bytes();
        Act::Call(Work {
            words,
            meaning: Meaning::Tried(commands),
        })
    }
}
