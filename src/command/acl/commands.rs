//! ACL: the users and their rules.

use std::path::Path;
use std::sync::Arc;

use super::selector::{Selector, has_blanks};
use super::user::User;
use super::users::{Account, DEFAULT};
use crate::command::argument::is_word;
use crate::command::subscriptions::Kind;
use crate::command::table::{self, Resolved};
use crate::command::{Call, Outcome, argument, client::signal, errors, help};
use crate::config::Key;
use crate::resp::{ErrorReply, Reply, text};

/// Bits of a password that ACL GENPASS makes up unless told, and at most.
const PASSWORD_BITS: i64 = 256;
const PASSWORD_BITS_MAX: i64 = 4096;
/// Entries that ACL LOG shows unless told.
const LOG_ENTRIES: i64 = 10;

const NO_FILE: ErrorReply = ErrorReply::new(
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
     command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
     users in the Redis configuration.",
);

/// ACL CAT [category]
pub fn cat(call: &mut Call<'_>) -> Outcome {
    match *call.args {
        [_, _] => {
            call.out.array(table::CATEGORIES.len());
            for (_, name) in table::CATEGORIES {
                call.out.bulk(name.as_bytes());
            }
        }
        [_, _, name] => {
            let category = table::category(name).ok_or_else(|| {
                ErrorReply::formatted(format!(
                    "ERR Unknown category '{}'",
                    errors::shown(name, 128)
                ))
            })?;
            let commands = || table::ACTIVE.iter().filter(|c| c.categories.has(category));
            call.out.array(commands().count());
            for command in commands() {
                call.out.bulk(command.name().as_bytes());
            }
        }
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    }
    Ok(())
}

/// ACL WHOAMI
pub fn whoami(call: &mut Call<'_>) -> Outcome {
    call.out.bulk(&call.client.account.name);
    Ok(())
}

/// ACL USERS
pub fn users(call: &mut Call<'_>) -> Outcome {
    let accounts = call.server.users.all();
    call.out.array(accounts.len());
    for account in accounts {
        call.out.bulk(&account.name);
    }
    Ok(())
}

/// ACL LIST
pub fn list(call: &mut Call<'_>) -> Outcome {
    let lines = call.server.users.to_lines();
    call.out.array(lines.len());
    for line in lines {
        call.out.bulk(&line);
    }
    Ok(())
}

fn write_selector(out: &mut Reply, selector: &Selector) {
    out.bulk(b"commands");
    out.bulk(selector.describe_commands().as_bytes());
    out.bulk(b"keys");
    out.bulk(&selector.describe_keys());
    out.bulk(b"channels");
    out.bulk(&selector.describe_channels());
}

/// ACL GETUSER username
pub fn getuser(call: &mut Call<'_>) -> Outcome {
    let Some(account) = call.server.users.get(call.args[2]) else {
        call.out.null();
        return Ok(());
    };
    let (user, out) = (account.user(), &mut *call.out);
    out.map(6);
    out.bulk(b"flags");
    let flags = user.flags();
    out.set(flags.len());
    for flag in flags {
        out.bulk(flag.as_bytes());
    }
    out.bulk(b"passwords");
    out.array(user.passwords.len());
    for hash in &user.passwords {
        out.bulk(hash.as_bytes());
    }
    write_selector(out, user.root());
    out.bulk(b"selectors");
    out.array(user.others().len());
    for selector in user.others() {
        out.map(3);
        write_selector(out, selector);
    }
    Ok(())
}

/// ACL SETUSER username [rule ...]
pub fn setuser(call: &mut Call<'_>) -> Outcome {
    const BLANKS: ErrorReply =
        ErrorReply::new("ERR Usernames can't contain spaces or null characters");
    let (name, rules) = (call.args[2], &call.args[3..]);
    if has_blanks(name) {
        return Err(BLANKS.into());
    }
    let before = call.server.users.get(name).map(Before::of);
    call.server
        .users
        .set(name, rules)
        .map_err(|error| ErrorReply::formatted(format!("ERR {error}")))?;
    if let Some(before) = before {
        close_forbidden(call, &[before]);
    }
    call.out.ok();
    Ok(())
}

/// ACL DELUSER username [username ...]
pub fn deluser(call: &mut Call<'_>) -> Outcome {
    const DEFAULT_STAYS: ErrorReply = ErrorReply::new("ERR The 'default' user cannot be removed");
    let names = &call.args[2..];
    if names.contains(&DEFAULT) {
        return Err(DEFAULT_STAYS.into());
    }
    let removed = names
        .iter()
        .filter(|name| call.server.users.remove(name))
        .count();
    close_forbidden(call, &[]);
    call.out.int(removed as i64);
    Ok(())
}

/// A user as it was before its rules were changed.
struct Before {
    account: Arc<Account>,
    user: Arc<User>,
}

impl Before {
    fn of(account: Arc<Account>) -> Self {
        Self {
            user: account.user(),
            account,
        }
    }

    /// Whether a connection with this account listens to something that it may hear no longer.
    fn hears_too_much(&self, call: &Call<'_>, id: u64, account: &Arc<Account>) -> bool {
        let now = account.user();
        if !Arc::ptr_eq(account, &self.account) || now.keeps_channels_of(&self.user) {
            return false;
        }
        [Kind::Channel, Kind::Pattern, Kind::Shard]
            .into_iter()
            .any(|kind| {
                let names = call.server.subscriptions.names(id, kind);
                let mut names = names.iter();
                names.any(|name| !now.hears(name, kind == Kind::Pattern))
            })
    }
}

