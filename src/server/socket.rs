//! TCP and unix sockets, and TLS over TCP, as one type.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::server::TlsStream;

use super::tls::Handshake;
use crate::command::client::Entry;

/// A connected socket that belongs to no runtime yet.
#[derive(Debug)]
pub enum Accepted {
    Tcp(std::net::TcpStream),
    /// Nothing may be sent before the handshake.
    Tls(std::net::TcpStream, Handshake),
    Unix(std::os::unix::net::UnixStream),
}

impl Accepted {
    /// Hands it to the runtime of the current thread, and gets it ready for requests of the client `entry`.
    pub async fn open(self, entry: &Entry) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            Self::Tls(stream, handshake) => {
                let stream = handshake.run(TcpStream::from_std(stream)?, entry).await?;
                Socket::Tls(Box::new(stream))
            }
            Self::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        })
    }

    pub fn fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }

    /// Sends what fits and does not wait: for a refusal before the connection is closed.
    pub fn send_at_once(&mut self, bytes: &[u8]) {
        use std::io::Write;
        // The other end may be gone or slow; it is refused in any case.
        let _ = match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(..) => return,
            Self::Unix(stream) => stream.write(bytes),
        };
    }
}

/// A connected socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Socket {
    /// Whether there may be bytes to read, without a buffer for them.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            // Bytes may be there already, decrypted.
            Self::Tls(_) => Poll::Ready(Ok(())),
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    /// Appends to the room that `buffer` has; 0 bytes at the end of the stream.
    pub fn poll_read(
        &mut self,
        buffer: &mut Vec<u8>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        // The read futures keep no state between polls, so a fresh one each time is the same one.
        match self {
            Self::Tcp(stream) => std::pin::pin!(stream.read_buf(buffer)).poll(cx),
            Self::Tls(stream) => std::pin::pin!(stream.read_buf(buffer)).poll(cx),
            Self::Unix(stream) => std::pin::pin!(stream.read_buf(buffer)).poll(cx),
        }
    }

    /// Sends the first bytes of `bytes`; returns how many.
    pub fn poll_write(&mut self, bytes: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Sends what is encrypted and has not left yet.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Tells the other end that nothing more comes, if that can be sent at once.
    pub fn say_end(&mut self, cx: &mut Context<'_>) {
        if let Self::Tls(stream) = self {
            // The other end may be gone or slow; the connection is over in any case.
            let _ = Pin::new(stream).poll_shutdown(cx);
        }
    }
}
