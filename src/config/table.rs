//! The directives: one row each, with name, older name, kind with default and range, and flags.
//!
//! A row stands under what it does here:
//!
//! - `Acts`: it works.
//! - `Later`: it is checked, kept and shown; it acts when its part of the server exists.
//! - `Absent`: it is checked, kept and shown, and names a part that this server does not have: replication,
//!   cluster, jemalloc, I/O threads, the forked children of Redis, and of TLS what rustls does not do.
//!
//! The order of the rows is the order of CONFIG GET and of lines that CONFIG REWRITE adds.

use super::choices::*;
use super::directive::*;
use super::kind::*;

const I32: i128 = i32::MAX as i128;
const U32: i128 = u32::MAX as i128;
const I64: i128 = i64::MAX as i128;
const U64: i128 = u64::MAX as i128;
const MIB: i128 = 1 << 20;

macro_rules! directives {
    ($($effect:ident { $($key:ident, $name:literal $(| $alias:literal)?, $kind:expr, $flags:expr;)* })*) => {
        /// A directive, as an index into [`TABLE`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum Key {
            $($(#[doc = $name] $key,)*)*
        }

        /// Every directive.
        pub static TABLE: &[Directive] = &[
            $($(Directive {
                key: Key::$key,
                name: $name,
                alias: directives!(@alias $($alias)?),
                kind: $kind,
                flags: $flags,
                effect: Effect::$effect,
            },)*)*
        ];
    };
    (@alias) => { None };
    (@alias $alias:literal) => { Some($alias) };
}

directives! {
    Acts {
        AofLoadTruncated, "aof-load-truncated", yes_no(true), NONE;
        AofTimestampEnabled, "aof-timestamp-enabled", yes_no(false), NONE;
        AofUseRdbPreamble, "aof-use-rdb-preamble", yes_no(true), NONE;
        Appenddirname, "appenddirname", ruled("appendonlydir", TextRule::AppendDir, false), IMMUTABLE;
        Appendfilename, "appendfilename", ruled("appendonly.aof", TextRule::AppendFile, false), IMMUTABLE;
        Appendonly, "appendonly", yes_no(false), DENY_LOADING;
        AutoAofRewriteMinSize, "auto-aof-rewrite-min-size", memory(64 * MIB, 0, I64), NONE;
        AutoAofRewritePercentage, "auto-aof-rewrite-percentage", number(100, 0, I32), NONE;
        BusyReplyThreshold, "busy-reply-threshold" | "lua-time-limit", number(5000, 0, I64), NONE;
        Dbfile, "dbfile", text("data.keep"), IMMUTABLE;
        CacheSize, "cache-size", memory(0, 0, I64), NONE;
        MinReplicasMaxLag, "min-replicas-max-lag" | "min-slaves-max-lag", number(10, 0, I32), NONE;
        MinReplicasToWrite, "min-replicas-to-write" | "min-slaves-to-write", number(0, 0, I32), NONE;
        NoAppendfsyncOnRewrite, "no-appendfsync-on-rewrite", yes_no(false), NONE;
        NotifyKeyspaceEvents, "notify-keyspace-events", EVENTS, NONE;
        PageSize, "page-size", page(4096, 4096, 65536), IMMUTABLE;
        ReplPingReplicaPeriod, "repl-ping-replica-period" | "repl-ping-slave-period", number(10, 1, I32), NONE;
        StreamNodeMaxBytes, "stream-node-max-bytes", memory(4096, 0, I64), NONE;
        StreamNodeMaxEntries, "stream-node-max-entries", number(100, 0, I64), NONE;
        TrackingTableMaxKeys, "tracking-table-max-keys", number(1000000, 0, I64), NONE;
        WalKeep, "wal-keep", optional(""), PROTECTED;
        WalAutocheckpoint, "wal-autocheckpoint", memory(64 * MIB, 4096, I64), NONE;
        CheckpointInterval, "checkpoint-interval", number(300, 0, I32), NONE;
        OnCorruption, "on-corruption", choice(CORRUPTION_ANSWERS, 0), IMMUTABLE;
        LoadRdb, "load-rdb", text(""), IMMUTABLE;
        RdbVersion, "rdb-version", number(11, 10, 12), NONE;
        MetricsAddr, "metrics-addr", text(""), IMMUTABLE;
        Workers, "workers", number(0, 0, 1024), IMMUTABLE;

        AclPubsubDefault, "acl-pubsub-default", choice(PUBSUB_DEFAULTS, 1), NONE;
        Aclfile, "aclfile", text(""), IMMUTABLE;
        AcllogMaxLen, "acllog-max-len", number(128, 0, I64), NONE;
        AlwaysShowLogo, "always-show-logo", yes_no(false), IMMUTABLE;
        Appendfsync, "appendfsync", choice(FSYNC_POLICIES, 0), NONE;
        Bind, "bind", BIND, SEVERAL;
        ClientOutputBufferLimit, "client-output-buffer-limit", OUTPUT_LIMITS, SEVERAL;
        ClientQueryBufferLimit, "client-query-buffer-limit", memory(1024 * MIB, MIB, I64), DEBUG;
        Daemonize, "daemonize", yes_no(false), IMMUTABLE;
        Databases, "databases", number(16, 1, I32), IMMUTABLE;
        Dbfilename, "dbfilename", ruled("dump.rdb", TextRule::DbFile, false), PROTECTED;
        Dir, "dir", DIRECTORY, PROTECTED | DENY_LOADING;
        EnableDebugCommand, "enable-debug-command", choice(PERMISSIONS, 0), IMMUTABLE;
        EnableProtectedConfigs, "enable-protected-configs", choice(PERMISSIONS, 0), IMMUTABLE;
        HashMaxListpackEntries, "hash-max-listpack-entries" | "hash-max-ziplist-entries", number(512, 0, I64), NONE;
        HashMaxListpackValue, "hash-max-listpack-value" | "hash-max-ziplist-value", memory(64, 0, I64), NONE;
        HllSparseMaxBytes, "hll-sparse-max-bytes", memory(3000, 0, I64), NONE;
        Hz, "hz", hertz(10), NONE;
        LatencyMonitorThreshold, "latency-monitor-threshold", number(0, 0, I64), NONE;
        LatencyTracking, "latency-tracking", yes_no(true), NONE;
        LatencyTrackingInfoPercentiles, "latency-tracking-info-percentiles", PERCENTILES, SEVERAL;
        LazyfreeLazyEviction, "lazyfree-lazy-eviction", yes_no(false), DEBUG;
        LazyfreeLazyExpire, "lazyfree-lazy-expire", yes_no(false), DEBUG;
        LazyfreeLazyServerDel, "lazyfree-lazy-server-del", yes_no(false), DEBUG;
        LazyfreeLazyUserDel, "lazyfree-lazy-user-del", yes_no(false), DEBUG;
        LazyfreeLazyUserFlush, "lazyfree-lazy-user-flush", yes_no(false), DEBUG;
        LfuDecayTime, "lfu-decay-time", number(1, 0, I32), NONE;
        LfuLogFactor, "lfu-log-factor", number(10, 0, I32), NONE;
        ListMaxListpackSize, "list-max-listpack-size" | "list-max-ziplist-size", number(-2, -I32 - 1, I32), NONE;
        LocaleCollate, "locale-collate", text(""), NONE;
        Logfile, "logfile", text(""), IMMUTABLE;
        Loglevel, "loglevel", choice(LOG_LEVELS, 2), NONE;
        Maxclients, "maxclients", number(10000, 1, U32), NONE;
        Maxmemory, "maxmemory", memory(0, 0, U64), NONE;
        MaxmemoryClients, "maxmemory-clients", share(0, -100, I64), NONE;
        MaxmemoryEvictionTenacity, "maxmemory-eviction-tenacity", number(10, 0, 100), NONE;
        MaxmemoryPolicy, "maxmemory-policy", choice(EVICTION_POLICIES, 7), NONE;
        MaxmemorySamples, "maxmemory-samples", number(5, 1, 64), NONE;
        Pidfile, "pidfile", optional(""), IMMUTABLE;
        Port, "port", number(6379, 0, 65535), NONE;
        ProtectedMode, "protected-mode", yes_no(true), NONE;
        ProtoMaxBulkLen, "proto-max-bulk-len", memory(512 * MIB, MIB, I64), DEBUG;
        RdbKeySaveDelay, "rdb-key-save-delay", number(0, -I32 - 1, I32), HIDDEN;
        Rdbchecksum, "rdbchecksum", yes_no(true), IMMUTABLE;
        Rdbcompression, "rdbcompression", yes_no(true), NONE;
        Requirepass, "requirepass", ruled("", TextRule::Bytes, true), SENSITIVE;
        Save, "save", SAVE, SEVERAL;
        SetMaxIntsetEntries, "set-max-intset-entries", number(512, 0, I64), NONE;
        SetMaxListpackEntries, "set-max-listpack-entries", number(128, 0, I64), NONE;
        SetMaxListpackValue, "set-max-listpack-value", number(64, 0, I64), NONE;
        SlowlogLogSlowerThan, "slowlog-log-slower-than", number(10000, -1, I64), NONE;
        SlowlogMaxLen, "slowlog-max-len", number(128, 0, I64), NONE;
        Supervised, "supervised", choice(SUPERVISED, 3), IMMUTABLE;
        TcpBacklog, "tcp-backlog", number(511, 0, I32), IMMUTABLE;
        TcpKeepalive, "tcp-keepalive", number(300, 0, I32), NONE;
        Timeout, "timeout", number(0, 0, I32), NONE;
        TlsAuthClients, "tls-auth-clients", choice(TLS_CLIENT_CHECKS, 1), NONE;
        TlsCaCertDir, "tls-ca-cert-dir", optional(""), VOLATILE;
        TlsCaCertFile, "tls-ca-cert-file", optional(""), VOLATILE;
        TlsCertFile, "tls-cert-file", optional(""), VOLATILE;
        TlsCiphers, "tls-ciphers", optional(""), NONE;
        TlsCiphersuites, "tls-ciphersuites", optional(""), NONE;
        TlsKeyFile, "tls-key-file", optional(""), VOLATILE;
        TlsKeyFilePass, "tls-key-file-pass", optional(""), SENSITIVE;
        TlsPort, "tls-port", number(0, 0, 65535), NONE;
        TlsPreferServerCiphers, "tls-prefer-server-ciphers", yes_no(false), NONE;
        TlsProtocols, "tls-protocols", optional(""), NONE;
        TlsSessionCacheSize, "tls-session-cache-size", number(20480, 0, I32), NONE;
        TlsSessionCaching, "tls-session-caching", yes_no(true), NONE;
        Unixsocket, "unixsocket", optional(""), IMMUTABLE;
        Unixsocketperm, "unixsocketperm", octal(0, 0, 511), IMMUTABLE;
        ZsetMaxListpackEntries, "zset-max-listpack-entries" | "zset-max-ziplist-entries", number(128, 0, I64), NONE;
        ZsetMaxListpackValue, "zset-max-listpack-value" | "zset-max-ziplist-value", memory(64, 0, I64), NONE;
    }
    Later {
        ActiveExpireEffort, "active-expire-effort", number(1, 1, 10), NONE;
        BindSourceAddr, "bind-source-addr", optional(""), NONE;
        CrashLogEnabled, "crash-log-enabled", yes_no(true), NONE;
        HideUserDataFromLog, "hide-user-data-from-log", yes_no(false), NONE;
        IgnoreWarnings, "ignore-warnings", text(""), NONE;
        KeyLoadDelay, "key-load-delay", number(0, -I32 - 1, I32), HIDDEN;
        MaxNewConnectionsPerCycle, "max-new-connections-per-cycle", number(10, 1, 1000), NONE;
        MaxNewTlsConnectionsPerCycle, "max-new-tls-connections-per-cycle", number(1, 1, 1000), NONE;
        OomScoreAdj, "oom-score-adj", choice(OOM_SCORE_MODES, 0), NONE;
        OomScoreAdjValues, "oom-score-adj-values", OOM_SCORES, SEVERAL;
        ProcTitleTemplate, "proc-title-template", ruled("{title} {listen-addr} {server-mode}", TextRule::ProcTitle, false), NONE;
        SanitizeDumpPayload, "sanitize-dump-payload", choice(SANITIZE_MODES, 0), DEBUG;
        SetProcTitle, "set-proc-title", yes_no(true), IMMUTABLE;
        ShutdownOnSigint, "shutdown-on-sigint", choices(SHUTDOWN_OPTIONS), SEVERAL;
        ShutdownOnSigterm, "shutdown-on-sigterm", choices(SHUTDOWN_OPTIONS), SEVERAL;
        ShutdownTimeout, "shutdown-timeout", number(10, 0, I32), NONE;
        SocketMarkId, "socket-mark-id", number(0, 0, U32), IMMUTABLE;
        SyslogEnabled, "syslog-enabled", yes_no(false), IMMUTABLE;
        SyslogFacility, "syslog-facility", choice(SYSLOG_FACILITIES, 1), IMMUTABLE;
        SyslogIdent, "syslog-ident", text("redis"), IMMUTABLE;
        TlsClientCertFile, "tls-client-cert-file", optional(""), VOLATILE;
        TlsClientKeyFile, "tls-client-key-file", optional(""), VOLATILE;
        TlsClientKeyFilePass, "tls-client-key-file-pass", optional(""), SENSITIVE;
        TlsSessionCacheTimeout, "tls-session-cache-timeout", number(300, 0, I32), NONE;
        UseExitOnPanic, "use-exit-on-panic", yes_no(false), HIDDEN;
    }
    Absent {
        ActiveDefragCycleMax, "active-defrag-cycle-max", number(25, 1, 99), NONE;
        ActiveDefragCycleMin, "active-defrag-cycle-min", number(1, 1, 99), NONE;
        ActiveDefragIgnoreBytes, "active-defrag-ignore-bytes", memory(100 * MIB, 1, I64), NONE;
        ActiveDefragMaxScanFields, "active-defrag-max-scan-fields", number(1000, 1, I64), NONE;
        ActiveDefragThresholdLower, "active-defrag-threshold-lower", number(10, 0, 1000), NONE;
        ActiveDefragThresholdUpper, "active-defrag-threshold-upper", number(100, 0, 1000), NONE;
        Activedefrag, "activedefrag", yes_no(false), DEBUG;
        Activerehashing, "activerehashing", yes_no(true), NONE;
        AofDisableAutoGc, "aof-disable-auto-gc", yes_no(false), HIDDEN;
        AofRewriteCpulist, "aof-rewrite-cpulist" | "aof_rewrite_cpulist", optional(""), IMMUTABLE;
        AofRewriteIncrementalFsync, "aof-rewrite-incremental-fsync", yes_no(true), NONE;
        BgsaveCpulist, "bgsave-cpulist" | "bgsave_cpulist", optional(""), IMMUTABLE;
        BioCpulist, "bio-cpulist" | "bio_cpulist", optional(""), IMMUTABLE;
        ClusterAllowPubsubshardWhenDown, "cluster-allow-pubsubshard-when-down", yes_no(true), NONE;
        ClusterAllowReadsWhenDown, "cluster-allow-reads-when-down", yes_no(false), NONE;
        ClusterAllowReplicaMigration, "cluster-allow-replica-migration", yes_no(true), NONE;
        ClusterAnnounceBusPort, "cluster-announce-bus-port", number(0, 0, 65535), NONE;
        ClusterAnnounceHostname, "cluster-announce-hostname", ruled("", TextRule::Hostname, true), NONE;
        ClusterAnnounceHumanNodename, "cluster-announce-human-nodename", ruled("", TextRule::NodeName, true), NONE;
        ClusterAnnounceIp, "cluster-announce-ip", optional(""), NONE;
        ClusterAnnouncePort, "cluster-announce-port", number(0, 0, 65535), NONE;
        ClusterAnnounceTlsPort, "cluster-announce-tls-port", number(0, 0, 65535), NONE;
        ClusterConfigFile, "cluster-config-file", text("nodes.conf"), IMMUTABLE;
        ClusterEnabled, "cluster-enabled", yes_no(false), IMMUTABLE;
        ClusterLinkSendbufLimit, "cluster-link-sendbuf-limit", memory(0, 0, U64), NONE;
        ClusterMigrationBarrier, "cluster-migration-barrier", number(1, 0, I32), NONE;
        ClusterNodeTimeout, "cluster-node-timeout", number(15000, 0, I64), NONE;
        ClusterPingInterval, "cluster-ping-interval", number(0, 0, I64), HIDDEN;
        ClusterPort, "cluster-port", number(0, 0, 65535), IMMUTABLE;
        ClusterPreferredEndpointType, "cluster-preferred-endpoint-type", choice(ENDPOINT_TYPES, 0), NONE;
        ClusterReplicaNoFailover, "cluster-replica-no-failover" | "cluster-slave-no-failover", yes_no(false), NONE;
        ClusterReplicaValidityFactor, "cluster-replica-validity-factor" | "cluster-slave-validity-factor", number(10, 0, I32), NONE;
        ClusterRequireFullCoverage, "cluster-require-full-coverage", yes_no(true), NONE;
        CrashMemcheckEnabled, "crash-memcheck-enabled", yes_no(true), NONE;
        DisableThp, "disable-thp", yes_no(true), IMMUTABLE;
        DynamicHz, "dynamic-hz", yes_no(true), NONE;
        EnableModuleCommand, "enable-module-command", choice(PERMISSIONS, 0), IMMUTABLE;
        IoThreads, "io-threads", number(1, 1, 128), DEBUG | IMMUTABLE;
        IoThreadsDoReads, "io-threads-do-reads", yes_no(false), DEBUG | IMMUTABLE;
        JemallocBgThread, "jemalloc-bg-thread", yes_no(true), NONE;
        ListCompressDepth, "list-compress-depth", number(0, 0, I32), DEBUG;
        LoadingProcessEventsIntervalBytes, "loading-process-events-interval-bytes", number(2097152, 1024, I32), HIDDEN;
        Masterauth, "masterauth", ruled("", TextRule::Bytes, true), SENSITIVE;
        Masteruser, "masteruser", optional(""), SENSITIVE;
        PropagationErrorBehavior, "propagation-error-behavior", choice(PROPAGATION_ERRORS, 0), NONE;
        RdbDelSyncFiles, "rdb-del-sync-files", yes_no(false), NONE;
        RdbSaveIncrementalFsync, "rdb-save-incremental-fsync", yes_no(true), NONE;
        ReplBacklogSize, "repl-backlog-size", memory(MIB, 1, I64), NONE;
        ReplBacklogTtl, "repl-backlog-ttl", number(3600, 0, I64), NONE;
        ReplDisableTcpNodelay, "repl-disable-tcp-nodelay", yes_no(false), NONE;
        ReplDisklessLoad, "repl-diskless-load", choice(DISKLESS_LOADS, 0), DEBUG | DENY_LOADING;
        ReplDisklessSync, "repl-diskless-sync", yes_no(true), DEBUG;
        ReplDisklessSyncDelay, "repl-diskless-sync-delay", number(5, 0, I32), NONE;
        ReplDisklessSyncMaxReplicas, "repl-diskless-sync-max-replicas", number(0, 0, I32), NONE;
        ReplTimeout, "repl-timeout", number(60, 1, I32), NONE;
        ReplicaAnnounceIp, "replica-announce-ip" | "slave-announce-ip", optional(""), NONE;
        ReplicaAnnouncePort, "replica-announce-port" | "slave-announce-port", number(0, 0, 65535), NONE;
        ReplicaAnnounced, "replica-announced", yes_no(true), NONE;
        ReplicaIgnoreDiskWriteErrors, "replica-ignore-disk-write-errors", yes_no(false), NONE;
        ReplicaIgnoreMaxmemory, "replica-ignore-maxmemory" | "slave-ignore-maxmemory", yes_no(true), NONE;
        ReplicaLazyFlush, "replica-lazy-flush" | "slave-lazy-flush", yes_no(false), NONE;
        ReplicaPriority, "replica-priority" | "slave-priority", number(100, 0, I32), NONE;
        ReplicaReadOnly, "replica-read-only" | "slave-read-only", yes_no(true), DEBUG;
        ReplicaServeStaleData, "replica-serve-stale-data" | "slave-serve-stale-data", yes_no(true), NONE;
        Replicaof, "replicaof" | "slaveof", REPLICA_OF, IMMUTABLE | SEVERAL;
        ServerCpulist, "server-cpulist" | "server_cpulist", optional(""), IMMUTABLE;
        StopWritesOnBgsaveError, "stop-writes-on-bgsave-error", yes_no(true), NONE;
        TlsCluster, "tls-cluster", yes_no(false), NONE;
        TlsDhParamsFile, "tls-dh-params-file", optional(""), VOLATILE;
        TlsReplication, "tls-replication", yes_no(false), NONE;
        WatchdogPeriod, "watchdog-period", number(0, 0, I32), HIDDEN;
    }
}
