//! Libraries of functions, compiled: what is in the file, in a machine of its own.
//!
//! The file is the truth. Whatever changes or takes back a library there moves the keyspace's epoch, and the next
//! command that needs functions makes the machine follow.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::scripting::{Figures, VERSION};
use super::server::Server;
use crate::keyspace::Keyspace;
use crate::script::Reference;
use crate::script::host::{Interrupt, LogLevel, Supervisor};
use crate::script::registration::{BAD_NAME, Registered};
use crate::script::shebang::{self, Flags, is_name, parse_library};
use crate::script::vm::{Fault, Purpose, Vm};
use crate::storage;

/// How long the code of a library may run while it is loaded, in microseconds.
const LOAD_US_MAX: u64 = 500_000;
/// The one engine.
pub const ENGINE: &str = "LUA";

/// A function.
#[derive(Debug)]
pub struct Function {
    pub name: Vec<u8>,
    pub description: Option<Vec<u8>>,
    pub flags: Flags,
    pub reference: Reference,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    pub name: Vec<u8>,
    pub code: Vec<u8>,
    pub functions: Vec<Function>,
}

impl Library {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.code.len() + self.functions.len() * size_of::<Function>()
    }
}

/// What becomes of libraries that are there when others are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// They stay, and none may have the name of one that is added.
    Append,
    /// Those with the names of others that are added go.
    Replace,
    /// They go.
    Flush,
}

/// All libraries, and their machine, which is made when it is first needed.
#[derive(Debug, Default)]
pub struct Libraries {
    vm: Option<Vm>,
    by_name: BTreeMap<Vec<u8>, Library>,
    /// The place of every function, by its name in lower case: its library, and which of that library's it is.
    functions: BTreeMap<Vec<u8>, (Vec<u8>, usize)>,
    /// Bytes that the libraries and their functions take, their machine apart.
    bytes: usize,
    /// The epoch of the keyspace that this is the state of.
    epoch: Option<u64>,
}

/// Looks after the code of a library while it is loaded.
struct Loading<'a> {
    server: &'a Server,
    started_us: u64,
}

impl Supervisor for Loading<'_> {
    fn interrupt(&mut self) -> Interrupt {
        let now_us = self.server.clock.mono_us();
        if now_us.saturating_sub(self.started_us) > LOAD_US_MAX {
            return Interrupt::Kill("FUNCTION LOAD timeout");
        }
        Interrupt::Continue
    }

    fn log(&mut self, level: LogLevel, text: Vec<u8>) {
        super::script_run::log(level, &text);
    }
}

impl Libraries {
    /// The libraries in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &Library> {
        self.by_name.values()
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// How many functions all libraries have, those whose names differ only in case among them.
    pub fn functions(&self) -> usize {
        let functions = self.by_name.values().map(|library| library.functions.len());
        functions.sum()
    }

    pub fn knows(&self, name: &[u8]) -> bool {
        self.by_name.contains_key(name)
    }

    /// The function with this name, in any case, and its machine.
    pub fn find(&mut self, name: &[u8]) -> Option<(&mut Vm, &Function)> {
        let (library, at) = self.functions.get(&name.to_ascii_lowercase())?;
        let function = self.by_name.get(library)?.functions.get(*at)?;
        Some((self.vm.as_mut()?, function))
    }

    /// What a function declares.
    pub fn flags(&self, name: &[u8]) -> Option<Flags> {
        let (library, at) = self.functions.get(&name.to_ascii_lowercase())?;
        Some(self.by_name.get(library)?.functions.get(*at)?.flags)
    }

