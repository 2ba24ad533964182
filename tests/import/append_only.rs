//! `redkeep import` of append-only files: one file or a folder, torn, damaged, foreign, up to a moment.

use std::fs;
use std::path::{Path, PathBuf};

use redkeep::db::{Db, Options};
use redkeep::interchange::aof::note;
use redkeep::interchange::rdb::encode::{self, Output as Encoder};
use redkeep::interchange::rdb::file::Writer;
use redkeep::interchange::rdb::{Value, kind};

use crate::program::{redkeep, text};

/// A command as a file has it.
fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out += &format!("${}\r\n{word}\r\n", word.len());
    }
    out.into_bytes()
}

/// An RDB file with one key, written at a moment in seconds.
fn base(key: &str, ctime: &str, fact: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::begin(Encoder::new(&mut out, true), 10, true).expect("memory");
    writer.aux("ctime", ctime.as_bytes()).expect("memory");
    writer.aux(fact, b"1").expect("memory");
    writer.database(0, 1, 0).expect("memory");
    writer
        .key(key.as_bytes(), kind::STRING, None)
        .expect("memory");
    let value = Value::String(b"of the base".to_vec());
    encode::value(&mut writer.out, &value, 10).expect("memory");
    writer.end().expect("memory");
    out
}

struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        Self { dir }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// A folder with a base of time 1000 and these increments.
    fn folder(&self, increments: &[Vec<u8>]) -> PathBuf {
        let mut manifest = "file a.1.base.rdb seq 1 type b\n".to_owned();
        self.file("dir/a.1.base.rdb", &base("base", "1000", "aof-base"));
        for (at, bytes) in increments.iter().enumerate() {
            let seq = at + 1;
            self.file(&format!("dir/a.{seq}.incr.aof"), bytes);
            manifest += &format!("file a.{seq}.incr.aof seq {seq} type i startoffset 0\n");
        }
        self.file("dir/a.manifest", manifest.as_bytes());
        self.dir.path().join("dir")
    }

    fn target(&self) -> PathBuf {
        self.dir.path().join("target.keep")
    }

    /// The keys of the target, which is removed.
    fn keys(&self) -> String {
        let db = Db::open(self.target(), Options::default()).expect("a file");
        let mut keys = Vec::new();
        let visit = db.snapshot().each_key(&mut |key| {
            keys.push(format!("{}:{}", key.db, key.name.escape_ascii()));
            true
        });
        visit.expect("keys");
        db.close().expect("it closes");
        let left = fs::read_dir(self.dir.path()).expect("a folder");
        for entry in left {
            let path = entry.expect("an entry").path();
            assert!(
                !text(&path).contains("-import-"),
                "{} stays",
                path.display()
            );
        }
        for name in ["target.keep", "target.keep-wal", "target.keep-shm"] {
            let _ = fs::remove_file(self.dir.path().join(name));
        }
        keys.join(" ")
    }

    fn import(&self, file: &Path, more: &[&str]) -> (i32, String) {
        let target = self.target();
        let mut args = vec!["import", text(file), "--target", text(&target)];
        args.extend(more);
        let out = redkeep(&args);
        let code = out.status.code().expect("a code");
        let told = [out.stdout, out.stderr].concat();
        (code, String::from_utf8(told).expect("text"))
    }

    /// Imports and says which keys there are then.
    #[track_caller]
    fn takes(&self, file: &Path, more: &[&str], keys: &str) -> String {
        let (code, told) = self.import(file, more);
        assert_eq!(code, 0, "{told}");
        assert_eq!(self.keys(), keys, "{told}");
        told
    }

    /// Is refused, and nothing is changed.
    #[track_caller]
    fn refuses(&self, file: &Path, more: &[&str], expect: &str) {
        let (code, told) = self.import(file, more);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(expect), "{told}");
        assert!(!self.target().exists());
    }
}

