//! The stack of a Lua thread: the only way Rust code touches Lua values.
//!
//! Lua raises an error by jumping to the innermost protected call, over the frames of whatever called it, without
//! running a destructor. So that no jump ever passes a frame that has something to drop:
//!
//! - S1: no method here raises. Access is raw, so no metamethod runs; keys are checked; memory that is exhausted ends
//!   the process ([`super::state`]); nothing has a finalizer ([`super::builtins`] sees to that). What may raise
//!   is called protected.
//! - S2: errors are raised by `enter` and `on_hook` of [`super::state`] alone, when the Rust part has returned.
//! - S3: every index is checked against the stack's height, and every method that pushes makes room first.

use std::ffi::{CStr, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;

use mlua_sys as ffi;

/// The index of the table that only Rust code reaches.
pub const REGISTRY: i32 = ffi::LUA_REGISTRYINDEX;
/// The index of the thread's globals.
pub const GLOBALS: i32 = ffi::LUA_GLOBALSINDEX;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// There is no value at the index.
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

impl Kind {
    /// The name as Lua's messages have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "no value",
            Self::Nil => "nil",
            Self::Boolean => "boolean",
            Self::LightUserdata | Self::Userdata => "userdata",
            Self::Number => "number",
            Self::String => "string",
            Self::Table => "table",
            Self::Function => "function",
            Self::Thread => "thread",
        }
    }
}

/// A value kept in the registry.
#[derive(Debug, PartialEq, Eq)]
pub struct Reference(c_int);

/// Why a protected call failed; the error value is on the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// A function on the call stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub is_native: bool,
    /// The name of the chunk: `@` and a name, or the code itself.
    pub source: Vec<u8>,
    /// The same, shortened for messages.
    pub short_source: Vec<u8>,
    /// The current line; not positive where there is none.
    pub line: i32,
    /// How the function was called, if that is known: `name` and whether as a method.
    pub name: Option<Vec<u8>>,
    pub is_method: bool,
}

/// The stack of the running native function, or of a machine at rest.
pub struct Stack<'a> {
    state: NonNull<ffi::lua_State>,
    /// Up to this height there is room without asking for it.
    granted: i32,
    machine: PhantomData<&'a mut ()>,
}

impl<'a> Stack<'a> {
    /// # Safety
    /// The state is alive for `'a`, and nobody else uses its stack meanwhile.
    pub(super) unsafe fn new(state: NonNull<ffi::lua_State>) -> Self {
        Self {
            state,
            granted: 0,
            machine: PhantomData,
        }
    }

    /// The stack of a native function or hook that begins.
    ///
    /// # Safety
    /// As with `new`; and Lua has just called the function or hook.
    pub(super) unsafe fn of_call(state: NonNull<ffi::lua_State>) -> Self {
        // SAFETY: what the caller promises.
        let mut stack = unsafe { Self::new(state) };
        // However many arguments there are: Lua makes that much room above them.
        stack.granted = stack.top() + ffi::LUA_MINSTACK;
        stack
    }

    pub(super) fn state(&self) -> *mut ffi::lua_State {
        self.state.as_ptr()
    }

    /// How many values are on it.
    pub fn top(&self) -> i32 {
        // SAFETY: the state is alive.
        unsafe { ffi::lua_gettop(self.state()) }
    }

    /// Makes room for `slots` more values; false if the stack would become too high.
    pub fn reserve(&mut self, slots: i32) -> bool {
        // SAFETY: the state is alive; the call reports failure instead of raising.
        unsafe { ffi::lua_checkstack(self.state(), slots) != 0 }
    }

    fn has_room(&mut self, slots: i32) -> bool {
        self.top() + slots <= self.granted || self.reserve(slots)
    }

    /// Room for one value: whoever needs more than a native function is given has to reserve it.
    fn room(&mut self) {
        assert!(self.has_room(1), "a Lua stack has room");
    }

    fn checked(&self, index: i32) -> c_int {
        let top = self.top();
        assert!(
            index > 0 || (index < 0 && index >= -top) || index <= REGISTRY,
            "an index of the stack"
        );
        index
    }

