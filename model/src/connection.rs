//! The connection itself: PING, HELLO, SELECT, AUTH, RESET, QUIT and CLIENT.

use crate::blocking::Ending;
use crate::commands;
use crate::errors::{self, Failure};
use crate::keys;
use crate::numbers;
use crate::reply::{Protocol, Reply};
use crate::state::{Call, Connection, ConnectionId, Outcome};

pub fn ping(call: &mut Call) -> Outcome {
    let words = call.args.len();
    if words <= 2 && call.model.is_confined(call.connection) {
        let text = if words == 2 { call.arg(1) } else { b"" };
        return Ok(Reply::Array(vec![Reply::bulk(b"pong"), Reply::bulk(text)]));
    }
    match words {
        1 => Ok(Reply::Status(b"PONG".to_vec())),
        2 => Ok(Reply::bulk(call.arg(1))),
        _ => Err(errors::wrong_arity(call.name)),
    }
}

pub fn echo(call: &mut Call) -> Outcome {
    Ok(Reply::bulk(call.arg(1)))
}

pub fn select(call: &mut Call) -> Outcome {
    let number = numbers::small_integer(call.arg(1), None)?;
    call.connection().database = keys::database_number(number)?;
    Ok(Reply::ok())
}

/// The server closes the connection after this reply.
pub fn quit(_: &mut Call) -> Outcome {
    Ok(Reply::ok())
}

pub fn reset(call: &mut Call) -> Outcome {
    let connection = call.connection();
    *connection = Connection {
        skipped: connection.skipped,
        last_command: connection.last_command,
        library: std::mem::take(&mut connection.library),
        ..Connection::default()
    };
    Ok(Reply::Status(b"RESET".to_vec()))
}

fn wrong_password() -> Failure {
    Failure(b"WRONGPASS invalid username-password pair or user is disabled.".to_vec())
}

/// Makes the connection that of a user.
fn authenticate(call: &mut Call, name: &[u8], password: &[u8]) -> Result<(), Failure> {
    let user = call.model.users.get(name);
    if !user.is_some_and(|user| user.accepts(password)) {
        let (context, word) = (call.context(), call.arg(0).to_vec());
        call.log_refusal("auth", context, &word, name);
        return Err(wrong_password());
    }
    call.connection().user = name.to_vec();
    Ok(())
}

pub fn auth(call: &mut Call) -> Outcome {
    match call.args.len() {
        2 => Err(errors::err(
            "AUTH <password> called without any password configured for the default user. Are you sure \
             your configuration is correct?",
        )),
        3 => authenticate(call, call.args[1].as_slice(), call.args[2].as_slice())
            .map(|()| Reply::ok()),
        _ => Err(errors::syntax()),
    }
}

fn printable(text: &[u8]) -> bool {
    commands::up_to_nul(text, usize::MAX)
        .iter()
        .all(u8::is_ascii_graphic)
}

fn check_name(name: &[u8]) -> Result<(), Failure> {
    if printable(name) {
        return Ok(());
    }
    Err(errors::err(
        "Client names cannot contain spaces, newlines or special characters.",
    ))
}

pub fn hello(call: &mut Call) -> Outcome {
    let mut protocol = None;
    if call.args.len() > 1 {
        let complaint = "Protocol version is not an integer or out of range";
        protocol = Some(match numbers::integer_or(call.arg(1), complaint)? {
            2 => Protocol::Resp2,
            3 => Protocol::Resp3,
            _ => return Err(Failure(b"NOPROTO unsupported protocol version".to_vec())),
        });
    }
    let (mut user, mut name) = (None, None);
    let mut index = 2;
    while index < call.args.len() {
        let after = call.args.len() - index - 1;
        if call.says(index, "AUTH") && after >= 2 {
            user = Some([call.arg(index + 1), call.arg(index + 2)]);
            index += 3;
        } else if call.says(index, "SETNAME") && after >= 1 {
            check_name(call.arg(index + 1))?;
            name = Some(call.arg(index + 1));
            index += 2;
        } else {
            let shown = commands::up_to_nul(call.arg(index), usize::MAX);
            return Err(errors::err_bytes(&[
                b"Syntax error in HELLO option '",
                shown,
                b"'",
            ]));
        }
    }
    if let Some([name, password]) = user {
        authenticate(call, name, password)?;
    }
    let connection = call.connection();
    connection.name = name.map_or_else(|| connection.name.clone(), <[u8]>::to_vec);
    connection.protocol = protocol.unwrap_or(connection.protocol);
    Ok(greeting(connection.protocol))
}

