//! A selector: the commands, keys and channels that belong together in what a user may do.

use crate::glob;
use crate::named_keys::NamedKey;
use crate::table::{self, Access, Declared};

const BEHIND_ALL: &str = "Adding a pattern after the * pattern (or the 'all";

/// A pattern of keys, and what may be done with those that it fits.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: Vec<u8>,
    access: Access,
}

impl Pattern {
    fn allows(&self, access: Access) -> bool {
        self.access.reads >= access.reads && self.access.writes >= access.writes
    }

    fn shown(&self) -> Vec<u8> {
        let mark: &[u8] = match (self.access.reads, self.access.writes) {
            (true, true) => b"~",
            (true, false) => b"%R~",
            _ => b"%W~",
        };
        [mark, &self.text].concat()
    }
}

/// The rules of a user, or those between two parentheses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Everything is allowed that no rule forbids.
    all_commands: bool,
    /// `+get`, `-@read`, `+select|0`, in the order in which they act.
    rules: Vec<String>,
    all_keys: bool,
    keys: Vec<Pattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

/// Why a selector does not allow a request.
pub enum Refused {
    Command,
    /// The place of the key.
    Key(usize),
    /// The place of the channel.
    Channel(usize),
}

impl Selector {
    /// One that allows everything.
    pub fn everything() -> Selector {
        Selector {
            all_commands: true,
            all_keys: true,
            all_channels: true,
            ..Selector::default()
        }
    }

    /// The words between parentheses as rules.
    pub fn of_words(text: &[u8]) -> Result<Selector, String> {
        let mut selector = Selector::default();
        let words = text.split(u8::is_ascii_whitespace);
        for word in words.filter(|word| !word.is_empty()) {
            selector.apply(word)?;
        }
        Ok(selector)
    }

    /// Changes it as a word says; or tells why that word makes no sense.
    pub fn apply(&mut self, word: &[u8]) -> Result<(), String> {
        let lower = String::from_utf8_lossy(word).to_ascii_lowercase();
        match lower.as_str() {
            "allkeys" | "~*" => self.begin_keys(true),
            "resetkeys" => self.begin_keys(false),
            "allchannels" | "&*" => self.begin_channels(true),
            "resetchannels" => self.begin_channels(false),
            "allcommands" | "+@all" => self.begin_commands(true),
            "nocommands" | "-@all" => self.begin_commands(false),
            _ => return self.apply_marked(word, &lower),
        }
        Ok(())
    }

    fn begin_keys(&mut self, all: bool) {
        self.all_keys = all;
        self.keys.clear();
    }

    fn begin_channels(&mut self, all: bool) {
        self.all_channels = all;
        self.channels.clear();
    }

    fn begin_commands(&mut self, all: bool) {
        self.all_commands = all;
        self.rules.clear();
    }

    /// A word whose first byte says what it is.
    fn apply_marked(&mut self, word: &[u8], lower: &str) -> Result<(), String> {
        match word.split_first() {
            Some((b'~', text)) => {
                let both = Access {
                    reads: true,
                    writes: true,
                };
                self.add_keys(text, || Ok(both))
            }
            Some((b'%', rest)) => {
                let mark = rest.iter().position(|byte| *byte == b'~');
                let (letters, text) = match mark {
                    Some(at) => (&rest[..at], &rest[at + 1..]),
                    None => (rest, &b""[..]),
                };
                self.add_keys(text, || access(letters))
            }
            Some((b'&', text)) => self.add_channels(text),
            Some((b'+' | b'-', _)) => self.rule(lower),
            _ => Err("Syntax error".to_owned()),
        }
    }

    fn add_keys(
        &mut self,
        text: &[u8],
        access: impl Fn() -> Result<Access, String>,
    ) -> Result<(), String> {
        if self.all_keys {
            return Err(behind_all("keys", "patterns"));
        }
        let access = access()?;
        check_blanks(text)?;
        match self.keys.iter_mut().find(|it| it.text == text) {
            Some(known) => {
                known.access.reads |= access.reads;
                known.access.writes |= access.writes;
            }
            None => self.keys.push(Pattern {
                text: text.to_vec(),
                access,
            }),
        }
        Ok(())
    }

    fn add_channels(&mut self, text: &[u8]) -> Result<(), String> {
        if self.all_channels {
            return Err(behind_all("channels", "channels"));
        }
        check_blanks(text)?;
        if !self.channels.iter().any(|it| it == text) {
            self.channels.push(text.to_vec());
        }
        Ok(())
    }

    /// A rule takes the place of the older ones about the same commands.
    fn rule(&mut self, rule: &str) -> Result<(), String> {
        let name = &rule[1..];
        let is_known = match name.strip_prefix('@') {
            Some(category) => table::CATEGORIES.contains(&category),
            None => table::find(name).is_some(),
        };
        if !is_known {
            check_first_argument(rule)?;
        }
        let part = format!("{name}|");
        self.rules
            .retain(|old| old[1..] != *name && !old[1..].starts_with(&part));
        self.rules.push(rule.to_owned());
        Ok(())
    }

    fn may_run(&self, declared: &Declared, request: &[Vec<u8>]) -> bool {
        let mut is_allowed = self.all_commands;
        // `+select|0`: the command is allowed with these words behind it.
        let mut first_arguments: Vec<&str> = Vec::new();
        for rule in &self.rules {
            let name = &rule[1..];
            let argument = name
                .strip_prefix(declared.name)
                .and_then(|rest| rest.strip_prefix('|'));
            if covers(name, declared) {
                is_allowed = rule.starts_with('+');
                first_arguments.clear();
            } else if let Some(argument) = argument {
                first_arguments.push(argument);
            }
        }
        let first = request.get(1).map(|word| word.to_ascii_lowercase());
        is_allowed || first.is_some_and(|it| first_arguments.iter().any(|own| own.as_bytes() == it))
    }

