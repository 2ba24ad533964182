//! Servers as processes of their own, with others beside them.

mod append_only;
mod backup;
mod crowd;
mod debugger;
mod ending;
mod live;
mod locale;
mod metrics;
mod migrate;
mod packaging;
mod process;
#[path = "../import/program.rs"]
mod program;
mod replica;
mod restore;
mod safety;