/// Closes the connections whose users are gone, or have lost channels that they listen to. `before` are the users that
/// were changed.
fn close_forbidden(call: &mut Call<'_>, before: &[Before]) {
    for entry in call.server.registry.all() {
        let account = if entry.id == call.client.id {
            Arc::clone(&call.client.account)
        } else {
            Arc::clone(&entry.view.lock().account)
        };
        let mut changed = before.iter();
        if !account.is_deleted()
            && !changed.any(|before| before.hears_too_much(call, entry.id, &account))
        {
            continue;
        }
        if entry.id == call.client.id {
            call.client.close = true;
        } else {
            call.server.disconnect(&entry);
            entry.signal(signal::KILL);
        }
    }
}

/// The path of the ACL file.
fn file(call: &Call<'_>) -> Result<Vec<u8>, ErrorReply> {
    let path = call.server.config.text(Key::Aclfile);
    if path.is_empty() {
        Err(NO_FILE)
    } else {
        Ok(path)
    }
}

/// ACL LOAD
pub fn load(call: &mut Call<'_>) -> Outcome {
    let path = file(call)?;
    let before = call.server.users.all().into_iter();
    let before: Vec<_> = before.map(Before::of).collect();
    super::file::load(&call.server.config, &call.server.users, &path)
        .map_err(|error| ErrorReply::formatted(format!("ERR {error}")))?;
    close_forbidden(call, &before);
    call.out.ok();
    Ok(())
}

/// ACL SAVE
pub fn save(call: &mut Call<'_>) -> Outcome {
    const FAILED: ErrorReply = ErrorReply::new(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
    );
    let path = file(call)?;
    let mut content = call.server.users.to_lines().join(&b'\n');
    content.push(b'\n');
    if let Err(error) = call
        .server
        .config
        .replace_file(Path::new(&*super::file::os_path(&path)), &content)
    {
        tracing::warn!(%error, "cannot save the ACL file");
        return Err(FAILED.into());
    }
    call.out.ok();
    Ok(())
}

/// ACL GENPASS [bits]
pub fn genpass(call: &mut Call<'_>) -> Outcome {
    let bits = match *call.args {
        [_, _] => PASSWORD_BITS,
        [_, _, bits] => argument::integer(bits)?,
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(ErrorReply::formatted(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        ))
        .into());
    }
    let digits = (bits as usize).div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    call.server.machine.fill_random(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    call.out.bulk(&text.as_bytes()[..digits]);
    Ok(())
}

/// ACL LOG [count | RESET]
pub fn log(call: &mut Call<'_>) -> Outcome {
    let count = match *call.args {
        [_, _] => LOG_ENTRIES,
        [_, _, reset] if is_word(reset, "reset") => {
            call.server.acl_log.clear();
            call.out.ok();
            return Ok(());
        }
        [_, _, count] => argument::integer(count)?,
        _ => return Err(errors::subcommand_syntax(call.args).into()),
    };
    let entries = call
        .server
        .acl_log
        .newest(usize::try_from(count).unwrap_or(0));
    let out = &mut *call.out;
    out.array(entries.len());
    for entry in entries {
        let refusal = &entry.refusal;
        out.map(10);
        out.bulk(b"count");
        out.int(entry.count as i64);
        for (name, text) in [
            ("reason", refusal.reason.name().as_bytes()),
            ("context", refusal.context.name().as_bytes()),
            ("object", refusal.object.as_slice()),
            ("username", refusal.user.as_slice()),
        ] {
            out.bulk(name.as_bytes());
            out.bulk(text);
        }
        out.bulk(b"age-seconds");
        let age_ms = call.now_ms.saturating_sub(entry.updated_ms);
        out.double(&(age_ms as f64 / 1000.0).to_string());
        out.bulk(b"client-info");
        out.bulk(&text::to_bytes(&refusal.client));
        for (name, number) in [
            ("entry-id", entry.id),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ] {
            out.bulk(name.as_bytes());
            out.int(number as i64);
        }
    }
    Ok(())
}

/// ACL DRYRUN username command [arg ...]
pub fn dryrun(call: &mut Call<'_>) -> Outcome {
    let (name, request) = (call.args[2], &call.args[3..]);
    let shown = |text: &[u8]| errors::shown(text, usize::MAX);
    let account =
        call.server.users.get(name).ok_or_else(|| {
            ErrorReply::formatted(format!("ERR User '{}' not found", shown(name)))
        })?;
    let Resolved::Command(command) = call.server.renames.resolve(request) else {
        return Err(ErrorReply::formatted(format!(
            "ERR Command '{}' not found",
            shown(request[0])
        ))
        .into());
    };
    if !command.accepts(request.len()) {
        return Err(ErrorReply::formatted(format!(
            "ERR wrong number of arguments for '{}' command",
            command.name()
        ))
        .into());
    }
    match account.user().check(command, request) {
        Ok(()) => call.out.ok(),
        Err(denial) => {
            let text = denial.text(&account, command, request, true);
            call.out.bulk(&text::to_bytes(&text));
        }
    }
    Ok(())
}

/// ACL HELP
pub fn help(call: &mut Call<'_>) -> Outcome {
    help::write(call, help::ACL)
}
