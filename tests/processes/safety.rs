//! What strangers, and clients that mean harm, get from a server: a refusal, and never its memory.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::process::{PATIENCE, Server};

/// Bytes that a few thousand clients may cost, whatever they have announced.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// An address of this machine that is not the loopback's; None, and it is said: it has none. Nobody can be asked to install
/// one, so this is no failure anywhere. No packet is sent.
fn outer_address() -> Option<IpAddr> {
    let find = || {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.connect("192.0.2.1:9").ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_loopback() && !address.is_unspecified()).then_some(address)
    };
    let found = find();
    if found.is_none() {
        eprintln!("skipped: this machine has no address but the loopback's");
    }
    found
}

/// What comes back for these bytes until the server closes the connection, or falls silent when there is no more to say.
fn said(address: IpAddr, port: u16, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect((address, port)).expect("the server is there");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    // A server that has closed already has said why.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn loopback(port: u16, bytes: &[u8]) -> String {
    said(IpAddr::from([127, 0, 0, 1]), port, bytes)
}

/// The process's memory.
fn memory(server: &Server) -> u64 {
    let mut client = server.connect();
    client.send("INFO memory");
    loop {
        if let Some(bytes) = client.line().strip_prefix("used_memory_rss:") {
            return bytes.parse().expect("a number");
        }
    }
}

#[test]
fn protected_mode_refuses_who_comes_from_elsewhere() {
    let Some(outer) = outer_address() else {
        return;
    };
    let server = Server::redkeep(&["--bind", "0.0.0.0"]);
    let ping = b"PING\r\nQUIT\r\n";
    let refused = said(outer, server.port, ping);
    assert!(
        refused.starts_with("-DENIED Redis is running in protected mode"),
        "{refused}"
    );
    assert_eq!(loopback(server.port, ping), "+PONG\r\n+OK\r\n");
    let mut client = server.connect();
    assert_eq!(client.ask("CONFIG SET requirepass secret"), "+OK");
    let asked = said(outer, server.port, ping);
    assert!(
        asked.starts_with("-NOAUTH Authentication required."),
        "{asked}"
    );
    assert_eq!(
        client.ask("CONFIG SET requirepass \"\" protected-mode no"),
        "+OK"
    );
    assert_eq!(said(outer, server.port, ping), "+PONG\r\n+OK\r\n");
}

#[test]
fn renamed_commands_have_their_new_names_only() {
    let server = Server::redkeep(&[
        "--rename-command",
        "FLUSHALL",
        "",
        "--rename-command",
        "GET",
        "fetch",
    ]);
    let mut client = server.connect();
    assert_eq!(client.ask("SET a 1"), "+OK");
    for gone in ["FLUSHALL", "GET a"] {
        let name = gone.split(' ').next().expect("a name");
        let reply = client.ask(gone);
        assert!(
            reply.starts_with(&format!("-ERR unknown command '{name}'")),
            "{reply}"
        );
    }
    assert_eq!(client.ask("FETCH a"), "1");
    // What asks for a command takes its new name, what it is told of is the command.
    assert_eq!(client.ask("COMMAND GETKEYS fetch a"), "*1");
    assert_eq!(client.line(), "$1");
    assert_eq!(client.line(), "a");
    for (name, arity) in [("fetch", Some(":2")), ("GET", None), ("flushall", None)] {
        assert_eq!(client.ask(&format!("COMMAND INFO {name}")), "*1", "{name}");
        let Some(arity) = arity else {
            assert_eq!(client.line(), "$-1", "{name}");
            continue;
        };
        let told: Vec<String> = (0..4).map(|_| client.line()).collect();
        assert_eq!(told, ["*10", "$3", "get", arity]);
        client = server.connect();
    }
    for (pattern, found) in [("get", "*1"), ("fetch", "*0"), ("flushall", "*0")] {
        let mut client = server.connect();
        let asked = format!("COMMAND LIST FILTERBY PATTERN {pattern}");
        assert_eq!(client.ask(&asked), found, "{pattern}");
    }
    // Rules of users keep to the old names.
    assert_eq!(client.ask("ACL SETUSER bob on nopass +get ~*"), "+OK");
    assert_eq!(client.ask("AUTH bob x"), "+OK");
    assert_eq!(client.ask("fetch a"), "1");
    assert!(client.ask("SET a 2").starts_with("-NOPERM"));
}

#[test]
fn debug_is_for_those_to_whom_it_is_allowed() {
    let refused =
        "-ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\"";
    let server = Server::redkeep(&[]);
    let reply = server.connect().ask("DEBUG SLEEP 0");
    assert!(reply.starts_with(refused), "{reply}");
    let Some(outer) = outer_address() else {
        return;
    };
    let server = Server::redkeep(&[
        "--enable-debug-command",
        "local",
        "--bind",
        "0.0.0.0",
        "--protected-mode",
        "no",
    ]);
    assert_eq!(server.connect().ask("DEBUG SLEEP 0"), "+OK");
    let reply = said(outer, server.port, b"DEBUG SLEEP 0\r\nQUIT\r\n");
    assert!(reply.starts_with(refused), "{reply}");
}

