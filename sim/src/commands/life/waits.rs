//! The clients of a life that wait: how each does so in the model, and what each is told, which must be what the model tells it.

use redkeep_model::{Model, blocking};

use super::{Life, is_of_storage, note, shown};
use crate::commands::machine::Words;
use crate::commands::oracle::{Content, FIRST_WAITER};
use crate::commands::waiters::{TIMED_OUT, Wait};
use crate::engine::history::peek;
use crate::engine::life::Stop;
use crate::explore::Broken;

/// A client that waits, and how it does in the model.
#[derive(Clone)]
pub(super) struct Waited {
    waiter: usize,
    in_model: blocking::Wait,
    /// What it waits for is there.
    is_unheard: bool,
}

impl Life {
    /// A client beside sends a command that may block.
    pub(super) fn block(&mut self, waiter: usize, words: &Words) -> Result<(), Stop> {
        if !self.machine.waiters.is_free(waiter) {
            return Ok(());
        }
        let now_us = self.process.clock.wall_us();
        self.remove_due_fields(now_us / 1000)?;
        let waited = self.waited();
        let before = self.machine.keyspace.lock().last_lsn();
        let reply = self.machine.block(waiter, words, now_us);
        let after = self.machine.keyspace.lock().last_lsn();
        if self.process.vfs.crashed() {
            return Err(Stop::Refused("the process is dead".to_owned()));
        }
        let own = self.machine.waiters.own_end(before, after);
        let old = peek(&self.process.history).last().content().clone();
        {
            let mut history = peek(&self.process.history);
            let mut content = Content::clone(&old);
            let told = reply.as_deref().unwrap_or(TIMED_OUT);
            if !is_storage_error(told) {
                meets(&mut content, waiter, words, told, now_us / 1000)?;
            }
            note(&mut history, before, own, vec![old.clone()], content);
        }
        if reply.is_none() {
            self.note_wait(&old, waiter, words, now_us / 1000);
        }
        let waits_on = |wait: &Wait| {
            let now_ms = now_us / 1000;
            still_waits(&old, &waited, wait, now_ms, |content| {
                asked(&mut content.model, FIRST_WAITER + waiter, words, now_ms);
            })
        };
        Ok(self.tell((own, after), now_us / 1000, &waits_on)?)
    }

    /// Keeps how a client that has just begun to wait does so in the model.
    pub(super) fn note_wait(
        &mut self,
        before: &Content,
        waiter: usize,
        words: &Words,
        now_ms: u64,
    ) {
        let mut model = before.model.clone();
        let connection = FIRST_WAITER + waiter;
        model.execute(connection, words, now_ms.cast_signed());
        let of_it = |wait: &&Wait| wait.waiter == waiter;
        let wait = self.machine.waiters.waiting().iter().find(of_it);
        if let (Some(wait), Some(in_model)) = (wait, model.take_wait(connection)) {
            let waited = Waited {
                waiter,
                in_model,
                is_unheard: false,
            };
            self.waits.insert(wait.ticket, waited);
        }
    }

    /// Who waits, first come first.
    pub(super) fn waited(&self) -> Vec<Waited> {
        let waiting = self.machine.waiters.waiting().iter();
        let waited = waiting.filter_map(|wait| self.waits.get(&wait.ticket));
        waited.cloned().collect()
    }

