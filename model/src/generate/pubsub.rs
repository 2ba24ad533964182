//! Rows of the commands that publish and subscribe.

use proptest::collection;
use proptest::prelude::*;
use proptest::sample::select;

use super::arguments::*;
use super::{Argument, Arguments, Row, row};

pub const ROWS: &[Row] = &[
    row("subscribe", 1, channels),
    row("unsubscribe", 2, channels_or_none),
    row("psubscribe", 1, patterns),
    row("punsubscribe", 2, patterns_or_none),
    row("ssubscribe", 1, channels),
    row("sunsubscribe", 2, channels_or_none),
    row("publish", 3, || all(vec![channel(), value()])),
    row("spublish", 2, || all(vec![channel(), value()])),
    row("pubsub|channels", 1, || some(vec![one(pattern())], 1)),
    row("pubsub|shardchannels", 1, || some(vec![one(pattern())], 1)),
    row("pubsub|numsub", 1, channels_or_none),
    row("pubsub|shardnumsub", 1, channels_or_none),
    row("pubsub|numpat", 1, none),
    row("pubsub|help", 1, none),
    row("pubsub|nothing", 1, none),
];

fn channel() -> One {
    select(vec!["a", "b", "ab", "news.1", "news.2", ""])
        .prop_map(Argument::text)
        .boxed()
}

fn channels() -> Arguments {
    collection::vec(channel(), 1..3).boxed()
}

fn channels_or_none() -> Arguments {
    collection::vec(channel(), 0..3).boxed()
}

fn pattern() -> One {
    select(vec!["*", "a*", "news.?", "news.[1]", "?", "b", "x*", ""])
        .prop_map(Argument::text)
        .boxed()
}

fn patterns() -> Arguments {
    collection::vec(pattern(), 1..3).boxed()
}

fn patterns_or_none() -> Arguments {
    collection::vec(pattern(), 0..3).boxed()
}
