//! The users of the server, by name.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};

use super::rule::RuleError;
use super::selector::has_blanks;
use super::user::User;
use crate::config::{Config, Key};
use crate::resp::text::{self, until_nul};

/// The value of `acl-pubsub-default` that lets new users use every channel.
const ALL_CHANNELS: i64 = 0;

/// The user that connections are until they log in.
pub const DEFAULT: &[u8] = b"default";

/// A user as connections hold it: a change of its rules is seen by all of them at once.
#[derive(Debug)]
pub struct Account {
    pub name: Box<[u8]>,
    user: RwLock<Arc<User>>,
    /// Nothing is forbidden: what is looked at before every command. Relaxed: a change of rules acts from the next
    /// command on, and publishes nothing else.
    is_almighty: AtomicBool,
    is_deleted: AtomicBool,
}

impl Default for Account {
    fn default() -> Self {
        Self::new(DEFAULT, User::almighty(false))
    }
}

impl Account {
    fn new(name: &[u8], user: User) -> Self {
        Self {
            name: name.into(),
            is_almighty: AtomicBool::new(user.allows_everything()),
            user: RwLock::new(Arc::new(user)),
            is_deleted: AtomicBool::new(false),
        }
    }

    /// The rules as they are now.
    pub fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.read())
    }

    /// Whether nothing is forbidden.
    pub fn is_almighty(&self) -> bool {
        self.is_almighty.load(Ordering::Relaxed)
    }

    /// Whether it was removed: who was logged in as it is no longer.
    pub fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Relaxed)
    }

    fn set(&self, user: User) {
        self.is_almighty
            .store(user.allows_everything(), Ordering::Relaxed);
        *self.user.write() = Arc::new(user);
    }
}

/// Why rules do not make a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    #[error("Error in ACL SETUSER modifier '{rule}': {error}")]
    Rule { rule: String, error: RuleError },
    #[error("Unmatched parenthesis in acl selector starting at '{0}'.")]
    Parenthesis(String),
}

/// What is wrong with the lines of a file, one after the other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FileErrors(String);

impl FileErrors {
    /// The file cannot be read.
    pub fn unreadable(file: &str, why: &str) -> Self {
        Self(format!("Error loading ACLs, opening file '{file}': {why}"))
    }
}

/// All users. `default` is always there.
#[derive(Debug)]
pub struct Users {
    accounts: RwLock<BTreeMap<Box<[u8]>, Arc<Account>>>,
    default: Arc<Account>,
    /// `acl-pubsub-default allchannels`.
    all_channels: AtomicBool,
    /// `requirepass` as it acted last.
    password: Mutex<Vec<u8>>,
}

impl Default for Users {
    fn default() -> Self {
        let default = Arc::<Account>::default();
        let accounts = BTreeMap::from([(DEFAULT.into(), Arc::clone(&default))]);
        Self {
            accounts: RwLock::new(accounts),
            default,
            all_channels: AtomicBool::new(false),
            password: Mutex::default(),
        }
    }
}

impl Users {
    /// The user `default`.
    pub fn default_account(&self) -> &Arc<Account> {
        &self.default
    }

    /// Whether a connection must log in before it may do anything.
    pub fn must_log_in(&self) -> bool {
        let user = self.default.user.read();
        !user.no_password || !user.enabled
    }

    /// Makes `requirepass` and `acl-pubsub-default` act.
    pub fn configure(&self, config: &Config) {
        let all_channels = config.number(Key::AclPubsubDefault) == ALL_CHANNELS;
        self.all_channels.store(all_channels, Ordering::Relaxed);
        self.require_password(&config.requirepass());
    }

    /// `requirepass` was set: it is the only password of `default`, an empty one none.
    pub fn require_password(&self, password: &[u8]) {
        let mut before = self.password.lock();
        if *before == password {
            return;
        }
        *before = password.to_vec();
        let mut user = (*self.default.user()).clone();
        let rules: &[&[u8]] = &[b"resetpass", &[b">", password].concat()];
        let rules = if password.is_empty() {
            &[b"nopass".as_slice()]
        } else {
            rules
        };
        for rule in rules {
            user.apply(rule).expect("a rule on passwords");
        }
        self.default.set(user);
    }

