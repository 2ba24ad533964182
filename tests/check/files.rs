//! `redkeep check` of RDB files and append-only files, beside Redis's own tools.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use redkeep::interchange::rdb::encode::{self, Output};
use redkeep::interchange::rdb::file::Writer;
use redkeep::interchange::rdb::{Field, List, Value};

use crate::program::{Folder, check, command, report};

/// An RDB file with a key of every type but streams.
pub fn dump(fact: &str) -> Vec<u8> {
    let text = |text: &str| text.as_bytes().to_vec();
    let field = |name: &str, value: &str| Field {
        name: text(name),
        value: text(value),
        expires_ms: None,
    };
    let values = [
        ("string", Value::String(text("value"))),
        ("list", Value::List(List::of(vec![text("a"), text("b")]))),
        ("set", Value::Set(vec![text("1"), text("2")])),
        ("zset", Value::SortedSet(vec![(text("m"), 1.5)])),
        ("hash", Value::Hash(vec![field("f", "v")])),
    ];
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(Output::new(&mut bytes, true), 10, true).expect("memory");
    writer.aux(fact, b"1").expect("memory");
    let library = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    writer.function(library).expect("memory");
    writer.database(0, 5, 1).expect("memory");
    for (name, value) in &values {
        let expires_ms = (*name == "list").then_some(u64::MAX >> 8);
        let kind = encode::kind_of(value, 10);
        writer
            .key(name.as_bytes(), kind, expires_ms)
            .expect("memory");
        encode::value(&mut writer.out, value, 10).expect("memory");
    }
    writer.end().expect("memory");
    bytes
}

/// Runs one of Redis's tools, which is told to go on; None, and it is said: it is not installed. Whether it found all well.
fn redis_tool(name: &str, arguments: &[&str], file: &Path) -> Option<bool> {
    let process = Command::new(name)
        .args(arguments)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut process) = process else {
        redkeep_model::skipped(&format!("no {name} is on the PATH"));
        return None;
    };
    // It may be done without having asked.
    let mut answers = process.stdin.take().expect("a pipe");
    let _ = answers.write_all(b"y\n");
    drop(answers);
    Some(process.wait().expect("it ends").success())
}

#[test]
fn an_rdb_file_is_told_by_its_types_and_by_its_first_fault() {
    let folder = Folder::new();
    let bytes = dump("repl-id");
    let whole = folder.put("any name", &bytes);
    let (code, out, error) = check(&[], &whole);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    let lines = "keys: 5\nstrings: 1\nexpiring_keys: 1\nlists: 1\nsets: 1\nsorted_sets: 1\nhashes: 1\nlibraries: 1\n";
    assert!(
        out.contains(lines) && out.contains("rdb_version: 10\n"),
        "{out}"
    );
    assert!(out.ends_with("result: healthy\n"), "{out}");

    let longer = folder.put("longer", &[&bytes[..], b"xyz"].concat());
    let found = report(&[], &longer, 1);
    assert_eq!(found["findings"][0]["offset"], bytes.len());

    let mut flipped = bytes.clone();
    let at = bytes.len() - 9 - 2;
    flipped[at] ^= 1;
    let found = report(&[], &folder.put("flipped", &flipped), 2);
    assert_eq!(found["result"], "errors");
    let at = found["findings"][0]["offset"].as_u64().expect("an offset");
    assert_eq!(at, bytes.len() as u64 - 8, "the checksum: {found}");

    let cut = folder.put("cut", &bytes[..at as usize]);
    let (code, out, error) = check(&["--fix"], &cut);
    assert_eq!(code, 2, "{out}");
    assert!(error.contains("changes nothing of an RDB file"), "{error}");
    assert_eq!(fs::metadata(&cut).expect("a file").len(), at);
}

#[test]
fn redis_check_rdb_says_the_same_of_every_cut() {
    let folder = Folder::new();
    let bytes = dump("repl-id");
    let path = folder.put("dump.rdb", &bytes);
    if redis_tool("redis-check-rdb", &[], &path).is_none() {
        return;
    }
    let mut healthy = 0;
    for len in (9..bytes.len()).step_by(7).chain([bytes.len()]) {
        let path = folder.put("dump.rdb", &bytes[..len]);
        let theirs = redis_tool("redis-check-rdb", &[], &path).expect("it runs");
        let (code, out, _) = check(&[], &path);
        assert_eq!(theirs, code == 0, "{len} bytes: {out}");
        healthy += u32::from(theirs);
    }
    assert_eq!(healthy, 1);
}

