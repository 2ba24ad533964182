//! MONITOR: every command of every connection, as lines.

use std::io::Write;
use std::ops::Range;
use std::sync::Arc;

use super::argument::is_word;
use super::client::Client;
use super::table::{Command, Flag};
use super::{Call, Outcome, config};
use crate::resp::{ErrorReply, line};

/// The first word of MIGRATE that is an option.
const MIGRATE_OPTIONS: usize = 6;

/// Memory for lines that is kept.
const BYTES_KEPT_MAX: usize = 4096;

/// MONITOR
pub fn monitor(call: &mut Call<'_>) -> Outcome {
    const NOT_HERE: ErrorReply =
        ErrorReply::new("ERR MONITOR isn't allowed for DENY BLOCKING client");
    if call.client.deny_blocking {
        return Err(NOT_HERE.into());
    }
    if call.client.monitor {
        return Ok(());
    }
    call.client.monitor = true;
    call.server
        .registry
        .add_monitor(Arc::clone(&call.client.entry));
    call.out.ok();
    Ok(())
}

/// Keeps the line of a command of this connection for the monitors, if they may see it.
pub fn feed(client: &mut Client, command: &Command, words: &[&[u8]], now_us: u64) {
    if !command.flags.has(Flag::SkipMonitor) && !command.flags.has(Flag::Admin) {
        show(client, words, now_us);
    }
}

/// Keeps the line of a command of this connection for the monitors.
pub fn show(client: &mut Client, words: &[&[u8]], now_us: u64) {
    let mut lines = std::mem::take(&mut client.feed);
    let start = lines.bytes.len();
    write_line(&mut lines.bytes, words, client, now_us, |at| {
        is_secret(words, at)
    });
    if client.monitor && (client.reply_mode.is_mute() || client.close) {
        lines.unheard.push(start..lines.bytes.len());
    }
    client.feed = lines;
}

/// Lines for monitors that are kept until the turn is over.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    /// What the connection itself, if it is a monitor, does not get to see because its replies were off, or because it
    /// was its last command; in order.
    unheard: Vec<Range<usize>>,
}

impl Lines {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes back all but the first `len` bytes, which end with a line.
    pub fn cut(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.unheard.retain(|line| line.end <= len);
    }

    /// What others see.
    pub fn all(&self) -> &[u8] {
        &self.bytes
    }

    /// What the connection itself sees, in parts.
    pub fn heard(&self) -> Vec<&[u8]> {
        let mut heard = Vec::with_capacity(self.unheard.len() + 1);
        let mut from = 0;
        for line in &self.unheard {
            heard.push(&self.bytes[from..line.start]);
            from = line.end;
        }
        heard.push(&self.bytes[from..]);
        heard
    }

    /// Forgets everything, and gives memory back where it is much.
    pub fn clear(&mut self) {
        self.cut(0);
        if self.bytes.capacity() > BYTES_KEPT_MAX {
            *self = Self::default();
        }
    }
}

/// Appends the line that monitors see of a command. `hidden` says which words are secret.
pub fn write_line(
    out: &mut Vec<u8>,
    args: &[&[u8]],
    client: &Client,
    now_us: u64,
    hidden: impl Fn(usize) -> bool,
) {
    let db = client.db;
    let (seconds, micros) = (now_us / 1_000_000, now_us % 1_000_000);
    let (kind, addr) = if client.in_script {
        ("", "lua")
    } else if client.entry.unix {
        (
            "unix:",
            client
                .entry
                .addr
                .strip_suffix(":0")
                .unwrap_or(&client.entry.addr),
        )
    } else {
        ("", client.entry.addr.as_str())
    };
    write!(out, "+{seconds}.{micros:06} [{db} {kind}{addr}]").expect("memory takes all");
    for (at, word) in args.iter().enumerate() {
        out.push(b' ');
        line::quote(out, if hidden(at) { b"(redacted)" } else { word });
    }
    out.extend_from_slice(b"\r\n");
}

/// Which words of a command hold names and passwords: they are shown to nobody.
pub fn is_secret(args: &[&[u8]], at: usize) -> bool {
    let has = |at: usize, option: &str| args.get(at).is_some_and(|word| is_word(word, option));
    match args[0] {
        name if is_word(name, "auth") => at > 0,
        name if is_word(name, "hello") => {
            let after = |back: usize| at > back + 1 && has(at - back, "auth");
            after(1) || after(2)
        }
        name if is_word(name, "acl") => {
            at >= 2
                && ["setuser", "getuser", "deluser"]
                    .iter()
                    .any(|it| has(1, it))
        }
        name if is_word(name, "config") => has(1, "set") && config::is_secret(args, at),
        name if is_word(name, "migrate") => {
            let after = |back: usize, option: &str| {
                at.checked_sub(back)
                    .is_some_and(|at| at >= MIGRATE_OPTIONS && has(at, option))
            };
            after(1, "auth") || after(1, "auth2") || after(2, "auth2")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_secrets_hidden() {
        let mut out = Vec::new();
        let client = Client {
            db: 2,
            ..Client::default()
        };
        let args: Vec<&[u8]> = vec![
            b"hello",
            b"3",
            b"AUTH",
            b"user",
            b"secret",
            b"setname",
            b"a\"\n\xff",
        ];
        write_line(&mut out, &args, &client, 1_000_000_000_000_042, |at| {
            is_secret(&args, at)
        });
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "+1000000000.000042 [2 ] \"hello\" \"3\" \"AUTH\" \"(redacted)\" \"(redacted)\" \"setname\" \"a\\\"\\n\\xff\"\r\n"
        );
        assert!(!is_secret(&[b"get", b"auth", b"x"], 2));
    }

    #[test]
    fn words_of_administration_that_name_users_and_passwords_are_secret() {
        let hidden = |line: &str| -> Vec<usize> {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            (0..words.len())
                .filter(|at| is_secret(&words, *at))
                .collect()
        };
        assert_eq!(hidden("ACL SetUser bob on >pw"), [2, 3, 4]);
        assert_eq!(hidden("acl deluser bob eve"), [2, 3]);
        assert!(hidden("acl cat string").is_empty());
        assert_eq!(hidden("config set hz 10 requirepass pw maxmemory 1"), [5]);
        assert!(hidden("config get requirepass").is_empty());
        assert_eq!(hidden("migrate h 1 key 0 5000 copy auth pw"), [8]);
        assert_eq!(hidden("migrate h 1 auth 0 5000 auth2 user pw"), [7, 8]);
    }
}
