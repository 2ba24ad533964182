//! A machine with its sandbox: scripts and functions are compiled, kept, run and forgotten here.

use std::ffi::CStr;

use super::api::{self, Version};
use super::builtins;
use super::debugger::Debugger;
use super::host::{Host, Supervisor};
use super::random::Random;
use super::registration::{Registered, Registration};
use super::reply::Writer;
use super::shield::Shielding;
use super::stack::{GLOBALS, Kind, Reference, Stack};
use super::state::{Doom, Machine, Native};
use super::{bits, json, mathematics, msgpack, structure};
use crate::resp::{Proto, Reply};

/// Scripts run between two pushes to the collector, and how much it is pushed.
const RUNS_BETWEEN_COLLECTIONS: u32 = 50;

/// The chunk names in messages.
const SCRIPT_CHUNK: &CStr = c"@user_script";
const LIBRARY_CHUNK: &CStr = c"@user_function";

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// EVAL: keys and arguments are globals.
    Scripts,
    /// FCALL: functions get keys and arguments, and libraries register them.
    Functions,
}

/// Something to run.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What messages call it: a script's digest, a function's name.
    pub name: &'a str,
    pub keys: &'a [&'a [u8]],
    pub arguments: &'a [&'a [u8]],
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The reply is written, be it an error.
    Replied,
    /// The host has aborted it: it has to be as if it had not begun.
    Aborted,
}

/// Why code is no function or library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A text without a code.
    Message(Vec<u8>),
    /// The supervisor has aborted it.
    Aborted,
}

/// A machine with everything that scripts or functions find in it.
#[derive(Debug)]
pub struct Vm {
    machine: Machine,
    purpose: Purpose,
    error_handler: Reference,
    /// The table that globals are really in.
    globals: Reference,
    /// What Lua code finds its globals in: a shield of them.
    shielded: Reference,
    /// What stands behind that shield while libraries are loaded.
    loading: Option<Reference>,
    runs: u32,
}

impl Vm {
    pub fn new(purpose: Purpose, version: Version) -> Self {
        let mut machine = Machine::new();
        let mut stack = machine.stack();
        stack.push_value(GLOBALS);
        builtins::open(&mut stack);
        add_library(&mut stack, structure::NAME, structure::FUNCTIONS);
        add_library(&mut stack, bits::NAME, bits::FUNCTIONS);
        add_library(&mut stack, msgpack::NAME, msgpack::FUNCTIONS);
        stack.field(-1, msgpack::NAME);
        for &(name, text) in msgpack::TEXTS {
            stack.push_bytes(text.as_bytes());
            stack.set_field(-2, name);
        }
        stack.pop(1);
        json::push(&mut stack);
        stack.set_field(-2, json::NAME);
        stack.field(-1, "math");
        add_functions(&mut stack, mathematics::FUNCTIONS);
        stack.pop(1);
        api::push(&mut stack, version, purpose == Purpose::Scripts);
        stack.set_field(-2, "redis");
        shield_libraries(&mut stack);
        stack.push_native(builtins::handle_error, 0);
        if purpose == Purpose::Scripts {
            stack.push_value(-1);
            stack.set_field(-3, "__redis__err__handler");
        }
        let error_handler = stack.keep();
        let loading = (purpose == Purpose::Functions).then(|| {
            push_loading_globals(&mut stack, version);
            stack.keep()
        });
        let (globals, shielded) = shield_globals(&mut stack);
        Self {
            machine,
            purpose,
            error_handler,
            globals,
            shielded,
            loading,
            runs: 0,
        }
    }

    /// The state of math.random: the same sequence goes on in another machine that is given it.
    pub fn random(&self) -> Random {
        self.machine.context().random.get()
    }

    pub fn set_random(&mut self, random: Random) {
        self.machine.context().random.set(random);
    }

    /// How many bytes code may make the machine hold; 0: as many as there are. What goes beyond is an error of the code.
    pub fn limit_memory(&mut self, bytes: usize) {
        self.machine.context().held_bytes_max.set(bytes);
    }

    /// Memory that Lua uses, in bytes.
    pub fn memory_bytes(&mut self) -> u64 {
        self.machine.stack().memory_bytes()
    }

    /// Compiles a script. The error is a message of the compiler.
    pub fn compile(&mut self, code: &[u8]) -> Result<Reference, Vec<u8>> {
        self.settle();
        let mut stack = self.machine.stack();
        if stack.load(code, SCRIPT_CHUNK).is_ok() {
            return Ok(stack.keep());
        }
        let message = stack.bytes(-1).unwrap_or_default().to_vec();
        stack.pop(1);
        Err(message)
    }

