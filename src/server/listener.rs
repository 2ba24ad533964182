//! Listening sockets: which addresses `bind` means, and how each socket is set up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{StartError, pacing};

/// Where the server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// `bind`: addresses; `*` is every IPv4 address, `::*` every IPv6 address, a leading `-` lets one be missing.
    pub bind: Vec<String>,
    /// 0: no TCP, unless `any_port`.
    pub port: u16,
    /// 0: no TLS.
    pub tls_port: u16,
    /// Port 0 is a free port that the system chooses, as tests need it.
    pub any_port: bool,
    /// `tcp-backlog`.
    pub backlog: i32,
    pub unixsocket: Option<PathBuf>,
    /// Permissions of the unix socket's file.
    pub unixsocketperm: Option<u32>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            bind: vec!["*".to_owned(), "-::*".to_owned()],
            port: 6379,
            tls_port: 0,
            any_port: false,
            backlog: 511,
            unixsocket: None,
            unixsocketperm: None,
        }
    }
}

impl ListenOptions {
    /// The same for `tls-port` in place of `port`.
    pub fn over_tls(&self) -> Self {
        Self {
            port: self.tls_port,
            any_port: false,
            ..self.clone()
        }
    }
}

/// An address of `bind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct BindAddress<'a> {
    host: &'a str,
    /// The server starts without it.
    optional: bool,
}

impl<'a> BindAddress<'a> {
    fn parse(text: &'a str) -> Self {
        match text.strip_prefix('-') {
            Some(host) => Self {
                host,
                optional: true,
            },
            None => Self {
                host: text,
                optional: false,
            },
        }
    }

    fn resolve(&self, port: u16) -> io::Result<SocketAddr> {
        match self.host {
            "*" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)),
            "::*" => Ok(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)),
            host => (host, port)
                .to_socket_addrs()?
                .next()
                .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}

/// Whether an address that may be missing is missing, rather than taken or forbidden.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::ADDRNOTAVAIL
                | Errno::AFNOSUPPORT
                | Errno::PFNOSUPPORT
                | Errno::PROTONOSUPPORT
                | Errno::SOCKTNOSUPPORT
                | Errno::NOPROTOOPT
        )
    )
}

/// Opens a TCP socket for every address of `bind`. An error if none is left.
pub fn listen_tcp(options: &ListenOptions) -> Result<Vec<std::net::TcpListener>, StartError> {
    if options.port == 0 && !options.any_port {
        return Ok(Vec::new());
    }
    let mut listeners = Vec::new();
    let mut port = options.port;
    for text in &options.bind {
        let address = BindAddress::parse(text);
        match address
            .resolve(port)
            .and_then(|at| open_tcp(at, options.backlog))
        {
            Ok(listener) => {
                // Where the system chose the port, every address has the same one.
                port = listener.local_addr().map_or(port, |at| at.port());
                listeners.push(listener);
            }
            Err(error) if address.optional && is_missing(&error) => {
                tracing::debug!(address = address.host, %error, "not listening");
            }
            Err(error) => {
                return Err(StartError::Listen {
                    address: format!("{}:{port}", address.host),
                    source: error,
                });
            }
        }
    }
    if listeners.is_empty() && !options.bind.is_empty() {
        return Err(StartError::NoAddress);
    }
    Ok(listeners)
}

fn open_tcp(at: SocketAddr, backlog: i32) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    pacing::avoid(&socket, at);
    socket.bind(&at.into())?;
    socket.listen(backlog)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Opens the unix socket, in place of a file of that name that an earlier server left.
pub fn listen_unix(path: &Path, options: &ListenOptions) -> Result<StdUnixListener, StartError> {
    let failed = |source: io::Error| StartError::Listen {
        address: path.display().to_string(),
        source,
    };
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    let address = socket2::SockAddr::unix(path).map_err(failed)?;
    socket.bind(&address).map_err(failed)?;
    if let Some(mode) = options.unixsocketperm {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    socket.listen(options.backlog).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    Ok(socket.into())
}

/// Sets an accepted TCP socket up: small packets leave at once, a dead peer is noticed.
pub fn prepare_tcp(stream: &std::net::TcpStream, peer: IpAddr, keepalive_s: u64) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    stream.set_nodelay(true)?;
    pacing::restore(stream, peer)?;
    if keepalive_s == 0 {
        return Ok(());
    }
    // First probe after the whole time, the next ones after a third of it, given up after three.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(keepalive_s))
        .with_interval(Duration::from_secs((keepalive_s / 3).max(1)))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_knows_every_address_and_optional_ones() {
        let at = |text| BindAddress::parse(text).resolve(7).map(|a| a.to_string());
        assert_eq!(at("*").unwrap(), "0.0.0.0:7");
        assert_eq!(at("-::*").unwrap(), "[::]:7");
        assert_eq!(at("-127.0.0.1").unwrap(), "127.0.0.1:7");
        assert_eq!(at("::1").unwrap(), "[::1]:7");
        assert!(BindAddress::parse("-::1").optional);
        assert!(!BindAddress::parse("::1").optional);
    }

    #[test]
    fn only_optional_addresses_may_be_missing() {
        // An address of the range for documentation is nobody's.
        let options = |bind: &[&str]| ListenOptions {
            bind: bind.iter().map(|&s| s.to_owned()).collect(),
            port: 0,
            any_port: true,
            ..ListenOptions::default()
        };
        assert_eq!(
            listen_tcp(&options(&["127.0.0.1", "-192.0.2.1"]))
                .unwrap()
                .len(),
            1
        );
        assert!(matches!(
            listen_tcp(&options(&["127.0.0.1", "192.0.2.1"])),
            Err(StartError::Listen { .. })
        ));
        assert!(matches!(
            listen_tcp(&options(&["-192.0.2.1"])),
            Err(StartError::NoAddress)
        ));
    }
}
