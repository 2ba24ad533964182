//! The end of a server waits for nothing that can be done again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{PATIENCE, Server};

/// Names below a folder that are not the database's own.
fn others(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_dir() {
            names.extend(others(&path));
        } else if !name.starts_with("data.keep") {
            names.push(name.into_owned());
        }
    }
    names
}

/// Ends a server while the work that `ask` asks for has most of an hour before it. `field` says that it goes on.
fn gives_up(ask: &str, field: &str) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let start = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
        command.arg("server").args(more);
        Server::start_in(folder.path(), command)
    };
    let server = start(&["--rdb-key-save-delay", "2000000000"]);
    let mut client = server.connect();
    assert_eq!(client.ask("SET key value"), "+OK");
    assert!(client.ask(ask).starts_with("+Background"), "{ask}");
    let begun = Instant::now();
    while !others(folder.path())
        .iter()
        .any(|name| name.ends_with(".tmp"))
    {
        assert!(begun.elapsed() < PATIENCE, "{ask} does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    client.send("INFO persistence");
    while client.line() != format!("{field}:1") {}
    server.stop();
    let left = others(folder.path());

    let server = start(&[]);
    assert_eq!(server.connect().ask("GET key"), "value");
    server.stop();
    left
}

#[test]
fn a_save_is_given_up() {
    let left = gives_up("BGSAVE", "rdb_bgsave_in_progress");
    assert_eq!(left, [""; 0]);
}

#[test]
fn a_rewrite_is_given_up() {
    let left = gives_up("BGREWRITEAOF", "aof_rewrite_in_progress");
    assert_eq!(left, [""; 0]);
}
