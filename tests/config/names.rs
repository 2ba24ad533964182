//! Which directives are known, and what CONFIG GET shows of them.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use redkeep::config::directive::{HIDDEN, entries, find};
use redkeep::config::{Config, Effect, Key, TABLE};

use super::shown;

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
use-exit-on-panic aof-disable-auto-gc rdb-key-save-delay key-load-delay watchdog-period cluster-ping-interval
loading-process-events-interval-bytes
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
    let concealed = entries().filter(|entry| entry.directive().is(HIDDEN));
    let concealed: BTreeSet<&str> = concealed.map(|entry| entry.name).collect();
    assert_eq!(concealed, CONCEALED.split_whitespace().collect());
    for name in concealed {
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

/// Starts the `redis-server` on the PATH and returns what CONFIG GET * says; None, and it is said, when there is none.
fn config_of_real_redis() -> Option<Vec<String>> {
    let home = tempfile::tempdir().expect("a directory");
    let socket = home.path().join("redis.sock");
    let server = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(home.path())
        .stdout(Stdio::null())
        .spawn();
    let Ok(mut server) = server else {
        redkeep_model::skipped("no redis-server is on the PATH");
        return None;
    };
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
    let answer = answer.expect("redis-server answers redis-cli");
    let text = String::from_utf8(answer).expect("text");
    Some(text.lines().map(str::to_string).collect())
}

#[test]
fn a_real_redis_knows_no_directive_that_is_unknown_here() {
    let Some(lines) = config_of_real_redis() else {
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
