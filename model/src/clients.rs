//! The lines of CLIENT LIST, as far as they do not depend on the server's time and memory.

use std::collections::BTreeSet;

use crate::state::{ConnectionId, Model};

impl Model {
    /// The fields of a connection's line that are known: `id=7 name=x`.
    pub fn client_line(&self, connection: ConnectionId) -> Vec<u8> {
        let mut fields: Vec<(&str, Vec<u8>)> = Vec::new();
        let number = |number: usize| number.to_string().into_bytes();
        let Some(it) = self.connections.get(&connection) else {
            return Vec::new();
        };
        if let Some(own) = self.number_of(connection) {
            fields.push(("id", own.to_string().into_bytes()));
        }
        fields.push(("name", it.name.clone()));
        fields.push(("db", number(it.database)));
        let [channels, patterns, shard_channels] = it.subscriptions.counts();
        fields.push(("sub", number(channels)));
        fields.push(("psub", number(patterns)));
        fields.push(("ssub", number(shard_channels)));
        fields.push(("flags", self.client_flags(connection).into_bytes()));
        let queued = it.transaction.as_ref().map(|it| it.queue.len());
        let queued = queued.or(it.executing).map_or(-1, |len| len as i64);
        fields.push(("multi", queued.to_string().into_bytes()));
        if !it.watches.changed {
            let distinct: BTreeSet<_> = it.watches.keys.iter().collect();
            fields.push(("watch", number(distinct.len())));
        }
        fields.push(("cmd", it.last_command.as_bytes().to_vec()));
        fields.push(("user", it.user.clone()));
        let redirect = if it.tracking.on {
            it.tracking.redirect
        } else {
            -1
        };
        fields.push(("redir", redirect.to_string().into_bytes()));
        let protocol = match it.protocol {
            crate::Protocol::Resp2 => b"2",
            crate::Protocol::Resp3 => b"3",
        };
        fields.push(("resp", protocol.to_vec()));
        fields.push(("lib-name", it.library[0].clone()));
        fields.push(("lib-ver", it.library[1].clone()));
        let fields = fields.iter();
        let shown = fields.map(|(name, value)| [name.as_bytes(), b"=", value].concat());
        shown.collect::<Vec<_>>().join(&b' ')
    }

    /// The letters of a connection's flags that are known: those of CLIENT NO-EVICT and NO-TOUCH are left out.
    fn client_flags(&self, connection: ConnectionId) -> String {
        let it = &self.connections[&connection];
        let letters = [
            (it.subscriptions.any(), 'P'),
            (it.transaction.is_some() || it.executing.is_some(), 'x'),
            (it.wait.is_some(), 'b'),
            (it.tracking.on, 't'),
            (it.tracking.is_broken, 'R'),
            (it.tracking.bcast, 'B'),
            (it.watches.changed, 'd'),
        ];
        letters
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, letter)| letter)
            .collect()
    }
}
