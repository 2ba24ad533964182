//! Tables that scripts see and cannot change.
//!
//! A *shield* is an empty table whose metatable reads from the real one and refuses to write. Lua code sees shields only; the
//! functions of Lua's libraries that would notice (`next`, `rawget`, `setmetatable` ...) are replaced by ones that look
//! behind ([`super::builtins`]). A *guard* is a shield that lets writes through, but for the fields that are not safe.
//!
//! The metatable of a shield names the real table under a key that no Lua code can make, and no Lua code gets hold of that
//! metatable.

use super::raise::Raise;
use super::stack::{GLOBALS, Kind, REGISTRY, Stack};
use super::state::Next;
use crate::resp::text::until_nul;

/// What is said to whoever tries to change a shielded table.
pub const READ_ONLY: &str = "Attempt to modify a readonly table";

/// The registry's table from real metatables to their shields.
const SHIELDS: &str = "redkeep.shields";
/// In the metatable of a shield: the real table. Light userdata is nothing that Lua code can make.
const REAL: u8 = 1;
/// In the metatable of a guard: true.
const IS_GUARD: u8 = 2;

/// What stands behind a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shielding {
    /// It is a table of the script.
    None,
    Shield,
    Guard,
}

impl Stack<'_> {
    /// Looks behind the value at an index. If it is a shield or guard, the real table is pushed.
    pub fn push_real(&mut self, index: i32) -> Shielding {
        if self.kind(index) != Kind::Table || !self.push_metatable(index) {
            return Shielding::None;
        }
        self.push_marker(REAL);
        self.raw_get(-2);
        if self.kind(-1) != Kind::Table {
            self.pop(2);
            return Shielding::None;
        }
        self.push_marker(IS_GUARD);
        self.raw_get(-3);
        let is_guard = self.truth(-1);
        self.pop(1);
        self.remove(-2);
        if is_guard {
            Shielding::Guard
        } else {
            Shielding::Shield
        }
    }

    /// Replaces the value at an index by the table behind it, if there is one.
    pub fn unshield(&mut self, index: i32) -> Shielding {
        let index = self.absolute(index);
        let shielding = self.push_real(index);
        if shielding != Shielding::None {
            self.replace(index);
        }
        shielding
    }

    /// Replaces the table on top by a shield of it.
    pub fn shield(&mut self) {
        self.cover(|stack| {
            stack.push_native(refuse_write, 0);
            stack.set_field(-2, "__newindex");
        });
    }

    /// Replaces the table on top by a guard of it.
    pub fn guard(&mut self) {
        self.cover(|stack| {
            stack.push_native(guarded_write, 0);
            stack.set_field(-2, "__newindex");
            stack.push_marker(IS_GUARD);
            stack.push_boolean(true);
            stack.raw_set(-3);
        });
    }

    fn cover(&mut self, complete: impl FnOnce(&mut Self)) {
        assert_eq!(self.kind(-1), Kind::Table, "a table is covered");
        self.push_table();
        self.push_table();
        self.push_value(-3);
        self.set_field(-2, "__index");
        self.push_marker(REAL);
        self.push_value(-4);
        self.raw_set(-3);
        complete(self);
        self.set_metatable(-2);
        self.remove(-2);
    }

    /// Pops a table, and puts it behind the shield that is below it in the place of the one that was there.
    pub fn put_behind(&mut self) {
        assert_eq!(self.kind(-1), Kind::Table, "a table is covered");
        assert!(self.push_metatable(-2), "a shield has a metatable");
        self.push_value(-2);
        self.set_field(-2, "__index");
        self.push_marker(REAL);
        self.push_value(-3);
        self.raw_set(-3);
        self.pop(2);
    }

    /// Pops a shield and remembers it as that of the metatable below it, which stays: `getmetatable` answers the shield.
    pub fn remember_shield(&mut self) {
        self.field(REGISTRY, SHIELDS);
        if self.kind(-1) != Kind::Table {
            self.pop(1);
            self.push_table();
            self.push_value(-1);
            self.set_field(REGISTRY, SHIELDS);
        }
        self.push_value(-3);
        self.push_value(-3);
        self.raw_set(-3);
        self.pop(2);
    }

    /// Replaces the metatable on top by its shield, if it has one.
    pub fn swap_for_shield(&mut self) {
        self.field(REGISTRY, SHIELDS);
        if self.kind(-1) == Kind::Table {
            self.push_value(-2);
            self.raw_get(-2);
            self.remove(-2);
        }
        if self.kind(-1) == Kind::Table {
            self.remove(-2);
        } else {
            self.pop(1);
        }
    }

    /// Gives the table on top a metatable that makes reading what is not there an error.
    pub fn forbid_missing(&mut self) {
        self.push_table();
        self.push_native(refuse_missing, 0);
        self.set_field(-2, "__index");
        self.push_value(-1);
        self.shield();
        self.remember_shield();
        self.set_metatable(-2);
    }

    /// Makes the table on top, which is popped, what Lua code finds its globals in.
    pub fn set_globals(&mut self) {
        self.replace(GLOBALS);
    }

    fn push_marker(&mut self, marker: u8) {
        self.push_address(usize::from(marker));
    }
}

/// `__newindex` of shields.
fn refuse_write(_: &mut Stack<'_>) -> Result<Next, Raise> {
    Err(Raise::text(READ_ONLY))
}

/// `__newindex` of guards: table, key, value.
fn guarded_write(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    stack.set_top(3);
    if stack.unshield(1) != Shielding::Guard {
        return Err(Raise::text(READ_ONLY));
    }
    write_guarded(stack)
}

/// Puts the value at 3 under the key at 2 into the table at 1, which stands behind a guard.
pub fn write_guarded(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    let is_key = match stack.kind(2) {
        Kind::None | Kind::Nil => return Err(Raise::text("table index is nil")),
        Kind::Number => stack.number(2).is_some_and(|key| !key.is_nan()),
        _ => true,
    };
    if !is_key {
        return Err(Raise::text("table index is NaN"));
    }
    if !matches!(stack.bytes(2), Some(b"__gc" | b"__metatable")) {
        stack.raw_set(1);
    }
    Ok(Next::Return(0))
}

/// `__index` of tables that are complete: table, key.
fn refuse_missing(stack: &mut Stack<'_>) -> Result<Next, Raise> {
    if stack.top() != 2 {
        return Err(Raise::text(
            "Wrong number of arguments to luaProtectedTableError",
        ));
    }
    let Some(name) = stack.text(2) else {
        return Err(Raise::text(
            "Second argument to luaProtectedTableError must be a string or number",
        ));
    };
    let mut text = b"Script attempted to access nonexistent global variable '".to_vec();
    text.extend_from_slice(until_nul(name));
    text.push(b'\'');
    Err(Raise::Text(text))
}
