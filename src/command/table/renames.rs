//! `rename-command`: names under which commands are asked for instead of their own.

use super::{Command, Resolved, full_name_in, lookup, resolve, resolve_in};

/// Why a command cannot be renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenameError {
    #[error("No such command in rename-command")]
    NoCommand,
    #[error("Target command name already exists")]
    Taken,
}

/// What names stand for where that is not what the table says.
#[derive(Debug, Default)]
pub struct Renames(Vec<Renamed>);

#[derive(Debug)]
struct Renamed {
    name: Vec<u8>,
    /// None: nothing has this name any more.
    command: Option<&'static Command>,
}

impl Renames {
    /// Renames one after the other, each given as its name so far and the new one; an empty new name removes the command.
    pub fn new(pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<Self, RenameError> {
        let mut renames = Self::default();
        for (from, to) in pairs {
            let command = renames.lookup(from).ok_or(RenameError::NoCommand)?;
            if !to.is_empty() && renames.lookup(to).is_some() {
                return Err(RenameError::Taken);
            }
            renames.set(from, None);
            if !to.is_empty() {
                renames.set(to, Some(command));
            }
        }
        Ok(renames)
    }

    fn set(&mut self, name: &[u8], command: Option<&'static Command>) {
        self.0.retain(|it| !it.name.eq_ignore_ascii_case(name));
        self.0.push(Renamed {
            name: name.to_vec(),
            command,
        });
    }

    /// The command with this name, in any case.
    fn lookup(&self, name: &[u8]) -> Option<&'static Command> {
        let renamed = self.0.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        renamed.map_or_else(|| lookup(name), |it| it.command)
    }

    /// The command with this full name, in any case; the name of a container is the one that it has now.
    pub fn by_full_name(&self, name: &[u8]) -> Option<&'static Command> {
        full_name_in(name, |name| self.lookup(name))
    }

    /// Whether a command, or the container of a subcommand, has a name by which it is reached.
    pub fn reach(&self, command: &Command) -> bool {
        let top = command.parent.unwrap_or(command.id);
        let is_it = |found: Option<&Command>| found.is_some_and(|found| found.id == top);
        is_it(self.lookup(top.command().name().as_bytes()))
            || self.0.iter().any(|it| is_it(it.command))
    }

    /// The command or subcommand that a request names.
    #[inline]
    pub fn resolve(&self, args: &[&[u8]]) -> Resolved {
        if self.0.is_empty() {
            return resolve(args);
        }
        resolve_in(args, |name| self.lookup(name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::by_full_name;
    use super::*;

    fn renames(pairs: &[(&str, &str)]) -> Result<Renames, RenameError> {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(from, to)| (from.as_bytes().to_vec(), to.as_bytes().to_vec()))
            .collect();
        Renames::new(&pairs)
    }

    fn name(renames: &Renames, words: &[&str]) -> Option<&'static str> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        match renames.resolve(&words) {
            Resolved::Command(command) => Some(command.name()),
            Resolved::UnknownSubcommand | Resolved::Unknown => None,
        }
    }

    #[test]
    fn a_renamed_command_has_its_new_name_only() {
        let it = renames(&[("get", "Fetch"), ("CONFIG", "tune"), ("flushall", "")]).expect("free");
        assert_eq!(name(&it, &["FETCH", "a"]), Some("get"));
        assert_eq!(name(&it, &["get", "a"]), None);
        assert_eq!(name(&it, &["tune", "set"]), Some("config|set"));
        assert_eq!(name(&it, &["flushall"]), None);
        assert_eq!(name(&it, &["set", "a", "b"]), Some("set"));
    }

    #[test]
    fn full_names_begin_with_the_name_of_now() {
        let it = renames(&[("get", "fetch"), ("config", "tune"), ("del", "a|b")]).expect("free");
        let found = |name: &str| it.by_full_name(name.as_bytes()).map(Command::name);
        assert_eq!(found("Fetch"), Some("get"));
        assert_eq!(found("tune|SET"), Some("config|set"));
        for gone in ["get", "config", "config|set", "tune|none", "a|b"] {
            assert_eq!(found(gone), None, "{gone}");
        }
        assert_eq!(found("client|id"), Some("client|id"));
    }

    #[test]
    fn only_what_is_removed_is_out_of_reach() {
        let it = renames(&[("get", "x"), ("set", "get"), ("config", ""), ("x", "")]).expect("free");
        let reached = |name: &str| it.reach(by_full_name(name.as_bytes()).expect(name));
        assert!(reached("set") && reached("del") && reached("client|id"));
        assert!(!reached("get") && !reached("config") && !reached("config|set"));
    }

    #[test]
    fn names_are_given_on() {
        let it = renames(&[("get", "x"), ("set", "get"), ("x", "set")]).expect("free in turn");
        assert_eq!(name(&it, &["set"]), Some("get"));
        assert_eq!(name(&it, &["get"]), Some("set"));
        assert_eq!(name(&it, &["x"]), None);
    }

    #[test]
    fn what_is_not_there_or_taken_is_refused() {
        assert_eq!(
            renames(&[("nosuch", "x")]).err(),
            Some(RenameError::NoCommand)
        );
        assert_eq!(renames(&[("get", "set")]).err(), Some(RenameError::Taken));
        let twice = renames(&[("get", ""), ("get", "x")]);
        assert_eq!(twice.err(), Some(RenameError::NoCommand));
    }
}
