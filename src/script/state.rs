//! A Lua machine, its native functions, and its hook.
//!
//! See [`super::stack`] for the rules that keep jumps away from Rust's frames. [`enter`] and [`on_hook`] are the only places
//! that raise.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::debugger::{self, Debugger};
use super::host::{Host, Interrupt, Supervisor};
use super::raise::Raise;
use super::random::Random;
use super::registration::Registration;
use super::stack::Stack;
use crate::resp::{Proto, Reply};

/// Instructions between two looks at whether the code may go on.
const INSTRUCTIONS_BETWEEN_LOOKS: c_int = 10_000;
/// The same for code whose debugger looks at every line as well.
const INSTRUCTIONS_BETWEEN_STOPS: c_int = 100_000;

/// A function of ours that Lua code calls. Its arguments are on the stack, from 1 on.
pub type Native = fn(&mut Stack<'_>) -> Result<Next, Raise>;

/// How a native function that raises nothing goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is done; so many values on top of the stack are its results.
    Return(i32),
    /// The function of Lua's own libraries in its second upvalue does the rest, with the arguments as they are now.
    Original,
}

/// The index of the first upvalue of a native function that is its own.
pub const FIRST_UPVALUE: i32 = 2;

/// Why the running code may not go on, whatever it tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doom {
    /// It was killed: the text of the error.
    Killed(&'static str),
    /// It ends as if it had not begun.
    Aborted,
}

/// Who looks after the running code.
#[derive(Clone, Copy)]
enum Guardian {
    Nobody,
    /// A library is loaded.
    Loading(NonNull<dyn Supervisor>),
    /// A script runs.
    Running(NonNull<dyn Host>),
}

/// What native functions find besides their arguments. Lua hands its address to the allocator, so that every thread of
/// the machine knows it.
pub struct Context {
    guardian: Cell<Guardian>,
    doom: Cell<Option<Doom>>,
    /// A panic of a native function, to go on once Lua's frames are left.
    panic: RefCell<Option<Box<dyn Any + Send>>>,
    /// How many native functions are running since Lua code was last called by Rust code.
    natives: Cell<u32>,
    /// Whether Lua code is called by Rust code.
    lua_runs: Cell<bool>,
    /// Bytes that the machine has from the allocator.
    held_bytes: Cell<usize>,
    /// Bytes beyond which Lua code gets no more; 0: as many as there are.
    pub held_bytes_max: Cell<usize>,
    main: Cell<*mut ffi::lua_State>,
    pub random: Cell<Random>,
    /// The protocol whose replies the script gets.
    pub protocol: Cell<Proto>,
    /// The functions that the library being loaded registers.
    pub registration: RefCell<Option<Registration>>,
    /// Takes replies of commands; kept for its memory.
    pub reply: RefCell<Reply>,
    /// What looks at every line of the running script, if anything does.
    pub debugger: RefCell<Option<Debugger>>,
}

/// A Lua machine.
pub struct Machine {
    state: NonNull<ffi::lua_State>,
    context: NonNull<Context>,
}

// SAFETY: a machine owns its state and its context, both are only reached through `&mut Machine`, and neither cares
// for the thread that uses it.
unsafe impl Send for Machine {}

impl Machine {
    /// A machine without libraries.
    pub fn new() -> Self {
        let context = Box::new(Context {
            guardian: Cell::new(Guardian::Nobody),
            doom: Cell::new(None),
            panic: RefCell::new(None),
            natives: Cell::new(0),
            lua_runs: Cell::new(false),
            held_bytes: Cell::new(0),
            held_bytes_max: Cell::new(0),
            main: Cell::new(std::ptr::null_mut()),
            random: Cell::new(Random::default()),
            protocol: Cell::new(Proto::Resp2),
            registration: RefCell::new(None),
            reply: RefCell::new(Reply::new(Proto::Resp2)),
            debugger: RefCell::new(None),
        });
        let context = NonNull::from(Box::leak(context));
        // SAFETY: the allocator is one, and the context outlives the state.
        let state = unsafe { ffi::lua_newstate(allocate, context.as_ptr().cast()) };
        let state = NonNull::new(state).expect("memory for a Lua machine");
        let machine = Self { state, context };
        machine.context().main.set(state.as_ptr());
        machine
    }

