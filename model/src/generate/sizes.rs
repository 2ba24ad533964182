//! Collections that grow beyond what fits beside their key, are changed, and shrink again.

use std::ops::Range;

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    Argument, CONNECTIONS, Request, Row, Step, hashes, lists, of_rows, sets, sorted_sets, streams,
};

/// A kind of collection, and how one is filled and emptied.
pub struct Shape {
    pub rows: &'static [Row],
    /// The words for element `n` of a request that adds several.
    add: &'static str,
    element: fn(usize, usize) -> Vec<Argument>,
    /// How many elements a request adds.
    pub together: usize,
    /// Leaves the first few.
    pub shrink: fn(&'static str, usize) -> Request,
}

fn words(words: &[&str]) -> Request {
    words.iter().map(|word| Argument::text(word)).collect()
}

/// A text of about so many bytes that no other number has.
fn text(number: usize, bytes: usize) -> Argument {
    Argument::text(&format!("{number:04}{}", "x".repeat(bytes)))
}

/// How many elements are left of a collection that shrinks.
const LEFT: usize = 3;

fn remove(command: &str, key: &str, count: usize) -> Request {
    let mut request = words(&[command, key]);
    request.extend((LEFT..count).map(|number| Argument::text(&format!("m{number}"))));
    request
}

fn member(number: usize) -> Argument {
    Argument::text(&format!("m{number}"))
}

pub const SHAPES: &[Shape] = &[
    Shape {
        rows: lists::ROWS,
        add: "RPUSH",
        element: |number, bytes| vec![text(number, bytes)],
        together: 40,
        shrink: |key, _| words(&["LTRIM", key, "0", "2"]),
    },
    Shape {
        rows: hashes::ROWS,
        add: "HSET",
        element: |number, bytes| vec![member(number), text(number, bytes)],
        together: 40,
        shrink: |key, count| remove("HDEL", key, count),
    },
    Shape {
        rows: sets::ROWS,
        add: "SADD",
        element: |number, _| vec![member(number)],
        together: 40,
        shrink: |key, count| remove("SREM", key, count),
    },
    Shape {
        rows: sorted_sets::ROWS,
        add: "ZADD",
        element: |number, _| vec![Argument::text(&(number % 7).to_string()), member(number)],
        together: 40,
        shrink: |key, count| remove("ZREM", key, count),
    },
    Shape {
        rows: streams::ROWS,
        add: "XADD",
        element: |number, bytes| {
            let id = format!("1-{}", number + 1);
            vec![
                Argument::text(&id),
                Argument::text("f"),
                text(number, bytes),
            ]
        },
        together: 1,
        shrink: |key, _| words(&["XTRIM", key, "MAXLEN", "3"]),
    },
];

/// A large stream without some of its first entries, as a dump brings it back: another key has the same nodes.
pub fn restored_stream() -> BoxedStrategy<Vec<Step>> {
    let stream = SHAPES.last().expect("the shape of streams");
    (0..CONNECTIONS, 20..60_usize, 1..20_usize, 0..6_usize)
        .prop_map(move |(connection, count, gone, dump_of)| {
            let of = |requests| Step::Requests {
                connection,
                requests,
            };
            let begin = of(vec![words(&["DEL", "a", "b"])]);
            let mut cut = words(&["XDEL", "a"]);
            cut.extend((1..=gone).map(|number| Argument::text(&format!("1-{number}"))));
            let dump = of(vec![cut, words(&["DUMP", "a"])]);
            let mut restore = words(&["RESTORE", "b", "0"]);
            restore.push(Argument::Dump(dump_of));
            let keep = (count / 2).to_string();
            let look = of(vec![
                restore,
                words(&["XTRIM", "b", "MAXLEN", "~", &keep]),
                words(&["XINFO", "STREAM", "b"]),
            ]);
            vec![begin, of(fill(stream, "a", count, 70)), dump, look]
        })
        .boxed()
}

/// Fills a key, changes what it holds, and takes most of it out again.
pub fn steps() -> BoxedStrategy<Vec<Step>> {
    (0..SHAPES.len())
        .prop_flat_map(|at| of_shape(&SHAPES[at], &[20, 60, 60, 250, 600]))
        .boxed()
}

/// The same with a large one of every shape, one after the other.
pub fn every_shape() -> BoxedStrategy<Vec<Step>> {
    let each: Vec<_> = SHAPES
        .iter()
        .map(|shape| of_shape(shape, &[250, 600]))
        .collect();
    each.prop_shuffle().prop_map(|parts| parts.concat()).boxed()
}

fn of_shape(shape: &'static Shape, counts: &[usize]) -> BoxedStrategy<Vec<Step>> {
    let changes = collection::vec(of_rows(shape.rows.iter()), 0..6);
    let sizes = (select(counts.to_vec()), select(vec![10_usize, 50, 70]));
    (changes, 0..CONNECTIONS, select(vec!["a", "b"]), sizes)
        .prop_map(move |(changes, connection, key, (count, bytes))| {
            // An entry of a stream comes by itself.
            let count = if shape.together == 1 {
                count.min(60)
            } else {
                count
            };
            let of = |requests| Step::Requests {
                connection,
                requests,
            };
            let measure = Step::Measure { connection, key };
            let begin = of(vec![words(&["DEL", key])]);
            let fill = of(fill(shape, key, count, bytes));
            let shrink = of(vec![(shape.shrink)(key, count)]);
            vec![begin, fill, measure, of(changes), shrink]
        })
        .boxed()
}

/// Adds a few first, so that a small collection grows.
fn fill(shape: &Shape, key: &str, count: usize, bytes: usize) -> Vec<Request> {
    // So few entries must be long ones to take several pages.
    let bytes = if shape.together == 1 {
        bytes * 3
    } else {
        bytes
    };
    let numbers: Vec<usize> = (0..count).collect();
    let (few, rest) = numbers.split_at(LEFT.min(count));
    let requests = few
        .chunks(shape.together)
        .chain(rest.chunks(shape.together));
    requests
        .map(|numbers| {
            let of_these = numbers[0]..numbers[0] + numbers.len();
            shape.of_elements(key, of_these, bytes)
        })
        .collect()
}

impl Shape {
    /// A request that adds these elements, of about so many bytes each.
    pub fn of_elements(&self, key: &str, numbers: Range<usize>, bytes: usize) -> Request {
        let elements = numbers.flat_map(|number| (self.element)(number, bytes));
        words(&[self.add, key])
            .into_iter()
            .chain(elements)
            .collect()
    }
}
