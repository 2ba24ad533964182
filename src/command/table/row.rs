//! A row of the table: what is declared of one command, and nothing that follows from it.

use super::argument::Arg;
use super::key_spec::{KeyFlag, KeySpec};
use super::keys::Keys;

/// A property of a command that the dispatcher, the ACL, scripts or replication look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flag {
    /// May change data.
    Write,
    /// Reads data and never changes it.
    ReadOnly,
    /// Refused when memory is over its limit.
    DenyOom,
    Admin,
    PubSub,
    /// Refused inside a script.
    NoScript,
    /// May wait for an event.
    Blocking,
    /// Allowed while the dataset is loading.
    Loading,
    /// Allowed on a replica that lost its master.
    Stale,
    SkipMonitor,
    SkipSlowlog,
    /// Allowed for a slot that is being imported.
    Asking,
    /// Constant or logarithmic time.
    Fast,
    /// Allowed before authentication.
    NoAuth,
    /// May be sent to replicas although it is no write.
    MayReplicate,
    /// May have key arguments and need not.
    NoMandatoryKeys,
    /// Needs a directive to be switched on (DEBUG, MODULE).
    Protected,
    /// Refused while a replica loads a dataset beside the one it serves.
    NoAsyncLoading,
    /// Refused inside MULTI.
    NoMulti,
    /// First, last and step do not name all keys. Computed, never declared.
    MovableKeys,
    /// Allowed while a script blocks the server.
    AllowBusy,
    /// Changes keys that its arguments do not name.
    TouchesArbitraryKeys,
}

/// The flags that replies show, in the order in which they show them.
pub const SHOWN_FLAGS: &[(Flag, &str)] = &[
    (Flag::Write, "write"),
    (Flag::ReadOnly, "readonly"),
    (Flag::DenyOom, "denyoom"),
    (Flag::Admin, "admin"),
    (Flag::PubSub, "pubsub"),
    (Flag::NoScript, "noscript"),
    (Flag::Blocking, "blocking"),
    (Flag::Loading, "loading"),
    (Flag::Stale, "stale"),
    (Flag::SkipMonitor, "skip_monitor"),
    (Flag::SkipSlowlog, "skip_slowlog"),
    (Flag::Asking, "asking"),
    (Flag::Fast, "fast"),
    (Flag::NoAuth, "no_auth"),
    (Flag::NoMandatoryKeys, "no_mandatory_keys"),
    (Flag::NoAsyncLoading, "no_async_loading"),
    (Flag::NoMulti, "no_multi"),
    (Flag::MovableKeys, "movablekeys"),
    (Flag::AllowBusy, "allow_busy"),
];

/// A set of [`Flag`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    pub const fn of(flags: &[Flag]) -> Self {
        let mut set = Self(0);
        let mut i = 0;
        while i < flags.len() {
            set = set.with(flags[i]);
            i += 1;
        }
        set
    }

    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u32)
    }

    #[must_use]
    pub const fn without(self, flag: Flag) -> Self {
        Self(self.0 & !(1 << flag as u32))
    }

    /// The same with or without one.
    #[must_use]
    pub const fn set(self, flag: Flag, is_set: bool) -> Self {
        if is_set {
            self.with(flag)
        } else {
            self.without(flag)
        }
    }

    pub const fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u32 != 0
    }
}

/// A category of commands that ACL rules name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Category {
    Keyspace,
    Read,
    Write,
    Set,
    SortedSet,
    List,
    Hash,
    String,
    Bitmap,
    HyperLogLog,
    Geo,
    Stream,
    PubSub,
    Admin,
    Fast,
    Slow,
    Blocking,
    Dangerous,
    Connection,
    Transaction,
    Scripting,
}

/// The categories in the order in which replies show them, named as ACL rules name them (without the `@`).
pub const CATEGORIES: &[(Category, &str)] = &[
    (Category::Keyspace, "keyspace"),
    (Category::Read, "read"),
    (Category::Write, "write"),
    (Category::Set, "set"),
    (Category::SortedSet, "sortedset"),
    (Category::List, "list"),
    (Category::Hash, "hash"),
    (Category::String, "string"),
    (Category::Bitmap, "bitmap"),
    (Category::HyperLogLog, "hyperloglog"),
    (Category::Geo, "geo"),
    (Category::Stream, "stream"),
    (Category::PubSub, "pubsub"),
    (Category::Admin, "admin"),
    (Category::Fast, "fast"),
    (Category::Slow, "slow"),
    (Category::Blocking, "blocking"),
    (Category::Dangerous, "dangerous"),
    (Category::Connection, "connection"),
    (Category::Transaction, "transaction"),
    (Category::Scripting, "scripting"),
];

/// A set of [`Category`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Categories(u32);

impl Categories {
    pub const fn of(categories: &[Category]) -> Self {
        let mut set = Self(0);
        let mut i = 0;
        while i < categories.len() {
            set = set.with(categories[i]);
            i += 1;
        }
        set
    }

    #[must_use]
    pub const fn with(self, category: Category) -> Self {
        Self(self.0 | 1 << category as u32)
    }

    pub const fn has(self, category: Category) -> bool {
        self.0 & 1 << category as u32 != 0
    }

