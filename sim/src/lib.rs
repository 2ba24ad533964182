//! The simulated world of Redkeep: a disk that forgets, a clock that jumps, and one seed that decides everything.
//!
//! ```text
//! seed      one number, split into independent streams of draws
//! clock     virtual time
//! disk      files with durable, cached and pending state; crashes, faults, damage
//! trace     the record of every I/O, with a running hash
//! watch     assertions on the order of I/Os
//! explore   crash at every I/O, every survivor set, check
//! engine    the storage engine: trees
//! commands  Redis commands on it: every type
//! selftest  small stores, right and wrong, that show what the simulator finds
//! ```
//!
//! Everything is deterministic: no real time, no threads, no randomness but the seed's, ordered containers only.

pub mod clock;
pub mod commands;
pub mod disk;
pub mod engine;
pub mod explore;
pub mod seed;
pub mod selftest;
pub mod trace;
pub mod watch;
