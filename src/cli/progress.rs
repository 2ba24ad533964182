//! How far long work is, on standard error.

use std::io::{self, IsTerminal};

/// How far something is: one line on a terminal that is drawn over itself, a line every tenth in a pipe.
pub(super) struct Progress<'a> {
    title: &'a str,
    total: u64,
    is_terminal: bool,
    percent: u64,
    is_shown: bool,
    watch: Option<&'a (dyn Fn(u64, u64) + Send + Sync)>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(title: &'a str, total: u64) -> Self {
        Self {
            title,
            total,
            is_terminal: io::stderr().is_terminal(),
            percent: 0,
            is_shown: false,
            watch: None,
        }
    }

    /// Not shown: `watch` hears how far it is, and of how much.
    pub(super) fn told_to(self, watch: &'a (dyn Fn(u64, u64) + Send + Sync)) -> Self {
        Self {
            watch: Some(watch),
            is_terminal: false,
            ..self
        }
    }

    pub(super) fn show(&mut self, at: u64) {
        if let Some(watch) = self.watch {
            watch(at, self.total);
            return;
        }
        let percent = at.saturating_mul(100) / self.total.max(1);
        if self.is_terminal && (percent > self.percent || !self.is_shown) {
            (self.percent, self.is_shown) = (percent, true);
            eprint!("\r\x1b[K{}: {percent} %", self.title);
        } else if percent / 10 > self.percent / 10 {
            self.percent = percent;
            if !self.is_terminal {
                eprintln!("{}: {percent} %", self.title);
            }
        }
    }

    pub(super) fn clear(&self) {
        if self.is_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
