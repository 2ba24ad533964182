//! Rows of positions.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("geoadd", 6, geoadd),
    row("geopos", 2, || sequence(vec![one(key()), members()])),
    row("geohash", 2, || sequence(vec![one(key()), members()])),
    row("geodist", 3, geodist),
    row("geosearch", 6, || sequence(vec![one(key()), search(false)])),
    row("geosearchstore", 3, || {
        sequence(vec![all(vec![key(), key()]), search(true)])
    }),
    row("georadius", 3, || {
        let from = sequence(vec![one(key()), place(), radius()]);
        sequence(vec![from, some(options(true), 3)])
    }),
    row("georadius_ro", 1, || {
        let from = sequence(vec![one(key()), place(), radius()]);
        sequence(vec![from, some(options(false), 3)])
    }),
    row("georadiusbymember", 3, || {
        let from = sequence(vec![all(vec![key(), member()]), radius()]);
        sequence(vec![from, some(options(true), 3)])
    }),
    row("georadiusbymember_ro", 1, || {
        let from = sequence(vec![all(vec![key(), member()]), radius()]);
        sequence(vec![from, some(options(false), 3)])
    }),
];

fn member() -> One {
    prop_oneof![
        6 => select(vec!["m1", "m2", "m3", "m4", "Palermo", "Catania"]).prop_map(Argument::text),
        1 => value(),
    ]
    .boxed()
}

fn members() -> Arguments {
    collection::vec(member(), 0..4).boxed()
}

/// Longitude and latitude: anywhere, near each other, at the edges, and none.
fn place() -> Arguments {
    let texts = |longitude: f64, latitude: f64| {
        vec![
            Argument::text(&longitude.to_string()),
            Argument::text(&latitude.to_string()),
        ]
    };
    let fixed = |pairs: Vec<(&'static str, &'static str)>| {
        select(pairs).prop_map(|(longitude, latitude)| {
            vec![Argument::text(longitude), Argument::text(latitude)]
        })
    };
    prop_oneof![
        6 => (13.0..16.0, 36.5..38.5).prop_map(move |(longitude, latitude)| texts(longitude, latitude)),
        2 => (-180.0..180.0, -85.0..85.0).prop_map(move |(longitude, latitude)| texts(longitude, latitude)),
        2 => fixed(vec![("13.361389", "38.115556"), ("15.087269", "37.502669"), ("0", "0"), ("180", "85.05112878"),
            ("-180", "-85.05112878"), ("179.9999", "1"), ("-179.9999", "1")]),
        1 => fixed(vec![("180.1", "0"), ("0", "85.06"), ("abc", "1"), ("1", ""), ("nan", "1"), ("-181", "-86")]),
    ]
    .boxed()
}

fn geoadd() -> Arguments {
    let options = some(vec![one(word(&["NX", "XX", "CH"]))], 2);
    let triple = sequence(vec![place(), one(member())]);
    let triples = collection::vec(triple, 1..5).prop_map(|triples| triples.concat());
    sequence(vec![one(key()), options, triples.boxed()])
}

fn unit() -> One {
    prop_oneof![
        12 => word(&["M", "KM", "FT", "MI"]),
        1 => word(&["PARSEC", ""]),
    ]
    .boxed()
}

fn geodist() -> Arguments {
    sequence(vec![
        all(vec![key(), member(), member()]),
        some(vec![one(unit())], 2),
    ])
}

fn length() -> One {
    let lengths = select(vec!["1", "20", "150.5", "200", "400", "20000", "0"]);
    prop_oneof![
        12 => lengths.prop_map(Argument::text),
        1 => select(vec!["-1", "abc", "", "nan"]).prop_map(Argument::text),
    ]
    .boxed()
}

fn radius() -> Arguments {
    all(vec![length(), unit()])
}

/// Options of a search that answers what it finds, or of one that may store it.
fn options(stores: bool) -> Vec<Arguments> {
    let mut choices = vec![
        one(word(&["ASC", "DESC"])),
        option(&["COUNT"], small(1..4)),
        one(word(&["ANY"])),
        one(word(&["WITHCOORD", "WITHDIST", "WITHHASH"])),
        one(word(&["WITHCOORD", "WITHDIST", "WITHHASH", "FOO"])),
    ];
    if stores {
        choices.push(option(&["STORE", "STOREDIST"], key()));
    }
    choices
}

fn search(stores: bool) -> Arguments {
    let from = prop_oneof![
        2 => option(&["FROMMEMBER"], member()),
        3 => sequence(vec![one(word(&["FROMLONLAT"])), place()]),
    ];
    let by = prop_oneof![
        2 => sequence(vec![one(word(&["BYRADIUS"])), radius()]),
        2 => sequence(vec![one(word(&["BYBOX"])), all(vec![length(), length(), unit()])]),
    ];
    let ask = sequence(vec![from.clone().boxed(), by.clone().boxed()]);
    let ask = prop_oneof![
        16 => ask.clone(),
        1 => sequence(vec![ask.clone(), from.boxed()]),
        1 => sequence(vec![ask, by.boxed()]),
        1 => none(),
    ];
    let rest = if stores {
        vec![
            one(word(&[
                "ASC",
                "DESC",
                "STOREDIST",
                "STOREDIST",
                "STOREDIST",
            ])),
            option(&["COUNT"], small(1..4)),
            one(word(&["WITHDIST", "STORE", "ANY"])),
        ]
    } else {
        let mut rest = options(false);
        rest.push(one(word(&["STOREDIST"])));
        rest
    };
    sequence(vec![ask.boxed(), some(rest, 3)])
}
