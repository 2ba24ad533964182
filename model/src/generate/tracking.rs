//! Client tracking: rows of its commands, and connections that read what others change.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{
    Argument, Arguments, CONNECTIONS, Features, Request, Row, Step, VALUES, keys, of_rows, request,
    row, streams,
};

pub const ROWS: &[Row] = &[
    row("client|tracking", 3, tracking),
    row("client|caching", 1, || one(word(&["YES", "NO", "FOO"]))),
    row("client|getredir", 1, none),
    row("client|trackinginfo", 2, none),
];

/// Prefixes that begin many keys, few and none.
fn prefix() -> One {
    select(vec![
        "", "a", "b", "user:", "user:1", "l", "zz:", "zz:1", "z",
    ])
    .prop_map(Argument::text)
    .boxed()
}

/// A connection's number, or a number of none.
fn receiver() -> One {
    prop_oneof![
        6 => (0..CONNECTIONS).prop_map(Argument::Number),
        1 => Just(Argument::text("999999999")),
        1 => small(-2..1),
        1 => Just(Argument::text("x")),
    ]
    .boxed()
}

fn tracking() -> Arguments {
    let prefix = || option(&["PREFIX"], prefix());
    let redirect = || option(&["REDIRECT"], receiver());
    let ons = vec![
        all(vec![word(&["ON"])]),
        sequence(vec![
            all(vec![word(&["ON"]), word(&["BCAST"])]),
            some(vec![prefix(), prefix()], 2),
            some(
                vec![one(word(&["NOLOOP", "OPTIN", "NOLOOP"])), redirect()],
                2,
            ),
        ]),
        sequence(vec![
            one(word(&["ON"])),
            some(
                vec![one(word(&["OPTIN", "OPTOUT", "NOLOOP"])), redirect()],
                2,
            ),
        ]),
        sequence(vec![
            all(vec![word(&["ON"]), word(&["OPTIN", "OPTOUT", "NOLOOP"])]),
            some(
                vec![
                    one(word(&["OPTIN", "OPTOUT", "NOLOOP"])),
                    prefix(),
                    redirect(),
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

/// Any command about keys.
fn about_keys() -> BoxedStrategy<Request> {
    of_rows(VALUES.iter().copied().flatten().chain(streams::ROWS))
}

/// Reads of the commonest keys, changes of them by the same connection and by others, and what ends it all.
fn traffic(features: Features) -> BoxedStrategy<Vec<Step>> {
    let words = |text: &str| text.split(' ').map(Argument::text).collect::<Request>();
    let read = select(vec![
        "GET", "EXISTS", "TTL", "STRLEN", "TYPE", "get", "TOUCH", "LLEN",
    ]);
    let read = (read, key()).prop_map(move |(name, key)| [words(name), vec![key]].concat());
    let cached = select(vec!["CLIENT CACHING YES", "CLIENT CACHING NO"]).prop_map(words);
    let reads = prop_oneof![
        2 => read.clone().prop_map(|read| vec![read]),
        1 => (cached, read).prop_map(|(caching, read)| vec![caching, read]),
    ];
    let change = prop_oneof![
        6 => keys::changes(),
        3 => about_keys(),
        1 => request(features),
    ];
    let of = |(connection, requests)| Step::Requests {
        connection,
        requests,
    };
    let of_reader = prop_oneof![3 => reads, 1 => of_rows(ROWS.iter()).prop_map(|it| vec![it])];
    let step = prop_oneof![
        4 => (0..CONNECTIONS, of_reader).prop_map(of),
        5 => (0..CONNECTIONS, change.prop_map(|it| vec![it])).prop_map(of),
        1 => Just(Step::AwaitExpiry),
    ];
    collection::vec(step, 4..16).boxed()
}

/// One connection tracks, and there is little room for what it reads.
fn crowded_steps(features: Features) -> BoxedStrategy<Vec<Step>> {
    let words = |text: &str| text.split(' ').map(Argument::text).collect::<Request>();
    let of = |connection, request| Step::Requests {
        connection,
        requests: vec![request],
    };
    let limit = move |keys: usize| words(&format!("CONFIG SET tracking-table-max-keys {keys}"));
    let modes = select(vec!["", " NOLOOP", " OPTOUT", " OPTIN"]);
    let reads = collection::vec(
        (select(vec!["GET", "EXISTS", "MGET"]), keys_of_reads()),
        2..6,
    );
    (0..CONNECTIONS, 1..5_usize, modes, reads, traffic(features))
        .prop_map(move |(reader, keys, mode, reads, traffic)| {
            let offs = (0..CONNECTIONS).map(|it| of(it, words("RESET")));
            let begin = [
                of(reader, words("HELLO 3")),
                of(reader, words("FLUSHALL")),
                of(reader, limit(keys)),
                of(reader, words(&format!("CLIENT TRACKING ON{mode}"))),
            ];
            let reads = reads.into_iter().map(|(name, keys)| {
                let keys = if name == "GET" {
                    keys[..1].to_vec()
                } else {
                    keys
                };
                of(reader, [words(name), keys].concat())
            });
            let end = [of(reader, words("RESET")), of(reader, limit(1_000_000))];
            let steps = offs.chain(begin).chain(reads);
            steps.chain(traffic).chain(end).collect()
        })
        .boxed()
}

fn keys_of_reads() -> Arguments {
    collection::vec(key(), 1..6).boxed()
}

/// Connections that track, and others that are told for them.
pub fn steps(features: Features) -> BoxedStrategy<Vec<Step>> {
    let words = |text: &str| text.split(' ').map(Argument::text).collect::<Request>();
    let modes = vec![
        "",
        "NOLOOP",
        "OPTIN",
        "OPTOUT",
        "BCAST",
        "BCAST NOLOOP",
        "BCAST PREFIX a PREFIX user:",
    ];
    let begin = (
        select(modes),
        proptest::option::weighted(0.3, 0..CONNECTIONS),
    )
        .prop_map(move |(mode, receiver)| {
            let mut request = words("CLIENT TRACKING ON");
            if !mode.is_empty() {
                request.extend(words(mode));
            }
            if let Some(receiver) = receiver {
                request.extend([Argument::text("REDIRECT"), Argument::Number(receiver)]);
            }
            request
        });
    let subscribe = Just(words("SUBSCRIBE __redis__:invalidate"));
    let begins = collection::vec((0..CONNECTIONS, begin), 1..3);
    let hears = proptest::option::weighted(0.3, (0..CONNECTIONS, subscribe));
    let usual = (hears, begins, traffic(features))
        .prop_map(|(hears, begins, traffic)| {
            let first = hears.into_iter().chain(begins);
            let first = first.map(|(connection, request)| Step::Requests {
                connection,
                requests: vec![request],
            });
            first.chain(traffic).collect()
        })
        .boxed();
    prop_oneof![3 => usual, 1 => crowded_steps(features)].boxed()
}