#[test]
fn a_folder_its_manifest_and_single_files_are_told_apart() {
    let case = Case::new();
    let first = [command(&["SELECT", "0"]), command(&["SET", "a", "1"])].concat();
    let second = [command(&["SELECT", "5"]), command(&["RPUSH", "b", "1"])].concat();
    let dir = case.folder(&[first.clone(), second.clone()]);
    let all = "0:a 0:base 5:b";
    let told = case.takes(&dir, &[], all);
    assert!(told.starts_with("imported: 3\n"), "{told}");
    case.takes(&dir.join("a.manifest"), &[], all);
    let single = case.file("old.aof", &[first.clone(), second.clone()].concat());
    case.takes(&single, &[], "0:a 5:b");
    let preamble = [base("base", "1000", "aof-preamble"), first, second].concat();
    let single = case.file("appendonly", &preamble);
    case.takes(&single, &[], all);
    case.takes(&single, &["--db", "5"], "5:b");
    let kevy = [&b"KEVYAOF1\n"[..], &command(&["SET", "k", "1"])].concat();
    case.takes(&case.file("kevy.aof", &kevy), &[], "0:k");
    case.refuses(&case.file("kevy.aof", b"KEVYAOF2\nxyz"), &[], "kevy");
}

#[test]
fn what_is_there_stays_unless_it_is_to_be_replaced() {
    let case = Case::new();
    let file = case.file(
        "a.aof",
        &[command(&["SET", "a", "1"]), command(&["SET", "b", "1"])].concat(),
    );
    let db = Db::open(case.target(), Options::default()).expect("a file");
    db.set("a", "mine").expect("it is set");
    db.close().expect("it closes");
    let (code, told) = case.import(&file, &[]);
    assert_eq!(code, 3, "{told}");
    let db = Db::open(case.target(), Options::default()).expect("a file");
    assert_eq!(db.get("a").expect("a key"), Some(b"mine".to_vec()));
    db.close().expect("it closes");
    let (code, told) = case.import(&file, &["--replace"]);
    assert_eq!(code, 0, "{told}");
    let db = Db::open(case.target(), Options::default()).expect("a file");
    assert_eq!(db.get("a").expect("a key"), Some(b"1".to_vec()));
    db.close().expect("it closes");
    assert_eq!(case.keys(), "0:a 0:b");
}

#[test]
fn a_torn_end_is_left_out_and_a_half_transaction_with_it() {
    let case = Case::new();
    let whole = command(&["SET", "a", "1"]);
    let half = [
        command(&["MULTI"]),
        command(&["SET", "b", "1"]),
        command(&["SET", "c", "1"]),
    ];
    for cut in [0, 3] {
        let mut bytes = [whole.clone(), half.concat()].concat();
        bytes.truncate(bytes.len() - cut);
        let dir = case.folder(&[bytes]);
        let told = case.takes(&dir, &[], "0:a 0:base");
        assert!(
            told.contains(&format!("at offset {}", whole.len())),
            "{told}"
        );
        case.refuses(&dir, &["--aof-load-truncated", "no"], "offset 27");
    }
    let zeroes = [&whole[..], &[0; 3000]].concat();
    let dir = case.folder(std::slice::from_ref(&zeroes));
    case.takes(&dir, &[], "0:a 0:base");
    // Another part follows: it is no end.
    let dir = case.folder(&[zeroes, whole]);
    case.refuses(&dir, &[], "a.1.incr.aof: at offset 27 it ends in zeroes");
}

#[test]
fn damage_in_the_middle_and_foreign_bytes_are_refused_by_offset() {
    let case = Case::new();
    let whole = command(&["SET", "a", "1"]);
    let middle = [&whole[..], b"junk\r\n", &whole].concat();
    let dir = case.folder(&[middle]);
    case.refuses(
        &dir,
        &[],
        "at offset 27 stands no command, and commands go on at offset 33",
    );
    let long = [&whole[..], b"*1\r\n$9999\r\nx\r\n", &whole].concat();
    let dir = case.folder(&[long]);
    case.refuses(&dir, &[], "commands go on at offset 41");
    let dir = case.folder(&[[&whole[..], b"tail of junk"].concat()]);
    case.refuses(
        &dir,
        &[],
        "from offset 27 to its end are 12 bytes without a command",
    );
    let foreign = case.file("foreign.aof", b"#!/bin/sh\nrm -rf /\n");
    case.refuses(&foreign, &[], "offset 10");
    let (_, told) = case.import(&foreign, &[]);
    assert_eq!(told.matches("foreign.aof").count(), 1, "{told}");
    let unknown = case.file(
        "module.aof",
        &[whole, command(&["FT.CREATE", "x"])].concat(),
    );
    case.refuses(
        &unknown,
        &[],
        "at offset 27: the command FT.CREATE is not known here",
    );
    let dir = case.folder(&[]);
    fs::write(dir.join("a.manifest"), "file ../a seq 1 type b\n").expect("a file");
    case.refuses(&dir, &[], "line 1 of the manifest");
    fs::remove_file(dir.join("a.manifest")).expect("it is there");
    case.refuses(&dir, &[], "has no manifest");
}

