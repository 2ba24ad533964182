//! The scripts that the server knows, by their digests, and the machine they run in.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::scripting::{Figures, VERSION};
use super::stats::add;
use crate::script::Reference;
use crate::script::api::sha1_hex;
use crate::script::shebang::{Flags, parse_script};
use crate::script::vm::{Purpose, Vm};

/// Scripts known by EVAL alone beyond which the one that was not used for longest is forgotten. Those of SCRIPT LOAD stay.
const EVALUATED_MAX: usize = 500;
/// The length of a digest.
pub const DIGEST_LEN: usize = 40;
/// What a script takes besides its code and its digest, in bytes.
const ENTRY_BYTES: usize = size_of::<Known>() + DIGEST_LEN;

/// A script that is compiled.
#[derive(Debug)]
struct Known {
    function: Reference,
    flags: Option<Flags>,
    code_bytes: usize,
    /// When it was used last, if it may be forgotten.
    used: Option<u64>,
}

/// How a script came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Eval,
    ScriptLoad,
}

/// What is needed to run a script.
pub struct Found<'a> {
    pub vm: &'a mut Vm,
    pub function: &'a Reference,
    pub flags: Option<Flags>,
}

/// The scripts and their machine, which is made when it is first needed.
#[derive(Debug, Default)]
pub struct ScriptCache {
    vm: Option<Vm>,
    known: BTreeMap<String, Known>,
    /// Digests by time of use.
    by_use: BTreeMap<u64, String>,
    /// Counts uses.
    clock: u64,
    code_bytes: usize,
}

impl ScriptCache {
    /// Whether a script with this digest, in lower case, is known.
    pub fn knows(&self, digest: &str) -> bool {
        self.known.contains_key(digest)
    }

    /// What the script with this digest declares; None if it is not known.
    pub fn flags(&self, digest: &str) -> Option<Option<Flags>> {
        self.known.get(digest).map(|known| known.flags)
    }

    /// The script with this digest, in lower case. It is used now.
    pub fn find(&mut self, digest: &str) -> Option<Found<'_>> {
        let known = self.known.get_mut(digest)?;
        if let Some(used) = &mut known.used {
            self.clock += 1;
            self.by_use.remove(used);
            *used = self.clock;
            self.by_use.insert(self.clock, digest.to_owned());
        }
        Some(Found {
            vm: self.vm.as_mut()?,
            function: &known.function,
            flags: known.flags,
        })
    }

    /// Makes a script known and answers its digest. The error is a line of an error reply.
    pub fn learn(
        &mut self,
        code: &[u8],
        origin: Origin,
        figures: &Figures,
    ) -> Result<String, Vec<u8>> {
        let digest = sha1_hex(code);
        if self.knows(&digest) {
            return Ok(digest);
        }
        let fault = |text: &[u8]| [b"ERR ".as_slice(), text].concat();
        let script = parse_script(code).map_err(|text| fault(&text))?;
        let vm = self
            .vm
            .get_or_insert_with(|| Vm::new(Purpose::Scripts, VERSION));
        let function = vm.compile(script.code).map_err(|message| {
            fault(
                &[
                    b"Error compiling script (new function): ",
                    message.as_slice(),
                ]
                .concat(),
            )
        })?;
        if origin == Origin::Eval {
            self.make_room(figures);
        }
        self.clock += 1;
        let used = (origin == Origin::Eval).then_some(self.clock);
        if used.is_some() {
            self.by_use.insert(self.clock, digest.clone());
        }
        self.code_bytes += code.len();
        let known = Known {
            function,
            flags: script.flags,
            code_bytes: code.len(),
            used,
        };
        self.known.insert(digest.clone(), known);
        self.tell(figures);
        Ok(digest)
    }

    fn make_room(&mut self, figures: &Figures) {
        while self.by_use.len() >= EVALUATED_MAX
            && let Some((_, digest)) = self.by_use.pop_first()
        {
            let known = self.known.remove(&digest);
            if let Some((known, vm)) = known.zip(self.vm.as_mut()) {
                self.code_bytes -= known.code_bytes;
                vm.forget(known.function);
            }
            add(&figures.scripts_evicted, 1);
        }
    }

    /// Forgets all scripts, and whatever they have left in their machine.
    pub fn flush(&mut self, figures: &Figures) {
        let clock = self.clock;
        *self = Self {
            clock,
            ..Self::default()
        };
        self.tell(figures);
    }

    /// Lets INFO know.
    pub fn tell(&mut self, figures: &Figures) {
        let bytes = self.code_bytes + self.known.len() * ENTRY_BYTES;
        let machine_bytes = self.vm.as_mut().map_or(0, Vm::memory_bytes);
        for (figure, value) in [
            (&figures.scripts, self.known.len() as u64),
            (&figures.script_bytes, bytes as u64),
            (&figures.script_machine_bytes, machine_bytes),
        ] {
            figure.store(value, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(cache: &mut ScriptCache, figures: &Figures, n: usize, origin: Origin) -> String {
        let code = format!("return {n}");
        cache
            .learn(code.as_bytes(), origin, figures)
            .expect("a script")
    }

    #[test]
    fn scripts_of_eval_are_forgotten_in_the_order_of_their_use() {
        let (mut cache, figures) = (ScriptCache::default(), Figures::default());
        let loaded = learn(&mut cache, &figures, 0, Origin::ScriptLoad);
        let digests: Vec<String> = (1..=EVALUATED_MAX)
            .map(|n| learn(&mut cache, &figures, n, Origin::Eval))
            .collect();
        assert!(cache.find(&digests[0]).is_some(), "used again");
        let before = figures.script_bytes.load(Ordering::Relaxed);
        learn(&mut cache, &figures, EVALUATED_MAX + 1, Origin::Eval);
        assert!(cache.knows(&digests[0]) && cache.knows(&loaded));
        assert!(!cache.knows(&digests[1]), "not used for longest");
        assert_eq!(figures.scripts_evicted.load(Ordering::Relaxed), 1);
        let scripts = figures.scripts.load(Ordering::Relaxed);
        assert_eq!(scripts, EVALUATED_MAX as u64 + 1);
        // The script that went has two characters less than the one that came.
        assert_eq!(figures.script_bytes.load(Ordering::Relaxed), before + 2);
    }

    #[test]
    fn a_flush_forgets_everything() {
        let (mut cache, figures) = (ScriptCache::default(), Figures::default());
        let digest = learn(&mut cache, &figures, 1, Origin::ScriptLoad);
        assert!(figures.script_machine_bytes.load(Ordering::Relaxed) > 1000);
        cache.flush(&figures);
        assert!(!cache.knows(&digest) && cache.find(&digest).is_none());
        assert_eq!(figures.scripts.load(Ordering::Relaxed), 0);
        assert_eq!(figures.script_machine_bytes.load(Ordering::Relaxed), 0);
    }
}
