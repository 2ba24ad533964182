//! Scripts and their replies, as a Redis 7.4.1 server gave them.
//!
//! A script stands behind `>`, further lines of it behind `|`, and the reply, escaped, behind `=`. `@resp3` changes the protocol
//! of the connection.

use super::api::{Version, sha1_hex};
use super::host::{Called, Host, Interrupt, LogLevel, Supervisor};
use super::vm::{Ended, Purpose, Run, Vm};
use crate::resp::{ErrorReply, Proto, Reply};

/// A server that knows a handful of commands and one key.
#[derive(Default)]
struct Toy {
    value: Option<Vec<u8>>,
    errors: Vec<String>,
    lines: Vec<String>,
    looks: u32,
    /// What the script is told from this look on.
    verdict: Option<(u32, Interrupt)>,
}

impl Supervisor for Toy {
    fn interrupt(&mut self) -> Interrupt {
        self.looks += 1;
        match self.verdict {
            Some((from, verdict)) if self.looks >= from => verdict,
            _ => Interrupt::Continue,
        }
    }

    fn log(&mut self, level: LogLevel, text: Vec<u8>) {
        self.lines
            .push(format!("{level:?} {}", String::from_utf8_lossy(&text)));
    }
}

impl Host for Toy {
    fn call(&mut self, words: &[&[u8]], out: &mut Reply) -> Called {
        match words {
            [b"echo", word] => out.bulk(word),
            [b"set", _, value] => {
                self.value = Some(value.to_vec());
                out.ok();
            }
            [b"get", _] => match &self.value {
                Some(value) => out.bulk(value),
                None => out.null(),
            },
            [b"incr", _] => out.error(&ErrorReply::new(
                "ERR value is not an integer or out of range",
            )),
            [b"miss"] => return Called::Aborted,
            [b"subscribe", ..] => {
                return Called::Refused("This Redis command is not allowed from script".into());
            }
            [b"protocol", b"map"] => {
                out.map(2);
                for at in 0..2 {
                    out.int(at);
                    out.boolean(at == 1);
                }
            }
            [b"protocol", b"set"] => {
                out.set(2);
                out.int(1);
                out.bulk(b"b");
            }
            [b"protocol", b"double"] => out.double("3.25"),
            [b"protocol", b"bignum"] => out.big_number("123"),
            [b"protocol", b"verbatim"] => out.verbatim("txt", b"hello"),
            [b"protocol", b"null"] => out.null(),
            _ => return Called::Refused("Unknown Redis command called from script".into()),
        }
        Called::Answered
    }

    fn may_call(&mut self, words: &[&[u8]]) -> Option<bool> {
        (words[0] != b"nope").then_some(true)
    }

    fn count_error(&mut self, line: &[u8]) {
        self.errors.push(String::from_utf8_lossy(line).into_owned());
    }
}

struct Bench {
    vm: Vm,
    toy: Toy,
    proto: Proto,
}

impl Bench {
    fn new() -> Self {
        Self {
            vm: Vm::new(Purpose::Scripts, Version("7.4.1")),
            toy: Toy::default(),
            proto: Proto::Resp2,
        }
    }

    fn try_run(&mut self, script: &str) -> (Ended, String) {
        let mut out = Reply::new(self.proto);
        let ended = match self.vm.compile(script.as_bytes()) {
            Ok(function) => {
                let name = sha1_hex(script.as_bytes());
                let run = Run {
                    name: &name,
                    keys: &[b"k1", b"k2"],
                    arguments: &[b"a1"],
                };
                let ended = self.vm.run(&function, run, &mut self.toy, &mut out);
                self.vm.forget(function);
                ended
            }
            Err(message) => {
                out.error_bytes(
                    &[
                        b"ERR Error compiling script (new function): ".as_slice(),
                        &message,
                    ]
                    .concat(),
                );
                Ended::Replied
            }
        };
        (ended, out.bytes().escape_ascii().to_string())
    }

