//! One set of permissions: which commands, on which keys, in which channels.

use std::collections::BTreeMap;

use super::rule::RuleError;
use crate::command::argument::is_word;
use crate::command::table::{
    self, COUNT, Categories, Command, CommandId, Flag, KeyFlag, KeyFlags, KeyRef, channels,
};
use crate::resp::glob::{self, Case};
use crate::resp::text::until_nul;

/// A set of commands and subcommands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CommandSet(Box<[bool]>);

impl CommandSet {
    fn filled(with: bool) -> Self {
        Self(vec![with; COUNT].into())
    }

    fn has(&self, id: CommandId) -> bool {
        self.0[id.index()]
    }
}

/// Keys that match, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    glob: Vec<u8>,
    reads: bool,
    writes: bool,
}

impl KeyPattern {
    /// As a rule: `~glob`, `%R~glob`, `%W~glob`.
    fn describe(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(match (self.reads, self.writes) {
            (true, true) => b"~",
            (true, false) => b"%R~",
            _ => b"%W~",
        });
        out.extend_from_slice(&self.glob);
    }
}

/// What a key is wanted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    pub reads: bool,
    pub writes: bool,
}

impl Access {
    /// What the flags of a key say.
    fn of(flags: KeyFlags) -> Self {
        Self {
            reads: flags.has(KeyFlag::Access),
            writes: [KeyFlag::Insert, KeyFlag::Delete, KeyFlag::Update]
                .into_iter()
                .any(|flag| flags.has(flag)),
        }
    }
}

/// What a selector does not allow; the word of the request that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    Command,
    Key { word: usize },
    Channel { word: usize },
}

/// Permissions that hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    commands: CommandSet,
    /// Also commands that do not exist yet.
    all_commands: bool,
    /// Commands that are allowed with certain first arguments only.
    first_args: BTreeMap<CommandId, Vec<Vec<u8>>>,
    /// The rules on commands as they were given, without those that later ones made void.
    rules: Vec<String>,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    all_channels: bool,
    channels: Vec<Vec<u8>>,
}

