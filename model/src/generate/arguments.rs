//! The values arguments take: keys, texts, numbers and moments, good and bad ones.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Argument, Arguments, Request, Step};

pub type One = BoxedStrategy<Argument>;

/// One of 16 keys: short and long, empty, binary, with the letters of a pattern.
pub fn key() -> One {
    let mut keys: Vec<Vec<u8>> = [
        "a", "b", "c", "d", "e", "f", "key", "user:1", "user:2", "user:10", "*", "[x]", "",
    ]
    .iter()
    .map(|key| key.as_bytes().to_vec())
    .collect();
    keys.push(b"\x00\xff\r\n\x80".to_vec());
    keys.push(vec![b'l'; 300]);
    keys.push([vec![b'l'; 299], b"x".to_vec()].concat());
    assert_eq!(keys.len(), 16);
    prop_oneof![
        3 => select(keys[..4].to_vec()),
        2 => select(keys),
    ]
    .prop_map(Argument::Bytes)
    .boxed()
}

pub fn keys() -> Arguments {
    collection::vec(key(), 1..4).boxed()
}

/// Bytes to store.
pub fn bytes() -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        1 => Just(Vec::new()),
        6 => select(texts()),
        4 => integer_text().prop_map(String::into_bytes),
        2 => float_text().prop_map(String::into_bytes),
        2 => collection::vec(any::<u8>(), 0..80),
        2 => collection::vec(select(vec![b'a', b'b', b'c']), 0..60),
        1 => (any::<u8>(), select(vec![43_usize, 44, 45, 1000, 5000])).prop_map(|(seed, length)| pattern(seed, length)),
        1 => (any::<u8>(), Just(70_000)).prop_map(|(seed, length)| pattern(seed, length)),
        1 => select(sketches()),
    ]
    .boxed()
}

fn texts() -> Vec<Vec<u8>> {
    let texts = [
        "x",
        "hello",
        "Hello World",
        "ohmytext",
        "mynewtext",
        "\r\n",
        "+OK\r\n",
        "3.0e3",
        "-0",
        "0x1p4",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Bytes that repeat only after 251.
fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| (index % 251) as u8 ^ seed)
        .collect()
}

/// Sketches no PFADD would make: empty ones, inconsistent ones, a dense one.
fn sketches() -> Vec<Vec<u8>> {
    let header = |encoding: u8| {
        let mut bytes = b"HYLL".to_vec();
        bytes.push(encoding);
        bytes.resize(16, 0);
        bytes
    };
    let stale = |mut bytes: Vec<u8>| {
        bytes[15] = 0x80;
        bytes
    };
    vec![
        header(0),
        header(1),
        stale(header(1)),
        header(2),
        [header(1), b"\x7f\xff".to_vec()].concat(),
        [stale(header(1)), b"\x7f\xff\x80".to_vec()].concat(),
        [stale(header(1)), b"\x7f\xf0\x8f\x0a".to_vec()].concat(),
        [header(0), vec![0; 12_288]].concat(),
        stale(
            [
                header(0),
                pattern(7, 12_288).iter().map(|byte| byte & 0x71).collect(),
            ]
            .concat(),
        ),
    ]
}

pub fn value() -> One {
    bytes().prop_map(Argument::Bytes).boxed()
}

fn integer_text() -> BoxedStrategy<String> {
    prop_oneof![
        4 => (-20_i64..100).prop_map(|number| number.to_string()),
        2 => select(vec![
            i64::MAX, i64::MAX - 1, i64::MIN, i64::MIN + 1, i64::from(i32::MAX), i64::from(i32::MIN),
            i64::from(i32::MAX) + 1, 9_999, 10_000, 1 << 53, 4_294_967_296,
        ])
        .prop_map(|number| number.to_string()),
    ]
    .boxed()
}

fn bad_integer() -> BoxedStrategy<String> {
    let bad = [
        "",
        "abc",
        "1.5",
        " 1",
        "1 ",
        "+1",
        "01",
        "-0",
        "--1",
        "0x10",
        "1e3",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "123456789012345678901234567890",
    ];
    select(bad.to_vec()).prop_map(str::to_owned).boxed()
}

fn argument(text: impl Strategy<Value = String> + 'static) -> One {
    text.prop_map(|text| Argument::text(&text)).boxed()
}

