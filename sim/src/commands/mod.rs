//! Redis commands over the simulated disk: raw words through a session, as a server without sockets and threads
//! carries them out, beside the plain model of Redis that the other tests use as well.
//!
//! ```text
//! machine   keyspace, server and session of one process: words in, a reply out
//! oracle    what a database holds according to the model; what one shows; the two compared
//! waiters   clients that block until another one's command gives them something
//! held      snapshots that are held while commands go on
//! life      one process: opens the files, does a script, keeps the oracle beside it; life/waits: its clients that block
//! scripts   the scripted scenarios, by type
//! workload  commands that a seed draws
//! random    runs that one seed decides
//! repeat    what the append-only file is told, repeated later
//! dump      a dump beside the database
//! beside    files that another thread writes while commands go on
//! backup    a backup of the database
//! append    the append-only file, its rewrites, and what a start makes of it
//! ```

pub mod append;
pub mod backup;
pub mod beside;
pub mod dump;
pub mod held;
pub mod life;
pub mod machine;
pub mod oracle;
pub mod random;
pub mod repeat;
pub mod scripts;
pub mod waiters;
pub mod workload;
