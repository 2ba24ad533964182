//! What a session learns from the server, so that the model goes on as the server does.

use super::Session;
use crate::compare::{Failure, wire};

impl Session {
    /// Learns how the server counts what it refuses: with an entry of its own, which is forgotten.
    pub(super) fn align_refusals(&mut self) -> Result<(), Failure> {
        // An entry that is there already would be counted up, and keep its number.
        self.bare(0, &["ACL", "LOG", "RESET"])?;
        self.bare(0, &["AUTH", "nobody", "nothing"])?;
        let reply = self.bare(0, &["ACL", "LOG", "1"])?;
        let entry = wire::parse(&reply).and_then(|node| node.items()?.first().cloned());
        let number = entry.and_then(|entry| {
            let fields = entry.items()?;
            let at = fields
                .iter()
                .position(|it| it.text() == Some(b"entry-id"))?;
            fields.get(at + 1)?.integer()
        });
        let counted = self.bare(0, &["INFO", "stats"])?;
        let counted = String::from_utf8_lossy(&counted);
        let next = number.map_or(0, |number| number + 1);
        self.model.count_refusals_from(next, &counted);
        self.bare(0, &["ACL", "LOG", "RESET"]).map(drop)
    }

    /// Lets the server forget keys that were read, and learns which it chose: one connection is told of each.
    pub(super) fn make_room(&mut self) -> Result<(), Failure> {
        let crowded = self.model.crowded_keys();
        let Some(told) = self.model.told_of_all().filter(|_| crowded > 0) else {
            return Ok(());
        };
        self.ask_aside(0, &[b"PING".to_vec()])?;
        for _ in 0..crowded {
            let received = self.sockets[told].receive();
            let actual = received.map_err(|error| self.missing(b"a key to forget", error))?;
            let key =
                wire::parse(&actual).and_then(|node| match node.items()?.last()?.items()? {
                    [key] => key.text().map(<[u8]>::to_vec),
                    _ => None,
                });
            self.model.forget_key(key.as_deref().unwrap_or_default());
            let expected = self.model.take_posted(told);
            if expected != actual {
                return Err(self.divergence(&expected, &actual));
            }
        }
        let [_, keys, ..] = self.model.tracking_sizes();
        let expected = format!("tracking_total_keys:{keys}\r\n");
        let actual = self.ask_aside(0, &[b"INFO".to_vec(), b"stats".to_vec()])?;
        if !String::from_utf8_lossy(&actual).contains(&expected) {
            return Err(self.divergence(expected.as_bytes(), &actual));
        }
        Ok(())
    }
}
