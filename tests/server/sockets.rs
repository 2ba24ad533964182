//! The server in this process, on a port of its own, spoken to over raw sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::shell::{Shell, ShellOptions, Socket, id};
use redkeep::config::composite::OutputLimit;
use redkeep::server::durability::SyncPolicy;

/// Long enough for a reply that is on its way, short enough for a test.
const MOMENT: Duration = Duration::from_millis(60);

fn shell() -> Shell {
    Shell::start(ShellOptions::default())
}

/// Whether nothing arrives for a moment.
fn is_silent(socket: &mut Socket<std::net::TcpStream>) -> bool {
    socket.0.set_read_timeout(Some(MOMENT)).unwrap();
    let silent = match socket.0.peek(&mut [0]) {
        Err(e) => e.kind() == ErrorKind::WouldBlock,
        Ok(_) => false,
    };
    socket
        .0
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    silent
}

#[test]
fn ping_is_answered_in_both_forms_and_in_a_pipeline() {
    let shell = shell();
    let mut socket = shell.connect();
    socket.check("PING\r\n", "+PONG\r\n");
    socket.check("*1\r\n$4\r\nPING\r\n", "+PONG\r\n");
    socket.check("*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n", "$2\r\nhi\r\n");
    let many = "*2\r\n$4\r\nECHO\r\n$1\r\nx\r\n".repeat(1000);
    socket.check(&many, &"$1\r\nx\r\n".repeat(1000));
}

#[test]
fn hello_three_speaks_resp3() {
    let shell = shell();
    let mut socket = shell.connect();
    let id = id(&mut socket);
    socket.check(
        "HELLO 3\r\n",
        &format!(
            "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:{id}\r\n\
             $4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n"
        ),
    );
    socket.check("CLIENT GETNAME\r\n", "_\r\n");
    socket.check(
        "CLIENT TRACKINGINFO\r\n",
        "%3\r\n$5\r\nflags\r\n~1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n",
    );
    socket.check("LOLWUT\r\n", "=21\r\ntxt:Redis ver. 7.4.0\n\r\n");
    socket.check("RESET\r\n", "+RESET\r\n");
    socket.check("CLIENT GETNAME\r\n", "$-1\r\n");
}

#[test]
fn under_always_no_reply_leaves_before_the_sync() {
    let shell = shell();
    *shell.log.policy.lock() = SyncPolicy::Always;
    let mut socket = shell.connect();
    shell.store.lsn.store(5, Ordering::SeqCst);
    socket.send("PING\r\n");
    assert!(is_silent(&mut socket));
    assert_eq!(shell.log.written.load(Ordering::SeqCst), 5);
    assert_eq!(shell.log.asked.load(Ordering::SeqCst), 5);
    shell.log.synced.store(4, Ordering::SeqCst);
    shell.log.progress();
    assert!(is_silent(&mut socket));
    shell.log.synced.store(5, Ordering::SeqCst);
    shell.log.progress();
    socket.expect("+PONG\r\n");
}

#[test]
fn otherwise_every_reply_waits_for_the_write() {
    let shell = shell();
    let mut socket = shell.connect();
    shell.store.lsn.store(5, Ordering::SeqCst);
    socket.check("PING\r\n", "+PONG\r\n");
    assert_eq!(shell.log.written.load(Ordering::SeqCst), 5);
    assert_eq!(shell.log.asked.load(Ordering::SeqCst), 0);
}

#[test]
fn replies_of_a_failed_log_are_discarded_with_their_connections() {
    let shell = shell();
    let mut socket = shell.connect();
    socket.check("PING\r\n", "+PONG\r\n");
    shell.store.lsn.store(9, Ordering::SeqCst);
    shell.log.failed.store(true, Ordering::SeqCst);
    socket.send("PING\r\n");
    assert_eq!(socket.end(), "");
}

#[test]
fn a_tighter_policy_holds_what_waits() {
    let shell = shell();
    *shell.log.policy.lock() = SyncPolicy::Always;
    let mut socket = shell.connect();
    shell.store.lsn.store(2, Ordering::SeqCst);
    socket.send("PING\r\n");
    assert!(is_silent(&mut socket));
    *shell.log.policy.lock() = SyncPolicy::Kernel;
    shell.log.progress();
    socket.expect("+PONG\r\n");
}