    /// Makes this the state of the keyspace.
    pub fn follow(
        &mut self,
        keyspace: &mut Keyspace,
        server: &Server,
    ) -> Result<(), storage::Error> {
        let epoch = keyspace.libraries_epoch();
        if self.epoch == Some(epoch) {
            return Ok(());
        }
        let stored: BTreeMap<_, _> = keyspace.libraries()?.into_iter().collect();
        let is_stale = |library: &&Library| stored.get(&library.name) != Some(&library.code);
        let stale: Vec<Vec<u8>> = self
            .all()
            .filter(is_stale)
            .map(|it| it.name.clone())
            .collect();
        for name in stale {
            self.drop_library(&name);
        }
        for (name, code) in stored {
            if self.knows(&name) {
                continue;
            }
            match self.compile(&code, server) {
                Ok(library) => self.insert(library),
                Err(why) => tracing::warn!(
                    "library {} of the file cannot be loaded: {}",
                    String::from_utf8_lossy(&name),
                    String::from_utf8_lossy(&why)
                ),
            }
        }
        self.settle(epoch, &server.scripting.figures);
        Ok(())
    }

    /// Compiles a library, which is not among the others yet. The error is a text without a code.
    fn compile(&mut self, code: &[u8], server: &Server) -> Result<Library, Vec<u8>> {
        self.compile_declared(declared(code)?, code, server)
    }

    /// Compiles a library whose first line was read. No other may have its name unless it is replaced.
    pub fn compile_declared(
        &mut self,
        parsed: shebang::Library<'_>,
        code: &[u8],
        server: &Server,
    ) -> Result<Library, Vec<u8>> {
        let mut supervisor = Loading {
            server,
            started_us: server.clock.mono_us(),
        };
        let vm = self
            .vm
            .get_or_insert_with(|| Vm::new(Purpose::Functions, VERSION));
        vm.limit_memory(server.scripting.memory_bytes_max());
        let registered = match vm.load_library(parsed.code, &mut supervisor) {
            Ok(registered) => registered,
            Err(Fault::Message(text)) => return Err(text),
            Err(Fault::Aborted) => return Err(b"the library was not loaded".to_vec()),
        };
        if registered.is_empty() {
            return Err(b"No functions registered".to_vec());
        }
        Ok(Library {
            name: parsed.name,
            code: code.to_vec(),
            functions: registered.into_iter().map(Function::from).collect(),
        })
    }

    /// Compiles libraries that are to be added together, each before the next is asked for, and finds what is against them:
    /// nothing is kept then. The error is a text without a code.
    pub fn compile_all<C: AsRef<[u8]>>(
        &mut self,
        codes: impl IntoIterator<Item = Result<C, &'static str>>,
        policy: Policy,
        server: &Server,
    ) -> Result<Vec<Library>, Vec<u8>> {
        let mut fresh = Vec::new();
        let added = codes.into_iter().try_for_each(|code| {
            let library = self.compile_among(&fresh, code?.as_ref(), server)?;
            let taken = taken_among(&fresh, &library);
            fresh.push(library);
            taken.map_or(Ok(()), Err)
        });
        let objection = added.err().or_else(|| self.objection(&fresh, policy));
        match objection {
            None => Ok(fresh),
            Some(text) => {
                self.discard_all(fresh);
                Err(text)
            }
        }
    }

    /// Compiles a library that is to be added together with others.
    fn compile_among(
        &mut self,
        others: &[Library],
        code: &[u8],
        server: &Server,
    ) -> Result<Library, Vec<u8>> {
        let parsed = declared(code)?;
        if others.iter().any(|other| other.name == parsed.name) {
            return Err(library_is_there(&parsed.name));
        }
        self.compile_declared(parsed, code, server)
    }

    /// What is said against adding libraries to those that are there.
    fn objection(&self, fresh: &[Library], policy: Policy) -> Option<Vec<u8>> {
        if policy == Policy::Flush {
            return None;
        }
        let same = fresh.iter().find(|library| self.knows(&library.name));
        if policy == Policy::Append
            && let Some(library) = same
        {
            return Some([b"Library ".as_slice(), &library.name, b" already exists"].concat());
        }
        let is_replaced = |name: &[u8]| fresh.iter().any(|library| library.name == name);
        fresh
            .iter()
            .find_map(|library| self.clash(library, is_replaced))
    }