    fn table(&self, index: i32) -> c_int {
        assert_eq!(self.kind(index), Kind::Table, "a table is expected");
        index
    }

    /// The type of the value at an index.
    pub fn kind(&self, index: i32) -> Kind {
        let index = self.checked(index);
        // SAFETY: the index is acceptable.
        match unsafe { ffi::lua_type(self.state(), index) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    /// Whether there is no value, or nil.
    pub fn is_nothing(&self, index: i32) -> bool {
        matches!(self.kind(index), Kind::None | Kind::Nil)
    }

    /// Everything but nil and false is true.
    pub fn truth(&self, index: i32) -> bool {
        let index = self.checked(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_toboolean(self.state(), index) != 0 }
    }

    /// The number, or what a string says as one.
    pub fn number(&self, index: i32) -> Option<f64> {
        let index = self.checked(index);
        // SAFETY: the index is acceptable; neither call changes the value.
        unsafe {
            (ffi::lua_isnumber(self.state(), index) != 0)
                .then(|| ffi::lua_tonumber(self.state(), index))
        }
    }

    /// The bytes of a string; None for every other type.
    pub fn bytes(&self, index: i32) -> Option<&[u8]> {
        if self.kind(index) != Kind::String {
            return None;
        }
        let mut len = 0;
        // SAFETY: the value is a string, so nothing is converted; it stays where it is as long as it is on the
        // stack, which the borrow of `self` ensures.
        unsafe {
            let start = ffi::lua_tolstring(self.state(), index, &raw mut len);
            Some(std::slice::from_raw_parts(start.cast(), len))
        }
    }

    /// The bytes of a string or number, which becomes a string in place; None for every other type.
    pub fn text(&mut self, index: i32) -> Option<&[u8]> {
        if self.kind(index) == Kind::Number {
            // SAFETY: the index is acceptable. The conversion allocates and does not raise (S1).
            unsafe { ffi::lua_tolstring(self.state(), index, std::ptr::null_mut()) };
        }
        self.bytes(index)
    }

    /// Whether the value is a light userdata that points nowhere: JSON's null.
    pub fn is_null_pointer(&self, index: i32) -> bool {
        // SAFETY: the index is acceptable, as `kind` has checked.
        self.kind(index) == Kind::LightUserdata
            && unsafe { ffi::lua_touserdata(self.state(), index).is_null() }
    }

    /// Where the value lives, for messages; 0 for plain values.
    pub fn address(&self, index: i32) -> usize {
        let index = self.checked(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_topointer(self.state(), index) as usize }
    }

    /// Whether two values are the same object or primitively equal.
    pub fn same(&self, a: i32, b: i32) -> bool {
        let (a, b) = (self.checked(a), self.checked(b));
        // SAFETY: both indexes are acceptable.
        unsafe { ffi::lua_rawequal(self.state(), a, b) != 0 }
    }

    pub fn push_nil(&mut self) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnil(self.state()) }
    }

