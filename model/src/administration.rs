//! What an administrator sends: SAVE, INFO, DEBUG, replication. Most of it is seen in the reply alone.

use crate::commands;
use crate::errors;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Outcome, Value};

fn status(text: &str) -> Outcome {
    Ok(Reply::Status(text.as_bytes().to_vec()))
}

pub fn bgrewriteaof(_: &mut Call) -> Outcome {
    status("Background append only file rewriting started")
}

pub fn bgsave(call: &mut Call) -> Outcome {
    match call.args.len() {
        1 => status("Background saving started"),
        2 if call.says(1, "SCHEDULE") => status("Background saving started"),
        _ => Err(errors::syntax()),
    }
}

pub fn lastsave(call: &mut Call) -> Outcome {
    Ok(Reply::Integer(call.now_ms / 1000))
}

/// The sections that INFO can be asked for, and their titles.
const SECTIONS: &[(&str, &str)] = &[
    ("server", "Server"),
    ("clients", "Clients"),
    ("memory", "Memory"),
    ("persistence", "Persistence"),
    ("stats", "Stats"),
    ("replication", "Replication"),
    ("cpu", "CPU"),
    ("commandstats", "Commandstats"),
    ("errorstats", "Errorstats"),
    ("latencystats", "Latencystats"),
    ("cluster", "Cluster"),
    ("keyspace", "Keyspace"),
];

/// Sections that INFO leaves out unless it is asked for them.
const NOT_BY_DEFAULT: &[&str] = &["commandstats", "latencystats"];

/// INFO: the titles of the sections, in order, and the fields that are known.
pub fn info(call: &mut Call) -> Outcome {
    let names: Vec<String> = call.args[1..]
        .iter()
        .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase())
        .collect();
    let asks = |name: &str| names.iter().any(|it| it == name);
    let everything = asks("all") || asks("everything");
    let by_default = names.is_empty() || asks("default");
    let wanted = SECTIONS.iter().filter(|(name, _)| {
        everything || asks(name) || by_default && !NOT_BY_DEFAULT.contains(name)
    });
    let mut text = String::new();
    for (name, title) in wanted {
        text.push_str(&format!("# {title}\r\n"));
        for (field, number) in fields(call, name) {
            text.push_str(&format!("{field}:{number}\r\n"));
        }
    }
    Ok(Reply::Verbatim(text.into_bytes()))
}

/// The fields of a section of INFO that the model knows.
fn fields(call: &Call, section: &str) -> Vec<(&'static str, usize)> {
    let [connections, keys, items, prefixes] = call.model.tracking_sizes();
    match section {
        "clients" => vec![("tracking_clients", connections)],
        "stats" => {
            let refused = call.model.refusals.counts();
            let sizes = [
                ("tracking_total_keys", keys),
                ("tracking_total_items", items),
                ("tracking_total_prefixes", prefixes),
            ];
            sizes.into_iter().chain(refused).collect()
        }
        _ => Vec::new(),
    }
}

/// Subcommands of DEBUG that change nothing.
pub fn debug(call: &mut Call) -> Outcome {
    let words = call.args.len();
    if call.says(1, "SLEEP") && words == 3 {
        return Ok(Reply::ok());
    }
    if call.says(1, "HELP") && words == 2 {
        return crate::object::help(call);
    }
    if call.says(1, "OBJECT") && words == 3 {
        let key = call.arg(2);
        if !call.exists(key) {
            return Err(errors::no_such_key());
        }
        return status("Value at:");
    }
    if call.says(1, "DIGEST-VALUE") && words >= 2 {
        let digests = call.args[2..].iter().map(|_| Reply::Status(vec![b'0'; 40]));
        return Ok(Reply::Array(digests.collect()));
    }
    Err(commands::misused_subcommand(call))
}

/// REPLICAOF and SLAVEOF: only NO ONE is sent.
pub fn replicaof(_: &mut Call) -> Outcome {
    Ok(Reply::ok())
}

/// REPLCONF before a PSYNC.
pub fn replconf(call: &mut Call) -> Outcome {
    if call.args.len().is_multiple_of(2) {
        return Err(errors::syntax());
    }
    for pair in call.args[1..].chunks(2) {
        let name = pair[0].to_ascii_lowercase();
        match name.as_slice() {
            b"listening-port" => {
                numbers::integer(&pair[1])?;
            }
            b"capa" => {}
            _ => {
                let shown = commands::up_to_nul(&pair[0], usize::MAX);
                return Err(errors::err_bytes(&[
                    b"Unrecognized REPLCONF option: ",
                    shown,
                ]));
            }
        }
    }
    Ok(Reply::ok())
}

/// SHUTDOWN with words that let it do nothing; others are not sent.
pub fn shutdown(call: &mut Call) -> Outcome {
    if call.args.len() == 2 && call.says(1, "ABORT") {
        return Err(errors::err("No shutdown in progress."));
    }
    let says = |word: &str| {
        let mut words = call.args[1..].iter();
        words.any(|it| it.eq_ignore_ascii_case(word.as_bytes()))
    };
    let known = ["NOSAVE", "SAVE", "NOW", "FORCE"];
    let is_known = |word: &Vec<u8>| {
        known
            .iter()
            .any(|it| word.eq_ignore_ascii_case(it.as_bytes()))
    };
    if says("SAVE") && says("NOSAVE") || !call.args[1..].iter().all(is_known) {
        return Err(errors::syntax());
    }
    Ok(Reply::Silence)
}

pub fn latency_graph(call: &mut Call) -> Outcome {
    let event = commands::up_to_nul(call.arg(2), usize::MAX);
    Err(errors::err_bytes(&[
        b"No samples available for event '",
        event,
        b"'",
    ]))
}

pub fn empty_map(_: &mut Call) -> Outcome {
    Ok(Reply::Map(Vec::new()))
}

/// A text of the server's own.
pub fn text(_: &mut Call) -> Outcome {
    Ok(Reply::Verbatim(Vec::new()))
}

/// ACL GENPASS: as many zeros as there would be digits.
pub fn genpass(call: &mut Call) -> Outcome {
    let bits = match call.args.len() {
        2 => 256,
        3 => numbers::integer(call.arg(2))?,
        _ => return Err(commands::misused_subcommand(call)),
    };
    if !(1..=4096).contains(&bits) {
        return Err(errors::err(
            "ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096",
        ));
    }
    Ok(Reply::Bulk(vec![b'0'; (bits as usize).div_ceil(4)]))
}

/// ACL LOAD and ACL SAVE.
pub fn acl_file(_: &mut Call) -> Outcome {
    Err(errors::err(
        "This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
         command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
         users in the Redis configuration.",
    ))
}

/// PFDEBUG of a key that is no sketch, and the encodings of one that is.
pub fn pfdebug(call: &mut Call) -> Outcome {
    let key = call.arg(2);
    match call.entry(key).map(|entry| &entry.value) {
        None => Err(errors::err("The specified key does not exist")),
        Some(Value::Text(_)) => crate::hyperloglog::debug(call),
        Some(_) => Err(errors::wrong_type()),
    }
}
