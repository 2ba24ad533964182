//! One connection to the server, blocking.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wire;

/// How long a reply may take before the server counts as hung.
const REPLY_PATIENCE: Duration = Duration::from_secs(60);

/// A blocking connection.
pub struct Socket {
    stream: BufReader<TcpStream>,
}

impl Socket {
    pub fn connect(address: SocketAddr) -> io::Result<Socket> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_PATIENCE))?;
        stream.set_write_timeout(Some(REPLY_PATIENCE))?;
        Ok(Socket {
            stream: BufReader::new(stream),
        })
    }

    /// Replies may take so long from now on.
    pub fn be_patient(&mut self, patience: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience))
    }

    pub fn send(&mut self, request: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = format!("*{}\r\n", request.len()).into_bytes();
        for argument in request {
            bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
            bytes.extend_from_slice(argument);
            bytes.extend_from_slice(b"\r\n");
        }
        self.stream.get_mut().write_all(&bytes)
    }

    /// The next replies and messages, this many of them.
    pub fn receive_several(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut raw = Vec::new();
        for _ in 0..count {
            raw.extend(self.receive()?);
        }
        Ok(raw)
    }

    pub fn receive(&mut self) -> io::Result<Vec<u8>> {
        wire::read_reply(&mut self.stream)
    }

    /// Sends words and waits for the reply.
    pub fn ask(&mut self, words: &[&str]) -> io::Result<Vec<u8>> {
        let request: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
        self.send(&request)?;
        self.receive()
    }

    /// Waits for the server to close the connection; false if it sends something first.
    pub fn is_closed_by_peer(&mut self) -> io::Result<bool> {
        match self.stream.read(&mut [0]) {
            Ok(count) => Ok(count == 0),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(true),
            Err(error) => Err(error),
        }
    }
}