#[test]
fn kill_closes_others_promptly_and_oneself_after_the_reply() {
    let shell = shell();
    let (mut killer, mut idle, mut blocked) = (shell.connect(), shell.connect(), shell.connect());
    let (mine, first, second) = (id(&mut killer), id(&mut idle), id(&mut blocked));
    blocked.send("WAIT 1 0\r\n");
    assert!(is_silent(&mut blocked));
    let started = Instant::now();
    killer.check(format!("CLIENT KILL ID {first}\r\n"), ":1\r\n");
    killer.check(format!("CLIENT KILL ID {second}\r\n"), ":1\r\n");
    assert_eq!(idle.end(), "");
    assert_eq!(blocked.end(), "");
    assert!(started.elapsed() < Duration::from_secs(5));
    killer.send("CLIENT LIST\r\n");
    assert_eq!(killer.bulk().lines().count(), 1);
    killer.check(format!("CLIENT KILL ID {mine}\r\n"), ":0\r\n");
    killer.check(format!("CLIENT KILL ID {mine} SKIPME no\r\n"), ":1\r\n");
    assert_eq!(killer.end(), "");
}

#[test]
fn a_client_whose_replies_are_stuck_can_be_killed() {
    let shell = shell();
    *shell.log.policy.lock() = SyncPolicy::Always;
    let mut stuck = shell.connect();
    let mut killer = shell.connect();
    let stuck_id = id(&mut stuck);
    shell.store.lsn.store(1, Ordering::SeqCst);
    stuck.send("PING\r\n");
    assert!(is_silent(&mut stuck));
    killer.send(format!("CLIENT KILL ID {stuck_id}\r\n"));
    assert_eq!(stuck.end(), "");
}

