//! What is written down of commands: lines for monitors, the slow log, the log of what ACLs refused.

use std::net::TcpStream;

use crate::shell::{Shell, ShellOptions, Socket, id, wait_until_held};

type Client = Socket<TcpStream>;

/// Sends requests and reads past their replies.
fn carry_out(client: &mut Client, requests: &str) {
    client.send(format!("{requests}\r\nECHO over\r\n"));
    while client.line() != "over" {}
}

/// The lines of a reply to `request` that are not numbers, lengths or empty.
fn texts(client: &mut Client, request: &str) -> Vec<String> {
    client.send(format!("{request}\r\nECHO all\r\n"));
    let mut texts = Vec::new();
    loop {
        let line = client.line();
        if line == "all" {
            return texts;
        }
        if !line.is_empty() && !line.starts_with(['*', ':', '$', '+']) {
            texts.push(line);
        }
    }
}

#[test]
fn a_script_that_runs_again_is_shown_once() {
    let shell = Shell::start(ShellOptions::default());
    let (mut monitor, mut client) = (shell.connect(), shell.connect());
    monitor.check("MONITOR\r\n", "+OK\r\n");
    // WAIT cannot be taken back, so that the script moves to a thread of its own.
    client.check(
        "EVAL \"return redis.call('WAIT','0','0')\" 0\r\nECHO over\r\n",
        ":0\r\n$4\r\nover\r\n",
    );
    let mut seen = Vec::new();
    while seen.last().is_none_or(|line| line != "\"ECHO\" \"over\"") {
        let line = monitor.line();
        seen.push(line.split_once("] ").expect("a line").1.to_owned());
    }
    let script = r#""EVAL" "return redis.call('WAIT','0','0')" "0""#;
    assert_eq!(seen, [script, r#""WAIT" "0" "0""#, r#""ECHO" "over""#]);
}

#[test]
fn what_a_script_calls_in_a_transaction_is_logged_behind_the_commands_before_it() {
    let shell = Shell::start(ShellOptions::default());
    let mut client = shell.connect();
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than 0");
    carry_out(
        &mut client,
        "MULTI\r\nINCR a\r\nEVAL \"return redis.call('INCR','b')\" 0\r\nINCR c\r\nEXEC",
    );
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than -1");
    let mut words = texts(&mut client, "SLOWLOG GET");
    words.retain(|word| ["a", "b", "c"].contains(&word.as_str()));
    assert_eq!(words, ["c", "b", "a"]);
}

#[test]
fn a_wait_that_a_transaction_ends_is_logged_behind_the_commands_before_it() {
    let shell = Shell::start(ShellOptions::default());
    let (mut client, mut blocked) = (shell.connect(), shell.connect());
    let id = id(&mut blocked);
    blocked.send("BLPOP a 0\r\n");
    wait_until_held(&id, &mut client);
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than 0");
    let requests = format!("MULTI\r\nINCR b\r\nCLIENT UNBLOCK {id}\r\nINCR c\r\nEXEC");
    carry_out(&mut client, &requests);
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than -1");
    let mut words = texts(&mut client, "SLOWLOG GET");
    words.retain(|word| ["a", "b", "c"].contains(&word.as_str()));
    assert_eq!(words, ["c", "a", "b"]);
}

#[test]
fn a_login_that_fails_in_a_transaction_is_logged_as_such() {
    let shell = Shell::start(ShellOptions::default());
    let mut client = shell.connect();
    carry_out(&mut client, "AUTH nobody x");
    carry_out(&mut client, "MULTI\r\nAUTH nobody x\r\nEXEC");
    let mut contexts = texts(&mut client, "ACL LOG");
    contexts.retain(|text| ["toplevel", "multi"].contains(&text.as_str()));
    assert_eq!(contexts, ["multi", "toplevel"]);
}

#[test]
fn what_is_refused_in_a_script_that_moves_is_counted_once() {
    let shell = Shell::start(ShellOptions::default());
    let mut client = shell.connect();
    carry_out(&mut client, "ACL SETUSER bob on nopass +@all -get ~*");
    carry_out(&mut client, "AUTH bob x");
    carry_out(
        &mut client,
        "EVAL \"redis.pcall('GET','k') return redis.call('WAIT','0','0')\" 0",
    );
    client.send("INFO stats\r\n");
    let stats = client.bulk();
    assert!(stats.contains("\r\nacl_access_denied_cmd:1\r\n"), "{stats}");
}

#[test]
fn the_slow_log_knows_the_name_that_a_client_had() {
    let shell = Shell::start(ShellOptions::default());
    let mut client = shell.connect();
    carry_out(&mut client, "CLIENT SETNAME before");
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than 0");
    carry_out(
        &mut client,
        "MULTI\r\nINCR a\r\nCLIENT SETNAME behind\r\nEXEC",
    );
    carry_out(&mut client, "CONFIG SET slowlog-log-slower-than -1");
    let log = texts(&mut client, "SLOWLOG GET");
    let incremented = log.iter().position(|word| word == "a").expect("INCR a");
    // Behind the words comes the address, and then the name.
    assert_eq!(log[incremented + 2], "before", "{log:?}");
}

#[test]
fn unblocking_with_an_error_has_failed() {
    let shell = Shell::start(ShellOptions::default());
    let (mut client, mut blocked) = (shell.connect(), shell.connect());
    let id = id(&mut blocked);
    for (request, reason) in [
        ("BLPOP k 0", "TIMEOUT"),
        ("BLPOP k 0", "ERROR"),
        ("WAIT 1 0", "ERROR"),
    ] {
        blocked.send(format!("{request}\r\n"));
        wait_until_held(&id, &mut client);
        client.check(format!("CLIENT UNBLOCK {id} {reason}\r\n"), ":1\r\n");
        blocked.line();
    }
    client.check(format!("CLIENT UNBLOCK {id} ERROR\r\n"), ":0\r\n");
    client.send("INFO commandstats\r\n");
    let stats = client.bulk();
    let mut lines = stats.lines();
    let line = lines.find(|line| line.starts_with("cmdstat_client|unblock:calls=4,"));
    let line = line.expect("a line");
    assert!(line.ends_with("failed_calls=2"), "{line}");
}
