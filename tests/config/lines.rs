//! Configuration files: their lines, includes and errors.

use redkeep::config::file;

use super::{FakeFiles, load, loaded, shown};

#[test]
fn a_configuration_file_has_comments_quotes_includes_and_units() {
    let mut files = FakeFiles {
        files: vec![
            ("/more.conf", "hz 20\nsave 5 5\n"),
            ("/conf.d/a.conf", "timeout 7"),
            ("/conf.d/b.conf", "\ntcp-keepalive 8\n"),
        ],
        ..FakeFiles::default()
    };
    let text = "# comment\r\n  PORT 7000\t\r\n\nrequirepass \"a b\\x21\"\nmaxmemory 2k\nsave 60 1\n\
                include /more.conf\ninclude /conf.d/*.conf\ninclude /empty/*.conf\n\
                dir /data\nlua-replicate-commands yes\nrename-command FLUSHALL \"\"\n\
                user alice on >pw\nloadmodule /m.so 1 2\nmod.setting 5\nbind 1.1.1.1 2.2.2.2\n";
    let config = file::load(text.as_bytes(), None, &mut files).expect("loads");
    for (name, expect) in [
        ("port", "7000"),
        ("requirepass", "a b!"),
        ("maxmemory", "2000"),
        ("save", "60 1 5 5"),
        ("hz", "20"),
        ("timeout", "7"),
        ("tcp-keepalive", "8"),
        ("dir", "/data"),
        ("bind", "1.1.1.1 2.2.2.2"),
    ] {
        assert_eq!(shown(&config, name), expect, "{name}");
    }
    let startup = config.startup();
    assert_eq!(startup.renames, [(b"FLUSHALL".to_vec(), Vec::new())]);
    assert_eq!(startup.users.len(), 1);
    assert_eq!(
        startup.modules,
        [[b"/m.so".to_vec(), b"1".to_vec(), b"2".to_vec()]]
    );
    assert_eq!(startup.module_settings.len(), 1);
}

#[test]
fn save_lines_add_up_and_an_empty_one_starts_again() {
    assert_eq!(shown(&loaded(""), "save"), "");
    assert_eq!(shown(&loaded("save 1 2\nsave 3 4"), "save"), "1 2 3 4");
    assert_eq!(shown(&loaded("save 1 2\nsave \"\""), "save"), "");
    assert_eq!(shown(&loaded("save \"\"\nsave 3 4"), "save"), "3 4");
    assert_eq!(shown(&loaded("save \"1 2 3 4\""), "save"), "1 2 3 4");
}

#[test]
fn a_bad_line_is_named_in_the_words_of_redis() {
    for (text, line, reason) in [
        (
            "\n\nbogus \"x\"",
            "3",
            "Bad directive or wrong number of arguments",
        ),
        ("port", "1", "wrong number of arguments"),
        ("port 1 2", "1", "wrong number of arguments"),
        ("port \"1", "1", "Unbalanced quotes in configuration line"),
        (
            "port abc",
            "1",
            "argument couldn't be parsed into an integer",
        ),
        ("dir /none", "1", "No such file or directory"),
        (
            "sentinel monitor",
            "1",
            "sentinel directive while not in sentinel mode",
        ),
        ("a.b", "1", "Module config specified without value"),
        (
            "include a b",
            "1",
            "Bad directive or wrong number of arguments",
        ),
        ("replicaof 127.0.0.1 abc", "1", "Invalid master port"),
        (
            "shutdown-on-sigint",
            "1",
            "argument(s) must be one of the following: default, save, nosave, now, force",
        ),
        ("page-size 5000", "1", "argument must be a power of two"),
        (
            "page-size 2kb",
            "1",
            "argument must be between 4096 and 65536 inclusive",
        ),
    ] {
        let error = load(text).expect_err(text).to_string();
        assert!(
            error.starts_with("\n*** FATAL CONFIG FILE ERROR (Redkeep "),
            "{error}"
        );
        let last = text.lines().last().expect("a line");
        let expect =
            format!(" ***\nReading the configuration file, at line {line}\n>>> '{last}'\n{reason}");
        assert!(error.ends_with(&expect), "{error}");
    }
    assert_eq!(
        load("include /missing.conf")
            .expect_err("missing")
            .to_string(),
        "Fatal error, can't open config file '/missing.conf': No such file or directory"
    );
    let error = load("logfile /none/log").expect_err("no log").to_string();
    assert!(
        error.ends_with("Can't open the log file: No such file or directory"),
        "{error}"
    );
}

#[test]
fn files_that_include_themselves_end() {
    let mut files = FakeFiles {
        files: vec![("/a.conf", "include /a.conf\ninclude /a.conf")],
        ..FakeFiles::default()
    };
    let error = file::load(b"include /a.conf", None, &mut files).expect_err("endless");
    assert!(
        error.to_string().ends_with("Too many included files"),
        "{error}"
    );
}

/// The directives that Debian's file names, with its values.
pub const DEBIAN: &str = include_str!("../fixtures/debian.conf");

#[test]
fn the_directives_of_debians_file_load() {
    let config = loaded(DEBIAN);
    assert_eq!(shown(&config, "dir"), "/var/lib/redis");
    assert_eq!(shown(&config, "pidfile"), "/run/redis/redis-server.pid");
    assert!(config.daemonize());
    match std::fs::read("/etc/redis/redis.conf") {
        Ok(text) => {
            file::load(&text, None, &mut FakeFiles::default()).expect("the installed file loads");
        }
        Err(error) => println!("skipped the installed file: {error}"),
    }
}
