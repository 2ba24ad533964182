//! A user: who may log in as it, and what it may do.

use crate::command::argument::is_word;
use sha2::{Digest as _, Sha256};

use super::rule::RuleError;
use super::selector::{Denial, Selector};
use crate::command::table::{self, Command};
use crate::config::words;
use crate::resp::text::until_nul;

/// Digits of a password's hash.
const HASH_LEN: usize = 64;

/// A user as rules made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub enabled: bool,
    /// Any password is right.
    pub no_password: bool,
    /// Payloads of RESTORE are checked deeply.
    pub sanitizes: bool,
    /// Hexadecimal SHA-256 of each password.
    pub passwords: Vec<String>,
    /// The first is made of the user's own rules, the others of those in parentheses.
    selectors: Vec<Selector>,
    /// What `reset` puts back.
    default_all_channels: bool,
}

impl User {
    /// A user that may do nothing.
    pub fn new(all_channels: bool) -> Self {
        Self {
            enabled: false,
            no_password: false,
            sanitizes: true,
            passwords: Vec::new(),
            selectors: vec![Selector::new(all_channels)],
            default_all_channels: all_channels,
        }
    }

    /// The user that may do everything without a password: what `default` is unless told.
    pub fn almighty(all_channels: bool) -> Self {
        let mut user = Self::new(all_channels);
        for rule in ["+@all", "~*", "&*", "on", "nopass"] {
            user.apply(rule.as_bytes()).expect("a rule");
        }
        user
    }

    pub fn root(&self) -> &Selector {
        &self.selectors[0]
    }

    /// The selectors beside the user's own.
    pub fn others(&self) -> &[Selector] {
        &self.selectors[1..]
    }

    /// Whether any selector lets this channel be heard; a pattern only if it is allowed literally.
    pub fn hears(&self, channel: &[u8], is_pattern: bool) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|selector| selector.allows_channel(channel, is_pattern))
    }

    /// Whether whoever listened as `before` may go on with all of it: channels are open, or every rule on them has stayed.
    pub fn keeps_channels_of(&self, before: &Self) -> bool {
        let now: Vec<_> = self.selectors.iter().map(Selector::channels).collect();
        if now.contains(&None) {
            return true;
        }
        let has = |glob: &Vec<u8>| now.iter().flatten().any(|globs| globs.contains(glob));
        let mut selectors = before.selectors.iter();
        selectors.all(|selector| selector.channels().is_some_and(|it| it.iter().all(has)))
    }

    /// Whether nothing is forbidden.
    pub fn allows_everything(&self) -> bool {
        self.root().allows_everything()
    }

    /// Applies one rule; a selector in parentheses is one.
    pub fn apply(&mut self, rule: &[u8]) -> Result<(), RuleError> {
        let is = |word: &str| is_word(rule, word);
        if is("on") {
            self.enabled = true;
        } else if is("off") {
            self.enabled = false;
        } else if is("skip-sanitize-payload") {
            self.sanitizes = false;
        } else if is("sanitize-payload") {
            self.sanitizes = true;
        } else if is("nopass") || is("resetpass") {
            self.no_password = is("nopass");
            self.passwords.clear();
        } else if is("clearselectors") {
            self.selectors.truncate(1);
        } else if is("reset") {
            *self = Self::new(self.default_all_channels);
        } else {
            return match rule.split_first() {
                None => Ok(()),
                Some((b'>', password)) => self.add_password(hash(password)),
                Some((b'#', digits)) => self.add_password(check_hash(digits)?),
                Some((b'<', password)) => self.remove_password(&hash(password)),
                Some((b'!', digits)) => self.remove_password(&check_hash(digits)?),
                Some((b'(', rules)) if rules.last() == Some(&b')') => {
                    self.add_selector(&rules[..rules.len() - 1])
                }
                Some(_) => self.selectors[0].apply(rule),
            };
        }
        Ok(())
    }

    fn add_password(&mut self, hash: String) -> Result<(), RuleError> {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.no_password = false;
        Ok(())
    }

    fn remove_password(&mut self, hash: &str) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| known == hash);
        self.passwords.remove(at.ok_or(RuleError::NoSuchPassword)?);
        Ok(())
    }

    fn add_selector(&mut self, rules: &[u8]) -> Result<(), RuleError> {
        let mut selector = Selector::new(self.default_all_channels);
        // Where a quote is not closed there is no rule.
        for rule in words::split(until_nul(rules)).unwrap_or_default() {
            selector.apply(&rule)?;
        }
        self.selectors.push(selector);
        Ok(())
    }

    /// Whether the password is right. The time it takes does not tell how nearly.
    pub fn accepts(&self, password: &[u8]) -> bool {
        if !self.enabled {
            return false;
        }
        let given = hash(password);
        let differs = |known: &String| {
            known
                .bytes()
                .zip(given.bytes())
                .fold(0, |differs, (a, b)| differs | (a ^ b))
        };
        let known = self
            .passwords
            .iter()
            .fold(false, |found, known| found | (differs(known) == 0));
        self.no_password || known
    }

    /// Whether a request may be carried out. Of several reasons against it the one counts that came nearest.
    pub fn check(&self, command: &Command, args: &[&[u8]]) -> Result<(), Denial> {
        let keys = table::keys(command, args).unwrap_or_default();
        let mut nearest = Denial::Command;
        for selector in &self.selectors {
            match selector.check(command, args, &keys) {
                Ok(()) => return Ok(()),
                Err(denial) => nearest = nearest.max(denial),
            }
        }
        Err(nearest)
    }

    /// Whether any selector that allows the request allows to read every key.
    pub fn reads_every_key(&self, command: &Command, args: &[&[u8]]) -> bool {
        let keys = table::keys(command, args).unwrap_or_default();
        let mut selectors = self.selectors.iter();
        selectors.any(|it| it.reads_every_key() && it.check(command, args, &keys).is_ok())
    }

    /// The words that ACL GETUSER shows as flags.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.no_password {
            flags.push("nopass");
        }
        flags.push(if self.sanitizes {
            "sanitize-payload"
        } else {
            "skip-sanitize-payload"
        });
        flags
    }

    /// The user as rules, as one line.
    pub fn describe(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for flag in self.flags() {
            out.extend_from_slice(flag.as_bytes());
            out.push(b' ');
        }
        for hash in &self.passwords {
            out.extend_from_slice(format!("#{hash} ").as_bytes());
        }
        out.extend_from_slice(&self.root().describe());
        for selector in self.others() {
            out.extend_from_slice(b" (");
            out.extend_from_slice(&selector.describe());
            out.push(b')');
        }
        out
    }
}

