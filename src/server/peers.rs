//! Connections to other servers, for MIGRATE.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::command::migrate::{Address, End, Exchange, Peers};
use crate::vfs::Clock;

/// Connections that are kept, and for how many microseconds without use.
const KEPT_MAX: usize = 64;
const KEPT_US: u64 = 10_000_000;
/// The longest line of a reply that is looked at.
const LINE_BYTES_MAX: u64 = 1024;

/// A connection that was used.
#[derive(Debug)]
struct Kept {
    stream: BufReader<TcpStream>,
    used_us: u64,
}

/// Connections over TCP.
#[derive(Debug)]
pub struct TcpPeers {
    clock: Arc<dyn Clock>,
    kept: Mutex<HashMap<(String, u16), Kept>>,
}

impl TcpPeers {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            kept: Mutex::default(),
        }
    }

    fn keep(&self, to: Address<'_>, stream: BufReader<TcpStream>) {
        let mut kept = self.kept.lock();
        let used_us = self.clock.mono_us();
        if kept.len() >= KEPT_MAX {
            let oldest = kept.iter().min_by_key(|(_, it)| it.used_us);
            if let Some(address) = oldest.map(|(address, _)| address.clone()) {
                kept.remove(&address);
            }
        }
        kept.insert((to.host.to_owned(), to.port), Kept { stream, used_us });
    }
}

fn connect(to: Address<'_>, timeout: Duration) -> io::Result<BufReader<TcpStream>> {
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in (to.host, to.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(BufReader::new(stream));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Reads a line and gives it without its end.
fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    stream.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\r\n") {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.len() - 2);
    Ok(line)
}

/// Sends requests and reads replies over a connection; whether what went wrong was time.
fn talk(
    stream: &mut BufReader<TcpStream>,
    requests: &[u8],
    replies: usize,
    timeout: Duration,
) -> (Exchange, bool) {
    let mut lines = Vec::new();
    let set = stream
        .get_ref()
        .set_read_timeout(Some(timeout))
        .and_then(|()| stream.get_ref().set_write_timeout(Some(timeout)));
    if let Err(error) = set.and_then(|()| stream.get_mut().write_all(requests)) {
        let end = End::NotWritten;
        return (Exchange { lines, end }, is_timeout(&error));
    }
    while lines.len() < replies {
        match read_line(stream) {
            Ok(line) => lines.push(line),
            Err(error) => {
                let end = End::NotRead;
                return (Exchange { lines, end }, is_timeout(&error));
            }
        }
    }
    let end = End::Whole;
    (Exchange { lines, end }, false)
}

impl Peers for TcpPeers {
    fn exchange(
        &self,
        to: Address<'_>,
        requests: &[u8],
        replies: usize,
        timeout: Duration,
    ) -> Exchange {
        let kept = self.kept.lock().remove(&(to.host.to_owned(), to.port));
        let mut stream = kept.map(|kept| kept.stream);
        let mut may_retry = true;
        loop {
            let mut open = match stream.take().map_or_else(|| connect(to, timeout), Ok) {
                Ok(open) => open,
                Err(error) => {
                    tracing::debug!(host = to.host, port = to.port, %error, "a peer is not reached");
                    let lines = Vec::new();
                    // Redis hears of that when it writes.
                    let end = match error.kind() {
                        io::ErrorKind::ConnectionRefused => End::NotWritten,
                        _ => End::NotReached,
                    };
                    return Exchange { lines, end };
                }
            };
            let (exchange, timed_out) = talk(&mut open, requests, replies, timeout);
            let is_refused = exchange
                .lines
                .iter()
                .any(|line| line.first() == Some(&b'-'));
            if exchange.end == End::Whole {
                // After an error nobody knows what the connection is set to.
                if !is_refused {
                    self.keep(to, open);
                }
                return exchange;
            }
            if timed_out || !may_retry || !exchange.lines.is_empty() {
                return exchange;
            }
            may_retry = false;
        }
    }

    fn kept(&self) -> usize {
        self.kept.lock().len()
    }

    fn close_idle(&self, now_us: u64) {
        self.kept
            .lock()
            .retain(|_, kept| now_us.saturating_sub(kept.used_us) < KEPT_US);
    }
}
