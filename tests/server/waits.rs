//! Clients that wait for keys: who is served when, and who is not.

use std::net::TcpStream;

use crate::shell::{Shell, ShellOptions, Socket, id, wait_until_held};

type Client = Socket<TcpStream>;

fn shell() -> Shell {
    Shell::start(ShellOptions::default())
}

/// A client that has sent a command and waits, and which number it has.
fn waiting(shell: &Shell, before: &str, command: &str, observer: &mut Client) -> Client {
    let mut client = shell.connect();
    let id = id(&mut client);
    if !before.is_empty() {
        client.check(format!("{before}\r\n"), "+OK\r\n");
    }
    client.send(format!("{command}\r\n"));
    wait_until_held(&id, observer);
    client
}

#[test]
fn who_loses_a_right_while_waiting_is_refused_what_comes() {
    let shell = shell();
    let mut other = shell.connect();
    for (rule, error) in [
        (
            "-blpop",
            "-NOPERM User al has no permissions to run the 'blpop' command\r\n",
        ),
        ("resetkeys", "-NOPERM No permissions to access a key\r\n"),
    ] {
        other.check("ACL SETUSER al on >pw ~* +@all\r\n", "+OK\r\n");
        let mut al = waiting(&shell, "AUTH al pw", "BLPOP k 0", &mut other);
        other.check(format!("ACL SETUSER al {rule}\r\n"), "+OK\r\n");
        other.check("RPUSH k v\r\n", ":1\r\n");
        al.expect(error);
        other.check("DEL k\r\n", ":1\r\n");
    }
    other.check("ACL LOG RESET\r\n", "+OK\r\n");
    other.send("INFO commandstats\r\n");
    let counted = other.bulk();
    let line = counted.lines().find(|line| line.contains("blpop:"));
    let line = line.expect("BLPOP was counted");
    assert!(
        line.contains("calls=0,") && line.contains("rejected_calls=2"),
        "{line}"
    );
}

#[test]
fn who_finds_nothing_goes_to_the_end_of_every_line() {
    let shell = shell();
    let mut other = shell.connect();
    other.check("XGROUP CREATE s g $ MKSTREAM\r\n", "+OK\r\n");
    other.check("XGROUP CREATE t g $ MKSTREAM\r\n", "+OK\r\n");
    let read =
        |who: &str, streams: &str| format!("XREADGROUP GROUP g {who} BLOCK 0 STREAMS {streams}");
    let mut one = waiting(&shell, "", &read("one", "s >"), &mut other);
    let mut two = waiting(&shell, "", &read("two", "s t > >"), &mut other);
    let mut three = waiting(&shell, "", &read("three", "t >"), &mut other);
    let entry = |key: &str, id: &str| {
        format!("*1\r\n*2\r\n$1\r\n{key}\r\n*1\r\n*2\r\n$3\r\n{id}\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n")
    };
    // The second looks in vain at what the first has got.
    other.check("XADD s 1-1 f v\r\n", "$3\r\n1-1\r\n");
    one.expect(&entry("s", "1-1"));
    other.check("XADD t 1-1 f v\r\n", "$3\r\n1-1\r\n");
    three.expect(&entry("t", "1-1"));
    other.check("XADD t 1-2 f v\r\n", "$3\r\n1-2\r\n");
    two.expect(&entry("t", "1-2"));
}