/// The version and the id are those of the model; a server has its own.
fn greeting(protocol: Protocol) -> Reply {
    let version = match protocol {
        Protocol::Resp2 => 2,
        Protocol::Resp3 => 3,
    };
    let pair = |key: &str, value: Reply| (Reply::bulk(key.as_bytes()), value);
    Reply::Map(vec![
        pair("server", Reply::bulk(b"redis")),
        pair("version", Reply::bulk(b"7.4.0")),
        pair("proto", Reply::Integer(version)),
        pair("id", Reply::Integer(1)),
        pair("mode", Reply::bulk(b"standalone")),
        pair("role", Reply::bulk(b"master")),
        pair("modules", Reply::Array(Vec::new())),
    ])
}

pub fn id(_: &mut Call) -> Outcome {
    Ok(Reply::Integer(1))
}

pub fn getname(call: &mut Call) -> Outcome {
    let name = &call.connection().name;
    Ok(if name.is_empty() {
        Reply::Null
    } else {
        Reply::bulk(name)
    })
}

pub fn setname(call: &mut Call) -> Outcome {
    let name = call.arg(2);
    check_name(name)?;
    call.connection().name = name.to_vec();
    Ok(Reply::ok())
}

pub fn setinfo(call: &mut Call) -> Outcome {
    let shown = commands::up_to_nul(call.arg(2), usize::MAX);
    if !call.says(2, "LIB-NAME") && !call.says(2, "LIB-VER") {
        return Err(errors::err_bytes(&[b"Unrecognized option '", shown, b"'"]));
    }
    if !printable(call.arg(3)) {
        let complaint = b" cannot contain spaces, newlines or special characters.";
        return Err(errors::err_bytes(&[shown, complaint]));
    }
    let (value, at) = (call.arg(3).to_vec(), usize::from(call.says(2, "LIB-VER")));
    call.connection().library[at] = value;
    Ok(Reply::ok())
}

/// CLIENT REPLY: the effect on later replies is the connection's state.
pub fn reply(call: &mut Call) -> Outcome {
    let word = call.arg(2).to_ascii_uppercase();
    let connection = call.connection();
    match word.as_slice() {
        b"ON" => {
            connection.silenced = false;
            connection.skipped = false;
            Ok(Reply::ok())
        }
        b"OFF" => {
            connection.silenced = true;
            Ok(Reply::Silence)
        }
        b"SKIP" => {
            connection.skip_next = !connection.silenced;
            Ok(Reply::Silence)
        }
        _ => Err(errors::syntax()),
    }
}

/// CLIENT NO-EVICT and NO-TOUCH.
pub fn on_or_off(call: &mut Call) -> Outcome {
    if call.says(2, "ON") || call.says(2, "OFF") {
        Ok(Reply::ok())
    } else {
        Err(errors::syntax())
    }
}

/// What TYPE names.
enum ClientType {
    Normal,
    Replica,
    Subscriber,
    Master,
}

fn client_type(name: &[u8]) -> Result<ClientType, Failure> {
    match name.to_ascii_uppercase().as_slice() {
        b"NORMAL" => Ok(ClientType::Normal),
        b"SLAVE" | b"REPLICA" => Ok(ClientType::Replica),
        b"PUBSUB" => Ok(ClientType::Subscriber),
        b"MASTER" => Ok(ClientType::Master),
        _ => {
            let shown = commands::up_to_nul(name, usize::MAX);
            Err(errors::err_bytes(&[b"Unknown client type '", shown, b"'"]))
        }
    }
}

/// CLIENT LIST: the lines of this model's connections.
pub fn list(call: &mut Call) -> Outcome {
    let all: Vec<ConnectionId> = call.model.connections.keys().copied().collect();
    let mut shown = all.clone();
    match call.args.len() {
        2 => {}
        4 if call.says(2, "TYPE") => {
            let wanted = client_type(call.arg(3))?;
            shown.retain(|it| {
                let listens = call.model.is_subscribed(*it);
                match wanted {
                    ClientType::Normal => !listens,
                    ClientType::Subscriber => listens,
                    ClientType::Replica | ClientType::Master => false,
                }
            });
        }
        many if many > 3 && call.says(2, "ID") => {
            shown.clear();
            for id in &call.args[3..] {
                let number = numbers::integer_or(id, "Invalid client ID")?;
                shown.extend(call.model.numbered(number));
            }
        }
        _ => return Err(errors::syntax()),
    }
    lines(call, &shown)
}

/// CLIENT INFO: the line of the connection itself.
pub fn info(call: &mut Call) -> Outcome {
    lines(call, &[call.connection])
}

fn lines(call: &Call, connections: &[ConnectionId]) -> Outcome {
    let lines = connections.iter().map(|it| call.model.client_line(*it));
    let lines = lines.map(|line| [line.as_slice(), b"\n"].concat());
    Ok(Reply::Verbatim(lines.collect::<Vec<_>>().concat()))
}