    /// Forgets a script or function.
    pub fn forget(&mut self, function: Reference) {
        self.machine.stack().release(function);
    }

    /// Runs a script or function and writes its reply to `out`.
    pub fn run(
        &mut self,
        function: &Reference,
        run: Run<'_>,
        host: &mut dyn Host,
        out: &mut Reply,
    ) -> Ended {
        self.settle();
        self.machine.context().protocol.set(Proto::Resp2);
        let is_script = self.purpose == Purpose::Scripts;
        let mut stack = self.machine.stack();
        stack.push_kept(&self.error_handler);
        stack.push_kept(function);
        push_list(&mut stack, run.keys);
        push_list(&mut stack, run.arguments);
        if is_script {
            // An earlier run, which may have to count as none, can have changed where the script finds its globals.
            stack.push_kept(&self.shielded);
            stack.set_environment(2);
            stack.push_kept(&self.globals);
            stack.insert(-3);
            stack.set_field(-3, "ARGV");
            stack.set_field(-2, "KEYS");
            stack.pop(1);
        }
        let arguments = if is_script { 0 } else { 2 };
        let mut called = Ok(());
        let doom = self.machine.run(host, |stack| {
            called = stack.call(arguments, Some(1), Some(1));
        });
        let mut stack = self.machine.stack();
        if doom == Some(Doom::Aborted) {
            stack.set_top(0);
            return Ended::Aborted;
        }
        match called {
            Err(_) => write_error(&mut stack, run.name, host, out),
            Ok(()) => {
                let script_proto = stack.context().protocol.get();
                let mut on_error = |line: &[u8]| host.count_error(line);
                let mut writer = Writer {
                    out,
                    script_proto,
                    on_error: &mut on_error,
                };
                writer.write(&mut stack);
            }
        }
        stack.set_top(0);
        Ended::Replied
    }

    /// Runs a script like [`Vm::run`]; the debugger says the end of its session behind it.
    pub fn debug(
        &mut self,
        function: &Reference,
        run: Run<'_>,
        host: &mut dyn Host,
        out: &mut Reply,
        debugger: Debugger,
    ) -> Ended {
        *self.machine.context().debugger.borrow_mut() = Some(debugger);
        let ended = self.run(function, run, host, out);
        let debugger = self.machine.context().debugger.take();
        debugger.expect("it is there during a run").end();
        ended
    }

    /// Runs the code of a library and answers the functions that it registers.
    pub fn load_library(
        &mut self,
        code: &[u8],
        supervisor: &mut dyn Supervisor,
    ) -> Result<Vec<Registered>, Fault> {
        self.settle();
        self.put_behind_globals(true);
        let mut stack = self.machine.stack();
        if stack.load(code, LIBRARY_CHUNK).is_err() {
            let mut message = b"Error compiling function: ".to_vec();
            message.extend_from_slice(stack.bytes(-1).unwrap_or_default());
            self.put_behind_globals(false);
            self.settle();
            return Err(Fault::Message(message));
        }
        let context = self.machine.context();
        *context.registration.borrow_mut() = Some(Registration::default());
        let mut called = Ok(());
        let doom = self.machine.load(supervisor, |stack| {
            called = stack.call(0, Some(0), None);
        });
        self.put_behind_globals(false);
        let registered = self.machine.context().registration.borrow_mut().take();
        let registered = registered.unwrap_or_default().0;
        if doom != Some(Doom::Aborted) && called.is_ok() {
            self.settle();
            return Ok(registered);
        }
        let mut stack = self.machine.stack();
        let mut message = b"Error registering functions: ".to_vec();
        message.extend_from_slice(&error_line(&mut stack));
        for function in registered {
            stack.release(function.function);
        }
        self.settle();
        Err(match doom {
            Some(Doom::Aborted) => Fault::Aborted,
            _ => Fault::Message(message),
        })
    }

    /// Chooses what Lua code finds behind the globals. It is the same shield for a library while it is loaded and for its
    /// functions when they are run.
    fn put_behind_globals(&mut self, is_loading: bool) {
        let loading = self.loading.as_ref().expect("a machine for functions");
        let behind = if is_loading { loading } else { &self.globals };
        let mut stack = self.machine.stack();
        stack.push_kept(&self.shielded);
        stack.push_kept(behind);
        stack.put_behind();
        stack.pop(1);
    }

