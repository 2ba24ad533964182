//! Users and what they may do.
//!
//! [`User`] is what rules make: passwords and [`selector::Selector`]s. [`Users`] holds them by name as [`Account`]s,
//! which connections share, so that a changed rule acts on all of them from their next command on. Whoever may do
//! everything costs one look at a flag.

pub mod commands;
pub mod file;
pub mod log;
pub mod rule;
pub mod selector;
pub mod user;
pub mod users;

pub use log::AclLog;
pub use selector::{Access, Denial};
pub use user::User;
pub use users::{Account, Users};

use self::log::{Context, Reason, Refusal};
use super::client::Client;
use super::client_admin;
use super::server::Server;
use super::stats::add;
use super::table::Command;
use crate::config::Key;
use crate::resp::text::until_nul;
use crate::resp::{ErrorReply, text};

impl Denial {
    /// The error reply, without its code: `verbose` names what was denied.
    pub fn text(
        self,
        account: &Account,
        command: &Command,
        args: &[&[u8]],
        verbose: bool,
    ) -> String {
        let user = text::of_bytes(&account.name);
        let word = |word: usize| text::of_bytes(args[word]);
        match self {
            Self::Command => format!(
                "User {user} has no permissions to run the '{}' command",
                command.name()
            ),
            Self::Key { word: at } if verbose => format!(
                "User {user} has no permissions to access the '{}' key",
                word(at)
            ),
            Self::Channel { word: at } if verbose => format!(
                "User {user} has no permissions to access the '{}' channel",
                word(at)
            ),
            Self::Key { .. } => "No permissions to access a key".to_owned(),
            Self::Channel { .. } => "No permissions to access a channel".to_owned(),
        }
    }

    /// What EXEC answers in the place of a command that was allowed when it was queued.
    pub fn late_error(self) -> ErrorReply {
        let reason = match self {
            Self::Command => "no permission to execute the command or subcommand",
            Self::Key { .. } => "no permission to touch the specified keys",
            Self::Channel { .. } => {
                "no permission to access one of the channels used as arguments to the command"
            }
        };
        ErrorReply::formatted(format!(
            "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
             command is no longer allowed for the following reason: {reason}"
        ))
    }
}

/// Whether the client's user may send this request. If not, that is counted and logged.
pub fn admit(
    server: &Server,
    client: &Client,
    command: &Command,
    args: &[&[u8]],
    context: Context,
) -> Result<(), Denial> {
    let Err(denial) = client.account.user().check(command, args) else {
        return Ok(());
    };
    let (reason, object) = match denial {
        Denial::Command => (Reason::Command, command.name().as_bytes().to_vec()),
        Denial::Key { word } => (Reason::Key, args[word].to_vec()),
        Denial::Channel { word } => (Reason::Channel, args[word].to_vec()),
    };
    refuse(
        server,
        client,
        reason,
        context,
        object,
        &client.account.name,
    );
    Err(denial)
}

/// Logs in; a refusal is counted and logged.
pub fn log_in(
    server: &Server,
    client: &mut Client,
    command: &[u8],
    name: &[u8],
    password: &[u8],
) -> Result<(), ErrorReply> {
    const WRONG_PASSWORD: ErrorReply =
        ErrorReply::new("WRONGPASS invalid username-password pair or user is disabled.");
    match server.users.log_in(name, password) {
        Some(account) => {
            client.account = account;
            client.authenticated = true;
            Ok(())
        }
        None => {
            let object = until_nul(command).to_vec();
            let context = match client.executing {
                Some(_) => Context::Transaction,
                None => Context::TopLevel,
            };
            refuse(server, client, Reason::Login, context, object, name);
            Err(WRONG_PASSWORD)
        }
    }
}

fn refuse(
    server: &Server,
    client: &Client,
    reason: Reason,
    context: Context,
    object: Vec<u8>,
    user: &[u8],
) {
    let stats = &server.stats;
    add(
        match reason {
            Reason::Command => &stats.acl_denied_command,
            Reason::Key => &stats.acl_denied_key,
            Reason::Channel => &stats.acl_denied_channel,
            Reason::Login => &stats.acl_denied_auth,
        },
        1,
    );
    // What is written down is how the client is now, not how its last turn left it.
    let proto = client.entry.view.lock().proto;
    client.publish(proto);
    let now_ms = server.clock.wall_ms();
    let refusal = Refusal {
        reason,
        context,
        object,
        user: user.to_vec(),
        client: client_admin::line(&client.entry, now_ms),
    };
    let len_max = usize::try_from(server.config.number(Key::AcllogMaxLen)).unwrap_or(0);
    server.acl_log.add(refusal, now_ms, len_max);
}
