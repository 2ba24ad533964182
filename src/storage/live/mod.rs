//! Reading a file beside the process that writes it.
//!
//! ```text
//! board      the words and locks of `-shm`: what both sides know of it
//! announcer  the writer's side: how far the log is, and what readers hold
//! pin        a reader's side: a place on the board, and the checkpoint that it holds
//! view       the files as they were, for one reader: what it writes is its own
//! beside     takes a pin, and opens the view
//! ```
//!
//! A reader takes a *pin*: the newest checkpoint, and how far the log was then. The writer gives back neither pages nor
//! segments that a pin holds, so the reader has the files to itself as they were, and does with them what the opening of
//! a file does: reads the meta, replays the log, walks the trees. What that writes goes to memory and to a file without a name.
//!
//! # The order of things
//!
//! ```text
//! reader                                      writer
//! r1  take a place (a lock that dies with it) w1  write the meta of checkpoint n + 1, sync
//! r2  read the metas: the newest is n         w2  fence
//! r3  store n in the place                    w3  read which places are taken, and what is in them
//! r4  fence                                   w4  give back what nobody holds of n and older ones
//! r5  load how far the log is: L
//! r6  read the metas again: any difference
//!     leads back to r2
//! ```
//!
//! *A pin that stands is seen.* Both sides store, fence, and then read what the other has stored. Fences are in one order: if r4
//! precedes w2, w3 sees the pin. Otherwise w1 precedes r6, the metas differ, and the reader begins again. Every word of
//! `-shm` is one `SeqCst` atomic, and what the kernel has taken of a write is memory that later reads see.
//!
//! *L belongs to n.* The frames up to L were written before r5, so before r6, when n was still the newest: none of them
//! names a newer checkpoint. What the metas of r2 know to be synced was written, and so published, before r5: it is
//! not behind L. And as L is published when a write has ended, no frame up to it is half-written, and the last one ends with it.
//!
//! *A writer that begins* locks its byte, changes the instance, fences, and reads the places, before it writes anything. A
//! reader loads the instance before r2 and after r4, and begins again if it has changed. So a pin that stands was seen by
//! the writer of that instance or was taken when it was there already. It takes out of use what pins hold of checkpoints
//! older than its own, and does not write into the slots that its log file has, until the readers of that time are gone.
//!
//! *A reader without a writer* does the same: a writer that begins later sees its pin.
//!
//! Nothing in `-shm` is trusted for data. Every page and frame is verified as always, so a board that lies, or is taken away,
//! leads to an error and not to wrong data.

mod announcer;
mod beside;
mod board;
mod pin;
mod view;

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;

pub use self::announcer::{Announcer, Held, Readers};
pub use self::beside::{Beside, BesideError, BesideOptions};
pub use self::board::READERS_MAX;