#[test]
fn a_moment_is_found_by_time_stamps() {
    let case = Case::new();
    let set = |key: &str| command(&["SET", key, "1"]);
    let stamp = |text: &str| format!("#TS:{text}\r\n").into_bytes();
    let first = [stamp("1001"), set("a"), stamp("1010"), set("b")].concat();
    // As kevy has it: milliseconds.
    let second = [
        stamp("1700000000000"),
        set("c"),
        stamp("1700000000500"),
        set("d"),
    ]
    .concat();
    let dir = case.folder(&[first, second]);
    let until = |moment: &'static str| ["--until", moment];
    case.takes(&dir, &until("1970-01-01T00:16:40Z"), "0:base");
    case.takes(&dir, &until("1970-01-01T00:16:41Z"), "0:a 0:base");
    case.takes(&dir, &until("1970-01-01T01:16:49.9+01:00"), "0:a 0:base");
    case.takes(&dir, &until("1970-01-01T00:17:00Z"), "0:a 0:b 0:base");
    case.takes(&dir, &until("2023-11-14T22:13:20.4Z"), "0:a 0:b 0:base 0:c");
    let told = case.takes(
        &dir,
        &until("2030-01-01T00:00:00Z"),
        "0:a 0:b 0:base 0:c 0:d",
    );
    assert!(
        told.contains("last time stamp: 2023-11-14T22:13:20.5Z"),
        "{told}"
    );
    case.refuses(
        &dir,
        &until("1970-01-01T00:16:39Z"),
        "a.1.base.rdb: what stands from offset 0 on",
    );
    let none = case.folder(&[set("a")]);
    case.refuses(
        &none,
        &until("2030-01-01T00:00:00Z"),
        "no part of it has time stamps",
    );
    let late = case.folder(&[[set("a"), stamp("2000"), set("b")].concat()]);
    case.refuses(&late, &until("1970-01-01T00:20:00Z"), "have no time");
    case.takes(&late, &until("1970-01-01T00:33:20Z"), "0:a 0:b 0:base");
    let rdb = case.file("dump.rdb", &base("a", "1000", "repl-id"));
    case.refuses(
        &rdb,
        &until("2030-01-01T00:00:00Z"),
        "--until is for append-only files",
    );
    let (code, told) = case.import(&dir, &until("tomorrow"));
    assert!(code == 2 && told.contains("2026-11-20T10:00:00Z"), "{told}");
}

#[test]
fn whose_file_it_is_and_what_came_behind_is_told() {
    let case = Case::new();
    let own = b"#REDKEEP 0123456789abcdef0123456789abcdef 41\r\n".to_vec();
    let file = [own.clone(), command(&["SET", "a", "1"])].concat();
    let dir = case.folder(&[file]);
    let told = case.takes(&dir, &["--json"], "0:a 0:base");
    let line = told.lines().next().expect("a line");
    let report: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let origin = &report["append_only"]["origin"];
    assert_eq!(origin["lsn"], 41);
    assert_eq!(origin["commands_behind"], 1);
    assert_eq!(report["append_only"]["commands"], 1);
    // What is announced is its own.
    let (set, line) = (
        command(&["SET", "a", "1"]),
        note::span_line(42, &command(&["SET", "a", "1"])),
    );
    let dir = case.folder(&[[&own, line.as_bytes(), &set, &set].concat()]);
    let told = case.takes(&dir, &[], "0:a 0:base");
    let line = "written by: database 0123456789abcdef0123456789abcdef, up to its transaction 42";
    assert!(told.contains(line), "{told}");
    assert!(
        told.contains("commands that it did not write, of another server: 1"),
        "{told}"
    );
}