    fn run(&mut self, script: &str) -> String {
        let (ended, reply) = self.try_run(script);
        assert_eq!(ended, Ended::Replied);
        reply
    }
}

fn check(recorded: &str) {
    let mut bench = Bench::new();
    let (mut script, mut scripts) = (String::new(), 0);
    for line in recorded.lines() {
        let text = line.get(2..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'@') => bench.proto = Proto::Resp3,
            Some(b'>') => text.clone_into(&mut script),
            Some(b'|') => {
                script.push('\n');
                script.push_str(text);
            }
            Some(b'=') => {
                assert_eq!(bench.run(&script), text, "{script}");
                scripts += 1;
            }
            _ => {}
        }
    }
    assert!(scripts > 20, "the recording was read");
}

#[test]
fn values_are_converted_as_recorded() {
    check(include_str!("values.txt"));
}

#[test]
fn the_sandbox_holds_as_recorded() {
    check(include_str!("sandbox.txt"));
}

#[test]
fn json_is_as_recorded() {
    check(include_str!("json.txt"));
}

#[test]
fn messagepack_is_as_recorded() {
    check(include_str!("msgpack.txt"));
}

#[test]
fn structures_and_bits_are_as_recorded() {
    check(include_str!("structure.txt"));
}

#[test]
fn a_killed_script_cannot_go_on() {
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "repeat xpcall(function() while true do end end, function() while true do end end) until false",
        "while true do coroutine.wrap(function() pcall(function() while true do end end) end)() end",
        "return table.concat({string.gsub(string.rep('x', 1000), '.', function() while true do end end)})",
    ] {
        let mut bench = Bench::new();
        bench.toy.verdict = Some((
            2,
            Interrupt::Kill("Script killed by user with SCRIPT KILL..."),
        ));
        let reply = bench.run(script);
        assert!(
            reply.starts_with("-ERR Script killed by user with SCRIPT KILL...")
                || reply.contains("error in error handling")
                || reply.contains("Script killed"),
            "{reply}"
        );
        bench.toy.verdict = None;
        assert_eq!(
            bench.run("return 'still there'"),
            "$11\\r\\nstill there\\r\\n"
        );
    }
}

#[test]
fn a_script_without_bounds_ends_at_the_limit_of_its_memory() {
    const LIMIT: usize = 16 << 20;
    let mut bench = Bench::new();
    bench.vm.limit_memory(LIMIT);
    for script in [
        "local t = {} while true do t[#t + 1] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return string.rep('x', 2^26)",
        "return coroutine.wrap(function() local s = 'x' while true do s = s .. s end end)()",
        "local t = {} for i = 1, 100 do t[i] = string.rep('x' .. i, 2^18) end return #t",
    ] {
        let reply = bench.run(script);
        assert!(reply.contains("not enough memory"), "{script}: {reply}");
        assert!(reply.starts_with("-ERR "), "{script}: {reply}");
        // What it has left behind is in nobody's way.
        assert_eq!(bench.run("return #string.rep('x', 2^20)"), ":1048576\\r\\n");
        assert!(bench.vm.memory_bytes() <= LIMIT as u64, "{script}");
    }
    let caught = "local ok, why = pcall(string.rep, 'x', 2^26) return why";
    assert_eq!(bench.run(caught), "$17\\r\\nnot enough memory\\r\\n");
    bench.vm.limit_memory(0);
    assert_eq!(
        bench.run("return #string.rep('x', 2^25)"),
        ":33554432\\r\\n"
    );
}

