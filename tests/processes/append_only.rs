//! The append-only file over starts: it goes on, begins anew, or is left to whoever went on with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Server;
use crate::program;

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
        // Everything that is written is there at once, and nothing is rewritten unasked.
        command.args([
            "server",
            "--appendonly",
            "yes",
            "--auto-aof-rewrite-percentage",
            "0",
        ]);
        // Redis 7.0 reads version 10.
        command.args(["--rdb-version", "10"]);
        command.arg("--logfile").arg(self.at("log")).args(more);
        command
    }

    fn redkeep(&self, more: &[&str]) -> Server {
        fs::write(self.at("log"), "").expect("a file");
        Server::start_in(self.folder.path(), self.command(more))
    }

    /// Redis on the same folder; None: it is not installed.
    fn redis(&self) -> Option<Server> {
        let mut command = Server::redis()?;
        command.args(["--appendonly", "yes"]);
        Some(Server::start_in(self.folder.path(), command))
    }

    /// What it says when it does not start.
    #[track_caller]
    fn is_refused(&self, more: &[&str]) -> String {
        fs::write(self.at("log"), "").expect("a file");
        let mut command = self.command(more);
        let ended = command
            .args(["--port", "0", "--dir"])
            .arg(self.folder.path());
        let code = ended.output().expect("it runs").status.code();
        let log = self.log();
        assert_eq!(code, Some(1), "{log}");
        log
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).expect("a log")
    }

    /// Waits until the log says this.
    #[track_caller]
    fn says(&self, text: &str) {
        let begun = std::time::Instant::now();
        while !self.log().contains(text) {
            let waits = begun.elapsed() < crate::process::PATIENCE;
            assert!(waits, "{text}: {}", self.log());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    /// Puts the copy of the database in its place.
    fn goes_back(&self) {
        fs::copy(self.at("copy"), self.at("data.keep")).expect("a copy");
        for name in ["data.keep-wal", "data.keep-shm"] {
            // One that is not there is not in the way.
            let _ = fs::remove_file(self.at(name));
        }
    }

    fn increments(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let Ok(entries) = fs::read_dir(self.at("appendonlydir")) else {
            return found;
        };
        for entry in entries {
            let path = entry.expect("an entry").path();
            if path.to_string_lossy().ends_with(".incr.aof") {
                found.push(path);
            }
        }
        found.sort();
        found
    }
}

/// Waits until the file holds everything, which its writer says.
fn settles(case: &Case, server: &Server, text: &str) {
    let begun = std::time::Instant::now();
    let has_it = |path: &Path| {
        let bytes = fs::read(path).expect("a part");
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    while !case.increments().iter().any(|path| has_it(path)) {
        assert!(
            begun.elapsed() < crate::process::PATIENCE,
            "{} is not written",
            server.port
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Waits until the file is begun.
fn begins(case: &Case) {
    let begun = std::time::Instant::now();
    while !case.at("appendonlydir/appendonly.aof.manifest").is_file() {
        assert!(begun.elapsed() < crate::process::PATIENCE, "{}", case.log());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

fn fill(server: &Server, keys: &[&str]) {
    let mut connection = server.connect();
    for key in keys {
        assert_eq!(connection.ask(&format!("SET {key} 1")), "+OK");
    }
}

#[test]
fn it_goes_on_where_it_ends() {
    let case = Case::new();
    let server = case.redkeep(&[]);
    begins(&case);
    fill(&server, &["a", "b"]);
    server.stop();
    let parts = case.increments();
    let len = fs::metadata(&parts[0]).expect("a part").len();

    for round in 0..3 {
        let server = case.redkeep(&[]);
        case.says("incr.aof goes on at offset");
        fill(&server, &[&format!("key{round}")]);
        settles(&case, &server, &format!("key{round}"));
        if round == 2 {
            drop(server);
        } else {
            server.stop();
        }
        assert_eq!(case.increments(), parts, "no part is new");
    }
    assert!(fs::metadata(&parts[0]).expect("a part").len() > len);
    // It was killed when everything was written.
    let server = case.redkeep(&[]);
    case.says("incr.aof goes on at offset");
    assert_eq!(server.connect().ask("DBSIZE"), ":5");
    server.stop();
    if let Some(redis) = case.redis() {
        let mut connection = redis.connect();
        assert_eq!(connection.ask("DBSIZE"), ":5");
        assert_eq!(connection.ask("GET key2"), "1");
        redis.stop();
        // It has written nothing.
        let server = case.redkeep(&[]);
        case.says("incr.aof goes on at offset");
        server.stop();
    }
}

#[test]
fn another_server_that_went_on_is_noticed() {
    let case = Case::new();
    let server = case.redkeep(&[]);
    begins(&case);
    fill(&server, &["a", "b"]);
    server.stop();
    let Some(redis) = case.redis() else {
        return;
    };
    let at = fs::metadata(&case.increments()[0]).expect("a part").len();
    fill(&redis, &["theirs", "b"]);
    redis.stop();

    let log = case.is_refused(&[]);
    // It selects a database first.
    let expect = format!("appendonly.aof.1.incr.aof: from offset {at} on stand 3 commands");
    assert!(log.contains(&expect), "{log}");
    assert!(
        log.contains("redkeep import appendonlydir --target"),
        "{log}"
    );
    // Where it is not to be written, it is not written over either.
    let before = fs::read(&case.increments()[0]).expect("a part");
    let server = case.redkeep(&["--appendonly", "no"]);
    let mut connection = server.connect();
    assert_eq!(connection.ask("GET theirs"), "$-1");
    connection.ask("BGREWRITEAOF");
    case.says("was not written anew");
    server.stop();
    assert_eq!(fs::read(&case.increments()[0]).expect("a part"), before);

    // As it is told to.
    let (dir, target) = (case.at("appendonlydir"), case.at("data.keep"));
    let (dir_text, target_text) = (program::text(&dir), program::text(&target));
    program::succeeds(&["import", dir_text, "--target", target_text, "--replace"]);
    fs::rename(&dir, case.at("moved")).expect("it is moved");
    let server = case.redkeep(&[]);
    assert_eq!(server.connect().ask("GET theirs"), "1");
    server.stop();
}

#[test]
fn a_rewrite_by_another_server_is_noticed() {
    let case = Case::new();
    let server = case.redkeep(&[]);
    begins(&case);
    fill(&server, &["a"]);
    server.stop();
    let Some(redis) = case.redis() else {
        return;
    };
    fill(&redis, &["theirs"]);
    redis.connect().ask("BGREWRITEAOF");
    let begun = std::time::Instant::now();
    while case.increments()[0].ends_with("appendonly.aof.1.incr.aof") {
        assert!(
            begun.elapsed() < crate::process::PATIENCE,
            "it is rewritten"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    redis.stop();
    let log = case.is_refused(&[]);
    assert!(
        log.contains("incr.aof: from offset 0 on stand 0 commands"),
        "{log}"
    );
}

#[test]
fn a_torn_end_is_cut_and_what_is_ahead_is_kept() {
    let case = Case::new();
    let server = case.redkeep(&[]);
    begins(&case);
    fill(&server, &["a"]);
    server.stop();
    fs::copy(case.at("data.keep"), case.at("copy")).expect("a copy");
    let server = case.redkeep(&[]);
    fill(&server, &["b", "c"]);
    settles(&case, &server, "c");
    server.stop();
    let part = case.increments().remove(0);
    let whole = fs::read(&part).expect("a part");

    // In the middle of the last command; what announces the end is gone too.
    let set = b"$1\r\nc\r\n";
    let found = whole.windows(set.len()).rposition(|bytes| bytes == set);
    let cut = &whole[..found.expect("it is there") + 3];
    fs::write(&part, cut).expect("it is written");
    let log = case.is_refused(&["--aof-load-truncated", "no"]);
    assert!(log.contains("redkeep check --fix cuts it off"), "{log}");
    assert_eq!(fs::read(&part).expect("a part"), cut);
    let server = case.redkeep(&[]);
    case.says("is cut at offset");
    assert_eq!(server.connect().ask("DBSIZE"), ":3");
    while case.increments().contains(&part) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    server.stop();
    let parts = case.increments();
    assert!(!parts.contains(&part), "it began anew: {parts:?}");

    // A database of before.
    case.goes_back();
    let server = case.redkeep(&[]);
    case.says("appendonlydir.aside-1");
    assert_eq!(server.connect().ask("DBSIZE"), ":1");
    assert!(
        case.at("appendonlydir.aside-1/appendonly.aof.manifest")
            .is_file()
    );
    server.stop();
}

#[test]
fn a_file_of_another_history_of_the_database_is_kept() {
    // As many transactions as the file has, fewer, and more.
    for (others, aside) in [(2, true), (1, true), (5, true), (0, false)] {
        let case = Case::new();
        let server = case.redkeep(&[]);
        begins(&case);
        fill(&server, &["a"]);
        server.stop();
        fs::copy(case.at("data.keep"), case.at("copy")).expect("a copy");
        let server = case.redkeep(&[]);
        fill(&server, &["b", "c"]);
        settles(&case, &server, "c");
        server.stop();
        let held = fs::read(&case.increments()[0]).expect("a part");

        if aside {
            case.goes_back();
        }
        let server = case.redkeep(&["--appendonly", "no"]);
        for n in 0..others {
            fill(&server, &[&format!("other{n}")]);
        }
        server.stop();
        let server = case.redkeep(&[]);
        let expect = if aside { 1 + others } else { 3 };
        assert_eq!(server.connect().ask("DBSIZE"), format!(":{expect}"));
        if aside {
            case.says("appendonlydir.aside-1");
            let kept = case.at("appendonlydir.aside-1/appendonly.aof.1.incr.aof");
            assert_eq!(fs::read(kept).expect("a part"), held, "{others}");
            begins(&case);
        } else {
            // Nothing was changed meanwhile.
            case.says("incr.aof goes on at offset");
        }
        server.stop();
        let server = case.redkeep(&[]);
        case.says("incr.aof goes on at offset");
        server.stop();
    }
}
