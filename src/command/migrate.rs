//! MIGRATE: keys to another server.
//!
//! It is as DUMP here, RESTORE there and DEL here, and nobody sees a state between: the engine is held until the other
//! server has answered or `timeout` is over, on a thread that serves no other connection.

use std::fmt::Debug;
use std::time::Duration;

use super::argument::is_word;
use super::client::ErrorInReply;
use super::{Call, Failure, Outcome, argument, dump, errors, keys};
use crate::keyspace::Look;
use crate::resp::{ErrorReply, encode};
use crate::storage::OnMiss;

const NOT_REACHED: ErrorReply = ErrorReply::new("IOERR error or timeout connecting to the client");
const NOT_WRITTEN: ErrorReply =
    ErrorReply::new("IOERR error or timeout writing to target instance");
const NOT_READ: ErrorReply = ErrorReply::new("IOERR error or timeout reading to target instance");
const KEY_AND_KEYS: ErrorReply = ErrorReply::new(
    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
);

/// For how long a peer that does nothing is waited for, if the command does not say.
const TIMEOUT_MS: u64 = 1000;

/// Where another server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address<'a> {
    pub host: &'a str,
    pub port: u16,
}

/// How an exchange with another server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every reply came.
    Whole,
    NotReached,
    NotWritten,
    NotRead,
}

/// What another server answered: the first line of each reply that came, without its end.
#[derive(Debug)]
pub struct Exchange {
    pub lines: Vec<Vec<u8>>,
    pub end: End,
}

/// The way to other servers.
pub trait Peers: Send + Sync + Debug {
    /// Sends requests and waits for so many replies of one line; `timeout` is for each step. A connection that has
    /// proved to be closed before the first reply came is opened anew once.
    fn exchange(
        &self,
        to: Address<'_>,
        requests: &[u8],
        replies: usize,
        timeout: Duration,
    ) -> Exchange;

    /// Connections that are kept for the next exchange.
    fn kept(&self) -> usize;

    /// Closes those that were not used for a while. `now_us` is monotonic.
    fn close_idle(&self, now_us: u64);
}

/// A server that reaches no other.
#[derive(Debug)]
pub struct Alone;

impl Peers for Alone {
    fn exchange(&self, _: Address<'_>, _: &[u8], _: usize, _: Duration) -> Exchange {
        Exchange {
            lines: Vec::new(),
            end: End::NotReached,
        }
    }

    fn kept(&self) -> usize {
        0
    }

    fn close_idle(&self, _: u64) {}
}

/// What MIGRATE was told behind its fixed words.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options<'a> {
    copy: bool,
    replace: bool,
    /// The words of AUTH.
    credentials: Vec<&'a [u8]>,
    keys: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Self, ErrorReply> {
        let mut options = Self {
            keys: vec![args[3]],
            ..Self::default()
        };
        let mut words = args[6..].iter();
        while let Some(option) = words.next() {
            if is_word(option, "copy") {
                options.copy = true;
            } else if is_word(option, "replace") {
                options.replace = true;
            } else if is_word(option, "auth") {
                options.credentials = vec![words.next().ok_or(errors::SYNTAX)?];
            } else if is_word(option, "auth2") {
                let (user, password) = (words.next(), words.next());
                options.credentials =
                    vec![user.ok_or(errors::SYNTAX)?, password.ok_or(errors::SYNTAX)?];
            } else if is_word(option, "keys") {
                if !args[3].is_empty() {
                    return Err(KEY_AND_KEYS);
                }
                options.keys = words.by_ref().copied().collect();
            } else {
                return Err(errors::SYNTAX);
            }
        }
        Ok(options)
    }
}

/// Requests on their way to another server, and how many replies come back before those of keys.
#[derive(Default)]
struct Requests {
    bytes: Vec<u8>,
    preceding: usize,
}

impl Requests {
    fn add(&mut self, words: &[&[u8]]) {
        encode::bulks(&mut self.bytes, words.iter().copied());
    }

    fn add_preceding(&mut self, words: &[&[u8]]) {
        self.add(words);
        self.preceding += 1;
    }
}

/// MIGRATE host port key|"" destination-db timeout [COPY] [REPLACE] [AUTH password | AUTH2 username password]
/// [KEYS key [key ...]]
pub fn migrate(call: &mut Call<'_>) -> Outcome {
    let options = Options::parse(call.args)?;
    let timeout_ms = argument::integer(call.args[5])?;
    let db = argument::integer(call.args[4])?;
    let timeout_ms = u64::try_from(timeout_ms).ok().filter(|ms| *ms > 0);
    let timeout = Duration::from_millis(timeout_ms.unwrap_or(TIMEOUT_MS));
    if !call.client.patient && !call.client.deny_blocking {
        return Err(Failure::Slow);
    }
    // What the other server has restored must be deleted here: nothing may be missed then.
    call.keyspace.engine.pager_mut().set_on_miss(OnMiss::Read);
    let mut requests = Requests::default();
    if !options.credentials.is_empty() {
        let mut words: Vec<&[u8]> = vec![b"AUTH"];
        words.extend_from_slice(&options.credentials);
        requests.add_preceding(&words);
    }
    requests.add_preceding(&[b"SELECT", db.to_string().as_bytes()]);
    let keys = restores(call, &options, &mut requests)?;
    if keys.is_empty() {
        call.out.simple("NOKEY");
        return Ok(());
    }
    let host = String::from_utf8_lossy(call.args[1]);
    let port = argument::integer(call.args[2]).ok();
    let to = port.and_then(|port| u16::try_from(port).ok());
    let Some(port) = to else {
        return Err(NOT_REACHED.into());
    };
    let to = Address { host: &host, port };
    let replies = requests.preceding + keys.len();
    let exchange = call
        .server
        .peers
        .exchange(to, &requests.bytes, replies, timeout);
    if !options.copy {
        delete(call, &moved(&exchange, requests.preceding, &keys))?;
    }
    answer(call, &exchange)
}