    pub fn get(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.accounts.read().get(name).cloned()
    }

    /// The account, if it can log in with this password.
    pub fn log_in(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        let account = self.get(name)?;
        let user = account.user();
        user.accepts(password).then_some(account)
    }

    /// All accounts in the order of their names.
    pub fn all(&self) -> Vec<Arc<Account>> {
        self.accounts.read().values().cloned().collect()
    }

    /// Applies rules to a user, who is made if need be. Nothing happens if one of them is wrong.
    pub fn set(&self, name: &[u8], rules: &[&[u8]]) -> Result<(), UserError> {
        let mut accounts = self.accounts.write();
        let known = accounts.get(name);
        let user = match known {
            Some(account) => (*account.user()).clone(),
            None => User::new(self.all_channels.load(Ordering::Relaxed)),
        };
        let user = apply(user, &merge(rules)?)?;
        match known {
            Some(account) => account.set(user),
            None => {
                accounts.insert(name.into(), Arc::new(Account::new(name, user)));
            }
        }
        Ok(())
    }

    /// Removes a user; false if there is none.
    pub fn remove(&self, name: &[u8]) -> bool {
        let removed = self.accounts.write().remove(name);
        if let Some(account) = &removed {
            account.is_deleted.store(true, Ordering::Relaxed);
        }
        removed.is_some()
    }

    /// Replaces all users by those that the lines of a file make. The errors of all lines, if there are any; then
    /// nothing has changed.
    pub fn load(&self, file: &str, content: &[u8]) -> Result<(), FileErrors> {
        let all_channels = self.all_channels.load(Ordering::Relaxed);
        let (mut users, mut errors) = (BTreeMap::new(), String::new());
        for (at, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            if let Err(error) = load_line(&mut users, file, at + 1, line, all_channels) {
                errors.push_str(&error.0);
            }
        }
        if !errors.is_empty() {
            errors.push_str(
                "WARNING: ACL errors detected, no change to the previously active ACL rules was performed",
            );
            return Err(FileErrors(errors));
        }
        let default = users
            .remove(DEFAULT)
            .unwrap_or_else(|| User::almighty(all_channels));
        self.default.set(default);
        let mut accounts = self.accounts.write();
        accounts.retain(|name, account| {
            let stays = **name == *DEFAULT || users.contains_key(&**name);
            account.is_deleted.store(!stays, Ordering::Relaxed);
            stays
        });
        for (name, user) in users {
            match accounts.get(&*name) {
                Some(account) => account.set(user),
                None => {
                    let account = Arc::new(Account::new(&name, user));
                    accounts.insert(name.into(), account);
                }
            }
        }
        Ok(())
    }

    /// All users as the lines of a file.
    pub fn to_lines(&self) -> Vec<Vec<u8>> {
        let line = |account: &Arc<Account>| {
            [b"user ", &*account.name, b" ", &account.user().describe()].concat()
        };
        self.accounts.read().values().map(line).collect()
    }
}

fn load_line(
    users: &mut BTreeMap<Vec<u8>, User>,
    file: &str,
    number: usize,
    line: &[u8],
    all_channels: bool,
) -> Result<(), FileErrors> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (b"user", Some(name)) = (words[0], words.get(1)) else {
        return Err(FileErrors(format!(
            "{file}:{number} should start with user keyword followed by the username. "
        )));
    };
    let shown = text::of_bytes(name);
    if has_blanks(name) {
        return Err(FileErrors(format!(
            "'{file}:{number}: username '{shown}' contains invalid characters. "
        )));
    }
    if users.contains_key(*name) {
        return Err(FileErrors(format!(
            "WARNING: Duplicate user '{shown}' found on line {number}. "
        )));
    }
    let rules = merge(&words[2..]).map_err(|_| {
        FileErrors(format!(
            "{file}:{number}: Unmatched parenthesis in selector definition."
        ))
    })?;
    let (mut user, mut errors, mut is_told) = (User::new(all_channels), String::new(), false);
    for rule in rules {
        match user.apply(&rule) {
            Ok(()) => {}
            Err(RuleError::Unknown) => errors.push_str(&format!(
                "{file}:{number}: Error in applying operation '{}': {}. ",
                text::of_bytes(&rule),
                RuleError::Unknown
            )),
            Err(error) if !is_told => {
                is_told = true;
                errors.push_str(&format!("{file}:{number}: {error}. "));
            }
            Err(_) => {}
        }
    }
    users.insert(name.to_vec(), user);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(FileErrors(errors))
    }
}

