//! The command table: every command that is answered, as data.
//!
//! One file a group holds its [`Row`]s, which say what is declared of each command. [`ACTIVE`] holds a [`Command`] for
//! each row of the groups in [`GROUPS`] and for each of their subcommands: the row, its number, and what follows from the
//! row (categories from flags, first and last key from key specs). All of it is built by the compiler.
//!
//! A command that is not in the table is unknown.

mod argument;
mod build;
pub mod channels;
mod index;
mod key_finders;
mod key_spec;
mod keys;
pub mod renames;
mod row;

mod bitmap;
mod cluster;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;

pub use argument::{Arg, ArgType};
pub use key_spec::{BeginSearch, FindKeys, KEY_FLAGS, KeyFlag, KeyFlags, KeySpec};
pub use keys::{KeyRef, Keys, NoKeys, keys, keys_as_read};
pub use row::{
    CATEGORIES, Categories, Category, Flag, Flags, Group, KeyFinder, Row, Rows, SHOWN_FLAGS,
};

/// The groups whose commands are answered.
pub const GROUPS: &[Rows] = &[
    string::ROWS,
    bitmap::ROWS,
    hyperloglog::ROWS,
    stream::ROWS,
    hash::ROWS,
    list::ROWS,
    set::ROWS,
    sorted_set::ROWS,
    geo::ROWS,
    generic::ROWS,
    connection::ROWS,
    pubsub::ROWS,
    transactions::ROWS,
    server::ROWS,
    cluster::ROWS,
    scripting::ROWS,
];

/// How many commands and subcommands there are; every [`CommandId`] is below it.
pub const COUNT: usize = count(true);

/// How many commands there are, subcommands not counted.
pub const COMMANDS: usize = count(false);

/// The commands, sorted by name, then the subcommands, in the order of their containers and sorted by name within.
/// The place of a command is its [`CommandId`].
pub static ACTIVE: [Command; COUNT] = build::build();

/// The number of a command or subcommand, below [`COUNT`]: the place of its statistics and of its handler.
/// It may change from one version of the program to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(u16);

impl CommandId {
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    pub fn command(self) -> &'static Command {
        &ACTIVE[self.index()]
    }
}

/// The number of the command with this full name (`get`, `config|set`), in lower case: for tables that the compiler
/// builds. Panics when there is none.
pub const fn id(name: &str) -> CommandId {
    let mut i = 0;
    while i < COUNT {
        if build::is_same(ACTIVE[i].row.name, name) {
            return CommandId(i as u16);
        }
        i += 1;
    }
    panic!("a command of the table");
}

/// A command or subcommand of the table.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    pub id: CommandId,
    /// The container that a subcommand belongs to.
    pub parent: Option<CommandId>,
    pub group: Group,
    pub row: &'static Row,
    /// The row's flags and [`Flag::MovableKeys`].
    pub flags: Flags,
    /// The row's categories and those that follow from its flags.
    pub categories: Categories,
    /// Where the keys are, as clients that know no key specs understand it.
    pub key_range: KeyRange,
    /// Where in the row's name the command's own begins.
    own_name_at: u16,
    first_child: u16,
    children: u16,
}

/// First key, last key (negative: counted from the end) and step. All zero where there is no such range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    pub first: i32,
    pub last: i32,
    pub step: i32,
}

impl Command {
    /// The full name, in lower case: `get`, `config|set`.
    pub const fn name(&self) -> &'static str {
        self.row.name
    }

    /// The name without that of the container: `set` of `config|set`.
    pub const fn own_name(&self) -> &'static str {
        self.row.name.split_at(self.own_name_at as usize).1
    }

    pub fn subcommands(&self) -> &'static [Command] {
        let first = usize::from(self.first_child);
        &ACTIVE[first..first + usize::from(self.children)]
    }

    pub const fn has_subcommands(&self) -> bool {
        self.children > 0
    }

    /// Whether a request of so many words, the name included, satisfies the arity.
    pub const fn accepts(&self, words: usize) -> bool {
        let arity = self.row.arity;
        if arity > 0 {
            words == arity as usize
        } else {
            words >= arity.unsigned_abs() as usize
        }
    }

    /// Whether a request may name keys.
    pub fn takes_keys(&self) -> bool {
        self.row.takes_keys()
    }
}

/// The command with this name, in any case.
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    index::find(None, name)
}

/// The subcommand of `container` with this name, in any case.
pub fn subcommand(container: &Command, name: &[u8]) -> Option<&'static Command> {
    index::find(Some(container.id), name)
}

/// What the words of a request name.
#[derive(Clone, Copy, Debug)]
pub enum Resolved {
    Command(&'static Command),
    /// The first word is a container, the second is none of its subcommands.
    UnknownSubcommand,
    Unknown,
}

/// The command or subcommand that a request names. A container without a further word is itself.
pub fn resolve(args: &[&[u8]]) -> Resolved {
    resolve_in(args, lookup)
}

/// The same where names of commands may stand for others.
fn resolve_in(args: &[&[u8]], lookup: impl Fn(&[u8]) -> Option<&'static Command>) -> Resolved {
    let Some(command) = args.first().and_then(|name| lookup(name)) else {
        return Resolved::Unknown;
    };
    match args.get(1) {
        Some(name) if command.has_subcommands() => match subcommand(command, name) {
            Some(sub) => Resolved::Command(sub),
            None => Resolved::UnknownSubcommand,
        },
        _ => Resolved::Command(command),
    }
}

/// The command with this full name, in any case: `get`, `config|set`.
pub fn by_full_name(name: &[u8]) -> Option<&'static Command> {
    full_name_in(name, lookup)
}

/// The same where names of commands may stand for others.
fn full_name_in(
    name: &[u8],
    lookup: impl Fn(&[u8]) -> Option<&'static Command>,
) -> Option<&'static Command> {
    match memchr::memchr(b'|', name) {
        None => lookup(name),
        Some(bar) => subcommand(lookup(&name[..bar])?, &name[bar + 1..]),
    }
}

/// The category with this name, in any case.
pub fn category(name: &[u8]) -> Option<Category> {
    let named = |(_, n): &&(Category, &str)| n.as_bytes().eq_ignore_ascii_case(name);
    CATEGORIES.iter().find(named).map(|(category, _)| *category)
}

const fn count(subcommands: bool) -> usize {
    let mut total = 0;
    let mut g = 0;
    while g < GROUPS.len() {
        let rows = GROUPS[g].rows;
        total += rows.len();
        let mut r = 0;
        while subcommands && r < rows.len() {
            total += rows[r].subcommands.len();
            r += 1;
        }
        g += 1;
    }
    total
}

#[cfg(test)]
mod tests;
