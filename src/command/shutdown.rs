//! SHUTDOWN: the request that the shell carries out.

use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use super::argument::is_word;
use super::client::{Block, BlockKind};
use super::{Call, Outcome, errors};
use crate::resp::ErrorReply;

const REQUESTED: u8 = 1;
const NOW: u8 = 2;
const FORCE: u8 = 4;

/// Whether the server is asked to end, and how.
#[derive(Debug, Default)]
pub struct Shutdown {
    bits: AtomicU8,
    /// Wakes the task that ends the server.
    waker: Mutex<Option<Waker>>,
}

/// How the server is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Do not wait for anything that lags.
    pub now: bool,
    /// End even where the last checkpoint fails.
    pub force: bool,
}

impl Shutdown {
    /// Asks the server to end.
    pub fn request(&self, request: Request) {
        let bits =
            REQUESTED | if request.now { NOW } else { 0 } | if request.force { FORCE } else { 0 };
        // Pairs with the acquire in `requested`.
        self.bits.store(bits, Ordering::Release);
        if let Some(waker) = &*self.waker.lock() {
            waker.wake_by_ref();
        }
    }

    /// What was asked, if anything.
    pub fn requested(&self) -> Option<Request> {
        let bits = self.bits.load(Ordering::Acquire);
        (bits & REQUESTED != 0).then_some(Request {
            now: bits & NOW != 0,
            force: bits & FORCE != 0,
        })
    }

    /// Takes the request back; false if there was none.
    pub fn abort(&self) -> bool {
        self.bits.swap(0, Ordering::AcqRel) & REQUESTED != 0
    }

    /// The waker of the task that ends the server.
    pub fn set_waker(&self, waker: Waker) {
        *self.waker.lock() = Some(waker);
    }
}

/// SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: everything committed is in the log in any case, so NOSAVE and
/// SAVE differ in nothing.
pub fn shutdown(call: &mut Call<'_>) -> Outcome {
    let (mut nosave, mut save, mut now, mut force, mut abort) = (false, false, false, false, false);
    for word in &call.args[1..] {
        match *word {
            w if is_word(w, "nosave") => nosave = true,
            w if is_word(w, "save") => save = true,
            w if is_word(w, "now") => now = true,
            w if is_word(w, "force") => force = true,
            w if is_word(w, "abort") => abort = true,
            _ => return Err(errors::SYNTAX.into()),
        }
    }
    if (abort && (nosave || save || now || force)) || (nosave && save) {
        return Err(errors::SYNTAX.into());
    }
    if abort {
        if !call.server.shutdown.abort() {
            return Err(ErrorReply::new("ERR No shutdown in progress.").into());
        }
        call.out.ok();
        return Ok(());
    }
    if let Some(late) = call.server.scripting.running.late() {
        if !nosave {
            return Err(late.kind.busy().into());
        }
        call.server.scripting.running.stop();
    }
    call.server.shutdown.request(Request { now, force });
    call.client.block = Some(Block {
        kind: BlockKind::Shutdown,
        until_ms: None,
    });
    Ok(())
}
