//! Messages for connections that a command makes, kept until it is over.
//!
//! A command may run again, or turn out not to have happened; so nothing it has to say leaves before it, or the whole
//! EXEC or script around it, is over. Then [`effects::distribute`](super::effects::distribute) sends what is here.

use std::ops::Range;
use std::sync::Arc;

use super::client::Entry;
use super::subscriptions::Step;
use crate::resp::{Proto, encode};

/// Memory for messages that is kept.
const BYTES_KEPT_MAX: usize = 16 * 1024;
const POSTS_KEPT_MAX: usize = 256;

/// What a connection gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message in the form of RESP2; a push message of RESP3 differs in its first byte.
    Message,
    /// The reply, maybe an empty one, that ends a wait. The wait is over, so it leaves even if the rest did not happen.
    WaitEnd,
}

/// Something for one connection.
#[derive(Debug)]
struct Post {
    kind: Kind,
    /// How many changes of keys were told before it.
    after: usize,
    to: Arc<Entry>,
    /// Where it stands among the bytes.
    from: usize,
    end: usize,
}

/// Keys that a tracking connection has read.
#[derive(Debug)]
pub struct Read {
    /// How many changes of keys were told before it.
    after: usize,
    pub key: Box<[u8]>,
}

/// The connection changed its protocol.
#[derive(Debug)]
struct Switch {
    /// How many changes of keys, and messages, came before it.
    changes: usize,
    posts: usize,
    /// What the connection spoke until then.
    from: Proto,
}

/// What the running command has to say to others and to its own connection.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// Those of the posts.
    bytes: Vec<u8>,
    posts: Vec<Post>,
    reads: Vec<Read>,
    /// What the command changed of the connection's subscriptions.
    steps: Vec<Step>,
    /// Which changes of keys scripts made, by their places.
    scripted: Vec<Range<usize>>,
    switches: Vec<Switch>,
    /// How many changes of keys were told when the current command began to speak.
    after: usize,
    /// What is for the connection itself comes before the command's reply, and what its requests before it have changed is
    /// broadcast by then.
    pub before_reply: bool,
}

/// A place in an [`Outgoing`] to which it can be cut back.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingMark {
    bytes: usize,
    posts: usize,
    reads: usize,
    steps: usize,
    scripted: usize,
    switches: usize,
}

impl Outgoing {
    /// Whether there is nothing to do when the command is over.
    pub fn is_empty(&self) -> bool {
        self.posts.is_empty()
            && self.reads.is_empty()
            && self.steps.is_empty()
            && self.switches.is_empty()
            && !self.before_reply
    }

    /// What is added from now on comes behind the first `changes` changes of keys.
    pub fn place(&mut self, changes: usize) {
        self.after = changes;
    }