    pub fn context(&self) -> &Context {
        // SAFETY: the context lives as long as the machine, and is only shared.
        unsafe { self.context.as_ref() }
    }

    /// The stack of the main thread.
    pub fn stack(&mut self) -> Stack<'_> {
        // SAFETY: the state is alive, and the machine is borrowed as long as the stack is used.
        unsafe { Stack::new(self.state) }
    }

    /// Lets a script run in `run`, looked after by `host`. Whether it was doomed.
    pub fn run(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Stack<'_>)) -> Option<Doom> {
        // SAFETY: only the lifetime changes. The pointer is forgotten before `host` ends: see `guarded`.
        let host = unsafe {
            std::mem::transmute::<NonNull<dyn Host + '_>, NonNull<dyn Host>>(host.into())
        };
        self.guarded(Guardian::Running(host), run)
    }

    /// Lets a library be loaded in `run`, looked after by `supervisor`. Whether that was doomed.
    pub fn load(
        &mut self,
        supervisor: &mut dyn Supervisor,
        run: impl FnOnce(&mut Stack<'_>),
    ) -> Option<Doom> {
        // SAFETY: as in `run`.
        let supervisor = unsafe {
            std::mem::transmute::<NonNull<dyn Supervisor + '_>, NonNull<dyn Supervisor>>(
                supervisor.into(),
            )
        };
        self.guarded(Guardian::Loading(supervisor), run)
    }

    fn guarded(&mut self, guardian: Guardian, run: impl FnOnce(&mut Stack<'_>)) -> Option<Doom> {
        struct Unguard<'a>(&'a Context, *mut ffi::lua_State);
        impl Drop for Unguard<'_> {
            fn drop(&mut self) {
                self.0.guardian.set(Guardian::Nobody);
                // SAFETY: the state is alive.
                unsafe { ffi::lua_sethook(self.1, None, 0, 0) };
            }
        }
        let state = self.state;
        let context = self.context();
        context.doom.set(None);
        context.guardian.set(guardian);
        let _unguard = Unguard(context, state.as_ptr());
        if context.debugger.borrow().is_some() {
            look_at_lines(state.as_ptr());
        } else {
            look_now_and_then(state.as_ptr());
        }
        // SAFETY: the state is alive, and the machine is borrowed as long as the stack is used.
        run(&mut unsafe { Stack::new(state) });
        let panic = context.panic.borrow_mut().take();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
        context.doom.get()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: the state is alive and nothing refers to it any more; then the same holds for the context.
        unsafe {
            ffi::lua_close(self.state.as_ptr());
            drop(Box::from_raw(self.context.as_ptr()));
        }
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

impl<'a> Stack<'a> {
    /// What the machine's native functions share.
    pub fn context(&self) -> &'a Context {
        let mut context = std::ptr::null_mut();
        // SAFETY: the state is alive for `'a`, and its allocator's data is the context, which outlives it.
        unsafe {
            ffi::lua_getallocf(self.state(), &raw mut context);
            &*context.cast::<Context>()
        }
    }

    /// Pushes a native function whose own upvalues are the top values.
    pub fn push_native(&mut self, function: Native, upvalues: i32) {
        self.push_address(0);
        self.pop(1);
        // SAFETY: there is room. A function's address fits.
        unsafe { ffi::lua_pushlightuserdata(self.state(), function as *mut c_void) };
        if upvalues > 0 {
            self.insert(-1 - upvalues);
        }
        self.push_c_function(enter, upvalues + 1);
    }

    /// Asks the host of the running script; None if there is none.
    pub fn with_host<R>(&mut self, ask: impl FnOnce(&mut dyn Host, &mut Self) -> R) -> Option<R> {
        let context = self.context();
        let Guardian::Running(mut host) = context.guardian.get() else {
            return None;
        };
        // While it is asked it cannot be asked again.
        context.guardian.set(Guardian::Nobody);
        // SAFETY: `guarded` forgets the host before it ends, and nobody else has it now.
        let answer = ask(unsafe { host.as_mut() }, self);
        context.guardian.set(Guardian::Running(host));
        Some(answer)
    }

    /// Asks whoever looks after the running code; None if nobody does.
    pub fn with_supervisor<R>(&mut self, ask: impl FnOnce(&mut dyn Supervisor) -> R) -> Option<R> {
        let context = self.context();
        let guardian = context.guardian.replace(Guardian::Nobody);
        let answer = match guardian {
            Guardian::Nobody => None,
            Guardian::Loading(mut supervisor) => {
                // SAFETY: as in `with_host`.
                Some(ask(unsafe { supervisor.as_mut() }))
            }
            Guardian::Running(mut host) => {
                // SAFETY: as in `with_host`.
                Some(ask(unsafe { host.as_mut() }))
            }
        };
        context.guardian.set(guardian);
        answer
    }

    /// Ends the running code, whatever it tries: the hook raises from now on at every step.
    pub fn doom(&mut self, doom: Doom) {
        let context = self.context();
        if context.doom.get().is_none() {
            context.doom.set(Some(doom));
        }
        let main = context.main.get();
        for state in [self.state(), main] {
            // SAFETY: both threads are alive, and the hook is one.
            unsafe {
                ffi::lua_sethook(
                    state,
                    Some(on_hook),
                    ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT,
                    1,
                );
            }
        }
    }

    /// Whether the running code is doomed.
    pub fn doomed(&self) -> Option<Doom> {
        self.context().doom.get()
    }
}

