//! `wal-keep` and `redkeep restore`: what a client had been told by a moment is what a restore to that moment shows.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::process::{Connection, PATIENCE, Server};
use crate::program::{redkeep, succeeds, text};
use redkeep::db::{Db, Options};

const FLAGS: [&str; 6] = [
    "--wal-keep",
    "kept",
    "--wal-autocheckpoint",
    "1mb",
    "--cache-size",
    "1mb",
];

/// What a client knew at some moment.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Values that were acknowledged.
    values: u64,
    /// The last transaction then.
    lsn: u64,
    /// A wall time behind that transaction and before the next one.
    wall_ms: u64,
}

fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is later than 1970").as_millis() as u64
}

/// The value of a field of INFO storage.
fn info(connection: &mut Connection, field: &str) -> String {
    connection.send("INFO storage");
    let header = connection.line();
    let len: usize = header[1..].parse().expect("the length of a bulk string");
    let (mut found, mut read) = (None, 0);
    while read < len {
        let line = connection.line();
        read += line.len() + 2;
        if let Some(value) = line.strip_prefix(field).and_then(|l| l.strip_prefix(':')) {
            found = Some(value.to_owned());
        }
    }
    connection.line();
    found.unwrap_or_else(|| panic!("INFO has no {field}"))
}

fn number(connection: &mut Connection, field: &str) -> u64 {
    info(connection, field).parse().expect("a number")
}

/// Writes values until there are `end`; every value is one transaction, and one in three takes back an earlier one.
fn write(server: &Server, from: u64, end: u64) -> Known {
    let mut connection = server.connect();
    let filler = "x".repeat(2000);
    for n in from..end {
        assert_eq!(connection.ask(&format!("SET v:{n} {n}{filler}")), "+OK");
        if n % 3 == 2 {
            assert_eq!(connection.ask(&format!("DEL v:{}", n - 1)), ":1");
        }
    }
    let lsn = number(&mut connection, "log_last_lsn");
    // The next transaction is of a later millisecond than this one.
    std::thread::sleep(Duration::from_millis(3));
    let wall_ms = wall_ms();
    std::thread::sleep(Duration::from_millis(3));
    Known {
        values: end,
        lsn,
        wall_ms,
    }
}