/// Any integer, sometimes none.
pub fn integer() -> One {
    argument(prop_oneof![6 => integer_text(), 1 => bad_integer()])
}

/// A small integer, sometimes a large or none.
pub fn small(range: std::ops::Range<i64>) -> One {
    argument(prop_oneof![
        8 => range.prop_map(|number| number.to_string()),
        1 => integer_text(),
        1 => bad_integer(),
    ])
}

fn float_text() -> BoxedStrategy<String> {
    let special = [
        "0.1",
        "0.2",
        "3.14",
        "-1.5",
        "5.0e3",
        "1e10",
        "1e-10",
        "1e17",
        "1e300",
        "1e4900",
        "-1e4900",
        "1e4932",
        "1.18e4932",
        "-1.18e4932",
        "1e-4940",
        "1e-4951",
        "0.00000000000000001",
        "0.000000000000000005",
        "1.000000000000000005",
        "123456789.123456789",
        "18446744073709551615",
        "18446744073709551617",
        ".5",
        "5.",
        "+7",
        "1e+2",
        "0x10",
        "0x1.8p1",
        "0x.8",
        "0x1p-70",
        "-0.0",
        "0e99999",
    ];
    prop_oneof![
        3 => select(special.to_vec()).prop_map(str::to_owned),
        2 => (-1_000_000_i64..1_000_000, 0_u32..8).prop_map(|(digits, point)| format!("{}", digits as f64 / 10_f64.powi(point as i32))),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(whole, fraction)| format!("{whole}.{fraction}")),
        1 => (any::<u64>(), -40_i32..40).prop_map(|(digits, exponent)| format!("{digits}e{exponent}")),
    ]
    .boxed()
}

pub fn float() -> One {
    let bad = select(vec![
        "", "abc", " 1", "1 ", "1e", ".", "nan", "inf", "-inf", "infinity", "1e5000", "1e-5000",
        "0x", "1.5.5", "1,5",
    ]);
    argument(prop_oneof![
        4 => float_text(),
        1 => integer_text(),
        1 => bad.prop_map(str::to_owned),
        1 => bad_integer(),
    ])
}

/// The offset of a bit, seldom beyond 12 KB.
pub fn bit_offset() -> One {
    argument(prop_oneof![
        6 => (0_i64..100).prop_map(|number| number.to_string()),
        2 => (0_i64..100_000).prop_map(|number| number.to_string()),
        1 => select(vec!["-1", "4294967296", "9223372036854775807", "#1", "1.0"]).prop_map(str::to_owned),
        1 => bad_integer(),
    ])
}

/// A word in some case.
pub fn word(words: &'static [&'static str]) -> One {
    (select(words), any::<bool>())
        .prop_map(|(word, lower)| {
            Argument::text(&if lower {
                word.to_ascii_lowercase()
            } else {
                word.to_owned()
            })
        })
        .boxed()
}

/// Seconds to live: mostly far, sometimes past, impossible or no number.
pub fn seconds() -> One {
    argument(prop_oneof![
        6 => select(vec!["100", "1000", "20000", "3000000"]).prop_map(str::to_owned),
        1 => Just("1".to_owned()),
        2 => select(vec!["0", "-1", "-100000", "9223372036854775", "9223372036854776", "-9223372036854776",
            "9223372036854775807", "-9223372036854775808"]).prop_map(str::to_owned),
        1 => bad_integer(),
    ])
}

/// Milliseconds to live: far, soon, past, impossible or no number.
pub fn milliseconds() -> One {
    argument(prop_oneof![
        5 => select(vec!["100000", "1000500", "20000499", "3000000001"]).prop_map(str::to_owned),
        1 => (60_i64..120).prop_map(|number| number.to_string()),
        2 => select(vec!["0", "-1", "-100000", "9223372036854775807", "9223372036854775000",
            "-9223372036854775808"]).prop_map(str::to_owned),
        1 => bad_integer(),
    ])
}

/// A moment in seconds.
pub fn seconds_at() -> One {
    prop_oneof![
        5 => select(vec![150_i64, 2_000, 30_000]).prop_map(Argument::SecondsFromNow),
        1 => select(vec![-1_000_i64, -1, 1]).prop_map(Argument::SecondsFromNow),
        1 => select(vec!["4102444800", "253402300799", "1", "9223372036854775"]).prop_map(Argument::text),
        2 => seconds(),
    ]
    .boxed()
}

