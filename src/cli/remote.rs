//! A connection to a server, for subcommands that ask one thing after the other.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use super::bench::Target;
use crate::resp::value::{self, NotResp, Value};

/// Bytes read together.
const READ_BYTES: usize = 64 << 10;

/// Why a server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    NotResp(#[from] NotResp),
    #[error("the server closed the connection")]
    Closed,
    #[error("{command}: {text}")]
    Refused { command: String, text: String },
    #[error("{0}: the reply is of another type than was expected")]
    Unexpected(&'static str),
}

trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// An open connection.
pub(super) struct Remote {
    wire: Box<dyn Wire>,
    out: Vec<u8>,
    input: Vec<u8>,
    /// Bytes of `input` that are understood.
    at: usize,
}

impl Remote {
    pub(super) fn connect(target: &Target, password: Option<&str>) -> Result<Self, RemoteError> {
        let wire: Box<dyn Wire> = match target {
            Target::Tcp(address) => {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
            Target::Unix(path) => Box::new(UnixStream::connect(path)?),
        };
        let mut remote = Self {
            wire,
            out: Vec::new(),
            input: Vec::new(),
            at: 0,
        };
        if let Some(password) = password {
            remote.call(&["AUTH", password])?;
        }
        Ok(remote)
    }

    /// One request and its reply; an error reply is an error.
    pub(super) fn call<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Value, RemoteError> {
        self.ask(words);
        match self.answer()? {
            Value::Error(text) => Err(RemoteError::Refused {
                command: String::from_utf8_lossy(words[0].as_ref()).into_owned(),
                text,
            }),
            value => Ok(value),
        }
    }

    /// Queues a request.
    pub(super) fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) {
        value::put_request(&mut self.out, words);
    }

    /// Bytes of requests that are not sent.
    pub(super) fn queued_bytes(&self) -> usize {
        self.out.len()
    }

    /// The reply to the oldest request that has not been answered. Sends what is queued.
    pub(super) fn answer(&mut self) -> Result<Value, RemoteError> {
        if !self.out.is_empty() {
            self.wire.write_all(&self.out)?;
            self.out.clear();
        }
        loop {
            if let Some((value, len)) = value::read(&self.input[self.at..])? {
                self.at += len;
                return Ok(value);
            }
            self.input.drain(..self.at);
            self.at = 0;
            let end = self.input.len();
            self.input.resize(end + READ_BYTES, 0);
            let read = self.wire.read(&mut self.input[end..])?;
            self.input.truncate(end + read);
            if read == 0 {
                return Err(RemoteError::Closed);
            }
        }
    }

    /// The newest version of RDB whose payloads the server understands, among those that are written here.
    pub(super) fn rdb_version(&mut self) -> Result<u16, RemoteError> {
        let Value::Bulk(info) = self.call(&["INFO", "server"])? else {
            return Err(RemoteError::Unexpected("INFO"));
        };
        let info = String::from_utf8_lossy(&info);
        let version = info
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"));
        let mut parts = version
            .unwrap_or_default()
            .split('.')
            .map(str::parse::<u32>);
        let mut part = || parts.next().and_then(Result::ok).unwrap_or(0);
        Ok(match (part(), part()) {
            (major, minor) if (major, minor) >= (7, 4) => 12,
            (major, minor) if (major, minor) >= (7, 2) => 11,
            _ => 10,
        })
    }
}
