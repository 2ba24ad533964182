//! What Redis 7.4 declares of each command, as data: one line a command in `table.txt`, which is what COMMAND INFO
//! answers. Behind the categories stands what is done with its first key and, if it is something else, with the others.

use std::sync::LazyLock;

/// A command as COMMAND INFO shows it.
#[derive(Debug)]
pub struct Declared {
    /// In lower case; a subcommand stands behind a bar.
    pub name: &'static str,
    pub arity: i64,
    /// The first and last key and the step between keys.
    pub positions: [i64; 3],
    pub flags: Vec<&'static str>,
    /// Without the at sign.
    pub categories: Vec<&'static str>,
    /// What is done with the first key, and with each of the others.
    pub accesses: [Access; 2],
}

/// What a command does with the value of a key, as far as users' patterns tell it apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub reads: bool,
    pub writes: bool,
}

impl Declared {
    pub fn is_in(&self, category: &str) -> bool {
        category == "all" || self.categories.contains(&category)
    }

    pub fn has_flag(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

/// The categories of commands, in the order in which ACL CAT lists them; and the one of all.
pub const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "all",
];

static DECLARED: LazyLock<Vec<Declared>> =
    LazyLock::new(|| include_str!("table.txt").lines().map(declared).collect());

fn declared(line: &'static str) -> Declared {
    let words: Vec<&str> = line.split(' ').collect();
    let [name, arity, first, last, step, flags, categories, accesses] = words[..] else {
        panic!("a line of eight words: {line}");
    };
    let access = |text: &str| Access {
        reads: text.contains('R'),
        writes: text.contains('W'),
    };
    let (of_first, of_others) = accesses.split_once(',').unwrap_or((accesses, accesses));
    let number = |text: &str| text.parse::<i64>().expect("a number");
    let list = |text: &'static str| text.split(',').filter(|it| *it != "-").collect();
    Declared {
        name,
        arity: number(arity),
        positions: [first, last, step].map(number),
        flags: list(flags),
        categories: list(categories),
        accesses: [access(of_first), access(of_others)],
    }
}

/// Every command and subcommand.
pub fn all() -> &'static [Declared] {
    &DECLARED
}

/// The command of this name, in lower case.
pub fn find(name: &str) -> Option<&'static Declared> {
    DECLARED.iter().find(|it| it.name == name)
}

/// The command of the first word, or of the first two if it has subcommands.
pub fn of_request(request: &[Vec<u8>]) -> Option<&'static Declared> {
    let lower = |word: &Vec<u8>| String::from_utf8_lossy(word).to_ascii_lowercase();
    let first = lower(request.first()?);
    let prefix = format!("{first}|");
    let has_subcommands = DECLARED.iter().any(|it| it.name.starts_with(&prefix));
    match request.get(1) {
        Some(second) if has_subcommands => find(&format!("{prefix}{}", lower(second))),
        _ => find(&first).filter(|_| !first.contains('|')),
    }
}
