//! The shell and the session over real sockets, with a log that only the tests know.

mod events;
mod pushes;
mod records;
mod replies;
mod shell;
mod sockets;
mod syncs;
mod waits;
