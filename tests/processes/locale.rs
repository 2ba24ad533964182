//! `locale-collate` as Redis has it: the locales are those of the C library, and SORT ALPHA without STORE follows them.

use std::path::Path;
use std::process::Command;

use crate::process::{Connection, Server};

const REFUSED: &str =
    "-ERR CONFIG SET failed (possibly related to argument 'locale-collate') - Invalid locale name";

/// Puts the locale `en_US.UTF-8` into `folder`; false, and it is said: its sources are not installed.
fn define_locale(folder: &Path) -> bool {
    let mut command = Command::new("localedef");
    command.args(["-i", "en_US", "-f", "UTF-8"]);
    let made = command.arg(folder.join("en_US.UTF-8")).output();
    let is_made = made.is_ok_and(|made| made.status.success());
    if !is_made {
        redkeep_model::skipped("localedef or its sources are not installed");
    }
    is_made
}

fn redkeep(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
    command.arg("server");
    for name in ["LC_ALL", "LC_COLLATE", "LANG", "LOCPATH"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

/// The elements of an answer, in one line.
fn sorted(client: &mut Connection, request: &str) -> String {
    let count = client.ask(request);
    let count: usize = count
        .strip_prefix('*')
        .expect("an array")
        .parse()
        .expect("its length");
    let elements: Vec<String> = (0..count)
        .map(|_| {
            client.line();
            client.line()
        })
        .collect();
    elements.join(" ")
}

#[test]
fn a_locale_that_is_not_there_is_refused() {
    let server = Server::start(redkeep(&[]));
    let mut client = server.connect();
    assert_eq!(client.ask("CONFIG SET locale-collate xx_XX"), REFUSED);
    assert_eq!(client.ask("CONFIG SET locale-collate C"), "+OK");
    assert_eq!(client.ask("CONFIG SET hz 11 locale-collate xx_XX"), REFUSED);
    assert_eq!(client.ask("CONFIG GET locale-collate"), "*2");
    for expected in ["$14", "locale-collate", "$1", "C"] {
        assert_eq!(client.line(), expected);
    }
    for variables in [
        [("LC_ALL", "xx_XX"), ("LANG", "C")],
        [("LANG", "C"), ("LC_COLLATE", "xx_XX")],
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = redkeep(&variables);
        command.args(["--port", "0", "--dir"]).arg(folder.path());
        let output = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "{said}");
        assert!(
            said.contains("Failed to configure LOCALE for invalid locale name."),
            "{said}"
        );
    }
}

#[test]
fn what_is_sorted_and_not_stored_follows_the_locale() {
    let folder = tempfile::tempdir().expect("a folder");
    if !define_locale(folder.path()) {
        return;
    }
    let path = folder.path().to_str().expect("a path");
    let server = Server::start(redkeep(&[("LOCPATH", path)]));
    let mut client = server.connect();
    client.ask("RPUSH l B a C b A \"\\xc3\\xa9\" f e");
    client.ask("MSET w_a 1 w_B x w_b X");
    assert_eq!(sorted(&mut client, "SORT l ALPHA"), "A B C a b e f é");
    assert_eq!(client.ask("CONFIG SET locale-collate en_US.UTF-8"), "+OK");
    assert_eq!(sorted(&mut client, "SORT l ALPHA"), "a A b B C e é f");
    assert_eq!(sorted(&mut client, "SORT l ALPHA DESC LIMIT 0 3"), "f é e");
    assert_eq!(
        sorted(&mut client, "SORT l ALPHA BY w_* LIMIT 5 3"),
        "a B b"
    );
    client.ask("SORT l ALPHA STORE to");
    assert_eq!(sorted(&mut client, "LRANGE to 0 -1"), "A B C a b e f é");
    assert_eq!(client.ask("CONFIG SET locale-collate xx_XX"), REFUSED);
    assert_eq!(sorted(&mut client, "SORT l ALPHA LIMIT 0 2"), "a A");
    // An empty name means the environment's.
    assert_eq!(client.ask("CONFIG SET locale-collate \"\""), "+OK");
    assert_eq!(sorted(&mut client, "SORT l ALPHA LIMIT 0 2"), "A B");
    let spoken = Server::start(redkeep(&[("LOCPATH", path), ("LANG", "en_US.UTF-8")]));
    let mut client = spoken.connect();
    client.ask("SADD s B a C b");
    assert_eq!(sorted(&mut client, "SORT s ALPHA"), "a b B C");
}