impl Selector {
    /// Nothing, but for all channels if that is the default.
    pub fn new(all_channels: bool) -> Self {
        Self {
            commands: CommandSet::filled(false),
            all_commands: false,
            first_args: BTreeMap::new(),
            rules: Vec::new(),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// Whether nothing is forbidden.
    pub fn allows_everything(&self) -> bool {
        self.all_commands && self.rules.is_empty() && self.all_keys && self.all_channels
    }

    /// Applies one rule.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| is_word(rule, word);
        if is("allkeys") || is("~*") {
            self.all_keys = true;
            self.keys.clear();
        } else if is("resetkeys") {
            self.all_keys = false;
            self.keys.clear();
        } else if is("allchannels") || is("&*") {
            self.all_channels = true;
            self.channels.clear();
        } else if is("resetchannels") {
            self.all_channels = false;
            self.channels.clear();
        } else if is("allcommands") || is("+@all") {
            self.set_all_commands(true);
        } else if is("nocommands") || is("-@all") {
            self.set_all_commands(false);
        } else {
            return match rule.split_first() {
                Some((b'~' | b'%', _)) => self.add_key_pattern(rule),
                Some((b'&', glob)) => self.add_channel(glob),
                Some((sign @ (b'+' | b'-'), name)) if name.first() == Some(&b'@') => {
                    self.set_category(until_nul(&name[1..]), *sign == b'+')
                }
                Some((b'+', name)) => self.allow(until_nul(name)),
                Some((b'-', name)) => self.forbid(until_nul(name)),
                _ => Err(RuleError::Syntax),
            };
        }
        Ok(())
    }

    fn set_all_commands(&mut self, allowed: bool) {
        self.commands = CommandSet::filled(allowed);
        self.all_commands = allowed;
        self.rules.clear();
        self.first_args.clear();
    }

    fn add_key_pattern(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        if self.all_keys {
            return Err(RuleError::KeyPatternAfterAll);
        }
        let (mut reads, mut writes) = (rule[0] == b'~', rule[0] == b'~');
        let mut at = 1;
        if rule[0] != b'~' {
            loop {
                match rule.get(at).map(u8::to_ascii_uppercase) {
                    Some(b'R') if !reads => reads = true,
                    Some(b'W') if !writes => writes = true,
                    Some(b'~') if reads || writes => {
                        at += 1;
                        break;
                    }
                    _ => return Err(RuleError::Syntax),
                }
                at += 1;
            }
        }
        let glob = &rule[at..];
        if has_blanks(glob) {
            return Err(RuleError::Syntax);
        }
        match self.keys.iter_mut().find(|known| known.glob == glob) {
            Some(known) => {
                known.reads |= reads;
                known.writes |= writes;
            }
            None => self.keys.push(KeyPattern {
                glob: glob.to_vec(),
                reads,
                writes,
            }),
        }
        Ok(())
    }

    fn add_channel(&mut self, glob: &[u8]) -> Result<(), RuleError> {
        if self.all_channels {
            return Err(RuleError::ChannelPatternAfterAll);
        }
        if has_blanks(glob) {
            return Err(RuleError::Syntax);
        }
        if !self.channels.iter().any(|known| known == glob) {
            self.channels.push(glob.to_vec());
        }
        Ok(())
    }

    fn set_category(&mut self, name: &[u8], allowed: bool) -> Result<(), RuleError> {
        let category = table::category(name).ok_or(RuleError::Unknown)?;
        let name = String::from_utf8_lossy(name).to_lowercase();
        self.remember(&format!("@{name}"), allowed);
        let wanted = Categories::of(&[category]);
        for command in table::ACTIVE.iter().filter(|c| c.categories.meets(wanted)) {
            self.set(command, allowed);
        }
        Ok(())
    }

    fn allow(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = memchr::memrchr(b'|', name) else {
            let command = find(name)?;
            self.set(command, true);
            self.remember(command.name(), true);
            return Ok(());
        };
        let (container, sub) = (find(&name[..bar])?, &name[bar + 1..]);
        if container.parent.is_some() {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if sub.is_empty() {
            return Err(RuleError::Syntax);
        }
        if container.has_subcommands() {
            self.set(find(name)?, true);
        } else {
            let args = self.first_args.entry(container.id).or_default();
            if !args.iter().any(|known| known.eq_ignore_ascii_case(sub)) {
                args.push(sub.to_vec());
            }
        }
        self.remember(&String::from_utf8_lossy(name).to_lowercase(), true);
        Ok(())
    }

    fn forbid(&mut self, name: &[u8]) -> Result<(), RuleError> {
        let command = find(name)?;
        self.set(command, false);
        self.remember(command.name(), false);
        Ok(())
    }

    fn set(&mut self, command: &Command, allowed: bool) {
        for of in std::iter::once(command).chain(command.subcommands()) {
            self.commands.0[of.id.index()] = allowed;
            self.first_args.remove(&of.id);
        }
    }

    /// Adds a rule on commands; earlier ones on the same command or category, or on a part of it, are void.
    fn remember(&mut self, rule: &str, allowed: bool) {
        self.rules.retain(|known| {
            let known = &known[1..];
            let is_part = known
                .strip_prefix(rule)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('|'));
            !is_part
        });
        self.rules
            .push(format!("{}{rule}", if allowed { '+' } else { '-' }));
    }

    /// Whether the request may be carried out.
    pub fn check(&self, command: &Command, args: &[&[u8]], keys: &[KeyRef]) -> Result<(), Denial> {
        if !command.flags.has(Flag::NoAuth) && !self.allows_command(command, args) {
            return Err(Denial::Command);
        }
        if !self.all_keys {
            let denied = keys
                .iter()
                .find(|key| !self.allows_key(args[key.position], Access::of(key.flags)));
            if let Some(key) = denied {
                return Err(Denial::Key { word: key.position });
            }
        }
        if !self.all_channels {
            let denied = channels::of(command, args)
                .find(|channel| !self.allows_channel(args[channel.position], channel.is_pattern));
            if let Some(channel) = denied {
                return Err(Denial::Channel {
                    word: channel.position,
                });
            }
        }
        Ok(())
    }

    fn allows_command(&self, command: &Command, args: &[&[u8]]) -> bool {
        if self.commands.has(command.id) {
            return true;
        }
        let at = if command.parent.is_some() { 2 } else { 1 };
        let (Some(arg), Some(allowed)) = (args.get(at), self.first_args.get(&command.id)) else {
            return false;
        };
        allowed.iter().any(|known| known.eq_ignore_ascii_case(arg))
    }

    /// Whether a key may be used so.
    pub fn allows_key(&self, key: &[u8], access: Access) -> bool {
        self.all_keys
            || self.keys.iter().any(|pattern| {
                (pattern.reads || !access.reads)
                    && (pattern.writes || !access.writes)
                    && glob::matches(&pattern.glob, key, Case::Sensitive)
            })
    }

    /// Whether any key may be read: what a command needs that looks up keys its words do not name.
    pub fn reads_every_key(&self) -> bool {
        self.all_keys || self.keys.iter().any(|it| it.reads && it.glob == b"*")
    }

    /// Whether a channel may be used; a pattern only if it is allowed literally.
    pub fn allows_channel(&self, channel: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|glob| {
                if is_pattern {
                    glob == channel
                } else {
                    glob::matches(glob, channel, Case::Sensitive)
                }
            })
    }

    /// The rules on channels; None: all may be used.
    pub fn channels(&self) -> Option<&[Vec<u8>]> {
        (!self.all_channels).then_some(&*self.channels)
    }

    /// The rules on commands, as one line.
    pub fn describe_commands(&self) -> String {
        let first = if self.all_commands { "+@all" } else { "-@all" };
        std::iter::once(first)
            .chain(self.rules.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The rules on keys, as one line.
    pub fn describe_keys(&self) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        let mut out = Vec::new();
        for pattern in &self.keys {
            if !out.is_empty() {
                out.push(b' ');
            }
            pattern.describe(&mut out);
        }
        out
    }

    /// The rules on channels, as one line.
    pub fn describe_channels(&self) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        let patterns: Vec<Vec<u8>> = self
            .channels
            .iter()
            .map(|glob| [b"&", glob.as_slice()].concat())
            .collect();
        patterns.join(&b' ')
    }

    /// All rules, as one line that makes the same selector.
    pub fn describe(&self) -> Vec<u8> {
        let mut out = self.describe_keys();
        if !out.is_empty() {
            out.push(b' ');
        }
        if !self.all_channels {
            out.extend_from_slice(b"resetchannels ");
        }
        let channels = self.describe_channels();
        out.extend_from_slice(&channels);
        if !channels.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(self.describe_commands().as_bytes());
        out
    }
}

fn find(name: &[u8]) -> Result<&'static Command, RuleError> {
    table::by_full_name(name).ok_or(RuleError::Unknown)
}

/// Whether a pattern or name has what would split a line of rules.
pub(super) fn has_blanks(text: &[u8]) -> bool {
    text.iter()
        .any(|byte| byte.is_ascii_whitespace() || *byte == 0 || *byte == 0x0b)
}
