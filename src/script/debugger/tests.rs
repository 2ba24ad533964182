//! What needs no script: how commands arrive, how replies are shown, what is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::request::{Arrived, integer, leading_integer, parse};
use super::{Console, Debugger, text};

/// A user who says nothing.
#[derive(Clone, Debug, Default)]
struct Silent {
    heard: Arc<Mutex<Vec<u8>>>,
    now_ms: Arc<AtomicU64>,
}

impl Console for Silent {
    fn read(&mut self) -> Option<Vec<u8>> {
        None
    }

    fn write(&mut self, bytes: Vec<u8>) {
        self.heard.lock().extend(bytes);
    }

    fn mono_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

#[test]
fn a_command_is_whole_or_a_part_wherever_it_is_cut() {
    let whole = b"*2\r\n$5\r\nprint\r\n$3\r\nfoo\r\n";
    for end in 0..whole.len() {
        assert_eq!(parse(&whole[..end]), Arrived::Part, "{end} bytes");
    }
    let words = vec![b"print".to_vec(), b"foo".to_vec()];
    assert_eq!(parse(whole), Arrived::Words(words.clone()));
    let with_more = [&b"noise"[..], whole, b"*1\r\n"].concat();
    assert_eq!(parse(&with_more), Arrived::Words(words));
}

#[test]
fn nonsense_is_no_command() {
    for input in [
        "step\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*1025\r\n",
        "*1\r\n:1\r\n",
        "*1\r\n$0\r\n\r\n",
        "*1\r\n$1025\r\n",
        "*1\r\n$1\r\nabc\r\n",
    ] {
        assert_eq!(parse(input.as_bytes()), Arrived::Nonsense, "{input:?}");
    }
}

#[test]
fn numbers_are_read_as_redis_reads_them() {
    for (text, lenient, strict) in [
        ("12", 12, Some(12)),
        ("-3", -3, Some(-3)),
        (" 7x", 7, None),
        ("+5", 5, None),
        ("-0", 0, None),
        ("007", 7, None),
        ("x", 0, None),
        ("99999999999", i32::MAX, Some(99_999_999_999)),
    ] {
        assert_eq!(leading_integer(text.as_bytes()), lenient, "{text:?}");
        assert_eq!(integer(text.as_bytes()), strict, "{text:?}");
    }
}

#[test]
fn replies_are_shown_as_people_read_them() {
    for (reply, expected) in [
        ("+OK\r\n", r#""+OK""#),
        ("-ERR no\r\n", r#""-ERR no""#),
        (":-5\r\n", "-5"),
        ("$3\r\na\"b\r\n", r#""a\"b""#),
        ("$-1\r\n", "NULL"),
        ("*-1\r\n", "NULL"),
        ("*2\r\n:1\r\n*1\r\n$1\r\nx\r\n", r#"[1,["x"]]"#),
        ("~2\r\n:1\r\n:2\r\n", "~(1,2)"),
        ("%1\r\n+a\r\n,1.5\r\n", r#"{"+a" => (double) 1.5}"#),
        ("*3\r\n_\r\n#t\r\n#f\r\n", "[(null),#true,#false]"),
        ("*2\r\n$100\r\nshort", r#"["short",]"#),
    ] {
        let mut out = Vec::new();
        text::reply(&mut out, reply.as_bytes());
        assert_eq!(String::from_utf8_lossy(&out), expected, "{reply:?}");
    }
}

#[test]
fn long_values_are_cut_and_that_is_said_once() {
    let user = Silent::default();
    let mut debugger = Debugger::new(Box::new(user.clone()), b"return 1\n\r\n", 5000);
    for byte in *b"ab" {
        debugger.say_value(vec![byte; 300]);
    }
    debugger.say("two\r\nlines");
    debugger.end();
    let expected = format!(
        "*5\r\n+{} ...\r\n+<hint> The above reply was trimmed. Use 'maxlen 0' to disable trimming.\r\n+{} ...\r\n\
         +two  lines\r\n+<endsession>\r\n",
        "a".repeat(256),
        "b".repeat(256)
    );
    assert_eq!(String::from_utf8_lossy(&user.heard.lock()), expected);
}

#[test]
fn a_script_that_goes_on_is_stopped_when_patience_ends() {
    let user = Silent::default();
    let mut debugger = Debugger::new(Box::new(user.clone()), b"a\nb\nc", 5000);
    debugger.line = 2;
    assert_eq!(debugger.reason(true), Some("step over"));
    assert_eq!(debugger.reason(true), None);
    user.now_ms.store(4999, Ordering::Relaxed);
    assert_eq!(debugger.reason(false), None);
    user.now_ms.store(5000, Ordering::Relaxed);
    assert_eq!(
        debugger.reason(true),
        None,
        "lines are no looks at the time"
    );
    assert_eq!(debugger.reason(false), Some(super::session::LATE));
    debugger.add_breakpoint(2);
    debugger.is_called = true;
    assert_eq!(debugger.reason(true), Some("redis.breakpoint() called"));
    assert_eq!(debugger.reason(true), Some("break point"));
}
