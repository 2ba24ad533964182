//! The configuration: which directives are known, what they accept, CONFIG GET, SET and REWRITE.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use redkeep::config::directive::{HIDDEN, IMMUTABLE, SEVERAL, entries, find};
use redkeep::config::events;
use redkeep::config::file::{self, Files, LoadError};
use redkeep::config::kind::{Kind, Unit};
use redkeep::config::rewrite::rewrite;
use redkeep::config::{Caller, Config, Disk, Effect, Host, Key, Refusal, TABLE};

/// What CONFIG GET * of Redis 7.4 shows.
const SHOWN: &str = "
acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min
active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
active-defrag-threshold-upper active-expire-effort activedefrag activerehashing always-show-logo
aof-load-truncated aof-rewrite-cpulist aof-rewrite-incremental-fsync aof-timestamp-enabled
aof-use-rdb-preamble aof_rewrite_cpulist appenddirname appendfilename appendfsync appendonly
auto-aof-rewrite-min-size auto-aof-rewrite-percentage bgsave-cpulist bgsave_cpulist bind bind-source-addr
bio-cpulist bio_cpulist busy-reply-threshold client-output-buffer-limit client-query-buffer-limit
cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down cluster-allow-replica-migration
cluster-announce-bus-port cluster-announce-hostname cluster-announce-human-nodename cluster-announce-ip
cluster-announce-port cluster-announce-tls-port cluster-config-file cluster-enabled
cluster-link-sendbuf-limit cluster-migration-barrier cluster-node-timeout cluster-port
cluster-preferred-endpoint-type cluster-replica-no-failover cluster-replica-validity-factor
cluster-require-full-coverage cluster-slave-no-failover cluster-slave-validity-factor crash-log-enabled
crash-memcheck-enabled daemonize databases dbfilename dir disable-thp dynamic-hz enable-debug-command
enable-module-command enable-protected-configs hash-max-listpack-entries hash-max-listpack-value
hash-max-ziplist-entries hash-max-ziplist-value hide-user-data-from-log hll-sparse-max-bytes hz
ignore-warnings io-threads io-threads-do-reads jemalloc-bg-thread latency-monitor-threshold
latency-tracking latency-tracking-info-percentiles lazyfree-lazy-eviction lazyfree-lazy-expire
lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush lfu-decay-time lfu-log-factor
list-compress-depth list-max-listpack-size list-max-ziplist-size locale-collate logfile loglevel
lua-time-limit masterauth masteruser max-new-connections-per-cycle max-new-tls-connections-per-cycle
maxclients maxmemory maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples
min-replicas-max-lag min-replicas-to-write min-slaves-max-lag min-slaves-to-write
no-appendfsync-on-rewrite notify-keyspace-events oom-score-adj oom-score-adj-values pidfile port
proc-title-template propagation-error-behavior protected-mode proto-max-bulk-len rdb-del-sync-files
rdb-save-incremental-fsync rdbchecksum rdbcompression repl-backlog-size repl-backlog-ttl
repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync repl-diskless-sync-delay
repl-diskless-sync-max-replicas repl-ping-replica-period repl-ping-slave-period repl-timeout
replica-announce-ip replica-announce-port replica-announced replica-ignore-disk-write-errors
replica-ignore-maxmemory replica-lazy-flush replica-priority replica-read-only replica-serve-stale-data
replicaof requirepass sanitize-dump-payload save server-cpulist server_cpulist set-max-intset-entries
set-max-listpack-entries set-max-listpack-value set-proc-title shutdown-on-sigint shutdown-on-sigterm
shutdown-timeout slave-announce-ip slave-announce-port slave-ignore-maxmemory slave-lazy-flush
slave-priority slave-read-only slave-serve-stale-data slaveof slowlog-log-slower-than slowlog-max-len
socket-mark-id stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries supervised
syslog-enabled syslog-facility syslog-ident tcp-backlog tcp-keepalive timeout tls-auth-clients
tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites tls-client-cert-file
tls-client-key-file tls-client-key-file-pass tls-cluster tls-dh-params-file tls-key-file tls-key-file-pass
tls-port tls-prefer-server-ciphers tls-protocols tls-replication tls-session-cache-size
tls-session-cache-timeout tls-session-caching tracking-table-max-keys unixsocket unixsocketperm
zset-max-listpack-entries zset-max-listpack-value zset-max-ziplist-entries zset-max-ziplist-value
";

