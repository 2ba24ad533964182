//! Rows of the commands that run others as one step.

use super::argument::Arg;
use super::key_spec::{KeyFlag::Ro, KeySpec};
use super::row::{
    Flag::{AllowBusy, Fast, Loading, NoScript, SkipSlowlog, Stale},
    Group, Row, Rows,
};

pub(super) const ROWS: Rows = Rows {
    group: Group::Transactions,
    rows: &[
        Row::new(
            "discard",
            "2.0.0",
            1,
            &[NoScript, Loading, Stale, Fast, AllowBusy],
        )
        .summary("Forgets the queued commands and ends the transaction.")
        .complexity("O(N), N queued commands"),
        Row::new("exec", "1.2.0", 1, &[NoScript, Loading, Stale, SkipSlowlog])
            .summary("Carries out the queued commands as one step.")
            .complexity("That of the queued commands"),
        Row::new(
            "multi",
            "1.2.0",
            1,
            &[NoScript, Loading, Stale, Fast, AllowBusy],
        )
        .summary("Begins a transaction: commands are queued until EXEC.")
        .complexity("O(1)"),
        Row::new(
            "unwatch",
            "2.2.0",
            1,
            &[NoScript, Loading, Stale, Fast, AllowBusy],
        )
        .summary("Forgets the watched keys.")
        .complexity("O(1)"),
        Row::new(
            "watch",
            "2.2.0",
            -2,
            &[NoScript, Loading, Stale, Fast, AllowBusy],
        )
        .summary("Lets EXEC fail when one of the keys has changed until then.")
        .complexity("O(1) a key")
        .keys(&[KeySpec::at(1, &[Ro]).to(-1)])
        .args(&[Arg::key("key", 0).multiple()]),
    ],
};