fn apply(mut user: User, rules: &[Vec<u8>]) -> Result<User, UserError> {
    for rule in rules {
        user.apply(rule).map_err(|error| UserError::Rule {
            rule: text::of_bytes(until_nul(rule)),
            error,
        })?;
    }
    Ok(user)
}

/// Puts the words between parentheses together as one rule.
fn merge(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, UserError> {
    let mut merged: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, rule) in rules.iter().enumerate() {
        match &mut open {
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(until_nul(rule));
            }
            None if rule.first() == Some(&b'(') => open = Some((at, rule.to_vec())),
            None => merged.push(rule.to_vec()),
        }
        if rule.last() == Some(&b')')
            && let Some((_, selector)) = open.take()
        {
            merged.push(selector);
        }
    }
    match open {
        None => Ok(merged),
        Some((at, _)) => Err(UserError::Parenthesis(text::of_bytes(until_nul(rules[at])))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_between_parentheses_and_in_errors_end_at_a_zero_byte() {
        let rules = |rules: &[&[u8]]| merge(rules);
        let merged = rules(&[b"(+get", b"~a\0b", b"+set)"]);
        assert_eq!(merged, Ok(vec![b"(+get ~a +set)".to_vec()]));
        let open = UserError::Parenthesis("(+get".to_owned());
        assert_eq!(rules(&[b"on", b"(+get\0x"]), Err(open));
    }

    #[test]
    fn rules_that_are_wrong_change_nothing() {
        let users = Users::default();
        let rule = |rules: &[&[u8]]| users.set(b"bob", rules);
        assert!(rule(&[b"on", b"+nosuch"]).is_err());
        assert!(users.get(b"bob").is_none());
        assert_eq!(
            rule(&[b"(+get", b"~a"]),
            Err(UserError::Parenthesis("(+get".to_owned()))
        );
        let error = rule(&[b"+nosuch\0rest"]).unwrap_err().to_string();
        assert!(error.contains("modifier '+nosuch':"), "{error}");
        rule(&[b"on", b"(+get", b"~a)", b">pw"]).unwrap();
        assert!(users.log_in(b"bob", b"pw").is_some());
        assert!(users.log_in(b"bob", b"wrong").is_none());
        let held = users.get(b"bob").unwrap();
        rule(&[b"allkeys", b"allcommands", b"allchannels"]).unwrap();
        assert!(held.is_almighty());
        assert!(users.remove(b"bob") && held.is_deleted());
    }

    #[test]
    fn a_saved_file_loads_as_it_was() {
        let users = Users::default();
        users
            .set(b"bob", &[b"on", b">pw", b"+get", b"~a", b"(+set", b"%W~b)"])
            .unwrap();
        let lines = users.to_lines().join(&b'\n');
        let other = Users::default();
        other.load("users.acl", &lines).unwrap();
        assert_eq!(other.to_lines(), users.to_lines());
        let error = other
            .load("users.acl", b"user bob on +nosuch\nuser bob")
            .unwrap_err();
        assert!(
            error
                .0
                .contains("users.acl:1: Error in applying operation '+nosuch'"),
            "{error}"
        );
        assert_eq!(other.to_lines(), users.to_lines());
    }

    #[test]
    fn requirepass_is_the_password_of_default() {
        let users = Users::default();
        assert!(!users.must_log_in());
        users.require_password(b"secret");
        assert!(users.must_log_in());
        assert!(users.log_in(DEFAULT, b"secret").is_some());
        users.set(DEFAULT, &[b">other"]).unwrap();
        users.require_password(b"secret");
        assert!(users.log_in(DEFAULT, b"other").is_some());
        users.require_password(b"");
        assert!(!users.must_log_in());
    }
}
