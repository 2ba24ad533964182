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

/// One message to one connection.
#[derive(Debug)]
struct Post {
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
    /// Messages in the form of RESP2; a push message of RESP3 differs in its first byte.
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
            after: self.after,
            to: Arc::clone(entry),
            from,
            end,
        }));
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

    /// Forgets what was added since `mark`; what subscriptions changed is given back, the latest first.
    pub fn cut(&mut self, mark: OutgoingMark) -> impl Iterator<Item = Step> {
        self.bytes.truncate(mark.bytes);
        self.posts.truncate(mark.posts);
        self.reads.truncate(mark.reads);
        self.scripted.truncate(mark.scripted);
        self.switches.truncate(mark.switches);
        self.steps.drain(mark.steps..).rev()
    }

    /// Sees, in the order in which they were made, the messages and the reads that come before change number
    /// `changes`, from the ones that `progress` says on. With a message comes what the connection itself spoke when it was
    /// made, unless that is what it speaks at the end.
    pub fn up_to(
        &self,
        changes: usize,
        progress: &mut Progress,
        mut message: impl FnMut(&Arc<Entry>, &[u8], Option<Proto>),
        mut read: impl FnMut(&[u8]),
    ) {
        while let Some(post) = self.posts.get(progress.posts)
            && post.after <= changes
        {
            let proto = self.proto_at_post(progress.posts);
            progress.posts += 1;
            message(&post.to, &self.bytes[post.from..post.end], proto);
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
