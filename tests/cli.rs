//! The command line: what is printed where, and exit codes.

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `redkeep`; returns exit code, output, errors.
fn redkeep(arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("redkeep runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    // A program that ended without reading is no failure of the test.
    stdin.write_all(input.as_bytes()).unwrap_or_default();
    drop(stdin);
    let out = child.wait_with_output().expect("it ends");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = out.status.code().expect("an exit code");
    (code, text(out.stdout), text(out.stderr))
}

#[test]
fn help_and_version_are_output_and_success() {
    let version = format!("redkeep {}\n", env!("CARGO_PKG_VERSION"));
    for arguments in [
        &["--version"][..],
        &["server", "--version"],
        &["server", "-v"],
    ] {
        assert_eq!(redkeep(arguments, ""), (0, version.clone(), String::new()));
    }
    for (arguments, expect) in [
        (&["--help"][..], "Commands:"),
        (&["server", "--help"], "--wal-autocheckpoint 64mb"),
        (&["bench", "--help"], "--against"),
    ] {
        let (code, out, error) = redkeep(arguments, "");
        assert_eq!((code, error.as_str()), (0, ""));
        assert!(out.contains(expect), "{out}");
    }
}

#[test]
fn a_command_line_that_cannot_be_understood_is_2() {
    for arguments in [&["nothing"][..], &["bench", "--nothing"], &[]] {
        let (code, out, error) = redkeep(arguments, "");
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(error.contains("Usage: redkeep"), "{error}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_1() {
    for (arguments, input, expect) in [
        (
            &["server", "--invalid"][..],
            "",
            "'invalid'\nBad directive or wrong number of arguments",
        ),
        (
            &["server", "--port"],
            "",
            "'port'\nwrong number of arguments",
        ),
        (
            &["server", "--port", "6379", "6380"],
            "",
            "'port \"6379\" \"6380\"'\nwrong number of arguments",
        ),
        (
            &["server", "--port", "--loglevel", "verbose"],
            "",
            "'port \"--loglevel\" \"verbose\"'\nwrong number",
        ),
        (
            &["server", "--port", "--bla", "--loglevel", "verbose"],
            "",
            "'port \"--bla\"'\nargument couldn't be parsed",
        ),
        (
            &["server", "--shutdown-on-sigint"],
            "",
            "'shutdown-on-sigint'\nargument(s) must be one of the following",
        ),
        (
            &["server", "--replicaof", "--127.0.0.1", "--abc"],
            "",
            "'replicaof \"--127.0.0.1\"'\nwrong number",
        ),
        (
            &["server", "/none/redis.conf"],
            "",
            "can't open config file '/none/redis.conf': No such file",
        ),
        (
            &["server", "-"],
            "hz 5\nport x\n",
            "at line 2\n>>> 'port x'\nargument couldn't be parsed",
        ),
        (
            &["server", "--dir", "/none"],
            "",
            "No such file or directory",
        ),
    ] {
        let (code, out, error) = redkeep(arguments, input);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}: {error}");
        assert!(error.contains(expect), "{arguments:?}: {error}");
    }
}
