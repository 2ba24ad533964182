//! Where users come from at the start: lines of the configuration, or the ACL file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Users;
use super::rule::RuleError;
use super::selector::has_blanks;
use super::users::{FileErrors, UserError};
use crate::config::{Config, Key, os_text};

/// Why the server does not start with its users.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("Aborting Redis startup because of ACL errors: {0}")]
    File(#[from] FileErrors),
    #[error(
        "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This \
         setup is very likely to lead to configuration errors and security holes, please define either an ACL file or \
         declare users directly in your redis.conf, but not both."
    )]
    Both,
    #[error("Spaces not allowed in ACL usernames")]
    Blanks,
    #[error("Error loading ACL rule '{rule}' for the user named '{user}': {error}")]
    Rule {
        user: String,
        rule: String,
        error: RuleError,
    },
    #[error("Error in user declaration '{user}': {error}")]
    Line { user: String, error: UserError },
}

/// The path that a directive's bytes name.
pub fn os_path(path: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(path)).to_owned()
}

/// Replaces all users by those of the ACL file.
pub fn load(config: &Config, users: &Users, path: &[u8]) -> Result<(), FileErrors> {
    let shown = String::from_utf8_lossy(path);
    let failed = |why: &str| FileErrors::unreadable(&shown, why);
    match config.read_file(&os_path(path)) {
        Ok(Some(content)) => users.load(&shown, &content),
        Ok(None) => Err(failed("No such file or directory")),
        Err(error) => Err(failed(&os_text(&error))),
    }
}

/// Makes the users that the configuration names.
pub fn load_at_start(config: &Config, users: &Users) -> Result<(), LoadError> {
    let lines = &config.startup().users;
    let path = config.text(Key::Aclfile);
    if !path.is_empty() {
        if !lines.is_empty() {
            return Err(LoadError::Both);
        }
        return Ok(load(config, users, &path)?);
    }
    for line in lines {
        let rules: Vec<&[u8]> = line[1..].iter().map(Vec::as_slice).collect();
        // A user of the configuration begins with nothing, also `default`.
        let rules: Vec<&[u8]> = std::iter::once(&b"reset"[..]).chain(rules).collect();
        if has_blanks(&line[0]) {
            return Err(LoadError::Blanks);
        }
        users.set(&line[0], &rules).map_err(|error| {
            let user = String::from_utf8_lossy(&line[0]).into_owned();
            match error {
                UserError::Rule { rule, error } => LoadError::Rule { user, rule, error },
                error @ UserError::Parenthesis(_) => LoadError::Line { user, error },
            }
        })?;
    }
    Ok(())
}
