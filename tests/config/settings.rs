//! CONFIG SET: what is refused, what acts, what is taken back.

use std::sync::Arc;

use parking_lot::Mutex;
use redkeep::config::{Caller, Config, Host, Key, Refusal};

use super::disk::FakeDisk;
use super::{loaded, set, shown};

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
            vec![("timeout", "1\0")],
            failed("timeout", "argument couldn't be parsed into an integer"),
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

    fn user_lines(&self) -> Vec<Vec<u8>> {
        Vec::new()
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
