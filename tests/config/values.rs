//! What values directives accept, and how they are shown.

use proptest::prelude::*;
use redkeep::config::directive::{IMMUTABLE, SEVERAL, find};
use redkeep::config::events;
use redkeep::config::file::LoadError;
use redkeep::config::kind::{Kind, Unit};
use redkeep::config::rewrite::rewrite;
use redkeep::config::{Caller, Config, Key, TABLE};

use super::{load, loaded, set, shown};

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
        let written = String::from_utf8(rewrite(b"", &config, false, &[])).expect("text");
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
        (
            "latency-tracking-info-percentiles",
            "0x1 0x1.8p3 1E+1 +5 5. -0 1e-310",
            "1 12 10 5 5 -0 0",
        ),
        ("latency-tracking-info-percentiles", "", ""),
        ("repl-backlog-size", "16383", "16384"),
        ("repl-backlog-size", "16385", "16385"),
        ("repl-backlog-size", "1", "16384"),
        (
            "cluster-announce-human-nodename",
            "a b\n\"'-./=\\_`é\x7f",
            "a b\n\"'-./=\\_`é\x7f",
        ),
        ("bind", "", ""),
        (
            "client-output-buffer-limit",
            "replica 1mb 2kb 3",
            "normal 0 0 0 slave 1048576 2048 3 pubsub 33554432 8388608 60",
        ),
        (
            "client-output-buffer-limit",
            "slave 99999999999999999999 17179869184gb 4294967297 pubsub 1\0x 2 0",
            "normal 0 0 0 slave 18446744073709551615 0 1 pubsub 1 2 0",
        ),
        ("masteruser", "a\0b", "a"),
        ("masterauth", "a\0b", "a\0b"),
    ] {
        assert_eq!(set(&config, &[(name, value)]), Ok(()), "{name} {value}");
        assert_eq!(shown(&config, name), expect, "{name} {value}");
    }
    let small = loaded("repl-backlog-size 100");
    assert_eq!(shown(&small, "repl-backlog-size"), "100");
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
fn percentiles_and_names_of_nodes_are_refused_as_in_redis() {
    let config = Config::default();
    let refused = |name: &str, value: &str, text: &str| {
        let error = set(&config, &[(name, value)]).expect_err(value).to_string();
        assert!(error.ends_with(text), "{name} {value:?}: {error}");
    };
    let percentiles = "latency-tracking-info-percentiles";
    for value in [
        " ",
        "5 ",
        "\t5",
        "nan",
        "1e400",
        "1e-400",
        "0x",
        "0x1p-1080",
        "1e",
        "50\x00",
        "\0",
    ] {
        refused(
            percentiles,
            value,
            "Invalid latency-tracking-info-percentiles parameters",
        );
    }
    for value in ["inf", "-infinity", "0x65", "-1"] {
        refused(percentiles, value, "should sit between [0.0,100.0]");
    }
    for byte in "\0!#$%&()*+:;<>?@[]^{|}~".chars() {
        refused(
            "cluster-announce-human-nodename",
            &format!("a{byte}b"),
            "Announced human node name contained invalid character",
        );
    }
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