    /// Whether the two sets have a category in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// The chapter of the documentation that a command belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Generic,
    String,
    List,
    Set,
    SortedSet,
    Hash,
    PubSub,
    Transactions,
    Connection,
    Server,
    Scripting,
    HyperLogLog,
    Cluster,
    Geo,
    Stream,
    Bitmap,
}

impl Group {
    /// The name that COMMAND DOCS shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::String => "string",
            Self::List => "list",
            Self::Set => "set",
            Self::SortedSet => "sorted-set",
            Self::Hash => "hash",
            Self::PubSub => "pubsub",
            Self::Transactions => "transactions",
            Self::Connection => "connection",
            Self::Server => "server",
            Self::Scripting => "scripting",
            Self::HyperLogLog => "hyperloglog",
            Self::Cluster => "cluster",
            Self::Geo => "geo",
            Self::Stream => "stream",
            Self::Bitmap => "bitmap",
        }
    }

    /// The category of the group's commands where their rows name none.
    pub const fn category(self) -> Option<Category> {
        match self {
            Self::Generic => Some(Category::Keyspace),
            Self::String => Some(Category::String),
            Self::List => Some(Category::List),
            Self::Set => Some(Category::Set),
            Self::SortedSet => Some(Category::SortedSet),
            Self::Hash => Some(Category::Hash),
            Self::Transactions => Some(Category::Transaction),
            Self::Connection => Some(Category::Connection),
            Self::Scripting => Some(Category::Scripting),
            Self::HyperLogLog => Some(Category::HyperLogLog),
            Self::Geo => Some(Category::Geo),
            Self::Stream => Some(Category::Stream),
            Self::Bitmap => Some(Category::Bitmap),
            Self::PubSub | Self::Server | Self::Cluster => None,
        }
    }
}

/// The rows of one group, sorted by name.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    pub group: Group,
    pub rows: &'static [Row],
}

/// Finds the keys of one request where key specs cannot, or cannot tell how they are accessed.
/// The request has as many words as the command's arity demands.
pub type KeyFinder = fn(&[&[u8]], &mut Keys);

/// What is declared of one command or subcommand.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// In lower case; of a subcommand with its container: `config|get`.
    pub name: &'static str,
    /// The version that brought it.
    pub since: &'static str,
    /// Words of a request, the name (and the subcommand's name) included; negative: at least so many.
    pub arity: i32,
    /// As declared; what follows from the key specs is in [`super::Command::flags`].
    pub flags: Flags,
    pub summary: &'static str,
    /// Empty where there is nothing to say.
    pub complexity: &'static str,
    /// Internal to the system, not for users.
    pub syscmd: bool,
    /// Since which version it is deprecated, and by what it is replaced.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Versions and what they changed.
    pub history: &'static [(&'static str, &'static str)],
    /// Hints for clients and proxies.
    pub tips: &'static [&'static str],
    /// Declared categories; `None` for that of the group. What follows from flags is in
    /// [`super::Command::categories`].
    pub categories: Option<Categories>,
    pub key_specs: &'static [KeySpec],
    pub key_finder: Option<KeyFinder>,
    pub args: &'static [Arg],
    /// Sorted by name.
    pub subcommands: &'static [Row],
}

impl Row {
    /// A command with nothing but its name, the version that brought it, its arity and its flags.
    pub const fn new(
        name: &'static str,
        since: &'static str,
        arity: i32,
        flags: &'static [Flag],
    ) -> Self {
        assert!(arity != 0, "the name is a word");
        Self {
            name,
            since,
            arity,
            flags: Flags::of(flags),
            summary: "",
            complexity: "",
            syscmd: false,
            deprecated: None,
            history: &[],
            tips: &[],
            categories: None,
            key_specs: &[],
            key_finder: None,
            args: &[],
            subcommands: &[],
        }
    }

    pub const fn summary(mut self, text: &'static str) -> Self {
        self.summary = text;
        self
    }

    pub const fn complexity(mut self, text: &'static str) -> Self {
        self.complexity = text;
        self
    }

    pub const fn syscmd(mut self) -> Self {
        self.syscmd = true;
        self
    }

    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Self {
        self.deprecated = Some((since, replaced_by));
        self
    }

    pub const fn history(mut self, changes: &'static [(&'static str, &'static str)]) -> Self {
        self.history = changes;
        self
    }

    pub const fn tips(mut self, tips: &'static [&'static str]) -> Self {
        self.tips = tips;
        self
    }

    /// Replaces the category of the group.
    pub const fn acl(mut self, categories: &'static [Category]) -> Self {
        self.categories = Some(Categories::of(categories));
        self
    }

    pub const fn keys(mut self, specs: &'static [KeySpec]) -> Self {
        self.key_specs = specs;
        self
    }

    pub const fn key_finder(mut self, finder: KeyFinder) -> Self {
        self.key_finder = Some(finder);
        self
    }

    pub const fn args(mut self, args: &'static [Arg]) -> Self {
        self.args = args;
        self
    }

    pub const fn subcommands(mut self, rows: &'static [Row]) -> Self {
        self.subcommands = rows;
        self
    }

    /// Whether a request may name keys.
    pub fn takes_keys(&self) -> bool {
        let is_key = |spec: &KeySpec| !spec.flags.has(KeyFlag::NotKey);
        self.key_finder.is_some() || self.key_specs.iter().any(is_key)
    }
}
