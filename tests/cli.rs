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
fn a_file_or_a_server_is_named_and_not_both() {
    for (command, file) in [
        (&["import", "dump.rdb"][..], "--target"),
        (&["dump"], "--file"),
        (&["backup", "copy.keep"], "--file"),
    ] {
        let both = [file, "data.keep", "--addr", "127.0.0.1:1"];
        for (flags, expect) in [(&[][..], file), (&both, "cannot be used with")] {
            let (code, out, error) = redkeep(&[command, flags].concat(), "");
            assert_eq!(
                (code, out.as_str()),
                (2, ""),
                "{command:?} {flags:?} {error}"
            );
            assert!(error.contains(expect), "{error}");
            let usage = format!("<{file} <FILE>|--addr <ADDR>>");
            assert!(error.contains(&usage), "{error}");
        }
    }
}

#[test]
fn what_is_no_file_is_neither_imported_nor_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = |name: &str| dir.path().join(name).display().to_string();
    let (socket, data) = (text("socket"), text("data.keep"));
    std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let lines = text("lines.jsonl");
    std::fs::write(&lines, "").expect("a file");
    let refused = |arguments: &[&str]| {
        let (code, out, error) = redkeep(arguments, "{}");
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?} {error}");
        assert!(error.contains("and no file"), "{error}");
    };
    // A pipe is read once, and a first look would take what is in it.
    refused(&["import", "/dev/stdin", "--target", &data]);
    let (code, _, error) = redkeep(&["import", &lines, "--target", &data], "");
    assert_eq!((code, error.as_str()), (0, ""));
    refused(&["dump", "--file", &data, "--output", &socket]);
    let left = std::fs::read_dir(dir.path()).expect("a folder").count();
    assert_eq!(left, 5, "data, log and board, lines and the socket");
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

/// The names that `redkeep --help` lists.
fn subcommands() -> Vec<String> {
    let (_, help, _) = redkeep(&["--help"], "");
    let listed = help.split("Commands:\n").nth(1).expect("a list");
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == "server"), "{help}");
    assert!(names.len() >= 5, "{help}");
    names
}

#[test]
fn completions_name_every_subcommand_and_its_flags() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (code, out, error) = redkeep(&["completions", shell], "");
        assert_eq!((code, error.as_str()), (0, ""), "{shell}");
        for name in subcommands() {
            assert!(out.contains(&name), "{shell} {name}");
        }
        for flag in ["against", "max-findings", "wal-keep", "tls-auth-clients"] {
            assert!(out.contains(flag), "{shell} {flag}");
        }
    }
    let (code, out, error) = redkeep(&["completions", "nothing"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("zsh"), "{error}");
}

#[test]
fn manual_pages_name_every_subcommand_and_its_flags() {
    let (code, out, error) = redkeep(&["man"], "");
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.contains(".TH redkeep 1"), "{out}");
    for name in subcommands() {
        assert!(
            out.contains(&format!("redkeep\\-{name}(1)")),
            "{name}: {out}"
        );
        let (code, page, _) = redkeep(&["man", &name], "");
        assert_eq!(code, 0, "{name}");
        assert!(page.contains(&format!(".TH redkeep-{name} 1")), "{page}");
    }
    let (_, page, _) = redkeep(&["man", "check"], "");
    assert!(page.contains("\\-\\-max\\-findings"), "{page}");
    let (_, page, _) = redkeep(&["man", "server"], "");
    for flag in ["\\-\\-dbfile", "\\-\\-maxmemory\\-policy"] {
        assert!(page.contains(flag), "{page}");
    }
    let (code, out, error) = redkeep(&["man", "nothing"], "");
    assert_eq!((code, out.as_str()), (2, ""));
    assert!(error.contains("'nothing'"), "{error}");
}