fn hash(password: &[u8]) -> String {
    let digest = Sha256::digest(password);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check_hash(digits: &[u8]) -> Result<String, RuleError> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != HASH_LEN || !digits.iter().all(is_digit) {
        return Err(RuleError::PasswordHash);
    }
    Ok(String::from_utf8_lossy(digits).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(rules: &str) -> User {
        let mut user = User::new(false);
        for rule in rules.split(' ').filter(|rule| !rule.is_empty()) {
            user.apply(rule.as_bytes())
                .unwrap_or_else(|e| panic!("{rule}: {e}"));
        }
        user
    }

    fn check(rules: &str, request: &str) -> Result<(), Denial> {
        let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
        let table::Resolved::Command(command) = table::resolve(&args) else {
            panic!("a command: {request}");
        };
        user(rules).check(command, &args)
    }

    #[test]
    fn words_of_rules_end_at_a_zero_byte_and_passwords_do_not() {
        let same = [
            ("on\0x nopass\0 allcommands\0", "on nopass +@all"),
            (
                "+get\0x -config|set\0 +@string\0x",
                "+get -config|set +@string",
            ),
            ("~*\0x allchannels\0", "allkeys allchannels"),
            ("on +get reset\0", "reset"),
        ];
        for (rules, without) in same {
            assert_eq!(user(rules), user(without), "{rules:?}");
        }
        let refused = User::new(false).apply(b"~a\0x");
        assert_eq!(refused, Err(RuleError::Syntax));
        assert_ne!(user(">a\0x"), user(">a"));
    }

    #[test]
    fn a_selector_is_split_as_lines_are() {
        let selected = |rules: &[u8]| {
            let mut user = User::new(false);
            user.apply(rules).map(|()| user)
        };
        let same = selected(b"(+get ~a)");
        for rules in [
            &b"(\t+get\n~a )"[..],
            b"(\"+get\" '~a')",
            b"(+get ~a\0 off)",
        ] {
            assert_eq!(selected(rules), same, "{rules:?}");
        }
        assert_eq!(selected(b"(+get \"~a)"), selected(b"()"));
        assert_eq!(selected(b"(\t+nosuch)"), Err(RuleError::Unknown));
    }

    #[test]
    fn a_description_makes_the_same_user() {
        for (rules, line) in [
            ("", "off sanitize-payload resetchannels -@all"),
            (
                "on nopass +@all ~* &*",
                "on nopass sanitize-payload ~* &* +@all",
            ),
            (
                "on ~a* %R~b +get +@string -set +config|get &news",
                "on sanitize-payload ~a* %R~b resetchannels &news -@all +get +@string -set +config|get",
            ),
            (
                "+@all -config",
                "off sanitize-payload resetchannels +@all -config",
            ),
            (
                "+client|id +client",
                "off sanitize-payload resetchannels -@all +client",
            ),
            (
                "+@all -@all +get",
                "off sanitize-payload resetchannels -@all +get",
            ),
            (
                "+select|0",
                "off sanitize-payload resetchannels -@all +select|0",
            ),
        ] {
            let made = user(rules);
            assert_eq!(String::from_utf8(made.describe()).unwrap(), line);
            assert_eq!(user(line), made, "{line}");
        }
    }

    #[test]
    fn requests_are_allowed_or_not() {
        let denied_key = |word| Err(Denial::Key { word });
        for (rules, request, outcome) in [
            ("", "get a", Err(Denial::Command)),
            ("", "auth x", Ok(())),
            ("+get ~a*", "get ab", Ok(())),
            ("+get ~a*", "get b", denied_key(1)),
            ("+@all -get ~*", "get b", Err(Denial::Command)),
            ("+set %R~*", "set a b", denied_key(1)),
            ("+set %W~*", "set a b", Ok(())),
            ("+set %W~*", "set a b get", denied_key(1)),
            ("+mget ~a ~b", "mget a b c", denied_key(3)),
            ("+select|0", "select 0", Ok(())),
            ("+select|0", "select 1", Err(Denial::Command)),
            ("+config|get", "config get x", Ok(())),
            ("+config|get", "config set x y", Err(Denial::Command)),
            ("+@string -@write ~*", "get a", Ok(())),
            ("+@string -@write ~*", "set a b", Err(Denial::Command)),
        ] {
            assert_eq!(check(rules, request), outcome, "{rules}: {request}");
        }
    }

    #[test]
    fn a_selector_that_reads_every_key_says_so_of_its_own_commands() {
        let mut user = user("+sort ~a");
        let reads_every_key = |user: &User, request: &str| {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            user.reads_every_key(table::lookup(args[0]).unwrap(), &args)
        };
        assert!(!reads_every_key(&user, "sort a get k*"));
        user.apply(b"(+get ~*)").unwrap();
        assert!(!reads_every_key(&user, "sort a get k*"));
        user.apply(b"(+sort %R~*)").unwrap();
        assert!(reads_every_key(&user, "sort a get k*"));
        assert!(!reads_every_key(&user, "sort a get k* store b"));
        assert!(!reads_every_key(&user, "sort_ro a get k*"));
    }

    #[test]
    fn any_selector_suffices() {
        let mut user = user("+get ~a");
        user.apply(b"(+set ~b)").unwrap();
        let run = |request: &str| {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            user.check(table::lookup(args[0]).unwrap(), &args)
        };
        assert_eq!(run("get a"), Ok(()));
        assert_eq!(run("set b x"), Ok(()));
        assert_eq!(run("get b"), Err(Denial::Key { word: 1 }));
        assert_eq!(run("del a"), Err(Denial::Command));
    }

    #[test]
    fn rules_that_are_none() {
        for (rule, error) in [
            ("+nosuch", RuleError::Unknown),
            ("+@nosuch", RuleError::Unknown),
            ("-config|nosuch", RuleError::Unknown),
            ("%~a", RuleError::Syntax),
            ("%RR~a", RuleError::Syntax),
            ("what", RuleError::Syntax),
            ("+select|", RuleError::Syntax),
            ("+config|get|x", RuleError::FirstArgOfSubcommand),
            ("<none", RuleError::NoSuchPassword),
            ("#12", RuleError::PasswordHash),
        ] {
            assert_eq!(
                User::new(false).apply(rule.as_bytes()),
                Err(error),
                "{rule}"
            );
        }
        let mut all = user("~* &*");
        assert_eq!(all.apply(b"~a"), Err(RuleError::KeyPatternAfterAll));
        assert_eq!(all.apply(b"&a"), Err(RuleError::ChannelPatternAfterAll));
    }

    #[test]
    fn passwords_are_checked_by_their_hashes() {
        let user = user("on >secret >other <other");
        assert!(user.accepts(b"secret"));
        assert!(!user.accepts(b"other") && !user.accepts(b"") && !user.accepts(b"secre"));
        assert_eq!(
            user.passwords,
            ["2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"]
        );
    }
}
