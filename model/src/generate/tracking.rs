//! Rows of client tracking. Prefixes begin no key, and nothing is redirected.

use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("client|tracking", 3, tracking),
    row("client|caching", 1, || one(word(&["YES", "NO", "FOO"]))),
    row("client|getredir", 1, none),
    row("client|trackinginfo", 2, none),
];

fn tracking() -> Arguments {
    let prefix = select(vec!["zz:", "zz:1", "zy", "z"]).prop_map(Argument::text);
    let prefix = || option(&["PREFIX"], prefix.clone().boxed());
    let nobody = prop_oneof![
        Just(Argument::text("999999999")),
        small(-2..1),
        Just(Argument::text("x"))
    ];
    let ons = vec![
        all(vec![word(&["ON"])]),
        sequence(vec![
            all(vec![word(&["ON"]), word(&["BCAST"])]),
            some(vec![prefix(), prefix()], 2),
            some(vec![one(word(&["NOLOOP", "OPTIN"]))], 1),
        ]),
        sequence(vec![
            all(vec![word(&["ON"]), word(&["OPTIN", "OPTOUT", "NOLOOP"])]),
            some(
                vec![
                    one(word(&["OPTIN", "OPTOUT", "NOLOOP"])),
                    prefix(),
                    option(&["REDIRECT"], nobody.boxed()),
                    one(word(&["FOO", "REDIRECT"])),
                ],
                2,
            ),
        ]),
    ];
    prop_oneof![
        3 => proptest::strategy::Union::new(ons),
        2 => one(word(&["OFF", "OFF", "FOO"])),
    ]
    .boxed()
}