/// A moment in milliseconds.
pub fn milliseconds_at() -> One {
    prop_oneof![
        5 => select(vec![150_000_i64, 2_000_123, 30_000_500]).prop_map(Argument::MillisecondsFromNow),
        1 => select(vec![-100_000_i64, -1, 70, 110]).prop_map(Argument::MillisecondsFromNow),
        1 => select(vec!["4102444800000", "253402300799499", "1", "9223372036854775807"]).prop_map(Argument::text),
        2 => milliseconds(),
    ]
    .boxed()
}

/// The index of a database, mostly one of three.
pub fn database() -> One {
    argument(prop_oneof![
        8 => (0_i64..3).prop_map(|number| number.to_string()),
        1 => select(vec!["15", "16", "-1", "2147483648", "-2147483649"]).prop_map(str::to_owned),
        1 => bad_integer(),
    ])
}

/// Options of an HSCAN or its kin that goes through.
pub fn element_scan_choices() -> Vec<Arguments> {
    let fixed = |words: &[&str]| {
        let words = words.iter().map(|word| Argument::text(word));
        Just(words.collect::<Vec<_>>()).boxed()
    };
    vec![
        fixed(&["COUNT", "1"]),
        fixed(&["count", "100"]),
        fixed(&["MATCH", "f*"]),
        fixed(&["match", "*1*"]),
        fixed(&["MATCH", "*"]),
    ]
}

/// A walk over a collection by HSCAN or its kin, with some of `changes` between its pages. `fill` begins the request that
/// fills it; a long element and `elements` follow, so that Redis gives it the form of a large one.
pub fn element_walk(
    command: &'static str,
    key: &'static str,
    fill: &'static str,
    elements: Arguments,
    options: Vec<Arguments>,
    changes: BoxedStrategy<Request>,
) -> BoxedStrategy<Step> {
    (elements, some(options, 2), collection::vec(changes, 0..6))
        .prop_map(move |(elements, options, between)| {
            let words = |text: &str| text.split(' ').map(Argument::text).collect::<Request>();
            let long = Argument::Bytes(vec![b'm'; 65]);
            Step::ScanElements {
                connection: 0,
                fill: vec![
                    vec![Argument::text("DEL"), Argument::text(key)],
                    [words(fill), vec![long], elements].concat(),
                ],
                command,
                key,
                options,
                between,
            }
        })
        .boxed()
}

/// HSCAN or SSCAN, over elements like `element`, with every option and every error.
pub fn element_scan(element: One) -> Arguments {
    let mut choices = element_scan_choices();
    choices.extend([
        option(&["COUNT"], small(-2..3)),
        option(&["MATCH"], element),
        option(&["TYPE"], key()),
        one(word(&["NOVALUES"])),
        one(word(&["FOO"])),
    ]);
    let cursor = prop_oneof![
        5 => Just("0"),
        1 => select(vec!["abc", "", "-1", "1.5", "18446744073709551616", "0x1"]),
    ];
    let from = all(vec![key(), cursor.prop_map(Argument::text).boxed()]);
    sequence(vec![from, some(choices, 3)])
}

/// Fixed arguments.
pub fn none() -> Arguments {
    Just(Vec::new()).boxed()
}

/// The parts one after the other.
pub fn sequence(parts: Vec<Arguments>) -> Arguments {
    parts.prop_map(|parts| parts.concat()).boxed()
}

/// A part of one argument.
pub fn one(part: One) -> Arguments {
    part.prop_map(|argument| vec![argument]).boxed()
}

/// A list of single arguments.
pub fn all(parts: Vec<One>) -> Arguments {
    parts.boxed()
}

/// Up to `most` of the choices, in any order, repeats included.
pub fn some(choices: Vec<Arguments>, most: usize) -> Arguments {
    let choice = proptest::strategy::Union::new(choices);
    collection::vec(choice, 0..=most)
        .prop_map(|parts| parts.concat())
        .boxed()
}

/// A word and the argument behind it, which is sometimes missing.
pub fn option(words: &'static [&'static str], argument: One) -> Arguments {
    (word(words), argument, 0..20_usize)
        .prop_map(|(word, argument, dice)| {
            if dice == 0 {
                vec![word]
            } else {
                vec![word, argument]
            }
        })
        .boxed()
}
