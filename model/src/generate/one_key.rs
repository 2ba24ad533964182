//! Several commands on one key, inside MULTI or in one script: what the one changes in a part of a collection, the next one
//! meets there. What the key had before may come back in the midst of it.

use proptest::collection;
use proptest::prelude::*;
use proptest::strategy::Union;

use super::sizes::{SHAPES, Shape};
use super::{
    Argument, CONNECTIONS, Request, Step, bitmaps, geo, keys, of_rows, streams, strings, words,
};

pub fn steps() -> BoxedStrategy<Vec<Step>> {
    prop_oneof![2 => on_a_stream(), 2 => on_a_collection(), 1 => on_another_kind()].boxed()
}

/// A stream with several groups, whose parts are then changed together.
fn on_a_stream() -> BoxedStrategy<Vec<Step>> {
    const FILL: &[&str] = &[
        "DEL s",
        "XADD s 1-1 f v",
        "XADD s 1-2 f v",
        "XADD s 1-3 f v",
        "XADD s 2-1 f v",
        "XGROUP CREATE s g 0",
        "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
        "XREADGROUP GROUP g d COUNT 1 STREAMS s >",
        "XGROUP CREATE s h 0",
        "XREADGROUP GROUP h c STREAMS s >",
    ];
    // A part of it, so that now and then a group is new.
    let count = prop_oneof![
        1 => Just(0),
        3 => FILL.len() - 5..=FILL.len(),
    ];
    let fill = count.prop_map(|count| FILL[..count].iter().map(|text| words(text)).collect());
    on_one_key("s", fill.boxed(), of_rows(streams::ROWS.iter()))
}

const KEY: &str = "b";

/// A list, a hash or a set, which may be large before, and becomes so or small again in the midst of it.
fn on_a_collection() -> BoxedStrategy<Vec<Step>> {
    let shapes = SHAPES.iter().filter(|shape| shape.together > 1);
    let each = shapes.map(|shape| {
        let rows = || of_rows(shape.rows.iter());
        let fill = prop_oneof![
            3 => collection::vec(on_key(KEY, rows()), 0..4),
            1 => collection::vec(many(shape), 1..3),
        ];
        let requests = prop_oneof![6 => rows(), 1 => many(shape)];
        on_one_key(KEY, fill.boxed(), requests.boxed())
    });
    Union::new(each).boxed()
}

/// Puts many elements into the key, or takes many out.
fn many(shape: &'static Shape) -> BoxedStrategy<Request> {
    let add = (0..100_usize, 1..250_usize, 1..70_usize)
        .prop_map(|(from, count, bytes)| shape.of_elements(KEY, from..from + count, bytes));
    let remove = (0..300_usize).prop_map(|count| (shape.shrink)(KEY, count));
    prop_oneof![3 => add, 1 => remove].boxed()
}

/// A key that mostly holds one kind of value.
fn on_another_kind() -> BoxedStrategy<Vec<Step>> {
    let kinds = [strings::ROWS, keys::ROWS, bitmaps::ROWS, geo::ROWS];
    let each = kinds.map(|rows| {
        let requests = of_rows(rows.iter());
        let fill = collection::vec(on_key(KEY, requests.clone()), 0..4);
        on_one_key(KEY, fill.boxed(), requests)
    });
    Union::new(each).boxed()
}

/// Requests that fill a key, a dump of it, and then several of these requests and of those that move, copy and put back
/// whole keys.
fn on_one_key(
    key: &'static str,
    fill: BoxedStrategy<Vec<Request>>,
    requests: BoxedStrategy<Request>,
) -> BoxedStrategy<Vec<Step>> {
    let whole = keys::ROWS
        .iter()
        .filter(|row| ["rename", "copy", "restore", "del", "persist"].contains(&row.command));
    let one = prop_oneof![8 => on_key(key, requests), 1 => on_key(key, of_rows(whole))];
    let body = collection::vec(one, 2..12);
    let frame = prop_oneof![
        10 => Just(Frame::Transaction("EXEC")),
        1 => Just(Frame::Transaction("DISCARD")),
        5 => Just(Frame::Script),
    ];
    (0..CONNECTIONS, fill, body, frame)
        .prop_map(move |(connection, fill, body, frame)| {
            let of = |requests| Step::Requests {
                connection,
                requests,
            };
            let dump = vec![Argument::text("DUMP"), Argument::text(key)];
            let inner = match frame {
                Frame::Transaction(end) => {
                    of([vec![words("MULTI")], body, vec![words(end)]].concat())
                }
                Frame::Script => Step::Script {
                    connection,
                    requests: body,
                },
            };
            vec![of(fill), of(vec![dump]), inner]
        })
        .boxed()
}

/// What holds requests together.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// The command that ends it.
    Transaction(&'static str),
    Script,
}

/// Requests whose key, where it is their first argument, is mostly this one.
fn on_key(key: &'static str, requests: BoxedStrategy<Request>) -> BoxedStrategy<Request> {
    (requests, 0..5)
        .prop_map(move |(mut request, draw)| {
            if draw > 0
                && let Some(first) = request.get_mut(1)
                && is_key(first)
            {
                *first = Argument::text(key);
            }
            request
        })
        .boxed()
}

/// Whether an argument is one of the keys with a short name; a count or a subcommand is none.
fn is_key(argument: &Argument) -> bool {
    matches!(argument, Argument::Bytes(bytes) if bytes.len() == 1 && bytes[0].is_ascii_lowercase())
}
