//! Users: what ACL SETUSER lets them do.

pub mod commands;
pub mod log;
pub mod permission;
pub mod selector;

use std::collections::BTreeMap;

use crate::sha256;
use selector::Selector;

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    on: bool,
    /// Any password opens it.
    open: bool,
    /// RESTORE believes what it is given.
    trusting: bool,
    /// In hexadecimal digits.
    passwords: Vec<String>,
    /// The rules outside of parentheses.
    root: Selector,
    /// Those between parentheses.
    others: Vec<Selector>,
}

/// Users by name.
pub type Users = BTreeMap<Vec<u8>, User>;

/// The users that there are when a server starts.
pub fn first() -> Users {
    let default = User {
        on: true,
        open: true,
        root: Selector::everything(),
        ..User::default()
    };
    Users::from([(b"default".to_vec(), default)])
}

impl User {
    /// Whether this password opens it.
    pub fn accepts(&self, password: &[u8]) -> bool {
        self.on && (self.open || self.passwords.contains(&sha256::hexadecimal(password)))
    }

    /// Changes it as a word of ACL SETUSER says, or as several between parentheses; or tells why that makes no sense.
    pub fn apply(&mut self, word: &[u8]) -> Result<(), String> {
        let lower = String::from_utf8_lossy(word).to_ascii_lowercase();
        match lower.as_str() {
            "" => {}
            "on" => self.on = true,
            "off" => self.on = false,
            "sanitize-payload" => self.trusting = false,
            "skip-sanitize-payload" => self.trusting = true,
            "nopass" => self.reset_passwords(true),
            "resetpass" => self.reset_passwords(false),
            "clearselectors" => self.others.clear(),
            "reset" => *self = User::default(),
            _ => return self.apply_marked(word),
        }
        Ok(())
    }

    fn reset_passwords(&mut self, open: bool) {
        self.open = open;
        self.passwords.clear();
    }

    /// A word whose first byte says what it is.
    fn apply_marked(&mut self, word: &[u8]) -> Result<(), String> {
        match word {
            [b'>', password @ ..] => self.add_password(sha256::hexadecimal(password)),
            [b'#', digest @ ..] => self.add_password(checked(digest)?),
            [b'<', password @ ..] => self.remove_password(&sha256::hexadecimal(password))?,
            [b'!', digest @ ..] => self.remove_password(&checked(digest)?)?,
            [b'(', words @ .., b')'] => self.others.push(Selector::of_words(words)?),
            _ => self.root.apply(word)?,
        }
        Ok(())
    }

    fn add_password(&mut self, digest: String) {
        if !self.passwords.contains(&digest) {
            self.passwords.push(digest);
        }
        self.open = false;
    }

    fn remove_password(&mut self, digest: &str) -> Result<(), String> {
        let at = self.passwords.iter().position(|it| it == digest);
        let missing = "The password you are trying to remove from the user does not exist";
        self.passwords.remove(at.ok_or(missing)?);
        Ok(())
    }

    fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.on { "on" } else { "off" }];
        if self.open {
            flags.push("nopass");
        }
        flags.push(if self.trusting {
            "skip-sanitize-payload"
        } else {
            "sanitize-payload"
        });
        flags
    }
}

/// The digits of a digest as they stand behind `#` and `!`.
fn checked(digest: &[u8]) -> Result<String, String> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digest.len() != 64 || !digest.iter().all(is_digit) {
        let complaint = "The password hash must be exactly 64 characters and contain only lowercase hexadecimal \
                         characters";
        return Err(complaint.to_owned());
    }
    Ok(String::from_utf8_lossy(digest).into_owned())
}
