//! What cjson, cmsgpack and struct decode: no panic, bounded memory, and a script that goes on. What was decoded is encoded
//! and decoded once more.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use redkeep::resp::{Proto, Reply};
use redkeep::script::api::Version;
use redkeep::script::host::{Called, Host, Interrupt, LogLevel, Supervisor};
use redkeep::script::vm::{Ended, Purpose, Run, Vm};

/// How often the host is asked before a script has run for too long.
const LOOKS_MAX: u32 = 10_000;

const SCRIPTS: [&str; 4] = [
    "local ok, value = pcall(cjson.decode, ARGV[1])
     if ok then pcall(function() return cjson.decode(cjson.encode(value)) end) end
     return 'done'",
    "local ok, values = pcall(function() return {cmsgpack.unpack(ARGV[1])} end)
     if ok then pcall(function() return cmsgpack.unpack(cmsgpack.pack(unpack(values))) end) end
     return 'done'",
    "pcall(struct.unpack, ARGV[2], ARGV[1])
     pcall(struct.pack, ARGV[2], ARGV[1], 1, 2, 3)
     pcall(struct.size, ARGV[2])
     return 'done'",
    "pcall(function() return {cmsgpack.unpack_one(ARGV[1])} end)
     pcall(function() return {cmsgpack.unpack_limit(ARGV[1], 3)} end)
     return 'done'",
];

/// A server that refuses every command.
#[derive(Default)]
struct Nobody {
    looks: u32,
}

impl Supervisor for Nobody {
    fn interrupt(&mut self) -> Interrupt {
        self.looks += 1;
        assert!(self.looks < LOOKS_MAX, "decoding ends");
        Interrupt::Continue
    }

    fn log(&mut self, _: LogLevel, _: Vec<u8>) {}
}

impl Host for Nobody {
    fn call(&mut self, _: &[&[u8]], _: &mut Reply) -> Called {
        Called::Refused("there are no commands".into())
    }

    fn may_call(&mut self, _: &[&[u8]]) -> Option<bool> {
        None
    }

    fn count_error(&mut self, _: &[u8]) {}
}

thread_local! {
    static MACHINE: RefCell<Vm> = RefCell::new(Vm::new(Purpose::Scripts, Version("7.4.0")));
}

// Which script, bytes to decode, and a format.
fuzz_target!(|input: (u8, &[u8], &[u8])| {
    let (choice, bytes, format) = input;
    let script = SCRIPTS[usize::from(choice) % SCRIPTS.len()];
    MACHINE.with_borrow_mut(|vm| {
        let function = vm.compile(script.as_bytes()).expect("the scripts are right");
        let run = Run {
            name: "fuzz",
            keys: &[],
            arguments: &[bytes, format],
        };
        let mut reply = Reply::new(Proto::Resp2);
        let ended = vm.run(&function, run, &mut Nobody::default(), &mut reply);
        assert_eq!(ended, Ended::Replied);
        assert_eq!(reply.bytes(), b"$4\r\ndone\r\n");
        vm.forget(function);
    });
});