#[test]
fn a_folder_is_followed_and_its_parts_are_told_apart() {
    let folder = Folder::new();
    let set = command(&["SET", "a", "1"]);
    let manifest = "file x.1.base.rdb seq 1 type b\nfile x.1.incr.aof seq 1 type i\nfile x.2.incr.aof seq 2 type i\n";
    folder.put("x.manifest", manifest.as_bytes());
    folder.put("x.1.base.rdb", &dump("aof-base"));
    let multi = [command(&["MULTI"]), set.clone(), command(&["EXEC"])].concat();
    folder.put("x.1.incr.aof", &[&b"#TS:1000\r\n"[..], &multi].concat());
    let found = report(&[], &folder.at(""), 2);
    assert!(
        found["findings"][1]["text"]
            .as_str()
            .is_some_and(|text| text.contains("cannot be read"))
    );
    folder.put("x.2.incr.aof", &set);
    let stats = &report(&[], &folder.at("x.manifest"), 0)["stats"];
    let counts = ["parts", "keys", "commands", "transactions", "notes"];
    assert_eq!(
        counts.map(|what| stats[what].as_u64()),
        [3, 5, 4, 1, 1].map(Some),
        "{stats}"
    );

    folder.put("x.1.incr.aof", &[&set[..], b"*3\r\n$3\r\nSE"].concat());
    let found = report(&["--fix"], &folder.at(""), 2);
    assert_eq!(
        found["findings"][0]["offset"],
        set.len(),
        "only the last may be torn"
    );
    let unknown = [command(&["FT.SEARCH", "a"]), command(&["EXEC"])].concat();
    folder.put("x.1.incr.aof", &unknown);
    let found = report(&[], &folder.at(""), 1);
    assert_eq!(
        found["findings"][0]["text"],
        "the command FT.SEARCH is not known here"
    );
    assert_eq!(found["findings"][1]["offset"], 26);
    assert_eq!(check(&[], &folder.at("none.aof")).0, 3);
    folder.put("y.manifest", b"");
    let (code, _, error) = check(&[], &folder.at(""));
    assert!(
        code == 3 && error.contains("more than one manifest"),
        "{error}"
    );
}

#[test]
fn a_torn_end_is_cut_as_redis_check_aof_does_and_kept_beside() {
    let set = command(&["SET", "a", "1"]);
    let multi = command(&["MULTI"]);
    let in_transaction = [&multi[..], &set].concat();
    let torn_in_transaction = [&multi[..], &set, b"*1\r\n$4\r\nEXE"].concat();
    let at = set.len();
    for tail in [
        &b"*"[..],
        b"*3\r\n$3\r\nSE",
        b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1",
        &multi,
        &in_transaction,
        &torn_in_transaction,
        &[0; 5000],
        b"junk",
    ] {
        let folder = Folder::new();
        let bytes = [&set[..], tail].concat();
        let torn = folder.put("appendonly.aof", &bytes);
        let shown = tail.escape_ascii();
        let code = if tail == b"junk" { 2 } else { 1 };
        let found = report(&[], &torn, code);
        assert_eq!(found["findings"][0]["offset"], at, "{shown}");
        assert_eq!(
            fs::read(&torn).expect("a file"),
            bytes,
            "nothing is changed unasked"
        );

        let (code, out, error) = check(&["--fix"], &torn);
        assert_eq!((code, error.as_str()), (0, ""), "{shown}: {out}");
        let kept = format!("appendonly.aof.cut-{at}");
        assert!(out.starts_with("fixed ") && out.contains(&kept), "{out}");
        assert_eq!(fs::read(&torn).expect("a file"), set, "{shown}");
        assert_eq!(fs::read(folder.at(&kept)).expect("a file"), tail, "{shown}");
        assert_eq!(check(&["--fix"], &torn).0, 0, "nothing is left to do");
        assert_eq!(folder.names().len(), 2);

        let theirs = folder.put("theirs.aof", &bytes);
        if let Some(is_well) = redis_tool("redis-check-aof", &["--fix"], &theirs) {
            assert!(is_well, "{shown}");
            assert_eq!(fs::read(&theirs).expect("a file"), set, "{shown}");
        }
        // A second cut at the same place keeps the first.
        folder.put("appendonly.aof", &bytes);
        assert_eq!(check(&["--fix"], &torn).0, 0);
        assert!(folder.names().contains(&format!("{kept}-2")));
    }
}

#[test]
fn damage_in_the_middle_is_never_cut() {
    let folder = Folder::new();
    let set = command(&["SET", "a", "1"]);
    for middle in [
        &b"junk\r\n"[..],
        b"*1\r\n$9999\r\nx\r\n",
        b"*0\r\n",
        &[0; 64],
    ] {
        let bytes = [&set[..], middle, b"\n", &set].concat();
        let path = folder.put("a.aof", &bytes);
        let (code, out, error) = check(&["--fix"], &path);
        assert_eq!(code, 2, "{out}");
        assert!(error.contains("nothing is changed"), "{error}");
        assert!(out.contains(&format!("offset {}:", set.len())), "{out}");
        assert_eq!(fs::read(&path).expect("a file"), bytes);
        assert_eq!(folder.names(), ["a.aof"]);
        if let Some(is_well) = redis_tool("redis-check-aof", &[], &path) {
            assert!(!is_well, "{out}");
        }
    }
}

#[test]
fn what_rewrites_left_is_removed() {
    let folder = Folder::new();
    let set = command(&["SET", "a", "1"]);
    folder.put("x.2.incr.aof", &set);
    folder.put("x.1.incr.aof", &set);
    for name in [
        "temp-rewriteaof-bg-7.aof",
        "temp-x.manifest",
        "x.2.base.rdb.tmp",
        "mine.tmp",
        "x.9.incr.aof",
    ] {
        folder.put(name, b"text");
    }
    let manifest = "file x.2.incr.aof seq 2 type i\nfile x.1.incr.aof seq 1 type h\n";
    let manifest = folder.put("x.manifest", manifest.as_bytes());
    assert_eq!(
        report(&[], &manifest, 0)["findings"]
            .as_array()
            .map(Vec::len),
        Some(4)
    );
    let found = report(&["--fix"], &manifest, 0);
    assert_eq!(found["fixed"].as_array().map(Vec::len), Some(5), "{found}");
    assert_eq!(
        folder.names(),
        ["mine.tmp", "x.2.incr.aof", "x.9.incr.aof", "x.manifest"]
    );
    assert_eq!(
        fs::read(&manifest).expect("a file"),
        b"file x.2.incr.aof seq 2 type i\n"
    );
}