/// Adds a RESTORE for each key that is there: the keys.
fn restores<'a>(
    call: &mut Call<'_>,
    options: &Options<'a>,
    requests: &mut Requests,
) -> Result<Vec<&'a [u8]>, Failure> {
    let (db, now_ms) = (call.client.db, call.now_ms);
    let mut keys = Vec::new();
    for key in &options.keys {
        let entry = call.keyspace.lookup(db, key, now_ms, Look::READ)?;
        let Some(header) = entry.map(|entry| entry.header) else {
            continue;
        };
        // 0 says for ever.
        let ttl_ms = header
            .expires_ms
            .map_or(0, |expires_ms| expires_ms.saturating_sub(now_ms).max(1));
        let payload = dump::payload_of(call, key, &header)?;
        let ttl = ttl_ms.to_string();
        let mut words: Vec<&[u8]> = vec![b"RESTORE", key, ttl.as_bytes(), &payload];
        if options.replace {
            words.push(b"REPLACE");
        }
        requests.add(&words);
        keys.push(*key);
    }
    Ok(keys)
}

fn is_error(line: &[u8]) -> bool {
    line.first() == Some(&b'-')
}

/// The keys that the other server says it has.
fn moved<'a>(exchange: &Exchange, preceding: usize, keys: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let (first, restored) = exchange.lines.split_at(preceding.min(exchange.lines.len()));
    if first.iter().any(|line| is_error(line)) {
        return Vec::new();
    }
    let all = keys.iter().zip(restored);
    all.filter(|(_, line)| !is_error(line))
        .map(|(key, _)| *key)
        .collect()
}

fn delete(call: &mut Call<'_>, keys: &[&[u8]]) -> Result<(), Failure> {
    if keys.is_empty() {
        return Ok(());
    }
    keys::delete(call, keys, false)?;
    let mut words: Vec<&[u8]> = vec![b"DEL"];
    words.extend_from_slice(keys);
    call.does(&words);
    Ok(())
}

/// Says how it ended. What was deleted stays deleted: the error does not take it back.
fn answer(call: &mut Call<'_>, exchange: &Exchange) -> Outcome {
    let refused = exchange.lines.iter().find(|line| is_error(line));
    let mut line = b"ERR Target instance replied with error: ".to_vec();
    match (refused, exchange.end) {
        (Some(text), _) => line.extend_from_slice(&text[1..]),
        (None, End::Whole) => {
            call.out.ok();
            return Ok(());
        }
        (None, End::NotReached) => line = NOT_REACHED.0.as_bytes().to_vec(),
        (None, End::NotWritten) => line = NOT_WRITTEN.0.as_bytes().to_vec(),
        (None, End::NotRead) => line = NOT_READ.0.as_bytes().to_vec(),
    }
    call.server.stats.count_error(&line);
    call.client.error_in_reply = ErrorInReply::IsCounted;
    call.out.error_bytes(&line);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options<'_>, ErrorReply> {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        Options::parse(&words)
    }

    #[test]
    fn options_end_with_keys() {
        let one = parse("migrate h 1 k 0 9 COPY auth2 me pw Replace").unwrap();
        assert!(one.copy && one.replace);
        assert_eq!(one.credentials, [b"me", b"pw"]);
        assert_eq!(one.keys, [b"k"]);
        let many = parse("migrate h 1  0 9 KEYS copy b").unwrap();
        assert!(!many.copy);
        assert_eq!(many.keys, [&b"copy"[..], b"b"]);
        assert_eq!(parse("migrate h 1 k 0 9 KEYS b"), Err(KEY_AND_KEYS));
        for wrong in ["auth", "auth2 me", "nonsense"] {
            let line = format!("migrate h 1 k 0 9 {wrong}");
            assert_eq!(parse(&line), Err(errors::SYNTAX));
        }
    }

    /// A key is deleted only if nothing that came before and not its own reply was an error.
    #[test]
    fn keys_have_moved_that_were_acknowledged() {
        let keys: [&[u8]; 3] = [b"a", b"b", b"c"];
        let exchange = |lines: &[&str]| Exchange {
            lines: lines.iter().map(|line| line.as_bytes().to_vec()).collect(),
            end: End::NotRead,
        };
        let after = |lines: &[&str]| moved(&exchange(lines), 1, &keys);
        assert_eq!(after(&["+OK", "+OK", "-BUSYKEY", "+OK"]), [b"a", b"c"]);
        assert_eq!(after(&["+OK", "+OK"]), [b"a"]);
        assert!(after(&["-ERR", "+OK", "+OK"]).is_empty());
        assert!(after(&[]).is_empty());
    }
}
