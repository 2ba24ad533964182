//! Users: what ACL SETUSER lets them do.

pub mod commands;
pub mod permission;

use std::collections::BTreeMap;

use crate::sha256;
use crate::table;

/// A user. Selectors and first-argument rules are not modelled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    on: bool,
    /// Any password opens it.
    open: bool,
    /// In hexadecimal digits.
    passwords: Vec<String>,
    /// Everything is allowed that no rule forbids.
    all_commands: bool,
    /// `+get`, `-@read`, in the order in which they act.
    rules: Vec<String>,
    keys: Vec<Vec<u8>>,
    channels: Vec<Vec<u8>>,
}

/// Users by name.
pub type Users = BTreeMap<Vec<u8>, User>;

/// The users that there are when a server starts.
pub fn first() -> Users {
    let default = User {
        on: true,
        open: true,
        all_commands: true,
        keys: vec![b"*".to_vec()],
        channels: vec![b"*".to_vec()],
        ..User::default()
    };
    Users::from([(b"default".to_vec(), default)])
}

const BEHIND_ALL: &str = "Adding a pattern after the * pattern (or the 'all";

impl User {
    /// Whether this password opens it.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.on && (self.open || self.passwords.contains(&sha256::hexadecimal(password)))
    }

    /// Changes it as a word of ACL SETUSER says; or tells why that word makes no sense.
    pub fn apply(&mut self, word: &[u8]) -> Result<(), String> {
        let lower = String::from_utf8_lossy(word).to_ascii_lowercase();
        match lower.as_str() {
            "" => {}
            "on" => self.on = true,
            "off" => self.on = false,
            "nopass" => {
                self.open = true;
                self.passwords.clear();
            }
            "resetpass" => {
                self.open = false;
                self.passwords.clear();
            }
            "allkeys" | "~*" => self.keys = vec![b"*".to_vec()],
            "resetkeys" => self.keys.clear(),
            "allchannels" | "&*" => self.channels = vec![b"*".to_vec()],
            "resetchannels" => self.channels.clear(),
            "allcommands" | "+@all" => self.begin_commands(true),
            "nocommands" | "-@all" => self.begin_commands(false),
            "reset" => *self = User::default(),
            _ => return self.apply_marked(word, &lower),
        }
        Ok(())
    }

    fn begin_commands(&mut self, all: bool) {
        self.all_commands = all;
        self.rules.clear();
    }

    /// A word whose first byte says what it is.
    fn apply_marked(&mut self, word: &[u8], lower: &str) -> Result<(), String> {
        let (mark, rest) = word.split_first().unwrap_or((&b' ', b""));
        match mark {
            b'>' => {
                let digest = sha256::hexadecimal(rest);
                if !self.passwords.contains(&digest) {
                    self.passwords.push(digest);
                }
                self.open = false;
            }
            b'<' => {
                let digest = sha256::hexadecimal(rest);
                let at = self.passwords.iter().position(|it| *it == digest);
                let missing = "The password you are trying to remove from the user does not exist";
                self.passwords.remove(at.ok_or(missing)?);
            }
            b'~' => add(&mut self.keys, rest, "keys")?,
            b'&' => add(&mut self.channels, rest, "channels")?,
            b'+' | b'-' => self.rule(lower)?,
            _ => return Err("Syntax error".to_owned()),
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
            return Err("Unknown command or category name in ACL".to_owned());
        }
        let part = format!("{name}|");
        self.rules
            .retain(|old| old[1..] != *name && !old[1..].starts_with(&part));
        self.rules.push(rule.to_owned());
        Ok(())
    }

    /// The rules about commands as ACL LIST shows them.
    fn shown_rules(&self) -> String {
        let base = if self.all_commands { "+@all" } else { "-@all" };
        let rules = self.rules.iter().map(|rule| format!(" {rule}"));
        [base.to_owned()].into_iter().chain(rules).collect()
    }

    fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        if self.open {
            flags.push("nopass");
        }
        flags.push("sanitize-payload");
        flags
    }
}

/// Adds a pattern, of which `*` would have to be the only one.
fn add(patterns: &mut Vec<Vec<u8>>, pattern: &[u8], what: &str) -> Result<(), String> {
    if patterns.iter().any(|it| it == b"*") {
        return Err(format!(
            "{BEHIND_ALL}{what}' flag) is not valid and does not have any effect. Try 'reset{what}' to start with an \
             empty list of {}",
            if what == "keys" {
                "patterns"
            } else {
                "channels"
            }
        ));
    }
    if !patterns.iter().any(|it| it == pattern) {
        patterns.push(pattern.to_vec());
    }
    Ok(())
}

/// Patterns with their mark, in one text.
fn shown(patterns: &[Vec<u8>], mark: u8) -> Vec<u8> {
    let marked = patterns.iter().map(|it| [&[mark], it.as_slice()].concat());
    marked.collect::<Vec<_>>().join(&b' ')
}
