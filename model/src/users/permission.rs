//! Whether a user may run a request.

use super::User;
use super::selector::Refused;
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

    /// The command, key or channel, and what ACL LOG calls it.
    pub fn object(&self) -> (&[u8], &'static str) {
        match self {
            Denied::Command(name) => (name.as_bytes(), "command"),
            Denied::Key(key) => (key, "key"),
            Denied::Channel(channel) => (channel, "channel"),
        }
    }

    /// As ACL DRYRUN says it.
    pub fn detail(&self, user: &[u8]) -> Vec<u8> {
        let (object, noun) = self.object();
        let verb: &[u8] = match self {
            Denied::Command(_) => b"run",
            _ => b"access",
        };
        let parts = [
            b"User ",
            user,
            b" has no permissions to ",
            verb,
            b" the '",
            object,
            b"' ",
            noun.as_bytes(),
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
    /// Checks a request that is well formed. One selector that allows all of it is enough; otherwise the user is told of
    /// a channel rather than of a key and of a key rather than of the command, and of the last that any selector refused.
    pub fn check(&self, declared: &'static Declared, request: &[Vec<u8>]) -> Result<(), Denied> {
        let keys = named_keys::named(declared, request);
        let mut worst = (0, 0);
        for selector in self.selectors() {
            let refused = match selector.check(declared, request, &keys) {
                Ok(()) => return Ok(()),
                Err(Refused::Command) => (0, 0),
                Err(Refused::Key(place)) => (1, place),
                Err(Refused::Channel(place)) => (2, place),
            };
            worst = worst.max(refused);
        }
        let word = request[worst.1].clone();
        Err(match worst.0 {
            0 => Denied::Command(declared.name),
            1 => Denied::Key(word),
            _ => Denied::Channel(word),
        })
    }

    /// Whether it may run the request by a selector by which every key may be read.
    pub fn may_read_all(&self, declared: &'static Declared, request: &[Vec<u8>]) -> bool {
        let keys = named_keys::named(declared, request);
        let mut selectors = self.selectors();
        selectors.any(|it| it.may_read_all() && it.check(declared, request, &keys).is_ok())
    }
}

impl Call<'_> {
    /// Checks a request of the connection's user, and writes down what is refused. CHECKPOINT is in no table of Redis,
    /// and is not denied to anyone who may run everything.
    pub fn check_permission(
        &mut self,
        request: &[Vec<u8>],
        context: &'static str,
    ) -> Result<(), Denied> {
        let name = self.connection().user.clone();
        let Some(user) = self.model.users.get(&name) else {
            return Ok(());
        };
        let Some(declared) = table::of_request(request) else {
            return Ok(());
        };
        let checked = user.check(declared, request);
        if let Err(denied) = &checked {
            let (object, reason) = denied.object();
            self.log_refusal(reason, context, object, &name);
        }
        checked
    }

    /// What ACL LOG calls the place of a request that comes from a socket.
    pub fn context(&mut self) -> &'static str {
        let connection = self.connection();
        if connection.transaction.is_some() || connection.executing.is_some() {
            "multi"
        } else {
            "toplevel"
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