fn look_now_and_then(state: *mut ffi::lua_State) {
    // SAFETY: callers pass a thread that is alive.
    unsafe {
        ffi::lua_sethook(
            state,
            Some(on_hook),
            ffi::LUA_MASKCOUNT,
            INSTRUCTIONS_BETWEEN_LOOKS,
        );
    }
}

fn look_at_lines(state: *mut ffi::lua_State) {
    // SAFETY: callers pass a thread that is alive.
    unsafe {
        ffi::lua_sethook(
            state,
            Some(on_hook),
            ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT,
            INSTRUCTIONS_BETWEEN_STOPS,
        );
    }
}

/// Lua code is called by Rust code: while it runs, memory that is exhausted is an error of its own.
pub(super) struct LuaRuns<'a> {
    context: &'a Context,
    natives: u32,
    lua_ran: bool,
}

impl<'a> LuaRuns<'a> {
    pub(super) fn begin(stack: &Stack<'a>) -> Self {
        let context = stack.context();
        Self {
            context,
            natives: context.natives.replace(0),
            lua_ran: context.lua_runs.replace(true),
        }
    }
}

impl Drop for LuaRuns<'_> {
    fn drop(&mut self) {
        self.context.natives.set(self.natives);
        self.context.lua_runs.set(self.lua_ran);
    }
}

impl Context {
    /// Whether so much is held that garbage has to go before code runs again: Lua's collector alone waits until there is
    /// twice as much as was in use, which may be more than is allowed.
    pub fn is_crowded(&self) -> bool {
        let max = self.held_bytes_max.get();
        max > 0 && self.held_bytes.get() > max / 2
    }

    /// Whether the running code gets no memory that makes it hold `bytes`. What Rust code asks for it gets: errors are only
    /// caught while Lua code runs.
    fn refuses(&self, bytes: usize) -> bool {
        let max = self.held_bytes_max.get();
        max > 0 && bytes > max && self.lua_runs.get() && self.natives.get() == 0
    }
}

/// Lua's allocator: that of the C library, up to a limit.
///
/// Without memory Lua raises an error, which must not happen inside a native function (S1): then the process ends.
unsafe extern "C" fn allocate(
    context: *mut c_void,
    block: *mut c_void,
    bytes_before: usize,
    bytes: usize,
) -> *mut c_void {
    // SAFETY: Lua passes blocks of this allocator with their sizes, and the context that outlives the state.
    unsafe {
        let context = &*context.cast::<Context>();
        let others = context.held_bytes.get() - bytes_before;
        if bytes == 0 {
            libc::free(block);
            context.held_bytes.set(others);
            return std::ptr::null_mut();
        }
        if bytes > bytes_before && context.refuses(others.saturating_add(bytes)) {
            return std::ptr::null_mut();
        }
        let allocated = libc::realloc(block, bytes);
        if !allocated.is_null() {
            context.held_bytes.set(others + bytes);
        } else if context.natives.get() > 0 {
            std::process::abort();
        }
        allocated
    }
}

/// What a native function does in the end. It has nothing to drop.
#[derive(Clone, Copy)]
enum Outcome {
    Return(c_int),
    /// The value on top is raised.
    Raise,
    Original(ffi::lua_CFunction),
}