#[test]
fn a_word_may_be_as_long_as_is_said_and_not_longer() {
    let server = Server::redkeep(&["--proto-max-bulk-len", "1mb"]);
    let too_long = b"*2\r\n$4\r\nECHO\r\n$1048577\r\n";
    assert_eq!(
        loopback(server.port, too_long),
        "-ERR Protocol error: invalid bulk length\r\n"
    );
    let mut client = server.connect();
    assert_eq!(client.ask("SETRANGE a 1048575 x"), ":1048576");
    let reply = client.ask("APPEND a x");
    assert_eq!(
        reply,
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    );
}

#[test]
fn who_has_not_logged_in_may_say_little() {
    let server = Server::redkeep(&["--requirepass", "secret"]);
    for (bytes, error) in [
        (&b"*11\r\n"[..], "unauthenticated multibulk length"),
        (
            b"*2\r\n$4\r\nAUTH\r\n$16385\r\n",
            "unauthenticated bulk length",
        ),
    ] {
        let said = loopback(server.port, bytes);
        assert_eq!(said, format!("-ERR Protocol error: {error}\r\n"));
    }
    // A line without an end.
    let said = loopback(server.port, &vec![b'x'; 128 << 10]);
    assert_eq!(said, "-ERR Protocol error: too big inline request\r\n");
}

#[test]
fn who_speaks_http_is_cut_off() {
    let server = Server::redkeep(&[]);
    let mut client = server.connect();
    for begin in ["POST / HTTP/1.1\r\n", "GET a\r\nHost: 127.0.0.1\r\n"] {
        let request = format!("{begin}SET stolen 1\r\n");
        let said = loopback(server.port, request.as_bytes());
        assert!(!said.contains("+OK"), "{said}");
        assert_eq!(client.ask("EXISTS stolen"), ":0");
    }
}

#[test]
fn halves_of_requests_cost_what_was_sent_and_not_what_was_announced() {
    let server = Server::redkeep(&["--maxclients", "2000"]);
    let halves: [&[u8]; 4] = [
        b"*2\r\n$4\r\nECHO\r\n$536870912\r\nx",
        b"*1048576\r\n$3\r\nDEL\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$400000000\r\n",
        b"SET a",
    ];
    let connections: Vec<TcpStream> = (0..800)
        .map(|number| {
            let mut stream =
                TcpStream::connect(("127.0.0.1", server.port)).expect("the server is there");
            stream
                .write_all(halves[number % halves.len()])
                .expect("it is sent");
            stream
        })
        .collect();
    let mut client = server.connect();
    assert_eq!(client.ask("SET b 1"), "+OK");
    let bytes = memory(&server);
    assert!(
        bytes < MEMORY_BYTES_MAX,
        "{bytes} bytes for {}",
        connections.len()
    );
    assert_eq!(client.ask("EXISTS a"), ":0");
    drop(connections);
    assert_eq!(client.ask("GET b"), "1");
}

#[test]
fn a_pipeline_whose_replies_nobody_reads_does_not_fill_the_memory() {
    let server = Server::redkeep(&[]);
    let mut client = server.connect();
    assert_eq!(client.ask("SETRANGE a 99999 x"), ":100000");
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).expect("the server is there");
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a limit");
    // 20 GB of replies are asked for, or as much of it as the server takes.
    let requests = b"GET a\r\n".repeat(1000);
    let taken = (0..200)
        .take_while(|_| stream.write_all(&requests).is_ok())
        .count();
    assert_eq!(client.ask("PING"), "+PONG");
    let bytes = memory(&server);
    assert!(
        bytes < MEMORY_BYTES_MAX,
        "{bytes} bytes after {taken} thousand requests"
    );
}

/// A channel that the ACL file no longer allows is not heard any longer.
#[test]
fn who_loses_a_channel_by_the_file_is_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("users.acl");
    let write = |rules: &str| std::fs::write(&file, rules).expect("a file");
    write("user u on nopass +@all ~* &one &two\n");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_redkeep"));
    command.args(["server", "--aclfile"]).arg(&file);
    let server = Server::start_in(folder.path(), command);
    let listener = |channel: &str| {
        let mut client = server.connect();
        assert_eq!(client.ask("AUTH u any"), "+OK");
        assert_eq!(client.ask(&format!("SUBSCRIBE {channel}")), "*3");
        for _ in 0..5 {
            client.line();
        }
        client
    };
    let (mut one, mut two) = (listener("one"), listener("two"));
    let mut admin = server.connect();
    assert_eq!(admin.ask("ACL LOAD"), "+OK");
    assert_eq!(one.ask("PING"), "*2");
    for _ in 0..4 {
        one.line();
    }
    write("user u on nopass +@all ~* &two\n");
    assert_eq!(admin.ask("ACL LOAD"), "+OK");
    assert_eq!(two.ask("PING"), "*2");
    let left = admin.ask("CLIENT KILL TYPE pubsub");
    assert_eq!(left, ":1", "one of them was closed");
    assert_eq!(one.line(), "");
}