#[test]
fn an_aborted_script_leaves_nothing() {
    for script in [
        "return redis.call('miss')",
        "return redis.pcall('miss')",
        "pcall(redis.call, 'miss') redis.call('set', 'k', 'after') return 1",
        "while true do pcall(redis.call, 'miss') end",
        "coroutine.resume(coroutine.create(function() redis.call('miss') end)) while true do end",
    ] {
        let mut bench = Bench::new();
        let (ended, _) = bench.try_run(script);
        assert_eq!(ended, Ended::Aborted, "{script}");
        assert_eq!(bench.toy.value, None, "{script}");
        assert_eq!(
            bench.run("return redis.call('echo', 'x')"),
            "$1\\r\\nx\\r\\n"
        );
    }
    let mut bench = Bench::new();
    bench.toy.verdict = Some((3, Interrupt::Abort));
    assert_eq!(bench.try_run("while true do end").0, Ended::Aborted);
}

#[test]
fn errors_are_counted_once() {
    let mut bench = Bench::new();
    bench.run("return redis.call('incr', 'k')");
    bench.run("return redis.pcall('incr', 'k')");
    bench.run("return redis.call('nosuch')");
    assert!(bench.toy.errors.is_empty(), "their commands were counted");
    bench.run("return redis.error_reply('MY own')");
    bench.run("return {1, {err = 'ERR two'}}");
    bench.run("error('three', 0)");
    assert_eq!(bench.toy.errors[..2], ["MY own", "ERR two"]);
    assert!(bench.toy.errors[2].starts_with("ERR three script: "));
    assert_eq!(bench.toy.errors.len(), 3);
}

#[test]
fn lines_of_the_log_have_levels() {
    let mut bench = Bench::new();
    bench.run("redis.log(redis.LOG_WARNING, 'one', 2, {}, 'three')");
    assert_eq!(bench.toy.lines, ["Warning one 2 three"]);
}

#[test]
fn random_draws_go_on_where_they_were() {
    let mut bench = Bench::new();
    let first = bench.run("return tostring(math.random())");
    let second = bench.run("return tostring(math.random())");
    assert_ne!(first, second);
    let mut other = Bench::new();
    assert_eq!(other.run("return tostring(math.random())"), first);
    let mut third = Bench::new();
    third.vm.set_random(other.vm.random());
    assert_eq!(third.run("return tostring(math.random())"), second);
}

#[test]
fn a_script_cannot_break_the_machine() {
    let mut bench = Bench::new();
    for script in [
        "return setmetatable({}, {__gc = 1})",
        "local p = newproxy(true) getmetatable(p).__gc = function() error('x') end p = nil collectgarbage() return 1",
        "local m = getmetatable(newproxy(true)) rawset(m, '__gc', error) collectgarbage() return 1",
        "return redis.call('echo', unpack({}, 1, 7900))",
        "return #{unpack({}, 1, 7990)}",
        "return cmsgpack.pack(unpack({1, 2, 3}, 1, 7990))",
        "return bit.bor(unpack({}, 1, 7995))",
        "setfenv(0, {}) return 1",
        "local t = {} t = setmetatable(t, {__index = t, __newindex = t}) return t.x",
        "return string.rep('x', 100000):find(string.rep('a?', 1000))",
        "return pcall(string.rep, 'x', 1e15)",
        "return cjson.encode(setmetatable({}, {__index = error}))",
        "for i = 1, 200 do pcall(loadstring, string.rep('(', i)) end return 1",
        "local function f() return f() + 1 end return f()",
        "local s = string.rep('[', 100000) return pcall(cjson.decode, s)",
        "local s = string.rep('\\145', 100000) return pcall(cmsgpack.unpack, s)",
        "local t = {} for i = 1, 20000 do t = {t} end return t",
        "local t = {} for i = 1, 20000 do t = {map = {a = t}} end return t",
        "coroutine.wrap(function() coroutine.yield(redis.call('echo', 'x')) end)() return 1",
        "return coroutine.yield(1)",
        "collectgarbage('collect') return redis.call('get', string.rep('k', 1000000))",
    ] {
        bench.run(script);
    }
    assert_eq!(
        bench.run("return {KEYS[2], ARGV[1], #KEYS}"),
        "*3\\r\\n$2\\r\\nk2\\r\\n$2\\r\\na1\\r\\n:2\\r\\n"
    );
}
