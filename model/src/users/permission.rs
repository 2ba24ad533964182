//! Whether a user may run a request.

use super::User;
use crate::glob;
use crate::named_keys;
use crate::state::{Call, ConnectionId, Model};
use crate::table::{self, Declared};

/// What a user may not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    Command(&'static str),
    Key(Vec<u8>),
    Channel(Vec<u8>),
}

impl Denied {
    /// As the error of a command says it.
    pub fn text(&self, user: &[u8]) -> Vec<u8> {
        match self {
            Denied::Command(_) => self.detail(user),
            Denied::Key(_) => b"No permissions to access a key".to_vec(),
            Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
        }
    }

    /// As ACL DRYRUN says it.
    pub fn detail(&self, user: &[u8]) -> Vec<u8> {
        let (verb, what, noun): (&[u8], &[u8], &[u8]) = match self {
            Denied::Command(name) => (b"run", name.as_bytes(), b"command"),
            Denied::Key(key) => (b"access", key, b"key"),
            Denied::Channel(channel) => (b"access", channel, b"channel"),
        };
        let parts = [
            b"User ",
            user,
            b" has no permissions to ",
            verb,
            b" the '",
            what,
            b"' ",
            noun,
        ];
        parts.concat()
    }

    /// As EXEC says it.
    pub fn reason(&self) -> &'static str {
        match self {
            Denied::Command(_) => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => {
                "no permission to access one of the channels used as argument to the command"
            }
        }
    }
}

impl User {
    fn may_run(&self, declared: &Declared) -> bool {
        let covers = |rule: &str| match rule.strip_prefix('@') {
            Some(category) => declared.is_in(category),
            None => declared.name == rule || declared.name.starts_with(&format!("{rule}|")),
        };
        let last = self.rules.iter().rev().find(|rule| covers(&rule[1..]));
        last.map_or(self.all_commands, |rule| rule.starts_with('+'))
    }

    fn may_touch(&self, key: &[u8]) -> bool {
        self.keys.iter().any(|pattern| glob::matches(pattern, key))
    }

    fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        let fits = |allowed: &Vec<u8>| {
            allowed == b"*"
                || if is_pattern {
                    allowed == channel
                } else {
                    glob::matches(allowed, channel)
                }
        };
        self.channels.iter().any(fits)
    }

    /// Every key that there may be.
    pub fn may_touch_all(&self) -> bool {
        self.keys.iter().any(|pattern| pattern == b"*")
    }

    /// Checks a request that is well formed.
    pub fn check(&self, declared: &'static Declared, request: &[Vec<u8>]) -> Result<(), Denied> {
        if !declared.has_flag("no_auth") && !self.may_run(declared) {
            return Err(Denied::Command(declared.name));
        }
        for at in named_keys::places(declared, request).unwrap_or_default() {
            if let Some(key) = request.get(at).filter(|key| !self.may_touch(key)) {
                return Err(Denied::Key(key.clone()));
            }
        }
        let (channels, is_pattern) = match declared.name {
            "publish" | "spublish" => (&request[1..2], false),
            "subscribe" | "ssubscribe" => (&request[1..], false),
            "psubscribe" => (&request[1..], true),
            _ => return Ok(()),
        };
        let refused = channels.iter().find(|it| !self.may_hear(it, is_pattern));
        refused.map_or(Ok(()), |channel| Err(Denied::Channel(channel.clone())))
    }
}

impl Call<'_> {
    /// Checks a request of the connection's user. CHECKPOINT is in no table of Redis, and is not denied to anyone who
    /// may run everything.
    pub fn check_permission(&mut self, request: &[Vec<u8>]) -> Result<(), Denied> {
        let name = self.connection().user.clone();
        let Some(user) = self.model.users.get(&name) else {
            return Ok(());
        };
        match table::of_request(request) {
            Some(declared) => user.check(declared, request),
            None => Ok(()),
        }
    }
}

impl Model {
    /// The user that a connection is authenticated as.
    pub fn user(&self, connection: ConnectionId) -> &[u8] {
        let it = self.connections.get(&connection);
        it.map_or(b"default", |it| it.user.as_slice())
    }

    /// Whether any connection is authenticated as this user.
    pub fn is_in_use(&self, user: &[u8]) -> bool {
        self.connections.values().any(|it| it.user == user)
    }

    /// Whether a connection of this user listens to anything.
    pub fn listens(&self, user: &[u8]) -> bool {
        let mut connections = self.connections.values();
        connections.any(|it| it.user == user && it.subscriptions.any())
    }
}
