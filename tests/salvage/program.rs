//! The program: what it prints, how it ends, and that it leaves nothing half done.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use redkeep::db::Db;

use crate::{database, opened, options};

/// How often a kill may come too late.
const ATTEMPTS: usize = 20;

fn command(arguments: &[&str], broken: &Path, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_redkeep"));
    command.arg("salvage").args(arguments).arg(broken).arg(out);
    command
}

fn run(arguments: &[&str], broken: &Path, out: &Path) -> (i32, String, String) {
    let ended = command(arguments, broken, out)
        .output()
        .expect("redkeep runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = ended.status.code().expect("an exit code");
    (code, text(ended.stdout), text(ended.stderr))
}

#[test]
fn exit_codes_tell_whether_something_is_missing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 200);
    let out = |name: &str| dir.path().join(name);
    let (code, text, error) = run(&[], &path, &out("whole.keep"));
    assert_eq!(code, 0, "{text}{error}");
    assert!(text.contains(&format!("keys: {}\n", was.len())), "{text}");
    assert!(text.ends_with("result: whole\n"), "{text}");
    assert!(opened(&out("whole.keep")) == was);

    let mut bytes = std::fs::read(&path).expect("a file");
    // The last leaf that is there; the kind is in the fifth byte.
    let pages = bytes.chunks_exact(4096).enumerate().skip(4);
    let leaves = pages.filter(|(_, page)| page[4] == 1);
    let damaged: Vec<usize> = leaves.map(|(no, _)| no).collect();
    for no in &damaged {
        bytes[no * 4096 + 200] ^= 1;
    }
    std::fs::write(&path, &bytes).expect("a file");
    let (code, text, _) = run(&[], &path, &out("lines.keep"));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(" is damaged\n"), "{text}");
    assert!(text.ends_with("result: partial\n"), "{text}");
    let (code, text, _) = run(&["--json", "--max-findings", "1"], &path, &out("json.keep"));
    assert_eq!(code, 1, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report["result"], "partial");
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(1));
    assert!(report["suppressed"].as_u64() > Some(0), "{report}");

    let (code, _, error) = run(&[], &path, &out("json.keep"));
    assert_eq!(code, 3);
    assert!(error.contains("exists already"), "{error}");
    let (code, text, _) = run(&["--json"], &out("none"), &out("other.keep"));
    assert_eq!(code, 3);
    assert!(text.contains("\"result\":\"failed\""), "{text}");
    std::fs::write(out("text"), "no database".repeat(10_000)).expect("a file");
    let (code, _, error) = run(&[], &out("text"), &out("other.keep"));
    assert_eq!(code, 3);
    assert!(error.contains("is no database"), "{error}");
    assert!(!out("other.keep").exists());
}

/// Killed on the way, it leaves nothing under the name of the new file; run again, it makes it.
#[test]
fn a_kill_leaves_no_half_of_a_file() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, was) = database(dir.path(), 2000);
    let out = dir.path().join("out.keep");
    let unfinished = dir.path().join("out.keep.salvaging");
    let mut was_killed = false;
    for _ in 0..ATTEMPTS {
        let mut started = command(&[], &path, &out);
        let mut child = started
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redkeep runs");
        let begun = Instant::now();
        let is_running = |child: &mut std::process::Child| {
            child.try_wait().expect("a status").is_none() && begun.elapsed().as_secs() < 60
        };
        while !unfinished.exists() && is_running(&mut child) {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may be over already.
        child.kill().unwrap_or_default();
        let status = child.wait().expect("a status");
        if status.success() {
            assert!(opened(&out) == was);
            std::fs::remove_file(&out).expect("it is there");
        } else {
            was_killed = true;
            let is_there = out.exists();
            assert!(!is_there || opened(&out) == was, "whole, or not there");
            if is_there {
                std::fs::remove_file(&out).expect("it is there");
            }
            break;
        }
    }
    assert!(was_killed);
    let (code, text, error) = run(&[], &path, &out);
    assert_eq!(code, 0, "{text}{error}");
    assert!(opened(&out) == was);
    assert!(!unfinished.exists());
}

/// Keys were once cut off after 64 bytes, and their other bytes replaced.
#[test]
fn programs_are_told_whole_keys() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("data.keep");
    let db = Db::open(&path, options()).expect("a new file");
    let (text, bytes) = ("long ".repeat(30), vec![0xff; 90]);
    for key in [text.as_bytes(), &bytes] {
        db.call(&[&b"SET"[..], key, &[b'v'; 20_000]])
            .expect("a value");
    }
    db.close().expect("a clean end");
    let mut image = std::fs::read(&path).expect("a file");
    for page in image.chunks_exact_mut(4096).skip(4) {
        // A page of a large value.
        if page[4] == 3 {
            page[200] ^= 1;
        }
    }
    std::fs::write(&path, &image).expect("a file");
    let (code, told, _) = run(&["--json"], &path, &dir.path().join("out.keep"));
    assert_eq!(code, 1, "{told}");
    let report: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let findings = report["findings"].as_array().expect("findings");
    let keys: Vec<_> = findings
        .iter()
        .filter(|finding| finding["what"] == "key")
        .map(|finding| &finding["key"])
        .collect();
    let encoded = serde_json::json!({ "base64": "/".repeat(120) });
    assert_eq!(keys, [&serde_json::json!(text), &encoded]);
}
