//! Transactions: rows of their commands, and whole ones with other connections in between.

use proptest::collection;
use proptest::prelude::*;

use super::arguments::*;
use super::{CONNECTIONS, Features, Row, Step, keys, request, row, words};

pub const ROWS: &[Row] = &[
    row("multi", 2, none),
    row("exec", 5, none),
    row("discard", 1, none),
    row("watch", 4, keys),
    row("unwatch", 1, none),
];

/// WATCH, MULTI, commands, and the end, with changes by others before and behind MULTI.
pub fn steps(features: Features) -> BoxedStrategy<Vec<Step>> {
    let watch = keys().prop_map(|keys| [words("WATCH"), keys].concat());
    let changes = || collection::vec(prop_oneof![keys::changes(), request(features)], 0..3);
    let end = prop_oneof![6 => Just("EXEC"), 1 => Just("DISCARD")];
    (
        (0..CONNECTIONS, 0..CONNECTIONS),
        collection::vec(watch, 0..2),
        changes(),
        collection::vec(request(features), 0..6),
        changes(),
        end,
    )
        .prop_map(
            move |((own, other), watches, before, queued, behind, end)| {
                let of = |connection, requests| Step::Requests {
                    connection,
                    requests,
                };
                vec![
                    of(own, watches),
                    of(other, before),
                    of(own, vec![words("MULTI")]),
                    of(own, queued),
                    of(other, behind),
                    of(own, vec![words(end)]),
                ]
            },
        )
        .boxed()
}
