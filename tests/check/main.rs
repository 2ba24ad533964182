//! `redkeep check` as a program: what it prints, and its exit codes.

mod database;
mod files;
mod hostile;
mod program;