    /// Clients that were blocked were given something by transactions behind `from`, the last of which is `to`: each what
    /// the model gives it, first come first, nobody twice, and nobody waits for what is there, unless
    /// it waits on in the model, too (O11, O12).
    pub(super) fn tell(
        &mut self,
        (from, to): (u64, u64),
        now_ms: u64,
        waits_on: &dyn Fn(&Wait) -> bool,
    ) -> Result<(), Broken> {
        let posted = self.machine.waiters.take_posted();
        let waiting = self.machine.waiters.waiting();
        let mut history = peek(&self.process.history);
        let (mut at, mut failed) = (from, false);
        for (n, one) in posted.iter().enumerate() {
            let later = posted[n + 1..].iter().map(|posted| &posted.wait);
            let passed = later.chain(waiting).find(|other| other.precedes(&one.wait));
            if let Some(passed) = passed.filter(|_| one.is_served()) {
                let detail = format!("{} came first: {}", passed.waiter, shown(&passed.words));
                return Err(Broken::new("O11", detail));
            }
            if is_storage_error(&one.reply) || one.reply == TIMED_OUT {
                failed |= one.reply != TIMED_OUT;
                continue;
            }
            self.served += u64::from(one.is_served());
            let old = history.last().content().clone();
            let mut content = Content::clone(&old);
            meets(
                &mut content,
                one.wait.waiter,
                &one.wait.words,
                &one.reply,
                now_ms,
            )?;
            note(&mut history, at, one.lsn, vec![old], content);
            at = one.lsn;
        }
        let reads_group = |wait: &Wait| wait.words[0].eq_ignore_ascii_case(b"XREADGROUP");
        if at < to && !posted.is_empty() && waiting.iter().any(reads_group) {
            // A consumer that looked and found nothing is noted as seen.
            let old = history.last().content().clone();
            let content = Content::clone(&old);
            note(&mut history, at, to, vec![old], content);
            at = to;
        }
        if at != to {
            let detail = format!("the last reply to a blocked client waits for {at}, not {to}");
            return Err(Broken::new("O2", detail));
        }
        for wait in waiting.iter().filter(|_| !failed) {
            let mut model = history.last().content().model.clone();
            let connection = FIRST_WAITER + wait.waiter;
            let given = asked(&mut model, connection, &wait.words, now_ms);
            let is_there = gives(&given);
            if is_there && !waits_on(wait) {
                let detail = format!("nobody is told of what is there: {}", shown(&wait.words));
                return Err(Broken::new("O11", detail));
            }
            if let Some(waited) = self.waits.get_mut(&wait.ticket) {
                waited.is_unheard = is_there;
            }
        }
        let lasts = |ticket: &u64| waiting.iter().any(|wait| wait.ticket == *ticket);
        self.waits.retain(|ticket, _| lasts(ticket));
        match self.machine.waiters.take_unasked() {
            Some(told) => Err(Broken::new(
                "O12",
                format!("told twice: {:?}", as_text(&told)),
            )),
            None => Ok(()),
        }
    }
}

/// Whether a reply is an error of the disk and not of the command.
fn is_storage_error(reply: &[u8]) -> bool {
    let text = reply.strip_prefix(b"-").map(String::from_utf8_lossy);
    text.is_some_and(|text| is_of_storage(&text))
}

fn as_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// O11: the client of this number is told what the model tells it.
fn meets(
    content: &mut Content,
    waiter: usize,
    words: &Words,
    reply: &[u8],
    now_ms: u64,
) -> Result<(), Broken> {
    let connection = FIRST_WAITER + waiter;
    let expected = asked(&mut content.model, connection, words, now_ms);
    if expected == reply {
        return Ok(());
    }
    let detail = format!(
        "a client that may block, {}: expected {:?}, found {:?}",
        shown(words),
        as_text(&expected),
        as_text(reply)
    );
    Err(Broken::new("O11", detail))
}

/// What the model answers to a command that may block; where it would wait, what it answers in the end. Who is served when is
/// judged here, by what the server did.
fn asked(model: &mut Model, connection: usize, words: &Words, now_ms: u64) -> Vec<u8> {
    let reply = model.execute(connection, words, now_ms.cast_signed());
    if model.is_waiting(connection) {
        model.disconnect(connection);
        return TIMED_OUT.to_vec();
    }
    reply
}

/// Whether a command that may block is given something.
fn gives(reply: &[u8]) -> bool {
    reply != TIMED_OUT && !reply.starts_with(b"-")
}

/// Whether a client waits on in the model behind a command, which all of `waited` have waited for there, too. So it does when
/// what it waits for was put in place of a value of another type, as ZINTERSTORE does it: that is news to nobody, as in Redis.
pub(super) fn still_waits(
    before: &Content,
    waited: &[Waited],
    wait: &Wait,
    now_ms: u64,
    command: impl FnOnce(&mut Content),
) -> bool {
    let mut content = before.clone();
    let connection = FIRST_WAITER + wait.waiter;
    let known = waited.iter().find(|waited| waited.waiter == wait.waiter);
    let is_news = known.is_some_and(|known| {
        known.is_unheard || !gives(&asked(&mut content.model, connection, &wait.words, now_ms))
    });
    if !is_news {
        // What was there before should have been told before.
        return false;
    }
    let mut content = before.clone();
    for Waited {
        waiter, in_model, ..
    } in waited
    {
        let connection = FIRST_WAITER + waiter;
        content.model.wait_on(connection, in_model.clone());
    }
    command(&mut content);
    content.model.is_waiting(connection)
}
