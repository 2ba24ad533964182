//! CONFIG: a few directives with values that change nothing else the model knows.

use std::collections::BTreeMap;

use crate::errors::{self, Failure};
use crate::glob;
use crate::notifications;
use crate::numbers;
use crate::reply::Reply;
use crate::state::{Call, Model, Outcome};

/// What a directive takes.
enum Kind {
    Number(i64, i64),
    Words(&'static [&'static str]),
    /// Classes of keyspace events.
    Events,
    Immutable,
}

/// The directives that are generated, with the values a sequence begins with.
const DIRECTIVES: &[(&str, Kind, &str)] = &[
    ("maxmemory-samples", Kind::Number(1, 64), "5"),
    ("lfu-log-factor", Kind::Number(0, i32::MAX as i64), "10"),
    ("slowlog-max-len", Kind::Number(0, i64::MAX), "128"),
    ("acllog-max-len", Kind::Number(0, i64::MAX), "128"),
    (
        "tracking-table-max-keys",
        Kind::Number(0, i64::MAX),
        "1000000",
    ),
    (
        "appendfsync",
        Kind::Words(&["everysec", "always", "no"]),
        "everysec",
    ),
    ("lazyfree-lazy-user-del", Kind::Words(YES_NO), "no"),
    (notifications::DIRECTIVE, Kind::Events, ""),
    ("databases", Kind::Immutable, "16"),
];

const YES_NO: &[&str] = &["yes", "no"];

/// The directives that a sequence sets back when it begins.
pub fn defaults() -> impl Iterator<Item = (&'static str, &'static str)> {
    let changeable = DIRECTIVES
        .iter()
        .filter(|(_, kind, _)| !matches!(kind, Kind::Immutable));
    changeable.map(|(name, _, value)| (*name, *value))
}

/// The values that CONFIG SET gave.
pub type Configuration = BTreeMap<&'static str, String>;

impl Model {
    /// The number that a directive has.
    pub fn directive(&self, name: &str) -> i64 {
        let (_, _, default) = DIRECTIVES
            .iter()
            .find(|it| it.0 == name)
            .expect("a known directive");
        let value = self.configuration.get(name);
        let value = value.map_or(*default, String::as_str);
        value.parse().expect("a number")
    }
}

/// CONFIG GET: a name is shown as it was asked for, one that a pattern matches as it is.
pub fn get(call: &mut Call) -> Outcome {
    let mut found: Vec<(&str, Reply, Reply)> = Vec::new();
    for asked in &call.args[2..] {
        let is_pattern = asked.iter().any(|byte| b"[*?".contains(byte));
        let lower = asked.to_ascii_lowercase();
        for (name, kind, default) in DIRECTIVES {
            let fits = glob::matches(&lower, name.as_bytes());
            if !fits || found.iter().any(|(other, ..)| other == name) {
                continue;
            }
            let set = call.model.configuration.get(name);
            let mut value = set.map_or(*default, String::as_str).to_owned();
            if matches!(kind, Kind::Events) {
                value = notifications::shown(&value);
            }
            let shown = if is_pattern { name.as_bytes() } else { asked };
            found.push((name, Reply::bulk(shown), Reply::bulk(value.as_bytes())));
        }
    }
    let pairs = found.into_iter().map(|(_, name, value)| (name, value));
    Ok(Reply::Map(pairs.collect()))
}

pub fn set(call: &mut Call) -> Outcome {
    let words = &call.args[2..];
    if !words.len().is_multiple_of(2) {
        return Err(errors::syntax());
    }
    let mut changes: Vec<(&str, &Kind, String)> = Vec::new();
    for pair in words.chunks(2) {
        let given = String::from_utf8_lossy(&pair[0]).to_ascii_lowercase();
        let Some((name, kind, _)) = DIRECTIVES.iter().find(|it| it.0 == given) else {
            let shown = crate::commands::up_to_nul(&pair[0], usize::MAX);
            return Err(errors::err_bytes(&[
                b"Unknown option or number of arguments for CONFIG SET - '",
                shown,
                b"'",
            ]));
        };
        if matches!(kind, Kind::Immutable) {
            return Err(failed(&pair[0], "can't set immutable config"));
        }
        if changes.iter().any(|(other, ..)| other == name) {
            return Err(failed(&pair[0], "duplicate parameter"));
        }
        changes.push((name, kind, String::from_utf8_lossy(&pair[1]).into_owned()));
    }
    let mut values = Vec::new();
    for (name, kind, text) in changes {
        let value = value(kind, &text).map_err(|complaint| failed(name.as_bytes(), &complaint))?;
        values.push((name, value));
    }
    call.model.configuration.extend(values);
    Ok(Reply::ok())
}

fn failed(name: &[u8], complaint: &str) -> Failure {
    errors::err_bytes(&[
        b"CONFIG SET failed (possibly related to argument '",
        name,
        b"') - ",
        complaint.as_bytes(),
    ])
}

fn value(kind: &Kind, text: &str) -> Result<String, String> {
    match kind {
        Kind::Number(least, most) => {
            let number = numbers::canonical(text.as_bytes())
                .ok_or("argument couldn't be parsed into an integer")?;
            if (least..=most).contains(&&number) {
                return Ok(number.to_string());
            }
            Err(format!(
                "argument must be between {least} and {most} inclusive"
            ))
        }
        Kind::Words(words) => {
            let lower = text.to_ascii_lowercase();
            if words.contains(&lower.as_str()) {
                return Ok(lower);
            }
            if *words == YES_NO {
                return Err("argument must be 'yes' or 'no'".to_owned());
            }
            let list = words.join(", ");
            Err(format!("argument(s) must be one of the following: {list}"))
        }
        Kind::Events => {
            let complaint = "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.";
            notifications::letters(text).ok_or_else(|| complaint.to_owned())
        }
        Kind::Immutable => unreachable!("it is refused before"),
    }
}

pub fn rewrite(_: &mut Call) -> Outcome {
    Err(errors::err("The server is running without a config file"))
}
