//! What those who repeat a command on a consumer group are told.

use crate::command::Call;
use crate::keyspace::stream::group::{GroupHead, Pending};
use crate::keyspace::stream::id::StreamId;

/// What a command did to a group.
pub struct Told<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub consumer: &'a [u8],
    pub is_new_consumer: bool,
    /// The group's last delivered entry is another one.
    pub moved: bool,
    /// How the group is now.
    pub head: GroupHead,
    /// What is said now of its entries; None: they are not pending any more.
    pub pending: Vec<(StreamId, Option<Pending>)>,
}

impl Told<'_> {
    /// Says it in the place of the command's own words.
    pub fn tell(&self, call: &mut Call<'_>) {
        call.keyspace.changes.rewrite();
        if !call.is_repeated() {
            return;
        }
        let last_id = self.head.last_id.to_string();
        if self.is_new_consumer && !self.pending.iter().any(|(_, new)| new.is_some()) {
            let (key, group) = (self.key, self.group);
            call.does(&[b"XGROUP", b"CREATECONSUMER", key, group, self.consumer]);
        }
        for (id, pending) in &self.pending {
            let id = id.to_string();
            let Some(pending) = pending else {
                call.does(&[b"XACK", self.key, self.group, id.as_bytes()]);
                continue;
            };
            call.does(&[
                b"XCLAIM",
                self.key,
                self.group,
                self.consumer,
                b"0",
                id.as_bytes(),
                b"TIME",
                pending.delivered_ms.to_string().as_bytes(),
                b"RETRYCOUNT",
                pending.deliveries.to_string().as_bytes(),
                b"FORCE",
                b"JUSTID",
                b"LASTID",
                last_id.as_bytes(),
            ]);
        }
        if self.moved {
            let read = self.head.entries_read.unwrap_or(-1).to_string();
            call.does(&[
                b"XGROUP",
                b"SETID",
                self.key,
                self.group,
                last_id.as_bytes(),
                b"ENTRIESREAD",
                read.as_bytes(),
            ]);
        }
    }
}