/// What Redis 7.4 shows only by exact name.
const CONCEALED: &str = "
use-exit-on-panic aof-disable-auto-gc req-res-logfile rdb-key-save-delay key-load-delay watchdog-period
client-default-resp cluster-ping-interval loading-process-events-interval-bytes
";

/// Ours.
const OWN: [Key; 11] = [
    Key::Dbfile,
    Key::CacheSize,
    Key::PageSize,
    Key::WalKeep,
    Key::WalAutocheckpoint,
    Key::CheckpointInterval,
    Key::OnCorruption,
    Key::LoadRdb,
    Key::RdbVersion,
    Key::MetricsAddr,
    Key::Workers,
];

/// Files in memory.
#[derive(Default)]
struct FakeFiles {
    files: Vec<(&'static str, &'static str)>,
    directory: Vec<u8>,
}

impl Files for FakeFiles {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let found = self.files.iter().find(|(name, _)| Path::new(name) == path);
        found
            .map(|(_, text)| text.as_bytes().to_vec())
            .ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn expand(&mut self, pattern: &Path) -> Vec<PathBuf> {
        let pattern = pattern.to_str().expect("text").trim_end_matches("*.conf");
        let names = self.files.iter().map(|(name, _)| *name);
        names
            .filter(|name| name.starts_with(pattern))
            .map(PathBuf::from)
            .collect()
    }

    fn enter_directory(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        if path.starts_with("/none") {
            return Err(io::Error::from_raw_os_error(2));
        }
        self.directory = path.to_str().expect("text").as_bytes().to_vec();
        Ok(self.directory.clone())
    }

    fn directory(&mut self) -> Vec<u8> {
        self.directory.clone()
    }

    fn check_log(&mut self, path: &Path) -> io::Result<()> {
        if path.starts_with("/none") {
            return Err(io::Error::from_raw_os_error(2));
        }
        Ok(())
    }
}

fn load(text: &str) -> Result<Config, LoadError> {
    file::load(text.as_bytes(), None, &mut FakeFiles::default())
}

fn loaded(text: &str) -> Config {
    load(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).expect("text")
}

fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    config
        .set(&pairs, Caller::default())
        .map_err(|error| error.to_string())
}

fn all_names(config: &Config) -> BTreeSet<String> {
    config
        .get(&[b"*"])
        .into_iter()
        .map(|(name, _)| String::from_utf8(name).expect("text"))
        .collect()
}

#[test]
fn every_directive_of_redis_is_known_and_shown_as_there() {
    let config = Config::default();
    let mut expect: BTreeSet<String> = SHOWN.split_whitespace().map(str::to_string).collect();
    assert!(expect.len() > 200, "{}", expect.len());
    expect.extend(OWN.iter().map(|key| key.directive().name.to_string()));
    assert_eq!(all_names(&config), expect);
    for name in CONCEALED.split_whitespace() {
        let entry = find(name.as_bytes()).unwrap_or_else(|| panic!("{name}"));
        assert!(entry.directive().is(HIDDEN), "{name}");
        shown(&config, name);
    }
}

#[test]
fn names_are_unique_and_rows_stand_in_the_order_of_their_keys() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        assert!(seen.insert(entry.name), "{}", entry.name);
        assert_eq!(find(entry.name.to_uppercase().as_bytes()), Some(entry));
    }
    for (at, row) in TABLE.iter().enumerate() {
        assert_eq!(row.key as usize, at);
    }
    for key in OWN {
        assert_eq!(key.directive().effect, Effect::Acts);
    }
}

