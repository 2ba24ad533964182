//! Servers as processes of their own, with others beside them.

mod backup;
mod process;
mod replica;
