//! Lua: the machine that scripts and functions run in, its sandbox, its libraries, and the conversion of values.
//!
//! The server binds it: [`host::Host`] is what a script may ask for, and `command` carries it out.
//!
//! ```text
//! stack, state      Lua's C interface made safe: values, native functions, protected calls, the hook
//! raise, number     errors that functions raise; numbers as Lua reads and prints them
//! shield, builtins  tables that scripts see and cannot change; what of Lua's own functions is replaced
//! api, json, msgpack, structure, bits, mathematics    the libraries
//! reply             replies to values of Lua, and back
//! vm, registration  a machine with all of it: compile, run, load a library
//! shebang           the first line of scripts and libraries
//! debugger          stops a script at its lines, for a user who looks at it
//! ```
//!
//! *Architecture invariant:* unsafe code stands in `stack` and `state` alone.

pub mod api;
pub mod debugger;
pub mod host;
pub mod random;
pub mod registration;
pub mod shebang;
pub mod vm;

mod bits;
mod builtins;
mod json;
mod mathematics;
mod msgpack;
mod number;
mod raise;
mod reply;
mod shield;
mod stack;
mod state;
mod structure;

#[cfg(test)]
mod tests;

pub use stack::Reference;