    /// Puts things in order: an empty stack, and the globals that belong there whatever code has done to its thread.
    /// Now and then the collector gets its turn.
    fn settle(&mut self) {
        let mut stack = self.machine.stack();
        stack.set_top(0);
        stack.push_kept(&self.shielded);
        stack.set_globals();
        self.runs += 1;
        if self.runs >= RUNS_BETWEEN_COLLECTIONS {
            self.runs = 0;
            stack.collect_step(RUNS_BETWEEN_COLLECTIONS as i32);
        }
        if stack.context().is_crowded() {
            stack.collect();
        }
    }
}

fn add_functions(stack: &mut Stack<'_>, functions: &[(&str, Native)]) {
    for &(name, native) in functions {
        stack.push_native(native, 0);
        stack.set_field(-2, name);
    }
}

/// Adds a library to the globals on top.
fn add_library(stack: &mut Stack<'_>, name: &str, functions: &[(&str, Native)]) {
    stack.push_table();
    add_functions(stack, functions);
    stack.set_field(-2, name);
}

/// Replaces every table in the globals on top by a shield, the globals themselves apart.
fn shield_libraries(stack: &mut Stack<'_>) {
    let mut names = Vec::new();
    stack.push_nil();
    while stack.next(-2) {
        let is_library = stack.kind(-1) == Kind::Table && !stack.same(-1, -3);
        stack.pop(1);
        if is_library && let Some(name) = stack.bytes(-1) {
            names.push(String::from_utf8_lossy(name).into_owned());
        }
    }
    for name in &names {
        stack.field(-1, name);
        stack.shield();
        if name == "string" {
            builtins::shield_strings(stack);
        }
        stack.set_field(-2, name);
    }
}

/// Shields the globals on top, which are popped: what Lua code sees does not change, and has nothing that is not there.
fn shield_globals(stack: &mut Stack<'_>) -> (Reference, Reference) {
    stack.forbid_missing();
    stack.push_value(-1);
    stack.shield();
    stack.push_value(-1);
    stack.set_field(-3, "_G");
    let shielded = stack.keep();
    let globals = stack.keep();
    (globals, shielded)
}

/// Pushes what libraries find while they are loaded: the table `redis`, and nothing else.
fn push_loading_globals(stack: &mut Stack<'_>, version: Version) {
    stack.push_table();
    api::push_for_loading(stack, version);
    stack.forbid_missing();
    stack.shield();
    stack.set_field(-2, "redis");
    stack.forbid_missing();
}

fn push_list(stack: &mut Stack<'_>, words: &[&[u8]]) {
    stack.push_table();
    for (at, word) in words.iter().enumerate() {
        stack.push_bytes(word);
        stack.raw_set_at(-2, at as i32 + 1);
    }
}

/// The field of the table on top, as a text.
fn text_field(stack: &mut Stack<'_>, name: &str) -> Option<Vec<u8>> {
    stack.field(-1, name);
    let text = stack.text(-1).map(<[u8]>::to_vec);
    stack.pop(1);
    text
}

/// What the error on top, which stays, says with its code.
fn error_line(stack: &mut Stack<'_>) -> Vec<u8> {
    if stack.kind(-1) == Kind::Table && stack.push_real(-1) == Shielding::None {
        return text_field(stack, "err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    }
    let mut line = b"ERR ".to_vec();
    line.extend_from_slice(stack.text(-1).unwrap_or_default());
    line
}

/// Answers the error on top: what is wrong, in which script, and where.
fn write_error(stack: &mut Stack<'_>, name: &str, host: &mut dyn Host, out: &mut Reply) {
    let mut line;
    let mut is_counted = false;
    if stack.kind(-1) == Kind::Table {
        line = error_line(stack);
        let source = text_field(stack, "source");
        let number = text_field(stack, "line");
        if let Some((source, number)) = source.zip(number) {
            line.extend_from_slice(format!(" script: {name}, on ").as_bytes());
            line.extend_from_slice(&source);
            line.push(b':');
            line.extend_from_slice(&number);
            line.push(b'.');
        }
        stack.field(-1, "ignore_error_stats_update");
        is_counted = stack.kind(-1) == Kind::Boolean && stack.truth(-1);
    } else {
        line = format!("ERR Error running script {name}, ").into_bytes();
        let message = stack.text(-1).unwrap_or(b"execution failure");
        line.extend_from_slice(&message[..message.len().min(100)]);
    }
    out.error_bytes(&line);
    if !is_counted {
        host.count_error(&line);
    }
}