/// Starts the `redis-server` on the PATH and returns what CONFIG GET * says, or None when there is none.
fn config_of_real_redis() -> Option<Vec<String>> {
    let home = tempfile::tempdir().expect("a directory");
    let socket = home.path().join("redis.sock");
    let mut server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(home.path())
        .stdout(Stdio::null())
        .spawn()
        .ok()?;
    let ask = || {
        let out = Command::new("redis-cli")
            .arg("-s")
            .arg(&socket)
            .args(["config", "get", "*"])
            .output()
            .ok()?;
        out.status.success().then_some(out.stdout)
    };
    let mut answer = None;
    for _ in 0..100 {
        answer = ask();
        if answer.is_some() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.kill().expect("killed");
    server.wait().expect("ended");
    let text = String::from_utf8(answer?).expect("text");
    Some(text.lines().map(str::to_string).collect())
}

#[test]
fn a_real_redis_knows_no_directive_that_is_unknown_here() {
    let Some(lines) = config_of_real_redis() else {
        println!("skipped: no redis-server on the PATH");
        return;
    };
    // Where this server starts from another value on purpose, or the test started Redis with one.
    let own_default = ["bind", "port", "save", "unixsocket", "dir"];
    // Defaults that are not the same in the 7.0 that Debian has.
    let moved = ["set-max-listpack-entries", "jemalloc-bg-thread"];
    let config = Config::default();
    let (pairs, _) = lines.as_chunks::<2>();
    assert!(pairs.len() > 150, "{}", pairs.len());
    for [name, value] in pairs {
        // Debian's 7.0 shows directives that 7.4 conceals.
        assert!(find(name.as_bytes()).is_some(), "{name} is unknown");
        if !own_default.contains(&name.as_str()) && !moved.contains(&name.as_str()) {
            assert_eq!(shown(&config, name), *value, "{name}");
        }
    }
}

/// Values that a kind accepts, as words of a line.
fn accepted(kind: &Kind) -> BoxedStrategy<String> {
    match *kind {
        Kind::YesNo { .. } => prop_oneof!["yes", "NO"].boxed(),
        Kind::Number { min, max, unit, .. } => accepted_number(min, max, unit),
        Kind::Choice { words, .. } => (0..words.len()).prop_map(|at| words[at].0.into()).boxed(),
        Kind::Choices { .. } => prop_oneof!["default", "save", "nosave now", "force now"].boxed(),
        Kind::Text { .. } => "[a-z0-9]{1,12}".boxed(),
        Kind::Directory => "/[a-z ]{1,8}x".boxed(),
        Kind::Save => proptest::collection::vec((1..9999i64, 0..99i64), 0..4)
            .prop_map(|pairs| {
                let pairs: Vec<String> = pairs.iter().map(|(s, c)| format!("{s} {c}")).collect();
                pairs.join(" ")
            })
            .boxed(),
        Kind::OutputLimits => (
            "normal|replica|slave|pubsub",
            0..5000u64,
            "[1-9]mb",
            0..99u32,
        )
            .prop_map(|(class, hard, soft, seconds)| format!("{class} {hard} {soft} {seconds}"))
            .boxed(),
        Kind::OomScores => (-2000..=2000i64, -2000..=2000i64, -2000..=2000i64)
            .prop_map(|(a, b, c)| format!("{a} {b} {c}"))
            .boxed(),
        Kind::Events => "[Ag$lshzxeKEtmd]{0,8}".boxed(),
        Kind::Bind => "[a-z0-9.:]{1,9}( [-*a-z0-9.:]{1,9}){0,3}".boxed(),
        Kind::ReplicaOf => ("[a-z]{1,9}", 0..65535u16)
            .prop_map(|(host, port)| format!("{host} {port}"))
            .boxed(),
        Kind::Percentiles => proptest::collection::vec(0..=100_000u32, 0..4)
            .prop_map(|points| {
                let points: Vec<String> = points
                    .iter()
                    .map(|point| (f64::from(*point) / 1000.0).to_string())
                    .collect();
                points.join(" ")
            })
            .boxed(),
    }
}

fn accepted_number(min: i128, max: i128, unit: Unit) -> BoxedStrategy<String> {
    match unit {
        Unit::Octal => (min..=max).prop_map(|number| format!("{number:o}")).boxed(),
        Unit::PowerOfTwo => (12..=16u32)
            .prop_map(|bits| (1 << bits).to_string())
            .boxed(),
        Unit::BytesOrPercent => prop_oneof![
            (0..=-min).prop_map(|percent| format!("{percent}%")),
            (0..=max).prop_map(|bytes| bytes.to_string())
        ]
        .boxed(),
        Unit::Bytes if min <= 1 << 20 => prop_oneof![
            (min..=max).prop_map(|bytes| bytes.to_string()),
            (1..1000u32).prop_map(|mib| format!("{mib}mb"))
        ]
        .boxed(),
        _ => (min..=max).prop_map(|number| number.to_string()).boxed(),
    }
}

/// A row and a value it accepts.
fn a_row_and_a_value() -> impl Strategy<Value = (usize, String)> {
    (0..TABLE.len()).prop_flat_map(|at| (Just(at), accepted(&TABLE[at].kind)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is loaded is shown; what is shown can be loaded, and set, and shows the same; what a rewrite writes loads
    /// to the same.
    #[test]
    fn values_survive_every_way_of_writing_them((at, value) in a_row_and_a_value()) {
        let row = &TABLE[at];
        let line = if row.is(SEVERAL) && !value.is_empty() {
            format!("{} {value}", row.name)
        } else {
            format!("{} \"{value}\"", row.name)
        };
        let config = loaded(&line);
        let first = shown(&config, row.name);
        let again = loaded(&format!("{} \"{first}\"", row.alias.unwrap_or(row.name)));
        prop_assert_eq!(&shown(&again, row.name), &first, "shown and loaded: {}", line);
        let written = String::from_utf8(rewrite(b"", &config, false, None)).expect("text");
        prop_assert_eq!(&shown(&loaded(&written), row.name), &first, "rewritten: {}", written);
        if !row.is(IMMUTABLE) {
            let fresh = Config::default();
            let result = fresh.set(
                &[(row.name.as_bytes(), first.as_bytes())],
                Caller { is_local: false, is_loading: false },
            );
            if ![Key::Dir, Key::Dbfilename, Key::WalKeep].contains(&row.key) {
                prop_assert_eq!(result, Ok(()), "{} {}", row.name, first);
                prop_assert_eq!(&shown(&fresh, row.name), &first);
            }
        }
    }

    /// No value makes any directive panic, and a refused one changes nothing.
    #[test]
    fn any_bytes_are_accepted_or_refused(at in 0..TABLE.len(), value in proptest::collection::vec(any::<u8>(), 0..12)) {
        let row = &TABLE[at];
        let config = Config::default();
        let before = config.print(row.key);
        let result = config.set(&[(row.name.as_bytes(), &value)], Caller::default());
        if result.is_err() {
            prop_assert_eq!(config.print(row.key), before);
        }
    }

    #[test]
    fn any_text_loads_or_is_refused_with_its_line(text in "[a-z\"' .\n\\x00-\\xff-]{0,60}") {
        if let Err(LoadError::Line { number, .. }) = load(&text) {
            prop_assert!(number >= 1 && number <= text.split('\n').count());
        }
    }
}

#[test]
fn all_that_config_get_shows_can_be_set_again() {
    let config = Config::default();
    let mut tried = 0;
    for (name, value) in config.get(&[b"*"]) {
        let row = find(&name).expect("known").directive();
        if row.is(IMMUTABLE) || ["dir", "dbfilename"].contains(&row.name) {
            continue;
        }
        let result = config.set(&[(&name, &value)], Caller::default());
        assert_eq!(result, Ok(()), "{}", row.name);
        assert_eq!(config.print(row.key), value, "{}", row.name);
        tried += 1;
    }
    assert!(tried > 120, "{tried}");
}

#[test]
fn what_is_fixed_and_of_ours_may_be_written_back_and_not_changed() {
    let config = loaded("page-size 8192");
    let shown = config.print(Key::PageSize);
    assert_eq!(
        set(&config, &[("page-size", &String::from_utf8_lossy(&shown))]),
        Ok(())
    );
    assert!(set(&config, &[("page-size", "4096")]).is_err());
    assert_eq!(config.print(Key::PageSize), shown);
    // Redis has this one, and refuses it whatever the value.
    assert!(set(&config, &[("databases", "16")]).is_err());
}

#[test]
fn config_set_is_refused_in_the_words_of_redis() {
    let config = loaded("enable-protected-configs no");
    let failed = |name: &str, reason: &str| {
        format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}")
    };
    for (pairs, expect) in [
        (
            vec![("bogus", "1")],
            "Unknown option or number of arguments for CONFIG SET - 'bogus'".to_string(),
        ),
        (
            vec![("port", "1"), ("Daemonize", "yes")],
            failed("Daemonize", "can't set immutable config"),
        ),
        (
            vec![("dir", "/tmp")],
            failed("dir", "can't set protected config"),
        ),
        (
            vec![("hz", "5"), ("HZ", "6")],
            failed("HZ", "duplicate parameter"),
        ),
        (
            vec![("MAXMEMORY", "abc")],
            failed("maxmemory", "argument must be a memory value"),
        ),
        (
            vec![("min-slaves-max-lag", "x")],
            failed(
                "min-slaves-max-lag",
                "argument couldn't be parsed into an integer",
            ),
        ),
        (
            vec![("oom-score-adj", "bad")],
            failed(
                "oom-score-adj",
                "argument(s) must be one of the following: no, yes, relative, absolute",
            ),
        ),
        (
            vec![("shutdown-on-sigint", "save  now")],
            failed(
                "shutdown-on-sigint",
                "argument(s) must be one of the following: default, save, nosave, now, force",
            ),
        ),
        (
            vec![("shutdown-on-sigint", "save nosave")],
            failed(
                "shutdown-on-sigint",
                "shutdown options SAVE and NOSAVE can't be used simultaneously",
            ),
        ),
        (
            vec![("maxmemory-clients", "200%")],
            failed(
                "maxmemory-clients",
                "percentage argument must be less or equal to 100",
            ),
        ),
        (
            vec![("maxmemory-clients", "x")],
            failed(
                "maxmemory-clients",
                "argument must be a memory or percent value",
            ),
        ),
        (
            vec![("save", "10 1 x")],
            failed("save", "Invalid save parameters"),
        ),
        (
            vec![("timeout", "4294967296")],
            failed(
                "timeout",
                "argument must be between 0 and 2147483647 inclusive",
            ),
        ),
        (
            vec![("slowlog-log-slower-than", "-2")],
            failed(
                "slowlog-log-slower-than",
                "argument must be between -1 and 9223372036854775807 inclusive",
            ),
        ),
        (
            vec![("client-output-buffer-limit", "master 0 0 0")],
            failed(
                "client-output-buffer-limit",
                "Invalid client class specified in buffer limit configuration.",
            ),
        ),
        (
            vec![("client-output-buffer-limit", "normal 1mb 2 3 4")],
            failed(
                "client-output-buffer-limit",
                "Wrong number of arguments in buffer limit configuration.",
            ),
        ),
        (
            vec![("client-output-buffer-limit", "normal 1 x 1")],
            failed(
                "client-output-buffer-limit",
                "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
            ),
        ),
        (
            vec![("notify-keyspace-events", "q")],
            failed(
                "notify-keyspace-events",
                "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.",
            ),
        ),
        (
            vec![("proc-title-template", "{bad}")],
            failed(
                "proc-title-template",
                "template format is invalid or contains unknown variables",
            ),
        ),
        (
            vec![("appendonly", "x")],
            failed("appendonly", "argument must be 'yes' or 'no'"),
        ),
        (
            vec![("oom-score-adj-values", "1 2")],
            failed("oom-score-adj-values", "wrong number of arguments"),
        ),
        (
            vec![("oom-score-adj-values", "1 2 3000")],
            failed(
                "oom-score-adj-values",
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000.",
            ),
        ),
        (
            vec![("latency-tracking-info-percentiles", "101")],
            failed(
                "latency-tracking-info-percentiles",
                "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]",
            ),
        ),
        (
            vec![("cluster-announce-hostname", "a_b")],
            failed(
                "cluster-announce-hostname",
                "Hostnames may only contain alphanumeric characters, hyphens or dots",
            ),
        ),
    ] {
        assert_eq!(set(&config, &pairs), Err(expect), "{pairs:?}");
    }
    assert_eq!(shown(&config, "hz"), "10");
    assert_eq!(shown(&config, "port"), "6379");
}

#[test]
fn a_directive_may_be_set_by_both_its_names_at_once() {
    let config = Config::default();
    let both = [("min-replicas-max-lag", "5"), ("min-slaves-max-lag", "6")];
    assert_eq!(set(&config, &both), Ok(()));
    assert_eq!(shown(&config, "min-replicas-max-lag"), "6");
}

#[test]
fn values_are_shown_in_their_own_form() {
    let config = Config::default();
    for (name, value, expect) in [
        ("maxmemory", "1GB", "1073741824"),
        ("maxmemory", "", "0"),
        ("maxmemory", "18446744073709551615", "18446744073709551615"),
        ("maxmemory-clients", "5%", "5%"),
        ("save", "60 1 10 2", "60 1 10 2"),
        ("save", "", ""),
        ("notify-keyspace-events", "KAm", "AKm"),
        ("hz", "0", "1"),
        ("hz", "1000", "500"),
        ("shutdown-on-sigint", "now save", "save now"),
        ("oom-score-adj", "relative", "yes"),
        (
            "latency-tracking-info-percentiles",
            "50.1234567 0 100",
            "50.123457 0 100",
        ),
        ("bind", "", ""),
        (
            "client-output-buffer-limit",
            "replica 1mb 2kb 3",
            "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60",
        ),
    ] {
        assert_eq!(set(&config, &[(name, value)]), Ok(()), "{name} {value}");
        assert_eq!(shown(&config, name), expect, "{name} {value}");
    }
    assert_eq!(
        config.keyspace_events(),
        events::ALL | events::KEYSPACE | events::MISS
    );
    assert_eq!(
        shown(&loaded("unixsocketperm 0755"), "unixsocketperm"),
        "755"
    );
}

#[test]
fn config_get_answers_each_entry_once() {
    let config = Config::default();
    let names = |wanted: &[&str]| -> Vec<String> {
        let wanted: Vec<&[u8]> = wanted.iter().map(|name| name.as_bytes()).collect();
        let found = config.get(&wanted).into_iter();
        found
            .map(|(name, _)| String::from_utf8(name).expect("text"))
            .collect()
    };
    assert_eq!(names(&["MAXMEMORY", "maxmemory", "nothing"]), ["MAXMEMORY"]);
    assert_eq!(names(&["*OF"]), ["replicaof", "slaveof"]);
    assert_eq!(
        names(&["slave-priority", "hz", "h?"]),
        ["slave-priority", "hz"]
    );
    assert_eq!(names(&["key-load*"]), Vec::<String>::new());
    assert_eq!(names(&["key-load-delay"]), ["key-load-delay"]);
}

/// A server that cannot listen on port 1, and remembers what it was told.
#[derive(Default)]
struct FakeHost {
    told: Mutex<Vec<(Key, Vec<u8>)>>,
}

impl Host for FakeHost {
    fn apply(&self, config: &Config, changed: &[Key]) -> Result<(), Refusal> {
        let seen = changed.iter().map(|key| (*key, config.print(*key)));
        self.told.lock().extend(seen);
        if config.port() == 1 {
            return Err(Refusal {
                key: Key::Port,
                text: "Unable to listen on this port. Check server logs.".into(),
            });
        }
        Ok(())
    }

    fn reset_statistics(&self) {}

    fn user_lines(&self) -> Option<Vec<Vec<u8>>> {
        None
    }
}

#[test]
fn a_change_that_cannot_act_takes_all_back() {
    let config = Config::default();
    let host = Arc::new(FakeHost::default());
    config.attach(Arc::clone(&host) as Arc<dyn Host>);
    let pairs = [("maxmemory", "1"), ("port", "1"), ("requirepass", "x")];
    assert_eq!(
        set(&config, &pairs),
        Err("CONFIG SET failed (possibly related to argument 'port') - \
             Unable to listen on this port. Check server logs."
            .to_string())
    );
    for (name, expect) in [("maxmemory", "0"), ("port", "6379"), ("requirepass", "")] {
        assert_eq!(shown(&config, name), expect);
    }
    let told = std::mem::take(&mut *host.told.lock());
    let ports: Vec<&[u8]> = told
        .iter()
        .filter(|(key, _)| *key == Key::Port)
        .map(|(_, value)| value.as_slice())
        .collect();
    assert_eq!(ports, [b"1".as_slice(), b"6379"]);

    assert_eq!(set(&config, &[("hz", "10"), ("timeout", "3")]), Ok(()));
    let told = std::mem::take(&mut *host.told.lock());
    assert_eq!(told, [(Key::Timeout, b"3".to_vec())], "only what changed");
}

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
const DEBIAN: &str = include_str!("fixtures/debian.conf");

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

#[test]
fn a_rewrite_keeps_comments_and_order_and_adds_what_differs() {
    let old = "# head\nport 7000\n\n\n# about hz\n  hz 10\nslave-priority 5\nsave 1 1\nsave 2 2\n\
               user alice on\nrename-command A B\nnot-known 1\nmasteruser joe\n";
    let config = loaded(&old.replace("not-known 1\n", ""));
    for pair in [
        ("save", "7 7"),
        ("timeout", "9"),
        ("maxmemory", "3mb"),
        ("masteruser", ""),
    ] {
        assert_eq!(set(&config, &[pair]), Ok(()));
    }
    let new = String::from_utf8(rewrite(old.as_bytes(), &config, false, None)).expect("text");
    assert_eq!(
        new,
        "# head\nport 7000\n\n# about hz\nhz 10\nreplica-priority 5\nsave 7 7\n\n\
         user alice on\nrename-command A B\n# ??? not-known 1\n\n\
         # Generated by CONFIG REWRITE\nmaxmemory 3mb\ntimeout 9\n"
    );
    let again = rewrite(new.as_bytes(), &config, false, None);
    assert_eq!(
        String::from_utf8(again).expect("text"),
        new,
        "a second rewrite changes nothing"
    );
}

#[test]
fn a_rewrite_of_everything_loads_to_the_same() {
    let config = loaded(DEBIAN);
    for pair in [
        ("save", ""),
        ("bind", ""),
        ("requirepass", "a\"b\\c d"),
        ("maxmemory-clients", "7%"),
    ] {
        assert_eq!(set(&config, &[pair]), Ok(()));
    }
    for (old, force_all) in [("", true), (DEBIAN, true), (DEBIAN, false), ("", false)] {
        let text = rewrite(old.as_bytes(), &config, force_all, None);
        let again = loaded(&String::from_utf8(text).expect("text"));
        for row in TABLE {
            assert_eq!(
                String::from_utf8(again.print(row.key)),
                String::from_utf8(config.print(row.key)),
                "{}",
                row.name
            );
        }
    }
}

struct FakeDisk {
    content: Mutex<Option<Vec<u8>>>,
}

impl Disk for FakeDisk {
    fn enter_directory(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        if path == b"none" {
            return Err(io::Error::from_raw_os_error(2));
        }
        Ok([b"/abs/", path].concat())
    }

    fn read_file(&self, _: &Path) -> io::Result<Option<Vec<u8>>> {
        Ok(self.content.lock().clone())
    }

    fn replace_file(&self, _: &Path, content: &[u8]) -> io::Result<()> {
        *self.content.lock() = Some(content.to_vec());
        Ok(())
    }
}

#[test]
fn config_rewrite_needs_a_file_and_writes_it() {
    let error = Config::default().rewrite(false).expect_err("no file");
    assert_eq!(
        error.to_string(),
        "The server is running without a config file"
    );
    let path = Some(PathBuf::from("/redis.conf"));
    let config = file::load(b"hz 20", path, &mut FakeFiles::default()).expect("loads");
    let disk = Arc::new(FakeDisk {
        content: Mutex::new(Some(b"hz 20".to_vec())),
    });
    config.attach_disk(Arc::clone(&disk) as Arc<dyn Disk>);
    assert_eq!(set(&config, &[("hz", "30")]), Ok(()));
    config.rewrite(false).expect("rewritten");
    let content = disk.content.lock().clone().expect("content");
    assert!(content.starts_with(b"hz 30\n"));
}

#[test]
fn a_directory_is_entered_before_it_is_kept() {
    let config = loaded("enable-protected-configs yes");
    config.attach_disk(Arc::new(FakeDisk {
        content: Mutex::new(None),
    }));
    assert_eq!(set(&config, &[("dir", "x")]), Ok(()));
    assert_eq!(shown(&config, "dir"), "/abs/x");
    assert_eq!(
        set(&config, &[("hz", "99"), ("dir", "none")]),
        Err(
            "CONFIG SET failed (possibly related to argument 'dir') - No such file or directory"
                .into()
        )
    );
    assert_eq!(
        (
            shown(&config, "dir").as_str(),
            shown(&config, "hz").as_str()
        ),
        ("/abs/x", "10")
    );
    let local = loaded("enable-protected-configs local");
    let caller = |is_local| Caller {
        is_local,
        is_loading: false,
    };
    assert!(
        local
            .set(&[(b"dbfilename", b"x.rdb")], caller(true))
            .is_ok()
    );
    assert!(
        local
            .set(&[(b"dbfilename", b"x.rdb")], caller(false))
            .is_err()
    );
    let loading = Caller {
        is_local: true,
        is_loading: true,
    };
    assert!(local.set(&[(b"appendonly", b"yes")], loading).is_err());
    assert!(local.set(&[(b"hz", b"5")], loading).is_ok());
}