    /// What is said of a function that `library` has and another library, which is not replaced, has too.
    pub fn clash(&self, library: &Library, is_replaced: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
        let is_taken = |function: &&Function| {
            let place = self.functions.get(&function.name.to_ascii_lowercase());
            place.is_some_and(|(owner, _)| !is_replaced(owner))
        };
        let taken = library.functions.iter().find(is_taken);
        taken.map(|function| is_there(&function.name))
    }

    /// Forgets what was compiled and is not to be kept.
    pub fn discard(&mut self, library: Library) {
        if let Some(vm) = &mut self.vm {
            for function in library.functions {
                vm.forget(function.reference);
            }
        }
    }

    /// Forgets libraries that were compiled and are not to be kept.
    pub fn discard_all(&mut self, fresh: Vec<Library>) {
        for library in fresh {
            self.discard(library);
        }
    }

    /// Adds a library in the place of one of the same name. No other has a function with the name of one of its functions.
    pub fn insert(&mut self, library: Library) {
        self.drop_library(&library.name);
        for (at, function) in library.functions.iter().enumerate() {
            let place = (library.name.clone(), at);
            self.functions
                .insert(function.name.to_ascii_lowercase(), place);
        }
        self.bytes += library.bytes();
        self.by_name.insert(library.name.clone(), library);
    }

    /// Removes a library.
    pub fn drop_library(&mut self, name: &[u8]) {
        if let Some(library) = self.by_name.remove(name) {
            self.bytes -= library.bytes();
            for function in &library.functions {
                self.functions.remove(&function.name.to_ascii_lowercase());
            }
            self.discard(library);
        }
    }

    /// Removes all libraries, and what they have left in their machine.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// This is the state of the keyspace at this epoch. Lets INFO know.
    pub fn settle(&mut self, epoch: u64, figures: &Figures) {
        self.epoch = Some(epoch);
        let machine_bytes = self.vm.as_mut().map_or(0, Vm::memory_bytes);
        for (figure, value) in [
            (&figures.functions, self.functions() as u64),
            (&figures.libraries, self.len() as u64),
            (&figures.library_bytes, self.bytes as u64),
            (&figures.function_machine_bytes, machine_bytes),
        ] {
            figure.store(value, Ordering::Relaxed);
        }
    }
}

fn is_there(function: &[u8]) -> Vec<u8> {
    [b"Function ".as_slice(), function, b" already exists"].concat()
}

/// What is said of a library whose name another has.
pub fn library_is_there(name: &[u8]) -> Vec<u8> {
    [b"Library '".as_slice(), name, b"' already exists"].concat()
}

/// What the first line of a library says, if a library can be made of it. The error is a text without a code.
pub fn declared(code: &[u8]) -> Result<shebang::Library<'_>, Vec<u8>> {
    let parsed = parse_library(code)?;
    if !is_name(&parsed.name) {
        return Err(BAD_NAME.into());
    }
    if !parsed.engine.eq_ignore_ascii_case(ENGINE.as_bytes()) {
        return Err([b"Engine '".as_slice(), &parsed.engine, b"' not found"].concat());
    }
    Ok(parsed)
}

/// What is said of a function that `library` and one of the others have.
fn taken_among(others: &[Library], library: &Library) -> Option<Vec<u8>> {
    let is_taken = |function: &&Function| {
        let mut taken = others.iter().flat_map(|other| &other.functions);
        taken.any(|other| other.name.eq_ignore_ascii_case(&function.name))
    };
    let clash = library.functions.iter().find(is_taken);
    clash.map(|function| is_there(&function.name))
}

impl From<Registered> for Function {
    fn from(registered: Registered) -> Self {
        Self {
            name: registered.name,
            description: registered.description,
            flags: registered.flags,
            reference: registered.function,
        }
    }
}
