use super::rows::LEFT_OUT;
use super::*;
use crate::command::testing::Bench;

fn info_of(bench: &mut Bench) -> String {
    let reply = String::from_utf8(bench.run(&[b"INFO", b"everything"])).expect("text");
    let (_, body) = reply.split_once("\r\n").expect("a bulk string");
    body.to_owned()
}

/// The value of a sample.
fn value(page: &str, sample: &str) -> Option<f64> {
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{PREFIX}{sample} ")));
    line.map(|value| value.parse().expect("a number"))
}

#[test]
fn every_number_of_info_is_a_metric() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"a", b"1"]);
    bench.run(&[b"LPUSH", b"a", b"1"]);
    let info = info_of(&mut bench);
    let mut looked_at = 0;
    for (name, value) in info.split("\r\n").filter_map(|line| line.split_once(':')) {
        let is_family = |family: &Family| {
            name.strip_prefix(family.prefix)
                .is_some_and(|thing| family.member(thing, value).is_some())
        };
        if name.ends_with("_human")
            || LEFT_OUT.contains(&name)
            || name.starts_with(LATENCIES)
            || FAMILIES.iter().any(is_family)
        {
            continue;
        }
        let digits = value.trim_end_matches('%');
        if digits.parse::<f64>().is_ok() || matches!(value, "ok" | "err") {
            looked_at += 1;
            assert!(ROWS.iter().any(|row| row.field == name), "{name}:{value}");
        }
    }
    assert!(looked_at > 100, "{looked_at}");
}

#[test]
fn names_stand_once_and_say_their_unit_last() {
    let parts = FAMILIES.iter().flat_map(|family| family.parts);
    let mut seen = Vec::new();
    for row in ROWS.iter().chain(parts) {
        assert!(!seen.contains(&row.name), "{}", row.name);
        seen.push(row.name);
        let is_counter = row.kind == Kind::Counter;
        assert_eq!(row.name.ends_with("_total"), is_counter, "{}", row.name);
        let base = row.name.trim_end_matches("_total");
        let is_time = row.divisor == 1e3 || row.divisor == 1e6;
        assert!(!is_time || base.ends_with("_seconds"), "{}", row.name);
        assert!(row.help.ends_with('.') && !row.help.contains('\\'));
    }
}

#[test]
fn figures_are_those_of_info_in_base_units() {
    let info = "# Server\r\nredkeep_version:1.2\r\nredis_version:7.4.0\r\nuptime_in_seconds:7\r\n\
        used_memory_peak_perc:50.00%\r\nrdb_last_bgsave_time_sec:-1\r\ncheckpoint_age_ms:1564\r\n\
        aof_last_write_status:err\r\ninstantaneous_input_kbps:0.50\r\ngrown_hash:3\r\n\
        slave0:ip=10.0.0.1,port=7,state=online,offset=42,lag=1\r\n\
        cmdstat_client|id:calls=2,usec=350,usec_per_call=175.00,rejected_calls=0,failed_calls=1\r\n\
        errorstat_A\"B:count=4\r\nlatency_percentiles_usec_set:p50=1.003,p99.9=2000.000\r\n\
        db3:keys=5,expires=2,avg_ttl=1500,subexpiry=1\r\n";
    let page = of_info(info);
    let build =
        "build_info{version=\"1.2\",redis_version=\"7.4.0\",maxmemory_policy=\"\",role=\"\"}";
    for (sample, expected) in [
        (build, 1.0),
        ("uptime_seconds", 7.0),
        ("used_memory_peak_ratio", 0.5),
        ("checkpoint_age_seconds", 1.564),
        ("aof_last_write_ok", 0.0),
        ("network_input_bytes_per_second", 512.0),
        ("collections_grown_total{type=\"hash\"}", 3.0),
        ("replica_offset_bytes{replica=\"10.0.0.1:7\"}", 42.0),
        ("command_calls_total{command=\"client|id\"}", 2.0),
        (
            "command_duration_seconds_total{command=\"client|id\"}",
            0.000_35,
        ),
        ("errors_total{error=\"A\\\"B\"}", 4.0),
        (
            "command_latency_seconds{command=\"set\",percentile=\"50\"}",
            0.000_001_003,
        ),
        (
            "command_latency_seconds{command=\"set\",percentile=\"99.9\"}",
            0.002,
        ),
        ("db_keys{db=\"3\"}", 5.0),
        ("db_mean_ttl_seconds{db=\"3\"}", 1.5),
    ] {
        assert_eq!(value(&page, sample), Some(expected), "{sample} in\n{page}");
    }
    assert_eq!(value(&page, "rdb_last_save_duration_seconds"), None);
    assert!(!page.contains("# HELP redkeep_rdb_last_save_duration_seconds"));
}

#[test]
fn every_sample_stands_below_its_help_and_type() {
    let mut bench = Bench::new();
    bench.run(&[b"SET", b"a", b"1"]);
    bench.run(&[b"LPUSH", b"a", b"1"]);
    let page = of_info(&info_of(&mut bench));
    let (mut helped, mut typed) = (String::new(), String::new());
    for line in page.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "HELP", name, ..] => {
                assert_ne!(helped, name, "samples of one metric stand together");
                helped = name.to_owned();
            }
            ["#", "TYPE", name, kind] => {
                assert!(matches!(kind, "gauge" | "counter"));
                typed = name.to_owned();
            }
            _ => {
                let name = line.split(['{', ' ']).next().expect("a name");
                assert_eq!((name, name), (&*helped, &*typed), "{line}");
                let value = line.rsplit(' ').next().expect("a value");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
}
