//! Where the server is, and what every suite begins with.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redis::{Client, Connection, ProtocolVersion};

/// Longer than anything that is waited for takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("tests/clients/run sets {name}"))
}

pub fn port() -> u16 {
    variable("CLIENTS_PORT").parse().expect("a port")
}

pub fn tls_port() -> u16 {
    variable("CLIENTS_TLS_PORT").parse().expect("a port")
}

/// One of the certificates and keys.
pub fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/{name}", variable("CLIENTS_CERTIFICATES"))).expect("a certificate")
}

/// The number that stands for the protocol in URLs.
pub fn number(protocol: ProtocolVersion) -> u8 {
    if protocol == ProtocolVersion::RESP2 {
        2
    } else {
        3
    }
}

pub fn client(protocol: ProtocolVersion) -> Client {
    let number = number(protocol);
    Client::open(format!(
        "redis://127.0.0.1:{}/?protocol=resp{number}",
        port()
    ))
    .expect("an address")
}

/// A connection whose reads end in an error when nothing comes.
pub fn open(protocol: ProtocolVersion) -> Connection {
    let connection = client(protocol)
        .get_connection_with_timeout(PATIENCE)
        .expect("a connection");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket");
    connection
}

/// A connection to a server that is empty, and that serves: the one before may have been killed.
pub fn fresh(protocol: ProtocolVersion) -> Connection {
    wait_until("the server serves", || {
        let connection = client(protocol).get_connection_with_timeout(PATIENCE);
        connection.is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
    });
    let mut connection = open(protocol);
    redis::cmd("FLUSHALL")
        .exec(&mut connection)
        .expect("the server empties itself");
    redis::cmd("FUNCTION")
        .arg("FLUSH")
        .exec(&mut connection)
        .expect("the server empties itself");
    connection
}

/// A field of INFO.
pub fn field(connection: &mut Connection, section: &str, name: &str) -> String {
    let info: String = redis::cmd("INFO")
        .arg(section)
        .query(connection)
        .expect("INFO");
    let lines = info.lines().filter_map(|line| line.split_once(':'));
    let value = lines
        .filter(|(field, _)| *field == name)
        .map(|(_, value)| value.to_owned())
        .next();
    value.unwrap_or_else(|| panic!("INFO {section} has no {name}"))
}

/// Waits for a condition that another connection brings about.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "it did not happen: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until so many clients wait in a blocking command.
pub fn wait_for_blocked(connection: &mut Connection, count: usize) {
    wait_until("clients wait", || {
        field(connection, "clients", "blocked_clients") == count.to_string()
    });
}

/// Kills the server; the driver starts it again. The answer names the run that ended.
pub fn kill_server(connection: &mut Connection) -> String {
    let run = field(connection, "server", "run_id");
    let process = field(connection, "server", "process_id");
    let done = Command::new("sh")
        .args(["-c", &format!("kill -KILL {process}")])
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "the server is killed"
    );
    run
}

/// Runs a future to its end, which must come.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(2 * PATIENCE, future)
            .await
            .expect("it ends")
    })
}

/// What a future gives before patience ends.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let given = tokio::time::timeout(PATIENCE, future).await;
    given.unwrap_or_else(|_| panic!("it did not happen: {what}"))
}

/// Makes each of the named functions a test in RESP2 and in RESP3.
#[macro_export]
macro_rules! in_both_protocols {
    ($($name:ident),+ $(,)?) => {
        mod resp2 {
            $(#[test] fn $name() { super::$name(redis::ProtocolVersion::RESP2); })+
        }
        mod resp3 {
            $(#[test] fn $name() { super::$name(redis::ProtocolVersion::RESP3); })+
        }
    };
}