    /// Adds a message of these words for all of `to`.
    pub fn add<'a>(&mut self, words: &[&[u8]], to: impl Iterator<Item = &'a Arc<Entry>>) {
        let from = self.bytes.len();
        let out = &mut self.bytes;
        encode::bulks(out, words.iter().copied());
        let end = out.len();
        self.posts.extend(to.map(|entry| Post {
            kind: Kind::Message,
            after: self.after,
            to: Arc::clone(entry),
            from,
            end,
        }));
    }

    /// Adds the reply that ends a wait of `to`.
    pub fn add_wait_end(&mut self, to: &Arc<Entry>, reply: &[u8]) {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(reply);
        self.posts.push(Post {
            kind: Kind::WaitEnd,
            after: self.after,
            to: Arc::clone(to),
            from,
            end: self.bytes.len(),
        });
    }

    /// The connection tracks a key that it has read.
    pub fn add_read(&mut self, key: &[u8]) {
        self.reads.push(Read {
            after: self.after,
            key: key.into(),
        });
    }

    /// The connection's subscriptions have changed, if there is a step.
    pub fn steps(&mut self, step: Option<Step>) {
        self.steps.extend(step);
    }

    /// Up to here, behind so many changes of keys, the connection spoke this protocol.
    pub fn add_switch(&mut self, changes: usize, from: Proto) {
        self.switches.push(Switch {
            changes,
            posts: self.posts.len(),
            from,
        });
    }

    /// What the connection spoke when the change of keys at this place was made; None: what it speaks at the end.
    pub fn proto_at_change(&self, change: usize) -> Option<Proto> {
        let switch = self.switches.iter().find(|it| it.changes > change);
        switch.map(|it| it.from)
    }

    fn proto_at_post(&self, post: usize) -> Option<Proto> {
        let switch = self.switches.iter().find(|it| it.posts > post);
        switch.map(|it| it.from)
    }

    /// A script made the changes of keys at these places.
    pub fn add_scripted(&mut self, changes: Range<usize>) {
        if !changes.is_empty() {
            self.scripted.push(changes);
        }
    }

    /// Whether a script made the change of keys at this place.
    pub fn is_scripted(&self, change: usize) -> bool {
        self.scripted
            .iter()
            .any(|changes| changes.contains(&change))
    }

    /// Where it ends now.
    pub fn mark(&self) -> OutgoingMark {
        OutgoingMark {
            bytes: self.bytes.len(),
            posts: self.posts.len(),
            reads: self.reads.len(),
            steps: self.steps.len(),
            scripted: self.scripted.len(),
            switches: self.switches.len(),
        }
    }

    /// Forgets what was added since `mark`, but for ends of waits; what subscriptions changed is given back, the latest
    /// first.
    pub fn cut(&mut self, mark: OutgoingMark) -> impl Iterator<Item = Step> {
        let dropped = self.bytes.split_off(mark.bytes);
        for mut post in self.posts.split_off(mark.posts) {
            if post.kind == Kind::WaitEnd {
                let reply = &dropped[post.from - mark.bytes..post.end - mark.bytes];
                (post.from, post.end) = (self.bytes.len(), self.bytes.len() + reply.len());
                self.bytes.extend_from_slice(reply);
                self.posts.push(post);
            }
        }
        self.reads.truncate(mark.reads);
        self.scripted.truncate(mark.scripted);
        self.switches.truncate(mark.switches);
        self.steps.drain(mark.steps..).rev()
    }

    /// Sees, in the order in which they were made, the posts and the reads that come before change number `changes`,
    /// from the ones that `progress` says on. With a post comes what the connection itself spoke when it was made, unless
    /// that is what it speaks at the end.
    pub fn up_to(
        &self,
        changes: usize,
        progress: &mut Progress,
        mut send: impl FnMut(Kind, &Arc<Entry>, &[u8], Option<Proto>),
        mut read: impl FnMut(&[u8]),
    ) {
        while let Some(post) = self.posts.get(progress.posts)
            && post.after <= changes
        {
            let proto = self.proto_at_post(progress.posts);
            progress.posts += 1;
            let bytes = &self.bytes[post.from..post.end];
            send(post.kind, &post.to, bytes, proto);
        }
        while let Some(one) = self.reads.get(progress.reads)
            && one.after <= changes
        {
            progress.reads += 1;
            read(&one.key);
        }
    }

    /// The command is over: empties it and keeps its memory, unless it is much.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.posts.clear();
        self.reads.clear();
        self.steps.clear();
        self.scripted.clear();
        self.switches.clear();
        self.after = 0;
        self.before_reply = false;
        if self.bytes.capacity() > BYTES_KEPT_MAX {
            self.bytes = Vec::new();
        }
        if self.posts.capacity() > POSTS_KEPT_MAX {
            self.posts = Vec::new();
        }
    }
}

/// How far an [`Outgoing`] has been seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    posts: usize,
    reads: usize,
}

#[cfg(test)]
mod tests {
    use super::super::client::Origin;
    use super::*;

    #[test]
    fn the_end_of_a_wait_leaves_even_if_the_rest_did_not_happen() {
        let to = Arc::new(Entry::new(7, Origin::default(), 0));
        let mut outgoing = Outgoing::default();
        outgoing.add(&[b"kept"], [&to].into_iter());
        let mark = outgoing.mark();
        outgoing.add(&[b"dropped"], [&to].into_iter());
        outgoing.add_wait_end(&to, b"_\r\n");
        outgoing.add(&[b"dropped too"], [&to].into_iter());
        outgoing.add_wait_end(&to, b"");
        outgoing.add_read(b"key");
        assert_eq!(outgoing.cut(mark).count(), 0);
        let mut left = Vec::new();
        outgoing.up_to(
            0,
            &mut Progress::default(),
            |kind, _, bytes, _| left.push((kind, bytes.to_vec())),
            |_| unreachable!("no key was read"),
        );
        assert_eq!(
            left,
            [
                (Kind::Message, b"*1\r\n$4\r\nkept\r\n".to_vec()),
                (Kind::WaitEnd, b"_\r\n".to_vec()),
                (Kind::WaitEnd, Vec::new()),
            ]
        );
    }
}