    fn may_touch(&self, key: &[u8], access: Access) -> bool {
        let allows = |pattern: &Pattern| pattern.allows(access) && glob::fits(&pattern.text, key);
        self.all_keys || self.keys.iter().any(allows)
    }

    fn may_hear(&self, channel: &[u8], is_pattern: bool) -> bool {
        let fits = |allowed: &Vec<u8>| {
            if is_pattern {
                allowed == channel
            } else {
                glob::fits(allowed, channel)
            }
        };
        self.all_channels || self.channels.iter().any(fits)
    }

    /// Every key that there may be may be read.
    pub fn may_read_all(&self) -> bool {
        let is_all = |pattern: &Pattern| pattern.access.reads && pattern.text == b"*";
        self.all_keys || self.keys.iter().any(is_all)
    }

    /// Checks a request that is well formed, with its keys.
    pub fn check(
        &self,
        declared: &'static Declared,
        request: &[Vec<u8>],
        keys: &[NamedKey],
    ) -> Result<(), Refused> {
        if !declared.has_flag("no_auth") && !self.may_run(declared, request) {
            return Err(Refused::Command);
        }
        for key in keys {
            let name = request.get(key.place);
            if name.is_some_and(|name| !self.may_touch(name, key.access)) {
                return Err(Refused::Key(key.place));
            }
        }
        let (places, is_pattern) = match declared.name {
            "publish" | "spublish" => (1..2, false),
            "subscribe" | "ssubscribe" => (1..request.len(), false),
            "psubscribe" => (1..request.len(), true),
            _ => return Ok(()),
        };
        let mut places = places;
        let refused = places.find(|at| !self.may_hear(&request[*at], is_pattern));
        refused.map_or(Ok(()), |place| Err(Refused::Channel(place)))
    }

    /// The rules about commands as ACL GETUSER shows them.
    pub fn shown_rules(&self) -> Vec<u8> {
        let base = if self.all_commands { "+@all" } else { "-@all" };
        let rules = self.rules.iter().map(|rule| format!(" {rule}"));
        let all: String = [base.to_owned()].into_iter().chain(rules).collect();
        all.into_bytes()
    }

    pub fn shown_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let shown: Vec<Vec<u8>> = self.keys.iter().map(Pattern::shown).collect();
        shown.join(&b' ')
    }

    pub fn shown_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let marked = self
            .channels
            .iter()
            .map(|it| [b"&", it.as_slice()].concat());
        marked.collect::<Vec<_>>().join(&b' ')
    }

    /// All of it as ACL LIST shows it.
    pub fn shown(&self) -> Vec<u8> {
        let reset = if self.all_channels {
            Vec::new()
        } else {
            b"resetchannels".to_vec()
        };
        let parts = [
            self.shown_keys(),
            reset,
            self.shown_channels(),
            self.shown_rules(),
        ];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(&b' ')
    }
}

/// Whether a rule of this name is about a command: about itself, about its container, or about a category of either.
fn covers(name: &str, declared: &Declared) -> bool {
    let container = declared
        .name
        .split_once('|')
        .map(|(container, _)| container);
    match name.strip_prefix('@') {
        Some(category) => {
            let of_container = container.and_then(table::find);
            declared.is_in(category) || of_container.is_some_and(|it| it.is_in(category))
        }
        None => declared.name == name || container == Some(name),
    }
}

/// `+name|argument`, where the command has no subcommands.
fn check_first_argument(rule: &str) -> Result<(), String> {
    let unknown = "Unknown command or category name in ACL";
    let Some((name, argument)) = rule
        .strip_prefix('+')
        .filter(|name| !name.starts_with('@'))
        .and_then(|name| name.rsplit_once('|'))
    else {
        return Err(unknown.to_owned());
    };
    if table::find(name).is_none() {
        return Err(unknown.to_owned());
    }
    if name.contains('|') {
        return Err("Allowing first-arg of a subcommand is not supported".to_owned());
    }
    if argument.is_empty() {
        return Err("Syntax error".to_owned());
    }
    let part = format!("{name}|");
    if table::all().iter().any(|it| it.name.starts_with(&part)) {
        return Err(unknown.to_owned());
    }
    Ok(())
}

/// The letters between `%` and `~`: each at most once, and one at least.
fn access(letters: &[u8]) -> Result<Access, String> {
    let mut access = Access::default();
    for letter in letters {
        let flag = match letter.to_ascii_uppercase() {
            b'R' => &mut access.reads,
            b'W' => &mut access.writes,
            _ => return Err("Syntax error".to_owned()),
        };
        if *flag {
            return Err("Syntax error".to_owned());
        }
        *flag = true;
    }
    if access == Access::default() {
        return Err("Syntax error".to_owned());
    }
    Ok(access)
}

fn check_blanks(text: &[u8]) -> Result<(), String> {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0 | 0x0b);
    if text.iter().any(is_blank) {
        return Err("Syntax error".to_owned());
    }
    Ok(())
}

fn behind_all(what: &str, list: &str) -> String {
    format!(
        "{BEHIND_ALL}{what}' flag) is not valid and does not have any effect. Try 'reset{what}' to start with an \
         empty list of {list}"
    )
}