#[test]
fn only_what_is_added_to_a_stream_has_its_group_looked_at() {
    let shell = shell();
    let mut other = shell.connect();
    other.check("XADD s 1-1 f v\r\n", "$3\r\n1-1\r\n");
    other.check("XGROUP CREATE s g $\r\n", "+OK\r\n");
    let read = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";
    let mut reader = waiting(&shell, "", read, &mut other);
    other.check("XGROUP DELCONSUMER s g c\r\n", ":0\r\n");
    other.check("XDEL s 1-1\r\n", ":1\r\n");
    other.check("XSETID s 5-5\r\n", "+OK\r\n");
    // Looking would have made the consumer again.
    other.check("XINFO CONSUMERS s g\r\n", "*0\r\n");
    other.check("SET s x\r\n", "+OK\r\n");
    reader.expect("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
}

/// Checked beside Redis 7.4.1.
#[test]
fn the_end_of_a_stream_serves_others_who_wait_for_the_key_if_its_group_is_waited_for() {
    let shell = shell();
    let mut other = shell.connect();
    other.check("ZADD z 1 m\r\n", ":1\r\n");
    let mut popper = waiting(&shell, "", "BZPOPMIN k 0", &mut other);
    let mut list_popper = waiting(&shell, "", "BLPOP k 0", &mut other);
    for reads in [false, true] {
        other.check("DEL k\r\n", if reads { ":1\r\n" } else { ":0\r\n" });
        other.check("XGROUP CREATE k g $ MKSTREAM\r\n", "+OK\r\n");
        let read = "XREADGROUP GROUP g c BLOCK 0 STREAMS k >";
        let reader = reads.then(|| waiting(&shell, "", read, &mut other));
        other.check("ZRANGESTORE k z 0 -1\r\n", ":1\r\n");
        if let Some(mut reader) = reader {
            popper.expect("*3\r\n$1\r\nk\r\n$1\r\nm\r\n$1\r\n1\r\n");
            let gone = "No such key 'k' or consumer group 'g' in XREADGROUP with GROUP option";
            reader.expect(&format!("-NOGROUP {gone}\r\n"));
        }
        other.check("ZCARD k\r\n", if reads { ":0\r\n" } else { ":1\r\n" });
    }
    other.check("RPUSH k a\r\n", ":1\r\n");
    list_popper.expect("*2\r\n$1\r\nk\r\n$1\r\na\r\n");
}

#[test]
fn a_list_that_takes_the_place_of_another_value_serves_nobody() {
    let shell = shell();
    let mut other = shell.connect();
    let mut waiter = waiting(&shell, "", "BLPOP k 0", &mut other);
    other.check("SET k x EX 1000\r\n", "+OK\r\n");
    other.check("RPUSH l 1 2 3\r\n", ":3\r\n");
    other.check("SORT l STORE k\r\n", ":3\r\n");
    other.check("TTL k\r\n", ":-1\r\n");
    other.check("LLEN k\r\n", ":3\r\n");
    other.check("SET k x\r\n", "+OK\r\n");
    // RENAME removes what was there first.
    other.check("RENAME l k\r\n", "+OK\r\n");
    waiter.expect("*2\r\n$1\r\nk\r\n$1\r\n1\r\n");
}

#[test]
fn a_key_is_new_where_the_old_one_was_removed_first() {
    let shell = shell();
    let (mut other, mut listener) = (shell.connect(), shell.connect());
    other.check("SET k x\r\n", "+OK\r\n");
    other.check("RPUSH l 1\r\n", ":1\r\n");
    other.check("CONFIG SET notify-keyspace-events En\r\n", "+OK\r\n");
    listener.check(
        "SUBSCRIBE __keyevent@0__:new\r\n",
        "*3\r\n$9\r\nsubscribe\r\n$18\r\n__keyevent@0__:new\r\n:1\r\n",
    );
    other.check("SORT l STORE k\r\n", ":1\r\n");
    other.check("SUNIONSTORE k none\r\n", ":0\r\n");
    other.check("SET m x\r\n", "+OK\r\n");
    let payload = b"\x00\x03abc\x0c\x00\x12\xda\x04\xfd\xbb\x58\x3c\xab";
    let mut restore = b"*5\r\n$7\r\nRESTORE\r\n$1\r\nm\r\n$1\r\n0\r\n$15\r\n".to_vec();
    restore.extend_from_slice(payload);
    restore.extend_from_slice(b"\r\n$7\r\nREPLACE\r\n");
    other.send(restore);
    other.expect("+OK\r\n");
    let told =
        |key: &str| format!("*3\r\n$7\r\nmessage\r\n$18\r\n__keyevent@0__:new\r\n$1\r\n{key}\r\n");
    listener.expect(&told("m"));
    listener.expect(&told("m"));
}

#[test]
fn what_a_pause_held_back_goes_on_in_its_order() {
    let shell = Shell::start(ShellOptions {
        workers: Some(1),
        ..ShellOptions::default()
    });
    let mut other = shell.connect();
    for (pause, end) in [(60_000, "CLIENT UNPAUSE\r\nRPUSH l end\r\n"), (1000, "")] {
        let mut clients: Vec<Client> = (0..6).map(|_| shell.connect()).collect();
        other.check(format!("CLIENT PAUSE {pause} WRITE\r\n"), "+OK\r\n");
        for (at, client) in clients.iter_mut().enumerate().rev() {
            let id = id(client);
            client.send(format!("RPUSH l {at}\r\nRPUSH l {at}+\r\n"));
            wait_until_held(&id, &mut other);
        }
        let mut wanted: Vec<String> = (0..6)
            .rev()
            .flat_map(|at| [format!("{at}"), format!("{at}+")])
            .collect();
        if !end.is_empty() {
            other.check(end, "+OK\r\n:1\r\n");
            wanted.insert(0, "end".to_owned());
        }
        for client in &mut clients {
            assert!(client.line().starts_with(':') && client.line().starts_with(':'));
        }
        other.send("LRANGE l 0 -1\r\n");
        assert_eq!(other.line(), format!("*{}", wanted.len()));
        let found: Vec<String> = wanted.iter().map(|_| other.bulk()).collect();
        assert_eq!(found, wanted);
        other.check("DEL l\r\n", ":1\r\n");
    }
}