/// The C function that every native function is, to Lua. The first upvalue is its address.
unsafe extern "C-unwind" fn enter(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua passes a thread that is alive, and nothing here has anything to drop when an error is raised.
    unsafe {
        match carry_out(state) {
            Outcome::Return(results) => results,
            Outcome::Raise => ffi::lua_error(state),
            Outcome::Original(function) => function(state),
        }
    }
}

/// # Safety
/// The state is that of a running native function.
unsafe fn carry_out(state: *mut ffi::lua_State) -> Outcome {
    // SAFETY: the state is alive and its stack is ours until the function returns; `push_native` has put the
    // function's address into the upvalue.
    let (mut stack, function) = unsafe {
        let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        let function = std::mem::transmute::<*mut c_void, Native>(address);
        (Stack::of_call(NonNull::new_unchecked(state)), function)
    };
    let context = stack.context();
    context.natives.set(context.natives.get() + 1);
    let outcome = catch_unwind(AssertUnwindSafe(|| match function(&mut stack) {
        Ok(Next::Return(results)) => Outcome::Return(results),
        Ok(Next::Original) => {
            let original = stack.c_function(Stack::upvalue(FIRST_UPVALUE));
            Outcome::Original(original.expect("a function of Lua's own libraries"))
        }
        Err(raise) => {
            if raise != Raise::Top {
                // The arguments may have left no room.
                stack.set_top(0);
            }
            raise.push(&mut stack);
            Outcome::Raise
        }
    }));
    let outcome = outcome.unwrap_or_else(|panic| {
        *context.panic.borrow_mut() = Some(panic);
        stack.doom(Doom::Aborted);
        stack.set_top(0);
        stack.push_nil();
        Outcome::Raise
    });
    context.natives.set(context.natives.get() - 1);
    outcome
}

/// Called by Lua every so many instructions, before the lines of code that is debugged, and at every step of code that is
/// doomed.
unsafe extern "C-unwind" fn on_hook(state: *mut ffi::lua_State, event: *mut ffi::lua_Debug) {
    // SAFETY: Lua passes a thread that is alive, and nothing here has anything to drop when an error is raised.
    unsafe {
        if must_end(state, (*event).event == ffi::LUA_HOOKLINE) {
            ffi::lua_error(state);
        }
    }
}

/// Whether the running code has to end; then the error is on the stack.
///
/// # Safety
/// The state is alive and runs its hook.
unsafe fn must_end(state: *mut ffi::lua_State, is_line: bool) -> bool {
    // SAFETY: the state is alive, and its stack is the hook's meanwhile.
    let mut stack = unsafe { Stack::of_call(NonNull::new_unchecked(state)) };
    let natives = &stack.context().natives;
    natives.set(natives.get() + 1);
    let looked = catch_unwind(AssertUnwindSafe(|| look(&mut stack, is_line)));
    let ends = looked.unwrap_or_else(|panic| {
        *stack.context().panic.borrow_mut() = Some(panic);
        stack.doom(Doom::Aborted);
        stack.push_nil();
        true
    });
    natives.set(natives.get() - 1);
    ends
}

fn look(stack: &mut Stack<'_>, is_line: bool) -> bool {
    let is_debugged = stack.context().debugger.borrow().is_some();
    if is_debugged && stack.doomed().is_none() {
        return debugger::stop(stack, is_line);
    }
    let doom = stack.doomed().or_else(|| {
        match stack.with_supervisor(|supervisor| supervisor.interrupt()) {
            None | Some(Interrupt::Continue) => None,
            Some(Interrupt::Kill(why)) => Some(Doom::Killed(why)),
            Some(Interrupt::Abort) => Some(Doom::Aborted),
        }
    });
    match doom {
        None => {
            // A coroutine may have been left behind by code that was doomed.
            // SAFETY: the state is alive.
            if unsafe { ffi::lua_gethookmask(stack.state()) } != ffi::LUA_MASKCOUNT {
                look_now_and_then(stack.state());
            }
            false
        }
        Some(doom) => {
            stack.doom(doom);
            match doom {
                Doom::Killed(why) => Raise::reply(why).push(stack),
                Doom::Aborted => stack.push_nil(),
            }
            true
        }
    }
}