    pub fn push_boolean(&mut self, value: bool) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushboolean(self.state(), c_int::from(value)) }
    }

    pub fn push_number(&mut self, value: f64) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_pushnumber(self.state(), value) }
    }

    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.room();
        // SAFETY: there is room; the bytes are copied. Collecting garbage on the way runs no Lua code (S1).
        unsafe { ffi::lua_pushlstring_(self.state(), bytes.as_ptr().cast(), bytes.len()) }
    }

    /// A light userdata that points nowhere.
    pub fn push_null_pointer(&mut self) {
        self.push_address(0);
    }

    /// A light userdata: an address that is never followed.
    pub fn push_address(&mut self, address: usize) {
        self.room();
        // SAFETY: there is room.
        unsafe {
            ffi::lua_pushlightuserdata(self.state(), std::ptr::without_provenance_mut(address));
        }
    }

    pub fn push_table(&mut self) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_createtable(self.state(), 0, 0) }
    }

    /// A userdata without contents or metatable.
    pub fn push_userdata(&mut self) {
        self.room();
        // SAFETY: there is room.
        unsafe { ffi::lua_newuserdata(self.state(), 0) };
    }

    /// A copy of the value at an index.
    pub fn push_value(&mut self, index: i32) {
        self.room();
        let index = self.checked(index);
        // SAFETY: there is room, and the index is acceptable.
        unsafe { ffi::lua_pushvalue(self.state(), index) }
    }

    /// A function of Lua's own libraries.
    pub(super) fn push_c_function(&mut self, function: ffi::lua_CFunction, upvalues: i32) {
        assert!(
            (0..=self.top()).contains(&upvalues),
            "the upvalues are there"
        );
        self.room();
        // SAFETY: there is room, and as many values as are taken.
        unsafe { ffi::lua_pushcclosure(self.state(), function, upvalues) }
    }

    /// The function of Lua's own libraries at an index, if it is one.
    pub(super) fn c_function(&self, index: i32) -> Option<ffi::lua_CFunction> {
        let index = self.checked(index);
        // SAFETY: the index is acceptable.
        unsafe { ffi::lua_tocfunction(self.state(), index) }
    }

    /// The index of the running function's upvalue.
    pub fn upvalue(number: i32) -> i32 {
        ffi::lua_upvalueindex(number)
    }

    /// Lets as many values stay as `top` says.
    pub fn set_top(&mut self, top: i32) {
        let grows = top - self.top();
        assert!(
            top >= 0 && (grows <= 0 || self.has_room(grows)),
            "a Lua stack has room"
        );
        // SAFETY: there is room for that many.
        unsafe { ffi::lua_settop(self.state(), top) }
    }

    /// Removes values from the top.
    pub fn pop(&mut self, count: i32) {
        let top = self.top();
        assert!((0..=top).contains(&count), "what is popped was pushed");
        self.set_top(top - count);
    }

    /// Removes the value at an index; those above move down.
    pub fn remove(&mut self, index: i32) {
        let index = self.checked(index);
        // SAFETY: the index is that of a value.
        unsafe { ffi::lua_remove(self.state(), index) }
    }

    /// Moves the top value to an index; those above move up.
    pub fn insert(&mut self, index: i32) {
        let index = self.checked(index);
        // SAFETY: the index is that of a value.
        unsafe { ffi::lua_insert(self.state(), index) }
    }

    /// Moves the top value to where another is.
    pub fn replace(&mut self, index: i32) {
        let index = self.checked(index);
        assert!(self.top() > 0, "there is a value to move");
        if index == GLOBALS {
            self.table(-1);
        }
        // SAFETY: the index is that of a value, and globals are a table.
        unsafe { ffi::lua_replace(self.state(), index) }
    }

    /// Replaces the key on top by its value in the table at an index.
    pub fn raw_get(&mut self, index: i32) {
        let index = self.table(index);
        assert!(self.top() > 0, "there is a key");
        // SAFETY: there is a table and a key; raw access does not raise.
        unsafe { ffi::lua_rawget_(self.state(), index) }
    }

    /// Pushes an element of the table at an index.
    pub fn raw_get_at(&mut self, index: i32, position: i32) {
        let index = self.table(index);
        self.room();
        // SAFETY: there is a table and room.
        unsafe { ffi::lua_rawgeti_(self.state(), index, position) }
    }

    /// Pushes a field of the table at an index.
    pub fn field(&mut self, index: i32, name: &str) {
        let index = self.absolute(index);
        self.push_bytes(name.as_bytes());
        self.raw_get(index);
    }

    /// Pops value and key and puts them into the table at an index. The key is neither nil nor not-a-number.
    pub fn raw_set(&mut self, index: i32) {
        let index = self.table(index);
        assert!(self.top() >= 2, "there are key and value");
        let is_key = match self.kind(-2) {
            Kind::Nil => false,
            Kind::Number => self.number(-2).is_some_and(|key| !key.is_nan()),
            _ => true,
        };
        assert!(is_key, "a value that can be a key");
        // SAFETY: there is a table and a key that raises no error. Callers bound the size of tables.
        unsafe { ffi::lua_rawset(self.state(), index) }
    }

    /// Pops a value and makes it an element of the table at an index.
    pub fn raw_set_at(&mut self, index: i32, position: i32) {
        let index = self.table(index);
        assert!(self.top() > 0, "there is a value");
        // SAFETY: there is a table and a value.
        unsafe { ffi::lua_rawseti_(self.state(), index, position) }
    }

    /// Pops a value and makes it a field of the table at an index.
    pub fn set_field(&mut self, index: i32, name: &str) {
        let index = self.absolute(index);
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(index);
    }

    /// Replaces the key on top by the next key and its value in the table at an index; false, and the key is gone, at the
    /// end. The key is nil to begin with, or the latest that was answered.
    pub fn next(&mut self, index: i32) -> bool {
        let index = self.table(index);
        assert!(self.top() > 0 && self.has_room(1), "a Lua stack has room");
        // SAFETY: there is a table, a key that it has, and room.
        unsafe { ffi::lua_next(self.state(), index) != 0 }
    }

    /// Pushes the metatable of the value at an index, if it has one.
    pub fn push_metatable(&mut self, index: i32) -> bool {
        self.room();
        let index = self.checked(index);
        // SAFETY: there is room, and the index is acceptable.
        unsafe { ffi::lua_getmetatable(self.state(), index) != 0 }
    }

    /// Pops a table and makes it the metatable of the value at an index.
    pub fn set_metatable(&mut self, index: i32) {
        let index = self.checked(index);
        self.table(-1);
        // SAFETY: there is a table on top, and the index is acceptable.
        unsafe { ffi::lua_setmetatable(self.state(), index) };
    }

    /// Pops a table and makes it the one where the Lua function at an index finds its globals.
    pub fn set_environment(&mut self, index: i32) {
        let index = self.checked(index);
        assert_eq!(self.kind(index), Kind::Function, "a function is expected");
        self.table(-1);
        // SAFETY: there are a function and a table.
        unsafe { ffi::lua_setfenv(self.state(), index) };
    }

    /// The same index counted from the bottom.
    pub fn absolute(&self, index: i32) -> i32 {
        let index = self.checked(index);
        if index < 0 && index > REGISTRY {
            self.top() + index + 1
        } else {
            index
        }
    }

    /// Pops a value and keeps it in the registry.
    pub fn keep(&mut self) -> Reference {
        assert!(self.top() > 0 && self.has_room(1), "a Lua stack has room");
        // SAFETY: there is a value, and the registry is a table; access to it is raw.
        Reference(unsafe { ffi::luaL_ref(self.state(), REGISTRY) })
    }

    /// Pushes a kept value.
    pub fn push_kept(&mut self, reference: &Reference) {
        self.raw_get_at(REGISTRY, reference.0);
    }

    /// Forgets a kept value.
    pub fn release(&mut self, reference: Reference) {
        self.room();
        // SAFETY: there is room, and the reference was given by `keep`.
        unsafe { ffi::luaL_unref(self.state(), REGISTRY, reference.0) }
    }

    /// Pushes the function that `code` is compiled to; if it cannot be, the message.
    pub fn load(&mut self, code: &[u8], name: &CStr) -> Result<(), Failed> {
        self.room();
        let code = Source::new(code);
        // SAFETY: the code and its name are alive during the call, which catches errors itself. No precompiled chunk
        // gets through: see `Source`.
        let status = unsafe {
            ffi::lua_load(
                self.state(),
                next_piece,
                (&raw const code).cast_mut().cast(),
                name.as_ptr(),
            )
        };
        if status == ffi::LUA_OK {
            Ok(())
        } else {
            Err(Failed)
        }
    }

    /// Calls the function below `arguments` arguments; both are replaced by the results, of which there are `results`
    /// (None: as many as there are). An error goes through the message handler at an index, if there is one, and
    /// replaces function and arguments.
    pub fn call(
        &mut self,
        arguments: i32,
        results: Option<i32>,
        handler: Option<i32>,
    ) -> Result<(), Failed> {
        assert!(
            arguments >= 0 && self.top() > arguments,
            "there are a function and its arguments"
        );
        let handler = handler.map_or(0, |index| self.absolute(index));
        let results = results.unwrap_or(ffi::LUA_MULTRET);
        let _lua = super::state::LuaRuns::begin(self);
        // SAFETY: the function and its arguments are there, the handler's index is that of a value, and the call
        // is protected.
        let status = unsafe { ffi::lua_pcall(self.state(), arguments, results, handler) };
        if status == ffi::LUA_OK {
            Ok(())
        } else {
            Err(Failed)
        }
    }

    /// The function at a level of the call stack: 0 is the running one, 1 the one that called it.
    pub fn place(&self, level: i32) -> Option<Place> {
        // SAFETY: all zeroes is a valid value of this structure of numbers and pointers.
        let mut debug: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the state is alive. The second call fills what it is asked for, with texts that end with a zero
        // byte and live as long as the function does.
        unsafe {
            if ffi::lua_getstack(self.state(), level, &raw mut debug) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.state(), c"nSl".as_ptr(), &raw mut debug);
            let text = |start: *const std::ffi::c_char| CStr::from_ptr(start).to_bytes();
            Some(Place {
                is_native: text(debug.what) == b"C",
                source: text(debug.source).to_vec(),
                short_source: text(debug.short_src.as_ptr()).to_vec(),
                line: debug.currentline,
                name: (!debug.name.is_null()).then(|| text(debug.name).to_vec()),
                is_method: text(debug.namewhat) == b"method",
            })
        }
    }

    /// Pushes a local variable of the function at a level of the call stack and answers its name. They are numbered
    /// from 1 on.
    pub fn push_local(&mut self, level: i32, number: i32) -> Option<Vec<u8>> {
        self.room();
        // SAFETY: all zeroes is a valid value of this structure of numbers and pointers.
        let mut debug: ffi::lua_Debug = unsafe { std::mem::zeroed() };
        // SAFETY: the state is alive and there is room. The name ends with a zero byte and lives as long as the function.
        unsafe {
            if ffi::lua_getstack(self.state(), level, &raw mut debug) == 0 {
                return None;
            }
            let name = ffi::lua_getlocal(self.state(), &raw const debug, number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        }
    }

    /// Gives Lua's collector a push of so many kilobytes' worth of work.
    pub fn collect_step(&mut self, kilobytes: i32) {
        // SAFETY: the state is alive; collecting runs no Lua code (S1).
        unsafe { ffi::lua_gc(self.state(), ffi::LUA_GCSTEP, kilobytes) };
    }

    /// Frees everything that nothing refers to.
    pub fn collect(&mut self) {
        // SAFETY: the state is alive; collecting runs no Lua code (S1).
        unsafe { ffi::lua_gc(self.state(), ffi::LUA_GCCOLLECT, 0) };
    }

    /// Memory in use, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        // SAFETY: the state is alive; both calls only look.
        unsafe {
            let kilobytes = ffi::lua_gc(self.state(), ffi::LUA_GCCOUNT, 0);
            let rest = ffi::lua_gc(self.state(), ffi::LUA_GCCOUNTB, 0);
            kilobytes as u64 * 1024 + rest as u64
        }
    }
}

/// Code to compile, given to Lua in at most two pieces.
///
/// A chunk that begins with an escape character would be taken for a precompiled one, which can break the machine. A
/// space in front of it makes it text, and a message about the same character on the same line.
struct Source<'a> {
    guard: std::cell::Cell<bool>,
    code: std::cell::Cell<&'a [u8]>,
}

impl<'a> Source<'a> {
    fn new(code: &'a [u8]) -> Self {
        Self {
            guard: std::cell::Cell::new(code.first() == Some(&ffi::LUA_SIGNATURE[0])),
            code: std::cell::Cell::new(code),
        }
    }
}

unsafe extern "C-unwind" fn next_piece(
    _: *mut ffi::lua_State,
    source: *mut std::ffi::c_void,
    len: *mut usize,
) -> *const std::ffi::c_char {
    // SAFETY: `load` passes a `Source` that lives as long as its call, and Lua a place for the length.
    unsafe {
        let source = &*source.cast::<Source<'_>>();
        let piece = if source.guard.replace(false) {
            b" ".as_slice()
        } else {
            source.code.replace(&[])
        };
        *len = piece.len();
        piece.as_ptr().cast()
    }
}
