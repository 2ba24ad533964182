//! Servers as processes of their own, with others beside them.

mod append_only;
mod backup;
mod live;
mod migrate;
mod process;
#[path = "../import/program.rs"]
mod program;
mod replica;
mod restore;