#[test]
fn unblock_ends_a_wait() {
    let shell = shell();
    let (mut waiter, mut other) = (shell.connect(), shell.connect());
    let waiter_id = id(&mut waiter);
    waiter.send("WAIT 1 0\r\nPING\r\n");
    assert!(is_silent(&mut waiter));
    other.check(format!("CLIENT UNBLOCK {waiter_id}\r\n"), ":1\r\n");
    waiter.expect(":0\r\n+PONG\r\n");
    other.check(format!("CLIENT UNBLOCK {waiter_id}\r\n"), ":0\r\n");
    waiter.send("WAIT 1 0\r\n");
    assert!(is_silent(&mut waiter));
    other.check(format!("CLIENT UNBLOCK {waiter_id} ERROR\r\n"), ":1\r\n");
    waiter.expect("-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
    waiter.check("WAIT 1 30\r\n", ":0\r\n");
}

#[test]
fn unblock_does_not_end_what_answers_that_it_is_done() {
    let shell = shell();
    let (mut waiter, mut other) = (shell.connect(), shell.connect());
    let waiter_id = id(&mut waiter);
    waiter.send("CHECKPOINT\r\n");
    assert!(is_silent(&mut waiter));
    other.check(format!("CLIENT UNBLOCK {waiter_id}\r\n"), ":0\r\n");
    other.check(format!("CLIENT UNBLOCK {waiter_id} ERROR\r\n"), ":0\r\n");
    assert!(is_silent(&mut waiter));
}

#[test]
fn waitaof_waits_for_the_sync_of_its_own_writes() {
    let shell = shell();
    let mut socket = shell.connect();
    socket.check("WAITAOF 1 0 0\r\n", "*2\r\n:1\r\n:0\r\n");
    shell.log.synced.store(7, Ordering::SeqCst);
    socket.check("WAITAOF 1 1 10\r\n", "*2\r\n:1\r\n:0\r\n");
}

#[test]
fn a_pause_holds_everyone_and_ends_by_itself() {
    let shell = shell();
    let (mut one, mut two) = (shell.connect(), shell.connect());
    let started = Instant::now();
    one.check("CLIENT PAUSE 150\r\n", "+OK\r\n");
    two.send("PING\r\n");
    assert!(is_silent(&mut two));
    two.expect("+PONG\r\n");
    assert!(started.elapsed() >= Duration::from_millis(140));
}

#[test]
fn monitors_are_fed_across_connections() {
    let shell = shell();
    let (mut monitor, mut other) = (shell.connect(), shell.connect());
    monitor.check("MONITOR\r\n", "+OK\r\n");
    other.check("ECHO \"a\\r\\nb\"\r\n", "$4\r\na\r\nb\r\n");
    let line = monitor.line();
    assert!(line.starts_with('+'), "{line}");
    assert!(line.ends_with("\"ECHO\" \"a\\r\\nb\""), "{line}");
    let peer = other.0.local_addr().unwrap();
    assert!(line.contains(&format!(" [0 {peer}] ")), "{line}");
}

#[test]
fn maxclients_refuses_with_a_reason() {
    let shell = shell();
    let mut first = shell.connect();
    first.check("PING\r\n", "+PONG\r\n");
    shell
        .shared
        .server
        .tuning
        .maxclients
        .store(1, Ordering::SeqCst);
    let mut second = shell.connect();
    assert_eq!(second.end(), "-ERR max number of clients reached\r\n");
    first.check("PING\r\n", "+PONG\r\n");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(5);
    while !shell.shared.server.registry.is_empty() {
        assert!(
            Instant::now() < deadline,
            "a closed connection is forgotten"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    shell.connect().check("PING\r\n", "+PONG\r\n");
}

#[test]
fn unix_sockets_are_served_with_their_permissions() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("redkeep.sock");
    let shell = Shell::start(ShellOptions {
        unixsocket: Some(path.clone()),
        ..ShellOptions::default()
    });
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let mut socket = Socket(UnixStream::connect(&path).unwrap());
    socket.check("PING\r\n", "+PONG\r\n");
    socket.send("CLIENT INFO\r\n");
    let info = socket.bulk();
    let addr = format!(" addr={}:0 laddr={}:0 ", path.display(), path.display());
    assert!(info.contains(&addr), "{info}");
    assert!(info.contains(" flags=U "), "{info}");
    drop(shell);
    assert!(!path.exists());
}

#[test]
fn idle_clients_are_closed_after_the_timeout() {
    let shell = shell();
    shell
        .shared
        .server
        .tuning
        .timeout_s
        .store(1, Ordering::SeqCst);
    let (mut idle, mut monitor) = (shell.connect(), shell.connect());
    monitor.check("MONITOR\r\n", "+OK\r\n");
    let started = Instant::now();
    assert_eq!(idle.end(), "");
    let took = started.elapsed();
    assert!(took > Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    shell.connect().check("PING\r\n", "+PONG\r\n");
    assert!(monitor.line().ends_with("\"PING\""));
}

#[test]
fn a_large_word_goes_through() {
    let shell = shell();
    let mut socket = shell.connect();
    let word: Vec<u8> = (0..32_u32 << 20).map(|i| (i >> 7) as u8).collect();
    let mut writer = socket.0.try_clone().unwrap();
    let sent = word.clone();
    let sender = std::thread::spawn(move || {
        write!(writer, "*2\r\n$4\r\nECHO\r\n${}\r\n", sent.len()).unwrap();
        writer.write_all(&sent).unwrap();
        writer.write_all(b"\r\n").unwrap();
    });
    assert_eq!(socket.line(), format!("${}", word.len()));
    let mut got = vec![0; word.len() + 2];
    socket.0.read_exact(&mut got).unwrap();
    assert!(got[..word.len()] == word);
    sender.join().unwrap();
    socket.check("PING\r\n", "+PONG\r\n");
}

#[test]
fn a_client_that_does_not_read_is_not_read() {
    const PENDING_BYTES_MAX: usize = 64 << 20;
    let shell = shell();
    let mut socket = shell.connect();
    let word = "x".repeat(100_000);
    let request = format!("*2\r\n$4\r\nECHO\r\n$100000\r\n{word}\r\n");
    socket.0.set_nonblocking(true).unwrap();
    let (mut sent, mut stuck_since) = (0, Instant::now());
    // The kernel's buffers on both sides fill up, and then nobody takes more.
    while stuck_since.elapsed() < Duration::from_millis(300) {
        let at = sent % request.len();
        match socket.0.write(&request.as_bytes()[at..]) {
            Ok(n) => {
                sent += n;
                stuck_since = Instant::now();
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(e) => panic!("{e}"),
        }
        assert!(sent < PENDING_BYTES_MAX, "the server reads on and on");
    }
    socket.0.set_nonblocking(false).unwrap();
    let whole = sent / request.len();
    assert!(whole > 0);
    for _ in 0..whole {
        assert_eq!(socket.bulk().len(), word.len());
    }
}

#[test]
fn output_beyond_the_limit_closes() {
    let shell = shell();
    let limit = shell
        .shared
        .server
        .tuning
        .output_limit(&redkeep::command::client::Entry::default());
    limit.set(&OutputLimit {
        hard_bytes: 10_000,
        soft_bytes: 0,
        soft_seconds: 0,
    });
    let mut socket = shell.connect();
    socket.check("PING\r\n", "+PONG\r\n");
    let word = "x".repeat(20_000);
    socket.send(format!("*2\r\n$4\r\nECHO\r\n$20000\r\n{word}\r\n"));
    assert_eq!(socket.end(), "");
}

#[test]
fn input_beyond_the_limit_closes() {
    let shell = shell();
    shell
        .shared
        .server
        .tuning
        .query_buffer_bytes_max
        .store(100_000, Ordering::SeqCst);
    let mut socket = shell.connect();
    socket.check("PING\r\n", "+PONG\r\n");
    // The server may close while this is still being sent.
    let _ = socket
        .0
        .write_all(format!("*2\r\n$4\r\nECHO\r\n$1000000\r\n{}", "x".repeat(500_000)).as_bytes());
    assert_eq!(socket.end(), "");
}

#[test]
fn shutdown_ends_the_server_unless_the_data_is_not_safe() {
    let shell = shell();
    let (mut socket, mut other) = (shell.connect(), shell.connect());
    other.check("PING\r\n", "+PONG\r\n");
    shell.can_end.store(false, Ordering::SeqCst);
    socket.check(
        "SHUTDOWN\r\n",
        "-ERR Errors trying to SHUTDOWN. Check logs.\r\n",
    );
    socket.check("PING\r\n", "+PONG\r\n");
    shell.can_end.store(true, Ordering::SeqCst);
    socket.send("SHUTDOWN NOSAVE\r\n");
    assert_eq!(socket.end(), "");
    assert_eq!(other.end(), "");
    shell.join();
}

#[test]
fn many_connections_are_served_at_once() {
    let shell = shell();
    let mut sockets: Vec<_> = (0..200).map(|_| shell.connect()).collect();
    for round in 0..3 {
        for socket in &mut sockets {
            socket.send("PING\r\n");
        }
        for socket in &mut sockets {
            socket.expect("+PONG\r\n");
        }
        assert_eq!(shell.shared.server.registry.len(), 200, "round {round}");
    }
    let processed = &shell.shared.server.stats.commands_processed;
    assert_eq!(processed.load(Ordering::SeqCst), 600);
}

/// Waits until a script is late.
#[track_caller]
fn await_busy(other: &mut Socket<TcpStream>, script: &str) {
    let begun = Instant::now();
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{script}: nobody says BUSY"
        );
        other.send("PING\r\n");
        let reply = other.line();
        if reply.starts_with("-BUSY ") {
            return;
        }
        assert_eq!(reply, "+PONG", "{script}");
    }
}

/// Whatever a script calls, it does not keep the only worker from those who want to end it.
#[test]
fn a_late_script_is_killed_though_there_is_one_worker() {
    let shell = Shell::start(ShellOptions {
        workers: Some(1),
        ..ShellOptions::default()
    });
    let (mut busy, mut other) = (shell.connect(), shell.connect());
    other.check("CONFIG SET busy-reply-threshold 10\r\n", "+OK\r\n");
    for script in [
        "while true do redis.call('ping') end",
        "while true do redis.call('get',KEYS[1]) end",
        "redis.call('time') redis.call('slowlog','reset') while true do end",
    ] {
        busy.send(format!("EVAL \"{script}\" 1 key\r\n"));
        await_busy(&mut other, script);
        other.check("SCRIPT KILL\r\n", "+OK\r\n");
        let ended = busy.line();
        assert!(ended.contains("killed by user"), "{script}: {ended}");
    }
}

/// To a script the time stands still. One that waits for a moment to come would never end if that did not change.
#[test]
fn time_stands_still_in_a_script_until_it_is_late() {
    let shell = shell();
    let mut client = shell.connect();
    let now = "local function now() return table.concat(redis.call('time'),'.') end local begun,moment=os.clock(),now()";
    let until = "while os.clock()-begun<";
    let still =
        format!("{now} {until}0.05 do if now()~=moment then return 'on' end end return 'still'");
    client.check(format!("EVAL \"{still}\" 0\r\n"), "$5\r\nstill\r\n");
    client.check("CONFIG SET busy-reply-threshold 10\r\n", "+OK\r\n");
    let late =
        format!("{now} {until}10 do if now()~=moment then return 'on' end end return 'still'");
    client.check(format!("EVAL \"{late}\" 0\r\n"), "$2\r\non\r\n");
}

/// Scripts name things after TIME: two in a row do not see the same.
#[test]
fn every_script_has_a_time_of_its_own_in_microseconds() {
    let shell = shell();
    let mut client = shell.connect();
    let script = "EVAL \"local t=redis.call('time') return t[1]*1000000+t[2]\" 0\r\n";
    client.send(script.repeat(50));
    let moments: Vec<u64> = (0..50)
        .map(|_| client.line().trim_start_matches(':').parse().unwrap())
        .collect();
    assert!(moments.is_sorted_by(|a, b| a < b), "{moments:?}");
    client.check("MULTI\r\n", "+OK\r\n");
    client.check("TIME\r\n", "+QUEUED\r\n");
    client.check(script, "+QUEUED\r\n");
    client.send("EXEC\r\n");
    let lines: Vec<String> = (0..7).map(|_| client.line()).collect();
    let [_, _, _, seconds, _, micros, both] = &lines[..] else {
        unreachable!("there are seven")
    };
    let micros: u64 = micros.parse().unwrap();
    assert_eq!(*both, format!(":{seconds}{micros:06}"));
}

/// What the slow log does not keep is numbered all the same.
#[test]
fn a_script_numbers_more_slow_commands_than_are_kept() {
    let shell = shell();
    let mut client = shell.connect();
    client.check("CONFIG SET slowlog-max-len 3\r\n", "+OK\r\n");
    client.check("CONFIG SET slowlog-log-slower-than 0\r\n", "+OK\r\n");
    client.check(
        "EVAL \"for n=1,10 do redis.call('echo',n) end\" 0\r\n",
        "$-1\r\n",
    );
    client.check("CONFIG SET slowlog-log-slower-than -1\r\n", "+OK\r\n");
    client.send("EVAL \"local l=redis.call('slowlog','get') return {#l,l[2][1],l[2][4][2],l[3][4][2]}\" 0\r\n");
    // The script itself is the last.
    client.expect("*4\r\n:3\r\n:10\r\n$2\r\n10\r\n$1\r\n9\r\n");
}

/// A key may be watched while a script has the data; what the script does to it afterwards counts.
#[test]
fn keys_are_watched_while_a_script_is_late() {
    let shell = shell();
    let (mut busy, mut other) = (shell.connect(), shell.connect());
    let mut watchers: Vec<_> = (0..3).map(|_| shell.connect()).collect();
    other.check("CONFIG SET busy-reply-threshold 10\r\n", "+OK\r\n");
    other.check("SET beside v\r\n", "+OK\r\n");
    let script = "local begun=os.clock() while os.clock()-begun<1.5 do redis.call('get',KEYS[1]) end \
                  return redis.call('set',KEYS[1],'v')";
    busy.send(format!("EVAL \"{script}\" 1 key\r\n"));
    await_busy(&mut other, script);
    for (watcher, key) in watchers.iter_mut().zip(["key", "beside", "later"]) {
        watcher.check(format!("WATCH {key}\r\n"), "+OK\r\n");
    }
    other.send("PING\r\n");
    assert!(
        other.line().starts_with("-BUSY "),
        "the script is over too soon"
    );
    busy.expect("+OK\r\n");
    other.check("SET later v\r\n", "+OK\r\n");
    for (watcher, reply) in watchers
        .iter_mut()
        .zip(["*-1\r\n", "*1\r\n+PONG\r\n", "*-1\r\n"])
    {
        watcher.check("MULTI\r\nPING\r\n", "+OK\r\n+QUEUED\r\n");
        watcher.check("EXEC\r\n", reply);
    }
}

#[test]
fn what_scripts_call_is_in_the_slow_log_without_a_client() {
    let shell = shell();
    let mut client = shell.connect();
    client.check("CONFIG SET slowlog-log-slower-than 0\r\n", "+OK\r\n");
    client.check("CLIENT SETNAME me\r\n", "+OK\r\n");
    client.check("EVAL \"return redis.call('get','x')\" 0\r\n", "$-1\r\n");
    client.send("SLOWLOG GET 2\r\n");
    client.expect("*2\r\n*6\r\n");
    for _ in 0..3 {
        client.line();
    }
    client.expect("*3\r\n$4\r\nEVAL\r\n$28\r\nreturn redis.call('get','x')\r\n$1\r\n0\r\n");
    assert!(!client.bulk().is_empty());
    client.expect("$2\r\nme\r\n*6\r\n");
    for _ in 0..3 {
        client.line();
    }
    client.expect("*2\r\n$3\r\nget\r\n$1\r\nx\r\n$0\r\n\r\n$0\r\n\r\n");
}

#[test]
fn config_set_acts_on_connections() {
    let shell = shell();
    let (mut socket, mut other) = (shell.connect(), shell.connect());
    other.check("PING\r\n", "+PONG\r\n");
    socket.check("CONFIG SET requirepass secret databases 16\r\n", "-ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config\r\n");
    socket.check("CONFIG SET requirepass secret\r\n", "+OK\r\n");
    // Who was in stays in.
    other.check("PING\r\n", "+PONG\r\n");
    let mut late = shell.connect();
    late.check("PING\r\n", "-NOAUTH Authentication required.\r\n");
    late.check("AUTH secret\r\n", "+OK\r\n");
    late.check("PING\r\n", "+PONG\r\n");
    socket.check("CONFIG SET slowlog-log-slower-than 0\r\n", "+OK\r\n");
    late.check("ECHO slow\r\n", "$4\r\nslow\r\n");
    late.send("SLOWLOG GET 1\r\n");
    late.expect("*1\r\n*6\r\n");
    socket.check(
        "CONFIG SET client-output-buffer-limit \"normal 100 0 0\"\r\n",
        "+OK\r\n",
    );
    socket.check("PING\r\n", "+PONG\r\n");
    socket.send(format!("ECHO {}\r\n", "x".repeat(20_000)));
    assert_eq!(socket.end(), "");
}

/// A client through this port, if anyone listens there.
fn through(port: u16) -> Option<Socket<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    Some(Socket(stream))
}

#[test]
fn config_set_moves_the_port_and_the_addresses() {
    let shell = shell();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let spare = TcpListener::bind("127.0.0.1:0").unwrap();
    let port_of = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let (taken_port, port) = (port_of(&taken), port_of(&spare));
    let mut first = shell.connect();
    drop(spare);
    first.check(
        format!("CONFIG SET bind 127.0.0.1 port {port}\r\n"),
        "+OK\r\n",
    );
    assert!(
        through(shell.address.port()).is_none(),
        "the old one is closed"
    );
    let mut second = through(port).expect("the new one is open");
    second.check("PING\r\n", "+PONG\r\n");
    first.check("PING\r\n", "+PONG\r\n");
    first.check(
        format!("CONFIG SET port {taken_port}\r\n"),
        "-ERR CONFIG SET failed (possibly related to argument 'port') - \
         Unable to listen on this port. Check server logs.\r\n",
    );
    // An address of the range for documentation is nobody's.
    first.check(
        "CONFIG SET bind 192.0.2.1\r\n",
        "-ERR CONFIG SET failed (possibly related to argument 'bind') - \
         Failed to bind to specified addresses.\r\n",
    );
    first.check(
        "CONFIG GET port\r\n",
        &format!(
            "*2\r\n$4\r\nport\r\n${}\r\n{port}\r\n",
            port.to_string().len()
        ),
    );
    let mut third = through(port).expect("a refused change leaves the old one open");
    third.check("CONFIG SET bind -192.0.2.1\r\n", "+OK\r\n");
    assert!(through(port).is_none(), "no address is left");
    third.check("CONFIG SET bind 127.0.0.1\r\n", "+OK\r\n");
    let mut fourth = through(port).expect("it is open again");
    fourth.check("CONFIG SET port 0\r\n", "+OK\r\n");
    assert!(through(port).is_none(), "no port, no socket");
    fourth.check("PING\r\n", "+PONG\r\n");
}

#[test]
fn keys_are_written_and_read_by_every_connection() {
    let shell = shell();
    let (mut one, mut two) = (shell.connect(), shell.connect());
    one.check(
        "SET k v\r\nGET k\r\nINCR n\r\nTYPE n\r\n",
        "+OK\r\n$1\r\nv\r\n:1\r\n+string\r\n",
    );
    two.check("GET k\r\nDBSIZE\r\n", "$1\r\nv\r\n:2\r\n");
    two.check("SELECT 1\r\nGET k\r\nMOVE k 0\r\n", "+OK\r\n$-1\r\n:0\r\n");
    two.check(
        "GET\r\n",
        "-ERR wrong number of arguments for 'get' command\r\n",
    );
    one.check("CLIENT PAUSE 100000 WRITE\r\n", "+OK\r\n");
    two.send("GET k\r\nSET k w\r\n");
    two.expect("$-1\r\n");
    assert!(is_silent(&mut two));
    one.check("CLIENT UNPAUSE\r\n", "+OK\r\n");
    two.expect("+OK\r\n");
}