/// The values of a restored file are those that were known.
#[track_caller]
fn shows(path: &Path, known: &Known) {
    let output = redkeep(&["check", text(path)]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{} is not: {said}", path.display());
    let log = path.with_file_name(format!(
        "{}-wal",
        path.file_name().and_then(|n| n.to_str()).expect("a name")
    ));
    assert!(!log.exists(), "it is whole alone");
    let db = Db::open(path, Options::default()).expect("it opens");
    for n in 0..known.values + 50 {
        let value = db.get(format!("v:{n}")).expect("it can be read");
        let is_deleted = n % 3 == 1 && n + 1 < known.values;
        if n < known.values && !is_deleted {
            let value = value.unwrap_or_else(|| panic!("value {n} is missing"));
            assert!(value.starts_with(format!("{n}x").as_bytes()), "value {n}");
        } else {
            assert_eq!(value, None, "value {n} is from later");
        }
    }
    db.close().expect("it ends well");
}

fn restore(server: &Server, from: &str, more: &[&str], out: &str) -> std::process::Output {
    let (from, kept, out) = (server.at(from), server.at("kept"), server.at(out));
    let mut words = vec!["restore", "--from", text(&from), "--wal", text(&kept)];
    words.extend(more);
    words.push(text(&out));
    redkeep(&words)
}

#[track_caller]
fn restores(server: &Server, from: &str, more: &[&str], known: &Known) {
    let output = restore(server, from, more, "out.keep");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{more:?}: {said}");
    let out = server.at("out.keep");
    shows(&out, known);
    for name in ["out.keep", "out.keep-wal"] {
        if server.at(name).exists() {
            fs::remove_file(server.at(name)).expect("it can be removed");
        }
    }
}

#[track_caller]
fn is_refused(server: &Server, from: &str, more: &[&str], why: &str) {
    let output = restore(server, from, more, "out.keep");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{more:?}");
    assert!(said.contains(why), "{said}");
    for name in ["out.keep", "out.keep.restoring", "out.keep.restoring-wal"] {
        assert!(!server.at(name).exists(), "{name} is left");
    }
}

#[test]
fn what_was_known_at_a_moment_is_what_a_restore_to_it_shows() {
    let mut server = Server::redkeep(&FLAGS);
    write(&server, 0, 500);
    assert_eq!(server.connect().ask("BACKUP old.keep"), "+OK");
    let mut moments = vec![write(&server, 500, 3000)];
    server.kill();
    server.start_again(&FLAGS);
    moments.push(write(&server, 3000, 3500));
    assert_eq!(server.connect().ask("BACKUP new.keep"), "+OK");
    moments.push(write(&server, 3500, 6000));
    // Everything that was acknowledged is in the folder or in the log that is left.
    server.kill();
    let log = server.at("data.keep-wal");
    let whole = ["--wal-file", text(&log)];
    for known in &moments {
        let (lsn, seconds) = (known.lsn.to_string(), known.wall_ms.to_string());
        for until in [&lsn, &seconds] {
            let more = [&whole[..], &["--until", until]].concat();
            restores(&server, "old.keep", &more, known);
        }
    }
    restores(&server, "new.keep", &whole, &moments[2]);
    let early = moments[0].lsn.to_string();
    is_refused(
        &server,
        "new.keep",
        &["--until", &early],
        "take an older one",
    );
    let early = moments[0].wall_ms.to_string();
    is_refused(
        &server,
        "new.keep",
        &["--until", &early],
        "take an older one",
    );
    let late = ["--until", "999999"];
    is_refused(&server, "new.keep", &late, "before the one asked for");
    // A clean end puts everything into the folder.
    server.start_again(&FLAGS);
    let last = write(&server, 6000, 6100);
    server.connect().send("SHUTDOWN");
    server.await_end();
    fs::remove_file(&log).expect("it is there");
    restores(&server, "old.keep", &[], &last);
    server.start_again(&FLAGS);
    let last = write(&server, 6100, 6200);
    server.connect().send("SHUTDOWN");
    server.await_end();
    restores(&server, "old.keep", &[], &last);
    gaps_are_refused(&server);
}

/// What a folder holds, as `--list` shows it.
fn listed(kept: &Path) -> String {
    let said = succeeds(&["restore", "--list", "--wal", text(kept)]);
    String::from_utf8(said).expect("text")
}

/// One file less is a gap, and named.
fn gaps_are_refused(server: &Server) {
    let kept = server.at("kept");
    let list = listed(&kept);
    assert_eq!(list.lines().count(), 1, "one stretch: {list}");
    assert!(list.starts_with("transactions 1 to "), "{list}");
    let entries = fs::read_dir(&kept).expect("the folder is there");
    let mut names: Vec<_> = entries.map(|e| e.expect("readable").path()).collect();
    names.sort();
    assert!(names.len() > 3, "{names:?}");
    let (victim, moved) = (&names[names.len() - 2], server.at("moved"));
    fs::rename(victim, &moved).expect("it moves");
    is_refused(server, "old.keep", &[], "is missing");
    let list = listed(&kept);
    assert_eq!(list.lines().count(), 2, "two stretches: {list}");
    fs::rename(&moved, victim).expect("it moves");
    let mut bytes = fs::read(victim).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(victim, &bytes).expect("it can be written");
    let name = victim.file_name().and_then(|n| n.to_str()).expect("a name");
    is_refused(server, "old.keep", &[], name);
}

/// The folder cannot be written: the log grows, INFO tells, nothing is lost, and it heals.
#[test]
fn an_archive_that_cannot_be_written_holds_the_log_until_it_can() {
    let server = Server::redkeep(&FLAGS);
    write(&server, 0, 100);
    assert_eq!(server.connect().ask("BACKUP first.keep"), "+OK");
    let mut connection = server.connect();
    assert_eq!(connection.ask("CHECKPOINT"), "+OK");
    let (kept, away) = (server.at("kept"), server.at("away"));
    fs::rename(&kept, &away).expect("it moves");
    fs::write(&kept, b"in the way").expect("it can be written");
    // Some segments of four megabytes.
    let known = write(&server, 100, 8000);
    await_field(&mut connection, "wal_keep_last_status", "err");
    assert!(number(&mut connection, "wal_keep_failures") > 0);
    // A segment waits for the archive alone as soon as a checkpoint has what is in it.
    let begun = Instant::now();
    while number(&mut connection, "wal_keep_waiting_bytes") < 8 << 20 {
        assert!(begun.elapsed() < PATIENCE, "too little waits");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!info(&mut connection, "wal_keep_last_error").is_empty());
    fs::remove_file(&kept).expect("it is there");
    fs::rename(&away, &kept).expect("it moves");
    await_field(&mut connection, "wal_keep_last_status", "ok");
    await_field(&mut connection, "wal_keep_waiting_bytes", "0");
    assert_eq!(connection.ask("CHECKPOINT"), "+OK");
    restores(&server, "first.keep", &[], &known);
    // Another database does not mix its log into the folder.
    let text_of = text(&kept).to_owned();
    let other = Server::redkeep(&["--wal-keep", &text_of]);
    let mut stranger = other.connect();
    assert_eq!(stranger.ask("SET a 1"), "+OK");
    assert_eq!(stranger.ask("CHECKPOINT"), "+OK");
    await_field(&mut stranger, "wal_keep_last_status", "err");
    restores(&server, "first.keep", &[], &known);
}

fn await_field(connection: &mut Connection, field: &str, value: &str) {
    let begun = Instant::now();
    while info(connection, field) != value {
        assert!(
            begun.elapsed() < PATIENCE,
            "{field} does not become {value}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
