//! The commands that no generator makes, and why. All others of a server's table are generated.

/// Names, with subcommands behind a bar, and reasons.
const UNGENERATED: &[(&str, &str)] = &[
    (
        "backup",
        "it makes a file and waits for it; tests/processes/backup.rs opens what it makes",
    ),
    (
        "migrate",
        "it needs a second server; tests/processes/migrate.rs moves keys between two, and to Redis and back",
    ),
    (
        "monitor",
        "it makes of its connection a stream of what all others send; tests/server/sockets.rs reads it",
    ),
    (
        "psync",
        "it makes of its connection a stream of all changes; tests/processes/replica.rs has Redis follow it",
    ),
    (
        "sync",
        "it makes of its connection the stream that PSYNC makes",
    ),
];

/// The commands of a table that have neither a generator nor a reason to have none.
pub fn uncovered<'a>(table: &'a [String], generated: &[&str]) -> Vec<&'a str> {
    let has_reason = |name: &str| UNGENERATED.iter().any(|(it, _)| *it == name);
    let names = table.iter().map(String::as_str);
    names
        .filter(|name| !generated.contains(name) && !has_reason(name))
        .collect()
}

/// The exemptions that are for nothing: of commands that are generated, or not in the table.
pub fn idle(table: &[String], generated: &[&str]) -> Vec<&'static str> {
    let is_idle = |name: &&str| generated.contains(name) || !table.iter().any(|it| it == name);
    let names = UNGENERATED.iter().map(|(name, _)| *name);
    names.filter(is_idle).collect()
}
