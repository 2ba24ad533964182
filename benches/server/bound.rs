//! How much of a PING is the program that measures: `redis-benchmark` in pipelines of 16, beside Redkeep, Redis, and a server that
//! does not even read what it is asked.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};

use crate::server::Server;
use crate::{Options, median, redis_benchmark, say};

const ROUNDS: usize = 5;
const PINGS: u64 = 2_000_000;
const REQUEST: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const REPLY: &[u8] = b"+PONG\r\n";
/// Requests that are answered at once at most.
const REQUESTS_MAX: usize = 1024;

pub fn measure(options: &Options) {
    let folders = [options.folder(), options.folder()];
    let redkeep = Server::redkeep(folders[0].path(), &[]);
    let redis = Server::redis(folders[1].path());
    let servers = [
        ("redkeep", redkeep.address()),
        ("redis", redis.address()),
        ("nothing", serve_nothing()),
    ];
    let mut rates = servers.map(|_| Vec::new());
    for round in 1..=ROUNDS {
        eprintln!("bound: round {round} of {ROUNDS}");
        for ((_, address), rates) in servers.iter().zip(&mut rates) {
            rates.push(redis_benchmark::per_s(
                *address,
                PINGS,
                1,
                &["-t", "ping_mbulk"],
            ));
        }
    }
    let medians = rates.map(median);
    for ((name, _), median) in servers.iter().zip(medians) {
        say(&format!("bound_ping_{name}_per_s"), format!("{median:.0}"));
        let ratio = median / medians[1];
        say(
            &format!("bound_ping_{name}_to_redis"),
            format!("{ratio:.2}"),
        );
    }
}

/// A server that answers PONG to every so many bytes, on a thread that ends with the program.
fn serve_nothing() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("its number");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let listener = TcpListener::from_std(listener).expect("a socket");
            while let Ok((stream, _)) = listener.accept().await {
                tokio::task::spawn_local(answer(stream));
            }
        });
    });
    address
}

/// Counts bytes until the connection ends. It looks out for them all the time, so that the client need not wake anybody.
async fn answer(stream: TcpStream) {
    let replies = REPLY.repeat(REQUESTS_MAX);
    let mut input = vec![0; REQUEST.len() * REQUESTS_MAX];
    let mut open_bytes = 0;
    stream.set_nodelay(true).expect("an open socket");
    loop {
        match stream.try_read(&mut input) {
            Ok(0) => return,
            Ok(read) => open_bytes += read,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(_) => return,
        }
        // What a client of this benchmark asks at once fits the socket.
        let answered = (open_bytes / REQUEST.len()).min(REQUESTS_MAX);
        open_bytes -= answered * REQUEST.len();
        let reply = &replies[..answered * REPLY.len()];
        if !reply.is_empty() && stream.try_write(reply).ok() != Some(reply.len()) {
            return;
        }
    }
}
