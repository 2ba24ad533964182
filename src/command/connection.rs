//! PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET: the connection's own state.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::argument::{self, is_word};
use super::client::ReplyMode;
use super::server::REDIS_VERSION;
use super::{Call, Outcome, acl, client_tracking, errors, pubsub, transaction};
use crate::resp::{ErrorReply, Proto};

/// PING [message]
pub fn ping(call: &mut Call<'_>) -> Outcome {
    if call.args.len() <= 2 && pubsub::ping(call) {
        return Ok(());
    }
    match call.args {
        [_] => call.out.raw(b"+PONG\r\n"),
        [_, message] => call.out.bulk(message),
        _ => {
            return Err(ErrorReply::new("ERR wrong number of arguments for 'ping' command").into());
        }
    }
    Ok(())
}

/// ECHO message
pub fn echo(call: &mut Call<'_>) -> Outcome {
    call.out.bulk(call.args[1]);
    Ok(())
}

/// SELECT index
pub fn select(call: &mut Call<'_>) -> Outcome {
    let index = argument::integer_32(call.args[1])?;
    let databases = call.server.tuning.databases.load(Ordering::Relaxed);
    match u32::try_from(index) {
        Ok(index) if u64::from(index) < databases => call.client.db = index,
        _ => return Err(errors::DATABASE_RANGE.into()),
    }
    call.out.ok();
    Ok(())
}

/// QUIT
pub fn quit(call: &mut Call<'_>) -> Outcome {
    call.client.close = true;
    call.out.ok();
    Ok(())
}

/// RESET: as if freshly connected; the client library's name and version stay.
pub fn reset(call: &mut Call<'_>) -> Outcome {
    let client = &mut *call.client;
    if client.monitor {
        client.monitor = false;
        call.server.registry.remove_monitor(&client.entry);
    }
    transaction::forget(client, call.server);
    client_tracking::end(call);
    pubsub::leave_all(call);
    let client = &mut *call.client;
    client.db = 0;
    client.account = Arc::clone(call.server.users.default_account());
    client.authenticated = !call.server.users.must_log_in();
    if client.reply_mode == ReplyMode::Off {
        // A reply that is to be skipped is, even that of RESET.
        client.set_reply_mode(ReplyMode::On);
    }
    client.no_evict = false;
    client.no_touch = false;
    client.set_name(b"");
    set_proto(call, Proto::Resp2);
    call.out.simple("RESET");
    Ok(())
}

/// The connection speaks this protocol from now on.
fn set_proto(call: &mut Call<'_>, proto: Proto) {
    let before = call.out.proto();
    if before != proto {
        let changes = call.keyspace.changes.len();
        call.client.outgoing.add_switch(changes, before);
    }
    call.out.set_proto(proto);
    call.client.entry.set_proto(proto);
}

fn authenticate(call: &mut Call<'_>, user: &[u8], password: &[u8]) -> Outcome {
    acl::log_in(call.server, call.client, call.args[0], user, password)?;
    Ok(())
}

/// AUTH [username] password
pub fn auth(call: &mut Call<'_>) -> Outcome {
    const NO_PASSWORD: ErrorReply = ErrorReply::new(
        "ERR AUTH <password> called without any password configured for the default user. \
         Are you sure your configuration is correct?",
    );
    match *call.args {
        [_, _] if call.server.users.default_account().user().no_password => {
            return Err(NO_PASSWORD.into());
        }
        [_, password] => authenticate(call, acl::users::DEFAULT, password)?,
        [_, user, password] => authenticate(call, user, password)?,
        _ => return Err(errors::SYNTAX.into()),
    }
    call.out.ok();
    Ok(())
}

/// What HELLO was told to do.
#[derive(Default)]
struct Hello<'a> {
    proto: Option<Proto>,
    login: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

fn hello_words<'a>(args: &'a [&'a [u8]]) -> Result<Hello<'a>, ErrorReply> {
    const NOT_A_VERSION: ErrorReply =
        ErrorReply::new("ERR Protocol version is not an integer or out of range");
    let mut hello = Hello::default();
    if let Some(version) = args.get(1) {
        hello.proto = Some(match argument::integer_or(version, NOT_A_VERSION)? {
            2 => Proto::Resp2,
            3 => Proto::Resp3,
            _ => return Err(ErrorReply::new("NOPROTO unsupported protocol version")),
        });
    }
    let mut rest = args.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            [] => return Ok(hello),
            [option, user, password, tail @ ..] if is_word(option, "auth") => {
                hello.login = Some((user, password));
                tail
            }
            [option, name, tail @ ..] if is_word(option, "setname") => {
                check_name(name)?;
                hello.name = Some(name);
                tail
            }
            [option, ..] => {
                return Err(ErrorReply::formatted(format!(
                    "ERR Syntax error in HELLO option '{}'",
                    errors::shown(option, usize::MAX)
                )));
            }
        }
    }
}

/// HELLO [protover [AUTH username password] [SETNAME clientname]]
pub fn hello(call: &mut Call<'_>) -> Outcome {
    const NOT_AUTHENTICATED: ErrorReply = ErrorReply::new(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> \
         option can be used to authenticate the client and select the RESP protocol version at the same time",
    );
    let args = call.args;
    let hello = hello_words(args)?;
    if let Some((user, password)) = hello.login {
        authenticate(call, user, password)?;
    }
    if !call.client.may_speak(&call.server.users) {
        return Err(NOT_AUTHENTICATED.into());
    }
    if let Some(name) = hello.name {
        call.client.set_name(name);
    }
    if let Some(proto) = hello.proto {
        set_proto(call, proto);
    }
    let out = &mut *call.out;
    out.map(7);
    out.bulk(b"server");
    out.bulk(b"redis");
    out.bulk(b"version");
    out.bulk(REDIS_VERSION.as_bytes());
    out.bulk(b"proto");
    out.int(if out.is_resp3() { 3 } else { 2 });
    out.bulk(b"id");
    out.int(call.client.id as i64);
    out.bulk(b"mode");
    out.bulk(b"standalone");
    out.bulk(b"role");
    out.bulk(b"master");
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

/// Whether text can stand in a line of CLIENT LIST: printable ASCII without spaces, up to the first zero byte.
pub fn is_attribute(text: &[u8]) -> bool {
    text.iter()
        .take_while(|&&b| b != 0)
        .all(|b| (b'!'..=b'~').contains(b))
}

/// Whether a connection can have this name.
pub fn check_name(name: &[u8]) -> Result<(), ErrorReply> {
    if is_attribute(name) {
        return Ok(());
    }
    Err(ErrorReply::new(
        "ERR Client names cannot contain spaces, newlines or special characters.",
    ))
}