#[test]
fn what_debug_error_says_is_counted_nowhere() {
    let server = Server::redkeep(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    let figure = |client: &mut crate::process::Connection, section: &str, name: &str| {
        client.send(&format!("INFO {section}\r\nECHO end"));
        let mut lines = std::iter::repeat_with(|| client.line());
        let lines: Vec<String> = lines.by_ref().take_while(|line| line != "end").collect();
        lines
            .into_iter()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
    };
    assert_eq!(client.ask("DEBUG ERROR \"MY x\""), "-MY x");
    for (request, reply) in [
        ("MULTI", "+OK"),
        ("DEBUG ERROR \"MY x\"", "+QUEUED"),
        ("EXEC", "*1"),
    ] {
        assert_eq!(client.ask(request), reply);
    }
    assert_eq!(client.line(), "-MY x");
    assert_eq!(figure(&mut client, "errorstats", "errorstat_"), "");
    assert_eq!(
        figure(&mut client, "stats", "total_error_replies"),
        "total_error_replies:0"
    );
    let calls = figure(&mut client, "commandstats", "cmdstat_debug");
    assert!(
        calls.ends_with("rejected_calls=0,failed_calls=0"),
        "{calls}"
    );
    client.ask("DEBUG NOSUCH");
    assert_eq!(
        figure(&mut client, "errorstats", "errorstat_"),
        "errorstat_ERR:count=1"
    );
}

#[test]
fn users_that_are_wrong_keep_the_server_from_starting() {
    let check = |conf: &str, acl: Option<&str>, expected: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("redis.conf");
        let acl_file = acl.map(|text| {
            std::fs::write(folder.path().join("users.acl"), text).expect("a file");
            "aclfile users.acl\n"
        });
        let conf = format!(
            "port 0\ndir {}\n{conf}{}",
            folder.path().display(),
            acl_file.unwrap_or("")
        );
        std::fs::write(&path, conf).expect("a file");
        // One that starts all the same is ended, and has not failed.
        let mut command = std::process::Command::new("timeout");
        command.args(["--preserve-status", "10", env!("CARGO_BIN_EXE_redkeep")]);
        let output = command.arg("server").arg(&path).output().expect("it runs");
        assert!(!output.status.success(), "{expected}");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(said.contains(expected), "{expected}: {said}");
    };
    check(
        "user a on\nuser b on\nuser a off\n",
        None,
        ">>> 'user a off'\nError in user declaration 'a': Duplicate user found. A user can only be defined once in config files",
    );
    check(
        "user \"a b\" on\n",
        None,
        "Spaces not allowed in ACL usernames",
    );
    check(
        "user a on +nosuch\n",
        None,
        "Error loading ACL rule '+nosuch' for the user named 'a': Unknown command or category name in ACL",
    );
    check(
        "",
        Some("user a on\nuser a off\n"),
        "Aborting Redis startup because of ACL errors: WARNING: Duplicate user 'a' found on line 2. WARNING: ACL errors \
         detected, no change to the previously active ACL rules was performed",
    );
    check(
        "user a on\n",
        Some(""),
        "Configuring Redis with users defined in redis.conf and at the same setting",
    );
}

#[test]
fn a_panic_ends_the_process_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let debug = ["--enable-debug-command", "yes"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
    command.arg("server").args(debug);
    let mut server = Server::start_in(folder.path(), command);
    let mut client = server.connect();
    assert_eq!(client.ask("SET acknowledged yes"), "+OK");
    client.send("DEBUG PANIC");
    assert_eq!(
        server.await_signal(),
        rustix::process::Signal::ABORT.as_raw()
    );
    server.start_again(&debug);
    assert_eq!(server.connect().ask("GET acknowledged"), "yes");
    server.stop();
}

#[test]
fn a_string_is_not_longer_than_the_file_can_hold() {
    let mut server = Server::redkeep(&["--proto-max-bulk-len", "4398046511104"]);
    let mut client = server.connect();
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    for offset in [
        "549755813888",
        "600000000000",
        "1099511627776",
        "4000000000000",
    ] {
        assert_eq!(client.ask(&format!("SETRANGE k {offset} x")), too_long);
    }
    assert_eq!(
        client.ask("SETBIT k 4398046511104 1"),
        "-ERR bit offset is not an integer or out of range"
    );
    // The last byte there is; a start goes through the record of it.
    assert_eq!(client.ask("SETRANGE k 549755813887 x"), ":549755813888");
    server.kill();
    server.start_again(&["--proto-max-bulk-len", "4398046511104"]);
    assert_eq!(server.connect().ask("STRLEN k"), ":549755813888");
    server.stop();
}
