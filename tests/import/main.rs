//! `redkeep import` and `redkeep dump`.

mod append_only;
mod keys;
mod program;
