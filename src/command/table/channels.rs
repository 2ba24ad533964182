//! Which words of a request are channels that it publishes to or subscribes to.

use super::Command;

/// A word of a request that is a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelRef {
    /// Which word; the command's name is word 0.
    pub position: usize,
    pub is_pattern: bool,
}

/// The channels of the request `args` of `command`.
pub fn of(command: &Command, args: &[&[u8]]) -> impl Iterator<Item = ChannelRef> + use<> {
    let (end, is_pattern) = match command.name() {
        "publish" | "spublish" => (2, false),
        "subscribe" | "ssubscribe" => (args.len(), false),
        "psubscribe" => (args.len(), true),
        _ => (1, false),
    };
    (1..end.min(args.len())).map(move |position| ChannelRef {
        position,
        is_pattern,
    })
}
