//! Replies that stay on this machine are not paced.
//!
//! BBR, which some systems choose for all TCP, spaces what is sent by timers, as fast as it has measured the network to be.
//! Where there is no network it holds large replies back. A connection keeps its timers when it gets another congestion control
//! later, so the socket that listens chooses for all, and who comes from elsewhere gets the choice of the system back.
//!
//! Nothing here fails: a kernel that refuses goes on with its own choice.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The congestion control that paces by itself.
const PACED: &[u8] = b"bbr";
/// The one that every kernel has and everybody may choose.
const UNPACED: &[u8] = b"reno";

fn is(socket: &Socket, name: &[u8]) -> bool {
    // The kernel fills the rest with zeroes.
    let used = socket.tcp_congestion();
    used.is_ok_and(|used| used.split(|&byte| byte == 0).next() == Some(name))
}

/// Chooses for the connections of a socket that will listen at `at`, if clients of this machine can be among them.
pub fn avoid(socket: &Socket, at: SocketAddr) {
    let ip = at.ip();
    if (ip.is_loopback() || ip.is_unspecified()) && is(socket, PACED) {
        let _ = socket.set_tcp_congestion(UNPACED);
    }
}

/// Gives a connection from another machine the choice of the system.
pub fn restore(stream: &TcpStream, peer: IpAddr) -> io::Result<()> {
    if peer.to_canonical().is_loopback() || stream.local_addr()?.ip() == peer {
        return Ok(());
    }
    let connection = SockRef::from(stream);
    if is(&connection, UNPACED) && is(&new_socket()?, PACED) {
        let _ = connection.set_tcp_congestion(PACED);
    }
    Ok(())
}

/// A socket that has what the system chooses.
fn new_socket() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection to a listener at `at` uses, once `peer` is taken for its other end.
    fn used(at: &str, peer: &str) -> Vec<u8> {
        let at: SocketAddr = at.parse().unwrap();
        let socket = new_socket().unwrap();
        avoid(&socket, at);
        socket.bind(&at.into()).unwrap();
        socket.listen(1).unwrap();
        let port = socket.local_addr().unwrap().as_socket().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (stream, _) = socket.accept().unwrap();
        let stream = TcpStream::from(stream);
        restore(&stream, peer.parse().unwrap()).unwrap();
        SockRef::from(&stream).tcp_congestion().unwrap()
    }

    #[test]
    fn only_what_stays_on_this_machine_is_not_paced() {
        let system = new_socket().unwrap();
        let of_system = system.tcp_congestion().unwrap();
        let here = if is(&system, PACED) {
            SockRef::from(&system).set_tcp_congestion(UNPACED).unwrap();
            system.tcp_congestion().unwrap()
        } else {
            of_system.clone()
        };
        for at in ["127.0.0.1:0", "0.0.0.0:0"] {
            for peer in ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(used(at, peer), here);
            }
            assert_eq!(used(at, "192.0.2.1"), of_system);
        }
    }
}