/// Which clients CLIENT KILL means.
struct Victims<'a> {
    id: Option<i64>,
    is_at_address: bool,
    kind: Option<ClientType>,
    user: Option<&'a [u8]>,
    spares_maker: bool,
}

/// CLIENT KILL. The addresses of clients are not known: those that are named are of none.
pub fn kill(call: &mut Call) -> Outcome {
    if call.args.len() == 3 {
        return Err(errors::err("No such client"));
    }
    let victims = victims(call)?;
    let all = call.model.connections.keys().copied();
    let meant: Vec<ConnectionId> = all.filter(|it| victims.include(call, *it)).collect();
    for connection in &meant {
        call.close(*connection);
    }
    Ok(Reply::count(meant.len()))
}

impl Victims<'_> {
    fn include(&self, call: &Call, connection: ConnectionId) -> bool {
        let it = &call.model.connections[&connection];
        let number = call.model.number_of(connection);
        let is_kind = match self.kind {
            None => true,
            Some(ClientType::Normal) => !it.subscriptions.any(),
            Some(ClientType::Subscriber) => it.subscriptions.any(),
            Some(ClientType::Replica | ClientType::Master) => false,
        };
        self.is_at_address
            && is_kind
            && self.id.is_none_or(|id| number == Some(id))
            && self.user.is_none_or(|user| it.user == user)
            && !(self.spares_maker && connection == call.connection)
    }
}

fn victims<'a>(call: &Call<'a>) -> Result<Victims<'a>, Failure> {
    let mut victims = Victims {
        id: None,
        is_at_address: true,
        kind: None,
        user: None,
        spares_maker: true,
    };
    let mut index = 2;
    while index < call.args.len() {
        if index + 1 == call.args.len() {
            return Err(errors::syntax());
        }
        let value = call.arg(index + 1);
        match call.arg(index).to_ascii_uppercase().as_slice() {
            b"ID" => {
                let complaint = "client-id should be greater than 0";
                let id = numbers::integer_or(value, complaint)?;
                if id < 1 {
                    return Err(errors::err(complaint));
                }
                victims.id = Some(id);
            }
            b"MAXAGE" => {
                match numbers::integer_or(value, "maxage is not an integer or out of range")? {
                    // No client of a sequence is so old.
                    1.. => victims.is_at_address = false,
                    _ => return Err(errors::err("maxage should be greater than 0")),
                }
            }
            b"TYPE" => victims.kind = Some(client_type(value)?),
            b"ADDR" | b"LADDR" => victims.is_at_address = false,
            b"USER" if call.model.users.contains_key(value) => victims.user = Some(value),
            b"USER" => {
                let shown = commands::up_to_nul(value, usize::MAX);
                return Err(errors::err_bytes(&[b"No such user '", shown, b"'"]));
            }
            b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => victims.spares_maker = true,
            b"SKIPME" if value.eq_ignore_ascii_case(b"no") => victims.spares_maker = false,
            _ => return Err(errors::syntax()),
        }
        index += 2;
    }
    Ok(victims)
}

impl Call<'_> {
    /// Closes a connection: the one that asks for it behind its reply.
    pub fn close(&mut self, connection: ConnectionId) {
        if connection != self.connection {
            self.model.disconnect(connection);
        }
        self.model.closing.insert(connection);
    }
}

/// CLIENT PAUSE: what it does to later requests is a delay, and delays are not modelled.
pub fn pause(call: &mut Call) -> Outcome {
    match call.args.len() {
        3 => {}
        4 if call.says(3, "WRITE") || call.says(3, "ALL") => {}
        4 => return Err(errors::err("CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(commands::misused_subcommand(call)),
    }
    let timeout = numbers::integer_or(call.arg(2), "timeout is not an integer or out of range")?;
    if timeout < 0 {
        return Err(errors::err("timeout is negative"));
    }
    if timeout.checked_add(call.now_ms).is_none() {
        return Err(errors::err("timeout is out of range"));
    }
    Ok(Reply::ok())
}

pub fn unpause(_: &mut Call) -> Outcome {
    Ok(Reply::ok())
}

/// CLIENT UNBLOCK
pub fn unblock(call: &mut Call) -> Outcome {
    match call.args.len() {
        3 => {}
        4 if call.says(3, "TIMEOUT") || call.says(3, "ERROR") => {}
        4 => {
            return Err(errors::err(
                "CLIENT UNBLOCK reason should be TIMEOUT or ERROR",
            ));
        }
        _ => return Err(commands::misused_subcommand(call)),
    }
    let number = numbers::integer(call.arg(2))?;
    let ending = match call.args.len() {
        4 if call.says(3, "ERROR") => Ending::Refused,
        _ => Ending::TimedOut,
    };
    let target = call.model.numbered(number);
    let ended = target.is_some_and(|it| call.model.end_wait(it, ending));
    Ok(Reply::flag(ended))
}
