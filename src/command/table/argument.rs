//! The arguments of a command as COMMAND DOCS shows them: a tree.

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgType {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// One of the arguments below it.
    OneOf,
    /// All arguments below it, in order.
    Block,
}

impl ArgType {
    pub const fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Integer => "integer",
            Self::Double => "double",
            Self::Key => "key",
            Self::Pattern => "pattern",
            Self::UnixTime => "unix-time",
            Self::PureToken => "pure-token",
            Self::OneOf => "oneof",
            Self::Block => "block",
        }
    }

    /// Whether arguments stand below it.
    pub const fn has_children(self) -> bool {
        matches!(self, Self::OneOf | Self::Block)
    }
}

/// One argument.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: &'static str,
    pub kind: ArgType,
    /// Shown instead of the name.
    pub display: Option<&'static str>,
    /// Which key spec of the command finds it.
    pub key_spec: Option<u8>,
    /// The word before it, or the word it is.
    pub token: Option<&'static str>,
    pub since: Option<&'static str>,
    pub deprecated_since: Option<&'static str>,
    pub optional: bool,
    /// May stand several times.
    pub multiple: bool,
    /// Each time with its token.
    pub multiple_token: bool,
    pub children: &'static [Arg],
}

impl Arg {
    const fn new(name: &'static str, kind: ArgType) -> Self {
        Self {
            name,
            kind,
            display: None,
            key_spec: None,
            token: None,
            since: None,
            deprecated_since: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            children: &[],
        }
    }

    pub const fn string(name: &'static str) -> Self {
        Self::new(name, ArgType::String)
    }

    pub const fn integer(name: &'static str) -> Self {
        Self::new(name, ArgType::Integer)
    }

    pub const fn double(name: &'static str) -> Self {
        Self::new(name, ArgType::Double)
    }

    pub const fn pattern(name: &'static str) -> Self {
        Self::new(name, ArgType::Pattern)
    }

    pub const fn unix_time(name: &'static str) -> Self {
        Self::new(name, ArgType::UnixTime)
    }

    /// A key that the command's key spec number `key_spec` finds.
    pub const fn key(name: &'static str, key_spec: u8) -> Self {
        let mut arg = Self::new(name, ArgType::Key);
        arg.key_spec = Some(key_spec);
        arg
    }

    /// The word `token`.
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self::new(name, ArgType::PureToken).token(token)
    }

    pub const fn one_of(name: &'static str, children: &'static [Arg]) -> Self {
        assert!(children.len() >= 2, "a choice has two sides");
        let mut arg = Self::new(name, ArgType::OneOf);
        arg.children = children;
        arg
    }

    pub const fn block(name: &'static str, children: &'static [Arg]) -> Self {
        assert!(children.len() >= 2, "a block of one is that one");
        let mut arg = Self::new(name, ArgType::Block);
        arg.children = children;
        arg
    }

    pub const fn token(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    pub const fn display(mut self, text: &'static str) -> Self {
        self.display = Some(text);
        self
    }

    /// Found by the command's key spec number `index`, though it is no key by type.
    pub const fn key_spec(mut self, index: u8) -> Self {
        self.key_spec = Some(index);
        self
    }

    pub const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    pub const fn deprecated_since(mut self, version: &'static str) -> Self {
        self.deprecated_since = Some(version);
        self
    }

    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    pub const fn multiple_token(mut self) -> Self {
        self.multiple = true;
        self.multiple_token = true;
        self
    }
}
