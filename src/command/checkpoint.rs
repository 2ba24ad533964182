//! CHECKPOINT: everything committed so far is put into the data file.

use std::time::Duration;

use parking_lot::Mutex;

use super::client::{Block, BlockKind};
use super::{Call, Outcome};
use crate::sync::{Inbox, Wake};

#[derive(Debug, Default)]
struct Asked {
    tickets: u64,
    /// What those who asked want besides.
    wish: Wish,
}

/// What is wanted besides the checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Cached pages are forgotten afterwards, so that the file is read again.
    pub forgets_cache: bool,
}

/// How many checkpoints that were asked for have ended, and what became of the last.
#[derive(Clone, Debug, Default)]
struct Served {
    ticket: u64,
    error: Option<String>,
}

/// Where checkpoints are asked for, and where the thread that makes them waits.
#[derive(Debug, Default)]
pub struct Checkpoints {
    inbox: Inbox<Asked>,
    served: Mutex<Served>,
}

impl Checkpoints {
    /// Asks for a checkpoint of everything committed so far. The ticket is served when it has ended.
    pub fn ask(&self) -> u64 {
        self.ask_for(Wish::default())
    }

    /// Asks for a checkpoint, and that the cache forgets its pages.
    pub fn ask_to_reload(&self) -> u64 {
        self.ask_for(Wish {
            forgets_cache: true,
        })
    }

    fn ask_for(&self, wish: Wish) -> u64 {
        self.inbox.ask(|asked| {
            let is_alone = asked.tickets == self.served();
            asked.wish = Wish {
                forgets_cache: wish.forgets_cache || (!is_alone && asked.wish.forgets_cache),
            };
            asked.tickets += 1;
            asked.tickets
        })
    }

    /// The thread that waits is to end.
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Waits until someone asks, at most for `time`: somebody waits for the ticket that comes with the wish.
    pub fn wait(&self, time: Duration) -> Wake<(u64, Wish)> {
        self.inbox.wait(Some(time), |asked| {
            (asked.tickets > self.served()).then_some((asked.tickets, asked.wish))
        })
    }

    /// The checkpoint for this ticket, and all before it, has ended.
    pub fn serve(&self, ticket: u64, error: Option<String>) {
        *self.served.lock() = Served { ticket, error };
    }

    /// The last ticket served.
    pub fn served(&self) -> u64 {
        self.served.lock().ticket
    }

    /// What went wrong with the last checkpoint that was asked for.
    pub fn error(&self) -> Option<String> {
        self.served.lock().error.clone()
    }
}

/// CHECKPOINT: returns when everything committed before it is in the data file and the log is empty of it.
pub fn checkpoint(call: &mut Call<'_>) -> Outcome {
    let ticket = call.server.checkpoints.ask();
    call.client.block = Some(Block {
        kind: BlockKind::Checkpoint { ticket },
        until_ms: None,
    });
    Ok(())
}
