//! Rows of the commands that publish and subscribe.

use super::argument::Arg;
use super::key_spec::{KeyFlag::NotKey, KeySpec};
use super::row::{
    Flag::{Fast, Loading, MayReplicate, NoScript, PubSub, Stale},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::PubSub,
    rows: &[
        Row::new(
            "psubscribe",
            "2.0.0",
            -2,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Subscribes to the channels that match patterns.")
        .complexity("O(N), N patterns")
        .args(&[Arg::pattern("pattern").multiple()]),
        Row::new(
            "publish",
            "2.0.0",
            3,
            &[PubSub, Loading, Stale, Fast, MayReplicate],
        )
        .summary("Sends a message to a channel.")
        .complexity("O(N+M), N subscribers of the channel, M subscribed patterns")
        .args(&[Arg::string("channel"), Arg::string("message")]),
        Row::new("pubsub", "2.8.0", -2, &[])
            .summary("Looks at subscriptions.")
            .complexity("That of the subcommand")
            .subcommands(&[
                Row::new("pubsub|channels", "2.8.0", -2, &[PubSub, Loading, Stale])
                    .summary("Lists the channels that have subscribers.")
                    .complexity("O(N), N channels")
                    .args(&[Arg::pattern("pattern").optional()]),
                Row::new("pubsub|help", "6.2.0", 2, &[Loading, Stale])
                    .summary("Explains the subcommands.")
                    .complexity("O(1)"),
                Row::new("pubsub|numpat", "2.8.0", 2, &[PubSub, Loading, Stale])
                    .summary("Counts the patterns that have subscribers.")
                    .complexity("O(1)"),
                Row::new("pubsub|numsub", "2.8.0", -2, &[PubSub, Loading, Stale])
                    .summary("Counts the subscribers of channels.")
                    .complexity("O(N), N channels asked for")
                    .args(&[Arg::string("channel").optional().multiple()]),
                Row::new(
                    "pubsub|shardchannels",
                    "7.0.0",
                    -2,
                    &[PubSub, Loading, Stale],
                )
                .summary("Lists the shard channels that have subscribers.")
                .complexity("O(N), N shard channels")
                .args(&[Arg::pattern("pattern").optional()]),
                Row::new("pubsub|shardnumsub", "7.0.0", -2, &[PubSub, Loading, Stale])
                    .summary("Counts the subscribers of shard channels.")
                    .complexity("O(N), N shard channels asked for")
                    .args(&[Arg::string("shardchannel").optional().multiple()]),
            ]),
        Row::new(
            "punsubscribe",
            "2.0.0",
            -1,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Ends subscriptions to patterns.")
        .complexity("O(N), N patterns")
        .args(&[Arg::pattern("pattern").optional().multiple()]),
        Row::new(
            "spublish",
            "7.0.0",
            3,
            &[PubSub, Loading, Stale, Fast, MayReplicate],
        )
        .summary("Sends a message to a shard channel.")
        .complexity("O(N), N subscribers of the shard channel")
        .keys(&[KeySpec::at(1, &[NotKey])])
        .args(&[Arg::string("shardchannel"), Arg::string("message")]),
        Row::new(
            "ssubscribe",
            "7.0.0",
            -2,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Subscribes to shard channels.")
        .complexity("O(N), N shard channels")
        .keys(&[KeySpec::at(1, &[NotKey]).to(-1)])
        .args(&[Arg::string("shardchannel").multiple()]),
        Row::new(
            "subscribe",
            "2.0.0",
            -2,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Subscribes to channels.")
        .complexity("O(N), N channels")
        .args(&[Arg::string("channel").multiple()]),
        Row::new(
            "sunsubscribe",
            "7.0.0",
            -1,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Ends subscriptions to shard channels.")
        .complexity("O(N), N shard channels")
        .keys(&[KeySpec::at(1, &[NotKey]).to(-1)])
        .args(&[Arg::string("shardchannel").optional().multiple()]),
        Row::new(
            "unsubscribe",
            "2.0.0",
            -1,
            &[PubSub, NoScript, Loading, Stale],
        )
        .summary("Ends subscriptions to channels.")
        .complexity("O(N), N channels")
        .args(&[Arg::string("channel").optional().multiple()]),
    ],
};
