//! `redkeep bench` against a real `redis-server`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server on a unix socket, killed when dropped.
struct Redis {
    child: Child,
    home: tempfile::TempDir,
}

impl Redis {
    /// None, and it is said, when there is no `redis-server` on the PATH.
    fn start(arguments: &[&str]) -> Option<Self> {
        let home = tempfile::tempdir().expect("a directory");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(home.path().join("sock"))
            .arg("--dir")
            .arg(home.path())
            .args(arguments)
            .stdout(Stdio::null())
            .spawn();
        let Ok(child) = child else {
            redkeep_model::skipped("no redis-server is on the PATH");
            return None;
        };
        let redis = Self { child, home };
        for _ in 0..200 {
            if std::os::unix::net::UnixStream::connect(redis.socket()).is_ok() {
                return Some(redis);
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("redis-server does not listen");
    }

    fn socket(&self) -> std::path::PathBuf {
        self.home.path().join("sock")
    }

    fn ask(&self, words: &[&str]) -> String {
        let out = Command::new("redis-cli")
            .arg("-s")
            .arg(self.socket())
            .args(words)
            .output()
            .expect("redis-cli runs");
        String::from_utf8(out.stdout)
            .expect("text")
            .trim()
            .to_string()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

/// Runs the benchmark; returns exit code, output, errors.
fn bench(addr: &Path, arguments: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_redkeep"))
        .args(["bench", "--addr"])
        .arg(addr)
        .args(arguments)
        .output()
        .expect("redkeep runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = out.status.code().expect("an exit code");
    (code, text(out.stdout), text(out.stderr))
}

#[test]
fn requests_arrive_exactly_as_often_as_asked() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let (code, out, _) = bench(
        &redis.socket(),
        &[
            "-n",
            "1003",
            "-c",
            "7",
            "-P",
            "10",
            "-r",
            "50",
            "--dist",
            "sequential",
            "-d",
            "33",
            "--threads",
            "2",
        ],
    );
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains(" requests=1003 errors=0 per_second_median="),
        "{out}"
    );
    assert!(out.contains(" p50_us="), "{out}");
    assert_eq!(redis.ask(&["dbsize"]), "50");
    assert_eq!(redis.ask(&["strlen", "key:000000000049"]), "33");
    let stats = redis.ask(&["info", "commandstats"]);
    assert!(stats.contains("cmdstat_set:calls=1003,"), "{stats}");
}

#[test]
fn two_servers_take_turns_and_are_compared() {
    let (Some(first), Some(second)) = (Redis::start(&[]), Redis::start(&[])) else {
        return;
    };
    let against = second.socket();
    let (code, out, error) = bench(
        &first.socket(),
        &[
            "--against",
            against.to_str().expect("text"),
            "--rounds",
            "3",
            "--fill",
            "-r",
            "100",
            "-n",
            "200",
            "-c",
            "2",
            "--command",
            "mixed",
            "--writes",
            "0",
            "--dist",
            "zipf",
            "--json",
        ],
    );
    assert_eq!(code, 0, "{error}");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    let servers = report["servers"].as_array().expect("servers");
    assert_eq!(servers.len(), 2);
    for (server, redis) in servers.iter().zip([&first, &second]) {
        assert_eq!(server["requests"], 600);
        assert_eq!(
            server["per_second_rounds"].as_array().map(Vec::len),
            Some(3)
        );
        let stats = redis.ask(&["info", "commandstats"]);
        assert!(stats.contains("cmdstat_set:calls=100,"), "{stats}");
        assert!(stats.contains("cmdstat_get:calls=600,"), "{stats}");
        assert!(redis.ask(&["info", "stats"]).contains("keyspace_misses:0"));
    }
    let ratio = |name: &str| report["ratio"][name].as_f64().expect("a number");
    assert!(
        ratio("min") > 0.0 && ratio("min") <= ratio("median") && ratio("median") <= ratio("max")
    );
}

#[test]
fn errors_are_counted_and_total_failure_is_told() {
    let Some(redis) = Redis::start(&["--requirepass", "secret"]) else {
        return;
    };
    let few = ["-n", "20", "-c", "2"];
    let (code, _, error) = bench(&redis.socket(), &few);
    assert_eq!(code, 1);
    assert!(
        error.contains("every reply was an error: NOAUTH"),
        "{error}"
    );
    let (code, _, error) = bench(&redis.socket(), &[&few[..], &["--password", "no"]].concat());
    assert_eq!(code, 1);
    assert!(error.contains("AUTH failed: WRONGPASS"), "{error}");
    let (code, out, _) = bench(
        &redis.socket(),
        &[
            "--password",
            "secret",
            "--duration",
            "0.2",
            "-c",
            "2",
            "--command",
            "LPUSH __key__ 'a b' __data__",
        ],
    );
    assert_eq!(code, 0);
    assert!(out.contains(" errors=0 "), "{out}");
}

#[test]
fn the_command_line_is_checked() {
    for (arguments, expect) in [
        (&["--command", "SET 'x"][..], "quotes"),
        (&["--duration", "0"], "duration"),
        (&["--duration", "1", "-n", "5"], "cannot be used with"),
        (&["--clients", "0"], "0 is not in"),
    ] {
        let (code, _, error) = bench(Path::new("/nowhere/sock"), arguments);
        assert_eq!(code, 2, "{error}");
        assert!(error.contains(expect), "{error}");
    }
    let (code, _, error) = bench(Path::new("/nowhere/sock"), &["-n", "1"]);
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("/nowhere/sock: "), "{error}");
}

/// One connection asks for what takes 10 ms a thousand times a second: what waits because the connection is late counts.
#[test]
fn an_open_loop_counts_from_when_requests_were_due() {
    let Some(redis) = Redis::start(&["--enable-debug-command", "yes"]) else {
        return;
    };
    let command = ["--command", "DEBUG SLEEP 0.01", "-c", "1", "-n", "100"];
    let p50_us = |more: &[&str]| -> u64 {
        let (code, out, error) = bench(&redis.socket(), &[&command, more].concat());
        assert_eq!(code, 0, "{error}");
        assert!(out.contains(" requests=100 errors=0 "), "{out}");
        let (_, latency) = out.split_once(" p50_us=").expect("a median");
        let (latency, _) = latency.split_once(' ').expect("more figures");
        latency.parse().expect("a number")
    };
    let open = p50_us(&["--rate", "1000"]);
    // The fiftieth is due after 50 ms and answered after 500 at the earliest.
    assert!(open >= 440_000, "{open}");
    let (code, _, error) = bench(&redis.socket(), &["--rate", "0"]);
    assert_eq!(code, 2, "{error}");
}
